"""A key is believed for as long as its tool keeps it, from the first call: then a lost answer is
UNKNOWN.
"""

from __future__ import annotations

from typing import Any

import pytest

from clearance.core.moment import HOUR_MS, SECOND_MS
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.record import IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow import execute
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from tests.support import sample
from tests.support.sample import OWNER, TENANT, task
from tests.support.world import World

pytestmark = pytest.mark.anyio


def kept_for(duration: str) -> dict[str, Any]:
    made = sample.document()
    made["catalog"]["CREATE_TASK"]["key_kept_for"] = duration
    return made


async def left_by_a_dead_worker(world: World) -> None:
    await world.propose(task("i"))
    assert await execute.start(world.context, TENANT, "i", "dead") is not None


@pytest.mark.parametrize(
    ("hours", "status", "calls"), [(23, "SUCCEEDED", 1), (24, "UNKNOWN", 0), (720, "UNKNOWN", 0)]
)
async def test_a_call_is_repeated_only_as_long_as_its_key_is_kept(
    world: World, hours: int, status: str, calls: int
) -> None:
    await left_by_a_dead_worker(world)
    world.clock.forward(hours * HOUR_MS)
    await world.sweep("worker-2")
    done = await world.record("i")
    assert (done.status.value, len(world.tools.calls)) == (status, calls)
    if status == "UNKNOWN":
        assert done.outcome is not None
        assert done.outcome.error is not None
        assert (done.outcome.error.code, done.outcome.error.sent) == ("KEY_TOO_OLD", Sent.MAYBE)
        assert "may not know its key any more" in done.outcome.sentence


async def test_the_age_is_counted_from_the_first_attempt_and_not_from_the_latest(
    world: World,
) -> None:
    await world.configure(kept_for("10m"))
    await left_by_a_dead_worker(world)
    world.clock.forward(6 * 60 * SECOND_MS)
    again = await execute.restart(world.context, TENANT, "i", "dead too")
    assert again is not None
    assert again.attempt.started_at - again.first_started_at == 6 * 60 * SECOND_MS
    resumed = await execute.resume(world.context, TENANT, "i", again.attempt.number)
    assert resumed.first_started_at == again.first_started_at
    world.clock.forward(6 * 60 * SECOND_MS)
    await world.sweep("worker-3")
    assert (await world.record("i")).status is IntentStatus.UNKNOWN
    assert world.tools.calls == []


async def test_a_stop_over_a_weekend_does_not_make_a_forgotten_key_good(world: World) -> None:
    await left_by_a_dead_worker(world)
    await world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "weekend"))
    world.clock.forward(60 * HOUR_MS)
    await world.sweep("worker-2")
    assert (await world.record("i")).status is IntentStatus.RUNNING, "it is held"
    await world.stop()
    await world.sweep("worker-2")
    assert (await world.record("i")).status is IntentStatus.UNKNOWN
    assert world.tools.calls == []


@pytest.mark.parametrize("sent", list(Sent))
async def test_a_try_in_the_same_attempt_counts_too(world: World, sent: Sent) -> None:
    await world.configure(kept_for("5s"))

    async def slow(call: ToolCall) -> Any:
        world.clock.forward(5 * SECOND_MS)
        raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, "No answer.", sent))

    world.tools.behave = slow
    await world.propose(task("i"))
    done = await world.run("i")
    assert done is not None
    assert done.outcome is not None
    assert done.outcome.error is not None
    if sent is Sent.NOT_SENT:
        assert (len(world.tools.calls), done.status) == (3, IntentStatus.CANCELLED)
    else:
        assert (len(world.tools.calls), done.outcome.error.code) == (1, "KEY_TOO_OLD")


async def test_what_may_be_repeated_without_a_key_may_be_so_for_ever(world: World) -> None:
    made = sample.document()
    made["catalog"]["CREATE_TASK"]["effect"] = "idempotent"
    await world.configure(made)
    await left_by_a_dead_worker(world)
    world.clock.forward(720 * HOUR_MS)
    await world.sweep("worker-2")
    assert (await world.record("i")).status is IntentStatus.SUCCEEDED


# A claim that nothing carries


async def test_a_stored_claim_without_a_key_is_at_most_once_and_asks(world: World) -> None:
    made = sample.document()
    del made["catalog"]["CREATE_TASK"]["idempotency_argument"]
    await world.configure(made)
    asked = await world.propose(task("i"))
    assert asked.status is IntentStatus.AWAITING_APPROVAL
    assert asked.decision.reason == "ACTION_UNREADABLE"
    action = (await world.control.settings(OWNER)).catalog["CREATE_TASK"]
    assert not action.effect.repeatable


async def test_a_key_in_the_request_itself_has_to_be_named(world: World) -> None:
    made = sample.document()
    del made["catalog"]["CREATE_TASK"]["idempotency_argument"]
    made["catalog"]["CREATE_TASK"]["idempotency"] = "meta"
    await world.configure(made)
    assert (await world.propose(task("i"))).status is IntentStatus.APPROVED
    action = (await world.control.settings(OWNER)).catalog["CREATE_TASK"]
    assert action.effect.repeatable
