"""Advice about a document that is valid: what is written in it and probably means something else.

Nothing is refused for it: an agent may get its key tomorrow, and a schema may come from a tool.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from clearance.configuration.document import Reading
from clearance.configuration.limiting import replacing_less, without_ceiling
from clearance.configuration.shape import ActionShape, AutonomyShape, SettingsDocument
from clearance.core.accounts import AccountPattern
from clearance.core.canonical import Json
from clearance.core.dialect import places
from clearance.core.errors import Problem
from clearance.core.money import money_of
from clearance.core.policy import NamedEntity
from clearance.core.schema import CompiledSchema, SchemaPlace
from clearance.core.suggestion import suggestion

LIKENESS_MIN = 0.75  # of an unknown keyword to the one that was meant; 1 is the same

_WORDS = """
$anchor $comment $defs $dynamicAnchor $dynamicRef $id $recursiveAnchor $recursiveRef $ref
$schema $vocabulary additionalItems additionalProperties allOf anyOf const contains
contentEncoding contentMediaType contentSchema default definitions dependencies
dependentRequired dependentSchemas deprecated description else enum examples
exclusiveMaximum exclusiveMinimum format id if items maxContains maxItems maxLength
maxProperties maximum minContains minItems minLength minProperties minimum multipleOf not
oneOf pattern patternProperties prefixItems properties propertyNames readOnly required
then title type unevaluatedItems unevaluatedProperties uniqueItems writeOnly
"""
# OpenAPI's, and ours
_WORDS_OF_OURS = "discriminator example externalDocs nullable xml x-policy x-read x-scale x-unit"
_BEGINNINGS = [
    (constants.AT, place) for place in (constants.AT_BEGINNING, constants.AT_BEGINNING_STRING)
]
_ENDS = [(constants.AT, place) for place in (constants.AT_END, constants.AT_END_STRING)]
_KEYWORDS = frozenset(f"{_WORDS} {_WORDS_OF_OURS}".split())


def advice(document: SettingsDocument, agents: Collection[str] | None = None) -> list[Problem]:
    """What a person should look at in a document, each with its place.

    `agents` are those that have a key; None: not known.
    """
    policy = Reading(document).policy
    named = policy.named if policy else ()
    autonomy = document.autonomy
    known = {*autonomy.accounts_known, *autonomy.accounts_named}
    known |= {each.name for each in named if _has_a_known_form(each.name, autonomy)}
    return [
        *_unknown(named, "Account", known, "nothing under autonomy does"),
        *_not_listed(autonomy),
        *_unknown(named, "Agent", agents, "no key is for it"),
        *_limits(document, agents),
        *(
            Problem(("catalog", name, "parameters", *path), sentence)
            for name, shape in document.catalog.items()
            for place, schema in places(shape.parameters)
            for path, sentence in _odd(place, schema)
        ),
        *(
            Problem(("catalog", name, *path), sentence)
            for name, shape in document.catalog.items()
            for path, sentence in _amounts(shape)
        ),
    ]


def _limits(document: SettingsDocument, agents: Collection[str] | None) -> Iterator[Problem]:
    """What no limit holds back, the limits of agents that do not exist, and what goes with a limit
    that another replaces.
    """
    if sentence := without_ceiling(document):
        yield Problem(("autonomy", "limits"), sentence)
    for position, limit in enumerate(document.autonomy.limits):
        if agents and limit.agent is not None and limit.agent not in agents:
            hint = suggestion(limit.agent, sorted(agents))
            sentence = f"names the agent {limit.agent}, and no key is for it{hint}"
            yield Problem(("autonomy", "limits", position, "agent"), sentence)
    for position, sentence in replacing_less(document.autonomy.limits):
        yield Problem(("autonomy", "limits", position), sentence)


def _has_a_known_form(name: str, autonomy: AutonomyShape) -> bool:
    known = autonomy.accounts.known if autonomy.accounts else []
    return any(AccountPattern(each.match, 0).matches(name) for each in known if each.match)


def _not_listed(autonomy: AutonomyShape) -> Iterator[Problem]:
    """The accounts that something is set for, and that are not known, so that a person is asked."""
    places: list[tuple[tuple[str | int, ...], str | None]] = [
        *((("modes", at), mode.account) for at, mode in enumerate(autonomy.modes)),
        *((("budgets", at), budget.account) for at, budget in enumerate(autonomy.budgets)),
        *((("limits", at), limit.account) for at, limit in enumerate(autonomy.limits)),
        *((("allowlist", "accounts", name), name) for name in autonomy.allowlist.accounts),
    ]
    known = autonomy.accounts_known
    for place, name in places:
        if name is not None and name not in known and not _has_a_known_form(name, autonomy):
            hint = suggestion(name, sorted(known))
            sentence = f"is for the account {name}, which is not among the accounts{hint}"
            yield Problem(("autonomy", *place), sentence)


def _unknown(
    named: Collection[NamedEntity], kind: str, known: Collection[str] | None, why: str
) -> Iterator[Problem]:
    """The agents or accounts of rules that do not exist; none, where no name is known."""
    for entity in named if known else ():
        if entity.kind == kind and entity.name not in (known or ()):
            hint = suggestion(entity.name, sorted(known or ()))
            sentence = f"names the {kind.lower()} {entity.name}, and {why}{hint}"
            yield Problem(("policy", entity.rule), f"{sentence} (line {entity.line})")


def _odd(
    place: tuple[str | int, ...], schema: Mapping[str, Json]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for keyword in schema:
        if keyword not in _KEYWORDS and (meant := _meant(keyword)):
            yield (*place, keyword), f"is no keyword of JSON Schema, and checks nothing{meant}"
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and not _is_anchored(pattern):
        sentence = "matches anywhere in a text: put ^ before it and $ behind it"
        yield (*place, "pattern"), sentence


def _amounts(shape: ActionShape) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What would be counted as another amount than it is, or not at all."""
    arguments = CompiledSchema(shape.final_schema).root.names
    spent = arguments.get(shape.spends or "")
    if spent and not _never_negative(spent):
        sentence = (
            "names an amount that may be negative, which no budget can count: give it minimum: 0"
        )
        yield ("spends",), sentence
    currency = arguments.get("currency")
    if currency is None or (currency.values and len(currency.values) == 1):
        return
    for name, place in arguments.items():
        money = money_of(place)
        if money and money.unit:
            sentence = (
                f"is an amount whose unit is fixed to {money.unit}, beside a currency that is "
                f"free: a call with another currency would be counted as {money.unit}"
            )
            yield ("parameters", "properties", name), sentence


def _never_negative(place: SchemaPlace) -> bool:
    """True if the schema takes no number below 0."""
    if place.values:
        return not any(isinstance(value, int | float) and value < 0 for value in place.values)
    lowest = (
        node.get(keyword) for node in place.nodes for keyword in ("minimum", "exclusiveMinimum")
    )
    return any(
        isinstance(low, int | float) and not isinstance(low, bool) and low >= 0 for low in lowest
    )


def _meant(keyword: str) -> str:
    """A hint at the keyword that was meant; empty for one that is like no other."""
    by_case = {known.casefold(): known for known in _KEYWORDS}
    close = get_close_matches(keyword.casefold(), by_case, 1, LIKENESS_MIN)
    return f"; did you mean {by_case[close[0]]}?" if close else ""


def _is_anchored(pattern: str) -> bool:
    """True if a pattern matches whole texts alone."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parts = list(parser.parse(pattern))
    except (re.error, RecursionError, OverflowError):
        return pattern.startswith("^") and pattern.endswith("$")
    return _anchored(parts, 0, _BEGINNINGS) and _anchored(parts, -1, _ENDS)


def _anchored(parts: Sequence[tuple[Any, Any]], side: int, anchors: Sequence[object]) -> bool:
    """True if the first part of a pattern (side 0) or the last one (side -1) is an anchor, in each
    of its branches.
    """
    if not parts:
        return False
    operator, operand = parts[side]
    if operator is constants.BRANCH:
        return all(_anchored(list(branch), side, anchors) for branch in operand[1])
    if operator is constants.SUBPATTERN:
        return _anchored(list(operand[3]), side, anchors)
    return (operator, operand) in anchors
