"""Amounts with a unit: declared once in a schema of parameters, written one way for people.

`x-unit: EUR` names the unit and `x-scale: 100` says how many smallest units make one. The value of
a `number` counts units, that of an `integer` smallest units. Budgets count smallest units of both.
Nothing here is a float: a value's own digits are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Context, Decimal

from clearance.core.canonical import Json
from clearance.core.schema import CompiledSchema, SchemaPlace

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

    def digits(self, value: Json) -> str | None:
        """A JSON number as a person writes it into a field: `149.90`; None if it is shown as it is
        given.
        """
        if self.counts_smallest or isinstance(value, bool) or not isinstance(value, int | float):
            return None
        given, places = Decimal(repr(value)), len(str(self.scale)) - 1
        written = f"{given:.{places}f}" if given.is_finite() else ""
        return written if written and Decimal(written) == given else None

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


def money_of(place: SchemaPlace) -> Money | None:
    """How the amounts at a place in a schema are written; None if it declares neither unit nor
    scale, or a scale that no decimal can show, or several.
    """
    scale, unit = _declared(place, "x-scale", 1), _declared(place, "x-unit", "")
    declared = any("x-scale" in node or "x-unit" in node for node in place.nodes)
    if not declared or not is_power_of_ten(scale):
        return None
    whole = "integer" in place.kinds and "fraction" not in place.kinds
    return Money(scale, unit if isinstance(unit, str) else "", counts_smallest=whole)


def money_at(schema: CompiledSchema, name: str) -> Money | None:
    """How the amounts of a parameter are written, by its name or dotted path (`price.net`)."""
    place: SchemaPlace | None = schema.root
    for part in name.split("."):
        place = place.names.get(part) if place else None
    return money_of(place) if place else None


def amounts_in(place: SchemaPlace, value: Json, path: str = "") -> Iterator[tuple[str, str]]:
    """The amounts in a value, each by its dotted path (`lines.0.price`), as people read them."""
    if isinstance(value, Mapping):
        parts = [(name, place.names.get(name), part) for name, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [(str(at), place.items, part) for at, part in enumerate(value)]
    else:
        money = money_of(place)
        if text := money and money.value(value):
            yield path, text
        return
    for name, inside, part in parts:
        if inside is not None and part.__class__ in _MAY_HOLD_AMOUNTS:
            yield from amounts_in(inside, part, f"{path}.{name}" if path else name)


_MAY_HOLD_AMOUNTS = frozenset({int, float, dict, list, tuple})


def _declared(place: SchemaPlace, keyword: str, usual: Json) -> Json:
    """What every part of a place that has a keyword says; None if they say different things."""
    values = [node[keyword] for node in place.nodes if keyword in node]
    if not values:
        return usual
    return values[0] if values.count(values[0]) == len(values) else None


def is_power_of_ten(scale: Json) -> bool:
    """True for 1, 10, 100 and so on: the scales that a decimal shows exactly."""
    return type(scale) is int and scale >= 1 and str(scale).rstrip("0") == "1"
