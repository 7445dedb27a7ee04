"""The goals, the result as a table, and its place in docs/floods.md."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flood.bystanders import GIVE_UP_SECONDS, Waits
from flood.floods import FILES_MAX
from flood.run import Result

PAGE = Path(__file__).parents[1] / "docs" / "floods.md"
BETWEEN = re.compile(r"(?<=<!-- flood -->\n).*?(?=<!-- /flood -->)", re.DOTALL)

STOP_SECONDS_MAX = 1.0  # from a person's request to a proposal that the stop holds
COME_IN_SECONDS_MAX = 2.0  # from an open connection to a page that is live
SLOWER_MAX = 3.0  # times quiet, of a median
MEMORY_MIB_MAX = 64.0  # that a flood makes the server take
LOG_BYTES_MAX = 2_000.0  # a second
TRIES_MAX = 30  # of signing in from one address in a minute, and so in any flood


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a result keeps; `measure` is None where the system does not say."""

    title: str
    bound: str
    measure: Callable[[Result], float | None]
    most: float

    def missed(self, result: Result) -> bool:
        """True if it was measured and is over the bound."""
        measured = self.measure(result)
        return measured is not None and measured > self.most


def slower(under: Waits, quiet: Waits) -> float:
    """How many times the median of quiet."""
    return under.median / quiet.median


GOALS = (
    Goal(
        "stop",
        f"a person's stop is in force within {STOP_SECONDS_MAX:.0f} s, every time",
        lambda result: result.under.stop.slowest,
        STOP_SECONDS_MAX,
    ),
    Goal(
        "propose",
        f"the median of an agent's proposal is at most {SLOWER_MAX:.0f} times quiet",
        lambda result: slower(result.under.propose, result.quiet.propose),
        SLOWER_MAX,
    ),
    Goal(
        "healthz",
        f"the median of `GET /healthz` is at most {SLOWER_MAX:.0f} times quiet",
        lambda result: slower(result.under.healthz, result.quiet.healthz),
        SLOWER_MAX,
    ),
    Goal(
        "come in",
        f"a person whose key the server has not seen signs in and has a live page within "
        f"{COME_IN_SECONDS_MAX:.0f} s, every time",
        lambda result: result.under.come_in.slowest,
        COME_IN_SECONDS_MAX,
    ),
    Goal(
        "memory",
        f"the server takes at most {MEMORY_MIB_MAX:.0f} MiB more than before",
        lambda result: result.memory_growth,
        MEMORY_MIB_MAX,
    ),
    Goal(
        "log",
        f"the log grows by at most {LOG_BYTES_MAX / 1000:.0f} kB a second",
        lambda result: result.log_bytes_per_second,
        LOG_BYTES_MAX,
    ),
    Goal(
        "throttle",
        f"of a flood that one address sends, at most {TRIES_MAX} sign-ins are looked at",
        lambda result: result.looked_at if result.flood.throttled else None,
        TRIES_MAX,
    ),
)


def missed(result: Result) -> list[str]:
    """The goals that a result misses."""
    return [goal.title for goal in GOALS if goal.missed(result)]


def report(results: Sequence[Result], seconds: float) -> str:
    """Everything that was measured."""
    about = (
        f"- {os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python "
        f"{platform.python_version()}. {seconds:g} seconds of each flood, on a server of its own "
        f"with at most {FILES_MAX} open files.\n"
        f"- A call without a good answer counts as {GIVE_UP_SECONDS:.0f} s."
    )
    return (
        f"{about}\n\n### Goals\n\n{_goals(results)}\n\n### Bystanders\n\n"
        f"{_bystanders(results)}\n\n### The server and the flood\n\n{_server(results)}\n"
    )


def _goals(results: Sequence[Result]) -> str:
    rows = [f"| {goal.title} | {goal.bound} | {_kept(goal, results)} |" for goal in GOALS]
    return "\n".join(["| | goal | |", "|---|---|---|", *rows])


def _kept(goal: Goal, results: Sequence[Result]) -> str:
    if all(goal.measure(result) is None for result in results):
        return "not measured"
    names = [f"`{result.flood.name}`" for result in results if goal.missed(result)]
    return f"**missed** under {', '.join(names)}" if names else "met"


def _bystanders(results: Sequence[Result]) -> str:
    head = (
        "| flood | a stop is in force: slowest, ms (quiet) | a proposal: median / p99, ms (median "
        "to quiet) | `/healthz`: the same | a person comes in: slowest, ms (quiet) | goals |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|", *map(bystanders_row, results)])


def bystanders_row(result: Result) -> str:
    """How long bystanders waited."""
    return (
        f"| `{result.flood.name}` | {_slowest(result, 'stop')} | {_pair(result, 'propose')} | "
        f"{_pair(result, 'healthz')} | {_slowest(result, 'come_in')} | {_verdict(result)} |"
    )


def _verdict(result: Result) -> str:
    names = missed(result)
    return f"**missed**: {', '.join(names)}" if names else "met"


def _slowest(result: Result, name: str) -> str:
    under, quiet = getattr(result.under, name), getattr(result.quiet, name)
    return f"{_ms(under.slowest)} ({_ms(quiet.slowest)}){_failures(under)}"


def _pair(result: Result, name: str) -> str:
    under, quiet = getattr(result.under, name), getattr(result.quiet, name)
    ratio = f"{slower(under, quiet):.1f}x"
    return f"{_ms(under.median)} / {_ms(under.p99)} ({ratio}){_failures(under)}"


def _failures(waits: Waits) -> str:
    reasons = ", ".join(f"{count} {why}" for why, count in waits.failures.most_common(3))
    return f"; of {len(waits.seconds)}: {reasons}" if reasons else ""


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.0f}" if seconds >= 0.01 else f"{seconds * 1000:.1f}"


def _server(results: Sequence[Result]) -> str:
    head = (
        "| flood | what it does | server's memory, MiB: quiet, peak | log, kB/s | its own "
        "connections | its own use of a core |"
    )
    return "\n".join([head, "|---|---|---|---|---|---|", *map(server_row, results)])


def server_row(result: Result) -> str:
    """What the flood took from the server, and what became of its connections."""
    return (
        f"| `{result.flood.name}` | {result.flood.does} | {_memory(result)} | "
        f"{result.log_bytes_per_second / 1000:,.1f} | {_fate(result.tally)} | "
        f"{result.tally['cores']:.0%} |"
    )


def _memory(result: Result) -> str:
    if result.memory_quiet is None or result.memory_peak is None:
        return "not measured"
    return f"{result.memory_quiet:.0f}, {result.memory_peak:.0f}"


def _fate(tally: Mapping[str, Any]) -> str:
    """What became of a flood's connections."""
    parts = [f"{tally['opened']:,} opened"]
    if tally["refused"]:
        parts.append(f"{tally['refused']:,} refused")
    if tally["cut"]:
        parts.append(
            f"{tally['cut']:,} cut, in the middle after {tally['cut_after_seconds']:.1f} s and "
            f"{tally['cut_after_bytes'] / 1024:,.0f} KiB"
        )
    else:
        parts.append("none cut")
    parts += [f"{count:,} times {status}" for status, count in sorted(tally["statuses"].items())]
    return ", ".join(parts)


def write(text: str, page: Path = PAGE) -> None:
    """Puts the result between the page's marks. ValueError if it has none."""
    before = page.read_text(encoding="utf-8")
    after, count = BETWEEN.subn(lambda _: f"\n{text}\n", before)
    if count != 1:
        sentence = f"{page} needs one pair of <!-- flood --> marks"
        raise ValueError(sentence)
    page.write_text(after, encoding="utf-8")
