"""Pins: the schema of each tool that the catalog needs, as
its server offered it on first contact.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from clearance.configuration.document import read_document, tool_server_of
from clearance.configuration.shape import SettingsDocument, suggestion
from clearance.core.errors import (
    Forbidden,
    InvalidInput,
)
from clearance.core.principal import ActorKind, Permission, Principal
from clearance.flow.context import Context
from clearance.flow.ports.tools import ToolCallFailed, ToolDescription
from clearance.flow.settings import CHANGES_MAX, change_settings, kept_moving


@dataclass(frozen=True, slots=True)
class PinReport:
    """What is known of the catalog's tools (`server.tool`) after asking their servers.

    `pinned` are new pins, `changed` have another schema than their pin (and are not called),
    `missing` are not offered; `offered` is. `unreachable` has a sentence for each server that did
    not answer.
    """

    pinned: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    offered: tuple[str, ...]
    unreachable: Mapping[str, str]


async def pin_tools(
    context: Context, actor: Principal, tenant_id: str, *, repin: frozenset[str] = frozenset()
) -> PinReport:
    """Pins the schemas of tools that have no pin yet, and of those named in `repin`; no other pin
    is touched.
    """
    if actor.kind is not ActorKind.SYSTEM:
        actor.require(Permission.CONFIGURE)
    if actor.tenant_id != tenant_id:
        sentence = f"{actor.actor_id} is of another tenant."
        raise Forbidden(sentence)
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(tenant_id)
        before = read_document(stored.document)
        _check_repin(repin, before)
        offered, unreachable = await _offered(context, tenant_id, before)
        report, pins = _pinned(before, offered, unreachable, repin)
        after = read_document({**before.as_json(), "tool_pins": pins})
        if await change_settings(context, actor, stored, before, after) is not None:
            return report
    raise kept_moving()


def _check_repin(repin: frozenset[str], document: SettingsDocument) -> None:
    for tool in sorted(repin - document.tools):
        sentence = (
            f"No action of the catalog needs the tool {tool}{suggestion(tool, document.tools)}."
        )
        raise InvalidInput(sentence, code="UNKNOWN_TOOL")


async def _offered(
    context: Context, tenant_id: str, document: SettingsDocument
) -> tuple[dict[str, ToolDescription], dict[str, str]]:
    """What the servers of the catalog's tools offer, by
    `server.tool`, and why some do not answer.
    """
    offered: dict[str, ToolDescription] = {}
    unreachable: dict[str, str] = {}

    async def ask(name: str) -> None:
        try:
            tools = await context.tools.describe(
                tenant_id, tool_server_of(name, document.tool_servers[name])
            )
        except ToolCallFailed as failure:
            unreachable[name] = failure.error.sentence
        else:
            offered.update({f"{name}.{tool}": description for tool, description in tools.items()})

    needed = {tool.partition(".")[0] for tool in document.tools}
    await asyncio.gather(*(ask(name) for name in sorted(needed & set(document.tool_servers))))
    return offered, unreachable


def _pinned(
    document: SettingsDocument,
    offered: Mapping[str, ToolDescription],
    unreachable: Mapping[str, str],
    repin: frozenset[str],
) -> tuple[PinReport, dict[str, str]]:
    pins = dict(document.tool_pins)
    pinned, changed, missing = [], [], []
    for tool in sorted(document.tools):
        if tool.partition(".")[0] in unreachable:
            continue
        if tool not in offered:
            missing.append(tool)
        elif pins.get(tool) != offered[tool].schema_digest:
            if tool in pins and tool not in repin:
                changed.append(tool)
            else:
                pins[tool] = offered[tool].schema_digest
                pinned.append(tool)
    names = tuple(sorted(offered))
    return PinReport(tuple(pinned), tuple(changed), tuple(missing), names, dict(unreachable)), pins
