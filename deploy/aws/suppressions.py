"""Suppressions: each objection of cdk-nag that we live with, where, and why.

Anything new fails `make aws`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Acknowledgment, Stack, Validations

_FUNCTIONS = ("Gate", "Api", "Launcher", "Starter", "Invoker", "Recorder", "Sweeper", "Aborted")
_ROLES = tuple(f"{name}Role" for name in _FUNCTIONS)
_NOT_ASYNCHRONOUS = (
    "It is never invoked asynchronously: whoever invokes it hears of the failure, and tries again "
    "or keeps it"
)
_FAILURES_KEPT = (
    "Its failed events go to a queue by EventInvokeConfig, which says more of them than "
    "DeadLetterConfig"
)
_DEAD_LETTERS = "It is where others put what they gave up: the end of the way, watched by an alarm"
_TRACES = (
    "xray:PutTraceSegments and PutTelemetryRecords know no resource: AWS's service authorization "
    "reference lists none"
)

SUPPRESSIONS: Mapping[str, Sequence[tuple[Sequence[str], str]]] = {
    "AwsSolutions::AwsSolutions-IAM5[Resource::*]": [
        (_ROLES, _TRACES),
        (
            ["ExecutionRole"],
            f"{_TRACES}; nor do the logs:*LogDelivery* that Step Functions asks for",
        ),
    ],
    "AwsSolutions::AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:"
    "execution:<ExecutionB02F1F83.Name>:exec-*]": [
        (
            ["LauncherRole"],
            (
                "The names of executions hold the ids of intents; it may only look at those of "
                "this "
                "machine"
            ),
        ),
    ],
    "AwsSolutions::AwsSolutions-L1": [
        (
            _FUNCTIONS,
            (
                "Python 3.13 is the newest that this project declares, and is supported by Lambda "
                "until 2029"
            ),
        ),
    ],
    "Serverless::Serverless-LambdaLatestVersion": [
        (
            _FUNCTIONS,
            (
                "Python 3.13 is the newest that this project declares, and is supported by Lambda "
                "until 2029"
            ),
        ),
    ],
    "AwsSolutions::AwsSolutions-SMG4": [
        (
            ["ToolSecrets"],
            "These are credentials of other systems: nobody here can change them there",
        ),
    ],
    "AwsSolutions::AwsSolutions-SQS3": [(["Undelivered", "FailedEvents"], _DEAD_LETTERS)],
    "Serverless::Serverless-SQSRedrivePolicy": [
        (["DeadApprovals", "Undelivered", "FailedEvents"], _DEAD_LETTERS)
    ],
    "AwsSolutions::AwsSolutions-SF1": [
        (
            ["Execution"],
            (
                "Standard keeps the whole history of an execution for 90 days; a log of it would "
                "be "
                "paid a second time"
            ),
        ),
    ],
    "AwsSolutions::AwsSolutions-APIG4": [
        (
            ["Http"],
            (
                "Clearance checks its own API keys and sessions, as on every profile; health and "
                "sign-in need none"
            ),
        ),
    ],
    "Serverless::Serverless-LambdaDLQ": [
        (["Gate", "Aborted", "Sweeper"], _FAILURES_KEPT),
        (["Api", "Launcher", "Starter", "Invoker", "Recorder"], _NOT_ASYNCHRONOUS),
    ],
    "Serverless::Serverless-LambdaEventSourceMappingDestination": [
        (["Launcher"], "The queue itself has a dead letter queue; a destination is for streams"),
    ],
}


def acknowledge(stack: Stack) -> None:
    """Says to cdk-nag what we know."""
    for rule, places in SUPPRESSIONS.items():
        for names, reason in places:
            for name in names:
                found = stack.node.find_child(name)
                Validations.of(found).acknowledge(Acknowledgment(id=rule, reason=reason))
