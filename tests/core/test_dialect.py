"""What generators write into schemas means the same after it is written in plain words."""

from __future__ import annotations

import json
import time
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.canonical import INTEGER_MAX, canonical
from clearance.core.dialect import as_kept, as_validated, places
from clearance.core.validation import DETAIL_VALUES_MAX, schema_validator, violations

EMAIL = (
    r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@"
    r"([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$"
)
"""What zod 4 writes for `.email()`."""
_FAR = [2**53, 2**63 - 1, 2**64, -(2**53), -(2**63), 1e19, -1e20]
_BOUNDS = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]


def fits(schema: dict[str, Any], value: Any) -> bool:
    return schema_validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("schema", "fit", "unfit"),
    [
        ({"minimum": 0, "exclusiveMinimum": True}, [1, 0.5], [0, -1]),
        ({"maximum": 9, "exclusiveMaximum": True}, [8], [9, 10]),
        ({"minimum": 0, "exclusiveMinimum": False}, [0], [-1]),
        ({"exclusiveMinimum": True}, [-1], []),
        ({"type": "string", "nullable": True}, ["x", None], [1]),
        ({"type": "string", "nullable": False}, ["x"], [None]),
        ({"type": ["string", "null"], "nullable": True}, ["x", None], [1]),
        ({"type": "array", "items": {"minimum": 0, "exclusiveMinimum": True}}, [[1]], [[0]]),
        ({"anyOf": [{"type": "integer", "nullable": True}]}, [1, None], ["x"]),
        ({"type": "string", "format": "int-or-uuid"}, ["x"], [1]),
        ({"const": {"exclusiveMinimum": True}}, [{"exclusiveMinimum": True}], [{}]),
        (
            {"properties": {"nullable": {"type": "string"}, "exclusiveMinimum": {"const": True}}},
            [{"nullable": "x", "exclusiveMinimum": True}],
            [{"nullable": None}, {"exclusiveMinimum": False}],
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-04/schema#",
                "minimum": 0,
                "exclusiveMinimum": True,
            },
            [1],
            [0],
        ),
        ({"$ref": "#there", "$defs": {"x": {"$anchor": "there", "type": "integer"}}}, [1], ["x"]),
        ({"pattern": EMAIL}, ["ada@example.com"], ["a..b@example.com", "ada"]),
        (
            {"oneOf": [{"type": "string", "pattern": "^(?=a)"}, {"type": "integer"}]},
            ["a", 1],
            ["b"],
        ),
    ],
)
def test_a_word_of_another_dialect_means_what_it_means_there(
    schema: dict[str, Any], fit: list[Any], unfit: list[Any]
) -> None:
    before = json.dumps(schema)
    assert [value for value in fit if not fits(schema, value)] == []
    assert [value for value in unfit if fits(schema, value)] == []
    assert json.dumps(schema) == before


@given(
    st.dictionaries(st.sampled_from(_BOUNDS), st.sampled_from([*_FAR, 5, -5]), max_size=3),
    st.integers(-INTEGER_MAX, INTEGER_MAX) | st.sampled_from([-INTEGER_MAX, INTEGER_MAX, 5, -5]),
)
def test_a_bound_within_what_readers_carry_lets_the_same_integers_through(
    bounds: dict[str, Any], value: int
) -> None:
    nested = {"properties": {"a": {"items": bounds}}}
    kept = as_kept(nested)
    assert fits(dict(kept), {"a": [value]}) == fits(nested, {"a": [value]})
    unmet = any(bounds.get(name, 0) > INTEGER_MAX for name in ("minimum", "exclusiveMinimum"))
    unmet |= any(bounds.get(name, 0) < -INTEGER_MAX for name in ("maximum", "exclusiveMaximum"))
    if not unmet:  # no value meets such a bound, and its place is named where it is read
        assert json.loads(canonical(kept)) == kept


def test_sizes_are_kept_too_and_values_are_not_touched() -> None:
    schema = {"maxLength": 2**63 - 1, "maxItems": 2**64, "default": {"maximum": 2**63}}
    assert as_kept(schema) == {
        "maxLength": INTEGER_MAX,
        "maxItems": INTEGER_MAX,
        "default": {"maximum": 2**63},
    }
    assert as_kept({"maximum": 1.7976931348623157e308}) == {"maximum": 1.7976931348623157e308}


def test_schemas_are_seen_where_they_stand_and_values_are_not() -> None:
    schema = {
        "properties": {"enum": {"items": [{"not": {}}]}, "x": True},
        "dependencies": {"a": ["b"], "c": {"minimum": 1}},
        "enum": [{"properties": {}}],
        "default": {"items": {}},
    }
    assert {path for path, _ in places(schema)} == {
        (),
        ("properties", "enum"),
        ("properties", "enum", "items", 0),
        ("properties", "enum", "items", 0, "not"),
        ("dependencies", "c"),
    }
    assert as_validated(schema) == schema


def test_a_pattern_that_needs_no_look_ahead_stays_linear_and_one_that_does_ends() -> None:
    started = time.perf_counter()
    assert fits({"pattern": "^(a+)+$"}, "a" * 50_000)  # gone back over, this takes for ever
    assert not fits({"pattern": r"^(?!x)((a+)+)\1$"}, "a" * 60 + "b")  # given up
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {"pattern": EMAIL}},
        {"if": {"properties": {"a": {"pattern": EMAIL}}}, "then": False},
        {"patternProperties": {"^(?!x)": False}},
    ],
)
def test_a_pattern_is_not_given_up_where_that_would_let_a_value_through(
    schema: dict[str, Any],
) -> None:
    with pytest.raises(ValueError, match="looks ahead or back, which it cannot under"):
        schema_validator(schema)


def test_why_a_value_does_not_fit_costs_little_whatever_the_schema() -> None:
    node = {
        "type": "object",
        "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}] * 5}, "is": {"const": 1}},
        "required": ["is"],
    }
    schema = {"properties": {"chain": {"$ref": "#/$defs/node"}}, "$defs": {"node": node}}
    deep: Any = {"is": 2}
    for _ in range(14):  # the errors of all branches would take years
        deep = {"is": 1, "next": deep}
    many = {"properties": {"list": {"items": {"type": "string"}}}, "required": ["id"]}
    started = time.perf_counter()
    for each, value, expected in [
        (schema, {"chain": deep}, [("chain",)]),
        (many, {"list": [1] * (50 * DETAIL_VALUES_MAX)}, [("id",), ("list",)]),
        ({"minProperties": 2}, {"list": ["x"] * DETAIL_VALUES_MAX}, [()]),
        (schema, {"chain": {"is": 2}}, [("chain", "is")]),
        (schema, {"chain": {"is": 1}}, []),
    ]:
        validator = schema_validator(each)
        assert [path for path, _ in violations(each, validator, value)] == expected
    assert time.perf_counter() - started < 1


def test_what_fits_and_what_is_said_to_be_wrong_agree() -> None:
    schema = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
    validator = schema_validator(schema)
    assert isinstance(validator, jsonschema_rs.Draft202012Validator)
    for value in ({"a": 1}, {"a": "1"}, {}, {"a": 1, "b": [0] * 2_000}):
        assert bool(list(violations(schema, validator, value))) is not validator.is_valid(value)
