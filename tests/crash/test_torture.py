"""A few seconds of torture on each profile, with a seed that is always the same; `make torture` is
the long one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.support.figures import Kill, recovery
from tests.crash.support.nemesis import plan
from tests.crash.support.zygote import Zygote, zygote
from tests.crash.torture import Run, torture

SECONDS = 6.0  # of torture; then as long as it takes until everything has settled
FAULTS = {
    "local": frozenset({"kill_api", "full_disk", "clock_api", "kill_tool"}),
    "postgres": frozenset({"kill_api", "kill_worker", "cut", "kill_postgres", "clock_worker"}),
}


@pytest.fixture(scope="module")
def forks() -> Iterator[Zygote]:
    with zygote() as made:
        yield made


@pytest.mark.timeout(118)  # on a slow machine it takes longer, and that alone breaks no promise
@pytest.mark.parametrize("profile", ["local", "postgres"])
def test_a_short_torture_breaks_no_promise(tmp_path: Path, forks: Zygote, profile: str) -> None:
    run = Run(
        profile,
        seed=20261123,
        seconds=SECONDS,
        apis=2,
        workers=2,
        clients=8,
        per_second=12,
        fault_every=1.4,
        folder=tmp_path,
        ceiling=18,
        retry_window_seconds=1,  # so that leases end within the test
        deadline_seconds=1,
        only=FAULTS[profile],
        forks=forks,
    )
    result = asyncio.run(torture(run))
    assert [str(violation) for violation in result.violations] == []
    # It was no empty run.
    assert result.faults.total() >= 3
    assert result.counts["acknowledged"] >= 10
    assert result.counts["effects"] >= 3
    assert result.counts["approved alone on accounts that were made up"] >= 3
    assert result.counts["limits that were full at the end"] >= 2, "of each tenant one"
    assert result.counts["answers to proposals"] > result.counts["acknowledged"], (
        "each is sent three times"
    )


def test_the_same_seed_has_the_same_faults() -> None:
    kinds = frozenset({"kill_api", "cut", "stop_worker"})
    faults = plan(7, kinds, 60, 5, 19)
    assert faults == plan(7, kinds, 60, 5, 19)
    assert faults != plan(8, kinds, 60, 5, 19)
    assert {fault.kind for fault in faults} == kinds
    assert all(fault.seconds > 19 for fault in faults if fault.kind == "stop_worker"), (
        "beyond a lease"
    )


def test_a_rate_that_falls_and_comes_back_is_seen() -> None:
    moments = [
        second / 10 for second in range(1200) if not 500 <= second < 580
    ]  # ten a second, none for eight
    kill = Kill("kill_worker", 50.0, 0)
    found = recovery(kill, moments, 120.0)
    assert found is not None
    assert found.usual == pytest.approx(10, abs=0.5)
    assert found.lowest == 0
    assert found.seconds == pytest.approx(7.5, abs=1)
    unhurt = recovery(Kill("kill_api", 80.0, 0), moments, 120.0)
    assert unhurt is not None
    assert unhurt.seconds == 0
