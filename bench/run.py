"""The run: correctness first, then rounds, in each of which every variant has its turn, in rotated
order.

The first round only warms up. Results are kept by round, so that what is compared was measured
within the same half minute.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.children import Children, NotMeasured
from bench.drive import Job, Timed
from bench.variants import CALLERS, CORRECT, GROWTH, ROUND, WAITING, Variant

ANSWER_SECONDS = 60.0  # for one measurement
LONG_ANSWER_SECONDS = 1800.0  # for growth
ROUNDS_MIN = 3  # fewer say nothing
RAW_VARIES_MAX = 3.0  # between the slowest and the fastest round
STEADY = (
    ("fsync", 1, "fsync"),
    ("sqlite raw", 64, "raw"),
    ("postgres raw", 64, "raw"),
    ("sqlite http", 64, "echo"),
    ("postgres http", 64, "echo"),
)

Cell = tuple[str, int, str]  # a variant's key, callers, and what was looked at


@dataclass
class Results:
    """What was found, by cell and round; what could not be measured, and why; what makes the run
    worthless.
    """

    rounds: int = 0
    seconds: float = 0.0
    cells: dict[Cell, list[Timed]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    cut: str = ""

    def has(self, cell: Cell) -> bool:
        """True if the cell was measured in every round."""
        return len(self.cells.get(cell, ())) == max(self.rounds, 1)

    def ratios(self, mine: Cell, other: Cell) -> list[float]:
        """How many times as fast as the other, round by round."""
        return [
            one.rate / two.rate
            for one, two in zip(self.cells[mine], self.cells[other], strict=True)
        ]

    def p99_ratios(self, mine: Cell, other: Cell) -> list[float]:
        """How many times the other's 99th percentile, round by round."""
        return [
            one.p99_ms / two.p99_ms
            for one, two in zip(self.cells[mine], self.cells[other], strict=True)
        ]

    def invalid(self) -> list[str]:
        """Why the run says nothing; empty if it does say something."""
        found = [f"fewer than {ROUNDS_MIN} rounds"] if self.rounds < ROUNDS_MIN else []
        for cell in STEADY:
            rates = [one.rate for one in self.cells.get(cell, ())]
            if rates and max(rates) > RAW_VARIES_MAX * min(rates):
                found.append(
                    f"`{cell[0]}` varied {max(rates) / min(rates):.1f} times between rounds"
                )
        return found


@dataclass
class Run:
    """One run in a folder on the disk that is measured, with the URL of a PostgreSQL's
    administrator or "".
    """

    children: Children
    folder: Path
    postgres: str
    rounds: int
    deadline_seconds: float
    results: Results = field(default_factory=Results)
    spent: dict[str, float] = field(default_factory=dict)

    def check(self) -> None:
        """Raises NotMeasured if a store overspends, charges twice or loses an entry."""
        for variant in self._possible(CORRECT):
            _say(f"correct? {variant.store}")
            self._measure(variant, 64)

    def take_rounds(self) -> None:
        """Every round, or as many as the deadline allows."""
        begin = time.monotonic()
        for number in range(-1, self.rounds):
            start = time.monotonic()
            self._round(number)
            took = time.monotonic() - start
            _say(
                f"{'warm-up' if number < 0 else f'round {number + 1} of {self.rounds}'}: "
                f"{took:.0f} s"
            )
            self.results.rounds = number + 1
            if number + 1 < self.rounds and time.monotonic() - begin + took > self.deadline_seconds:
                self.results.cut = f"the deadline came after {number + 1} of {self.rounds} rounds"
                break
        self.results.seconds = time.monotonic() - begin
        turns = sorted(self.spent.items(), key=lambda pair: -pair[1])
        _say("seconds by variant: " + ", ".join(f"{key} {seconds:.0f}" for key, seconds in turns))

    def _round(self, number: int) -> None:
        kept: dict[Cell, Timed] = {}
        for callers in CALLERS:
            turns = [variant for variant in self._possible(ROUND) if callers in variant.operations]
            for variant in _rotated(turns, number):
                for name, one in self._tried(variant, callers).items():
                    kept[variant.key, callers, name] = one
        if number >= 0:
            for cell, one in kept.items():
                self.results.cells.setdefault(cell, []).append(one)

    def take_once(self, *, growth: bool) -> None:
        """What is too large to be done in every round; it repeats what it times inside."""
        for variant in self._possible((*WAITING, *(GROWTH if growth else ()))):
            _say(f"{variant.key} ...")
            begin = time.monotonic()
            for name, one in self._tried(variant, 1, LONG_ANSWER_SECONDS).items():
                self.results.cells[variant.key, 1, name] = [one]
            _say(f"{variant.key}: {time.monotonic() - begin:.0f} s")

    def _possible(self, variants: Sequence[Variant]) -> Iterator[Variant]:
        for variant in variants:
            if variant.store == "postgres" and not self.postgres:
                self.results.missing.setdefault(variant.key, "there is no PostgreSQL here")
            if variant.key not in self.results.missing:
                yield variant

    def _tried(
        self, variant: Variant, callers: int, seconds: float | None = None
    ) -> dict[str, Timed]:
        try:
            return self._measure(variant, callers, seconds)
        except NotMeasured as reason:
            if not variant.optional:
                raise
            _say(f"{variant.key}: {reason}")
            self.results.missing[variant.key] = str(reason)
            return {}

    def _measure(
        self, variant: Variant, callers: int, seconds: float | None = None
    ) -> dict[str, Timed]:
        job = Job(
            variant.store,
            str(self.folder),
            self.postgres,
            callers,
            variant.operations[callers],
            variant.policy_us,
        )
        begin = time.monotonic()
        try:
            return dict(self.children.measure(variant, job, seconds))
        except NotMeasured as reason:
            raise NotMeasured(f"{variant.key}, {callers} callers: {reason}") from reason
        finally:
            self.spent[variant.key] = self.spent.get(variant.key, 0.0) + time.monotonic() - begin


def _rotated(turns: list[Variant], number: int) -> list[Variant]:
    start = number % len(turns)
    return turns[start:] + turns[:start]


def _say(sentence: str) -> None:
    print(f"  {sentence}", flush=True)


def middle(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


@contextmanager
def new_run(folder: Path, postgres: str, rounds: int, deadline_seconds: float) -> Iterator[Run]:
    """A run, whose children are ended with it."""
    with ExitStack() as ends:
        children = ends.enter_context(Children(folder, ANSWER_SECONDS))
        yield Run(children, folder, postgres, rounds, deadline_seconds)
