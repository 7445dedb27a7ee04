"""Expressions of a rule in Cedar's JSON: their parts, and how a sentence shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from clearance.core.canonical import Json
from clearance.core.policy_values import Domain, Path, literal

Expression: TypeAlias = Any
"""An expression in Cedar's JSON: an object of one operator and its operands."""

ELEMENTS_SHOWN_MAX = 3  # elements of a set that a sentence shows

OF_DECIMALS = {
    "<": "lessThan",
    "<=": "lessThanOrEqual",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
}
"""What decimals have in the place of an operator."""


def written(expression: Expression) -> str:
    """An expression for a sentence: paths and literals as they are written, others in a word."""
    [(operator, operands)] = expression.items()
    if operator == "Value":
        return literal(plain(operands))
    if operator == "Var":
        return str(operands)
    if operator == "neg":
        return f"-{written(operands['arg'])}"
    if operator == ".":
        attribute = operands["attr"]
        bare = attribute.isascii() and attribute.isidentifier()
        return written(operands["left"]) + (f".{attribute}" if bare else f'["{attribute}"]')
    if operator == "Set":
        return f"[{', '.join(map(written, operands[:ELEMENTS_SHOWN_MAX]))}]"
    return "an expression"


def expressions(operands: Any) -> Iterator[Expression]:
    """The expressions among the operands of an operator."""
    parts = operands.values() if isinstance(operands, dict) else operands
    yield from (part for part in parts if isinstance(part, dict))


def is_literal(expression: Expression) -> bool:
    """True for a value that is written out; a number may have a sign before it."""
    return "Value" in expression or ("neg" in expression and "Value" in expression["neg"]["arg"])


def plain(value: Any) -> Json:
    """A literal, as it can be in a set: of an entity, the type and the id."""
    if isinstance(value, dict):
        entity = value.get("__entity", {})
        return (entity.get("type"), entity.get("id"))
    return value


def literal_domain(value: Any) -> Domain:
    """The one value of a literal."""
    bare = plain(value)
    if isinstance(bare, tuple):
        return Domain(str(bare[0]), frozenset({bare}))
    kinds = {bool: "Bool", int: "Long", str: "String"}
    return Domain(kinds.get(type(bare), ""), frozenset({bare}))


def action_compared(left: Expression, right: Expression) -> str | None:
    """The action that `action` is compared with; None for any other comparison."""
    for first, other in ((left, right), (right, left)):
        if first.get("Var") == "action" and "Value" in other:
            kind, name = plain(other["Value"]) if isinstance(other["Value"], dict) else ("", "")
            return str(name) if kind == "Action" else None
    return None


def kind_of(domain: Domain) -> str:
    """The type of a domain, for a sentence."""
    return "record" if domain.kind.startswith("{") else domain.kind


def is_path(expression: Expression, path: Path) -> bool:
    """True if an expression is the attribute at a path."""
    return bool("." in expression and written(expression) == dotted(path))


def dotted(path: Path) -> str:
    """A path, for a sentence."""
    expression: Expression = {"Var": "context"}
    for attribute in path:
        expression = {".": {"left": expression, "attr": attribute}}
    return written(expression)


def decimal_hint(left: str, operator: str, right: str) -> str:
    """What to write instead of comparing a decimal with an integer."""
    digits = right if "." in right else f"{right}.0"
    if operator == "==":
        return f'compares {left}, which is a decimal, with {right}: write decimal("{digits}")'
    method = OF_DECIMALS.get(operator, operator)
    return (
        f"compares {left}, which is a decimal, with {right}: write "
        f'{left}.{method}(decimal("{digits}"))'
    )


def attributes_of_context(part: Any) -> Iterator[str]:
    """Every attribute that a rule, or a part of it, reads of the context itself or asks for."""
    if isinstance(part, dict):
        for operator in (".", "has"):
            operands = part.get(operator)
            if isinstance(operands, dict) and operands.get("left") == {"Var": "context"}:
                yield str(operands["attr"])
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from attributes_of_context(each)


def entities(part: Any) -> Iterator[tuple[str, str]]:
    """The type and the id of every entity that a rule, or a part of it, names."""
    if isinstance(part, dict):
        if isinstance(part.get("type"), str) and isinstance(part.get("id"), str):
            yield part["type"], part["id"]
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from entities(each)
