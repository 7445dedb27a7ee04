"""A stack in this process, on moto: the real handlers, the real state machine, and the few things
that moto lacks.

moto starts no functions without Docker, and delivers neither an event to a function nor the end of
an execution. Those are made up for here; `test_glue.py` fails if a new moto does them itself, or
does them in another way.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import boto3
from moto.awslambda.models import LambdaFunction

from clearance.clock import SystemClock
from clearance.engines.step_functions import DEFINITION
from clearance.running import functions as aws_lambda
from clearance.running.functions import Function
from tests.aws.support import toolserver
from tests.aws.support.emulators import REGION, dynamodb_client, moto_aws, new_table
from tests.aws.support.stack import (
    FUNCTIONS,
    SECRET,
    Execution,
    FunctionFailed,
    environment,
    settle,
)
from tests.aws.support.toolserver import Tool

BUS = "clearance"
INVOCATION_SECONDS_MAX = 60
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}],
}
PATTERN = {"source": ["clearance"], "detail-type": ["ACTION_APPROVED"]}


@dataclass(frozen=True)
class LambdaContext:
    """What Lambda hands to a handler beside the event, as far as ours read it."""

    aws_request_id: str
    invoked_function_arn: str

    def get_remaining_time_in_millis(self) -> int:
        return INVOCATION_SECONDS_MAX * 1000


@dataclass
class Invocation:
    """One invocation on its way, in a thread of its own: so that it can be left behind, as a crash
    would.
    """

    over: threading.Event = field(default_factory=threading.Event)
    answer: Any = None
    error: Exception | None = None
    killed: bool = False


class Functions:
    """The environments of every function, as Lambda keeps them: an idle one is used again, else
    there is a new one.
    """

    def __init__(self) -> None:
        self.under_way: dict[str, list[Invocation]] = defaultdict(list)
        self.cold_starts: dict[str, int] = defaultdict(int)
        self._idle: dict[str, list[Function]] = defaultdict(list)
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._count = 0

    def run(self, name: str, event: Any, alias: str = "") -> Invocation:
        """Invokes a function, or an alias of it, and waits until it answers or is killed."""
        invocation = Invocation()
        with self._lock:
            self._count += 1
            arn = f"arn:aws:lambda:{REGION}:123456789012:function:{name}" + (
                f":{alias}" if alias else ""
            )
            context = LambdaContext(f"00000000-0000-4000-8000-{self._count:012}", arn)
            self.under_way[name].append(invocation)
            thread = threading.Thread(
                target=self._work, args=(name, invocation, event, context), daemon=True
            )
            self._threads.append(thread)
        thread.start()
        assert invocation.over.wait(INVOCATION_SECONDS_MAX), f"{name} took too long"
        return invocation

    def _work(self, name: str, invocation: Invocation, event: Any, context: LambdaContext) -> None:
        with self._lock:
            idle = self._idle[name]
            function = idle.pop() if idle else None
        if function is None:
            with self._lock:
                self.cold_starts[name] += 1
            function = Function(name, getattr(aws_lambda, name).opening)
        try:
            invocation.answer = function(event, context)
        except Exception as error:
            invocation.error = error
        with self._lock:
            self.under_way[name].remove(invocation)
            if not invocation.killed:
                self._idle[name].append(function)
        if invocation.killed:
            function.close()
        invocation.over.set()

    def kill(self, name: str) -> None:
        """Whoever waits for an invocation of a function learns that its process ended; what it
        answers is nobody's.
        """
        with self._lock:
            for invocation in self.under_way[name]:
                invocation.killed = True
                invocation.over.set()

    def cool(self) -> None:
        """Ends the environments that are idle: the next invocations start cold."""
        with self._lock:
            idle = [function for functions in self._idle.values() for function in functions]
            self._idle.clear()
        for function in idle:
            function.close()

    def close(self) -> None:
        """Waits for what was left behind, and ends every environment."""
        for thread in self._threads:
            thread.join(INVOCATION_SECONDS_MAX)
        self.cool()


class InProcess:
    """The stack."""

    def __init__(self, table: str, tool: Tool, functions: Functions) -> None:
        self.table = table
        self.tool = tool
        self.functions = functions
        self.keys: Mapping[tuple[str, str], str] = {}
        self.machine = ""
        self._ahead_ms = 0
        self._real_clock = SystemClock.now_ms
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, region_name=REGION)
        return self._clients[service]

    # What a deployment has

    def deploy(self, secret: str) -> Mapping[str, str]:
        """Makes everything but the table; the functions' environment."""
        role = self.client("iam").create_role(
            RoleName="clearance", AssumeRolePolicyDocument=json.dumps(TRUST)
        )
        arns = {name: self._function(name, role["Role"]["Arn"]) for name in FUNCTIONS}
        definition = DEFINITION.read_text(encoding="utf-8")
        for step in ("starter", "invoker", "recorder"):
            definition = definition.replace(f"${{{step.capitalize()}FunctionArn}}", arns[step])
        machine = self.client("stepfunctions").create_state_machine(
            name="clearance", definition=definition, roleArn=role["Role"]["Arn"]
        )
        self.machine = machine["stateMachineArn"]
        self._route_events()
        vault = self.client("secretsmanager").create_secret(
            Name=secret, SecretString=json.dumps(SECRET)
        )
        return environment(self.table, BUS, self.machine, vault["ARN"])

    def _function(self, name: str, role: str) -> str:
        made = self.client("lambda").create_function(
            FunctionName=name,
            Runtime="python3.11",
            Role=role,
            Handler=f"clearance.running.functions.{name}",
            Code={"ZipFile": b""},
        )
        return str(made["FunctionArn"])

    def _route_events(self) -> None:
        queues, events = self.client("sqs"), self.client("events")
        url = queues.create_queue(QueueName="approved")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.client("lambda").create_event_source_mapping(
            EventSourceArn=arn, FunctionName="launcher"
        )
        events.create_event_bus(Name=BUS)
        events.put_rule(Name="approved", EventBusName=BUS, EventPattern=json.dumps(PATTERN))
        events.put_targets(
            Rule="approved", EventBusName=BUS, Targets=[{"Id": "launcher", "Arn": arn}]
        )

    # What tests do

    def propose_by_event(self, detail: Mapping[str, Any], source: str) -> None:
        event = {
            "version": "0",
            "id": f"event-{time.monotonic_ns()}",
            "detail-type": "ActionIntent",
            "source": source,
        }
        self.functions.run("gate", {**event, "detail": json.loads(json.dumps(detail))})

    def invoke(self, function: str, payload: Any) -> Any:
        answer = self.client("lambda").invoke(
            FunctionName=function, Payload=json.dumps(payload).encode()
        )
        said = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise FunctionFailed(said["errorType"], said["errorMessage"])
        return said

    def api(self, method: str, path: str, key: str | None, body: Any = None) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        headers = {
            "host": "api.example.com",
            "x-forwarded-proto": "https",
            "x-forwarded-port": "443",
        }
        headers |= {"authorization": f"Bearer {key}"} if key else {}
        headers |= {"content-type": "application/json"} if body is not None else {}
        headers |= {"if-match": "*"} if method == "PUT" else {}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {"http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}},
            "isBase64Encoded": False,
        }
        if body is not None:
            event["body"] = json.dumps(body)
        answer = self.invoke("api", event)
        return answer["statusCode"], json.loads(answer["body"]) if answer.get("body") else None

    def sweep(self) -> None:
        self.invoke("sweeper", {})

    def quiet(self) -> None:
        ends = time.monotonic() + INVOCATION_SECONDS_MAX  # hints are taken at once here
        while any(one.status == "RUNNING" for one in self.executions()):
            assert time.monotonic() < ends, "an execution does not end"
            time.sleep(0.1)

    def executions(self) -> list[Execution]:
        client, found = self.client("stepfunctions"), []
        for one in client.list_executions(stateMachineArn=self.machine)["executions"]:
            said = client.describe_execution(executionArn=one["executionArn"])
            input_ = json.loads(said["input"])
            execution = Execution(
                one["name"], said["status"], input_["tenant_id"], input_["action_intent_id"]
            )
            found.append((said["startDate"], execution))
        return [execution for _, execution in sorted(found, key=lambda pair: pair[0])]

    def start_execution(self, name: str, tenant_id: str, action_intent_id: str) -> None:
        client = self.client("stepfunctions")
        said = json.dumps(
            {"tenant_id": tenant_id, "action_intent_id": action_intent_id}, sort_keys=True
        )
        arn = client.start_execution(stateMachineArn=self.machine, name=name, input=said)[
            "executionArn"
        ]
        ends = time.monotonic() + INVOCATION_SECONDS_MAX
        while client.describe_execution(executionArn=arn)["status"] == "RUNNING":
            assert time.monotonic() < ends, f"{name} does not end"
            time.sleep(0.1)

    def abort(self, execution: str) -> None:
        client = self.client("stepfunctions")
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{execution}"
        client.stop_execution(executionArn=arn)
        said = client.describe_execution(executionArn=arn)
        detail = {name: said[name] for name in ("executionArn", "stateMachineArn", "name", "input")}
        detail["status"] = (
            # Moto may say so only when the state that is under way has ended; AWS does at once
            "ABORTED"
        )
        event = {
            "source": "aws.states",
            "detail-type": "Step Functions Execution Status Change",
            "detail": detail,
        }
        self.invoke("aborted", event)

    def kill(self, function: str) -> None:
        self.functions.kill(function)

    @contextmanager
    def losing_events(self) -> Iterator[None]:
        events = self.client("events")  # whose rules send on even while they are disabled
        targets = events.list_targets_by_rule(Rule="approved", EventBusName=BUS)["Targets"]
        events.remove_targets(
            Rule="approved", EventBusName=BUS, Ids=[target["Id"] for target in targets]
        )
        try:
            yield
        finally:
            events.put_targets(Rule="approved", EventBusName=BUS, Targets=targets)

    def until(self, moment_ms: int) -> None:
        self._ahead_ms += max(moment_ms - self.now_ms(), 0)

    def now_ms(self) -> int:
        """The functions' clock."""
        return self._real_clock(SystemClock()) + self._ahead_ms


@contextmanager
def in_process() -> Iterator[InProcess]:
    """A stack on moto, for as long as the block lasts."""
    functions = Functions()

    def invoked(self: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        said = (
            json.loads(event) if isinstance(event, str | bytes) else event
        )  # moto's queue hands over what it made
        done = functions.run(self.function_name, said)
        if done.killed:
            return (
                _error("Runtime.ExitError", "Error: Runtime exited with error: signal: killed"),
                True,
                "",
            )
        if done.error is not None:
            return _error(type(done.error).__name__, str(done.error)), True, ""
        return json.dumps(done.answer), False, ""

    with ExitStack() as ends:
        ends.enter_context(moto_aws(stepfunctions={"execute_state_machine": True}))
        ends.enter_context(mock.patch.object(LambdaFunction, "_invoke_lambda", invoked))
        tool, url = ends.enter_context(toolserver.serving())
        table = ends.enter_context(new_table(dynamodb_client(None), None))
        stack = InProcess(table.name, tool, functions)
        ends.enter_context(mock.patch.object(SystemClock, "now_ms", stack.now_ms))
        ends.callback(functions.close)
        ends.enter_context(mock.patch.dict(os.environ, stack.deploy("clearance-tools")))
        stack.keys = settle(table.name, url)
        yield stack


def _error(error_type: str, message: str) -> str:
    return json.dumps({"errorType": error_type, "errorMessage": message, "stackTrace": []})
