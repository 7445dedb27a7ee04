"""The promises, as checks on one transition, on one send, and on one state.

Each broken promise is named, and said in words.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from clearance.core import call as calls
from clearance.core import mode as modes
from clearance.core import stop
from clearance.core.approval import ApprovalSource, ApprovalState
from clearance.core.budget import Counter, HoldState
from clearance.core.canonical import canonical
from clearance.core.catalog import Effect
from clearance.core.decision import Answer as Decided
from clearance.core.mode import AutonomyMode
from clearance.core.moment import as_text
from clearance.core.record import STEPS, Admission, Change, IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.flow.execute import Started
from clearance.flow.ports.tools import ToolCall
from tests.model.support.keeping import Kept, Step
from tests.support.sample import OWNER

if TYPE_CHECKING:
    from tests.model.support.scenarios import Scenario


class Promise(StrEnum):
    """What must hold in every state that can be reached."""

    ONE_EXECUTION = "one effect per intent, and one send where a repeat is not allowed"
    APPROVED_FIRST = (
        "nothing runs that was not admitted by policy and budget or approved by a person"
    )
    CLOSED_IS_CLOSED = "nothing is sent but by the current attempt of an intent that is RUNNING"
    LEASE = "nothing is sent when the lease is over, and nobody claims over a lease that is not"
    STOP = "nothing starts while a stop is on, and nothing is sent whose last look saw one"
    LOOK = (
        "nothing is sent that the last look before it forbids: disabled, expired, no key, not alone"
    )
    FENCE = (
        "only the holder of the current attempt says how it ended, and only from the state that "
        "was read"
    )
    HONEST = "an outcome says what happened, and UNKNOWN where that is not known"
    BUDGET = (
        "what is used is the sum of the holds that count, within the limit, taken once and given "
        "back once"
    )
    LIMITS = "every counter of a limit, in each window, is within the limit"
    EDITED = "what a person edited is approved by people alone, and by its editor only who may rule"
    ACCOUNTS = "no more accounts that the settings do not name meet an act alone than may in a day"
    REMEMBERED = "what a person rejected runs for a time only if a person approves it"
    FOLDED = "one call of one agent waits once, where its door folds repeats"
    QUOTAS = "no agent has more waiting for people, and blocked intents leave no more, than may be"
    TERMINAL = "what is terminal never changes"
    LEDGER = "one entry per transition, which tells the state and who approved"
    TIME = (
        "time never approves: what is over is neither approved nor started, and what has started "
        "does not expire"
    )
    ACKNOWLEDGED = "what was acknowledged is kept"
    SETTLES = "whatever dies, a sweep brings every intent to an end or to a person"


class Broken(NamedTuple):
    """A promise that does not hold, and how."""

    promise: Promise
    sentence: str


class Effects(NamedTuple):
    """What the tool server saw of one intent: calls that reached it, and the different effects that
    they had.
    """

    sends: int = 0
    effects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Doer:
    """Who takes a step: the attempt that its task holds, if any, and whether older processes are
    known to be dead.

    `latest`: the later of the two clocks, in milliseconds, for a wall clock that was set back makes
    no lease longer.
    """

    started: Started | None
    worker: str
    latest: int
    alone: bool

    def finds_over(self, record: IntentRecord, at: int) -> bool:
        """True if the lease of the record's attempt is over for this task, in a step that was made
        `at`.
        """
        attempt = record.attempt
        others = self.alone and attempt is not None and attempt.worker != self.worker
        return attempt is None or others or attempt.lease_until <= max(at, self.latest)


START_OF = {IntentStatus.APPROVED, IntentStatus.RUNNING}


Limits = Sequence[Mapping[str, Any]]
"""Limits as they stand in a settings document."""


def check_step(
    step: Step, doer: Doer, settings: Settings, limits: Limits, seen: Effects
) -> Iterator[Broken]:
    """What one committed transition breaks.

    `settings` are those in force, `limits` those in them, `seen` what the tool server has seen.
    """
    entry = json.loads(step.made.entry.body)
    yield from _check_ledger(step, entry)
    if isinstance(step.made, Admission):
        yield from _check_admission(step.made, settings)
        yield from _check_claims(step.made, settings, limits)
        yield from _check_edited(step.made, settings)
    if step.before is None or not isinstance(step.made, Change):
        return
    yield from _check_order(step.before, step.made, step.after)
    if step.after.status is IntentStatus.RUNNING:
        yield from _check_claim(step.before, step.made, doer, settings)
    elif step.before.status is IntentStatus.RUNNING:
        yield from _check_outcome(step.before, step.made, entry, doer, seen)
    elif step.after.status is IntentStatus.APPROVED:
        yield from _check_ruling(step.before, step.made, settings)
    else:
        yield from _check_times(step.before, step.made)
    if step.made.hold is HoldState.RELEASED and seen.sends:
        yield Broken(Promise.BUDGET, "The hold was given back although the call had been sent.")


def _check_times(before: IntentRecord, made: Change) -> Iterator[Broken]:
    """What must not come too early: an expiry, and what a person says of an unknown outcome."""
    if made.status is IntentStatus.EXPIRED:
        waits = before.approval if before.status is IntentStatus.AWAITING_APPROVAL else None
        due = waits.expires_at if waits else before.intent.expires_at
        if due is None or made.at < due:
            yield Broken(Promise.TIME, "It expired before its time.")
    lease = (
        before.attempt.lease_until
        if before.status is IntentStatus.UNKNOWN and before.attempt
        else 0
    )
    if made.at < lease:
        yield Broken(
            Promise.HONEST, "A person reconciled it while the call could still be under way."
        )


def _check_ledger(step: Step, entry: Mapping[str, Any]) -> Iterator[Broken]:
    before, after = step.before, step.after
    if entry["status"] != after.status:
        yield Broken(
            Promise.LEDGER, f"The entry says {entry['status']}, the state is {after.status}."
        )
    if after.approval_source is not None:
        said = entry.get("approval_source"), entry.get("auto_executed")
        if said != (after.approval_source, after.approval_source is ApprovalSource.POLICY):
            yield Broken(
                Promise.LEDGER, f"The entry says {said}, the record {after.approval_source}."
            )
    approved_by = before.approval_source if before is not None else None
    asked_again = after.status is IntentStatus.AWAITING_APPROVAL
    if approved_by is not None and after.approval_source is not (
        None if asked_again else approved_by
    ):
        yield Broken(Promise.LEDGER, "Who approved changed without a new approval.")


def _check_admission(made: Admission, settings: Settings) -> Iterator[Broken]:
    if made.decision.settings_version != settings.version:
        yield Broken(
            Promise.APPROVED_FIRST, "It was decided under settings that were no longer in force."
        )
    if made.approval_source is ApprovalSource.POLICY:
        if stop.strictest(settings.stop_switches, made.intent, None):
            yield Broken(Promise.STOP, "It was approved by policy while a stop was on.")
        if made.decision.answer is not Decided.AUTO_EXECUTE or made.decision.hold is None:
            yield Broken(Promise.APPROVED_FIRST, "It was approved without decision and hold.")
    elif made.decision.hold is not None:
        yield Broken(Promise.BUDGET, "What does not run alone took from the budget.")


def _check_edited(made: Admission, settings: Settings) -> Iterator[Broken]:
    """An edit waits for another person, unless its editor may rule on it: then they approved it."""
    action = settings.catalog.get(made.intent.action_type)
    if made.intent.edited_by is None or made.status is not IntentStatus.APPROVED:
        return
    if made.approval_source is not ApprovalSource.HUMAN:
        yield Broken(Promise.EDITED, "An edit was approved by policy.")
    if action is None or not (action.editors_rule or made.intent.edited_by == OWNER.actor_id):
        yield Broken(Promise.EDITED, "An edit was approved by an editor who may not rule.")


_WINDOWS = {"minute": 16, "hour": 13, "day": 10, "month": 7}
"""Characters of a moment's text that name the window that it lies in, in UTC."""
_COUNTED: Limits = ({"for": "tenant", "per": "day"}, {"for": "each agent", "per": "day"})
"""What is counted with no limit too."""
_READS: Limits = ({"for": "each agent", "per": "minute", "reads": 60},)
"""The rate of what changes nothing, where no limit is lower."""


def _check_claims(made: Admission, settings: Settings, limits: Limits) -> Iterator[Broken]:
    """Whether an act that runs alone takes from every counter that it must, in the window in which
    it was decided on.
    """
    hold = made.decision.hold
    counted = [claim for claim in hold.claims if claim.counter] if hold else []
    taken = {(claim.bucket, claim.counter): claim.limit for claim in counted}
    bucket, always = "actions", _COUNTED
    if settings.catalog[made.intent.action_type].effect is Effect.READ:
        bucket, always = "reads", _READS
    for limit in (*limits, *always) if hold else ():
        if bucket == "reads" and bucket not in limit:
            continue
        subject, window = _subject(limit, made), as_text(made.at)[: _WINDOWS[limit["per"]]]
        place = bucket, Counter(canonical(subject).decode(), window)
        if place not in taken:
            yield Broken(Promise.LIMITS, f"It was approved and took nothing from {place[1]}.")
        elif bucket in limit and (taken[place] is None or taken[place] > limit[bucket]):
            yield Broken(Promise.LIMITS, f"It was approved under another limit of {place[1]}.")


def _subject(limit: Mapping[str, Any], made: Admission) -> dict[str, str]:
    """Whose acts a limit counts together with this one. Scenarios name no agent and no account."""
    who = {"agent": made.intent.proposed_by, "account": made.intent.account_id}
    each = limit["for"].removeprefix("each ").split(" and ")
    return {key: name for key, name in who.items() if key in each}


def _check_order(before: IntentRecord, made: Change, after: IntentRecord) -> Iterator[Broken]:
    if before.status not in STEPS:
        yield Broken(Promise.TERMINAL, f"{before.status} became {after.status}.")
    elif after.status not in STEPS[before.status]:
        yield Broken(Promise.FENCE, f"{before.status} became {after.status}, which is no step.")
    if made.revision != before.revision:
        yield Broken(
            Promise.FENCE,
            f"A step from revision {made.revision} was taken on revision {before.revision}.",
        )
    if made.hold is not None and before.hold is not None:
        legal = {(HoldState.HELD, HoldState.SETTLED), (HoldState.HELD, HoldState.RELEASED)}
        legal.add((HoldState.SETTLED, HoldState.RELEASED))
        if (before.hold.state, made.hold) not in legal:
            yield Broken(Promise.BUDGET, f"The hold went from {before.hold.state} to {made.hold}.")


def _check_claim(
    before: IntentRecord, made: Change, doer: Doer, settings: Settings
) -> Iterator[Broken]:
    if before.status not in START_OF or made.attempt is None:
        yield Broken(Promise.CLOSED_IS_CLOSED, f"{before.status} was started.")
        return
    if before.attempt is not None and not doer.finds_over(before, made.at):
        sentence = (
            f"Attempt {made.attempt.number} was claimed while the lease of attempt "
            f"{before.attempt.number} lived."
        )
        yield Broken(Promise.LEASE, sentence)
    if stop.strictest(settings.stop_switches, before.intent, None):
        yield Broken(Promise.STOP, "It started while a stop was on.")
    if before.intent.expires_at is not None and before.intent.expires_at <= made.at:
        yield Broken(Promise.TIME, "It started after it had expired.")
    if (
        before.hold is not None
        and before.hold.state is HoldState.HELD
        and made.hold is not HoldState.SETTLED
    ):
        yield Broken(Promise.BUDGET, "It started without settling its hold.")


def _check_outcome(
    before: IntentRecord, made: Change, entry: Mapping[str, Any], doer: Doer, seen: Effects
) -> Iterator[Broken]:
    if before.attempt is None or made.outcome is None:
        yield Broken(Promise.TIME, f"What had started became {made.status} without an outcome.")
        return
    error = made.outcome.error
    if error is not None and error.code == "WORKER_LOST":
        if not doer.finds_over(before, made.at):
            number = before.attempt.number
            yield Broken(
                Promise.HONEST, f"Attempt {number} was given up as lost while its lease lived."
            )
    else:
        held = doer.started.attempt.number if doer.started else None
        if held != before.attempt.number or entry["attempt"] != held:
            yield Broken(
                Promise.FENCE,
                f"Attempt {held} wrote the outcome of attempt {before.attempt.number}.",
            )
    wrong = {
        IntentStatus.CANCELLED: seen.sends > 0,
        IntentStatus.SUCCEEDED: not seen.effects,
        IntentStatus.FAILED: bool(seen.effects),
    }
    if wrong.get(made.status, False):
        sentence = (
            f"The outcome is {made.status}; {seen.sends} calls were sent, {len(seen.effects)} had "
            f"an effect."
        )
        yield Broken(Promise.HONEST, sentence)


def _check_ruling(before: IntentRecord, made: Change, settings: Settings) -> Iterator[Broken]:
    was, ruled = before.approval, made.approval
    if (
        was is None
        or ruled is None
        or was.state is not ApprovalState.OPEN
        or made.at >= was.expires_at
    ):
        yield Broken(Promise.TIME, "It was approved although no approval was open.")
        return
    by = ruled.rulings[-1].ruled_by if ruled.approved_by_enough else None
    action = settings.catalog.get(before.intent.action_type)
    if by == before.intent.edited_by and not (action and action.editors_rule):
        yield Broken(Promise.EDITED, "Its editor approved it, who may not rule on it.")
    if (
        by is None
        or by == before.intent.proposed_by
        or made.approval_source is not ApprovalSource.HUMAN
    ):
        yield Broken(Promise.APPROVED_FIRST, "It was approved by nobody who may.")


def check_send(
    record: IntentRecord, started: Started, call: ToolCall, wall: int, monotonic: int
) -> Iterator[Broken]:
    """What sending a call breaks.

    `record` is what the store says of the intent now; times are now's, in milliseconds.
    """
    current = record.attempt.number if record.attempt else None
    if record.status is not IntentStatus.RUNNING or current != started.attempt.number:
        sentence = (
            f"Attempt {started.attempt.number} sent while the intent was {record.status}, attempt "
            f"{current}."
        )
        yield Broken(Promise.CLOSED_IS_CLOSED, sentence)
    if record.intent.expires_at is not None and record.intent.expires_at <= wall:
        yield Broken(Promise.LOOK, "It was sent although it had expired.")
    margin = calls.LEASE_MARGIN_MS
    if wall + margin > started.attempt.lease_until or monotonic + margin > started.lease_ends_ms:
        yield Broken(
            Promise.LEASE,
            f"Attempt {started.attempt.number} sent when its lease was over, or about to be.",
        )
    if call.arguments["title"] != record.intent.parameters["title"]:
        yield Broken(Promise.APPROVED_FIRST, "What was sent is not what was decided on.")
    if record.approval_source is ApprovalSource.POLICY:
        held = record.hold is not None and record.hold.state is HoldState.SETTLED
        stands = record.decision.answer is Decided.AUTO_EXECUTE and held
    else:
        approval = record.approval
        stands = (
            approval is not None
            and approval.state is ApprovalState.APPROVED
            and approval.decisive is not None
        )
        stands = stands and record.approval_source is ApprovalSource.HUMAN
    if not stands:
        yield Broken(Promise.APPROVED_FIRST, "It was sent without an approval that stands.")


def check_look(record: IntentRecord, settings: Settings) -> Iterator[Broken]:
    """What sending a call breaks after a last look that saw these settings."""
    intent, catalog = record.intent, settings.catalog
    if stop.strictest(settings.stop_switches, intent, catalog.get(intent.action_type)):
        yield Broken(Promise.STOP, "It was sent although the last look saw a stop.")
    mode = modes.resolve(settings.modes, intent.account_id, intent.action_type).mode
    listed = settings.allowlist.allows(intent.account_id, intent.action_type)
    alone = record.approval_source is ApprovalSource.POLICY
    if mode is AutonomyMode.DISABLED:
        yield Broken(Promise.LOOK, "It was sent although the last look saw it disabled.")
    if alone and not (listed and mode is AutonomyMode.AUTO_EXECUTE):
        yield Broken(
            Promise.LOOK, "It was sent although the last look saw that a person must look."
        )


def check_effects(seen: Effects, *, repeatable: bool) -> Iterator[Broken]:
    """What the tool server has seen too often."""
    if len(seen.effects) > 1:
        yield Broken(Promise.ONE_EXECUTION, f"The intent had {len(seen.effects)} effects.")
    if not repeatable and seen.sends > 1:
        yield Broken(
            Promise.ONE_EXECUTION, f"A call that may not be repeated was sent {seen.sends} times."
        )


def check_memory(
    made: Admission, before: Kept, records: list[IntentRecord], scenario: Scenario
) -> Iterator[Broken]:
    """What an admission breaks beside the intents that were kept before it."""
    known = [(intent, records[intent.number]) for intent in before.intents]
    since = made.at - scenario.asks_for_ms
    for intent, record in known:
        rejected = intent.rejected_at is not None and intent.rejected_at >= since
        alone = made.approval_source is ApprovalSource.POLICY
        if alone and rejected and _same_act(record, made):
            yield Broken(Promise.REMEMBERED, f"It runs alone, and {intent.name} was rejected.")
    if made.intent.edited_by is not None:
        return
    waiting = [
        (intent, record)
        for intent, record in known
        if record.status is IntentStatus.AWAITING_APPROVAL
        and record.intent.proposed_by == made.intent.proposed_by
    ]
    waits = made.status is IntentStatus.AWAITING_APPROVAL
    if waits and len(waiting) >= scenario.waiting_max:
        yield Broken(Promise.QUOTAS, f"{len(waiting)} of its agent wait, and it waits too.")
    for intent, record in waiting if made.same_call else ():
        if intent.same_call and _same_act(record, made):
            yield Broken(Promise.FOLDED, f"The same call waits as {intent.name}, and it is new.")
    if made.status is IntentStatus.BLOCKED and made.intent.content_kept and not made.quota:
        yield Broken(Promise.QUOTAS, "It was blocked, and its content took nothing of the quota.")


def _same_act(record: IntentRecord, made: Admission) -> bool:
    """True if the scenario's agents mean the same act: they write each in one way."""
    one, other = record.intent, made.intent
    return (one.account_id, one.action_type, one.parameters) == (
        other.account_id,
        other.action_type,
        other.parameters,
    )
