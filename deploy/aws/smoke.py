"""A first look at a deployment on AWS, by a person who has the account: one real action, from the API to the outcome.

`python -m deploy.aws.smoke --stack clearance --proposal FILE --this-acts-for-real`, with the API key of an agent in
`CLEARANCE_API_KEY` and AWS credentials that may read the stack. The action is really carried out: choose one that does no harm,
and that policy allows without a person.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]

from clearance.client import Clearance

FLAG = "--this-acts-for-real"
OUTCOME_SECONDS_MAX = 120
QUEUES = ("DeadApprovalsUrl", "UndeliveredUrl", "FailedEventsUrl")
REFUSAL_EXIT = 2


class Broken(Exception):
    """Something is not as it should be; the text says what."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that was looked at, and what was seen."""

    what: str
    seen: str


def smoke(stack: str, proposal: dict[str, Any], api_key: str, *, url: str | None = None) -> Iterator[Looked]:
    """Looks at one thing after the other; raises Broken at the first that is not as it should be. `url`: instead of the stack's."""
    outputs = _outputs(stack)
    yield Looked("the stack", "deployed")
    action_intent_id = f"smoke-{secrets.token_hex(8)}"
    with Clearance(url or outputs["ApiUrl"], api_key) as clearance:
        caller = clearance.whoami()
        yield Looked("the API", f"lets {caller['actor_id']} of {caller['tenant_id']} in")
        began = time.monotonic()
        answers = {clearance.propose(**proposal, action_intent_id=action_intent_id)["decision"] for _ in range(2)}
        _demand(answers == {"AUTO_EXECUTE"}, f"the gate's answer is {', '.join(sorted(answers))}")
        yield Looked("the gate", f"AUTO_EXECUTE for {action_intent_id}, and the same answer to a repeat")
        done = _outcome(lambda: clearance.intent(action_intent_id))
        seen = f"{done['status']}, auto_executed {done['auto_executed']}, after {time.monotonic() - began:.1f} s"
        _demand(done["status"] == "SUCCEEDED" and done["auto_executed"] is True, f"the outcome is {seen}")
        yield Looked("the outcome", seen)
    yield Looked("the execution", _execution(outputs["StateMachineArn"], action_intent_id))
    yield Looked("the dead letters", _dead_letters(outputs))
    yield Looked("the alarms", _alarms(stack))


def _outputs(stack: str) -> dict[str, str]:
    [said] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    _demand(said["StackStatus"].endswith("_COMPLETE"), f"the stack is {said['StackStatus']}")
    return {one["OutputKey"]: one["OutputValue"] for one in said["Outputs"]}


def _outcome(look: Callable[[], Any]) -> Any:
    """The intent as soon as it has an outcome."""
    ends = time.monotonic() + OUTCOME_SECONDS_MAX
    while True:
        intent = look()
        if intent["outcome"] is not None:
            return intent
        _demand(time.monotonic() < ends, f"no outcome after {OUTCOME_SECONDS_MAX} s: the intent is {intent['status']}")
        time.sleep(1)


def _execution(machine: str, action_intent_id: str) -> str:
    pages = boto3.client("stepfunctions").get_paginator("list_executions").paginate(stateMachineArn=machine)
    name = f"exec-{action_intent_id}"
    found = [one["name"] for page in pages for one in page["executions"] if one["name"].startswith(name)]
    _demand(len(found) == 1, f"there are {len(found)} executions named {name}")
    return f"one, {found[0]}"


def _dead_letters(outputs: dict[str, str]) -> str:
    client, name = boto3.client("sqs"), "ApproximateNumberOfMessages"
    for queue in QUEUES:
        said = client.get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=[name])["Attributes"][name]
        _demand(int(said) == 0, f"{said} in {queue.removesuffix('Url')}")
    return "none"


def _alarms(stack: str) -> str:
    pages = boto3.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{stack}-")
    states = {one["AlarmName"]: one["StateValue"] for page in pages for one in page["MetricAlarms"]}
    ringing = sorted(name for name, state in states.items() if state == "ALARM")
    _demand(not ringing, f"these ring: {', '.join(ringing)}")
    return f"{len(states)}, and none rings"


def _demand(true: bool, otherwise: str) -> None:  # noqa: FBT001 - a demand is what is true
    if not true:
        raise Broken(otherwise)


def main(words: Sequence[str] | None = None) -> int:
    """0 if everything is as it should be, 1 if something is not, 2 without the flag."""
    parser = argparse.ArgumentParser(prog="python -m deploy.aws.smoke", description=__doc__)
    parser.add_argument("--stack", required=True, help="the name of the stack")
    parser.add_argument(
        "--proposal", required=True, type=Path, help="a JSON file: the body of POST /v1/intents, without an id"
    )
    parser.add_argument("--url", help="where the API is, instead of the stack's own address")
    parser.add_argument(FLAG, dest="for_real", action="store_true", help="the action is carried out")
    wanted = parser.parse_args(words)
    if not wanted.for_real:
        print(f"This carries out a real action on a real account. Say {FLAG} if you mean it.", file=sys.stderr)
        return REFUSAL_EXIT
    proposal = json.loads(wanted.proposal.read_text(encoding="utf-8"))
    try:
        for one in smoke(wanted.stack, proposal, os.environ["CLEARANCE_API_KEY"], url=wanted.url):
            print(f"{one.what}: {one.seen}")
    except Broken as broken:
        print(f"Not as it should be: {broken}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
