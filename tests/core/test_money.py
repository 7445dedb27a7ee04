"""Amounts: one way of writing them, exact, from the smallest unit or from a tool's own number."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.money import Money, amounts_in, money_at, money_of
from clearance.core.schema import CompiledSchema

SCALES = st.sampled_from([10**places for places in range(7)])


def read(amount: str, unit: str) -> Decimal:
    return Decimal(amount.removesuffix(f" {unit}" if unit else "").replace(",", ""))


@given(st.integers(-(10**17), 10**17), SCALES, st.sampled_from(["", "EUR", "kWh"]))
def test_an_amount_in_smallest_units_is_written_exactly(units: int, scale: int, unit: str) -> None:
    money = Money(scale, unit)
    assert read(money.amount(units), unit) * scale == units
    assert money.value(units) == money.amount(units)
    places = len(money.amount(units).removesuffix(f" {unit}").partition(".")[2])
    assert scale == 10**places


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(), SCALES)
def test_a_number_is_written_with_its_own_digits(value: float, scale: int) -> None:
    shown = Money(scale, "EUR", counts_smallest=False).value(value)
    assert shown is not None
    assert read(shown, "EUR") == Decimal(repr(value))


@pytest.mark.parametrize(
    ("schema", "value", "shown"),
    [
        ({"type": "integer", "x-scale": 100, "x-unit": "EUR"}, 34900, "349.00 EUR"),
        ({"type": "integer", "x-scale": 100, "x-unit": "EUR"}, -5, "-0.05 EUR"),
        ({"type": "integer", "x-unit": "kWh"}, 1200, "1,200 kWh"),
        ({"type": "number", "x-scale": 100, "x-unit": "EUR"}, 1234567.5, "1,234,567.50 EUR"),
        ({"type": "number", "x-scale": 100, "x-unit": "EUR"}, 250.009, "250.009 EUR"),
        ({"type": "number", "x-scale": 100, "x-unit": "EUR"}, 349, "349.00 EUR"),
        ({"type": ["number", "null"], "x-scale": 100, "x-unit": "EUR"}, 0.1, "0.10 EUR"),
        ({"type": "number", "x-scale": 100}, 0.5, "0.50"),
        ({"type": "number", "x-scale": 100, "x-unit": "EUR"}, True, None),
        ({"type": "number", "x-scale": 100, "x-unit": "EUR"}, "5", None),
    ],
)
def test_a_declared_amount_is_written_one_way(schema, value, shown) -> None:
    money = money_of(CompiledSchema(schema).root)
    assert money is not None
    assert money.value(value) == shown


EURO = {"type": "number", "x-scale": 100, "x-unit": "EUR"}
EUROS = Money(100, "EUR", counts_smallest=False)


@pytest.mark.parametrize(
    "price",
    [
        EURO,
        {"anyOf": [EURO, {"type": "null"}]},
        {"$ref": "#/$defs/Price"},
        {"allOf": [{"$ref": "#/$defs/Price"}], "description": "Net"},
        {"anyOf": [{"$ref": "#/$defs/Price"}, {"type": "null"}], "default": None},
        {"allOf": [{"type": "number"}, {"x-scale": 100}, {"x-unit": "EUR"}]},
    ],
)
def test_an_amount_is_found_wherever_the_schema_declares_it(price) -> None:
    line = {"type": "object", "properties": {"price": price, "count": {"type": "integer"}}}
    schema = CompiledSchema(
        {
            "type": "object",
            "$defs": {"Price": EURO, "Line": line},
            "properties": {
                "price": price,
                "total": {"type": "object", "properties": {"net": price}},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
            },
        }
    )
    assert money_at(schema, "price") == money_at(schema, "total.net") == EUROS
    value = {
        "price": 5,
        "total": {"net": 149.9},
        "lines": [{"price": 1, "count": 2}, {"price": None}, {"price": 0.25, "other": 1}],
    }
    assert dict(amounts_in(schema.root, value)) == {
        "price": "5.00 EUR",
        "total.net": "149.90 EUR",
        "lines.0.price": "1.00 EUR",
        "lines.2.price": "0.25 EUR",
    }


def test_what_declares_no_amount_has_none() -> None:
    two = {"anyOf": [EURO, EURO | {"x-unit": "USD", "x-scale": 1000}]}
    for schema in ({"type": "number"}, {"type": "number", "x-scale": 60}, {"anyOf": 5}, two):
        assert money_of(CompiledSchema(schema).root) is None
    assert money_at(CompiledSchema({"properties": {"price": {"properties": {}}}}), "price") is None
    assert money_at(CompiledSchema({"properties": []}), "price.net") is None


def test_two_amounts_have_their_unit_once() -> None:
    assert Money(100, "EUR").used_of(34900, 60000) == "349.00 of 600.00 EUR"
    assert Money().used_of(9, 1_000) == "9 of 1,000"


def test_a_field_says_what_to_write() -> None:
    assert Money(100, "EUR").written_in == "100 make 1 EUR"
    assert Money(100, "EUR", counts_smallest=False).written_in == "EUR"
    assert Money().written_in == ""
