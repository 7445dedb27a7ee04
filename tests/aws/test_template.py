"""What the kept template says, read as plain JSON: where what is given up goes, what is kept how,
what runs, who hears of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from clearance.core.catalog import DEADLINE_SECONDS_MAX
from clearance.engines.eventbridge import DETAIL_TYPE, SOURCE
from clearance.engines.step_functions import DEFINITION, NAME_PREFIX
from clearance.profiles.environment import Environment
from clearance.running import functions as aws_lambda
from clearance.stores.dynamodb import table
from tests.aws.support.deployed import CHANGES, template_for_ministack
from tests.aws.support.stack import FUNCTIONS
from tests.aws.support.template import Template

TEMPLATE_BYTES_MAX, RESOURCES_MAX = 1_000_000, 500  # CloudFormation's
API_SECONDS_MAX = 30  # API Gateway's
DAY = 86_400

STARS: Mapping[str, str] = {
    **dict.fromkeys(
        ("xray:PutTraceSegments", "xray:PutTelemetryRecords"), "X-Ray knows no resources"
    ),
    **dict.fromkeys(
        ("xray:GetSamplingRules", "xray:GetSamplingTargets"), "X-Ray knows no resources"
    ),
    **dict.fromkeys(
        (
            *(
                "logs:CreateLogDelivery",
                "logs:GetLogDelivery",
                "logs:UpdateLogDelivery",
                "logs:DeleteLogDelivery",
            ),
            *("logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies"),
            "logs:DescribeLogGroups",
        ),
        "Step Functions asks for them, and they know no resources",
    ),
}
"""The only actions that are granted on `*`, and why."""

EXECUTIONS = (
    f"arn:AWS::Partition:states:AWS::Region:AWS::AccountId:execution:Execution.Name:{NAME_PREFIX}*"
)


# What is given up


def test_every_target_has_a_queue_for_what_does_not_reach_it(template: Template) -> None:
    targets = [
        target
        for one in template.of_type("AWS::Events::Rule").values()
        for target in one["Properties"]["Targets"]
    ]
    targets.append(template.the("AWS::Scheduler::Schedule")["Target"])
    reached = {
        name: template.short(one["Targets"][0]["Arn"]) for name, one in _rules(template).items()
    }
    assert reached == {"Proposals": "Gate", "Approved": "Approvals", "Ends": "Aborted"}
    assert len(targets) == 4
    assert {template.short(target["DeadLetterConfig"]["Arn"]) for target in targets} == {
        "Undelivered"
    }
    assert _who_may_send(template, "Undelivered") == {"Proposals", "Approved", "Ends"}


def _rules(template: Template) -> dict[str, dict[str, Any]]:
    found = template.of_type("AWS::Events::Rule")
    return {template.short({"Ref": name}): one["Properties"] for name, one in found.items()}


def _who_may_send(template: Template, queue: str) -> set[str]:
    found = set()
    for one in template.of_type("AWS::SQS::QueuePolicy").values():
        if [template.short(name) for name in one["Properties"]["Queues"]] != [queue]:
            continue
        for said in one["Properties"]["PolicyDocument"]["Statement"]:
            if said["Effect"] == "Allow":
                assert said["Action"] in (
                    "sqs:SendMessage",
                    ["sqs:SendMessage", "sqs:GetQueueAttributes", "sqs:GetQueueUrl"],
                )
                assert said["Principal"] == {"Service": "events.amazonaws.com"}
                assert template.short(said["Resource"]) == queue
                found.add(template.short(said["Condition"]["ArnEquals"]["aws:SourceArn"]))
    return found


def test_the_launchers_queue_gives_up_to_another_one_and_waits_longer_than_the_launcher_works(
    template: Template,
) -> None:
    queues = {
        template.short({"Ref": name}): one["Properties"]
        for name, one in template.of_type("AWS::SQS::Queue").items()
    }
    assert set(queues) == {"Approvals", "DeadApprovals", "Undelivered", "FailedEvents"}
    approvals = queues.pop("Approvals")
    assert template.short(approvals["RedrivePolicy"]["deadLetterTargetArn"]) == "DeadApprovals"
    assert approvals["VisibilityTimeout"] >= 6 * template.functions()["launcher"]["Timeout"]
    assert {one["MessageRetentionPeriod"] for one in queues.values()} == {14 * DAY}
    assert _who_may_send(template, "Approvals") == {"Approved"}
    assert approvals["RedrivePolicy"]["maxReceiveCount"] == 5
    mapping = template.the("AWS::Lambda::EventSourceMapping")
    assert (mapping["BatchSize"], mapping["ScalingConfig"]) == (10, {"MaximumConcurrency": 10})
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert (template.short(mapping["EventSourceArn"]), template.short(mapping["FunctionName"])) == (
        "Approvals",
        "Launcher",
    )


def test_what_functions_fail_on_is_kept_where_nobody_waits_for_them(template: Template) -> None:
    said = {}
    for one in template.of_type("AWS::Lambda::EventInvokeConfig").values():
        properties = one["Properties"]
        kept = template.short(properties["DestinationConfig"]["OnFailure"]["Destination"])
        said[template.short(properties["FunctionName"])] = (
            kept,
            properties["MaximumRetryAttempts"],
        )
    assert said == {
        "Gate": ("FailedEvents", 2),
        "Aborted": ("FailedEvents", 2),
        "Sweeper": ("FailedEvents", 0),
    }


# What is kept, and how


def test_the_table_is_that_of_the_store(template: Template) -> None:
    properties = template.the("AWS::DynamoDB::Table")
    assert {name: properties[name] for name in table.TABLE} == dict(table.TABLE)
    assert properties["TimeToLiveSpecification"] == {
        "AttributeName": table.TTL_ATTRIBUTE,
        "Enabled": True,
    }


def test_the_table_and_the_secret_are_encrypted_recoverable_and_stay(template: Template) -> None:
    properties = template.the("AWS::DynamoDB::Table")
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["DeletionProtectionEnabled"] is True
    encrypted = properties["SSESpecification"]
    assert (encrypted["SSEEnabled"], encrypted["SSEType"]) == (True, "KMS")
    assert template.short(encrypted["KMSMasterKeyId"]) == "Key"
    assert template.the("AWS::KMS::Key")["EnableKeyRotation"] is True
    assert template.short(template.the("AWS::SecretsManager::Secret")["KmsKeyId"]) == "Key"
    assert template.the("AWS::SecretsManager::Secret")["SecretString"] == "{}"
    for kind, policy in (
        *(("AWS::DynamoDB::Table", "Retain"), ("AWS::KMS::Key", "Retain")),
        ("AWS::SecretsManager::Secret", "RetainExceptOnCreate"),
    ):
        [one] = template.of_type(kind).values()
        assert (one["DeletionPolicy"], one["UpdateReplacePolicy"]) == (policy, "Retain"), kind


def test_queues_are_encrypted_and_take_nothing_over_plain_http(template: Template) -> None:
    queues = template.of_type("AWS::SQS::Queue")
    assert all(one["Properties"]["SqsManagedSseEnabled"] is True for one in queues.values())
    guarded = set()
    for one in template.of_type("AWS::SQS::QueuePolicy").values():
        for said in one["Properties"]["PolicyDocument"]["Statement"]:
            if said["Effect"] == "Deny":
                assert said["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
                assert (said["Action"], said["Principal"]) == ("sqs:*", {"AWS": "*"})
                assert template.short(said["Resource"]) == template.short(
                    one["Properties"]["Queues"][0]
                )
                guarded |= {name["Ref"] for name in one["Properties"]["Queues"]}
    assert guarded == set(queues)


def test_logs_end_after_a_while_and_hold_no_content(template: Template) -> None:
    logs = template.of_type("AWS::Logs::LogGroup")
    kept = {template.short({"Ref": name}): one["DeletionPolicy"] for name, one in logs.items()}
    assert {name for name, policy in kept.items() if policy != "RetainExceptOnCreate"} == {
        "ExecutionLog"
    }
    assert {one["Properties"]["RetentionInDays"] for one in logs.values()} == {90}
    own = [
        template.short(one["LoggingConfig"]["LogGroup"]) for one in template.functions().values()
    ]
    assert sorted(own) == sorted(f"{name.capitalize()}Log" for name in FUNCTIONS)
    machine = template.the("AWS::StepFunctions::StateMachine")["LoggingConfiguration"]
    assert (machine["IncludeExecutionData"], machine["Level"]) == (False, "ERROR")
    [destination] = machine["Destinations"]
    assert template.short(destination["CloudWatchLogsLogGroup"]["LogGroupArn"]) == "ExecutionLog"
    fields = set(
        json.loads(template.the("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"]).values()
    )
    assert not [
        one for one in fields if "header" in one or "query" in one.lower() or "cookie" in one
    ]


def test_secrets_are_in_no_environment_and_each_variable_is_one_that_clearance_reads(
    template: Template,
) -> None:
    said = {
        name: set(one["Environment"]["Variables"]) for name, one in template.functions().items()
    }
    everywhere = {"CLEARANCE_TABLE", "CLEARANCE_LOG_LEVEL"}
    assert {name: one - everywhere for name, one in said.items()} == {
        "gate": {"CLEARANCE_BUS", "CLEARANCE_SOURCES"},
        "api": {"CLEARANCE_BUS"},
        "launcher": {"CLEARANCE_STATE_MACHINE"},
        "starter": set(),
        "invoker": {"CLEARANCE_SECRET"},
        "recorder": set(),
        "sweeper": {"CLEARANCE_BUS"},
        "aborted": set(),
    }
    assert all(everywhere <= one for one in said.values())
    values = {
        name: template.short(value)
        for one in template.functions().values()
        for name, value in _variables(one)
    }
    assert values == {
        "CLEARANCE_BUS": "Bus",
        "CLEARANCE_LOG_LEVEL": "LogLevel",
        "CLEARANCE_SECRET": "ToolSecrets",
        "CLEARANCE_SOURCES": "Sources",
        "CLEARANCE_STATE_MACHINE": "Execution",
        "CLEARANCE_TABLE": "Table",
    }
    known = {f"CLEARANCE_{name.upper()}" for name in Environment.model_fields}
    assert set().union(*said.values()) <= known


def test_a_table_that_was_restored_takes_the_place_of_the_table_everywhere(
    template: Template,
) -> None:
    name = {"Fn::If": ["IsRestored", {"Ref": "RestoredTable"}, {"Ref": "Table"}]}
    arn = [
        "",
        [
            "arn:",
            {"Ref": "AWS::Partition"},
            ":dynamodb:",
            {"Ref": "AWS::Region"},
            ":",
            {"Ref": "AWS::AccountId"},
        ],
    ]
    arn[1] += [":table/", {"Ref": "RestoredTable"}]
    given = {"Fn::Not": [{"Fn::Equals": [{"Ref": "RestoredTable"}, "-"]}]}
    assert template.body["Conditions"]["IsRestored"] == given
    assert template.body["Parameters"]["RestoredTable"]["Default"] == "-"
    for one in template.functions().values():
        assert one["Environment"]["Variables"]["CLEARANCE_TABLE"] == name
    said = json.dumps(
        {
            key: one
            for key, one in template.body["Resources"].items()
            if one["Type"] == "AWS::IAM::Policy"
        }
    )
    effective = json.dumps(
        {"Fn::If": ["IsRestored", {"Fn::Join": arn}, {"Fn::GetAtt": ["Table", "Arn"]}]}
    )
    assert said.count(json.dumps({"Fn::GetAtt": ["Table", "Arn"]})) == said.count(effective) > 0


def _variables(function: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return dict(function["Environment"]["Variables"]).items()


# What runs


def test_functions_are_handlers_that_are_there_traced_and_timed(template: Template) -> None:
    for name, one in template.functions().items():
        assert one["Handler"] == f"clearance.running.functions.{name}"
        assert callable(getattr(aws_lambda, name))
        assert (one["Runtime"], one["Architectures"]) == ("python3.13", ["arm64"])
        assert one["TracingConfig"] == {"Mode": "Active"}
        assert one["MemorySize"] >= 512
        assert one["Code"] == {"S3Bucket": {"Ref": "CodeBucket"}, "S3Key": {"Ref": "CodeKey"}}
    timeouts = {name: one["Timeout"] for name, one in template.functions().items()}
    assert DEADLINE_SECONDS_MAX < timeouts["invoker"] <= 900
    assert timeouts["api"] < API_SECONDS_MAX
    assert timeouts["sweeper"] < 60


def test_tools_are_protected_by_a_number_and_one_sweeper_runs_at_a_time(template: Template) -> None:
    reserved = {
        name: one.get("ReservedConcurrentExecutions") for name, one in template.functions().items()
    }
    assert {name: one for name, one in reserved.items() if one} == {
        name: {"Fn::If": ["IsUnreserved", {"Ref": "AWS::NoValue"}, most]}
        for name, most in (("invoker", {"Ref": "ToolCallsAtOnce"}), ("sweeper", 1))
    }
    assert template.body["Conditions"]["IsUnreserved"] == {
        "Fn::Equals": [{"Ref": "ToolCallsAtOnce"}, "0"]
    }


def test_two_stacks_fit_into_one_account_and_region(template: Template) -> None:
    """What has a name has its stack's, or one that CloudFormation makes."""
    named = []
    for kind, name in (
        ("AWS::Events::EventBus", "Name"),
        ("AWS::ApiGatewayV2::Api", "Name"),
        ("AWS::Logs::LogGroup", "LogGroupName"),
    ):
        named += [
            one["Properties"][name]
            for one in template.of_type(kind).values()
            if name in one["Properties"]
        ]
    assert len(named) == 3
    assert all("AWS::StackName" in json.dumps(one) for one in named)
    names = (
        "FunctionName",
        "RoleName",
        "QueueName",
        "TableName",
        "StateMachineName",
        "PolicyName",
        "AlarmName",
        "SecretName",
    )
    for logical, one in template.body["Resources"].items():
        said = [one.get("Properties", {}).get(name) for name in names]
        assert all(
            name is None or one["Type"] == "AWS::IAM::Policy" or not isinstance(name, str)
            for name in said
        ), logical


def test_the_state_machine_is_the_file(template: Template) -> None:
    properties = template.the("AWS::StepFunctions::StateMachine")
    assert properties["DefinitionString"] == DEFINITION.read_text(encoding="utf-8")
    filled = {
        name: template.short(value) for name, value in properties["DefinitionSubstitutions"].items()
    }
    assert filled == {f"{step}FunctionArn": step for step in ("Starter", "Invoker", "Recorder")}
    for name in filled:
        assert f"${{{name}}}" in properties["DefinitionString"]
    assert (properties["StateMachineType"], properties["TracingConfiguration"]) == (
        "STANDARD",
        {"Enabled": True},
    )


def test_a_call_may_take_as_long_as_its_state(template: Template) -> None:
    states = json.loads(DEFINITION.read_text(encoding="utf-8"))["States"]
    for state, function in (("Start", "starter"), ("Invoke", "invoker"), ("Record", "recorder")):
        assert states[state]["TimeoutSeconds"] >= template.functions()[function]["Timeout"]


def test_rules_take_what_they_should(template: Template) -> None:
    rules = _rules(template)
    said = {
        name: (one.get("EventBusName"), one["EventPattern"], one["State"])
        for name, one in rules.items()
    }
    bus = {"Ref": next(iter(template.of_type("AWS::Events::EventBus")))}
    [machine] = template.of_type("AWS::StepFunctions::StateMachine")
    ends: dict[str, Any] = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {
            "stateMachineArn": [{"Ref": machine}],
            "status": ["FAILED", "TIMED_OUT", "ABORTED"],
        },
    }
    assert said == {
        "Proposals": (bus, {"source": [{"anything-but": [SOURCE]}]}, "ENABLED"),
        "Approved": (bus, {"source": [SOURCE], "detail-type": [DETAIL_TYPE]}, "ENABLED"),
        "Ends": (None, ends, "ENABLED"),
    }


def test_the_sweeper_runs_every_minute(template: Template) -> None:
    schedule = template.the("AWS::Scheduler::Schedule")
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule.get("State", "ENABLED") == "ENABLED"
    assert schedule["FlexibleTimeWindow"] == {"Mode": "OFF"}
    assert schedule["Target"]["RetryPolicy"] == {
        "MaximumEventAgeInSeconds": 60,
        "MaximumRetryAttempts": 1,
    }
    assert template.short(schedule["Target"]["Arn"]) == "Sweeper"
    assert template.short(schedule["Target"]["RoleArn"]) == "ScheduleRole"


def test_the_api_has_a_limit_and_a_log(template: Template) -> None:
    stage = template.the("AWS::ApiGatewayV2::Stage")
    assert stage["DefaultRouteSettings"] == {
        "ThrottlingBurstLimit": 200,
        "ThrottlingRateLimit": 100,
    }
    assert template.short(stage["AccessLogSettings"]["DestinationArn"]) == "AccessLog"
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)
    route, integration = (
        template.the("AWS::ApiGatewayV2::Route"),
        template.the("AWS::ApiGatewayV2::Integration"),
    )
    assert route["RouteKey"] == "$default"
    [made] = template.of_type("AWS::ApiGatewayV2::Integration")
    assert template.short(route["Target"]) == f"integrations/{template.short({'Ref': made})}"
    assert template.short(integration["IntegrationUri"]) == "Api"
    assert (integration["IntegrationType"], integration["PayloadFormatVersion"]) == (
        "AWS_PROXY",
        "2.0",
    )
    [api] = template.of_type("AWS::ApiGatewayV2::Api")
    assert [one["ApiId"] for one in (stage, route, integration)] == [{"Ref": api}] * 3


# What somebody hears of


def test_everything_that_can_go_wrong_has_an_alarm_that_somebody_hears(template: Template) -> None:
    alarms = [one["Properties"] for one in template.of_type("AWS::CloudWatch::Alarm").values()]
    rings, measured, thresholds = set(), set(), dict[str, float]()
    for one in alarms:
        assert one["AlarmActions"] == one["OKActions"] == [{"Ref": "AlarmTopicArn"}]
        assert one["AlarmDescription"]
        assert (one["Period"], one["EvaluationPeriods"]) == (300, 1)
        assert one["Namespace"] in {
            "AWS/Lambda",
            "AWS/SQS",
            "AWS/States",
            "AWS/DynamoDB",
            "AWS/ApiGateway",
        }
        if one["MetricName"] != "Invocations":
            assert (one["TreatMissingData"], one["ComparisonOperator"]) == (
                "notBreaching",
                "GreaterThanOrEqualToThreshold",
            )
        thresholds[one["MetricName"]] = max(one["Threshold"], thresholds.get(one["MetricName"], 0))
        measured.add((one["Namespace"], one["Dimensions"][0]["Name"], one["Statistic"]))
        [about] = one["Dimensions"]
        value = about["Value"]
        named = {"Ref": value["Fn::GetAtt"][0]} if "Fn::GetAtt" in value else value
        rings.add((one["MetricName"], template.short(named)))
    functions = {name.capitalize() for name in FUNCTIONS}
    assert {name for metric, name in rings if metric == "Errors"} == functions - {
        "Starter",
        "Invoker",
    }
    assert {name for metric, name in rings if metric == "Throttles"} == functions
    dead = {name for metric, name in rings if metric == "ApproximateNumberOfMessagesVisible"}
    assert dead == {"DeadApprovals", "Undelivered", "FailedEvents"}
    assert ("ApproximateAgeOfOldestMessage", "Approvals") in rings
    ends = {metric for metric, name in rings if name == "Execution"}
    assert ends == {
        "ExecutionsFailed",
        "ExecutionsTimedOut",
        "ExecutionsAborted",
        "ExecutionThrottled",
    }
    assert {metric for metric, name in rings if name == "Table"} == {
        "ReadThrottleEvents",
        "WriteThrottleEvents",
    }
    assert "5xx" in {metric for metric, _ in rings}
    assert measured == {
        ("AWS/Lambda", "FunctionName", "Sum"),
        ("AWS/SQS", "QueueName", "Maximum"),
        ("AWS/States", "StateMachineArn", "Sum"),
        ("AWS/DynamoDB", "TableName", "Sum"),
        ("AWS/ApiGateway", "ApiId", "Sum"),
    }
    assert {metric: most for metric, most in thresholds.items() if most != 1} == {
        "ApproximateAgeOfOldestMessage": 300,
        "Errors": 10,  # of the gate, whose refusals of events are errors
        "Throttles": 100,  # of the invoker, whose bound protects the tools
        "ReadThrottleEvents": 100,
        "WriteThrottleEvents": 100,
        "5xx": 5,
    }


def test_a_sweeper_that_does_not_run_is_an_alarm_and_silence_is_no_excuse(
    template: Template,
) -> None:
    [alarm] = [
        one["Properties"]
        for one in template.of_type("AWS::CloudWatch::Alarm").values()
        if one["Properties"]["MetricName"] == "Invocations"
    ]
    assert (alarm["TreatMissingData"], alarm["ComparisonOperator"]) == (
        "breaching",
        "LessThanThreshold",
    )


# The template itself


def test_the_template_is_one_that_cloudformation_takes_and_holds_no_build(
    template: Template,
) -> None:
    assert len(template.text.encode()) < TEMPLATE_BYTES_MAX
    assert len(template.body["Resources"]) < RESOURCES_MAX
    assert set(template.body) == {"Conditions", "Description", "Outputs", "Parameters", "Resources"}
    assert set(template.body["Parameters"]) == {
        *(
            "AlarmTopicArn",
            "CodeBucket",
            "CodeKey",
            "LogLevel",
            "RestoredTable",
            "Sources",
            "ToolCallsAtOnce",
        ),
    }
    assert not any(
        "Default" in template.body["Parameters"][name]
        for name in ("AlarmTopicArn", "CodeBucket", "CodeKey")
    )


def test_what_can_have_tags_has_one(template: Template) -> None:
    without = {
        *(
            "AWS::ApiGatewayV2::Integration",
            "AWS::ApiGatewayV2::Route",
            "AWS::IAM::Policy",
            "AWS::Lambda::Permission",
        ),
        *("AWS::Lambda::EventInvokeConfig", "AWS::SQS::QueuePolicy", "AWS::Scheduler::Schedule"),
    }
    for name, one in template.body["Resources"].items():
        tags = one["Properties"].get("Tags")
        said = tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags or []}
        assert (said == {"application": "clearance"}) == (one["Type"] not in without), name


def test_what_ministack_is_given_differs_by_the_listed_changes_alone(template: Template) -> None:
    changed, differs = template_for_ministack()["Resources"], set()
    for name, one in template.body["Resources"].items():
        for part, value in one["Properties"].items():
            if changed[name]["Properties"].get(part) != value:
                differs.add((one["Type"], part))
        assert changed[name]["Properties"].keys() - one["Properties"].keys() <= {"State"}, name
    assert differs == {
        ("AWS::Lambda::Function", "Runtime"),
        ("AWS::Lambda::Function", "Architectures"),
        ("AWS::SQS::QueuePolicy", "PolicyDocument"),
    }
    assert len(CHANGES) == 3
