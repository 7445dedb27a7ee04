"""Steps of executions in any order, repeated, at once, killed, with answers lost: what was sent,
and what is said of it.

Each episode is one intent, and what its seed makes of it. `python -m
tests.aws.test_tries_interleaved SECONDS [SEED]` plays more of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearance.core.call import lease_ms
from clearance.core.errors import Refusal, Unavailable
from clearance.core.outcome import ErrorClass, Sent
from clearance.core.record import Change, IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.engines import step_functions
from clearance.engines.step_functions import CallAgain, NothingToStart
from clearance.flow.context import Context
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.marks import Mark
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolCallFailed
from clearance.running.logs import configure_logs
from tests.aws.support.steps import AWAY, SILENT, error
from tests.support.sample import TENANT, account_of, mail, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

EPISODES = 120
EXECUTIONS = 3
AGAIN_MAX = 4
APART_MS_MAX = 30_000  # of the clocks of two steps, from the same moment
HOLD = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "incident")
FAILURES = ("Unavailable", "Lambda.TooManyRequestsException", "States.Timeout", "Runtime.ExitError")
REFUSED = error(ErrorClass.VALIDATION, Sent.ANSWERED)
BUSY = error(ErrorClass.RATE_LIMIT, Sent.ANSWERED)
SLEEP = asyncio.sleep


class Shaken:
    """Chance: how long something takes, and whether its question or its answer is lost."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.calm = False

    async def pause(self, most: int = 6) -> None:
        for _ in range(self.random.randrange(most)):
            await SLEEP(0)

    def lose(self, what: str) -> None:
        if not self.calm and self.random.random() < 0.04:
            raise Unavailable(f"The {what} was lost.")


class Marks:
    """Marks in this process, with questions and answers that are lost."""

    def __init__(self, shaken: Shaken) -> None:
        self._shaken = shaken
        self._kept: dict[tuple[str, str, int], Mark] = {}

    async def mark(self, *attempt: Any) -> Mark | None:
        await self._shaken.pause()
        self._shaken.lose("question")
        found = self._kept.get(attempt)
        await self._shaken.pause()
        return found

    async def swap(
        self, tenant_id: str, action_intent_id: str, attempt: int, seen: Mark | None, new: Mark
    ) -> bool:
        await self._shaken.pause()
        self._shaken.lose("question")
        key = (tenant_id, action_intent_id, attempt)
        written = self._kept.get(key) == seen
        if written:
            self._kept[key] = new
        await self._shaken.pause()
        self._shaken.lose("answer")
        return written


class Apart:
    """A clock that is apart from another one."""

    def __init__(self, clock: Clock, apart_ms: int) -> None:
        self._clock = clock
        self._apart_ms = apart_ms

    def now_ms(self) -> int:
        return self._clock.now_ms() + self._apart_ms

    def monotonic_ms(self) -> int:
        return self._clock.monotonic_ms()

    def new_id(self) -> str:
        return self._clock.new_id()


class Episode:
    """One intent, and everything that happens to it."""

    def __init__(self, world: World, seed: int) -> None:
        self.world = world
        self.shaken = Shaken(seed)
        self.marks = Marks(self.shaken)
        self.name = f"i{seed}"
        self.once = self.shaken.random.random() < 0.5
        self.acted: list[bool] = []
        """For each call that reached the tool, whether it may have acted."""
        self.late = 0
        """Calls that reached the tool when the intent had its outcome."""
        self.states: list[dict[str, Any]] = []
        self.said: list[dict[str, Any]] = []
        self.under_way: list[asyncio.Task[None]] = []

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        """The tool: it may be out of reach, before or after it was cleared; refuse; be silent; or
        act.
        """
        del tenant_id, call
        await self.shaken.pause()
        what = self.shaken.random.choice(
            ("act", "act", "away", "away", "away after all", "silent", "busy", "wrong")
        )
        if what == "away":
            raise ToolCallFailed(AWAY)
        await cleared()
        await self.shaken.pause()
        if what == "away after all":
            raise ToolCallFailed(AWAY)
        ended = (await self.world.record(self.name)).status
        self.late += ended in {IntentStatus.CANCELLED, IntentStatus.FAILED} or (
            self.once and ended.value == "SUCCEEDED"
        )
        self.acted.append(what in {"act", "silent"})
        await self.shaken.pause()
        if what != "act":
            raise ToolCallFailed({"silent": SILENT, "busy": BUSY}.get(what, REFUSED))
        return ToolAnswer({"ok": True})

    def advancing(
        self, advance: Callable[[Change], Awaitable[Any]]
    ) -> Callable[[Change], Awaitable[Any]]:
        """A transition that takes a while, and whose question or answer may be lost."""

        async def slowly(change: Change) -> Any:
            await self.shaken.pause(8)
            self.shaken.lose("question")
            answer = await advance(change)
            self.shaken.lose("answer")
            return answer

        return slowly

    # The steps

    @property
    def context(self) -> Context:
        """That of one step, which has a clock of its own."""
        apart = self.shaken.random.randrange(-APART_MS_MAX, APART_MS_MAX + 1)
        return replace(
            self.world.context, clock=Apart(self.world.clock, 0 if self.shaken.calm else apart)
        )

    async def start(self, execution: str) -> None:
        event = {"tenant_id": TENANT, "action_intent_id": self.name, "execution": execution}
        with contextlib.suppress(NothingToStart, Refusal):
            self.states.append(await step_functions.start(self.context, self.marks, event))

    async def invoke(self, state: dict[str, Any]) -> None:
        for _ in range(AGAIN_MAX):
            try:
                self.said.append(await step_functions.invoke(self.context, self.marks, state))
            except CallAgain:
                continue
            except Refusal:
                pass
            return

    async def record(self, state: dict[str, Any]) -> None:
        with contextlib.suppress(Refusal):
            await step_functions.record(self.context, self.marks, json.loads(json.dumps(state)))

    async def end(self, execution: str, status: str) -> None:
        said = json.dumps({"tenant_id": TENANT, "action_intent_id": self.name})
        detail = {"name": execution, "status": status, "input": said}
        with contextlib.suppress(Refusal):
            await step_functions.ended(self.context, self.marks, detail)

    async def happen(self) -> None:
        """One thing, of those that may."""
        chance, world = self.shaken.random, self.world
        execution = f"e{chance.randrange(EXECUTIONS)}"
        match chance.choice(
            (
                "start",
                *["invoke"] * 5,
                *["record"] * 2,
                "lost",
                "kill",
                "time",
                "stop",
                "lift",
                "end",
                "",
                "",
            )
        ):
            case "start":
                self.begin(self.start(execution))
            case "invoke" if self.states:
                self.begin(self.invoke(chance.choice(self.states)))
            case "record" if self.said:
                self.begin(self.record(chance.choice(self.said)))
            case "lost" if self.states:
                self.begin(
                    self.record(
                        {**chance.choice(self.states), "failed": {"Error": chance.choice(FAILURES)}}
                    )
                )
            case "end" if chance.random() < 0.3:
                self.begin(self.end(execution, chance.choice(("ABORTED", "FAILED", "TIMED_OUT"))))
            case "kill" if self.under_way:
                chance.choice(self.under_way).cancel()
            case "time" if chance.random() < 0.15:
                world.clock.forward(lease_ms(None))
            case "stop" if chance.random() < 0.2:
                await switch(world, HOLD)
            case "lift":
                await switch(world)
        await self.shaken.pause(12)

    def begin(self, step: Any) -> None:
        self.under_way.append(asyncio.ensure_future(step))

    async def played(self) -> None:
        """Everything that happens, until nothing is under way and somebody has aborted what is
        left.
        """
        proposal = (mail if self.once else task)(self.name, account_id=account_of(self.name))
        await self.world.propose(proposal)
        await self.start("e0")
        for _ in range(self.shaken.random.randrange(3, 16)):
            await self.happen()
        await asyncio.gather(*self.under_way, return_exceptions=True)
        self.shaken.calm = True
        await switch(self.world)
        for state in (*self.states, *self.said):
            await self.record(
                state if "outcome" in state else {**state, "failed": {"Error": "Lambda.Unknown"}}
            )
        for number in range(EXECUTIONS):
            await self.end(f"e{number}", "ABORTED")
        for state in self.states:
            await self.invoke(state)

    async def broken(self) -> list[str]:
        """What is not as it should be."""
        record = await self.world.record(self.name)
        status, sent, found = record.status.value, len(self.acted), []
        used = 0
        if record.hold is not None:
            spent = await self.world.store.budget_used(
                TENANT, record.intent.account_id, record.hold.day
            )
            used = spent.get("actions", 0)
        if self.once and sent > 1:
            found.append("what may be sent once was sent again")
        if status == "CANCELLED" and sent:
            found.append("cancelled, though it was sent")
        if sent and not used:
            found.append("given back, though it was sent")
        if status == "SUCCEEDED" and not any(self.acted):
            found.append("succeeded, though nothing acted")
        if status == "FAILED" and (any(self.acted) or not sent):
            found.append("failed, though it may have acted, or was never sent")
        if self.late:
            found.append("sent after its end")
        return found


async def switch(world: World, *switches: StopSwitch) -> None:
    """Sets the stop switches, whoever else changes settings at the same moment."""
    while True:
        try:
            await world.stop(*switches)
        except AssertionError:
            continue
        return


async def episode(world: World, seed: int) -> list[str]:
    """Plays an episode; what was broken in it."""
    one = Episode(world, seed)
    advance = type(world.store).advance.__get__(world.store)
    world.tools.call = one.call  # type: ignore[method-assign]
    world.store.advance = one.advancing(advance)  # type: ignore[method-assign]
    await one.played()
    return await one.broken()


async def test_in_any_order_nothing_is_sent_twice_that_may_be_sent_once_and_what_is_said_is_true(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "sleep", lambda _: SLEEP(0))
    async with opened(tmp_path / "store.sqlite3") as world:
        broken = {seed: found for seed in range(EPISODES) if (found := await episode(world, seed))}
    assert not broken


async def _play(seconds: float, seed: int) -> int:
    configure_logs("error")
    asyncio.sleep = lambda _: SLEEP(0)  # type: ignore[assignment]
    ends, first = time.monotonic() + seconds, seed
    with tempfile.TemporaryDirectory() as folder:
        async with opened(Path(folder) / "store.sqlite3") as world:
            while time.monotonic() < ends:
                if found := await episode(world, seed):
                    sys.stdout.write(f"seed {seed}: {'; '.join(found)}\n")
                seed += 1
    sys.stdout.write(f"{seed - first} episodes\n")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_play(float(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)))
