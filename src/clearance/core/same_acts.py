"""What else is the same: other intents about the same act, as the person who rules should know
them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clearance.core.approval import RulingKind
from clearance.core.moment import as_text
from clearance.core.narrative import AUTOPILOT, ruled_by
from clearance.core.record import IntentRecord, IntentStatus

SHOWN_MAX = 10  # of one act


@dataclass(frozen=True, slots=True)
class SameAct:
    """Another intent about the same act, its latest fact, and when that was (`at`, milliseconds
    since 1970). `words` say it without the moment; `reason` is that of the person who said no.
    """

    action_intent_id: str
    status: IntentStatus
    at: int
    words: str
    reason: str | None = None

    @property
    def sentence(self) -> str:
        """The fact and its moment."""
        ends = f": “{self.reason}”" if self.reason else "."
        return f"{self.words} at {as_text(self.at)}{ends}"


def same_acts(record: IntentRecord, others: Iterable[IntentRecord]) -> tuple[SameAct, ...]:
    """What is known of the same act beside a record: first what was rejected, then what was or may
    have been done, then what waits, each the latest first. What was withdrawn, blocked or never
    ruled on says nothing.
    """
    names = {record.intent.action_intent_id, record.intent.supersedes}
    shown = [
        _shown(other)
        for other in others
        if other.intent.action_intent_id not in names and other.status in _ORDER
    ]
    return tuple(sorted(shown, key=lambda act: (_ORDER[act.status], -act.at))[:SHOWN_MAX])


_ORDER = {
    IntentStatus.REJECTED: 0,
    IntentStatus.SUCCEEDED: 1,
    IntentStatus.UNKNOWN: 1,
    IntentStatus.RUNNING: 1,
    IntentStatus.APPROVED: 1,
    IntentStatus.FAILED: 2,
    IntentStatus.AWAITING_APPROVAL: 3,
}


def _shown(record: IntentRecord) -> SameAct:
    ruling = record.approval.decisive if record.approval else None
    no = ruling if record.status is IntentStatus.REJECTED else None
    return SameAct(
        record.intent.action_intent_id,
        record.status,
        record.changed_at,
        _words(record),
        no.reason if no else None,
    )


def _words(record: IntentRecord) -> str:
    ruling = record.approval.decisive if record.approval else None
    by = f"let run by {AUTOPILOT if record.auto_executed else ruled_by(record)}"
    match record.status:
        case IntentStatus.REJECTED:
            edited = ruling is not None and ruling.kind is RulingKind.EDIT
            return f"{ruled_by(record)} {'edited' if edited else 'rejected'} the same"
        case IntentStatus.SUCCEEDED:
            return f"The same was done, {by},"
        case IntentStatus.UNKNOWN:
            return f"The same may have been done, {by},"
        case IntentStatus.RUNNING | IntentStatus.APPROVED:
            return f"The same is under way, {by},"
        case IntentStatus.FAILED:
            return f"The same was tried, {by}, and failed"
        case _:
            return f"The same waits too: {record.intent.proposed_by} asked"
