"""Moving all state from one store to another: nothing is lost, added or changed, or nothing is
moved at all.
"""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from clearance.core.approval import RulingKind
from clearance.core.errors import Conflict, Refusal
from clearance.core.record import IntentStatus
from clearance.flow.ports.transitions import AlreadyAdmitted
from clearance.flow.requests import RulingRequest
from clearance.profiles import choose
from clearance.profiles.local import STORE_FILE, only_one
from clearance.profiles.place import Database, Place, Table
from clearance.stores.postgres import archive as archive_postgres
from clearance.stores.postgres.server import age_out
from clearance.stores.postgres.store import PostgresStore
from clearance.stores.sqlite import archive as archive_sqlite
from clearance.stores.sqlite.store import SqliteStore
from tests.conformance.support.moving import (
    APPROVE,
    HOUR,
    OTHER,
    YEAR,
    History,
    exported,
    imported,
    nothing_in,
    opened_store,
    seen,
)
from tests.conformance.test_store import admission, long
from tests.support import sample
from tests.support.postgres import migrated_database
from tests.support.sample import AGENT, APPROVER, NOON, OWNER, TENANT, FakeClock, refund, task
from tests.support.world import World

KEPT = Path(__file__).parents[1] / "kept" / "0.1.0" / "archive.jsonl"

# What is moved


def test_the_history_has_every_state(history: History) -> None:
    records = {
        one.intent.action_intent_id: one
        for one in seen(history.place, history.now)[TENANT]["timeline"]
    }
    assert {one.status for one in records.values()} == set(IntentStatus)
    asked, tried, failed = records["asked-again"], records["tried-again"], records["failed"]
    assert (asked.approval and asked.approval.number, tried.attempt and tried.attempt.number) == (
        2,
        2,
    )
    assert failed.outcome is not None
    assert "\0" in failed.outcome.sentence


def test_everything_is_there_afterwards(history: History, target: Place) -> None:
    summary = imported(history.archive, target)
    before, after = seen(history.place, history.now), seen(target, history.now)
    for records in (before[TENANT]["timeline"], before[TENANT]["one by one"]):
        for index, one in enumerate(
            records
        ):  # PostgreSQL keeps no zero character, so neither does an archive
            if one.outcome:
                said = replace(one.outcome, sentence=one.outcome.sentence.replace("\0", "\ufffd"))
                records[index] = replace(one, outcome=said)
    assert after == before
    assert summary.counts["tool"] == 3 + 2  # pinned at the first contact, and kept by hand
    assert after[TENANT]["tools"] != after[OTHER]["tools"] != {}
    assert summary.counts["intent"] == len(before[TENANT]["timeline"]) + 1
    assert summary.counts["entry"] == sum(before[tenant]["size"] for tenant in (TENANT, OTHER, "*"))
    assert summary.store == "sqlite"


def test_ledger_entries_are_the_same_bytes(history: History, base: Database) -> None:
    imported(history.archive, base)
    moved = [entry.body for entry in seen(base, history.now)[TENANT]["entries"]]
    assert moved == [entry.body for entry in seen(history.place, history.now)[TENANT]["entries"]]
    written = [json.loads(one) for one in history.lines]
    assert [
        one["body"].encode()
        for one in written
        if one["kind"] == "entry" and one["tenant_id"] == TENANT
    ] == moved


def test_the_way_back_gives_the_same_file(history: History, base: Database, tmp_path: Path) -> None:
    imported(history.archive, base)
    there = exported(base)
    imported(there, tmp_path / "back")
    again = exported(tmp_path / "back")
    for one in (there, again):
        assert one.splitlines(keepends=True)[1:-1] == history.lines[1:-1]
    assert seen(tmp_path / "back", history.now) == seen(base, history.now)
    assert json.loads(there.splitlines()[0])["store"] == "postgres"


def test_what_format_1_moved_goes_on_in_format_2_to_the_byte(target: Place, tmp_path: Path) -> None:
    before = KEPT.read_bytes()
    assert imported(before, target).counts == json.loads(before.splitlines()[-1])["counts"]
    left = json.loads((KEPT.parent / "facts.json").read_text(encoding="utf-8"))["at"]

    async def work() -> None:
        world = World(await opened_store(target), "", clock=FakeClock(left))
        await world.propose(task("new", confidence_score=0.1))
        await world.control.rule(APPROVER, "new.1", RulingRequest(RulingKind.REJECT, "not now"))
        await world.propose(task("erased", confidence_score=0.1))
        await world.control.rule(APPROVER, "erased.1", RulingRequest(RulingKind.REJECT, "Ann"))
        await world.control.erase(OWNER, "erased", "She asked for it.")
        await world.store.admit(await long(world, "long", now=left))
        await world.store.close()

    asyncio.run(work())
    there = exported(target)
    assert set(re.findall(rb'"executor":"([^"]*)"', there)) == {b"server"}
    old, new = bodies(before), bodies(there)
    assert [new[place] for place in old] == list(old.values())
    formats = Counter(json.loads(body)["format"] for body in new.values())
    assert formats == {1: len(old), 2: 6}
    imported(there, tmp_path / "back")
    again = exported(tmp_path / "back")
    assert again.splitlines()[1:-1] == there.splitlines()[1:-1]


def bodies(archive: bytes) -> dict[tuple[str, int], str]:
    """The entries of an archive, by tenant and position."""
    rows = [json.loads(row) for row in archive.splitlines()]
    entries = (row for row in rows if row["kind"] == "entry")
    return {(entry["tenant_id"], entry["position"]): entry["body"] for entry in entries}


def test_work_goes_on_where_it_was_moved_to(history: History, target: Place) -> None:
    imported(history.archive, target)

    async def work() -> None:
        store = await opened_store(target)
        world = World(store, "", clock=FakeClock(history.now))
        used = await world.used()
        known = await store.admit(await admission(world, "approved"))
        assert isinstance(known, AlreadyAdmitted)
        done = await world.run("approved")
        assert done is not None
        assert done.status is IntentStatus.SUCCEEDED
        await world.control.rule(APPROVER, "waiting.1", APPROVE)
        await world.control.rule(APPROVER, "asked-again.2", APPROVE)
        assert (
            await world.run("asked-again") is None
        )  # its catalog changed once more, so a person is asked a third time
        asked = (await world.record("asked-again")).approval
        assert (asked and asked.number) == 3
        for name in ("waiting", "ruled", "expires"):
            done = await world.run(name)
            assert done is not None
            assert done.status is IntentStatus.SUCCEEDED
        assert await world.used() == used
        await world.propose(task("new"))
        assert (await world.used())["actions"] == used["actions"] + 1
        assert (await world.record("running")).status is IntentStatus.RUNNING
        await world.sweep("worker-3")
        assert (
            await world.record("running")
        ).status is IntentStatus.RUNNING  # its lease is not over
        world.clock.forward(HOUR)
        await world.sweep("worker-3")
        again = await world.record("running")
        assert again.attempt is not None
        assert (again.status, again.attempt.number) == (IntentStatus.SUCCEEDED, 2)
        entries = await store.entries(TENANT, 0, 1_000)
        assert [entry.position for entry in entries] == list(range(1, len(entries) + 1))
        await store.close()

    asyncio.run(work())


def test_what_aged_out_stays_known(
    base: Database, database: str, postgres_folder: Path, tmp_path: Path
) -> None:
    async def first() -> None:
        world = World(
            await SqliteStore.open(tmp_path / STORE_FILE),
            tmp_path,
            clock=FakeClock(NOON - 2 * YEAR),
        )
        await world.configure(sample.DOCUMENT)
        await world.propose(refund("old", 600_000))
        await world.store.close()

    asyncio.run(first())
    imported(exported(tmp_path), base)
    assert asyncio.run(age_out(database, "2024-12")) == ["2024-11"]
    archive = exported(base)
    with migrated_database(postgres_folder) as conninfo:
        there = Database(SecretStr(conninfo))
        assert imported(archive, there).counts["aged_out_intent"] == 1
        assert exported(there) == archive

        async def again() -> None:
            world = World(await opened_store(there), conninfo)
            with pytest.raises(Conflict) as refused:
                await world.propose(refund("old", 600_000))
            assert refused.value.code == "INTENT_AGED_OUT"
            with pytest.raises(Conflict) as shown:  # to an agent, as an id that another uses
                await world.control.propose(AGENT, refund("old", 600_000))
            answer = (shown.value.code, shown.value.sentence)
            assert answer == ("INTENT_ID_TAKEN", "The id old is taken; choose another one.")
            await world.store.close()

        asyncio.run(again())
    with pytest.raises(Refusal) as refused:
        imported(archive, tmp_path / "new")
    assert (refused.value.code, nothing_in(tmp_path / "new")) == ("INVALID_ARCHIVE", True)


# When nothing may be moved


def test_a_store_that_holds_something_is_left_alone(history: History, target: Place) -> None:
    imported(history.archive, target)
    before = seen(target, history.now)
    with pytest.raises(Conflict) as refused:
        imported(history.archive, target)
    assert refused.value.code == "STORE_NOT_EMPTY"
    assert seen(target, history.now) == before


def test_nobody_may_work_on_it_meanwhile(history: History, base: Database, database: str) -> None:
    async def meanwhile(archive: bytes) -> None:
        store = await PostgresStore.open(database)
        for move in (lambda: exported(base), lambda: imported(archive, base)):
            with pytest.raises(Conflict) as refused:
                await asyncio.to_thread(move)
            assert refused.value.code == "ALREADY_SERVED"
        await store.close()

    asyncio.run(meanwhile(history.archive))
    with only_one(history.place):
        for move in (
            lambda: exported(history.place),
            lambda: imported(history.archive, history.place),
        ):
            with pytest.raises(Conflict) as refused:
                move()
            assert refused.value.code == "ALREADY_SERVED"
    imported(history.archive, base)


class Interrupted(BytesIO):
    """A file whose reader is interrupted, some lines before the end."""

    def readline(self, size: int | None = -1) -> bytes:
        if self.tell() > len(self.getvalue()) * 0.9:
            raise KeyboardInterrupt
        return super().readline(size)


def test_an_import_that_is_interrupted_leaves_nothing(history: History, target: Place) -> None:
    with pytest.raises(KeyboardInterrupt):
        choose.import_from(Interrupted(history.archive), target)
    assert nothing_in(target)
    imported(history.archive, target)
    assert len(seen(target, history.now)[TENANT]["timeline"]) > 10


def test_an_empty_data_directory_may_have_a_file(history: History, tmp_path: Path) -> None:
    async def made() -> None:
        await (await SqliteStore.open(tmp_path / STORE_FILE)).close()

    asyncio.run(made())
    with pytest.raises(Refusal):
        imported(history.archive[:-10], tmp_path)
    imported(history.archive, tmp_path)
    assert exported(tmp_path) == history.archive


def test_a_store_that_forgets_a_row_is_found_out(
    history: History, target: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = archive_postgres.PostgresArchive._copy

    def forgetful(archive: Any, table: str, columns: Any, values: Any) -> None:
        copy(archive, table, columns, values[:-1] if table == "budget_use" else values)

    monkeypatch.setattr(archive_postgres.PostgresArchive, "_copy", forgetful)
    monkeypatch.setattr(archive_sqlite.SqliteArchive, "_put_budget_use", lambda *_: None)
    with pytest.raises(Refusal) as refused:
        imported(history.archive, target)
    assert (refused.value.code, nothing_in(target)) == ("ARCHIVE_DIFFERS", True)


def test_a_table_takes_no_part(history: History) -> None:
    for move in (lambda: exported(Table("t")), lambda: imported(history.archive, Table("t"))):
        with pytest.raises(Conflict) as refused:
            move()
        assert refused.value.code == "NOT_MOVABLE"


def test_what_is_exported_is_one_moment_although_commands_work_beside(
    history: History, tmp_path: Path
) -> None:
    imported(history.archive, tmp_path)
    with closing(sqlite3.connect(tmp_path / STORE_FILE, isolation_level=None)) as beside:

        class Disturbed(BytesIO):
            """A file during whose writing somebody else writes."""

            def write(self, data: Any) -> int:
                beside.execute("UPDATE api_key SET name = name || '.'")
                return super().write(data)

        file = Disturbed()
        choose.export(tmp_path, file)
    keys = [
        json.loads(one)
        for one in file.getvalue().splitlines()
        if one.startswith(b'{"kind":"api_key"')
    ]
    assert sorted(key["name"] for key in keys) == [
        "gone.",
        "olga.",
        "scoped.",
    ]  # as it was when the first row was read
