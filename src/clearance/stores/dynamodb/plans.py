"""The plans of transitions of intents: why one cannot be stored as things are, and else what it
writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from clearance.core.budget import Claim, Hold, HoldState, spent_claim
from clearance.core.ledger import PARTS
from clearance.core.record import Admission, Change, IntentRecord, IntentStatus, admitted
from clearance.flow.ports.transitions import (
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
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import Item, Write, put, remove, update
from clearance.stores.dynamodb.guards import Guards
from clearance.stores.dynamodb.table import Key
from clearance.stores.dynamodb.transactions import NEW, LookFurther, Plan, Planner, Seen

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ByRecord:
    """An answer that is made of the record of an intent, which is still to be read."""

    action_intent_id: str
    answer: Callable[[IntentRecord], AlreadyAdmitted | SameCallWaits]


Refused: TypeAlias = (
    ByRecord | SettingsMoved | RejectedBefore | TooManyWaiting | QuotaSpent | BudgetSpent
)
AdmissionAnswer: TypeAlias = Admitted | Refused
StepAnswer: TypeAlias = Applied | RecordMoved | Refused


def guarded(
    tenant_id: str, make: Callable[[Seen, Guards, str], Plan[Answer] | Answer]
) -> Planner[Answer]:
    """Makes a plan with guards, and looks for those that were not looked at yet."""

    def plan(seen: Seen, transition_id: str) -> Plan[Answer] | LookFurther | Answer:
        guards = Guards(tenant_id, seen)
        made = make(seen, guards, transition_id)
        return LookFurther(frozenset(guards.missing)) if guards.missing else made

    return plan


# An admission


def admission_keys(admission: Admission) -> Iterator[Key]:
    """The facts of an admission beside HEAD and settings: whether the intent is known, the counters
    that it takes from, and what is known of others like it.
    """
    tenant_id, intent, hold = admission.intent.tenant_id, admission.intent, admission.decision.hold
    yield table.intent(tenant_id, intent.action_intent_id)
    if hold is not None:
        yield table.budget(tenant_id, intent.account_id, hold.day)
    yield from counter_keys(tenant_id, (*admission.quota, *(hold.claims if hold else ())))
    if admission.likeness is not None:
        yield table.alike(tenant_id, admission.likeness)
    if admission.same_call is not None:
        yield table.same_call(tenant_id, admission.same_call)
    if admission.knows_account:
        yield table.known_account(tenant_id, intent.account_id)
    if _waits(admission.status) or admission.waiting_max is not None:
        yield table.waiting(tenant_id, intent.proposed_by)


def counter_keys(tenant_id: str, claims: Iterable[Claim]) -> Iterator[Key]:
    """Where the counters of claims are, as long as their windows are not past."""
    for claim in claims:
        if claim.counter is not None:
            yield table.counters(tenant_id, claim.counter.subject)


def admission_plan(
    admission: Admission, seen: Seen, guards: Guards, transition_id: str
) -> Plan[AdmissionAnswer] | AdmissionAnswer:
    """A new intent by itself."""
    refused = _refusal(admission, seen, guards)
    if refused is not None:
        return refused
    intent, hold = admission.intent, admission.decision.hold
    position = seen.ledger_size + 1
    _take(admission, guards)
    return Plan(
        entries=((admission.entry, intent.action_intent_id),),
        actions=[
            *_admission_actions(admission, position, transition_id),
            *_budget_actions(intent.tenant_id, [(intent.account_id, hold, 1)] if hold else []),
            *guards.actions(),
        ],
        answer=Admitted(admitted(admission, position)),
        under=admission.decision.settings_version,
        counted=guards.counted_in_head,
    )


def _refusal(
    admission: Admission, seen: Seen, guards: Guards, leaving: str | None = None
) -> Refused | None:
    """Why an admission cannot be stored, in the port's order; None if it can.

    `leaving`: the intent that it takes the place of.
    """
    intent = admission.intent
    if table.intent(intent.tenant_id, intent.action_intent_id) in seen.items:
        return ByRecord(intent.action_intent_id, AlreadyAdmitted)
    if seen.version != admission.decision.settings_version:
        return SettingsMoved()
    return (
        _same_call(admission, guards, leaving)
        or _rejected(admission, guards)
        or _too_many(admission, guards)
        or _spent(admission, seen, guards)
    )


def _same_call(admission: Admission, guards: Guards, leaving: str | None) -> ByRecord | None:
    if admission.same_call is None:
        return None
    call = guards.read(table.same_call(admission.intent.tenant_id, admission.same_call))
    others = (other for other in call.get("intents", ()) if other != leaving)
    waiting = next(filter(guards.waits, others), None)
    return None if waiting is None else ByRecord(waiting, SameCallWaits)


def _rejected(admission: Admission, guards: Guards) -> RejectedBefore | None:
    if admission.likeness is None or admission.rejected_since is None:
        return None
    alike = guards.read(table.alike(admission.intent.tenant_id, admission.likeness))
    at = alike.get("rejected_at")
    if at is None or at < admission.rejected_since:
        return None
    return RejectedBefore(alike["rejected"], at)


def _too_many(admission: Admission, guards: Guards) -> TooManyWaiting | None:
    if admission.waiting_max is None:
        return None
    key = table.waiting(admission.intent.tenant_id, admission.intent.proposed_by)
    waiting = guards.read(key).get("waiting", 0)
    return TooManyWaiting(waiting) if waiting >= admission.waiting_max else None


def _spent(admission: Admission, seen: Seen, guards: Guards) -> QuotaSpent | BudgetSpent | None:
    intent, hold = admission.intent, admission.decision.hold
    quota = Hold("", admission.quota)
    if spent := spent_claim(quota, _used(quota.claims, {}, guards)):
        return QuotaSpent(spent.place)
    if hold is None:
        return None
    own = items.used(seen.items.get(table.budget(intent.tenant_id, intent.account_id, hold.day)))
    used = _used(hold.claims, own, guards)
    return BudgetSpent(used) if spent_claim(hold, used) else None


def _used(claims: Iterable[Claim], own: Mapping[str, int], guards: Guards) -> dict[str, int]:
    """What the buckets of claims have now, by place."""
    used = {}
    for claim in claims:
        buckets = own if claim.counter is None else guards.used(claim.counter)
        if claim.bucket in buckets:
            used[claim.place] = buckets[claim.bucket]
    return used


def _take(admission: Admission, guards: Guards) -> None:
    """What an admission changes of what others have to know."""
    intent, hold = admission.intent, admission.decision.hold
    tenant_id, own = intent.tenant_id, intent.action_intent_id
    for claim in (*admission.quota, *(hold.claims if hold else ())):
        guards.take(claim)
    if admission.likeness is not None:
        key = table.alike(tenant_id, admission.likeness)
        alike = guards.read(key)
        guards.write(key, {**alike, "intents": items.latest(own, alike.get("intents", ()))})
    if _waits(admission.status):
        _count_waiting(guards, tenant_id, intent.proposed_by, 1)
        if admission.same_call is not None:
            guards.write(table.same_call(tenant_id, admission.same_call), {"intents": [own]})
    if admission.knows_account:
        key = table.known_account(tenant_id, intent.account_id)
        guards.write(key, guards.read(key) or {"account_id": intent.account_id})


def _count_waiting(guards: Guards, tenant_id: str, proposed_by: str, by: int) -> None:
    key = table.waiting(tenant_id, proposed_by)
    guards.write(key, {"waiting": guards.read(key).get("waiting", 0) + by})


def _waits(status: IntentStatus) -> bool:
    return status is IntentStatus.AWAITING_APPROVAL


def _admission_actions(admission: Admission, position: int, transition_id: str) -> list[Write]:
    """The intent, and what never changes of it. The hold is `_budget_actions`' to take."""
    intent = admission.intent
    return [
        put(
            table.intent(intent.tenant_id, intent.action_intent_id),
            items.new_intent(admission, position, transition_id),
            NEW,
        ),
        put(
            table.content(intent.tenant_id, intent.action_intent_id),
            items.new_content(admission),
            None,
        ),
    ]


def _budget_actions(tenant_id: str, moves: Iterable[tuple[str, Hold, int]]) -> list[Write]:
    """Takes from the accounts' own counters (sign 1) or gives back (-1), each bucket under its
    limit: one action per account and day.
    """
    grouped: dict[tuple[str, str], list[tuple[Hold, int]]] = {}
    for account_id, hold, sign in moves:
        grouped.setdefault((account_id, hold.day), []).append((hold, sign))
    nets = {place: items.net(holds) for place, holds in grouped.items()}
    return [_budget_action(tenant_id, *place, net) for place, net in nets.items() if net]


def _budget_action(
    tenant_id: str, account_id: str, day: str, taken: Mapping[str, tuple[int, int | None]]
) -> Write:
    names = {"#ttl": table.TTL_ATTRIBUTE}
    values: dict[str, Any] = {"ttl": items.budget_ttl(day)}
    adds, fits = [], []
    for number, (bucket, (amount, room)) in enumerate(taken.items()):
        name, added = f"#b{number}", f"a{number}"
        names[name] = items.used_attribute(bucket)
        values[added] = amount
        adds.append(f"{name} :{added}")
        if room is not None:
            values[f"r{number}"] = room
            # Nothing is below a room of less than nothing, so then even a bucket that is not there
            # yet does not fit.
            fits.append(
                f"(attribute_not_exists({name}) OR {name} <= :r{number})"
                if room >= 0
                else f"{name} <= :r{number}"
            )
    expression = f"SET #ttl = if_not_exists(#ttl, :ttl) ADD {', '.join(adds)}"
    return update(
        table.budget(tenant_id, account_id, day), expression, " AND ".join(fits), names, **values
    )


# A step of an intent


@dataclass(frozen=True, slots=True)
class Stepped:
    """An intent before a step, with what is known of it that never changes."""

    item: Item
    content: Item

    @property
    def key(self) -> Key:
        """The intent's."""
        return table.intent(self.item["tenant_id"], self.item["action_intent_id"])

    @property
    def decided(self) -> Key:
        """The entry of the decision."""
        return table.ledger(self.item["tenant_id"], self.item["decision_position"])

    @property
    def parts(self) -> list[Key]:
        """What stands beside that entry."""
        return items.decision_parts(self.item)


def step_keys(before: Stepped, change: Change) -> Iterator[Key]:
    """The facts of a step beside HEAD and settings."""
    tenant_id, item = change.tenant_id, before.item
    yield from (before.key, before.decided, *before.parts)
    hold = _given_back(before, change)
    yield from counter_keys(tenant_id, hold.claims if hold else ())
    if items.counted_waiting(item) or _waits(change.status):
        yield table.waiting(tenant_id, item["proposed_by"])
    if "likeness" in item and change.status is IntentStatus.REJECTED:
        yield table.alike(tenant_id, item["likeness"])
    if "same_call" in item and _waits(change.status):
        yield table.same_call(tenant_id, item["same_call"])
    if change.superseded_by is not None:
        yield from admission_keys(change.superseded_by)


def step_plan(
    before: Stepped, change: Change, seen: Seen, guards: Guards, transition_id: str
) -> Plan[StepAnswer] | StepAnswer:
    """One step of an intent, with the intent that an edit admits: its entry comes first."""
    edited = change.superseded_by
    refused = _moved(before, change, seen) or (
        _refusal(edited, seen, guards, change.action_intent_id) if edited else None
    )
    if refused is not None:
        return refused
    first = seen.ledger_size + 1
    position = first + 1 if edited else first
    after = items.next_intent(before.item, change, position, transition_id)
    actions = _step_actions(before, change, after)
    entries = [(change.entry, change.action_intent_id)]
    moves = []
    if edited:
        _take(edited, guards)
        actions += _admission_actions(edited, first, transition_id)
        entries.insert(0, (edited.entry, edited.intent.action_intent_id))
        if edited.decision.hold:
            moves.append((edited.intent.account_id, edited.decision.hold, 1))
    if hold := _given_back(before, change):
        moves.append((before.item["account_id"], hold, -1))
    _let_know(before.item, change, hold, guards)
    record = items.record(after, before.content, *_decided(before, change, seen))
    return Plan(
        tuple(entries),
        [*actions, *_budget_actions(change.tenant_id, moves), *guards.actions()],
        Applied(record, admitted(edited, first) if edited else None),
        under=edited.decision.settings_version if edited else change.settings_version,
        counted=guards.counted_in_head,
    )


def _moved(before: Stepped, change: Change, seen: Seen) -> RecordMoved | SettingsMoved | None:
    item = seen.items.get(before.key)
    if item is None or item["revision"] != change.revision:
        return RecordMoved()
    if change.settings_version is not None and seen.version != change.settings_version:
        return SettingsMoved()
    return None


def _step_actions(before: Stepped, change: Change, after: Item) -> list[Write]:
    """The intent after the step, which must still be as it was read, and the reasons that go."""
    attributes = {name: value for name, value in after.items() if name not in {"pk", "sk"}}
    # The reasons of an entry go together. About an intent they are few: they have one part.
    erased = [
        remove(table.ledger_text(change.tenant_id, position, items.REASONS, 0))
        for position in sorted({position for position, _ in change.erases})
    ]
    current = put(before.key, attributes, "revision = :revision", revision=change.revision)
    return [current, *erased]


def _given_back(before: Stepped, change: Change) -> Hold | None:
    """What the step gives back of a hold that still counts.

    Counters of days long past may be gone, and stay so.
    """
    hold = items.held(before.item, before.content)
    if (
        change.hold is not HoldState.RELEASED
        or hold is None
        or items.is_long_past(hold.day, change.at)
    ):
        return None
    return replace(hold, claims=hold.given_back)


def _let_know(item: Item, change: Change, hold: Hold | None, guards: Guards) -> None:
    """What a step changes of what others have to know."""
    for claim in hold.claims if hold else ():
        guards.give_back(claim)
    waits = _waits(change.status)
    if waits != items.counted_waiting(item):
        _count_waiting(guards, change.tenant_id, item["proposed_by"], 1 if waits else -1)
    if waits and "same_call" in item:
        key = table.same_call(change.tenant_id, item["same_call"])
        others = guards.read(key).get("intents", ())
        guards.write(key, {"intents": items.latest(change.action_intent_id, others)})
    if change.status is IntentStatus.REJECTED and "likeness" in item and not change.erases:
        key = table.alike(change.tenant_id, item["likeness"])
        alike = guards.read(key)
        if change.at >= alike.get("rejected_at", 0):
            rejected = {"rejected": change.action_intent_id, "rejected_at": change.at}
            guards.write(key, {**alike, **rejected})


def _decided(before: Stepped, change: Change, seen: Seen) -> tuple[bytes, str | None]:
    """The entry of the decision that the intent has after the step, and the parts beside it."""
    if change.decision is None:
        return seen.items[before.decided]["body"], items.text_of(before.parts, seen.items)
    parts = (text.text for text in change.entry.texts if text.name == PARTS)
    return change.entry.body, next(parts, None)
