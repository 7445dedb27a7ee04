"""Erasure: the words of people go, and what binds them stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clearance.core.errors import Conflict
from clearance.core.ledger import Entry, EntryKind, Reason
from clearance.core.outcome import Outcome
from clearance.core.principal import Permission, Principal
from clearance.core.record import Change, IntentRecord
from clearance.core.steps import due_at, next_entry, reconciled_by


def erase(
    record: IntentRecord, entries: Sequence[Entry], reason: Reason, *, by: Principal, now: int
) -> Change:
    """Erases every reason that stands beside the intent's entries, and where it was copied to. The
    entries keep the digests, and the intent stays as it is, whatever state it is in.

    Conflict (`NOTHING_TO_ERASE`) if there is none but those of earlier erasures, so that a repeat
    does nothing. Entries of format 1 have reasons of their own, which stay.
    """
    by.require(Permission.CONFIGURE, on=record.intent.subject)
    reasons = [(entry, text) for entry in entries for text in entry.texts if text.erasable]
    erases = tuple((entry.position, text.name) for entry, text in reasons)
    kinds = {entry.fields["kind"] for entry, _ in reasons}
    if kinds <= {EntryKind.CONTENT_ERASED.value}:
        name = record.intent.action_intent_id
        sentence = f"No reason that can be erased was written about the intent {name}."
        raise Conflict(sentence, code="NOTHING_TO_ERASE")
    entry = next_entry(
        record,
        EntryKind.CONTENT_ERASED,
        now,
        by,
        status=record.status.value,
        reason=reason,
        erases=[{"position": position, "text": name} for position, name in erases],
    )
    return Change(
        tenant_id=record.intent.tenant_id,
        action_intent_id=record.intent.action_intent_id,
        revision=record.revision,
        status=record.status,
        entry=entry,
        at=now,
        approval_source=record.approval_source,
        due_at=due_at(record.status, record.intent, record.approval),
        approval=record.approval.without_reasons() if record.approval else None,
        outcome=_without_reason(record.outcome, entries),
        erases=erases,
    )


def in_clear(entry: Entry) -> bool:
    """True for an entry of format 1 with a person's reason in it. Where people were asked again,
    `reason` is a code.
    """
    fields = entry.fields
    asks = fields["kind"] == EntryKind.APPROVAL_REQUESTED
    return fields["format"] == 1 and not asks and "reason" in fields


def _without_reason(outcome: Outcome | None, entries: Sequence[Entry]) -> Outcome | None:
    """The outcome without the reason of the person who settled it; None if there is none."""
    by = (
        entry.fields["actor"]["id"]
        for entry in entries
        if entry.fields["kind"] == EntryKind.OUTCOME_RECONCILED
    )
    person = next(by, None)
    if outcome is None or person is None:
        return None
    return replace(outcome, sentence=f"{reconciled_by(person)}; the reason was erased.")
