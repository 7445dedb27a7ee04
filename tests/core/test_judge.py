"""Whether a value fits is the library's verdict; why it does not costs little, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core import judge
from clearance.core.judge import LOOKED_AROUND_MAX, LOOKS_MAX, NAMED_MAX, STEPS_MAX, TOO_DEAR, Judge
from clearance.core.schema import CompiledSchema
from clearance.core.validation import schema_validator

TEXT: dict[str, Any] = {"type": "string"}
PERHAPS: dict[str, Any] = {"anyOf": [TEXT, {"type": "null"}]}
NODE = {"$ref": "#/$defs/node"}
TWICE: dict[str, Any] = {
    "properties": {"f": NODE, "id": TEXT},
    "required": ["id"],
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "a": {"anyOf": [NODE, NODE, {"type": "null"}]},
                "b": {"anyOf": [NODE, NODE]},
                "x": TEXT,
            },
            "additionalProperties": False,
        }
    },
}
KINDS = {
    "oneOf": [
        {"properties": {"kind": {"const": f"k{number}"}, "v": {"type": "integer"}}}
        for number in range(30)
    ]
}


def _chain(levels: int) -> Any:
    value: Any = {"x": 1}
    for _ in range(levels):
        value = {"a": value}
    return value


def _tree(levels: int) -> Any:
    return {"x": 1} if not levels else {"a": _tree(levels - 1), "b": _tree(levels - 1)}


HOSTILE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "12,000 wrong items": ({"properties": {"l": {"items": PERHAPS}}}, {"l": [1] * 12_000}),
    "alternatives of a list": (
        {"properties": {"l": {"anyOf": [{"items": PERHAPS}, {"type": "null"}]}}},
        {"l": [1] * 900},
    ),
    "a chain": (TWICE, {"id": "x", "f": _chain(14)}),
    "a longer chain": (TWICE, {"id": "x", "f": _chain(60)}),
    "a tree": (TWICE, {"id": "x", "f": _tree(9)}),
    "1,000 wrong parameters": (
        {"properties": {f"p{number}": TEXT for number in range(1_000)}},
        {f"p{number}": 1 for number in range(1_000)},
    ),
    "1,000 wrong maps": (
        {"additionalProperties": {"additionalProperties": PERHAPS}},
        {f"p{number}": {"a": 1, "b": 1} for number in range(1_000)},
    ),
    "5,000 undeclared names": (
        {"properties": {}, "additionalProperties": False},
        {f"p{number}": 1 for number in range(5_000)},
    ),
    "5,000 bad names": (
        {"propertyNames": {"pattern": "^[a-z]$"}},
        {f"p{number}": 1 for number in range(5_000)},
    ),
    "300 patterns": (
        {"patternProperties": {f"^p{number}_": TEXT for number in range(300)}},
        {f"p{number % 300}_{number}": 1 for number in range(900)},
    ),
    "long lists of values": (
        {"properties": {"e": {"items": {"enum": [f"v{number}" for number in range(2_000)]}}}},
        {"e": ["w"] * 250},
    ),
    "30 branches": ({"properties": {"o": {"items": KINDS}}}, {"o": [{"kind": "z", "v": "a"}] * 99}),
    "across names": (
        {
            "allOf": [
                {"anyOf": [{"required": [f"a{n}"]}, {"required": [f"b{n}"]}]} for n in range(99)
            ]
        },
        {f"n{number}": 1 for number in range(1_000)},
    ),
    "400 missing": ({"required": [f"n{number}" for number in range(400)]}, {}),
    "the same thing twice": (
        {"properties": {"u": {"uniqueItems": True}}},
        {"u": [{"a": number} for number in range(4_000)] + [{"a": 1}]},
    ),
    "a long text, quoted by each level": (
        {"properties": {"l": {"anyOf": [{"items": {"anyOf": [{"items": PERHAPS}] * 9}}] * 9}}},
        {"l": [["x" * 60_000, 1]]},
    ),
    "deeper than the library goes": ({"properties": {"l": {"type": "integer"}}}, {"l": None}),
}
_DEEP: list[Any] = []
for _ in range(900):
    _DEEP = [_DEEP]
HOSTILE["deeper than the library goes"][1]["l"] = _DEEP


class _Counting:
    """A validator whose errors, with those in their contexts, and questions are counted."""

    def __init__(self, schema: Any) -> None:
        self._validator = schema_validator(schema)
        self.asked = self.errors = 0

    def is_valid(self, value: Any) -> bool:
        self.asked += 1
        return self._validator.is_valid(value)

    def iter_errors(self, value: Any) -> Iterator[jsonschema_rs.ValidationError]:
        for error in self._validator.iter_errors(value):
            self.errors += _count(error)
            yield error


def _count(error: jsonschema_rs.ValidationError) -> int:
    branches = getattr(error.kind, "context", [])
    return 1 + sum(_count(inner) for branch in branches for inner in branch)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_value_makes_the_library_do_little(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[_Counting] = []
    monkeypatch.setattr(judge, "schema_validator", lambda s: made.append(_Counting(s)) or made[-1])
    schema, value = HOSTILE[name]
    judged = Judge(CompiledSchema(schema))
    compiled = len(made)
    for _ in range(2):
        found = list(judged.violations(value))
        assert 1 <= len(found) <= STEPS_MAX
    assert len(made) == compiled  # a request compiles nothing
    assert sum(each.errors for each in made) <= 2 * STEPS_MAX
    assert sum(each.asked for each in made) <= 2 * (1 + len(value))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("12,000 wrong items", ("l",)),
        ("a chain", ("f",)),
        ("a tree", ("f",)),
        ("1,000 wrong parameters", ("p0",)),
        ("300 patterns", ()),
        ("30 branches", ("o",)),
        ("400 missing", ("n0",)),
        ("across names", ()),
    ],
)
def test_the_parameter_that_does_not_fit_is_named(name: str, expected: tuple[str, ...]) -> None:
    schema, value = HOSTILE[name]
    found = list(Judge(CompiledSchema(schema)).violations(value))
    assert found[0][0] == expected
    assert len(found) <= NAMED_MAX


ADDRESS = {
    "type": "object",
    "properties": {"street": TEXT, "zip": {"pattern": "^[0-9]{5}$"}},
    "required": ["street"],
}
ORDINARY: dict[str, Any] = {
    "properties": {
        "to": {"$ref": "#/$defs/address"},
        "lines": {"items": {"properties": {"sku": TEXT, "count": {"minimum": 1}}}},
        "mode": {"enum": ["fast", "slow"]},
        "tree": NODE,
    },
    "required": ["mode"],
    "additionalProperties": False,
    "$defs": {"address": ADDRESS, "node": TWICE["$defs"]["node"]},
}


@pytest.mark.parametrize(
    ("value", "path", "words"),
    [
        ({"mode": "fst"}, ("mode",), '"fst" is not one of "fast" or "slow"'),
        ({}, (), '"mode" is a required property'),
        ({"mode": "fast", "mood": 1}, (), "('mood' was unexpected)"),
        ({"mode": "fast", "to": {}}, ("to",), '"street" is a required property'),
        ({"mode": "fast", "to": {"street": "x", "zip": "1"}}, ("to", "zip"), "does not match"),
        (
            {"mode": "fast", "lines": [{"sku": "a", "count": 1}] * 40 + [{"count": 0}]},
            ("lines", 40, "count"),
            "0 is less than the minimum of 1",
        ),
        ({"mode": "fast", "tree": {"x": 1}}, ("tree", "x"), '1 is not of type "string"'),
        # A hostile neighbour does not take the words away from the others.
        ({"mode": "fst", "tree": _chain(14)}, ("mode",), '"fst" is not one of "fast" or "slow"'),
    ],
)
def test_an_ordinary_mistake_is_explained(
    value: dict[str, Any], path: tuple[str | int, ...], words: str
) -> None:
    found = dict(Judge(CompiledSchema(ORDINARY)).violations(value))
    assert words in found[path]


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [{"properties": {"a": TEXT, "b": TEXT}}], "unevaluatedProperties": False},
        {"$ref": "#/$defs/all", "$defs": {"all": {"properties": {"a": TEXT}, "required": ["b"]}}},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "$ref": "#/definitions/all",
            "properties": {"b": {"type": "integer"}},  # silenced by the reference beside it
            "definitions": {"all": {"properties": {"a": TEXT}}},
        },
    ],
)
def test_a_parameter_is_not_blamed_for_what_stands_beside_it(schema: dict[str, Any]) -> None:
    value = {"a": [0] * 1_000, "b": "fine"}
    found = list(Judge(CompiledSchema(schema)).violations(value))
    assert found == [(("a",), "does not fit its schema")]


NAMES = st.sampled_from(["a", "b", "ab"])
LEAVES = st.sampled_from(
    [
        *(TEXT, {"type": "integer"}, {"type": "null"}, {"type": "object"}, {"type": "array"}),
        *({"const": 1}, {"enum": ["x", None]}, {"minimum": 2}, {"required": ["a"]}, True, False),
        *({"$ref": "#/$defs/one"}, {"$ref": "#/$defs/two"}, {"$ref": "#"}, {"maxItems": 1}),
    ]
)


ONE = ("items", "additionalProperties", "contains", "not", "if", "then", "else")
OTHERS = ("unevaluatedProperties", "unevaluatedItems")
SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas")


@st.composite
def schemas(draw: st.DrawFn, levels: int = 3) -> Any:
    """A schema of at most so many levels; the outermost is an object."""
    if not levels or (levels < 3 and draw(st.booleans())):
        return draw(LEAVES)
    keywords = draw(
        st.lists(st.sampled_from([*ONE, *OTHERS, *SEVERAL, *NAMED]), min_size=1, max_size=3)
    )
    part = schemas(levels - 1)
    schema: dict[str, Any] = {}
    for keyword in keywords:
        if keyword in SEVERAL:
            schema[keyword] = draw(st.lists(part, min_size=1, max_size=3))
        elif keyword in NAMED:
            schema[keyword] = draw(st.dictionaries(NAMES, part, max_size=2))
        else:
            schema[keyword] = draw(part)
    return schema


VALUES = st.recursive(
    st.sampled_from([None, 1, 2.5, "x", "y", True]),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(NAMES, parts, max_size=3),
    max_leaves=16,
)


@given(schemas(), schemas(2), schemas(2), st.dictionaries(NAMES, VALUES, max_size=3))
def test_what_fits_has_no_violation_and_the_walk_counts_at_least_the_errors(
    root: dict[str, Any], one: Any, two: Any, value: dict[str, Any]
) -> None:
    schema = root | {"$defs": {"one": one, "two": two}}
    try:
        library = schema_validator(schema)
        fits = library.is_valid(value)
    except ValueError:  # a reference that leads to itself at once
        return
    compiled = CompiledSchema(schema)
    judged = Judge(compiled)
    found = list(judged.violations(value))
    assert judged.fits(value) is fits is (not found)
    assert bool(list(judged._unfit(value))) <= (not fits)
    steps = judge._steps(compiled, schema, value, STEPS_MAX)
    if steps is not None:
        assert sum(map(_count, library.iter_errors(value))) <= steps


# What takes more than linear time


AROUND = {"type": "string", "pattern": r"(?<!x)(a*)*b"}


def a_parameter(schema: dict[str, Any], **beside: Any) -> Judge:
    return Judge(CompiledSchema({"properties": {"p": schema, "text": TEXT}, **beside}))


class Untouched:
    """A library that nobody may ask."""

    def __getattr__(self, name: str) -> Any:
        pytest.fail(f"the library was asked to {name}")


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (AROUND, "a" * (LOOKED_AROUND_MAX + 1)),
        ({"items": AROUND}, ["a" * 100 + str(number) for number in range(1_000)]),
        ({"items": {"anyOf": [AROUND, {"type": "null"}]}}, [None, "a" * 3_000]),
        ({"propertyNames": AROUND}, {"a" * 3_000: 1}),
        ({"$ref": "#/$defs/deep"}, {"in": {"in": {"in": "a" * 3_000}}}),
        ({"items": {"multipleOf": 0.01}}, [1.5, 1e307]),
        (
            {"patternProperties": {f"^{n}": TEXT for n in range(400)}},
            dict.fromkeys("abcdefghijklmnopqrstuvwxyz"),
        ),
    ],
)
def test_what_would_take_its_square_is_refused_before_the_library_is_asked(
    schema: dict[str, Any], value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = {"anyOf": [{"properties": {"in": {"$ref": "#/$defs/deep"}}}, AROUND]}
    judged = a_parameter(schema, **{"$defs": {"deep": deep}})
    monkeypatch.setattr(judged, "_validator", Untouched())
    monkeypatch.setattr(judged, "_alone", None)
    whole = {"text": "a" * 60_000, "p": value}
    assert not judged.fits(whole)
    assert list(judged.violations(whole)) == [(("p",), TOO_DEAR)]


def test_what_stands_beside_such_a_pattern_may_be_long_and_many() -> None:
    record = {"properties": {"to": AROUND, "body": TEXT, "price": {"multipleOf": 0.01}}}
    judged = a_parameter({"items": record})
    many = [{"to": "aab", "body": "x" * 900, "price": 12.34} for _ in range(60)]
    assert judged.fits({"p": many, "text": "a" * 60_000})
    assert next(iter(judged.violations({"p": [{"to": "c"}]})))[0] == ("p", 0, "to")
    most = a_parameter(AROUND)
    assert most.fits({"p": "a" * (LOOKED_AROUND_MAX - 1) + "b"})
    assert not judged.fits({"p": [{}] * (LOOKS_MAX + 1)})
    assert a_parameter({"items": {}}).fits({"p": [{}] * (LOOKS_MAX + 1)})
