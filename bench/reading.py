"""What people and the worker read again and again: pages, one intent, what is due."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from tests.support.sample import OWNER as READER
from tests.support.sample import TENANT, task

from bench.drive import Timed, must_be, timed
from clearance.core.decision import Answer
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.sweep import Sweeper

PAGE = 50
Look = Callable[[], Awaitable[object]]


class Deaf:
    """An engine that takes hints and does nothing."""

    def hint(self, due: Due) -> None:
        """Does nothing."""


def looks(context: Context, *, some_intent: str, somewhere: int) -> Mapping[str, Look]:
    """What is looked at.

    `some_intent` and `somewhere`: an id that exists, and a position in the middle of the ledger.
    """
    control, store = Control(context), context.store
    sweeper = Sweeper(replace(context, engine=Deaf()), "bench", alone=False)

    async def gate() -> None:
        proposed = await control.propose(READER, task(account_id="a7"))
        must_be(proposed.record.decision.answer, Answer.AUTO_EXECUTE, "the answer")

    return {
        "gate": gate,
        "sweep step": sweeper.find,
        "due": lambda: store.expired(context.clock.now_ms(), 200),
        "inbox page": lambda: control.waiting(READER, limit=PAGE),
        "timeline page": lambda: control.timeline(READER, TimelineQuery(limit=PAGE)),
        "timeline page of an account": lambda: control.timeline(
            READER, TimelineQuery(account_id="a7", limit=PAGE)
        ),
        "ledger page": lambda: control.ledger(READER, after=somewhere, limit=PAGE),
        "one intent": lambda: control.intent(READER, some_intent),
        "counts by status": lambda: store.count_by_status(TENANT),
    }


async def take_turns(looks_of: Mapping[str, Mapping[str, Look]], times: int) -> dict[str, Timed]:
    """Each look of each context in turn, `times` over; "name of the context: look" -> its time.

    The first turn warms up.
    """
    taken: dict[str, list[float]] = {}
    for turn in range(-1, times):
        for name in next(iter(looks_of.values())):
            for where, ours in looks_of.items():
                start = time.perf_counter()
                await ours[name]()
                if turn >= 0:
                    taken.setdefault(f"{where}: {name}", []).append(time.perf_counter() - start)
    return {name: timed(sum(one), one) for name, one in taken.items()}
