"""A JSON Schema of arguments, looked at beside another one: which names it knows and requires, and
whether it takes all that the other one allows.

Names of all branches (`allOf`, `anyOf`, `oneOf`, `if`) count together. A tool that declares
properties and is silent about others counts as closed, as many servers drop what they do not know.
The schemas may be hostile: nothing is inlined, and what is too large is not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import jsonschema_rs

from clearance.core.canonical import Json
from clearance.core.intent import DEPTH_MAX
from clearance.core.tool_pin import TEXTS, without

COMPARED_BYTES_MAX = 32 * 1024  # of one argument's schema, with the definitions that it may use
PARTS_MAX = 1_000  # branches of one schema that are looked at
SHOWN_LENGTH_MAX = 80  # characters of a value or a schema in a sentence

_BRANCHES = ("allOf", "anyOf", "oneOf")
_CONDITIONS = ("if", "then", "else")
_OTHERS = ("additionalProperties", "unevaluatedProperties")
_BOUNDS = frozenset(
    {
        "contains",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "pattern",
        "uniqueItems",
    }
)
"""What limits the values of a type: a tool that refuses one of them does so in its answer."""
_SAMPLES: tuple[Json, ...] = ("text", "", 0, 1, -1, 0.5, True, None, [], {}, ["text"])

Schema = Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two schemas, at one place, with references resolved and `null` set apart.

    A property whose schema depends on a branch is None. `declares`: it has properties. `open`: it
    takes names that it does not declare.
    """

    root: Schema
    schema: Schema
    nullable: bool = False
    properties: Mapping[str, Json | None] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    declares: bool = False
    open: bool = True

    @classmethod
    def of(cls, schema: Json, root: Schema | None = None) -> Side:
        """A schema, which is its own root if none is given."""
        root = schema if root is None else root
        node, nullable = _without_null(schema, root)
        certain = list(islice(_parts(node, root), PARTS_MAX))
        possible = list(islice(_parts(node, root, every=True), PARTS_MAX))
        properties: dict[str, Json | None] = {}
        for part in certain:
            for name, child in _mapping(part, "properties").items():
                properties.setdefault(name, child)
        for part in possible:
            properties |= dict.fromkeys(_mapping(part, "properties").keys() - properties.keys())
        declares = any("properties" in part for part in possible)
        return cls(
            root,
            node,
            nullable=nullable,
            properties=properties,
            required=frozenset(name for part in certain for name in _names(part.get("required"))),
            declares=declares,
            open=not declares or len(possible) == PARTS_MAX or any(map(_takes_others, possible)),
        )

    def takes(self, name: str) -> bool:
        """True if a name can be sent without being refused or dropped, as far as it tells."""
        return name in self.properties or self.open

    def child(self, name: str) -> Side | None:
        """A property's schema; None if it depends on a branch."""
        schema = self.properties[name]
        return None if schema is None else Side.of(schema, self.root)

    def default(self, name: str) -> Json:
        """The value that a property says is taken where it is left out; None if it says none."""
        child = self.child(name)
        own = self.properties[name]
        if isinstance(own, Mapping) and "default" in own:
            return own["default"]
        return None if child is None else child.schema.get("default")

    def always(self, name: str) -> bool:
        """True if a property is there in every value, with its default if nothing else."""
        return name in self.required or (name in self.properties and self.default(name) is not None)

    def items(self) -> Side | None:
        """The objects that it is a list of, if they declare properties."""
        items = self.schema.get("items")
        if not isinstance(items, Mapping):
            return None
        side = Side.of(items, self.root)
        return side if side.declares else None

    def shallow(self) -> Side:
        """The same without what is in it: an object's properties, a list's items."""
        kind = self.schema.get("type") or ("object" if self.declares else "array")
        return Side({}, {"type": kind}, nullable=self.nullable)

    def alone(self) -> Schema:
        """The schema as one that needs no other."""
        shared = {name: self.root[name] for name in ("$defs", "definitions") if name in self.root}
        schema = {**shared, **self.schema}
        if not self.nullable:
            return schema
        inner = {name: part for name, part in schema.items() if name not in shared}
        return {**shared, "anyOf": [inner, {"type": "null"}]}

    def in_words(self) -> str:
        """What it takes, for a sentence."""
        return _cut(without(self.schema, {*TEXTS, "default"}))


def not_taken(tool: Side, sent: Side) -> list[Json] | None:
    """A value that `sent` allows and that has a type which `tool` does not take, or an empty list
    if there is one, and it is not known which. None if there is none, or nobody can tell.

    A value that the catalog itself names has to be within the tool's bounds, too.
    """
    if not sent.schema:  # it is not known what is sent
        return None
    ours, theirs = sent.alone(), tool.alone()
    if max(len(json.dumps(schema)) for schema in (ours, theirs)) > COMPARED_BYTES_MAX:
        return None
    try:
        types = without(theirs, _BOUNDS)
        for schema, values in ((theirs, _named_values(ours)), (types, _SAMPLES)):
            if (refused := _refused(schema, ours, values)) is not None:
                return refused
        covers = _canonical(types).covers(_canonical(ours))
    except Exception:  # a schema that cannot be compared proves nothing
        return None
    return [] if covers is jsonschema_rs.canonical.Containment.NO else None


def in_short(value: Json) -> str:
    """A value for a sentence."""
    return _cut(value)


def _refused(theirs: Json, ours: Json, values: Sequence[Json]) -> list[Json] | None:
    accepts, allows = (
        jsonschema_rs.validator_for(schema, validate_formats=False, offline=True)
        for schema in (theirs, ours)
    )
    refused = (value for value in values if allows.is_valid(value) and not accepts.is_valid(value))
    return next(([value] for value in refused), None)


def _named_values(schema: Json) -> list[Json]:
    """The values that a schema names one by one."""
    return [*schema.get("enum", ()), *(schema[name] for name in ("const",) if name in schema)]


def _canonical(schema: Json) -> Any:
    plain = {name: part for name, part in schema.items() if name != "$schema"}
    return jsonschema_rs.canonicalize(plain, validate_formats=False, offline=True)


def _without_null(schema: Json, root: Schema) -> tuple[Schema, bool]:
    """The node that a schema stands for, and whether `null` may stand there too."""
    node, nullable = _resolved(schema, root), False
    for _ in range(DEPTH_MAX):
        choice = next((name for name in ("anyOf", "oneOf") if name in node), None)
        parts = node[choice] if choice else None
        if not isinstance(parts, list):
            break
        others = [part for part in parts if part != {"type": "null"}]
        if len(others) != 1 or len(parts) == 1 or node.keys() & {"properties", "type", "allOf"}:
            break
        node, nullable = _resolved(others[0], root), True
    kind = node.get("type")
    if isinstance(kind, list) and "null" in kind and len(kind) == 2:  # noqa: PLR2004
        node = {**node, "type": next(name for name in kind if name != "null")}
        nullable = True
    return node, nullable


def _resolved(schema: Json, root: Schema) -> Schema:
    node = schema
    for _ in range(DEPTH_MAX):
        reference = node.get("$ref") if isinstance(node, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            break
        node = _pointed_at(root, reference)
    return node if isinstance(node, Mapping) else {}


def _pointed_at(root: Json, reference: str) -> Json:
    node = root
    for part in reference.removeprefix("#").split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        node = node.get(key) if isinstance(node, Mapping) else None
    return node


def _parts(node: Schema, root: Schema, *, every: bool = False, depth: int = 0) -> Iterator[Schema]:
    """The node and the branches that all of its values fit; `every`: also those that only some
    fit.
    """
    yield node
    if depth == DEPTH_MAX:
        return
    for name in _BRANCHES if every else _BRANCHES[:1]:
        branches = node.get(name)
        for branch in branches if isinstance(branches, list) else ():
            yield from _parts(_resolved(branch, root), root, every=every, depth=depth + 1)
    for name in _CONDITIONS if every else ():
        if name in node:
            yield from _parts(_resolved(node[name], root), root, every=every, depth=depth + 1)


def _takes_others(part: Schema) -> bool:
    return "patternProperties" in part or any(
        part.get(name) is True or isinstance(part.get(name), Mapping) for name in _OTHERS
    )


def _mapping(part: Schema, name: str) -> Schema:
    content = part.get(name)
    return content if isinstance(content, Mapping) else {}


def _names(value: Json) -> list[str]:
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _cut(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"
