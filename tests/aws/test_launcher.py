"""The launcher, which starts executions, and the machine that they are of."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from clearance.core.call import lease_ms
from clearance.core.errors import Unavailable
from clearance.engines import step_functions
from clearance.engines.step_functions import Machine, NothingToStart, execution_name
from tests.aws.support.steps import (
    HOLD,
    machine,
    started,
)
from tests.support import sample
from tests.support.sample import AGENT, TENANT, refund, task
from tests.support.world import World

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]

CRM = sample.document()["tool_servers"]["crm"]


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
        if self.executions.get(request["name"]) == "RUNNING":
            return {}  # the same name and the same input
        if request["name"] in self.executions:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        self.executions[request["name"]] = "RUNNING"
        assert json.loads(request["input"]).keys() == {"tenant_id", "action_intent_id", "revision"}
        return {}

    def describe_execution(self, **request: Any) -> dict[str, Any]:
        return {"status": self.executions[request["executionArn"].rpartition(":")[2]]}


ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:clearance"


async def test_an_event_starts_one_execution_and_its_repeat_no_other(world: World) -> None:
    await world.propose(task("t1"))
    states = States()
    names = [await Machine(ARN, states).launch(world.context, TENANT, "t1") for _ in range(2)]
    assert names == [execution_name(await world.record("t1"))] * 2
    assert states.executions == {names[0]: "RUNNING"}


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


async def test_what_a_person_aborted_before_it_began_is_not_launched_again(world: World) -> None:
    await world.propose(task("t1"))
    taken = execution_name(await world.record("t1"))
    states = States(**{taken: "ABORTED"})
    assert await Machine(ARN, states).launch(world.context, TENANT, "t1") is None
    assert states.executions == {taken: "ABORTED"}


async def test_an_execution_that_ended_well_meanwhile_is_not_followed_by_another(
    world: World,
) -> None:
    await world.propose(task("t1"))
    taken = execution_name(await world.record("t1"))

    states = States(**{taken: "SUCCEEDED"})
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


@pytest.mark.parametrize(
    "fails",
    [
        ClientError({"Error": {"Code": "ThrottlingException"}}, "DescribeExecution"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
async def test_an_execution_that_cannot_be_looked_at_fails_the_launch(
    world: World, fails: Exception
) -> None:
    await world.propose(task("t1"))

    class Silent(States):
        def describe_execution(self, **_: Any) -> dict[str, Any]:
            raise fails

    states = Silent(**{execution_name(await world.record("t1")): "SUCCEEDED"})
    with pytest.raises(Unavailable) as refused:
        await Machine(ARN, states).launch(world.context, TENANT, "t1")
    assert refused.value.code == "STEP_FUNCTIONS_AWAY"


async def test_a_name_differs_between_tenants_and_states_and_is_no_longer_than_it_may_be(
    world: World,
) -> None:
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
    assert [
        name for name, state in states.items() if state.get("End") or state["Type"] == "Succeed"
    ] == [
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
    assert {"Unavailable", "Lambda.Unknown", "Lambda.ServiceException", "States.Timeout"} <= set(
        start["ErrorEquals"]
    )


def test_a_call_is_repeated_by_the_machine_itself_only_where_nothing_was_sent() -> None:
    [retry] = machine()["States"]["Invoke"]["Retry"]
    assert set(retry["ErrorEquals"]) == step_functions.REPEATED


def test_the_pause_is_as_long_as_the_invoker_thinks() -> None:
    assert machine()["States"]["Pause"]["Seconds"] * 1_000 == step_functions.PAUSE_MS
