"""Settings: people read and change parts of them, apply a whole document, and throw stop switches.

Every change reads the settings in force, has the whole document that would result parsed, and
commits it with one ledger entry from the version that was read: two people never overwrite each
other unseen. What is stored may be refused today; it is shown as it is stored, and a stop switch
can be thrown in spite of it. Values of environments and headers are in no difference and no entry.
Lifting a stop switch hints nobody: the sweep soon finds what may start again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from clearance.configuration.differences import SettingsDifference, differences
from clearance.configuration.document import (
    KEPT,
    NOTHING_STORED,
    Reading,
    StoredSettings,
    parse_document,
    read_document,
)
from clearance.configuration.shape import SettingsDocument
from clearance.configuration.switches import (
    Setter,
    loosened,
    put_switches,
    shown_switches,
    stricter,
)
from clearance.configuration.values import TOOL_REFERENCE
from clearance.core.canonical import Json, digest
from clearance.core.errors import (
    Forbidden,
    InvalidInput,
    Problem,
    Unavailable,
    VersionMismatch,
    VersionRequired,
)
from clearance.core.ledger import EntryKind, EntryText, draft
from clearance.core.principal import Permission, Principal
from clearance.core.settings import TOOL_SECTIONS, part_digests
from clearance.core.stop import StopScope
from clearance.flow.context import PROGRAMS_NOT_STARTED, Context, aside
from clearance.flow.fit import refuse_misfits
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.transitions import SettingsMoved
from clearance.flow.receipts import opening_state, record_soon
from clearance.flow.requests import ANY_VERSION, SettingsPart

CHANGES_MAX = 5  # how often a change is made again because the settings moved meanwhile


_IN_AUTONOMY = frozenset(
    {
        *(SettingsPart.MODES, SettingsPart.ALLOWLIST, SettingsPart.BUDGETS),
        *(SettingsPart.ACCOUNTS, SettingsPart.LIMITS),
        *(SettingsPart.REJECTIONS, SettingsPart.QUOTAS),
    }
)
_SAYS_WHAT_IS_CALLED = frozenset({SettingsPart.CATALOG, SettingsPart.ALLOWLIST, SettingsPart.MODES})
_NAMES = {part: part.value for part in SettingsPart} | {
    SettingsPart.STOP_SWITCHES: "stop_switches",
    SettingsPart.POLICIES: "policy",
}
_WITH_THE_CATALOG = frozenset({"tool_servers", *TOOL_SECTIONS})
_DERIVED = frozenset({"policy_version", "clauses", "problems"})
"""What reading a part adds to it, and changing it leaves alone."""


# --- One part of the settings ---


async def settings_part(
    context: Context, principal: Principal, part: SettingsPart
) -> tuple[Json, int]:
    """One part as it is stored, under its name in the document, and the version to name when
    changing it.

    If this version does not accept all of it, its `problems` are beside it. Stop switches are shown
    as they are in force.
    """
    principal.require(Permission.READ, on=principal.tenant)
    stored, reading = await context.stored(principal.tenant_id)
    if part is SettingsPart.POLICIES:
        await aside(reading.compile)
    return _part_of(reading, stored.document, part), stored.version.tenant


def _part_of(reading: Reading, stored: Mapping[str, Json], part: SettingsPart) -> dict[str, Json]:
    name, within = _NAMES[part], ("autonomy",) if part in _IN_AUTONOMY else ()
    path = (*within, name)
    content: Json
    if part is SettingsPart.STOP_SWITCHES:
        content = shown_switches(stored)
    elif any(lost[: len(path)] == path[: len(lost)] for lost in reading.lost):
        content = stored
        for key in path:
            content = content.get(key) if isinstance(content, Mapping) else None
    else:
        content = _content_of(reading.document, part)
    shown = {name: content, **(_rules_of(reading) if part is SettingsPart.POLICIES else {})}
    problems = [
        {"path": ".".join(map(str, problem.path)), "detail": problem.sentence}
        for problem in (reading.all_problems if reading.compiled else reading.problems)
        if _is_about(problem, part)
    ]
    return {**shown, "problems": problems} if problems else shown


def _is_about(problem: Problem, part: SettingsPart) -> bool:
    """True if a problem is in a part, in what surrounds it, or in what nobody knows."""
    section, inner = (*problem.path, None, None)[:2]
    if section not in SettingsDocument.model_fields:
        return True
    if part in _IN_AUTONOMY:
        others = {other.value for other in _IN_AUTONOMY - {part}}
        return section == "autonomy" and inner not in others
    return section == _NAMES[part] or (
        part is SettingsPart.CATALOG and section in _WITH_THE_CATALOG
    )


def _content_of(document: SettingsDocument, part: SettingsPart) -> Json:
    whole = document.as_json()
    match part:
        case SettingsPart.POLICIES:
            return document.policy
        case SettingsPart.CATALOG:
            return whole.get("catalog", {})
    empty: dict[str, Json] = {"modes": [], "budgets": [], "accounts": None, "limits": []}
    autonomy = {**empty, **whole.get("autonomy", {})}
    for shape in (SettingsPart.REJECTIONS, SettingsPart.QUOTAS):  # their defaults are in force
        autonomy[shape.value] = getattr(document.autonomy, shape.value).model_dump(mode="json")
    autonomy["allowlist"] = {"tenant": [], "accounts": {}, **autonomy.get("allowlist", {})}
    return autonomy[part.value]


def _rules_of(reading: Reading) -> dict[str, Json]:
    policy = reading.policy.policy if reading.policy else None
    clauses = [
        {
            "id": clause.id,
            "effect": clause.effect.value,
            "reason": clause.reason,
            "explanation": clause.explanation,
        }
        for clause in (policy.clauses.values() if policy else ())
    ]
    return {"policy_version": policy.version if policy else None, "clauses": clauses}


async def put_settings_part(
    context: Context, principal: Principal, part: SettingsPart, value: Json, *, version: int | None
) -> tuple[Json, int]:
    """Replaces one part; the part as it is then, and the version in force.

    Nothing to change: no new version and no entry, whatever the version. So a change may be sent
    again when its answer was lost.
    """
    stops = part is SettingsPart.STOP_SWITCHES
    principal.require(Permission.STOP if stops else Permission.CONFIGURE, on=principal.tenant)
    if version is None:
        sentence = (
            "A change of settings needs the version that it was made from (If-Match): read the "
            "part first."
        )
        raise VersionRequired(sentence)
    content = _content(part, value)
    put = _put_switches if stops else _put_part
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(principal.tenant_id)
        current = version == stored.version.tenant or (stops and version == ANY_VERSION)
        done = await put(context, principal, stored, part, content, current=current)
        if done is not None:
            return done
        if not current:
            break
    if stops and version == ANY_VERSION:
        raise kept_moving()
    sentence = f"The settings changed since version {version} was read: read them again."
    raise VersionMismatch(sentence)


def _content(part: SettingsPart, value: Json) -> Json:
    """What is in the envelope, which has the part's name."""
    name = _NAMES[part]
    if not isinstance(value, Mapping) or set(value) - _DERIVED != {name}:
        sentence = f"The part {part.value} is an object with the one name {name}."
        raise InvalidInput(sentence, code="INVALID_SETTINGS", problems=(Problem((), sentence),))
    return value[name]


def _with_part(stored: Mapping[str, Json], part: SettingsPart, content: Json) -> dict[str, Json]:
    """The document that would result, without what stays as it is stored."""
    whole = {name: section for name, section in stored.items() if name not in KEPT}
    if part not in _IN_AUTONOMY:
        return {**whole, _NAMES[part]: content}
    autonomy = whole.get("autonomy", {})
    return {
        **whole,
        "autonomy": {**autonomy, part.value: content}
        if isinstance(autonomy, Mapping)
        else autonomy,
    }


async def _put_part(
    context: Context,
    principal: Principal,
    stored: StoredSettings,
    part: SettingsPart,
    content: Json,
    *,
    current: bool,
) -> tuple[Json, int] | None:
    """The part as it is then, with the version; None if the settings moved.

    What was made from a version that is not `current` changes nothing, but may be so already.
    """
    before = await context.reading(principal.tenant_id, stored)
    wanted = await aside(parse_document, _with_part(stored.document, part, content))
    after = _with_what_stays(wanted, before)
    changes = differences(before, after)
    if not current and changes:
        return None
    if changes and part in _SAYS_WHAT_IS_CALLED:
        await refuse_misfits(context, principal.tenant_id, before.document, after)
    document = _stored_document(wanted, stored)
    version = await change_settings(context, principal, stored, changes, after, document)
    if version is None:
        return None
    reading = Reading(after)
    if part is SettingsPart.POLICIES:
        await aside(reading.compile)
    return _part_of(reading, document, part), version


async def _put_switches(
    context: Context,
    principal: Principal,
    stored: StoredSettings,
    _part: SettingsPart,
    content: Json,
    *,
    current: bool,
) -> tuple[Json, int] | None:
    """As `_put_part`.

    The rest is not parsed: whatever is wrong with it must not prevent a stop.
    """
    setter = setter_of(context, principal)
    switches = _own_switches(content, stored.document, setter)
    if not current and shown_switches(stored.document) != _shown(switches):
        return None
    version = await change_switches(context, principal, stored, switches, setter)
    if version is None:
        return None
    document = {"stop_switches": switches}
    return _part_of(read_document(document), document, SettingsPart.STOP_SWITCHES), version


def setter_of(context: Context, principal: Principal) -> Setter:
    """Who changes stop switches now."""
    configures = Permission.CONFIGURE in principal.permissions
    return Setter(principal.actor_id, context.clock.now_ms(), configures)


def _shown(switches: list[Json]) -> list[Json]:
    return shown_switches({"stop_switches": switches})


def _own_switches(content: Json, stored: Mapping[str, Json], setter: Setter) -> list[Json]:
    """Switches that a tenant may set, as they are stored."""
    new, switches = put_switches(content, stored, setter)
    if any(shape.scope == StopScope.GLOBAL for shape in new.stop_switches):
        sentence = (
            "Only the installation's operator stops everything, with: clearance stop --everything."
        )
        raise Forbidden(sentence)
    return switches


async def change_switches(
    context: Context,
    principal: Principal,
    stored: StoredSettings,
    after: list[Json],
    setter: Setter,
) -> int | None:
    """Commits other stop switches; the version in force then, or None if the settings moved.

    Forbidden (`STOP_IS_OWNERS`) if a switch would be lifted or loosened that only an owner may.
    """
    document = {**stored.document, "stop_switches": after}
    texts: list[EntryText] = []
    shown = {"before": shown_switches(stored.document), "after": _shown(after)}
    if shown["before"] == shown["after"]:
        return stored.version.tenant
    _check_lifter(shown["before"], shown["after"], setter)
    stay = [switch for switch in shown["before"] if switch in shown["after"]]
    facts: dict[str, Json] = {
        name: [
            _bound(context, switch, f"/{name}/{place}/reason", texts, stays=switch in stay)
            for place, switch in enumerate(switches)
        ]
        for name, switches in shown.items()
    }
    kind, on = EntryKind.STOP_SWITCHES_CHANGED, stricter(shown["before"], shown["after"])
    stop = await opening_state(context, principal.tenant_id, on) if on else None
    committed = await _commit(
        context, principal, stored, document, kind, texts, at=setter.at, stop=stop, **facts
    )
    if committed and stop:
        await record_soon(context, principal.tenant_id, setter.at)
    return committed.version if committed else None


def _check_lifter(before: list[Json], after: list[Json], setter: Setter) -> None:
    switch = None if setter.configures else loosened(before, after)
    if switch is not None:
        covered = " ".join(filter(None, (switch["scope"].lower(), switch["subject"])))
        sentence = f"Only an owner may lift or loosen the stop switch for {covered}."
        raise Forbidden(sentence, code="STOP_IS_OWNERS")


def _bound(
    context: Context, switch: Json, pointer: str, texts: list[EntryText], *, stays: bool
) -> Json:
    """A switch as an entry has it: with the digest of its reason, whose text goes to the others.

    A switch that stays has no reason there: the entry that threw it has it. So throwing a switch
    does not copy the words about all others.
    """
    if not isinstance(switch, Mapping) or not isinstance(switch.get("reason"), str):
        return switch
    rest = {name: value for name, value in switch.items() if name != "reason"}
    if stays:
        return rest
    reason = context.reason(switch["reason"])
    texts.append(reason.beside(pointer))
    return {**rest, "reason_digest": reason.digest}


# --- The whole document ---


async def compare(
    context: Context, principal: Principal, document: SettingsDocument
) -> Sequence[SettingsDifference]:
    """What applying a document would change. InvalidInput if it could not be applied."""
    principal.require(Permission.READ, on=principal.tenant)
    _check_applicable(context, document)
    _, before = await context.stored(principal.tenant_id)
    return differences(before, _with_what_stays(document, before))


async def apply(
    context: Context, principal: Principal, document: SettingsDocument
) -> Sequence[SettingsDifference]:
    """Applies a parsed document whole; what it changed.

    Stop switches stay, and so do the pins of tools still in use.
    """
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    _check_applicable(context, document)
    for _ in range(CHANGES_MAX):
        stored, before = await context.stored(principal.tenant_id)
        after = _with_what_stays(document, before)
        changes = differences(before, after)
        if changes:
            await refuse_misfits(context, principal.tenant_id, NOTHING_STORED.document, after)
        whole = _stored_document(document, stored)
        if await change_settings(context, principal, stored, changes, after, whole) is not None:
            return changes
    raise kept_moving()


def _check_applicable(context: Context, document: SettingsDocument) -> None:
    for name in sorted(document.model_fields_set.intersection(KEPT)):
        sentence = f"A document that is applied has no {name}: what is there stays."
        problems = (Problem((name,), sentence),)
        raise InvalidInput(sentence, code="INVALID_SETTINGS", problems=problems)
    if not context.programs:
        _check_no_programs(document)


def _check_no_programs(document: SettingsDocument) -> None:
    programs = sorted(name for name, server in document.tool_servers.items() if not server.url)
    if not programs:
        return
    sentence = (
        f"The tool server {programs[0]} is a program, and programs are not started here: give it a "
        f"url."
    )
    problems = tuple(
        Problem(("tool_servers", name), "must have a url: programs are not started here")
        for name in programs
    )
    raise InvalidInput(sentence, code=PROGRAMS_NOT_STARTED, problems=problems)


def _with_what_stays(document: SettingsDocument, before: Reading) -> SettingsDocument:
    """The document with the stop switches, and with what is kept of the tools that it needs, as
    they were.
    """
    kept = {
        section: {
            tool: pin
            for tool, pin in getattr(before.document, section).items()
            if tool in document.tools
        }
        for section in TOOL_SECTIONS
    }
    switches = before.document.stop_switches
    return document.model_copy(update={**kept, "stop_switches": switches})


def _stored_document(document: SettingsDocument, stored: StoredSettings) -> dict[str, Json]:
    """The same, as it is stored: also what stays although it is not accepted today."""
    kept = {
        section: _staying(stored.document.get(section, {}), document) for section in TOOL_SECTIONS
    }
    switches = stored.document.get("stop_switches", [])
    whole = {**document.as_json(), **kept, "stop_switches": switches}
    return {name: section for name, section in whole.items() if name not in KEPT or section}


def _staying(section: Json, document: SettingsDocument) -> Json:
    if not isinstance(section, Mapping):
        return section
    return {tool: pin for tool, pin in section.items() if _stays(tool, document)}


def _stays(tool: str, document: SettingsDocument) -> bool:
    return tool in document.tools or re.fullmatch(TOOL_REFERENCE, tool) is None


async def change_settings(
    context: Context,
    actor: Principal,
    stored: StoredSettings,
    changes: Sequence[SettingsDifference],
    after: SettingsDocument,
    document: Mapping[str, Json],
) -> int | None:
    """Commits a parsed document as it is to be stored, if anything differs; the version in force
    then, or None if the settings moved.
    """
    if not changes:
        return stored.version.tenant
    committed = await _commit(
        context,
        actor,
        stored,
        document,
        EntryKind.SETTINGS_CHANGED,
        changed=sorted({_part_in(difference.path) for difference in changes}),
        differences=[difference.sentence for difference in changes],
        differences_count=len(changes),
    )
    if committed is None:
        return None
    if document == after.as_json():
        context.committed(actor.tenant_id, committed.version, Reading(after), committed.digest)
    return committed.version


def _part_in(path: str) -> str:
    section, _, rest = path.partition(".")
    return rest.partition(".")[0] if section == "autonomy" else section


class _Committed(NamedTuple):
    """A version of the settings, and the digest of its document."""

    version: int
    digest: str


async def _commit(
    context: Context,
    actor: Principal,
    stored: StoredSettings,
    document: Mapping[str, Json],
    kind: EntryKind,
    texts: Sequence[EntryText] = (),
    *,
    at: int | None = None,
    stop: Mapping[str, Json] | None = None,
    **facts: Json,
) -> _Committed | None:
    now = context.clock.now_ms() if at is None else at
    version, salt = stored.version.tenant, context.new_salt()
    parts = part_digests(document, salt)
    made = digest(parts)
    whole: dict[str, Json] = {"version": version + 1, "digest": made, "parts": parts}
    entry = draft(kind, now, actor, texts, **whole, **facts)
    answer = await context.store.configure(
        SettingsChange(actor.tenant_id, version, document, entry, now, salt, stop)
    )
    return None if isinstance(answer, SettingsMoved) else _Committed(answer, made)


def kept_moving() -> Unavailable:
    """The refusal of a change that lost every race."""
    return Unavailable("The settings kept changing; nothing was done.")
