"""The figures of a run: what there was of everything, how throughput came back after each kill, how
soon lost work was taken up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from clearance.core.moment import from_text
from tests.crash.support.story import Case, Story

WINDOW_SECONDS = 2.0  # over which a rate is taken; in one second chance alone moves it by a fifth
STEADY_WINDOWS = 2  # for which it must be back
RECOVERED = 0.7  # of the usual rate
LOOK_SECONDS = 0.25
RECOVERY_SECONDS_MAX = 90.0
TOO_FEW_PER_SECOND = 2.0  # a rate that says nothing


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: of whom, and when (seconds on the monotonic clock, milliseconds since 1970)."""

    whom: str
    at: float
    at_ms: int
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """Around one kill: the usual rate (per second), the lowest after it, and after how long (s) it
    was back; None: it was not.
    """

    kill: Kill
    usual: float
    lowest: float
    seconds: float | None


def rate(moments: Sequence[float], begin: float, end: float) -> float:
    """How many of the moments, which are in order, lie in a span, per second."""
    return (bisect_left(moments, end) - bisect_left(moments, begin)) / (end - begin)


def usual_rate(moments: Sequence[float]) -> float:
    """The median rate of a run: what is usual under its faults, and so less than what would be
    without them.
    """
    if not moments:
        return 0.0
    count = int((moments[-1] - moments[0]) / WINDOW_SECONDS)
    begins = [moments[0] + number * WINDOW_SECONDS for number in range(count)]
    return (
        median(rate(moments, begin, begin + WINDOW_SECONDS) for begin in begins) if begins else 0.0
    )


def recovery(kill: Kill, moments: Sequence[float], until: float) -> Recovery | None:
    """How a rate came through a kill; None if the run was too slow to say, or ended too soon.

    It is back once the next windows have it again; a later fault that falls between is counted in.
    0: it never fell."""
    usual = usual_rate(moments)
    if usual < TOO_FEW_PER_SECOND or kill.at + STEADY_WINDOWS * WINDOW_SECONDS > until:
        return None
    lowest, back, at = usual, None, kill.at
    while (
        at + STEADY_WINDOWS * WINDOW_SECONDS <= min(until, kill.at + RECOVERY_SECONDS_MAX)
        and back is None
    ):
        begins = [at + number * WINDOW_SECONDS for number in range(STEADY_WINDOWS)]
        rates = [rate(moments, begin, begin + WINDOW_SECONDS) for begin in begins]
        lowest = min(lowest, rates[0])
        if min(rates) >= RECOVERED * usual:
            back = at - kill.at
        at += LOOK_SECONDS
    return Recovery(kill, usual, lowest, back)


def picked_up(case: Case, kills: Iterable[Kill], names: Mapping[int, str]) -> list[float]:
    """How long (s) after its worker's kill each execution that it left was taken up: repeated, or
    said to be unknown.
    """
    by_name = {names[kill.pid]: kill for kill in kills if kill.pid in names}
    return [seconds for story in case for seconds in _left(story, by_name)]


def _left(story: Story, kills: Mapping[str, Kill]) -> Iterable[float]:
    for fact, after in zip(story.facts, story.facts[1:], strict=False):
        if fact.kind != "EXECUTION_STARTED" or fact.fields["worker"] not in kills:
            continue
        lost = (after.fields.get("error") or {}).get("code") == "WORKER_LOST"
        if after.kind == "EXECUTION_STARTED" or lost:
            seconds = (from_text(after.fields["at"]) - kills[fact.fields["worker"]].at_ms) / 1000
            if seconds >= 0:
                yield seconds


def spread(values: Sequence[float]) -> str:
    """Median and worst, for people."""
    return (
        f"median {median(values):.1f}, worst {max(values):.1f} ({len(values)})"
        if values
        else "none"
    )


def table(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns."""
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
