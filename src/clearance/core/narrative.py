"""The timeline and the explanation: everything known of an intent, folded into sentences for
people.

"Autopilot created the task 'Renewal call' for acme" is the catalog's sentence with the intent's
data. Names and values that an agent chose appear in it as data, on one line and cut to a length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from clearance.core import gate
from clearance.core.approval import RulingKind
from clearance.core.catalog import Action
from clearance.core.decision import Answer, Decision
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.template import sentence, values_of

AUTOPILOT = "Autopilot"
CONFIDENCE_BP_MAX = 10_000


def say(record: IntentRecord, action: Action | None) -> str:
    """One sentence about an intent as it stands now."""
    return _SENTENCES[record.status](record, action)


def fill_sentence(text: str, record: IntentRecord) -> str:
    """A sentence of the catalog with the record's data in it."""
    result = record.outcome.result if record.outcome else None
    return sentence(text, values_of(record.intent, result))


def proposal(record: IntentRecord, action: Action | None) -> str:
    """The proposed act as a phrase, for example `create the task 'Renewal call' for acme`."""
    if action is None:
        return f"run {record.intent.action_type} for {record.intent.account_id}"
    return fill_sentence(action.proposal, record)


def ruled_by(record: IntentRecord) -> str:
    """Who ruled on the latest approval; `a person` if no ruling exists."""
    ruling = record.approval.decisive if record.approval else None
    return ruling.ruled_by if ruling else "a person"


def _actor(record: IntentRecord) -> str:
    source = record.approval_source
    if record.auto_executed:
        return AUTOPILOT
    if source is not None and not source.known:
        return f"{record.intent.proposed_by}, let run by {source},"
    return f"{record.intent.proposed_by}, approved by {ruled_by(record)},"


def _succeeded(record: IntentRecord, action: Action | None) -> str:
    done = (
        fill_sentence(action.sentence, record)
        if action
        else f"ran {record.intent.action_type} for {record.intent.account_id}"
    )
    return f"{_actor(record)} {done}"


def _rejected(record: IntentRecord, action: Action | None) -> str:
    ruling = record.approval.decisive if record.approval else None
    agent, wanted = record.intent.proposed_by, proposal(record, action)
    if ruling and ruling.kind is RulingKind.EDIT:
        return f"{ruled_by(record)} edited what {agent} wanted: {wanted}"
    return f"{ruled_by(record)} rejected: {agent} wanted to {wanted}"


_SENTENCES: dict[IntentStatus, Callable[[IntentRecord, Action | None], str]] = {
    IntentStatus.BLOCKED: lambda r, a: (
        f"Blocked: {r.intent.proposed_by} wanted to {proposal(r, a)}"
    ),
    IntentStatus.AWAITING_APPROVAL: lambda r, a: (
        f"{r.intent.proposed_by} wants to {proposal(r, a)}"
    ),
    IntentStatus.APPROVED: lambda r, a: f"{_actor(r)} is about to {proposal(r, a)}",
    IntentStatus.RUNNING: lambda r, a: f"{_actor(r)} is starting to {proposal(r, a)}",
    IntentStatus.SUCCEEDED: _succeeded,
    IntentStatus.FAILED: lambda r, a: f"{_actor(r)} tried to {proposal(r, a)}, and failed",
    IntentStatus.UNKNOWN: lambda r, a: (
        f"{_actor(r)} tried to {proposal(r, a)}; no answer came, so the outcome is unknown"
    ),
    IntentStatus.REJECTED: _rejected,
    IntentStatus.EXPIRED: lambda r, a: (
        f"Expired: {r.intent.proposed_by} wanted to {proposal(r, a)}"
    ),
    IntentStatus.CANCELLED: lambda r, a: (
        f"Cancelled: {r.intent.proposed_by} wanted to {proposal(r, a)}"
    ),
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
    counted from today's settings.
    """

    record: IntentRecord
    sentence: str
    current: bool
    nearest_changes: tuple[NearestChange, ...]


def explain(record: IntentRecord, facts: Facts, now: int) -> Explanation:
    """The explanation of one intent under the given settings, by deciding it again with one thing
    changed at a time.
    """
    action = facts.settings.catalog.get(record.intent.action_type)
    current = facts.settings.version == record.decision.settings_version
    base = record.decision if current else gate.decide(record.intent, facts, now)
    changes = tuple(_nearest_changes(record.intent, facts, base, now))
    return Explanation(record, say(record, action), current, changes)


def _nearest_changes(
    intent: ActionIntent, facts: Facts, base: Decision, now: int
) -> Iterator[NearestChange]:
    if base.answer is Answer.AUTO_EXECUTE:
        return
    for phrase, changed_intent, changed_facts in _single_changes(intent, facts, now):
        answer = gate.decide(changed_intent, changed_facts, now).answer
        if answer.strictness < base.answer.strictness:
            yield NearestChange(phrase(answer), answer)


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
