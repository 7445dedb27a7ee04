"""A world to test in: a store with a configured tenant, a clock that stands still, and tools that
remember.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from clearance.configuration.document import StoredSettings
from clearance.core.errors import Refusal
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import Permission, Principal
from clearance.core.record import IntentRecord
from clearance.core.stop import StopSwitch
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.store import Store
from clearance.flow.requests import Proposal
from clearance.flow.sweep import Sweeper
from clearance.stores.postgres.store import PostgresStore
from clearance.stores.sqlite.store import SqliteStore
from tests.aws.support.table import Table
from tests.support import sample
from tests.support.sample import AGENT, OWNER, TENANT, FakeClock, NoEngine, RecordingTools

Place: TypeAlias = Path | str | Table
"""Where a store lives: a SQLite file, a PostgreSQL database, or a DynamoDB table on an emulator."""


@dataclass
class World:
    """The parts, and short ways to say what tests do with them."""

    store: Store
    place: Place
    clock: FakeClock = field(default_factory=FakeClock)
    tools: RecordingTools = field(default_factory=RecordingTools)
    engine: NoEngine = field(default_factory=NoEngine)

    def __post_init__(self) -> None:
        self.context = Context(self.store, self.tools, self.engine, self.clock)
        self.control = Control(self.context)

    async def configure(
        self, document: Mapping[str, Any], tenant_id: str = TENANT
    ) -> StoredSettings:
        version = (await self.store.settings_version(tenant_id)).tenant
        actor = Principal(tenant_id, OWNER.actor_id, OWNER.kind, OWNER.permissions)
        entry = draft(EntryKind.SETTINGS_CHANGED, self.clock.now_ms(), actor, version=version + 1)
        answer = await self.store.configure(
            SettingsChange(tenant_id, version, document, entry, self.clock.now_ms())
        )
        assert answer == version + 1
        return await self.store.settings(tenant_id)

    async def autonomy(self, **parts: Any) -> StoredSettings:
        return await self.configure(sample.document(**parts))

    async def stop(self, *switches: StopSwitch) -> StoredSettings:
        on = [
            {
                "scope": s.scope.value,
                "subject": s.subject,
                "level": s.level.value,
                "reason": s.reason,
            }
            for s in switches
        ]
        return await self.configure({**sample.document(), "stop_switches": on})

    async def propose(self, proposal: Proposal, principal: Principal = AGENT) -> IntentRecord:
        """Proposes as an agent; all of the record, and not what the agent is shown of it."""
        reader = replace(principal, permissions=principal.permissions | {Permission.READ})
        return (await self.control.propose(reader, proposal)).record

    async def run(self, action_intent_id: str, worker: str = "worker-1") -> IntentRecord | None:
        return await execute.execute(self.context, TENANT, action_intent_id, worker)

    async def record(self, action_intent_id: str) -> IntentRecord:
        return await self.context.record(TENANT, action_intent_id)

    async def sweep(self, worker: str = "worker-1", *, alone: bool = False) -> None:
        """One step, and what a dead worker left, carried on with."""
        for due in (await Sweeper(self.context, worker, alone=alone).find()).dead:
            with contextlib.suppress(
                Refusal
            ):  # as engines do: one that cannot be carried on with keeps nobody waiting
                await execute.carry_on(
                    self.context, due.tenant_id, due.action_intent_id, worker, alone=alone
                )

    def sql(self, script: str) -> list[tuple[Any, ...]]:
        """Runs statements on the store's own tables, past everything that guards them; the rows of
        the last one.
        """
        connection = self._sqlite() if isinstance(self.place, Path) else self._postgres()
        with contextlib.closing(connection):
            *before, last = [part for part in script.split(";") if part.strip()]
            for statement in before:
                connection.execute(statement)
            answer = connection.execute(last)
            return answer.fetchall() if answer.description else []

    def _sqlite(self) -> Any:
        return sqlite3.connect(self.place, isolation_level=None)

    def _postgres(self) -> Any:
        return psycopg.connect(str(self.place), autocommit=True, options="-c search_path=clearance")

    async def used(self, account_id: str = "acme", day: str = "2026-11-24") -> Mapping[str, int]:
        return await self.store.budget_used(TENANT, account_id, day)

    async def entries(self, tenant_id: str = TENANT) -> list[dict[str, Any]]:
        return [entry.in_full for entry in await self.store.entries(tenant_id, 0, 10_000)]


@contextlib.asynccontextmanager
async def opened(place: Place) -> AsyncIterator[World]:
    """A configured tenant on a store that lives there: a file, a database that has the schema, or a
    table.
    """
    store = await open_store(place)
    world = World(store, place)
    await world.configure(sample.DOCUMENT)
    try:
        yield world
    finally:
        await store.close()


async def open_store(place: Place) -> Store:
    """The store that lives there."""
    match place:
        case Path():
            return await SqliteStore.open(place)
        case Table():
            from clearance.stores.dynamodb.store import DynamoStore  # noqa: PLC0415

            return await DynamoStore.open(place.name, client=place.client)
        case _:
            return await PostgresStore.open(place)
