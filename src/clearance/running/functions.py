"""The functions of the profile `aws`, as Lambda calls them: thin, each a door or a step over the
same flow as everywhere.

Lambda keeps the objects of a cold start (the store, the clients, the secrets of tool servers) while
the environment is warm. It gives an environment one invocation at a time, and stops its clock in
between. So an invocation leaves nothing to happen afterwards: it publishes the intents that it
approved before it answers, and it ends each session that it opened with a tool server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import structlog

from clearance.clock import SystemClock
from clearance.core.canonical import Json
from clearance.core.errors import InvalidInput, Refusal, TooMany, Unavailable
from clearance.core.moment import SECOND_MS
from clearance.core.principal import Principal
from clearance.engines import step_functions
from clearance.flow.context import Context
from clearance.flow.ports.marks import Marks
from clearance.flow.ports.store import Store
from clearance.flow.requests import Proposal
from clearance.flow.sweep import STEP_MAX, Sweeper
from clearance.profiles import aws
from clearance.profiles.environment import Environment
from clearance.profiles.parts import NoTools, Parts
from clearance.running.logs import configure_logs
from clearance.running.metrics.cloudwatch import LogMeter
from clearance.running.metrics.families import STOP_SWITCHES
from clearance.running.metrics.installation import AWAY, Watch
from clearance.running.metrics.measured import MeasuredStore, MeasuredTools, count_refused

# What only some functions need is imported at their own cold start: every import is a part of how
# long it takes.
if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from clearance.engines.eventbridge import Bus
    from clearance.tools.mcp import McpTools

STREAM_SECONDS = (
    1.0  # an answer arrives when it is over: a stream has what there is, and its client comes again
)
SWEEP_STEPS_MAX = 25  # of one invocation
SWEEP_MARGIN_MS = 10_000  # of an invocation's time, before which no further step begins
SWEEPER = "sweeper"
TOTALS_MS = 5 * 60 * SECOND_MS  # between two looks at all that the table has
TOTALS_SECONDS_MAX = 8.0  # of one such look

Handler: TypeAlias = Callable[[Json, Any], Awaitable[Json]]
Opening: TypeAlias = Callable[[contextlib.AsyncExitStack], Awaitable[Handler]]

_log = structlog.get_logger(__name__)
_meter = LogMeter()  # of this process, which has one invocation at a time


class Unexpected(Exception):
    """Something went wrong that has no name here.

    The message says of which kind, and nothing that an error might quote.
    """


class Refused(Exception):
    """A proposal that came by event was refused, and no caller waits for an answer: the event goes
    where its failures go.
    """


class Function:
    """One warm environment of a function: what its cold start made, on an event loop of its own.

    One invocation at a time.
    """

    def __init__(self, name: str, opening: Opening) -> None:
        self.name = name
        self.opening = opening
        self._runner = asyncio.Runner()
        self._ends = contextlib.AsyncExitStack()
        self._handler: Handler | None = None
        self._table = ""

    def __call__(self, event: Json, context: Any) -> Json:
        """One invocation.

        Raises what the caller is to know by the name of its class, with a message that may be
        shown.
        """
        return self._runner.run(self._invoked(event, context))

    def close(self) -> None:
        """Ends the environment. Lambda never asks; tests do."""
        if self._handler is not None:
            self._runner.run(self._ends.aclose())
            self._handler = None
        self._runner.close()

    async def _invoked(self, event: Json, context: Any) -> Json:
        request_id = getattr(context, "aws_request_id", None)
        with (
            structlog.contextvars.bound_contextvars(function=self.name, request_id=request_id),
            self._measuring(),
        ):
            try:
                if self._handler is None:
                    self._handler = await self._cold_start()
                return await self._handler(event, context)
            except (step_functions.NothingToStart, step_functions.CallAgain, Refused):
                raise  # an answer, in the form that Step Functions and EventBridge read
            except Refusal as refusal:
                _log.warning("refused", code=refusal.code, kind=type(refusal).__name__)
                raise
            except Exception as error:
                place = _place_of(error)
                _log.exception("failed", kind=type(error).__name__, at=place, exc_info=False)
                sentence = f"{type(error).__name__} at {place}"
                raise Unexpected(sentence) from None

    @contextlib.contextmanager
    def _measuring(self) -> Iterator[None]:
        """Writes what the invocation measured to the log when it is over, however it ended."""
        try:
            yield
        finally:
            for line in _meter.lines(self._table, SystemClock().now_ms()):
                sys.stdout.write(f"{line}\n")

    async def _cold_start(self) -> Handler:
        """Made whole or not at all: the next invocation tries again after a failure."""
        environment = Environment()
        configure_logs(environment.log_level, repeats=True)
        self._table = environment.table or ""
        async with contextlib.AsyncExitStack() as ends:
            handler = await self.opening(ends)
            self._ends = ends.pop_all()
        return handler


def _place_of(error: Exception) -> str:
    """The file and line that raised, without what it says."""
    at = error.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    return f"{at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at else "nowhere"


def _wrapped(store: Store) -> Store:
    return MeasuredStore(store, _meter)


async def _with_bus(ends: contextlib.AsyncExitStack) -> tuple[Parts, Bus]:
    """The parts of a function that may approve, and the outbox
    that it flushes before it answers.
    """
    bus = await aws.bus()
    opening = aws.aws(aws.table(), NoTools(), engine=bus, wrapped=_wrapped)
    parts = await ends.enter_async_context(opening)
    parts.context.refusals.heard = partial(count_refused, _meter)
    return parts, bus


async def _step(ends: contextlib.AsyncExitStack) -> tuple[Context, Marks]:
    """The context of a function that approves nothing."""
    return await ends.enter_async_context(aws.step(aws.table(), wrapped=_wrapped))


# The gate


async def open_gate(ends: contextlib.AsyncExitStack) -> Handler:
    """Decides on an ActionIntent that comes as an event of EventBridge, or in an invocation of one
    of the gate's aliases.
    """
    sources = aws.sources()
    parts, bus = await _with_bus(ends)

    async def handle(event: Json, context: Any) -> Json:
        alias, event = _alias(context), event if isinstance(event, Mapping) else {}
        try:
            caller = sources.principal(_source(event, alias))
            return await _propose(parts, caller, event, getattr(context, "aws_request_id", None))
        except Unavailable:
            raise  # its sender may send it again
        except Refusal as refusal:
            _log.warning("proposal refused", code=refusal.code, source=_text(event, "source"))
            if alias is None and isinstance(refusal, TooMany) and refusal.retry_after_seconds:
                raise  # the invocation comes again, later
            if alias is None:
                sentence = f"{refusal.code}: {refusal.sentence}"
                raise Refused(sentence) from None
            problems = [
                {"path": list(problem.path), "sentence": problem.sentence}
                for problem in refusal.problems
            ]
            return {
                "refused": {
                    "code": refusal.code,
                    "sentence": refusal.sentence,
                    "problems": problems,
                }
            }
        finally:
            await bus.flush(parts.context)

    return handle


def _alias(context: Any) -> str | None:
    """The alias that was invoked, as Lambda names it; the invoker cannot set it.

    None for the function itself, or a version of it.
    """
    _, *qualifier = (
        str(getattr(context, "invoked_function_arn", "")).partition(":function:")[2].split(":")
    )
    return next(
        (name for name in qualifier if not name.startswith("$") and not name.isdigit()), None
    )


def _source(event: Mapping[str, Json], alias: str | None) -> Json:
    """The principal of an invocation.

    The function itself is EventBridge's to invoke, whose events have a source that was granted to
    their publisher.

    Any other caller invokes through an alias, since a grant names who may invoke which alias.
    """
    if alias is None:
        return event.get("source") if "detail-type" in event else None
    source = event.get("source")
    return alias if source is None or source == alias else None


async def _propose(
    parts: Parts, caller: Principal, event: Mapping[str, Json], request_id: str | None
) -> Json:
    """The gate's answer, as the REST API gives it.

    An intent without an id has its event's, which comes with each repeat.
    """
    from clearance.api import resources, wire  # noqa: PLC0415
    from clearance.api.proposals import proposal_of  # noqa: PLC0415
    from clearance.doors.strict_json import fitted, parse  # noqa: PLC0415

    async def read() -> Proposal:
        # As strictly as the REST API reads: an event has passed other readers before it comes here.
        try:
            detail = json.dumps(event.get("detail")).encode()
        except (RecursionError, ValueError):
            sentence = "The detail nests too deep, or has too long a number."
            raise InvalidInput(sentence, code="INVALID_JSON") from None
        proposal = proposal_of(fitted(parse(detail), wire.ProposalBody), caller)
        if proposal.action_intent_id is not None:
            return proposal
        return replace(proposal, action_intent_id=_text(event, "id") or request_id)

    proposed = await parts.control.propose(caller, read)
    return {
        "created": proposed.created,
        "intent": resources.intent(proposed).model_dump(by_alias=True, mode="json"),
    }


def _text(event: Mapping[str, Json], name: str) -> str | None:
    value = event.get(name)
    return value if isinstance(value, str) else None


# The API


async def open_api(ends: contextlib.AsyncExitStack) -> Handler:
    """The REST API and the pages behind an HTTP API of API Gateway."""
    from mangum import Mangum  # noqa: PLC0415
    from mangum.protocols import HTTPCycle  # noqa: PLC0415

    from clearance.api.app import create_app, shorten_streams  # noqa: PLC0415
    from clearance.doors.path_prefix import checked_prefix, put_below  # noqa: PLC0415
    from clearance.web.routes import mount  # noqa: PLC0415

    parts, bus = await _with_bus(ends)
    # No `/metrics`: anybody could ask for it, and counters of one environment say nothing.
    app = create_app(parts.control, parts.access)
    put_below(app, checked_prefix(Environment().path_prefix))
    mount(app, parts.control, parts.access)
    shorten_streams(app, STREAM_SECONDS)
    adapter = Mangum(
        app,
        lifespan="off",
        text_mime_types=["text/", "application/json", "application/problem+json"],
    )

    async def flushed(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        finally:
            await bus.flush(parts.context)

    async def handle(event: Json, context: Any) -> Json:
        parts.access.doubt()
        request = adapter.infer(
            {**event, "headers": _at_the_door(event.get("headers") or {})}, context
        )
        cycle = HTTPCycle(request.scope, request.body)
        await cycle.run(flushed)
        return request({"status": cycle.status, "headers": cycle.headers, "body": cycle.body})

    return handle


def _at_the_door(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a request, in which what API Gateway is, and not what a client says of a
    proxy, says how it came.
    """
    kept = {
        name: value
        for name, value in headers.items()
        if not name.lower().startswith("x-forwarded-")
    }
    return {**kept, "x-forwarded-proto": "https", "x-forwarded-port": "443"}


# The execution


async def open_launcher(ends: contextlib.AsyncExitStack) -> Handler:
    """Starts executions for a batch of ACTION_APPROVED from the queue; what failed comes again,
    alone.
    """
    (context, _), machine = await _step(ends), await aws.machine()

    async def handle(event: Json, _: Any) -> Json:
        failures = []
        for message in event["Records"]:
            try:
                detail = json.loads(message["body"])["detail"]
                await machine.launch(context, detail["tenant_id"], detail["action_intent_id"])
            except Exception as error:
                code = error.code if isinstance(error, Refusal) else type(error).__name__
                _log.warning("not launched", code=code, message_id=message.get("messageId"))
                failures.append({"itemIdentifier": message["messageId"]})
        return {"batchItemFailures": failures}

    return handle


async def open_starter(ends: contextlib.AsyncExitStack) -> Handler:
    """The execution-starter."""
    context, marks = await _step(ends)

    async def handle(event: Json, _: Any) -> Json:
        return await step_functions.start(context, marks, event)

    return handle


async def open_invoker(ends: contextlib.AsyncExitStack) -> Handler:
    """The tool-invoker: the only function that reads the secrets of tool servers."""
    from clearance.tools.mcp import McpTools  # noqa: PLC0415

    context, marks = await _step(ends)
    secrets = await aws.secrets()

    async def handle(event: Json, _: Any) -> Json:
        tools = McpTools(secrets, programs=False)
        measured = replace(context, tools=MeasuredTools(tools, _meter))
        try:
            return await step_functions.invoke(measured, marks, event)
        finally:
            await _closed(tools)

    return handle


async def _closed(tools: McpTools) -> None:
    """Ends the sessions.

    An answer that is there must not be lost to a server that does not say goodbye.
    """
    try:
        await tools.close()
    except Exception as error:
        _log.warning("tool servers not left", kind=type(error).__name__)


async def open_recorder(ends: contextlib.AsyncExitStack) -> Handler:
    """The execution-recorder."""
    context, marks = await _step(ends)

    async def handle(event: Json, _: Any) -> Json:
        return await step_functions.record(context, marks, event)

    return handle


async def open_aborted(ends: contextlib.AsyncExitStack) -> Handler:
    """Hears of executions that failed, timed out or were aborted."""
    context, marks = await _step(ends)

    async def handle(event: Json, _: Any) -> Json:
        return await step_functions.ended(context, marks, event["detail"])

    return handle


# The sweep


async def open_sweeper(ends: contextlib.AsyncExitStack) -> Handler:
    """Finds intents that no worker has, on a schedule: expires them, or publishes them again for
    the launcher.
    """
    parts, bus = await _with_bus(ends)
    steps = Sweeper(parts.context, SWEEPER, alone=False)
    watch, looked_at = Watch(parts.context), 0

    async def handle(_: Json, context: Any) -> Json:
        nonlocal looked_at
        expired = published = 0
        for _step in range(SWEEP_STEPS_MAX):
            try:
                swept = await steps.find()
                for due in swept.dead:  # an execution takes it up, as it does a new approval
                    bus.hint(due)
            finally:
                published += await bus.flush(parts.context)
            expired += swept.expired
            if max(swept.hinted, swept.expired, len(swept.dead)) < STEP_MAX or not _time_left(
                context
            ):
                break
        now = parts.context.clock.now_ms()
        if now - looked_at >= TOTALS_MS and _time_left(context):
            looked_at = now
            await _look(watch)
        return {"expired": expired, "published": published}

    return handle


async def _look(watch: Watch) -> None:
    """Measures the whole table. What cannot be read now is not worth a sweep that fails."""
    try:
        async with asyncio.timeout(TOTALS_SECONDS_MAX):
            samples = await watch.look()
    except (Refusal, TimeoutError) as error:
        _log.warning("totals not read", kind=type(error).__name__)
        samples = AWAY
    # Each set of dimensions costs, so only switches that are on are counted.
    _meter.looked_at(sample for sample in samples if sample.value or sample.name != STOP_SWITCHES)


def _time_left(context: Any) -> bool:
    remaining = getattr(context, "get_remaining_time_in_millis", None)
    return remaining is None or remaining() > SWEEP_MARGIN_MS


gate = Function("gate", open_gate)
api = Function("api", open_api)
launcher = Function("launcher", open_launcher)
starter = Function("starter", open_starter)
invoker = Function("invoker", open_invoker)
recorder = Function("recorder", open_recorder)
sweeper = Function("sweeper", open_sweeper)
aborted = Function("aborted", open_aborted)
