"""What has to fit in a settings document: its parts to each other, and a schema of parameters to
what we ask of it.

Every value has its right shape here. Nothing is known of how the document was written.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import TypeAlias, TypeVar

import jsonschema_rs

from clearance.configuration.limiting import limit_problems
from clearance.configuration.segments import keeps_its_place
from clearance.configuration.shape import (
    AccountsShape,
    ActionShape,
    AllowlistShape,
    BudgetShape,
    LimitShape,
    ModeShape,
    SettingsDocument,
    ToolServerShape,
)
from clearance.configuration.values import PATTERNS_MAX, variables_of
from clearance.core.canonical import Json
from clearance.core.catalog import Effect
from clearance.core.defaults import default_problems
from clearance.core.dialect import places
from clearance.core.errors import Problem
from clearance.core.intent import DEPTH_MAX
from clearance.core.likeness import names_its_intent
from clearance.core.money import UNIT_LENGTH_MAX, is_power_of_ten
from clearance.core.parts import PARTS
from clearance.core.schema import SCALE_MAX, CompiledSchema, anchors
from clearance.core.stop import NAMES_NOTHING, StopScope
from clearance.core.suggestion import suggestion
from clearance.core.template import (
    placeholders,
    schema_at,
    stray_brace,
    whole_placeholder,
)
from clearance.core.validation import schema_validator

CATALOG_ACTIONS_MAX = 2_000
TOOL_SERVERS_MAX = 64
STOP_SWITCHES_MAX = 200
SCHEMA_PROBLEMS_MAX = 20  # parts of one schema that are no JSON Schema

Path: TypeAlias = tuple[str | int, ...]
T = TypeVar("T")

_SIGNS = "€ £ $ ¥ %"
_UNIT = re.compile(
    rf"[^\W_](?:[^\W_]|[%/.-]){{0,{UNIT_LENGTH_MAX - 1}}}|[{_SIGNS.replace(' ', '')}]"
)
_WORDS: Mapping[str, Collection[str]] = {"x-policy": ("unread",), "x-read": tuple(PARTS)}
_OURS = ("x-scale", "x-unit", *_WORDS)
"""Our own keywords, and the values of those that take a word."""
_DRAFT = "//json-schema.org/"
_NEWEST_DRAFT = f"https:{_DRAFT}draft/2020-12/schema"  # which holds where none is named
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_FIXED_NAMES = frozenset({"account_id", "action_intent_id", "action_type", "target"})
_TWO_MEANINGS = (
    "{{{name}}} is the intent's own {first}, and the tool gets an argument of this name: write "
    "{{parameters.{name}}} for that one"
)
_OUR_TEXTS = frozenset({"account_id", "action_intent_id", "action_type"})


def fit_problems(
    document: SettingsDocument, value: Mapping[str, Json], lost: Collection[Path] = ()
) -> list[Problem]:
    """Problems between the parts.

    `value` is the document as it is written. It has also the entries without the right shape, whose
    names are known and whose places are `lost`.
    """
    servers, actions = (_names(value, section) for section in ("tool_servers", "catalog"))
    problems: list[Problem] = [*_count_problems(document)]
    for name, server in document.tool_servers.items():
        problems += [
            Problem(("tool_servers", name, *path), sentence)
            for path, sentence in _server_problems(server)
        ]
    for name, action in document.catalog.items():
        problems += [
            Problem(("catalog", name, *path), sentence)
            for path, sentence in action_problems(action, servers)
        ]
    problems += [
        Problem(("autonomy", *path), sentence)
        for path, sentence in _autonomy_problems(document, actions, lost)
    ]
    for position, switch in _placed(("stop_switches",), document.stop_switches, lost):
        if (switch.subject is None) != (StopScope(switch.scope) in NAMES_NOTHING):
            sentence = "needs no subject" if switch.subject else "needs the subject that it covers"
            problems.append(
                Problem(
                    ("stop_switches", position, "subject"), f"the scope {switch.scope} {sentence}"
                )
            )
    return problems


def _placed(path: Path, items: Sequence[T], lost: Collection[Path]) -> list[tuple[int, T]]:
    """The items of a list, each with the place at which it is written."""
    places = (place for place in itertools.count() if (*path, place) not in lost)
    return list(zip(places, items, strict=False))


def _names(value: Mapping[str, Json], section: str) -> frozenset[str] | None:
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


_Misfits: TypeAlias = Iterator[tuple[Path, str]]
"""Problems inside one part: a path from there, and a sentence."""


def _server_problems(server: ToolServerShape) -> _Misfits:
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
    elif (server.environment or server.inherit) and not server.command:
        key = "environment" if server.environment else "inherit"
        yield (key,), "only a server with a command has an environment; a url has headers"
    yield from _secret_problems(server)


def _secret_problems(server: ToolServerShape) -> _Misfits:
    texts = (*server.command, *server.environment.values(), *server.headers.values())
    known = {*server.environment, *server.inherit, *server.headers}.union(*map(variables_of, texts))
    for index, name in enumerate(server.secrets or ()):
        if name not in known:
            sentence = (
                "must name a ${NAME} of this tool server, or an entry of its environment, inherit "
                f"or headers{suggestion(name, known)}"
            )
            yield ("secrets", index), sentence


def action_problems(action: ActionShape, servers: frozenset[str] | None) -> _Misfits:
    """What does not fit in an action; `servers` are the names of tool servers, None if unknown."""
    yield from (
        (("parameters", *path), sentence) for path, sentence in _schema_problems(action.parameters)
    )
    names = frozenset(CompiledSchema(action.parameters).root.names)
    _, required = _properties(action.parameters)
    tools: list[tuple[Path, str]] = [(("tool",), action.tool)]
    if action.undo:
        tools.append((("undo", "tool"), action.undo.tool))
    for path, tool in tools:
        server = tool.partition(".")[0]
        if servers is not None and server not in servers:
            yield path, f"there is no tool server {server}{suggestion(server, servers)}"
    yield from _template_problems(action)
    yield from _argument_problems(action, names)
    key = action.idempotency_argument
    if key in names or key in required or key in action.arguments:
        sentence = f"Clearance fills in {key}, so no parameter or argument can have that name"
        yield ("idempotency_argument",), sentence
    yield from _effect_problems(action)
    known = CompiledSchema(action.final_schema).root.names
    for position, name in enumerate(action.same_when or ()):
        if name not in known:
            sentence = f"the tool gets no argument {name}{suggestion(name, list(known))}"
            yield ("same_when", position), sentence
        elif names_its_intent(action.arguments.get(name)):
            yield ("same_when", position), "is another one for each intent, which has its own id"
    if action.account is not None:
        yield from ((("account",), sentence) for sentence in _account_place_problems(action))
    if action.spends is not None:
        yield from (
            (("spends",), sentence)
            for sentence in _spends_problems(action.spends, *_properties(action.final_schema))
        )


def _template_problems(action: ActionShape) -> _Misfits:
    """Placeholders without a value, and braces that make none in what people read."""
    templates: list[tuple[Path, Json, bool, bool]] = [
        (("sentence",), action.sentence, True, False),
        (("proposal",), action.proposal, False, False),
        (("arguments",), action.arguments, False, True),
    ]
    if action.undo:
        templates.append((("undo", "arguments"), action.undo.arguments, True, True))
    for path, template, has_result, must_be_there in templates:
        if isinstance(template, str) and (brace := stray_brace(template)):
            yield path, f"has a {brace} that belongs to no placeholder such as {{title}}"
        for inner, name in _named_in(template, path):
            if sentence := _placeholder_problem(
                name, action, has_result=has_result, must_be_there=must_be_there
            ):
                yield inner, sentence


def _argument_problems(action: ActionShape, names: Collection[str]) -> _Misfits:
    """An argument is no parameter, wherever the schema declares that, so that the tool gets what
    policy and people saw; and a value keeps its place in a longer text.
    """
    for name in action.arguments:
        if name in names:
            sentence = "is a parameter too, and the tool would get another value than the agent's"
            yield ("arguments", name), f"{sentence}: one of them must go"
    for position, name in enumerate(action.prose):
        if name not in action.arguments:
            sentence = f"there is no argument {name}{suggestion(name, list(action.arguments))}"
            yield ("prose", position), sentence
    for name, template in action.arguments.items():
        if name not in action.prose:
            yield from _segment_problems(action, template, ("arguments", name))


def _segment_problems(action: ActionShape, template: Json, path: Path) -> _Misfits:
    for inner, text in _texts_in(template, path):
        for name in [] if whole_placeholder(text) else placeholders(text):
            if name in _OUR_TEXTS:
                continue  # looked at when the call is made
            if not keeps_its_place(schema_at(name, action.parameters), action.parameters):
                sentence = (
                    f"{{{name}}} could end its place in this text: give the parameter an enum, "
                    f"type: integer, format: uuid or date (where the draft of the schema checks "
                    f"it), or a pattern with ^ and $ that lets in no empty text, none of "
                    f"/ \\ ? # & % ' \" < > and no control characters; or name the argument under "
                    f"prose, if it is text for people"
                )
                yield inner, sentence


def _effect_problems(action: ActionShape) -> _Misfits:
    if action.keyless:
        yield (
            ("effect",),
            (
                "keyed needs an idempotency_argument, or idempotency: meta if the tool reads the "
                "key in _meta; else the effect is at_most_once"
            ),
        )
    if action.effect == Effect.READ:
        for key in ("undo", "spends"):
            if getattr(action, key) is not None:
                yield (key,), "cannot stand beside effect: read, which changes nothing"
    if action.idempotency and action.idempotency_argument:
        yield ("idempotency",), "is for a tool that has no idempotency_argument"
    for key in ("idempotency", "key_kept_for"):
        if getattr(action, key) is not None and action.effect != Effect.KEYED:
            yield (key,), "belongs to effect: keyed"


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


def _account_place_problems(action: ActionShape) -> Iterator[str]:
    """The account of each act must be there, as one whole value that the agent gives."""
    name = action.account_parameter
    if name is None:
        yield "must be one placeholder that names a parameter, such as {customer_id}"
        return
    places = CompiledSchema(action.parameters).root.names
    _, required = _properties(action.parameters)
    if name not in places:
        yield f"{{{name}}} names no parameter{suggestion(name, list(places))}"
    elif places[name].kinds != {"string"}:
        yield f"the parameter {name} must be text (type: string)"
    elif name not in required:
        yield f"the parameter {name} must be required, or an act would have no account"


def _schema_problems(schema: Mapping[str, Json]) -> _Misfits:
    if schema.get("type") != "object":
        yield ("type",), "must be object"
    if "$ref" in schema:
        yield ("$ref",), "the parameters themselves cannot be a reference; their properties can"
    rest = deepcopy(dict(schema))
    odd = list(_keyword_problems(schema, ()))
    for path, _ in odd:
        _take_away(rest, path)
    named = list(_name_problems(schema))
    invalid = [] if named else list(_invalid_parts(rest))
    yield from [*odd, *named, *invalid]
    if not (named or invalid):
        unfit = default_problems(CompiledSchema(rest))
        yield from ((problem.path, problem.sentence) for problem in unfit)


def _invalid_parts(rest: dict[str, Json]) -> _Misfits:
    """What is no JSON Schema: the validator names one part, which is taken away for the next."""
    for _ in range(SCHEMA_PROBLEMS_MAX):
        try:
            schema_validator(rest)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            first = str(error).partition("\n")[0]
            path = _misfit_place(rest, error, first)
            yield path, _type_problem(rest, path) or f"is not a valid JSON Schema: {first[:300]}"
            if not _take_away(rest, path):
                return
        else:
            return


def _type_problem(schema: Json, path: Path) -> str | None:
    """What is wrong with a type, if it is a word that JSON Schema does not know."""
    if path[-1:] != ("type",):
        return None
    for step in path:
        schema = schema[step]
    kinds = schema if isinstance(schema, list) else [schema]
    unknown = next((kind for kind in kinds if isinstance(kind, str) and kind not in _TYPES), None)
    return unknown and f"{unknown} must be one of {', '.join(_TYPES)}{suggestion(unknown, _TYPES)}"


def _take_away(schema: Json, path: Path) -> bool:
    """Takes the keyword at a path out of a schema, a whole list for an entry of it; False if there
    is none.
    """
    above: Json = None
    keyword: str | int = ""
    for step in path:
        if isinstance(schema, dict) and step in schema:
            above, keyword = schema, step
        elif not isinstance(schema, list) or step not in range(len(schema)):
            return False
        schema = schema[step]
    if above is None:
        return False
    del above[keyword]
    return True


def _name_problems(schema: Mapping[str, Json]) -> _Misfits:
    """References mean the same to every reader only in one document of one draft, in which a name
    is given once. A reference can lead into a value too, so none of these has an `$id` either.
    """
    draft = schema.get("$schema", _NEWEST_DRAFT)
    keys = {"$id", "id"} if "draft-04" in str(draft) else {"$id"}
    for path, text in _texts_in(schema, ()):
        if not path[1:]:
            continue
        if path[-1] in keys and not text.startswith("#"):
            sentence = "moves the base of references: only the parameters themselves have an $id"
            yield path, f"{sentence}; take it out, and refer to parts with # and their path"
        elif path[-1] == "$schema" and _DRAFT in text and text.strip("#") != str(draft).strip("#"):
            yield path, "is another draft of JSON Schema than that of the parameters themselves"
    first: dict[str, Path] = {}
    for path, name, _ in anchors(schema):
        if first.setdefault(name, path) != path:
            yield path, f"has the name {name}, which another part of the schema has too"


def _misfit_place(schema: Mapping[str, Json], error: Exception, sentence: str) -> Path:
    """Where a schema is not valid; of a reference to nothing, the error names only what it points
    to.
    """
    if path := tuple(getattr(error, "instance_path", ())):
        return path
    references = (
        (*path, "$ref")
        for path, part in places(schema)
        if isinstance(target := part.get("$ref"), str) and f"'{target[1:]}'" in sentence
    )
    return next(references, ())


def _keyword_problems(node: Json, path: Path) -> _Misfits:
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
    reference = node.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield (*path, "$ref"), "must start with #: a schema refers to nothing but its own parts"
    yield from (((*path, keyword), sentence) for keyword, sentence in _our_keywords(node))
    for name, part in node.items():
        yield from _keyword_problems(part, (*path, name))


def _our_keywords(node: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    """What is wrong with our own keywords in a schema."""
    ours = {key: node[key] for key in _OURS if key in node and not isinstance(node[key], dict)}
    scale, unit = ours.get("x-scale"), ours.get("x-unit")
    kinds = _kinds(node.get("type"))
    if "x-scale" in ours:
        known = {"number"} if unit is None else {"number", "integer"}
        yield from (("x-scale", sentence) for sentence in _scale_problems(scale, kinds, known))
    if "x-unit" in ours:
        yield from (("x-unit", sentence) for sentence in _unit_problems(unit, scale, kinds))
    for keyword, words in _WORDS.items():
        if keyword in ours and ours[keyword] not in words:
            meant = suggestion(ours[keyword], words)
            yield keyword, f"must be {' or '.join(words)}{meant}"


def _kinds(kind: Json) -> set[str]:
    """The types that a schema allows, without null."""
    listed = kind if isinstance(kind, list) else [kind]
    return {name for name in listed if isinstance(name, str)} - {"null"}


def _scale_problems(scale: Json, kinds: set[str], known: set[str]) -> Iterator[str]:
    if not is_power_of_ten(scale) or scale > SCALE_MAX:
        yield f"must be 1, 10, 100 and so on, up to {SCALE_MAX}"
    elif not kinds or not kinds <= known:
        yield "belongs to type: number, or to type: integer with x-unit"


def _unit_problems(unit: Json, scale: Json, kinds: set[str]) -> Iterator[str]:
    if not isinstance(unit, str) or not _UNIT.fullmatch(unit):
        yield (
            f"must be a unit such as EUR: 1 to {UNIT_LENGTH_MAX} letters, digits or % / . - after "
            f"a letter or digit, or one of {_SIGNS}"
        )
    if not kinds or not kinds <= {"number", "integer"}:
        yield "belongs to type: number or type: integer"
    elif "number" in kinds and scale is None:
        yield "needs x-scale beside it, which says how many smallest units make one"


def _named_in(template: Json, path: Path) -> Iterator[tuple[Path, str]]:
    """Every placeholder of a template, and where it is."""
    for inner, text in _texts_in(template, path):
        yield from ((inner, name) for name in placeholders(text))


def _texts_in(template: Json, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text of a template, and where it is."""
    if isinstance(template, str):
        yield path, template
    elif isinstance(template, dict | list):
        for key, part in template.items() if isinstance(template, dict) else enumerate(template):
            yield from _texts_in(part, (*path, key))


def _placeholder_problem(
    name: str, action: ActionShape, *, has_result: bool, must_be_there: bool
) -> str | None:
    first, _, rest = name.partition(".")
    if first in _FIXED_NAMES and (not rest or first == "target"):
        twice = not must_be_there and first in CompiledSchema(action.final_schema).root.names
        return _TWO_MEANINGS.format(name=name, first=first) if twice else None
    if first == "result":
        return None if has_result else f"{{{name}}}: there is no result before the action is done"
    if name == "parameters":
        return None
    parameter = rest.partition(".")[0] if first == "parameters" else first
    schema = action.parameters if must_be_there else action.final_schema
    properties, required = _properties(schema)
    if parameter not in properties and schema.get("additionalProperties") is not True:
        known = [*properties, *_FIXED_NAMES, "parameters", *(["result"] if has_result else [])]
        return f"{{{name}}} names nothing that is known here{suggestion(parameter, known)}"
    filled_in = isinstance(properties.get(parameter), dict) and "default" in properties[parameter]
    if must_be_there and parameter not in required and not filled_in:
        return (
            f"{{{name}}}: the parameter must be required, or there is nothing to put here when it "
            f"is left out"
        )
    return None


def _autonomy_problems(
    document: SettingsDocument, actions: frozenset[str] | None, lost: Collection[Path]
) -> _Misfits:
    autonomy = document.autonomy
    modes = _placed(("autonomy", "modes"), autonomy.modes, lost)
    budgets = _placed(("autonomy", "budgets"), autonomy.budgets, lost)
    limits = _placed(("autonomy", "limits"), autonomy.limits, lost)
    for path, action_type in _action_types_in(autonomy.allowlist, modes, budgets, limits):
        if actions is not None and action_type not in actions:
            yield path, f"the catalog has no action {action_type}{suggestion(action_type, actions)}"
    yield from _account_problems(autonomy.accounts)
    yield from _repeats("modes", [(at, (mode.account, mode.action_type)) for at, mode in modes])
    yield from _repeats("budgets", [(at, (budget.account,)) for at, budget in budgets])
    yield from _repeats("limits", [(at, limit.place) for at, limit in limits])
    whole = actions is not None and actions <= document.catalog.keys()
    yield from limit_problems(document, limits, whole=whole)
    for position, budget in budgets:
        for action_type in budget.max_amount_per_day_by_action_type:
            action = document.catalog.get(action_type)
            if action is not None and action.spends is None:
                path = ("budgets", position, "max_amount_per_day_by_action_type", action_type)
                yield path, f"the catalog does not say which parameter of {action_type} it spends"


def _account_problems(accounts: AccountsShape | None) -> _Misfits:
    """Accounts that are listed twice, and more patterns than are looked at for each act."""
    known = accounts.known if accounts else []
    first: dict[tuple[str | None, str | None], int] = {}
    for position, entry in enumerate(known):
        if first.setdefault((entry.name, entry.match), position) != position:
            yield ("accounts", "known", position), f"is listed twice: {entry.name or entry.match}"
    if (count := sum(entry.match is not None for entry in known)) > PATTERNS_MAX:
        yield ("accounts",), f"has {count} patterns; the limit is {PATTERNS_MAX}"


def _action_types_in(
    allowlist: AllowlistShape,
    modes: Sequence[tuple[int, ModeShape]],
    budgets: Sequence[tuple[int, BudgetShape]],
    limits: Sequence[tuple[int, LimitShape]],
) -> _Misfits:
    """Every action type that is named, and where."""
    yield from (
        (("allowlist", "tenant", position), name) for position, name in enumerate(allowlist.tenant)
    )
    for account, names in allowlist.accounts.items():
        yield from (
            (("allowlist", "accounts", account, position), name)
            for position, name in enumerate(names)
        )
    for position, mode in modes:
        if mode.action_type is not None:
            yield ("modes", position, "action_type"), mode.action_type
    for position, limit in limits:
        if limit.action_type is not None:
            yield ("limits", position, "action_type"), limit.action_type
    for position, budget in budgets:
        for field in ("max_per_day_by_action_type", "max_amount_per_day_by_action_type"):
            yield from (
                (("budgets", position, field, name), name) for name in getattr(budget, field)
            )


def _repeats(field: str, places: Sequence[tuple[int, tuple[str | None, ...]]]) -> _Misfits:
    first: dict[tuple[str | None, ...], int] = {}
    for position, place in places:
        if first.setdefault(place, position) != position:
            named = ", ".join(part for part in place if part) or "every account"
            named = f"is for the same place as entry {first[place]} ({named}): one of them must go"
            yield (field, position), named
