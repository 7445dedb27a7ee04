"""Execute: the one execution path, whoever approved. Starter, invoker and recorder, as plain functions that engines call.

The starter revalidates what was approved and claims the attempt, durably, before anything is sent. The invoker looks at the stop
switches once more and calls the tool, with a deadline and our idempotency key, only while its lease outlasts the call. The
recorder writes what the world answered, once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

import structlog

from clearance.core import call as calls
from clearance.core import execution, stop
from clearance.core.catalog import Action, ToolServer
from clearance.core.errors import Conflict
from clearance.core.execution import Revalidation, Verdict
from clearance.core.gate import Facts
from clearance.core.outcome import CallError, ErrorClass, Outcome, OutcomeStatus, Sent
from clearance.core.principal import system
from clearance.core.record import Attempt, Change, IntentRecord, IntentStatus
from clearance.core.settings import Settings
from clearance.flow.context import Context
from clearance.flow.observe import used_by_others
from clearance.flow.ports import Applied, ToolCall, ToolCallFailed
from clearance.flow.results import keep
from clearance.flow.submit import DECISIONS_MAX

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Started:
    """A claimed attempt: what to call, under which settings, and when on the monotonic clock its lease is over."""

    record: IntentRecord
    attempt: Attempt
    settings: Settings
    lease_ends_ms: int

    @property
    def action(self) -> Action:
        """The action of the catalog that is carried out."""
        return self.settings.catalog[self.record.intent.action_type]

    @property
    def server(self) -> ToolServer:
        """Where its tool is."""
        return self.settings.tool_servers[self.action.tool.server]


async def execute(context: Context, tenant_id: str, action_intent_id: str, worker: str) -> IntentRecord | None:
    """Starter, invoker, recorder. None if there was nothing to start: held, closed, done, or somebody else's."""
    started = await start(context, tenant_id, action_intent_id, worker)
    if started is None:
        return None
    outcome, tries = await invoke(context, started)
    return await record(context, started, outcome, tries=tries)


# The execution-starter


async def start(context: Context, tenant_id: str, action_intent_id: str, worker: str) -> Started | None:
    """Revalidates and claims. What may not run any more is cancelled, expired or asked again: never run quietly."""
    for _ in range(DECISIONS_MAX):
        record = await context.store.intent(tenant_id, action_intent_id)
        if record is None or record.status is not IntentStatus.APPROVED:
            return None
        settings = await context.settings(tenant_id)
        now = context.clock.now_ms()
        checked = execution.revalidate(record, await _facts(context, settings, record), now)
        if checked.verdict is Verdict.WAIT:
            return None
        monotonic = context.clock.monotonic_ms()
        change = _next(record, checked, settings, worker, now)
        answer = await context.store.advance(change)
        if isinstance(answer, Applied):
            return _started(answer.record, settings, monotonic, now)
    return None


async def restart(context: Context, tenant_id: str, action_intent_id: str, worker: str) -> Started | None:
    """Claims a further attempt of what a dead worker left. The caller knows that the lease is over."""
    record = await context.store.intent(tenant_id, action_intent_id)
    if record is None or record.status is not IntentStatus.RUNNING:
        return None
    settings = await context.settings(tenant_id)
    action = settings.catalog.get(record.intent.action_type)
    facts = await _facts(context, settings, record)
    now, monotonic = context.clock.now_ms(), context.clock.monotonic_ms()
    switch = stop.strictest(settings.stop_switches, record.intent, action)
    refused = switch is not None and switch.level is stop.StopLevel.REFUSE
    if refused or not execution.may_repeat(record, action, facts):
        await _leave_unknown(context, record, now)
        return None
    if switch is not None:
        return None
    same = Revalidation(Verdict.START, "REPEATED", "", record.decision, record.binding)
    actor = system(tenant_id)
    change = execution.start_attempt(record, same, settings, worker=worker, actor=actor, now=now)
    answer = await context.store.advance(change)
    return _started(answer.record, settings, monotonic, now) if isinstance(answer, Applied) else None


async def _facts(context: Context, settings: Settings, record: IntentRecord) -> Facts:
    """The settings, and where they changed since the decision, what others use of the day that the hold is on."""
    if record.hold is None or settings.version == record.decision.settings_version:
        return Facts(settings)
    return Facts(settings, await used_by_others(context, record, record.hold.day))


def _next(record: IntentRecord, checked: Revalidation, settings: Settings, worker: str, now: int) -> Change:
    actor = system(record.intent.tenant_id)
    match checked.verdict:
        case Verdict.START:
            return execution.start_attempt(record, checked, settings, worker=worker, actor=actor, now=now)
        case Verdict.REOPEN:
            return execution.reopen(record, checked, settings, actor=actor, now=now)
        case Verdict.EXPIRE:
            return execution.expire(record, actor=actor, now=now)
        case _:
            return execution.cancel(record, code=checked.code, reason=checked.sentence, actor=actor, now=now)


def _started(record: IntentRecord, settings: Settings, monotonic: int, now: int) -> Started | None:
    if record.status is not IntentStatus.RUNNING or record.attempt is None:
        return None
    return Started(record, record.attempt, settings, monotonic + record.attempt.lease_until - now)


async def _leave_unknown(context: Context, record: IntentRecord, now: int) -> None:
    """The worker died between claim and outcome, and the call may not be repeated: say so, and let a person look."""
    if record.attempt is None:
        return
    sentence = (
        "The worker stopped before the tool's answer was recorded; the call may have happened and was not repeated."
    )
    error = CallError(ErrorClass.UNKNOWN, sentence, Sent.MAYBE, code="WORKER_LOST")
    outcome = Outcome(OutcomeStatus.UNKNOWN, sentence, error=error)
    actor = system(record.intent.tenant_id)
    change = execution.record_outcome(record, record.attempt.number, outcome, tries=0, actor=actor, now=now)
    await context.store.advance(change)


# The tool-invoker


async def invoke(context: Context, started: Started) -> tuple[Outcome, int]:
    """Calls the tool, again where a transient error and the effect allow it; the outcome and the number of tries."""
    tries = 0
    maybe_sent = started.attempt.number > 1  # what a dead worker left may have been sent
    while True:
        tries += 1
        try:
            return await _call_once(context, started), tries
        except ToolCallFailed as failed:
            error = failed.error
        wait_ms = calls.retry_after_ms(error, started.action, tries)
        maybe_sent = maybe_sent or error.sent is Sent.MAYBE
        if wait_ms is None or not _lease_allows(context, started, wait_ms):
            # The last error says nothing of an earlier call that may have gone through.
            return calls.outcome_of(replace(error, sent=Sent.MAYBE) if maybe_sent else error), tries
        await asyncio.sleep(wait_ms / 1000)


async def _call_once(context: Context, started: Started) -> Outcome:
    intent, action = started.record.intent, started.action
    settings = await context.settings(intent.tenant_id)
    switch = stop.strictest(settings.stop_switches, intent, action)
    if switch is not None:
        raise _not_sent("STOP_SWITCH_ON", f"The stop switch for {switch} was turned on before the call was sent.")
    if not _lease_allows(context, started, 0):
        raise _not_sent("LEASE_TOO_SHORT", "The lease would end before the call's deadline, so nothing was sent.")
    try:
        named = calls.arguments(action, intent)
    except KeyError as missing:
        sentence = f"The catalog's arguments name {missing.args[0]}, which the intent does not have."
        raise _not_sent("ARGUMENT_MISSING", sentence) from None
    call = ToolCall(
        server=started.server,
        tool=action.tool.tool,
        arguments=named,
        idempotency_key=started.attempt.idempotency_key,
        deadline_ms=calls.deadline_ms(started.server),
        schema_digest=settings.tool_pins.get(str(action.tool)),
    )
    return keep(await context.tools.call(intent.tenant_id, call))


def _not_sent(code: str, sentence: str) -> ToolCallFailed:
    return ToolCallFailed(CallError(ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code=code))


def _lease_allows(context: Context, started: Started, wait_ms: int) -> bool:
    """True if a call that is sent after `wait_ms` is over, by its deadline, before the lease is."""
    ends = context.clock.monotonic_ms() + wait_ms + calls.deadline_ms(started.server) + calls.LEASE_MARGIN_MS
    return ends <= started.lease_ends_ms


# The execution-recorder


async def record(context: Context, started: Started, outcome: Outcome, *, tries: int) -> IntentRecord | None:
    """Writes the outcome once, with the source of the approval. None if another attempt has the intent by now."""
    intent = started.record.intent
    actor = system(intent.tenant_id)
    current = started.record
    for _ in range(DECISIONS_MAX):
        now = context.clock.now_ms()
        try:
            change = execution.record_outcome(
                current, started.attempt.number, outcome, tries=tries, actor=actor, now=now
            )
        except Conflict as fenced:
            _log.warning("outcome refused", code=fenced.code, action_intent_id=intent.action_intent_id)
            return None
        answer = await context.store.advance(change)
        if isinstance(answer, Applied):
            return answer.record
        current = await context.record(intent.tenant_id, intent.action_intent_id)
    return None
