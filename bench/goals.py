"""The floors that the gate must keep, beside what was measured: each lay below the lowest round of
its first study, but for that of a proposal over HTTP: rounds on a busy machine fell to 0.11, so it
waits for a study on a quiet one. An answer held back for 40 ms, which it is to show, gives 0.02.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.counts import PAGES_MAX
from bench.run import Cell, Results, middle

SPREAD_64 = ("sqlite storage", 64, "spread")
RAW_64 = ("sqlite raw", 64, "raw")
BUDGET_64 = ("sqlite storage", 64, "budget")
POSTGRES_64 = ("postgres storage alone", 64, "spread")
POSTGRES_HOT_64 = ("postgres storage alone", 64, "hot")
POSTGRES_BUDGET_64 = ("postgres storage alone", 64, "budget")
POSTGRES_RAW_64 = ("postgres raw", 64, "raw")
WHOAMI_1, ECHO_1 = ("sqlite http", 1, "whoami"), ("sqlite http", 1, "echo")
PROPOSAL_1, IN_PROCESS_1 = ("sqlite http", 1, "proposal"), ("sqlite http", 1, "proposal in process")


@dataclass(frozen=True, slots=True)
class Goal:
    """A ratio of two cells, and the floor (or, for a time, the
    ceiling) that its median must keep.
    """

    title: str
    mine: Cell
    other: Cell
    bound: float
    p99: bool = False  # compare the 99th percentiles, of which less is better

    def row(self, results: Results) -> str:
        """Its row of the table."""
        sign = "<=" if self.p99 else ">="
        start = f"| {self.title} | {sign} {self.bound}x |"
        if not (results.has(self.mine) and results.has(self.other)):
            return f"{start} not measured | |"
        ratios = (results.p99_ratios if self.p99 else results.ratios)(self.mine, self.other)
        found = middle(ratios)
        missed = found / self.bound - 1 if self.p99 else 1 - found / self.bound
        said = "met" if missed <= 0 else f"**missed by {missed:.0%}**"
        if missed <= 0 and (max(ratios) > self.bound if self.p99 else min(ratios) < self.bound):
            said = "met, not in every round"
        return f"{start} {ranged(ratios)} | {said} |"


GOALS = (
    Goal("SQLite, storage part + 40 us, 64 callers, to raw", SPREAD_64, RAW_64, 1.8),
    Goal("the same, 8 callers", ("sqlite storage", 8, "spread"), ("sqlite raw", 8, "raw"), 1.0),
    Goal("the same, 1 caller", ("sqlite storage", 1, "spread"), ("sqlite raw", 1, "raw"), 0.45),
    Goal("the same, p99 at 64 callers, to raw's", SPREAD_64, RAW_64, 1.0, p99=True),
    Goal("the same at 64 callers, to the accounts' budgets alone", SPREAD_64, BUDGET_64, 0.9),
    Goal("PostgreSQL, storage part, 64 callers, to raw", POSTGRES_64, POSTGRES_RAW_64, 1.4),
    Goal("the same, one hot account, to 1000 accounts", POSTGRES_HOT_64, POSTGRES_64, 0.9),
    Goal("the same, to the accounts' budgets alone", POSTGRES_64, POSTGRES_BUDGET_64, 0.9),
    Goal("HTTP, whoami, 1 kept-alive caller, to a constant over the same", WHOAMI_1, ECHO_1, 0.05),
    Goal(
        "HTTP, a proposal, 1 kept-alive caller, to the same in process",
        PROPOSAL_1,
        IN_PROCESS_1,
        0.25,
    ),
)


def ranged(ratios: list[float]) -> str:
    """Median and range."""
    return f"{middle(ratios):.2f} [{min(ratios):.2f}..{max(ratios):.2f}]"


def table(results: Results, pages: float) -> str:
    """Goals, floors, and what was found."""
    rows = [goal.row(results) for goal in GOALS]
    met = "met" if pages <= PAGES_MAX else "**missed**"
    rows.append(
        f"| SQLite, pages of the write-ahead log for one admission in groups of 64 | <= "
        f"{PAGES_MAX} | {pages:.2f} | {met} |"
    )
    return "\n".join(
        ["| goal | floor | median [min..max] of the rounds | |", "|---|---|---|---|", *rows]
    )
