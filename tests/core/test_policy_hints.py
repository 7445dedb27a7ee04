"""Confidence and risk are the agent's own word, and can only tighten the answer."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput
from clearance.core.intent import RiskLevel
from clearance.core.policy import PolicySet, Question, read_policy

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["level", "risk", "confidence_bp"],
    "properties": {
        "level": {"type": "integer"},
        "risk": {"type": "integer"},
        "confidence_bp": {"type": "integer"},
    },
    "additionalProperties": False,
}
CATALOG = {
    name: Action(
        action_type=name,
        tool=ToolName("server", name.lower()),
        risk_level=RiskLevel.LOW,
        effect=Effect.IDEMPOTENT,
        parameters=SCHEMA,
        sentence="did it",
        proposal="do it",
    )
    for name in ("ONE", "TWO")
}
LEVEL = "context.parameters.level"
ALL, TWO = "principal, action, resource", 'principal, action == Action::"TWO", resource'


def rule(
    condition: str, effect: str = "forbid", kind: str = "when", name: str = "r", scope: str = ALL
) -> str:
    return (
        f'@id("{name}") @reason("R") @explanation("E.") '
        f"{effect}({scope}) {kind} {{ {condition} }};\n"
    )


PERMIT = rule("true", effect="permit", name="permit")


def problems(text: str) -> list[str]:
    try:
        PolicySet.load(text, CATALOG)
    except InvalidInput as refusal:
        return [str(problem) for problem in refusal.problems]
    return []


RISES = [  # as the risk grows
    "context.risk > 1",
    "context.risk >= 2",
    "1 < context.risk",
    "!(context.risk < 2)",
    "!!(context.risk > 1)",
    "context.unattended && context.risk > 1",
    f"{LEVEL} > 5 || !(context.risk <= 1 && {LEVEL} < 3)",
    f"if {LEVEL} > 5 then context.risk > 1 else context.risk > 2",
    f"context.risk > {LEVEL}",
    'context["risk"] > 1',
]
FALLS = ["context.risk < 2", "context.risk <= 1", "2 > context.risk", "!(context.risk >= 2)"]
FALLS += [f"if {LEVEL} > 5 then context.risk < 2 else true", f"{LEVEL} > context.risk"]
NEITHER = [
    "context.risk == 1",
    "context.risk != 1",
    "(context.risk > 1) == true",
    "(context.risk > 1) != false",
    "[1, 2].contains(context.risk)",
    "[context.risk > 1].contains(true)",
    "{a: context.risk} == {a: 1}",
    "(if context.unattended then context.risk else 0) > 1",
    "if context.risk > 1 then true else context.unattended",
    f"if context.risk > 1 then {LEVEL} > 1 else {LEVEL} > 2",
    "context.risk < 3 && context.risk > 1",
    "context.risk > (if context.risk > 1 then 9 else 0)",
]
TIGHTENS = [  # as the confidence falls, or is not stated
    "context.confidence_bp < 8000",
    "context.confidence_bp <= 8000",
    "8000 > context.confidence_bp",
    "!(context.confidence_bp >= 8000)",
    "!context.confidence_stated",
    "!context.confidence_stated || context.confidence_bp < 8000",
    "context.risk > 1 && context.confidence_bp < 8000",
]
LOOSENS = [
    "context.confidence_bp > 5000",
    "!(context.confidence_bp < 5000)",
    "context.confidence_bp == 5000",
    "context.confidence_stated",
    "context.unattended && context.confidence_stated && context.confidence_bp < 8000",
    "context.confidence_stated == false",
    "[1, 2].contains(context.confidence_bp)",
    "context.confidence_bp < context.risk",
    "(if context.confidence_bp > 1 then context.risk else 3) < 2",
]
ACCEPTED = [
    *(("forbid", "when", shape) for shape in RISES + TIGHTENS),
    *(("forbid", "unless", f"!(!(!({shape})))") for shape in RISES + TIGHTENS),
    *(("forbid", "unless", shape) for shape in FALLS),
    *(("permit", "when", shape) for shape in FALLS),
    *(("permit", "unless", shape) for shape in RISES),
    ("forbid", "when", "context.parameters.risk == 1"),
    ("permit", "when", "context.parameters.confidence_bp > 1"),
]
REFUSED = [
    *(("forbid", "when", shape) for shape in FALLS + NEITHER + LOOSENS),
    *(("forbid", "unless", shape) for shape in RISES + TIGHTENS + NEITHER),
    *(("permit", "when", shape) for shape in RISES + TIGHTENS + NEITHER + LOOSENS),
    *(("permit", "unless", shape) for shape in FALLS + TIGHTENS + NEITHER + LOOSENS),
]


@pytest.mark.parametrize(("effect", "kind", "condition"), ACCEPTED)
def test_a_rule_that_what_an_agent_states_can_only_tighten_is_accepted(
    effect: str, kind: str, condition: str
) -> None:
    assert problems(PERMIT + rule(condition, effect, kind)) == []


@pytest.mark.parametrize(("effect", "kind", "condition"), REFUSED)
def test_a_rule_that_what_an_agent_states_could_loosen_is_refused(
    effect: str, kind: str, condition: str
) -> None:
    sentences = problems(PERMIT + rule(condition, effect, kind))
    ours = "could loosen the answer", "in a permit: the agent chooses its confidence"
    assert any(ours[0] in each or ours[1] in each for each in sentences), sentences


@pytest.mark.parametrize(
    ("effect", "kind", "condition", "sentence"),
    [
        ("forbid", "when", "context.risk == 1", "has context.risk == 1 {}context.risk > or >="),
        ("forbid", "unless", "context.risk > 1", "has context.risk > 1 {}context.risk < or <="),
        ("permit", "when", "2 <= context.risk", "has 2 <= context.risk {}context.risk < or <="),
        ("permit", "when", "!(context.risk < 2)", "has context.risk < 2 {}context.risk > or >="),
        (
            "forbid",
            "when",
            "[1].contains(context.risk)",
            "has context.risk in another shape {}context.risk > or >=",
        ),
        (
            "forbid",
            "when",
            "context.confidence_stated && context.confidence_bp < 8000",
            "has context.confidence_stated {}!context.confidence_stated",
        ),
        (
            "forbid",
            "when",
            "context.confidence_bp > 5000",
            "has context.confidence_bp > 5000 {}context.confidence_bp < or <=",
        ),
    ],
)
def test_the_refusal_names_the_rule_its_line_and_what_to_write(
    effect: str, kind: str, condition: str, sentence: str
) -> None:
    [found] = problems(PERMIT + "\n" + rule(condition, effect, kind))
    why = "where an agent could loosen the answer with what it states: write "
    assert found.startswith(f"policy.r: {sentence.format(why)}")
    assert found.endswith("(line 3)")


def test_a_stored_rule_that_could_loosen_asks_for_what_it_could_be_about() -> None:
    stored = PERMIT + rule("context.unattended && context.risk == 1", scope=TWO)
    reading = read_policy(stored, {name: each.final_schema for name, each in CATALOG.items()})
    assert reading.policy is not None
    assert list(reading.policy.clauses) == ["permit"]
    assert list(reading.refused) == ["TWO"]


# --- Whatever loads ---

ATOMS = [
    *(f"context.risk {operator} {n}" for operator in ("<", "<=", ">", ">=") for n in (1, 2)),
    *(f"5000 {operator} context.confidence_bp" for operator in ("<", "<=", ">", ">=")),
    "context.risk == 1",
    "context.risk != 2",
    "context.confidence_bp != 5000",
    "context.confidence_stated",
    f"context.risk > {LEVEL}",
    "context.risk < context.confidence_bp",
    "context.risk > (if context.risk > 1 then 9 else 0)",
    "[1, 2].contains(context.risk)",
    "context.unattended",
    f"{LEVEL} > 1",
]
CONDITIONS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||", "==", "!="]), inner).map(
            lambda parts: "(({}) {} ({}))".format(*parts)
        ),
        inner.map(lambda condition: f"!({condition})"),
        st.tuples(inner, inner, inner).map(lambda parts: "(if {} then {} else {})".format(*parts)),
    ),
    max_leaves=4,
)
EFFECTS = st.tuples(
    CONDITIONS, st.sampled_from(["permit", "forbid"]), st.sampled_from(["when", "unless"])
)
CAUTION = [(10_000, True), (5_001, True), (5_000, True), (4_999, True), (0, True), (0, False)]
"""A confidence and whether it is stated, each more cautious than the one before."""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    rules=st.lists(EFFECTS, min_size=1, max_size=4), always=st.booleans(), level=st.integers(0, 2)
)
def test_more_risk_and_less_confidence_never_loosen_the_answer(
    rules: list[tuple[str, str, str]], always: bool, level: int
) -> None:
    text = "".join(rule(*each, name=f"r{number}") for number, each in enumerate(rules))
    text += PERMIT if always else ""
    reading = read_policy(text, {name: each.final_schema for name, each in CATALOG.items()})
    assume(reading.policy is not None and set(reading.policy.clauses) != {"permit"})
    assert reading.policy is not None

    def strictness(risk: int, confidence_bp: int, stated: bool) -> int:
        assert reading.policy is not None
        parameters = {"level": level, "risk": 1, "confidence_bp": 1}
        asked = Question(
            "ada", "acme", "ONE", confidence_bp, risk, "AUTO_EXECUTE", parameters, stated
        )
        answered = reading.policy.decide(asked)
        assert not answered.errors
        return Answer(answered.answer).strictness

    answers = [[strictness(risk, *hint) for hint in CAUTION] for risk in range(4)]
    for lines in (answers, [list(column) for column in zip(*answers, strict=True)]):
        for line in lines:
            assert all(before <= after for before, after in pairwise(line)), (text, answers)
