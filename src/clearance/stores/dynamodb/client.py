"""Calls of DynamoDB: boto3 in threads, plain values instead of its wire format, and the meaning of
each error for the call.

A read is tried again here, and so is a single write, which may happen twice. A transaction is sent
once. Its caller decides whether to send it again, because a lost answer does not tell whether the
transaction was committed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import boto3  # type: ignore[import-untyped]
import structlog
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import (  # type: ignore[import-untyped]
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's own
    HTTPClientError,
)
from botocore.parsers import ResponseParserError  # type: ignore[import-untyped]

from clearance.core.errors import IN_DOUBT, TooLarge, Unavailable
from clearance.stores.dynamodb.table import TABLE, Key

THREADS_MAX = 16  # calls of one process at once
CONNECT_SECONDS_MAX = 3
ANSWER_SECONDS_MAX = 5  # after which a call's answer counts as lost
AGAIN_SECONDS_MAX = 8.0  # how long a read is tried again
PAUSE_SECONDS = 0.1  # the longest pause before the second try; doubles with each
PAUSE_SECONDS_MAX = 1.0
ITEM_BYTES_MAX = 400 * 1024  # DynamoDB's own
KEYS_MAX = 100  # of one BatchGetItem

Item: TypeAlias = dict[str, Any]
"""An item in plain values: str, int, bytes, bool, dict, list. None values are left out."""

_THROTTLED = frozenset(
    {
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionConflictException",
    }
)
_MAY_PASS = frozenset(
    {
        "None",
        "ConditionalCheckFailed",
        "TransactionConflict",
        "ThrottlingError",
        "ProvisionedThroughputExceeded",
    }
)
_log = structlog.get_logger(__name__)


class Client(Protocol):
    """The calls of boto3's DynamoDB client that the store makes."""

    def get_item(self, **request: Any) -> dict[str, Any]: ...  # noqa: D102
    def batch_get_item(self, **request: Any) -> dict[str, Any]: ...  # noqa: D102
    def query(self, **request: Any) -> dict[str, Any]: ...  # noqa: D102
    def put_item(self, **request: Any) -> dict[str, Any]: ...  # noqa: D102
    def delete_item(self, **request: Any) -> dict[str, Any]: ...  # noqa: D102
    def transact_write_items(self, **request: Any) -> dict[str, Any]: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class NotNow(Exception):
    """DynamoDB refused the call for now (throttled, a conflict, a condition): nothing of it
    happened.
    """


class AnswerLost(Exception):
    """No answer came, or an error of the service: the call may have happened."""


@dataclass(frozen=True, slots=True)
class Write:
    """One member of a transaction: `Put`, `Update`, `Delete` or `ConditionCheck`, in the wire's
    shape without the table's name.
    """

    kind: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class IndexQuery:
    """Items of one partition of the table or of an index, in order of the sort key.

    `sort`: an operator and its values.
    """

    partition: str
    index: str | None = None
    sort: tuple[Any, ...] = ()
    forward: bool = True
    page: int | None = None


def connect() -> Client:
    """A client of the account that the environment names (AWS_ENDPOINT_URL, AWS_REGION, ...), which
    tries nothing twice.
    """
    config = Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=THREADS_MAX,
        connect_timeout=CONNECT_SECONDS_MAX,
        read_timeout=ANSWER_SECONDS_MAX,
    )
    try:
        client: Client = boto3.client("dynamodb", config=config)
    except (BotoCoreError, ValueError) as error:
        raise _not_usable(error) from error
    return client


# Values


def encode(value: Any) -> dict[str, Any]:
    """A plain value in the wire's format."""
    match value:
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case bytes():
            return {"B": value}
        case list() | tuple():
            return {"L": [encode(part) for part in value]}
        case _:
            return {"M": encode_item(value)}


def encode_item(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item, or a map inside one, in the wire's format; None values are left out."""
    return {name: encode(value) for name, value in item.items() if value is not None}


def decode(value: Mapping[str, Any]) -> Any:
    """A value of the wire's format as a plain one."""
    [(kind, inner)] = value.items()
    match kind:
        case "N":
            return int(inner)
        case "B":
            return bytes(inner)
        case "L":
            return [decode(part) for part in inner]
        case "M":
            return decode_item(inner)
        case _:
            return inner


def decode_item(item: Mapping[str, Any]) -> Item:
    """An item of the wire's format in plain values."""
    return {name: decode(value) for name, value in item.items()}


def item_bytes(item: Mapping[str, Any]) -> int:
    """How large DynamoDB takes an item of plain values to be: never less than it is."""
    return sum(
        len(name.encode()) + _value_bytes(value)
        for name, value in item.items()
        if value is not None
    )


def _value_bytes(value: Any) -> int:
    match value:
        case bool():
            return 1
        case str():
            return len(value.encode())
        case int():
            return len(str(value)) + 1
        case bytes():
            return len(value)
        case list() | tuple():
            return 3 + sum(1 + _value_bytes(part) for part in value)
        case _:
            return 3 + len(value) + item_bytes(value)


# Members of a transaction


def put(key: Key, attributes: Mapping[str, Any], condition: str | None, **values: Any) -> Write:
    """Writes an item whole. TooLarge (`ITEM_TOO_LARGE`) if DynamoDB could not keep it."""
    item = {"pk": key.pk, "sk": key.sk, **attributes}
    size = item_bytes(item)
    if size > ITEM_BYTES_MAX:
        sentence = (
            f"This would be an item of {size} bytes; DynamoDB keeps {ITEM_BYTES_MAX} at most."
        )
        raise TooLarge(sentence, code="ITEM_TOO_LARGE")
    return Write("Put", {"Item": encode_item(item), **_condition(condition, {}, values)})


def update(
    key: Key, expression: str, condition: str, names: Mapping[str, str], **values: Any
) -> Write:
    """Changes attributes of an item. `names` are those that are placeholders in the expressions."""
    return Write(
        "Update",
        {"UpdateExpression": expression, **_keyed(key), **_condition(condition, names, values)},
    )


def remove(key: Key) -> Write:
    """Deletes an item, if it is there."""
    return Write("Delete", _keyed(key))


def check(key: Key, condition: str, **values: Any) -> Write:
    """Lets the transaction through only if the condition holds for the item."""
    return Write("ConditionCheck", {**_keyed(key), **_condition(condition, {}, values)})


def _keyed(key: Key) -> dict[str, Any]:
    return {"Key": encode_item(key._asdict())}


def _condition(
    condition: str | None, names: Mapping[str, str], values: Mapping[str, Any]
) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "ConditionExpression": condition,
        "ExpressionAttributeNames": dict(names),
        "ExpressionAttributeValues": {f":{name}": encode(value) for name, value in values.items()},
    }
    return {name: part for name, part in parts.items() if part}


# Pauses


def pauses(seconds: float) -> Iterator[float]:
    """How long to wait before each further try, with full jitter, until the time that begins now is
    over.
    """
    return _pauses_until(time.monotonic() + seconds)


def _pauses_until(ends: float) -> Iterator[float]:
    longest = PAUSE_SECONDS
    while True:
        pause = random.uniform(0, longest)  # noqa: S311 - no secret: it keeps callers apart
        if time.monotonic() + pause > ends:
            return
        yield pause
        longest = min(longest * 2, PAUSE_SECONDS_MAX)


# Calls


@dataclass(slots=True)
class Calls:
    """One table, through one client."""

    table: str
    client: Client
    owned: bool
    closed: bool = False
    _threads: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(
            THREADS_MAX, thread_name_prefix="clearance-dynamodb"
        )
    )

    async def close(self) -> None:
        """Waits for the calls that are under way, and closes the client if it is ours."""
        self.closed = True
        await asyncio.to_thread(self._threads.shutdown)
        if self.owned:
            self.client.close()

    async def get(self, key: Key) -> Item | None:
        """One item as it is now."""
        request = {"TableName": self.table, "ConsistentRead": True, **_keyed(key)}
        item = (await self._again(self.client.get_item, request)).get("Item")
        return decode_item(item) if item else None

    async def get_many(self, keys: Iterable[Key]) -> dict[Key, Item]:
        """Items as they are now, each by itself; those that are not there are not in the answer."""
        wanted = list(dict.fromkeys(keys))
        parts = [wanted[start : start + KEYS_MAX] for start in range(0, len(wanted), KEYS_MAX)]
        items: dict[Key, Item] = {}
        for part in await asyncio.gather(*(self._get_part(part) for part in parts)):
            items |= part
        return items

    async def _get_part(self, keys: Sequence[Key]) -> dict[Key, Item]:
        items: dict[Key, Item] = {}
        left = [encode_item(key._asdict()) for key in keys]
        waits = pauses(AGAIN_SECONDS_MAX)
        while True:
            request = {"RequestItems": {self.table: {"Keys": left, "ConsistentRead": True}}}
            answer = await self._again(self.client.batch_get_item, request)
            for item in map(decode_item, answer["Responses"].get(self.table, [])):
                items[Key(item["pk"], item["sk"])] = item
            left = answer.get("UnprocessedKeys", {}).get(self.table, {}).get("Keys", [])
            if not left:
                return items
            await _pause(waits)

    async def pages(self, query: IndexQuery) -> AsyncGenerator[list[Item], None]:
        """A query's items, page by page.

        An index may be some moments old; the table itself is read as it is now.
        """
        async with contextlib.aclosing(self._answers(self._query(query))) as answers:
            async for answer in answers:
                yield [decode_item(item) for item in answer["Items"]]

    async def all(self, query: IndexQuery) -> list[Item]:
        """All items of a query."""
        return [item async for page in self.pages(query) for item in page]

    async def count(self, query: IndexQuery, most: float = math.inf) -> int:
        """How many items a query has; no more are counted than `most`, give or take a page."""
        request = {**self._query(query), "Select": "COUNT"}
        counted = 0
        async for answer in self._answers(request):
            counted += int(answer["Count"])
            if counted >= most:
                break
        return counted

    async def _answers(self, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """The answers to a query, each from where the one before ended."""
        while True:
            answer = await self._again(self.client.query, request)
            yield answer
            ended = answer.get("LastEvaluatedKey")
            if not ended:
                return
            if ended == request.get("ExclusiveStartKey"):
                sentence = "DynamoDB gave the same page again: the query does not come to an end."
                raise Unavailable(sentence)
            request["ExclusiveStartKey"] = ended

    def _query(self, query: IndexQuery) -> dict[str, Any]:
        partition, sort = _KEYS[query.index]
        names, values = {"#p": partition}, {":p": encode(query.partition)}
        condition = "#p = :p"
        if query.sort:
            operator, *operands = query.sort
            names["#s"] = sort
            values |= {f":s{number}": encode(operand) for number, operand in enumerate(operands)}
            condition += f" AND {_SORTS[operator]}"
        request: dict[str, Any] = {
            "TableName": self.table,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": query.forward,
            "ConsistentRead": query.index is None,
        }
        if query.index:
            request["IndexName"] = query.index
        if query.page:
            request["Limit"] = query.page
        return request

    async def put_new(self, key: Key, attributes: Mapping[str, Any]) -> None:
        """Writes one item unless it is there."""
        await self.put_if(key, attributes, "attribute_not_exists(pk)")

    async def put_same(self, key: Key, attributes: Mapping[str, Any]) -> None:
        """Writes an item that is the same each time it is written: in a transaction of its own, as
        the grants of functions let nothing else write beside settings.
        """
        action = put(key, attributes, None)
        member = {action.kind: {"TableName": self.table, **action.body}}
        request = {"TransactItems": [member]}
        await self._again(self.client.transact_write_items, request, writes=True)

    async def put_if(
        self, key: Key, attributes: Mapping[str, Any], condition: str, **values: Any
    ) -> bool:
        """Writes one item whole.

        False if the condition does not hold; or does not any more, after an answer that was lost.
        """
        action = put(key, attributes, condition, **values)
        try:
            request = {"TableName": self.table, **action.body}
            await self._again(self.client.put_item, request, writes=True)
        except _NotSo:
            return False
        return True

    async def delete(self, key: Key) -> None:
        """Deletes one item, if it is there."""
        request = {"TableName": self.table, **_keyed(key)}
        await self._again(self.client.delete_item, request, writes=True)

    async def write(self, actions: Sequence[Write]) -> None:
        """Commits all of it or nothing, in one try.

        NotNow: nothing happened. AnswerLost: it is unknown. Unavailable: never.
        """
        members = [{action.kind: {"TableName": self.table, **action.body}} for action in actions]
        # The token makes a repeat below this call (a proxy's, the client's own) harmless. What we
        # send again is another request, made from what the table says by then, so it has another
        # token.
        await self._once(
            self.client.transact_write_items,
            {"TransactItems": members, "ClientRequestToken": secrets.token_hex(16)},
        )

    async def _again(
        self, call: Callable[..., dict[str, Any]], request: dict[str, Any], *, writes: bool = False
    ) -> dict[str, Any]:
        """Calls, again while that may help. Only for calls that may happen twice."""
        waits, lost = pauses(AGAIN_SECONDS_MAX), False
        while True:
            try:
                return await self._once(call, request)
            except NotNow:
                pass
            except AnswerLost:
                lost = True
            await _pause(waits, in_doubt=writes and lost)

    async def _once(
        self, call: Callable[..., dict[str, Any]], request: dict[str, Any]
    ) -> dict[str, Any]:
        if self.closed:
            sentence = "The store is closed."
            raise Unavailable(sentence)
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, lambda: call(**request)
            )
        except ClientError as error:
            raise _meaning(error, self.table) from error
        except (HTTPClientError, ConnectionError, ResponseParserError) as error:
            raise AnswerLost(type(error).__name__) from error
        except BotoCoreError as error:
            raise _not_usable(error) from error


class _NotSo(Exception):
    """The condition of a single write does not hold."""


async def _pause(waits: Iterator[float], *, in_doubt: bool = False) -> None:
    pause = next(waits, None)
    if pause is None and in_doubt:
        sentence = "DynamoDB did not answer in time, so it is not known whether this was written."
        raise Unavailable(sentence, code=IN_DOUBT)
    if pause is None:
        sentence = "DynamoDB did not answer in time; ask again."
        raise Unavailable(sentence)
    await asyncio.sleep(pause)


def _meaning(error: Any, table: str) -> Exception:
    """The meaning of DynamoDB's error for the call.

    Its code is logged; its message may quote what was sent, so it is not.
    """
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    reasons = [
        str(reason.get("Code", "None")) for reason in error.response.get("CancellationReasons", [])
    ]
    if code == "TransactionCanceledException" and _MAY_PASS.issuperset(reasons):
        return NotNow(", ".join(reason for reason in reasons if reason != "None"))
    if code == "ConditionalCheckFailedException":
        return _NotSo()
    if code in _THROTTLED:
        return NotNow(code)
    if status >= 500 or code == "TransactionInProgressException":  # noqa: PLR2004
        return AnswerLost(code)
    with contextlib.suppress(Exception):  # a log that cannot be written must not hide the answer
        _log.error("dynamodb refused", code=code, reasons=reasons)
    if code == "ResourceNotFoundException":
        return Unavailable(
            f"There is no DynamoDB table {table} in this account and region.",
            code="TABLE_NOT_FOUND",
        )
    if code in {"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"}:
        return Unavailable(
            f"DynamoDB does not let these credentials in: {code}.", code="TABLE_FORBIDDEN"
        )
    return Unavailable(f"DynamoDB refused the call: {code}.")


def _not_usable(error: Exception) -> Unavailable:
    """No call was made: no credentials, no region, or settings that boto3 cannot use.

    Its message names files at most.
    """
    return Unavailable(
        f"DynamoDB cannot be called with these settings: {type(error).__name__}.",
        code="AWS_NOT_USABLE",
    )


_SORTS = {
    ">": "#s > :s0",
    "<": "#s < :s0",
    "<=": "#s <= :s0",
    "begins_with": "begins_with(#s, :s0)",
    "between": "#s BETWEEN :s0 AND :s1",
}


def _keys_of(schema: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    partition, sort = (key["AttributeName"] for key in schema)
    return partition, sort


_KEYS: Mapping[str | None, tuple[str, str]] = {
    None: _keys_of(TABLE["KeySchema"]),
    **{
        index["IndexName"]: _keys_of(index["KeySchema"])
        for index in TABLE["GlobalSecondaryIndexes"]
    },
}
