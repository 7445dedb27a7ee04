"""The timeline and the explanation: everything known of an intent, folded into sentences for
people.

"Autopilot created the task 'Renewal call' for acme" is the catalog's sentence with the final
arguments of the call in it. A value that an agent chose stands apart, on one line and cut to a
length. Every sentence is made of the state: what waits, runs or is held says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TypeAlias

from clearance.core import gate, stop
from clearance.core.approval import RulingKind
from clearance.core.arguments import arguments_without_defaults, final_arguments
from clearance.core.binding import binds
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.decision import Answer, Decision
from clearance.core.errors import InvalidInput
from clearance.core.gate import Facts
from clearance.core.intent import CONFIDENCE_BP_MAX, ActionIntent, RiskLevel
from clearance.core.manners import ERROR_MEANS_UNKNOWN
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.core.record import NOT_STARTED, IntentRecord, IntentStatus
from clearance.core.template import Phrase, outside, phrase, plain, values_of

AUTOPILOT = "Autopilot"
CHANGEABLE = frozenset({IntentStatus.BLOCKED, *NOT_STARTED})
"""The states in which another answer of the gate would still make a difference."""


class SetBy(StrEnum):
    """Who set an argument of a call that the agent did not."""

    CATALOG = "catalog"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class ShownCall:
    """What the tool gets, without our idempotency key; and of what the agent did not write like
    this, who set it. `amounts` are the arguments with a unit or a scale, as people read them.
    """

    arguments: Mapping[str, Json]
    set_by: Mapping[str, SetBy]
    amounts: Mapping[str, str]


def shown_call(record: IntentRecord, action: Action | None) -> ShownCall | None:
    """The call that was decided on; None if the catalog has no such action now, or makes another
    call of the intent.
    """
    arguments = _decided_arguments(record, action)
    if action is None or arguments is None:
        return None
    proposed = record.intent.parameters
    added = {
        name: SetBy.CATALOG if name in action.arguments else SetBy.DEFAULT
        for name, value in arguments.items()
        if name in action.arguments or name not in proposed or proposed[name] != value
    }
    return ShownCall(arguments, added, amounts_of(action, arguments))


def amounts_of(action: Action, arguments: Mapping[str, Json]) -> dict[str, str]:
    """The arguments that declare a unit or a scale, as people read them."""
    return {
        name: text
        for name, money in action.amounts.items()
        if (text := money.value(arguments.get(name)))
    }


def _decided_arguments(record: IntentRecord, action: Action | None) -> Mapping[str, Json] | None:
    if action is None:
        return None
    binding = record.binding
    try:
        if binding and binding.final is None:  # of a version that sent no defaults
            same = binding.entry in {action.entry_digest, action.digest_0_1}
            return arguments_without_defaults(action, record.intent) if same else None
        arguments = final_arguments(action, record.intent)
    except InvalidInput:
        return None
    same = binding is None or binds(binding, action, record.intent, arguments)
    return arguments if same else None


def say(
    record: IntentRecord, action: Action | None, call: ShownCall | None, *, held: bool = False
) -> Phrase:
    """One sentence about an intent as it stands now; `held` if a stop switch covers it."""
    story = _Story(record, action, call)
    if held and record.status is IntentStatus.APPROVED:
        return _HELD(story)
    return _SENTENCES[record.status](story)


def ruled_by(record: IntentRecord) -> str:
    """Who ruled on the latest approval; `a person` if no ruling exists."""
    ruling = record.approval.decisive if record.approval else None
    return ruling.ruled_by if ruling else "a person"


@dataclass(frozen=True, slots=True)
class _Story:
    """An intent, and the words that its sentence is made of."""

    record: IntentRecord
    action: Action | None
    call: ShownCall | None

    @property
    def actor(self) -> str:
        """Who lets it run."""
        if self.record.auto_executed:
            return AUTOPILOT
        source = self.record.approval_source
        if source is not None and not source.known:
            return f"{self.record.intent.proposed_by}, let run by {source},"
        return f"{self.record.intent.proposed_by}, approved by {ruled_by(self.record)},"

    @property
    def wanted(self) -> Phrase:
        """The proposed act, for example `create the task 'Renewal call' for acme`."""
        return self._filled(self.action.proposal) if self.action else self._unknown("run")

    @property
    def done(self) -> Phrase:
        """The act once it is done, for example `created the task 'Renewal call' for acme`."""
        return self._filled(self.action.sentence) if self.action else self._unknown("ran")

    def _filled(self, text: str) -> Phrase:
        """A sentence of the catalog: with what the tool gets, or with the parameters as proposed
        where the catalog makes another call by now.
        """
        record = self.record
        result = record.outcome.result if record.outcome else None
        known = self.call.arguments if self.call else record.intent.parameters
        schema = self.action.final_schema if self.action else {}
        return phrase(text, values_of(record.intent, known, result), schema)

    def _unknown(self, verb: str) -> Phrase:
        """An act that the catalog has no words for."""
        intent = self.record.intent
        return (f"{verb} {intent.action_type} for ", outside(intent.account_id))


def _succeeded(story: _Story) -> Phrase:
    return (f"{story.actor} ", *story.done)


def _unclear(story: _Story) -> Phrase:
    outcome = story.record.outcome
    error = outcome.error if outcome else None
    answered = error is not None and error.code == ERROR_MEANS_UNKNOWN
    why = "its error leaves open what was done" if answered else "no answer came"
    tried = (f"{story.actor} tried to ", *story.wanted)
    return (*tried, f"; {why}, so the outcome is unknown")


def _rejected(story: _Story) -> Phrase:
    record = story.record
    ruling = record.approval.decisive if record.approval else None
    agent = record.intent.proposed_by
    if ruling and ruling.kind is RulingKind.EDIT:
        return (f"{ruled_by(record)} edited what {agent} wanted: ", *story.wanted)
    return (f"{ruled_by(record)} rejected: {agent} wanted to ", *story.wanted)


_Sentence: TypeAlias = Callable[[_Story], Phrase]


def _wanted(before: str, verb: str) -> _Sentence:
    """The proposer, and what they want or wanted."""
    return lambda story: (f"{before}{story.record.intent.proposed_by} {verb} to ", *story.wanted)


def _acts(verb: str, *after: str) -> _Sentence:
    """Who lets it run, and how far it is."""
    return lambda story: (f"{story.actor} {verb} to ", *story.wanted, *after)


_HELD = _acts("is", ", and waits for the stop switch")
_SENTENCES: Mapping[IntentStatus, _Sentence] = {
    IntentStatus.BLOCKED: _wanted("Blocked: ", "wanted"),
    IntentStatus.AWAITING_APPROVAL: _wanted("", "wants"),
    IntentStatus.APPROVED: _acts("is about"),
    IntentStatus.RUNNING: _acts("has started", "; no answer has come yet"),
    IntentStatus.SUCCEEDED: _succeeded,
    IntentStatus.FAILED: _acts("tried", ", and failed"),
    IntentStatus.UNKNOWN: _unclear,
    IntentStatus.REJECTED: _rejected,
    IntentStatus.EXPIRED: _wanted("Expired: ", "wanted"),
    IntentStatus.CANCELLED: _wanted("Cancelled: ", "wanted"),
}


@dataclass(frozen=True, slots=True)
class NearestChange:
    """One single change that would have given another answer, and that answer."""

    sentence: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an intent was answered as it was: the record, and what would change the answer under the
    settings of `decided`.

    `current` is False if the settings have changed since the decision, so that the changes are
    counted from today's settings. Nothing changes the answer of what has started or is over.
    """

    record: IntentRecord
    phrase: Phrase
    call: ShownCall | None
    current: bool
    nearest_changes: tuple[NearestChange, ...]

    @property
    def sentence(self) -> str:
        """How the intent stands, as plain text."""
        return plain(self.phrase)


def explain(record: IntentRecord, facts: Facts, now: int) -> Explanation:
    """The explanation of one intent under the given settings, by deciding it again with one thing
    changed at a time.
    """
    action = facts.settings.catalog.get(record.intent.action_type)
    current = facts.settings.version == record.decision.settings_version
    changes: tuple[NearestChange, ...] = ()
    if record.status in CHANGEABLE:
        base = record.decision if current else gate.decide(record.intent, facts, now)
        changes = tuple(_nearest_changes(record.intent, facts, base, now))
    held = stop.strictest(facts.settings.stop_switches, record.intent, action) is not None
    call = shown_call(record, action)
    return Explanation(record, say(record, action, call, held=held), call, current, changes)


def _nearest_changes(
    intent: ActionIntent, facts: Facts, base: Decision, now: int
) -> Iterator[NearestChange]:
    if base.answer is Answer.AUTO_EXECUTE:
        return
    for words, changed_intent, changed_facts in _single_changes(intent, facts, now):
        answer = gate.decide(changed_intent, changed_facts, now).answer
        if answer.strictness < base.answer.strictness:
            yield NearestChange(words(answer), answer)


_Change = tuple[Callable[[Answer], str], ActionIntent, Facts]


def _single_changes(intent: ActionIntent, facts: Facts, now: int) -> Iterator[_Change]:
    settings = facts.settings
    if settings.stop_switches:
        yield (
            _say("the stop switches were lifted"),
            intent,
            replace(facts, settings=replace(settings, stop_switches=())),
        )
    if intent.expires_at is not None:
        yield _say("the intent had not expired"), replace(intent, expires_at=None), facts
    listed = Allowlist(
        settings.allowlist.tenant | {intent.action_type}, settings.allowlist.accounts
    )
    if not settings.allowlist.allows(intent.account_id, intent.action_type):
        yield (
            _say(f"{intent.action_type} were on the allowlist"),
            intent,
            replace(facts, settings=replace(settings, allowlist=listed)),
        )
    rule = ModeRule(AutonomyMode.AUTO_EXECUTE, intent.account_id, intent.action_type)
    others = tuple(
        other
        for other in settings.modes
        if (other.account, other.action_type) != (rule.account, rule.action_type)
    )
    yield (
        _say("the autonomy mode were AUTO_EXECUTE"),
        intent,
        replace(facts, settings=replace(settings, modes=(*others, rule))),
    )
    if facts.used:
        yield _say("the autonomy budget had room"), intent, replace(facts, used={})
    yield from _policy_changes(intent, facts, now)


def _policy_changes(intent: ActionIntent, facts: Facts, now: int) -> Iterator[_Change]:
    """Another confidence or risk, as policy sees them."""
    action = facts.settings.catalog.get(intent.action_type)
    if action is None:
        return
    for level in (RiskLevel.MEDIUM, RiskLevel.LOW, RiskLevel.MINIMAL):
        if action.risk_level <= level < action.effective_risk(intent):
            yield (
                _say(f"the agent had said risk {level.name}"),
                replace(intent, risk_level=level),
                facts,
            )
    if (needed := _confidence_needed(intent, facts, now)) is not None:
        condition = f"the confidence were at least {needed / CONFIDENCE_BP_MAX:.4g}"
        yield _say(condition), replace(intent, confidence_score=needed / CONFIDENCE_BP_MAX), facts


def _confidence_needed(intent: ActionIntent, facts: Facts, now: int) -> int | None:
    """The lowest higher confidence (basis points) at which the answer is the one of full
    confidence; None if none helps.

    Found by halving, which takes the answer to be monotone in the confidence; the caller decides
    again at what is found.
    """

    def strictness(confidence_bp: int) -> int:
        return gate.decide(
            replace(intent, confidence_score=confidence_bp / CONFIDENCE_BP_MAX), facts, now
        ).answer.strictness

    low, high = intent.confidence_bp, CONFIDENCE_BP_MAX
    best = strictness(high)
    if best >= strictness(low):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if strictness(middle) <= best else (middle, high)
    return high


def _say(condition: str) -> Callable[[Answer], str]:
    return lambda answer: f"{_WOULD[answer]} if {condition}."


_WOULD = {
    Answer.AUTO_EXECUTE: "It would run without a person",
    Answer.REQUIRE_APPROVAL: "It would wait for a person",
    Answer.BLOCK: "It would be blocked",
}
