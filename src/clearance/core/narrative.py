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
from clearance.core.arguments import arguments_without_defaults
from clearance.core.binding import binds
from clearance.core.budget import is_of_counter
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.decision import Answer, Decision
from clearance.core.errors import InvalidInput
from clearance.core.gate import Facts
from clearance.core.intent import CONFIDENCE_BP_MAX, ActionIntent, RiskLevel
from clearance.core.manners import ERROR_MEANS_UNKNOWN
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.core.money import amounts_in
from clearance.core.record import NOT_STARTED, IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.core.stop import StopLevel, StopSwitch
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
    """What the tool gets, without our idempotency key, in the order of its schema.

    `set_by` names by its path (`lines.0.quantity`) each value that the agent did not write, and who
    set it. `amounts` are the values with a unit or a scale, by path, as people read them.
    """

    arguments: Mapping[str, Json]
    set_by: Mapping[str, SetBy]
    amounts: Mapping[str, str]

    @property
    def filled_in(self) -> dict[str, Json]:
        """The defaults that were filled in, by path."""
        return {
            path: value
            for path, value in _values_at(self.arguments)
            if self.set_by.get(path) is SetBy.DEFAULT
        }


def shown_call(record: IntentRecord, action: Action | None) -> ShownCall | None:
    """The call that was decided on; None if the catalog has no such action now, or makes another
    call of the intent.
    """
    decided = _decided_arguments(record, action)
    if action is None or decided is None:
        return None
    arguments = in_order(action, decided)
    added = dict(_set_by(action, record.intent.parameters, arguments))
    return ShownCall(arguments, added, dict(amounts_in(action.final.root, arguments)))


def in_order(action: Action | None, values: Mapping[str, Json]) -> dict[str, Json]:
    """Arguments or parameters in the order in which the schema of an action declares them."""
    declared = action.final.root.names if action else {}
    known = [name for name in declared if name in values]
    return {name: values[name] for name in (*known, *values)}


def _set_by(
    action: Action, proposed: Mapping[str, Json], arguments: Mapping[str, Json]
) -> Iterator[tuple[str, SetBy]]:
    """Who set the values that the agent did not write, by path."""
    for name, value in arguments.items():
        if name in action.arguments:
            yield name, SetBy.CATALOG
        elif name not in proposed:
            yield name, SetBy.DEFAULT
        else:
            yield from ((path, SetBy.DEFAULT) for path in _added(proposed[name], value, name))


def _added(before: Json, after: Json, path: str) -> Iterator[str]:
    """The paths of the values that stand in `after` and not in `before`."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name, value in after.items():
            inside = f"{path}.{name}"
            yield from _added(before[name], value, inside) if name in before else (inside,)
    elif isinstance(before, list | tuple) and isinstance(after, list | tuple):
        for at, (item, new) in enumerate(zip(before, after, strict=False)):
            yield from _added(item, new, f"{path}.{at}")
    elif before != after:
        yield path


def _values_at(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Every value inside of a value, by its path."""
    parts = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, part in parts:
        inside = f"{path}.{name}" if path else str(name)
        yield inside, part
        if isinstance(part, Mapping | list | tuple):
            yield from _values_at(part, inside)


def _decided_arguments(record: IntentRecord, action: Action | None) -> Mapping[str, Json] | None:
    if action is None:
        return None
    binding = record.binding
    try:
        if binding and binding.final is None:  # of a version that sent no defaults
            same = binding.entry in {action.entry_digest, action.digest_0_1}
            return arguments_without_defaults(action, record.intent) if same else None
        arguments = record.decision.arguments(action, record.intent)
    except InvalidInput:
        return None
    made = record.decision.made
    at_hand = made is not None and made.action is action
    same = at_hand or binding is None or binds(binding, action, record.intent, arguments)
    return arguments if same else None


def say(
    record: IntentRecord,
    action: Action | None,
    call: ShownCall | None,
    settings: Settings | None = None,
    *,
    to_agent: bool = False,
) -> Phrase:
    """One sentence about an intent as it stands now, under the settings in force.

    An agent is not told what holds its intent: people wrote the reason of a stop switch for people.
    """
    story = _Story(record, action, call)
    held = settings and held_by(record, settings)
    refused = settings and _refusing(record, settings)
    waits = _waits(record, settings) if settings else ()
    if to_agent:
        waits = (_AGENTS_REFUSED if refused else _AGENTS_HELD,) if held else ()
    if record.status is IntentStatus.APPROVED:
        return (*(_REFUSED if refused else _HELD if held else _ABOUT)(story), *waits)
    return (*_SENTENCES[record.status](story), *waits)


def switch_over(record: IntentRecord, settings: Settings) -> StopSwitch | None:
    """The stop switch that is on and holds an approved intent, or because of which one waits for a
    person or was blocked.
    """
    if record.status is IntentStatus.APPROVED:
        action = settings.catalog.get(record.intent.action_type)
        return stop.strictest(settings.stop_switches, record.intent, action)
    if record.status not in CHANGEABLE or record.decision.reason != "STOP_SWITCH_ON":
        return None
    checks = {finding.check: finding.inputs for finding in record.decision.findings}
    inputs = checks.get("stop_switch", {})
    named = (inputs.get("scope"), inputs.get("subject"))
    switches = settings.stop_switches
    return next((each for each in switches if (each.scope.value, each.subject) == named), None)


def _refusing(record: IntentRecord, settings: Settings) -> StopSwitch | None:
    """The stop switch that refuses an approved intent, which is cancelled before it starts."""
    if record.status is not IntentStatus.APPROVED or record.foreign:
        return None
    switch = switch_over(record, settings)
    return switch if switch and switch.level is StopLevel.REFUSE else None


def held_by(record: IntentRecord, settings: Settings) -> str | None:
    """Why an approved intent does not start, in a sentence; None if it is about to."""
    if record.status is not IntentStatus.APPROVED:
        return None
    if record.foreign:
        return f"This version leaves it alone: it does not know {record.foreign}."
    if switch := _refusing(record, settings):
        return f"Refused by the stop switch for {switch}, which cancels it: {switch.reason}"
    if switch := switch_over(record, settings):
        return f"Held by the stop switch for {switch}: {switch.reason}"
    unread = settings.uncallable(record.intent.account_id, record.intent.action_type)
    return f"Held: {unread.sentence}" if unread else None


def _waits(record: IntentRecord, settings: Settings) -> Phrase:
    """What an intent waits for before it may start, or which switch stopped it; empty for none."""
    if record.status is IntentStatus.APPROVED and record.foreign:
        return (f", and waits for a later version, which knows {record.foreign}",)
    if switch := _refusing(record, settings):
        why = "; the stop switch refuses it and cancels it: "
        return (why, outside(switch.reason, quoted=True))
    if switch := switch_over(record, settings):
        approved = record.status is IntentStatus.APPROVED
        why = ", and waits for the stop switch: " if approved else "; the stop switch is on: "
        return (why, outside(switch.reason, quoted=True))
    if record.status is IntentStatus.APPROVED and settings.uncallable(
        record.intent.account_id, record.intent.action_type
    ):
        return (", and waits: its entry in the catalog cannot be read as it is stored",)
    return ()


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
        """Who acts, and who lets it run."""
        record, editor = self.record, self.record.intent.edited_by
        if record.auto_executed:  # a version before this one let edits run alone
            return f"{editor}, let run by policy," if editor else AUTOPILOT
        source = record.approval_source
        if source is not None and not source.known:
            return f"{self.author}, let run by {source},"
        approver = ruled_by(record)
        return self.author if approver == editor else f"{self.author}, approved by {approver},"

    @property
    def author(self) -> str:
        """Whose act it is: that of the person who edited it, else its proposer's."""
        intent = self.record.intent
        return intent.edited_by or intent.proposed_by

    @property
    def wanted(self) -> Phrase:
        """The proposed act, for example `create the task 'Renewal call' for acme`."""
        words = self._filled(self.action.proposal) if self.action else self._unknown("run")
        return (*words, *self._edited)

    @property
    def done(self) -> Phrase:
        """The act once it is done, for example `created the task 'Renewal call' for acme`."""
        words = self._filled(self.action.sentence) if self.action else self._unknown("ran")
        return (*words, *self._edited)

    @property
    def _edited(self) -> Phrase:
        """Whose proposal became it."""
        intent = self.record.intent
        return (f", as an edit of what {intent.proposed_by} proposed",) if intent.edited_by else ()

    def _filled(self, text: str) -> Phrase:
        """A sentence of the catalog: with what the tool gets, or with the parameters as proposed
        where the catalog makes another call by now.
        """
        record = self.record
        result = record.outcome.result if record.outcome else None
        known = self.call.arguments if self.call else record.intent.parameters
        schema = self.action.final if self.action else None
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
    if ruling and ruling.kind is RulingKind.EDIT:
        return (f"{ruled_by(record)} edited what {story.author} wanted: ", *story.wanted)
    return (f"{ruled_by(record)} rejected: {story.author} wanted to ", *story.wanted)


_Sentence: TypeAlias = Callable[[_Story], Phrase]


def _wanted(before: str, verb: str) -> _Sentence:
    """Whose act it is, and what they want or wanted."""
    return lambda story: (f"{before}{story.author} {verb} to ", *story.wanted)


def _acts(verb: str, *after: str) -> _Sentence:
    """Who lets it run, and how far it is."""
    return lambda story: (f"{story.actor} {verb} to ", *story.wanted, *after)


_ABOUT = _acts("is about")
_HELD = _acts("is")
_REFUSED = _acts("was")
_AGENTS_HELD = ", once nothing holds it"
_AGENTS_REFUSED = "; it is refused, and does not start"
_SENTENCES: Mapping[IntentStatus, _Sentence] = {
    IntentStatus.BLOCKED: _wanted("Blocked: ", "wanted"),
    IntentStatus.AWAITING_APPROVAL: _wanted("", "wants"),
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
    call = shown_call(record, action)
    phrase = say(record, action, call, facts.settings)
    return Explanation(record, phrase, call, current, changes)


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
    accounts = settings.accounts
    if intent.account_id not in accounts.known:
        known = replace(accounts, known=accounts.known | {intent.account_id})
        yield (
            _say("the account were known"),
            intent,
            replace(facts, settings=replace(settings, accounts=known)),
        )
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
    for words, of_counter in (("the autonomy budget", False), ("every limit", True)):
        rest = {
            place: use for place, use in facts.used.items() if is_of_counter(place) != of_counter
        }
        if rest != facts.used:
            yield _say(f"{words} had room"), intent, replace(facts, used=rest)
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
