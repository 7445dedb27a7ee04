"""Transitions on DynamoDB: look, decide, commit under the conditions of what was seen, and look
again if they did not hold.

A tenant's HEAD item counts its ledger. Each transition moves it from the size that was seen to the
next, in the same transaction as everything else. So positions have no gaps, and of two transitions
that saw the same size, one is committed. A commit never depends on a fresh look: its conditions
check everything again.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from clearance.core.decision import SettingsVersion
from clearance.core.errors import IN_DOUBT, Unavailable
from clearance.core.ledger import Draft
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import (
    AnswerLost,
    Calls,
    Item,
    NotNow,
    Write,
    check,
    pauses,
    put,
    update,
)
from clearance.stores.dynamodb.table import Key
from clearance.stores.dynamodb.windows import Windows

# How long a transition is tried, its turn among its own process's included
COMMIT_SECONDS_MAX = 20.0
NEW = "attribute_not_exists(pk)"

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Seen:
    """The facts that a transition read: how far the tenant's ledger is, the settings in force, and
    items by key.

    `looked`: the keys that were asked for; those without an item were not there.
    """

    ledger_size: int
    version: SettingsVersion
    items: Mapping[Key, Item]
    looked: frozenset[Key]


@dataclass(frozen=True, slots=True)
class Plan(Generic[Answer]):
    """The writes of a transition beside the HEAD, and its answer once it is committed.

    `entries` with the intent that each is about. `under`: the settings that must be in force.
    `configures`: the settings move. `counted`: the tenant's counters, where they change.
    """

    entries: tuple[tuple[Draft, str | None], ...]
    actions: list[Write]
    answer: Answer
    under: SettingsVersion | None = None
    configures: bool = False
    counted: Windows | None = None


@dataclass(frozen=True, slots=True)
class LookFurther:
    """What was seen leads to more items, and nothing can be planned without them."""

    keys: frozenset[Key]


Planner = Callable[[Seen, str], "Plan[Answer] | LookFurther | Answer"]
"""Makes a plan from what was seen, with the transition's id; or says at once what to answer, and
nothing is written; or where else to look.

A plan must have a condition that its own commit breaks (an item that is not there yet, a revision):
a request that was lost may still arrive while it is looked for.
"""


@dataclass(slots=True)
class Transactions:
    """Commits the transitions of one process: those of a tenant one after the other, because
    together they would only collide.
    """

    calls: Calls
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)

    async def commit(self, tenant_id: str, keys: Iterable[Key], planner: Planner[Answer]) -> Answer:
        """Plans from HEAD, settings and the items under `keys`, and commits.

        Unavailable if that cannot be done in time, or if it is in doubt whether it was.

        It looks, plans and sends until one of three things ends it: a plan that was sent without an
        answer turns out to be there, the planner refuses what it sees, or what is sent is answered.
        """
        transition_id = secrets.token_hex(16)
        waits = pauses(COMMIT_SECONDS_MAX)
        # Plans that were sent without an answer, by the position of their first entry
        lost: dict[int, Plan[Answer]] = {}
        wanted = set(keys)
        refused = False
        async with self._turn(tenant_id):
            while True:
                looks = {*wanted, *(table.ledger(tenant_id, position) for position in lost)}
                with _in_doubt(lost):
                    seen = await self.look(tenant_id, looks)
                arrived = _arrived(lost, seen, tenant_id, transition_id)
                if arrived:
                    return arrived.answer
                plan = planner(seen, transition_id)
                if isinstance(plan, LookFurther):
                    wanted |= plan.keys
                    continue
                if not isinstance(plan, Plan):
                    if not lost or refused:
                        return plan
                    # A look is not one moment: what refuses may be our own commit, which arrived
                    # between two of its reads. The next look sees its entry, or the same refusal.
                    refused = True
                    continue
                refused = False
                try:
                    with _in_doubt(lost):
                        await self.calls.write(_transaction(tenant_id, seen, plan, transition_id))
                except NotNow:
                    pass  # for any reason: the next look shows the current state
                except AnswerLost:
                    lost[seen.ledger_size + 1] = plan
                else:
                    return plan.answer
                await _wait(waits, unknown=bool(lost))

    async def look(self, tenant_id: str, keys: Iterable[Key] = ()) -> Seen:
        """HEAD, the settings in force and items, each as it is now."""
        head_key, everywhere_key = table.head(tenant_id), table.everywhere_of(tenant_id)
        looked = frozenset((head_key, everywhere_key, *keys))
        seen = await self.calls.get_many(looked)
        head = seen.get(head_key, {})
        everywhere = seen.get(everywhere_key, {}).get("version", 0)
        return Seen(
            head.get("ledger_size", 0),
            SettingsVersion(head.get("settings_version", 0), everywhere),
            seen,
            looked,
        )

    @contextlib.asynccontextmanager
    async def _turn(self, tenant_id: str) -> AsyncIterator[None]:
        lock = self._locks.setdefault(tenant_id, asyncio.Lock())
        try:
            async with asyncio.timeout(COMMIT_SECONDS_MAX):
                await lock.acquire()
        except TimeoutError:
            sentence = "Too many transitions of the tenant wait; nothing was stored."
            raise Unavailable(sentence) from None
        try:
            yield
        finally:
            lock.release()


def _arrived(
    lost: Mapping[int, Plan[Answer]], seen: Seen, tenant_id: str, transition_id: str
) -> Plan[Answer] | None:
    """The plan that was sent without an answer, and is there."""
    for position, sent in lost.items():
        written = seen.items.get(table.ledger(tenant_id, position))
        if written and written["transition_id"] == transition_id:
            return sent
    return None


@contextlib.contextmanager
def _in_doubt(lost: Mapping[int, Any]) -> Iterator[None]:
    """What cannot be asked any more says so of what was sent before without an answer."""
    try:
        yield
    except Unavailable as unavailable:
        if not lost:
            raise
        raise _given_up(unknown=True) from unavailable


async def _wait(waits: Iterator[float], *, unknown: bool) -> None:
    pause = next(waits, None)
    if pause is None:
        raise _given_up(unknown=unknown)
    await asyncio.sleep(pause)


def _given_up(*, unknown: bool) -> Unavailable:
    if unknown:
        sentence = "DynamoDB gave no answer in time, so it is not known whether this was stored."
        return Unavailable(sentence, code=IN_DOUBT)
    return Unavailable(
        "Others kept changing the tenant, or DynamoDB was too busy; nothing was stored, ask again."
    )


def _transaction(tenant_id: str, seen: Seen, plan: Plan[Any], transition_id: str) -> list[Write]:
    """Every member of the transaction: HEAD first, then what must be in force, the entries, and the
    plan's own.
    """
    actions = [_move_head(tenant_id, seen, plan)]
    if plan.under is not None:
        actions.append(_everywhere_in_force(tenant_id, plan.under.everywhere))
    for position, (draft, about) in enumerate(plan.entries, start=seen.ledger_size + 1):
        actions.append(
            put(table.ledger(tenant_id, position), items.entry(draft, about, transition_id), NEW)
        )
        texts = items.texts(tenant_id, position, draft)
        actions += [put(key, text, NEW) for key, text in texts.items()]
    return actions + plan.actions


def _move_head(tenant_id: str, seen: Seen, plan: Plan[Any]) -> Write:
    """The tenant's ledger grows from the size that was seen, and its settings and its counters are
    those that were seen: whatever else changes them moves the ledger too.
    """
    after = {
        "ledger_size": seen.ledger_size + len(plan.entries),
        "settings_version": seen.version.tenant + int(plan.configures),
        **({"counted": plan.counted} if plan.counted is not None else {}),
    }
    before = {"size": seen.ledger_size, "seen": seen.version.tenant} if seen.ledger_size else {}
    return update(
        table.head(tenant_id),
        f"SET {', '.join(f'{name} = :{name}' for name in after)}",
        "ledger_size = :size AND settings_version = :seen" if before else NEW,
        {},
        **after,
        **before,
    )


def _everywhere_in_force(tenant_id: str, version: int) -> Write:
    if version == 0:
        return check(table.everywhere_of(tenant_id), NEW)
    return check(table.everywhere_of(tenant_id), "version = :version", version=version)
