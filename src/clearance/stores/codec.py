"""The values that stores keep of an intent, and what they mean: JSON texts, names, numbers.

A store keeps the values that are named here, each wherever it likes. This file refuses to know:
tables, items, and the order of either's values.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, TypeAlias

from clearance.configuration.document import StoredSettings
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
from clearance.core.budget import Claim, Counter, Hold, HoldState
from clearance.core.canonical import Json
from clearance.core.credential import ApiKey
from clearance.core.decision import SettingsVersion
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.ledger import whole
from clearance.core.moment import from_text
from clearance.core.outcome import CallError, ErrorClass, Outcome, OutcomeStatus, Sent
from clearance.core.principal import EVERYTHING, EVERYWHERE, Role, Scope
from clearance.core.record import Attempt, Change, Executor, IntentRecord, IntentStatus
from clearance.flow.ports.due import Due
from clearance.flow.ports.stops import Stop, Tally

Kept: TypeAlias = Mapping[str, Any]
"""Values by name. A value that may be None may be absent as well."""


def record(kept: Kept) -> IntentRecord:
    """An intent's record from what a store keeps of it.

    `content` is what the agent wrote, `decided` the body of the ledger entry of the decision, and
    `parts` what stands beside that entry because it is too long. `hold`, `approval`, `attempt` and
    `outcome` are mappings of their own, or None. The other names are those of the record and its
    intent.
    """
    decided = whole(kept["decided"], kept.get("parts"))
    source, attempt = kept.get("approval_source"), kept.get("attempt")
    held = hold(kept.get("hold"))
    return IntentRecord(
        intent=_intent(kept),
        fingerprint=bytes(kept["fingerprint"]),
        salt=bytes(kept["salt"]),
        status=IntentStatus(kept["status"]),
        revision=kept["revision"],
        position=kept["position"],
        decision=replace(decisions.from_json(decided["decision"]), hold=held),
        binding=bindings.read(decided),
        approval_source=ApprovalSource(source) if source else None,
        created_at=kept["created_at"],
        changed_at=kept["changed_at"],
        approval=_approval(kept["action_intent_id"], kept.get("approval")),
        attempt=Attempt(**attempt) if attempt else None,
        outcome=_outcome(kept.get("outcome")),
        hold=held,
        executor=Executor(kept.get("executor") or Executor.SERVER),
        likeness=bytes(kept["likeness"]) if kept.get("likeness") else None,
    )


def _intent(kept: Kept) -> ActionIntent:
    written = json.loads(kept["content"])
    expires_at = written["expires_at"]
    return ActionIntent(
        tenant_id=kept["tenant_id"],
        account_id=kept["account_id"],
        action_intent_id=kept["action_intent_id"],
        action_type=kept["action_type"],
        parameters=written["parameters"],
        confidence_score=_number(written.get("confidence_score")),
        risk_level=RiskLevel[written["risk_level"]] if written.get("risk_level") else None,
        proposed_by=kept["proposed_by"],
        target=written["target"],
        why=tuple(written["why"]),
        expires_at=from_text(expires_at) if expires_at else None,
        trace_id=kept.get("trace_id"),
        supersedes=written["supersedes"],
        edited_by=written["edited_by"],
        content_kept=written.get("content_kept", True),
    )


def _number(written: Json) -> float | None:
    """A fraction, which canonical JSON may write as an integer."""
    return None if written is None else float(written)


def due(
    tenant_id: str, action_intent_id: str, action_type: str, approval_source: str | None
) -> Due:
    """An intent that is due."""
    source = ApprovalSource(approval_source) if approval_source else None
    return Due(tenant_id, action_intent_id, action_type, source)


def tally(account_id: str, action_type: str, proposed_by: str, status: str, count: int) -> Tally:
    """How many intents of these names are in a state."""
    return Tally(account_id, action_type, proposed_by, IntentStatus(status), count)


def stop(
    tenant_id: str, position: int, at: int, state: str, recorded: int | None, closed: int | None
) -> Stop:
    """A stop; `state` is JSON text."""
    return Stop(tenant_id, position, at, json.loads(state), recorded, closed)


def stop_state(state: Mapping[str, Json]) -> str:
    """The state of a stop, as JSON text."""
    return json.dumps(state, separators=(",", ":"))


def api_key(
    key_id: str,
    tenant_id: str,
    name: str,
    role: str,
    key_hash: bytes,
    created_at: int,
    revoked_at: int | None,
    scope: str | None = None,
) -> ApiKey:
    """A credential; `scope` as `scope_text` wrote it."""
    limits = scope_of(scope)
    return ApiKey(
        key_id, tenant_id, name, Role(role), bytes(key_hash), created_at, revoked_at, limits
    )


def scope_text(scope: Scope) -> str | None:
    """What a credential is limited to; None if it is not."""
    if scope == EVERYTHING:
        return None
    parts = {"accounts": scope.accounts, "action_types": scope.action_types}
    return json.dumps({name: sorted(part) for name, part in parts.items() if part is not None})


def scope_of(text: str | None) -> Scope:
    """The scope of its text."""
    parts = json.loads(text) if text else {}
    return Scope(**{name: frozenset(part) for name, part in parts.items()})


def stored_settings(tenant_id: str, rows: Iterable[tuple[Any, ...]]) -> StoredSettings:
    """A tenant's settings from rows of (tenant, version, document, salt): its own, if it has any,
    and the ones that hold everywhere.
    """
    stored = {
        name: (version, json.loads(document) if document else {}, salt and bytes(salt))
        for name, version, document, salt in rows
    }
    own, everywhere = stored.get(tenant_id, (0, {}, None)), stored[EVERYWHERE]
    version = SettingsVersion(own[0], everywhere[0])
    return StoredSettings(version, own[1], everywhere[1], own[2], everywhere[2])


def hold_values(hold: Hold) -> dict[str, Json]:
    """The claims of a hold, and its day; `claims` is the text of `[[bucket, amount, limit],
    ...]`, with the subject and the window of the counter behind them if a claim has one.
    """
    claims = [claim_values(claim) for claim in hold.claims]
    return {"day": hold.day, "state": hold.state.value, "claims": json.dumps(claims)}


def claim_values(claim: Claim) -> list[Json]:
    """A claim."""
    counter = [claim.counter.subject, claim.counter.window] if claim.counter else []
    return [claim.bucket, claim.amount, claim.limit, *counter]


def _claim(bucket: str, amount: int, limit: int | None, *counter: str) -> Claim:
    return Claim(bucket, amount, limit, Counter(*counter) if counter else None)


def hold(kept: Kept | None) -> Hold | None:
    """The hold that `hold_values` made values of."""
    if kept is None:
        return None
    claims = tuple(_claim(*claim) for claim in json.loads(kept["claims"]))
    return Hold(kept["day"], claims, HoldState(kept["state"]))


def approval_values(approval: Approval) -> dict[str, Json]:
    """An approval. Its intent gives it its name."""
    return {
        "number": approval.number,
        "state": approval.state.value,
        "digest": approval.digest,
        "opened_at": approval.opened_at,
        "expires_at": approval.expires_at,
        "differences": json.dumps(approval.differences),
        "ruling": _ruling_text(approval.decisive) if approval.decisive else None,
        "superseded_by": approval.superseded_by,
    }


def attempt_values(attempt: Attempt) -> dict[str, Json]:
    """An attempt."""
    return {
        "number": attempt.number,
        "worker": attempt.worker,
        "lease_until": attempt.lease_until,
        "idempotency_key": attempt.idempotency_key,
        "started_at": attempt.started_at,
    }


def outcome_values(change: Change) -> dict[str, Json]:
    """The outcome of a step, with the source of the approval that it was reached under."""
    outcome, source = change.outcome, change.approval_source
    if outcome is None or source is None:
        sentence = "an outcome needs an approval"
        raise ValueError(sentence)
    return {
        "status": outcome.status.value,
        "sentence": outcome.sentence,
        "result": json.dumps(outcome.result, allow_nan=False),
        "result_bytes": outcome.result_bytes,
        "result_truncated": outcome.result_truncated,
        "error": json.dumps(asdict(outcome.error)) if outcome.error else None,
        "approval_source": source.value,
        "auto_executed": source is ApprovalSource.POLICY,
    }


def _approval(action_intent_id: str, kept: Kept | None) -> Approval | None:
    if kept is None:
        return None
    ruling = kept.get("ruling")
    return Approval(
        approval_id=approval_id(action_intent_id, kept["number"]),
        number=kept["number"],
        state=ApprovalState(kept["state"]),
        digest=kept["digest"],
        opened_at=kept["opened_at"],
        expires_at=kept["expires_at"],
        differences=tuple(json.loads(kept["differences"])),
        rulings=(_ruling(json.loads(ruling)),) if ruling else (),
        superseded_by=kept.get("superseded_by"),
    )


def _ruling(value: dict[str, Json]) -> Ruling:
    return Ruling(
        RulingKind(value["kind"]),
        value["ruled_by"],
        value["reason"],
        value["ruled_at"],
        erased=value.get("erased", False),
    )


def _ruling_text(ruling: Ruling) -> str:
    values = asdict(ruling)
    if not ruling.erased:
        del values["erased"]
    return json.dumps(values)


def ruling_without_reason(ruling: str) -> str:
    """The text of a ruling after its reason was erased."""
    return _ruling_text(_ruling(json.loads(ruling)).without_reason())


def _outcome(kept: Kept | None) -> Outcome | None:
    if kept is None:
        return None
    error = kept.get("error")
    return Outcome(
        status=OutcomeStatus(kept["status"]),
        sentence=kept["sentence"],
        result=json.loads(kept["result"]),
        result_bytes=kept["result_bytes"],
        result_truncated=bool(kept["result_truncated"]),
        error=_error(json.loads(error)) if error else None,
    )


def _error(value: dict[str, Json]) -> CallError:
    return CallError(
        error_class=ErrorClass(value["error_class"]),
        sentence=value["sentence"],
        sent=Sent(value["sent"]),
        code=value["code"],
        retry_after_ms=value["retry_after_ms"],
        retry_at=value.get("retry_at"),
    )
