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
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

import cedarpy

from clearance.core.canonical import Json, digest
from clearance.core.catalog import Catalog
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput, Problem
from clearance.core.policy_schema import (
    ParameterType,
    parameters_type,
    read_parameters,
    schema_text,
)
from clearance.core.policy_text import (
    NO_POLICY_PERMITS,
    NOT_PERMITTED_UNATTENDED,
    POLICY_ERROR,
    WrittenClause,
    annotation,
    one_line,
    policy_refusal,
    written_clauses,
)

SCHEMAS_KEPT_MAX = 64  # compiled schemas that a process keeps, by their text

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

    `parameters` are the final arguments of the call: the set picks what it can read.
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
        reading = read_policy(text, {name: action.final_schema for name, action in catalog.items()})
        if reading.policy is None or reading.problems:
            raise policy_refusal(reading.problems)
        return reading.policy

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
        read = read_parameters(self._types[question.action_type], question.parameters)
        context = {
            "confidence_bp": question.confidence_bp,
            "risk": question.risk,
            "mode": question.mode,
            "parameters": read.record,
            "nulls": list(read.nulls),
            "counts": read.counts,
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


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PolicyReading:
    """What a policy's text is to this version: the set of the rules that it accepts (None: of
    none), and what is wrong with the others.

    `refused`: the action types that a rule which is not accepted could speak about, each with the
    first problem of such a rule; None stands for every action type.
    """

    policy: PolicySet | None
    problems: tuple[Problem, ...] = ()
    refused: Mapping[str | None, Problem] = field(default_factory=dict)


_NO_ENTITIES = cedarpy.Entities.from_json_str("[]")


def _error(errors: Iterator[str] | list[str]) -> PolicyAnswer:
    sentence = "The policy could not be evaluated for this action, so it is blocked."
    return PolicyAnswer(
        Answer.BLOCK, POLICY_ERROR, sentence, errors=tuple(one_line(error) for error in errors)
    )


# --- Loading ---


def read_policy(text: str, parameters: Mapping[str, Mapping[str, Json]]) -> PolicyReading:
    """What this version makes of a text, for action types with these JSON Schemas of parameters.

    Every clause is accepted or refused by itself. Of a text whose clauses cannot even be told
    apart, none is accepted.
    """
    types = {action_type: parameters_type(schema) for action_type, schema in parameters.items()}
    schema = schema_text(types)
    try:
        written = written_clauses(text, _engine_schema(schema))
        accepted = [clause for clause in written if not clause.problems]
        policy = _policy_set(accepted, types, schema) if accepted else None
    except InvalidInput as refusal:
        return PolicyReading(None, refusal.problems, {None: refusal.problems[0]})
    problems = tuple(problem for clause in written for problem in clause.problems)
    return PolicyReading(policy, problems, _refused(written, types))


def _policy_set(
    written: Sequence[WrittenClause], types: Mapping[str, ParameterType], schema: str
) -> PolicySet:
    """The set of clauses that are all accepted."""
    clauses = {clause.id: clause for clause in map(_clause, written)}
    policies = {str(clause.name): clause.policy for clause in written}
    return PolicySet(
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
        _engine_schema=_engine_schema(schema),
    )


@lru_cache(SCHEMAS_KEPT_MAX)
def _engine_schema(schema: str) -> cedarpy.Schema:
    return cedarpy.Schema.from_str(schema, release_gil=True)


def _refused(written: Sequence[WrittenClause], known: Collection[str]) -> dict[str | None, Problem]:
    """What the clauses that are not accepted could speak about."""
    refused: dict[str | None, Problem] = {}
    for clause in written:
        for problem in clause.problems[:1]:
            for action_type in _spoken_about(clause.policy, known):
                refused.setdefault(action_type, problem)
    return refused


def _spoken_about(policy: Json, known: Collection[str]) -> Collection[str | None]:
    """The action types that the scope of a clause names; None, for every one, if it names none, or
    one that is not known, so that nobody can tell which was meant.
    """
    action = policy["action"] if policy else {}
    entities = [action["entity"]] if "entity" in action else action.get("entities", [])
    names = [entity.get("id") for entity in entities]
    return names if names and all(name in known for name in names) else [None]


def _engine_policies(policies: Mapping[str, Json]) -> cedarpy.PolicySet:
    """The engine's own set: with our ids, so that its reasons are ours; without annotations, which
    it would copy.
    """
    bare = {name: {**policy, "annotations": {}} for name, policy in policies.items()}
    engine_json = json.dumps({"staticPolicies": bare, "templates": {}, "templateLinks": []})
    try:
        return cedarpy.PolicySet.from_json_str(engine_json, release_gil=True)
    except ValueError as error:
        raise policy_refusal(
            [Problem(("policy",), f"cannot be loaded: {one_line(str(error))}")]
        ) from None


def _clause(written: WrittenClause) -> Clause:
    return Clause(
        id=str(written.name),
        effect=ClauseEffect(written.policy["effect"]),
        reason=annotation(written.policy, "reason"),
        explanation=annotation(written.policy, "explanation"),
        digest=digest(" ".join(written.words())),
    )
