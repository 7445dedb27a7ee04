"""The text of a policy: its rules told apart, and each of them accepted or refused by itself.

Cedar skips a rule that fails while it is evaluated, and a skipped forbid forbids nothing. So
whatever could fail is refused here, before it is ever asked anything.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import cedarpy

from clearance.core.canonical import INTEGER_MAX, Json
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import name_problem
from clearance.core.policy_actions import Actions
from clearance.core.policy_rules import ReadRule, read_rule

TEXT_LENGTH_MAX = 128 * 1024  # characters of the policies of a tenant
CLAUSES_MAX = 500  # a decision costs about 2 microseconds for each
# The engine's parser recurses on the stack without a limit of its own: 3,000 brackets crash the
# process, and a validator that runs out of stack finds no errors. Within these limits both do well,
# even on a stack of 512 KiB.
NESTING_MAX = 24  # brackets around brackets, and every `if`, of one policy
OPERATORS_MAX = 200  # of one policy, dots included
EXPRESSION_DEPTH_MAX = 50  # of one policy; a chain of `&&` nests once for each
EXPLANATION_LENGTH_MAX = 500  # characters, of a remedy too
ERROR_LENGTH_MAX = 300  # characters of one message of the engine
PROBLEMS_MAX = 50  # problems of one policy text that are reported

POLICY_ERROR = "POLICY_ERROR"
NO_POLICY_PERMITS = "NO_POLICY_PERMITS"
NOT_PERMITTED_UNATTENDED = "NOT_PERMITTED_UNATTENDED"
POLICY_UNREADABLE = "POLICY_UNREADABLE"
PARAMETERS_NOT_READ = "PARAMETERS_NOT_READ"
RULE_NOT_DECIDABLE = "RULE_NOT_DECIDABLE"
_OUR_REASONS = frozenset(
    {POLICY_ERROR, NO_POLICY_PERMITS, NOT_PERMITTED_UNATTENDED, POLICY_UNREADABLE}
    | {PARAMETERS_NOT_READ, RULE_NOT_DECIDABLE}
)

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


@dataclass(slots=True)
class _Statement:
    """One policy as text: where it is and how it nests."""

    text: str
    line: int
    start: int
    end: int
    brackets: int = 0
    ifs: int = 0
    operators: int = 0


@dataclass(slots=True)
class WrittenClause:
    """One policy as it is written: its @id (or its number, if it has none to show), its Cedar JSON
    (None if it does not parse), what the catalog makes of it (None if something of its form is
    wrong), and what is wrong with it.
    """

    name: str | int
    source: str
    statement: _Statement
    policy: Json = None
    rule: ReadRule | None = None
    problems: list[Problem] = field(default_factory=list)

    @property
    def line(self) -> int:
        """The line that it starts in."""
        return self.statement.line

    def refuse(self, sentence: str) -> None:
        """Adds what is wrong."""
        self.problems.append(_problem(self.name, sentence, self.statement))

    def words(self) -> Iterator[str]:
        """Its text without layout and comments. Ours, and not the engine's JSON, which another
        version of the engine may spell in another way.
        """
        where = self.statement
        for token in _TOKEN.finditer(where.text, where.start, where.end):
            if token.lastgroup != "skipped":
                yield token[0]


def written_clauses(text: str, schema: cedarpy.Schema, actions: Actions) -> list[WrittenClause]:
    """The clauses of a text for these actions and their schema, with every problem of each.

    InvalidInput (`INVALID_POLICY`) for a text whose clauses cannot even be told apart.
    """
    clauses = list(_parsed(text))
    _check_clauses(clauses)
    _check_matches([clause for clause in clauses if not clause.problems], actions)
    _check_validity([clause for clause in clauses if not clause.problems], schema)
    return clauses


def policy_refusal(problems: Sequence[Problem]) -> InvalidInput:
    """The refusal of a policy with these problems."""
    different = tuple(dict.fromkeys(problems))[:PROBLEMS_MAX]
    sentence = f"The policy is refused: {'; '.join(str(problem) for problem in different[:3])}."
    return InvalidInput(sentence, code="INVALID_POLICY", problems=different)


def annotation(policy: Json, name: str) -> str:
    """An annotation of a policy in Cedar's JSON; empty if it is not there, or bare."""
    return policy.get("annotations", {}).get(name) or ""


def one_line(message: str) -> str:
    """A message of the engine on one line, cut to a length."""
    return " ".join(message.split())[:ERROR_LENGTH_MAX]


def _parsed(text: str) -> Iterator[WrittenClause]:
    """Each clause is parsed by itself, so that no call of the engine is long; together they are the
    whole text.
    """
    statements = _statements(text)
    _refuse_if(_nesting_problems(statements))
    ends = [statement.end for statement in statements[:-1]]
    bounds = zip([0, *ends], [*ends, len(text)], strict=True)
    for number, (statement, (start, end)) in enumerate(zip(statements, bounds, strict=True)):
        clause = WrittenClause(number, text[start:end], statement)
        _parse(clause)
        yield clause


def _parse(clause: WrittenClause) -> None:
    try:
        parsed = json.loads(cedarpy.policies_to_json_str(clause.source))
    except ValueError as error:
        statement = clause.statement
        hint = _hint(statement.text[statement.start : statement.end])
        clause.refuse(f"does not parse: {one_line(str(error))}{hint}")
        return
    policies = [*parsed["staticPolicies"].values(), *parsed["templates"].values()]
    if len(policies) != 1:
        clause.refuse("does not parse: it is not one policy")
        return
    clause.policy = policies[0]
    if not name_problem(name := annotation(clause.policy, "id")):
        clause.name = name
    if parsed["templates"]:
        clause.refuse("is a template; write the policy out for each principal or resource")


def _statements(text: str) -> list[_Statement]:
    """The policies of a text, found without the engine; InvalidInput for a text that does not even
    get so far.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise policy_refusal(
            [
                Problem(
                    ("policy",), f"is {len(text)} characters long; the limit is {TEXT_LENGTH_MAX}"
                )
            ]
        )
    if mark := _DIRECTION_MARK.search(text):
        line = _line_at(text, mark.start())
        raise policy_refusal(
            [
                Problem(
                    ("policy",), f"has a character that changes the direction of text (line {line})"
                )
            ]
        )
    statements = list(_scan(text))
    if not statements:
        raise policy_refusal(
            [Problem(("policy",), "has no policies, so that nothing would be permitted")]
        )
    if len(statements) > CLAUSES_MAX:
        raise policy_refusal(
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


def _hint(text: str) -> str:
    """What is most often wrong with a policy that does not parse, if it looks like it."""
    tokens = [
        (token.lastgroup, token[0])
        for token in _TOKEN.finditer(text)
        if token.lastgroup != "skipped"
    ]
    written = "".join('""' if kind == "string" else word for kind, word in tokens)
    if _DECIMAL.search(written):
        return '; write a decimal as decimal("2.5"), and hundredths where the schema has x-scale'
    several = sum(token in {("word", "permit"), ("word", "forbid")} for token in tokens) > 1
    return " - is a ';' missing?" if several or not written.endswith(";") else ""


def _check_clauses(clauses: list[WrittenClause]) -> None:
    """What we ask of a policy beyond Cedar."""
    counts = Counter(clause.name for clause in clauses)
    for clause in clauses:
        if clause.problems:
            continue
        sentences = [*_annotation_problems(clause.policy)]
        if counts[clause.name] > 1:
            sentences.append("shares its @id with another policy")
        for condition in clause.policy["conditions"]:
            sentences += _expression_problems(condition["body"], 1)
        for sentence in sentences:
            clause.refuse(sentence)


def _annotation_problems(policy: Json) -> Iterator[str]:
    name, reason, explanation = (annotation(policy, key) for key in ("id", "reason", "explanation"))
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
    elif not _is_line(explanation):
        yield f"has an @explanation that must be {_LINE}"
    remedy = annotation(policy, "remedy")
    if "remedy" in policy.get("annotations", {}) and not (remedy.strip() and _is_line(remedy)):
        yield f"has a @remedy that must be {_LINE}"


_LINE = f"one line of at most {EXPLANATION_LENGTH_MAX} characters"


def _is_line(text: str) -> bool:
    return len(text) <= EXPLANATION_LENGTH_MAX and not _UNFIT_IN_SENTENCE.search(text)


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


def _check_matches(clauses: list[WrittenClause], actions: Actions) -> None:
    """Refuses the rules that have something in them which cannot match."""
    for clause in clauses:
        clause.rule, sentences = read_rule(clause.policy, actions)
        for sentence in sentences:
            clause.refuse(sentence)


def _check_validity(clauses: list[WrittenClause], schema: cedarpy.Schema) -> None:
    """Refuses the rules that do not fit the schema; the engine calls the first of them `policy0`.

    InvalidInput if it does not say which one it means.
    """
    text = "".join(clause.source for clause in clauses)
    result = cedarpy.validate_policies(text, schema, release_gil=True)
    for error in result.errors:
        number = re.fullmatch(r"policy(\d+)", error.policy_id)
        message = one_line(error.error.removeprefix(f"for policy `{error.policy_id}`, "))
        if number is None:
            raise policy_refusal([Problem(("policy",), f"does not fit the schema: {message}")])
        clauses[int(number[1])].refuse(f"does not fit the schema: {message}")
    if not result.validation_passed and not result.errors:
        raise policy_refusal([Problem(("policy",), "does not fit the schema")])


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
        raise policy_refusal(problems)
