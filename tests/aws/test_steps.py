"""The states of an execution, one by one: what goes from one to the next, and what the end of an
execution means.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from clearance.core.call import TRIES_MAX, lease_ms
from clearance.core.errors import Conflict
from clearance.core.moment import as_text
from clearance.core.outcome import ErrorClass, Outcome, OutcomeStatus, Sent
from clearance.core.record import Change, IntentStatus
from clearance.engines import step_functions
from clearance.engines.step_functions import CallAgain, NothingToStart, execution_name
from clearance.flow.ports.tools import ToolCall
from clearance.tools.function import FunctionTools
from tests.aws.support import steps
from tests.aws.support.steps import (
    AWAY,
    HOLD,
    NAME,
    SILENT,
    WRONG,
    answers,
    error,
    invoked,
    marks,
    recorded,
    slept,
    started,
)
from tests.support import sample
from tests.support.sample import POLICY, TENANT, mail, task
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]


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


async def test_a_server_that_is_never_reached_cancels_and_gives_the_budget_back(
    world: World,
) -> None:
    await world.propose(task("t1"))
    answers(world.tools, *[AWAY] * 5)
    state = await invoked(world, await started(world))
    done = await recorded(world, state)
    assert (done.status, state["tries"], world.tools.calls) == (
        IntentStatus.CANCELLED,
        TRIES_MAX,
        [],
    )
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
    assert name in json.dumps(steps.machine()["States"]["Invoke"]["Catch"][0]["ErrorEquals"])


async def test_the_time_that_a_server_asks_for_is_waited_beyond_the_pause(world: World) -> None:
    await world.propose(task("t1"))
    answers(world.tools, error(ErrorClass.RATE_LIMIT, Sent.ANSWERED, retry_after_ms=3_000))
    await invoked(world, await started(world))
    assert slept == [2.0]


async def test_a_longer_time_than_may_be_waited_ends_the_tries_and_the_outcome_says_so(
    world: World,
) -> None:
    await world.propose(task("t1"))
    answers(world.tools, error(ErrorClass.RATE_LIMIT, Sent.ANSWERED, retry_after_ms=60_000))
    outcome = (await invoked(world, await started(world)))["outcome"]
    assert (outcome["status"], len(world.tools.calls), slept) == ("FAILED", 1, [])
    retry_at = -(-(world.clock.now_ms() + 60_000) // 1_000) * 1_000
    until = as_text(retry_at).replace(".000Z", "Z")
    assert outcome["sentence"].endswith(f"asked not to be called again before {until}.")


async def test_what_a_state_says_of_tries_is_not_believed(world: World) -> None:
    await world.propose(mail("m1"))
    answers(world.tools, SILENT)
    state = await started(world, "m1")
    await invoked(world, state)
    said = json.dumps({"errorMessage": json.dumps({"tries": 0, "sent": "NOT_SENT", "wait_ms": 0})})
    for forged in ({"again": {"Error": "TimedOut", "Cause": said}}, {"again": "x"}, {"tries": 0}):
        assert (await invoked(world, {**state, **forged}))["outcome"]["status"] == "UNKNOWN"
    assert len(world.tools.calls) == 1


async def test_what_is_no_longer_the_call_that_was_approved_is_not_sent(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    changed = sample.document()
    changed["catalog"]["CREATE_TASK"]["arguments"] = {"account": "somebody-else"}
    await world.configure(changed)
    state = await invoked(world, state)
    assert (state["outcome"]["status"], state["outcome"]["error"]["code"]) == (
        "CANCELLED",
        "DIGEST_MISMATCH",
    )
    assert world.tools.calls == []
    assert (await recorded(world, state)).status is IntentStatus.CANCELLED


async def test_an_action_that_left_the_catalog_is_not_sent(world: World) -> None:
    await world.propose(task("t1"))
    state = await started(world)
    changed = sample.document()
    del changed["catalog"]["CREATE_TASK"]
    changed["policy"] = "".join(
        part for part in POLICY.split("\n\n") if '"CREATE_TASK"' not in part
    )
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
    assert await step_functions.record(
        world.context, marks, {**state, "failed": {"Error": "Conflict"}}
    ) == {
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


@pytest.mark.parametrize(
    ("keys", "status", "code"),
    [
        ({"answer": {"failed_when": {"pointer": "/ok", "equals": False}}}, "FAILED", "ANSWER_M"),
        ({"error_means": "UNKNOWN"}, "UNKNOWN", "ERROR_MEANS_UNKNOWN"),
    ],
)
async def test_a_workflow_reads_answers_and_errors_as_the_catalog_says(
    world: World, keys: dict[str, Any], status: str, code: str
) -> None:
    def send_mail(to: str, subject: str, body: str, account: str) -> Any:
        if "answer" not in keys:
            sentence = "fetch failed"
            raise RuntimeError(sentence)
        return {"ok": False}

    world.tools = FunctionTools({"crm": {"send_mail": send_mail}})  # type: ignore[assignment]
    world.__post_init__()
    document = sample.document()
    document["catalog"]["SEND_MAIL"] |= keys
    await world.configure(document)
    await world.propose(mail("t1"))
    done = await recorded(world, await invoked(world, await started(world)))
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert done.status.value == status
    assert done.outcome.error.code.startswith(code)
    assert done.outcome.result == ({"ok": False} if status == "FAILED" else None)


async def test_every_kind_of_outcome_comes_out_as_it_went_in(world: World) -> None:
    del world
    outcomes = [
        Outcome(OutcomeStatus.SUCCEEDED, "Done.", {"a": [1, 2.5, None, "é"]}, 31),
        Outcome(OutcomeStatus.UNKNOWN, "Who knows.", error=replace(SILENT, retry_after_ms=5)),
    ]
    for outcome in outcomes:
        said = json.loads(json.dumps(step_functions._OUTCOME.dump_python(outcome, mode="json")))
        assert step_functions._OUTCOME.validate_python(said) == outcome


# The end of an execution


async def test_an_execution_whose_outcome_is_recorded_has_nothing_left_to_do(world: World) -> None:
    await world.propose(mail("m1"))
    done = await recorded(world, await invoked(world, await started(world, "m1")))
    with pytest.raises(NothingToStart):
        await started(world, "m1")
    nothing = {"action_intent_id": "m1", "recorded": False}
    assert await step_functions.ended(world.context, marks, end(intent="m1")) == nothing
    assert await world.record("m1") == done


def end(
    name: str = NAME, status: str = "FAILED", intent: str = "t1", revision: int = 1
) -> dict[str, Any]:
    said = json.dumps({"tenant_id": TENANT, "action_intent_id": intent, "revision": revision})
    return {
        "name": name,
        "status": status,
        "input": said,
        "executionArn": f"arn:aws:states:::execution:{name}",
    }


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


async def test_an_execution_that_a_person_aborts_before_it_began_cancels_the_intent(
    world: World,
) -> None:
    await world.propose(mail("m1"))
    record = await world.record("m1")
    name = execution_name(record, again="x")
    for ended, revision, status in (
        ("FAILED", 1, IntentStatus.APPROVED),
        ("ABORTED", 2, IntentStatus.APPROVED),  # of another state of the intent
        ("ABORTED", 1, IntentStatus.CANCELLED),
    ):
        await step_functions.ended(world.context, marks, end(name, ended, "m1", revision))
        assert (await world.record("m1")).status is status
    assert (await world.used())["actions"] == 0


async def test_an_abort_while_the_attempt_is_claimed_ends_the_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.propose(mail("m1"))
    advance, first = world.store.advance, True

    async def late(change: Change) -> Any:
        nonlocal first
        if first:
            first = False
            await started(world, "m1")
        return await advance(change)

    monkeypatch.setattr(world.store, "advance", late)
    await step_functions.ended(world.context, marks, end(NAME, "ABORTED", "m1"))
    assert (await world.record("m1")).status is IntentStatus.CANCELLED


async def test_an_abort_of_what_would_have_followed_a_dead_attempt_ends_it(world: World) -> None:
    await world.propose(task("t1"))
    await started(world)
    revision = (await world.record("t1")).revision
    for moved, status in ((0, IntentStatus.RUNNING), (lease_ms(None), IntentStatus.CANCELLED)):
        world.clock.forward(moved)
        await step_functions.ended(
            world.context, marks, end("exec-t1-follows", "ABORTED", "t1", revision)
        )
        assert (await world.record("t1")).status is status


async def test_the_end_of_another_execution_or_of_one_that_never_started_changes_nothing(
    world: World,
) -> None:
    await world.propose(mail("m1"))
    nothing = {"action_intent_id": "m1", "recorded": False}
    assert await step_functions.ended(world.context, marks, end(intent="m1")) == nothing
    await started(world, "m1")
    assert (
        await step_functions.ended(world.context, marks, end("exec-m1-another", "ABORTED", "m1"))
        == nothing
    )
    assert (await world.record("m1")).status is IntentStatus.RUNNING
    assert await step_functions.ended(world.context, marks, {**end(), "input": "not ours"}) == {
        "recorded": False
    }
