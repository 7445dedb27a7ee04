"""What an agent is shown of its own intents, and of the actions that it may propose.

It gets the answer, its reason and the remedy of the rules that decided. The numbers of rules and
limits, and every sentence that may name one, are for people: an agent could steer by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from clearance.core.canonical import Json
from clearance.core.catalog import Action, readable
from clearance.core.decision import Answer, Decision
from clearance.core.ledger import Entry
from clearance.core.narrative import ShownCall, say
from clearance.core.outcome import Outcome, Sent
from clearance.core.principal import ActorKind
from clearance.core.record import IntentRecord
from clearance.core.settings import Settings
from clearance.core.template import Phrase

_ENTRY = frozenset(
    {
        *("format", "kind", "at", "tenant_id", "actor", "action_intent_id", "account_id"),
        *("action_type", "trace_id", "revision", "status", "proposed_by", "supersedes"),
        *("superseded_by", "edited_by", "confidence_bp", "risk_level", "approval_source"),
        *("auto_executed", "approval", "approval_id", "digest", "ruling", "code", "reason"),
        *("erased", "attempt", "tries", "error", "result_bytes"),
    }
)
"""The facts of an entry that its agent is shown. A fact that is new is for people at first."""
_DECISION = ("decision", "reason", "remedy")
_ANSWERED = {
    Answer.AUTO_EXECUTE: "It runs without a person.",
    Answer.REQUIRE_APPROVAL: "A person decides about it.",
    Answer.BLOCK: "It will not run.",
}
_OF_SETTINGS = (
    *("STOP_SWITCH", "ACTION_TYPE_", "ALLOWLIST_", "MODE_", "POLICY_", "ACCOUNT", "BUDGET_"),
    *("LIMIT", "REJECTION", "QUOTAS_", "SETTINGS_", "ACTION_UNREADABLE", "AGENT_KEY_ENDED"),
)
"""How the codes begin of what the settings, the switches or the keys refuse."""
_OF_RULES = "x-policy"
"""The keyword of a schema that says what rules need not read."""
_DATA = frozenset({"const", "default", "enum", "example", "examples"})
_BY_NAME = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry of the ledger as it is shown: its place, the digest of its exact bytes, and what is
    shown of its facts.
    """

    position: int
    digest: str
    fields: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class OfferedAction:
    """An action that may be proposed, with the JSON Schema of its parameters. `account` is the one
    of them that names the account; None: the proposal names it.
    """

    action_type: str
    label: str
    description: str
    parameters: Mapping[str, Json]
    account: str | None


def own_phrase(
    record: IntentRecord, action: Action | None, call: ShownCall | None, settings: Settings
) -> Phrase:
    """The sentence about an intent, which names nothing of what holds it."""
    shown = replace(record, outcome=_own_outcome(record.outcome))
    return say(shown, action, call, settings, to_agent=True)


def own_record(record: IntentRecord) -> IntentRecord:
    """An intent as its agent is shown it."""
    approval = record.approval and replace(record.approval, differences=())
    decision = own_decision(record.decision)
    outcome = _own_outcome(record.outcome)
    return replace(record, decision=decision, approval=approval, outcome=outcome, hold=None)


def _own_outcome(outcome: Outcome | None) -> Outcome | None:
    """An outcome as its agent is shown it: which switch or setting refused a call at the last look
    is not named.
    """
    error = outcome.error if outcome else None
    if outcome is None or error is None or not error.code.startswith(_OF_SETTINGS):
        return outcome
    sentence = "The call was not sent." if error.sent is Sent.NOT_SENT else "It was not repeated."
    return replace(outcome, sentence=sentence, error=replace(error, sentence=sentence))


def own_decision(decision: Decision) -> Decision:
    """A decision as the agent is shown it: the answer, the reason and the remedy."""
    return replace(
        decision,
        explanation=_explained(decision),
        findings=(),
        policy_version=None,
        policy_clause=(),
        hold=None,
    )


def _explained(decision: Decision) -> str:
    """Why a call cannot be made of what the agent wrote; else what the answer means."""
    last = decision.findings[-1] if decision.findings else None
    if last and last.answer is Answer.BLOCK and last.check in {"expiry", "catalog"}:
        return last.sentence
    return _ANSWERED[decision.answer]


def shown_entry(entry: Entry) -> ShownEntry:
    """An entry with all of its facts."""
    return ShownEntry(entry.position, entry.digest, entry.in_full)


def own_entry(entry: Entry) -> ShownEntry:
    """An entry about an intent as its agent is shown it. A reason is shown if a person or an agent
    wrote it: ours may name a rule or a limit.
    """
    facts = entry.in_full
    shown = {name: value for name, value in facts.items() if name in _ENTRY}
    if facts["actor"]["kind"] == ActorKind.SYSTEM:
        shown.pop("reason", None)
    if decision := facts.get("decision"):
        shown["decision"] = {name: decision[name] for name in _DECISION if name in decision}
    return ShownEntry(entry.position, entry.digest, shown)


def offered(action: Action) -> OfferedAction:
    """An action as those who may propose it are shown it."""
    name = action.action_type
    label, schema = action.label or readable(name), _without_rules(action.parameters)
    return OfferedAction(name, label, action.description, schema, action.account)


def _without_rules(schema: Json) -> Json:
    """A schema without what it says about rules."""
    if isinstance(schema, list):
        return [_without_rules(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    shown = {}
    for name, part in schema.items():
        if name in _BY_NAME and isinstance(part, Mapping):
            shown[name] = {each: _without_rules(inner) for each, inner in part.items()}
        elif name != _OF_RULES:
            shown[name] = part if name in _DATA else _without_rules(part)
    return shown
