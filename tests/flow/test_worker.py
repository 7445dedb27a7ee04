"""The embedded worker: it drains, it is honest about what it could not finish, it is bounded, and
nothing ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import structlog

from clearance.core.catalog import idempotency_key
from clearance.core.errors import Unavailable
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.record import IntentStatus
from clearance.engines import worker as workers
from clearance.engines.lanes import Lane, Lines
from clearance.engines.worker import Worker
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports.due import Due
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import Proposal
from clearance.flow.sweep import Sweeper
from clearance.profiles.local import local
from tests.support import sample
from tests.support.sample import AGENT, TENANT, RecordingTools, mail, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
RECORDING_SECONDS = (
    0.1  # in which whoever still waits for a closed runner would have recorded what it says
)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS", 0)


class Gate:
    """A tool that waits, and answers once it is opened; closing the runner makes it say, wrongly,
    that nothing was sent.
    """

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self.closed = False
        self.tools = RecordingTools(behave=self.behave)
        self.tools.close = self.close  # type: ignore[method-assign]

    async def behave(self, call: ToolCall) -> dict[str, bool]:
        self.reached.set()
        await self.opened.wait()
        if self.closed:
            raise ToolCallFailed(
                CallError(ErrorClass.DOWNSTREAM, "The tool runner is closed.", Sent.NOT_SENT)
            )
        return {"ok": True}

    async def close(self) -> None:
        self.closed = True
        self.opened.set()
        await asyncio.sleep(RECORDING_SECONDS)


@contextlib.asynccontextmanager
async def working(world: World, worker: Worker) -> AsyncIterator[Control]:
    """A worker on the world's store and tools, until the block ends; then it drains."""
    context = Context(world.store, world.tools, worker, world.clock)
    stopped = asyncio.Event()
    running = asyncio.create_task(worker.run(context, stopped))
    try:
        yield Control(context)
    finally:
        stopped.set()
        await running


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves hints as the only way to work: the first sweep comes before there are intents, the
    next one never.
    """
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 3_600)


@pytest.fixture
def sweeps_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps by the hundredth of a second."""
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)


async def test_a_stopped_worker_finishes_what_is_under_way_and_begins_nothing(world: World) -> None:
    gate = Gate()
    world.tools = gate.tools
    worker, stopped = Worker(), asyncio.Event()
    context = Context(world.store, world.tools, worker, world.clock)
    running = asyncio.create_task(worker.run(context, stopped))
    await Control(context).propose(AGENT, task("t1"))
    await gate.reached.wait()
    stopped.set()
    await Control(context).propose(AGENT, task("t2"))
    await asyncio.wait({running}, timeout=0.05)
    assert not running.done()
    gate.opened.set()
    await running
    statuses = [(await world.record(name)).status for name in ("t1", "t2")]
    assert statuses == [IntentStatus.SUCCEEDED, IntentStatus.APPROVED]
    assert [call.arguments["title"] for call in gate.tools.calls] == ["Renewal call"]


@pytest.mark.parametrize(
    ("proposal", "status", "calls"),
    [(mail("i"), IntentStatus.UNKNOWN, 1), (task("i"), IntentStatus.SUCCEEDED, 2)],
    ids=["at_most_once", "keyed"],
)
async def test_a_call_that_outlasts_the_drain_stays_running_and_the_next_start_says_what_is_known(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proposal: Proposal,
    status: IntentStatus,
    calls: int,
) -> None:
    monkeypatch.setattr(workers, "DRAIN_SECONDS", 0.05)
    gate = Gate()
    async with local(tmp_path, gate.tools, worker=Worker()) as parts:
        await World(parts.context.store, tmp_path / "store.sqlite3").configure(sample.DOCUMENT)
        await parts.control.propose(AGENT, proposal)
        await gate.reached.wait()
    assert gate.closed
    async with local(tmp_path, RecordingTools()) as parts:
        left = await parts.context.record(TENANT, "i")
        assert (left.status, left.outcome) == (IntentStatus.RUNNING, None)
        assert left.attempt is not None

    tools = RecordingTools(calls=gate.tools.calls)
    async with local(tmp_path, tools, worker=Worker()) as parts:
        async for entry in outcomes(parts.context):
            assert (entry["action_intent_id"], entry["status"]) == ("i", status.value)
            break
        done = await parts.context.record(TENANT, "i")
    assert done.status is status
    assert done.attempt is not None
    assert done.attempt.number == calls
    assert tools.by_key() == Counter({left.attempt.idempotency_key: calls})


async def outcomes(context: Context) -> AsyncIterator[dict[str, Any]]:
    """The ledger's entries about outcomes, as they come."""
    after = 0
    while True:
        for entry in await context.store.entries(TENANT, after, 100):
            after = entry.position
            if entry.fields["kind"] == "OUTCOME_RECORDED":
                yield entry.fields
        await asyncio.sleep(0.01)


async def test_a_drain_that_is_itself_cancelled_still_ends_before_the_worker_does(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, draining = Gate(), asyncio.Event()
    world.tools = gate.tools
    worker, stopped = Worker(), asyncio.Event()
    drain = worker._drain

    async def seen() -> None:
        draining.set()
        await drain()

    monkeypatch.setattr(worker, "_drain", seen)
    context = Context(world.store, world.tools, worker, world.clock)
    running = asyncio.create_task(worker.run(context, stopped))
    await Control(context).propose(AGENT, mail("m1"))
    await gate.reached.wait()
    stopped.set()
    await draining.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await gate.close()
    assert (await world.record("m1")).status is IntentStatus.RUNNING


@pytest.mark.usefixtures("no_sweep")
async def test_hints_of_what_waits_or_is_under_way_are_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed, gate, worker = executions(monkeypatch), Gate(), Worker(concurrency=1)
    world.tools = gate.tools
    async with working(world, worker) as control:
        await control.propose(AGENT, task("t1"))
        await gate.reached.wait()
        await control.propose(AGENT, task("t2"))
        for _ in range(5):
            worker.hint(Due(TENANT, "t1", "CREATE_TASK"))
            worker.hint(Due(TENANT, "t2", "CREATE_TASK"))
        gate.opened.set()
        await until(lambda: "t2" in executed)
        await until(lambda: not worker._tasks)
    assert executed == {"t1": 1, "t2": 1}


async def test_a_hint_too_many_is_dropped_and_the_sweep_finds_its_intent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "WAITING_MAX", 1)
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    worker = Worker(concurrency=1)
    for number in range(4):
        await world.propose(task(f"t{number}"))
        worker.hint(Due(TENANT, f"t{number}", "CREATE_TASK"))
    assert [due.action_intent_id for due in worker._hinted] == ["t0"]
    async with working(world, worker):
        await until(lambda: len(world.tools.calls) == 4)
    assert set(world.tools.by_key().values()) == {1}


async def test_executions_at_a_time_are_bounded(world: World) -> None:
    at_once: list[int] = []
    full = asyncio.Event()

    async def behave(call: ToolCall) -> dict[str, bool]:
        at_once.append(at_once[-1] + 1 if at_once else 1)
        if at_once[-1] == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.01)
        at_once.append(at_once[-1] - 1)
        return {"ok": True}

    world.tools.behave = behave
    for number in range(9):
        await world.propose(task(f"t{number}"))
    async with working(world, Worker(concurrency=3)):
        await until(lambda: len(at_once) == 18)
    assert max(at_once) == 3
    assert {(await world.record(f"t{number}")).status for number in range(9)} == {
        IntentStatus.SUCCEEDED
    }


@pytest.mark.usefixtures("no_sweep")
@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyError("another")])
async def test_an_exception_in_one_execution_ends_neither_the_worker_nor_another_execution(
    world: World, error: Exception
) -> None:
    async def behave(call: ToolCall) -> dict[str, bool]:
        if call.arguments["title"] == "bad":
            raise error
        return {"ok": True}

    world.tools.behave = behave
    worker = Worker(concurrency=1)
    with structlog.testing.capture_logs() as logs:  # to draw the error takes seconds
        async with working(world, worker) as control:
            for name, title in (("t1", "good"), ("t2", "bad"), ("t3", "good")):
                await control.propose(AGENT, task(name, parameters={"title": title}))
            await until(lambda: len(world.tools.calls) == 3)
            assert not {key for key in worker._busy if key[1] == "t2"}
    assert [line["event"] for line in logs] == ["execution failed"]
    statuses = [(await world.record(name)).status.value for name in ("t1", "t2", "t3")]
    assert statuses == ["SUCCEEDED", "RUNNING", "SUCCEEDED"]


async def test_an_exception_in_a_sweep_does_not_end_the_sweeping(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    find, failures = Sweeper.find, [RuntimeError("a bug"), Unavailable("The store is away.")]

    async def failing(sweeper: Sweeper) -> Any:
        if failures:
            raise failures.pop()
        return await find(sweeper)

    monkeypatch.setattr(Sweeper, "find", failing)
    await world.propose(task("t1"))
    async with working(world, Worker()):
        await until(lambda: bool(world.tools.calls))
    assert (await world.record("t1")).status is IntentStatus.SUCCEEDED


# Places


@pytest.mark.usefixtures("sweeps_at_once")
async def test_who_waits_for_a_place_is_not_claimed_so_it_can_expire_and_be_forbidden(
    world: World,
) -> None:
    """One call was slow: the next one left 13.5 s after it had expired, the one behind it after its
    action type had been disabled.
    """
    await world.configure(shop(places=1))
    gate = Gate()
    world.tools = gate.tools
    async with working(world, Worker()) as control:
        await control.propose(AGENT, task("slow"))
        await gate.reached.wait()
        await control.propose(AGENT, task("late", expires_at=world.clock.now_ms() + 1_000))
        await control.propose(AGENT, task("off"))
        await asyncio.sleep(0.05)
        assert {(await world.record(name)).attempt for name in ("late", "off")} == {None}
        world.clock.forward(2_500)
        async with asyncio.timeout(20):
            while (await world.record("late")).status is IntentStatus.APPROVED:
                await asyncio.sleep(0.005)
        await world.configure(shop(places=1, modes=[{"mode": "DISABLED"}]))
        gate.opened.set()
        async with asyncio.timeout(20):
            while (await world.record("off")).status is IntentStatus.APPROVED:
                await asyncio.sleep(0.005)
    ends = {name: (await world.record(name)).status.value for name in ("slow", "late", "off")}
    assert ends == {"slow": "SUCCEEDED", "late": "EXPIRED", "off": "CANCELLED"}
    assert len(gate.tools.calls) == 1


@pytest.mark.usefixtures("no_sweep")
async def test_a_slow_tool_server_keeps_no_intent_of_another_one_waiting(world: World) -> None:
    await world.configure(shop(places=1))
    gate = Gate()

    async def behave(call: ToolCall) -> dict[str, bool]:
        return {"ok": True} if call.server.name == "mailer" else await gate.behave(call)

    world.tools.behave = behave
    async with working(world, Worker(concurrency=2)) as control:
        for number in range(6):
            await control.propose(AGENT, task(f"t{number}"))
        await gate.reached.wait()
        await control.propose(AGENT, mail("m"))
        await until(lambda: len(world.tools.calls) == 2)
        assert world.tools.calls[1].server.name == "mailer"
        gate.opened.set()
        await until(lambda: len(world.tools.calls) == 7)
    in_order = [
        idempotency_key(TENANT, name) for name in ("t0", "m", *(f"t{n}" for n in range(1, 6)))
    ]
    assert [call.idempotency_key for call in world.tools.calls] == in_order


@pytest.mark.usefixtures("no_sweep")
async def test_a_place_is_free_once_the_call_is_over_though_its_outcome_is_not_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.configure(shop(places=1))
    written, record = asyncio.Event(), execute.record

    async def slow(*arguments: Any, **named: Any) -> Any:
        await written.wait()
        return await record(*arguments, **named)

    monkeypatch.setattr(execute, "record", slow)
    async with working(world, Worker()) as control:
        for name in ("t1", "t2"):
            await control.propose(AGENT, task(name))
        await until(lambda: len(world.tools.calls) == 2)
        written.set()


@pytest.mark.usefixtures("no_sweep")
async def test_an_intent_that_cannot_be_claimed_gives_its_place_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.configure(shop(places=1))
    take_up = execute.take_up

    async def failing(context: Context, tenant_id: str, name: str, *rest: Any, **named: Any) -> Any:
        if name == "bad":
            raise Unavailable("The store is away.")
        return await take_up(context, tenant_id, name, *rest, **named)

    monkeypatch.setattr(execute, "take_up", failing)
    worker = Worker()
    async with working(world, worker) as control:
        for name in ("bad", "good"):
            await control.propose(AGENT, task(name))
        await until(lambda: len(world.tools.calls) == 1)
        await until(lambda: not worker._known)


async def test_a_line_that_is_too_long_drops_who_comes_and_the_sweep_finds_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "LINE_MAX", 2)
    monkeypatch.setattr(workers, "SWEEP_SECONDS", 0.01)
    await world.configure(shop(places=1))
    gate = Gate()
    world.tools = gate.tools
    worker = Worker()
    async with working(world, worker) as control:
        for number in range(8):
            await control.propose(AGENT, task(f"t{number}"))
        await gate.reached.wait()
        await until(lambda: len(worker._known) == 3)
        gate.opened.set()
        await until(lambda: len(gate.tools.calls) == 8)
    assert set(gate.tools.by_key().values()) == {1}


def test_a_line_is_served_in_its_order_and_within_the_places_of_the_moment() -> None:
    lines, dues = Lines(), [Due(TENANT, f"t{number}", "CREATE_TASK") for number in range(9)]
    one, three = Lane("crm", 1), Lane("crm", 3)
    assert [lines.join(one, due) for due in dues[:3]] == [dues[:1], [], []]
    assert lines.join(Lane("mailer", 1), dues[8]) == [dues[8]]
    assert lines.join(three, dues[3]) == dues[1:3], "more places: those in front have them"
    assert lines.leave(one) == [], "fewer places: two of them are taken still"
    assert lines.leave(one) == []
    assert lines.leave(one) == [dues[3]]
    assert (lines.leave(three), lines.waiting(three)) == ([], 0)


def shop(places: int, **autonomy: Any) -> dict[str, Any]:
    """The sample with two tool servers, which take so many calls at once."""
    made = sample.document(**autonomy)
    made["tool_servers"]["crm"]["concurrency_max"] = places
    made["tool_servers"]["mailer"] = dict(made["tool_servers"]["crm"])
    made["catalog"]["SEND_MAIL"]["tool"] = "mailer.send_mail"
    return made


def executions(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each intent is taken up, whether or not there is anything to start."""
    taken_up: Counter[str] = Counter()
    take_up: Callable[..., Awaitable[Any]] = execute.take_up

    async def counted(
        context: Context, tenant_id: str, action_intent_id: str, worker: str, **named: Any
    ) -> Any:
        taken_up[action_intent_id] += 1
        return await take_up(context, tenant_id, action_intent_id, worker, **named)

    monkeypatch.setattr(execute, "take_up", counted)
    return taken_up


async def until(holds: Callable[[], bool]) -> None:
    """Waits for something that sets no event."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)
