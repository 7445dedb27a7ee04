"""The model's store: what a store must keep and refuse, on values that can be compared; and its
settings by version.

It stands for SQLite and PostgreSQL: `test_store_agrees.py` walks the model's paths through a real
store and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from clearance.configuration.document import StoredSettings
from clearance.core.budget import HoldState, spent_claim
from clearance.core.decision import SettingsVersion
from clearance.core.ledger import Entry
from clearance.core.outcome import OutcomeStatus
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus, admitted
from clearance.flow.ports.due import Due
from clearance.flow.ports.transitions import (
    Admitted,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    RecordMoved,
    SettingsMoved,
)
from tests.model.support.driving import Answer, Ask
from tests.support.sample import NOON, TENANT

_SALT = bytes(16)
_ENTRIES = ("due", ())
"""The key of an answer with entries, many or none: no step is told apart by them."""


class Kept(NamedTuple):
    """What the store holds: per intent its record's number and when it is due; and what is used of
    the day's budget.
    """

    intents: tuple[tuple[str, int, int | None], ...] = ()
    used: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One transition that was committed."""

    before: IntentRecord | None
    made: Change | Admission
    after: IntentRecord


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
        outcome and (outcome.status, outcome.error and (outcome.error.code, outcome.error.sent)),
    )


class Keeper:
    """Answers what a store is asked.

    `fences`: whether it compares the revision, as every store must.
    """

    def __init__(
        self,
        documents: Mapping[str, Mapping[str, Any]],
        *,
        with_worker: bool = False,
        fences: bool = True,
        counts: bool = True,
        versions: bool = True,
    ) -> None:
        self.documents = documents
        self.records: list[IntentRecord] = []
        self._numbers: dict[Hashable, int] = {}
        self._with_worker, self._fences, self._counts, self._versions = (
            with_worker,
            fences,
            counts,
            versions,
        )
        self._verbs: Mapping[str, Callable[..., tuple[Answer, Kept, list[Step]]]] = {
            "admit": self._admit,
            "advance": self._advance,
            "intent": self._intent,
            "budget_used": lambda kept, _settings, *_: (
                Answer(("used", kept.used), dict(kept.used)),
                kept,
                [],
            ),
            "installation_salt": lambda kept, *_: (Answer(("salt",), _SALT), kept, []),
            # No scenario has two acts that are the same.
            "alike": lambda kept, *_: (self.answer([]), kept, []),
            "expired": self._expired,
            "approved": self._approved,
            "dead_leases": self._dead_leases,
            # The age of a first attempt is read from them, and counts only after a day.
            "entries_about": lambda kept, _settings, *_: (Answer(_ENTRIES, []), kept, []),
        }

    def number(self, record: IntentRecord) -> int:
        """The number of a record; records that no step can tell apart have the same."""
        key = key_of(record, with_worker=self._with_worker)
        number = self._numbers.setdefault(key, len(self.records))
        if number == len(self.records):
            self.records.append(record)
        return number

    def record(self, kept: Kept, action_intent_id: str) -> IntentRecord | None:
        """The record of an intent."""
        return next(
            (self.records[number] for name, number, _ in kept.intents if name == action_intent_id),
            None,
        )

    def ask(
        self, ask: Ask, kept: Kept, settings: tuple[str, ...]
    ) -> tuple[Answer, Kept, list[Step]]:
        """The answer, what is kept then, and the transitions.

        `settings` names the documents that held, by version.
        """
        version = SettingsVersion(len(settings), 0)
        if ask.verb == "settings_version":
            return Answer(("version", version), version), kept, []
        if ask.verb == "settings":
            document = self.documents[settings[-1]]
            return (
                Answer(("settings", version, settings[-1]), StoredSettings(version, document, {})),
                kept,
                [],
            )
        return self._verbs[ask.verb](kept, settings, *ask.arguments, **dict(ask.named))

    def answer(self, value: Any) -> Answer:
        """What a store returned, as an answer that can be compared with others."""
        match value:
            case IntentRecord():
                return Answer(("intent", self.number(value)), value)
            case Admitted(record) | AlreadyAdmitted(record):
                return Answer((type(value).__name__, self.number(record)), value)
            case Applied(record, admitted):
                numbers = self.number(record), admitted and self.number(admitted)
                return Answer(("Applied", numbers), value)
            case BudgetSpent(used):
                return Answer(("BudgetSpent", tuple(sorted(used.items()))), value)
            case [Entry(), *_]:
                return Answer(_ENTRIES, value)
            case list():
                return Answer(("due", tuple(value)), value)
            case SettingsMoved() | RecordMoved() | None:
                return Answer((type(value).__name__,), value)
            case _:
                raise TypeError(value)

    def _intent(
        self, kept: Kept, _settings: object, _tenant: str, name: str
    ) -> tuple[Answer, Kept, list[Step]]:
        return self.answer(self.record(kept, name)), kept, []

    def _admit(
        self, kept: Kept, settings: tuple[str, ...], admission: Admission
    ) -> tuple[Answer, Kept, list[Step]]:
        intent, hold = admission.intent, admission.decision.hold
        if known := self.record(kept, intent.action_intent_id):
            return self.answer(AlreadyAdmitted(known)), kept, []
        if self._versions and admission.decision.settings_version.tenant != len(settings):
            return self.answer(SettingsMoved()), kept, []
        used = dict(kept.used)
        if hold is not None:
            if self._counts and spent_claim(hold, used) is not None:
                return self.answer(BudgetSpent(used)), kept, []
            for claim in hold.claims:
                used[claim.bucket] = used.get(claim.bucket, 0) + claim.amount
        record = _bare(admitted(admission, position=1))
        named = (intent.action_intent_id, self.number(record), admission.due_at)
        kept = Kept((*kept.intents, named), tuple(sorted(used.items())))
        return self.answer(Admitted(record)), kept, [Step(None, admission, record)]

    def _advance(
        self, kept: Kept, settings: tuple[str, ...], change: Change
    ) -> tuple[Answer, Kept, list[Step]]:
        before = self.record(kept, change.action_intent_id)
        if before is None or (self._fences and before.revision != change.revision):
            return self.answer(RecordMoved()), kept, []
        version = change.settings_version
        if self._versions and version is not None and version.tenant != len(settings):
            return self.answer(SettingsMoved()), kept, []
        steps: list[Step] = []
        if change.superseded_by is not None:
            answer, kept, steps = self._admit(kept, settings, change.superseded_by)
            if not steps:
                return answer, kept, []
        after = _bare(applied(before, change))
        used = dict(kept.used)
        if (
            change.hold is HoldState.RELEASED
            and before.hold is not None
            and before.hold.state.counts
        ):
            for claim in before.hold.claims:
                used[claim.bucket] -= claim.amount
        due = change.due_at
        intents = tuple(
            (name, self.number(after), due)
            if name == change.action_intent_id
            else (name, number, due_at)
            for name, number, due_at in kept.intents
        )
        kept = Kept(intents, tuple(sorted(used.items())))
        admitted = steps[0].after if steps else None
        return self.answer(Applied(after, admitted)), kept, [*steps, Step(before, change, after)]

    def _expired(
        self, kept: Kept, _settings: object, now: int, _limit: int
    ) -> tuple[Answer, Kept, list[Step]]:
        found = [name for name, _, due_at in kept.intents if due_at is not None and due_at <= now]
        return self._due(kept, found)

    def _approved(
        self, kept: Kept, _settings: object, *_: object
    ) -> tuple[Answer, Kept, list[Step]]:
        found = [
            name for name, no, _ in kept.intents if self.records[no].status is IntentStatus.APPROVED
        ]
        return self._due(kept, found)

    def _dead_leases(
        self,
        kept: Kept,
        _settings: object,
        now: int,
        _limit: int,
        _after: object,
        *,
        living_worker: str | None,
    ) -> tuple[Answer, Kept, list[Step]]:
        found = []
        for name, number, _ in kept.intents:
            record = self.records[number]
            if record.status is IntentStatus.RUNNING and record.attempt is not None:
                others = living_worker is not None and record.attempt.worker != living_worker
                if record.attempt.lease_until <= now or others:
                    found.append(name)
        return self._due(kept, found)

    def _due(self, kept: Kept, names: list[str]) -> tuple[Answer, Kept, list[Step]]:
        records = [self.record(kept, name) for name in names]
        due = [
            Due(
                TENANT,
                record.intent.action_intent_id,
                record.intent.action_type,
                record.approval_source,
            )
            for record in records
            if record is not None
        ]
        return self.answer(due), kept, []


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


def _bare(record: IntentRecord) -> IntentRecord:
    """The record without the times that no step reads, so that no answer differs by them. How old
    an attempt is counts only after a day, which no order of steps here takes.
    """
    approval, attempt = record.approval, record.attempt
    if approval is not None:
        rulings = tuple(replace(ruling, ruled_at=0) for ruling in approval.rulings)
        approval = replace(approval, opened_at=0, rulings=rulings)
    if attempt is not None:
        attempt = replace(attempt, started_at=NOON)
    return replace(record, created_at=0, changed_at=0, approval=approval, attempt=attempt)
