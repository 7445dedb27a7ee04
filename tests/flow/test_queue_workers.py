"""Workers on one queue: one sweeps, what a lost one left is taken up, and nothing that the database
does ends one.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import structlog
from procrastinate import App

from clearance.clock import SystemClock
from clearance.core.record import IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.engines.queue import procrastinate as queues
from clearance.engines.queue.jobs import Jobs
from clearance.engines.queue.procrastinate import Queue
from clearance.engines.queue.schema import prepare
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.ports.due import Due
from clearance.flow.ports.tools import ToolCall
from clearance.flow.sweep import STEP_MAX, Sweeper, SweepSummary
from tests.flow.support.queueing import (
    WAIT_SECONDS,
    Line,
    approving,
    asked,
    defer,
    document,
    fetch,
    new_worker,
    propose,
    terminate,
    until,
    waiting,
    working,
)
from tests.support.postgres import folder_of, new_database, server
from tests.support.sample import AGENT, TENANT, mail, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS", 0)


# The sweep


@pytest.mark.usefixtures("quick")
async def test_one_of_three_workers_sweeps_and_another_one_when_it_has_ended(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    find = Sweeper.find

    async def noted(sweeper: Sweeper) -> SweepSummary:
        steps.append(sweeper._worker)
        return await find(sweeper)

    monkeypatch.setattr(Sweeper, "find", noted)
    async with contextlib.AsyncExitStack() as ends:
        workers = {}
        for _ in range(3):
            own = await ends.enter_async_context(contextlib.AsyncExitStack())
            workers[(await own.enter_async_context(working(shop, queue_place))).name] = own
        await until(lambda: len(steps) >= 5)
        await asyncio.sleep(0.5)
        (leader,) = set(steps)
        await workers.pop(leader).aclose()
        steps.clear()
        await until(lambda: len(steps) >= 5)
        await asyncio.sleep(0.5)
        (next_leader,) = set(steps)
        assert next_leader in workers


@pytest.mark.usefixtures("quick")
async def test_a_worker_knows_when_it_swept_for_as_long_as_it_sweeps(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leads = True

    async def lead(*_: object) -> bool:
        return leads

    monkeypatch.setattr(Jobs, "lead", lead)
    async with working(shop, queue_place) as worker:
        context = worker._context
        assert context is not None
        await until(lambda: context.swept_at is not None)
        leads = False
        await until(lambda: context.swept_at is None)


async def test_who_sweeps_is_replaced_when_it_gives_no_sign_of_life(queue_place: str) -> None:
    jobs = Jobs(queue_place)
    async with App(connector=jobs.connector).open_async():
        assert await jobs.lead("first", 0.3)
        assert not await jobs.lead("second", 0.3)
        assert await jobs.lead("first", 0.3)
        await asyncio.sleep(0.35)
        assert await jobs.lead("second", 60)
        assert not await jobs.lead("first", 0.3)
        await jobs.resign("first")
        assert not await jobs.lead("first", 0.3)
        await jobs.resign("second")
        assert await jobs.lead("first", 0.3)


@pytest.mark.usefixtures("quick")
async def test_what_is_held_does_not_hide_the_rest_from_the_sweep(
    shop: World, queue_place: str
) -> None:
    held = [f"t{number:03}" for number in range(STEP_MAX + 20)]
    await asyncio.gather(*(propose(shop, held[part::10]) for part in range(10)))
    await shop.configure(await stopped_for(shop, "acme"))
    await shop.propose(task("free", account_id="globex"))
    async with working(shop, queue_place):
        await until(lambda: bool(shop.tools.calls))
    assert (await shop.record("free")).status is IntentStatus.SUCCEEDED
    assert len(shop.tools.calls) == 1


async def stopped_for(shop: World, account_id: str) -> dict[str, Any]:
    switch = StopSwitch(StopScope.ACCOUNT, account_id, StopLevel.HOLD, "incident")
    made = document(64)
    made["stop_switches"] = [
        {
            "scope": switch.scope.value,
            "subject": switch.subject,
            "level": switch.level.value,
            "reason": switch.reason,
        }
    ]
    return made


@pytest.mark.usefixtures("quick")
async def test_a_sweep_that_fails_lets_another_worker_try(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, failing = Sweeper.find, set[str]()

    async def fails(sweeper: Sweeper) -> SweepSummary:
        if not failing or sweeper._worker in failing:
            failing.add(sweeper._worker)
            raise RuntimeError("a bug")
        return await find(sweeper)

    monkeypatch.setattr(Sweeper, "find", fails)
    monkeypatch.setattr(queues, "LEADS_SECONDS", 3_600)
    await propose(shop, ["t1"])
    with structlog.testing.capture_logs() as logs:
        async with working(shop, queue_place), working(shop, queue_place):
            await until(lambda: bool(shop.tools.calls))
    assert len(failing) == 1
    assert "sweep failed" in {line["event"] for line in logs}


@pytest.mark.usefixtures("quick")
async def test_what_a_dead_worker_left_is_tried_again_within_the_places(
    shop: World, queue_place: str
) -> None:
    await shop.configure(document(2))
    line = Line(0.02)
    names = [f"t{number}" for number in range(12)]
    await propose(shop, names)
    for name in names:
        assert await execute.start(shop.context, TENANT, name, "dead") is not None
    await shop.propose(mail("m1"))
    assert await execute.start(shop.context, TENANT, "m1", "dead") is not None
    shop.clock.forward(60_000)
    async with working(shop, queue_place, tools=line.tools):
        async with asyncio.timeout(WAIT_SECONDS):
            while {(await shop.record(name)).status for name in [*names, "m1"]} & {
                IntentStatus.RUNNING
            }:
                await asyncio.sleep(0.02)
    records = [await shop.record(name) for name in names]
    assert {(record.status, record.attempt.number) for record in records if record.attempt} == {
        (IntentStatus.SUCCEEDED, 2)
    }
    assert (line.most, (await shop.record("m1")).status) == (2, IntentStatus.UNKNOWN)
    assert set(line.tools.by_key().values()) == {1}


async def test_a_repeated_hint_takes_nothing_from_a_worker_that_lives(shop: World) -> None:
    await propose(shop, ["t1"])
    assert await execute.start(shop.context, TENANT, "t1", "dead") is not None
    for _ in range(2):
        await execute.carry_on(shop.context, TENANT, "t1", "other")
    assert shop.tools.calls == []
    shop.clock.forward(60_000)
    again = await execute.restart(shop.context, TENANT, "t1", "other")
    assert again is not None
    assert again.attempt.number == 2
    for _ in range(2):
        await execute.carry_on(shop.context, TENANT, "t1", "third")
    assert shop.tools.calls == []


# Workers that are lost


@pytest.mark.usefixtures("quick")
async def test_jobs_of_a_worker_that_gave_no_sign_are_taken_up_and_their_places_are_free(
    shop: World, queue_place: str
) -> None:
    names = [f"t{number}" for number in range(4)]
    await propose(shop, names)
    defer(queue_place, TENANT, names, places=4)
    dead = new_worker(queue_place, seconds_ago=60)
    assert [fetch(queue_place, dead) for _ in names] == names
    defer(
        queue_place, TENANT, ["t0"], places=4
    )  # hinted again: this one waits beside the job that is lost
    assert fetch(queue_place, dead) is None
    async with working(shop, queue_place):
        await until(lambda: len(shop.tools.calls) == 4)
        await until(lambda: waiting(queue_place) == [])
    assert set(shop.tools.by_key().values()) == {1}
    assert asked(queue_place, "SELECT count(*) FROM clearance_queue.procrastinate_workers") == [0]


@pytest.mark.usefixtures("quick", "no_sweep")
async def test_a_job_whose_fetch_was_not_answered_goes_back(shop: World, queue_place: str) -> None:
    await propose(shop, ["t1"])
    async with working(shop, queue_place):
        worker = asked(queue_place, "SELECT id FROM clearance_queue.procrastinate_workers")[0]
        with psycopg.connect(
            queue_place
        ) as connection:  # in one transaction, so that nobody else can fetch it
            connection.execute(
                "SELECT clearance_queue.defer_hints(%s, %s, %s, %s::integer[], %s)",
                ([TENANT], ["t1"], ["lane"], [1], [False]),
            )
            connection.execute("SELECT clearance_queue.fetch_next(%s)", (worker,))
        await until(lambda: len(shop.tools.calls) == 1)
        await until(lambda: waiting(queue_place) == [])


@pytest.mark.usefixtures("quick", "no_sweep")
async def test_a_worker_that_was_taken_for_dead_works_on_under_a_new_number(
    shop: World, queue_place: str
) -> None:
    async with working(shop, queue_place), approving(shop, queue_place) as control:
        first = asked(queue_place, "DELETE FROM clearance_queue.procrastinate_workers RETURNING id")
        await until(
            lambda: bool(asked(queue_place, "SELECT id FROM clearance_queue.procrastinate_workers"))
        )
        await control.propose(AGENT, task("t1"))
        await until(lambda: len(shop.tools.calls) == 1)
        assert asked(queue_place, "SELECT id FROM clearance_queue.procrastinate_workers") != first


@pytest.mark.usefixtures("quick")
async def test_an_exception_in_one_execution_ends_neither_the_worker_nor_another_execution(
    shop: World, queue_place: str
) -> None:
    async def behave(call: ToolCall) -> dict[str, bool]:
        if call.arguments["title"] == "bad":
            raise RuntimeError("a bug")
        return {"ok": True}

    shop.tools.behave = behave
    async with working(shop, queue_place, concurrency=1), approving(shop, queue_place) as control:
        for name, title in (("t1", "good"), ("t2", "bad"), ("t3", "good")):
            await control.propose(AGENT, task(name, parameters={"title": title}))
        await until(lambda: len(shop.tools.calls) == 3)
        await until(lambda: waiting(queue_place) == [])
    statuses = [(await shop.record(name)).status.value for name in ("t1", "t2", "t3")]
    assert statuses == ["SUCCEEDED", "RUNNING", "SUCCEEDED"]


# The database goes, and comes back


@pytest.mark.usefixtures("quick")
async def test_connections_that_are_cut_end_no_worker_and_repeat_no_call(
    shop: World, queue_place: str
) -> None:
    line = Line(0.01)
    async with (
        working(shop, queue_place, tools=line.tools) as queue,
        approving(shop, queue_place) as control,
    ):
        for number in range(60):
            await control.propose(AGENT, task(f"t{number}"))
            if number % 10 == 5:
                assert terminate(queue_place) >= 1
        await until(lambda: len(line.tools.calls) == 60)
        await until(queue.ready)
        await until(lambda: waiting(queue_place) == [])
    assert set(line.tools.by_key().values()) == {1}


@pytest.mark.server
@pytest.mark.usefixtures("quick")
async def test_a_restart_of_the_server_costs_two_lines_and_no_worker(tmp_path: Path) -> None:
    folder = folder_of(f"restart-{os.getpid()}")
    with new_database(folder) as conninfo:
        await prepare(conninfo)
        async with opened(tmp_path / "store.sqlite3") as shop:
            await shop.configure(document(64))
            async with working(shop, conninfo) as queue, approving(shop, conninfo) as control:
                await control.propose(AGENT, task("t1"))
                await until(lambda: len(shop.tools.calls) == 1)
                with structlog.testing.capture_logs() as logs:
                    await asyncio.to_thread(server(folder).stop)
                    await until(lambda: not queue.ready())
                    await control.propose(AGENT, task("t2"))  # its hint is lost
                    await asyncio.to_thread(server(folder).start)
                    await until(queue.ready)
                    await until(lambda: len(shop.tools.calls) == 2)
                said = Counter(
                    line["event"] for line in logs if line["log_level"] in {"warning", "error"}
                )
        assert said == {"queue away": 1, "hints dropped": said["hints dropped"], "queue back": 1}
        assert set(shop.tools.by_key().values()) == {1}


# The end


async def test_a_stopped_worker_finishes_what_is_under_way_and_begins_nothing(
    shop: World, queue_place: str
) -> None:
    line = Line(-1)
    queue, stopped = Queue(queue_place, concurrency=1), asyncio.Event()
    context = Context(shop.store, line.tools, queue, shop.clock)
    async with queue.open(context), approving(shop, queue_place) as control:
        running = asyncio.create_task(queue.run(context, stopped))
        await until(queue.ready)
        await control.propose(AGENT, task("t1"))
        await until(lambda: line.now == 1)
        await control.propose(AGENT, task("t2"))
        stopped.set()
        await asyncio.wait({running}, timeout=0.3)
        assert not running.done()
        assert not queue.ready()
        line.opened.set()
        await asyncio.wait_for(running, WAIT_SECONDS)
    statuses = [(await shop.record(name)).status for name in ("t1", "t2")]
    assert statuses == [IntentStatus.SUCCEEDED, IntentStatus.APPROVED]
    assert waiting(queue_place) == ["t2"]


@pytest.mark.usefixtures("quick")
async def test_a_worker_that_drains_keeps_its_places(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "STALLED_SECONDS", 0.6)
    await shop.configure(document(1))
    line = Line(-1)
    queue, stopped = Queue(queue_place), asyncio.Event()
    context = Context(shop.store, line.tools, queue, shop.clock)
    async with queue.open(context), approving(shop, queue_place) as control:
        running = asyncio.create_task(queue.run(context, stopped))
        await until(queue.ready)
        await control.propose(AGENT, task("t1"))
        await until(lambda: line.now == 1)
        stopped.set()
        async with working(shop, queue_place, tools=line.tools):
            await control.propose(AGENT, task("t2"))
            await asyncio.sleep(1.5)
            assert len(line.tools.calls) == 1
            line.opened.set()
            await asyncio.wait_for(running, WAIT_SECONDS)
            await until(lambda: len(line.tools.calls) == 2)
    assert line.most == 1


@pytest.mark.parametrize("how", ["too long", "cancelled"])
async def test_a_call_that_outlasts_the_drain_stays_running(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "too long":
        monkeypatch.setattr(queues, "DRAIN_SECONDS", 0.1)
    line = Line(-1)
    queue, stopped = Queue(queue_place), asyncio.Event()
    context = Context(shop.store, line.tools, queue, shop.clock)
    async with queue.open(context):
        running = asyncio.create_task(queue.run(context, stopped))
        await until(queue.ready)
        await propose(shop, ["t1"])
        queue.hint(Due(TENANT, "t1", "CREATE_TASK"))
        await until(lambda: line.now == 1)
        stopped.set()
        if how == "cancelled":
            await asyncio.sleep(0.1)
            running.cancel()
        await asyncio.wait({running}, timeout=WAIT_SECONDS)
    assert running.done()
    assert running.cancelled() is (how == "cancelled")
    left = await shop.record("t1")
    assert (left.status, left.outcome, line.now) == (IntentStatus.RUNNING, None, 0)


async def test_ready_is_only_who_works(shop: World, queue_place: str) -> None:
    queue = Queue(queue_place)
    assert not queue.ready()
    async with queue.open(shop.context):
        assert not queue.ready()
    async with working(shop, queue_place) as worker:
        assert worker.ready()
    assert not worker.ready()


# Processes


@contextlib.asynccontextmanager
async def process(
    conninfo: str, effects: Path, seconds: float
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker process, from when it is ready."""
    command = (
        sys.executable,
        "-m",
        "tests.flow.support.queue_process",
        conninfo,
        str(effects),
        str(seconds),
    )
    started = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert started.stdout is not None
        assert await asyncio.wait_for(started.stdout.readline(), WAIT_SECONDS) == b"ready\n"
        yield started
    finally:
        if started.returncode is None:
            started.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(started.wait(), WAIT_SECONDS)
        if started.returncode is None:
            started.kill()
            await started.wait()


async def test_the_work_of_a_process_that_is_killed_is_taken_up_by_another_one(
    queue_place: str, tmp_path: Path
) -> None:
    effects = tmp_path / "effects"
    effects.touch()
    async with opened(queue_place) as shop:
        shop.context.clock = SystemClock()
        made = document(8)
        made["tool_servers"]["crm"]["deadline_seconds"] = 1
        await shop.configure(made)
        names = [f"t{number}" for number in range(60)]
        async with process(queue_place, effects, 0.5) as first, process(queue_place, effects, 0.5):
            async with approving(shop, queue_place) as control:
                for name in names:
                    await control.propose(AGENT, task(name))
            begun = effects.read_text().count(f" {first.pid}\n")
            await until(
                lambda: effects.read_text().count(f" {first.pid}\n") > begun
            )  # for a while it is under way
            first.kill()
            killed = time.monotonic()
            async with asyncio.timeout(50):
                while {(await shop.record(name)).status for name in names} != {
                    IntentStatus.SUCCEEDED
                }:
                    await asyncio.sleep(0.1)
            assert time.monotonic() - killed < 50
        by_key = Counter(line.split()[0] for line in effects.read_text().splitlines())
        again = [name for name in names if (await shop.record(name)).attempt.number == 2]  # type: ignore[union-attr]
        assert len(by_key) == 60
        assert 1 <= len(again) <= 8
        assert sum(by_key.values()) <= 60 + len(again)
