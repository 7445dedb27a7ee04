"""The model's store: what a store must keep and refuse, on values that can be compared; and its
settings by version.

It stands for SQLite and PostgreSQL: `test_store_agrees.py` walks the model's paths through a real
store and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, cast

from clearance.configuration.document import StoredSettings
from clearance.core.budget import Claim, Counter, Hold, HoldState, spent_claim
from clearance.core.decision import SettingsVersion
from clearance.core.intent import ActionIntent
from clearance.core.ledger import Entry
from clearance.core.look import look
from clearance.core.moment import as_text
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus, admitted
from clearance.flow.ports.due import Due
from clearance.flow.ports.transitions import (
    AdmitAnswer,
    Admitted,
    AlreadyAdmitted,
    Applied,
    BudgetSpent,
    QuotaSpent,
    RecordMoved,
    RejectedBefore,
    SameCallWaits,
    SettingsMoved,
    TooManyWaiting,
)
from tests.model.support.driving import Answer, Ask
from tests.model.support.records import applied, bare, key_of
from tests.support.sample import TENANT


class KeptIntent(NamedTuple):
    """What the store holds of one intent: its record's number, when it is due, and what later
    admissions are compared with.
    """

    name: str
    number: int
    due_at: int | None
    same_call: bytes | None = None
    rejected_at: int | None = None


class Place(NamedTuple):
    """Where use is counted: a bucket of one subject in one window. An account's own budget has the
    account's name for its subject, and the hold's day for its window.
    """

    subject: str
    window: str
    bucket: str


class Kept(NamedTuple):
    """What the store holds: intents, what is used, the accounts that an admission made known, and
    the agents whose keys have ended.
    """

    intents: tuple[KeptIntent, ...] = ()
    used: tuple[tuple[Place, int], ...] = ()
    known: frozenset[str] = frozenset()
    ended: frozenset[str] = frozenset()

    def used_at(self, subject: str, window: str) -> dict[str, int]:
        """The use of one subject in one window, by bucket."""
        return {
            place.bucket: count
            for place, count in self.used
            if count and (place.subject, place.window) == (subject, window)
        }


@dataclass(frozen=True, slots=True)
class Step:
    """One transition that was committed."""

    before: IntentRecord | None
    made: Change | Admission
    after: IntentRecord


class Guard(StrEnum):
    """What a store must look at or do, each of which a broken one can leave out."""

    REVISION = "compares the revision"
    SETTINGS = "compares the version of the settings"
    BUDGET = "asks the account's budget"
    LIMITS = "asks the counters of limits"
    WHOLE = "takes all claims or none"
    WINDOW = "gives a claim back to the window that it was taken from"
    FOR_GOOD = "keeps what is taken for good"
    SAME_CALL = "looks for the same call that waits"
    REJECTED = "looks for a rejection of the same"
    WAITING = "counts what waits of an agent"
    QUOTA = "asks the quotas"


class Keeper:
    """Answers what a store is asked, `without` what a broken one leaves out."""

    def __init__(
        self,
        documents: Mapping[str, Mapping[str, Any]],
        *,
        with_worker: bool = False,
        without: frozenset[Guard] = frozenset(),
    ) -> None:
        self.documents = documents
        self.records: list[IntentRecord] = []
        self._numbers: dict[Hashable, int] = {}
        self._with_worker, self._without = with_worker, without
        self._verbs: Mapping[str, Callable[..., tuple[Answer, Kept, list[Step]]]] = {
            "admit": self._admit,
            "advance": self._advance,
            "intent": self._intent,
            "budget_used": self._budget_used,
            "counted": self._counted,
            "known_accounts": self._known_accounts,
            "alike": self._alike,
            "api_key_ended": lambda kept, _settings, _tenant, name: (
                self.answer(name in kept.ended),
                kept,
                [],
            ),
            "expired": self._expired,
            "approved": self._approved,
            "dead_leases": self._dead_leases,
            # No switch of a scenario is thrown by the verb that opens a receipt.
            "open_stops": lambda kept, _settings, *_: (self.answer([]), kept, []),
            # The age of a first attempt is read from them, and counts only after a day.
            "entries_about": lambda kept, _settings, *_: (self.answer([]), kept, []),
        }

    def _has(self, guard: Guard) -> bool:
        return guard not in self._without

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
            (
                self.records[intent.number]
                for intent in kept.intents
                if intent.name == action_intent_id
            ),
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
        return Answer((type(value).__name__, self._comparable(value)), value)

    def _comparable(self, value: Any) -> Hashable:
        """What an answer differs by from others of its kind: numbers of records, what is used. No
        step is told apart by the entries that it was shown.
        """
        match value:
            case IntentRecord():
                return self.number(value)
            case Mapping():
                return _nonzero(value)
            case list() | frozenset():
                parts = [self._comparable(part) for part in value if not isinstance(part, Entry)]
                return tuple(sorted(parts) if isinstance(value, frozenset) else parts)
            case _ if is_dataclass(value) and not isinstance(value, type):
                return tuple(self._comparable(getattr(value, part.name)) for part in fields(value))
        return cast("Hashable", value)

    def _intent(
        self, kept: Kept, _settings: object, _tenant: str, name: str
    ) -> tuple[Answer, Kept, list[Step]]:
        return self.answer(self.record(kept, name)), kept, []

    def _budget_used(
        self, kept: Kept, _settings: object, _tenant: str, account_id: str, day: str
    ) -> tuple[Answer, Kept, list[Step]]:
        return self.answer(kept.used_at(account_id, day)), kept, []

    def _counted(
        self, kept: Kept, _settings: object, _tenant: str, counters: Collection[Counter]
    ) -> tuple[Answer, Kept, list[Step]]:
        used = {counter: kept.used_at(counter.subject, counter.window) for counter in counters}
        return self.answer(used), kept, []

    def _known_accounts(
        self, kept: Kept, _settings: object, _tenant: str, accounts: Collection[str]
    ) -> tuple[Answer, Kept, list[Step]]:
        looks = {look(account) for account in accounts}
        known = frozenset(account for account in kept.known if look(account) in looks)
        return self.answer(known), kept, []

    def _alike(
        self, kept: Kept, _settings: object, _tenant: str, likeness: bytes, limit: int
    ) -> tuple[Answer, Kept, list[Step]]:
        records = [self.records[intent.number] for intent in kept.intents]
        alike = [record for record in records if record.likeness == likeness]
        alike.sort(key=lambda record: record.revision, reverse=True)
        return self.answer(alike[:limit]), kept, []

    def _admit(
        self, kept: Kept, settings: tuple[str, ...], admission: Admission
    ) -> tuple[Answer, Kept, list[Step]]:
        refused = self._refused(kept, settings, admission)
        if refused is not None:
            return self.answer(refused), kept, []
        intent, hold = admission.intent, admission.decision.hold
        used = dict(kept.used)
        for claim in admission.quota:
            _take(used, place_of(claim), claim.amount)
        if spent := self._spent(used, intent, hold):
            taken = used if Guard.WHOLE in self._without else dict(kept.used)
            return self.answer(spent), kept._replace(used=_sorted(taken)), []
        for claim in hold.claims if hold else ():
            _take(used, place_of(claim, intent.account_id, hold), claim.amount)
        record = bare(admitted(admission, position=1))
        new = KeptIntent(
            intent.action_intent_id, self.number(record), admission.due_at, admission.same_call
        )
        known = kept.known | {intent.account_id} if admission.knows_account else kept.known
        kept = kept._replace(intents=(*kept.intents, new), used=_sorted(used), known=known)
        return self.answer(Admitted(record)), kept, [Step(None, admission, record)]

    def _refused(
        self, kept: Kept, settings: tuple[str, ...], admission: Admission
    ) -> AdmitAnswer | None:
        """Why an intent is not stored, but for what it would hold, in the order of the port."""
        if known := self.record(kept, admission.intent.action_intent_id):
            return AlreadyAdmitted(known)
        version = admission.decision.settings_version.tenant
        if self._has(Guard.SETTINGS) and version != len(settings):
            return SettingsMoved()
        waiting = [
            (intent, self.records[intent.number])
            for intent in kept.intents
            if self.records[intent.number].status is IntentStatus.AWAITING_APPROVAL
        ]
        for intent, record in waiting if self._has(Guard.SAME_CALL) else ():
            if admission.same_call is not None and intent.same_call == admission.same_call:
                return SameCallWaits(record)
        if self._has(Guard.REJECTED) and (rejected := self._rejected(kept, admission)):
            return rejected
        own = [record for _, record in waiting if _proposer(record) == _proposer(admission)]
        most = admission.waiting_max
        if self._has(Guard.WAITING) and most is not None and len(own) >= most:
            return TooManyWaiting(len(own))
        return self._over_quota(kept, admission) if self._has(Guard.QUOTA) else None

    def _rejected(self, kept: Kept, admission: Admission) -> RejectedBefore | None:
        if admission.rejected_since is None:
            return None
        rejected = [
            (intent.rejected_at, intent.name)
            for intent in kept.intents
            if intent.rejected_at is not None
            and intent.rejected_at >= admission.rejected_since
            and self.records[intent.number].likeness == admission.likeness
        ]
        return RejectedBefore(max(rejected)[1], max(rejected)[0]) if rejected else None

    def _over_quota(self, kept: Kept, admission: Admission) -> QuotaSpent | None:
        used = dict(kept.used)
        for claim in admission.quota:
            over = used.get(place_of(claim), 0) + claim.amount
            if claim.limit is not None and over > claim.limit:
                return QuotaSpent(claim.place)
        return None

    def _spent(
        self, used: dict[Place, int], intent: ActionIntent, hold: Hold | None
    ) -> BudgetSpent | None:
        """What is used, if a hold does not fit. A store without `WHOLE` keeps what fitted."""
        if hold is None:
            return None
        places = {claim: place_of(claim, intent.account_id, hold) for claim in hold.claims}
        now = {claim.place: used.get(place, 0) for claim, place in places.items()}
        asked = [
            claim
            for claim in hold.claims
            if self._has(Guard.BUDGET if claim.counter is None else Guard.LIMITS)
        ]
        spent = spent_claim(replace(hold, claims=tuple(asked)), now)
        if spent is None:
            return None
        for claim in asked[: asked.index(spent)]:
            _take(used, places[claim], claim.amount)
        return BudgetSpent(now)

    def _advance(
        self, kept: Kept, settings: tuple[str, ...], change: Change
    ) -> tuple[Answer, Kept, list[Step]]:
        before = self.record(kept, change.action_intent_id)
        if before is None or (self._has(Guard.REVISION) and before.revision != change.revision):
            return self.answer(RecordMoved()), kept, []
        version = change.settings_version
        if self._has(Guard.SETTINGS) and version is not None and version.tenant != len(settings):
            return self.answer(SettingsMoved()), kept, []
        steps: list[Step] = []
        if change.superseded_by is not None:
            answer, kept, steps = self._admit(kept, settings, change.superseded_by)
            if not steps:
                return answer, kept, []
        after = bare(applied(before, change))
        rejected_at = change.at if change.status is IntentStatus.REJECTED else None
        intents = tuple(
            intent._replace(
                number=self.number(after), due_at=change.due_at, rejected_at=rejected_at
            )
            if intent.name == change.action_intent_id
            else intent
            for intent in kept.intents
        )
        kept = kept._replace(intents=intents, used=self._given_back(kept, before, change))
        new = steps[0].after if steps else None
        return self.answer(Applied(after, new)), kept, [*steps, Step(before, change, after)]

    def _given_back(
        self, kept: Kept, before: IntentRecord, change: Change
    ) -> tuple[tuple[Place, int], ...]:
        """The use after a step: what it releases goes back to where it was taken from, but for new
        accounts, which stay known.
        """
        hold = before.hold
        if change.hold is not HoldState.RELEASED or hold is None or not hold.state.counts:
            return kept.used
        used = dict(kept.used)
        for claim in hold.claims:
            place = place_of(claim, before.intent.account_id, hold)
            if not self._has(Guard.WINDOW):
                place = place._replace(window=as_text(change.at)[: len(place.window)])
            if not (kept_for_good(claim) and self._has(Guard.FOR_GOOD)):
                _take(used, place, -claim.amount)
        return _sorted(used)

    def _expired(
        self, kept: Kept, _settings: object, now: int, _limit: int
    ) -> tuple[Answer, Kept, list[Step]]:
        found = [
            intent.name
            for intent in kept.intents
            if intent.due_at is not None and intent.due_at <= now
        ]
        return self._due(kept, found)

    def _approved(
        self, kept: Kept, _settings: object, *_: object
    ) -> tuple[Answer, Kept, list[Step]]:
        found = [
            intent.name
            for intent in kept.intents
            if self.records[intent.number].status is IntentStatus.APPROVED
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
        for intent in kept.intents:
            record = self.records[intent.number]
            if record.status is IntentStatus.RUNNING and record.attempt is not None:
                others = living_worker is not None and record.attempt.worker != living_worker
                if record.attempt.lease_until <= now or others:
                    found.append(intent.name)
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


def kept_for_good(claim: Claim) -> bool:
    """True for what is not given back: a name of an account stays known."""
    return claim.bucket == "new_accounts"


def place_of(claim: Claim, account_id: str = "", hold: Hold | None = None) -> Place:
    """Where a claim is counted."""
    if claim.counter is not None:
        return Place(claim.counter.subject, claim.counter.window, claim.bucket)
    assert hold is not None
    return Place(account_id, hold.day, claim.bucket)


def _take(used: dict[Place, int], place: Place, amount: int) -> None:
    used[place] = used.get(place, 0) + amount


def _sorted(used: Mapping[Place, int]) -> tuple[tuple[Place, int], ...]:
    return tuple(sorted(used.items()))


def _nonzero(used: Mapping[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    """The use by place, or by counter and bucket, without what is not used."""
    counted = {
        key: _nonzero(count) if isinstance(count, Mapping) else count for key, count in used.items()
    }
    return tuple(sorted(((key, count) for key, count in counted.items() if count), key=str))


def _proposer(made: IntentRecord | Admission) -> str:
    return made.intent.proposed_by
