"""The policy of a tenant: Cedar rules, loaded strictly and asked two questions.

May this run unattended? If not, may it run attended? The first yes is `AUTO_EXECUTE`, the second
`REQUIRE_APPROVAL`, neither `BLOCK`. So "this needs a person" is a forbid on the unattended
question, and adding a forbid can only lower autonomy. Cedar skips a rule that fails while it is
evaluated, and a skipped forbid forbids nothing: so whatever could fail is refused when the policy
is loaded, and whatever fails in spite of that blocks. A parameter that policy cannot read could
have any value: it asks a person, and blocks where a rule might have blocked.

This file knows nothing of modes, budgets, people or time: they come in as values, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

import cedarpy

from clearance.core.canonical import Json, digest
from clearance.core.catalog import Catalog
from clearance.core.decision import Answer
from clearance.core.errors import InvalidInput, Problem
from clearance.core.policy_actions import Actions
from clearance.core.policy_rules import Dependents, ReadRule
from clearance.core.policy_schema import RecordRead, parameters_type, read_parameters, whole_of
from clearance.core.policy_text import (
    NO_POLICY_PERMITS,
    NOT_PERMITTED_UNATTENDED,
    PARAMETERS_NOT_READ,
    POLICY_ERROR,
    RULE_NOT_DECIDABLE,
    WrittenClause,
    annotation,
    one_line,
    policy_refusal,
    written_clauses,
)
from clearance.core.policy_types import BESIDE_PARAMETERS, ParameterType, schema_text

SCHEMAS_KEPT_MAX = 64  # compiled schemas that a process keeps, by their text
EXPLANATIONS_SHOWN_MAX = 3  # explanations of rules that one decision joins
NAMES_SHOWN_MAX = 5  # names of parameters or of rules in one sentence
NAME_SHOWN_MAX = 64  # characters of one of them

# --- Questions and answers ---


class ClauseEffect(StrEnum):
    """What a clause does to the question that it matches."""

    PERMIT = "permit"
    FORBID = "forbid"


@dataclass(frozen=True, slots=True)
class Clause:
    """One policy of the set, by its `@id`: the code and the sentence that a person is shown when it
    decides.

    `digest` is of its text, annotations included; layout and comments do not change it. `remedy`:
    what an agent is told to do about it; empty if the rule does not say.
    """

    id: str
    effect: ClauseEffect
    reason: str
    explanation: str
    digest: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What policy is asked about an intent.

    `parameters` are the final arguments: the set picks what it can read. A confidence that was not
    stated is 0.
    """

    agent_id: str
    account_id: str
    action_type: str
    confidence_bp: int
    risk: int
    mode: str
    parameters: Mapping[str, Json]
    confidence_stated: bool = True


@dataclass(frozen=True, slots=True)
class PolicyAnswer:
    """The answer of a policy set, and the clauses that determined it, by sorted id.

    `remedy` is what the clauses tell an agent to do; None if they do not say.
    `unread` are the parameters of this call that policy could not read, `waived` those that its
    owner lets it leave unread: dotted names, without values. `errors` are for the operator's log:
    the engine's words, which may quote parameters.
    """

    answer: Answer
    reason: str
    explanation: str
    clauses: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The policies of one tenant, valid for one catalog. Two sets are equal if their versions and
    their schemas are.

    `version` is a digest of the policies alone: neither the order, the layout and the comments of
    the text change it, nor the catalog, nor an engine or a generated schema that is newer.
    """

    version: str
    schema: str = field(repr=False)
    clauses: Mapping[str, Clause] = field(compare=False, repr=False)
    _rules: Mapping[str, ReadRule] = field(compare=False, repr=False)
    _dependents: Dependents = field(compare=False, repr=False)
    _actions: Actions = field(compare=False, repr=False)
    _types: Mapping[str, ParameterType] = field(compare=False, repr=False)
    _engine_policies: cedarpy.PolicySet = field(compare=False, repr=False)
    _engine_schema: cedarpy.Schema = field(compare=False, repr=False)
    _beside: tuple[str, ...] = field(compare=False, repr=False)

    @classmethod
    def load(cls, text: str, catalog: Catalog) -> PolicySet:
        """The policies of `text`.

        Raises InvalidInput (`INVALID_POLICY`) with every problem that was found.
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
            read = read_parameters(self._types[question.action_type], question.parameters)
            unattended, attended = self._ask(question, read)
            answer = self._fold(unattended, attended, read)
            if read.unread and answer.answer is not Answer.BLOCK:
                answer = self._undecidable(question, read) or _naming(answer, read.unread)
            whole = not (read.unread or read.waived)
            return answer if whole else replace(answer, unread=read.unread, waived=read.waived)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            return _error([f"{type(error).__name__}: {error}"])

    def reaching(self, action_type: str) -> tuple[str, ...]:
        """The clauses that can match an action type, by sorted id."""
        bit = self._actions.bit.get(action_type, 0)
        return tuple(sorted(name for name, rule in self._rules.items() if rule.reach & bit))

    @property
    def accounts(self) -> frozenset[str]:
        """The accounts that a clause names."""
        return frozenset(
            name for rule in self._rules.values() for kind, name in rule.named if kind == "Account"
        )

    def obstacle(self, action_type: str, account_id: str) -> str | None:
        """Why no act of this type can be permitted to run unattended on an account; None if one
        can.
        """
        bit = self._actions.bit.get(action_type, 0)
        about = {
            name: rule
            for name, rule in self._rules.items()
            if rule.accounts is None or account_id in rule.accounts
        }
        effects = {name: self.clauses[name].effect for name in about}
        if not any(
            rule.alone & bit and effects[name] is ClauseEffect.PERMIT
            for name, rule in about.items()
        ):
            return "no rule permits it unattended"
        never = sorted(
            name
            for name, rule in about.items()
            if rule.surely & bit and rule.agents is None and effects[name] is ClauseEffect.FORBID
        )
        return f"the rule {never[0]} always forbids it unattended" if never else None

    def _ask(self, question: Question, read: RecordRead) -> list[cedarpy.AuthzResult]:
        """The engine's results for the unattended and the attended question."""
        context = {
            "confidence_bp": question.confidence_bp,
            "confidence_stated": question.confidence_stated,
            "risk": question.risk,
            "mode": question.mode,
            "parameters": read.record,
            **{name: getattr(read, name) for name in self._beside},
        }
        # The two contexts differ in one value: the rest is written once.
        rest = json.dumps(context)[1:]
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

    def _fold(
        self, unattended: cedarpy.AuthzResult, attended: cedarpy.AuthzResult, read: RecordRead
    ) -> PolicyAnswer:
        """Both results as one answer. A call that is not read whole cannot run alone."""
        for result in (unattended, attended):
            if result.decision is cedarpy.Decision.NoDecision or result.diagnostics.errors:
                return _error(result.diagnostics.errors or ["the engine made no decision"])
        if unattended.allowed and not read.unread:
            return self._answer(Answer.AUTO_EXECUTE, unattended)
        if attended.allowed:
            if unattended.diagnostics.reasons and not unattended.allowed:
                return self._answer(Answer.REQUIRE_APPROVAL, unattended)
            return _asks(tuple(sorted(attended.diagnostics.reasons)), read.unread)
        if attended.diagnostics.reasons:
            return self._answer(Answer.BLOCK, attended)
        return PolicyAnswer(Answer.BLOCK, NO_POLICY_PERMITS, "No policy permits this action.")

    def _undecidable(self, question: Question, read: RecordRead) -> PolicyAnswer | None:
        """The block of an act about which a clause could say no, if what it depends on could be
        read. A clause about the unattended question alone cannot: a person is asked anyway.
        """
        bit, kind = self._actions.bit[question.action_type], self._types[question.action_type]
        speaking = {
            1 << place: name
            for place, (name, rule) in enumerate(self._rules.items())
            if rule.speaks_of(question.agent_id, question.account_id)
        }
        all_speaking, deciding = sum(speaking), 0
        names: dict[str, None] = {}
        for path, shown in read.unread_paths.items():
            if rules := self._dependents.on(bit, whole_of(kind, path)) & all_speaking:
                deciding |= rules
                names[shown] = None
        clauses = tuple(sorted(name for rule, name in speaking.items() if rule & deciding))
        if not clauses:
            return None
        sentence = (
            f"Policy cannot read {_in_words(names)}, and what it is decides for "
            f"{_listed(clauses)}, so it is blocked."
        )
        return PolicyAnswer(Answer.BLOCK, RULE_NOT_DECIDABLE, sentence, clauses)

    def _answer(self, answer: Answer, result: cedarpy.AuthzResult) -> PolicyAnswer:
        ids = tuple(sorted(result.diagnostics.reasons))
        clauses = [self.clauses[name] for name in ids]
        explanation = _together([clause.explanation for clause in clauses])
        remedy = _together([clause.remedy for clause in clauses if clause.remedy])
        return PolicyAnswer(answer, clauses[0].reason, explanation, ids, remedy=remedy or None)


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """An agent or an account that a rule names: `kind` is `Agent` or `Account`."""

    rule: str
    line: int
    kind: str
    name: str


@dataclass(frozen=True, slots=True, weakref_slot=True)
class PolicyReading:
    """What a policy's text is to this version: the set of the rules that it accepts (None: of
    none), and what is wrong with the others.

    `refused`: the action types that a rule which is not accepted could speak about, each with the
    first problem of such a rule; None stands for every action type. `named` are the agents and
    accounts that rules name.
    """

    policy: PolicySet | None
    problems: tuple[Problem, ...] = ()
    refused: Mapping[str | None, Problem] = field(default_factory=dict)
    named: tuple[NamedEntity, ...] = ()


# There are no groups, and no attributes of agents or accounts: nothing that a missing entity hides.
_NO_ENTITIES = cedarpy.Entities.from_json_str("[]")


def _error(errors: Iterator[str] | list[str]) -> PolicyAnswer:
    sentence = "The policy could not be evaluated for this action, so it is blocked."
    return PolicyAnswer(
        Answer.BLOCK, POLICY_ERROR, sentence, errors=tuple(one_line(error) for error in errors)
    )


def _asks(permits: tuple[str, ...], unread: tuple[str, ...]) -> PolicyAnswer:
    """The answer about an act that no clause forbids, and that may not run unattended."""
    if unread:
        sentence = f"Policy cannot read {_in_words(unread)}; a person may approve it."
        return PolicyAnswer(Answer.REQUIRE_APPROVAL, PARAMETERS_NOT_READ, sentence)
    sentence = "No policy permits this action unattended; a person may approve it."
    return PolicyAnswer(Answer.REQUIRE_APPROVAL, NOT_PERMITTED_UNATTENDED, sentence, permits)


def _naming(answer: PolicyAnswer, unread: tuple[str, ...]) -> PolicyAnswer:
    """The answer of clauses that ask a person, who sees too what none of them has seen."""
    if answer.reason == PARAMETERS_NOT_READ:
        return answer
    also = f"{answer.explanation} Policy cannot read {_in_words(unread)}."
    return replace(answer, explanation=also)


def _together(explanations: Sequence[str]) -> str:
    """The explanations of all clauses that decided, as one."""
    different = list(dict.fromkeys(explanations))
    shown = " ".join(different[:EXPLANATIONS_SHOWN_MAX])
    more = len(different) - EXPLANATIONS_SHOWN_MAX
    return f"{shown} And {more} more." if more > 0 else shown


def _in_words(unread: Collection[str]) -> str:
    """What is not read of a call, for a sentence."""
    declared = [name for name in unread if name.rpartition(".")[2] != "*"]
    within = [name.removesuffix(".*") for name in unread if name not in declared]
    quoted = [f'"{name}"' for name in declared]
    parts = [f"{_listed(quoted)} in this call"] if quoted else []
    if within:
        where = [f'"{name}"' for name in within if name != "*"]
        place = f" (in {_listed(where)})" if where else ""
        parts.append(f"names that the schema does not declare{place}")
    return " and ".join(parts)


def _listed(names: Collection[str]) -> str:
    """Names for a sentence."""
    shown = [
        "".join(character if character.isprintable() else "?" for character in name)
        for name in list(names)[:NAMES_SHOWN_MAX]
    ]
    more = len(names) - NAMES_SHOWN_MAX
    return ", ".join(name[:NAME_SHOWN_MAX] for name in shown) + (
        f" and {more} more" if more > 0 else ""
    )


# --- Loading ---


def read_policy(text: str, parameters: Mapping[str, Mapping[str, Json]]) -> PolicyReading:
    """What this version makes of a text, for action types with these JSON Schemas of parameters.

    Every clause is accepted or refused by itself. Of a text whose clauses cannot even be told
    apart, none is accepted.
    """
    types = {action_type: parameters_type(schema) for action_type, schema in parameters.items()}
    schema, actions = schema_text(types), Actions(types)
    try:
        written = written_clauses(text, _engine_schema(schema), actions)
        accepted = [clause for clause in written if not clause.problems]
        policy = _policy_set(accepted, types, schema, actions) if accepted else None
    except InvalidInput as refusal:
        return PolicyReading(None, refusal.problems, {None: refusal.problems[0]})
    problems = tuple(problem for clause in written for problem in clause.problems)
    named = tuple(
        NamedEntity(str(clause.name), clause.line, kind, name)
        for clause in written
        if clause.rule
        for kind, name in sorted(clause.rule.named)
    )
    return PolicyReading(policy, problems, _refused(written, types), named)


def _policy_set(
    written: Sequence[WrittenClause],
    types: Mapping[str, ParameterType],
    schema: str,
    actions: Actions,
) -> PolicySet:
    """The set of clauses that are all accepted."""
    clauses = {clause.id: clause for clause in map(_clause, written)}
    policies = {str(clause.name): clause.policy for clause in written}
    rules = {str(clause.name): clause.rule for clause in written if clause.rule}
    # What no rule names would only be read: each costs a decision some microseconds.
    named = json.dumps(policies)
    beside = tuple(name for name in BESIDE_PARAMETERS if json.dumps(name) in named)
    return PolicySet(
        version=digest(
            {
                "language": "cedar",
                "format": 6,
                "clauses": {name: clause.digest for name, clause in clauses.items()},
            }
        ),
        schema=schema,
        clauses=MappingProxyType(clauses),
        _rules=rules,
        _dependents=Dependents(rules.values()),
        _actions=actions,
        _types=types,
        _engine_policies=_engine_policies(policies),
        _engine_schema=_engine_schema(schema_text(types, beside)),
        _beside=beside,
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
        remedy=annotation(written.policy, "remedy"),
    )
