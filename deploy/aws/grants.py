"""Grants: who may do what, said once, and as little as the work needs.

What cannot be said in IAM: a PutItem may replace an item that is there. The condition
`attribute_not_exists` of every ledger entry is in our code, and no grant can demand it. What can be
said, and is: transitions are written by transactions only, nothing of the ledger is updated or
deleted, and kinds of items that a function has no business with are out of its reach. The kind is
what a partition key begins with, so a `*` in a condition on keys stands for tenants and ids.
"""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

APPEND_ONLY = "LEDGER#*"
OF_TEXTS = ("TEXT#*",)
"""What stands beside ledger entries."""
OF_INTENTS = ("BUDGET#*", "GUARD#*", "HEAD#*", "INTENT#*", APPEND_ONLY, *OF_TEXTS)
"""What the step of an intent writes."""

LOOKED_AT = "EVERYWHERE#*"
"""What every transition has as its condition: the version of the switches that stop every tenant.
"""

OF_SETTINGS = ("HEAD#*", APPEND_ONLY, "SETTINGS#*", "TENANTS", *OF_TEXTS)
OF_STOPS = ("STOP#*",)
"""Stops and how far their receipts are."""
OF_KEY_NAMES = ("KEYS#*",)
"""What says whether an agent has a credential."""
OF_KEYS = ("KEY#*", "KEYHASH#*", *OF_KEY_NAMES)
OF_WORK = (*OF_INTENTS, "EVERYWHERE#*", "INSTALLATION", "MARK#*", "SETTINGS#*", "TENANTS")
"""What it takes to decide and to carry out: everything but credentials and page sessions."""
OF_SESSIONS = ("SESSION#*",)
OF_MARKS = ("MARK#*",)


@dataclass(frozen=True, slots=True)
class TableGrants:
    """What a function may do with the one table, and with the key that it is encrypted with."""

    arn: str
    key: kms.Key

    def index(self, name: str) -> str:
        """The ARN of an index."""
        return f"{self.arn}/index/{name}"

    def read(self, *kinds: str) -> list[iam.PolicyStatement]:
        """Reads items of these kinds."""
        allowed = self._allow(
            "Read", ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"], self.arn
        )
        allowed.add_condition(
            "ForAllValues:StringLike", {"dynamodb:LeadingKeys": sorted(set(kinds))}
        )
        return [allowed, self._use_key()]

    def query(self, *indexes: str) -> list[iam.PolicyStatement]:
        """Looks along indexes."""
        return [self._allow("Look", ["dynamodb:Query"], *(self.index(name) for name in indexes))]

    def commit(self, *kinds: str) -> list[iam.PolicyStatement]:
        """Commits transitions over items of these kinds, in transactions alone.

        Nothing is deleted.
        """
        actions = ["dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        allowed = self._allow("Commit", actions, self.arn)
        allowed.add_condition(
            "ForAnyValue:StringEquals", {"dynamodb:EnclosingOperation": "TransactWriteItems"}
        )
        allowed.add_condition(
            "ForAllValues:StringLike", {"dynamodb:LeadingKeys": sorted(set(kinds))}
        )
        looks = self._allow("Condition", ["dynamodb:ConditionCheckItem"], self.arn)
        looks.add_condition("ForAllValues:StringLike", {"dynamodb:LeadingKeys": [LOOKED_AT]})
        return [allowed, looks, self._append_only()]

    def sessions(self) -> list[iam.PolicyStatement]:
        """Begins and ends page sessions, which are no facts."""
        allowed = self._allow("Sessions", ["dynamodb:DeleteItem", "dynamodb:PutItem"], self.arn)
        allowed.add_condition(
            "ForAllValues:StringLike", {"dynamodb:LeadingKeys": list(OF_SESSIONS)}
        )
        return [allowed]

    def erase(self) -> list[iam.PolicyStatement]:
        """Erases people's reasons, in a transaction that says in the ledger who did."""
        allowed = self._allow("Erase", ["dynamodb:DeleteItem"], self.arn)
        allowed.add_condition(
            "ForAnyValue:StringEquals", {"dynamodb:EnclosingOperation": "TransactWriteItems"}
        )
        allowed.add_condition("ForAllValues:StringLike", {"dynamodb:LeadingKeys": list(OF_TEXTS)})
        return [allowed]

    def mark(self) -> list[iam.PolicyStatement]:
        """Marks what the tries of an attempt may have sent: items
        of their own, each written alone.
        """
        allowed = self._allow("Mark", ["dynamodb:PutItem"], self.arn)
        allowed.add_condition("ForAllValues:StringLike", {"dynamodb:LeadingKeys": list(OF_MARKS)})
        return [allowed]

    def _append_only(self) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            sid="LedgerIsAppendOnly",
            effect=iam.Effect.DENY,
            actions=["dynamodb:DeleteItem", "dynamodb:UpdateItem"],
            resources=[self.arn],
            conditions={"ForAnyValue:StringLike": {"dynamodb:LeadingKeys": APPEND_ONLY}},
        )

    def _use_key(self) -> iam.PolicyStatement:
        """What DynamoDB asks of whoever uses a table with a key of the customer's; through DynamoDB
        alone.
        """
        return iam.PolicyStatement(
            sid="TableKey",
            actions=[
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            ],
            resources=[self.key.key_arn],
            conditions=via("dynamodb", Stack.of(self.key)),
        )

    @staticmethod
    def _allow(sid: str, actions: list[str], *resources: str) -> iam.PolicyStatement:
        return iam.PolicyStatement(sid=sid, actions=actions, resources=list(resources))


def via(service: str, stack: Stack) -> dict[str, dict[str, str]]:
    """The condition that a key is used through one service alone."""
    return {"StringEquals": {"kms:ViaService": f"{service}.{stack.region}.{stack.url_suffix}"}}


def publish(bus_arn: str) -> iam.PolicyStatement:
    """Publishes as Clearance: not as one of those who propose."""
    return iam.PolicyStatement(
        sid="Publish",
        actions=["events:PutEvents"],
        resources=[bus_arn],
        conditions={"ForAllValues:StringEquals": {"events:source": "clearance"}},
    )


def start_executions(state_machine_arn: str, execution_arns: str) -> list[iam.PolicyStatement]:
    """Starts executions, and looks whether one of a name is still running."""
    return [
        iam.PolicyStatement(
            sid="Start", actions=["states:StartExecution"], resources=[state_machine_arn]
        ),
        iam.PolicyStatement(
            sid="LookAtExecutions", actions=["states:DescribeExecution"], resources=[execution_arns]
        ),
    ]


def read_secret(secret_arn: str, key: kms.Key) -> list[iam.PolicyStatement]:
    """Reads the secrets of the tool servers."""
    return [
        iam.PolicyStatement(
            sid="ReadSecret", actions=["secretsmanager:GetSecretValue"], resources=[secret_arn]
        ),
        iam.PolicyStatement(
            sid="SecretKey",
            actions=["kms:Decrypt"],
            resources=[key.key_arn],
            conditions=via("secretsmanager", Stack.of(key)),
        ),
    ]
