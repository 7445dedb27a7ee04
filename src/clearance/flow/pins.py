"""Pins: what each tool that the catalog needs takes and what its server says of it, as it was at
first.

A tool is not pinned as long as no action fits it. A pin that an older version made is replaced by
one of today's form where it still agrees; a tool whose texts changed is called, and reported.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import replace

from clearance.configuration.differences import differences
from clearance.configuration.document import Reading, StoredSettings
from clearance.configuration.shape import SettingsDocument
from clearance.configuration.tool_fit import misfit
from clearance.configuration.values import TOOL_REFERENCE, as_sentence
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.errors import InvalidInput, NotFound, Problem, Unavailable
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import ActorKind, Permission, Principal, system
from clearance.core.settings import TOOL_SECTIONS, Settings
from clearance.core.suggestion import suggestion
from clearance.core.tool_pin import replaced
from clearance.flow.context import Context
from clearance.flow.fit import not_called
from clearance.flow.ports.tools import ToolCallFailed, ToolList, ask_servers, offered_of
from clearance.flow.requests import PinReport, ToolFit
from clearance.flow.settings import CHANGES_MAX, change_settings, kept_moving

PINS, DESCRIPTIONS = TOOL_SECTIONS


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
        lists, unreachable = await ask_servers(
            context.tools, actor.tenant_id, before, before.document.tools
        )
        report, new = _pinned(before, lists, unreachable, repin)
        if not any(new.values()):
            return report
        after = before.document.model_copy(
            update={name: getattr(before.document, name) | pins for name, pins in new.items()}
        )
        offered = offered_of(lists)
        described = {digest: offered[tool].as_json for tool, digest in new[DESCRIPTIONS].items()}
        if described:
            await context.store.keep_tools(actor.tenant_id, described)
        changes = differences(replace(before, lost=frozenset()), after)
        document = {**stored.document, **_stored_pins(before, stored, new)}
        if await change_settings(context, actor, stored, changes, after, document) is not None:
            return report
    raise kept_moving()


async def pin_for_call(context: Context, settings: Settings, action: Action) -> str:
    """The pin that an action's tool must have, by settings that were looked at together with
    everything else that was approved.

    A tool that has no pin yet is pinned on this first contact, before it is called. ToolCallFailed
    if it cannot be.
    """
    tenant_id, tool = settings.tenant_id, str(action.tool)
    if tool in settings.tool_pins:
        return settings.tool_pins[tool]
    why = ""
    for first_look in (True, False):
        settings = await context.settings(tenant_id)
        if tool in settings.tool_pins:
            return settings.tool_pins[tool]
        if first_look:
            with contextlib.suppress(Unavailable):  # others pin at the same moment: look again
                report = await pin_tools(context, system(tenant_id))
                cause = report.missing.get(tool) or report.unreachable.get(action.tool.server)
                why = f": {cause}" if cause else why
                _refuse_misfits(action, report.fit)
    sentence = as_sentence(
        f"The tool {tool} has no pinned schema, and its server does not show one now{why}"
    )
    raise ToolCallFailed(
        CallError(ErrorClass.DOWNSTREAM, sentence, Sent.NOT_SENT, code="TOOL_NOT_PINNED")
    )


def _refuse_misfits(action: Action, fit: ToolFit) -> None:
    own = [
        finding
        for finding in fit.misfits
        if finding.action_type == action.action_type and finding.tool == str(action.tool)
    ]
    if refusal := misfit(own):
        raise not_called(refusal)


def _stored_pins(
    before: Reading, stored: StoredSettings, new: Mapping[str, Mapping[str, str]]
) -> dict[str, Json]:
    """The pins with new ones, as they are to be stored: no other pin is touched. If nobody can tell
    which tools were pinned, these are pinned all at once.
    """
    lost = any(map(_of_every_tool, before.problems))
    kept = {
        name: {} if lost or not isinstance(section, Mapping) else section
        for name in new
        for section in [stored.document.get(name, {})]
    }
    return {name: {**kept[name], **pins} for name, pins in new.items() if pins}


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
        sentence = as_sentence(
            f"No action of the catalog needs the tool {tool}{suggestion(tool, document.tools)}"
        )
        raise InvalidInput(sentence, code="UNKNOWN_TOOL")


def _pinned(
    reading: Reading,
    lists: Mapping[str, ToolList],
    unreachable: Mapping[str, str],
    repin: frozenset[str],
) -> tuple[PinReport, dict[str, dict[str, str]]]:
    """What is known of the tools, and the entries of each section that are new or replaced."""
    tools, pins, unread = reading.document.tools, reading.document.tool_pins, _unread(reading)
    if any(map(_of_every_tool, reading.problems)) and not repin >= tools:
        repin = frozenset()
    fit = ToolFit.of(reading.document, lists, unreachable)
    unfit = _fit_no_action(reading.document, fit)
    texts = reading.document.tool_descriptions
    new: dict[str, dict[str, str]] = {section: {} for section in TOOL_SECTIONS}
    pinned, changed, reworded = [], [], []
    for named, offered in sorted(offered_of(lists).items()):
        if named not in tools:
            continue
        pin, agreed = pins.get(named), named in repin
        if pin is not None and offered.is_pinned_by(pin):
            new[PINS][named] = replaced(pin, offered.input_schema)
        elif (pin is not None or named in unread) and not agreed:
            changed.append(named)
            continue
        elif named not in unfit:
            new[PINS][named] = offered.schema_digest
            pinned.append(named)
        else:
            continue
        if named in texts and texts[named] != offered.description_digest and not agreed:
            reworded.append(named)
        else:
            new[DESCRIPTIONS][named] = offered.description_digest
    report = PinReport(
        tuple(pinned), tuple(changed), fit.missing, dict(unreachable), fit, tuple(reworded)
    )
    return report, {
        section: {
            named: value
            for named, value in entries.items()
            if getattr(reading.document, section).get(named) != value
        }
        for section, entries in new.items()
    }


def _fit_no_action(document: SettingsDocument, fit: ToolFit) -> set[str]:
    """The tools that no action fits which needs them."""
    misfits = {(finding.action_type, finding.tool) for finding in fit.misfits}
    fitting = {
        tool
        for name, shape in document.catalog.items()
        for tool in shape.tools
        if (name, tool) not in misfits
    }
    return set(document.tools - fitting)
