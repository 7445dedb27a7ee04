"""The walk through a rule's conditions: for which actions they can hold, what they depend on, and
what in them never can match.

Cedar types `context.parameters has cupon` as false where the record has no such attribute, and
looks no further: a misspelt rule would be accepted, and never fire. The walk therefore follows
every expression for all actions in the rule's scope at once, and refuses what none of them can
make true. Whatever it cannot follow to the end can be true and false. It knows no values of an
intent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar, TypeAlias

from clearance.core.policy_actions import Actions, Attribute, close_to
from clearance.core.policy_expression import (
    OF_DECIMALS,
    Expression,
    action_compared,
    decimal_hint,
    dotted,
    expressions,
    is_literal,
    is_path,
    kind_of,
    literal_domain,
    plain,
    written,
)
from clearance.core.policy_values import (
    ANYTHING,
    MIRRORED,
    Domain,
    Mask,
    Operand,
    Path,
    Truth,
    allowed,
    alone,
    equality,
    likeness,
    literal,
    order,
    others,
    union,
)

Mentions: TypeAlias = Mapping[tuple[str, bool], Mask]
"""The actions for which a rule depends on a parameter, by its name and whether it is used whole."""

EVERYTHING = ""
"""The name of all parameters together."""
UNATTENDED = ("unattended",)
BOOLS = frozenset({True, False})
_NULLS = ("nulls",)
_ENTITIES = {"principal": "Agent", "resource": "Account", "action": "Action"}


@dataclass(slots=True)
class Walk:
    """One walk through the conditions of a rule.

    `known` are the values that are left to `principal`, `resource` and `context.unattended`.
    """

    actions: Actions
    known: Mapping[str, Any]
    problems: dict[str, None] = field(default_factory=dict)
    mentions: dict[tuple[str, bool], Mask] = field(default_factory=dict)
    seen: set[Path] = field(default_factory=set)

    def matching(self, conditions: Sequence[Mapping[str, Any]], live: Mask) -> Truth:
        """The actions for which all conditions can hold, and those for which one can fail."""
        fails: Mask = 0
        for condition in conditions:
            true, false = self.truth(condition["body"], live)
            live, other = (true, false) if condition["kind"] == "when" else (false, true)
            fails |= other
        return live, fails

    def refuse(self, sentence: str) -> None:
        """Adds what is wrong."""
        self.problems[sentence] = None

    def bit_of(self, named: str) -> Mask:
        """An action; none, and a problem, if the catalog does not have it."""
        if named not in self.actions.bit:
            hint = close_to(named, self.actions.bit)
            self.refuse(
                f"names the action {named}, which the catalog does not have (there are no groups "
                f"of actions){hint}"
            )
        return self.actions.bit.get(named, 0)

    def truth(self, expression: Expression, live: Mask) -> Truth:
        """For which of the `live` actions an expression can be true, and for which false."""
        [(operator, operands)] = expression.items()
        decide = self._DECIDED.get(operator)
        return decide(self, operator, operands, live) if decide else self._plain(expression, live)

    def values(self, expression: Expression, live: Mask) -> Operand:
        """What an operand can be, for the `live` actions."""
        [(operator, operands)] = expression.items()
        if operator in self._DECIDED and operator != "if-then-else":
            true, false = self.truth(expression, live)
            answers = ((true & ~false, {True}), (false & ~true, {False}), (true & false, BOOLS))
            return Operand(
                tuple((mask, Domain("Bool", frozenset(some))) for mask, some in answers if mask)
            )
        match operator:
            case "Value":
                return alone(literal_domain(operands))
            case "Var":
                return self._variable(operands)
            case ".":
                return self._attribute(expression, live)
            case "if-then-else":
                true, false = self.truth(operands["if"], live)
                branches = ((true, operands["then"]), (false, operands["else"]))
                return Operand(
                    tuple(
                        (mask & some, domain)
                        for some, branch in branches
                        for mask, domain in self.values(branch, some).groups
                    )
                )
            case "neg" if "Value" in operands["arg"]:
                return alone(Domain("Long", frozenset({-operands["arg"]["Value"]})))
            case _:
                for operand in expressions(operands):
                    self.values(operand, live)
                return alone(Domain("decimal" if operator == "decimal" else ""))

    # --- Connectives ---

    def _chain(self, operator: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        true, false = self.truth(operands["left"], live)
        onward = true if operator == "&&" else false
        if live and not onward:
            what = "true" if operator == "&&" else "false"
            self.refuse(
                f"has a part after {operator} that is never looked at: what stands before "
                f"it is never {what}"
            )
        right_true, right_false = self.truth(operands["right"], onward)
        if operator == "&&":
            return right_true, false | right_false
        return true | right_true, right_false

    def _not(self, _: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        true, false = self.truth(operands["arg"], live)
        return false, true

    def _choice(self, _: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        true, false = self.truth(operands["if"], live)
        if live and not (true and false):
            self.refuse("has an if with a branch that is never taken")
        then, otherwise = self.truth(operands["then"], true), self.truth(operands["else"], false)
        return then[0] | otherwise[0], then[1] | otherwise[1]

    def _plain(self, expression: Expression, live: Mask) -> Truth:
        true = false = 0
        for mask, domain in self.values(expression, live).groups:
            true |= mask if domain.values is None or True in domain.values else 0
            false |= mask if domain.values is None or False in domain.values else 0
        return true & live, false & live

    def _open(self, operator: str, operands: Any, live: Mask) -> Truth:
        """What can come to anything."""
        if operator == "hasTag":
            self.refuse("asks for a tag: agents, accounts and actions have none")
        if operator in OF_DECIMALS.values() and "Value" in operands[1]:
            self.refuse(decimal_hint(written(operands[0]), operator, written(operands[1])))
        for operand in expressions(operands):
            self.values(operand, live)
        return live, live

    # --- Attributes ---

    def _path(self, expression: Expression) -> Path | None:
        """The path of an attribute of the context; None, and a problem, for one of anything
        else.
        """
        attributes: list[str] = []
        [(operator, operands)] = expression.items()
        while operator == ".":
            attributes.append(operands["attr"])
            [(operator, operands)] = operands["left"].items()
        if (operator, operands) == ("Var", "context"):
            return tuple(reversed(attributes))
        if operator == "Var" or (operator == "Value" and isinstance(operands, dict)):
            self.refuse(
                f"asks {written({operator: operands})} for an attribute: agents, accounts "
                f"and actions have none"
            )
        else:
            self.refuse(
                "takes an attribute of something that it built: write the path from context on"
            )
        return None

    def _place(self, path: Path, live: Mask) -> Attribute | None:
        """The place at a path; None, and a problem, if no live action has it, or one lacks what it
        declares.
        """
        place = self.actions.at(path)
        for name, why in place.lacking.items():
            if self.actions.bit[name] & live:
                self.refuse(f"mentions {dotted(path)}, which policy cannot read in {name}: {why}")
                return None
        if live and not place.here & live:
            about, hint = self.actions.listed(live), close_to(path[-1], self.actions.beside(path))
            self.refuse(
                f"mentions {dotted(path)}, which no action that it can be about has ({about}){hint}"
            )
            return None
        return place

    def _has(self, _: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        above = self._path(operands["left"])
        path = (*(above or ()), operands["attr"])
        place = None if above is None else self._place(path, live)
        if place is None:
            return live, live
        self._mention(path, live, whole=not place.is_record)
        return (place.here | place.open) & live, live & ~place.always

    def _attribute(self, expression: Expression, live: Mask) -> Operand:
        path = self._path(expression)
        if path is None:
            return ANYTHING
        self._mention(path, live, whole=True)
        if path == UNATTENDED:
            return alone(Domain("Bool", self.known["unattended"]))
        return self._read(path, live)

    def _read(self, path: Path, live: Mask) -> Operand:
        place = self._place(path, live)
        return ANYTHING if place is None else place.operand

    def _mention(self, path: Path, live: Mask, *, whole: bool) -> None:
        """Notes that the rule depends on an attribute. The count of a list does not depend on what
        is in it.
        """
        self.seen.add(path)
        match path:
            case ("parameters", *names):
                self._seen_there(names, live)
                mention = (".".join(names), whole)
            case ("counts", name, *_):
                self._seen_there(name.split("."), live)
                mention = (name, False)
            case ("counts" | "nulls", *_):
                mention = (EVERYTHING, whole)
            case _:
                return
        if mention != (EVERYTHING, False):
            self.mentions[mention] = self.mentions.get(mention, 0) | live

    def _seen_there(self, names: Sequence[str], live: Mask) -> None:
        """Refuses a path at which an action can have something that the record shows elsewhere, or
        not at all.
        """
        path = ("parameters", *names)
        for name, why in self.actions.at(path).hidden.items():
            if self.actions.bit[name] & live:
                self.refuse(f"mentions {dotted(path)}, which policy cannot see in {name}: {why}")
                return

    def _variable(self, name: str) -> Operand:
        if name == "context":
            self.refuse(
                "uses context as a whole: write the path of what it is about, such as "
                "context.parameters.amount"
            )
            return ANYTHING
        return alone(Domain(_ENTITIES[name], self.known.get(name)))

    # --- Comparisons ---

    def _compared(self, operator: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        true, false = self._same(operands["left"], operands["right"], live)
        return (true, false) if operator == "==" else (false, true)

    def _same(self, left: Expression, right: Expression, live: Mask) -> Truth:
        if (named := action_compared(left, right)) is not None:
            return self._is_action(named, live)
        for first, other in ((left, right), (right, left)):
            if "Record" in other and "." in first:
                return self._same_record(first, other["Record"], live)
            if "Set" in other and "." in first:
                self.values(first, live)
                return self._contains("containsAll", first, other, live)
        return self._equal(left, right, self.values(left, live), self.values(right, live), live)

    def _same_record(
        self, record: Expression, attributes: Mapping[str, Expression], live: Mask
    ) -> Truth:
        self.values(record, live)
        true = live
        for name, value in attributes.items():
            true &= self._same({".": {"left": record, "attr": name}}, value, live)[0]
        return true, live

    def _equal(
        self, left: Expression, right: Expression, first: Operand, other: Operand, live: Mask
    ) -> Truth:
        if is_literal(left):
            left, right, first, other = right, left, other, first
        true, false = self.actions.once(("==", other.groups), first, lambda: equality(first, other))
        if live and not true & live and not is_literal(left):
            self._never_equal(left, right, first.within(live), other.within(live))
        return true & live, false & live

    def _never_equal(
        self, left: Expression, right: Expression, ones: list[Domain], others: list[Domain]
    ) -> None:
        """Says why two operands never have the same value."""
        mine, value = written(left), written(right)
        for first, other in product(ones, others):
            if {first.kind, other.kind} == {"decimal", "Long"}:
                self.refuse(decimal_hint(mine, "==", value))
                return
            if first.misfits(other):
                self.refuse(f"compares {mine} ({kind_of(first)}) with {value} ({kind_of(other)})")
                return
        hint = allowed(ones) or self._spelled(right, ones)
        self.refuse(f"compares {mine} with {value}, which it never is{hint}")

    def _spelled(self, literal: Expression, ones: list[Domain]) -> str:
        """How a literal would be spelled, if its form is why it never is what it stands beside."""
        forms = [domain.form for domain in ones if domain.form]
        return forms[0].hint(literal["Value"]) if forms and "Value" in literal else ""

    def _is_action(self, named: str, live: Mask) -> Truth:
        bit = self.bit_of(named)
        if live and bit and not bit & live:
            self.refuse(f"asks for the action {named}, which its scope does not have")
        return live & bit, live & ~bit

    def _ordered(self, operator: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        left, right = operands["left"], operands["right"]
        first, other = self.values(left, live), self.values(right, live)
        if is_literal(left):
            left, right, first, other = right, left, other, first
            operator = MIRRORED[operator]
        if any(domain.kind == "decimal" for domain in first.within(live)):
            self.refuse(decimal_hint(written(left), operator, written(right)))
            return live, live
        true, false = self.actions.once(
            (operator, other.groups), first, lambda: order(operator, first, other)
        )
        true, false = true & live, false & live
        if live and is_literal(right) and not is_literal(left) and not (true and false):
            answer = "always" if true else "never"
            bounded = true and written(left).startswith("context.parameters")
            if not bounded:  # a rule may say again what the schema of a parameter says
                self.refuse(
                    f"compares {written(left)} {operator} {written(right)}, which is {answer} true"
                )
        return true, false

    def _like(self, _: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        pattern = operands["pattern"]
        operand = self.values(operands["left"], live)
        true, false = self.actions.once(
            ("like", str(pattern)), operand, lambda: likeness(operand, pattern)
        )
        if live and not true & live:
            domains = operand.within(live)
            words = next((domain.form.words for domain in domains if domain.form), "")
            hint = allowed(domains) or words
            self.refuse(f"has a like that {written(operands['left'])} never matches{hint}")
        return true & live, false & live

    # --- Entities and sets ---

    def _in(self, _: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        return self._within(operands["left"], operands["right"], live)

    def _membership(self, operator: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        return self._contains(operator, operands["left"], operands["right"], live)

    def _within(self, left: Expression, right: Expression, live: Mask) -> Truth:
        """`in`: an entity is only in itself, as there are no groups."""
        if "Set" in right:
            return self._contains("contains", right, left, live)
        return self._same(left, right, live)

    def _is(self, _: str, operands: Mapping[str, Any], live: Mask) -> Truth:
        left, asked = operands["left"], operands["entity_type"]
        if _ENTITIES.get(left.get("Var"), asked) != asked:
            self.refuse(f"asks whether {written(left)} is {asked}, which it never is")
        if "in" in operands:
            return self._within(left, operands["in"], live)
        self.values(left, live)
        return live, 0

    def _contains(self, operator: str, left: Expression, right: Expression, live: Mask) -> Truth:
        """Whether a set has an item, or all or any items of another: item by item, where one of the
        sets is written out.
        """
        if operator == "containsAny" and "Set" in left:
            left, right = right, left
        if "Set" in left and operator == "contains":
            return self._listed(left["Set"], right, live)
        if "Set" in left and "Set" not in right:
            items = self._items(right, (), live)
            return live, self._among(left["Set"], right, items, live)[1]
        if operator != "contains" and "Set" not in right:
            self.values(left, live)
            self.values(right, live)
            return live, live
        elements = right["Set"] if operator != "contains" else [right]
        items = self._items(left, elements, live)
        answers = [
            self._equal(left, each, items, self.values(each, live), live)[0] for each in elements
        ]
        true = union(answers)
        if operator == "containsAll":
            for answer in answers:
                true &= answer
        return true, live

    def _items(self, of: Expression, elements: Sequence[Expression], live: Mask) -> Operand:
        """What the items of a set can be. A rule that asks for certain names among the nulls
        depends on these parameters alone.
        """
        names = [each.get("Value") for each in elements]
        if is_path(of, _NULLS) and names and all(isinstance(name, str) for name in names):
            items = self._read(_NULLS, live).items
            any_name = any(domain.values is None for domain in items.within(live))
            for name in map(str, names):
                self._mention(("parameters", *name.removesuffix("[]").split(".")), live, whole=True)
                if any_name and not self.actions.null_names.get(name, 0) & live:
                    value = literal(name)
                    self.refuse(f"compares {dotted(_NULLS)} with {value}, which it never is")
            return items
        return self.values(of, live).items

    def _listed(self, elements: Sequence[Expression], value: Expression, live: Mask) -> Truth:
        """Whether a value is one of these elements."""
        named = [action_compared(value, each) for each in elements]
        if None not in named:
            answers = [self._is_action(str(name), live) for name in named]
            true = union(answer[0] for answer in answers)
            return true, live & ~true
        return self._among(elements, value, self.values(value, live), live)

    def _among(
        self, elements: Sequence[Expression], value: Expression, operand: Operand, live: Mask
    ) -> Truth:
        true = union(
            self._equal(value, element, operand, self.values(element, live), live)[0]
            for element in elements
        )
        known = frozenset(plain(each["Value"]) for each in elements if "Value" in each)
        false = self.actions.once(("among", known), operand, lambda: others(operand, known))[1]
        return true, false & live

    _DECIDED: ClassVar[Mapping[str, Callable[[Walk, str, Any, Mask], Truth]]] = {
        **dict.fromkeys(("&&", "||"), _chain),
        "!": _not,
        "if-then-else": _choice,
        "has": _has,
        **dict.fromkeys(("==", "!="), _compared),
        **dict.fromkeys(MIRRORED, _ordered),
        "like": _like,
        "in": _in,
        "is": _is,
        **dict.fromkeys(("contains", "containsAll", "containsAny"), _membership),
        **dict.fromkeys(("isEmpty", "hasTag", *OF_DECIMALS.values()), _open),
    }
    """How each operator that yields true or false is followed."""
