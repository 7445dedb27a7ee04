"""What policy can read of an intent: the Cedar schema of a catalog, and an intent's parameters as
the record that it names.

What Cedar cannot express is simply not in the record, so no rule can depend on it by accident.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Context, Decimal
from functools import partial
from textwrap import indent
from typing import TypeAlias

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.catalog import Catalog
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import DEPTH_MAX

SCALE_MAX = 10**9
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset({"true", "false", "if", "then", "else", "in", "like", "has", "is"})
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_EXACT = Context(
    prec=64, rounding=ROUND_FLOOR
)  # a double has 17 digits and a scale 10: only the floor rounds

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class ParameterType:
    """A type that policy can express: how the Cedar schema says it, and how a JSON value becomes a
    value of it.
    """

    cedar: str
    read: Callable[[Json, Path], Json]


def policy_parameters(
    schema: Mapping[str, Json], parameters: Mapping[str, Json]
) -> dict[str, Json]:
    """The record that policy reads: what `schema` types and policy can express, decimals as
    integers rounded down.

    Raises InvalidInput (`INVALID_PARAMETERS`) for a value that is not of its type; after validation
    by `schema`, only numbers of 2^53 units and more are left to be refused.
    """
    record: dict[str, Json] = parameters_type(schema).read(parameters, ("parameters",))
    return record


def cedar_schema(catalog: Catalog) -> str:
    """The Cedar schema of a catalog: an action for each action type, its parameters as far as
    policy reads them.
    """
    return schema_text(
        {action_type: parameters_type(catalog[action_type].final_schema) for action_type in catalog}
    )


def schema_text(types: Mapping[str, ParameterType]) -> str:
    """The Cedar schema in which each action type has the context that its parameters give it."""
    parts = ["entity Agent;\nentity Account;\n"]
    for action_type, parameters in sorted(types.items()):
        parts.append(
            f"action {_quoted(action_type)} appliesTo {{\n"
            "  principal: Agent,\n"
            "  resource: Account,\n"
            "  context: {\n"
            "    unattended: Bool,\n"
            "    confidence_bp: Long,\n"
            "    risk: Long,\n"
            "    mode: String,\n"
            f"    parameters: {indent(parameters.cedar, '    ').lstrip()},\n"
            "  },\n"
            "};\n"
        )
    return "\n".join(parts)


def parameters_type(schema: Mapping[str, Json]) -> ParameterType:
    """The record of an action's parameters.

    They are an object, whether the schema says so or not.
    """
    return _record_type({} if "$ref" in schema else schema, 1)


def _type_of(schema: Json, depth: int) -> ParameterType | None:
    """The type of what a JSON Schema describes, or None if policy cannot express it, or not for
    certain.
    """
    # In the older drafts, `$ref` silences its siblings, so that `type` would promise what nobody
    # checks.
    if not isinstance(schema, Mapping) or depth > DEPTH_MAX or "$ref" in schema:
        return None
    kind, scale = None, schema.get("x-scale")
    match schema.get("type"):
        case "string":
            kind = ParameterType("String", _read_string)
        case "boolean":
            kind = ParameterType("Bool", _read_boolean)
        # With a scale alone, does 5 mean 5 or 500? With a unit, it counts smallest units.
        case "integer" if scale is None or "x-unit" in schema:
            kind = ParameterType("Long", _read_integer)
        case "number" if type(scale) is int and 1 <= scale <= SCALE_MAX:
            kind = ParameterType("Long", partial(_read_decimal, scale=scale))
        case "array" if (
            "prefixItems" not in schema
        ):  # which takes its items out of the reach of `items`
            item = _type_of(schema.get("items"), depth + 1)
            kind = item and ParameterType(f"Set<{item.cedar}>", partial(_read_array, item=item))
        case "object" if "properties" in schema:
            kind = _record_type(schema, depth)
    return kind


def _record_type(schema: Mapping[str, Json], depth: int) -> ParameterType:
    """The record of the expressible properties, sorted, so that the order they were written in does
    not matter.
    """
    properties, required = schema.get("properties"), schema.get("required")
    properties = properties if isinstance(properties, Mapping) else {}
    required = required if isinstance(required, list | tuple) else ()
    types = {}
    for name in sorted(filter(_nameable, properties)):
        if kind := _type_of(properties[name], depth + 1):
            types[name] = kind
    needed = frozenset(name for name in types if name in required)
    lines = []
    for name, kind in types.items():
        mark = "" if name in needed else "?"
        lines.append(f"  {_attribute(name)}{mark}: {indent(kind.cedar, '  ').lstrip()},\n")
    cedar = f"{{\n{''.join(lines)}}}" if lines else "{}"
    return ParameterType(cedar, partial(_read_record, types=types, needed=needed))


def _nameable(name: object) -> bool:
    """Whether a parameter of this name can be in a record: `__entity` and `__extn` are escapes of
    Cedar's JSON.
    """
    return isinstance(name, str) and not name.startswith("__") and not _SURROGATE.search(name)


def _attribute(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) and name not in _RESERVED else _quoted(name)


def _quoted(text: str) -> str:
    """A Cedar string literal; its escapes are not JSON's."""
    return (
        '"'
        + "".join(c if c.isprintable() and c not in '"\\' else f"\\u{{{ord(c):x}}}" for c in text)
        + '"'
    )


def _read_string(value: Json, path: Path) -> str:
    if not isinstance(value, str):
        raise _unfit(path, "is not a string")
    return value


def _read_boolean(value: Json, path: Path) -> bool:
    if not isinstance(value, bool):
        raise _unfit(path, "is not true or false")
    return value


def _read_integer(value: Json, path: Path) -> int:
    """An integer; to JSON Schema, 5.0 is one too."""
    if isinstance(value, bool) or not (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    ):
        raise _unfit(path, "is not an integer")
    return _within_range(int(value), path)


def _read_decimal(value: Json, path: Path, *, scale: int) -> int:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not -INTEGER_MAX <= value <= INTEGER_MAX
    ):
        raise _unfit(path, f"is not a number within {INTEGER_MAX}")
    units = _EXACT.multiply(Decimal(repr(value)), Decimal(scale))
    return _within_range(int(units.to_integral_value(context=_EXACT)), path)


def _read_array(value: Json, path: Path, *, item: ParameterType) -> list[Json]:
    if not isinstance(value, list | tuple):
        raise _unfit(path, "is not a list")
    return [item.read(child, (*path, position)) for position, child in enumerate(value)]


def _read_record(
    value: Json, path: Path, *, types: Mapping[str, ParameterType], needed: frozenset[str]
) -> dict[str, Json]:
    if not isinstance(value, Mapping):
        raise _unfit(path, "is not an object")
    if missing := needed.difference(value):
        raise _unfit((*path, min(missing)), "is missing")
    return {
        name: kind.read(value[name], (*path, name)) for name, kind in types.items() if name in value
    }


def _within_range(units: int, path: Path) -> int:
    if abs(units) > INTEGER_MAX:
        raise _unfit(path, f"is beyond {INTEGER_MAX} units")
    return units


def _unfit(path: Path, sentence: str) -> InvalidInput:
    problem = Problem(path, sentence)
    sentence = f"Policy cannot read the parameters: {problem}."
    return InvalidInput(sentence, code="INVALID_PARAMETERS", problems=(problem,))
