"""The policy of a tenant: Cedar rules, loaded strictly and asked two questions.

May this run unattended? If not, may it run attended? The first yes is `AUTO_EXECUTE`, the second
`REQUIRE_APPROVAL`, neither `BLOCK`. So "this needs a person" is a forbid on the unattended
question, and adding a forbid can only lower autonomy. Cedar skips a rule that fails while it is
evaluated, and a skipped forbid forbids nothing: so whatever could fail is refused when the policy
is loaded, and whatever fails in spite of that blocks.

This file knows nothing of modes, budgets, people or time: they come in as values, or not at all.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

import cedarpy

from clearance.core.canonical import INTEGER_MAX, Json, digest
from clearance.core.catalog import Catalog
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import name_problem
from clearance.core.policy_schema import ParameterType, parameters_type, schema_text

TEXT_LENGTH_MAX = 128 * 1024  # characters of the policies of a tenant
CLAUSES_MAX = 500  # a decision costs about 2 microseconds for each
# The engine's parser recurses on the stack without a limit of its own: 3,000 brackets crash the
# process, and a validator that runs out of stack finds no errors. Within these limits both do well,
# even on a stack of 512 KiB.
NESTING_MAX = 24  # brackets around brackets, and every `if`, of one policy
OPERATORS_MAX = 200  # of one policy, dots included
EXPRESSION_DEPTH_MAX = 50  # of one policy; a chain of `&&` nests once for each
EXPLANATION_LENGTH_MAX = 500  # characters
ERROR_LENGTH_MAX = 300  # characters of one message of the engine
PROBLEMS_MAX = 50  # problems of one policy text that are reported

POLICY_ERROR = "POLICY_ERROR"
NO_POLICY_PERMITS = "NO_POLICY_PERMITS"
NOT_PERMITTED_UNATTENDED = "NOT_PERMITTED_UNATTENDED"
_OUR_REASONS = frozenset({POLICY_ERROR, NO_POLICY_PERMITS, NOT_PERMITTED_UNATTENDED})

_REASON = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
# What can overflow. The last three work on dates, which an intent cannot bring; they are here so
# that nothing is left.
_OVERFLOWING = frozenset({"+", "-", "*", "offset", "durationSince", "toDate"})
# Characters that show a reviewer another text than the engine reads.
_DIRECTION_MARK = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
_UNFIT_IN_SENTENCE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
# Strings and comments exactly as the engine's own lexer has them, so that no bracket hides in what
# it does not skip.
_TOKEN = re.compile(
    r"""(?P<skipped> \s+ | //[^\n\r]* ) | (?P<string> "(?:\\.|[^"\\])*+" ) | (?P<open> [(\[{] )
    | (?P<close> [)\]}] ) | (?P<end> ; ) | (?P<word> [_a-zA-Z][_a-zA-Z0-9]* )
    | (?P<operator> && | \|\| | [-+*.] ) | (?P<other> . )""",
    re.VERBOSE,
)
_DECIMAL = re.compile(r"[0-9]\.[0-9]")


# --- Questions and answers ---


class ClauseEffect(StrEnum):
    """What a clause does to the question that it matches."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Clause:
    """One policy of the set, by its `@id`: the code and the sentence that a person is shown when it
    decides.

    `digest` is of its text, annotations included; layout and comments do not change it.
    """

    id: str
    effect: ClauseEffect
    reason: str
    explanation: str
    digest: str


@dataclass(frozen=True, slots=True)
class Question:
    """What policy is asked about an intent.

    `parameters` are the intent's own: the set picks what it can read.
    """

    agent_id: str
    account_id: str
    action_type: str
    confidence_bp: int
    risk: int
    mode: str
    parameters: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """The answer of a policy set, and the clauses that determined it, by sorted id.

    `errors` are for the operator's log: the engine's words, which may quote parameters.
    """

    answer: Answer
    reason: str
    explanation: str
    clauses: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of one tenant, valid for one catalog. Two sets are equal if their versions and
    their schemas are.

    `version` is a digest of the policies alone: neither the order, the layout and the comments of
    the text change it, nor the catalog, nor an engine or a generated schema that is newer.
    `version_0_1` is what version 0.1.0 has instead: it is of the schema too.
    """

    version: str
    schema: str = field(repr=False)
    clauses: Mapping[str, Clause] = field(compare=False, repr=False)
    version_0_1: str = field(compare=False, repr=False)
    _types: Mapping[str, ParameterType] = field(compare=False, repr=False)
    _engine_policies: cedarpy.PolicySet = field(compare=False, repr=False)
    _engine_schema: cedarpy.Schema = field(compare=False, repr=False)

    @classmethod
    def load(cls, text: str, catalog: Catalog) -> PolicySet:
        """The policies of `text`.

        Raises InvalidInput (`INVALID_POLICY`) with every problem that was found.

        The engine's warnings do not reach us, so a rule that can never match is accepted, unless
        its types show it.
        """
        types = {
            action_type: parameters_type(action.parameters)
            for action_type, action in catalog.items()
        }
        schema = schema_text(types)
        engine_schema = cedarpy.Schema.from_str(schema)
        policies, statements = _load(text, engine_schema)
        clauses = {
            name: _clause(name, policy, statements[name]) for name, policy in policies.items()
        }
        return cls(
            version=digest(
                {
                    "language": "cedar",
                    "format": 5,
                    "clauses": {name: clause.digest for name, clause in clauses.items()},
                }
            ),
            schema=schema,
            clauses=MappingProxyType(clauses),
            version_0_1=digest(
                {"engine": "cedar", "format": 4, "policies": policies, "schema": schema}
            ),
            _types=types,
            _engine_policies=_engine_policies(policies),
            _engine_schema=engine_schema,
        )

    def decide(self, question: Question) -> PolicyAnswer:
        """The answer to one question. Never raises: what cannot be evaluated is blocked."""
        if question.action_type not in self._types:
            return _error(["the policy's catalog has no such action type"])
        try:
            return self._fold(*self._ask(question))
        except (KeyboardInterrupt, SystemExit):
            raise
        except InvalidInput as refusal:
            return _error(str(problem) for problem in refusal.problems)
        except BaseException as error:
            return _error([f"{type(error).__name__}: {error}"])

    def _ask(self, question: Question) -> list[cedarpy.AuthzResult]:
        """The engine's results for the unattended and the attended question."""
        context = {
            "confidence_bp": question.confidence_bp,
            "risk": question.risk,
            "mode": question.mode,
            "parameters": self._types[question.action_type].read(
                question.parameters, ("parameters",)
            ),
        }
        rest = json.dumps(context)[
            1:
        ]  # the two contexts differ in one value: the rest is written once
        request = {
            "principal": {"type": "Agent", "id": question.agent_id},
            "action": {"type": "Action", "id": question.action_type},
            "resource": {"type": "Account", "id": question.account_id},
        }
        requests = [
            {**request, "context": f'{{"unattended": {flag}, {rest}'} for flag in ("true", "false")
        ]
        return cedarpy.is_authorized_batch(
            requests, self._engine_policies, _NO_ENTITIES, self._engine_schema
        )

    def _fold(self, unattended: cedarpy.AuthzResult, attended: cedarpy.AuthzResult) -> PolicyAnswer:
        for result in (unattended, attended):
            if result.decision is cedarpy.Decision.NoDecision or result.diagnostics.errors:
                return _error(result.diagnostics.errors or ["the engine made no decision"])
        if unattended.allowed:
            return self._answer(Answer.AUTO_EXECUTE, unattended)
        if attended.allowed:
            if unattended.diagnostics.reasons:
                return self._answer(Answer.REQUIRE_APPROVAL, unattended)
            permits = tuple(sorted(attended.diagnostics.reasons))
            sentence = "No policy permits this action unattended; a person may approve it."
            return PolicyAnswer(
                Answer.REQUIRE_APPROVAL, NOT_PERMITTED_UNATTENDED, sentence, permits
            )
        if attended.diagnostics.reasons:
            return self._answer(Answer.BLOCK, attended)
        return PolicyAnswer(Answer.BLOCK, NO_POLICY_PERMITS, "No policy permits this action.")

    def _answer(self, answer: Answer, result: cedarpy.AuthzResult) -> PolicyAnswer:
        ids = tuple(sorted(result.diagnostics.reasons))
        first = self.clauses[ids[0]]
        return PolicyAnswer(answer, first.reason, first.explanation, ids)


_NO_ENTITIES = cedarpy.Entities.from_json_str("[]")


def _error(errors: Iterator[str] | list[str]) -> PolicyAnswer:
    sentence = "The policy could not be evaluated for this action, so it is blocked."
    return PolicyAnswer(
        Answer.BLOCK, POLICY_ERROR, sentence, errors=tuple(_one_line(error) for error in errors)
    )


# --- Loading ---


@dataclass(slots=True)
class _Statement:
    """One policy as text: where it is and how it nests.

    The engine calls the first of them `policy0`.
    """

    text: str
    line: int
    start: int
    end: int
    brackets: int = 0
    ifs: int = 0
    operators: int = 0


def _load(text: str, schema: cedarpy.Schema) -> tuple[dict[str, Json], dict[str, _Statement]]:
    """The policies of `text` as Cedar's JSON, and as text, by `@id`; InvalidInput for what must not
    be loaded.
    """
    statements = _statements(text)
    _refuse_if(_nesting_problems(statements))
    templates, policies = _parse(text, statements)
    sentence = "is a template; write the policy out for each principal or resource"
    _refuse_if([_problem(number, sentence, statements[number]) for number in templates])
    names = {number: _name(policy, number) for number, policy in policies.items()}
    _refuse_if(_clause_problems(policies, names, statements))
    _refuse_if(_validation_problems(text, schema, names, statements))
    ids = [str(names[number]) for number in policies]
    return (
        dict(zip(ids, policies.values(), strict=True)),
        dict(zip(ids, statements, strict=True)),
    )


def _statements(text: str) -> list[_Statement]:
    """The policies of a text, found without the engine; InvalidInput for a text that does not even
    get so far.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise _refusal(
            [
                Problem(
                    ("policy",), f"is {len(text)} characters long; the limit is {TEXT_LENGTH_MAX}"
                )
            ]
        )
    if mark := _DIRECTION_MARK.search(text):
        line = _line_at(text, mark.start())
        raise _refusal(
            [
                Problem(
                    ("policy",), f"has a character that changes the direction of text (line {line})"
                )
            ]
        )
    statements = list(_scan(text))
    if not statements:
        raise _refusal(
            [Problem(("policy",), "has no policies, so that nothing would be permitted")]
        )
    if len(statements) > CLAUSES_MAX:
        raise _refusal(
            [Problem(("policy",), f"has {len(statements)} policies; the limit is {CLAUSES_MAX}")]
        )
    return statements


def _scan(text: str) -> Iterator[_Statement]:
    statement, open_now = None, 0
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "skipped":
            continue
        if statement is None:
            statement = _Statement(text, _line_at(text, token.start()), token.start(), token.end())
        statement.end = token.end()
        if kind == "open":
            open_now += 1
            statement.brackets = max(statement.brackets, open_now)
        elif kind == "close":
            open_now = max(0, open_now - 1)
        elif kind == "operator":
            statement.operators += 1
        elif token[0] == "if":
            statement.ifs += 1
        elif kind == "end":
            yield statement
            statement = None
    if statement is not None:
        yield statement


def _nesting_problems(statements: list[_Statement]) -> list[Problem]:
    problems = []
    for number, statement in enumerate(statements):
        if statement.brackets + statement.ifs > NESTING_MAX:
            sentence = f"nests more than {NESTING_MAX} brackets and ifs: use sets or more policies"
            problems.append(_problem(number, sentence, statement))
        if statement.operators > OPERATORS_MAX:
            sentence = (
                f"has {statement.operators} operators; the limit is {OPERATORS_MAX}: use sets or "
                f"more policies"
            )
            problems.append(_problem(number, sentence, statement))
    return problems


def _parse(text: str, statements: list[_Statement]) -> tuple[list[int], dict[int, Json]]:
    """The numbers of the templates, and the policies in Cedar's JSON by number."""
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(text))
    except ValueError as error:
        # The engine does not say where: try one by one.
        problems = list(_syntax_problems(text, statements))
        raise _refusal(
            problems or [Problem(("policy",), f"does not parse: {_one_line(str(error))}")]
        ) from None
    policies = {_number(name): policy for name, policy in parsed["staticPolicies"].items()}
    return sorted(map(_number, parsed["templates"])), dict(sorted(policies.items()))


def _syntax_problems(text: str, statements: list[_Statement]) -> Iterator[Problem]:
    for number, statement in enumerate(statements):
        try:
            cedarpy.policies_to_json_str(text[statement.start : statement.end])
        except ValueError as error:
            said = (
                f"does not parse: "
                f"{_one_line(str(error))}{_hint(text[statement.start : statement.end])}"
            )
            yield _problem(number, said, statement)


def _hint(text: str) -> str:
    """What is most often wrong with a policy that does not parse, if it looks like it."""
    tokens = [
        (token.lastgroup, token[0])
        for token in _TOKEN.finditer(text)
        if token.lastgroup != "skipped"
    ]
    written = "".join('""' if kind == "string" else said for kind, said in tokens)
    if _DECIMAL.search(written):
        return "; policy has no decimals: compare hundredths"
    several = sum(token in {("word", "permit"), ("word", "forbid")} for token in tokens) > 1
    return " - is a ';' missing?" if several or not written.endswith(";") else ""


def _clause_problems(
    policies: Mapping[int, Json], names: Mapping[int, str | int], statements: list[_Statement]
) -> list[Problem]:
    """What we ask of a policy beyond Cedar."""
    counts = Counter(names.values())
    problems = []
    for number, policy in policies.items():
        sentences = [*_annotation_problems(policy)]
        if counts[names[number]] > 1:
            sentences.append("shares its @id with another policy")
        for condition in policy["conditions"]:
            sentences += _expression_problems(condition["body"], 1)
        problems += [
            _problem(names[number], sentence, statements[number]) for sentence in sentences
        ]
    return problems


def _annotation_problems(policy: Json) -> Iterator[str]:
    name, reason, explanation = (
        _annotation(policy, key) for key in ("id", "reason", "explanation")
    )
    if not name:
        yield "has no @id"
    elif problem := name_problem(name):
        yield f"has an @id that {problem}"
    if not reason:
        yield "has no @reason"
    elif not _REASON.fullmatch(reason):
        yield "has a @reason that must be 1 to 64 characters of A-Z 0-9 _, starting with a letter"
    elif reason in _OUR_REASONS:
        yield f"has the @reason {reason}, which is reserved"
    if not explanation.strip():
        yield "has no @explanation"
    elif len(explanation) > EXPLANATION_LENGTH_MAX or _UNFIT_IN_SENTENCE.search(explanation):
        yield (
            f"has an @explanation that must be one line of at most {EXPLANATION_LENGTH_MAX} "
            f"characters"
        )


def _expression_problems(expression: Json, depth: int) -> Iterator[str]:
    """Problems of an expression in Cedar's JSON: an object of one operator and its operands."""
    if depth > EXPRESSION_DEPTH_MAX:
        yield f"nests more than {EXPRESSION_DEPTH_MAX} operators deep: use sets or more policies"
        return
    [(operator, operands)] = expression.items()
    if operator == "Value":
        if isinstance(operands, int) and abs(operands) > INTEGER_MAX:
            yield f"has an integer beyond {INTEGER_MAX}, which no value of an intent reaches"
        return
    if operator in _OVERFLOWING or (operator == "neg" and "Value" not in operands["arg"]):
        yield (
            f"does arithmetic ({operator}), which can overflow, and a rule that fails forbids "
            f"nothing"
        )
    for operand in operands.values() if isinstance(operands, dict) else operands:
        if isinstance(operand, dict):
            yield from _expression_problems(operand, depth + 1)


def _validation_problems(
    text: str, schema: cedarpy.Schema, names: Mapping[int, str | int], statements: list[_Statement]
) -> list[Problem]:
    result = cedarpy.validate_policies(text, schema)
    problems = []
    for error in result.errors:
        if re.fullmatch(r"policy\d+", error.policy_id):
            number = _number(error.policy_id)
            sentence = _one_line(error.error.removeprefix(f"for policy `{error.policy_id}`, "))
            problems.append(
                _problem(names[number], f"does not fit the schema: {sentence}", statements[number])
            )
        else:
            problems.append(
                Problem(("policy",), f"does not fit the schema: {_one_line(error.error)}")
            )
    if not result.validation_passed and not problems:
        problems.append(Problem(("policy",), "does not fit the schema"))
    return problems


def _engine_policies(policies: Mapping[str, Json]) -> cedarpy.PolicySet:
    """The engine's own set: with our ids, so that its reasons are ours; without annotations, which
    it would copy.
    """
    bare = {name: {**policy, "annotations": {}} for name, policy in policies.items()}
    engine_json = json.dumps({"staticPolicies": bare, "templates": {}, "templateLinks": []})
    try:
        return cedarpy.PolicySet.from_json_str(engine_json)
    except ValueError as error:
        raise _refusal(
            [Problem(("policy",), f"cannot be loaded: {_one_line(str(error))}")]
        ) from None


def _clause(name: str, policy: Json, statement: _Statement) -> Clause:
    return Clause(
        id=name,
        effect=ClauseEffect(policy["effect"]),
        reason=_annotation(policy, "reason"),
        explanation=_annotation(policy, "explanation"),
        digest=digest(" ".join(_words(statement))),
    )


def _words(statement: _Statement) -> Iterator[str]:
    """The text of a policy without its layout and comments. Ours, and not the engine's JSON, which
    another version of the engine may spell in another way.
    """
    for token in _TOKEN.finditer(statement.text, statement.start, statement.end):
        if token.lastgroup != "skipped":
            yield token[0]


def _annotation(policy: Json, name: str) -> str:
    return policy.get("annotations", {}).get(name) or ""  # a bare `@id` is null


def _name(policy: Json, number: int) -> str | int:
    """The @id, or the number of a policy whose @id cannot be shown."""
    name = _annotation(policy, "id")
    return number if name_problem(name) else name


def _number(name: str) -> int:
    return int(name.removeprefix("policy"))


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _problem(name: str | int, sentence: str, statement: _Statement) -> Problem:
    """What is wrong with a rule: named by its @id or, if it has none to show, by its lines."""
    if isinstance(name, str):
        return Problem(("policy", name), f"{sentence} (line {statement.line})")
    first, last = statement.line, _line_at(statement.text, statement.end)
    where = f"line {first}" if first == last else f"lines {first} to {last}"
    return Problem(("policy",), f"the rule in {where} {sentence} (line {first})")


def _refuse_if(problems: list[Problem]) -> None:
    if problems:
        raise _refusal(problems)


def _refusal(problems: list[Problem]) -> InvalidInput:
    different = tuple(dict.fromkeys(problems))[:PROBLEMS_MAX]
    sentence = f"The policy is refused: {'; '.join(str(problem) for problem in different[:3])}."
    return InvalidInput(sentence, code="INVALID_POLICY", problems=different)


def _one_line(message: str) -> str:
    return " ".join(message.split())[:ERROR_LENGTH_MAX]
