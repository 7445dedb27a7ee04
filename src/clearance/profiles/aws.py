"""The profile `aws`: the state in one DynamoDB table, approved intents on an EventBridge bus,
executions in Step Functions.

Account, region and credentials come from AWS's own environment, as every AWS program reads it. It
needs the extra `aws`.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from clearance.clock import SystemClock
from clearance.core.errors import Conflict, Forbidden, InvalidInput, Refusal, Unavailable
from clearance.core.intent import name_problem
from clearance.core.principal import EVERYWHERE, PERMISSIONS, ActorKind, Principal, Role
from clearance.flow.context import Context
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.engine import Engine
from clearance.flow.ports.marks import Marks
from clearance.flow.ports.tools import Tools
from clearance.profiles.environment import Environment
from clearance.profiles.parts import NoEngine, NoTools, Parts, Wrapping, as_it_is, assembled
from clearance.profiles.place import Table

if TYPE_CHECKING:
    from clearance.engines.eventbridge import Bus
    from clearance.engines.step_functions import Machine
    from clearance.stores.dynamodb.store import DynamoStore

CONNECT_SECONDS_MAX = 3
ANSWER_SECONDS_MAX = 10  # of AWS, to one request
TRIES_MAX = 3  # of one request


@contextlib.asynccontextmanager
async def aws(
    place: Table, tools: Tools, *, engine: Engine | None = None, wrapped: Wrapping = as_it_is
) -> AsyncIterator[Parts]:
    """Opens the table.

    Tool servers are somewhere else, always: a function has no place for their programs.
    """
    store = wrapped(await _open(place))
    async with contextlib.AsyncExitStack() as ends:
        yield assembled(ends, store, tools, engine or NoEngine(), programs=False)


@contextlib.asynccontextmanager
async def step(
    place: Table, *, wrapped: Wrapping = as_it_is
) -> AsyncIterator[tuple[Context, Marks]]:
    """The parts of a step of an execution. It has no tools of its own, and approves nothing."""
    store = await _open(place)
    try:
        context = Context(wrapped(store), NoTools(), NoEngine(), SystemClock(), programs=False)
        yield context, store.marks
    finally:
        await store.close()


async def _open(place: Table) -> DynamoStore:
    _check(place)
    from clearance.stores.dynamodb.store import DynamoStore  # noqa: PLC0415 - comes with the extra

    return await DynamoStore.open(place.name)


def _check(place: Table) -> None:
    """Conflict (`AWS_NOT_INSTALLED`) if there is no client of AWS; InvalidInput if the table has no
    name.
    """
    try:
        importlib.import_module("boto3")
    except ImportError:
        sentence = "A table needs the client of AWS: pip install 'clearance[aws]'."
        raise Conflict(sentence, code="AWS_NOT_INSTALLED") from None
    if not place.name:
        sentence = "CLEARANCE_TABLE is empty: it names a DynamoDB table, or is unset."
        raise InvalidInput(sentence, code="INVALID_TABLE")


async def client(service: str) -> Any:
    """boto3's client of a service.

    Making one reads files, so it is made in a thread, once for each process.
    """
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - comes with the extra
    from botocore.config import Config  # type: ignore[import-untyped]  # noqa: PLC0415

    config = Config(
        connect_timeout=CONNECT_SECONDS_MAX,
        read_timeout=ANSWER_SECONDS_MAX,
        retries={"mode": "standard", "total_max_attempts": TRIES_MAX},
    )
    return await asyncio.to_thread(boto3.client, service, config=config)


@dataclass(frozen=True, slots=True)
class TableLook:
    """What DynamoDB says of a table: `missing` are indexes that it should have, `clock_apart_ms` is
    ours minus its clock.
    """

    status: str
    missing: tuple[str, ...]
    ages_sessions_out: bool
    recoverable: bool
    protected: bool
    clock_apart_ms: int


async def look(place: Table, clock: Clock) -> TableLook:
    """Looks at a table, and changes nothing.

    Unavailable if it is not there, or these credentials may not look.
    """
    _check(place)
    from botocore.exceptions import (  # type: ignore[import-untyped]  # noqa: PLC0415
        BotoCoreError,
        ClientError,
    )

    try:
        return await asyncio.to_thread(_looked, await client("dynamodb"), place.name, clock)
    except ClientError as error:
        reason = str(error.response.get("Error", {}).get("Code"))
    except BotoCoreError as error:
        reason = type(error).__name__
    sentence = f"DynamoDB does not say how the table is: {reason}."
    raise Unavailable(sentence, code="TABLE_NOT_SEEN")


def _looked(dynamodb: Any, name: str, clock: Clock) -> TableLook:
    from clearance.stores.dynamodb.table import TABLE, TTL_ATTRIBUTE  # noqa: PLC0415

    answer = dynamodb.describe_table(TableName=name)
    now = clock.now_ms()
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    there = now if date is None else int(parsedate_to_datetime(date).timestamp() * 1_000)
    table = answer["Table"]
    wanted = {index["IndexName"] for index in TABLE["GlobalSecondaryIndexes"]}
    indexes = {index["IndexName"] for index in table.get("GlobalSecondaryIndexes", ())}
    ttl = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    backups = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    recovery = backups.get("PointInTimeRecoveryDescription", {}).get("PointInTimeRecoveryStatus")
    return TableLook(
        status=table["TableStatus"],
        missing=tuple(sorted(wanted - indexes)),
        ages_sessions_out=ttl.get("TimeToLiveStatus") == "ENABLED"
        and ttl.get("AttributeName") == TTL_ATTRIBUTE,
        recoverable=recovery == "ENABLED",
        protected=bool(table.get("DeletionProtectionEnabled")),
        clock_apart_ms=now - there,
    )


# The environment of a function


def table() -> Table:
    """The table of the environment."""
    return Table(_named("CLEARANCE_TABLE", Environment().table or ""))


async def bus() -> Bus:
    """The bus of the environment."""
    name = _named("CLEARANCE_BUS", Environment().bus)
    from clearance.engines.eventbridge import Bus  # noqa: PLC0415 - comes with the extra

    return Bus(name, await client("events"))


async def machine() -> Machine:
    """The state machine of the environment."""
    arn = _named("CLEARANCE_STATE_MACHINE", Environment().state_machine)
    from clearance.engines.step_functions import Machine  # noqa: PLC0415 - comes with the extra

    return Machine(arn, await client("stepfunctions"))


def _named(variable: str, value: str) -> str:
    if value:
        return value
    sentence = f"{variable} is not set: the deployment gives it to this function."
    raise InvalidInput(sentence, code="INVALID_ENVIRONMENT")


async def secrets() -> Mapping[str, str]:
    """What fills in `${NAME}` of tool servers: the secret that the environment names, a JSON
    object; nothing without one.

    Never the process's own environment: a function's own credentials are in it. Unavailable
    (`SECRET_UNREADABLE`) if the secret cannot be read, or is no object of texts.
    """
    name = Environment().secret
    if not name:
        return {}
    from botocore.exceptions import (  # noqa: PLC0415 - comes with the extra
        BotoCoreError,
        ClientError,
    )

    try:
        vault = await client("secretsmanager")
        secret = await asyncio.to_thread(vault.get_secret_value, SecretId=name)
        return _SECRETS.validate_python(json.loads(secret["SecretString"]))
    except ClientError as error:
        reason = str(error.response.get("Error", {}).get("Code"))
    except (BotoCoreError, KeyError) as error:
        reason = type(error).__name__
    except ValueError:  # the parser's error could quote the secret
        reason = "not a JSON object of texts"
    sentence = f"The secret of CLEARANCE_SECRET cannot be read: {reason}."
    raise Unavailable(sentence, code="SECRET_UNREADABLE")


_SECRETS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str], config=ConfigDict(strict=True))


# Who speaks by event


class _Source(BaseModel):
    """Whose agent a publisher is."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    tenant_id: str
    actor: str


_SOURCES: TypeAdapter[dict[str, _Source]] = TypeAdapter(dict[str, _Source])


@dataclass(frozen=True, slots=True)
class Sources:
    """Who speaks for which tenant's agent: by the `source` of an event, or the alias of the gate
    that was invoked.
    """

    by_name: Mapping[str, Principal]

    def principal(self, source: object) -> Principal:
        """The principal behind an event. Forbidden (`UNKNOWN_SOURCE`) if its source is not
        known.
        """
        principal = self.by_name.get(source) if isinstance(source, str) else None
        if principal is None:
            sentence = (
                "Neither the source of this event nor the alias that was invoked speaks for a "
                "tenant."
            )
            raise Forbidden(sentence, code="UNKNOWN_SOURCE")
        return principal


def sources() -> Sources:
    """The publishers of the environment.

    InvalidInput (`INVALID_ENVIRONMENT`) if they cannot be read.
    """
    from clearance.doors.strict_json import parse  # noqa: PLC0415 - one function of eight reads it
    from clearance.engines.eventbridge import SOURCE  # noqa: PLC0415 - comes with the extra

    try:
        # `parse` refuses a name that stands twice.
        read = _SOURCES.validate_python(parse((Environment().sources or "{}").encode()))
    except (Refusal, ValidationError):
        read = None
    names = (
        {name for source in read.values() for name in (source.tenant_id, source.actor)}
        if read is not None
        else {""}
    )
    if (
        read is None
        or SOURCE in read
        or EVERYWHERE in names
        or any(name_problem(name) for name in names)
    ):
        sentence = (
            'CLEARANCE_SOURCES must be a JSON object: {"a source": {"tenant_id": "...", "actor": '
            '"..."}}, in which no source'
            f" stands twice, or is {SOURCE}."
        )
        raise InvalidInput(sentence, code="INVALID_ENVIRONMENT")
    allowed = PERMISSIONS[Role.AGENT]
    return Sources(
        {
            name: Principal(publisher.tenant_id, publisher.actor, ActorKind.AGENT, allowed, name)
            for name, publisher in read.items()
        }
    )
