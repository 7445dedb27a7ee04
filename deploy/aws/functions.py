"""The functions: what each is for, what it is given, and what it may do.

One row for each handler of `clearance.running.functions`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

RUNTIME = lambda_.Runtime.PYTHON_3_13
"""The newest that this project declares; the wheels of its dependencies are there for it."""

ARCHITECTURE = lambda_.Architecture.ARM_64  # a fifth cheaper for the same time
LOG_RETENTION = logs.RetentionDays.THREE_MONTHS
MODULE = "clearance.running.functions"

# The longest deadline that a tool server may have is 600; more than that is waiting for a
# connection
TOOL_CALL_SECONDS = 630
API_SECONDS = 29  # the HTTP API gives up after 30


@dataclass(frozen=True, slots=True)
class Spec:
    """One function.

    `errors` and `throttles` are how many in five minutes are worth a person's time.

    None where raising is an answer.
    """

    name: str
    purpose: str
    memory_mb: int
    timeout_seconds: int
    errors: int | None = 1
    throttles: int = 1

    @property
    def handler(self) -> str:
        """What Lambda calls."""
        return f"{MODULE}.{self.name}"

    @property
    def construct_id(self) -> str:
        """How the function is named in the template."""
        return self.name.capitalize()


# A function's share of a core grows with its memory. These have about half of one: an import of the
# gate takes seconds else.
SPECS = (
    Spec(
        "gate", "Decides on what agents propose by event", 1024, 30, errors=10
    ),  # a refused event is one of three
    Spec("api", "The REST API and the pages", 1024, API_SECONDS),
    Spec("launcher", "Starts an execution for what is approved", 512, 30),
    Spec("starter", "Execution: revalidates, and claims the attempt", 1024, 30, errors=None),
    Spec(
        "invoker",
        "Execution: calls the tool, once for each invocation",
        1024,
        TOOL_CALL_SECONDS,
        errors=None,
        throttles=100,
    ),
    Spec("recorder", "Execution: records the outcome", 512, 30),
    Spec("sweeper", "Finds what nobody is working on", 1024, 55),
    Spec("aborted", "Records executions that ended without an outcome", 512, 30),
)


def make_function(
    scope: Construct,
    spec: Spec,
    code: lambda_.Code,
    environment: dict[str, str],
    concurrency: float | None,
) -> lambda_.Function:
    """A function with a role and a log group of its own.

    The role may write that log, and send traces, and nothing else yet.
    """
    log = logs.LogGroup(
        scope,
        f"{spec.construct_id}Log",
        retention=LOG_RETENTION,
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    )
    role = iam.Role(
        scope,
        f"{spec.construct_id}Role",
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        description=f"Clearance: {spec.purpose}",
    )
    role.add_to_policy(
        iam.PolicyStatement(
            sid="OwnLog",
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resources=[log.log_group_arn],
        )
    )
    return lambda_.Function(
        scope,
        spec.construct_id,
        description=f"Clearance: {spec.purpose}",
        runtime=RUNTIME,
        architecture=ARCHITECTURE,
        code=code,
        handler=spec.handler,
        role=role,
        memory_size=spec.memory_mb,
        timeout=Duration.seconds(spec.timeout_seconds),
        environment=environment,
        log_group=log,
        tracing=lambda_.Tracing.ACTIVE,
        reserved_concurrent_executions=concurrency,
    )


def allow(function: lambda_.Function, statements: Sequence[iam.PolicyStatement]) -> None:
    """Lets a function do what the statements say."""
    for statement in statements:
        function.add_to_role_policy(statement)
