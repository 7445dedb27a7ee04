"""Rules that cannot match are refused when they are loaded, and what policy cannot read makes the
answer stricter, never looser.
"""

from __future__ import annotations

import json
from dataclasses import replace
from time import perf_counter
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput
from clearance.core.intent import RiskLevel
from clearance.core.policy import PolicyAnswer, PolicySet, Question, read_policy
from clearance.core.policy_actions import fields_of
from clearance.core.policy_schema import parameters_type, read_parameters
from clearance.core.policy_text import (
    NO_POLICY_PERMITS,
    PARAMETERS_NOT_READ,
    RULE_NOT_DECIDABLE,
)
from clearance.core.policy_types import ParameterType, TypeKind

P = "context.parameters"
ONE = 'principal, action == Action::"ONE", resource'
ALL = "principal, action, resource"
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
LONG_FRACTION = 0.123456  # more digits than a decimal of policy has


def action(action_type: str, schema: dict[str, Any]) -> Action:
    return Action(
        action_type=action_type,
        tool=ToolName("server", action_type.lower()),
        risk_level=RiskLevel.LOW,
        effect=Effect.IDEMPOTENT,
        parameters=schema,
        sentence="did it",
        proposal="do it",
    )


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


CATALOG = {
    "ONE": action(
        "ONE",
        closed(
            ["title", "place"],
            title=TEXT,
            place=closed(["zip"], zip=WHOLE, street=TEXT),
            state={"enum": ["open", "closed"]},
            level={"enum": [1, 2, 3]},
            channel={"const": "mail"},
            tags={"type": "array", "items": {"enum": ["a", "b"]}},
            to=closed([], mail=TEXT),
            limit=WHOLE,
            maybe={"type": ["string", "null"]},
            price={"type": "number"},
            note={"type": "string", "x-policy": "unread"},
            tree={"type": "object", "additionalProperties": closed([], a=TEXT)},
            **{"per page": WHOLE, "__proto": TEXT},
        ),
    ),
    "TWO": action(
        "TWO",
        closed(
            ["subject"],
            subject=TEXT,
            limit={"enum": [5]},
            tree=TEXT,
            maybe={"type": ["null", "string"]},
        ),
    ),
}


def rule(
    condition: str, scope: str = ALL, effect: str = "forbid", kind: str = "when", name: str = "r"
) -> str:
    return (
        f'@id("{name}") @reason("R") @explanation("E.") '
        f"{effect}({scope}) {kind} {{ {condition} }};\n"
    )


PERMIT = rule("true", effect="permit", name="permit")


def problems(*rules: str, catalog: dict[str, Action] = CATALOG) -> list[str]:
    try:
        PolicySet.load("".join(rules), catalog)
    except InvalidInput as refusal:
        return [problem.sentence for problem in refusal.problems]
    return []


def ask(
    *rules: str, catalog: dict[str, Action] | None = None, act: str = "ONE", **changes: Any
) -> PolicyAnswer:
    question = Question("ada", "acme", act, 9_000, 1, "AUTO_EXECUTE", {})
    return PolicySet.load("".join(rules), catalog or CATALOG).decide(replace(question, **changes))


# --- Rules that cannot match ---

UNREADABLE = "which policy cannot read in"
REFUSED = [
    # An attribute that no action of the scope has.
    (f"{P} has Title", ONE, "has (ONE); did you mean title?"),
    (f"context.unattended && {P} has cupon", ALL, "no action that it can be about has (ONE, TWO)"),
    (f"{P} has limit || {P} has cupon", ALL, f"mentions {P}.cupon"),
    (f"!({P} has cupon)", ALL, f"mentions {P}.cupon"),
    (f"if context.unattended then {P} has cupon else true", ALL, f"mentions {P}.cupon"),
    (f'{P} has subject && {P}.subject == "x"', ONE, f"mentions {P}.subject"),
    (f'action == Action::"ONE" && {P} has subject', ALL, f"mentions {P}.subject"),
    (f'action in [Action::"ONE"] && {P} has subject', ALL, f"mentions {P}.subject"),
    (f'!(action == Action::"TWO") && {P} has subject', ALL, f"mentions {P}.subject"),
    (f"{P} has to.mial", ONE, f"mentions {P}.to.mial"),
    (f"{P}.place has zap", ONE, f"mentions {P}.place.zap"),
    (f'{P} has "per pages"', ONE, f'mentions {P}["per pages"]'),
    ('context["parameters"] has cupon', ONE, f"mentions {P}.cupon"),
    ("context has parameters.cupon", ONE, f"mentions {P}.cupon"),
    ("context has amount", ONE, "mentions context.amount"),
    ("context.counts has tag", ONE, "mentions context.counts.tag, which no"),
    ("context.counts has limit", ONE, "mentions context.counts.limit"),
    (f"{P}.title has length", ONE, f"mentions {P}.title.length"),
    # One that an action of the scope declares, and its record lacks.
    (f'{P} has "__proto"', ONE, f"{UNREADABLE} ONE: policy cannot have this name"),
    (f'{P} has "__proto"', ALL, f"{UNREADABLE} ONE"),
    (f"{P} has tree && {P}.tree has values", ALL, f"{UNREADABLE} ONE: the values of the map"),
    (f"{P} has note", ONE, f"{UNREADABLE} ONE: it is waived"),
    # Two forms that would hide from the walk.
    ("(if context.unattended then context else context).parameters has cupon", ONE, "it built"),
    (f"(if context.unattended then {P} else {P}) has cupon", ONE, "that it built"),
    (f"{{p: {P}}}.p has cupon", ONE, "that it built"),
    ("{c: context}.c.parameters has cupon", ONE, "that it built"),
    ("[context].contains(context)", ONE, "uses context as a whole"),
    ("context == context", ONE, "uses context as a whole"),
    ("{c: context} == {c: context}", ONE, "uses context as a whole"),
    # A value that cannot stand there.
    (f'{P} has state && {P}.state == "CLOSED"', ONE, 'it is one of: "closed", "open"'),
    (f'{P} has state && "CLOSED" != {P}.state', ONE, 'with "CLOSED", which it never is'),
    (f'{P} has state && ["open", "shut"].contains({P}.state)', ONE, 'with "shut", which it never'),
    (f'{P} has state && {P}.state like "clos"', ONE, "has a like that"),
    (f"{P} has level && {P}.level == 4", ONE, "with 4, which it never is"),
    (f"{P} has level && {P}.level > 3", ONE, "> 3, which is never true"),
    (f"{P} has level && 9 <= {P}.level", ONE, ">= 9, which is never true"),
    (f'{P} has channel && {P}.channel == "sms"', ONE, 'it is one of: "mail"'),
    (f'{P} has channel && {P}.channel != "mail"', ONE, "can never match"),
    (f'{P} has tags && {P}.tags.contains("c")', ONE, 'with "c", which it never is'),
    (f'{P} has tags && {P}.tags.containsAll(["a", "c"])', ONE, 'with "c"'),
    (f'{P} has tags && {P}.tags.containsAny(["a", "c"])', ONE, 'with "c"'),
    (f'{P} has tags && ["a", "c"].containsAll({P}.tags)', ONE, 'with "c"'),
    (f'{P} has tags && {P}.tags == ["a", "c"]', ONE, 'with "c"'),
    (f'{P} has state && !["open", "closed"].contains({P}.state)', ONE, "can never match"),
    ('context.mode == "AUTO"', ALL, 'compares context.mode with "AUTO"'),
    ('context.nulls.contains("limit")', ONE, 'with "limit", which it never is'),
    ('resource == Account::" acme "', ALL, "which none can have"),
    ("context.unattended", 'principal == Agent::"", action, resource', "which none can have"),
    ('context.mode like "auto*"', ALL, "has a like that context.mode never"),
    ("context.risk > 3", ALL, "context.risk > 3, which is never true"),
    ("context.risk == 4", ALL, "with 4, which it never is"),
    ("context.risk >= 0", ALL, "which is always true"),
    ("context.confidence_bp > 10000", ALL, "which is never true"),
    ("0 > context.confidence_bp", ALL, "which is never true"),
    ("-(1) < context.risk", ALL, "which is always true"),
    ("context.counts has tags && context.counts.tags < 0", ONE, "which is never true"),
    ('context.nulls.contains("cupon")', ONE, 'with "cupon", which it never is'),
    ('context.nulls.contains("title")', ONE, 'with "title", which it never is'),
    ("(if context.unattended then 1 else 2) == 3", ALL, "with 3, which it never is"),
    # Another type.
    (f"{P}.title == 5", ONE, f"compares {P}.title (String) with 5 (Long)"),
    (f"{P} has price && {P}.price > 250", ONE, f'{P}.price.greaterThan(decimal("250.0"))'),
    (f"{P} has price && 250 >= {P}.price", ONE, f'{P}.price.lessThanOrEqual(decimal("250.0"))'),
    (f"{P} has price && {P}.price.lessThan(5)", ONE, f'{P}.price.lessThan(decimal("5.0"))'),
    (f"{P} has price && {P}.price == 5", ONE, 'write decimal("5.0")'),
    ('context.counts has tags && context.counts.tags like "*1"', ONE, "does not fit the schema"),
    ('context.counts has tags && context.counts.tags.contains("a")', ONE, "does not fit the"),
    ('principal == Account::"acme"', ALL, "compares principal (Agent)"),
    ('resource in [Agent::"ada"]', ALL, "compares resource (Account)"),
    ("principal == resource", ALL, "compares principal (Agent)"),
    ("principal is Account", ALL, "is Account, which it never is"),
    # Entities have no groups, no attributes and no tags.
    ('action in Action::"group"', ALL, "there are no groups of actions"),
    ('action in [Action::"ONE", Action::"TOW"]', ALL, "did you mean TWO?"),
    ("context.unattended", 'principal, action in Action::"group", resource', "no groups"),
    (
        "context.unattended",
        'principal, action in [Action::"ONE", Action::"group"], resource',
        "names the action group, which the catalog does not have",
    ),
    ('action == Action::"TWO"', ONE, "the action TWO, which its scope does not have"),
    ('principal == Agent::"ben"', 'principal == Agent::"ada", action, resource', "it never is"),
    ("principal has owner", ALL, "agents, accounts and actions have none"),
    ('Agent::"ada" has owner', ALL, "agents, accounts and actions have none"),
    ('resource.hasTag("frozen")', ALL, "agents, accounts and actions have none"),
    # The rule as a whole, or a part of it.
    ("false", ALL, "can never match"),
    (f"!({P} has title)", ONE, "can never match"),
    ('"a" == "b"', ALL, "can never match"),
    (f"{P} has title || {P} has limit", ONE, "a part after || that is never looked at"),
    ("1 == 2 && context.unattended", ALL, "a part after && that is never looked at"),
    ("if true then context.unattended else false", ALL, "a branch that is never taken"),
]


@pytest.mark.parametrize(("condition", "scope", "sentence"), REFUSED, ids=str)
def test_a_rule_that_cannot_match_is_refused(condition: str, scope: str, sentence: str) -> None:
    for effect, kind in (("forbid", "when"), ("permit", "unless")):
        if kind == "unless" and sentence.startswith("can never"):
            continue  # it always matches
        found = problems(PERMIT, rule(condition, scope, effect, kind))
        assert any(sentence in each for each in found), found


ACCEPTED = [
    (f"{P} has limit && {P}.limit > 10", ALL),
    (f"{P} has subject", ALL),
    (f"{P} has subject || {P} has title", ALL),
    (f'action == Action::"TWO" && {P} has tree', ALL),
    (f'{P} has to.mail && {P}.to.mail like "*@x.example"', ONE),
    (f'{P} has "per page" && {P}["per page"] > 1', ONE),
    (f'{P} has state && {P}.state == "closed"', ONE),
    (f'{P} has state && {P}.state like "*e*"', ONE),
    (f'{P} has channel && {P}.channel == "mail"', ONE),
    (f'{P} has tags && !["a"].containsAll({P}.tags)', ONE),
    (f"{P} has level && {P}.level > 2", ONE),
    (f'{P} has price && {P}.price.greaterThan(decimal("250.0"))', ONE),
    (f"{P}.place == {{zip: 1}}", 'principal, action == Action::"THREE", resource'),
    ("context.counts has tags && context.counts.tags > 3", ONE),
    ('context.nulls.contains("maybe")', ONE),
    ("context.confidence_bp <= 9999", ALL),
    ("context.risk >= 3", ALL),
    ('context.mode == "DISABLED"', ALL),
    ('action in [Action::"ONE", Action::"TWO"]', ALL),
    ('action in Action::"ONE"', ALL),
    ('principal in Agent::"ada" && resource == Account::"acme"', ALL),
    ('principal is Agent in Agent::"ada"', ALL),
    ("(if context.unattended then 1 else 2) == 2", ALL),
    (f"({P} has limit) == true", ONE),
    ("true", ALL),
]


@pytest.mark.parametrize(("condition", "scope"), ACCEPTED, ids=str)
def test_a_rule_that_can_match_is_accepted(condition: str, scope: str) -> None:
    three = action("THREE", closed(["place"], place=closed(["zip"], zip=WHOLE)))
    catalog = {**CATALOG, "THREE": three}
    assert problems(PERMIT, rule(condition, scope), catalog=catalog) == []


@pytest.mark.parametrize("condition", [f"{P} has cupon", 'context.nulls.contains("cupon")'])
def test_a_name_that_none_declares_is_refused_although_an_action_lets_it_in(condition: str) -> None:
    catalog = {**CATALOG, "OPEN": action("OPEN", ANYTHING_BESIDE)}
    assert "cupon" in problems(PERMIT, rule(condition), catalog=catalog)[0]


BOUND = {
    "ONE": action(
        "ONE",
        closed(
            ["n", "m", "s", "d", "l", "r", "k"],
            n={"type": "integer", "minimum": 1, "maximum": 10, "multipleOf": 5},
            m={"type": "number", "x-scale": 100, "exclusiveMinimum": 0.5, "maximum": 9.999},
            s={"type": "string", "maxLength": 3, "pattern": "^[a-z]+$"},
            d={"type": "string", "format": "date"},
            l={"type": "array", "items": TEXT, "minItems": 1, "maxItems": 3},
            r={"type": "array", "items": closed([], a=TEXT), "minItems": 2},
            k={"type": "object", "propertyNames": {"enum": ["x", "y"]}},
        ),
    )
}
BEYOND: list[tuple[str, str, str]] = [
    # one that can hold, and two that cannot
    ("{p}.n == 5", "{p}.n == 0", "{p}.n == 4"),
    ("{p}.n > 9", "{p}.n > 10", "{p}.n < 1"),
    ("{p}.m == 51", "{p}.m == 50", "{p}.m > 999"),
    ('{p}.s == "abc"', '{p}.s == "ABC"', '{p}.s == "abcd"'),
    ('{p}.d == "2026-12-01"', '{p}.d == "2026-13-01"', '{p}.d == "tomorrow"'),
    ("context.counts.l == 3", "context.counts.l > 3", "context.counts.l == 0"),
    ("{p}.r.count == 2", "{p}.r.count < 2", "{p}.r.count == 1"),
    ('{p}.k.names.contains("x")', '{p}.k.names.contains("z")', '{p}.k.names.contains("X")'),
]


@pytest.mark.parametrize(("can", "never", "nor"), BEYOND)
def test_a_literal_that_the_schema_lets_no_call_have_is_refused(
    can: str, never: str, nor: str
) -> None:
    guard = f"{P} has r && {P} has k && context.counts has l && "
    answers = [
        problems(PERMIT, rule(guard + each.replace("{p}", P), ONE), catalog=BOUND)
        for each in (can, never, nor)
    ]
    assert answers[0] == []
    assert all("never" in each for answer in answers[1:] for each in answer), answers
    assert all(answers[1:])


DECLARED = {
    "ONE": action(
        "ONE",
        closed(
            ["u", "us", "e", "p"],
            u={"type": "string", "x-read": "url"},
            us={"type": "array", "items": {"type": "string", "x-read": "url"}},
            e={"type": "string", "x-read": "email"},
            p={"type": "string", "x-read": "path"},
        ),
    )
}
NEVER_SPELLED: list[tuple[str, str]] = [
    ('u.host == "Evil.net"', 'write "evil.net"'),
    ('u.host != "Evil.net"', 'write "evil.net"'),
    ('u.host == "例え.jp"', 'write "xn--r8jz45g.jp"'),
    ('u.host == "evil.net:8080"', 'write "evil.net"'),
    ('u.host == "https://evil.net/x"', 'write "evil.net"'),
    ('u.host == "straße.de"', "a host is in lower case"),
    ('u.host == "127.1"', "a host is in lower case"),
    ('u.host like "*Evil.net"', "a host is in lower case"),
    ('u.host like "*:8080"', "without a port"),
    ('u.scheme == "HTTPS"', 'write "https"'),
    ('u.scheme like "HTTP*"', "a scheme is in lower case"),
    ("u has port && {u}.port == 70000", "it is from 1 to 65535"),
    ("u has port && {u}.port > 65535", "which is never true"),
    ('u.path == "admin"', 'write "/admin"'),
    ('u.path == "/a/../admin"', 'write "/admin"'),
    ('u.path == "//admin"', "begins with /"),
    ('u.path like "admin*"', "begins with /"),
    ('u.query == "?a=1"', 'write "a=1"'),
    ('e.domain == "EVIL.net"', 'write "evil.net"'),
    ('e.domain like "*@evil.net"', "without the @"),
    ('e.local == "ada@evil.net"', 'write "ada"'),
    ('p.path == "/etc/"', 'write "/etc"'),
    ('p.path == "etc"', 'write "/etc"'),
    ('p.path like "/etc//*"', "a path begins with /"),
    ('us.host.contains("Evil.net")', 'write "evil.net"'),
    ('us.host.containsAny(["a.b", "Evil.net"])', 'write "evil.net"'),
    ("us has port && {us}.port.contains(0)", "it is from 1 to 65535"),
]
SPELLED = [
    *('u.host == "evil.net"', 'u.host like "*.evil.net"', 'u.host == "[::1]"', 'u.host == ""'),
    *('u.host like "[2001:*"', 'u.scheme like "http*"', "u has port && {u}.port >= 1024"),
    *(
        'u.path like "/admin*"',
        'u.path like "*/admin/*"',
        'u.path == "/a/"',
        'u.raw == "HTTPS://A"',
    ),
    *('p.path like "/etc/*"', 'p.path == "/a b"', 'p.path like "*/"', 'e.local == "Ada"'),
]


def about_parts(condition: str) -> str:
    name = condition.replace(" ", ".").partition(".")[0]
    guarded = f"{P} has {name} && {P}.{condition}"
    return guarded.replace("{u}", f"{P}.u").replace("{us}", f"{P}.us")


@pytest.mark.parametrize(("condition", "sentence"), NEVER_SPELLED, ids=str)
def test_a_literal_that_is_spelled_as_no_part_ever_is_refused(
    condition: str, sentence: str
) -> None:
    answers = problems(PERMIT, rule(about_parts(condition), ONE), catalog=DECLARED)
    assert any(sentence in each for each in answers), answers


@pytest.mark.parametrize("condition", SPELLED)
def test_a_literal_that_is_spelled_as_a_part_is_accepted(condition: str) -> None:
    assert problems(PERMIT, rule(about_parts(condition), ONE), catalog=DECLARED) == []


def test_each_problem_names_the_rule_and_its_line() -> None:
    with pytest.raises(InvalidInput) as refused:
        PolicySet.load(PERMIT + "\n" + rule(f"{P} has cupon", name="coupons"), CATALOG)
    [problem] = refused.value.problems
    assert problem.path == ("policy", "coupons")
    assert problem.sentence.endswith("(line 3)")


def test_a_refused_rule_that_is_stored_asks_for_what_it_could_be_about() -> None:
    schemas = {name: each.final_schema for name, each in CATALOG.items()}
    reading = read_policy(PERMIT + rule(f"{P} has cupon", ONE), schemas)
    assert reading.policy is not None
    assert list(reading.policy.clauses) == ["permit"]
    assert list(reading.refused) == ["ONE"]


def test_an_entity_is_in_itself_alone() -> None:
    frozen = rule("true", 'principal in Agent::"ada", action in Action::"ONE", resource')
    parameters = {"title": "t", "place": {"zip": 1}}
    assert ask(PERMIT, frozen, parameters=parameters).clauses == ("r",)
    assert ask(PERMIT, frozen, parameters=parameters, agent_id="ben").clauses == ("permit",)
    assert ask(PERMIT, frozen, act="TWO", parameters={"subject": "s"}).clauses == ("permit",)


@pytest.mark.parametrize(
    "condition",
    [
        f"{P} == {P}",
        f"[{P}].contains({P})",
        f"{{p: {P}}} == {{p: {P}}}",
        "context.nulls.isEmpty()",
        'context.nulls == ["maybe"]',
        '["maybe"].containsAll(context.nulls)',
    ],
)
def test_a_rule_about_everything_depends_on_what_is_waived(condition: str) -> None:
    assert "depends on note, which ONE waives" in problems(rule(condition, ONE))[0]
    assert problems(rule(condition, 'principal, action == Action::"TWO", resource')) == []


# --- The shapes of parameters that real tools declare ---

SHAPES: dict[str, tuple[dict[str, Any], Any]] = {
    "a type or null": ({"type": ["string", "null"]}, "x"),
    "a list of one type": ({"type": ["string"]}, "x"),
    "oneOf": ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, "x"),
    "anyOf with null": ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "x"),
    "allOf": ({"allOf": [{"type": "string"}, {"maxLength": 9}]}, "x"),
    "an enum without a type": ({"enum": ["x", "y"]}, "x"),
    "a const without a type": ({"const": "x"}, "x"),
    "a format without a type": ({"format": "email"}, "a@b.example"),
    "maxLength without a type": ({"maxLength": 9}, "x"),
    "a description alone": ({"description": "text"}, "x"),
    "true": (True, "x"),  # type: ignore[dict-item]
    "an empty schema": ({}, {"a": [1]}),
    "a reference": ({"$ref": "#/$defs/a"}, "x"),
    "a number without a scale": ({"type": "number"}, 2.5),
    "a number with too many digits": ({"type": "number"}, LONG_FRACTION),
    "a fraction beyond its scale": ({"type": "number", "x-scale": 100}, LONG_FRACTION),
    "two types": ({"type": ["integer", "string"]}, 5),
    "an integer beyond 2^53": ({"type": ["integer", "string"]}, 2**60),
    "a list without items": ({"type": "array"}, [1, "a", None]),
    "a list of numbers": ({"type": "array", "items": {"type": "number"}}, [LONG_FRACTION]),
    "a list of anyOf": ({"type": "array", "items": {"anyOf": [TEXT, WHOLE]}}, [1, "a"]),
    "prefixItems": ({"type": "array", "prefixItems": [TEXT, WHOLE]}, ["a", 1]),
    "an object without properties": ({"type": "object"}, {"a": {"b": 1}}),
    "a map": ({"type": "object", "additionalProperties": TEXT}, {"a": "x"}),
    "null alone": ({"type": "null"}, None),
    "more items than a record holds": ({"type": "array", "items": WHOLE}, list(range(2_000))),
    "itself": ({"$ref": "#/$defs/tree"}, {"next": {}}),
}


@pytest.mark.parametrize(("schema", "value"), SHAPES.values(), ids=SHAPES.keys())
def test_a_rule_about_any_shape_fires_or_is_refused_or_the_call_does_not_run(
    schema: dict[str, Any], value: Any
) -> None:
    whole = closed([], x=schema, other=TEXT)
    whole["$defs"] = {"a": TEXT, "tree": closed([], next={"$ref": "#/$defs/tree"})}
    catalog = {"ONE": action("ONE", whole)}
    for text, answers in {
        rule(f"{P} has x"): {Answer.BLOCK},
        rule(f"context.unattended && {P} has x"): {Answer.BLOCK, Answer.REQUIRE_APPROVAL},
    }.items():
        if refused := problems(PERMIT, text, catalog=catalog):
            assert f"mentions {P}.x, which policy cannot read in ONE" in refused[0]
        elif value is not None:
            answer = ask(PERMIT, text, catalog=catalog, parameters={"x": value})
            assert answer.answer in answers, answer
    unless = rule(f"{P} has x", effect="permit", kind="unless")
    if value is not None and not problems(unless, catalog=catalog):
        answer = ask(unless, catalog=catalog, parameters={"x": value})
        assert answer.answer is Answer.BLOCK, answer


@pytest.mark.parametrize(("schema", "value"), SHAPES.values(), ids=SHAPES.keys())
def test_nothing_runs_alone_that_policy_has_not_read(schema: dict[str, Any], value: Any) -> None:
    whole = closed([], x=schema)
    whole["$defs"] = {"a": TEXT, "tree": closed([], next={"$ref": "#/$defs/tree"})}
    catalog = {"ONE": action("ONE", whole)}
    read = read_parameters(parameters_type(whole), {"x": value})
    answer = ask(PERMIT, catalog=catalog, parameters={"x": value})
    assert answer.unread == read.unread
    assert answer.reason == (PARAMETERS_NOT_READ if read.unread else "R")
    assert (answer.answer is Answer.AUTO_EXECUTE) is not bool(read.unread)


# --- What is not read ---

PRICED = {
    "PAY": action(
        "PAY",
        closed(
            [],
            price={"type": "number"},
            to=closed([], mail=TEXT, weight={"type": "number"}) | {"additionalProperties": True},
            lines={"type": "array", "items": closed([], sku=TEXT, price={"type": "number"})},
            several={"type": ["integer", "string"]},
            note={"type": "object", "x-policy": "unread"},
        ),
    ),
    "OTHER": action("OTHER", closed([], price={"type": "number"})),
}
DEAR = f'{P} has price && {P}.price.greaterThan(decimal("100.0"))'


def pay(*rules: str, **changes: Any) -> PolicyAnswer:
    return ask(*rules, catalog=PRICED, **{"act": "PAY", **changes})


def test_what_is_not_read_asks_a_person_and_is_named() -> None:
    answer = pay(PERMIT, parameters={"price": LONG_FRACTION, "to": {"weight": LONG_FRACTION}})
    assert (answer.answer, answer.reason) == (Answer.REQUIRE_APPROVAL, PARAMETERS_NOT_READ)
    assert answer.unread == ("price", "to.weight")
    assert answer.clauses == ()
    assert answer.explanation == (
        'Policy cannot read "price", "to.weight" in this call; a person may approve it.'
    )
    assert str(LONG_FRACTION) not in answer.explanation


def test_a_rule_that_asks_keeps_its_reason_and_the_person_sees_what_it_has_not_seen() -> None:
    unsure = rule("context.unattended && context.confidence_bp < 9500", name="unsure")
    answer = pay(PERMIT, unsure, parameters={"price": LONG_FRACTION})
    assert (answer.answer, answer.reason) == (Answer.REQUIRE_APPROVAL, "R")
    assert answer.clauses == ("unsure",)
    assert answer.explanation == 'E. Policy cannot read "price" in this call.'


def test_what_a_rule_could_forbid_is_blocked() -> None:
    """Or a fifth decimal turns "never above 100" into a request to a person."""
    dear = rule(DEAR, name="dear")
    assert pay(PERMIT, dear, parameters={"price": 100.5}).reason == "R"
    answer = pay(PERMIT, dear, parameters={"price": 100.12345})
    assert (answer.answer, answer.reason) == (Answer.BLOCK, RULE_NOT_DECIDABLE)
    assert (answer.clauses, answer.unread) == (("dear",), ("price",))
    assert "100.12345" not in answer.explanation


NOT_TOUCHED = [  # rules that cannot forbid the act, whatever the price is
    rule(f"context.unattended && {DEAR}"),
    rule(f"{DEAR} && (context.risk > 1 && context.unattended)"),
    rule(f"!(!context.unattended || !({DEAR}))"),
    rule(DEAR).removesuffix(";\n") + " when { context.unattended };",
    rule(DEAR).removesuffix(";\n") + " unless { !context.unattended };",
    rule(f"{DEAR} && context.unattended == true"),
    rule(f"if context.unattended then {DEAR} else false"),
    rule(f"(context.unattended && {DEAR}) || context.risk > 2"),
    rule(f"context.unattended && {DEAR}", effect="permit"),
    rule(DEAR, 'principal == Agent::"ben", action, resource'),
    rule(DEAR, 'principal, action, resource == Account::"globex"'),
    rule(DEAR, 'principal, action == Action::"OTHER", resource'),
    rule(f'action == Action::"OTHER" && {DEAR}'),
    rule(f'action == Action::"PAY" && {P} has to.mail && {P}.to.mail == "x"'),
]


@pytest.mark.parametrize("text", NOT_TOUCHED)
def test_a_rule_that_cannot_decide_about_the_act_does_not_block_it(text: str) -> None:
    answer = pay(PERMIT, text, parameters={"price": LONG_FRACTION})
    assert (answer.answer, answer.reason) == (Answer.REQUIRE_APPROVAL, PARAMETERS_NOT_READ)


TOUCHED = [  # rules that could decide about the act, with what is not read
    (rule(DEAR, effect="permit", kind="unless"), {"price": LONG_FRACTION}),
    (rule(DEAR, 'principal == Agent::"ada", action, resource'), {"price": LONG_FRACTION}),
    (rule(DEAR, 'principal, action, resource in Account::"acme"'), {"price": LONG_FRACTION}),
    (rule(f"!context.unattended && {DEAR}"), {"price": LONG_FRACTION}),
    (rule(f"context.unattended || {DEAR}"), {"price": LONG_FRACTION}),
    (
        rule(
            'context.nulls.contains("price")', PAY := 'principal, action == Action::"PAY", resource'
        ),
        {"price": LONG_FRACTION},
    ),
    (rule(f"{P} has lines && {P}.lines has price", PAY), {"lines": [{"price": LONG_FRACTION}]}),
    (rule(f"{P} has several && {P}.several has string", PAY), {"several": 2**60}),
    (
        rule("context.counts has lines && context.counts.lines > 5000", PAY),
        {"lines": [{"sku": "a"}] * 2_000},
    ),
]


@pytest.mark.parametrize(("text", "parameters"), TOUCHED)
def test_a_rule_that_could_decide_about_the_act_blocks_it(
    text: str, parameters: dict[str, Any]
) -> None:
    catalog = {
        "PAY": action(
            "PAY",
            {
                **PRICED["PAY"].parameters,
                "properties": {
                    **PRICED["PAY"].parameters["properties"],
                    "price": {"type": ["number", "null"]},
                },
            },
        )
    }
    answer = ask(PERMIT, text, catalog=catalog, act="PAY", parameters=parameters)
    assert answer.unread
    assert (answer.answer, answer.reason) == (Answer.BLOCK, RULE_NOT_DECIDABLE)


def test_names_that_the_schema_lets_in_are_not_read_and_not_quoted() -> None:
    to = {"to": {"mail": "a@b.example", "bcc": "evil@x.example"}}
    answer = pay(PERMIT, rule(f'{P} has to.mail && {P}.to.mail == "x"', PAY), parameters=to)
    assert (answer.reason, answer.unread) == (PARAMETERS_NOT_READ, ("to.*",))
    assert answer.explanation == (
        'Policy cannot read names that the schema does not declare (in "to"); a person may approve '
        "it."
    )


ANYTHING_BESIDE = {"type": "object", "properties": {}, "additionalProperties": True}
UNREAD_BESIDE = {**ANYTHING_BESIDE, "additionalProperties": {"x-policy": "unread"}}
BIG_FOO = "context.parameters has foo && context.parameters.foo > 5"
BIG_IN_O = "context.parameters has o.foo && context.parameters.o.foo > 5"
BIG_IN_LIST = "context.parameters has o.foo && context.parameters.o.foo.contains(9)"
LISTED = {"type": "array", "items": closed([], foo=WHOLE)}
LET_IN = [  # a rule, what one action declares, what another lets in, and a call of that one
    (BIG_FOO, closed([], foo=WHOLE), ANYTHING_BESIDE, {"foo": 9}, "*"),
    (BIG_IN_O, closed([], o=closed([], foo=WHOLE)), ANYTHING_BESIDE, {"o": {"foo": 9}}, "*"),
    (
        BIG_IN_O,
        closed([], o=closed([], foo=WHOLE)),
        closed([], o={**ANYTHING_BESIDE, "properties": {"bar": WHOLE}}),
        {"o": {"foo": 9}},
        "o.*",
    ),
    (
        BIG_IN_LIST,
        closed([], o=LISTED),
        closed([], o={"type": "array", "items": {**ANYTHING_BESIDE, "properties": {"b": TEXT}}}),
        {"o": [{"foo": 9}]},
        "o.*",
    ),
    (
        BIG_FOO,
        closed([], foo=WHOLE),
        closed([]) | {"patternProperties": {"^f": WHOLE}},
        {"foo": 9},
        "*",
    ),
]


@pytest.mark.parametrize(("condition", "declares", "lets_in", "parameters", "shown"), LET_IN)
def test_a_name_that_is_let_in_is_held_against_the_rules_that_mention_it(
    condition: str, declares: Any, lets_in: Any, parameters: Any, shown: str
) -> None:
    catalog = {"ONE": action("ONE", declares), "OPEN": action("OPEN", lets_in)}

    def call(*rules: str, **more: Any) -> PolicyAnswer:
        return ask(PERMIT, *rules, catalog=catalog, act="OPEN", **more)

    answer = call(rule(condition), parameters=parameters)
    assert (answer.answer, answer.reason) == (Answer.BLOCK, RULE_NOT_DECIDABLE)
    assert answer.unread == (shown,)
    assert "foo" not in answer.explanation
    other = call(rule(condition), parameters={"zoo": 9} if shown == "*" else {})
    assert other.answer is not Answer.BLOCK
    assert call(rule(condition, ONE), parameters=parameters).reason == PARAMETERS_NOT_READ
    assert call(rule(f"context.unattended && {condition}"), parameters=parameters).reason == (
        PARAMETERS_NOT_READ
    )


@pytest.mark.parametrize(
    ("condition", "declares", "lets_in"),
    [
        (BIG_FOO, closed([], foo=WHOLE), UNREAD_BESIDE),
        (BIG_IN_O, closed([], o=closed([], foo=WHOLE)), UNREAD_BESIDE),
        (BIG_IN_O, closed([], o=closed([], foo=WHOLE)), closed([], o=UNREAD_BESIDE)),
        (
            'context.nulls.contains("foo")',
            closed([], foo={"type": ["integer", "null"]}),
            UNREAD_BESIDE,
        ),
        (
            "context.counts has foo && context.counts.foo > 5",
            closed([], foo={"type": "array", "items": TEXT}),
            UNREAD_BESIDE,
        ),
        (BIG_IN_O, closed([], o=closed([], foo=WHOLE)), closed([], o={"type": "object"})),
        (BIG_IN_O, closed([], o=closed([], foo=WHOLE)), closed([], o={})),
    ],
)
def test_a_rule_that_would_not_see_what_another_action_takes_is_refused(
    condition: str, declares: Any, lets_in: Any
) -> None:
    catalog = {"ONE": action("ONE", declares), "OPEN": action("OPEN", lets_in)}
    found = problems(PERMIT, rule(condition), catalog=catalog)
    assert found
    assert all("which policy cannot see in OPEN: it" in each for each in found)
    assert problems(PERMIT, rule(condition, ONE), catalog=catalog) == []
    assert problems(PERMIT, rule(f'action == Action::"ONE" && {condition}'), catalog=catalog) == []


def test_what_is_not_read_costs_about_as_much_as_what_is() -> None:
    """An agent chooses what it sends: with 900 unread values and 300 rules, each value must not be
    held against each rule.
    """
    names = [f"p{number}" for number in range(900)]
    catalog = {"ONE": action("ONE", closed([], **{name: {"type": "number"} for name in names}))}
    rules = [
        rule(f'{P} has {name} && {P}.{name}.greaterThan(decimal("1.0"))', name=name)
        for name in names[:300]
    ]
    policy = PolicySet.load(PERMIT + "".join(rules), catalog)
    asked = Question("ada", "acme", "ONE", 9_000, 1, "AUTO_EXECUTE", {})

    def seconds(value: float) -> float:
        question = replace(asked, parameters=dict.fromkeys(names, value))
        started = perf_counter()
        assert policy.decide(question).answer is expected[value]
        return perf_counter() - started

    expected = {0.5: Answer.AUTO_EXECUTE, LONG_FRACTION: Answer.BLOCK}
    read, unread = (min(seconds(value) for _ in range(3)) for value in expected)
    assert unread < 2 * read


def test_what_is_not_read_may_not_run_alone_by_a_permit_for_that_question_alone() -> None:
    alone = rule(f"context.unattended && !({DEAR})", effect="permit")
    assert pay(alone, parameters={"price": 5.0}).answer is Answer.AUTO_EXECUTE
    assert pay(alone, parameters={"price": LONG_FRACTION}).reason == NO_POLICY_PERMITS


def test_a_waived_parameter_is_named_and_asks_no_one() -> None:
    answer = pay(PERMIT, parameters={"note": {"a": 1}})
    assert (answer.answer, answer.unread, answer.waived) == (Answer.AUTO_EXECUTE, (), ("note",))
    found = problems(rule(f"{P} has note", PAY), catalog=PRICED)
    assert "take the waiver away, or the rule" in found[0]


# --- Never looser ---

NUMBERS = st.sampled_from([0, 1, 5, 2.5, LONG_FRACTION, 1e300, 2**60, -7])
WORDS = st.sampled_from(
    ["", "a", "b", "https://a.example/x", "https://u@a.example/%2f", "a@b.example"]
)
Leaf = tuple[Any, st.SearchStrategy[Any]]
LEAVES: list[Leaf] = [
    ({"type": "number"}, NUMBERS),
    ({"type": ["number", "null"]}, NUMBERS | st.none()),
    ({"type": "number", "x-scale": 100}, st.sampled_from([1, 2.5, LONG_FRACTION])),
    ({"type": ["integer", "string"]}, st.sampled_from([1, 2**60, "a"])),
    ({"type": ["number", "boolean", "null"]}, NUMBERS | st.booleans() | st.none()),
    ({"type": "string", "x-read": "url"}, WORDS),
    ({"type": ["string", "integer"], "x-read": "url"}, WORDS | st.sampled_from([1, 2**60])),
    ({}, NUMBERS | WORDS | st.none() | st.sampled_from([[1], [LONG_FRACTION], {"a": 1}, {}])),
]
Hole = tuple[Any, Any]  # a schema around a leaf's, and a function from a leaf's value to a value


def _holes(schema: Any) -> list[Hole]:
    record = closed([], leaf=schema, beside=TEXT)
    return [
        (schema, lambda value: value),
        (record, lambda value: {"leaf": value, "beside": "a"}),
        ({"type": "array", "items": schema}, lambda value: [value, value]),
        ({"type": "array", "items": record}, lambda value: [{"leaf": value}, {"beside": "b"}]),
        ({"type": "object", "additionalProperties": schema}, lambda value: {"k": value}),
        (closed([], deep=record), lambda value: {"deep": {"leaf": value}}),
    ]


def _opened(schema: Any, undeclared: str) -> Any:
    """The same schema without a property, where any other name is let in."""
    if isinstance(schema, list):
        return [_opened(part, undeclared) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: _opened(part, undeclared) for key, part in schema.items()}
    if isinstance(declared := parts.get("properties"), dict) and undeclared in declared:
        del declared[undeclared]
        parts["additionalProperties"] = True
    return parts


def _fits(act: Action, parameters: dict[str, Any]) -> bool:
    try:
        act.check_parameters(parameters)
    except InvalidInput:
        return False
    return True


def _path(names: list[str]) -> str:
    return P + "".join(f'["{name}"]' for name in names)


def _atoms(kind: ParameterType, above: tuple[str, ...] = ()) -> list[str]:
    """Conditions about everything that can be read."""
    atoms = []
    for name, each in kind.fields.items():
        if each.type is None:
            continue
        path = [*above, name]
        there = " && ".join(
            f'{_path(path[:depth])} has "{path[depth]}"' for depth in range(len(path))
        )
        here = _path(path)
        of = {
            TypeKind.BOOL: [here],
            TypeKind.LONG: [f"{here} > 3", f"{here} == 1"],
            TypeKind.STRING: [f'{here} == "a"', f'{here} like "*a*"'],
            TypeKind.DECIMAL: [f'{here}.greaterThan(decimal("1.0"))'],
            TypeKind.SET: [f"{here}.isEmpty()"],
            TypeKind.RECORD: [f"{here} == {here}"],
        }[each.type.kind]
        if each.type.cedar == "Set<String>":
            of = [f'{here}.contains("a")', *of]
        if each.type.cedar == "Set<Long>":
            of = [f"{here}.contains(1)", *of]
        atoms += [f"({there})", *(f"({there} && {atom})" for atom in of)]
        atoms += _atoms(each.type, tuple(path))
    return atoms


def _more_atoms(kind: ParameterType) -> list[str]:
    nulls = [f'context.nulls.contains("{name}")' for name, _ in fields_of(kind)]
    counts = [
        f'(context.counts has "{name}" && context.counts["{name}"] > 1)' for name in kind.lists
    ]
    return [*nulls, *counts, "context.nulls.isEmpty()", "context.unattended", "context.risk > 1"]


def _conditions(atoms: list[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: st.one_of(
            st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(
                lambda parts: "({} {} {})".format(*parts)
            ),
            inner.map(lambda condition: f"!({condition})"),
            st.tuples(inner, inner, inner).map(
                lambda parts: "(if {} then {} else {})".format(*parts)
            ),
        ),
        max_leaves=4,
    )


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(leaf=st.sampled_from(LEAVES), hole=st.integers(0, 5), data=st.data())
def test_no_rule_answers_an_unread_value_more_loosely_than_one_that_could_stand_there(
    leaf: Leaf, hole: int, data: st.DataObject
) -> None:
    around, put = _holes(leaf[0])[hole]
    whole = closed([], x=around, y=TEXT)
    opened = {**_opened(whole, "leaf" if hole in {1, 3, 5} else "x"), "type": "object"}
    catalog = {"ONE": action("ONE", whole), "OPEN": action("OPEN", opened)}
    kind = parameters_type(whole)
    atoms = [*_atoms(kind), *_more_atoms(kind)]
    text = ""
    for number in range(data.draw(st.integers(1, 3), "rules")):
        effect, which, condition = data.draw(
            st.tuples(
                st.sampled_from(["permit", "forbid"]),
                st.sampled_from(["when", "unless"]),
                _conditions(atoms),
            ),
            "rule",
        )
        text += rule(condition, effect=effect, kind=which, name=f"r{number}")
    text += data.draw(st.sampled_from([PERMIT, ""]), "permit")
    reading = read_policy(text, {name: each.final_schema for name, each in catalog.items()})
    assume(reading.policy is not None)

    def answer(value: Any, act: str = "ONE") -> PolicyAnswer:
        assert reading.policy is not None
        asked = Question("ada", "acme", act, 9_000, 1, "AUTO_EXECUTE", {"x": put(value), "y": "a"})
        answered = reading.policy.decide(asked)
        assert not answered.errors, (text, value)
        return answered

    values = [
        value
        for value in data.draw(st.lists(leaf[1], min_size=2, max_size=6), "values")
        if _fits(catalog["ONE"], {"x": put(value), "y": "a"})
    ]
    answers = [answer(value) for value in values]
    let_in = [answer(value, "OPEN") for value in values]
    assert all(each.unread for each in let_in)
    unread = [each for each in (*answers, *let_in) if each.unread]
    event(f"unread: {bool(unread)}")
    for one in unread:
        assert one.answer is not Answer.AUTO_EXECUTE
        for other in answers:
            assert one.answer.strictness >= other.answer.strictness, json.dumps(values)
