"""The stack as the kept template deploys it: on MiniStack, through CloudFormation, with grants
enforced.

Every function is a process of its own under AWS's own runtime client, with the credentials of its
role; events, queue and state machine are MiniStack's. CHANGES are all that the template differs by
from what AWS is given.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import signal
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3

from clearance.clock import SystemClock
from tests.aws.support import toolserver
from tests.aws.support.emulators import check_environment, environment, ministack
from tests.aws.support.recording import AHEAD_FILE, ahead_ms
from tests.aws.support.stack import FUNCTIONS, SECRET, SOURCES, Execution, FunctionFailed, settle
from tests.aws.support.toolserver import Tool
from tests.tidy.pages import ROOT

TEMPLATE = ROOT / "deploy" / "aws" / "template.json"
NAME = "clearance"
BUCKET = "clearance-code"
DEPLOY_SECONDS_MAX = 90
WAIT_SECONDS_MAX = 30
POLL_SECONDS = 0.05
TOPIC = "arn:aws:sns:us-east-1:000000000000:alarms"
MODE = 0o755 << 16


# What the template is changed by


def _own_runtime(kind: str, properties: dict[str, Any]) -> None:
    if kind == "AWS::Lambda::Function":
        properties |= {"Runtime": "provided.al2023", "Architectures": ["x86_64"]}


def _over_http(kind: str, properties: dict[str, Any]) -> None:
    if kind == "AWS::SQS::QueuePolicy":
        document = properties["PolicyDocument"]
        document["Statement"] = [
            one for one in document["Statement"] if "aws:SecureTransport" not in json.dumps(one)
        ]


def _no_schedule(kind: str, properties: dict[str, Any]) -> None:
    if kind == "AWS::Scheduler::Schedule":
        properties["State"] = "DISABLED"


CHANGES: Mapping[str, Callable[[str, dict[str, Any]], None]] = {
    "MiniStack's own Python loses the class of an error, by which the state machine decides: so "
    "AWS's runtime client": _own_runtime,
    "MiniStack speaks HTTP, and a queue's policy refuses everything but HTTPS": _over_http,
    "A test says itself when it is time to sweep": _no_schedule,
}
"""Each change to the template by its reason."""


def template_for_ministack() -> dict[str, Any]:
    """The kept template, with CHANGES."""
    template: dict[str, Any] = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    for resource in template["Resources"].values():
        for change in CHANGES.values():
            change(resource["Type"], resource.get("Properties", {}))
    return template


def _code(folder: Path) -> bytes:
    """The code of every function: this project as it is installed here.

    Each process leaves its id, for `kill`.
    """
    bootstrap = f"""#!/bin/sh
: > "{folder}/$AWS_LAMBDA_FUNCTION_NAME.$$"
cd "{ROOT}" && exec "{sys.executable}" -m tests.aws.support.recording \\
  "{folder}" "${{_HANDLER##*.}}" "$_HANDLER"
"""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        about = zipfile.ZipInfo("bootstrap")
        about.external_attr = MODE
        archive.writestr(about, bootstrap)
    return packed.getvalue()


class Deployed:
    """The stack."""

    def __init__(self, endpoint: str, folder: Path, tool: Tool) -> None:
        self.endpoint = endpoint
        self.tool = tool
        self.keys: Mapping[tuple[str, str], str] = {}
        self.functions: dict[str, str] = {}
        """The names of the functions as they are deployed."""
        self.outputs: dict[str, str] = {}
        self.resources: dict[str, str] = {}
        """Physical ids by logical ids without their digests."""
        self.folder = folder
        self._clients: dict[str, Any] = {}

    @property
    def table(self) -> str:
        return self.outputs["TableName"]

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service)
        return self._clients[service]

    # Deploying, as docs/aws.md says

    def deploy(self) -> None:
        bucket, cloudformation = self.client("s3"), self.client("cloudformation")
        template = json.dumps(template_for_ministack())
        bucket.create_bucket(Bucket=BUCKET)
        bucket.put_object(Bucket=BUCKET, Key="code.zip", Body=_code(self.folder))
        bucket.put_object(Bucket=BUCKET, Key="template.json", Body=template.encode())
        parameters = {
            "CodeBucket": BUCKET,
            "CodeKey": "code.zip",
            "AlarmTopicArn": TOPIC,
            "Sources": json.dumps(SOURCES),
        }
        cloudformation.create_stack(
            StackName=NAME,
            TemplateURL=f"{self.endpoint}/{BUCKET}/template.json",
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[
                {"ParameterKey": name, "ParameterValue": value}
                for name, value in parameters.items()
            ],
        )
        self._made("CREATE_COMPLETE")
        self._name(json.loads(template))
        self.client("secretsmanager").put_secret_value(
            SecretId=self.outputs["SecretArn"], SecretString=json.dumps(SECRET)
        )

    def work_on(self, table: str) -> None:
        """Goes over to a table that was restored, as docs/aws-operate.md says."""
        cloudformation = self.client("cloudformation")
        [said] = cloudformation.describe_stacks(StackName=NAME)["Stacks"]
        kept = [
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True}
            for one in said["Parameters"]
        ]
        given = [one for one in kept if one["ParameterKey"] != "RestoredTable"]
        given.append({"ParameterKey": "RestoredTable", "ParameterValue": table})
        cloudformation.update_stack(
            StackName=NAME,
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_IAM"],
            Parameters=given,
        )
        self._made("UPDATE_COMPLETE")

    def _made(self, status: str) -> None:
        """Waits until CloudFormation is done, and reads the outputs."""
        ends = time.monotonic() + DEPLOY_SECONDS_MAX
        while True:
            [said] = self.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"]
            if not said["StackStatus"].endswith("_IN_PROGRESS") or time.monotonic() > ends:
                break
            time.sleep(POLL_SECONDS)
        assert said["StackStatus"] == status, self._why()
        self.outputs = {one["OutputKey"]: one["OutputValue"] for one in said["Outputs"]}

    def _why(self) -> str:
        said = self.client("cloudformation").describe_stack_events(StackName=NAME)["StackEvents"]
        failed = [one for one in said if "FAILED" in one["ResourceStatus"]]
        return "\n".join(
            f"{one['LogicalResourceId']}: {one.get('ResourceStatusReason')}" for one in failed
        )

    def _name(self, template: dict[str, Any]) -> None:
        found = (
            self.client("cloudformation")
            .get_paginator("list_stack_resources")
            .paginate(StackName=NAME)
        )
        physical = {
            one["LogicalResourceId"]: one["PhysicalResourceId"]
            for page in found
            for one in page["StackResourceSummaries"]
        }
        handlers = {
            logical: resource["Properties"]["Handler"].rpartition(".")[2]
            for logical, resource in template["Resources"].items()
            if resource["Type"] == "AWS::Lambda::Function"
        }
        self.functions = {name: physical[logical] for logical, name in handlers.items()}
        assert set(self.functions) == set(FUNCTIONS)
        self.resources = {
            logical.removesuffix(logical[-8:])
            if logical[-8:].isalnum() and logical[-8:].upper() == logical[-8:]
            else logical: one
            for logical, one in physical.items()
        }

    # What tests do

    def propose_by_event(self, detail: Mapping[str, Any], source: str) -> None:
        entry = {
            "EventBusName": self.outputs["BusName"],
            "Source": source,
            "DetailType": "ActionIntent",
            "Detail": json.dumps(detail),
        }
        assert self.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    def invoke(self, function: str, payload: Any) -> Any:
        answer = self.client("lambda").invoke(
            FunctionName=self.functions[function], Payload=json.dumps(payload).encode()
        )
        said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionFailed(said["errorType"], said["errorMessage"])
        return said

    def invoke_later(self, function: str, payload: Any) -> None:
        """Leaves an event for a function, and does not wait."""
        name, said = self.functions[function], json.dumps(payload).encode()
        self.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=said)

    @property
    def url(self) -> str:
        """Where the HTTP API is for those who cannot look up the name that it has."""
        api = urlsplit(self.outputs["ApiUrl"]).netloc.partition(".")[0]
        return f"{self.endpoint}/_aws/execute-api/{api}/$default"

    def api(self, method: str, path: str, key: str | None, body: Any = None) -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        headers |= {"content-type": "application/json"} if body is not None else {}
        headers |= {"if-match": "*"} if method == "PUT" else {}
        here = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            str(here.hostname), here.port, timeout=WAIT_SECONDS_MAX
        )
        with contextlib.closing(connection):
            connection.request(
                method, here.path + path, None if body is None else json.dumps(body), headers
            )
            answer = connection.getresponse()
            said = answer.read()
        return answer.status, json.loads(said) if said else None

    def sweep(self) -> None:
        self.invoke("sweeper", {})
        self.settle_queue()

    def quiet(self) -> None:
        self.settle_queue()
        ends = time.monotonic() + WAIT_SECONDS_MAX
        while any(one.status == "RUNNING" for one in self.executions()):
            assert time.monotonic() < ends, "an execution does not end"
            time.sleep(POLL_SECONDS)

    def settle_queue(self) -> None:
        """Returns when no hint waits and none is being worked on."""
        ends, quiet = time.monotonic() + WAIT_SECONDS_MAX, 0
        names = (
            "ApproximateNumberOfMessages",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesDelayed",
        )
        while quiet < 2:
            assert time.monotonic() < ends, "hints wait in the queue"
            said = self.client("sqs").get_queue_attributes(
                QueueUrl=self.resources["Approvals"], AttributeNames=names
            )
            quiet = 0 if any(int(said["Attributes"][name]) for name in names) else quiet + 1
            time.sleep(POLL_SECONDS)

    def dead_letters(self, queue: str) -> list[str]:
        """What is in a queue of what was given up, as soon as there
        is something; it is taken out.
        """
        client, url = self.client("sqs"), self.outputs[f"{queue}Url"]
        found = client.receive_message(
            QueueUrl=url, WaitTimeSeconds=20, MaxNumberOfMessages=10
        ).get("Messages", [])
        for one in found:
            client.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
        return [one["Body"] for one in found]

    def fire_schedule(self) -> None:
        """Lets the schedule of the sweeper be due now, once, with everything else as the template
        has it.
        """
        client, name = (
            self.client("scheduler"),
            self.resources["Sweeps"].rpartition("/")[2].rpartition("|")[2],
        )
        said = client.get_schedule(Name=name)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")  # noqa: TID251
        kept = {part: said[part] for part in ("FlexibleTimeWindow", "Target")}
        client.update_schedule(Name=name, ScheduleExpression=f"at({now})", State="ENABLED", **kept)

    def executions(self) -> list[Execution]:
        client, found = self.client("stepfunctions"), []
        pages = client.get_paginator("list_executions").paginate(
            stateMachineArn=self.outputs["StateMachineArn"]
        )
        for one in (one for page in pages for one in page["executions"]):
            said = client.describe_execution(executionArn=one["executionArn"])
            asked = json.loads(said["input"])
            execution = Execution(
                one["name"], said["status"], asked["tenant_id"], asked["action_intent_id"]
            )
            found.append((said["startDate"], execution))
        return [execution for _, execution in sorted(found, key=lambda pair: pair[0])]

    def start_execution(self, name: str, tenant_id: str, action_intent_id: str) -> None:
        client, said = (
            self.client("stepfunctions"),
            {"tenant_id": tenant_id, "action_intent_id": action_intent_id},
        )
        client.start_execution(
            stateMachineArn=self.outputs["StateMachineArn"],
            name=name,
            input=json.dumps(said, sort_keys=True),
        )
        ends = time.monotonic() + WAIT_SECONDS_MAX
        while client.describe_execution(executionArn=self._execution(name))["status"] == "RUNNING":
            assert time.monotonic() < ends, f"{name} does not end"
            time.sleep(POLL_SECONDS)

    def abort(self, execution: str) -> None:
        self.client("stepfunctions").stop_execution(executionArn=self._execution(execution))

    def _execution(self, name: str) -> str:
        return f"{self.outputs['StateMachineArn'].replace(':stateMachine:', ':execution:')}:{name}"

    def kill(self, function: str) -> None:
        for path in self.folder.glob(f"{self.functions[function]}.*"):
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                pid = int(path.suffix[1:])  # perhaps of another process by now
                if str(self.folder) in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                    os.kill(pid, signal.SIGKILL)
            path.unlink()

    @contextmanager
    def losing_events(self) -> Iterator[None]:
        bus, rule = self.outputs["BusName"], self.resources["Approved"].rpartition("|")[2]
        self.client("events").disable_rule(Name=rule, EventBusName=bus)
        try:
            yield
        finally:
            self.client("events").enable_rule(Name=rule, EventBusName=bus)

    def until(self, moment_ms: int) -> None:
        ahead = ahead_ms(self.folder) + max(moment_ms - SystemClock().now_ms(), 0)
        (self.folder / f"{AHEAD_FILE}.new").write_text(str(ahead), encoding="utf-8")
        (self.folder / f"{AHEAD_FILE}.new").replace(self.folder / AHEAD_FILE)


@contextmanager
def deployed(folder: Path) -> Iterator[Deployed]:
    """The stack of the template, on a MiniStack of its own that enforces grants, for as long as the
    block lasts.
    """
    processes = folder / "functions"
    processes.mkdir(parents=True)
    with ExitStack() as ends:
        endpoint = ends.enter_context(ministack(folder, AUTH="true"))
        ends.enter_context(mock.patch.dict(os.environ, environment(endpoint)))
        check_environment(os.environ)
        tool, url = ends.enter_context(toolserver.serving())
        now_ms = SystemClock.now_ms
        ends.enter_context(
            mock.patch.object(
                SystemClock, "now_ms", lambda clock: now_ms(clock) + ahead_ms(processes)
            )
        )
        stack = Deployed(endpoint, processes, tool)
        stack.deploy()
        stack.keys = settle(stack.table, url)
        yield stack
