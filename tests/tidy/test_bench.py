"""What the benchmark counts is the same on every machine, and so is what it makes of its figures:
those are held here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import counts, report, served
from bench.children import Children, NotMeasured
from bench.drive import Job, Timed, WrongCount, must_be, timed
from bench.goals import GOALS, Goal
from bench.run import Results, Run
from bench.variants import CALLERS, HTTP, ROUND, Variant

from tests.tidy.pages import ROOT

STATEMENTS_MAX = 12
MINE, OTHER = ("sqlite storage", 64, "spread"), ("sqlite raw", 64, "raw")


def rounds(*rates: float) -> list[Timed]:
    return [Timed(100, 100 / rate, 1.0, 1000 / rate) for rate in rates]


def results(mine: list[Timed], other: list[Timed]) -> Results:
    return Results(rounds=len(mine), cells={MINE: mine, OTHER: other})


# Counts


@pytest.mark.anyio
async def test_an_admission_costs_few_pages(tmp_path: Path) -> None:
    assert await counts.pages_per_admission(tmp_path, groups=15) <= counts.PAGES_MAX


@pytest.mark.anyio
async def test_an_admission_costs_few_statements(tmp_path: Path) -> None:
    assert 0 < await counts.statements_per_admission(tmp_path) <= STATEMENTS_MAX


@pytest.mark.anyio
async def test_many_admissions_share_a_round_trip(database: str) -> None:
    assert 0 < await counts.round_trips_per_group(database, groups=4) <= counts.ROUND_TRIPS_MAX


# What is made of figures


def test_a_floor_is_met_by_the_median_of_the_ratios_of_the_rounds() -> None:
    floor = Goal("to raw", MINE, OTHER, 1.8)
    assert "| 2.00 [2.00..2.00] | met |" in floor.row(
        results(rounds(200, 20, 2), rounds(100, 10, 1))
    )
    assert "| 2.00 [1.00..3.00] | met, not in every round |" in floor.row(
        results(rounds(1, 2, 3), rounds(1, 1, 1))
    )
    assert "| 0.90 [0.90..0.90] | **missed by 50%** |" in floor.row(
        results(rounds(90), rounds(100))
    )


def test_of_a_percentile_less_is_better() -> None:
    ceiling = Goal("p99 to raw's", MINE, OTHER, 1.0, p99=True)
    assert "| 0.50 [0.50..0.50] | met |" in ceiling.row(results(rounds(200), rounds(100)))
    assert "**missed by 100%**" in ceiling.row(results(rounds(50), rounds(100)))


def test_a_run_whose_yardstick_varied_more_than_three_times_is_invalid() -> None:
    assert results(rounds(1, 1, 1), rounds(100, 200, 299)).invalid() == []
    [reason] = results(rounds(1, 1, 1), rounds(100, 200, 301)).invalid()
    assert "`sqlite raw` varied 3.0 times" in reason
    assert results(rounds(1, 1), rounds(1, 1)).invalid() == ["fewer than 3 rounds"]
    assert "**Invalid:**" in report.report(
        results(rounds(1, 1, 1), rounds(100, 200, 301)), [], 1.6, ""
    )


def test_what_was_not_measured_says_why() -> None:
    found = results(rounds(1), rounds(1))
    found.missing = {
        variant.key: "there is no PostgreSQL here"
        for variant in ROUND
        if variant.store == "postgres"
    }
    text = report.report(found, [], 1.6, "")
    assert (
        "| raw: insert and commit, psycopg pool of 16 | not measured: there is no PostgreSQL here |"
        in text
    )
    assert "| PostgreSQL, storage part, 64 callers, to raw | >= 1.4x | not measured | |" in text


def test_what_a_client_sees_is_compared_with_a_bare_connection_and_with_the_same_in_process() -> (
    None
):
    rates = {"echo": 1000, "whoami": 100, "proposal": 20, "proposal in process": 40}
    cells = {("sqlite http", 1, name): rounds(rate, rate, rate) for name, rate in rates.items()}
    text = report.report(Results(rounds=3, cells=cells), [], 1.6, "")
    assert (
        "| `GET /v1/whoami`, to the yardstick | 100/s, 0.10 [0.10..0.10] |  |  | 1.00 / 10.00 |  |"
        in text
    )
    assert "the same in process | 20/s, 0.50 [0.50..0.50] |  |  | 1.00 / 50.00 |  |" in text


def test_percentiles_are_of_the_operations_one_by_one() -> None:
    found = timed(5.0, [number / 1000 for number in range(100, 0, -1)])
    assert (found.operations, found.p50_ms, found.p99_ms, found.rate) == (100, 51.0, 100.0, 20.0)


# The run


@pytest.mark.anyio
async def test_a_running_server_is_measured_as_a_client_sees_it(tmp_path: Path) -> None:
    measured = await served.measure(Job("sqlite", str(tmp_path), "", callers=2, operations=4))
    wanted = {name for _, *compared in report.OVER_HTTP for name in compared}
    wanted |= {
        cell[2] for goal in GOALS for cell in (goal.mine, goal.other) if cell[0] == HTTP[0].key
    }
    assert wanted <= measured.keys()


def test_a_wrong_count_is_no_measurement(tmp_path: Path) -> None:
    with pytest.raises(WrongCount, match="entries: 2, not 3"):
        must_be(2, 3, "entries")
    wrong = Variant("wrong", "bench.policy", "", "", {1: 431})
    with (
        Children(tmp_path, 60) as children,
        pytest.raises(NotMeasured, match="questions: 432, not 431"),
    ):
        Run(children, tmp_path, "", 1, 60.0)._tried(wrong, 1)


def test_a_child_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    slow = Variant("slow", "bench.fsync", "", "", {1: 10**9})
    with Children(tmp_path, 0.2) as children:
        with pytest.raises(NotMeasured, match="no answer within"):
            children.measure(slow, Job("", str(tmp_path), "", 1, 10**9))
        assert children._children == {}


def test_every_goal_is_of_something_that_is_measured() -> None:
    known = {
        (variant.key, callers)
        for variant in ROUND
        for callers in variant.operations
        if callers in CALLERS
    }
    assert {cell[:2] for goal in GOALS for cell in (goal.mine, goal.other)} <= known
    assert {variant.beside for variant in ROUND if variant.beside} <= {
        variant.key for variant in ROUND
    }


def test_the_result_is_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- bench -->\nold\n<!-- /bench -->\nafter\n", encoding="utf-8")
    report.write("new", page)
    assert (
        page.read_text(encoding="utf-8")
        == "before\n<!-- bench -->\n\nnew\n<!-- /bench -->\nafter\n"
    )
    page.write_text("no marks\n", encoding="utf-8")
    with pytest.raises(ValueError, match="marks"):
        report.write("new", page)


def test_the_page_has_the_marks_and_the_goals() -> None:
    said = report.written(ROOT / "docs" / "performance.md")
    assert [goal.title for goal in GOALS if f"| {goal.title} |" not in said] == []
