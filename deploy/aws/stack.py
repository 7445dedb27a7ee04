"""The stack: everything that Clearance is on AWS, as one CloudFormation template that holds no
build of its own.

Where the code is, is a parameter: so the template changes when the infrastructure does, and not
with each build.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import (
    ArnFormat,
    Aws,
    CfnCondition,
    CfnOutput,
    CfnParameter,
    DefaultStackSynthesizer,
    Duration,
    Fn,
    RemovalPolicy,
    Stack,
    Tags,
    Token,
)
from aws_cdk import aws_apigatewayv2 as http
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_lambda_destinations as destinations
from aws_cdk import aws_lambda_event_sources as sources
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_secretsmanager as secretsmanager
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct
from deploy.aws import alarms as alarm
from deploy.aws import suppressions
from deploy.aws.alarms import Alarms
from deploy.aws.functions import LOG_RETENTION, SPECS, Spec, allow, make_function
from deploy.aws.grants import (
    OF_INTENTS,
    OF_KEY_NAMES,
    OF_KEYS,
    OF_SESSIONS,
    OF_SETTINGS,
    OF_STOPS,
    OF_WORK,
    TableGrants,
    publish,
    read_secret,
    start_executions,
)

from clearance.stores.dynamodb.table import DUE, OPEN, QUEUE, TABLE, TIMELINE, TTL_ATTRIBUTE

STATE_MACHINE = Path(__file__).parents[2] / "src" / "clearance" / "engines" / "execution.asl.json"
DEAD_LETTER_DAYS = 14  # the longest that SQS keeps anything: time for a person to look
RECEIVED_MAX = 5  # how often the launcher tries a hint before it is given up
BATCH = 10  # hints that the launcher takes at once
LAUNCHERS_MAX = 10
RETRIES = 2  # of an event that a function failed on
RETRY_HOURS = 6
TOOL_CALLS_DEFAULT = 20  # at once, over all tool servers
REQUESTS_PER_SECOND = 100
REQUESTS_BURST = 200
NO_TABLE = "-"  # no table has so short a name


class ClearanceStack(Stack):
    """The aws profile: one table, one bus, eight functions, one state machine, one API, and what
    watches them.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        synthesizer = DefaultStackSynthesizer(
            generate_bootstrap_version_rule=False
        )  # nothing of CDK's is needed there
        description = (
            "Clearance: AI agents act on their own, within limits, and what they did is proved"
        )
        super().__init__(scope, construct_id, synthesizer=synthesizer, description=description)
        self._parameters()
        self._state()
        self._queues()
        self._functions()
        self._machine()
        self._proposals()
        self._approvals()
        self._ends()
        self._sweeps()
        self._api()
        self._grants()
        self._alarms()
        self._outputs()
        Tags.of(self).add("application", "clearance")
        suppressions.acknowledge(self)

    def _parameters(self) -> None:
        def text(name: str, description: str, **more: Any) -> CfnParameter:
            return CfnParameter(self, name, type="String", description=description, **more)

        bucket = text(
            "CodeBucket", "The bucket that the functions' code is in, in this region", min_length=3
        )
        key = text(
            "CodeKey",
            "The name of the zip in that bucket: the file that `make aws` made, without its folder",
            min_length=1,
        )
        self.code = lambda_.Code.from_bucket(
            s3.Bucket.from_bucket_name(self, "Code", bucket.value_as_string), key.value_as_string
        )
        self.sources = text(
            "Sources",
            'Which publisher speaks for which tenant: {"my.agents": {"tenant_id": "acme", '
            '"actor": "agent-1"}}',
            default="{}",
            allowed_pattern=r"^\{.*\}$",
            max_length=3_000,  # a function's whole environment has 4 kB
        )
        self.log_level = text(
            "LogLevel",
            "From which level on it is logged",
            default="warning",
            allowed_values=["debug", "info", "warning", "error"],
        )
        topic = text(
            "AlarmTopicArn",
            "The SNS topic that alarms go to: an alarm that nobody hears is none",
            allowed_pattern=r"^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+$",
        )
        self.topic = sns.Topic.from_topic_arn(self, "AlarmTopic", topic.value_as_string)
        self.restored = text(
            "RestoredTable",
            "The name of a table that was restored from a backup of this stack's, to work on it "
            "instead; else -",
            default=NO_TABLE,
            allowed_pattern=rf"^{NO_TABLE}$|^[A-Za-z0-9_.-]{{3,255}}$",
        )
        self.tool_calls = CfnParameter(
            self,
            "ToolCallsAtOnce",
            type="Number",
            description="How many tool calls may be under way at once; the account's limit must "
            "leave 101 beside it. 0: no bound",
            default=TOOL_CALLS_DEFAULT,
            min_value=0,
        )
        self.unreserved = CfnCondition(
            self,
            "IsUnreserved",
            expression=Fn.condition_equals(self.tool_calls.value_as_string, "0"),
        )

    # What is kept

    def _state(self) -> None:
        self.key = kms.Key(
            self,
            "Key",
            description="Clearance: the table, and the secrets of tool servers",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.table = dynamodb.CfnTable(
            self,
            "Table",
            billing_mode=TABLE["BillingMode"],
            key_schema=_keys(TABLE["KeySchema"]),
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(
                    attribute_name=attribute["AttributeName"],
                    attribute_type=attribute["AttributeType"],
                )
                for attribute in TABLE["AttributeDefinitions"]
            ],
            global_secondary_indexes=[_index(index) for index in TABLE["GlobalSecondaryIndexes"]],
            time_to_live_specification=dynamodb.CfnTable.TimeToLiveSpecificationProperty(
                attribute_name=TTL_ATTRIBUTE, enabled=True
            ),
            point_in_time_recovery_specification=dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
                point_in_time_recovery_enabled=True
            ),
            # A key of the customer's: whoever reads the table needs it too, CloudTrail says who
            # did, and taking it away ends that.
            sse_specification=dynamodb.CfnTable.SSESpecificationProperty(
                sse_enabled=True, sse_type="KMS", kms_master_key_id=self.key.key_arn
            ),
            deletion_protection_enabled=True,
        )
        self.table.apply_removal_policy(RemovalPolicy.RETAIN)
        # A restore makes another table. With its name as a parameter, going over to it is an update
        # of the stack.
        restored = CfnCondition(
            self,
            "IsRestored",
            expression=Fn.condition_not(
                Fn.condition_equals(self.restored.value_as_string, NO_TABLE)
            ),
        )
        name = self.restored.value_as_string
        arn = self.format_arn(service="dynamodb", resource="table", resource_name=name)
        self.table_name = Fn.condition_if(restored.logical_id, name, self.table.ref).to_string()
        self.table_arn = Fn.condition_if(restored.logical_id, arn, self.table.attr_arn).to_string()
        self.secret = secretsmanager.CfnSecret(
            self,
            "ToolSecrets",
            description="Clearance: what ${NAME} of tool servers stands for, as one JSON object. "
            "A person fills it",
            kms_key_id=self.key.key_arn,
            secret_string="{}",  # noqa: S106 - there is none yet
        )
        self.secret.apply_removal_policy(RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE)

    # What waits, and what was given up

    def _queues(self) -> None:
        self.dead_approvals = self._dead_letters("DeadApprovals")
        self.undelivered = self._dead_letters("Undelivered")
        self.failed_events = self._dead_letters("FailedEvents")
        launcher = next(spec for spec in SPECS if spec.name == "launcher")
        self.approvals = sqs.Queue(
            self,
            "Approvals",
            # It holds ids, no content: a key of its own would guard nothing
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            visibility_timeout=Duration.seconds(
                6 * launcher.timeout_seconds
            ),  # what Lambda asks for
            dead_letter_queue=sqs.DeadLetterQueue(
                queue=self.dead_approvals, max_receive_count=RECEIVED_MAX
            ),
        )

    def _dead_letters(self, name: str) -> sqs.Queue:
        return sqs.Queue(
            self,
            name,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=Duration.days(DEAD_LETTER_DAYS),
        )

    # What runs

    def _functions(self) -> None:
        self.bus = events.EventBus(
            self,
            "Bus",
            # CDK's own name would be the same in every stack of an account
            event_bus_name=f"{Aws.STACK_NAME}-bus",
            description="Clearance: what agents propose, and what is approved",
        )
        everywhere = {
            "CLEARANCE_LOG_LEVEL": self.log_level.value_as_string,
            "CLEARANCE_TABLE": self.table_name,
        }
        bus = {"CLEARANCE_BUS": self.bus.event_bus_name}
        own = {
            "gate": bus | {"CLEARANCE_SOURCES": self.sources.value_as_string},
            "api": bus,
            "sweeper": bus,
            "invoker": {"CLEARANCE_SECRET": self.secret.attr_id},
        }
        self.functions = {
            spec.name: make_function(
                self,
                spec,
                self.code,
                everywhere | own.get(spec.name, {}),
                self._reserved(spec),
            )
            for spec in SPECS
        }

    def _reserved(self, spec: Spec) -> float | None:
        """How many invocations at once a function may have, and always has; accounts with few to
        give have none to reserve.
        """
        wanted = {"invoker": self.tool_calls.value_as_number, "sweeper": 1}.get(spec.name)
        if wanted is None:
            return None
        number: float = Token.as_number(
            Fn.condition_if(self.unreserved.logical_id, Aws.NO_VALUE, wanted)
        )
        return number

    def _machine(self) -> None:
        steps = {
            f"{name.capitalize()}FunctionArn": self.functions[name].function_arn
            for name in ("starter", "invoker", "recorder")
        }
        role = iam.Role(
            self,
            "ExecutionRole",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            ),
            description="Clearance: the steps of an execution",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Steps", actions=["lambda:InvokeFunction"], resources=list(steps.values())
            )
        )
        log = logs.LogGroup(
            self,
            "ExecutionLog",
            # Of one prefix, so that the account's policy stays short
            log_group_name=f"/aws/vendedlogs/states/{Aws.STACK_NAME}",
            retention=LOG_RETENTION,
            # A name that stays behind would be in the way of a second try
            removal_policy=RemovalPolicy.DESTROY,
        )
        self.machine = sfn.StateMachine(
            self,
            "Execution",
            definition_body=sfn.DefinitionBody.from_string(
                STATE_MACHINE.read_text(encoding="utf-8")
            ),
            definition_substitutions=steps,
            role=role,
            state_machine_type=sfn.StateMachineType.STANDARD,
            tracing_enabled=True,
            # No execution data: parameters and answers have no place in a log.
            logs=sfn.LogOptions(
                destination=log, level=sfn.LogLevel.ERROR, include_execution_data=False
            ),
        )
        self.functions["launcher"].add_environment(
            "CLEARANCE_STATE_MACHINE", self.machine.state_machine_arn
        )

    # What sets it going

    def _proposals(self) -> None:
        """Agents propose on the bus.

        The source of an event says who speaks; what is our own is not a proposal.
        """
        self._rule(
            "Proposals",
            "What agents propose goes to the gate",
            "gate",
            self.bus,
            source=events.Match.anything_but("clearance"),
        )

    def _approvals(self) -> None:
        target = targets.SqsQueue(self.approvals, dead_letter_queue=self.undelivered)
        events.Rule(
            self,
            "Approved",
            description="Clearance: what is approved goes to the launcher's queue",
            event_bus=self.bus,
            event_pattern=events.EventPattern(
                source=["clearance"], detail_type=["ACTION_APPROVED"]
            ),
            targets=[target],
        )
        source = sources.SqsEventSource(
            self.approvals,
            batch_size=BATCH,
            max_concurrency=LAUNCHERS_MAX,
            report_batch_item_failures=True,
        )
        self.functions["launcher"].add_event_source(source)

    def _ends(self) -> None:
        """Step Functions says on the account's default bus how its executions end."""
        self._rule(
            "Ends",
            "Executions that ended without an outcome are recorded",
            "aborted",
            None,
            source=["aws.states"],
            detail_type=["Step Functions Execution Status Change"],
            detail={
                "stateMachineArn": [self.machine.state_machine_arn],
                "status": ["FAILED", "TIMED_OUT", "ABORTED"],
            },
        )

    def _rule(
        self, name: str, purpose: str, function: str, bus: events.IEventBus | None, **pattern: Any
    ) -> None:
        """A rule whose target is a function: what does not reach
        it, and what it fails on, is kept.
        """
        target = self.functions[function]
        target.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.failed_events),
            retry_attempts=RETRIES,
            max_event_age=Duration.hours(RETRY_HOURS),
        )
        delivered = targets.LambdaFunction(target, dead_letter_queue=self.undelivered)
        events.Rule(
            self,
            name,
            description=f"Clearance: {purpose}",
            event_bus=bus,
            event_pattern=events.EventPattern(**pattern),
            targets=[delivered],
        )

    def _sweeps(self) -> None:
        sweeper = self.functions["sweeper"]
        sweeper.configure_async_invoke(
            on_failure=destinations.SqsDestination(self.failed_events),
            retry_attempts=0,  # the next minute comes by itself
            max_event_age=Duration.minutes(1),
        )
        role = iam.Role(
            self,
            "ScheduleRole",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            ),
            description="Clearance: the schedule of the sweeper",
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="Sweep", actions=["lambda:InvokeFunction"], resources=[sweeper.function_arn]
            )
        )
        role.add_to_policy(
            iam.PolicyStatement(
                sid="GiveUp", actions=["sqs:SendMessage"], resources=[self.undelivered.queue_arn]
            )
        )
        schedule = scheduler.CfnSchedule(
            self,
            "Sweeps",
            description="Clearance: finds what nobody is working on",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            schedule_expression="rate(1 minute)",
            target=scheduler.CfnSchedule.TargetProperty(
                arn=sweeper.function_arn,
                role_arn=role.role_arn,
                input="{}",
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self.undelivered.queue_arn
                ),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=60, maximum_retry_attempts=1
                ),
            ),
        )
        schedule.node.add_dependency(role)

    def _api(self) -> None:
        self.http = http.HttpApi(
            self,
            "Http",
            api_name=Aws.STACK_NAME,
            description="Clearance: the REST API and the pages",
            create_default_stage=False,
            default_integration=integrations.HttpLambdaIntegration("Door", self.functions["api"]),
        )
        log = logs.LogGroup(
            self,
            "AccessLog",
            retention=LOG_RETENTION,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )
        stage = http.CfnStage(
            self,
            "Stage",
            api_id=self.http.api_id,
            stage_name="$default",
            auto_deploy=True,
            default_route_settings=http.CfnStage.RouteSettingsProperty(
                throttling_rate_limit=REQUESTS_PER_SECOND, throttling_burst_limit=REQUESTS_BURST
            ),
            # Neither query nor headers: a key has no place in a log.
            access_log_settings=http.CfnStage.AccessLogSettingsProperty(
                destination_arn=log.log_group_arn,
                format='{"id":"$context.requestId","at":"$context.requestTime","ip":"$context.identity.sourceIp",'
                '"method":"$context.httpMethod","path":"$context.path","status":"$context.status",'
                '"bytes":"$context.responseLength","ms":"$context.responseLatency","error":"$context.integrationErrorMessage"}',
            ),
        )
        self.stage = stage

    # Who may do what

    def _grants(self) -> None:
        table = TableGrants(self.table_arn, self.key)
        bus = publish(self.bus.event_bus_arn)
        name = self.machine.state_machine_name
        executions = self.format_arn(
            service="states",
            resource="execution",
            resource_name=f"{name}:exec-*",
            arn_format=ArnFormat.COLON_RESOURCE_NAME,
        )
        starts = start_executions(self.machine.state_machine_arn, executions)
        grants: Mapping[str, list[iam.PolicyStatement]] = {
            "gate": [*table.read(*OF_WORK), *table.commit(*OF_INTENTS), bus],
            "api": [
                *table.read(*OF_WORK, *OF_KEYS, *OF_SESSIONS, *OF_STOPS),
                *table.query(TIMELINE, OPEN),
                *table.commit(*OF_INTENTS, *OF_SETTINGS, *OF_KEYS, *OF_STOPS),
                *table.erase(),
                *table.sessions(),
                bus,
            ],
            "launcher": [*table.read(*OF_WORK), *starts],
            "starter": [*table.read(*OF_WORK), *table.commit(*OF_INTENTS), *table.mark()],
            # It pins a tool on first contact, and looks whether the agent still has a credential.
            # What became of the call, it cannot write.
            "invoker": [
                *table.read(*OF_WORK, *OF_KEY_NAMES),
                *table.commit(*OF_SETTINGS),
                *table.mark(),
                *read_secret(self.secret.attr_id, self.key),
            ],
            "recorder": [*table.read(*OF_WORK), *table.commit(*OF_INTENTS), *table.mark()],
            "sweeper": [
                *table.read(*OF_WORK, *OF_STOPS),
                *table.query(QUEUE, DUE, OPEN, TIMELINE),
                *table.commit(*OF_INTENTS, *OF_STOPS),
                bus,
            ],
            "aborted": [*table.read(*OF_WORK), *table.commit(*OF_INTENTS), *table.mark()],
        }
        for function, statements in grants.items():
            allow(self.functions[function], statements)

    # Who hears of it

    def _alarms(self) -> None:
        made = Alarms(self, self.topic)
        alarm.of_queues(
            made,
            self.approvals,
            {
                "DeadApprovals": (
                    self.dead_approvals,
                    "hints that the launcher gave up; the sweeper finds their intents again",
                ),
                "Undelivered": (self.undelivered, "events that reached no function or queue"),
                "FailedEvents": (self.failed_events, "events that a function failed on each time"),
            },
        )
        alarm.of_functions(made, {spec: self.functions[spec.name] for spec in SPECS})
        alarm.of_sweeper(made, self.functions["sweeper"])
        alarm.of_executions(made, self.machine)
        alarm.of_table(made, self.table_name)
        alarm.of_api(made, self.http.api_id)

    def _outputs(self) -> None:
        for name, description, value in (
            ("ApiUrl", "The REST API and the pages", self.http.api_endpoint),
            ("TableName", "CLEARANCE_TABLE of a command line", self.table_name),
            ("BusName", "CLEARANCE_BUS, and where agents put events", self.bus.event_bus_name),
            (
                "KeyArn",
                "The key of table and secret, which whoever reads them needs too",
                self.key.key_arn,
            ),
            ("SecretArn", "What to fill with the secrets of tool servers", self.secret.attr_id),
            ("StateMachineArn", "The executions", self.machine.state_machine_arn),
            (
                "GateName",
                "The function that programs invoke through an alias",
                self.functions["gate"].function_name,
            ),
            (
                "InvokerName",
                "The function that calls tools",
                self.functions["invoker"].function_name,
            ),
            ("DeadApprovalsUrl", "Hints that were given up", self.dead_approvals.queue_url),
            ("UndeliveredUrl", "Events that reached nobody", self.undelivered.queue_url),
            ("FailedEventsUrl", "Events that a function failed on", self.failed_events.queue_url),
        ):
            CfnOutput(self, name, description=description, value=value)


def _keys(schema: list[dict[str, str]]) -> list[dynamodb.CfnTable.KeySchemaProperty]:
    return [
        dynamodb.CfnTable.KeySchemaProperty(
            attribute_name=key["AttributeName"], key_type=key["KeyType"]
        )
        for key in schema
    ]


def _index(index: Mapping[str, Any]) -> dynamodb.CfnTable.GlobalSecondaryIndexProperty:
    projection = index["Projection"]
    return dynamodb.CfnTable.GlobalSecondaryIndexProperty(
        index_name=index["IndexName"],
        key_schema=_keys(index["KeySchema"]),
        projection=dynamodb.CfnTable.ProjectionProperty(
            projection_type=projection["ProjectionType"],
            non_key_attributes=projection.get("NonKeyAttributes"),
        ),
    )
