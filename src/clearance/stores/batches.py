"""Natural batching: units that arrive while a batch is under way go into the next one, and no unit
waits on a timer.

There is one lane for each tenant, with two batches under way in it: while one is committed, the
next is made and waits for its tenant's lock. That costs nothing, because a tenant's transitions
come one after the other anyway. A batch whose fate is unknown (the connection broke) is run again:
each unit names its transition, so the store recognises it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from clearance.core.errors import Unavailable

BATCH_MAX = 32  # transitions in one commit
BATCHES_MAX = 2  # of one lane at a time: one is committed while the next is made
WAITING_MAX = 20_000  # transitions of one tenant that wait; one more is refused

Unit = TypeVar("Unit")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Waiting(Generic[Unit, Answer]):
    unit: Unit
    future: asyncio.Future[Answer]


@dataclass(slots=True)
class _Lane(Generic[Unit, Answer]):
    units: deque[_Waiting[Unit, Answer]] = field(default_factory=deque)
    batches: int = 0


class Batches(Generic[Unit, Answer]):
    """Runs units in lanes.

    `run` commits some units of a lane together, and answers each in order, or raises for all.
    """

    def __init__(self, run: Callable[[str, Sequence[Unit]], Awaitable[Sequence[Answer]]]) -> None:
        self._run = run
        self._lanes: dict[str, _Lane[Unit, Answer]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def submit(self, lane: str, unit: Unit) -> Answer:
        """The unit's answer once it is committed.

        Unavailable if it cannot be, or if it is unknown whether it was.
        """
        if self._closed:
            sentence = "The store is closed."
            raise Unavailable(sentence)
        waiting = self._lanes.setdefault(lane, _Lane())
        if len(waiting.units) >= WAITING_MAX:
            sentence = "Too many transitions wait for the store; nothing was stored."
            raise Unavailable(sentence)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        waiting.units.append(_Waiting(unit, future))
        if waiting.batches < BATCHES_MAX:
            waiting.batches += 1
            task = asyncio.create_task(self._drain(lane, waiting))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        # A caller that gives up does not undo a unit that may be committed already.
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Commits the waiting units."""
        self._closed = True
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def _drain(self, name: str, lane: _Lane[Unit, Answer]) -> None:
        while lane.units:
            await self._commit(
                name, [lane.units.popleft() for _ in range(min(len(lane.units), BATCH_MAX))]
            )
        lane.batches -= 1
        if lane.batches == 0 and not lane.units:
            del self._lanes[name]

    async def _commit(self, lane: str, group: list[_Waiting[Unit, Answer]]) -> None:
        try:
            answers = await self._run(lane, [waiting.unit for waiting in group])
        except Unavailable as unavailable:
            for waiting in group:
                _fail(waiting, unavailable)
        except (
            Exception
        ) as error:  # one unit that cannot be stored must not keep the others from it
            if len(group) == 1:
                _fail(group[0], error)
                return
            for waiting in group:
                await self._commit(lane, [waiting])
        else:
            for waiting, answer in zip(group, answers, strict=True):
                if not waiting.future.done():
                    waiting.future.set_result(answer)


def _fail(waiting: _Waiting[Unit, Answer], error: Exception) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)
        waiting.future.exception()  # a caller that gave up needs no answer


class SharedReads:
    """Readers of one thing that come while it is read share the next read: an answer is never older
    than its question.
    """

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[Any]] = {}
        self._next: dict[str, asyncio.Task[Any]] = {}

    async def get(self, key: str, read: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of `read`; `key` names what it reads."""
        task = self._next.get(key)
        if task is None:
            task = self._next[key] = asyncio.create_task(
                self._after(key, self._running.get(key), read)
            )
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        answer: Answer = await asyncio.shield(task)  # one key is always read in one way
        return answer

    async def _after(
        self, key: str, before: asyncio.Task[Any] | None, read: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        if before is not None:
            await asyncio.wait([before])
        mine = self._running[key] = self._next.pop(key)
        try:
            return await read()
        finally:
            if self._running.get(key) is mine:
                del self._running[key]
