"""Alarms: what needs a person, and who hears of it.

Each says what it means; docs/aws-operate.md says what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct
from deploy.aws.functions import Spec

PERIOD = Duration.minutes(5)
WAITING_SECONDS = 300  # for how long a hint may wait in the queue until somebody should know
MISSING_IS_GOOD = cloudwatch.TreatMissingData.NOT_BREACHING
MISSING_IS_BAD = cloudwatch.TreatMissingData.BREACHING


@dataclass(frozen=True, slots=True)
class Alarms:
    """Makes alarms that tell one topic."""

    scope: Construct
    topic: sns.ITopic

    def above(self, name: str, means: str, metric: cloudwatch.Metric, threshold: float = 1) -> None:
        """Rings when the metric reaches the threshold in one period; no data is good news."""
        self._make(name, means, metric, threshold, MISSING_IS_GOOD, at_least=True)

    def below(self, name: str, means: str, metric: cloudwatch.Metric, threshold: float = 1) -> None:
        """Rings when the metric stays under the threshold for one period; no data is bad news."""
        self._make(name, means, metric, threshold, MISSING_IS_BAD, at_least=False)

    def _make(
        self,
        name: str,
        means: str,
        metric: cloudwatch.Metric,
        threshold: float,
        missing: cloudwatch.TreatMissingData,
        *,
        at_least: bool,
    ) -> None:
        operators = cloudwatch.ComparisonOperator
        alarm = cloudwatch.Alarm(
            self.scope,
            f"{name}Alarm",
            alarm_description=f"Clearance: {means}",
            metric=metric,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=operators.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
            if at_least
            else operators.LESS_THAN_THRESHOLD,
            treat_missing_data=missing,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))


def of_queues(
    alarms: Alarms, approvals: sqs.Queue, dead: Mapping[str, tuple[sqs.Queue, str]]
) -> None:
    """The queue that hints wait in, and everything that was given up."""
    alarms.above(
        "ApprovalsWait",
        "what is approved waits for the launcher; it starts later than it should",
        approvals.metric_approximate_age_of_oldest_message(period=PERIOD, statistic="Maximum"),
        WAITING_SECONDS,
    )
    for name, (queue, means) in dead.items():
        visible = queue.metric_approximate_number_of_messages_visible(
            period=PERIOD, statistic="Maximum"
        )
        alarms.above(name, means, visible)


def of_functions(alarms: Alarms, functions: Mapping[Spec, lambda_.Function]) -> None:
    """Functions that fail, or that Lambda would not run."""
    for spec, function in functions.items():
        if spec.errors is not None:
            errors = function.metric_errors(period=PERIOD, statistic="Sum")
            means = f"the function {spec.name} failed; its log says why"
            alarms.above(f"{spec.construct_id}Errors", means, errors, spec.errors)
        throttles = function.metric_throttles(period=PERIOD, statistic="Sum")
        means = f"Lambda would not run the function {spec.name}"
        alarms.above(f"{spec.construct_id}Throttles", means, throttles, spec.throttles)


def of_sweeper(alarms: Alarms, sweeper: lambda_.Function) -> None:
    """Without the sweeper nothing that was lost is found again."""
    runs = sweeper.metric_invocations(period=PERIOD, statistic="Sum")
    alarms.below("NoSweep", "the sweeper did not run for five minutes", runs)


def of_executions(alarms: Alarms, machine: sfn.StateMachine) -> None:
    """Executions that ended otherwise than planned: what becomes of their intents is recorded, and
    somebody should look.
    """
    for name, metric, means in (
        ("ExecutionsFailed", machine.metric_failed(), "an execution failed"),
        ("ExecutionsTimedOut", machine.metric_timed_out(), "an execution took longer than it may"),
        ("ExecutionsAborted", machine.metric_aborted(), "an execution was stopped by hand"),
        (
            "ExecutionsThrottled",
            machine.metric_throttled(),
            "Step Functions is at its limit of transitions or starts",
        ),
    ):
        alarms.above(name, means, metric.with_(period=PERIOD, statistic="Sum"))


def of_table(alarms: Alarms, table_name: str) -> None:
    """A table that refuses work: transitions wait, and then answer 503."""
    for name in ("ReadThrottleEvents", "WriteThrottleEvents"):
        metric = cloudwatch.Metric(
            namespace="AWS/DynamoDB",
            metric_name=name,
            dimensions_map={"TableName": table_name},
            period=PERIOD,
            statistic="Sum",
        )
        alarms.above(f"Table{name}", "a partition of the table is at its limit", metric, THROTTLES)


THROTTLES = 100  # in five minutes: some are the price of growing, and are tried again


def of_api(alarms: Alarms, api_id: str) -> None:
    """Answers that say that the service is at fault."""
    metric = cloudwatch.Metric(
        namespace="AWS/ApiGateway",
        metric_name="5xx",
        dimensions_map={"ApiId": api_id},
        period=PERIOD,
        statistic="Sum",
    )
    alarms.above("ApiFaults", "the API answered with faults of its own", metric, API_FAULTS)


API_FAULTS = 5  # in five minutes
