"""A first look at a deployment on AWS, by a person who has the account: one real action, from the
API to the outcome.

`python -m deploy.aws.smoke --stack clearance --proposal FILE --this-acts-for-real`, from the root
of the repository, with the API key of an agent in `CLEARANCE_API_KEY` and AWS credentials that may
read the stack. FILE is the JSON body of `POST /v1/intents`, without an id. The action is really
carried out: choose one that does no harm, and that policy allows without a person.
"""

from __future__ import annotations

import argparse
import inspect
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
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from clearance.client import Clearance, ClearanceError
from clearance.clock import SystemClock

FLAG = "--this-acts-for-real"
OUTCOME_SECONDS_MAX = 120
QUEUES = ("DeadApprovalsUrl", "UndeliveredUrl", "FailedEventsUrl")
DEPLOYED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE")
CLOCKS_APART_SECONDS = 300  # of this machine and AWS, at most
REFUSAL_EXIT = 2


class Broken(Exception):
    """Something is not as it should be; the text says what."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One thing that was looked at, and what was seen."""

    what: str
    seen: str


def smoke(
    stack: str, proposal: dict[str, Any], api_key: str, *, url: str | None = None
) -> Iterator[Looked]:
    """Looks at one thing after the other; raises Broken at the first that is not as it should be.

    `url`: instead of the stack's.
    """
    outputs = _outputs(stack)
    yield Looked("the stack", "deployed")
    action_intent_id, clock = f"smoke-{secrets.token_hex(8)}", SystemClock()
    began = clock.now_ms()
    given_up = _given_up(outputs)
    with Clearance(url or outputs["ApiUrl"], api_key) as clearance:
        caller = clearance.whoami()
        yield Looked("the API", f"lets {caller['actor_id']} of {caller['tenant_id']} in")
        answers = [
            clearance.propose(**proposal, action_intent_id=action_intent_id) for _ in range(2)
        ]
        if {one["decision"] for one in answers} != {"AUTO_EXECUTE"}:
            said = f"the gate's answer is {answers[0]['decision']}: {answers[0]['explanation']}"
            raise Broken(said + _withdrawn(clearance, action_intent_id))
        yield Looked(
            "the gate", f"AUTO_EXECUTE for {action_intent_id}, and the same answer to a repeat"
        )
        done = _outcome(lambda: clearance.intent(action_intent_id))
        took = (clock.now_ms() - began) / 1000
        seen = f"{done['status']}, auto_executed {done['auto_executed']}, after {took:.1f} s"
        sentence = (done["outcome"] or {}).get("sentence") or ""
        _demand(
            done["status"] == "SUCCEEDED" and done["auto_executed"] is True,
            f"the outcome is {seen}. {sentence}",
        )
        yield Looked("the outcome", seen)
    yield Looked("the execution", _execution(outputs["StateMachineArn"], action_intent_id, began))
    more = {name: count for name, count in _given_up(outputs).items() if count > given_up[name]}
    _demand(not more, f"since it began there are more messages in {', '.join(more)}")
    before = ", ".join(f"{count} in {name}" for name, count in given_up.items() if count)
    yield Looked("the dead letters", f"none of this; from before: {before}" if before else "none")
    yield Looked("the alarms", _alarms(stack))


def _outputs(stack: str) -> dict[str, str]:
    [said] = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    _demand(said["StackStatus"] in DEPLOYED, f"the stack is {said['StackStatus']}")
    return {one["OutputKey"]: one["OutputValue"] for one in said["Outputs"]}


def _withdrawn(clearance: Clearance, action_intent_id: str) -> str:
    """Takes back what would wait for a person; what to say of it."""
    try:
        clearance.cancel(action_intent_id, "The smoke script wants an action that runs alone")
    except ClearanceError:
        return ""
    return " It was cancelled."


def _outcome(look: Callable[[], Any]) -> Any:
    """The intent as soon as it has an outcome."""
    ends = time.monotonic() + OUTCOME_SECONDS_MAX
    while True:
        intent = look()
        if intent["outcome"] is not None:
            return intent
        _demand(
            time.monotonic() < ends,
            f"no outcome after {OUTCOME_SECONDS_MAX} s: the intent is {intent['status']}",
        )
        time.sleep(1)


def _execution(machine: str, action_intent_id: str, began: int) -> str:
    """The newest executions come first; the one that is looked for is not older than this."""
    pages, name = (
        boto3.client("stepfunctions").get_paginator("list_executions"),
        f"exec-{action_intent_id}",
    )
    earliest, found = began / 1000 - CLOCKS_APART_SECONDS, []
    for page in pages.paginate(stateMachineArn=machine):
        found += [one["name"] for one in page["executions"] if one["name"].startswith(name)]
        if any(one["startDate"].timestamp() < earliest for one in page["executions"]):
            break
    _demand(len(found) == 1, f"there are {len(found)} executions named {name}")
    return f"one, {found[0]}"


def _given_up(outputs: dict[str, str]) -> dict[str, int]:
    """How many messages are in each queue of what was given up."""
    client, name = boto3.client("sqs"), "ApproximateNumberOfMessages"
    return {
        queue.removesuffix("Url"): int(
            client.get_queue_attributes(QueueUrl=outputs[queue], AttributeNames=[name])[
                "Attributes"
            ][name]
        )
        for queue in QUEUES
    }


def _alarms(stack: str) -> str:
    """Those of the stack's own resources: another stack's name may begin with this one's."""
    pages = (
        boto3.client("cloudformation")
        .get_paginator("list_stack_resources")
        .paginate(StackName=stack)
    )
    resources = [one for page in pages for one in page["StackResourceSummaries"]]
    own = {
        one["PhysicalResourceId"]
        for one in resources
        if one["ResourceType"] == "AWS::CloudWatch::Alarm"
    }
    found = (
        boto3.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmNamePrefix=f"{stack}-")
    )
    states = {one["AlarmName"]: one["StateValue"] for page in found for one in page["MetricAlarms"]}
    ringing = sorted(name for name, state in states.items() if state == "ALARM" and name in own)
    _demand(not ringing, f"these ring: {', '.join(ringing)}")
    return f"{len(own)}, and none rings"


def _demand(true: bool, otherwise: str) -> None:  # noqa: FBT001 - a demand is what is true
    if not true:
        raise Broken(otherwise)


def main(words: Sequence[str] | None = None) -> int:
    """0 if everything is as it should be, 1 if something is not, 2 without the flag or with
    something that cannot be used.
    """
    parser = argparse.ArgumentParser(prog="python -m deploy.aws.smoke", description=__doc__)
    parser.add_argument("--stack", required=True, help="the name of the stack")
    parser.add_argument(
        "--proposal",
        required=True,
        type=Path,
        help="a JSON file: the body of POST /v1/intents, without an id",
    )
    parser.add_argument("--url", help="where the API is, instead of the stack's own address")
    parser.add_argument(
        FLAG, dest="for_real", action="store_true", help="the action is carried out"
    )
    wanted = parser.parse_args(words)
    if not wanted.for_real:
        print(
            f"This carries out a real action on a real account. Say {FLAG} if you mean it.",
            file=sys.stderr,
        )
        return REFUSAL_EXIT
    try:
        proposal, api_key = _proposal(wanted.proposal), _api_key()
    except Broken as unusable:
        print(f"This cannot be used: {unusable}", file=sys.stderr)
        return REFUSAL_EXIT
    try:
        for one in smoke(wanted.stack, proposal, api_key, url=wanted.url):
            print(f"{one.what}: {one.seen}")
    except (Broken, ClearanceError, BotoCoreError, ClientError) as broken:
        print(f"Not as it should be: {broken}", file=sys.stderr)
        return 1
    return 0


def _proposal(path: Path) -> dict[str, Any]:
    """The body of a proposal, without an id. Broken if it is none."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Broken(f"{path} cannot be read ({error.strerror}).") from None
    except ValueError:
        raise Broken(f"{path} is not JSON.") from None
    needed = {
        name
        for name, one in inspect.signature(Clearance.propose).parameters.items()
        if one.default is one.empty
    }
    known = set(inspect.signature(Clearance.propose).parameters) - {"self", "action_intent_id"}
    if not isinstance(said, dict):
        raise Broken(f"{path} is no JSON object.")
    if missing := sorted(needed - {"self", "action_intent_id"} - said.keys()):
        raise Broken(f"{path} has no {', '.join(missing)}.")
    if unknown := sorted(said.keys() - known):
        raise Broken(f"{path} has {', '.join(unknown)}, which a proposal here does not have.")
    return said


def _api_key() -> str:
    key = os.environ.get("CLEARANCE_API_KEY", "")
    if not key:
        raise Broken("CLEARANCE_API_KEY is not set: the API key of an agent.")
    return key


if __name__ == "__main__":
    sys.exit(main())
