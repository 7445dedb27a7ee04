"""Pins: the schema of each tool that the catalog needs, as its server offered it at first."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace

from clearance.configuration.compiling import tool_servers_of
from clearance.configuration.differences import differences
from clearance.configuration.document import Reading, StoredSettings
from clearance.configuration.shape import TOOL_REFERENCE, SettingsDocument, suggestion
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, NotFound, Problem
from clearance.core.principal import ActorKind, Permission, Principal
from clearance.flow.context import Context
from clearance.flow.ports.tools import ToolCallFailed, ToolList
from clearance.flow.requests import PinReport
from clearance.flow.settings import CHANGES_MAX, change_settings, kept_moving

NOT_ACCEPTED = "This version does not accept what is stored of it."


async def pin_tools(
    context: Context, actor: Principal, *, repin: frozenset[str] = frozenset()
) -> PinReport:
    """Pins the schemas of tools that have no pin yet, and of those named in `repin`; no other pin
    is touched.
    """
    if actor.kind is not ActorKind.SYSTEM:
        actor.require(Permission.CONFIGURE, on=actor.tenant)
    for _ in range(CHANGES_MAX):
        stored, before = await context.stored(actor.tenant_id)
        _check_repin(repin, before.document)
        lists, unreachable = await _lists(context, actor.tenant_id, before)
        report, new = _pinned(before, lists, unreachable, repin)
        if not new:
            return report
        after = before.document.model_copy(update={"tool_pins": before.document.tool_pins | new})
        changes = differences(replace(before, lost=frozenset()), after)
        document = {**stored.document, "tool_pins": _stored_pins(before, stored, new)}
        if await change_settings(context, actor, stored, changes, after, document) is not None:
            return report
    raise kept_moving()


def _stored_pins(
    before: Reading, stored: StoredSettings, new: Mapping[str, str]
) -> dict[str, Json]:
    """The pins with new ones, as they are to be stored: no other pin is touched. If nobody can tell
    which tools were pinned, these are pinned all at once.
    """
    lost = any(map(_of_every_tool, before.problems))
    return {**({} if lost else stored.document.get("tool_pins", {})), **new}


def _unread(reading: Reading) -> frozenset[str]:
    """The tools whose pin is stored, and not accepted today."""
    about = [problem for problem in reading.problems if problem.path[:1] == ("tool_pins",)]
    if any(map(_of_every_tool, about)):
        return reading.document.tools
    return frozenset(str(problem.path[1]) for problem in about)


def _of_every_tool(problem: Problem) -> bool:
    section, tool = (*problem.path, None, None)[:2]
    return section == "tool_pins" and not re.fullmatch(TOOL_REFERENCE, str(tool))


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
    context: Context, tenant_id: str, reading: Reading
) -> tuple[dict[str, ToolList], dict[str, str]]:
    """The tools that each server of the catalog's tools offers, and why some do not answer."""
    lists: dict[str, ToolList] = {}
    unreachable: dict[str, str] = {}

    async def ask(name: str) -> None:
        try:
            lists[name] = await context.tools.describe(tenant_id, servers[name])
        except ToolCallFailed as failure:
            unreachable[name] = failure.error.sentence

    servers = tool_servers_of(reading)
    needed = {tool.partition(".")[0] for tool in reading.document.tools}
    unreachable |= dict.fromkeys(sorted(needed - servers.keys()), NOT_ACCEPTED)
    await asyncio.gather(*(ask(name) for name in sorted(needed & servers.keys())))
    return lists, unreachable


def _pinned(
    reading: Reading,
    lists: Mapping[str, ToolList],
    unreachable: Mapping[str, str],
    repin: frozenset[str],
) -> tuple[PinReport, dict[str, str]]:
    tools, pins, unread = reading.document.tools, reading.document.tool_pins, _unread(reading)
    if any(map(_of_every_tool, reading.problems)) and not repin >= tools:
        repin = frozenset()
    new, missing = dict[str, str](), dict[str, str]()
    changed = []
    for named in sorted(tools):
        server, _, tool = named.partition(".")
        if server not in lists:
            continue
        description = lists[server].tools.get(tool)
        if description is None:
            missing[named] = lists[server].why_missing(tool)
        elif pins.get(named) == description.schema_digest:
            continue
        elif named in unread | pins.keys() and named not in repin:
            changed.append(named)
        else:
            new[named] = description.schema_digest
    return PinReport(tuple(new), tuple(changed), missing, dict(unreachable)), new
