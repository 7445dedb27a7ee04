"""Pins: the schema of each tool that the catalog needs, as its server offered it at first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from clearance.configuration.document import read_document, tool_server_of
from clearance.configuration.shape import SettingsDocument, suggestion
from clearance.core.errors import InvalidInput, NotFound
from clearance.core.principal import ActorKind, Permission, Principal
from clearance.flow.context import Context
from clearance.flow.ports.tools import ToolCallFailed, ToolList
from clearance.flow.requests import PinReport
from clearance.flow.settings import CHANGES_MAX, change_settings, kept_moving


async def pin_tools(
    context: Context, actor: Principal, *, repin: frozenset[str] = frozenset()
) -> PinReport:
    """Pins the schemas of tools that have no pin yet, and of those named in `repin`; no other pin
    is touched.
    """
    if actor.kind is not ActorKind.SYSTEM:
        actor.require(Permission.CONFIGURE, on=actor.tenant)
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(actor.tenant_id)
        before = read_document(stored.document)
        _check_repin(repin, before)
        lists, unreachable = await _lists(context, actor.tenant_id, before)
        report, pins = _pinned(before, lists, unreachable, repin)
        after = read_document({**before.as_json(), "tool_pins": pins})
        if await change_settings(context, actor, stored, before, after) is not None:
            return report
    raise kept_moving()


async def offered_tools(context: Context, principal: Principal, server: str) -> ToolList:
    """The tools of one server, read now. NotFound if the settings have no server of this name;
    ToolCallFailed if it does not answer.
    """
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    settings = await context.settings(principal.tenant_id)
    if server not in settings.tool_servers:
        sentence = f"There is no tool server {server}."
        raise NotFound(sentence)
    return await context.tools.describe(principal.tenant_id, settings.tool_servers[server])


def _check_repin(repin: frozenset[str], document: SettingsDocument) -> None:
    for tool in sorted(repin - document.tools):
        sentence = (
            f"No action of the catalog needs the tool {tool}{suggestion(tool, document.tools)}."
        )
        raise InvalidInput(sentence, code="UNKNOWN_TOOL")


async def _lists(
    context: Context, tenant_id: str, document: SettingsDocument
) -> tuple[dict[str, ToolList], dict[str, str]]:
    """What the servers of the catalog's tools offer, and why some do not answer."""
    lists: dict[str, ToolList] = {}
    unreachable: dict[str, str] = {}

    async def ask(name: str) -> None:
        server = tool_server_of(name, document.tool_servers[name])
        try:
            lists[name] = await context.tools.describe(tenant_id, server)
        except ToolCallFailed as failure:
            unreachable[name] = failure.error.sentence

    needed = {tool.partition(".")[0] for tool in document.tools}
    await asyncio.gather(*(ask(name) for name in sorted(needed & set(document.tool_servers))))
    return lists, unreachable


def _pinned(
    document: SettingsDocument,
    lists: Mapping[str, ToolList],
    unreachable: Mapping[str, str],
    repin: frozenset[str],
) -> tuple[PinReport, dict[str, str]]:
    pins, missing = dict(document.tool_pins), dict[str, str]()
    pinned, changed = [], []
    for named in sorted(document.tools):
        server, _, tool = named.partition(".")
        if server not in lists:
            continue
        description = lists[server].tools.get(tool)
        if description is None:
            missing[named] = lists[server].why_missing(tool)
        elif pins.get(named) == description.schema_digest:
            continue
        elif named in pins and named not in repin:
            changed.append(named)
        else:
            pins[named] = description.schema_digest
            pinned.append(named)
    return PinReport(tuple(pinned), tuple(changed), missing, dict(unreachable)), pins
