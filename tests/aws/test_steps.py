"""The steps of an execution and the launcher before them, one by one: what goes from state to state, and what an error means."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from clearance.core.call import TRIES_MAX, lease_ms
from clearance.core.errors import Conflict, Unavailable
from clearance.core.outcome import CallError, ErrorClass, Outcome, OutcomeStatus, Sent
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.revalidation import UNSENT_ATTEMPTS_MAX
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.engines import step_functions
from clearance.engines.step_functions import CallAgain, Machine, NothingToStart, execution_name
from clearance.flow.ports import Cleared, ToolAnswer, ToolCall, ToolCallFailed
from clearance.flow.tries import Mark
from tests import sample
from tests.sample import AGENT, POLICY, TENANT, RecordingTools, mail, refund, task
from tests.world import World, opened

pytestmark = pytest.mark.anyio

HOLD = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "incident")
CRM = sample.document()["tool_servers"]["crm"]
NAME = "exec-t1-abcdefghij"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with opened(tmp_path / "store.sqlite3") as made:
        yield made


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state Pause is the machine's, and what is waited beyond it is looked at in the message."""

    async def at_once(seconds: float) -> None:
        slept.append(seconds)

    slept.clear()
    marks.kept.clear()
    marks.away = ""
    monkeypatch.setattr(asyncio, "sleep", at_once)


class MemoryMarks:
    """Marks in this process. `away`: the method that cannot be done now."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, int], Mark] = {}
        self.away = ""

    async def mark(self, *attempt: Any) -> Mark | None:
        if self.away == "mark":
            raise Unavailable("Not now.")
        return self.kept.get(attempt)

    async def swap(self, tenant_id: str, action_intent_id: str, attempt: int, seen: Mark | None, new: Mark) -> bool:
        if self.away == "swap":
            raise Unavailable("Not now.")
        key = (tenant_id, action_intent_id, attempt)
        await SLEEP(0)
        if self.kept.get(key) != seen:
            return False
        self.kept[key] = new
        return True


SLEEP = asyncio.sleep
slept: list[float] = []
marks = MemoryMarks()


def answers(tools: RecordingTools, *errors: CallError | None) -> None:
    """Lets each of the next calls meet an error, before it is sent if nothing was; what comes after them succeeds."""
    left = list(errors)

    async def call(tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        await cleared()
        error = left.pop(0) if left else None
        if error is None or error.sent is not Sent.NOT_SENT:
            tools.calls.append(call)
        if error is not None:
            raise ToolCallFailed(error)
        return ToolAnswer({"ok": True})

    tools.call = call  # type: ignore[method-assign]


def error(error_class: ErrorClass, sent: Sent, retry_after_ms: int | None = None) -> CallError:
    return CallError(error_class, "It did not work.", sent, retry_after_ms=retry_after_ms)


AWAY = error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)
SILENT = error(ErrorClass.TIMEOUT, Sent.MAYBE)
WRONG = error(ErrorClass.VALIDATION, Sent.NOT_SENT)


async def started(world: World, name: str = "t1", execution: str = NAME) -> dict[str, Any]:
    event = {"tenant_id": TENANT, "action_intent_id": name, "execution": execution}
    return await step_functions.start(world.context, marks, event)


def caught(raised: CallAgain) -> dict[str, str]:
    """What Step Functions makes of an error that was caught."""
    said = {"errorMessage": str(raised), "errorType": type(raised).__name__, "requestId": "r", "stackTrace": ["..."]}
    return {"Error": type(raised).__name__, "Cause": json.dumps(said)}


async def invoked(world: World, state: dict[str, Any]) -> dict[str, Any]:
    """The states Invoke and Pause, until Record comes; through JSON, as between functions."""
    while True:
        try:
            return dict(
                json.loads(json.dumps(await step_functions.invoke(world.context, marks, json.loads(json.dumps(state)))))
            )
        except CallAgain as again:
            state = {**state, "again": caught(again)}


async def recorded(world: World, state: dict[str, Any]) -> IntentRecord:
    await step_functions.record(world.context, marks, json.loads(json.dumps(state)))
    return await world.record(state["action_intent_id"])


# Start


async def test_the_attempt_is_claimed_under_the_name_of_its_execution(world: World) -> None:
    await world.propose(task("t1"))
    assert await started(world) == {"tenant_id": TENANT, "action_intent_id": "t1", "attempt": 1}
    attempt = (await world.record("t1")).attempt
    assert attempt is not None
    assert attempt.worker == NAME


async def test_an_execution_whose_answer_was_lost_gets_it_again_and_another_execution_gets_nothing(
    world: World,
) -> None:
    await world.propose(task("t1"))
    first = await started(world)
    revision = (await world.record("t1")).revision
    assert await started(world) == first
    with pytest.raises(NothingToStart):
        await started(world, execution="exec-t1-another")
    assert (await world.record("t1")).revision == revision


async def test_there_is_nothing_to_start_of_what_is_held_done_or_unknown(world: World) -> None:
    await world.propose(task("held"))
    await world.propose(task("done"))
    await world.run("done")
    await world.stop(HOLD)
    for name in ("held", "done", "never-heard-of"):
        with pytest.raises(NothingToStart):
            await started(world, name)
    assert (await world.record("held")).status is IntentStatus.APPROVED


async def test_a_lease_that_is_over_is_taken_up_as_a_further_attempt(world: World) -> None:
    await world.propose(task("t1"))
    await started(world)
    world.clock.forward(lease_ms(None))
    assert (await started(world, execution="exec-t1-later"))["attempt"] == 2


# Invoke and Record


async def test_a_call_and_its_outcome_go_through_the_states(world: World) -> None:
    await world.propose(task("t1"))
    state = await invoked(world, await started(world))
    assert (state["attempt"], state["tries"], state["outcome"]["status"]) == (1, 1, "SUCCEEDED")
    told = await step_functions.record(world.context, marks, state)
    assert told == {
        "action_intent_id": "t1",
        "recorded": True,
        "status": "SUCCEEDED",
        "approval_source": "POLICY",
        "auto_executed": True,
    }
    done = await world.record("t1")
    assert done.outcome is not None
    assert done.outcome.result == {"ok": True}
    again = await step_functions.record(world.context, marks, state)
    assert again == {"action_intent_id": "t1", "recorded": False}
    assert await world.record("t1") == done


async def test_a_server_that_is_never_reached_cancels_and_gives_the_budget_back(world: World) -> None:
    await world.propose(task("t1"))
    answers(world.tools, *[AWAY] * 5)
    state = await invoked(world, await started(world))
    done = await recorded(world, state)
    assert (done.status, state["tries"], world.tools.calls) == (IntentStatus.CANCELLED, TRIES_MAX, [])
    assert await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}


async def test_what_one_try_may_have_sent_the_next_one_does_not_forget(world: World) -> None:
    await world.propose(task("t1"))
    answers(world.tools, SILENT, WRONG)
    done = await recorded(world, await invoked(world, await started(world)))
    assert done.status is IntentStatus.UNKNOWN
    assert (await world.used())["actions"] == 1


async def test_a_mail_that_may_have_been_sent_is_not_sent_again(world: World) -> None:
    await world.propose(mail("m1"))
    answers(world.tools, SILENT)
    state = await invoked(world, await started(world, "m1"))
    assert (state["outcome"]["status"], state["tries"], len(world.tools.calls)) == ("UNKNOWN", 1, 1)


@pytest.mark.parametrize(
    ("error_class", "name"),
    [
        (ErrorClass.RATE_LIMIT, "RateLimited"),
        (ErrorClass.DOWNSTREAM, "DownstreamFailed"),
        (ErrorClass.TIMEOUT, "TimedOut"),
    ],
)
async def test_each_transient_class_is_raised_under_the_name_that_the_machine_catches(
    world: World, error_class: ErrorClass, name: str
) -> None:
    await world.propose(task("t1"))
    answers(world.tools, error(error_class, Sent.NOT_SENT))
    with pytest.raises(CallAgain) as raised:
        await step_functions.invoke(world.context, marks, await started(world))
    assert type(raised.value).__name__ == name
    assert name in json.dumps(machine()["States"]["Invoke"]["Catch"][0]["ErrorEquals"])


async def test_the_time_that_a_server_asks_for_is_waited_beyond_the_pause(world: World) -> None:
    await world.propose(task("t1"))
    answers(world.tools, error(ErrorClass.RATE_LIMIT, Sent.ANSWERED, retry_after_ms=3_000))
    await invoked(world, await started(world))
    assert slept == [0, 2.0]


async def test_what_a_state_says_of_tries_is_not_believed(world: World) -> None:
    await world.propose(mail("m1"))
    answers(world.tools, SILENT)
    state = await started(world, "m1")
    await invoked(world, state)
    said = json.dumps({"errorMessage": json.dumps({"tries": 0, "sent": "NOT_SENT", "wait_ms": 0})})
    for forged in ({"again": {"Error": "TimedOut", "Cause": said}}, {"again": "x"}, {"tries": 0}):
        assert (await invoked(world, {**state, **forged}))["outcome"]["status"] == "UNKNOWN"
    assert len(world.tools.calls) == 1


# An invocation that is repeated


@pytest.mark.parametrize("end", ["answered", "silent", "under way"])
async def test_a_repeated_invocation_does_not_send_again_what_may_be_sent_once(world: World, end: str) -> None:
    await world.propose(mail("m1"))
    state, release = await started(world, "m1"), asyncio.Event()

    async def behave(_: ToolCall) -> str:
        if end == "silent":
            raise ToolCallFailed(SILENT)
        await release.wait()
        return "sent"

    world.tools.behave = behave
    if end != "under way":
        release.set()
    first = asyncio.create_task(invoked(world, state))
    while not world.tools.calls:
        await SLEEP(0)
    if end != "under way":
        await first
    again = (await invoked(world, state))["outcome"]
    assert (again["status"], again["error"]["code"]) == ("UNKNOWN", "CALL_ALREADY_BEGUN")
    release.set()
    assert (await first)["outcome"]["status"] == ("UNKNOWN" if end == "silent" else "SUCCEEDED")
    assert len(world.tools.calls) == 1


async def test_of_invocations_at_once_one_sends_what_may_be_sent_once(world: World) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    said = await asyncio.gather(*(invoked(world, state) for _ in range(8)))
    assert sorted(one["outcome"]["status"] for one in said) == ["SUCCEEDED"] + ["UNKNOWN"] * 7
    assert len(world.tools.calls) == 1


async def test_a_repeated_invocation_may_send_again_with_the_same_key_what_may_be_repeated(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    assert [(await invoked(world, state))["outcome"]["status"] for _ in range(2)] == ["SUCCEEDED"] * 2
    assert set(world.tools.by_key().values()) == {2}


async def test_a_try_that_reached_nobody_is_repeated_whatever_the_effect(world: World) -> None:
    await world.propose(mail("m1"))
    answers(world.tools, AWAY)
    state = await invoked(world, await started(world, "m1"))
    assert (state["outcome"]["status"], state["tries"], len(world.tools.calls)) == ("SUCCEEDED", 2, 1)


async def test_nothing_is_sent_that_cannot_be_marked(world: World) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    for marks.away in ("swap", "mark"):
        with pytest.raises(Unavailable):
            await step_functions.invoke(world.context, marks, state)
    assert world.tools.calls == []
    marks.away = ""
    assert (await invoked(world, state))["outcome"]["status"] == "SUCCEEDED"


async def test_a_try_whose_end_cannot_be_marked_may_have_been_sent(world: World) -> None:
    await world.propose(task("t1"))
    await world.propose(mail("m1"))

    async def fails(call: ToolCall) -> str:
        if world.tools.by_key()[call.idempotency_key] > 1:
            return "done"
        marks.away = "swap"
        raise ToolCallFailed(replace(SILENT, sent=Sent.NOT_SENT))

    world.tools.behave = fails
    said = []
    for name in ("t1", "m1"):
        state = await started(world, name)
        with pytest.raises(Unavailable):
            await step_functions.invoke(world.context, marks, state)
        marks.away = ""
        said.append((await invoked(world, state))["outcome"]["status"])
    assert said == ["SUCCEEDED", "UNKNOWN"]
    assert sorted(world.tools.by_key().values()) == [1, 2]


async def test_a_try_that_reached_nobody_does_not_excuse_the_one_before_it(world: World) -> None:
    """The invocation whose answer was lost may have sent; one that comes after it, and reaches nobody, says nothing of that."""
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    answers(world.tools, None, AWAY, None)
    await step_functions.invoke(world.context, marks, state)
    for _ in range(2):
        outcome = (await step_functions.invoke(world.context, marks, state))["outcome"]
        assert (outcome["status"], outcome["error"]["sent"]) == ("UNKNOWN", "MAYBE")
    assert len(world.tools.calls) == 1


async def test_what_an_invocation_says_that_sent_nothing_is_not_said_of_another_one_that_did(world: World) -> None:
    await world.propose(mail("m1"))
    state, looked, go_on = await started(world, "m1"), asyncio.Event(), asyncio.Event()
    call, first = world.tools.call, True

    async def slowly(tenant_id: str, one: ToolCall, cleared: Cleared) -> ToolAnswer:
        nonlocal first
        if first:
            first = False
            looked.set()
            await go_on.wait()
            raise ToolCallFailed(WRONG)
        return await call(tenant_id, one, cleared)

    world.tools.call = slowly  # type: ignore[method-assign]
    slow = asyncio.create_task(step_functions.invoke(world.context, marks, state))
    await looked.wait()
    await step_functions.invoke(world.context, marks, state)
    go_on.set()
    outcome = (await slow)["outcome"]
    assert (outcome["status"], len(world.tools.calls)) == ("UNKNOWN", 1)


async def test_what_is_closed_stays_closed(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    await recorded(world, {**state, "failed": {"Error": "Lambda.Unknown"}})
    answers(world.tools, AWAY, None)
    for _ in range(2):
        with pytest.raises(Conflict, match="is closed"):
            await step_functions.invoke(world.context, marks, state)
    assert world.tools.calls == []


@pytest.mark.parametrize("name", ["t1", "m1"])
async def test_an_invocation_that_was_given_up_sends_nothing_afterwards(world: World, name: str) -> None:
    """Step Functions may give an invocation up that goes on: it answers late, or only its connection was lost."""
    await world.propose(task("t1"))
    await world.propose(mail("m1"))
    state, late, send = await started(world, name), asyncio.Event(), asyncio.Event()

    async def call(tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        late.set()
        await send.wait()
        await cleared()
        world.tools.calls.append(call)
        return ToolAnswer("sent")

    world.tools.call = call  # type: ignore[method-assign]
    straggler = asyncio.create_task(step_functions.invoke(world.context, marks, state))
    await late.wait()
    done = await recorded(world, {**state, "failed": {"Error": "Lambda.Unknown", "Cause": "..."}})
    assert done.status is IntentStatus.RUNNING
    send.set()
    with contextlib.suppress(CallAgain):
        await straggler
    assert world.tools.calls == []


async def test_what_is_no_longer_the_call_that_was_approved_is_not_sent(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    changed = sample.document()
    changed["catalog"]["CREATE_TASK"]["arguments"] = {"account": "somebody-else"}
    await world.configure(changed)
    state = await invoked(world, state)
    assert (state["outcome"]["status"], state["outcome"]["error"]["code"]) == ("CANCELLED", "DIGEST_MISMATCH")
    assert world.tools.calls == []
    assert (await recorded(world, state)).status is IntentStatus.CANCELLED


async def test_an_action_that_left_the_catalog_is_not_sent(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    changed = sample.document()
    del changed["catalog"]["CREATE_TASK"]
    changed["policy"] = "".join(part for part in POLICY.split("\n\n") if '"CREATE_TASK"' not in part)
    changed["autonomy"]["allowlist"].remove("CREATE_TASK")
    await world.configure(changed)
    assert (await invoked(world, state))["outcome"]["error"]["code"] == "DIGEST_MISMATCH"
    assert world.tools.calls == []


async def test_an_attempt_that_is_not_the_current_one_sends_nothing(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    world.clock.forward(lease_ms(None))
    await started(world, execution="exec-t1-later")
    with pytest.raises(Conflict, match="no longer the current one"):
        await step_functions.invoke(world.context, marks, state)
    assert world.tools.calls == []
    assert await step_functions.record(world.context, marks, {**state, "failed": {"Error": "Conflict"}}) == {
        "action_intent_id": "t1",
        "recorded": False,
    }


async def test_the_largest_answer_fits_between_two_states(world: World) -> None:
    await world.propose(task("t1"))

    async def large(_: ToolCall) -> str:
        return "\x01" * 100_000

    world.tools.behave = large
    state = await step_functions.invoke(world.context, marks, await started(world))
    assert len(json.dumps(state)) < 256 * 1024
    done = await recorded(world, state)
    assert done.outcome is not None
    assert done.outcome.result_truncated


async def test_every_kind_of_outcome_comes_out_as_it_went_in(world: World) -> None:
    del world
    outcomes = [
        Outcome(OutcomeStatus.SUCCEEDED, "Done.", {"a": [1, 2.5, None, "é"]}, 31),
        Outcome(OutcomeStatus.UNKNOWN, "Who knows.", error=replace(SILENT, retry_after_ms=5)),
    ]
    for outcome in outcomes:
        said = json.loads(json.dumps(step_functions._OUTCOME.dump_python(outcome, mode="json")))
        assert step_functions._OUTCOME.validate_python(said) == outcome


# What a failing of the invoker means

FAILURES = (
    *("Lambda.TooManyRequestsException", "Unavailable"),
    *("Lambda.Unknown", "Sandbox.Timedout", "Runtime.ExitError", "States.Timeout", "Unexpected", "None"),
)


async def continued(world: World, name: str) -> IntentRecord:
    """What becomes of an intent when its lease is over and another execution takes it up."""
    world.clock.forward(lease_ms(None))
    return await recorded(world, await invoked(world, await started(world, name, f"exec-{name}-later")))


@pytest.mark.parametrize("failed", [*({"Error": name, "Cause": "..."} for name in FAILURES), "text", [1], None, {}])
async def test_what_an_invoker_that_ended_left_unsent_is_for_a_further_attempt(world: World, failed: Any) -> None:
    for number, said in enumerate((task("t1"), mail("m1"))):
        await world.propose(said)
        name = said.action_intent_id or ""
        left = await recorded(world, {**await started(world, name), "failed": failed})
        assert (left.status, len(world.tools.calls)) == (IntentStatus.RUNNING, number)
        done = await continued(world, name)
        assert done.attempt is not None
        assert (done.status, done.attempt.number) == (IntentStatus.SUCCEEDED, 2)
    assert len(world.tools.calls) == 2


@pytest.mark.parametrize("failed", FAILURES)
async def test_what_an_invoker_that_ended_may_have_sent_is_unknown_or_for_a_further_attempt(
    world: World, failed: str
) -> None:
    for said in (task("t1"), mail("m1")):
        await world.propose(said)
    states = {name: await started(world, name) for name in ("t1", "m1")}
    done = {}
    for name, state in states.items():
        await invoked(world, state)  # and its answer was lost
        done[name] = await recorded(world, {**state, "failed": {"Error": failed, "Cause": "..."}})
    outcome = done["m1"].outcome
    assert outcome is not None
    assert outcome.error is not None
    assert (outcome.status, outcome.error.code, outcome.error.sent) == ("UNKNOWN", "INVOKER_LOST", Sent.MAYBE)
    assert done["t1"].status is IntentStatus.RUNNING
    assert (await continued(world, "t1")).status is IntentStatus.SUCCEEDED
    assert sorted(world.tools.by_key().values()) == [1, 2]


async def test_attempts_that_send_nothing_end_when_there_were_too_many(world: World) -> None:
    await world.propose(mail("m1"))
    for number in range(1, UNSENT_ATTEMPTS_MAX + 1):
        state = await started(world, "m1", f"exec-m1-{number}")
        assert state["attempt"] == number
        await recorded(world, {**state, "failed": {"Error": FAILURES[0]}})
        world.clock.forward(lease_ms(None))
    with pytest.raises(NothingToStart):
        await started(world, "m1", "exec-m1-last")
    done = await world.record("m1")
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.status, done.outcome.error.sent) == (IntentStatus.CANCELLED, Sent.NOT_SENT)
    assert (await world.used())["actions"] == 0


async def test_what_may_have_been_sent_by_one_attempt_is_not_unsent_for_the_next(world: World) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    await invoked(world, state)  # and the execution ends, before anything is recorded
    world.clock.forward(lease_ms(None))
    with pytest.raises(NothingToStart):
        await started(world, "m1", "exec-m1-later")
    assert ((await world.record("m1")).status, len(world.tools.calls)) == (IntentStatus.UNKNOWN, 1)


async def test_a_starter_that_comes_early_leaves_the_attempt_that_lives_alone(world: World) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    with pytest.raises(NothingToStart):
        await started(world, "m1", "exec-m1-early")
    assert (await recorded(world, await invoked(world, state))).status is IntentStatus.SUCCEEDED


async def test_an_invoker_that_was_throttled_after_a_try_that_may_have_sent_is_left_to_its_lease(world: World) -> None:
    await world.propose(task("t1"))
    answers(world.tools, SILENT)
    state = await started(world)
    with pytest.raises(CallAgain) as again:
        await step_functions.invoke(world.context, marks, state)
    failed = {"again": caught(again.value), "failed": {"Error": FAILURES[0], "Cause": "..."}}
    assert (await recorded(world, {**state, **failed})).status is IntentStatus.RUNNING


async def test_an_answer_of_the_invoker_that_cannot_be_read_is_not_taken_for_one(world: World) -> None:
    large = {"status": "SUCCEEDED", "sentence": "Done.", "result": "x" * step_functions.OUTCOME_BYTES_MAX}
    for number, outcome in enumerate(({"status": "FINE"}, large, "text", None)):
        await world.propose(mail(f"m{number}", account_id=f"account-{number}"))
        state = await started(world, f"m{number}")
        await invoked(world, state)
        done = await recorded(world, {**state, "outcome": outcome, "tries": 1})
        assert done.status is IntentStatus.UNKNOWN


# The end of an execution


def end(name: str = NAME, status: str = "FAILED", intent: str = "t1") -> dict[str, Any]:
    said = json.dumps({"tenant_id": TENANT, "action_intent_id": intent})
    return {"name": name, "status": status, "input": said, "executionArn": f"arn:aws:states:::execution:{name}"}


@pytest.mark.parametrize("status", ["FAILED", "TIMED_OUT", "ABORTED"])
async def test_an_end_without_an_outcome_is_recorded(world: World, status: str) -> None:
    await world.propose(task("t1"))
    await world.propose(mail("m1"))
    await world.propose(mail("unsent"))
    for name in ("t1", "m1"):
        await invoked(world, await started(world, name))
    await started(world, "unsent")
    names = ("t1", "m1", "unsent")
    for name in names:
        await step_functions.ended(world.context, marks, end(status=status, intent=name))
    left = IntentStatus.UNKNOWN if status == "ABORTED" else IntentStatus.RUNNING
    found = [(await world.record(name)).status for name in names]
    unsent = IntentStatus.CANCELLED if status == "ABORTED" else IntentStatus.RUNNING
    assert found == [left, IntentStatus.UNKNOWN, unsent]


async def test_an_execution_that_a_person_aborts_before_it_began_cancels_the_intent(world: World) -> None:
    await world.propose(mail("m1"))
    name = execution_name(await world.record("m1"))
    for ended, status in (("FAILED", IntentStatus.APPROVED), ("ABORTED", IntentStatus.CANCELLED)):
        await step_functions.ended(world.context, marks, end(name, ended, "m1"))
        assert (await world.record("m1")).status is status
    assert (await world.used())["actions"] == 0


async def test_the_end_of_another_execution_or_of_one_that_never_started_changes_nothing(world: World) -> None:
    await world.propose(mail("m1"))
    nothing = {"action_intent_id": "m1", "recorded": False}
    assert await step_functions.ended(world.context, marks, end(intent="m1")) == nothing
    await started(world, "m1")
    assert await step_functions.ended(world.context, marks, end("exec-m1-another", "ABORTED", "m1")) == nothing
    assert (await world.record("m1")).status is IntentStatus.RUNNING
    assert await step_functions.ended(world.context, marks, {**end(), "input": "not ours"}) == {"recorded": False}


# The launcher


class States:
    """Step Functions as far as the launcher asks it."""

    def __init__(self, **closed: str) -> None:
        self.executions = dict(closed)
        self.asked: list[str] = []
        self.fails: Exception | None = None

    def start_execution(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request["name"])
        if self.fails:
            raise self.fails
        if request["name"] in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        self.executions[request["name"]] = "RUNNING"
        assert json.loads(request["input"]).keys() == {"tenant_id", "action_intent_id"}
        return {}

    def describe_execution(self, **request: Any) -> dict[str, Any]:
        return {"status": self.executions[request["executionArn"].rpartition(":")[2]]}


ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:clearance"


async def test_an_event_starts_one_execution_and_its_repeat_none(world: World) -> None:
    await world.propose(task("t1"))
    states = States()
    name = await Machine(ARN, states).launch(world.context, TENANT, "t1")
    assert name == execution_name(await world.record("t1"))
    assert await Machine(ARN, states).launch(world.context, TENANT, "t1") is None
    assert states.executions == {name: "RUNNING"}


async def test_what_nobody_should_take_up_now_costs_no_execution(world: World) -> None:
    await world.propose(task("waits", confidence_score=0.5))
    await world.propose(task("running"))
    await started(world, "running")
    await world.propose(task("done"))
    await world.run("done")
    await world.propose(task("held"))
    await world.stop(HOLD)
    states = States()
    for name in ("waits", "running", "done", "held", "never-heard-of"):
        assert await Machine(ARN, states).launch(world.context, TENANT, name) is None
    assert states.asked == []


async def test_a_dead_lease_is_launched_unless_it_is_held(world: World) -> None:
    await world.propose(task("t1"))
    approved = execution_name(await world.record("t1"))
    await started(world)
    world.clock.forward(lease_ms(None))
    states = States(**{approved: "FAILED"})
    name = await Machine(ARN, states).launch(world.context, TENANT, "t1")
    assert name not in {None, approved}
    await world.stop(HOLD)
    assert await Machine(ARN, States()).launch(world.context, TENANT, "t1") is None


async def test_a_name_that_is_taken_by_a_closed_execution_is_not_in_the_way(world: World) -> None:
    await world.propose(task("t1"))
    taken = execution_name(await world.record("t1"))
    states = States(**{taken: "SUCCEEDED"})
    name = await Machine(ARN, states).launch(world.context, TENANT, "t1")
    assert name not in {None, taken}
    assert states.executions[str(name)] == "RUNNING"


async def test_an_execution_that_ended_well_meanwhile_is_not_followed_by_another(world: World) -> None:
    await world.propose(task("t1"))
    taken = execution_name(await world.record("t1"))

    class Meanwhile(States):
        def start_execution(self, **request: Any) -> dict[str, Any]:
            world.clock.forward(0)
            return super().start_execution(**request)

    states = Meanwhile(**{taken: "SUCCEEDED"})
    machine = Machine(ARN, states)
    status = machine._status

    async def ran(name: str) -> str:
        await world.run("t1")
        return await status(name)

    machine._status = ran  # type: ignore[method-assign]
    assert await machine.launch(world.context, TENANT, "t1") is None
    assert states.asked == [taken]


@pytest.mark.parametrize(
    "fails",
    [
        ClientError({"Error": {"Code": "ThrottlingException"}}, "StartExecution"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
async def test_a_launch_that_fails_says_so(world: World, fails: Exception) -> None:
    await world.propose(task("t1"))
    states = States()
    states.fails = fails
    with pytest.raises(Unavailable) as refused:
        await Machine(ARN, states).launch(world.context, TENANT, "t1")
    assert refused.value.code == "STEP_FUNCTIONS_AWAY"


async def test_a_name_differs_between_tenants_and_states_and_is_no_longer_than_it_may_be(world: World) -> None:
    await world.propose(task("x" * 64))
    await world.propose(refund("r1"))
    record = await world.record("x" * 64)
    other_tenant = replace(record, intent=replace(record.intent, tenant_id="contoso"))
    names = {
        execution_name(record),
        execution_name(other_tenant),
        execution_name(replace(record, revision=record.revision + 1)),
        execution_name(record, again="0123"),
    }
    assert len(names) == 4
    assert all(re.fullmatch(r"exec-[A-Za-z0-9_-]{1,75}", name) for name in names)
    assert execution_name(record) == execution_name(await world.record("x" * 64))
    assert execution_name(await world.record("r1")).startswith("exec-r1-")
    assert AGENT.tenant_id == TENANT


# The machine


def machine() -> dict[str, Any]:
    return dict(json.loads(step_functions.DEFINITION.read_text(encoding="utf-8")))


def test_every_state_of_the_machine_is_reached_and_leads_somewhere() -> None:
    states = machine()["States"]
    leads = {
        name: {state.get("Next")} | {catch["Next"] for catch in state.get("Catch", ())}
        for name, state in states.items()
    }
    reached, left = set(), [machine()["StartAt"]]
    while left:
        name = left.pop()
        reached.add(name)
        left += [one for one in leads[name] - reached if one]
    assert reached == set(states)
    assert [name for name, state in states.items() if state.get("End") or state["Type"] == "Succeed"] == [
        "Nothing",
        "Record",
    ]


def test_every_error_that_the_machine_names_is_one_that_somebody_raises() -> None:
    ours = {one.__name__ for one in (NothingToStart, Unavailable, *step_functions.AGAIN.values())}
    named = {
        name
        for state in machine()["States"].values()
        for rule in (*state.get("Retry", ()), *state.get("Catch", ()))
        for name in rule["ErrorEquals"]
    }
    assert named - ours <= {
        "States.ALL",
        "States.Timeout",
        "Lambda.TooManyRequestsException",
        "Lambda.ServiceException",
        "Lambda.AWSLambdaException",
        "Lambda.SdkClientException",
        "Lambda.Unknown",
    }
    assert ours <= named


def test_what_may_happen_twice_is_tried_again_whatever_failed() -> None:
    states = machine()["States"]
    [record] = states["Record"]["Retry"]
    assert (record["ErrorEquals"], record["MaxAttempts"]) == (["States.ALL"], 9)
    [start] = states["Start"]["Retry"]
    assert {"Unavailable", "Lambda.Unknown", "Lambda.ServiceException", "States.Timeout"} <= set(start["ErrorEquals"])


def test_a_call_is_repeated_by_the_machine_itself_only_where_nothing_was_sent() -> None:
    [retry] = machine()["States"]["Invoke"]["Retry"]
    assert set(retry["ErrorEquals"]) == step_functions.REPEATED


def test_the_pause_is_as_long_as_the_invoker_thinks() -> None:
    assert machine()["States"]["Pause"]["Seconds"] * 1_000 == step_functions.PAUSE_MS
