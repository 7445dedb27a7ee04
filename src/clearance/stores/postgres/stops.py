"""Stops in PostgreSQL: what switches cover, counted along its indexes, and the rows of stops."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from clearance.core.canonical import Json
from clearance.core.ledger import Draft
from clearance.core.principal import EVERYWHERE
from clearance.core.record import ENDED, OPEN, IntentRecord
from clearance.flow.ports.stops import ENDED_LOOKED_AT_MAX, Stop, Tally
from clearance.stores import codec
from clearance.stores.postgres.connections import Connections
from clearance.stores.postgres.records import columns_of, record
from clearance.stores.postgres.units import sent_texts
from clearance.stores.sql import one_of
from clearance.stores.tail import Tail

_NAMES = "account_id, action_type, proposed_by, status"
_OPEN_TALLIES = f"""SELECT {_NAMES}, count(*) FROM clearance.intent
    WHERE tenant_id = %s AND status IN {one_of(OPEN)} GROUP BY {_NAMES}"""
_ENDED_TALLIES = f"""SELECT {_NAMES}, count(*) FROM (
        SELECT {_NAMES}, changed_at FROM clearance.intent WHERE tenant_id = %s
        ORDER BY "position" DESC LIMIT {ENDED_LOOKED_AT_MAX}) i
    WHERE changed_at >= %s AND status IN {one_of(ENDED)} GROUP BY {_NAMES}"""
_RUNNING = f"""SELECT {columns_of("r")} FROM clearance.intent_record r
    WHERE r.tenant_id = %s AND r.status = 'RUNNING' ORDER BY r.intent_no"""
_STOP = """SELECT s.tenant_id, s."position", s.at, s.state, s.recorded, s.closed
    FROM clearance.stop s"""


class PostgresStops:
    """`Stops` in the database of a store."""

    _connections: Connections
    _tail: Tail

    async def open_tallies(self, tenant_id: str) -> list[Tally]:
        return await self._tallies(tenant_id, _OPEN_TALLIES)

    async def ended_tallies(self, tenant_id: str, since: int) -> list[Tally]:
        return await self._tallies(tenant_id, _ENDED_TALLIES, since)

    async def _tallies(self, tenant_id: str, statement: str, *values: int) -> list[Tally]:
        rows = await self._connections.rows(tenant_id, statement, (tenant_id, *values))
        return [codec.tally(*row) for row in rows]

    async def running(self, tenant_id: str) -> list[IntentRecord]:
        rows = await self._connections.rows(tenant_id, _RUNNING, (tenant_id,))
        return [record(row) for row in rows]

    async def ledger_sizes(self) -> Mapping[str, int]:
        statement = """SELECT tenant_id, ledger_size FROM clearance.tenant
            WHERE settings_version > 0 AND tenant_id <> %s"""
        return dict(await self._connections.rows(EVERYWHERE, statement, (EVERYWHERE,)))

    async def open_stops(self, limit: int, after: Stop | None = None) -> list[Stop]:
        statement = f"""{_STOP} WHERE s.closed IS NULL AND (s.tenant_id, s."position") > (%s, %s)
            ORDER BY s.tenant_id, s."position" LIMIT %s"""
        last = (after.tenant_id, after.position) if after else ("", 0)
        return await self._stops(EVERYWHERE, statement, (*last, limit))

    async def stops_at(self, tenant_id: str, moments: Collection[int]) -> list[Stop]:
        statement = f"""{_STOP} WHERE s.tenant_id = %s AND s.at = ANY(%s::bigint[])
            ORDER BY s."position" """
        return await self._stops(tenant_id, statement, (tenant_id, sorted(moments)))

    async def _stops(self, tenant_id: str, statement: str, values: tuple[Any, ...]) -> list[Stop]:
        rows = await self._connections.rows(tenant_id, statement, values)
        return [codec.stop(*row) for row in rows]

    async def move_stop(self, seen: Stop, state: Mapping[str, Json], entry: Draft) -> Stop | None:
        """What it refuses after an answer was lost may be what it did itself: who asks looks
        again.
        """
        statement = "SELECT clearance.move_stop(%s, %s, %s, %s, %s, %s::jsonb)"
        text = codec.stop_state(state)
        values = (seen.tenant_id, seen.position, seen.recorded, text, entry.body)
        called = await self._connections.call(statement, (*values, json.dumps(sent_texts(entry))))
        self._tail.moved()
        [[position]] = called.rows
        return None if position is None else seen.moved(state, position)
