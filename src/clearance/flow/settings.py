"""Settings: people read and change parts of them, apply a whole document, and throw stop switches.

Every change reads the settings in force, parses the whole document that would result, and commits
it with one ledger entry from the version that was read: two people never overwrite each other
unseen. Values of environments and headers are in no difference and no entry. Lifting a stop switch
hints nobody: the sweep soon finds what may start again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearance.configuration.differences import SettingsDifference, differences
from clearance.configuration.document import (
    StoredSettings,
    parse_document,
    policy_of,
    read_document,
)
from clearance.configuration.shape import SettingsDocument
from clearance.core.canonical import Json, digest
from clearance.core.errors import (
    Forbidden,
    InvalidInput,
    Problem,
    Unavailable,
    VersionMismatch,
    VersionRequired,
)
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import Permission, Principal
from clearance.core.stop import StopScope
from clearance.flow.context import PROGRAMS_NOT_STARTED, Context
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.transitions import SettingsMoved
from clearance.flow.requests import ANY_VERSION, SettingsPart

DIFFERENCES_IN_ENTRY_MAX = 50  # sentences
CHANGES_MAX = 5  # how often a change is made again because the settings moved meanwhile


_IN_AUTONOMY = frozenset({SettingsPart.MODES, SettingsPart.ALLOWLIST, SettingsPart.BUDGETS})
_NAMES = {part: part.value for part in SettingsPart} | {
    SettingsPart.STOP_SWITCHES: "stop_switches",
    SettingsPart.POLICIES: "policy",
}
_DERIVED = frozenset(
    {"policy_version", "clauses"}
)  # what reading the policy adds to it, and changing it leaves alone


# --- One part of the settings ---


async def settings_part(
    context: Context, principal: Principal, part: SettingsPart
) -> tuple[Json, int]:
    """One part, under its name in the document, and the version to name when changing it."""
    principal.require(Permission.READ, on=principal.tenant)
    stored = await context.store.settings(principal.tenant_id)
    return _part_of(read_document(stored.document), part), stored.version.tenant


def _part_of(document: SettingsDocument, part: SettingsPart) -> dict[str, Json]:
    whole = document.as_json()
    if part is SettingsPart.POLICIES:
        policy = policy_of(document)
        clauses = [
            {
                "id": clause.id,
                "effect": clause.effect.value,
                "reason": clause.reason,
                "explanation": clause.explanation,
            }
            for clause in (policy.clauses.values() if policy else ())
        ]
        return {
            "policy": document.policy,
            "policy_version": policy.version if policy else None,
            "clauses": clauses,
        }
    if part is SettingsPart.CATALOG:
        return {"catalog": whole.get("catalog", {})}
    if part is SettingsPart.STOP_SWITCHES:
        return {"stop_switches": whole.get("stop_switches", [])}
    autonomy = {"modes": [], "budgets": [], **whole.get("autonomy", {})}
    autonomy["allowlist"] = {"tenant": [], "accounts": {}, **autonomy.get("allowlist", {})}
    return {part.value: autonomy[part.value]}


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
    switches = _own_switches(content) if stops else []
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(principal.tenant_id)
        current = version == stored.version.tenant or (stops and version == ANY_VERSION)
        if stops:
            done = await _put_switches(context, principal, stored, switches, current=current)
        else:
            done = await _put_part(context, principal, stored, part, content, current=current)
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
    name, ignored = _NAMES[part], _DERIVED if part is SettingsPart.POLICIES else frozenset()
    if not isinstance(value, Mapping) or set(value) - ignored != {name}:
        sentence = f"The part {part.value} is an object with the one name {name}."
        raise InvalidInput(sentence, code="INVALID_SETTINGS", problems=(Problem((), sentence),))
    return value[name]


def _with_part(before: SettingsDocument, part: SettingsPart, content: Json) -> SettingsDocument:
    whole = before.as_json()
    if part in _IN_AUTONOMY:
        whole["autonomy"] = {**whole.get("autonomy", {}), part.value: content}
    else:
        whole[_NAMES[part]] = content
    whole.pop("tool_pins", None)
    return _with_pins(parse_document(whole), before)


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
    before = read_document(stored.document)
    after = _with_part(before, part, content)
    if not current and differences(before, after):
        return None
    version = await change_settings(context, principal, stored, before, after)
    return None if version is None else (_part_of(after, part), version)


async def _put_switches(
    context: Context,
    principal: Principal,
    stored: StoredSettings,
    switches: list[Json],
    *,
    current: bool,
) -> tuple[Json, int] | None:
    """As `_put_part`.

    The rest is not parsed again: whatever is wrong with it must not prevent a stop.
    """
    if not current and stored.document.get("stop_switches", []) != switches:
        return None
    version = await change_switches(context, principal, stored, switches)
    return None if version is None else ({"stop_switches": switches}, version)


def _own_switches(content: Json) -> list[Json]:
    """Switches that a tenant may set, as they are stored."""
    wanted = parse_document({"stop_switches": content})
    if any(shape.scope == StopScope.GLOBAL for shape in wanted.stop_switches):
        sentence = (
            "Only the installation's operator stops everything, with: clearance stop --everything."
        )
        raise Forbidden(sentence)
    return stored_switches(wanted)


def stored_switches(document: SettingsDocument) -> list[Json]:
    """The stop switches of a document, as they are stored."""
    switches: list[Json] = document.as_json().get("stop_switches", [])
    return switches


async def change_switches(
    context: Context, principal: Principal, stored: StoredSettings, after: list[Json]
) -> int | None:
    """Commits other stop switches; the version in force then, or None if the settings moved."""
    before = stored.document.get("stop_switches", [])
    if before == after:
        return stored.version.tenant
    document = {**stored.document, "stop_switches": after}
    kind = EntryKind.STOP_SWITCHES_CHANGED
    return await _commit(context, principal, stored, document, kind, before=before, after=after)


# --- The whole document ---


async def compare(
    context: Context, principal: Principal, document: Mapping[str, Json]
) -> Sequence[SettingsDifference]:
    """What applying a document would change. InvalidInput if it could not be applied."""
    principal.require(Permission.READ, on=principal.tenant)
    stored = await context.store.settings(principal.tenant_id)
    before = read_document(stored.document)
    return differences(before, _applied(context, before, document))


async def apply(
    context: Context, principal: Principal, document: Mapping[str, Json]
) -> Sequence[SettingsDifference]:
    """Applies a document whole; what it changed.

    Stop switches stay, and so do the pins of tools still in use.
    """
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(principal.tenant_id)
        before = read_document(stored.document)
        after = _applied(context, before, document)
        if await change_settings(context, principal, stored, before, after) is not None:
            return differences(before, after)
    raise kept_moving()


def _applied(
    context: Context, before: SettingsDocument, document: Mapping[str, Json]
) -> SettingsDocument:
    if kept_as_they_are := {"tool_pins", "stop_switches"} & set(document):
        sentence = (
            f"A document that is applied has no {min(kept_as_they_are)}: what is there stays."
        )
        raise InvalidInput(
            sentence,
            code="INVALID_SETTINGS",
            problems=(Problem((min(kept_as_they_are),), sentence),),
        )
    switches = before.as_json().get("stop_switches", [])
    after = parse_document({**document, "stop_switches": switches})
    if not context.programs:
        _check_no_programs(after)
    return _with_pins(after, before)


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


def _with_pins(after: SettingsDocument, before: SettingsDocument) -> SettingsDocument:
    """The document with the pins, as they were, of the tools that it needs."""
    pins = {tool: pin for tool, pin in before.tool_pins.items() if tool in after.tools}
    return after.model_copy(update={"tool_pins": pins})


async def change_settings(
    context: Context,
    actor: Principal,
    stored: StoredSettings,
    before: SettingsDocument,
    after: SettingsDocument,
) -> int | None:
    """Commits a parsed document; the version in force then, or None if the settings moved."""
    found = differences(before, after)
    if not found:
        return stored.version.tenant
    said = [difference.sentence for difference in found[:DIFFERENCES_IN_ENTRY_MAX]]
    return await _commit(
        context,
        actor,
        stored,
        after.as_json(),
        EntryKind.SETTINGS_CHANGED,
        parts=sorted({_part_in(difference.path) for difference in found}),
        differences=said,
        differences_count=len(found),
    )


def _part_in(path: str) -> str:
    section, _, rest = path.partition(".")
    return rest.partition(".")[0] if section == "autonomy" else section


async def _commit(
    context: Context,
    actor: Principal,
    stored: StoredSettings,
    document: Mapping[str, Json],
    kind: EntryKind,
    **facts: Json,
) -> int | None:
    now, version = context.clock.now_ms(), stored.version.tenant
    entry = draft(kind, now, actor, version=version + 1, digest=digest(document), **facts)
    answer = await context.store.configure(
        SettingsChange(actor.tenant_id, version, document, entry, now)
    )
    return None if isinstance(answer, SettingsMoved) else answer


def kept_moving() -> Unavailable:
    """The refusal of a change that lost every race."""
    return Unavailable("The settings kept changing; nothing was done.")
