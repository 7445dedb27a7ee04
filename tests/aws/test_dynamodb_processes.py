"""Three processes on one table, and one of them is killed: what they used in all is exact."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from clearance.core.record import IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.transitions import Admitted, BudgetSpent, TooManyWaiting
from tests.aws.support.emulators import environment
from tests.aws.support.proposer import TENANT_DAY, asking, invented
from tests.aws.support.table import Table
from tests.support.sample import TENANT
from tests.support.world import World

pytestmark = pytest.mark.anyio

PROPOSER = "tests.aws.support.proposer"
ACTS, WAITING = 16, 8
KILLED_SECONDS_MAX = 20.0


@pytest.fixture
def place(dynamodb_table: Table) -> Table:
    return dynamodb_table


@contextlib.contextmanager
def proposer(table: Table, name: str) -> Iterator[subprocess.Popen[str]]:
    """A process that proposes until it is refused; it ends with the test at the latest."""
    assert table.endpoint is not None
    with subprocess.Popen(
        [sys.executable, "-m", PROPOSER, table.name, name, str(ACTS), str(WAITING)],
        env=os.environ | environment(table.endpoint),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def begin(*processes: subprocess.Popen[str]) -> None:
    """Lets processes begin once all of them are ready."""
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def admitted_by(process: subprocess.Popen[str], begun: threading.Event | None = None) -> set[str]:
    """What a process reports as admitted until it ends; `begun` is set with its first report."""
    assert process.stdout is not None
    names = set()
    for line in process.stdout:
        names.add(line.strip())
        if begun is not None:
            begun.set()
    return names


def killed_once(process: subprocess.Popen[str], begun: threading.Event) -> set[str]:
    """The same of a process that has begun, and that is killed once others have."""
    assert process.stdout is not None
    first = {process.stdout.readline().strip()}
    begun.wait(KILLED_SECONDS_MAX)
    process.kill()
    return first | admitted_by(process)


async def test_of_three_processes_of_which_one_is_killed_the_total_is_exact(
    world: World, place: Table
) -> None:
    with proposer(place, "p0") as killed, proposer(place, "p1") as p1, proposer(place, "p2") as p2:
        begun = threading.Event()
        await asyncio.to_thread(begin, killed, p1, p2)
        reports = await asyncio.gather(
            asyncio.to_thread(killed_once, killed, begun),
            asyncio.to_thread(admitted_by, p1, begun),
            asyncio.to_thread(admitted_by, p2, begun),
        )
        assert killed.wait() in {-9, 0}  # 0: it was through before the others had begun
        assert [p1.wait(), p2.wait()] == [0, 0]
    # One of two that race from the same moment may find nothing left
    assert reports[1] | reports[2], "the killed one was not alone"
    records = await world.store.timeline(TENANT, TimelineQuery(limit=500))
    assert {record.intent.action_intent_id for record in records} >= set[str]().union(*reports)
    held = sum(record.hold is not None and record.hold.state.counts for record in records)
    waits = sum(record.status is IntentStatus.AWAITING_APPROVAL for record in records)
    assert await world.store.counted(TENANT, [TENANT_DAY]) == {TENANT_DAY: {"actions": held}}
    # What they withdrew in the end is free again: so much may still come, and no more
    for number in range(ACTS - held):
        last = await invented(world, f"act-{number}", ACTS)
        assert isinstance(await world.store.admit(last), Admitted)
    for number in range(WAITING - waits):
        last = await asking(world, f"ask-{number}", WAITING)
        assert isinstance(await world.store.admit(last), Admitted)
    spent = await world.store.admit(await invented(world, "act", ACTS))
    assert spent == BudgetSpent({f"actions {TENANT_DAY.subject} {TENANT_DAY.window}": ACTS})
    assert await world.store.admit(await asking(world, "ask", WAITING)) == TooManyWaiting(WAITING)
