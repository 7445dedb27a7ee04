"""What an agent states of itself can only tighten the answer: a rule that could loosen it is
refused.

Confidence and risk are the agent's own word. A forbid must therefore be easier to meet the more
cautious the agent is, and a permit harder: with more risk, less confidence, or none that is stated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clearance.core.policy_expression import Expression, attributes_of_context, written
from clearance.core.policy_values import MIRRORED

_GROWS = {"risk": True, "confidence_bp": False, "confidence_stated": False}
"""The attributes of the context that an agent states, and whether they grow with its caution."""

_INSTEAD = {
    ("risk", True): "context.risk > or >= with a number",
    ("risk", False): "context.risk < or <= with a number",
    ("confidence_bp", True): "context.confidence_bp < or <= with a number",
    ("confidence_bp", False): "context.confidence_bp > or >= with a number",
    ("confidence_stated", True): "!context.confidence_stated",
    ("confidence_stated", False): "context.confidence_stated",
}
"""What may stand where a condition may only rise with an agent's caution, and where only fall."""

_FORBID = "forbid(...) when { context.unattended && context.confidence_bp < 8000 }"


def hint_problems(policy: Mapping[str, Any]) -> Iterator[str]:
    """Sentences about each place at which what an agent states could loosen the answer."""
    permits = policy["effect"] == "permit"
    if permits:
        yield from _permitting(policy)
    for condition in policy["conditions"]:
        rises = permits == (condition["kind"] == "unless")
        for name, shown, up in _loosening(condition["body"], rises=rises):
            if name == "risk" or not permits:
                yield (
                    f"has {shown} where an agent could loosen the answer with what it states: "
                    f"write {_INSTEAD[name, up]}"
                )


def _permitting(policy: Mapping[str, Any]) -> Iterator[str]:
    """A confidence permits nothing, in any shape: no catalog bounds it, as one bounds the risk."""
    for name in sorted(_hints(policy["conditions"]) - {"risk"}):
        yield (
            f"mentions context.{name} in a permit: the agent chooses its confidence, so that "
            f"it may only forbid; write it in a forbid, such as {_FORBID}"
        )


def _loosening(expression: Expression, *, rises: bool) -> Iterator[tuple[str, str, bool]]:
    """The hints in an expression by which it might not only rise (or, without `rises`, only fall)
    with the caution of the agent: the name, where it stands, and what it should have done there.
    """
    [(operator, operands)] = expression.items()
    match operator:
        case "&&" | "||":
            yield from _loosening(operands["left"], rises=rises)
            yield from _loosening(operands["right"], rises=rises)
        case "!":
            yield from _loosening(operands["arg"], rises=not rises)
        case "if-then-else" if not _hints(operands["if"]):
            yield from _loosening(operands["then"], rises=rises)
            yield from _loosening(operands["else"], rises=rises)
        case _ if _grows(expression) is not rises:
            for name in sorted(_hints(expression)):
                yield name, _shown(expression, name), rises


def _grows(expression: Expression) -> bool | None:
    """Whether what an expression says gets truer (True) or less true (False) with the caution of
    the agent; None if neither is certain.
    """
    if name := _hint(expression):
        return _GROWS[name]
    [(operator, operands)] = expression.items()
    if operator not in MIRRORED:
        return None
    left, right = operands["left"], operands["right"]
    if _hint(right):
        left, right, operator = right, left, MIRRORED[operator]
    name = _hint(left)
    if name is None or _hints(right):
        return None
    return _GROWS[name] == (operator in {">", ">="})


def _hint(expression: Expression) -> str | None:
    """The hint that an expression reads, if it is nothing else."""
    attribute = expression.get(".", {})
    name = attribute.get("attr")
    return name if attribute.get("left") == {"Var": "context"} and name in _GROWS else None


def _hints(part: Any) -> set[str]:
    """The hints that a rule, or a part of it, reads or asks for."""
    return set(attributes_of_context(part)) & set(_GROWS)


def _shown(expression: Expression, name: str) -> str:
    """Where a hint stands, for a sentence."""
    [(operator, operands)] = expression.items()
    if operator in {"==", "!=", *MIRRORED}:
        return f"{written(operands['left'])} {operator} {written(operands['right'])}"
    return f"context.{name}" if _hint(expression) else f"context.{name} in another shape"
