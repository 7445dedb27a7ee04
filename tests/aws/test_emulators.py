"""The emulators end with the tests, keep to this machine,
and do what the tests rely on them for.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.aws.support.emulators import (
    CREDENTIALS,
    HOST,
    RealEndpoint,
    check_environment,
    dynamodb_client,
    environment,
    guarded,
    moto_aws,
    new_table,
)
from tests.aws.support.table import Table

SECONDS_MAX = 20.0

_STARTS_ONE_AND_WAITS = """
import sys, time
from pathlib import Path
from tests.aws.support.emulators import ministack
with ministack(Path(sys.argv[1])) as endpoint:
    print(endpoint, flush=True)
    time.sleep(600)
"""


def listens(endpoint: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, urlsplit(endpoint).port or 0)) == 0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_ministack_ends_with_the_process_that_started_it(
    tmp_path: Path, how: signal.Signals
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _STARTS_ONE_AND_WAITS, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    with process.stdout:
        endpoint = process.stdout.readline().strip()
    assert listens(endpoint)
    process.send_signal(how)
    process.wait(SECONDS_MAX)
    ends = time.monotonic() + SECONDS_MAX
    while listens(endpoint) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not listens(endpoint)


def test_ministack_listens_on_this_machine_alone(ministack_endpoint: str) -> None:
    port = urlsplit(ministack_endpoint).port
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")]
    assert listening == [f"0100007F:{port:04X}"]


# The guard


def test_no_client_reaches_real_aws() -> None:
    client = boto3.client(
        "dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x"
    )
    with pytest.raises(RealEndpoint):
        client.list_tables()
    client.close()


def test_the_guard_ends_with_its_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415

    outside = URLLib3Session.send
    with guarded():
        assert URLLib3Session.send is not outside
    assert URLLib3Session.send is outside


@pytest.mark.parametrize(
    "changed",
    [
        {"AWS_ENDPOINT_URL": "https://dynamodb.eu-central-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL_DYNAMODB": "https://dynamodb.eu-central-1.amazonaws.com"},
        {"AWS_ENDPOINT_URL": None},
        {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE"},
        {"AWS_SECRET_ACCESS_KEY": None},
        {"AWS_PROFILE": "production"},
    ],
)
def test_an_environment_that_could_reach_real_aws_is_refused(
    changed: dict[str, str | None],
) -> None:
    good = environment("http://127.0.0.1:4566")
    check_environment(good)
    bad = {name: value for name, value in (good | changed).items() if value is not None}
    with pytest.raises(RealEndpoint):
        check_environment(bad)


# What they do


def test_ministack_knows_a_transaction_again_by_its_token(dynamodb_table: Table) -> None:
    request = {
        "TransactItems": [
            {
                "Update": {
                    "TableName": dynamodb_table.name,
                    "Key": {"pk": {"S": "p"}, "sk": {"S": "s"}},
                    "UpdateExpression": "ADD counted :one",
                    "ExpressionAttributeValues": {":one": {"N": "1"}},
                }
            }
        ],
        "ClientRequestToken": "t" * 32,
    }
    for _ in range(3):
        dynamodb_table.client.transact_write_items(**request)
    item = dynamodb_table.client.get_item(
        TableName=dynamodb_table.name, Key={"pk": {"S": "p"}, "sk": {"S": "s"}}
    )
    assert item["Item"]["counted"] == {"N": "1"}


@pytest.mark.anyio
async def test_transactions_of_many_threads_are_kept_apart(table: Table) -> None:
    """moto alone would lose some: it puts a copy of the whole table back when a transaction is
    cancelled.
    """

    def count(number: int) -> bool:
        try:
            table.client.transact_write_items(
                TransactItems=[
                    {
                        "Put": {
                            "TableName": table.name,
                            "Item": {"pk": {"S": f"p{number}"}, "sk": {"S": "s"}},
                        }
                    },
                    {
                        "Update": {
                            "TableName": table.name,
                            "Key": {"pk": {"S": "counter"}, "sk": {"S": "s"}},
                            "UpdateExpression": "ADD counted :one",
                            "ConditionExpression": "attribute_not_exists(counted) OR counted < "
                            ":limit",
                            "ExpressionAttributeValues": {
                                ":one": {"N": "1"},
                                ":limit": {"N": "10"},
                            },
                        }
                    },
                ]
            )
        except ClientError:
            return False
        return True

    passed = await asyncio.gather(*(asyncio.to_thread(count, number) for number in range(40)))
    items: list[dict[str, Any]] = table.client.scan(TableName=table.name)["Items"]
    assert sum(passed) == 10
    assert len(items) == 11


def test_moto_leaves_the_environment_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    before = dict(os.environ)
    with moto_aws():
        assert "AWS_ENDPOINT_URL" not in os.environ
        client = dynamodb_client(None)
        with new_table(client, None) as table:
            assert client.list_tables()["TableNames"] == [table.name]
        client.close()
    assert dict(os.environ) == before
    assert CREDENTIALS["AWS_ACCESS_KEY_ID"] == "testing"
