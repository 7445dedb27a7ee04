"""A JSON Schema as Clearance understands it: which values can stand where, and which names an
object takes.

A *place* is where a value stands, with every subschema that speaks about it there. Its own
keywords, `allOf` and `$ref` hold for certain; the branches of `anyOf`, `oneOf`, `if`, `then`,
`else` and the dependent schemas hold possibly. Places are made when they are first needed, and are
known by the subschemas in them, which brings a schema that refers to itself to an end.

Whether a value *fits* is the validator's business. This file finds what the validator does not look
at: names that no branch declares, numbers with more decimals than their scale, and integers that
not every JSON reader carries exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias, TypeGuard, TypeVar
from urllib.parse import unquote

import jsonschema_rs

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.dialect import places
from clearance.core.units import in_units
from clearance.core.validation import schema_validator

SCALE_MAX = 10**6  # units of which one is made

Path: TypeAlias = tuple[str | int, ...]
Node: TypeAlias = Mapping[str, Json]
T = TypeVar("T")

NUMBER = frozenset({"integer", "fraction"})
ANY = frozenset({"null", "boolean", "string", "array", "object"}) | NUMBER
"""The kinds of JSON values. `number` is two of them: 5.0 is an integer."""

_KINDS = {kind: frozenset({kind}) for kind in ANY} | {"number": NUMBER}
_ANYTHING: Node = {}
_NOTHING: Node = {"not": {}}
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_ALTERNATIVES = ("anyOf", "oneOf")
_CONDITIONALS = ("if", "then", "else")
_DEPENDENT = ("dependentSchemas", "dependencies")
_IN_PLACE = frozenset({*_ALTERNATIVES, *_CONDITIONALS, *_DEPENDENT, *REFERENCES, "allOf"})
_OTHERS = ("additionalProperties", "unevaluatedProperties")
_OLD_DRAFTS = ("draft-03", "draft-04", "draft-06", "draft-07")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


def kind_of(value: Json) -> str:
    """The kind of a JSON value: a member of `ANY`."""
    if isinstance(value, str):
        return "string"
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "fraction"
    return "object" if isinstance(value, Mapping) else "array"


# --- Places ---


@dataclass(frozen=True, eq=False)
class SchemaPlace:
    """Where a value stands: the subschemas that speak about it for certain, and possibly."""

    certain: tuple[Node, ...]
    possible: tuple[Node, ...]
    _schema: CompiledSchema = field(repr=False)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Every subschema that speaks about the value."""
        return self.certain + self.possible

    @cached_property
    def _checked_kinds(self) -> frozenset[str]:
        kinds = [self._schema.kinds(node) for node in self.certain or self.possible]
        if self.certain:
            return ANY.intersection(*kinds)
        return frozenset().union(*kinds) if kinds else ANY

    @property
    def is_checked(self) -> bool:
        """True if the validator refuses values of other kinds than `kinds`."""
        return bool(self.certain) and self._checked_kinds != ANY

    @cached_property
    def kinds(self) -> frozenset[str]:
        """The kinds of values that can stand here. Where there is no type, `properties` counts as
        an object and `items` as a list.
        """
        meant = {
            kind
            for keyword, kind in (("properties", "object"), ("items", "array"))
            if any(keyword in node for node in self.nodes)
        }
        return frozenset(meant or ANY) if self._checked_kinds == ANY else self._checked_kinds

    @cached_property
    def values(self) -> tuple[Json, ...] | None:
        """The only values that can stand here (`enum`, `const`), if the schema says for certain
        which.
        """
        known = (self._schema.values(node) for node in self.certain)
        return next((values for values in known if values is not None), None)

    @cached_property
    def names(self) -> dict[str, SchemaPlace]:
        """The properties that any branch declares; beside some, one that is only demanded counts
        too, or no object would fit.
        """
        declared = [name for node in self.nodes for name in mapping(node, "properties")]
        if declared or self is self._schema.root:
            declared += [name for node in self.nodes for name in _sequence(node, "required")]
        return {name: self._part(name) for name in declared if isinstance(name, str)}

    @cached_property
    def required(self) -> frozenset[Json]:
        """The names that every valid object has."""
        return frozenset(
            name
            for node in self.certain
            for name in _sequence(node, "required")
            if isinstance(name, str)
        )

    @cached_property
    def takes_others(self) -> bool:
        """True if an object may have other names than the declared: the schema says that it may, or
        it declares none at all, which makes it a map. The parameters themselves are no map.
        """
        if self.names_others is not None:
            return self.names_others
        return not (self.names or self.has_patterns) or self._may_be_a_map

    @cached_property
    def names_others(self) -> bool | None:
        """Whether the schema says that an object may have other names; None if it is silent."""
        explicit = [node[key] for node in self.nodes for key in _OTHERS if key in node]
        if any(others is not False for others in explicit):
            return True
        return False if explicit or self is self._schema.root else None

    @cached_property
    def _may_be_a_map(self) -> bool:
        """True if an alternative is a map, and nothing that is certain declares names."""
        if any(mapping(node, "properties") for node in self.certain):
            return False
        alternatives = (
            self._schema.place([part], [])
            for node in self.nodes
            for keyword in _ALTERNATIVES
            for part in _sequence(node, keyword)
        )
        return any(
            place.is_checked
            and "object" in place.kinds
            and not place.names
            and (place.names_others or not place.has_patterns)
            and place.names_others is not False
            for place in alternatives
            if place is not self
        )

    @cached_property
    def has_patterns(self) -> bool:
        """True if names are declared by pattern."""
        return bool(self._patterns)

    def other(self, name: str) -> SchemaPlace | None:
        """The place of a name that is not among the declared; None if no object may have it."""
        matched = tuple(p for p in self._patterns if self._schema.matches(p, name))
        if not matched and not self.takes_others:
            return None
        if matched not in self._by_patterns:  # names that match the same stand in one place
            self._by_patterns[matched] = self._part(name)
        return self._by_patterns[matched]

    def takes(self, names: Iterable[str]) -> bool:
        """True if an object may have all of these names, declared or not."""
        if self.takes_others:
            return True
        undeclared = dict.fromkeys(name for name in names if name not in self.names)
        return not undeclared or (self.has_patterns and self._any_pattern.is_valid(undeclared))

    @cached_property
    def _patterns(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(p for node in self.nodes for p in mapping(node, "patternProperties"))
        )

    @cached_property
    def _by_patterns(self) -> dict[tuple[str, ...], SchemaPlace]:
        return {}

    @cached_property
    def _any_pattern(self) -> jsonschema_rs.Validator:
        patterns = [{"pattern": pattern} for pattern in self._patterns]
        return schema_validator({"propertyNames": {"anyOf": patterns}})

    @cached_property
    def others(self) -> SchemaPlace:
        """The place of every value of a map."""
        return self._inside(
            _others_of, "unevaluatedProperties", _takes_additional, alternatives=self.has_patterns
        )

    @cached_property
    def items(self) -> SchemaPlace:
        """The place of the items of a list, at whatever position."""
        left = any("unevaluatedItems" in node for node in self.nodes)
        return self._inside(
            _items_of,
            "unevaluatedItems",
            lambda node: "items" in node and not isinstance(node["items"], list | tuple),
            alternatives=any(
                "prefixItems" in node
                or isinstance(node.get("items"), list | tuple)
                or (left and "contains" in node)
                for node in self.nodes
            ),
        )

    @cached_property
    def items_max(self) -> int | None:
        """The most items of a list, if the schema says how many."""
        limits = (node.get("maxItems") for node in self.certain)
        return min((int(limit) for limit in limits if isinstance(limit, int | float)), default=None)

    @cached_property
    def scale(self) -> int | None:
        """The `x-scale` of a number: so many units make one. None if there is none, if subschemas
        declare several, or if an integer declares it, which counts units already.
        """
        scaled = [node for node in self.nodes if "x-scale" in node]
        scales = [node["x-scale"] for node in scaled if "number" in _types(node)]
        scale = scales[0] if scales and scales.count(scales[0]) == len(scaled) else None
        return scale if type(scale) is int and 1 <= scale <= SCALE_MAX else None

    def units(self, scale: int) -> range | None:
        """The units that a number can come to, of which `scale` make one; None if the schema sets
        no bound.
        """
        least, greatest = [-INTEGER_MAX], [INTEGER_MAX]
        for node in self.certain:
            bounds = {
                key: in_units(node[key], scale) for key in _BOUNDS if _is_bound(node.get(key))
            }
            least += [math.ceil(bounds[key]) for key in bounds if key == "minimum"]
            least += [math.floor(bounds[key]) + 1 for key in bounds if key == "exclusiveMinimum"]
            greatest += [math.floor(bounds[key]) for key in bounds if key == "maximum"]
            greatest += [math.ceil(bounds[key]) - 1 for key in bounds if key == "exclusiveMaximum"]
        if len(least) == len(greatest) == 1:
            return None
        return range(max(least), min(greatest) + 1)

    @cached_property
    def lengths(self) -> range:
        """The lengths that a list can have."""
        known = [node.get("minItems") for node in self.certain]
        least = max((math.ceil(limit) for limit in known if _is_bound(limit)), default=0)
        return range(least, (INTEGER_MAX if self.items_max is None else self.items_max) + 1)

    @cached_property
    def keys(self) -> SchemaPlace:
        """The place of every name of an object."""
        return self._schema.place(_under(self.certain, "propertyNames"), [])

    @cached_property
    def reads_as(self) -> str | None:
        """What the owner declares a text to be (`x-read`)."""
        declared = [node["x-read"] for node in self.nodes if "x-read" in node]
        first = declared[0] if declared else None
        return first if isinstance(first, str) and declared.count(first) == len(declared) else None

    @property
    def is_waived(self) -> bool:
        """True if the owner says that policy need not read it (`x-policy: unread`)."""
        return any(node.get("x-policy") == "unread" for node in self.certain)

    @cached_property
    def is_exact_number(self) -> bool:
        """True if every number that can stand here is a whole number of units: it has a scale, or
        nothing but an integer can stand here.
        """
        return self.scale is not None or self.kinds - {"null"} == {"integer"}

    def _part(self, name: str) -> SchemaPlace:
        return self._inside(
            lambda node: self._schema.parts_of(node, name),
            "unevaluatedProperties",
            lambda node: self._schema.evaluates(node, name),
        )

    def _inside(
        self,
        parts_of: Callable[[Node], Iterable[Json]],
        unevaluated: str,
        evaluates: Callable[[Node], bool],
        *,
        alternatives: bool = False,
    ) -> SchemaPlace:
        """The place that `parts_of` the nodes lead to. The keyword `unevaluated` speaks about it
        only where no node `evaluates` it, and perhaps where a possible one does.
        """
        certain = [part for node in self.certain for part in parts_of(node)]
        possible = [part for node in self.possible for part in parts_of(node)]
        if not any(map(evaluates, self.certain)):
            perhaps = self._schema.is_old or any(map(evaluates, self.possible))
            (possible if perhaps else certain).extend(_under(self.certain, unevaluated))
            possible += _under(self.possible, unevaluated)
        if alternatives:
            certain, possible = [], certain + possible
        return self._schema.place(certain, possible)


class CompiledSchema:
    """A JSON Schema with its places, made when they are needed.

    `schema` must not change afterwards: places are known by the identity of its parts.
    """

    def __init__(self, schema: Node) -> None:
        self.schema = schema
        # There, `$ref` silences what stands beside it, and `unevaluated...` is no keyword.
        self.is_old = any(draft in str(schema.get("$schema")) for draft in _OLD_DRAFTS)
        self._places: dict[tuple[tuple[int, ...], tuple[int, ...]], SchemaPlace] = {}
        self._kinds: dict[int, frozenset[str]] = {}
        self._values: dict[int, tuple[Json, ...] | None] = {}
        self._ours: dict[int, Node] = {}
        self._patterns: dict[str, jsonschema_rs.Validator] = {}
        self.root = self.place([schema], [])

    def place(self, certain: Sequence[Json], possible: Sequence[Json]) -> SchemaPlace:
        """The place about which these subschemas speak, with what they bring in."""
        rest = list(possible)
        if len(certain) == 1 and not rest and _IN_PLACE.isdisjoint(node_of(certain[0])):
            node = node_of(certain[0])  # by far the most are alone
            sure, maybe = {id(node): node}, {}
        else:
            sure = self._certain(certain, rest)
            maybe = {key: node for key, node in self._possible(rest).items() if key not in sure}
        key = (tuple(sure), tuple(maybe))
        if key not in self._places:
            self._places[key] = SchemaPlace(tuple(sure.values()), tuple(maybe.values()), self)
        return self._places[key]

    def _certain(self, parts: Iterable[Json], rest: list[Json]) -> dict[int, Node]:
        """What holds for certain if `parts` do; what they bring in beside it is added to `rest`."""
        nodes: dict[int, Node] = {}
        waiting = list(parts)
        while waiting:
            node = node_of(waiting.pop(0))
            if id(node) in nodes:
                continue
            nodes[id(node)] = node
            waiting += self._referenced(node)
            if self._is_silenced(node):
                rest.append(node)
                nodes[id(node)] = self._ours.setdefault(id(node), _ours(node))
                continue
            waiting += _sequence(node, "allOf")
            rest += _branches(node)
        return {id(node): node for node in nodes.values()}

    def _possible(self, parts: Iterable[Json]) -> dict[int, Node]:
        nodes: dict[int, Node] = {}
        waiting = list(parts)
        while waiting:
            node = node_of(waiting.pop(0))
            if id(node) not in nodes:
                nodes[id(node)] = node
                waiting += [*self._referenced(node), *_sequence(node, "allOf"), *_branches(node)]
        return nodes

    def _is_silenced(self, node: Node) -> bool:
        return self.is_old and "$ref" in node

    def kinds(self, node: Node) -> frozenset[str]:
        """The kinds of values that a subschema allows, and perhaps more."""
        return self._settled(node, self._kinds, ANY, self._kinds_of)

    def _kinds_of(self, node: Node, known: Callable[[Json], frozenset[str]]) -> frozenset[str]:
        if node is _NOTHING:
            return frozenset()
        kinds = ANY.intersection(*map(known, self._referenced(node)))
        if self._is_silenced(node):
            return kinds
        if types := _types(node):
            kinds &= frozenset().union(*(_KINDS.get(kind, ANY) for kind in types))
        if (values := _own_values(node)) is not None:
            kinds &= frozenset(map(kind_of, values))
        for part in _sequence(node, "allOf"):
            kinds &= known(part)
        for keyword in _ALTERNATIVES:
            if parts := _sequence(node, keyword):
                kinds &= frozenset().union(*map(known, parts))
        return kinds | {"null"} if node.get("nullable") is True else kinds

    def values(self, node: Node) -> tuple[Json, ...] | None:
        """The only values that a subschema allows, and perhaps more; None if it does not say."""
        return self._settled(node, self._values, None, self._values_of)

    def _values_of(
        self, node: Node, known: Callable[[Json], tuple[Json, ...] | None]
    ) -> tuple[Json, ...] | None:
        certain = [known(part) for part in self._referenced(node)]
        if not self._is_silenced(node):
            certain.insert(0, _own_values(node))
            certain += [known(part) for part in _sequence(node, "allOf")]
            for keyword in _ALTERNATIVES:
                certain.append(_together([known(part) for part in _sequence(node, keyword)]))
        if set(_types(node)) == {"null"}:
            certain.append((None,))
        return next((values for values in certain if values is not None), None)

    def _settled(
        self,
        node: Node,
        settled: dict[int, T],
        unknown: T,
        answer: Callable[[Node, Callable[[Json], T]], T],
    ) -> T:
        """The answer about a subschema, by the answers about those that hold in its place.

        Without recursion, as a chain of references can be longer than the stack. A subschema that
        comes back to itself is `unknown` there. What is not settled is seen by no other thread.
        """
        if id(node) in settled:
            return settled[id(node)]
        answers: dict[int, T] = {}
        waiting = [(node, False)]
        while waiting:
            current, is_ready = waiting.pop()
            if is_ready:
                answers[id(current)] = answer(current, lambda part: answers[id(node_of(part))])
            elif id(current) not in answers:
                answers[id(current)] = settled.get(id(current), unknown)
                if id(current) not in settled:
                    waiting.append((current, True))
                    waiting += [(node_of(part), False) for part in self._in_place(current)]
        settled.update(answers)
        return settled[id(node)]

    def _in_place(self, node: Node) -> list[Json]:
        """What holds in the place of a node, certainly or as an alternative."""
        keywords = () if self._is_silenced(node) else ("allOf", *_ALTERNATIVES)
        beside = [part for keyword in keywords for part in _sequence(node, keyword)]
        return self._referenced(node) + beside

    def parts_of(self, node: Node, name: str) -> list[Json]:
        """The subschemas of a node for the property `name`."""
        return self._declared(node, name) or _under([node], "additionalProperties")

    def evaluates(self, node: Node, name: str) -> bool:
        """Whether a node by itself speaks about the property `name`; what it leaves over is a
        matter of `unevaluatedProperties`.
        """
        return _takes_additional(node) or bool(self._declared(node, name))

    def _declared(self, node: Node, name: str) -> list[Json]:
        properties = mapping(node, "properties")
        parts = [properties[name]] if name in properties else []
        return parts + [
            part
            for pattern, part in mapping(node, "patternProperties").items()
            if self.matches(pattern, name)
        ]

    def matches(self, pattern: str, name: str) -> bool:
        """Whether a name matches, as the validator would say."""
        if pattern not in self._patterns:
            self._patterns[pattern] = schema_validator({"pattern": pattern})
        return self._patterns[pattern].is_valid(name)

    def _referenced(self, node: Node) -> list[Json]:
        return [self.target(node[key]) for key in REFERENCES if isinstance(node.get(key), str)]

    def target(self, reference: str) -> Json:
        """The part that a local reference leads to; anything, if it leads nowhere."""
        fragment = unquote(reference.removeprefix("#"))
        if not reference.startswith("#"):
            return _ANYTHING
        if fragment and not fragment.startswith("/"):
            return self._anchors.get(fragment, _ANYTHING)
        part: Json = self.schema
        for step in fragment.split("/")[1:]:
            part = _stepped(part, step.replace("~1", "/").replace("~0", "~"))
        return part

    @cached_property
    def _anchors(self) -> dict[str, Node]:
        return {name: node for _, name, node in anchors(self.schema)}


def anchors(schema: Node) -> Iterator[tuple[Path, str, Node]]:
    """The names that subschemas give themselves, each with the path and the subschema."""
    is_old = any(draft in str(schema.get("$schema")) for draft in _OLD_DRAFTS)
    for path, node in places(schema):
        for key in ("$id", "id") if is_old else ("$anchor", "$dynamicAnchor"):
            name = node.get(key)
            if isinstance(name, str) and (name.startswith("#") or not is_old):
                yield path, name.removeprefix("#"), node


def node_of(part: Json) -> Node:
    """A subschema as an object, `true` and `false` too."""
    return part if isinstance(part, Mapping) else _NOTHING if part is False else _ANYTHING


def _ours(node: Node) -> Node:
    """The keywords of ours beside a reference, which are none of the validator's business."""
    return {key: value for key, value in node.items() if key in {"x-policy", "x-read"}}


def mapping(node: Node, key: str) -> Mapping[str, Json]:
    """The object that a keyword has; empty if it has none."""
    value = node.get(key)
    return value if isinstance(value, Mapping) else _ANYTHING


def _sequence(node: Node, key: str) -> list[Json]:
    value = node.get(key)
    return list(value) if isinstance(value, list | tuple) else []


def _branches(node: Node) -> list[Json]:
    """The subschemas that may or may not hold in place."""
    parts = [part for keyword in _ALTERNATIVES for part in _sequence(node, keyword)]
    parts += [node[keyword] for keyword in _CONDITIONALS if keyword in node]
    for keyword in _DEPENDENT:
        parts += [part for part in mapping(node, keyword).values() if isinstance(part, Mapping)]
    return parts


def _types(node: Node) -> list[str]:
    kind = node.get("type")
    kinds = [kind] if isinstance(kind, str) else _sequence(node, "type")
    return [each for each in kinds if isinstance(each, str)]


def _own_values(node: Node) -> tuple[Json, ...] | None:
    if "const" in node:
        return (node["const"],)
    return tuple(node["enum"]) if isinstance(node.get("enum"), list | tuple) else None


def _together(known: Sequence[tuple[Json, ...] | None]) -> tuple[Json, ...] | None:
    """The values of alternatives, if all of them say which."""
    values = [value for alternative in known for value in alternative or ()]
    return tuple(values) if known and None not in known else None


def _is_bound(value: Json) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _others_of(node: Node) -> list[Json]:
    patterns = mapping(node, "patternProperties").values()
    return [*patterns, *_under([node], "additionalProperties")]


def _takes_additional(node: Node) -> bool:
    return "additionalProperties" in node


def _under(nodes: Iterable[Node], keyword: str) -> list[Json]:
    """The subschemas that a keyword has. `false` says of items only that there are no more."""
    parts = [node[keyword] for node in nodes if keyword in node]
    return parts if keyword.endswith("Properties") else [part for part in parts if node_of(part)]


def _items_of(node: Node) -> list[Json]:
    items = node.get("items")
    if not isinstance(items, list | tuple):
        return [*([items] if "items" in node else []), *_sequence(node, "prefixItems")]
    more = [node["additionalItems"]] if mapping(node, "additionalItems") else []
    return [*items, *_sequence(node, "prefixItems"), *more]


def _stepped(part: Json, step: str) -> Json:
    if isinstance(part, Mapping):
        return part.get(step, _ANYTHING)
    if isinstance(part, list | tuple) and step.isdecimal() and int(step) < len(part):
        return part[int(step)]
    return _ANYTHING
