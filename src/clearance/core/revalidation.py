"""Revalidation: whether an approved intent may still run as it was approved, checked right before
it starts or is repeated.

Switches, time and settings change while an approval waits. If the approval no longer holds, the
intent is cancelled or people are asked again; it never runs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto

from clearance.core import gate, stop
from clearance.core.approval import ApprovalState
from clearance.core.arguments import final_arguments
from clearance.core.binding import (
    Binding,
    bind,
    call_differences,
    only_defaults_differ,
    rule_differences,
    same_call,
)
from clearance.core.budget import HoldState
from clearance.core.catalog import Action
from clearance.core.decision import Answer, Decision
from clearance.core.errors import InvalidInput
from clearance.core.limits import covers_all
from clearance.core.moment import as_text
from clearance.core.record import IntentRecord
from clearance.core.settings import Settings, Unreadable

ATTEMPTS_MAX = 3  # attempts of one intent, each after the lease of the one before died
UNSENT_ATTEMPTS_MAX = 50  # of an intent of which it is known that none has sent anything


class Verdict(Enum):
    """The answer of revalidation on an intent that is about to start."""

    START = auto()
    WAIT = auto()
    REOPEN = auto()
    CANCEL = auto()
    EXPIRE = auto()


@dataclass(frozen=True, slots=True)
class Revalidation:
    """The verdict, why, and the decision and binding that hold now.

    `differences` is what changed of the call, as a person would be shown it.
    """

    verdict: Verdict
    code: str
    sentence: str
    decision: Decision
    binding: Binding | None
    differences: tuple[str, ...] = ()


def revalidate(record: IntentRecord, facts: gate.Facts, now: int) -> Revalidation:
    """Whether an approved intent may still run as it was approved.

    `facts.used` counts without the intent's own hold.
    """
    intent, settings = record.intent, facts.settings
    binding = bind(intent, record.decision, settings, record.salt)

    def verdict(
        kind: Verdict, code: str, sentence: str, decision: Decision = record.decision
    ) -> Revalidation:
        changed = call_differences(record.binding, binding) if record.binding and binding else ()
        return Revalidation(kind, code, sentence, decision, binding, changed)

    if record.foreign:
        sentence = f"It has {record.foreign}, which this version does not know."
        return verdict(Verdict.WAIT, "OF_A_LATER_VERSION", sentence)
    if intent.expires_at is not None and intent.expires_at <= now:
        return verdict(
            Verdict.EXPIRE, "INTENT_EXPIRED", f"The intent expired at {as_text(intent.expires_at)}."
        )
    switch = stop.strictest(
        settings.stop_switches, intent, settings.catalog.get(intent.action_type)
    )
    if switch is not None:
        held = switch.level is stop.StopLevel.HOLD
        return verdict(
            Verdict.WAIT if held else Verdict.CANCEL,
            "STOP_SWITCH_ON",
            f"The stop switch for {switch} is on.",
        )
    if unreadable := settings.uncallable(intent.account_id, intent.action_type):
        return verdict(Verdict.WAIT, unreadable.code, unreadable.sentence)
    same_settings = settings.decided(record.decision.settings_version)
    if forged := _forged(record, binding, same_settings=same_settings):
        return verdict(Verdict.CANCEL, *forged)
    if same_settings and same_call(record.binding, binding) and not _edited_alone(record):
        return verdict(Verdict.START, "UNCHANGED", "Nothing changed since the decision.")
    return _revalidate_changed(
        record, facts, now, verdict(Verdict.START, "STILL_HOLDS", "The approval still holds.")
    )


def _edited_alone(record: IntentRecord) -> bool:
    """True if a person edited it and policy approved it, which versions before this one did: then
    it is decided anew.
    """
    return record.auto_executed and record.intent.edited_by is not None


def _forged(
    record: IntentRecord, binding: Binding | None, *, same_settings: bool
) -> tuple[str, str] | None:
    """The code and the sentence of what no step of ours can have made; None if there is nothing."""
    then = record.binding
    other = "DIGEST_MISMATCH", "What would run is not what was decided on."
    if then is None or binding is None or then.parameters != binding.parameters:
        return other
    if not _approval_stands(record, then):
        return "APPROVAL_MISSING", "Neither a decision nor a ruling says that this may run."
    # Under the same settings, only another version of Clearance makes another call of an intent.
    if same_settings and not (same_call(then, binding) or only_defaults_differ(then, binding)):
        return other
    return None


def _approval_stands(record: IntentRecord, binding: Binding) -> bool:
    """True if the decision in the ledger, the hold and the ruling say together what the state
    APPROVED says alone.
    """
    if record.auto_executed:
        held = record.hold is not None and record.hold.state is not HoldState.RELEASED
        return record.decision.answer is Answer.AUTO_EXECUTE and held
    approval = record.approval
    if record.decision.answer is Answer.BLOCK or approval is None:
        return False
    approved = approval.state is ApprovalState.APPROVED and approval.approved_by_enough
    return approved and approval.digest == binding.digest


def _revalidate_changed(
    record: IntentRecord, facts: gate.Facts, now: int, start: Revalidation
) -> Revalidation:
    """The settings changed since the decision: decide again, and compare with what the approval was
    bound to.
    """
    action = facts.settings.catalog.get(record.intent.action_type)
    if action is not None:
        try:
            action.check_parameters(record.intent.parameters)
            final_arguments(action, record.intent)
        except InvalidInput as misfit:
            return replace(
                start, verdict=Verdict.CANCEL, code=misfit.code, sentence=misfit.sentence
            )
    decision = gate.decide(record.intent, facts, now)
    binding = bind(record.intent, decision, facts.settings, record.salt)
    anew = replace(start, decision=decision, binding=binding)
    if decision.answer is Answer.BLOCK:
        return replace(
            anew, verdict=Verdict.CANCEL, code=decision.reason, sentence=decision.explanation
        )
    if not record.auto_executed:
        outdated = (
            *start.differences,
            *_other_rules(record, anew),
            *(part.sentence for part in _newly_unreadable(record, facts.settings)),
        )
        if outdated:
            return replace(
                anew,
                verdict=Verdict.REOPEN,
                code="APPROVAL_OUTDATED",
                sentence=" ".join(outdated),
                differences=outdated,
            )
        return start  # the ruling stands, and so does the decision that asked for it
    if decision.answer is not Answer.AUTO_EXECUTE:
        return replace(
            anew, verdict=Verdict.REOPEN, code=decision.reason, sentence=decision.explanation
        )
    if not covers_all(record.hold, decision.hold):
        sentence = "What it spends is counted in another way now."
        return replace(anew, verdict=Verdict.REOPEN, code="BUDGET_CHANGED", sentence=sentence)
    return anew


def _other_rules(record: IntentRecord, anew: Revalidation) -> tuple[str, ...]:
    """The changed rules for which a person was asked; nothing if no person would be asked now."""
    asks = anew.decision.answer is Answer.REQUIRE_APPROVAL
    if not asks or record.binding is None or anew.binding is None:
        return ()
    return rule_differences(record.binding, anew.binding)


def _newly_unreadable(record: IntentRecord, settings: Settings) -> tuple[Unreadable, ...]:
    """The parts of later settings that this version cannot read: each could forbid what was
    approved. Under the settings that were ruled on nothing is new, so an upgrade alone asks nothing
    again.
    """
    decision, intent = record.decision, record.intent
    if settings.version == decision.settings_version:
        return ()
    known = {(finding.code, finding.sentence) for finding in decision.findings}
    parts = (
        settings.unread(check.name, intent.account_id, intent.action_type)
        for check in gate.ROW
        if not check.only_unattended
    )
    return tuple(part for part in parts if part and (part.code, part.sentence) not in known)


def refused_at_send(record: IntentRecord, settings: Settings, now: int) -> tuple[str, str] | None:
    """The code and the sentence of why a call that is about to be sent may not be; None if it may.

    The settings and the time moved on while it waited for its turn. What a person approved is
    refused only by what blocks it; what nobody approved, also by what would ask a person now.
    """
    strictest = gate.look_again(record.intent, settings, now)
    allowed = Answer.AUTO_EXECUTE if record.auto_executed else Answer.REQUIRE_APPROVAL
    if strictest and strictest.answer.strictness > allowed.strictness:
        return strictest.code, strictest.sentence
    unread = _newly_unreadable(record, settings)
    return (unread[0].code, unread[0].sentence) if unread else None


def may_repeat(
    record: IntentRecord, checked: Revalidation, action: Action, *, unsent: bool = False
) -> bool:
    """True if a further attempt may be made: it is the same call, attempts are below the cap, and
    the effect allows a repeat.

    `unsent`: it is known that no attempt has sent anything, so whatever the effect is, it is no
    repeat.
    """
    if record.attempt is None or not same_call(record.binding, checked.binding):
        return False
    if unsent:
        return record.attempt.number < UNSENT_ATTEMPTS_MAX
    return action.effect.repeatable and record.attempt.number < ATTEMPTS_MAX
