"""Pins: what counts of a tool's schema, and how pins of before go on."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from clearance.core.canonical import digest
from clearance.core.errors import InvalidInput
from clearance.core.tool_pin import agrees, description_digest, pin_of, replaced, same_pin

SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "pay",
    "required": ["order", "amount"],
    "properties": {
        "order": {"type": ["string", "null"], "description": "Which one", "default": None},
        "amount": {"type": "integer", "maximum": 2**63 - 1, "examples": [1]},
        "description": {"type": "string", "enum": ["a", "b"]},
        "when": {"anyOf": [{"$ref": "#/$defs/day"}, {"type": "null", "title": "None"}]},
    },
    "$defs": {"day": {"type": "string", "format": "date", "$comment": "UTC"}},
    "dependentRequired": {"order": ["amount", "when"]},
}


def changed(*path: Any, to: Any = ...) -> dict[str, Any]:
    made: Any = copy.deepcopy(SCHEMA)
    *within, last = path
    inner = made
    for part in within:
        inner = inner[part]
    if to is ...:
        del inner[last]
    else:
        inner[last] = to
    return dict(made)


@pytest.mark.parametrize(
    "other",
    [
        changed("title"),
        changed("properties", "order", "description", to="Zone: Europe/Berlin"),
        changed("properties", "when", "anyOf", 1, "title", to="nothing"),
        changed("$defs", "day", "$comment", to="local"),
        changed("properties", "amount", "examples", to=[2]),
        changed("required", to=["amount", "order"]),
        changed("properties", "order", "type", to=["null", "string"]),
        changed("properties", "description", "enum", to=["b", "a"]),
        changed("dependentRequired", "order", to=["when", "amount"]),
        dict(reversed(SCHEMA.items())),
    ],
)
def test_texts_and_an_order_that_means_nothing_do_not_count(other: dict[str, Any]) -> None:
    assert pin_of(other) == pin_of(SCHEMA)


@pytest.mark.parametrize(
    "other",
    [
        changed("properties", "description"),
        changed("properties", "description", "enum", to=["a"]),
        changed("properties", "order", "default", to="A-1"),
        changed("properties", "order", "default"),
        changed("properties", "amount", "maximum", to=2**63),
        changed("properties", "when", "anyOf", to=[{"type": "null"}, {"$ref": "#/$defs/day"}]),
        changed("required", to=["order"]),
        changed("$defs", "day", "x-unit", to="EUR"),
        {**SCHEMA, "properties": {**SCHEMA["properties"], "title": {"type": "string"}}},
        {**SCHEMA, "const": {"title": "a"}},
    ],
)
def test_what_a_tool_takes_counts_to_the_last_digit(other: dict[str, Any]) -> None:
    assert pin_of(other) != pin_of(SCHEMA)


def test_a_value_that_is_named_is_no_schema() -> None:
    one, other = ({"enum": [{"title": title}]} for title in ("a", "b"))
    assert pin_of(one) != pin_of(other)


def test_a_pin_from_before_is_compared_as_it_was_made_and_replaced_when_equal() -> None:
    schema = changed("properties", "amount", "maximum", to=9)
    before = digest(schema)
    assert agrees(before, schema)
    assert not agrees(before, {**schema, "title": "another text"})
    after = replaced(before, schema)
    assert after == f"{pin_of(schema)} {before}"
    assert agrees(after, {**schema, "title": "another text"})
    assert replaced(after, schema) == after
    assert not agrees(before, SCHEMA), "its maximum has no form in which it could be compared"


def test_what_was_bound_to_a_pin_from_before_is_bound_to_the_one_that_replaced_it() -> None:
    before, new = "sha256:" + "1" * 64, "sha256-2:" + "2" * 64
    after = f"{new} {before}"
    assert same_pin(before, after)
    assert same_pin(after, new)
    assert same_pin(None, None)
    assert not same_pin(before, new)
    assert not same_pin(None, new)


def test_a_schema_without_a_pin_is_refused() -> None:
    with pytest.raises(InvalidInput):
        pin_of({"maximum": float("inf")})
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"items": deep}
    with pytest.raises(InvalidInput):
        pin_of(deep)


def test_all_that_is_said_of_a_tool_counts_for_what_is_shown() -> None:
    tool = {"name": "pay", "description": "Pays", "input_schema": SCHEMA}
    assert description_digest(tool) != description_digest({**tool, "description": "Pays all"})
    assert description_digest(tool) != description_digest(
        {**tool, "input_schema": changed("title")}
    )


@pytest.mark.parametrize("keyword", ["examples", "title", "description"])
def test_what_a_reference_leads_into_is_no_text(keyword: str) -> None:
    def tool(inside: dict[str, Any]) -> dict[str, Any]:
        kinds = {keyword: {"a": inside}, "properties": {"x": {"$ref": f"#/{keyword}/a"}}}
        return {"type": "object", **kinds}

    assert pin_of(tool({"type": "integer"})) != pin_of(tool({"type": "string"}))
