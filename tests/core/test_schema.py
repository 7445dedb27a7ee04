"""A JSON Schema as Clearance understands it: closed at every depth, exact in its numbers, and with
its defaults filled in.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clearance.core.canonical import INTEGER_MAX
from clearance.core.defaults import Defaults, default_problems, with_defaults
from clearance.core.misfits import misfits
from clearance.core.policy_schema import parameters_type
from clearance.core.schema import CompiledSchema, Path
from clearance.core.units import whole_units

TEXT, WHOLE, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
DRAFT_7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
LOOSE = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def a_list(items: Any) -> dict[str, Any]:
    return {"type": "array", "items": items}


def undeclared(schema: CompiledSchema, value: Any) -> list[Path]:
    problems = misfits(schema, value)
    return [problem.path for problem in problems if "is not declared" in problem.sentence]


CHAINS = {
    "$ref": lambda following: following,
    "allOf": lambda following: {"allOf": [following]},
    "anyOf": lambda following: {"anyOf": [following, NULL]},
    "oneOf": lambda following: {"oneOf": [following]},
    "properties": lambda following: an_object(x=following),
    "items": a_list,
}
ENDS = [TEXT, {"enum": ["x"]}, {"type": "object"}, {"patternProperties": {"^x": TEXT}}]


@pytest.mark.parametrize("link", CHAINS.values(), ids=CHAINS.keys())
@pytest.mark.parametrize("end", ENDS, ids=str)
def test_no_chain_of_references_is_longer_than_the_stack(link: Any, end: Any) -> None:
    length = 600
    parts = {f"d{at}": link({"$ref": f"#/$defs/d{at + 1}"}) for at in range(length)}
    whole = {**an_object(a={"$ref": "#/$defs/d0"}), "$defs": {**parts, f"d{length}": end}}
    assert parameters_type(whole).fields["a"]
    assert misfits(CompiledSchema(whole), {"a": "x"}) == []
    if link is CHAINS["$ref"]:
        assert CompiledSchema(whole).root.names["a"].values == (("x",) if "enum" in end else None)


# --- Closed at every depth ---

FORCE = an_object(force={"type": "boolean"})
CLOSED: list[tuple[str, dict[str, Any], Any, list[tuple[str | int, ...]]]] = [
    ("at the top", FORCE, {"force": True, "Force": True}, [("Force",)]),
    ("in an object", an_object(o=FORCE), {"o": {"force_delete": 1}}, [("o", "force_delete")]),
    ("in a list", an_object(l=a_list(FORCE)), {"l": [{}, {"x": 1}]}, [("l", 1, "x")]),
    ("nothing declared at the top", {"type": "object"}, {"x": 1}, [("x",)]),
    ("a map", an_object(m={"type": "object"}), {"m": {"x": 1}}, []),
    ("a map in name", an_object(m=an_object()), {"m": {"x": 1}}, []),
    ("an explicit true", {**FORCE, "additionalProperties": True}, {"x": {"y": 1}}, []),
    ("an explicit schema", {**FORCE, "additionalProperties": TEXT}, {"x": "y"}, []),
    ("what is let in", {**FORCE, "additionalProperties": FORCE}, {"x": {"y": 1}}, [("x", "y")]),
    ("unevaluated", {**FORCE, "unevaluatedProperties": {}}, {"x": 1}, []),
    ("by pattern", {**FORCE, "patternProperties": {"^x-": TEXT}}, {"x-a": "b"}, []),
    ("beside a pattern", {**FORCE, "patternProperties": {"^x-": TEXT}}, {"y": "b"}, [("y",)]),
    ("look-ahead", {**FORCE, "patternProperties": {"^(?!x)": TEXT}}, {"x": 1, "y": ""}, [("x",)]),
    (
        "values of a map",
        an_object(m={"type": "object", "additionalProperties": FORCE}),
        {"m": {"k": {"x": 1}}},
        [("m", "k", "x")],
    ),
    (
        "nullable",
        an_object(o={"anyOf": [FORCE, NULL]}),
        {"o": {"force": True, "x": 1}},
        [("o", "x")],
    ),
    ("no type", {"properties": {"o": {"properties": {"a": {}}}}}, {"o": {"b": 1}}, [("o", "b")]),
    (
        "a map among alternatives",
        an_object(o={"anyOf": [FORCE, {"type": "object"}, TEXT]}),
        {"o": {"x": 1}},
        [],
    ),
    (
        "alternatives that only demand",
        an_object(
            o={**an_object(a=TEXT, b=TEXT), "anyOf": [{"required": ["a"]}, {"type": "object"}]}
        ),
        {"o": {"x": 1}},
        [("o", "x")],
    ),
    ("demanded only", an_object("a", "b", a=TEXT), {"a": "", "b": 1, "c": 1}, [("c",)]),
    ("demanded only, of a map", an_object(m={**an_object("b")}), {"m": {"b": 1, "c": 1}}, []),
    (
        "a schema that refers to itself",
        {
            "$defs": {"t": an_object(v=TEXT, l={"$ref": "#/$defs/t"})},
            **an_object(t={"$ref": "#/$defs/t"}),
        },
        {"t": {"l": {"l": {"l": {"v": "", "x": 1}}}}},
        [("t", "l", "l", "l", "x")],
    ),
    (
        "a definition that is only itself",
        {"$defs": {"t": {"$ref": "#/$defs/t"}}, **an_object(t={"$ref": "#/$defs/t"})},
        {"t": {"x": 1}},
        [],
    ),
]


@pytest.mark.parametrize(
    ("schema", "value", "paths"), [row[1:] for row in CLOSED], ids=[row[0] for row in CLOSED]
)
def test_a_silent_object_takes_no_other_names(
    schema: dict[str, Any], value: Any, paths: list[Any]
) -> None:
    assert undeclared(CompiledSchema(schema), value) == paths
    assert undeclared(CompiledSchema({**schema, **DRAFT_7}), value) == paths


BRANCHES: dict[str, dict[str, Any]] = {
    "allOf": {"allOf": [an_object(b=TEXT), {"properties": {"c": WHOLE}}]},
    "anyOf": {"anyOf": [an_object(b=TEXT), an_object(c=WHOLE)]},
    "oneOf": {"oneOf": [an_object("b", b=TEXT), an_object("c", c=WHOLE)]},
    "if": {"if": {"properties": {"b": {"const": "x"}}}, "then": an_object(c=WHOLE)},
    "else": {"if": {"required": ["a"]}, "else": {"properties": {"b": TEXT, "c": WHOLE}}},
    "$ref": {"$ref": "#/$defs/more"},
    "dependentSchemas": {"dependentSchemas": {"a": {"properties": {"b": TEXT, "c": WHOLE}}}},
    "dependencies": {"dependencies": {"a": {"properties": {"b": TEXT, "c": WHOLE}}}},
    "nested": {"allOf": [{"anyOf": [{"oneOf": [{"$ref": "#/$defs/more"}]}]}]},
}
MORE = {"$defs": {"more": an_object(b=TEXT, c=WHOLE)}}


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("draft", [{}, DRAFT_7], ids=["2020-12", "draft-07"])
@pytest.mark.parametrize("deep", [False, True])
def test_the_names_of_all_branches_count_together(branch: str, draft: Any, deep: bool) -> None:
    schema = {**an_object(a=TEXT), **BRANCHES[branch]}
    value: Any = {"a": "x", "b": "x", "c": 1, "d": 1}
    path: tuple[str, ...] = ("d",)
    if deep:
        schema, value, path = an_object(o=schema), {"o": value}, ("o", "d")
    assert undeclared(CompiledSchema({**schema, **MORE, **draft}), value) == [path]


NAMES = st.sampled_from(["a", "b", "c"])
KINDS = st.sampled_from([TEXT, WHOLE, {"type": "boolean"}, {}])
LEVEL = st.dictionaries(NAMES, KINDS, max_size=3)


@st.composite
def branched(draw: st.DrawFn) -> tuple[dict[str, Any], set[str]]:
    """A schema of an object with branches, and all names that it declares."""
    own = draw(LEVEL)
    parts = draw(st.lists(LEVEL, min_size=1, max_size=3))
    keyword = draw(st.sampled_from(["allOf", "anyOf", "oneOf", "$ref", "if", "then"]))
    schemas: Any = [an_object(**part) for part in parts]
    names = {*own, *(name for part in parts for name in part)}
    schema = {**an_object(**own), **draw(st.sampled_from([{}, DRAFT_7]))}
    if keyword in {"if", "then"}:
        parts = parts[:1]
        schema |= {"if": {"required": ["a"]}, "then": {}} | {keyword: schemas[0]}
        names = {*own, *parts[0]}
    elif keyword == "$ref":
        schema |= {"$ref": "#/$defs/x", "$defs": {"x": schemas[0]}}
        names = {*own, *parts[0]}
    else:
        schema[keyword] = schemas
    return schema, names


@LOOSE
@given(made=branched(), data=st.data())
def test_a_valid_value_with_declared_names_alone_stays_valid(
    made: tuple[dict[str, Any], set[str]], data: st.DataObject
) -> None:
    schema, names = made
    assume(names)
    leaf = st.text(max_size=2) | st.integers(0, 9) | st.booleans()
    value = data.draw(st.dictionaries(st.sampled_from(sorted(names)), leaf))
    assume(jsonschema_rs.validator_for(schema).is_valid(value))
    assert misfits(CompiledSchema(schema), value) == []
    assert undeclared(CompiledSchema(schema), {**value, "z": 1}) == [("z",)]


# --- Exact numbers ---


@pytest.mark.parametrize(
    ("schema", "value", "sentence"),
    [
        ({"type": "number", "x-scale": 100}, 250.009, "than 2 decimals; 250.01 was probably meant"),
        ({"type": "number", "x-scale": 100}, 500.0099999, "500.01 was probably meant"),
        ({"type": "number", "x-scale": 1}, 0.99, "has decimals; 1 was probably meant"),
        ({"type": "number", "x-scale": 100}, 0.1 + 0.2, "0.3 was probably meant"),
        ({"type": "number", "x-scale": 100}, 1000.004, "1000 was probably meant"),
        ({"type": "number", "x-scale": 100}, 1e15, "is beyond 9007199254740991 units"),
        (
            {"anyOf": [{"type": "number", "x-scale": 10}, NULL]},
            0.25,
            "than 1 decimal; 0.3 was probably meant",
        ),
        (WHOLE, 1e22, "is beyond 9007199254740991"),
        ({"type": ["integer", "null"]}, float(2**53), "is beyond 9007199254740991"),
        ({"type": "number", "x-scale": 100}, 250.25, None),
        ({"type": "number", "x-scale": 100}, -0.29, None),
        ({"type": "integer", "x-scale": 100}, 250, None),
        ({"type": "number"}, 1e22, None),
        ({"type": ["integer", "string"]}, 1e22, None),
        (WHOLE, INTEGER_MAX, None),
    ],
)
def test_a_number_is_never_rounded(schema: Any, value: float, sentence: str | None) -> None:
    whole = CompiledSchema(an_object(a=schema, l=a_list(schema)))
    for given_value, path in (({"a": value}, ("a",)), ({"l": [value]}, ("l", 0))):
        problems = misfits(whole, given_value)
        if sentence is None:
            assert problems == []
        else:
            assert [problem.path for problem in problems] == [path]
            assert sentence in problems[0].sentence


@given(st.integers(-INTEGER_MAX, INTEGER_MAX), st.sampled_from([1, 3, 8, 10, 100, 10**4, 10**9]))
def test_units_are_whole_by_the_decimals_that_are_written(units: int, scale: int) -> None:
    value = units / scale
    exact = Decimal(repr(value)) * scale
    expected = int(exact) if exact == int(exact) and abs(exact) <= INTEGER_MAX else None
    assert whole_units(value, scale) == expected
    assert whole_units(units, 1) == units


# --- Defaults ---

LIMIT = {"type": "integer", "default": 50}
FILLED: list[tuple[str, Any, Any, Any]] = [
    ("left out", an_object(limit=LIMIT), {}, {"limit": 50}),
    ("there", an_object(limit=LIMIT), {"limit": 1}, {"limit": 1}),
    ("null is there", an_object(limit=LIMIT), {"limit": None}, {"limit": None}),
    ("false", an_object(f={"default": False}), {}, {"f": False}),
    ("null", an_object(limit={"default": None}), {}, {}),
    ("object left out", an_object(o=an_object(limit=LIMIT)), {}, {}),
    ("object there", an_object(o=an_object(limit=LIMIT)), {"o": {}}, {"o": {"limit": 50}}),
    (
        "items",
        an_object(l=a_list(an_object(limit=LIMIT))),
        {"l": [{}, {"limit": 1}]},
        {"l": [{"limit": 50}, {"limit": 1}]},
    ),
    (
        "of an object",
        an_object(o={**an_object(limit=LIMIT), "default": {}}),
        {},
        {"o": {"limit": 50}},
    ),
    ("of an alternative", an_object(a={"anyOf": [TEXT, NULL], "default": "x"}), {}, {"a": "x"}),
    (
        "beside positions",
        an_object(l={**a_list(an_object(b=LIMIT)), "prefixItems": [an_object(a=TEXT)]}),
        {"l": [{}, {}]},
        {"l": [{}, {}]},
    ),
    (
        "beside positions behind a reference",
        an_object(l={**a_list(an_object(b=LIMIT)), "$ref": "#/$defs/positions"}),
        {"l": [{}, {}]},
        {"l": [{}, {}]},
    ),
    ("under anyOf", an_object(o={"anyOf": [an_object(limit=LIMIT)]}), {"o": {}}, {"o": {}}),
    ("under oneOf", an_object(o={"oneOf": [an_object(limit=LIMIT)]}), {"o": {}}, {"o": {}}),
    ("under allOf", {"allOf": [an_object(limit=LIMIT)]}, {}, {}),
    ("behind a reference", an_object(o={"$ref": "#/$defs/o"}), {"o": {}}, {"o": {"limit": 50}}),
    ("beside a reference", an_object(n={"$ref": "#/$defs/n", "default": 7}), {}, {"n": 7}),
    ("of a definition", an_object(n={"$ref": "#/$defs/n"}), {}, {"n": 50}),
    (
        "of a schema that refers to itself",
        an_object(t={"$ref": "#/$defs/t"}),
        {"t": {"l": {}}},
        {"t": {"l": {"limit": 50}, "limit": 50}},
    ),
]
DEFS = {
    "$defs": {
        "o": an_object(limit=LIMIT),
        "n": LIMIT,
        "t": an_object(limit=LIMIT, l={"$ref": "#/$defs/t"}),
        "positions": {"prefixItems": [an_object(a=TEXT)]},
    }
}


@pytest.mark.parametrize(
    ("schema", "value", "filled"), [row[1:] for row in FILLED], ids=[row[0] for row in FILLED]
)
@pytest.mark.parametrize("draft", [{}, DRAFT_7], ids=["2020-12", "draft-07"])
def test_defaults_are_filled_in(schema: Any, value: Any, filled: Any, draft: Any) -> None:
    before = repr(value)
    defaults = Defaults(CompiledSchema({**schema, **DEFS, **draft}))
    assert with_defaults(defaults, value) == filled
    assert repr(value) == before
    assert with_defaults(defaults, filled) == filled


def test_a_default_is_copied() -> None:
    defaults = Defaults(CompiledSchema(an_object(l={"type": "array", "default": []})))
    with_defaults(defaults, {})["l"].append("x")
    assert with_defaults(defaults, {}) == {"l": []}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (an_object(a={**WHOLE, "default": "x"}), ("properties", "a", "default")),
        (an_object(a={**WHOLE, "default": True}), ("properties", "a", "default")),
        (an_object(a={**WHOLE, "minimum": 5, "default": 4}), ("properties", "a", "default")),
        (
            an_object(a={"type": "number", "x-scale": 100, "default": 0.005}),
            ("properties", "a", "default"),
        ),
        (
            an_object(o=an_object(a={**WHOLE, "default": "x"})),
            ("properties", "o", "properties", "a", "default"),
        ),
        (
            an_object(l=a_list(an_object(a={"enum": ["y"], "default": "x"}))),
            ("properties", "l", "items", "properties", "a", "default"),
        ),
        (an_object(a={"$ref": "#/$defs/n", "default": "x"}), ("properties", "a", "default")),
        (
            {
                **an_object(o={"$ref": "#/$defs/x"}),
                "$defs": {"x": an_object(a={**WHOLE, "default": "x"})},
            },
            ("$defs", "x", "properties", "a", "default"),
        ),
        (an_object(o={**an_object(a=TEXT), "default": {"b": 1}}), ("properties", "o", "default")),
        (
            {**an_object(t={"$ref": "#"}), "properties": {"t": {"$ref": "#", "default": {}}}},
            ("properties", "t", "default"),
        ),
    ],
)
def test_a_default_that_does_not_fit_is_a_problem(schema: Any, path: tuple[str, ...]) -> None:
    for draft in ({}, DRAFT_7, {"$id": "https://example.com/tool"}):
        problems = default_problems(CompiledSchema({**DEFS, **schema, **draft}))
        assert {problem.path for problem in problems} == {path}


def test_a_default_that_fits_is_none() -> None:
    fits = an_object(
        a={"anyOf": [TEXT, NULL], "default": None},
        b={"$ref": "#/$defs/n", "default": 7},
        c={**an_object(x=TEXT), "default": {}},
        d={"anyOf": [{"default": "not filled in", **WHOLE}]},
        default=TEXT,
        e={"type": "integer", "minimum": 0, "exclusiveMinimum": True, "default": 1},
        f={"type": "string", "nullable": True, "default": "x"},
    )
    assert default_problems(CompiledSchema({**fits, **DEFS})) == []


SCALARS = st.sampled_from([(TEXT, "x"), (WHOLE, 5), ({"enum": ["p", None]}, "p"), (a_list({}), [])])


@st.composite
def with_default(draw: st.DrawFn, depth: int = 3) -> tuple[dict[str, Any], Any]:
    """A schema with a value that fits it; often, that is its default."""
    if depth and draw(st.booleans()):
        parts = draw(st.dictionaries(NAMES, with_default(depth - 1), max_size=3))
        needed = draw(st.sets(st.sampled_from(sorted(parts)))) if parts else set()
        schema = an_object(*sorted(needed), **{name: part[0] for name, part in parts.items()})
        value = {name: part[1] for name, part in parts.items() if name in needed}
    else:
        schema, value = draw(SCALARS)
    if draw(st.booleans()):
        schema, value = a_list(schema), [value]
    if draw(st.booleans()):
        schema = {**schema, "default": value}
    return schema, value


@LOOSE
@given(with_default())
def test_filling_in_twice_is_filling_in_once_and_what_fits_still_fits(made: Any) -> None:
    schema, value = made
    compiled = CompiledSchema(schema)
    assert default_problems(compiled) == []
    defaults = Defaults(compiled)
    filled = with_defaults(defaults, value)
    assert with_defaults(defaults, filled) == filled
    assert jsonschema_rs.validator_for(schema).is_valid(filled)
    assert undeclared(compiled, filled) == []
