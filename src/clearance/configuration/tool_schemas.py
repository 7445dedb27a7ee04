"""A JSON Schema of arguments, looked at beside another one: which names it knows and requires, and
whether it takes all that the other one allows.

Both are read as the rest of Clearance reads a schema (`CompiledSchema`). Names of all branches
count together. A tool that declares properties and is silent about others counts as closed, as many
servers drop what they do not know. The schemas may be hostile: nothing is inlined, and what is too
large is not compared.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jsonschema_rs

from clearance.core.canonical import Json
from clearance.core.defaults import chain
from clearance.core.dialect import as_validated
from clearance.core.intent import DEPTH_MAX
from clearance.core.schema import ANY, CompiledSchema, Node, SchemaPlace, kind_of, mapping, node_of
from clearance.core.tool_pin import TEXTS, without

COMPARED_BYTES_MAX = 32 * 1024  # of one argument's schema, with the definitions that it may use
SHOWN_LENGTH_MAX = 80  # characters of a value or a schema in a sentence

_ALTERNATIVES = ("anyOf", "oneOf")
_SHARED = ("$defs", "definitions")
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
_SAMPLES: tuple[Json, ...] = ("text", "", 0, 1, -1, 0.5, True, None, [], {}, ["text"], [1])

Schema = Mapping[str, Json]


@dataclass(frozen=True)
class Side:
    """One of the two schemas, at one place. `whole` is that place, where `null` may stand too."""

    schema: CompiledSchema
    whole: SchemaPlace

    @classmethod
    def of(cls, schema: Schema) -> Side:
        """A schema, at its root."""
        draft = {key: schema[key] for key in ("$schema",) if key in schema}
        plain = as_validated({key: part for key, part in schema.items() if key not in draft})
        compiled = CompiledSchema({**plain, **draft})
        return cls(compiled, compiled.root)

    @cached_property
    def place(self) -> SchemaPlace:
        """The place of the values that are not `null`."""
        place = self.whole
        for _ in range(DEPTH_MAX):
            known = set(map(id, place.certain))
            more = [part for part in self._without_null(place) if id(part) not in known]
            if not more:
                break
            place = self.schema.place([*place.certain, *more], place.possible)
        return place

    def _without_null(self, place: SchemaPlace) -> Iterator[Node]:
        """The only branches that something other than `null` can fit."""
        for node in place.certain:
            for keyword in _ALTERNATIVES:
                parts = node.get(keyword)
                parts = list(map(node_of, parts)) if isinstance(parts, list | tuple) else []
                others = [part for part in parts if self.schema.kinds(part) != {"null"}]
                if len(others) == 1 < len(parts):
                    yield others[0]

    @property
    def names(self) -> Mapping[str, SchemaPlace]:
        """The properties that any branch declares."""
        return self.place.names

    @property
    def required(self) -> frozenset[str]:
        """The properties that every object has."""
        return self.place.required

    @cached_property
    def declares(self) -> bool:
        """True if it has properties."""
        return any("properties" in node for node in self.place.nodes)

    @property
    def open(self) -> bool:
        """True if it takes names that it does not declare."""
        return not self.declares or self.place.takes_others or self.place.has_patterns

    def takes(self, name: str) -> bool:
        """True if a name can be sent without being refused or dropped, as far as it tells."""
        return name in self.names or self.open

    def child(self, name: str) -> Side | None:
        """A property's side; None if its schema depends on a branch."""
        return self._known(self.names[name])

    def items(self) -> Side | None:
        """The side of a list's items; None if it is no list of one kind of items."""
        listed = "array" in self.place.kinds and any("items" in node for node in self.place.certain)
        return self._known(self.place.items) if listed else None

    def _known(self, place: SchemaPlace) -> Side | None:
        return Side(self.schema, place) if place.certain else None

    def default(self, name: str) -> Json:
        """The value that a property says is taken where it is left out, in whatever branch; None if
        it says none.
        """
        defaults = (node.get("default") for node in self.names[name].nodes)
        return next((default for default in defaults if default is not None), None)

    def always(self, name: str) -> bool:
        """True if a property is there in everything that we send: with the default that we fill
        in, if nothing else.
        """
        return name in self.required or any(
            link.get("default") is not None
            for node in self.place.certain[:1]
            for part, _ in chain(self.schema, node)
            if name in mapping(part, "properties")
            for link, _ in chain(self.schema, node_of(mapping(part, "properties")[name]))
        )

    def alone(self) -> Schema:
        """The schema as one that needs no other."""
        root = self.schema.schema
        shared = {name: root[name] for name in _SHARED if name in root}
        parts = list(filter(None, map(self._own, self.whole.certain)))
        return {**shared, **(parts[0] if len(parts) == 1 else {"allOf": parts} if parts else {})}

    def _own(self, node: Node) -> Schema:
        """A node without what stands beside it at its place already."""
        brought = {"allOf", *_SHARED}
        reference = node.get("$ref")
        if isinstance(reference, str) and self.schema.target(reference) != {}:
            brought.add("$ref")
        return {key: part for key, part in node.items() if key not in brought}

    @property
    def says_something(self) -> bool:
        """True if it says anything of the values."""
        return not self.alone().keys() <= set(_SHARED)

    def in_words(self) -> str:
        """What it takes, for a sentence."""
        return _cut(without(self.alone(), {*TEXTS, *_SHARED, "default"}))


def not_taken(tool: Side, sent: Side) -> list[Json] | None:
    """A value that `sent` allows and that has a type which `tool` does not take, or an empty list
    if there is one, and it is not known which. None if there is none, or none is certain.

    A value that the catalog itself names has to be within the tool's bounds, too.
    """
    ours, theirs = sent.alone(), tool.alone()
    if not sent.says_something or _bytes(ours, theirs) > COMPARED_BYTES_MAX:
        return None
    try:
        types = without(theirs, _BOUNDS)
        for schema, values in ((theirs, _named_values(sent)), (types, _SAMPLES)):
            if (refused := _refused(schema, ours, values)) is not None:
                return refused
        covers = _canonical(types).covers(_canonical(ours))
    except Exception:  # a schema that cannot be compared proves nothing
        return None
    return [] if covers is jsonschema_rs.canonical.Containment.NO else None


def kind_not_taken(tool: Side, sent: Side) -> list[Json] | None:
    """The same of the kind of a value alone, whatever is in it."""
    taken = tool.whole.kinds if tool.whole.is_checked else ANY
    ours = sent.alone()
    if _bytes(ours) > COMPARED_BYTES_MAX:
        return None
    others = [value for value in _SAMPLES if kind_of(value) not in taken]
    try:
        return _refused({"not": {}}, ours, others)
    except Exception:  # as above
        return None


def in_short(value: Json) -> str:
    """A value for a sentence."""
    return _cut(value)


def _bytes(*schemas: Schema) -> int:
    return max(len(json.dumps(schema)) for schema in schemas)


def _refused(theirs: Json, ours: Json, values: Sequence[Json]) -> list[Json] | None:
    accepts, allows = (
        jsonschema_rs.validator_for(schema, validate_formats=False, offline=True)
        for schema in (theirs, ours)
    )
    refused = (value for value in values if allows.is_valid(value) and not accepts.is_valid(value))
    return next(([value] for value in refused), None)


def _named_values(sent: Side) -> list[Json]:
    """The values that a schema names one by one."""
    named: list[Json] = []
    for node in sent.whole.certain:
        named += node["enum"] if isinstance(node.get("enum"), list) else ()
        named += [node["const"]] if "const" in node else []
    return named


def _canonical(schema: Json) -> Any:
    plain = {name: part for name, part in schema.items() if name != "$schema"}
    return jsonschema_rs.canonicalize(plain, validate_formats=False, offline=True)


def _cut(value: Json) -> str:
    text = json.dumps(value)
    return text if len(text) <= SHOWN_LENGTH_MAX else text[: SHOWN_LENGTH_MAX - 1] + "…"
