"""Records as the model compares and keeps them: what tells two apart, and what a change makes of
one.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from clearance.core.outcome import OutcomeStatus
from clearance.core.record import Change, IntentRecord


def key_of(record: IntentRecord, *, with_worker: bool = False) -> Hashable:
    """All of a record that any step reads.

    Left out: words, findings, and the times that are only shown.
    """
    approval, attempt, hold, outcome = record.approval, record.attempt, record.hold, record.outcome
    ruling = approval.decisive if approval else None
    return (
        (
            record.intent.action_intent_id,
            record.fingerprint,
            record.status,
            record.revision,
            record.approval_source,
        ),
        (record.decision.answer, record.decision.reason, record.decision.settings_version),
        record.binding and record.binding.digest,
        approval
        and (
            approval.number,
            approval.state,
            approval.digest,
            approval.expires_at,
            approval.superseded_by,
        ),
        ruling and (ruling.kind, ruling.ruled_by),
        attempt
        and (
            attempt.number,
            attempt.lease_until,
            attempt.idempotency_key,
            with_worker and attempt.worker,
        ),
        hold and (hold.day, hold.state, hold.claims),
        record.likeness,
        outcome and (outcome.status, outcome.error and (outcome.error.code, outcome.error.sent)),
    )


def applied(record: IntentRecord, change: Change) -> IntentRecord:
    """The record after a change, as the tables of a store keep it."""
    hold = replace(record.hold, state=change.hold) if record.hold and change.hold else record.hold
    outcome = change.outcome
    if outcome is not None and record.outcome is not None:
        unknown = record.outcome.status is OutcomeStatus.UNKNOWN
        outcome = (
            replace(record.outcome, status=outcome.status, sentence=outcome.sentence)
            if unknown
            else None
        )
    decided = change.decision is not None
    return replace(
        record,
        status=change.status,
        revision=record.revision + 1,
        position=record.position + 1,
        approval_source=change.approval_source,
        decision=replace(change.decision or record.decision, hold=hold),
        binding=change.binding if decided else record.binding,
        approval=change.approval or record.approval,
        attempt=change.attempt or record.attempt,
        outcome=outcome or record.outcome,
        hold=hold,
    )


def bare(record: IntentRecord) -> IntentRecord:
    """The record without the times that no step reads, so that no answer differs by them. How old
    an attempt is counts only after a day, which no order of steps here takes.
    """
    approval, attempt = record.approval, record.attempt
    if approval is not None:
        rulings = tuple(replace(ruling, ruled_at=0) for ruling in approval.rulings)
        approval = replace(approval, opened_at=0, rulings=rulings)
    if attempt is not None:
        attempt = replace(attempt, started_at=attempt.lease_until)
    return replace(record, created_at=0, changed_at=0, approval=approval, attempt=attempt)
