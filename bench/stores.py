"""A configured tenant on a store of its own, for as long as one measurement lasts."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from tests.support import sample
from tests.support.sample import OWNER, TENANT, NoEngine, RecordingTools

from bench.databases import database
from bench.drive import ACCOUNTS_SPREAD, Job
from clearance.clock import SystemClock
from clearance.configuration.values import RATE_MAX
from clearance.core.budget import AMOUNT_MAX
from clearance.core.ledger import EntryKind, draft
from clearance.core.tool_pin import pin_of
from clearance.flow.context import Context
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolDescription, Tools
from clearance.profiles.local import STORE_FILE
from clearance.stores.sqlite.store import SqliteStore

BUDGET = 10_000_000  # a day and account: so large that it never binds, and is counted all the same
ROOM = {
    "proposals_per_minute": RATE_MAX,
    "proposals_per_minute_each_credential": RATE_MAX,
    "waiting_each_agent": BUDGET,
    "blocked_bytes_per_day": AMOUNT_MAX,
}
"""Quotas that never bind, and are counted all the same."""
CALLS_AT_ONCE = 16  # as many as a worker carries out
TEMPLATE = "clearance_bench_template"
TOOLS = {
    f"crm.{name}": ToolDescription(name, name, {"type": "object"}, pin_of({"type": "object"}))
    for name in ("create_task", "issue_refund", "send_mail")
}
"""What the tools of `RecordingTools` are, so that a server has nothing to pin."""


class InstantTools(RecordingTools):
    """Tools that answer at once."""

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        await cleared()
        return ToolAnswer({"ok": True})


def document(**autonomy: Any) -> dict[str, Any]:
    """The settings: one action type, fifteen lines of policy, a budget, the accounts that are used
    here, and room for all.
    """
    accounts = ["acme", *(f"a{number}" for number in range(ACCOUNTS_SPREAD))]
    rooms = {"budgets": [{"max_per_day": BUDGET}], "accounts": accounts, "quotas": ROOM}
    made = {
        **sample.document(**(rooms | autonomy)),
        "tool_pins": {name: tool.schema_digest for name, tool in TOOLS.items()},
        "tool_descriptions": {name: tool.description_digest for name, tool in TOOLS.items()},
    }
    made["tool_servers"]["crm"]["concurrency_max"] = CALLS_AT_ONCE
    return made


@contextlib.asynccontextmanager
async def new_store(job: Job) -> AsyncIterator[tuple[Store, str]]:
    """An empty store of the job's kind, and where it is.

    Its file, in a data directory of its own; or its database's URL.
    """
    async with contextlib.AsyncExitStack() as ends:
        store: Store
        if job.store == "sqlite":
            where = str(job.path / secrets.token_hex(6) / STORE_FILE)
            store = await SqliteStore.open(Path(where))
        else:
            from clearance.stores.postgres.store import PostgresStore  # noqa: PLC0415

            where = ends.enter_context(database(job.postgres, TEMPLATE))
            store = await PostgresStore.open(where)
        ends.push_async_callback(store.close)
        yield store, where


async def configure(store: Store, settings: Mapping[str, Any]) -> None:
    """Puts the settings in force."""
    now = SystemClock().now_ms()
    version = (await store.settings_version(TENANT)).tenant
    entry = draft(EntryKind.SETTINGS_CHANGED, now, OWNER)
    await store.configure(SettingsChange(TENANT, version, settings, entry, now))


@contextlib.asynccontextmanager
async def new_context(
    job: Job,
    engine: Engine | None = None,
    tools: Tools | None = None,
    settings: Mapping[str, Any] | None = None,
) -> AsyncIterator[Context]:
    """The parts over an empty store, with the settings in force. Its ledger has one entry."""
    async with new_store(job) as (store, _):
        await configure(store, settings or document())
        context = Context(store, tools or InstantTools(), engine or NoEngine(), SystemClock())
        await context.fresh_settings(
            TENANT
        )  # compiled once, as in a process that has run for a while
        yield context
