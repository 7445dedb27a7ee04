"""The queue: hints become jobs, once; no tool server is called too often at once; tenants take
turns, and people go first.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import psycopg
import pytest
import structlog
from procrastinate.schema import SchemaManager
from psycopg.conninfo import make_conninfo

from clearance.core.approval import RulingKind
from clearance.core.errors import InvalidInput, Unavailable
from clearance.core.record import IntentStatus
from clearance.core.settings import Settings
from clearance.engines.queue import hints as hinting
from clearance.engines.queue import procrastinate as queues
from clearance.engines.queue.hints import Hints
from clearance.engines.queue.schema import prepare
from clearance.engines.queue.state import QueueState, look
from clearance.flow.context import Context
from clearance.flow.ports.due import Due
from clearance.flow.ports.tools import ToolCall
from clearance.flow.requests import RulingRequest
from tests.flow.support.queueing import (
    ROOM,
    WAIT_SECONDS,
    Line,
    approving,
    asked,
    defer,
    document,
    fetch,
    hint,
    new_worker,
    propose,
    terminate,
    until,
    waiting,
    working,
)
from tests.support import sample
from tests.support.postgres import new_database
from tests.support.sample import AGENT, APPROVER, TENANT, RecordingTools, mail, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
# Hints


@pytest.mark.usefixtures("no_sweep")
async def test_what_is_approved_in_one_process_is_carried_out_once_in_another(
    shop: World, queue_place: str
) -> None:
    async with working(shop, queue_place), approving(shop, queue_place) as control:
        for number in range(5):
            await control.propose(AGENT, task(f"t{number}"))
        await until(lambda: len(shop.tools.calls) == 5)
    assert {(await shop.record(f"t{number}")).status for number in range(5)} == {
        IntentStatus.SUCCEEDED
    }
    assert set(shop.tools.by_key().values()) == {1}
    assert waiting(queue_place) == []


@pytest.mark.usefixtures("no_sweep")
async def test_an_intent_waits_once_however_often_and_wherever_it_is_hinted(
    shop: World, queue_place: str
) -> None:
    await propose(shop, ["t1", "t2"])
    dues = [Due(TENANT, "t1", "CREATE_TASK"), Due(TENANT, "t2", "CREATE_TASK")]
    await asyncio.gather(*(hint(shop, queue_place, dues * 3) for _ in range(4)))
    assert waiting(queue_place) == ["t1", "t2"]
    async with working(shop, queue_place) as queue:
        for due in dues * 20:
            queue.hint(due)
        await until(lambda: len(shop.tools.calls) == 2)
    assert set(shop.tools.by_key().values()) == {1}


@pytest.mark.usefixtures("quick")
async def test_lost_hints_are_found_by_the_sweep(shop: World, queue_place: str) -> None:
    await propose(shop, ["t1", "t2", "t3"])
    assert waiting(queue_place) == []
    async with working(shop, queue_place):
        await until(lambda: len(shop.tools.calls) == 3)
    assert set(shop.tools.by_key().values()) == {1}


async def test_a_hint_too_many_or_without_a_queue_is_dropped_with_a_line_and_nothing_is_raised(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hinting, "WAITING_MAX", 2)
    dues = [Due(TENANT, f"t{number}", "CREATE_TASK") for number in range(4)]
    with structlog.testing.capture_logs() as logs:
        await hint(shop, queue_place, dues)
        assert waiting(queue_place) == ["t0", "t1"]
        await hint(shop, make_conninfo(queue_place, host="/nowhere"), dues[:1])
    said = [(line["event"], line["code"], line["count"]) for line in logs]
    assert said == [("hints dropped", "TOO_MANY_WAIT", 2), ("hints dropped", "QUEUE_AWAY", 1)]


async def test_hints_survive_a_connection_that_broke_while_nothing_was_sent(
    shop: World, queue_place: str
) -> None:
    hints = Hints(queue_place)
    running = asyncio.create_task(hints.run(shop.context))
    for name in ("t1", "t2"):
        hints.add(Due(TENANT, name, "CREATE_TASK"))
        await asyncio.wait_for(hints.flushed(), WAIT_SECONDS)
        terminate(queue_place)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert waiting(queue_place) == ["t1", "t2"]


async def test_hints_left_when_the_process_ends_are_deferred_before_it_does(
    shop: World, queue_place: str
) -> None:
    async with approving(shop, queue_place) as control:
        await asyncio.gather(*(control.propose(AGENT, task(f"t{number}")) for number in range(20)))
    assert len(waiting(queue_place)) == 20


# Places


@pytest.mark.usefixtures("quick")
async def test_who_waits_for_a_place_is_not_claimed_so_it_can_expire(
    shop: World, queue_place: str
) -> None:
    await shop.configure(document(1))
    line = Line(-1)
    async with (
        working(shop, queue_place, tools=line.tools),
        working(shop, queue_place, tools=line.tools),
        approving(shop, queue_place) as control,
    ):
        await control.propose(AGENT, task("slow"))
        await until(lambda: line.now == 1)
        await control.propose(AGENT, task("late", expires_at=shop.clock.now_ms() + 1_000))
        # A sweep of before the claim may have hinted "slow" a second time; "late" comes behind it
        await until(lambda: waiting(queue_place)[-1] == "late")
        await asyncio.sleep(0.2)
        assert (await shop.record("late")).attempt is None
        shop.clock.forward(2_500)
        async with asyncio.timeout(WAIT_SECONDS):
            while (await shop.record("late")).status is IntentStatus.APPROVED:
                await asyncio.sleep(0.02)
        line.opened.set()
    assert (await shop.record("late")).status is IntentStatus.EXPIRED
    assert len(line.tools.calls) == 1


@pytest.mark.usefixtures("no_sweep")
async def test_calls_to_one_tool_server_are_bounded_over_all_workers(
    shop: World, queue_place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queues, "POLL_SECONDS", 3_600)  # a place that becomes free is taken at once
    await shop.configure(document(3))
    line = Line(0.02)
    names = [f"t{number}" for number in range(30)]
    await propose(shop, names)
    await hint(shop, queue_place, [Due(TENANT, name, "CREATE_TASK") for name in names])
    async with (
        working(shop, queue_place, concurrency=8, tools=line.tools),
        working(shop, queue_place, concurrency=8, tools=line.tools),
    ):
        await until(lambda: len(line.tools.calls) == 30)
    assert line.most == 3
    assert set(line.tools.by_key().values()) == {1}


@pytest.mark.usefixtures("no_sweep")
async def test_a_tool_server_that_hangs_keeps_nobody_else_waiting(
    shop: World, queue_place: str
) -> None:
    made = document(2)
    made["tool_servers"]["mails"] = dict(made["tool_servers"]["crm"])
    made["catalog"]["SEND_MAIL"]["tool"] = "mails.send_mail"
    await shop.configure(made)
    line = Line(-1)
    crm = [f"t{number}" for number in range(20)]
    await propose(shop, crm)
    await shop.propose(mail("m1"))
    dues = [Due(TENANT, name, "CREATE_TASK") for name in crm]
    await hint(shop, queue_place, [*dues, Due(TENANT, "m1", "SEND_MAIL")])
    tools = RecordingTools()

    async def behave(call: ToolCall) -> dict[str, bool]:
        return {"ok": True} if call.server.name == "mails" else await line.behave(call)

    tools.behave = behave
    async with working(shop, queue_place, concurrency=8, tools=tools):
        await until(lambda: line.now == 2)
        async with asyncio.timeout(WAIT_SECONDS):
            while (await shop.record("m1")).status is not IntentStatus.SUCCEEDED:
                await asyncio.sleep(0.01)
        assert line.now == 2
        line.opened.set()
        await until(lambda: len(tools.calls) == 21)
    assert line.most == 2


async def test_a_long_row_that_waits_for_places_costs_a_look_at_each_lane_and_no_more(
    queue_place: str,
) -> None:
    defer(queue_place, "a", [f"a{number}" for number in range(10_000)], places=1)
    defer(queue_place, "b", ["b0"], places=1)
    worker = new_worker(queue_place)
    taken = [fetch(queue_place, worker) for _ in range(3)]
    assert taken == ["a0", "b0", None]
    with psycopg.connect(queue_place, autocommit=True) as connection:
        for _ in range(2):  # the first time, a connection also looks up what the names mean
            explained = connection.execute(
                "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM "
                "clearance_queue.fetch_next(%s)",
                (worker,),
            ).fetchone()
    assert explained is not None
    plan = explained[0][0]["Plan"]
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 250


# Turns


@pytest.mark.usefixtures("no_sweep")
async def test_a_tenant_with_500_waiting_does_not_starve_another_one(
    shop: World, queue_place: str
) -> None:
    await shop.configure(sample.document(budgets=ROOM), "globex")
    many = [f"t{number}" for number in range(500)]
    await asyncio.gather(*(propose(shop, many[part::10]) for part in range(10)))
    await propose(shop, ["g1"], "globex")
    await hint(shop, queue_place, [Due(TENANT, name, "CREATE_TASK") for name in many])
    await hint(shop, queue_place, [Due("globex", "g1", "CREATE_TASK")])
    order: list[str] = []
    tools = RecordingTools()

    async def behave(call: ToolCall) -> dict[str, bool]:
        order.append(call.idempotency_key)
        return {"ok": True}

    tools.behave = behave
    async with working(shop, queue_place, concurrency=1, tools=tools):
        await until(lambda: len(order) >= 10)
    done = await shop.context.record("globex", "g1")
    assert done.attempt is not None
    assert order.index(done.attempt.idempotency_key) <= 1


async def test_turns_are_equal_whoever_came_first_and_however_much_waits(queue_place: str) -> None:
    worker = new_worker(queue_place)
    defer(queue_place, "a", [f"a{number}" for number in range(100)])
    for name in served(queue_place, worker, 50):
        assert name.startswith("a")
    defer(queue_place, "b", [f"b{number}" for number in range(100)])
    defer(queue_place, "c", ["c0"])
    assert served(queue_place, worker, 7) == ["a50", "b0", "c0", "a51", "b1", "a52", "b2"]
    defer(queue_place, "d", ["d0", "d1"])  # who was idle has saved nothing up
    assert served(queue_place, worker, 6) == ["a53", "b3", "d0", "a54", "b4", "d1"]


async def test_a_tenant_that_never_has_two_waiting_does_not_push_away_one_that_has_many(
    queue_place: str,
) -> None:
    worker = new_worker(queue_place)
    defer(queue_place, "a", [f"a{number}" for number in range(100)])
    order = []
    for number in range(20):  # there is always one of b's
        defer(queue_place, "b", [f"b{number}"])
        order += served(queue_place, worker, 2)
    assert [name[0] for name in order].count("a") == 20


async def test_turns_begin_again_when_nothing_waits(queue_place: str) -> None:
    worker = new_worker(queue_place)
    for _ in range(3):
        defer(queue_place, "a", ["a0", "a1", "a2"])
        defer(queue_place, "a", ["p0", "p1"], by_person=True)
        found = asked(
            queue_place, "SELECT priority FROM clearance_queue.procrastinate_jobs ORDER BY priority"
        )
        assert found == [-2, -1, 0, (1 << 30) - 1, 1 << 30]
        assert served(queue_place, worker, 5) == ["p0", "p1", "a0", "a1", "a2"]


async def test_the_last_turn_is_shared(queue_place: str) -> None:
    worker = new_worker(queue_place)
    defer(queue_place, "a", ["a0"])
    asked(queue_place, "UPDATE clearance_queue.procrastinate_jobs SET priority = 2 - (1 << 30)")
    defer(queue_place, "a", ["a1", "a2", "a3"])
    defer(queue_place, "p", ["p0"], by_person=True)
    assert asked(queue_place, "SELECT min(priority) FROM clearance_queue.procrastinate_jobs") == [
        1 - (1 << 30)
    ]
    assert served(queue_place, worker, 5) == ["p0", "a0", "a1", "a2", "a3"]


async def test_jobs_that_are_queued_one_by_one_take_turns_as_those_in_a_batch_do(
    queue_place: str,
) -> None:
    for number in range(5):
        defer(queue_place, "a", [f"a{number}"])
    defer(queue_place, "b", ["b0"])
    worker = new_worker(queue_place)
    assert served(queue_place, worker, 3) == ["a0", "b0", "a1"]
    assert fetch(queue_place, worker) == "a2"  # also behind the one that is under way
    defer(queue_place, "b", ["b1"])
    defer(queue_place, "b", ["b2"])
    assert served(queue_place, worker, 4) == ["a3", "b1", "a4", "b2"]


async def test_two_workers_that_look_at_once_do_not_take_the_same_place(queue_place: str) -> None:
    defer(queue_place, "a", ["a0"], places=1)
    first, second = new_worker(queue_place), new_worker(queue_place)
    with psycopg.connect(queue_place) as looking:  # and has not come to an end
        looking.execute("SELECT clearance_queue.fetch_next(%s)", (first,))
        defer(
            queue_place, "a", ["p0"], places=1, by_person=True
        )  # in the same lane, before the one that is taken
        impatient = make_conninfo(queue_place, options="-c lock_timeout=200ms")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            fetch(impatient, second)
    assert fetch(queue_place, second) is None


@pytest.mark.usefixtures("no_sweep")
async def test_what_a_person_approved_goes_before_what_policy_approved(
    shop: World, queue_place: str
) -> None:
    async with approving(shop, queue_place) as control:
        for number in range(20):
            await control.propose(AGENT, task(f"t{number}"))
        await control.propose(AGENT, task("p1", confidence_score=0.5))
        approval = (await shop.record("p1")).approval
        assert approval is not None
        await control.rule(APPROVER, approval.approval_id, RulingRequest(RulingKind.APPROVE, None))
    assert waiting(queue_place)[:2] == ["p1", "t0"]
    async with working(shop, queue_place, concurrency=1):
        await until(lambda: len(shop.tools.calls) >= 2)
    done = await shop.record("p1")
    assert done.attempt is not None
    assert shop.tools.calls[0].idempotency_key == done.attempt.idempotency_key


def served(conninfo: str, worker: int, count: int) -> list[str]:
    """The next so many, carried out one after the other."""
    order = []
    with psycopg.connect(conninfo, autocommit=True) as connection:
        for _ in range(count):
            row = connection.execute(
                "SELECT id, args->>'action_intent_id' FROM clearance_queue.fetch_next(%s)",
                (worker,),
            ).fetchone()
            assert row is not None
            connection.execute("SELECT clearance_queue.finish(%s, %s)", (row[0], worker))
            order.append(row[1])
    return order


# The schema


async def test_preparing_twice_or_at_once_is_preparing_once(database: str) -> None:
    first, second = await asyncio.gather(prepare(database), prepare(database))
    assert sorted([len(first), len(second)]) == [0, 2]
    assert await prepare(database) == []


async def test_an_older_procrastinate_is_brought_up_to_the_new_one(
    database: str, postgres_folder: Path
) -> None:
    steps = migration_files()
    older = [step for step in steps if step.name < "03.03"]
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA clearance_queue; SET search_path = clearance_queue")
        connection.execute(
            "CREATE TABLE applied (name text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())"
        )
        for step in older:
            connection.execute(step.read_text())  # type: ignore[arg-type]
            connection.execute("INSERT INTO applied (name) VALUES (%s)", (step.name,))
    applied = await prepare(database)
    assert applied[:-1] == [step.name for step in steps if step.name >= "03.03"]
    assert applied[-1].startswith("clearance ")
    assert await prepare(database) == []
    with new_database(postgres_folder) as fresh:
        await prepare(fresh)
        assert shape(database) == shape(fresh)
    worker = new_worker(database)
    defer(database, "a", ["a0"])
    assert served(database, worker, 1) == ["a0"]


def migration_files() -> list[Path]:
    return sorted(
        Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda step: step.name
    )


def shape(conninfo: str) -> list[object]:
    """The functions, columns and indexes of the queue's schema, procrastinate's and ours."""
    statements = [
        (
            "SELECT p.oid::regprocedure::text, md5(regexp_replace(prosrc, '\\s', '', 'g')) FROM "
            "pg_proc p "
            "WHERE pronamespace = 'clearance_queue'::regnamespace ORDER BY 1"
        ),
        (
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            "WHERE table_schema = 'clearance_queue' ORDER BY 1, 2"
        ),
        "SELECT indexname FROM pg_indexes WHERE schemaname = 'clearance_queue' ORDER BY 1",
    ]
    return [asked(conninfo, statement) for statement in statements]


@pytest.mark.usefixtures("quick")
async def test_the_queue_s_state_is_what_waits_who_works_and_who_sweeps(
    shop: World, queue_place: str
) -> None:
    defer(queue_place, "a", ["a0", "a1"])
    asked(
        queue_place,
        "INSERT INTO clearance_queue.procrastinate_workers (last_heartbeat) VALUES "
        "(now() - interval '31 seconds')",  # it was killed, and no other struck it off
    )
    state = await look(queue_place)
    assert state == QueueState({"todo": 2}, workers=0, sweeper=None)
    [silent] = asked(
        queue_place,
        "SELECT (extract(epoch FROM last_heartbeat) * 1000)::float8 "
        "FROM clearance_queue.procrastinate_workers",
    )
    assert state.seen_at == int(silent)
    async with working(shop, queue_place) as queue:
        await until(lambda: waiting(queue_place) == [])
        leads = "SELECT 1 FROM clearance_queue.sweeping WHERE until > clock_timestamp()"
        await until(lambda: asked(queue_place, leads) == [1])
        assert await look(queue_place) == QueueState({}, workers=1, sweeper=queue.name)


async def test_where_there_is_no_queue_its_state_says_why(
    queue_place: str, postgres_folder: Path
) -> None:
    name = f"login_{abs(hash(queue_place))}"
    asked(queue_place, f"CREATE ROLE {name} LOGIN")
    try:
        with new_database(postgres_folder) as empty:
            for place, code in (
                (empty, "STORE_NOT_MIGRATED"),
                (make_conninfo(queue_place, user=name), "ROLE_NOT_GRANTED"),
                (make_conninfo(queue_place, host="/nowhere"), "DATABASE_UNREACHABLE"),
            ):
                with pytest.raises(Unavailable) as refused:
                    await look(place)
                assert refused.value.code == code
    finally:
        asked(queue_place, f"DROP ROLE {name}")


@pytest.mark.usefixtures("quick")
async def test_a_login_that_is_only_a_member_of_the_role_can_hint_work_and_sweep(
    shop: World, queue_place: str
) -> None:
    name = f"login_{abs(hash(queue_place))}"
    asked(queue_place, f"CREATE ROLE {name} LOGIN NOINHERIT IN ROLE clearance_app")
    try:
        login = make_conninfo(queue_place, user=name)
        async with working(shop, login), approving(shop, login) as control:
            await control.propose(AGENT, task("t1"))
            await propose(shop, ["t2"])
            await until(lambda: len(shop.tools.calls) == 2)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            asked(login, "SET ROLE clearance_app; DELETE FROM clearance_queue.applied")
    finally:
        asked(queue_place, f"DROP ROLE {name}")


async def test_a_tenant_whose_settings_cannot_be_read_keeps_nobody_from_being_hinted(
    world: World,
) -> None:
    class Settled(Context):
        async def settings(self, tenant_id: str) -> Settings:
            if tenant_id == "bad":
                raise InvalidInput("These settings cannot be read.")
            return await super().settings(tenant_id)

    context = Settled(world.store, world.tools, world.engine, world.clock)
    batch = [Due(tenant_id, "t1", "CREATE_TASK") for tenant_id in ("bad", TENANT)]
    tenants, intents, *_ = await hinting._rows(context, batch)
    assert (tenants, intents) == ([TENANT], ["t1"])
