"""Who may do what, by the kept template: the grants of every role."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from clearance.engines.eventbridge import SOURCE
from clearance.engines.step_functions import NAME_PREFIX
from clearance.stores.dynamodb import table
from tests.aws.support.stack import FUNCTIONS
from tests.aws.support.template import Statement, Template

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

# Who may do what: what is not here, nobody may.
OWN = {
    ("logs:CreateLogStream", "{}Log"),
    ("logs:PutLogEvents", "{}Log"),
    ("xray:PutTelemetryRecords", "*"),
    ("xray:PutTraceSegments", "*"),
}
READ = {(f"dynamodb:{action}", "Table") for action in ("BatchGetItem", "GetItem", "Query")} | {
    (f"kms:{action}", "Key")
    for action in (
        *(
            "Decrypt",
            "DescribeKey",
            "Encrypt",
            "GenerateDataKey",
            "GenerateDataKeyWithoutPlaintext",
        ),
        *("ReEncryptFrom", "ReEncryptTo"),
    )
}
COMMIT = {
    (f"dynamodb:{action}", "Table") for action in ("ConditionCheckItem", "PutItem", "UpdateItem")
}
PUBLISH = {("events:PutEvents", "Bus")}
KEEP_FAILURES = {
    (f"sqs:{action}", "FailedEvents")
    for action in ("GetQueueAttributes", "GetQueueUrl", "SendMessage")
}
TAKE = {
    (f"sqs:{action}", "Approvals")
    for action in (
        "ChangeMessageVisibility",
        "DeleteMessage",
        "GetQueueAttributes",
        "GetQueueUrl",
        "ReceiveMessage",
    )
}
GRANTS: Mapping[str, set[tuple[str, str]]] = {
    "gate": READ | COMMIT | PUBLISH | KEEP_FAILURES,
    "api": READ
    | COMMIT
    | PUBLISH
    | {("dynamodb:Query", "Table/index/timeline"), ("dynamodb:Query", "Table/index/open")}
    | {("dynamodb:DeleteItem", "Table")},
    "launcher": READ
    | TAKE
    | {("states:StartExecution", "Execution"), ("states:DescribeExecution", EXECUTIONS)},
    "starter": READ | COMMIT,
    "invoker": READ | COMMIT | {("secretsmanager:GetSecretValue", "ToolSecrets")},
    "recorder": READ | COMMIT,
    "sweeper": READ
    | COMMIT
    | PUBLISH
    | KEEP_FAILURES
    | {("dynamodb:Query", f"Table/index/{name}") for name in ("queue", "due", "open", "timeline")},
    "aborted": READ | COMMIT | KEEP_FAILURES,
}

TEXT = table.ledger_text("t", 1, "/reason", 0).pk
INTENTS = (
    *(table.intent("t", "i").pk, table.budget("t", "a", "2026-01-01").pk, table.head("t").pk),
    TEXT,
)
SETTINGS = (table.settings("t", 1, 0).pk, table.TENANTS, table.head("t").pk, TEXT)
STOP = table.stop("t", 0, 1).pk
KEYS = (table.api_key("k").pk, table.api_key_hash(b"h").pk, table.api_keys_of("t"))
WRITES: Mapping[str, set[str]] = {
    "gate": {*INTENTS},
    "api": {*INTENTS, *SETTINGS, *KEYS, STOP},
    "launcher": set(),
    "starter": {*INTENTS},
    "invoker": {*SETTINGS},
    "recorder": {*INTENTS},
    "sweeper": {*INTENTS, STOP},
    "aborted": {*INTENTS},
}
"""Which kinds of items a function may write in a transaction, beside adding to the ledger."""

PUT_ALONE: Mapping[str, set[str]] = {
    table.session(b"t").pk: {"api"},
    table.mark("t", "i", 1).pk: {"starter", "invoker", "recorder", "aborted"},
}
"""Which functions may put an item of a kind by itself."""


def test_every_function_has_a_role_of_its_own_that_only_lambda_may_take(template: Template) -> None:
    assert set(template.functions()) == set(FUNCTIONS)
    roles = [template.role_of(name) for name in FUNCTIONS]
    assert len(set(roles)) == len(FUNCTIONS)
    made = template.of_type("AWS::IAM::Role")
    for role in roles:
        properties = made[role]["Properties"]
        [trust] = properties["AssumeRolePolicyDocument"]["Statement"]
        assert trust == {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
        }
        assert not properties.keys() & {"ManagedPolicyArns", "Policies"}
    assert not template.of_type("AWS::IAM::ManagedPolicy")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_what_the_table_of_grants_says_and_nothing_else(
    template: Template, function: str
) -> None:
    own = {(action, resource.format(function.capitalize())) for action, resource in OWN}
    assert _allowed(template.grants(function)) == GRANTS[function] | own


def _allowed(statements: list[Statement]) -> set[tuple[str, str]]:
    granted = [one for one in statements if one.effect == "Allow"]
    return {
        (action, resource)
        for one in granted
        for action in one.actions
        for resource in one.resources
    }


def test_the_other_roles_are_taken_by_one_service_of_this_account_and_may_do_one_thing_each(
    template: Template,
) -> None:
    trust = {}
    said: dict[str, set[tuple[str, str]]] = {}
    for name, made in template.of_type("AWS::IAM::Role").items():
        role = template.short({"Ref": name})
        if role in {f"{function.capitalize()}Role" for function in FUNCTIONS}:
            continue
        [one] = made["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert (one["Action"], one["Effect"]) == ("sts:AssumeRole", "Allow")
        assert one["Condition"] == {
            "StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
        }
        trust[role] = one["Principal"]
        said[role] = _allowed(template.statements(name))
    assert trust == {
        "ExecutionRole": {"Service": "states.amazonaws.com"},
        "ScheduleRole": {"Service": "scheduler.amazonaws.com"},
    }
    steps = {("lambda:InvokeFunction", step) for step in ("Starter", "Invoker", "Recorder")}
    assert said == {
        "ExecutionRole": steps | {(action, "*") for action in STARS},
        "ScheduleRole": {("lambda:InvokeFunction", "Sweeper"), ("sqs:SendMessage", "Undelivered")},
    }
    assert (
        template.short(template.the("AWS::StepFunctions::StateMachine")["RoleArn"])
        == "ExecutionRole"
    )


def test_the_key_is_for_those_of_the_account_who_are_granted_it(template: Template) -> None:
    [one] = template.the("AWS::KMS::Key")["KeyPolicy"]["Statement"]
    root = "arn:AWS::Partition:iam::AWS::AccountId:root"
    said = (one["Effect"], one["Action"], template.short(one["Principal"]["AWS"]), one["Resource"])
    # What grants in IAM then say: a key that nobody may administer is lost.
    assert said == ("Allow", "kms:*", root, "*")


def test_no_action_is_a_wildcard_and_only_listed_ones_are_granted_on_everything(
    template: Template,
) -> None:
    for role, one in template.everything():
        assert one.sid or set(one.actions) <= {
            *STARS,
            *(action for action, _ in KEEP_FAILURES | TAKE),
        }, role
        for action in one.actions:
            assert "*" not in action, role
            for resource in one.resources:
                if action in STARS:
                    assert resource == "*", (role, action)
                else:
                    assert "*" not in resource or resource == EXECUTIONS, (role, action)


def test_only_the_invoker_reads_the_secret_and_only_the_launcher_starts_executions(
    template: Template,
) -> None:
    for action, function in (
        ("secretsmanager:GetSecretValue", "Invoker"),
        ("states:StartExecution", "Launcher"),
    ):
        assert [role for role, one in template.everything() if action in one.actions] == [
            f"{function}Role"
        ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_writes_only_the_kinds_of_items_that_are_its_business(
    template: Template, function: str
) -> None:
    for key in {*INTENTS, *SETTINGS, *KEYS, *PUT_ALONE, table.INSTALLATION.pk}:
        for action in ("PutItem", "UpdateItem"):
            alone = action == "PutItem" and function in PUT_ALONE.get(key, ())
            assert template.may(function, action, key, transaction=True) == (
                key in WRITES[function] or alone
            )
            assert template.may(function, action, key, transaction=False) == alone


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_the_api_reads_credentials_and_page_sessions(
    template: Template, function: str
) -> None:
    for key in {
        *INTENTS,
        *SETTINGS,
        *KEYS,
        *PUT_ALONE,
        table.ledger("t", 1).pk,
        table.INSTALLATION.pk,
    }:
        secret = key in {*KEYS, table.session(b"t").pk}
        # Whether the agent still has one is looked at right before its call is sent.
        looks = function == "invoker" and key == table.api_keys_of("t")
        for action in ("GetItem", "BatchGetItem", "Query"):
            assert template.may(function, action, key, transaction=False) == (
                function == "api" or looks or not secret
            )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_switches_for_every_tenant_are_looked_at_and_never_written(
    template: Template, function: str
) -> None:
    key = table.everywhere(0).pk
    for action in ("PutItem", "UpdateItem", "DeleteItem"):
        assert not template.may(function, action, key, transaction=True)
    assert template.may(function, "ConditionCheckItem", key, transaction=True) == bool(
        WRITES[function]
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_nobody_changes_or_deletes_a_ledger_entry_or_adds_one_outside_of_a_transaction(
    template: Template, function: str
) -> None:
    key = table.ledger("t", 1).pk
    for transaction in (True, False):
        for action in ("UpdateItem", "DeleteItem"):
            assert not template.may(function, action, key, transaction=transaction)
    assert not template.may(function, "PutItem", key, transaction=False)
    assert template.may(function, "PutItem", key, transaction=True) == bool(WRITES[function])
    if WRITES[function]:  # said twice: a grant that somebody adds later does not open it
        [denied] = [one for one in template.grants(function) if one.effect == "Deny"]
        assert set(denied.actions) == {"dynamodb:DeleteItem", "dynamodb:UpdateItem"}


def test_only_page_sessions_are_ever_deleted_and_reasons_by_transactions(
    template: Template,
) -> None:
    session = table.session(b"t").pk
    for function in FUNCTIONS:
        for key in {*INTENTS, *SETTINGS, *KEYS, session}:
            may = template.may(function, "DeleteItem", key, transaction=False)
            assert may == (function == "api" and key == session)
            may = template.may(function, "DeleteItem", key, transaction=True)
            assert may == (function == "api" and key in {session, TEXT})


def test_the_key_is_used_through_the_table_and_by_the_invoker_through_the_secret(
    template: Template,
) -> None:
    said = set()
    for role, one in template.everything():
        if any(action.startswith("kms:") for action in one.actions):
            said.add(
                (
                    role,
                    template.short(one.conditions["StringEquals"]["kms:ViaService"]).partition(".")[
                        0
                    ],
                )
            )
    assert said == {(f"{name.capitalize()}Role", "dynamodb") for name in FUNCTIONS} | {
        ("InvokerRole", "secretsmanager")
    }


def test_what_publishes_publishes_as_clearance(template: Template) -> None:
    said = [one.conditions for _, one in template.everything() if "events:PutEvents" in one.actions]
    assert said == [{"ForAllValues:StringEquals": {"events:source": SOURCE}}] * 3


def test_whoever_invokes_a_function_from_outside_is_one_resource_of_the_stack(
    template: Template,
) -> None:
    said = {}
    for one in template.of_type("AWS::Lambda::Permission").values():
        properties = one["Properties"]
        assert properties["Action"] == "lambda:InvokeFunction"
        said[template.short(properties["FunctionName"])] = (
            properties["Principal"],
            template.short(properties["SourceArn"]),
        )
    door = "arn:AWS::Partition:execute-api:AWS::Region:AWS::AccountId:Http/*/*"
    assert said == {
        "Gate": ("events.amazonaws.com", "Proposals"),
        "Aborted": ("events.amazonaws.com", "Ends"),
        "Api": (
            "apigateway.amazonaws.com",
            door.replace(
                "Http",
                template.short({"Ref": next(iter(template.of_type("AWS::ApiGatewayV2::Api")))}),
            ),
        ),
    }
