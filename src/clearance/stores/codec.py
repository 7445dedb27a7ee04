"""How an intent's record lies in SQL rows, and how it is read back: one SELECT, and the values of
each table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from clearance.core import binding as bindings
from clearance.core import decision as decisions
from clearance.core.approval import (
    Approval,
    ApprovalSource,
    ApprovalState,
    Ruling,
    RulingKind,
    approval_id,
)
from clearance.core.budget import Claim, Hold, HoldState
from clearance.core.canonical import Json
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.moment import from_text
from clearance.core.outcome import CallError, ErrorClass, Outcome, OutcomeStatus, Sent
from clearance.core.record import Attempt, Change, IntentRecord, IntentStatus
from clearance.flow.ports.due import Due

RECORD = """SELECT t.tenant_id, a.account_id, i.action_intent_id, i.action_type, i.status,
    i.revision, i.position,
    i.approval_source, i.proposed_by, i.trace_id, i.salt, i.fingerprint, i.content, i.created_at,
    i.changed_at,
    d.body,
    h.day, h.state, h.claims,
    p.number, p.state, p.digest, p.opened_at, p.expires_at, p.differences, p.ruling,
    p.superseded_by,
    x.number, x.worker, x.lease_until, x.idempotency_key, x.started_at,
    o.status, o.sentence, o.result, o.result_bytes, o.result_truncated, o.error
    FROM intent i JOIN tenant t ON t.tenant_no = i.tenant_no
    JOIN account a ON a.account_no = i.account_no
    JOIN ledger d ON d.entry_id = (i.tenant_no << 40) + i.decision_position
    LEFT JOIN hold h ON h.intent_no = i.intent_no
    LEFT JOIN approval p ON p.intent_no = i.intent_no AND p.number = i.approval_number
    LEFT JOIN attempt x ON x.intent_no = i.intent_no AND x.number = i.attempt_number
    LEFT JOIN outcome o ON o.intent_no = i.intent_no"""


def record(row: tuple[Any, ...]) -> IntentRecord:
    """An intent's record from a row of `RECORD`."""
    (tenant_id, account_id, action_intent_id, action_type, status, revision, position) = row[:7]
    (source, proposed_by, trace_id, salt, fingerprint, content, created_at, changed_at, body) = row[
        7:16
    ]
    said = json.loads(content)
    decided = json.loads(body)
    intent = ActionIntent(
        tenant_id=tenant_id,
        account_id=account_id,
        action_intent_id=action_intent_id,
        action_type=action_type,
        parameters=said["parameters"],
        confidence_score=float(said["confidence_score"]),
        risk_level=RiskLevel[said["risk_level"]],
        proposed_by=proposed_by,
        target=said["target"],
        why=tuple(said["why"]),
        expires_at=from_text(said["expires_at"]) if said["expires_at"] else None,
        trace_id=trace_id,
        supersedes=said["supersedes"],
        edited_by=said["edited_by"],
    )
    hold = _hold(row[16:19])
    return IntentRecord(
        intent=intent,
        fingerprint=bytes(fingerprint),
        salt=bytes(salt),
        status=IntentStatus(status),
        revision=revision,
        position=position,
        decision=replace(decisions.from_json(decided["decision"]), hold=hold),
        binding=bindings.read(decided),
        approval_source=ApprovalSource(source) if source else None,
        created_at=created_at,
        changed_at=changed_at,
        approval=_approval(action_intent_id, row[19:27]),
        attempt=Attempt(*row[27:32]) if row[27] is not None else None,
        outcome=_outcome(row[32:38]),
        hold=hold,
    )


def due(row: tuple[Any, ...]) -> Due:
    """An intent that is due, from its ids, its action type and the source of its approval."""
    tenant_id, action_intent_id, action_type, source = row
    return Due(tenant_id, action_intent_id, action_type, ApprovalSource(source) if source else None)


def claims_value(hold: Hold) -> str:
    """What a hold takes, as JSON: `[[bucket, amount, limit], ...]`."""
    return json.dumps([[claim.bucket, claim.amount, claim.limit] for claim in hold.claims])


def approval_values(approval: Approval) -> tuple[Json, ...]:
    """The columns of an approval behind its intent's number."""
    ruling = json.dumps(asdict(approval.decisive)) if approval.decisive else None
    return (
        approval.number,
        approval.state.value,
        approval.digest,
        approval.opened_at,
        approval.expires_at,
        json.dumps(approval.differences),
        ruling,
        approval.superseded_by,
    )


def outcome_values(change: Change) -> tuple[Json, ...]:
    """The columns of an outcome behind its intent's number, with the source of the approval that it
    was reached under.
    """
    outcome, source = change.outcome, change.approval_source
    if outcome is None or source is None:
        sentence = "an outcome needs an approval"
        raise ValueError(sentence)
    return (
        outcome.status.value,
        outcome.sentence,
        json.dumps(outcome.result, allow_nan=False),
        outcome.result_bytes,
        outcome.result_truncated,
        json.dumps(asdict(outcome.error)) if outcome.error else None,
        source.value,
        source is ApprovalSource.POLICY,
    )


def _hold(row: tuple[Any, ...]) -> Hold | None:
    day, state, claims = row
    if day is None:
        return None
    return Hold(day, tuple(Claim(*claim) for claim in json.loads(claims)), HoldState(state))


def _approval(action_intent_id: str, row: tuple[Any, ...]) -> Approval | None:
    number, state, digest, opened_at, expires_at, differences, ruling, superseded_by = row
    if number is None:
        return None
    return Approval(
        approval_id=approval_id(action_intent_id, number),
        number=number,
        state=ApprovalState(state),
        digest=digest,
        opened_at=opened_at,
        expires_at=expires_at,
        differences=tuple(json.loads(differences)),
        rulings=(_ruling(json.loads(ruling)),) if ruling else (),
        superseded_by=superseded_by,
    )


def _ruling(value: dict[str, Json]) -> Ruling:
    return Ruling(RulingKind(value["kind"]), value["ruled_by"], value["reason"], value["ruled_at"])


def _outcome(row: tuple[Any, ...]) -> Outcome | None:
    status, sentence, result, result_bytes, result_truncated, error = row
    if status is None:
        return None
    return Outcome(
        status=OutcomeStatus(status),
        sentence=sentence,
        result=json.loads(result),
        result_bytes=result_bytes,
        result_truncated=bool(result_truncated),
        error=_error(json.loads(error)) if error else None,
    )


def _error(value: dict[str, Json]) -> CallError:
    return CallError(
        error_class=ErrorClass(value["error_class"]),
        sentence=value["sentence"],
        sent=Sent(value["sent"]),
        code=value["code"],
        retry_after_ms=value["retry_after_ms"],
    )
