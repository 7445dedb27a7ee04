"""Fit: whether the actions of a settings document fit the tools that their servers offer now.

A server that does not answer proves nothing. Its tools are looked at again at the first contact,
and again before each call.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from clearance.configuration.compiling import allowlist_of, modes_of
from clearance.configuration.document import Reading
from clearance.configuration.shape import SettingsDocument
from clearance.configuration.tool_fit import (
    catalog_findings,
    fit_findings,
    may_run_alone,
    misfit,
)
from clearance.core.catalog import Action
from clearance.core.errors import InvalidInput
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Permission, Principal
from clearance.flow.context import Context
from clearance.flow.ports.tools import (
    ToolCallFailed,
    ToolDescription,
    ToolList,
    ask_servers,
    offered_of,
)
from clearance.flow.requests import ToolChange, ToolFit


async def check_tools(
    context: Context, principal: Principal, document: SettingsDocument
) -> ToolFit:
    """How a document that could be applied fits its tools."""
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    tenant_id = principal.tenant_id
    lists, unreachable = await ask_servers(
        context.tools, tenant_id, Reading(document), document.tools
    )
    _, stored = await context.stored(tenant_id)
    changes = await _changes(context, tenant_id, stored.document, lists)
    return replace(ToolFit.of(document, lists, unreachable), changes=changes)


async def _changes(
    context: Context, tenant_id: str, pinned: SettingsDocument, lists: Mapping[str, ToolList]
) -> tuple[ToolChange, ...]:
    """The tools that are not as they were pinned, with what was kept of them."""
    digests = pinned.tool_descriptions
    changed = {
        named: tool
        for named, tool in offered_of(lists).items()
        if named in pinned.tool_pins
        and (
            not tool.is_pinned_by(pinned.tool_pins[named])
            or digests.get(named, tool.description_digest) != tool.description_digest
        )
    }
    wanted = {digests[named] for named in changed if named in digests}
    kept = await context.store.kept_tools(tenant_id, wanted) if wanted else {}
    return tuple(
        ToolChange(
            named,
            kept.get(digests.get(named, "")),
            tool.as_json,
            called=tool.is_pinned_by(pinned.tool_pins[named]),
        )
        for named, tool in sorted(changed.items())
    )


async def refuse_misfits(
    context: Context, tenant_id: str, before: SettingsDocument, after: SettingsDocument
) -> None:
    """Raises InvalidInput (`TOOL_MISFIT`) if an action that a change touches does not fit its tool:
    its entry is another one, or it may run alone from now on.
    """
    was, now = ((allowlist_of(each), modes_of(each)) for each in (before, after))
    touched = {
        name
        for name, shape in after.catalog.items()
        if shape != before.catalog.get(name)
        or (may_run_alone(*now, name) and not may_run_alone(*was, name))
    }
    needed = {tool for name in touched for tool in after.catalog[name].tools}
    lists, _ = await ask_servers(context.tools, tenant_id, Reading(after), needed)
    if refusal := misfit(catalog_findings(after, offered_of(lists), touched)):
        raise refusal


def check_fits(action: Action, offered: ToolDescription, *, alone: bool) -> None:
    """Raises ToolCallFailed (`TOOL_MISFIT`) if an action does not fit its tool as it is now."""
    findings = fit_findings(action, {str(action.tool): offered}, alone=alone)
    if refusal := misfit(findings):
        raise not_called(refusal)


def not_called(refusal: InvalidInput) -> ToolCallFailed:
    """A refusal as what became of a call that was not sent because of it."""
    return ToolCallFailed(
        CallError(ErrorClass.VALIDATION, refusal.sentence, Sent.NOT_SENT, code=refusal.code)
    )
