"""Stops in SQLite: what switches cover, counted along its indexes, and the rows of stops."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from clearance.core.canonical import Json
from clearance.core.ledger import Draft
from clearance.core.principal import EVERYWHERE
from clearance.core.record import ENDED, OPEN, IntentRecord
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.stops import ENDED_LOOKED_AT_MAX, Stop, Tally
from clearance.stores import codec
from clearance.stores.sql import one_of
from clearance.stores.sqlite import records, statements
from clearance.stores.sqlite.group_commit import GroupCommit

T = TypeVar("T")

# In the words of the index `intent_under_way`, as everywhere.
_OPEN_TALLIES = f"""SELECT a.account_id, i.action_type, i.proposed_by, i.status, count(*)
    FROM intent i JOIN account a USING (account_no)
    WHERE i.status IN {one_of(OPEN)} AND i.tenant_no = ?
    GROUP BY i.account_no, i.action_type, i.proposed_by, i.status"""
_ENDED_TALLIES = f"""SELECT a.account_id, i.action_type, i.proposed_by, i.status, count(*)
    FROM (SELECT * FROM intent WHERE tenant_no = ? ORDER BY position DESC
        LIMIT {ENDED_LOOKED_AT_MAX}) i JOIN account a USING (account_no)
    WHERE i.changed_at >= ? AND i.status IN {one_of(ENDED)}
    GROUP BY i.account_no, i.action_type, i.proposed_by, i.status"""
_RUNNING = f"""{records.RECORD} WHERE i.status IN {one_of(OPEN)} AND i.status = 'RUNNING'
    AND t.tenant_id = ? ORDER BY i.intent_no"""
_STOP = """SELECT t.tenant_id, s.position, s.at, s.state, s.recorded, s.closed
    FROM stop s JOIN tenant t USING (tenant_no)"""


class SqliteStops:
    """`Stops` in the file of a store."""

    _writer: GroupCommit
    _read: Callable[[Callable[[sqlite3.Connection], T]], Any]
    _tenant_no: Callable[[sqlite3.Connection, str], int]

    async def open_tallies(self, tenant_id: str) -> list[Tally]:
        return await self._tallies(_OPEN_TALLIES, tenant_id)

    async def ended_tallies(self, tenant_id: str, since: int) -> list[Tally]:
        return await self._tallies(_ENDED_TALLIES, tenant_id, since)

    async def _tallies(self, sql: str, tenant_id: str, *values: int) -> list[Tally]:
        def work(connection: sqlite3.Connection) -> list[Tally]:
            tenant_no = statements.known_tenant(connection, tenant_id)
            return [codec.tally(*row) for row in connection.execute(sql, (tenant_no, *values))]

        tallies: list[Tally] = await self._read(work)
        return tallies

    async def running(self, tenant_id: str) -> list[IntentRecord]:
        def work(connection: sqlite3.Connection) -> list[IntentRecord]:
            return [records.record(row) for row in connection.execute(_RUNNING, (tenant_id,))]

        running: list[IntentRecord] = await self._read(work)
        return running

    async def ledger_sizes(self) -> Mapping[str, int]:
        sql = "SELECT tenant_id, tenant_no FROM tenant WHERE settings_version > 0"

        def work(connection: sqlite3.Connection) -> dict[str, int]:
            return {
                tenant_id: statements.ledger_size(connection, tenant_no)
                for tenant_id, tenant_no in connection.execute(sql).fetchall()
                if tenant_id != EVERYWHERE
            }

        sizes: dict[str, int] = await self._read(work)
        return sizes

    async def open_stops(self, limit: int, after: Stop | None = None) -> list[Stop]:
        sql = f"""{_STOP} WHERE s.closed IS NULL AND (s.tenant_no, s.position) > (coalesce((
            SELECT tenant_no FROM tenant WHERE tenant_id = ?), -1), ?)
            ORDER BY s.tenant_no, s.position LIMIT ?"""
        last = (after.tenant_id, after.position) if after else (None, 0)
        return await self._stops(sql, (*last, limit))

    async def stops_at(self, tenant_id: str, moments: Collection[int]) -> list[Stop]:
        sql = f"""{_STOP} WHERE t.tenant_id = ? AND s.at IN (SELECT value FROM json_each(?))
            ORDER BY s.position"""
        return await self._stops(sql, (tenant_id, json.dumps(sorted(moments))))

    async def _stops(self, sql: str, values: tuple[Json, ...]) -> list[Stop]:
        def work(connection: sqlite3.Connection) -> list[Stop]:
            return [codec.stop(*row) for row in connection.execute(sql, values)]

        stops: list[Stop] = await self._read(work)
        return stops

    async def move_stop(self, seen: Stop, state: Mapping[str, Json], entry: Draft) -> Stop | None:
        column = "closed" if seen.recorded else "recorded"
        sql = f"""UPDATE stop SET state = ?, {column} = ? WHERE tenant_no = ? AND position = ?
            AND recorded IS ? AND closed IS NULL"""

        def work(connection: sqlite3.Connection) -> Stop | None:
            tenant_no = self._tenant_no(connection, seen.tenant_id)
            position = statements.ledger_size(connection, tenant_no) + 1
            text = codec.stop_state(state)
            moved = connection.execute(
                sql, (text, position, tenant_no, seen.position, seen.recorded)
            )
            if moved.rowcount != 1:
                return None
            statements.append(connection, tenant_no, None, entry)
            return seen.moved(state, position)

        return await self._writer.submit(work)


def open_stop(
    connection: sqlite3.Connection, tenant_no: int, position: int, change: SettingsChange
) -> None:
    """Opens the stop of a change of settings, if it is one."""
    if change.stop is not None:
        connection.execute(
            "INSERT INTO stop (tenant_no, position, at, state) VALUES (?, ?, ?, ?)",
            (tenant_no, position, change.at, codec.stop_state(change.stop)),
        )
