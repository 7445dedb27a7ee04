"""The three answers of the gate, ordered by how much they allow, and the decision: an answer with
everything behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from clearance.core.arguments import FinalCall, final_arguments
from clearance.core.budget import Hold
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.intent import ActionIntent


class Answer(StrEnum):
    """The gate's answer: an intent runs alone, waits for a person, or never runs."""

    AUTO_EXECUTE = "AUTO_EXECUTE"
    REQUIRE_APPROVAL = "REQUIRE_APPROVAL"
    BLOCK = "BLOCK"

    @property
    def strictness(self) -> int:
        """0 for the answer that allows most, 2 for the one that allows nothing; a check may raise
        it, never lower it.
        """
        return _STRICTNESS[self]


_STRICTNESS = {Answer.AUTO_EXECUTE: 0, Answer.REQUIRE_APPROVAL: 1, Answer.BLOCK: 2}


class SettingsVersion(NamedTuple):
    """Which settings: the tenant's own version, and that of the switches that hold for every
    tenant.
    """

    tenant: int
    everywhere: int


class SettingsDigest(NamedTuple):
    """What binds a decision to the settings documents that it was made under: the tenant's own, and
    that of the switches that hold for every tenant. None for a document that is not stored.
    """

    tenant: str | None = None
    everywhere: str | None = None


NO_DIGEST = SettingsDigest()


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check of the gate.

    `inputs` are the facts that it looked at: no parameters, no free text.
    """

    check: str
    answer: Answer
    code: str
    sentence: str
    inputs: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer to one intent, with the finding of every check that was asked, in their
    order.

    `remedy` is what the rules that decided tell an agent to do; None if they do not say.
    `made` is the call that was decided on, as long as the process that decided has it at hand.
    """

    answer: Answer
    reason: str
    explanation: str
    findings: tuple[Finding, ...]
    settings_version: SettingsVersion
    policy_version: str | None = None
    policy_clause: tuple[str, ...] = ()
    hold: Hold | None = None
    settings_digest: SettingsDigest = NO_DIGEST
    remedy: str | None = None
    made: FinalCall | None = field(default=None, compare=False, repr=False)

    def arguments(self, action: Action, intent: ActionIntent) -> Mapping[str, Json]:
        """The final arguments that an action makes of the intent of this decision.

        InvalidInput as `final_arguments`.
        """
        made = self.made
        if made is not None and made.action is action:
            return made.arguments
        return final_arguments(action, intent)


def to_json(decision: Decision) -> dict[str, Json]:
    """The decision with the names of the wire."""
    return {
        "decision": decision.answer.value,
        "reason": decision.reason,
        "explanation": decision.explanation,
        "remedy": decision.remedy,
        "policy_version": decision.policy_version,
        "policy_clause": list(decision.policy_clause),
        "settings_version": list(decision.settings_version),
        "findings": [
            {
                "check": finding.check,
                "answer": finding.answer.value,
                "code": finding.code,
                "sentence": finding.sentence,
                "inputs": dict(finding.inputs),
            }
            for finding in decision.findings
        ],
    }


def facts(decision: Decision) -> dict[str, Json]:
    """The decision as an entry of the ledger has it."""
    written = {**to_json(decision), "settings_digest": list(decision.settings_digest)}
    if decision.remedy is None:
        del written["remedy"]
    return written


def from_json(value: Mapping[str, Json]) -> Decision:
    """Reads what `facts` wrote; the hold is kept elsewhere, since it moves."""
    return Decision(
        answer=Answer(value["decision"]),
        reason=value["reason"],
        explanation=value["explanation"],
        remedy=value.get("remedy"),
        policy_version=value["policy_version"],
        policy_clause=tuple(value["policy_clause"]),
        settings_version=SettingsVersion(*value["settings_version"]),
        settings_digest=SettingsDigest(*value.get("settings_digest", ())),
        findings=tuple(
            Finding(
                item["check"],
                Answer(item["answer"]),
                item["code"],
                item["sentence"],
                item["inputs"],
            )
            for item in value["findings"]
        ),
    )


def catalog_inputs(decision: Decision) -> Mapping[str, Json]:
    """The gate's facts about the action when it decided; empty if the intent was blocked before
    that, or the action is unknown.
    """
    return next((finding.inputs for finding in decision.findings if finding.check == "catalog"), {})


def effect_of(decision: Decision) -> Json:
    """The effect that the catalog named when the decision was made; None if it is not known."""
    return catalog_inputs(decision).get("effect")


def not_read(inputs: Mapping[str, Json]) -> list[str]:
    """The values of a call that policy did not read, in sentences; `inputs` are those of its
    finding.
    """
    waived, unread = inputs.get("waived") or (), inputs.get("unread") or ()
    sentences = []
    if waived:
        sentences.append(f"Policy does not read: {', '.join(waived)} (waived).")
    if unread:
        sentences.append(f"Policy could not read: {', '.join(unread)}.")
    return sentences
