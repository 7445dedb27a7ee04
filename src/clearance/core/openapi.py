"""What tools borrow from OpenAPI 3.0: `nullable: true`, which JSON Schema does not know."""

from __future__ import annotations

from collections.abc import Mapping

from clearance.core.canonical import Json

_BY_NAME = frozenset(
    {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies"}
)
_DATA = frozenset({"const", "enum", "default", "example", "examples"})
_NULL = {"type": "null"}


def as_json_schema(schema: Json) -> Json:
    """The schema with every `nullable: true` as JSON Schema says it."""
    if isinstance(schema, list | tuple):
        return [as_json_schema(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    plain = {key: _part(key, part) for key, part in schema.items()}
    if plain.get("nullable") is not True:
        return plain
    del plain["nullable"]
    if "const" in plain or not plain.keys().isdisjoint({"$ref", "allOf", "anyOf", "oneOf"}):
        return {"anyOf": [plain, _NULL]}
    if "type" in plain:
        kinds = plain["type"]
        plain["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]
    if "enum" in plain:
        plain["enum"] = [*plain["enum"], None]
    return plain


def _part(key: str, part: Json) -> Json:
    if key in _DATA:
        return part
    if key in _BY_NAME and isinstance(part, Mapping):
        return {name: as_json_schema(inside) for name, inside in part.items()}
    return as_json_schema(part)
