"""What real generators write into a JSON Schema, in the words that our validator and every JSON
reader understand.

OpenAPI 3.0 writes `exclusiveMinimum: true` and `nullable: true`; Go and Java write bounds of 64
bits. Each has a meaning that later JSON Schema can say. Nothing here knows whether a schema is
valid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from clearance.core.canonical import INTEGER_MAX, Json

SCHEMA_DEPTH_MAX = (
    64  # levels of nesting that are looked at; no schema of a settings document has more
)

Path: TypeAlias = tuple[str | int, ...]
Schema: TypeAlias = Mapping[str, Json]

_SINGLE = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_LISTS = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_NEVER_NULL = frozenset({"$ref", "allOf", "anyOf", "const", "oneOf"})
"""The keywords that can refuse null whatever stands beside them."""
_ANYWHERE = frozenset({"$defs", "$id", "$schema", "default", "definitions", "nullable"})
_MAPS = frozenset(
    ["$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"]
)
"""The keywords under which schemas stand: one, a list of them, or one for each name."""

_NAMES = ("$anchor", "$dynamicAnchor", "$id", "id", "$recursiveAnchor", "$schema")
"""The keywords by which a schema as a whole is known."""
_OF_THE_ROOT = frozenset({*_NAMES, "$defs", "definitions"})

_UPPER = ("maximum", "exclusiveMaximum")
_LOWER = ("minimum", "exclusiveMinimum")
_SIZES = ("maxLength", "maxItems", "maxProperties", "maxContains")
_EXPONENT_FROM = 10**21  # from here on, a number keeps its exponent in every spelling


def places(schema: Json, path: Path = ()) -> Iterator[tuple[Path, Schema]]:
    """A schema and all that stand in it, each with its path. What stands under `enum`, `default`
    and their like is a value, and a parameter may have the name of a keyword.
    """
    if not isinstance(schema, Mapping) or len(path) > SCHEMA_DEPTH_MAX:
        return
    yield path, schema
    for inner, part in parts(schema):
        yield from places(part, (*path, *inner))


def as_validated(schema: Schema) -> Schema:
    """The schema with OpenAPI's own words put in JSON Schema's."""
    if "draft-04" in str(schema.get("$schema")):  # in which these words are JSON Schema's
        return schema
    return _rewritten(schema, _plain_words)


def as_kept(schema: Schema) -> Schema:
    """The schema with every bound within the integers that every JSON reader carries exactly, so
    that a settings document has a canonical form.

    No integer of an intent is beyond them, so these bounds let the same integers through.
    """
    return _rewritten(schema, _near_bounds)


def with_root_at(schema: Schema, pointer: str) -> dict[str, Json]:
    """The schema with every reference to the whole of it leading to `pointer` instead, such as
    `#/$defs/whole`.
    """
    names = {f"#{schema[key]}".replace("##", "#") for key in _NAMES if key in schema} | {"#"}

    def redirect(part: dict[str, Json]) -> None:
        for keyword in ("$ref", "$dynamicRef"):
            reference = part.get(keyword)
            if isinstance(reference, str) and reference in names:
                part[keyword] = pointer
        if "$recursiveRef" in part and "$ref" not in part:
            part["$ref"] = pointer
            del part["$recursiveRef"]

    return _rewritten(schema, redirect)


def as_a_part(schema: Schema) -> dict[str, Json]:
    """The schema without the names that it gives itself as a whole, and without its definitions."""
    return {keyword: part for keyword, part in schema.items() if keyword not in _OF_THE_ROOT}


def parts(schema: Schema) -> Iterator[tuple[Path, Json]]:
    """What stands in a schema as its direct parts, each with its path from there."""
    for keyword, value in schema.items():
        if keyword in _MAPS and isinstance(value, Mapping):
            yield from (((keyword, name), part) for name, part in value.items())
        elif keyword in _LISTS and isinstance(value, list):
            yield from (((keyword, position), part) for position, part in enumerate(value))
        elif keyword in _SINGLE:
            yield (keyword,), value


def _rewritten(
    schema: Schema, change: Callable[[dict[str, Json]], None], depth: int = 0
) -> dict[str, Json]:
    """A copy in which every schema is changed; what is no schema stays the very object."""
    copy = dict(schema)
    for path, part in parts(schema):
        if not isinstance(part, Mapping) or depth > SCHEMA_DEPTH_MAX:
            continue
        keyword = str(path[0])
        changed = _rewritten(part, change, depth + 1)
        if len(path) == 1:
            copy[keyword] = changed
            continue
        if copy[keyword] is schema[keyword]:
            copy[keyword] = schema[keyword].copy()
        copy[keyword][path[1]] = changed
    change(copy)
    return copy


def _plain_words(schema: dict[str, Json]) -> None:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        beside = schema.get(exclusive)
        if isinstance(beside, bool):
            del schema[exclusive]
            if beside and bound in schema:
                schema[exclusive] = schema.pop(bound)
    if schema.get("nullable") is True:
        _let_null_through(schema)


def _let_null_through(schema: dict[str, Json]) -> None:
    if not schema.keys().isdisjoint(_NEVER_NULL):
        inner = {key: schema.pop(key) for key in schema.keys() - _ANYWHERE}
        schema["anyOf"] = [inner, {"type": "null"}]
        return
    kind, values = schema.get("type"), schema.get("enum")
    if kind is not None:
        kinds = kind if isinstance(kind, list) else [kind]
        schema["type"] = kinds if "null" in kinds else [*kinds, "null"]
    if isinstance(values, list) and None not in values:
        schema["enum"] = [*values, None]


def _near_bounds(schema: dict[str, Json]) -> None:
    for keyword in (*_UPPER, *_SIZES):
        if _beyond(schema.get(keyword)) > 0:
            _bound(schema, keyword, "maximum", INTEGER_MAX, min)
    for keyword in _LOWER:
        if _beyond(schema.get(keyword)) < 0:
            _bound(schema, keyword, "minimum", -INTEGER_MAX, max)


def _bound(
    schema: dict[str, Json],
    keyword: str,
    inclusive: str,
    outermost: int,
    tighter: Callable[..., Json],
) -> None:
    """Puts the outermost integer in the place of a bound that is beyond it; as the outermost is let
    through, an exclusive bound becomes an inclusive one.
    """
    if not keyword.startswith("exclusive"):
        schema[keyword] = outermost
        return
    del schema[keyword]
    beside = schema.get(inclusive, outermost)
    schema[inclusive] = tighter(beside, outermost) if _is_number(beside) else beside


def _beyond(value: Json) -> int:
    """1 or -1 if a bound is beyond the integers that every reader carries, on that side; else 0. A
    fraction with an exponent keeps its form in every writer.
    """
    far = _is_number(value) and abs(value) > INTEGER_MAX
    if not far or (isinstance(value, float) and abs(value) >= _EXPONENT_FROM):
        return 0
    return 1 if value > 0 else -1


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
