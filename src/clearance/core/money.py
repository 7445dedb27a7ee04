"""Amounts with a unit: declared once in a schema of parameters, written one way for people.

`x-unit: EUR` names the unit and `x-scale: 100` says how many smallest units make one. The value of
a `number` counts units, that of an `integer` smallest units. Budgets count smallest units of both.
Nothing here is a float: a value's own digits are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from clearance.core.canonical import Json

UNIT_LENGTH_MAX = 12  # characters of a unit

_EXACT = Context(prec=400)  # a double has at most 309 digits before its point, and a scale few


@dataclass(frozen=True, slots=True)
class Money:
    """How amounts of one parameter are written.

    `scale`, a power of ten, is how many smallest units make one `unit` (which may be nameless).
    `counts_smallest`: a JSON value counts smallest units, as an integer does.
    """

    scale: int = 1
    unit: str = ""
    counts_smallest: bool = True

    def amount(self, smallest: int) -> str:
        """An amount in smallest units, with its unit: `349.00 EUR`."""
        return self._named(self._decimal(smallest))

    def used_of(self, used: int, limit: int) -> str:
        """Two amounts in smallest units, the unit once: `349.00 of 600.00 EUR`."""
        return self._named(f"{self._decimal(used)} of {self._decimal(limit)}")

    def value(self, value: Json) -> str | None:
        """A JSON number as an amount, never rounded; None for what is no finite number."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        given = Decimal(repr(value))
        if not given.is_finite():
            return None
        smallest = given if self.counts_smallest else _EXACT.multiply(given, Decimal(self.scale))
        if smallest == smallest.to_integral_value():
            return self.amount(int(smallest))
        exact = _EXACT.divide(smallest, Decimal(self.scale))
        return self._named(f"{exact:,f}")

    @property
    def written_in(self) -> str:
        """What a person writes into a field: `EUR`, or `100 make 1 EUR`; empty if there is nothing
        to say.
        """
        if self.counts_smallest and self.scale > 1:
            return f"{self.scale:,} make {self._named('1')}"
        return self.unit

    def _decimal(self, smallest: int) -> str:
        sign = "-" if smallest < 0 else ""
        whole, rest = divmod(abs(smallest), self.scale)
        places = len(str(self.scale)) - 1
        return f"{sign}{whole:,}" + (f".{rest:0{places}d}" if places else "")

    def _named(self, amount: str) -> str:
        return f"{amount} {self.unit}" if self.unit else amount


def money_of(schema: Json) -> Money | None:
    """How the amounts of a schema are written; None if it declares neither unit nor scale, or a
    scale that no decimal can show.

    In `anyOf` and `oneOf`, the first branch that declares them counts.
    """
    if not isinstance(schema, Mapping):
        return None
    scale, unit = schema.get("x-scale", 1), schema.get("x-unit", "")
    if ("x-scale" in schema or "x-unit" in schema) and is_power_of_ten(scale):
        kinds = schema.get("type")
        whole = "integer" in (kinds if isinstance(kinds, list) else [kinds])
        return Money(scale, unit if isinstance(unit, str) else "", counts_smallest=whole)
    branches = [*_listed(schema, "anyOf"), *_listed(schema, "oneOf")]
    return next((money for branch in branches if (money := money_of(branch))), None)


def money_at(schema: Json, name: str) -> Money | None:
    """How the amounts of a parameter are written, by its name or dotted path (`price.net`)."""
    for part in name.split("."):
        properties = schema.get("properties") if isinstance(schema, Mapping) else None
        schema = properties.get(part) if isinstance(properties, Mapping) else None
    return money_of(schema)


def is_power_of_ten(scale: Json) -> bool:
    """True for 1, 10, 100 and so on: the scales that a decimal shows exactly."""
    return type(scale) is int and scale >= 1 and str(scale).rstrip("0") == "1"


def _listed(schema: Mapping[str, Json], keyword: str) -> list[Json]:
    branches = schema.get(keyword)
    return branches if isinstance(branches, list) else []
