"""A measurement: what is asked for, how callers are driven, and what comes back.

Imports nothing but the standard library: the peers, in a venv of their own, are driven by the same
lines.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

ACCOUNTS_SPREAD = 1000
WARM_UP_MIN = 16


class WrongCount(Exception):
    """What was measured did not do what it should have done, so its time means nothing."""


@dataclass(frozen=True, slots=True)
class Job:
    """One measurement.

    `folder` is empty and on the disk that is measured; `postgres` is the URL of a server's
    administrator.
    """

    store: str  # "sqlite", "postgres", or "" where nothing is stored
    folder: str
    postgres: str
    callers: int
    operations: int
    policy_us: int = 0  # work in the caller, in place of a policy

    @property
    def path(self) -> Path:
        return Path(self.folder)

    @property
    def warm_up(self) -> int:
        """Operations that come first and are not timed: connections open, and statements are
        planned.
        """
        return max(WARM_UP_MIN, self.callers)

    @property
    def total(self) -> int:
        """Every operation."""
        return self.warm_up + self.operations


@dataclass(frozen=True, slots=True)
class Timed:
    """How long operations took: all together, and the half and the 99th of a hundred of them one by
    one.
    """

    operations: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def rate(self) -> float:
        """Operations per second."""
        return self.operations / self.seconds


Measured: TypeAlias = Mapping[str, Timed]
"""What one measurement found, by what it looked at."""
Operation: TypeAlias = Callable[[int], Awaitable[object]]


def timed(seconds: float, taken: Sequence[float]) -> Timed:
    """`taken`: the seconds of each operation."""
    ordered = sorted(taken)
    return Timed(len(ordered), seconds, at(ordered, 0.5) * 1000, at(ordered, 0.99) * 1000)


def at(ordered: Sequence[float], share: float) -> float:
    """The value below which `share` of the ordered values lie."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


async def drive(operation: Operation, job: Job) -> Timed:
    """Drives the job's operations, from 0 up to its total; those that warm up are not in the
    answer.
    """
    await drive_some(operation, range(job.warm_up), job.callers)
    return await drive_some(operation, range(job.warm_up, job.total), job.callers)


async def drive_some(operation: Operation, which: Iterable[int], callers: int) -> Timed:
    """Lets `callers` at once do the operations, each its next one as soon as its last one is
    answered.
    """
    numbers = iter(which)
    taken: list[float] = []

    async def caller() -> None:
        for number in numbers:
            begin = time.perf_counter()
            await operation(number)
            taken.append(time.perf_counter() - begin)

    begin = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(callers)))
    return timed(time.perf_counter() - begin, taken)


def spin(microseconds: int) -> None:
    """Keeps the caller's core busy, as a policy would."""
    ends = time.perf_counter() + microseconds / 1e6
    while time.perf_counter() < ends:
        pass


def must_be(found: object, wanted: object, what: str) -> None:
    """WrongCount unless they are equal."""
    if found != wanted:
        sentence = f"{what}: {found}, not {wanted}"
        raise WrongCount(sentence)
