"""What moto lacks and `in_process.py` makes up for, so that a new moto that differs is noticed here
and nowhere else.
"""

from __future__ import annotations

import inspect
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from moto.awslambda.models import LambdaFunction

from tests.aws.support.in_process import BUS, InProcess, in_process
from tests.aws.support.stack import FunctionFailed


@pytest.fixture(scope="module")
def stack() -> Iterator[InProcess]:
    with in_process() as made:
        yield made


def test_a_function_runs_where_moto_would_start_a_container(stack: InProcess) -> None:
    assert list(inspect.signature(LambdaFunction._invoke_lambda).parameters) == ["self", "event"]
    assert stack.invoke("sweeper", {}) == {"expired": 0, "published": 0}
    with pytest.raises(FunctionFailed) as failed:
        stack.invoke(
            "starter",
            {"tenant_id": "northwind", "action_intent_id": "none", "execution": "exec-none"},
        )
    assert failed.value.error_type == "NothingToStart"


def test_moto_hands_no_event_to_a_function_by_itself(stack: InProcess) -> None:
    """If it does, `propose_by_event` can publish instead."""
    events, seen = stack.client("events"), stack.functions.cold_starts["gate"]
    events.put_rule(Name="intents", EventPattern=json.dumps({"source": ["northwind.agents"]}))
    arn = stack.client("lambda").get_function(FunctionName="gate")["Configuration"]["FunctionArn"]
    events.put_targets(Rule="intents", Targets=[{"Id": "gate", "Arn": arn}])
    entry = {"Source": "northwind.agents", "DetailType": "ActionIntent", "Detail": "{}"}
    with pytest.raises(
        RuntimeError, match="Expr not defined for"
    ):  # what moto says of a function as a target
        events.put_events(Entries=[entry])
    events.remove_targets(Rule="intents", Ids=["gate"])
    assert stack.functions.cold_starts["gate"] == seen


def test_moto_sends_on_what_a_disabled_rule_matches(stack: InProcess) -> None:
    """If it does not, `losing_events` can disable the rule instead of taking its target away."""
    events, queues = stack.client("events"), stack.client("sqs")
    url = queues.create_queue(QueueName="disabled")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    events.put_rule(
        Name="disabled",
        EventBusName=BUS,
        EventPattern=json.dumps({"source": ["glue"]}),
        State="DISABLED",
    )
    events.put_targets(Rule="disabled", EventBusName=BUS, Targets=[{"Id": "queue", "Arn": arn}])
    events.put_events(
        Entries=[{"EventBusName": BUS, "Source": "glue", "DetailType": "x", "Detail": "{}"}]
    )
    assert len(queues.receive_message(QueueUrl=url).get("Messages", [])) == 1


def _machine(stack: InProcess, states: dict[str, Any], first: str) -> tuple[str, Any]:
    client = stack.client("stepfunctions")
    role = stack.client("iam").get_role(RoleName="clearance")["Role"]["Arn"]
    definition = json.dumps({"StartAt": first, "States": states})
    machine = client.create_state_machine(
        name=f"glue-{time.monotonic_ns()}", definition=definition, roleArn=role
    )
    return machine["stateMachineArn"], client


def test_moto_knows_the_name_of_a_closed_execution_and_takes_no_other_one_for_it(
    stack: InProcess,
) -> None:
    arn, client = _machine(stack, {"Done": {"Type": "Succeed"}}, "Done")
    started = client.start_execution(stateMachineArn=arn, name="once", input="{}")["executionArn"]
    ends = time.monotonic() + 10
    while client.describe_execution(executionArn=started)["status"] == "RUNNING":
        assert time.monotonic() < ends
        time.sleep(0.05)
    with pytest.raises(client.exceptions.ExecutionAlreadyExists):
        client.start_execution(stateMachineArn=arn, name="once", input="{}")
