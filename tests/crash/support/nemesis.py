"""The nemesis: faults from a seed.

The same seed has the same faults at the same moments of a run, on the same processes.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psycopg

from tests.crash.support.process import write_offset
from tests.crash.support.profiles import Postgres, Profile
from tests.crash.support.supervisor import Process, Supervisor

WEIGHTS = {
    "kill_worker": 26,
    "kill_api": 16,
    "kill_tool": 8,
    "stop_worker": 8,
    "stop_api": 4,
    "stop_tool": 3,
    "cut": 12,
    "kill_postgres": 6,
    "full_disk": 5,
    "clock_worker": 8,
    "clock_api": 4,
}
"""How often each fault is drawn, beside the others that the profile can meet."""

FULL_SECONDS = (1.0, 4.0)
TOOL_STOP_SECONDS = (1.0, 4.0)
STOP_BEYOND_LEASE_SECONDS = (1.0, 4.0)
CLOCK_SECONDS = (4.0, 12.0)
CUT_SHARES = (0.3, 1.0)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault: when (seconds after the start), on which process of its group, for how long, and how
    strong it is (0 to 1).
    """

    at: float
    kind: str
    target: int
    seconds: float
    strength: float

    def __str__(self) -> str:
        return (
            f"{self.at:7.2f} s {self.kind} target {self.target} for {self.seconds:.1f} s "
            f"({self.strength:.2f})"
        )


@dataclass
class Struck:
    """A fault that was carried out: when on the monotonic clock, and on whom."""

    fault: Fault
    at: float
    process: str


def plan(
    seed: int, kinds: frozenset[str], seconds: float, every: float, lease_seconds: float
) -> list[Fault]:
    """The faults of a run: each kind that is possible at least once if there is the time, the rest
    by their weights.
    """
    drawn = random.Random(f"{seed}:nemesis")
    chosen = sorted(kinds)
    drawn.shuffle(chosen)
    lengths = {
        "stop_worker": STOP_BEYOND_LEASE_SECONDS,
        "stop_api": STOP_BEYOND_LEASE_SECONDS,
        "stop_tool": TOOL_STOP_SECONDS,
        "full_disk": FULL_SECONDS,
        "clock_worker": CLOCK_SECONDS,
        "clock_api": CLOCK_SECONDS,
    }
    faults, at = [], every / 2
    while at < seconds:
        weights = [WEIGHTS[kind] for kind in sorted(kinds)]
        kind = chosen.pop() if chosen else drawn.choices(sorted(kinds), weights)[0]
        length = drawn.uniform(*lengths.get(kind, (0.0, 0.0)))
        if kind in {"stop_worker", "stop_api"}:
            length += lease_seconds
        faults.append(Fault(at, kind, drawn.randrange(1 << 16), length, drawn.random()))
        at += drawn.uniform(0.5, 1.5) * every
    return faults


@dataclass
class Nemesis:
    """Carries the plan out, and undoes everything at the end."""

    supervisor: Supervisor
    profile: Profile
    lease_seconds: float
    say: Callable[[str], None]
    struck: list[Struck] = field(default_factory=list)

    async def run(self, faults: list[Fault], began: float) -> None:
        """Each fault at its moment; those that last go on beside the next ones."""
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(began + fault.at - time.monotonic(), 0))
                group.create_task(self._strike(fault))

    def counts(self) -> Counter[str]:
        """How many faults of each kind were carried out."""
        return Counter(one.fault.kind for one in self.struck)

    async def _strike(self, fault: Fault) -> None:
        verb, _, whom = fault.kind.partition("_")
        strikes: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "cut": self._cut,
            "kill_postgres": self._kill_postgres,
            "full_disk": self._fill_disk,
        }
        strike = strikes.get(fault.kind)
        if strike is not None:
            await strike(fault)
            return
        group = self.supervisor.group(whom)
        process = group[fault.target % len(group)]
        hurt = {"kill": self._kill, "stop": self._stop, "clock": self._set_clock}[verb]
        await hurt(fault, process)

    def _note(self, fault: Fault, whom: str) -> None:
        self.struck.append(Struck(fault, time.monotonic(), whom))
        self.say(f"{fault.kind} {whom}")

    async def _kill(self, fault: Fault, process: Process) -> None:
        if self.supervisor.kill(process):
            self._note(fault, process.name)

    async def _stop(self, fault: Fault, process: Process) -> None:
        if not process.send(signal.SIGSTOP):
            return
        self._note(fault, process.name)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            process.send(signal.SIGCONT)

    async def _set_clock(self, fault: Fault, process: Process) -> None:
        """Up to two leases forward or back, then right again."""
        jump = int((fault.strength - 0.5) * 4 * self.lease_seconds * 1000)
        if process.pid is None:
            return
        self._note(fault, f"{process.name} by {jump / 1000:+.1f} s")
        write_offset(process.clock, jump)
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            write_offset(process.clock, 0)

    async def _cut(self, fault: Fault) -> None:
        low, high = CUT_SHARES
        with contextlib.suppress(
            psycopg.Error
        ):  # there is nothing to cut while PostgreSQL restarts
            cut = await asyncio.to_thread(self._postgres.cut, low + (high - low) * fault.strength)
            self._note(fault, f"{cut} connections")

    async def _kill_postgres(self, fault: Fault) -> None:
        self._note(fault, "postgres")
        await asyncio.to_thread(self._postgres.server.crash, signal.SIGQUIT)
        await asyncio.to_thread(self._postgres.server.start)

    async def _fill_disk(self, fault: Fault) -> None:
        """No room: on PostgreSQL's file system, or for the files of the process that writes to a
        file of its own.
        """
        self._note(fault, "the disk")
        if isinstance(self.profile, Postgres):
            server = self.profile.server
            try:
                await asyncio.to_thread(server.fill_disk)
                await asyncio.sleep(fault.seconds)
            finally:
                server.empty_disk()
            await asyncio.to_thread(server.start)  # a full disk may have ended it
            return
        limited = [process for process in self.supervisor.group("api") if process.limit_files(1)]
        try:
            await asyncio.sleep(fault.seconds)
        finally:
            for process in limited:
                process.limit_files(-1)

    @property
    def _postgres(self) -> Postgres:
        if not isinstance(self.profile, Postgres):
            raise TypeError(self.profile.name)
        return self.profile
