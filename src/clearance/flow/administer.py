"""Administer: people change settings, throw stop switches, pin tools and hand out credentials.

Every change reads the settings in force, parses the whole document that would result, and commits it with one ledger
entry from the version that was read: two people never overwrite each other unseen. Values of environments and headers
are in no difference and no entry. Lifting a stop switch hints nobody: the sweep soon finds what may start again.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from clearance.core.credential import SECRET_BYTES, check_key, hash_key, new_key
from clearance.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Problem,
    Unavailable,
    VersionMismatch,
    VersionRequired,
)
from clearance.core.intent import Json, canonical, digest, name_problem
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import ActorKind, Permission, Principal, Role
from clearance.core.stop import StopScope, StopSwitch
from clearance.flow.context import PROGRAMS_NOT_STARTED, Context
from clearance.flow.document import parse_document, policy_of, read_document, tool_server_of
from clearance.flow.ports import ApiKey, Moved, SettingsChange, StoredSettings, ToolCallFailed, ToolDescription
from clearance.flow.shape import SettingsDocument, suggestion

CHANGES_MAX = 5  # how often a change is made again because the settings moved meanwhile
DIFFERENCES_IN_ENTRY_MAX = 50  # sentences
VALUE_SHOWN_LENGTH_MAX = 80  # characters of one value in the sentence of a difference
ANY_VERSION = -1  # for stop switches: an emergency stop must not lose a race
EVERYWHERE = "*"  # the tenant whose stop switches hold for every tenant
NOT_SHOWN = "(not shown)"


class SettingsPart(StrEnum):
    """A part of the settings that is read and replaced by itself. Tool servers are none: they come from the file."""

    MODES = "modes"
    ALLOWLIST = "allowlist"
    BUDGETS = "budgets"
    STOP_SWITCHES = "stop-switches"
    POLICIES = "policies"
    CATALOG = "catalog"


_IN_AUTONOMY = frozenset({SettingsPart.MODES, SettingsPart.ALLOWLIST, SettingsPart.BUDGETS})
_NAMES = {part: part.value for part in SettingsPart} | {
    SettingsPart.STOP_SWITCHES: "stop_switches",
    SettingsPart.POLICIES: "policy",
}
_DERIVED = frozenset({"policy_version", "clauses"})  # what reading the policy adds to it, and changing it leaves alone


@dataclass(frozen=True, slots=True)
class SettingsDifference:
    """What a change changes: where (names joined by dots), from what to what (None: absent), in a sentence."""

    path: str
    before: Json
    after: Json
    sentence: str


# --- One part of the settings ---


async def settings_part(context: Context, principal: Principal, part: SettingsPart) -> tuple[Json, int]:
    """One part, under its name in the document, and the version to name when changing it."""
    principal.require(Permission.READ)
    stored = await context.store.settings(principal.tenant_id)
    return _part_of(read_document(stored.document), part), stored.version.tenant


def _part_of(document: SettingsDocument, part: SettingsPart) -> dict[str, Json]:
    whole = document.as_json()
    if part is SettingsPart.POLICIES:
        policy = policy_of(document)
        clauses = [
            {"id": clause.id, "effect": clause.effect.value, "reason": clause.reason, "explanation": clause.explanation}
            for clause in (policy.clauses.values() if policy else ())
        ]
        return {"policy": document.policy, "policy_version": policy.version if policy else None, "clauses": clauses}
    if part is SettingsPart.CATALOG:
        return {"catalog": whole.get("catalog", {})}
    if part is SettingsPart.STOP_SWITCHES:
        return {"stop_switches": whole.get("stop_switches", [])}
    autonomy = {"modes": [], "budgets": [], **whole.get("autonomy", {})}
    autonomy["allowlist"] = {"tenant": [], "accounts": {}, **autonomy.get("allowlist", {})}
    return {part.value: autonomy[part.value]}


async def put_settings_part(
    context: Context, principal: Principal, part: SettingsPart, value: Json, *, version: int | None
) -> int:
    """Replaces one part; the version that is in force then. Nothing to change: no new version and no entry."""
    stops = part is SettingsPart.STOP_SWITCHES
    principal.require(Permission.STOP if stops else Permission.CONFIGURE)
    if version is None:
        sentence = "A change of settings needs the version that it was made from (If-Match): read the part first."
        raise VersionRequired(sentence)
    content = _content(part, value)
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(principal.tenant_id)
        if version != stored.version.tenant and not (stops and version == ANY_VERSION):
            break
        if stops:
            done = await _put_stop_switches(context, principal, stored, content)
        else:
            before = read_document(stored.document)
            done = await _change(context, principal, stored, before, _with_part(before, part, content))
        if done is not None:
            return done
    if stops and version == ANY_VERSION:
        raise _kept_moving()
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


async def _put_stop_switches(
    context: Context, principal: Principal, stored: StoredSettings, content: Json
) -> int | None:
    """Replaces the stop switches. The rest is not parsed again: whatever is wrong with it must not prevent a stop."""
    wanted = parse_document({"stop_switches": content})
    if any(shape.scope == StopScope.GLOBAL for shape in wanted.stop_switches):
        sentence = "Only the installation's operator stops everything, with: clearance stop --everything."
        raise Forbidden(sentence)
    return await _change_switches(context, principal, stored, wanted.as_json().get("stop_switches", []))


async def _change_switches(
    context: Context, principal: Principal, stored: StoredSettings, after: list[Json]
) -> int | None:
    before = stored.document.get("stop_switches", [])
    if before == after:
        return stored.version.tenant
    document = {**stored.document, "stop_switches": after}
    kind = EntryKind.STOP_SWITCHES_CHANGED
    return await _commit(context, principal, stored, document, kind, before=before, after=after)


async def everywhere_stop(context: Context, actor: Principal, switches: Sequence[StopSwitch]) -> int:
    """Replaces the switches that hold for every tenant; their version. No door that takes a key may call it."""
    if any(switch.scope is not StopScope.GLOBAL for switch in switches):
        sentence = "What holds for every tenant has the scope GLOBAL."
        raise InvalidInput(sentence, code="INVALID_SETTINGS")
    wanted = [{"scope": s.scope.value, "level": s.level.value, "reason": s.reason} for s in switches]
    after = parse_document({"stop_switches": wanted}).as_json().get("stop_switches", [])
    operator = replace(actor, tenant_id=EVERYWHERE)
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(EVERYWHERE)
        done = await _change_switches(context, operator, stored, after)
        if done is not None:
            return done
    raise _kept_moving()


# --- The whole document ---


async def compare(context: Context, principal: Principal, document: Mapping[str, Json]) -> Sequence[SettingsDifference]:
    """What applying a document would change. InvalidInput if it could not be applied."""
    principal.require(Permission.READ)
    stored = await context.store.settings(principal.tenant_id)
    before = read_document(stored.document)
    return differences(before, _applied(context, before, document))


async def apply(context: Context, principal: Principal, document: Mapping[str, Json]) -> Sequence[SettingsDifference]:
    """Applies a document whole; what it changed. Stop switches stay, and so do the pins of tools still in use."""
    principal.require(Permission.CONFIGURE)
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(principal.tenant_id)
        before = read_document(stored.document)
        after = _applied(context, before, document)
        if await _change(context, principal, stored, before, after) is not None:
            return differences(before, after)
    raise _kept_moving()


def _applied(context: Context, before: SettingsDocument, document: Mapping[str, Json]) -> SettingsDocument:
    if kept_as_they_are := {"tool_pins", "stop_switches"} & set(document):
        sentence = f"A document that is applied has no {min(kept_as_they_are)}: what is there stays."
        raise InvalidInput(sentence, code="INVALID_SETTINGS", problems=(Problem((min(kept_as_they_are),), sentence),))
    switches = before.as_json().get("stop_switches", [])
    after = parse_document({**document, "stop_switches": switches})
    if not context.programs:
        _check_no_programs(after)
    return _with_pins(after, before)


def _check_no_programs(document: SettingsDocument) -> None:
    programs = sorted(name for name, server in document.tool_servers.items() if not server.url)
    if not programs:
        return
    sentence = f"The tool server {programs[0]} is a program, and programs are not started here: give it a url."
    problems = tuple(
        Problem(("tool_servers", name), "must have a url: programs are not started here") for name in programs
    )
    raise InvalidInput(sentence, code=PROGRAMS_NOT_STARTED, problems=problems)


def _with_pins(after: SettingsDocument, before: SettingsDocument) -> SettingsDocument:
    """The document with the pins, as they were, of the tools that it needs."""
    pins = {tool: pin for tool, pin in before.tool_pins.items() if tool in after.tools}
    return after.model_copy(update={"tool_pins": pins})


async def _change(
    context: Context, actor: Principal, stored: StoredSettings, before: SettingsDocument, after: SettingsDocument
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
    answer = await context.store.configure(SettingsChange(actor.tenant_id, version, document, entry, now))
    return None if isinstance(answer, Moved) else answer.version.tenant


def _kept_moving() -> Unavailable:
    return Unavailable("The settings kept changing; nothing was done.")


# --- Differences ---


def differences(before: SettingsDocument, after: SettingsDocument) -> list[SettingsDifference]:
    """Everything with a meaning that is not the same, in the document's order; order in lists has none."""
    return list(_different((), _by_place(before), _by_place(after)))


def _by_place(document: SettingsDocument) -> dict[str, Json]:
    """The document with its lists as mappings by what an entry is about: entries are compared, not positions."""
    whole = document.as_json()
    allowlist = document.autonomy.allowlist
    accounts = {account: dict.fromkeys(names, "listed") for account, names in allowlist.accounts.items() if names}
    modes = {_place(shape.account, shape.action_type): shape.mode for shape in document.autonomy.modes}
    budgets = {
        _place(shape.account): shape.model_dump(mode="json", exclude={"account"}) for shape in document.autonomy.budgets
    }
    switches = {" ".join(filter(None, (s.scope, s.subject, s.level))): s.reason for s in document.stop_switches}
    return {
        "tool_servers": whole.get("tool_servers", {}),
        "catalog": whole.get("catalog", {}),
        "autonomy": {
            "allowlist": {"tenant": dict.fromkeys(allowlist.tenant, "listed"), "accounts": accounts},
            "modes": modes,
            "budgets": budgets,
        },
        "policy": document.policy,
        "tool_pins": document.tool_pins,
        "stop_switches": switches,
    }


def _place(account: str | None, action_type: str | None = None) -> str:
    return ", ".join(filter(None, (account or "every account", action_type)))


_ABSENT = object()


def _different(path: tuple[str, ...], before: Json, after: Json) -> Iterator[SettingsDifference]:
    if path[:1] == ("autonomy",):  # there, every single limit gets its sentence, also when its whole place is new
        before, after = (
            {} if this is _ABSENT and isinstance(other, dict) else this
            for this, other in ((before, after), (after, before))
        )
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _different((*path, name), before.get(name, _ABSENT), after.get(name, _ABSENT))
        return
    # As JSON: to Python, 1 and true are equal.
    if before is after or (_ABSENT not in (before, after) and canonical(before) == canonical(after)):
        return
    shown = [None if value is _ABSENT else _shown(path, value) for value in (before, after)]
    was, now = (_said(value) for value in shown)
    where = ".".join(path)
    if before is _ABSENT:
        sentence = f"{where} is new{': ' + now if now else ''}."
    elif after is _ABSENT:
        sentence = f"{where} is gone{': it was ' + was if was else ''}."
    else:
        sentence = f"{where} was {was} and is {now} now." if was and now and was != now else f"{where} changed."
    yield SettingsDifference(where, shown[0], shown[1], sentence)


def _shown(path: tuple[str, ...], value: Json) -> Json:
    """The value without what may be a secret: values of environments and headers, the query of an address."""
    if path[:1] != ("tool_servers",):
        return value
    if path[2:3] in {("environment",), ("headers",)}:
        return NOT_SHOWN if len(path) > 3 else dict.fromkeys(value, NOT_SHOWN)  # noqa: PLR2004 - section.server.field.NAME
    if path[2:] == ("url",):
        return value.partition("?")[0]
    return {name: _shown((*path, name), part) for name, part in value.items()} if isinstance(value, dict) else value


def _said(value: Json) -> str:
    """A value for a sentence; empty for what is too long for one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_SHOWN_LENGTH_MAX and text.isprintable() and not isinstance(value, dict) else ""


# --- Tool pins ---


@dataclass(frozen=True, slots=True)
class PinReport:
    """What is known of the catalog's tools (`server.tool`) after asking their servers.

    `pinned` are new pins, `changed` have another schema than their pin (and are not called), `missing` are not offered.
    `unreachable` has a sentence for each server that did not answer.
    """

    pinned: tuple[str, ...]
    changed: tuple[str, ...]
    missing: tuple[str, ...]
    unreachable: Mapping[str, str]


async def pin_tools(
    context: Context, actor: Principal, tenant_id: str, *, repin: frozenset[str] = frozenset()
) -> PinReport:
    """Pins the schemas of tools that have no pin yet, and of those named in `repin`; no other pin is touched."""
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
        if await _change(context, actor, stored, before, after) is not None:
            return report
    raise _kept_moving()


def _check_repin(repin: frozenset[str], document: SettingsDocument) -> None:
    for tool in sorted(repin - document.tools):
        sentence = f"No action of the catalog needs the tool {tool}{suggestion(tool, document.tools)}."
        raise InvalidInput(sentence, code="UNKNOWN_TOOL")


async def _offered(
    context: Context, tenant_id: str, document: SettingsDocument
) -> tuple[dict[str, ToolDescription], dict[str, str]]:
    """What the servers of the catalog's tools offer, by `server.tool`, and why some do not answer."""
    offered: dict[str, ToolDescription] = {}
    unreachable: dict[str, str] = {}

    async def ask(name: str) -> None:
        try:
            tools = await context.tools.describe(tenant_id, tool_server_of(name, document.tool_servers[name]))
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
    return PinReport(tuple(pinned), tuple(changed), tuple(missing), dict(unreachable)), pins


# --- Credentials ---


async def create_api_key(context: Context, principal: Principal, name: str, role: Role) -> tuple[ApiKey, str]:
    """Makes a credential: the key and its text, which is kept nowhere. Conflict if a valid key has the name."""
    _may_have_keys(principal)
    _check_name(name)
    text = new_key(secrets.token_bytes(SECRET_BYTES))
    return await _add_api_key(context, principal, name, role, await _hash(context, text)), text


def _may_have_keys(principal: Principal) -> None:
    principal.require(Permission.CONFIGURE)
    if principal.tenant_id == EVERYWHERE:
        sentence = "The name that stands for every tenant is nobody's, so it has no keys."
        raise Forbidden(sentence)


async def ensure_api_key(context: Context, principal: Principal, name: str, role: Role, key_text: str) -> bool:
    """Sees to it that the key of this name has this secret and role; an older one ends. True if anything changed."""
    _may_have_keys(principal)
    _check_name(name)
    check_key(key_text)
    key_hash = await _hash(context, key_text)
    known = await context.store.api_key(key_hash)
    if known and (known.tenant_id, known.name) != (principal.tenant_id, name):
        sentence = f"The secret that was given for {name} belongs to another API key."
        raise Conflict(sentence, code="API_KEY_EXISTS")
    if known and known.role is role:
        return False
    for key in await context.store.api_keys(principal.tenant_id):
        if key.name == name and key.revoked_at is None:
            await _revoke(context, principal, key)
    await _add_api_key(context, principal, name, role, key_hash)
    return True


async def revoke_api_key(context: Context, principal: Principal, key_id: str) -> None:
    """Ends a credential. NotFound if the tenant has no valid one of this id."""
    principal.require(Permission.CONFIGURE)
    keys = {key.key_id: key for key in await context.store.api_keys(principal.tenant_id)}
    if key_id not in keys or not await _revoke(context, principal, keys[key_id]):
        sentence = f"There is no valid API key {key_id}."
        raise NotFound(sentence)


async def api_keys(context: Context, principal: Principal) -> list[ApiKey]:
    """The tenant's credentials, revoked ones too."""
    principal.require(Permission.CONFIGURE)
    return await context.store.api_keys(principal.tenant_id)


def _check_name(name: str) -> None:
    if problem := name_problem(name):
        sentence = f"The name of an API key {problem}."
        raise InvalidInput(sentence, code="INVALID_NAME", problems=(Problem(("name",), problem),))


async def _hash(context: Context, text: str) -> bytes:
    """The key's hash, worked out beside the event loop: it is slow on purpose."""
    return await asyncio.to_thread(hash_key, text, await context.store.installation_salt())


async def _add_api_key(context: Context, principal: Principal, name: str, role: Role, key_hash: bytes) -> ApiKey:
    now = context.clock.now_ms()
    key = ApiKey(context.clock.new_id(), principal.tenant_id, name, role, key_hash, now)
    entry = draft(EntryKind.API_KEY_CREATED, now, principal, key_id=key.key_id, name=name, role=role.value)
    await context.store.add_api_key(key, entry)
    return key


async def _revoke(context: Context, principal: Principal, key: ApiKey) -> bool:
    now = context.clock.now_ms()
    entry = draft(EntryKind.API_KEY_REVOKED, now, principal, key_id=key.key_id, name=key.name, role=key.role.value)
    return await context.store.revoke_api_key(principal.tenant_id, key.key_id, now, entry)
