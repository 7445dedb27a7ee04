"""Whether a value fits a schema, and why it does not.

Whether it fits is known in microseconds. Why it does not can take seconds: the library collects the
errors of every branch before it gives the first one, and holds the whole process meanwhile. So the
errors are asked for only once a walk over schema and value has shown that they are few. Otherwise
each parameter is judged by itself, and the ones that do not fit are named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import jsonschema_rs

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.dialect import places
from clearance.core.schema import REFERENCES, CompiledSchema, Node, Path, mapping, node_of
from clearance.core.validation import looks_around, schema_validator

# Steps of the library that are waited for: a part of a schema looked at with a part of a value. It
# makes at most one error of each, in some 10 us.
STEPS_MAX = 300
NAMED_MAX = 20  # parameters of one value that are said not to fit
TEXT_OF_A_STEP = 2_000  # characters of a value, which an error may quote, that cost a step more
VALUES_OF_A_STEP = 100  # values of an `enum`, which an error holds, that cost a step more

# What takes more than linear time, however little of it does not fit. A text of LOOKED_AROUND_MAX
# characters takes some 8 ms under a pattern that looks ahead or back, and a longer one its square.
LOOKED_AROUND_MAX = 2_000  # characters of a text, or the root of the sum of their squares
LOOKS_MAX = 10_000  # at a part of a value with a part of a schema that has such keywords
NAME_PATTERNS_FEW = 20  # of one object, which cost little whatever its names are

_HERE = frozenset({"if", "then", "else", "not"})
_EACH_HERE = frozenset({"allOf", "anyOf", "oneOf", "dependencies", "dependentSchemas"})
_INSIDE = frozenset(
    {
        *("additionalItems", "additionalProperties", "contains", "items", "prefixItems"),
        *("patternProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties"),
    }
)
"""The keywords whose subschemas look at the value itself, and those that look at what is in it."""
_TOGETHER = frozenset(
    {
        *(_HERE | _EACH_HERE | {*REFERENCES}),
        *("required", "minProperties", "dependentRequired", "unevaluatedProperties"),
    }
)
"""The keywords that look at several names at once."""
_OF_EACH = ("properties", "patternProperties", "additionalProperties", "propertyNames")
"""The keywords that look at each name by itself."""


class Judge:
    """What says whether values fit a schema, and why not. ValueError for a bad schema."""

    def __init__(self, schema: CompiledSchema) -> None:
        self._schema = schema
        self._validator = schema_validator(schema.schema)
        self._alone = _alone(schema)
        self._dear = _dear_nodes(schema)

    def fits(self, value: Mapping[str, Json]) -> bool:
        """True if the value fits."""
        return not self._too_dear(value) and _fits(self._validator, value)

    def violations(self, value: Mapping[str, Json]) -> Iterator[tuple[Path, str]]:
        """The paths at which a value does not fit, and why; nothing if it fits."""
        whole = dict(value)
        if self._too_dear(whole):
            alone = [
                name
                for name, part in whole.items()
                if len(whole) == 1 or self._too_dear({name: part})
            ]
            yield from (((name,), TOO_DEAR) for name in alone[:NAMED_MAX])
            if not alone:
                yield (), TOO_DEAR
            return
        if _fits(self._validator, whole):
            return
        if _steps(self._schema, self._schema.schema, whole, STEPS_MAX) is not None:
            yield from _errors(self._validator, whole)
            return
        named = [*self._missing(whole), *self._unfit(whole)]
        yield from named or [((), "does not fit the schema")]

    def _too_dear(self, value: Mapping[str, Json]) -> bool:
        return bool(self._dear) and _is_too_dear(self._schema, self._dear, value)

    def _missing(self, value: Mapping[str, Json]) -> Iterator[tuple[Path, str]]:
        missing = self._schema.root.required.difference(value)
        yield from (((str(name),), "is required") for name in sorted(missing)[:NAMED_MAX])

    def _unfit(self, value: Mapping[str, Json]) -> Iterator[tuple[Path, str]]:
        """The parameters that do not fit whatever stands beside them, the first NAMED_MAX."""
        if self._alone is None:
            return
        schema, validator = self._alone
        left, named = STEPS_MAX, 0
        for name, part in value.items():
            alone = {name: part}
            if _fits(validator, alone):
                continue
            steps = _steps(schema, schema.schema, alone, left)
            if steps is None:
                yield (name,), "does not fit its schema"
            else:
                left -= steps
                yield from _errors(validator, alone)
            named += 1
            if named == NAMED_MAX:
                return


def _fits(validator: jsonschema_rs.Validator, value: Json) -> bool:
    try:
        return validator.is_valid(value)
    except ValueError:  # it nests deeper than the library goes
        return False


def _errors(validator: jsonschema_rs.Validator, value: Json) -> Iterator[tuple[Path, str]]:
    return ((tuple(error.instance_path), error.message) for error in validator.iter_errors(value))


def _alone(schema: CompiledSchema) -> tuple[CompiledSchema, jsonschema_rs.Validator] | None:
    """What the schema says about each parameter by itself; None if a reference leads into what says
    more.
    """
    root, certain = schema.schema, schema.root.certain
    together = _TOGETHER if root in certain else _TOGETHER | {*_OF_EACH}  # an old `$ref` silences
    kept = {keyword: part for keyword, part in root.items() if keyword not in together}
    others = [
        {keyword: node[keyword] for keyword in _OF_EACH if keyword in node}
        for node in certain
        if node is not root
    ]
    alone = CompiledSchema({**kept, "allOf": others} if any(others) else kept)
    try:
        return alone, schema_validator(alone.schema)
    except ValueError:
        return None


# --- What the verdict itself would cost ---

TOO_DEAR = (
    f"takes too long to check: under a pattern that looks ahead or back a text has at most "
    f"{LOOKED_AROUND_MAX} characters, a number with a multipleOf is at most {INTEGER_MAX}, and "
    f"such a schema takes at most {LOOKS_MAX} looks"
)


def _dear_nodes(schema: CompiledSchema) -> frozenset[int]:
    """The parts of a schema that may take more than linear time, by their identity."""
    return frozenset(id(node) for _, node in places(schema.schema) if _is_dear(node))


def _is_dear(node: Node) -> bool:
    return (
        ("pattern" in node and looks_around(node["pattern"]))
        or len(mapping(node, "patternProperties")) > NAME_PATTERNS_FEW
        or isinstance(node.get("multipleOf"), float)
    )


def _is_too_dear(schema: CompiledSchema, dear: frozenset[int], value: Json) -> bool:
    """True if the parts that are dear meet more than may be waited for.

    Each pair of a part and a value is looked at once, however often the schema comes to it: what
    the library does again, it remembers.
    """
    waiting, seen = [(node_of(schema.schema), value)], set[tuple[int, int]]()
    around = looks = 0
    while waiting:
        node, part = waiting.pop()
        if id(node) in dear:
            around += len(part) ** 2 if isinstance(part, str) and "pattern" in node else 0
            if _is_far(node, part) or around > LOOKED_AROUND_MAX**2:
                return True
        for pair in _looked_at(schema, node, part):
            looks += 1
            if looks > LOOKS_MAX:
                return True
            known = (id(pair[0]), id(pair[1]))
            if known not in seen:
                seen.add(known)
                waiting.append(pair)
    return False


def _is_far(node: Node, value: Json) -> bool:
    """True for a number whose quotient the library can only find with very large integers."""
    return (
        "multipleOf" in node
        and isinstance(value, int | float)
        and not isinstance(value, bool)
        and abs(value) > INTEGER_MAX
    )


# --- What the library's errors would cost ---


def _steps(schema: CompiledSchema, node: Json, value: Json, steps_max: int) -> int | None:
    """The most steps that the library takes to collect its errors; None if they are more than
    `steps_max`.
    """
    text = _text_length(value, steps_max)
    if text is None:
        return None
    each = 1 + text // TEXT_OF_A_STEP
    waiting, steps = [(node_of(node), value)], 0
    while waiting:
        current, part = waiting.pop()
        steps += each * _weight(current, part)
        for pair in _looked_at(schema, current, part):
            waiting.append(pair)
            if steps + each * len(waiting) > steps_max:
                return None
    return steps if steps <= steps_max else None


def _weight(node: Node, value: Json) -> int:
    """How many errors a node by itself can make of a value, counted as steps."""
    listed, required = node.get("enum"), node.get("required")
    weight = 1
    if isinstance(listed, Sequence):
        weight += len(listed) // VALUES_OF_A_STEP
    if isinstance(required, Sequence) and isinstance(value, Mapping):
        weight += sum(name not in value for name in required)
    return weight


def _looked_at(schema: CompiledSchema, node: Node, value: Json) -> Iterator[tuple[Node, Json]]:
    """The subschemas that the library looks at for a value, each with what it looks at."""
    for keyword, part in node.items():
        if keyword in _EACH_HERE:
            branches = part.values() if isinstance(part, Mapping) else part
            yield from ((node_of(branch), value) for branch in branches)
        elif keyword in _HERE:
            yield node_of(part), value
        elif keyword in REFERENCES:
            yield node_of(schema.target(part)), value
        elif keyword == "properties" and isinstance(value, Mapping):
            yield from (
                (node_of(part[name]), inside) for name, inside in value.items() if name in part
            )
        elif keyword in _INSIDE:
            yield from _looked_at_inside(keyword, part, value)


def _looked_at_inside(keyword: str, part: Json, value: Json) -> Iterator[tuple[Node, Json]]:
    several = part if isinstance(part, list | tuple) else [part]
    if keyword == "patternProperties":
        several = list(part.values())
    names = keyword == "propertyNames" and isinstance(value, Mapping)
    members = list(value) if names else _members(value)
    yield from ((node_of(each), member) for each in several for member in members)


def _members(value: Json) -> Sequence[Json]:
    if isinstance(value, Mapping):
        return list(value.values())
    return value if isinstance(value, list | tuple) else ()


def _text_length(value: Json, values_max: int) -> int | None:
    """The characters in a value, with those of its names; None if it has more than `values_max`
    values in it.
    """
    waiting, count, length = [value], 1, 0
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            length += len(part)
        elif isinstance(part, Mapping):
            length += sum(map(len, part))
        members = _members(part)
        count += len(members)
        if count > values_max:
            return None
        waiting.extend(members)
    return length
