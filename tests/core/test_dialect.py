"""What generators write into schemas means the same after it is written in plain words."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.canonical import INTEGER_MAX, canonical
from clearance.core.dialect import as_kept, as_validated, places
from clearance.core.validation import schema_validator

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
