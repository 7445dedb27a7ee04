"""The values that an operand of a rule can have, and what a comparison can then come to.

A set of actions is an integer with one bit for each, so that 500 rules over 500 actions are walked
in a moment.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypeAlias

from clearance.core.canonical import Json
from clearance.core.policy_form import Form

VALUES_NAMED_MAX = 8  # values that one problem lists
LITERAL_SHOWN_MAX = 60  # characters of one of them

Mask: TypeAlias = int
"""A set of actions."""
Truth: TypeAlias = tuple[Mask, Mask]
"""The actions for which an expression can be true, and those for which it can be false."""
Path: TypeAlias = tuple[str, ...]
"""Attributes from the context on: `("parameters", "to", "mail")`."""

ALL: Mask = -1
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


@dataclass(frozen=True, slots=True)
class Domain:
    """The values that an operand can have: of one Cedar type (empty: not known), and only those of
    `values` (None: any). Of a set, `values` are what its items can be.
    """

    kind: str
    values: Collection[Json] | None = None
    form: Form | None = None

    @property
    def item(self) -> Domain:
        """What the items of a set can be."""
        if not self.kind.startswith("Set<"):
            return Domain("")
        return Domain(self.kind.removeprefix("Set<").removesuffix(">"), self.values, self.form)

    @property
    def ends(self) -> tuple[int, int] | None:
        """The least and the greatest value; None if they are not known."""
        if self.kind != "Long" or not self.values:
            return None
        values = self.values
        return (values[0], values[-1]) if isinstance(values, range) else (min(values), max(values))

    def misfits(self, other: Domain) -> bool:
        """True if the two are of types that are never equal."""
        return bool(self.kind and other.kind) and self.kind != other.kind

    def may_equal(self, other: Domain) -> bool:
        """True if a value of this could be a value of the other."""
        if self.misfits(other):
            return False
        if not (self.kind and other.kind):
            return True
        if isinstance(self.values, range) and isinstance(other.values, range):
            return max(self.values.start, other.values.start) < min(
                self.values.stop, other.values.stop
            )
        return self._takes_any(other.values) and other._takes_any(self.values)

    def _takes_any(self, values: Collection[Json] | None) -> bool:
        return values is None or isinstance(values, range) or any(map(self.takes, values))

    def takes(self, value: Json) -> bool:
        """True if a value of its type could be this one."""
        listed = self.values is None or value in self.values
        return listed and (self.form is None or self.form.takes(value))

    def must_equal(self, other: Domain) -> bool:
        """True if the two always have the same value."""
        return (
            self.values is not None
            and other.values is not None
            and len(self.values) == len(other.values) == 1
            and bool(self.kind and other.kind)
            and self.may_equal(other)
        )

    def only(self, values: Collection[Json]) -> bool:
        """True if every value of this is one of these."""
        return (
            self.values is not None
            and len(self.values) <= len(values)
            and all(value in values for value in self.values)
        )


@dataclass(frozen=True, slots=True)
class Operand:
    """The values of an operand: a domain for each group of actions. An action can be in several
    groups, and then any of them can hold.

    `origin` is the place that it is read from, if it is read from one: what is worked out about it
    is the same for every rule.
    """

    groups: tuple[tuple[Mask, Domain], ...]
    origin: Path | None = None

    @property
    def items(self) -> Operand:
        """What the items of a set can be."""
        origin = (*self.origin, "items of") if self.origin else None
        return Operand(tuple((mask, domain.item) for mask, domain in self.groups), origin)

    def within(self, live: Mask) -> list[Domain]:
        """The domains for these actions."""
        return [domain for mask, domain in self.groups if mask & live]


def alone(domain: Domain) -> Operand:
    """An operand that is the same for every action."""
    return Operand(((ALL, domain),))


ANYTHING = alone(Domain(""))
"""An operand of which nothing is known."""


# --- Comparisons ---


def equality(first: Operand, other: Operand) -> Truth:
    """Whether two operands are equal."""
    true = false = 0
    for (mine, domain), (its, value) in product(first.groups, other.groups):
        true |= mine & its if domain.may_equal(value) else 0
        false |= mine & its if not domain.must_equal(value) else 0
    return true, false


def order(operator: str, first: Operand, other: Operand) -> Truth:
    """Whether two operands are in an order: `<`, `<=`, `>` or `>=`."""
    true = false = 0
    for (mine, domain), (its, value) in product(first.groups, other.groups):
        can, cannot = _ends_in_order(operator, domain.ends, value.ends)
        true |= mine & its if can else 0
        false |= mine & its if cannot else 0
    return true, false


def _ends_in_order(
    operator: str, left: tuple[int, int] | None, right: tuple[int, int] | None
) -> tuple[bool, bool]:
    """Whether an order can hold, and whether it can fail, between values of these ranges."""
    if left is None or right is None:
        return True, True
    if operator in {">", ">="}:
        left, right, operator = right, left, MIRRORED[operator]
    if operator == "<":
        return left[0] < right[1], left[1] >= right[0]
    return left[0] <= right[1], left[1] > right[0]


def likeness(operand: Operand, pattern: Sequence[Any]) -> Truth:
    """Whether an operand is like a pattern in Cedar's JSON."""
    true = false = 0
    for mask, domain in operand.groups:
        texts = domain.values if domain.kind == "String" else None  # a number has no text
        matches = {_matches(pattern, str(text)) for text in texts or ()}
        takes = domain.form is None or domain.form.takes_like(_pieces(pattern))
        true |= mask if takes and (texts is None or True in matches) else 0
        false |= mask if texts is None or False in matches else 0
    return true, false


def others(operand: Operand, known: frozenset[Json]) -> Truth:
    """For which actions an operand can have another value than these."""
    return ALL, union(mask for mask, domain in operand.groups if not domain.only(known))


def union(masks: Iterable[Mask]) -> Mask:
    """All actions of some sets."""
    together = 0
    for mask in masks:
        together |= mask
    return together


def _matches(pattern: Sequence[Any], text: str) -> bool:
    """True if a text is like a pattern."""
    parts = _pieces(pattern)
    if len(parts) == 1:
        return text == parts[0]
    first, *middle, last = parts
    if not text.startswith(first):
        return False
    at = len(first)
    for part in middle:
        position = text.find(part, at)
        if position < 0:
            return False
        at = position + len(part)
    return text.endswith(last) and len(text) - len(last) >= at


def _pieces(pattern: Sequence[Any]) -> list[str]:
    """The texts between the wildcards of a pattern."""
    pieces = [""]
    for piece in pattern:
        if piece == "Wildcard":
            pieces.append("")
        else:
            pieces[-1] += piece["Literal"]
    return pieces


# --- In words ---


def allowed(domains: Iterable[Domain]) -> str:
    """The only values of some domains, for a sentence; empty, if they are not known."""
    values = [domain.values for domain in domains if domain.values is not None]
    lists = [each for each in values if isinstance(each, frozenset)]
    ranges = [each for each in values if isinstance(each, range) and each]
    if ranges and not lists:
        least, greatest = min(each[0] for each in ranges), max(each[-1] for each in ranges)
        return f" (it is from {least} to {greatest})"
    known = frozenset().union(*lists)
    return f" (it is one of: {_in_words(known)})" if known else ""


def _in_words(values: Iterable[Json]) -> str:
    ordered = sorted(values, key=str)
    shown = ", ".join(literal(value) for value in ordered[:VALUES_NAMED_MAX])
    more = len(ordered) - VALUES_NAMED_MAX
    return f"{shown} and {more} more" if more > 0 else shown


def literal(value: Json) -> str:
    """A value as Cedar writes it, nearly."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f'{value[0]}::"{value[1]}"'
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= LITERAL_SHOWN_MAX else f"{text[:LITERAL_SHOWN_MAX]}..."
