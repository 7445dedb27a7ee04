"""AWS for tests, on this machine alone: MiniStack over real HTTP, moto in this process, and a guard
before the real one.

Two emulators, for each covers what the other lacks: MiniStack keeps a transaction whole under
threads and remembers its token; moto reads the language of the state machine best. Neither is AWS:
conflicts, throttling and lost answers are injected.
"""

from __future__ import annotations

import http.client
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import boto3
import moto
from botocore.config import Config
from botocore.httpsession import URLLib3Session
from moto.dynamodb.responses import DynamoHandler

from clearance.stores.dynamodb.table import TABLE
from tests.aws.support.table import Table

HOST = "127.0.0.1"
REGION = "us-east-1"
CREDENTIALS: Mapping[str, str] = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
}
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 10
STARTS_MAX = 3  # another process may take the port that was found free
THREADS_MAX = 64

# Ends with the process that started it, however that one ends.
_LAUNCH = """
import ctypes, os, runpy, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv.pop(1)):
    raise SystemExit("the process that wanted it is gone")
runpy.run_module("ministack", run_name="__main__", alter_sys=True)
"""


class RealEndpoint(AssertionError):
    """A test was about to speak to something that is not on this machine."""


# The guard


def environment(endpoint: str) -> dict[str, str]:
    """What a process needs in its environment to speak to an emulator, and to nothing else."""
    return {
        **CREDENTIALS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def check_environment(variables: Mapping[str, str]) -> None:
    """RealEndpoint unless every AWS endpoint in the environment is this machine's and the
    credentials are obviously fake.
    """
    endpoints = {
        name: value for name, value in variables.items() if name.startswith("AWS_ENDPOINT_URL")
    }
    elsewhere = {name for name, value in endpoints.items() if urlsplit(value).hostname != HOST}
    if "AWS_ENDPOINT_URL" not in endpoints or elsewhere:
        raise RealEndpoint(
            f"AWS_ENDPOINT_URL must be this machine's; these are not: {sorted(elsewhere)}."
        )
    if (
        any(variables.get(name) != value for name, value in CREDENTIALS.items())
        or "AWS_PROFILE" in variables
    ):
        raise RealEndpoint("The credentials are not the fake ones.")


@contextmanager
def guarded() -> Iterator[None]:
    """While it lasts, no AWS client of this process can reach anything but this machine, whatever
    its configuration says.
    """
    send = URLLib3Session.send

    def checked(self: URLLib3Session, request: Any) -> Any:
        if urlsplit(request.url).hostname != HOST:
            raise RealEndpoint(f"A test was about to call {request.url}.")
        return send(self, request)

    with mock.patch.object(URLLib3Session, "send", checked):
        yield


# MiniStack


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def ministack(folder: Path, **variables: str) -> Iterator[str]:
    """The endpoint of a MiniStack of our own, with more variables in its environment.

    Its files and its log are in `folder`.

    Start it from a thread that lives as long as it shall: it ends with the thread that made it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(STARTS_MAX):
        port = free_port()
        with (folder / "ministack.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _LAUNCH, str(os.getpid())],
                env=_ministack_environment(folder, port) | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
            )
        try:
            if _answers(process, port):
                yield f"http://{HOST}:{port}"
                return
        finally:
            _stop(process)
    raise RuntimeError((folder / "ministack.log").read_text(errors="replace")[-2000:])


def _ministack_environment(folder: Path, port: int) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        **environment(f"http://{HOST}:{port}"),
        "BIND_HOST": HOST,
        "GATEWAY_PORT": str(port),
        "TMPDIR": str(folder),
        "STATE_DIR": str(folder / "state"),
        "S3_DATA_DIR": str(folder / "s3"),
        "DOCKER_HOST": f"unix://{folder / 'no-docker.sock'}",
        "LOG_LEVEL": "WARNING",
        "SFTP_ENABLED": "0",
        "IOT_MTLS_ENABLED": "0",
        "PYTHONWARNINGS": "ignore",
    }


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """True as soon as it answers; False if it ended instead, or the time is over."""
    ends = time.monotonic() + START_SECONDS_MAX
    while process.poll() is None and time.monotonic() < ends:
        connection = http.client.HTTPConnection(HOST, port, timeout=5)
        try:
            connection.request("GET", "/_ministack/health")
            if connection.getresponse().status == http.client.OK:
                return True
        except OSError:
            time.sleep(0.05)
        finally:
            connection.close()
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


# moto


@contextmanager
def moto_aws(**config: Any) -> Iterator[None]:
    """AWS inside this process: every client made while it lasts reaches moto, at AWS's own
    addresses.

    moto keeps no transaction apart from another, so its DynamoDB takes one call at a time here.
    """
    lock = threading.RLock()
    call_action = DynamoHandler.call_action

    def one_at_a_time(self: DynamoHandler) -> Any:
        with lock:
            return call_action(self)

    with ExitStack() as stack:
        stack.enter_context(
            mock.patch.dict(os.environ, CREDENTIALS | {"AWS_DEFAULT_REGION": REGION})
        )
        for name in [name for name in os.environ if name.startswith("AWS_ENDPOINT_URL")]:
            del os.environ[name]  # back when the patch ends
        stack.enter_context(mock.patch.object(DynamoHandler, "call_action", one_at_a_time))
        stack.enter_context(moto.mock_aws(config=config or None))
        yield


# DynamoDB on either


@cache
def _session() -> boto3.Session:
    """What boto3 reads from files, read once for all tests."""
    return boto3.Session()


def dynamodb_client(endpoint: str | None) -> Any:
    """A client of an emulator, which tries nothing twice by itself: what is tried again is the
    store's to say.
    """
    return _session().client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=THREADS_MAX,
            connect_timeout=5,
            read_timeout=30,
        ),
    )


@contextmanager
def new_table(client: Any, endpoint: str | None) -> Iterator[Table]:
    """A new empty table, which is deleted afterwards."""
    name = f"clearance-{secrets.token_hex(6)}"
    client.create_table(TableName=name, **TABLE)
    client.get_waiter("table_exists").wait(
        TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 10}
    )
    try:
        yield Table(name, client, endpoint)
    finally:
        client.delete_table(TableName=name)
