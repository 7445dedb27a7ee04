"""Policy: what loads, what it reads, and what it answers, against a second opinion written in plain
Python.

`policy_cases.jsonl` holds the policies, their schema and the answers to a grid of questions at
every boundary, for any engine to be held to. The expected answers come from `expected` below, never
from the engine; `python tests/core/test_policy.py` writes the file.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cedarpy
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from clearance.core.canonical import INTEGER_MAX
from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput
from clearance.core.intent import RiskLevel
from clearance.core.policy import ClauseEffect, PolicySet, Question
from clearance.core.policy_schema import cedar_schema
from clearance.core.policy_text import (
    CLAUSES_MAX,
    NESTING_MAX,
    NO_POLICY_PERMITS,
    NOT_PERMITTED_UNATTENDED,
    OPERATORS_MAX,
    POLICY_ERROR,
    TEXT_LENGTH_MAX,
)
from clearance.core.policy_types import schema_text

if TYPE_CHECKING:
    from collections.abc import Iterator

CASES = Path(__file__).with_name("policy_cases.jsonl")
BIG = INTEGER_MAX  # 2^53 - 1
ODD = 'a "quoted\\name"\nÄ😀'


def action(action_type: str, parameters: dict[str, Any]) -> Action:
    tool = ToolName("server", action_type.lower())
    return Action(
        action_type=action_type,
        tool=tool,
        risk_level=RiskLevel.LOW,
        effect=Effect.KEYED,
        parameters=parameters,
        sentence="did it",
        proposal="do it",
    )


def record(required: list[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def strings() -> dict[str, Any]:
    return {"type": "array", "items": {"type": "string"}}


CATALOG = {
    "REFUND": action(
        "REFUND",
        record(["amount_minor"], amount_minor={"type": "integer"}, recipient={"type": "string"}),
    ),
    "CREATE_TASK": action(
        "CREATE_TASK",
        record(
            ["title"],
            title={"type": "string"},
            tags=strings(),
            due=record([], day={"type": "integer"}),
        ),
    ),
    "SIGN_CONTRACT": action("SIGN_CONTRACT", record([], text={"type": "string"})),
    "PAUSE": action("PAUSE", record([])),
}
HARD = {  # forbids of both questions
    "confidence-floor": "context.confidence_bp < 3000",
    "mode-disabled": 'context.mode == "DISABLED"',
    "account-frozen": 'resource == Account::"frozen"',
}
SOFT = {  # forbids of the unattended question
    "mode-not-auto": 'context.mode != "AUTO_EXECUTE"',
    "risk-high": "context.risk > 2",
    "risk-medium": "context.risk > 1 && context.confidence_bp < 8500",
    "unsure": "context.confidence_bp < 6000",
}
POLICIES = {
    "refunds": 'permit(principal, action == Action::"REFUND", resource);',
    "tasks": 'permit(principal, action == Action::"CREATE_TASK", resource);',
    "contracts": 'permit(principal, action == Action::"SIGN_CONTRACT", resource) unless { '
    "context.unattended };",
    **{
        name: f"forbid(principal, action, resource) when {{ {condition} }};"
        for name, condition in HARD.items()
    },
    **{
        name: f"forbid(principal, action, resource) when {{ context.unattended && {condition} }};"
        for name, condition in SOFT.items()
    },
    "refund-cap": 'forbid(principal, action == Action::"REFUND", resource)'
    " when { context.parameters.amount_minor > 1000000 };",
    "refund-soft-cap": 'forbid(principal, action == Action::"REFUND", resource)'
    " when { context.unattended && context.parameters.amount_minor > 50000 };",
    "recipient-known": 'forbid(principal, action == Action::"REFUND", resource) when { '
    "context.unattended"
    ' && context.parameters has recipient && !["GB1", '
    '"GB2"].contains(context.parameters.recipient) };',
    "tags-known": 'forbid(principal, action == Action::"CREATE_TASK", resource) when { '
    "context.unattended"
    ' && context.parameters has tags && !["a", "b"].containsAll(context.parameters.tags) };',
    "due-late": 'forbid(principal, action == Action::"CREATE_TASK", resource) when { '
    "context.unattended"
    " && context.parameters has due.day && context.parameters.due.day > 30 };",
}


def annotated(name: str, policy: str) -> str:
    return f'@id("{name}") @reason("{code(name)}") @explanation("Because of {name}.")\n{policy}'


def code(name: str) -> str:
    return name.upper().replace("-", "_")


TEXT = "\n\n".join(annotated(name, policy) for name, policy in POLICIES.items()) + "\n"
PERMIT_ALL = annotated("all", "permit(principal, action, resource);")


def ask(action_type: str = "REFUND", parameters: Any = None, **changes: Any) -> Question:
    parameters = {"amount_minor": 100} if parameters is None else parameters
    return replace(
        Question("agent", "acme", action_type, 9_000, 1, "AUTO_EXECUTE", parameters), **changes
    )


@pytest.fixture(scope="module")
def policy() -> PolicySet:
    return PolicySet.load(TEXT, CATALOG)


# --- The second opinion ---


def expected(question: Question) -> tuple[Answer, str, list[str]]:
    """The answer, the reason and the clauses, as somebody who has never seen Cedar would write the
    same rules.
    """
    permits = {"REFUND": "refunds", "CREATE_TASK": "tasks"}
    hard, soft = _hard(question), _soft(question)
    attended_only = question.action_type == "SIGN_CONTRACT"
    if hard:
        return Answer.BLOCK, code(hard[0]), hard
    if question.action_type not in permits and not attended_only:
        return Answer.BLOCK, NO_POLICY_PERMITS, []
    if soft:
        return Answer.REQUIRE_APPROVAL, code(soft[0]), soft
    if attended_only:
        return Answer.REQUIRE_APPROVAL, NOT_PERMITTED_UNATTENDED, ["contracts"]
    permit = permits[question.action_type]
    return Answer.AUTO_EXECUTE, code(permit), [permit]


def _hard(question: Question) -> list[str]:
    found = {
        "confidence-floor": question.confidence_bp < 3_000,
        "mode-disabled": question.mode == "DISABLED",
        "account-frozen": question.account_id == "frozen",
        "refund-cap": question.action_type == "REFUND"
        and question.parameters["amount_minor"] > 1_000_000,
    }
    return sorted(name for name, holds in found.items() if holds)


def _soft(question: Question) -> list[str]:
    refund, task = question.action_type == "REFUND", question.action_type == "CREATE_TASK"
    said = question.parameters
    found = {
        "mode-not-auto": question.mode != "AUTO_EXECUTE",
        "risk-high": question.risk == 3,
        "risk-medium": question.risk > 1 and question.confidence_bp < 8_500,
        "unsure": question.confidence_bp < 6_000,
        "refund-soft-cap": refund and said["amount_minor"] > 50_000,
        "recipient-known": refund and said.get("recipient", "GB1") not in {"GB1", "GB2"},
        "tags-known": task and not set(said.get("tags", [])) <= {"a", "b"},
        "due-late": task and said.get("due", {}).get("day", 0) > 30,
    }
    # What is forbidden to both questions has been answered before: only the rest can be among the
    # reasons.
    return sorted(name for name, holds in found.items() if holds)


def grid() -> Iterator[Question]:
    """Questions at and beside every constant of the policies."""
    amounts = (-BIG, 0, 50_000, 50_001, 1_000_000, 1_000_001, BIG)
    refunds: list[dict[str, Any]] = [{"amount_minor": amount} for amount in amounts]
    refunds += [
        {"amount_minor": 7, "recipient": name} for name in ("GB1", "GB3", "", ODD, 'GB1"]) || true')
    ]
    tasks: list[dict[str, Any]] = [
        {"title": "t"},
        {"title": ODD, "tags": []},
        {"title": "", "due": {}},
    ]
    tasks += [{"title": "t", "tags": tags} for tags in (["a"], ["b", "a", "a"], ["a", "c"], [ODD])]
    tasks += [{"title": "t", "tags": ["a"], "due": {"day": day}} for day in (30, 31)]
    acts = [("REFUND", refund) for refund in refunds] + [("CREATE_TASK", task) for task in tasks]
    acts += [("SIGN_CONTRACT", {}), ("SIGN_CONTRACT", {"text": ODD}), ("PAUSE", {})]
    confidences = (0, 2_999, 3_000, 5_999, 6_000, 8_499, 8_500, 10_000)
    modes = ("AUTO_EXECUTE", "APPROVAL_REQUIRED", "DISABLED")
    for number, (act, confidence, risk, mode) in enumerate(
        product(acts, confidences, range(4), modes)
    ):
        # Two in seven, which is no factor of the grid's sides; agents and accounts take turns.
        if number % 7 in {0, 3}:
            account = ("acme", "frozen", ODD, "acme", "acme")[number % 5]
            yield Question(
                ("agent", ODD)[number % 2], account, act[0], confidence, risk, mode, act[1]
            )


def case(question: Question) -> dict[str, Any]:
    answer, reason, clauses = expected(question)
    return {
        **{name: getattr(question, name) for name in Question.__slots__},
        "answer": answer,
        "reason": reason,
        "clauses": clauses,
    }


def lines() -> list[str]:
    head = {"policies": TEXT, "schema": cedar_schema(CATALOG)}
    return [json.dumps(line, sort_keys=True) for line in (head, *map(case, grid()))]


def test_the_answers_to_the_corpus(policy: PolicySet) -> None:
    head, *cases = (json.loads(line) for line in CASES.read_text().splitlines())
    assert head == {"policies": TEXT, "schema": policy.schema}
    assert {found["answer"] for found in cases} == set(Answer)
    assert {clause for found in cases for clause in found["clauses"]} == set(POLICIES)
    for found in cases:
        answer = policy.decide(Question(**{name: found[name] for name in Question.__slots__}))
        assert [answer.answer, answer.reason, list(answer.clauses)] == [
            found["answer"],
            found["reason"],
            found["clauses"],
        ]
        assert not answer.errors


def test_the_corpus_is_what_the_second_opinion_says() -> None:
    assert CASES.read_text().splitlines() == lines()


# --- Answers ---


def test_an_answer_carries_the_reason_of_the_first_clause_and_the_words_of_all(
    policy: PolicySet,
) -> None:
    auto = policy.decide(ask())
    assert (auto.answer, auto.reason, auto.explanation) == (
        Answer.AUTO_EXECUTE,
        "REFUNDS",
        "Because of refunds.",
    )
    waits = policy.decide(ask(risk=3, mode="PROPOSE_ONLY"))
    assert waits.clauses == ("mode-not-auto", "risk-high")
    assert waits.reason == "MODE_NOT_AUTO"
    assert waits.explanation == "Because of mode-not-auto. Because of risk-high."
    never = policy.decide(ask("PAUSE", {}))
    assert (never.answer, never.reason, never.clauses) == (Answer.BLOCK, NO_POLICY_PERMITS, ())


def test_all_clauses_that_determined_the_answer_are_named() -> None:
    text = annotated("b", "permit(principal, action, resource);") + annotated(
        "a", "permit(principal, action, resource);"
    )
    answer = PolicySet.load(text, CATALOG).decide(ask())
    assert (answer.clauses, answer.reason) == (("a", "b"), "A")
    more = "".join(annotated(name, "permit(principal, action, resource);") for name in "abcde")
    explanation = "Because of a. Because of b. Because of c. And 2 more."
    assert PolicySet.load(more, CATALOG).decide(ask()).explanation == explanation


def test_answers_are_ordered_by_what_they_allow() -> None:
    assert sorted(Answer, key=lambda answer: answer.strictness) == [
        "AUTO_EXECUTE",
        "REQUIRE_APPROVAL",
        "BLOCK",
    ]


def test_an_unknown_action_type_is_blocked(policy: PolicySet) -> None:
    for action_type in ("UNKNOWN", "", 'REFUND"', "refund"):
        answer = policy.decide(ask(action_type))
        assert (answer.answer, answer.reason) == (Answer.BLOCK, POLICY_ERROR)
        assert answer.errors == ("the policy's catalog has no such action type",)


FAILING = {  # policies that only an engine without our loader would take
    "a missing attribute": "forbid(principal, action, resource) when { context.amount > 1 };",
    "a wrong type": "forbid(principal, action, resource) when { context.mode < 3 };",
    "an overflow": "forbid(principal, action, resource) when { context.confidence_bp * "
    "9223372036854775807 > 1 };",
    "an overflow in a permit": "permit(principal, action, resource) when { -9223372036854775808 "
    "- context.risk < 1 };",
    "an overflow when attended": "forbid(principal, action, resource)"
    " when { !context.unattended && context.confidence_bp * 9223372036854775807 > 1 };",
}


@pytest.mark.parametrize("rule", FAILING.values(), ids=FAILING.keys())
def test_a_rule_that_fails_blocks_although_the_engine_allows(policy: PolicySet, rule: str) -> None:
    engine_json = cedarpy.policies_to_json_str("permit(principal, action, resource);" + rule)
    engine = cedarpy.PolicySet.from_json_str(engine_json.replace('"policy0"', '"refunds"'))
    answer = replace(policy, _engine_policies=engine).decide(ask(risk=2))
    assert (answer.answer, answer.reason, answer.clauses) == (Answer.BLOCK, POLICY_ERROR, ())
    assert "error while evaluating policy `policy1`" in answer.errors[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"confidence_bp": 0.3},
        {"confidence_bp": None},
        {"confidence_bp": "9000"},
        {"confidence_bp": 2**63},
        {"risk": True},
        {"risk": math.nan},
        {"mode": None},
        {"mode": "\ud800"},
        {"mode": {"__entity": {"type": "Agent", "id": "agent"}}},
        {"mode": {1}},
        {"agent_id": None},
        {"account_id": "\udfff"},
        {"parameters": None},
        {"parameters": []},
        {"parameters": {"amount_minor": None}},
        {"parameters": {"amount_minor": "100"}},
        {"parameters": {"amount_minor": True}},
        {"parameters": {"amount_minor": 100.5}},
        {"parameters": {"amount_minor": 2**53}},
        {"parameters": {"amount_minor": -(2**53)}},
        {"parameters": {"amount_minor": 1e300}},
        {"parameters": {"amount_minor": math.inf}},
        {"parameters": {"recipient": "GB1"}},
        {"parameters": {"amount_minor": 1, "recipient": "\ud800"}},
    ],
    ids=str,
)
def test_a_question_that_does_not_fit_is_blocked(changes: dict[str, Any]) -> None:
    answer = PolicySet.load(PERMIT_ALL, CATALOG).decide(replace(ask(), **changes))
    assert (answer.answer, answer.reason, answer.clauses) == (Answer.BLOCK, POLICY_ERROR, ())
    assert answer.errors
    assert (
        answer.explanation == "The policy could not be evaluated for this action, so it is blocked."
    )


class Panic(BaseException):
    """Like the exception of a Rust panic, which is not an Exception."""


@pytest.mark.parametrize(
    "results", [[], ["one"], ["one", "two", "three"], None, ValueError("x"), Panic("y")], ids=str
)
def test_an_engine_that_misbehaves_blocks(
    policy: PolicySet, monkeypatch: pytest.MonkeyPatch, results: Any
) -> None:
    allowed = cedarpy.AuthzResult(
        {"decision": "Allow", "diagnostics": {"reason": ["refunds"], "errors": []}}
    )

    def engine(*_: object) -> Any:
        if isinstance(results, BaseException):
            raise results
        return results and [allowed for _ in results]

    monkeypatch.setattr(cedarpy, "is_authorized_batch", engine)
    assert policy.decide(ask()).reason == POLICY_ERROR


@pytest.mark.parametrize(
    ("unattended", "attended"),
    [
        ({"decision": "NoDecision"}, {"decision": "Allow"}),
        ({"decision": "Allow"}, {"decision": "NoDecision"}),
        (
            {"decision": "Allow"},
            {"decision": "Allow", "diagnostics": {"reason": ["refunds"], "errors": ["x"]}},
        ),
        ({"decision": "Allow", "diagnostics": {"reason": ["another"]}}, {"decision": "Allow"}),
        ({"decision": "Allow"}, {"decision": "Allow"}),
        ({"decision": "Maybe"}, {"decision": "Allow"}),
        ({}, {}),
    ],
    ids=str,
)
def test_results_that_are_not_clear_block(
    policy: PolicySet,
    monkeypatch: pytest.MonkeyPatch,
    unattended: dict[str, Any],
    attended: dict[str, Any],
) -> None:
    results = [cedarpy.AuthzResult(unattended), cedarpy.AuthzResult(attended)]
    monkeypatch.setattr(cedarpy, "is_authorized_batch", lambda *_: results)
    assert policy.decide(ask()).reason == POLICY_ERROR


CONDITIONS = st.recursive(
    st.sampled_from(
        [
            *HARD.values(),
            *SOFT.values(),
            "context.unattended",
            "!context.unattended",
        ]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(
            lambda parts: "({} {} {})".format(*parts)
        ),
        inner.map(lambda condition: f"!({condition})"),
        st.tuples(inner, inner, inner).map(lambda parts: "(if {} then {} else {})".format(*parts)),
    ),
    max_leaves=6,
)
QUESTIONS = st.sampled_from(list(grid()))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    kept=st.sets(st.sampled_from(sorted(POLICIES)), min_size=1),
    condition=CONDITIONS,
    questions=st.lists(QUESTIONS, min_size=1, max_size=20),
)
def test_another_forbid_never_allows_more(
    kept: set[str], condition: str, questions: list[Question]
) -> None:
    text = "".join(annotated(name, POLICIES[name]) for name in sorted(kept))
    more = text + annotated("more", f"forbid(principal, action, resource) when {{ {condition} }};")
    try:
        before, after = PolicySet.load(text, CATALOG), PolicySet.load(more, CATALOG)
    except InvalidInput:
        reject()  # the condition can never hold
    for question in questions:
        assert after.decide(question).answer.strictness >= before.decide(question).answer.strictness


HOSTILE = st.one_of(
    st.text(),
    st.sampled_from(
        [
            ODD,
            "",
            '"',
            "\\",
            "\x00",
            "\u2028",
            "__entity",
            'x"); permit(principal, action, resource); //',
        ]
    ),
)


@settings(deadline=None)
@given(
    agent=HOSTILE,
    account=HOSTILE,
    recipient=HOSTILE,
    names=st.dictionaries(HOSTILE, HOSTILE, max_size=3),
)
def test_strings_that_no_rule_reads_change_nothing(
    policy: PolicySet, agent: str, account: str, recipient: str, names: dict[str, str]
) -> None:
    parameters = {**names, "amount_minor": 100}
    parameters.pop("recipient", None)
    answer = policy.decide(ask(agent_id=agent, account_id=account, parameters=parameters))
    permits = ("refunds",) if set(parameters) == {"amount_minor"} else ()
    assert answer.clauses == (("account-frozen",) if account == "frozen" else permits)
    stranger = policy.decide(ask(agent_id=agent, parameters={**parameters, "recipient": recipient}))
    assert stranger.clauses == (permits if recipient in {"GB1", "GB2"} else ("recipient-known",))


@given(text=st.text(st.characters(categories=["Cs", "Cc", "Lu"])))
def test_no_string_raises(policy: PolicySet, text: str) -> None:
    policy.decide(
        ask(
            agent_id=text,
            account_id=text,
            mode=text,
            parameters={"amount_minor": 1, "recipient": text},
        )
    )
    policy.decide(ask(text, {text: text}))


# --- Loading ---

A_DAY = 'datetime("2026-01-01")'
COMMON = '@reason("R") @explanation("E.")'
FORBID = "forbid(principal, action, resource)"
FORBID_REFUND = 'forbid(principal, action == Action::"REFUND", resource)'
REFUSED = [
    ("", "has no policies", ()),
    (" // nothing\n", "has no policies", ()),
    (
        "permit(principal, action, resource)",
        "the rule in line 1 does not parse: unexpected end of input - is a ';' missing? (line 1)",
        (),
    ),
    (PERMIT_ALL + "\n\n // a comment\n\nforbid(principal);", "does not parse", ()),
    (
        f"{FORBID}\n\n{PERMIT_ALL}",
        (
            "the rule in lines 1 to 4 does not parse: unexpected token `@` - is a ';' missing? "
            "(line "
            "1)"
        ),
        (),
    ),
    (
        f'{FORBID} when {{ context.mode == "1.5" && context.risk > 0.5 }};',
        (
            'does not parse: unexpected token `5`; write a decimal as decimal("2.5"), and '
            "hundredths where the schema has x-scale (line 1)"
        ),
        (),
    ),
    (
        f'{FORBID} when {{ context.mode == "1.5" && }};',
        "does not parse: unexpected token `}` (line 1)",
        (),
    ),
    (PERMIT_ALL + "\n;", "does not parse: unexpected token `;` (line 3)", ()),
    (PERMIT_ALL + ' "', "does not parse", ()),
    (PERMIT_ALL + " \ud800", "does not parse", ()),
    (f'@id("a") @id("a") {COMMON} {FORBID};', "duplicate annotation", ()),
    (f"{COMMON} {FORBID};", "has no @id (line 1)", ()),
    (f"@id {COMMON} {FORBID};", "has no @id (line 1)", ()),
    (f'@id(" ") {COMMON} {FORBID};', "has an @id that must not start or end with a space", ()),
    (f'@id("a\\u{{202e}}") {COMMON} {FORBID};', "has an @id that must not", ()),
    (f'@id("{"a" * 129}") {COMMON} {FORBID};', "has an @id that must be 1 to 128", ()),
    (PERMIT_ALL * 2, "shares its @id with another policy (line 1)", ("all",)),
    (f'@id("a") @explanation("E.") {FORBID};', "has no @reason", ("a",)),
    (f'@id("a") {COMMON} @remedy {FORBID};', "has a @remedy that must be one line", ("a",)),
    (f'@id("a") {COMMON} @remedy(" ") {FORBID};', "has a @remedy that must be one line", ("a",)),
    (f'@id("a") {COMMON} @remedy("a\\nb") {FORBID};', "a @remedy that must be one line", ("a",)),
    (f'@id("a") @reason @explanation("E.") {FORBID};', "has no @reason", ("a",)),
    (
        f'@id("a") @reason("Too low") @explanation("E.") {FORBID};',
        "has a @reason that must be",
        ("a",),
    ),
    (
        f'@id("a") @reason("A\\n") @explanation("E.") {FORBID};',
        "has a @reason that must be",
        ("a",),
    ),
    (f'@id("a") @reason("POLICY_ERROR") @explanation("E.") {FORBID};', "is reserved", ("a",)),
    (f'@id("a") @reason("R") {FORBID};', "has no @explanation", ("a",)),
    (f'@id("a") @reason("R") @explanation(" ") {FORBID};', "has no @explanation", ("a",)),
    (
        f'@id("a") @reason("R") @explanation("{"a" * 501}") {FORBID};',
        "one line of at most 500 characters",
        ("a",),
    ),
    (
        f'@id("a") @reason("R") @explanation("a\\nb") {FORBID};',
        "one line of at most 500 characters",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} permit(principal == ?principal, action, resource);',
        "is a template",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ context.foo }};',
        "mentions context.foo, which no",
        ("a",),
    ),
    (f'@id("a") {COMMON} {FORBID} when {{ context.mode > 3 }};', "does not fit the schema", ("a",)),
    (
        f'@id("a") {COMMON} {FORBID} when {{ context.parameters.amount_minor > 3 }};',
        "amount_minor",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID_REFUND} when {{ context.parameters.recipient == "x" }};',
        "unable to guarantee safety of access to optional attribute",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} forbid(principal, action == Action::"NONE", resource);',
        "names the action NONE, which the catalog does not have",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} forbid(principal is Account, action, resource);',
        "does not fit the schema",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ resource.owner == "x" }};',
        "asks resource for an attribute",
        ("a",),
    ),
    (f'@id("a") {COMMON} {FORBID} when {{ context.risk + 1 > 2 }};', "does arithmetic (+)", ("a",)),
    (
        f'@id("a") {COMMON} {FORBID} unless {{ context.risk - 1 > 2 }};',
        "does arithmetic (-)",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ true || context.risk * 2 > 2 }};',
        "does arithmetic (*)",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ [1].contains({{a: -context.risk}}.a) }};',
        "does arithmetic (neg)",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ {A_DAY}.offset(duration("1d")) > {A_DAY} }};',
        "arithmetic (offset)",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ context.risk > 9007199254740992 }};',
        "has an integer beyond",
        ("a",),
    ),
    (
        f'@id("a") {COMMON} {FORBID} when {{ [-9007199254740992].contains(context.risk) }};',
        "has an integer beyond",
        ("a",),
    ),
    (PERMIT_ALL + " // \u202e", "changes the direction of text (line 2)", ()),
    ("\n" * (TEXT_LENGTH_MAX + 1), "characters long; the limit is", ()),
    (PERMIT_ALL * (CLAUSES_MAX + 1), "policies; the limit is", ()),
    (
        f"{FORBID} when {{ {'(' * 3000} true {')' * 3000} }};",
        f"nests more than {NESTING_MAX} brackets",
        (),
    ),
    (f"{FORBID} when {{ {')' * 3000} {'[' * 3000} ", f"nests more than {NESTING_MAX} brackets", ()),
    (f"{FORBID} when {{ // \r {'{' * 3000} ", f"nests more than {NESTING_MAX} brackets", ()),
    (f"{FORBID} when {{ {'if true then ' * 2000} ", f"nests more than {NESTING_MAX} brackets", ()),
    (f"{FORBID} when {{ context{'.a' * 3000} }};", f"operators; the limit is {OPERATORS_MAX}", ()),
    (
        f'@id("a") {COMMON} {FORBID} when {{ {"true && " * 60} true }};',
        "nests more than 50 operators deep",
        ("a",),
    ),
]


@pytest.mark.parametrize(
    ("text", "sentence", "path"),
    REFUSED,
    ids=[f"{number} {refused[1]}" for number, refused in enumerate(REFUSED)],
)
def test_a_policy_that_must_not_be_loaded(
    text: str, sentence: str, path: tuple[str | int, ...]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        PolicySet.load(text, CATALOG)
    assert refused.value.code == "INVALID_POLICY"
    found = [problem for problem in refused.value.problems if sentence in problem.sentence]
    assert found, refused.value.problems
    assert found[0].path == ("policy", *path)


def test_every_problem_is_reported_with_its_line() -> None:
    text = (
        "// first\n"
        + PERMIT_ALL
        + '\n// ; "\n@id("a;b")\nforbid(principal, action, resource);\nforbid(principal, action, '
        "resource);"
    )
    with pytest.raises(InvalidInput) as refused:
        PolicySet.load(text, CATALOG)
    assert [str(problem) for problem in refused.value.problems] == [
        "policy.a;b: has no @reason (line 5)",
        "policy.a;b: has no @explanation (line 5)",
        "policy: the rule in line 7 has no @id (line 7)",
        "policy: the rule in line 7 has no @reason (line 7)",
        "policy: the rule in line 7 has no @explanation (line 7)",
    ]


def test_what_looks_like_arithmetic_and_is_not() -> None:
    condition = (
        'context.parameters.amount_minor > -(5) && {"+": 1, "-": context.parameters.amount_minor} '
        '== {"-": 1, "+": 1} '
        '&& context.parameters has recipient && context.parameters.recipient like "*+*"'
    )
    text = annotated(
        "a", f"{FORBID_REFUND} when {{ context.parameters.amount_minor > -5 && {condition} }};"
    )
    assert PolicySet.load(text, CATALOG).clauses["a"].effect is ClauseEffect.FORBID


def test_an_empty_catalog_takes_no_policy() -> None:
    with pytest.raises(InvalidInput, match="unable to find an applicable action"):
        PolicySet.load(PERMIT_ALL, {})


def test_clauses_are_read_from_the_annotations(policy: PolicySet) -> None:
    assert list(policy.clauses) == list(POLICIES)
    clause = policy.clauses["refund-soft-cap"]
    assert (clause.effect, clause.reason, clause.explanation) == (
        ClauseEffect.FORBID,
        "REFUND_SOFT_CAP",
        "Because of refund-soft-cap.",
    )


def test_the_version_is_that_of_the_rules(policy: PolicySet) -> None:
    shuffled = "// A comment.\n" + "\n\n".join(reversed(TEXT.strip().split("\n\n"))).replace(
        " when ", "\n  when "
    )
    assert PolicySet.load(shuffled, CATALOG) == policy
    changes = [("50000", "50001"), ("Because of", "As of"), ('@reason("TASKS")', '@reason("TASK")')]
    versions = {PolicySet.load(TEXT.replace(*change), CATALOG).version for change in changes}
    versions.add(PolicySet.load(TEXT + annotated("more", f"{FORBID};"), CATALOG).version)
    assert len(versions | {policy.version}) == 5
    assert all(version.startswith("sha256:") and len(version) == 71 for version in versions)


def test_the_version_is_not_that_of_the_catalog_the_engine_or_our_schema(
    policy: PolicySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = PolicySet.load(TEXT, {**CATALOG, "MORE": action("MORE", {})})
    assert more.version == policy.version
    assert more != policy  # a policy is for one catalog
    of_the_engine = cedarpy.policies_to_json_str

    def of_a_newer_engine(text: str) -> str:
        return of_the_engine(text).replace('"annotations":{', '"annotations":{"hint":"",')

    with monkeypatch.context() as newer_software:
        newer_software.setattr(
            "clearance.core.policy.schema_text",
            lambda *types: schema_text(*types) + "entity New;\n",
        )
        newer_software.setattr(cedarpy, "policies_to_json_str", of_a_newer_engine)
        newer = PolicySet.load(TEXT, CATALOG)
    assert newer.version == policy.version
    assert newer.clauses == policy.clauses
    assert newer.schema != policy.schema


LAYOUT = st.lists(
    st.sampled_from([" ", "\n", "\t\r\n", "// a comment; permit(\n"]), min_size=1, max_size=3
).map("".join)


@given(st.permutations(list(POLICIES)), st.sampled_from(list(POLICIES)), LAYOUT)
def test_a_clause_is_known_by_its_text_alone(order: list[str], changed: str, layout: str) -> None:
    """Wherever it stands and however it is laid out; one that changed is another one, and no other
    is.
    """
    texts = {name: annotated(name, POLICIES[name]) for name in order}
    before = PolicySet.load("".join(texts.values()), CATALOG).clauses
    texts[changed] = texts[changed].replace("Because of", "By")
    spread = [text.replace(" when ", f"{layout}when{layout}") for text in texts.values()]
    after = PolicySet.load(layout.join(["", *spread, ""]), CATALOG).clauses
    assert {name for name in before if before[name].digest != after[name].digest} == {changed}


# --- What policy reads: the rest is in test_policy_schema.py ---

NAMES = st.one_of(
    st.text(max_size=6),
    st.sampled_from(
        [
            "a",
            "if",
            "in",
            "__entity",
            "__extn",
            "$ref",
            "type",
            "Long",
            "principal",
            'x"',
            "\\",
            "\n",
            ODD,
        ]
    ),
)


@settings(deadline=None)
@given(
    name=NAMES.filter(lambda name: name and name[:2] != "__" and "." not in name and name != "*"),
    value=st.integers(-BIG, BIG),
)
def test_every_name_that_a_path_can_hold_is_read_by_a_rule(name: str, value: int) -> None:
    schema = {"required": [name], "properties": {name: {"type": "integer"}}}
    quoted = "".join(f"\\u{{{ord(character):x}}}" for character in name)
    rule = annotated(
        "one",
        f'permit(principal, action, resource) when {{ context.parameters["{quoted}"] == {value} '
        f"}};",
    )
    policy = PolicySet.load(rule, {"A": action("A", schema)})
    assert policy.decide(ask("A", {name: value})).answer is Answer.AUTO_EXECUTE
    assert (
        policy.decide(ask("A", {name: value - 1 if value > 0 else value + 1})).reason
        == NO_POLICY_PERMITS
    )


if __name__ == "__main__":
    CASES.write_text("\n".join(lines()) + "\n")
