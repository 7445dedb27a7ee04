"""What only SQLite has: its triggers, its file, its group commit."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
from collections.abc import Iterator
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import pytest

from clearance.core.approval import RulingKind
from clearance.core.budget import Counter
from clearance.core.errors import Conflict, Unavailable
from clearance.core.principal import EVERYTHING
from clearance.core.record import IntentStatus
from clearance.flow.ports.due import Due
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import RulingRequest
from clearance.stores.sqlite import admitting, counting, lists
from clearance.stores.sqlite import store as sqlite
from clearance.stores.sqlite.file import connect
from clearance.stores.sqlite.store import SqliteStore
from tests.support.sample import APPROVER, NOON, OWNER, TENANT, task
from tests.support.world import World, opened

pytestmark = pytest.mark.anyio

KEPT = Path(__file__).parents[1] / "kept" / "0.1.0" / "clearance.sqlite3"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.mark.parametrize(
    "attack",
    [
        "UPDATE ledger SET body = x'00'",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger SELECT entry_id, intent_no, x'00' FROM ledger",
        "REPLACE INTO ledger SELECT entry_id, NULL, x'00' FROM ledger",
    ],
)
async def test_the_database_refuses_to_change_or_delete_ledger_entries(
    tmp_path: Path, attack: str
) -> None:
    path = tmp_path / "store.sqlite3"
    async with opened(path) as world:
        await world.propose(task("t1"))
        entries = await world.store.entries(TENANT, 0, 10)
        with (
            sqlite3.connect(path) as connection,
            pytest.raises(sqlite3.IntegrityError, match="append-only"),
        ):
            connection.execute(attack)
        connection.close()
        assert await world.store.entries(TENANT, 0, 10) == entries


def all_bytes(folder: Path) -> bytes:
    """What is in the files of a folder."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_an_erased_reason_is_in_no_file_of_a_store_that_runs(tmp_path: Path) -> None:
    path, words = tmp_path / "store.sqlite3", "Ann asked: ann@example.com"
    async with opened(path) as world:
        await world.propose(task("t1", confidence_score=0.1))
        await world.control.rule(APPROVER, "t1.1", RulingRequest(RulingKind.REJECT, words))
        assert words.encode() in all_bytes(tmp_path)
        await world.control.erase(OWNER, "t1", "Asked for.")
        assert words.encode() not in all_bytes(tmp_path)


async def test_what_was_acknowledged_is_there_after_a_new_start(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    async with opened(path) as world:
        before = await world.propose(task("t1"))
    store = await SqliteStore.open(path)
    assert await store.intent(TENANT, "t1") == before
    await store.close()


async def test_wal_and_full_synchronisation_are_on(world: World) -> None:
    connection: sqlite3.Connection = world.store._writer_connection  # type: ignore[attr-defined]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


async def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    async with opened(tmp_path / "new" / "store.sqlite3"):
        assert (tmp_path / "new").stat().st_mode & 0o077 == 0
        for file in (tmp_path / "new").iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


async def test_a_store_of_a_newer_clearance_or_no_store_at_all_is_refused(tmp_path: Path) -> None:
    newer = tmp_path / "newer.sqlite3"
    connection = sqlite3.connect(newer)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(Unavailable) as refused:
        await SqliteStore.open(newer)
    assert refused.value.code == "STORE_TOO_NEW"
    (tmp_path / "junk.sqlite3").write_bytes(b"not a database, surely" * 100)
    with pytest.raises(Unavailable):
        await SqliteStore.open(tmp_path / "junk.sqlite3")


async def test_one_callers_failure_is_nobody_elses(world: World) -> None:
    writer = world.store._writer  # type: ignore[attr-defined]

    def good(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT 1").fetchone()[0])

    def bad(connection: sqlite3.Connection) -> Any:
        connection.execute("INSERT INTO tenant (tenant_id) VALUES ('half')")
        connection.execute("INSERT INTO nowhere VALUES (1)")

    def refusing(connection: sqlite3.Connection) -> Any:
        raise Conflict("no")

    work = [good, bad, refusing, good, bad, good]
    answers = await asyncio.gather(*(writer.submit(one) for one in work), return_exceptions=True)
    kinds = [answer if isinstance(answer, int) else type(answer) for answer in answers]
    assert kinds == [1, Unavailable, Conflict, 1, Unavailable, 1]
    assert await world.store.tenants() == [TENANT]
    await world.propose(task("t1"))


class Failing:
    """A connection of whose BEGINs and COMMITs some fail: each with the next of SQLite's result
    codes, and 0 lets it through.
    """

    def __init__(self, connection: sqlite3.Connection, codes: Iterator[int]) -> None:
        self._connection, self._codes = connection, codes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> Any:
        code = next(self._codes) if statement in {"BEGIN IMMEDIATE", "COMMIT"} else 0
        if code:
            error = sqlite3.OperationalError("on purpose")
            error.sqlite_errorcode = code
            raise error
        return self._connection.execute(statement, *values)


@pytest.mark.parametrize(
    ("code", "in_doubt"),
    [(sqlite3.SQLITE_IOERR_FSYNC, True), (sqlite3.SQLITE_FULL, False)],
    ids=["the-disk-fails", "the-disk-is-full"],
)
async def test_only_a_disk_that_fails_in_a_commit_leaves_a_doubt(
    world: World, code: int, in_doubt: bool
) -> None:
    writer = world.store._writer  # type: ignore[attr-defined]
    real = writer._connection
    writer._connection = Failing(real, cycle([0, code]))
    with pytest.raises(Unavailable) as refused:
        await world.propose(task("t1"))
    assert refused.value.in_doubt is in_doubt
    writer._connection = real
    assert (await world.propose(task("t1"))).status is IntentStatus.APPROVED
    assert len(await world.entries()) == 2


@pytest.mark.parametrize(
    ("code", "in_doubt"),
    [(sqlite3.SQLITE_IOERR_FSYNC, True), (sqlite3.SQLITE_FULL, False)],
    ids=["the-disk-fails", "the-disk-is-full"],
)
async def test_a_unit_of_a_group_in_doubt_stays_in_doubt_if_its_second_run_fails(
    world: World, code: int, in_doubt: bool
) -> None:
    writer = world.store._writer  # type: ignore[attr-defined]
    real = writer._connection
    before, group = (0,), (0, code)
    alone = ((0, 0), (sqlite3.SQLITE_BUSY,), (0, sqlite3.SQLITE_FULL), (0, 0))
    busy, go_on = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        busy.set()
        go_on.wait(10)
        writer._connection = Failing(real, iter([*before, *group, *chain(*alone)]))

    def refusing(_: sqlite3.Connection) -> None:
        raise Conflict("no")

    first = asyncio.create_task(writer.submit(slow))
    await asyncio.to_thread(busy.wait, 10)
    work = [lambda _: "done", lambda _: None, lambda _: None, refusing]
    units = [asyncio.create_task(writer.submit(one)) for one in work]
    await asyncio.sleep(0)
    go_on.set()
    await first
    done, *failed, refused = await asyncio.gather(*units, return_exceptions=True)
    assert done == "done"
    assert [(type(one), getattr(one, "in_doubt", None)) for one in failed] == [
        (Unavailable, in_doubt)
    ] * 2
    assert type(refused) is Conflict


async def test_what_waits_while_a_commit_is_under_way_shares_the_next_one(world: World) -> None:
    connection: sqlite3.Connection = world.store._writer_connection  # type: ignore[attr-defined]
    writer = world.store._writer  # type: ignore[attr-defined]
    commits: list[str] = []
    connection.set_trace_callback(
        lambda statement: commits.append(statement) if statement == "COMMIT" else None
    )
    busy, go_on = threading.Event(), threading.Event()

    def slow(_: sqlite3.Connection) -> None:
        busy.set()
        go_on.wait(10)

    first = asyncio.create_task(writer.submit(slow))
    await asyncio.to_thread(busy.wait, 10)
    others = [asyncio.create_task(writer.submit(lambda _: None)) for _ in range(63)]
    await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *others)
    connection.set_trace_callback(None)
    assert len(commits) == 2


async def test_another_process_may_configure_while_this_one_decides(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite3"
    async with opened(path) as world:
        await world.propose(task("t1"))
        other = World(await SqliteStore.open(path), path)
        await other.autonomy(modes=[{"mode": "DISABLED"}])
        await other.store.close()
        assert (await world.propose(task("t2"))).decision.reason == "ACTION_TYPE_DISABLED"


async def test_a_file_of_version_0_1_0_is_read_as_if_it_counted_and_remembered_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "store.sqlite3"
    path.write_bytes(KEPT.read_bytes())
    store = await SqliteStore.open(path, read_only=True)
    try:
        [first, *_] = await store.timeline(TENANT, TimelineQuery())
        agent = first.intent.proposed_by
        mine = await store.timeline(TENANT, TimelineQuery(proposed_by=agent, limit=1))
        assert (mine, first.likeness) == ([first], None)
        assert await store.counted(TENANT, [Counter("{}", "2026-11-24")]) == {}
        assert await store.alike(TENANT, b"l" * 32, 10) == []
        assert await store.known_accounts(TENANT, [first.intent.account_id]) == frozenset()
        assert first.intent.account_id in await store.accounts_since(TENANT, 0, 100)
        keys = await store.api_keys(TENANT)
        assert {key.scope for key in keys} == {EVERYTHING}
        ended = {key.name: await store.api_key_ended(TENANT, key.name) for key in keys}
        assert ended == {key.name: key.revoked_at is not None for key in keys}
    finally:
        await store.close()


async def test_a_closed_store_says_that_it_is(tmp_path: Path) -> None:
    async with opened(tmp_path / "store.sqlite3") as world:
        pass
    with pytest.raises(Unavailable):
        await world.store.intent(TENANT, "t1")
    with pytest.raises(Unavailable):
        await world.propose(task("t1"))


async def test_no_look_reads_every_intent(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite takes a partial index only where a statement says the index's condition; what reads
    the whole table gets slow.
    """
    seen: list[str] = []

    def connected(path: Path, *, read_only: bool) -> sqlite3.Connection:
        connection = connect(path, read_only=read_only)
        connection.set_trace_callback(seen.append)
        return connection

    monkeypatch.setattr(sqlite, "connect", connected)
    store = await SqliteStore.open(world.place)  # type: ignore[arg-type]
    seen.clear()
    due = Due(TENANT, "t1", "CREATE_TASK")
    await store.approved(10, due)
    await store.dead_leases(NOON, 10, due, living_worker="w")
    await store.expired(NOON, 10)
    await store.waiting(TENANT, "t1", 10)
    await store.count_by_status(TENANT)
    await store.totals(NOON)
    await store.timeline(TENANT, TimelineQuery())
    await store.timeline(TENANT, TimelineQuery(account_id="acme", before=10))
    await store.timeline(TENANT, TimelineQuery(proposed_by="agent", before=10))
    await store.accounts_since(TENANT, NOON, 10)
    await store.close()
    statements = {statement for statement in seen if statement.lstrip().startswith("SELECT")}
    assert len(statements) >= 9
    with contextlib.closing(sqlite3.connect(world.place)) as connection:
        for statement in statements:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            used = [
                step
                for step in steps
                if re.match(r"(SEARCH|SCAN) (i|intent) USING (COVERING )?INDEX intent_", step)
            ]
            assert used or "FROM intent" not in statement, (statement, steps)
            assert "FROM account b" not in statement or "intent_account" in used[0], (
                statement,
                steps,
            )
            assert "proposed_by =" not in statement or "intent_proposer" in used[0], steps


@pytest.mark.parametrize(
    ("statement", "step"),
    [
        (admitting._SAME_CALL, "intent USING INDEX intent_same_call (tenant_no=? AND same_call=?"),
        (admitting._REJECTED, "intent_rejected (tenant_no=? AND likeness=? AND changed_at>?"),
        (admitting._WAITING, "intent USING INDEX intent_waiting (tenant_no=? AND proposed_by=?"),
        (lists._ALIKE, "intent_likeness (tenant_no=? AND <expr>=? AND likeness=?"),
        (counting._COUNTED.format("(?, ?)"), "(tenant_no=? AND subject=? AND window=?"),
        (counting._GIVE_BACK, "(tenant_no=? AND subject=? AND window=? AND bucket=?"),
    ],
)
async def test_what_an_admission_asks_is_looked_up_by_all_of_its_keys(
    world: World, statement: str, step: str
) -> None:
    with contextlib.closing(sqlite3.connect(world.place)) as connection:
        numbered = set(re.findall(r"\?\d", statement))
        values = [None] * (len(numbered) or statement.count("?"))
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(step in one for one in steps), steps
