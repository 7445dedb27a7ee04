"""The settings document: all that people say about a tenant's agents, as one JSON value, parsed and
compiled here.

The configuration file, REST and the store share it. Whoever changes settings parses the whole
document that would result: every part fits every other, or nothing changes. This file knows no
YAML, no HTTP, no versions, no permissions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

import jsonschema_rs
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from clearance.configuration.shape import (
    ActionShape,
    AutonomyShape,
    SettingsDocument,
    ToolServerShape,
    duration_ms,
    suggestion,
)
from clearance.core.budget import BudgetRule
from clearance.core.canonical import Json, canonical
from clearance.core.catalog import Action, Effect, ToolName, ToolServer, Undo, schema_validator
from clearance.core.decision import SettingsVersion
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import DEPTH_MAX, RiskLevel
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.core.policy import PolicySet
from clearance.core.settings import Settings
from clearance.core.stop import NAMES_NOTHING, StopLevel, StopScope, StopSwitch
from clearance.core.template import placeholders

DOCUMENT_BYTES_MAX = 1024 * 1024  # of its canonical JSON
CATALOG_ACTIONS_MAX = 500
TOOL_SERVERS_MAX = 64
STOP_SWITCHES_MAX = 200
SCALE_MAX = 10**6  # units of a decimal parameter
PROBLEMS_MAX = 100  # problems of one document that are reported
PROBLEMS_SAID_MAX = 3  # problems that the refusal's own sentence says

Path: TypeAlias = tuple[str | int, ...]

_FIXED_NAMES = frozenset({"account_id", "action_intent_id", "action_type", "target"})


# --- Parsing ---


def parse_document(value: Json) -> SettingsDocument:
    """The document of a JSON value.

    InvalidInput (`INVALID_SETTINGS`) with every problem that was found.
    """
    document, problems = _shaped(value)
    if document is not None:
        problems = [*problems, *_fit_problems(document, value)]
        if all(problem.path[:1] != ("catalog",) for problem in problems):
            problems += _policy_problems(document)
    if document is None or problems:
        raise _refusal(problems)
    return document


def _shaped(value: Json) -> tuple[SettingsDocument | None, list[Problem]]:
    """The document without the entries that have no right shape, and what is wrong with those.

    So the entries that have one are still checked against each other, and a person sees all
    problems at once.
    """
    text = _json_text(value)
    problems: list[Problem] = []
    while True:
        try:
            return SettingsDocument.model_validate_json(text), problems
        except ValidationError as error:
            found = [
                (_path(details["loc"], value), details)
                for details in error.errors(include_url=False)
            ]
        problems += [Problem(path, _sentence(path, details)) for path, details in found]
        entries = {_entry(path) for path, _ in found}
        if not isinstance(value, dict) or () in entries or ("catalog",) in entries:
            return None, problems
        text = json.dumps(_without(value, entries))


def _json_text(value: Json) -> str:
    """The value as JSON with its own order of names, which people see again; InvalidInput if it
    cannot be that.
    """
    try:
        size = len(canonical(value))
        text = json.dumps(value)
    except (InvalidInput, RecursionError) as refusal:
        raise _refusal([Problem((), str(refusal))]) from None
    if size > DOCUMENT_BYTES_MAX:
        raise _refusal(
            [Problem((), f"the document has {size} bytes; the limit is {DOCUMENT_BYTES_MAX}")]
        )
    return text


def _refusal(problems: Sequence[Problem]) -> InvalidInput:
    said = "; ".join(str(problem) for problem in problems[:PROBLEMS_SAID_MAX])
    more = (
        f"; and {len(problems) - PROBLEMS_SAID_MAX} more"
        if len(problems) > PROBLEMS_SAID_MAX
        else ""
    )
    sentence = f"The settings are not valid: {said}{more}."
    return InvalidInput(sentence, code="INVALID_SETTINGS", problems=tuple(problems[:PROBLEMS_MAX]))


def _path(loc: Path, value: Json) -> Path:
    """Where a problem is in what was written: no marks of the parser's, and a plain allowlist has
    no sections.
    """
    path = tuple(part for part in loc if part != "[key]")
    if path[:3] == ("autonomy", "allowlist", "tenant") and isinstance(
        value["autonomy"]["allowlist"], list
    ):
        return (*path[:2], *path[3:])
    return path


def _entry(path: Path) -> Path:
    """What has to be left out for the rest to have the right shape."""
    return (
        path[:2]
        if path[:1] in {("tool_servers",), ("catalog",), ("autonomy",), ("tool_pins",)}
        else path[:1]
    )


def _without(value: dict[str, Json], entries: set[Path]) -> dict[str, Json]:
    left = {}
    for section, content in value.items():
        if (section,) not in entries:
            whole = not isinstance(content, dict)
            left[section] = (
                content
                if whole
                else {k: v for k, v in content.items() if (section, k) not in entries}
            )
    return left


_SENTENCES = {
    "missing": "is required",
    "model_type": "must be a mapping of names to values",
    "dict_type": "must be a mapping of names to values",
    "list_type": "must be a list",
    "string_type": "must be text; put it in quotes",
    "json_invalid": "the document is nested too deeply",
}


def _sentence(path: Path, details: ErrorDetails) -> str:
    kind = details["type"]
    if kind == "said":
        return str(details["ctx"]["sentence"])
    if kind == "extra_forbidden":
        known = _keys_at(path[:-1])
        return (
            f"is not a key "
            f"here{suggestion(path[-1], known) or '; the keys are ' + ', '.join(known)}"
        )
    empty = "; leave the key out if there is nothing to say" if details["input"] is None else ""
    return _SENTENCES.get(kind, "does not have the right shape") + empty


def _keys_at(path: Path) -> list[str]:
    """The keys of the shape at a path: down through the fields, lists and mappings of the shapes'
    annotations.
    """
    shape: Any = SettingsDocument
    for part in path:
        if isinstance(shape, type) and issubclass(shape, BaseModel):
            shape = shape.model_fields[str(part)].annotation
            shape = next(
                (
                    kind
                    for kind in get_args(shape)
                    if kind is not type(None) and type(None) in get_args(shape)
                ),
                shape,
            )
        else:
            shape = get_args(shape)[-1]
    return list(shape.model_fields)


# --- What has to fit ---


def _fit_problems(document: SettingsDocument, value: Json) -> list[Problem]:
    """Problems between the parts.

    `value` has also the entries that have no right shape: their names are known.
    """
    servers, actions = (_names(value, section) for section in ("tool_servers", "catalog"))
    found: list[Problem] = [*_count_problems(document)]
    for name, server in document.tool_servers.items():
        found += [
            Problem(("tool_servers", name, *path), said) for path, said in _server_problems(server)
        ]
    for name, action in document.catalog.items():
        found += [
            Problem(("catalog", name, *path), said)
            for path, said in _action_problems(action, servers)
        ]
    found += [
        Problem(("autonomy", *path), said) for path, said in _autonomy_problems(document, actions)
    ]
    for position, switch in enumerate(document.stop_switches):
        if (switch.subject is None) != (StopScope(switch.scope) in NAMES_NOTHING):
            said = "needs no subject" if switch.subject else "needs the subject that it covers"
            found.append(
                Problem(("stop_switches", position, "subject"), f"the scope {switch.scope} {said}")
            )
    return [Problem(_path(problem.path, value), problem.sentence) for problem in found]


def _names(value: Json, section: str) -> frozenset[str] | None:
    """The names that a section defines; None if it is so wrong that nobody can tell."""
    content = value.get(section, {})
    return frozenset(content) if isinstance(content, dict) else None


def _count_problems(document: SettingsDocument) -> Iterator[Problem]:
    limits = {
        "catalog": CATALOG_ACTIONS_MAX,
        "tool_servers": TOOL_SERVERS_MAX,
        "stop_switches": STOP_SWITCHES_MAX,
    }
    for section, limit in limits.items():
        if (count := len(getattr(document, section))) > limit:
            yield Problem((section,), f"has {count} entries; the limit is {limit}")


_Found: TypeAlias = Iterator[tuple[Path, str]]
"""Problems inside one part: a path from there, and a sentence."""


def _server_problems(server: ToolServerShape) -> _Found:
    if bool(server.command) == (server.url is not None):
        yield (
            (),
            (
                "needs either a command (a server that we start) or a url (a server that runs), "
                "not "
                "both"
            ),
        )
    elif server.headers and server.url is None:
        yield ("headers",), "only a server with a url has headers; a command has an environment"
    elif server.environment and not server.command:
        yield ("environment",), "only a server with a command has an environment; a url has headers"


def _action_problems(action: ActionShape, servers: frozenset[str] | None) -> _Found:
    yield from ((("parameters", *path), said) for path, said in _schema_problems(action.parameters))
    properties, required = _properties(action.parameters)
    tools: list[tuple[Path, str]] = [(("tool",), action.tool)]
    templates: list[tuple[Path, Json, bool, bool]] = [
        (("sentence",), action.sentence, True, False),
        (("proposal",), action.proposal, False, False),
        (("arguments",), action.arguments, False, True),
    ]
    if action.undo:
        tools.append((("undo", "tool"), action.undo.tool))
        templates.append((("undo", "arguments"), action.undo.arguments, True, True))
    for path, tool in tools:
        server = tool.partition(".")[0]
        if servers is not None and server not in servers:
            yield path, f"there is no tool server {server}{suggestion(server, servers)}"
    for path, template, has_result, must_be_there in templates:
        for inner, name in _named_in(template, path):
            if said := _placeholder_problem(
                name, action, has_result=has_result, must_be_there=must_be_there
            ):
                yield inner, said
    key = action.idempotency_argument
    if key in properties or key in action.arguments:
        yield (
            ("idempotency_argument",),
            f"{key} is filled by us, so it can be no parameter and no argument of the action",
        )
    if action.spends is not None:
        yield from (
            (("spends",), said) for said in _spends_problems(action.spends, properties, required)
        )


def _properties(schema: Mapping[str, Json]) -> tuple[Mapping[str, Json], Sequence[str]]:
    properties, required = schema.get("properties"), schema.get("required")
    return properties if isinstance(properties, dict) else {}, required if isinstance(
        required, list
    ) else []


def _spends_problems(
    spends: str, properties: Mapping[str, Json], required: Sequence[str]
) -> Iterator[str]:
    schema = properties.get(spends)
    kind, scale = (
        (schema.get("type"), schema.get("x-scale")) if isinstance(schema, dict) else (None, None)
    )
    if spends not in properties:
        yield f"names no parameter{suggestion(spends, list(properties))}"
    elif kind != "integer" and not (kind == "number" and scale is not None):
        yield f"the parameter {spends} must be an integer, or a number with x-scale"
    elif spends not in required:
        yield f"the parameter {spends} must be required, or nobody knows what the action spends"


def _schema_problems(schema: Mapping[str, Json]) -> _Found:
    if schema.get("type") != "object":
        yield ("type",), "must be object"
    if not isinstance(schema.get("additionalProperties"), bool):
        sentence = (
            "must be false, so that the tool gets nothing that policy and people did not see (or "
            "true, to allow it)"
        )
        yield ("additionalProperties",), sentence
    if "$ref" in schema:
        yield ("$ref",), "the parameters themselves cannot be a reference; their properties can"
    odd = list(_keyword_problems(schema, ()))
    yield from odd
    if not odd:
        try:
            schema_validator(schema)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            first = str(error).partition("\n")[0]
            yield (), f"is not a valid JSON Schema: {first[:300]}"


def _keyword_problems(node: Json, path: Path) -> _Found:
    """What we ask of a schema beyond JSON Schema, at any depth.

    A mapping of a keyword's name is a parameter.
    """
    if isinstance(node, list):
        for position, part in enumerate(node):
            yield from _keyword_problems(part, (*path, position))
    if not isinstance(node, dict):
        return
    if len(path) > 2 * DEPTH_MAX:
        yield path, "is nested too deeply"
        return
    reference, scale = node.get("$ref"), node.get("x-scale")
    if isinstance(reference, str) and not re.fullmatch(r"#(/.*)?", reference):
        yield (*path, "$ref"), "must start with #/: a schema refers to nothing but its own parts"
    if scale is not None and not isinstance(scale, dict):
        if type(scale) is not int or not 1 <= scale <= SCALE_MAX:
            yield (*path, "x-scale"), f"must be an integer from 1 to {SCALE_MAX}"
        elif node.get("type") != "number":
            yield (*path, "x-scale"), "belongs to type: number"
    for name, part in node.items():
        yield from _keyword_problems(part, (*path, name))


def _named_in(template: Json, path: Path) -> Iterator[tuple[Path, str]]:
    """Every placeholder of a template, and where it is."""
    if isinstance(template, str):
        yield from ((path, name) for name in placeholders(template))
    elif isinstance(template, dict | list):
        for key, part in template.items() if isinstance(template, dict) else enumerate(template):
            yield from _named_in(part, (*path, key))


def _placeholder_problem(
    name: str, action: ActionShape, *, has_result: bool, must_be_there: bool
) -> str | None:
    first, _, rest = name.partition(".")
    if first in _FIXED_NAMES and (not rest or first == "target"):
        return None
    if first == "result":
        return None if has_result else f"{{{name}}}: there is no result before the action is done"
    if name == "parameters":
        return None
    parameter = rest.partition(".")[0] if first == "parameters" else first
    properties, required = _properties(action.parameters)
    if parameter not in properties and action.parameters.get("additionalProperties") is not True:
        known = [*properties, *_FIXED_NAMES, "parameters", *(["result"] if has_result else [])]
        return f"{{{name}}} names nothing that is known here{suggestion(parameter, known)}"
    if must_be_there and parameter not in required:
        return (
            f"{{{name}}}: the parameter must be required, or there is nothing to put here when it "
            f"is left out"
        )
    return None


def _autonomy_problems(document: SettingsDocument, actions: frozenset[str] | None) -> _Found:
    autonomy = document.autonomy
    for path, action_type in _action_types_in(autonomy):
        if actions is not None and action_type not in actions:
            yield path, f"the catalog has no action {action_type}{suggestion(action_type, actions)}"
    yield from _repeats("modes", [(mode.account, mode.action_type) for mode in autonomy.modes])
    yield from _repeats("budgets", [(budget.account,) for budget in autonomy.budgets])
    for position, budget in enumerate(autonomy.budgets):
        for action_type in budget.max_amount_per_day_by_action_type:
            action = document.catalog.get(action_type)
            if action is not None and action.spends is None:
                path = ("budgets", position, "max_amount_per_day_by_action_type", action_type)
                yield path, f"the catalog does not say which parameter of {action_type} it spends"


def _action_types_in(autonomy: AutonomyShape) -> _Found:
    """Every action type that is named, and where."""
    yield from (
        (("allowlist", "tenant", position), name)
        for position, name in enumerate(autonomy.allowlist.tenant)
    )
    for account, names in autonomy.allowlist.accounts.items():
        yield from (
            (("allowlist", "accounts", account, position), name)
            for position, name in enumerate(names)
        )
    for position, mode in enumerate(autonomy.modes):
        if mode.action_type is not None:
            yield ("modes", position, "action_type"), mode.action_type
    for position, budget in enumerate(autonomy.budgets):
        for field in ("max_per_day_by_action_type", "max_amount_per_day_by_action_type"):
            yield from (
                (("budgets", position, field, name), name) for name in getattr(budget, field)
            )


def _repeats(field: str, places: Sequence[tuple[str | None, ...]]) -> _Found:
    for position, place in enumerate(places):
        if (first := places.index(place)) < position:
            said = ", ".join(part for part in place if part) or "every account"
            yield (
                (field, position),
                f"is for the same place as entry {first} ({said}): one of them must go",
            )


def _policy_problems(document: SettingsDocument) -> list[Problem]:
    try:
        policy_of(document)
    except InvalidInput as refusal:
        return list(refusal.problems) or [Problem(("policy",), refusal.sentence)]
    return []


# --- Compiling ---


@dataclass(frozen=True, slots=True)
class StoredSettings:
    """A tenant's settings document and its version (0 and empty
    if nobody has configured anything).
    """

    version: SettingsVersion
    document: Mapping[str, Json]
    everywhere: Mapping[str, Json]


def compile_settings(tenant_id: str, stored: StoredSettings) -> Settings:
    """The settings that a stored document means; the switches that hold everywhere come first.

    What was stored was checked then. It is not checked again for what must fit, so that a stricter
    version of this file does not stop a tenant; what cannot be read at all raises InvalidInput.
    """
    document, everywhere = read_document(stored.document), read_document(stored.everywhere)
    autonomy = document.autonomy
    accounts = {account: frozenset(names) for account, names in autonomy.allowlist.accounts.items()}
    return Settings(
        tenant_id=tenant_id,
        version=stored.version,
        catalog=catalog_of(document),
        tool_servers={
            name: tool_server_of(name, shape) for name, shape in document.tool_servers.items()
        },
        tool_pins=document.tool_pins,
        allowlist=Allowlist(frozenset(autonomy.allowlist.tenant), accounts),
        modes=tuple(
            ModeRule(AutonomyMode(shape.mode), shape.account, shape.action_type)
            for shape in autonomy.modes
        ),
        budgets=tuple(BudgetRule(**dict(shape)) for shape in autonomy.budgets),
        policy=policy_of(document),
        stop_switches=(*_switches(everywhere), *_switches(document)),
    )


def read_document(value: Json) -> SettingsDocument:
    """A document that was parsed before it was stored.

    InvalidInput if it does not even have the right shape.
    """
    document, problems = _shaped(value)
    if document is None or problems:
        raise _refusal(problems)
    return document


def policy_of(document: SettingsDocument) -> PolicySet | None:
    """The document's policy for its catalog, None if it has none.

    InvalidInput (`INVALID_POLICY`) if it is refused.
    """
    return (
        PolicySet.load(document.policy, catalog_of(document)) if document.policy.strip() else None
    )


def catalog_of(document: SettingsDocument) -> dict[str, Action]:
    """The actions of a document by action type."""
    return {name: _action(name, shape) for name, shape in document.catalog.items()}


def tool_server_of(name: str, shape: ToolServerShape) -> ToolServer:
    """A tool server of a document."""
    return ToolServer(**{**dict(shape), "name": name, "command": tuple(shape.command)})


def _action(action_type: str, shape: ActionShape) -> Action:
    undo = None
    if shape.undo:
        within_ms = duration_ms(shape.undo.within) if shape.undo.within else None
        undo = Undo(_tool_name(shape.undo.tool), shape.undo.arguments, within_ms)
    return Action(
        action_type=action_type,
        tool=_tool_name(shape.tool),
        risk_level=RiskLevel[shape.risk_level],
        effect=Effect(shape.effect),
        parameters=shape.parameters,
        sentence=shape.sentence,
        proposal=shape.proposal or f"run {action_type} for {{account_id}}",
        arguments=shape.arguments,
        idempotency_argument=shape.idempotency_argument,
        spends=shape.spends,
        approval_expires_after_ms=duration_ms(shape.approval.expires_after),
        undo=undo,
    )


def _tool_name(text: str) -> ToolName:
    server, _, tool = text.partition(".")
    return ToolName(server, tool)


def _switches(document: SettingsDocument) -> tuple[StopSwitch, ...]:
    return tuple(
        StopSwitch(StopScope(shape.scope), shape.subject, StopLevel(shape.level), shape.reason)
        for shape in document.stop_switches
    )
