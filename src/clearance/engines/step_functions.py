"""The engine on Step Functions: an execution of the state machine for each attempt, whose states
are the steps of the flow.

`execution.asl.json` is the machine: Start, Invoke, Record; and Pause, before a call is repeated.
The data that goes from one state to the next names the attempt and how it ended; each step reads
the attempt itself, and what its tries sent. An execution's name only saves work: two events about
the same state of an intent give the same name. The claim in the store keeps an intent from running
twice (decision record 0016).
"""

from __future__ import annotations

import asyncio
import json
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
from pydantic import TypeAdapter, ValidationError

from clearance.core import call as calls
from clearance.core import steps
from clearance.core.canonical import INTEGER_MAX, Json, canonical
from clearance.core.errors import Conflict, Refusal, Unavailable
from clearance.core.outcome import CallError, ErrorClass, Outcome, Sent
from clearance.core.principal import system
from clearance.core.record import IntentRecord, IntentStatus
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.execute import ClosedAttempt, Started, Tried
from clearance.flow.ports.marks import Marks
from clearance.flow.ports.transitions import Applied
from clearance.flow.tries import Tries

DEFINITION = Path(__file__).with_name("execution.asl.json")
"""The state machine, in Amazon States Language with JSONPath.

Three ARNs of functions are left to be filled in.
"""

PAUSE_MS = 1_000  # of the state Pause
LOOKS_MAX = 5  # at an intent that moves on while its execution ends
NAME_PREFIX = "exec-"
NAME_HASH_CHARACTERS = (
    10  # of 5 bits: with an id of 64 characters, a name has the 80 that it may have
)
ALREADY_EXISTS = "ExecutionAlreadyExists"
RUNNING = "RUNNING"
ABORTED = "ABORTED"
REPEATED = frozenset({"Lambda.TooManyRequestsException", "Unavailable"})
"""The errors of the state Invoke after which the machine repeats the invocation by itself.

Its mark says what it may send.
"""

OUTCOME_BYTES_MAX = 256 * 1024  # of an outcome as JSON: the size that fits between two states

_OUTCOME: TypeAdapter[Outcome] = TypeAdapter(Outcome)
_log = structlog.get_logger(__name__)


class NothingToStart(Exception):
    """The intent is held, closed, done, or under another worker; the execution ends well."""


class CallAgain(Exception):
    """A try did not succeed and may be repeated.

    Its mark holds what it sent; the message is for readers of the history.
    """

    def __init__(self, tried: Tried) -> None:
        super().__init__(f"Try {tried.tries} of {calls.TRIES_MAX} did not succeed.")


class RateLimited(CallAgain):
    """The tool server asked for fewer calls."""


class DownstreamFailed(CallAgain):
    """The tool server failed, or could not be reached."""


class TimedOut(CallAgain):
    """No answer came within the deadline."""


AGAIN: Mapping[ErrorClass, type[CallAgain]] = {
    ErrorClass.RATE_LIMIT: RateLimited,
    ErrorClass.DOWNSTREAM: DownstreamFailed,
    ErrorClass.TIMEOUT: TimedOut,
}
"""The error that the state machine catches by name, for each transient class of errors."""


# The launcher


class Machine:
    """Where executions are started.

    `client` is boto3's for Step Functions, `arn` the state machine's.
    """

    def __init__(self, arn: str, client: Any) -> None:
        self._arn = arn
        self._client = client

    async def launch(self, context: Context, tenant_id: str, action_intent_id: str) -> str | None:
        """Starts an execution for an intent, or finds it running; its name.

        None if the intent should not be taken up now.

        Unavailable if Step Functions does not answer: then the same event may come again.
        """
        record = await execute.due(context, tenant_id, action_intent_id)
        if record is None:
            return None
        name = execution_name(record)
        if await self._start(name, record):
            return name
        status = await self._status(name)
        if status == RUNNING:
            return None
        if status == ABORTED and record.status is IntentStatus.APPROVED:
            _log.warning(
                "not launched", code="EXECUTION_ABORTED", action_intent_id=action_intent_id
            )
            # A person ended it before it began; the function `aborted` cancels the intent as soon
            # as it hears of it
            return None
        # It ended without having done its work: the intent was held when it looked, or it broke.
        # Its name is taken for 90 days.
        record = await execute.due(context, tenant_id, action_intent_id)
        if record is None:
            return None
        name = execution_name(record, again=context.clock.new_id())
        return name if await self._start(name, record) else None

    async def _start(self, name: str, record: IntentRecord) -> bool:
        """False if an execution of this name has ended, or is another one.

        One that runs with the same input is the answer.
        """
        intent = record.intent
        body = {
            "tenant_id": intent.tenant_id,
            "action_intent_id": intent.action_intent_id,
            "revision": record.revision,
        }
        try:
            await self._ask(
                "start_execution", stateMachineArn=self._arn, name=name, input=json.dumps(body)
            )
        except _AlreadyExists:
            return False
        return True

    async def _status(self, name: str) -> str:
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        return str((await self._ask("describe_execution", executionArn=arn))["status"])

    async def _ask(self, call: str, **request: str) -> Mapping[str, Any]:
        try:
            answer: Mapping[str, Any] = await asyncio.to_thread(
                getattr(self._client, call), **request
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            if code == ALREADY_EXISTS:
                raise _AlreadyExists from None
            raise _away(code) from None
        except BotoCoreError as error:
            raise _away(type(error).__name__) from None
        return answer


class _AlreadyExists(Exception):
    """The name is taken."""


def execution_name(record: IntentRecord, *, again: str = "") -> str:
    """At most 80 characters of A-Za-z0-9_-. Its end differs between tenants, and between the states
    of an intent.
    """
    intent = record.intent
    text = canonical([intent.tenant_id, intent.action_intent_id, record.revision, again])
    hashed = (
        b32encode(blake2b(text, digest_size=10).digest()).decode().lower()[:NAME_HASH_CHARACTERS]
    )
    return f"{NAME_PREFIX}{intent.action_intent_id}-{hashed}"


def _away(reason: str) -> Unavailable:
    return Unavailable(
        f"Step Functions does not answer as it should ({reason}).", code="STEP_FUNCTIONS_AWAY"
    )


# The states


async def start(context: Context, marks: Marks, event: Mapping[str, Json]) -> dict[str, Json]:
    """The state Start: claims an attempt under the execution's name. Raises NothingToStart."""
    tenant_id, action_intent_id, worker = (
        event["tenant_id"],
        event["action_intent_id"],
        event["execution"],
    )
    number = await _claimed(context, marks, tenant_id, action_intent_id, worker)
    if number is None:
        sentence = f"There is nothing to start for {action_intent_id} now."
        raise NothingToStart(sentence)
    return _handle(tenant_id, action_intent_id, number)


async def _claimed(
    context: Context, marks: Marks, tenant_id: str, action_intent_id: str, worker: str
) -> int | None:
    """The number of the attempt that this execution has now: claimed just now, or before an answer
    that was lost.
    """
    started = await execute.start(context, tenant_id, action_intent_id, worker)
    if started is None:
        record = await context.store.intent(tenant_id, action_intent_id)
        if record is None or record.status is not IntentStatus.RUNNING or record.attempt is None:
            return None
        if record.attempt.worker == worker:
            return record.attempt.number
        if context.clock.now_ms() < record.attempt.lease_until:
            return None
        try:
            tried = await _closed(context, marks, record)
        except Conflict:  # it is another worker's by now
            return None
        left = ClosedAttempt(record.attempt.number, tried.sent)
        started = await execute.restart(context, tenant_id, action_intent_id, worker, left=left)
    return None if started is None else started.attempt.number


async def _closed(context: Context, marks: Marks, record: IntentRecord) -> Tried:
    """The known facts about an attempt whose execution reported nothing; from now on it sends
    nothing.
    """
    intent, number = record.intent, record.attempt.number if record.attempt else 0
    started = await execute.resume(context, intent.tenant_id, intent.action_intent_id, number)
    return await (await Tries.of(context, marks, started)).close()


def _handle(tenant_id: str, action_intent_id: str, number: int) -> dict[str, Json]:
    return {"tenant_id": tenant_id, "action_intent_id": action_intent_id, "attempt": number}


async def invoke(context: Context, marks: Marks, event: Mapping[str, Json]) -> dict[str, Json]:
    """The state Invoke: one call of the tool.

    Raises a CallAgain for what may be repeated; everything else is an outcome.

    Conflict (`FENCED`, `ATTEMPT_CLOSED`, `LEASE_TOO_SHORT`) if the attempt is not the current one
    any more, if its end is recorded already, or if there is too little left of its lease: then
    nothing is sent, and Record leaves it to a further attempt.
    """
    started = await _resumed(context, event)
    tries = await Tries.of(context, marks, started)
    if tries.before.wait_ms > PAUSE_MS:
        await asyncio.sleep((tries.before.wait_ms - PAUSE_MS) / 1000)
        started = await _resumed(context, event)  # which also reads the settings anew
        tries = await Tries.of(context, marks, started)
    if tries.closed:
        sentence = (
            f"Attempt {started.attempt.number} of {started.record.intent.action_intent_id} is "
            f"closed."
        )
        raise Conflict(sentence, code="ATTEMPT_CLOSED")
    tried = await _tried(context, started, tries)
    if tried.outcome is None:
        await tries.over(tried)
        raise AGAIN[tried.error.error_class if tried.error else ErrorClass.DOWNSTREAM](tried)
    if tried.error and tried.error.code == execute.LEASE_TOO_SHORT and not tries.begun:
        sentence = (
            "This attempt came too late to its call; a further one is made once its lease is over."
        )
        raise Conflict(sentence, code=execute.LEASE_TOO_SHORT)
    outcome = await tries.settled(tried.outcome, tried)
    intent = started.record.intent
    handle = _handle(intent.tenant_id, intent.action_intent_id, started.attempt.number)
    return {**handle, "outcome": _OUTCOME.dump_python(outcome, mode="json"), "tries": tried.tries}


async def _tried(context: Context, started: Started, tries: Tries) -> Tried:
    if not execute.same_call(started):
        return _not_called(tries.before)
    return await execute.try_once(
        replace(context, tools=tries.announced(context.tools)), started, tries.before
    )


async def _resumed(context: Context, event: Mapping[str, Json]) -> Started:
    return await execute.resume(
        context, event["tenant_id"], event["action_intent_id"], event["attempt"]
    )


def _not_called(before: Tried) -> Tried:
    """The settings changed between claim and call, so that what was approved is not what would be
    called.
    """
    sentence = "The action's entry in the catalog, or its tool, changed before the call was sent."
    error = CallError(ErrorClass.VALIDATION, sentence, before.sent, code="DIGEST_MISMATCH")
    return Tried(before.tries, before.sent, calls.outcome_of(error), error)


async def record(context: Context, marks: Marks, event: Mapping[str, Json]) -> dict[str, Json]:
    """The state Record: writes the outcome, if there is one and the attempt is still the current
    one; what was written.
    """
    try:
        started = await _resumed(context, event)
    except Conflict as fenced:
        _log.warning(
            "outcome refused", code=fenced.code, action_intent_id=event["action_intent_id"]
        )
        return _recorded(event, None)
    answer = _answer_of(event)
    if answer is None:
        tried = await _closed(context, marks, started.record)
        if _continues(started, tried):
            _log.warning(
                "left to its lease", code="INVOKER_LOST", action_intent_id=event["action_intent_id"]
            )
            return _recorded(event, None)
        why = "The invoker ended before it said what was answered."
        answer = _ended_without_answer(tried, why, "INVOKER_LOST"), tried.tries
    outcome, tries = answer
    return _recorded(event, await execute.record_once(context, started, outcome, tries=tries))


def _recorded(event: Mapping[str, Json], written: IntentRecord | None) -> dict[str, Json]:
    answer: dict[str, Json] = {
        "action_intent_id": event["action_intent_id"],
        "recorded": written is not None,
    }
    if written is None:
        return answer
    source = written.approval_source
    return {
        **answer,
        "status": written.status.value,
        "approval_source": source.value if source else None,
        "auto_executed": written.auto_executed,
    }


def _answer_of(event: Mapping[str, Json]) -> tuple[Outcome, int] | None:
    """The outcome and the tries that the invoker said; None if it said none that can be read."""
    if "outcome" not in event:
        return None
    try:
        outcome, tries = _OUTCOME.validate_python(event["outcome"]), int(event["tries"])
        fits = len(canonical(event["outcome"])) <= OUTCOME_BYTES_MAX and 0 <= tries <= INTEGER_MAX
    except (
        Refusal,
        ValidationError,
        KeyError,
        TypeError,
        ValueError,
        OverflowError,
        RecursionError,
    ):
        return None
    return (outcome, tries) if fits else None


def _continues(started: Started, tried: Tried) -> bool:
    """True if what an execution left is for a further attempt, once the lease is over: nothing was
    sent, or it may be repeated.
    """
    action = started.settings.catalog.get(started.record.intent.action_type)
    return tried.sent is Sent.NOT_SENT or (action is not None and action.effect.repeatable)


def _ended_without_answer(tried: Tried, why: str, code: str) -> Outcome:
    """The outcome of tries whose last one said nothing, and
    after which nothing is sent any more.
    """
    maybe = tried.sent is Sent.MAYBE
    sentence = f"{why} The call may have happened and was not repeated." if maybe else why
    error_class = ErrorClass.UNKNOWN if maybe else ErrorClass.DOWNSTREAM
    return calls.outcome_of(CallError(error_class, sentence, tried.sent, code=code))


# The end of an execution that said nothing itself


async def ended(context: Context, marks: Marks, detail: Mapping[str, Json]) -> dict[str, Json]:
    """An execution failed, timed out or was aborted: if the attempt is its own and has no outcome,
    it has one now.

    `detail` is that of the event of Step Functions. What a further attempt may do is left to it,
    unless a person aborted this one.
    """
    given = _input(detail)
    if given is None:
        _log.warning("execution not known", code="INPUT_UNREADABLE", execution=detail.get("name"))
        return {"recorded": False}
    for _ in range(LOOKS_MAX):
        record = await context.store.intent(given["tenant_id"], given["action_intent_id"])
        if record is None:
            return _recorded(given, None)
        if (
            record.status is IntentStatus.APPROVED
            and _was_for(record, given)
            and detail.get("status") == ABORTED
        ):
            cancelled = await _cancel(context, record)
            if cancelled is None:
                continue  # it began meanwhile
            return _recorded(given, cancelled)
        if record.status is not IntentStatus.RUNNING or not _is_its_own(
            context, record, given, detail
        ):
            return _recorded(given, None)
        return _recorded(
            given, await _end(context, marks, record, aborted=detail.get("status") == ABORTED)
        )
    sentence = "The intent moves on; ask again."
    raise Unavailable(sentence)


def _was_for(record: IntentRecord, given: Mapping[str, Json]) -> bool:
    """True if the execution was started for the intent as it is now."""
    return bool(given["revision"] == record.revision)


def _is_its_own(
    context: Context, record: IntentRecord, given: Mapping[str, Json], detail: Mapping[str, Json]
) -> bool:
    """True if the attempt is the execution's; or a dead one, which a person aborted this execution
    before it had followed.
    """
    if record.attempt is None:
        return False
    dead = context.clock.now_ms() >= record.attempt.lease_until
    return record.attempt.worker == detail.get("name") or (
        dead and _was_for(record, given) and detail.get("status") == ABORTED
    )


async def _end(
    context: Context, marks: Marks, record: IntentRecord, *, aborted: bool
) -> IntentRecord | None:
    intent, number = record.intent, record.attempt.number if record.attempt else 0
    try:
        started = await execute.resume(context, intent.tenant_id, intent.action_intent_id, number)
        tried = await _closed(context, marks, record)
    except Conflict:  # its outcome was recorded meanwhile
        return None
    if not aborted and _continues(started, tried):
        return None
    why = "The execution was aborted." if aborted else "The execution ended without an outcome."
    outcome = _ended_without_answer(tried, why, "EXECUTION_ENDED")
    return await execute.record_once(context, started, outcome, tries=tried.tries)


async def _cancel(context: Context, record: IntentRecord) -> IntentRecord | None:
    """A person aborted the execution before it had claimed an attempt: they did not want the
    action.

    None if it moved on.
    """
    reason = context.reason("Its execution was aborted before it began.")
    now = context.clock.now_ms()
    actor = system(record.intent.tenant_id)
    change = steps.cancel(record, code="EXECUTION_ENDED", reason=reason, actor=actor, now=now)
    answer = await context.store.advance(change)
    return answer.record if isinstance(answer, Applied) else None


def _input(detail: Mapping[str, Json]) -> dict[str, Json] | None:
    """The input of the execution, as the launcher wrote it; a person who starts one by hand may
    leave the revision out.
    """
    try:
        given = json.loads(detail["input"])
        ids = {name: str(given[name]) for name in ("tenant_id", "action_intent_id")}
        return {**ids, "revision": given.get("revision")}
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        return None
