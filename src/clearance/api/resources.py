"""Resources: the core's values as the wire shows them.

Pure translation; it decides and reads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clearance.api import wire
from clearance.core.approval import edit_approves
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.decision import catalog_inputs, effect_of, to_json
from clearance.core.limits import as_json
from clearance.core.moment import as_text
from clearance.core.record import IntentRecord, IntentStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from clearance.core.agents_view import ShownEntry
    from clearance.core.approval import Approval
    from clearance.core.budget import Hold
    from clearance.core.narrative import Explanation, ShownCall
    from clearance.core.outcome import Outcome
    from clearance.core.principal import Principal
    from clearance.core.record import Attempt
    from clearance.flow.requests import Erased, NarratedIntent, Ruled


def intent(narrated: NarratedIntent) -> wire.Intent:
    """The intent resource."""
    return wire.Intent(**_intent_fields(narrated))


def ruled_intent(ruled: Ruled) -> wire.RuledIntent:
    """The intent after a ruling, with the one that an edit proposed."""
    new = intent(ruled.admitted) if ruled.admitted else None
    return wire.RuledIntent(**_intent_fields(ruled), new_intent=new)


def erased_intent(erased: Erased) -> wire.ErasedIntent:
    """The intent after an erasure, and what went."""
    return wire.ErasedIntent(
        **_intent_fields(erased),
        reasons_erased=[
            wire.ErasedReason(position=position, text=text) for position, text in erased.reasons
        ],
        reasons_in_clear=list(erased.in_clear),
    )


def _intent_fields(narrated: NarratedIntent) -> dict[str, Any]:
    record = narrated.record
    action_intent = record.intent
    source = record.approval_source
    return {
        **to_json(record.decision),
        "action_intent_id": action_intent.action_intent_id,
        "tenant_id": action_intent.tenant_id,
        "account_id": action_intent.account_id,
        "action_type": action_intent.action_type,
        "action_label": narrated.label,
        "status": record.status.value,
        "sentence": narrated.sentence,
        "approval_source": source.value if source else None,
        "auto_executed": record.auto_executed,
        "executor": record.executor.value,
        "proposed_by": action_intent.proposed_by,
        **_called(record, narrated.call),
        "target": action_intent.target,
        "confidence_score": action_intent.confidence_score,
        "risk_level": action_intent.risk_stated,
        "why": list(action_intent.why),
        "expires_at": _moment(action_intent.expires_at),
        "trace_id": action_intent.trace_id,
        "supersedes": action_intent.supersedes,
        "edited_by": action_intent.edited_by,
        "superseded_by": record.approval.superseded_by if record.approval else None,
        "digest": record.binding.digest if record.binding else None,
        "created_at": as_text(record.created_at),
        "changed_at": as_text(record.changed_at),
        "approval": _approval(record.approval) if record.approval else None,
        "attempt": _attempt(record.attempt) if record.attempt else None,
        "outcome": _outcome(record, record.outcome) if record.outcome else None,
        "budget": _budget_hold(record.hold) if record.hold else None,
        "content_kept": action_intent.content_kept,
        "alike": _alike(narrated),
    }


def _alike(narrated: NarratedIntent) -> list[wire.SameActResource]:
    return [
        wire.SameActResource(
            action_intent_id=act.action_intent_id,
            status=act.status.value,
            at=as_text(act.at),
            sentence=act.sentence,
        )
        for act in narrated.alike
    ]


def _called(record: IntentRecord, call: ShownCall | None) -> dict[str, Any]:
    """What the agent proposed, and what the tool gets."""
    return {
        "parameters": dict(record.intent.parameters),
        "arguments": dict(call.arguments) if call else None,
        "arguments_set_by": {name: by.value for name, by in call.set_by.items()} if call else {},
        "amounts": dict(call.amounts) if call else {},
    }


def _moment(at: int | None) -> str | None:
    return None if at is None else as_text(at)


def _approval(approval: Approval) -> wire.ApprovalResource:
    ruling = approval.decisive
    return wire.ApprovalResource(
        approval_id=approval.approval_id,
        state=approval.state.value,
        number=approval.number,
        digest=approval.digest,
        opened_at=as_text(approval.opened_at),
        expires_at=as_text(approval.expires_at),
        differences=list(approval.differences),
        ruling=wire.RulingResource(
            ruling=ruling.kind.value,
            ruled_by=ruling.ruled_by,
            reason=ruling.reason,
            erased=ruling.erased,
            ruled_at=as_text(ruling.ruled_at),
        )
        if ruling
        else None,
        superseded_by=approval.superseded_by,
    )


def _attempt(attempt: Attempt) -> wire.AttemptResource:
    return wire.AttemptResource(
        number=attempt.number,
        worker=attempt.worker,
        started_at=as_text(attempt.started_at),
        lease_until=as_text(attempt.lease_until),
        idempotency_key=attempt.idempotency_key,
    )


def _outcome(record: IntentRecord, outcome: Outcome) -> wire.OutcomeResource:
    error = outcome.error
    return wire.OutcomeResource(
        status=outcome.status.value,
        sentence=outcome.sentence,
        auto_executed=record.auto_executed,
        approval_source=record.approval_source.value if record.approval_source else None,
        result=outcome.result,
        result_bytes=outcome.result_bytes,
        result_truncated=outcome.result_truncated,
        error=wire.OutcomeError(
            **{"class": error.error_class.value},
            code=error.code,
            sentence=error.sentence,
            sent=error.sent.value,
            retry_at=None if error.retry_at is None else as_text(error.retry_at),
        )
        if error
        else None,
    )


def _budget_hold(hold: Hold) -> wire.BudgetHold:
    own: list[wire.BudgetClaim] = []
    counted: list[wire.CounterClaim] = []
    for claim in hold.claims:
        facts: dict[str, Any] = {
            "bucket": claim.bucket,
            "amount": claim.amount,
            "limit": claim.limit,
        }
        if claim.counter is None:
            own.append(wire.BudgetClaim(**facts))
        else:
            counted.append(wire.CounterClaim(**facts, **as_json(claim.counter)))
    return wire.BudgetHold(day=hold.day, state=hold.state.value, claims=own, counted=counted)


def explanation(explained: Explanation, history: Sequence[ShownEntry]) -> wire.ExplanationResource:
    """Why, what it knew, and what would change it."""
    record = explained.record
    return wire.ExplanationResource(
        **to_json(record.decision),
        **_called(record, explained.call),
        action_intent_id=record.intent.action_intent_id,
        sentence=explained.sentence,
        current=explained.current,
        nearest_changes=[
            wire.NearestChangeResource(sentence=change.sentence, decision=change.answer.value)
            for change in explained.nearest_changes
        ],
        knew=wire.Knew(
            confidence_bp=record.intent.confidence_bp,
            confidence_stated=record.intent.confidence_stated,
            risk_level=_effective_risk(record),
            inputs={finding.check: dict(finding.inputs) for finding in record.decision.findings},
        ),
        history=[entry(item) for item in history],
    )


def _effective_risk(record: IntentRecord) -> Json:
    return catalog_inputs(record.decision).get("risk_level", record.intent.risk_stated)


def timeline_item(narrated: NarratedIntent, action: Action | None) -> wire.TimelineItem:
    """One line of the timeline."""
    record = narrated.record
    ruling = record.approval.decisive if record.approval else None
    source = record.approval_source
    return wire.TimelineItem(
        position=record.position,
        at=as_text(record.changed_at),
        action_intent_id=record.intent.action_intent_id,
        account_id=record.intent.account_id,
        action_type=record.intent.action_type,
        action_label=narrated.label,
        proposed_by=record.intent.proposed_by,
        effect=effect_of(record.decision),
        sentence=narrated.sentence,
        status=record.status.value,
        decision=record.decision.answer.value,
        reason=record.decision.reason,
        auto_executed=record.auto_executed,
        approval_source=source.value if source else None,
        approved_by=ruling.ruled_by if ruling and source and not record.auto_executed else None,
        outcome_status=record.outcome.status.value if record.outcome else None,
        undoable=record.status is IntentStatus.SUCCEEDED
        and action is not None
        and action.undo is not None,
    )


def approval_item(
    narrated: NarratedIntent, approval: Approval, action: Action | None, reader: Principal
) -> wire.ApprovalItem:
    """One card of the inbox, for its reader."""
    record, action_intent = narrated.record, narrated.record.intent
    known = catalog_inputs(record.decision)
    return wire.ApprovalItem(
        approval_id=approval.approval_id,
        action_intent_id=action_intent.action_intent_id,
        account_id=action_intent.account_id,
        action_type=action_intent.action_type,
        action_label=narrated.label,
        sentence=narrated.sentence,
        **_called(record, narrated.call),
        target=action_intent.target,
        why=list(action_intent.why),
        risk_level=_effective_risk(record),
        confidence_score=action_intent.confidence_score,
        reason=record.decision.reason,
        explanation=record.decision.explanation,
        policy_clause=list(record.decision.policy_clause),
        digest=approval.digest,
        opened_at=as_text(approval.opened_at),
        expires_at=as_text(approval.expires_at),
        differences=list(approval.differences),
        proposed_by=action_intent.proposed_by,
        supersedes=action_intent.supersedes,
        edited_by=action_intent.edited_by,
        undo=action is not None and action.undo is not None,
        tool=known.get("tool"),
        effect=known.get("effect"),
        edit_approves=edit_approves(reader, action),
        likeness=record.likeness.hex() if record.likeness else None,
        alike=_alike(narrated),
    )


def entry(shown: ShownEntry) -> wire.LedgerEntry:
    """What is shown of an entry, beside its place and the digest of its exact bytes."""
    return wire.LedgerEntry(
        **{**shown.fields, "position": shown.position, "entry_digest": shown.digest}
    )
