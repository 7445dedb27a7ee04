"""What the pages show of an intent: a row of the timeline, a card of the inbox, the ladder of the
gate.

Its one idea: a template decides nothing. This file works out the name and tone of a state, why
something did not happen and whether it can be undone, from the record and the settings in force. It
knows nothing of HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clearance.core import gate
from clearance.core.approval import ApprovalSource, RulingKind, edit_approves
from clearance.core.canonical import Json
from clearance.core.catalog import Action, Effect
from clearance.core.decision import Answer, Decision, Finding, effect_of, not_read
from clearance.core.folding import folded, looked_up
from clearance.core.ledger import EntryKind
from clearance.core.narrative import SetBy, ShownCall, held_by, in_order, ruled_by, switch_over
from clearance.core.principal import Permission, Principal
from clearance.core.record import LET_RUN, NOT_STARTED, IntentRecord, IntentStatus
from clearance.core.same_acts import SameAct
from clearance.core.settings import Settings
from clearance.core.template import Phrase, plain
from clearance.flow.requests import NarratedIntent
from clearance.web.rendering import lasting, pretty

WITHDRAWN = "WITHDRAWN"  # the code of a cancellation that a person or the agent asked for
REASON_ERASED = "The reason was erased."
NOTES_MAX = 20  # values inside of one argument that have a note

_WORDS: Mapping[IntentStatus, tuple[str, str]] = {
    IntentStatus.BLOCKED: ("Blocked", "blocked"),
    IntentStatus.AWAITING_APPROVAL: ("Waiting", "waiting"),
    IntentStatus.APPROVED: ("Approved", "active"),
    IntentStatus.RUNNING: ("Running", "active"),
    IntentStatus.SUCCEEDED: ("Done", "done"),
    IntentStatus.FAILED: ("Failed", "blocked"),
    IntentStatus.UNKNOWN: ("Unknown", "unknown"),
    IntentStatus.REJECTED: ("Rejected", "quiet"),
    IntentStatus.EXPIRED: ("Expired", "quiet"),
    IntentStatus.CANCELLED: ("Cancelled", "quiet"),
}

_EFFECTS: Mapping[Effect, str] = {
    Effect.READ: "Changes nothing, so it may be repeated",
    Effect.IDEMPOTENT: "Repeating it changes nothing more",
    Effect.KEYED: "Sent with a key, so that it is done once",
    Effect.AT_MOST_ONCE: "Sent once, never repeated",
}

_SET_BY: Mapping[SetBy, str] = {SetBy.CATALOG: "from the catalog", SetBy.DEFAULT: "default"}

_TITLES = {check.name: check.title for check in gate.ROW}

_MARKS: Mapping[Answer, tuple[str, str]] = {
    Answer.AUTO_EXECUTE: ("tick", "lets it run"),
    Answer.REQUIRE_APPROVAL: ("hand", "asks a person"),
    Answer.BLOCK: ("cross", "blocks it"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One intent on the timeline.

    `source` says who let it run; `because` why it did not, or how it went; `reader` which agent it
    is, of an act that changes nothing.
    """

    action_intent_id: str
    account_id: str
    action_type: str
    label: str
    phrase: Phrase
    at: int
    position: int
    word: str
    tone: str
    source: str | None
    autopilot: bool
    because: str | None
    fresh: bool
    reader: str | None = None

    @property
    def sentence(self) -> str:
        """The phrase as plain text."""
        return plain(self.phrase)

    @property
    def like(self) -> tuple[object, ...]:
        """Equal for rows that say the same of the same account; of what an agent only looks up,
        whatever the account.
        """
        of = self.reader or ("account", self.account_id)
        return (of, self.action_type, self.word, self.source)


@dataclass(frozen=True, slots=True)
class Group:
    """A row, and the ones behind it that say the same."""

    first: Row
    others: tuple[Row, ...] = ()

    @property
    def each(self) -> tuple[Row, ...]:
        """All of its rows."""
        return (self.first, *self.others)

    @property
    def reads(self) -> str | None:
        """What stands in their place if they change nothing: who looked what up, how often."""
        if not (self.others and self.first.reader):
            return None
        return looked_up(self.first.reader, self.first.label, len(self.others) + 1)


def row(
    narrated: NarratedIntent,
    settings: Settings,
    *,
    fresh_after: int | None = None,
    closing: Closing | None = None,
) -> Row:
    """An intent as a row; fresh if its latest fact is behind a position. `closing`, if it is known,
    is why it was cancelled.
    """
    record = narrated.record
    word, tone = _word(record)
    return Row(
        action_intent_id=record.intent.action_intent_id,
        account_id=record.intent.account_id,
        action_type=record.intent.action_type,
        label=narrated.label,
        phrase=narrated.phrase,
        at=record.changed_at,
        position=record.position,
        word=word,
        tone=tone,
        source=source(record),
        autopilot=record.auto_executed,
        because=because(record, settings, closing),
        fresh=fresh_after is not None and record.position > fresh_after,
        reader=record.intent.proposed_by if effect_of(record.decision) == Effect.READ else None,
    )


def _word(record: IntentRecord) -> tuple[str, str]:
    """The name and tone of the state.

    A proposal that a person edited is not called rejected.
    """
    ruling = record.approval.decisive if record.approval else None
    if record.status is IntentStatus.REJECTED and ruling and ruling.kind is RulingKind.EDIT:
        return "Edited", "quiet"
    return _WORDS[record.status]


def groups(rows: Iterable[Row]) -> list[Group]:
    """Rows with repeats in a row made one."""
    together = folded(rows, lambda row: row.like)
    return [Group(first, tuple(others)) for first, *others in together]


def source(record: IntentRecord) -> str | None:
    """Who let it run: `autopilot`, `approved by NAME`, or None if it never got so far."""
    if record.status not in LET_RUN or record.approval_source is None:
        return None
    if not record.approval_source.known:
        return f"let run by {record.approval_source}"
    return "autopilot" if record.auto_executed else f"approved by {ruled_by(record)}"


def because(record: IntentRecord, settings: Settings, closing: Closing | None = None) -> str | None:
    """Why it did not run, why it waits, or what is known of how it went; None if there is nothing
    to add.
    """
    ruling = record.approval.decisive if record.approval else None
    outcome = record.outcome
    match record.status:
        case IntentStatus.BLOCKED | IntentStatus.AWAITING_APPROVAL:
            switch = switch_over(record, settings)
            explanation = record.decision.explanation
            return f"{explanation} {switch.reason}" if switch else explanation
        case IntentStatus.REJECTED if ruling:
            return REASON_ERASED if ruling.erased else ruling.reason
        case IntentStatus.EXPIRED:
            return "Nobody ruled in time." if record.approval else "It was not started in time."
        case IntentStatus.CANCELLED:
            return closing.sentence if closing else "It was closed before it started."
        case IntentStatus.FAILED:
            return outcome.sentence if outcome else None
        case IntentStatus.UNKNOWN:
            return "The tool did not answer; nothing was retried."
        case IntentStatus.RUNNING if record.foreign:
            return f"This version leaves it alone: it does not know {record.foreign}."
        case IntentStatus.APPROVED:
            return held_by(record, settings)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Closing:
    """Why an intent was cancelled, as its ledger entry says: a code, and who cancelled it why."""

    code: str
    sentence: str


def closing_of(entries: Iterable[Mapping[str, Json]]) -> Closing | None:
    """Why an intent was cancelled, from its entries in full; None if it was not."""
    cancelled = [entry for entry in entries if entry["kind"] == EntryKind.ACTION_CANCELLED.value]
    if not cancelled:
        return None
    entry = cancelled[-1]
    reason = entry.get("reason") or (REASON_ERASED if entry.get("erased") else "")
    code, actor = entry.get("code", ""), entry["actor"]["id"]
    if code == WITHDRAWN:
        return Closing(code, f"Withdrawn by {actor} before it started. {reason}".rstrip())
    return Closing(code, reason or "It was closed before it started.")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One argument of the call.

    `before` is what it was in the intent that was edited; `change` what became of it. `set_by` says
    who set it, if not the agent. `sent` is the number itself, where `text` is an amount that does
    not show it. `inside` are notes about values inside of it: amounts, and what the agent left out.
    """

    name: str
    text: str
    before: str | None = None
    change: str = "same"
    set_by: str | None = None
    sent: str | None = None
    inside: tuple[str, ...] = ()

    @property
    def amount(self) -> bool:
        """True if the text is an amount with its unit."""
        return self.sent is not None


def parameters(
    narrated: NarratedIntent, action: Action | None, before: Mapping[str, Json] | None = None
) -> list[Parameter]:
    """What the tool gets, with who set it and what an edit changed; the parameters as proposed
    where the catalog makes no call of them, or another one by now.
    """
    call = narrated.call
    now = call.arguments if call else in_order(action, narrated.record.intent.parameters)
    was = {} if before is None else before
    shown = []
    for name in (*now, *(name for name in was if name not in now)):
        set_by = call.set_by.get(name) if call else None
        compared = before is not None and set_by is None
        shown.append(
            Parameter(
                name=name,
                text=_amount_or_text(action, name, now) or "",
                before=_amount_or_text(action, name, was) if compared else None,
                change=_change(name, now, was) if compared else "same",
                set_by=_SET_BY.get(set_by) if set_by else None,
                sent=text_of(now[name]) if name in now and _amount(action, name, now) else None,
                inside=_notes_inside(call, name) if call else (),
            )
        )
    return shown


def _notes_inside(call: ShownCall, name: str) -> tuple[str, ...]:
    """What is known of the values inside of an argument, each by its path."""
    inside = f"{name}."
    notes = [
        f"{path.removeprefix(inside)}: {amount}"
        for path, amount in call.amounts.items()
        if path.startswith(inside)
    ]
    notes += [
        f"{path.removeprefix(inside)}: {_SET_BY[by]}"
        for path, by in call.set_by.items()
        if path.startswith(inside)
    ]
    more = len(notes) - NOTES_MAX
    return (*notes[:NOTES_MAX], f"and {more:,} more") if more > 0 else tuple(notes)


def _change(name: str, now: Mapping[str, Json], before: Mapping[str, Json]) -> str:
    if name not in now:
        return "removed"
    if name not in before:
        return "added"
    return "same" if now[name] == before[name] else "changed"


def _amount(action: Action | None, name: str, values: Mapping[str, Json]) -> str | None:
    """A value as an amount with its unit; None if it is none."""
    money = action.amounts.get(name) if action else None
    return money.value(values[name]) if money else None


def _amount_or_text(action: Action | None, name: str, values: Mapping[str, Json]) -> str | None:
    if name not in values:
        return None
    return _amount(action, name, values) or text_of(values[name])


def text_of(value: Json) -> str:
    """A value for people: text as it is, everything else as JSON, numbers as they were given."""
    if isinstance(value, str):
        return value
    return pretty(value) if isinstance(value, dict | list) else json.dumps(value)


@dataclass(frozen=True, slots=True)
class Card:
    """One request to people.

    `refused` says why the visitor may not rule on it; None if they may. `as_proposed` says why the
    parameters are not the call; None if they are. `alike` is what else is known of the same act.
    """

    record: IntentRecord
    label: str
    phrase: Phrase
    approval_id: str
    digest: str
    tool: str
    effect: str
    undo: str
    risk: str
    confidence: str
    parameters: Sequence[Parameter]
    as_proposed: str | None
    target: str | None
    differences: tuple[str, ...]
    expires_at: int
    refused: str | None
    alike: Sequence[SameAct] = ()


def card(
    narrated: NarratedIntent,
    settings: Settings,
    visitor: Principal,
    before: Mapping[str, Json] | None = None,
) -> Card | None:
    """An intent that waits, as a card; None if nothing is asked of people.

    `before`: the parameters that it edits.
    """
    record = narrated.record
    approval, intent = record.approval, record.intent
    if approval is None:
        return None
    action = settings.catalog.get(intent.action_type)
    return Card(
        record=record,
        label=narrated.label,
        phrase=narrated.phrase,
        approval_id=approval.approval_id,
        digest=approval.digest,
        tool=str(action.tool) if action else "no longer in the catalog",
        effect=_EFFECTS[action.effect] if action else "Unknown",
        undo=undo_of(action),
        risk=risk_of(record, action),
        confidence=confidence_of(record),
        parameters=parameters(narrated, action, before),
        as_proposed=as_proposed(narrated, action),
        target=None if intent.target is None else text_of(intent.target),
        differences=approval.differences,
        expires_at=approval.expires_at,
        refused=_may_not_rule(record, action, visitor),
        alike=narrated.alike,
    )


def as_proposed(narrated: NarratedIntent, action: Action | None) -> str | None:
    """Why the parameters are shown as proposed, and not the call; None if the call is shown."""
    if narrated.call:
        return None
    if not narrated.record.intent.content_kept:
        return "not kept: blocked acts had left as much today as they may"
    if action is None:
        return "as proposed: the catalog does not have this action"
    return "as proposed: the catalog changed since, and makes another call of them now"


def undo_of(action: Action | None) -> str:
    """Whether an action can be taken back, and for how long."""
    if action is None or action.undo is None:
        return "Cannot be undone"
    within = action.undo.within_ms
    return "Can be undone" if within is None else f"Can be undone for {lasting(within)}"


def risk_of(record: IntentRecord, action: Action | None) -> str:
    """The effective risk by name: the higher of the catalog's and the agent's; `UNKNOWN` if neither
    says one.
    """
    stated = record.intent.risk_stated or "UNKNOWN"
    return action.effective_risk(record.intent).name if action else stated


def confidence_of(record: IntentRecord) -> str:
    """The agent's confidence, for people."""
    intent = record.intent
    if not intent.confidence_stated:
        return "not stated"
    return f"{intent.confidence_bp / 100:g} %, as the agent says"


def _may_not_rule(record: IntentRecord, action: Action | None, visitor: Principal) -> str | None:
    if Permission.RULE not in visitor.permissions:
        return "Your key may read this, and not rule on it."
    if not visitor.reaches(Permission.RULE, record.intent.subject):
        return "Your key is limited to other accounts or action types."
    if Permission.RULE_OWN in visitor.permissions:
        return None
    if record.intent.proposed_by == visitor.actor_id:
        return "You proposed this yourself, so another person must rule on it."
    if record.intent.edited_by == visitor.actor_id and not edit_approves(visitor, action):
        return "You edited this yourself, so another person must rule on it."
    return None


@dataclass(frozen=True, slots=True)
class Rung:
    """One check of the gate; `finding` is None if the row ended before it was asked."""

    name: str
    mark: str
    says: str
    finding: Finding | None
    inputs: Mapping[str, str]
    notes: Sequence[str] = ()


def ladder(decision: Decision) -> list[Rung]:
    """Every check of the gate in its order, asked or not."""
    rungs = {finding.check: _rung(finding) for finding in decision.findings}
    row = [
        rungs.pop(check, Rung(title, "dash", "was not asked", None, {}))
        for check, title in _TITLES.items()
    ]
    return [*row, *rungs.values()]


def _rung(finding: Finding) -> Rung:
    mark, says = _MARKS[finding.answer]
    name = _TITLES.get(finding.check, finding.check)
    inputs = {key: _input(value) for key, value in _shown_inputs(finding)}
    return Rung(name, mark, says, finding, inputs, not_read(finding.inputs))


def _shown_inputs(finding: Finding) -> Iterable[tuple[str, Json]]:
    """The inputs of the check, without empty ones."""
    return ((key, value) for key, value in finding.inputs.items() if value not in (None, [], ""))


def _input(value: Json) -> str:
    return (
        text_of(value)
        if not isinstance(value, dict | list)
        else json.dumps(value, ensure_ascii=False)
    )


_ANSWERED: Mapping[Answer, tuple[str, str]] = {
    Answer.AUTO_EXECUTE: ("It may run without a person.", "It could run without a person."),
    Answer.REQUIRE_APPROVAL: ("It waits for a person.", "It needed a person."),
    Answer.BLOCK: ("It never runs.", "It never runs."),
}


def answered(record: IntentRecord) -> str:
    """The gate's answer in words that are true of the state."""
    now, then = _ANSWERED[record.decision.answer]
    asks = record.decision.answer is Answer.REQUIRE_APPROVAL
    return now if (waits_for_a_person(record) if asks else not_started(record)) else then


def waits_for_a_person(record: IntentRecord) -> bool:
    """True if a person can rule on it now."""
    return record.status is IntentStatus.AWAITING_APPROVAL and record.approval is not None


def is_asked_again(record: IntentRecord) -> bool:
    """True if a person ruled on it, and another request to people was opened since."""
    return waits_for_a_person(record) and record.approval is not None and record.approval.number > 1


def not_started(record: IntentRecord) -> bool:
    """True if it can still be withdrawn."""
    return record.status in NOT_STARTED and record.attempt is None


def approved_by_person(record: IntentRecord) -> bool:
    """True if a person let it run."""
    return record.approval_source is ApprovalSource.HUMAN
