"""A history to move, and what a place knows of it: shared by the tests of moving and of the file
itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg

from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, Counter, Hold
from clearance.core.credential import ApiKey
from clearance.core.ledger import EntryKind, draft
from clearance.core.outcome import CallError, ErrorClass, OutcomeStatus, Sent
from clearance.core.principal import Role, Scope
from clearance.flow import execute
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import ANY_VERSION, RulingRequest, SettingsPart
from clearance.profiles import choose
from clearance.profiles.local import STORE_FILE
from clearance.profiles.place import Database, Place
from clearance.stores.archive.file import Summary
from clearance.stores.postgres.store import PostgresStore
from clearance.stores.sqlite.store import SqliteStore
from tests.conformance.test_store import admission, long
from tests.support import sample
from tests.support.sample import APPROVER, OWNER, TENANT, mail, refund, task
from tests.support.world import World, opened

HOUR = 3_600_000
YEAR = 365 * 24 * HOUR
OTHER = "southwind"
TOOL = "sha256-2:" + "7" * 64
APPROVE = RulingRequest(RulingKind.APPROVE)
UNSURE: Mapping[str, Any] = {"confidence_score": 0.5, "account_id": "globex"}
ACCOUNTS = ("acme", "globex", "größe")
TENANT_DAY = Counter("{}", "2026-11-24")
NEW_NAMES = Counter('{"accounts":"^größe$"}', "2026-11 Europe/Oslo")
NEW_NAME = Claim("new_accounts", 1, 20, NEW_NAMES)
MONEY = Claim("amount:EUR", 2**61, None, TENANT_DAY)  # more than a float can say
LIKENESS = b"l" * 32
DAYS = ("2026-11-24", "2026-11-25")


async def live(world: World) -> None:
    """A history with an intent in every state, asked again, tried again, edited; tenants, keys,
    switches and budgets.
    """
    await world.configure(sample.DOCUMENT, OTHER)
    await world.configure({"stop_switches": []}, "*")
    await _keys(world)
    await _asked_again(world)
    await _ruled(world)
    await _carried_out(world)
    await world.propose(refund("blocked", 600_000))
    await world.propose(
        task("waiting", why=("so that 'quotes', \\ and \u202e survive \u00fc\U0001f600",), **UNSURE)
    )
    await world.propose(task("approved", trace_id="run-1", target={"deal": ["D-1", None, 1.5]}))
    await world.propose(task("expires", expires_at=world.clock.now + HOUR))
    await world.propose(task("cancelled", **UNSURE))
    await world.control.cancel(OWNER, "cancelled", "no longer needed \0 \u2028")
    await _counted(world)
    await _of_format_2(world)
    await _stopped(world)
    other = await admission(world, "approved", tenant_id=OTHER, now=world.clock.now)
    await world.store.admit(other)


async def _of_format_2(world: World) -> None:
    """A reason that was erased, an entry that is too long, and what only a later version knows."""
    await world.propose(task("erased", **UNSURE))
    await world.control.rule(APPROVER, "erased.1", RulingRequest(RulingKind.REJECT, "for Ann"))
    await world.control.erase(OWNER, "erased", "she asked for it")
    await world.store.admit(await long(world, "long", now=world.clock.now))
    for tenant in (TENANT, OTHER):
        await world.store.keep_tools(tenant, {TOOL: {"description": f"\0 \u2028 of {tenant}"}})
    await world.propose(task("later", expires_at=world.clock.now + YEAR, **UNSURE))
    world.sql("UPDATE intent SET executor = 'caller' WHERE action_intent_id = 'later'")


async def _stopped(world: World) -> None:
    """A stop whose receipt is closed, and one of which nobody made any yet."""
    agent = {"scope": "AGENT", "subject": "größe", "level": "REFUSE", "reason": "for Ann"}
    for switches in ([agent], []):
        value = {"stop_switches": switches}
        await world.control.put_settings_part(
            OWNER, SettingsPart.STOP_SWITCHES, value, version=ANY_VERSION
        )
    now, actor = world.clock.now, replace(OWNER, tenant_id=OTHER)
    entry = draft(EntryKind.STOP_SWITCHES_CHANGED, now, actor)
    await world.store.configure(
        SettingsChange(OTHER, 1, sample.DOCUMENT, entry, now, stop={"switches": []})
    )


async def _counted(world: World) -> None:
    """What is counted of others than the account, and what an admission may ask for besides."""
    for name, account in (("counted", "acme"), ("given-back", "größe")):
        wanted = await admission(world, name, account_id=account, now=world.clock.now)
        hold = Hold("2026-11-24", (Claim("actions", 1, None, TENANT_DAY), NEW_NAME, MONEY))
        wanted = replace(wanted, decision=replace(wanted.decision, hold=hold))
        wanted = replace(wanted, quota=(Claim("blocked_bytes", 9, None, TENANT_DAY),))
        await world.store.admit(replace(wanted, knows_account=True, likeness=LIKENESS))
    await world.control.cancel(OWNER, "given-back", "not needed")
    folded = await admission(world, "folded", confidence_score=0.1, now=world.clock.now)
    await world.store.admit(replace(folded, likeness=LIKENESS, same_call=b"c" * 32))
    entry = draft(EntryKind.API_KEY_CREATED, world.clock.now, OWNER)
    scope = Scope(accounts=frozenset({"größe", "acme"}))
    key = ApiKey("zz-scoped", TENANT, "scoped", Role.AGENT, b"s" * 32, world.clock.now)
    await world.store.add_api_key(replace(key, scope=scope), entry)


async def _keys(world: World) -> None:
    for name in ("olga", "gone"):
        key, _ = await world.control.create_api_key(OWNER, name, Role.APPROVER)
    await world.control.revoke_api_key(OWNER, key.key_id)


async def _asked_again(world: World) -> None:
    await world.propose(task("asked-again", **UNSURE))
    await world.control.rule(APPROVER, "asked-again.1", APPROVE)
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["tool"] = "crm.delete_task"
    await world.configure(document)
    assert await world.run("asked-again") is None
    await world.configure(sample.DOCUMENT)


async def _ruled(world: World) -> None:
    await world.propose(task("ruled", **UNSURE))
    await world.control.rule(APPROVER, "ruled.1", APPROVE)
    await world.propose(task("rejected", **UNSURE))
    await world.control.rule(APPROVER, "rejected.1", RulingRequest(RulingKind.REJECT, "not now"))
    await world.propose(refund("edited", 60_000, account_id="globex"))
    smaller = {"order_id": "ORD-1", "amount_minor": 100}
    await world.control.rule(
        APPROVER, "edited.1", RulingRequest(RulingKind.EDIT, parameters=smaller)
    )
    await world.propose(task("expired", expires_at=world.clock.now + 1, **UNSURE))
    world.clock.forward(2)
    await world.sweep()


async def _carried_out(world: World) -> None:
    for name in ("succeeded", "failed", "running", "tried-again"):
        await world.propose(refund(name, 1_234))
    await world.run("succeeded")
    world.tools.behave = _refuse
    await world.run("failed")
    world.tools.behave = None
    for name in ("unknown", "reconciled"):
        await world.propose(mail(name))
        started = await execute.start(world.context, TENANT, name, "worker-1")
        assert started is not None
        await execute.record(world.context, started, _lost(), tries=1)
    world.clock.forward(HOUR)
    await world.control.reconcile(APPROVER, "reconciled", OutcomeStatus.FAILED, "looked it up")
    assert await execute.start(world.context, TENANT, "tried-again", "worker-1") is not None
    world.clock.forward(HOUR)
    assert await execute.restart(world.context, TENANT, "tried-again", "worker-2") is not None
    assert await execute.start(world.context, TENANT, "running", "worker-2") is not None


async def _refuse(_: ToolCall) -> Any:
    raise ToolCallFailed(
        CallError(ErrorClass.VALIDATION, "No \0 such order.", Sent.ANSWERED, "NO_ORDER")
    )


def _lost() -> Any:
    error = CallError(
        ErrorClass.TIMEOUT, "No answer came.", Sent.MAYBE, "TIMEOUT", retry_after_ms=5
    )
    return execute.Outcome(OutcomeStatus.UNKNOWN, "No answer came.", error=error)


async def told(store: Store, now: int) -> dict[str, Any]:
    """Everything that the port says of a store."""
    said: dict[str, Any] = {
        "tenants": await store.tenants(),
        "salt": await store.installation_salt(),
    }
    for tenant in (*said["tenants"], "*"):
        timeline = await store.timeline(tenant, TimelineQuery(limit=1_000))
        names = [record.intent.action_intent_id for record in timeline]
        said[tenant] = {
            "settings": await store.settings(tenant),
            "entries": await store.entries(tenant, 0, 1_000),
            "size": await store.ledger_size(tenant),
            "timeline": timeline,
            "one by one": [await store.intent(tenant, name) for name in names],
            "about": [await store.entries_about(tenant, name) for name in names],
            "waiting": await store.waiting(tenant, None, 1_000),
            "counts": await store.count_by_status(tenant),
            "used": [
                await store.budget_used(tenant, account, day)
                for account in ACCOUNTS
                for day in DAYS
            ],
            "counted": await store.counted(tenant, [TENANT_DAY, NEW_NAMES]),
            "known": await store.known_accounts(tenant, ACCOUNTS),
            "alike": await store.alike(tenant, LIKENESS, 10),
            "keys": await store.api_keys(tenant),
            "tools": await store.kept_tools(tenant, [TOOL]),
            "stops": await store.stops_at(tenant, (now,)),
            "running": await store.running(tenant),
            "open": sorted(map(str, await store.open_tallies(tenant))),
            "ended": sorted(map(str, await store.ended_tallies(tenant, now - HOUR))),
        }
    said["keys"] = [await store.api_key(key.key_hash) for key in said[TENANT]["keys"]]
    said["stops"] = [await store.open_stops(10), await store.ledger_sizes()]
    said["due"] = [
        await store.approved(1_000),
        await store.expired(now + 1_000 * HOUR, 1_000),
        await store.dead_leases(now, 1_000),
        await store.dead_leases(now + HOUR, 1_000),
        await store.dead_leases(now, 1_000, living_worker="worker-2"),
    ]
    return said


async def opened_store(where: Place) -> Store:
    if isinstance(where, Path):
        return await SqliteStore.open(where / STORE_FILE)
    assert isinstance(where, Database)
    return await PostgresStore.open(where.url.get_secret_value())


def seen(where: Place, now: int) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        store = await opened_store(where)
        try:
            return await told(store, now)
        finally:
            await store.close()

    return asyncio.run(look())


def exported(where: Place) -> bytes:
    file = BytesIO()
    choose.export(where, file)
    return file.getvalue()


class History:
    """A data directory that was lived in, when that ended, and what was exported from it."""

    def __init__(self, folder: Path) -> None:
        self.place = folder / "data"
        self.place.mkdir()
        self.now = asyncio.run(self._live())
        self.archive = exported(self.place)
        self.lines = self.archive.splitlines(keepends=True)

    async def _live(self) -> int:
        async with opened(self.place / STORE_FILE) as world:
            await live(world)
            return world.clock.now


def imported(archive: bytes, where: Place) -> Summary:
    return choose.import_from(BytesIO(archive), where)


def nothing_in(where: Place) -> bool:
    """True if a place holds nothing: no file, or a schema as it is made."""
    if isinstance(where, Path):
        return not (where / STORE_FILE).exists()
    assert isinstance(where, Database)
    tables = ("settings", "tool", "ledger", "intent_key", "intent", "budget_use", "api_key")
    tables += ("counter", "known_account", "stop")
    with psycopg.connect(where.url.get_secret_value()) as connection:
        found = connection.execute(
            "SELECT tenant_id, settings_version, ledger_size FROM clearance.tenant"
        ).fetchall()
        counts = [
            connection.execute(f"SELECT count(*) FROM clearance.{table}").fetchone()
            for table in tables
        ]  # type: ignore[arg-type]
    return (found, counts) == ([("*", 0, 0)], [(0,)] * len(tables))
