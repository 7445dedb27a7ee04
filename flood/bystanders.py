"""Those who are not the flood: a person who stops an agent, a person who comes in, an agent that
goes on with its work, and a probe of /healthz. How long each has to wait.

A call without a good answer within GIVE_UP_SECONDS counts as one that took so long. The agent
keeps its connection, and opens another one when that was cut, as the client does. Everyone else
comes over a new connection each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from flood.target import Target
from flood.wire import (
    Connection,
    Reply,
    address,
    asked,
    connected,
    form,
    request,
    with_json,
)

GIVE_UP_SECONDS = 5.0
HOME = 2  # the last number of the address that bystanders come from: none of a flood's
STOP_EVERY, PROPOSE_EVERY, HEALTHZ_EVERY, COME_IN_EVERY = 0.6, 0.06, 0.06, 1.5  # seconds
_SESSION = re.compile(rb"set-cookie: *([^;=]*clearance_session=[^;]+)", re.IGNORECASE)

Act: TypeAlias = Callable[[], Awaitable[None]]


class BadAnswer(Exception):
    """An answer that is none of use to a bystander."""


@dataclass
class Waits:
    """How long calls took, in seconds, and why some failed."""

    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p99(self) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]

    @property
    def slowest(self) -> float:
        return max(self.seconds)


@dataclass
class Phase:
    """The waits of a stretch of time."""

    stop: Waits = field(default_factory=Waits)
    propose: Waits = field(default_factory=Waits)
    healthz: Waits = field(default_factory=Waits)
    come_in: Waits = field(default_factory=Waits)


async def watch(target: Target, seconds: float) -> Phase:
    """What bystanders see for some seconds; each makes at least one call."""
    phase, until = Phase(), time.monotonic() + seconds
    newcomers = iter(list(target.newcomers))
    async with contextlib.AsyncExitStack() as ends:
        agent = await ends.enter_async_context(kept_alive(target, target.agent))
        probe = await ends.enter_async_context(kept_alive(target, target.probe))

        async def come_in() -> None:
            key = next(newcomers, None)
            if key is None:
                raise BadAnswer("no newcomer is left")
            target.newcomers.remove(key)
            await _come_in(target, key)

        await asyncio.gather(
            _steadily(
                phase.stop,
                STOP_EVERY,
                until,
                lambda: _stop(target, probe),
                lambda: _switches(target),
            ),
            _steadily(phase.propose, PROPOSE_EVERY, until, agent.propose),
            _steadily(phase.healthz, HEALTHZ_EVERY, until, lambda: _healthz(target)),
            _steadily(phase.come_in, COME_IN_EVERY, until, come_in),
        )
    return phase


async def _steadily(
    waits: Waits, every: float, until: float, act: Act, afterwards: Act | None = None
) -> None:
    """Acts again and again, with a pause, however the last time ended. `afterwards` clears up, and
    is not timed.
    """
    while not waits.seconds or time.monotonic() < until:
        begin = time.monotonic()
        try:
            async with asyncio.timeout(GIVE_UP_SECONDS):
                await act()
            waits.seconds.append(time.monotonic() - begin)
        except (OSError, EOFError, BadAnswer) as failure:  # TimeoutError is an OSError
            why = str(failure) if isinstance(failure, BadAnswer) else type(failure).__name__
            waits.failures[why] += 1
            waits.seconds.append(GIVE_UP_SECONDS)
        if afterwards:
            with contextlib.suppress(OSError, EOFError, BadAnswer):
                async with asyncio.timeout(GIVE_UP_SECONDS):
                    await afterwards()
        await asyncio.sleep(every)


# An agent


class Agent:
    """An agent that keeps its connection."""

    def __init__(self, target: Target, key: str) -> None:
        self._target = target
        self._key = key
        self._held = contextlib.AsyncExitStack()
        self._connection: Connection | None = None
        self._number = 0

    async def propose(self) -> None:
        """An act that runs alone."""
        answer = await self.proposed()
        if answer["decision"] != "AUTO_EXECUTE":
            raise BadAnswer(answer["reason"])

    async def proposed(self) -> dict[str, Any]:
        """A new proposal, and the gate's answer."""
        self._number += 1
        proposal = {
            "action_intent_id": f"{self._key[-6:]}-{time.monotonic_ns()}-{self._number}",
            "account_id": "acme",
            "action_type": "FILE_LETTER",
            "parameters": {"text": "Renewal"},
            "confidence_score": 0.95,
        }
        reply = await self._ask(with_json("POST", "/v1/intents", self._key, proposal))
        return dict(json.loads(_good(reply, 201).body))

    async def _ask(self, text: bytes) -> Reply:
        if self._connection:
            with contextlib.suppress(OSError, EOFError):
                return await self._asked(self._connection, text)
        await self.close()
        self._connection = await self._held.enter_async_context(
            connected(self._target.port, address(HOME))
        )
        return await self._asked(self._connection, text)

    async def _asked(self, connection: Connection, text: bytes) -> Reply:
        """A connection whose answer is not awaited to its end is of no more use."""
        self._connection = None
        reply = await asked(connection, text)
        self._connection = connection
        return reply

    async def close(self) -> None:
        """Ends the connection."""
        self._connection = None
        await self._held.aclose()


@contextlib.asynccontextmanager
async def kept_alive(target: Target, key: str) -> AsyncIterator[Agent]:
    """An agent, until the end of the block."""
    agent = Agent(target, key)
    try:
        yield agent
    finally:
        await agent.close()


# A probe, and people


async def _healthz(target: Target) -> None:
    async with connected(target.port, address(HOME)) as connection:
        _good(await asked(connection, request("GET", "/healthz")), 200)


async def _stop(target: Target, probe: Agent) -> None:
    """Stops the probe, and sees that it is in force."""
    await _switches(
        target, {"scope": "AGENT", "subject": "probe", "level": "HOLD", "reason": "a flood"}
    )
    answer = await probe.proposed()
    if answer["reason"] != "STOP_SWITCH_ON":
        raise BadAnswer(f"{answer['reason']} after a stop")


async def _switches(target: Target, *switches: dict[str, Any]) -> None:
    """Sets the stop switches, whatever their version, over a new connection."""
    text = with_json(
        "PUT",
        "/v1/autonomy/stop-switches",
        target.owner,
        {"stop_switches": switches},
        "If-Match: *",
    )
    async with connected(target.port, address(HOME)) as connection:
        _good(await asked(connection, text), 200)


async def _come_in(target: Target, key: str) -> None:
    """Signs in with a key that the server has not seen, and opens the live part of a page."""
    async with connected(target.port, address(HOME)) as connection:
        reply = _good(await asked(connection, form("/sign-in", {"key": key})), 303)
    cookie = _SESSION.search(reply.head)
    if not cookie:
        raise BadAnswer("no session")
    live = request("GET", "/events", f"Cookie: {cookie[1].decode()}")
    async with connected(target.port, address(HOME)) as (reader, writer):
        writer.write(live)
        head = await reader.readuntil(b"\r\n\r\n")
        _good(Reply(int(head[9:12]), head, b""), 200)
        await reader.readuntil(b"retry:")


def _good(reply: Reply, status: int) -> Reply:
    if reply.status != status:
        raise BadAnswer(str(reply.status))
    return reply
