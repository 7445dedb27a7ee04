"""Execute: the one execution path, whether policy or a person approved.

Starter, invoker and recorder are plain functions that engines call.

The starter revalidates the approved intent and claims the attempt, durably, before anything is
sent. The invoker looks once more at all that can forbid the call by now, and calls the tool, with a
deadline and our idempotency key, only while its lease outlasts the call. The recorder writes the
outcome, once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from functools import partial

import structlog

from clearance.core import binding as bindings
from clearance.core import call as calls
from clearance.core import revalidation, steps, stop
from clearance.core.catalog import Action, ToolServer
from clearance.core.errors import Conflict, InvalidInput, Refusal, Unavailable
from clearance.core.gate import Facts
from clearance.core.ledger import EntryKind, Reason
from clearance.core.moment import from_text
from clearance.core.outcome import CallError, ErrorClass, Outcome, Sent
from clearance.core.principal import system
from clearance.core.record import Attempt, Change, IntentRecord, IntentStatus
from clearance.core.revalidation import Revalidation, Verdict
from clearance.core.settings import Settings
from clearance.flow.context import Context
from clearance.flow.fit import check_fits
from clearance.flow.pins import pin_for_call
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.ports.transitions import Applied
from clearance.flow.results import ended, keep
from clearance.flow.submit import DECISIONS_MAX
from clearance.flow.usage import facts_of_hold

LEASE_TOO_SHORT = "LEASE_TOO_SHORT"
"""The code of an error: nothing was sent, because the attempt came to its call too late."""

KEY_TOO_OLD = "KEY_TOO_OLD"
"""The code of an error: a call that may have been sent was not repeated, because its tool may have
forgotten the key by now.
"""

AGENT_KEY_ENDED = "AGENT_KEY_ENDED"
"""The code of an error: nothing was sent, because the agent has no valid API key any more."""

_FORGOTTEN = "The tool may not know its key any more, so a repeat could do it twice."

RECORD_AGAIN_SECONDS = 0.5  # between two tries to write a known outcome

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """A claimed attempt: what to call, under which settings, and when on the monotonic clock its
    lease is over. `first_started_at` is when the first attempt began, which may be this one.
    """

    record: IntentRecord
    attempt: Attempt
    settings: Settings
    lease_ends_ms: int
    first_started_at: int

    @property
    def action(self) -> Action:
        """The action of the catalog that is carried out."""
        return self.settings.catalog[self.record.intent.action_type]

    @property
    def server(self) -> ToolServer:
        """Where its tool is."""
        return self.settings.tool_servers[self.action.tool.server]


@dataclass(frozen=True, slots=True)
class ClosedAttempt:
    """An attempt that sends nothing any more, and the calls that its tries sent."""

    number: int
    sent: Sent


async def carry_on(
    context: Context, tenant_id: str, action_intent_id: str, worker: str, *, alone: bool = False
) -> IntentRecord | None:
    """Does for an intent what is due, as `take_up` claims it. None if nothing is."""
    started = await take_up(context, tenant_id, action_intent_id, worker, alone=alone)
    return None if started is None else await _carried_out(context, started)


async def execute(
    context: Context, tenant_id: str, action_intent_id: str, worker: str
) -> IntentRecord | None:
    """Starter, invoker, recorder.

    None if there was nothing to start: held, closed, done, or under another worker.
    """
    started = await start(context, tenant_id, action_intent_id, worker)
    return None if started is None else await _carried_out(context, started)


async def _carried_out(context: Context, started: Started) -> IntentRecord | None:
    outcome, tries = await invoke(context, started)
    return await record(context, started, outcome, tries=tries)


# The execution-starter


async def take_up(
    context: Context, tenant_id: str, action_intent_id: str, worker: str, *, alone: bool = False
) -> Started | None:
    """Claims what is due: an intent that is approved, or a further attempt at one that a dead
    worker left.

    `alone`: as `restart` has it.
    """
    started = await start(context, tenant_id, action_intent_id, worker)
    return started or await restart(context, tenant_id, action_intent_id, worker, alone=alone)


async def start(
    context: Context, tenant_id: str, action_intent_id: str, worker: str
) -> Started | None:
    """Revalidates and claims.

    What may not run any more is cancelled, expired or asked again: never run quietly.
    """
    for _ in range(DECISIONS_MAX):
        record = await context.store.intent(tenant_id, action_intent_id)
        if record is None or record.status is not IntentStatus.APPROVED:
            return None
        settings = await context.settings(tenant_id)
        facts = await _facts(context, settings, record)
        # In this order, a pause between them shortens the lease.
        monotonic, now = context.clock.monotonic_ms(), context.clock.now_ms()
        checked = revalidation.revalidate(record, facts, now)
        if checked.verdict is Verdict.WAIT:
            return None
        change = _next(record, checked, settings, worker, now, context.new_salt())
        answer = await context.store.advance(change)
        if isinstance(answer, Applied):
            return _started(answer.record, settings, monotonic, now)
    return None


async def restart(
    context: Context,
    tenant_id: str,
    action_intent_id: str,
    worker: str,
    *,
    alone: bool = False,
    left: ClosedAttempt | None = None,
) -> Started | None:
    """Claims a further attempt at an intent that a dead worker left: one whose lease is over.

    `alone`: no other worker can be alive, so the lease of another's attempt is over, even before
    its time. `left`: the attempt that is to be followed; nothing is done if another one is the
    current one by now. Without it, it is unknown what was sent, or whether more will be.
    """
    record = await context.store.intent(tenant_id, action_intent_id)
    if record is None or record.status is not IntentStatus.RUNNING or record.attempt is None:
        return None
    if left is not None and record.attempt.number != left.number:
        return None
    dead = alone and record.attempt.worker != worker
    if not dead and context.clock.now_ms() < record.attempt.lease_until:
        return None  # by the revision, the attempt claimed below is the one looked at here
    settings = await context.settings(tenant_id)
    facts = await _facts(context, settings, record)
    monotonic, now = context.clock.monotonic_ms(), context.clock.now_ms()
    checked = revalidation.revalidate(record, facts, now)
    if checked.verdict is Verdict.WAIT:
        return None
    action = settings.catalog.get(record.intent.action_type)
    starts = checked.verdict is Verdict.START
    first = await _first_started_at(context, record, record.attempt)
    # A tool that may be called once is called again only if the attempt before was closed unsent:
    # a lease that is over does not mean that its worker is.
    unsent = left is not None and left.sent is Sent.NOT_SENT
    if (
        not starts
        or action is None
        or not revalidation.may_repeat(record, checked, action, unsent=unsent)
    ):
        await _leave(context, record, now, unsent=unsent)
        return None
    if not unsent and calls.key_is_forgotten(action, first, now):
        await _leave(context, record, now, unsent=False, code=KEY_TOO_OLD)
        return None
    actor = system(tenant_id)
    change = steps.start_attempt(record, checked, settings, worker=worker, actor=actor, now=now)
    answer = await context.store.advance(change)
    if not isinstance(answer, Applied):
        return None
    return _started(answer.record, settings, monotonic, now, first)


async def due(context: Context, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
    """The intent if a worker should take it up now: approved, or left by a worker whose lease is
    over; and not held, by a switch or by a stored action that cannot be read.
    """
    record = await context.store.intent(tenant_id, action_intent_id)
    if record is None or record.foreign:
        return None
    left = (
        record.status is IntentStatus.RUNNING
        and record.attempt is not None
        and context.clock.now_ms() >= record.attempt.lease_until
    )
    if not left and record.status is not IntentStatus.APPROVED:
        return None
    settings = await context.settings(tenant_id)
    action = settings.catalog.get(record.intent.action_type)
    switch = stop.strictest(settings.stop_switches, record.intent, action)
    held = switch is not None and switch.level is stop.StopLevel.HOLD
    unreadable = settings.uncallable(record.intent.account_id, record.intent.action_type)
    return None if held or unreadable else record


async def resume(context: Context, tenant_id: str, action_intent_id: str, number: int) -> Started:
    """An attempt that was claimed in another process.

    Conflict (`FENCED`) if it is not the current one any more.

    Its settings are the ones in force now, so a caller of the tool first checks `same_call`.
    """
    record = await context.store.intent(tenant_id, action_intent_id)
    settings = await context.settings(tenant_id)
    monotonic, now = context.clock.monotonic_ms(), context.clock.now_ms()
    started = None if record is None else _started(record, settings, monotonic, now)
    if started is None or started.attempt.number != number:
        sentence = f"Attempt {number} of {action_intent_id} is no longer the current one."
        raise Conflict(sentence, code="FENCED")
    first = await _first_started_at(context, started.record, started.attempt)
    return replace(started, first_started_at=first)


async def _first_started_at(context: Context, record: IntentRecord, attempt: Attempt) -> int:
    """When the first attempt of an intent began: before anything was sent. The ledger keeps it;
    the record has the latest attempt alone.
    """
    intent, began = record.intent, attempt.started_at
    if attempt.number == 1:
        return began
    entries = await context.store.entries_about(intent.tenant_id, intent.action_intent_id)
    starts = (
        from_text(entry.fields["at"])
        for entry in entries
        if entry.fields["kind"] == EntryKind.EXECUTION_STARTED
    )
    return min((began, *starts))


def same_call(started: Started) -> bool:
    """True if the settings of the attempt still make it the call that was approved, whatever its
    policy is now.
    """
    record = started.record
    now = bindings.bind(record.intent, record.decision, started.settings, record.salt)
    return bindings.same_call(record.binding, now)


async def _facts(context: Context, settings: Settings, record: IntentRecord) -> Facts:
    """The settings, and where they changed since the decision, what others use in the day and the
    windows that the hold is in.
    """
    if settings.decided(record.decision.settings_version):
        return Facts(settings)
    return await facts_of_hold(context, settings, record, context.clock.now_ms())


def _next(
    record: IntentRecord,
    checked: Revalidation,
    settings: Settings,
    worker: str,
    now: int,
    salt: bytes,
) -> Change:
    actor = system(record.intent.tenant_id)
    match checked.verdict:
        case Verdict.START:
            return steps.start_attempt(
                record, checked, settings, worker=worker, actor=actor, now=now
            )
        case Verdict.REOPEN:
            return steps.reopen(record, checked, settings, actor=actor, now=now)
        case Verdict.EXPIRE:
            return steps.expire(record, actor=actor, now=now)
        case _:
            reason = Reason(checked.sentence, salt)
            return steps.cancel(record, code=checked.code, reason=reason, actor=actor, now=now)


def _started(
    record: IntentRecord, settings: Settings, monotonic: int, now: int, first: int | None = None
) -> Started | None:
    attempt = record.attempt
    if record.status is not IntentStatus.RUNNING or attempt is None:
        return None
    lease_ends_ms = monotonic + attempt.lease_until - now
    return Started(
        record,
        attempt,
        settings,
        lease_ends_ms,
        first_started_at=attempt.started_at if first is None else first,
    )


async def _leave(
    context: Context, record: IntentRecord, now: int, *, unsent: bool, code: str = "WORKER_LOST"
) -> None:
    """The worker died between claim and outcome, and there may be no further attempt: say so, and
    let a person look.
    """
    if record.attempt is None:
        return
    sentence = (
        "The worker stopped before it sent anything, and what was approved may not start any more."
        if unsent
        else "The worker stopped before the tool's answer was recorded; the call may have "
        "happened and was not repeated."
    )
    if code == KEY_TOO_OLD:
        sentence += f" {_FORGOTTEN}"
    known = (ErrorClass.DOWNSTREAM, Sent.NOT_SENT) if unsent else (ErrorClass.UNKNOWN, Sent.MAYBE)
    outcome = calls.outcome_of(CallError(known[0], sentence, known[1], code=code))
    actor = system(record.intent.tenant_id)
    change = steps.record_outcome(
        record, record.attempt.number, outcome, tries=0, actor=actor, now=now
    )
    await context.store.advance(change)


# The tool-invoker


@dataclass(frozen=True, slots=True)
class Tried:
    """The state after some tries of one attempt's call: either how it ended, or why and when it may
    be tried again.
    """

    tries: int
    sent: Sent
    outcome: Outcome | None = None
    error: CallError | None = None
    wait_ms: int = 0


def untried(started: Started) -> Tried:
    """Before the first try. A dead worker may have sent its call."""
    return Tried(0, Sent.MAYBE if started.attempt.number > 1 else Sent.NOT_SENT)


async def invoke(context: Context, started: Started) -> tuple[Outcome, int]:
    """Calls the tool, again where a transient error and the effect allow it; the outcome and the
    number of tries.
    """
    tried = untried(started)
    while True:
        tried = await try_once(context, started, tried)
        if tried.outcome is not None:
            return tried.outcome, tried.tries
        await asyncio.sleep(tried.wait_ms / 1000)


async def try_once(context: Context, started: Started, before: Tried) -> Tried:
    """Calls the tool once more, after `before` and its wait."""
    tries = before.tries + 1
    answer = None
    try:
        return Tried(tries, Sent.ANSWERED, await _call_once(context, started, before.sent))
    except ToolCallFailed as failed:
        error, answer = failed.error, failed.answer
    except Refusal as refusal:  # ours, while we still looked whether to send
        error = CallError(ErrorClass.DOWNSTREAM, refusal.sentence, Sent.NOT_SENT, code=refusal.code)
    # All tries decide together: else a try that was never sent would excuse those before it.
    error = replace(error, sent=before.sent.worst(error.sent))
    wait_ms = calls.retry_after_ms(error, started.action, tries)
    if wait_ms is None or not _lease_allows(context, started, wait_ms):
        error = calls.with_moment(error, context.clock.now_ms())
        return Tried(tries, error.sent, ended(error, answer), error)
    return Tried(tries, error.sent, None, error, wait_ms)


async def _call_once(context: Context, started: Started, sent: Sent) -> Outcome:
    intent, action = started.record.intent, started.action
    try:
        named = calls.arguments(action, intent)
    except InvalidInput as unfit:
        raise _not_sent(code=unfit.code, sentence=unfit.sentence) from None
    call = ToolCall(
        server=started.server,
        tool=action.tool.tool,
        arguments=named,
        idempotency_key=started.attempt.idempotency_key,
        deadline_ms=calls.deadline_ms(started.server),
        manners=action.manners,
        schema_digest=await pin_for_call(context, started.settings, action),
        check=partial(check_fits, action, alone=started.record.auto_executed),
    )
    await _cleared(context, started, sent, call.deadline_ms)
    cleared = partial(_cleared, context, started, sent, 0)
    return keep(await context.tools.call(intent.tenant_id, call, cleared))


async def _cleared(context: Context, started: Started, sent: Sent, needs_ms: int) -> None:
    """A look before something is sent: no stop switch, nothing else that refuses it by now, a lease
    that lasts for `needs_ms` more, and a key that is still known if the call may have been `sent`
    before.

    The last look, after every wait for the tool server, needs nothing more. It also asks whether
    the agent still has a credential.
    """
    intent = started.record.intent
    ended = not needs_ms and await context.store.api_key_ended(intent.tenant_id, intent.proposed_by)
    # After the key: a switch that is thrown while the key is read must not be passed.
    settings = await context.settings(intent.tenant_id)
    switch = stop.strictest(settings.stop_switches, intent, started.action)
    if switch is not None:
        sentence = f"The stop switch for {switch} was turned on before the call was sent."
        raise _not_sent(code="STOP_SWITCH_ON", sentence=sentence)
    if ended:
        sentence = f"No API key of {intent.proposed_by} is valid any more."
        raise _refused(AGENT_KEY_ENDED, sentence, sent)
    # By both clocks: the monotonic one may stand still while the machine sleeps, the other may be
    # set.
    monotonic, now = context.clock.monotonic_ms(), context.clock.now_ms()
    if refused := revalidation.refused_at_send(started.record, settings, now):
        raise _refused(*refused, sent)
    needs_ms += calls.LEASE_MARGIN_MS
    if monotonic + needs_ms > started.lease_ends_ms or now + needs_ms > started.attempt.lease_until:
        raise _not_sent(
            LEASE_TOO_SHORT, "The lease would end before the call's deadline, so nothing was sent."
        )
    began, maybe_sent = started.first_started_at, sent is not Sent.NOT_SENT
    if maybe_sent and calls.key_is_forgotten(started.action, began, now):
        raise _not_sent(KEY_TOO_OLD, f"The call was not repeated. {_FORGOTTEN}")


def _refused(code: str, why: str, sent: Sent) -> ToolCallFailed:
    """What was approved may not be done any more; an earlier try may have done it."""
    rest = "The call was not sent." if sent is Sent.NOT_SENT else "The call was not repeated."
    return _not_sent(code, f"{why} {rest}")


def _not_sent(code: str, sentence: str) -> ToolCallFailed:
    return ToolCallFailed(CallError(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code=code))


def _lease_allows(context: Context, started: Started, wait_ms: int) -> bool:
    """True if a call that is sent after `wait_ms` is over, by its deadline, before the lease is."""
    ends = (
        context.clock.monotonic_ms()
        + wait_ms
        + calls.deadline_ms(started.server)
        + calls.LEASE_MARGIN_MS
    )
    return ends <= started.lease_ends_ms


# The execution-recorder


async def record(
    context: Context, started: Started, outcome: Outcome, *, tries: int
) -> IntentRecord | None:
    """Writes the outcome once, with the source of the approval.

    None if another attempt has the intent by now.

    An answer that is known must not be lost to a store that cannot commit for a while: it is tried
    until the lease is over.
    """
    while True:
        try:
            return await record_once(context, started, outcome, tries=tries)
        except Unavailable:
            if context.clock.monotonic_ms() >= started.lease_ends_ms:
                raise
            await asyncio.sleep(RECORD_AGAIN_SECONDS)


async def record_once(
    context: Context, started: Started, outcome: Outcome, *, tries: int
) -> IntentRecord | None:
    """As `record`, without its patience: for callers that are called again after Unavailable."""
    intent = started.record.intent
    actor = system(intent.tenant_id)
    current = started.record
    for _ in range(DECISIONS_MAX):
        now = context.clock.now_ms()
        try:
            change = steps.record_outcome(
                current, started.attempt.number, outcome, tries=tries, actor=actor, now=now
            )
        except Conflict as fenced:
            _log.warning(
                "outcome refused", code=fenced.code, action_intent_id=intent.action_intent_id
            )
            return None
        answer = await context.store.advance(change)
        if isinstance(answer, Applied):
            return answer.record
        current = await context.record(intent.tenant_id, intent.action_intent_id)
    return None
