"""Invocations that are repeated, given up, or end in the middle: what they may send, and what is
said of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace
from typing import Any

import pytest

from clearance.configuration.document import parse_document
from clearance.core.call import lease_ms
from clearance.core.errors import Conflict, Unavailable
from clearance.core.outcome import ErrorClass, Sent
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.revalidation import UNSENT_ATTEMPTS_MAX
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.core.tool_pin import pin_of
from clearance.engines import step_functions
from clearance.engines.step_functions import CallAgain, NothingToStart
from clearance.flow import execute
from clearance.flow.ports.marks import Phase
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolCallFailed
from clearance.flow.tries import Tries
from tests.aws.support.steps import (
    AWAY,
    HOLD,
    NAME,
    SILENT,
    SLEEP,
    WRONG,
    answers,
    caught,
    error,
    invoked,
    marks,
    recorded,
    started,
)
from tests.support import sample
from tests.support.sample import OWNER, TENANT, mail, task
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]


# An invocation that is repeated


@pytest.mark.parametrize("end", ["answered", "silent", "under way"])
async def test_a_repeated_invocation_does_not_send_again_what_may_be_sent_once(
    world: World, end: str
) -> None:
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


async def test_a_repeated_invocation_may_send_again_with_the_same_key_what_may_be_repeated(
    world: World,
) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    assert [(await invoked(world, state))["outcome"]["status"] for _ in range(2)] == [
        "SUCCEEDED"
    ] * 2
    assert set(world.tools.by_key().values()) == {2}


async def test_a_try_that_reached_nobody_is_repeated_whatever_the_effect(world: World) -> None:
    await world.propose(mail("m1"))
    answers(world.tools, AWAY)
    state = await invoked(world, await started(world, "m1"))
    assert (state["outcome"]["status"], state["tries"], len(world.tools.calls)) == (
        "SUCCEEDED",
        2,
        1,
    )


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
    """The invocation whose answer was lost may have sent; one that comes after it, and reaches
    nobody, says nothing of that.
    """
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    answers(world.tools, None, AWAY, None)
    await step_functions.invoke(world.context, marks, state)
    for _ in range(2):
        outcome = (await step_functions.invoke(world.context, marks, state))["outcome"]
        assert (outcome["status"], outcome["error"]["sent"]) == ("UNKNOWN", "MAYBE")
    assert len(world.tools.calls) == 1


async def test_what_an_invocation_says_that_sent_nothing_is_not_said_of_another_one_that_did(
    world: World,
) -> None:
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
async def test_an_invocation_that_was_given_up_sends_nothing_afterwards(
    world: World, name: str
) -> None:
    """Step Functions may give an invocation up that goes on: it answers late, or only its
    connection was lost.
    """
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


# What a failing of the invoker means

FAILURES = (
    *("Lambda.TooManyRequestsException", "Unavailable"),
    *(
        "Lambda.Unknown",
        "Sandbox.Timedout",
        "Runtime.ExitError",
        "States.Timeout",
        "Unexpected",
        "None",
    ),
)


async def continued(world: World, name: str) -> IntentRecord:
    """What becomes of an intent when its lease is over and another execution takes it up."""
    world.clock.forward(lease_ms(None))
    return await recorded(
        world, await invoked(world, await started(world, name, f"exec-{name}-later"))
    )


@pytest.mark.parametrize(
    "failed", [*({"Error": name, "Cause": "..."} for name in FAILURES), "text", [1], None, {}]
)
async def test_what_an_invoker_that_ended_left_unsent_is_for_a_further_attempt(
    world: World, failed: Any
) -> None:
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
    assert (outcome.status, outcome.error.code, outcome.error.sent) == (
        "UNKNOWN",
        "INVOKER_LOST",
        Sent.MAYBE,
    )
    assert done["t1"].status is IntentStatus.RUNNING
    assert (await continued(world, "t1")).status is IntentStatus.SUCCEEDED
    assert sorted(world.tools.by_key().values()) == [1, 2]


@pytest.mark.parametrize("name", ["t1", "m1"])
async def test_an_invocation_that_gets_its_place_too_late_is_followed_by_a_further_attempt(
    world: World, name: str
) -> None:
    await world.propose(task("t1"))
    await world.propose(mail("m1"))
    state = await started(world, name)
    world.clock.forward(lease_ms(None) - 1_000)
    with pytest.raises(Conflict, match="came too late") as raised:
        await step_functions.invoke(world.context, marks, state)
    done = await recorded(
        world, {**state, "failed": {"Error": type(raised.value).__name__, "Cause": "..."}}
    )
    assert (done.status, world.tools.calls) == (IntentStatus.RUNNING, [])
    assert (await continued(world, name)).status is IntentStatus.SUCCEEDED
    assert len(world.tools.calls) == 1


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


async def test_what_may_have_been_sent_by_one_attempt_is_not_unsent_for_the_next(
    world: World,
) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    await invoked(world, state)  # and the execution ends, before anything is recorded
    world.clock.forward(lease_ms(None))
    with pytest.raises(NothingToStart):
        await started(world, "m1", "exec-m1-later")
    assert ((await world.record("m1")).status, len(world.tools.calls)) == (IntentStatus.UNKNOWN, 1)


@pytest.mark.parametrize("level", [StopLevel.REFUSE, None])
async def test_what_is_known_of_one_attempt_is_not_said_of_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, level: StopLevel | None
) -> None:
    """One starter looks at an attempt, and stands still; another one claims the next attempt, which
    sends.
    """
    await world.propose(mail("m1"))
    await started(world, "m1")
    world.clock.forward(lease_ms(None))
    restart, go_on, looked = execute.restart, asyncio.Event(), asyncio.Event()

    async def slowly(context: Any, tenant_id: str, name: str, worker: str, **more: Any) -> Any:
        if worker == "exec-slow":
            looked.set()
            await go_on.wait()
        return await restart(context, tenant_id, name, worker, **more)

    monkeypatch.setattr(execute, "restart", slowly)
    slow = asyncio.create_task(started(world, "m1", "exec-slow"))
    await looked.wait()
    said = await invoked(world, await started(world, "m1", "exec-fast"))
    world.clock.forward(lease_ms(None))
    if level is not None:
        await world.stop(StopSwitch(StopScope.TENANT, None, level, "incident"))
    go_on.set()
    with pytest.raises(NothingToStart):
        await slow
    assert (await recorded(world, said)).status is IntentStatus.SUCCEEDED
    assert (len(world.tools.calls), (await world.used())["actions"]) == (1, 1)


async def test_a_tool_is_called_with_the_schema_that_was_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.control.apply(OWNER, parse_document(sample.DOCUMENT))
    await world.control.pin_tools(OWNER)
    await world.propose(mail("m1"))
    state, pinned = await started(world, "m1"), pin_of(world.tools.schema)
    try_once = execute.try_once

    async def repinned_before(*said: Any) -> Any:
        world.tools.schema = {"type": "object", "properties": {"another": {}}}
        await world.control.pin_tools(OWNER, repin=frozenset({"crm.send_mail"}))
        return await try_once(*said)

    monkeypatch.setattr(execute, "try_once", repinned_before)
    await step_functions.invoke(world.context, marks, state)
    assert [call.schema_digest for call in world.tools.calls] == [pinned]


async def test_a_starter_that_comes_early_leaves_the_attempt_that_lives_alone(world: World) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    with pytest.raises(NothingToStart):
        await started(world, "m1", "exec-m1-early")
    assert (await recorded(world, await invoked(world, state))).status is IntentStatus.SUCCEEDED


async def test_an_invoker_that_was_throttled_after_a_try_that_may_have_sent_is_left_to_its_lease(
    world: World,
) -> None:
    await world.propose(task("t1"))
    answers(world.tools, SILENT)
    state = await started(world)
    with pytest.raises(CallAgain) as again:
        await step_functions.invoke(world.context, marks, state)
    failed = {"again": caught(again.value), "failed": {"Error": FAILURES[0], "Cause": "..."}}
    assert (await recorded(world, {**state, **failed})).status is IntentStatus.RUNNING


async def test_an_answer_of_the_invoker_that_cannot_be_read_is_not_taken_for_one(
    world: World,
) -> None:
    large = {
        "status": "SUCCEEDED",
        "sentence": "Done.",
        "result": "x" * step_functions.OUTCOME_BYTES_MAX,
    }
    for number, outcome in enumerate(({"status": "FINE"}, large, "text", None)):
        await world.propose(mail(f"m{number}", account_id=f"account-{number}"))
        state = await started(world, f"m{number}")
        await invoked(world, state)
        done = await recorded(world, {**state, "outcome": outcome, "tries": 1})
        assert done.status is IntentStatus.UNKNOWN


# What is known from one try to the next, and from one attempt to the next


async def tries_of(world: World, name: str) -> Tries:
    return await Tries.of(
        world.context, marks, await execute.resume(world.context, TENANT, name, 1)
    )


async def test_a_switch_that_is_thrown_while_the_mark_is_written_stops_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.propose(mail("m1"))
    state, swap = await started(world, "m1"), marks.swap

    async def slow(*said: Any) -> bool:
        await world.stop(HOLD)
        return await swap(*said)

    monkeypatch.setattr(marks, "swap", slow)
    assert (await invoked(world, state))["outcome"]["error"]["code"] == "STOP_SWITCH_ON"
    assert world.tools.calls == []


async def test_whoever_closes_says_what_was_begun_since_it_looked(world: World) -> None:
    await world.propose(mail("m1"))
    state = await started(world, "m1")
    closing = await tries_of(world, "m1")
    await invoked(world, state)
    for _ in range(2):  # the second time as a Record that is repeated
        tried = await closing.close()
        assert (tried.tries, tried.sent) == (1, Sent.MAYBE)
        [mark] = marks.kept.values()
        assert (mark.phase, mark.tries, mark.sent) == (Phase.CLOSED, 1, Sent.MAYBE)
        closing = await tries_of(world, "m1")


async def test_what_an_earlier_attempt_may_have_sent_is_not_forgotten(world: World) -> None:
    await world.propose(task("t1"))
    await invoked(world, await started(world))  # and its answer was lost
    world.clock.forward(lease_ms(None))
    state = await started(world, execution="exec-t1-later")
    answers(world.tools, WRONG)
    assert (await recorded(world, await invoked(world, state))).status is IntentStatus.UNKNOWN


async def test_an_answer_before_a_throttled_try_is_a_failure_that_is_known(world: World) -> None:
    await world.propose(task("t1"))
    refused = error(ErrorClass.RATE_LIMIT, Sent.ANSWERED)
    answers(world.tools, refused, refused, refused)
    done = await recorded(world, await invoked(world, await started(world)))
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.status, done.outcome.error.error_class) == (
        IntentStatus.FAILED,
        ErrorClass.RATE_LIMIT,
    )


async def test_settings_that_change_after_a_try_do_not_undo_it(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    answers(world.tools, SILENT)
    with pytest.raises(CallAgain):
        await step_functions.invoke(world.context, marks, state)
    changed = sample.document()
    changed["catalog"]["CREATE_TASK"]["arguments"] = {"account": "somebody-else"}
    await world.configure(changed)
    said = (await step_functions.invoke(world.context, marks, state))["outcome"]
    assert (said["status"], said["error"]["code"]) == ("UNKNOWN", "DIGEST_MISMATCH")


@pytest.mark.parametrize("status", ["ABORTED", "FAILED"])
async def test_nothing_is_sent_after_an_execution_ended(world: World, status: str) -> None:
    await world.propose(mail("m1"))
    state, late, send = await started(world, "m1"), asyncio.Event(), asyncio.Event()
    call = world.tools.call

    async def slowly(tenant_id: str, one: ToolCall, cleared: Cleared) -> ToolAnswer:
        late.set()
        await send.wait()
        return await call(tenant_id, one, cleared)

    world.tools.call = slowly  # type: ignore[method-assign]
    straggler = asyncio.create_task(step_functions.invoke(world.context, marks, state))
    await late.wait()
    said = json.dumps({"tenant_id": TENANT, "action_intent_id": "m1"})
    await step_functions.ended(
        world.context, marks, {"name": NAME, "status": status, "input": said}
    )
    send.set()
    assert (await straggler)["outcome"]["status"] == "UNKNOWN"
    assert world.tools.calls == []
