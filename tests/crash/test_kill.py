"""`kill -9` at every commit boundary of the path, and around the tool call, on both profiles; then
a new start.

Whatever the point: no intent is lost, none runs twice, budget is charged once, and what may not be
repeated ends UNKNOWN.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from clearance.client import Clearance, ClearanceUnavailable
from clearance.core.catalog import idempotency_key
from tests.crash.support.evidence import calls_of
from tests.crash.support.process import write_offset
from tests.crash.support.supervisor import free_port
from tests.crash.support.toolserver import Record, ToolServer
from tests.crash.support.zygote import Forked, Zygote, zygote
from tests.support import sample
from tests.support.postgres import new_database
from tests.support.sample import TENANT

KEY = "a-key-for-crash-tests-only-0000000"
SETTLED = {"SUCCEEDED", "FAILED", "UNKNOWN", "CANCELLED", "BLOCKED", "REJECTED", "EXPIRED"}
COMMITS = 3  # admit, start_attempt, record_outcome
TOOL = ["tool:before", "tool:after"]
POINTS = [
    f"commit:{number}:{when}" for number in range(1, COMMITS + 1) for when in ("before", "after")
] + TOOL
# On PostgreSQL one process admits, and another starts the attempt and records the outcome.
SERVER_POINTS = [f"commit:1:{when}" for when in ("before", "sent", "after")]
WORKER_POINTS = [
    f"commit:{number}:{when}" for number in (1, 2) for when in ("before", "sent", "after")
] + TOOL
# What may be sent only once differs from what may be repeated where a call may be under way.
BOTH = {"commit:1:sent", "commit:1:after", *TOOL}
WORKER_CASES = [
    (point, action_type)
    for point in WORKER_POINTS
    for action_type in ("CREATE_TASK", "SEND_MAIL")
    if action_type == "CREATE_TASK" or point in BOTH
]
UP_SECONDS_MAX = 40.0
SETTLE_SECONDS_MAX = 40.0
DEADLINE_SECONDS = 8  # of a tool server at an address
RETRY_WINDOW_MS = 1_000
LEASE_MARGIN_SECONDS = 3

ACTS: dict[str, dict[str, Any]] = {
    "CREATE_TASK": {"title": "Renewal call"},
    "SEND_MAIL": {"to": "ann@example.com", "subject": "Hello", "body": "Good morning"},
}


class Crashing:
    """A configuration, a tool server that answers at once at an address, and processes that come
    and go.
    """

    def __init__(
        self, folder: Path, forks: Zygote, address: str, database: str | None = None
    ) -> None:
        self.folder = folder
        self.forks = forks
        self.address = address
        self.armed = folder / "armed"
        self.place = [] if database else ["--data", str(folder / "data")]
        self.environment = {
            "CLEARANCE_BOOTSTRAP_API_KEY": KEY,
            "TORTURE_RETRY_WINDOW_MS": str(RETRY_WINDOW_MS),
            **({"CLEARANCE_DATABASE_URL": database} if database else {}),
        }
        self.config = folder / "clearance.yaml"
        document = sample.document()
        document["tool_servers"]["crm"] = {"url": address, "deadline_seconds": DEADLINE_SECONDS}
        policy = document.pop("policy")
        (folder / "policy.cedar").write_text(policy)
        self.config.write_text(
            yaml.safe_dump({"version": 1, "tenant": TENANT, "policy": "policy.cedar", **document})
        )

    @contextmanager
    def running(self, point: str, *command: str) -> Iterator[tuple[Forked, str]]:
        """A process that is up, and its address."""
        port = free_port()
        log = self.folder / f"{command[0]}.log"
        arguments = [str(self.armed), point, *command, "--port", str(port)]
        process = self.forks.start(arguments, self.environment, log)
        try:
            wait_until_up(process, f"http://127.0.0.1:{port}", log)
            yield process, f"http://127.0.0.1:{port}"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGTERM)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                os.kill(process.pid, signal.SIGKILL)
                raise

    @contextmanager
    def taking_up(self) -> Iterator[None]:
        """Another worker, at a moment when every lease of now is over: by its clock, so that nobody
        has to wait.
        """
        clock = self.folder / "later.clock"
        write_offset(clock, (DEADLINE_SECONDS + LEASE_MARGIN_SECONDS) * 1_000 + RETRY_WINDOW_MS)
        self.environment["TORTURE_CLOCK"] = str(clock)
        with self.running("never", "worker"):
            yield

    @contextmanager
    def serving(self, point: str = "never") -> Iterator[tuple[Forked, Clearance]]:
        with (
            self.running(point, "serve", "--config", str(self.config), *self.place) as (
                process,
                url,
            ),
            Clearance(url, KEY) as client,
        ):
            yield process, client

    def migrate(self) -> None:
        log = self.folder / "migrate.log"
        code = self.forks.start([str(self.armed), "never", "migrate"], self.environment, log).wait(
            60
        )
        assert code == 0, log.read_text()[-2000:]

    def settle(self, client: Clearance) -> dict[str, Any]:
        ends = time.monotonic() + SETTLE_SECONDS_MAX
        while time.monotonic() < ends:
            intent = dict(client.intent("i1"))
            if intent["status"] in SETTLED:
                return intent
            time.sleep(0.05)
        pytest.fail(f"i1 is still {intent['status']}")

    def effects(self) -> Counter[str]:
        return Counter(
            call.arguments.get("request_id") or call.tool
            for call in calls_of(self.folder / "calls.sqlite3")
            if call.acted
        )

    def check(self, client: Clearance, point: str, action_type: str, *, started: bool) -> None:
        """What must hold at the end; `started`: the attempt was durable before the kill, and the
        outcome was not.
        """
        intent = self.settle(client)
        kinds = [
            entry["kind"] for entry in client.ledger() if entry.get("action_intent_id") == "i1"
        ]
        expected = "UNKNOWN" if action_type == "SEND_MAIL" and started else "SUCCEEDED"
        assert intent["status"] == expected
        assert intent["outcome"]["auto_executed"] is True
        assert kinds.count("ACTION_APPROVED") == 1
        assert kinds.count("OUTCOME_RECORDED") == 1
        assert intent["budget"]["state"] == "SETTLED"
        used = {one["bucket"]: one["used"] for one in budget(client)["buckets"]}
        assert used["actions"] == 1, "the budget is charged once"
        effect = idempotency_key(TENANT, "i1") if action_type == "CREATE_TASK" else "send_mail"
        sent = 0 if expected == "UNKNOWN" and point in BEFORE_THE_CALL else 1
        assert self.effects() == Counter({effect: sent} if sent else {})


BEFORE_THE_CALL = {
    "commit:2:after",
    "tool:before",
    "worker:commit:1:after",
    "worker:commit:1:sent",
    "worker:tool:before",
}


def wait_until_up(process: Forked, url: str, log: Path) -> None:
    ends = time.monotonic() + UP_SECONDS_MAX
    with httpx2.Client(trust_env=False, timeout=5) as http:
        while time.monotonic() < ends and process.poll() is None:
            with contextlib.suppress(httpx2.RequestError):
                if http.get(f"{url}/readyz").status_code == httpx2.codes.OK:
                    return
            time.sleep(0.05)
    pytest.fail(f"the process did not start: {log.read_text()[-2000:]}")


def budget(client: Clearance) -> dict[str, Any]:
    return dict(client._http.get("/v1/budgets/usage", params={"account_id": "acme"}).json())


def propose(client: Clearance, action_type: str) -> dict[str, Any] | None:
    """The answer, or None if none came."""
    with contextlib.suppress(ClearanceUnavailable):
        return dict(
            client.propose(
                action_intent_id="i1",
                account_id="acme",
                action_type=action_type,
                parameters=ACTS[action_type],
                confidence_score=0.95,
                risk_level="LOW",
            )
        )
    return None


@pytest.fixture(scope="module")
def forks() -> Iterator[Zygote]:
    with zygote() as made:
        yield made


@pytest.fixture
def on_sqlite(tmp_path: Path, forks: Zygote) -> Iterator[Crashing]:
    with steady_tools(tmp_path / "calls.sqlite3") as address:
        yield Crashing(tmp_path, forks, address)


@pytest.mark.timeout(110)
@pytest.mark.parametrize("action_type", sorted(ACTS))
@pytest.mark.parametrize("point", POINTS)
def test_kill_dash_nine_loses_nothing_and_repeats_nothing_that_could_hurt(
    on_sqlite: Crashing, point: str, action_type: str
) -> None:
    world = on_sqlite
    with world.serving(point) as (process, client):
        world.armed.touch()
        acknowledged = propose(client, action_type)
        assert process.wait(20) == -9, "the point was never reached"
    world.armed.unlink()

    with world.serving() as (_, client):
        if acknowledged is not None:
            assert client.intent("i1")["decision"] == acknowledged["decision"], (
                "what was acknowledged is there"
            )
        again = propose(client, action_type)
        assert again is not None
        assert acknowledged is None or again["reason"] == acknowledged["reason"]
        started = point in {"commit:2:after", "commit:3:before", "tool:before", "tool:after"}
        world.check(client, point, action_type, started=started)


@pytest.fixture
def on_postgres(tmp_path: Path, forks: Zygote, postgres_folder: Path) -> Iterator[Crashing]:
    with (
        new_database(postgres_folder) as database,
        steady_tools(tmp_path / "calls.sqlite3") as address,
    ):
        world = Crashing(tmp_path, forks, address, database)
        world.migrate()
        yield world


@contextmanager
def steady_tools(record: Path) -> Iterator[str]:
    """A tool server that answers at once, in a thread of ours, and its address."""
    server = ToolServer(0, Record(record, "", Nobody(), {}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/{TENANT}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Nobody:
    """A witness that saw nothing: what is durable at each point, these tests look up themselves."""

    def ledger_size(self, tenant_id: str) -> int | None:
        return None


@pytest.mark.timeout(110)
@pytest.mark.parametrize("action_type", sorted(ACTS))
@pytest.mark.parametrize("point", SERVER_POINTS)
def test_on_postgres_a_killed_server_loses_nothing_that_it_acknowledged(
    on_postgres: Crashing, point: str, action_type: str
) -> None:
    world = on_postgres
    with world.serving(point) as (process, client):
        world.armed.touch()
        assert propose(client, action_type) is None, "it died before it could answer"
        assert process.wait(20) == -9, "the point was never reached"
    world.armed.unlink()
    with world.serving() as (_, client), world.running("never", "worker"):
        assert propose(client, action_type) is not None
        world.check(client, f"server:{point}", action_type, started=False)


@pytest.mark.timeout(110)
@pytest.mark.parametrize(("point", "action_type"), WORKER_CASES)
def test_on_postgres_another_worker_takes_up_what_a_killed_one_left(
    on_postgres: Crashing, point: str, action_type: str
) -> None:
    world = on_postgres
    with world.serving() as (_, client):
        with world.running(point, "worker") as (process, _):
            world.armed.touch()
            acknowledged = propose(client, action_type)
            assert acknowledged is not None
            assert process.wait(20) == -9, "the point was never reached"
        world.armed.unlink()
        status = client.intent("i1")["status"]
        with world.taking_up():
            world.check(client, f"worker:{point}", action_type, started=status == "RUNNING")
        if not point.endswith("sent"):
            durable = {"commit:1:before": "APPROVED", "commit:2:after": "SUCCEEDED"}.get(
                point, "RUNNING"
            )
            assert status == durable, "what is durable at this point"
        assert propose(client, action_type)["reason"] == acknowledged["reason"]


def stop(client: Clearance) -> None:
    with contextlib.suppress(ClearanceUnavailable):
        client.stop("TENANT", level="HOLD", reason="A look at things.")


def stop_entries(client: Clearance, complete: int) -> list[dict[str, Any]]:
    """What the ledger says of stops, once it says so much or a while has passed."""
    ends = time.monotonic() + SETTLE_SECONDS_MAX
    while True:
        entries = [dict(each) for each in client.ledger() if each["kind"].startswith("STOP_")]
        if len(entries) >= complete or time.monotonic() > ends:
            return entries
        time.sleep(0.05)


def check_receipt(client: Clearance) -> None:
    changed, recorded, closed = stop_entries(client, 3)
    assert (recorded["kind"], recorded["stop"]) == ("STOP_RECORDED", changed["position"])
    assert (closed["kind"], closed["recorded"]) == ("STOP_CLOSED", recorded["position"])
    time.sleep(1.5)  # a sweep has looked again
    assert len(stop_entries(client, 3)) == 3, "a stop has one receipt"


@pytest.mark.timeout(110)
@pytest.mark.parametrize("point", ["commit:1:after", "commit:2:before", "commit:2:after"])
def test_a_stop_has_its_receipt_whenever_the_process_that_made_it_was_killed(
    on_sqlite: Crashing, point: str
) -> None:
    world = on_sqlite
    with world.serving(point) as (process, client):
        world.armed.touch()
        stop(client)
        assert process.wait(20) == -9, "the point was never reached"
    world.armed.unlink()
    with world.serving() as (_, client):
        check_receipt(client)


@pytest.mark.timeout(110)
@pytest.mark.parametrize("point", ["stop:1:after", "stop:2:after"])
def test_on_postgres_another_process_records_and_closes_what_a_killed_one_stopped(
    on_postgres: Crashing, point: str
) -> None:
    world = on_postgres
    with world.serving(point) as (process, client):
        world.armed.touch()
        stop(client)
        assert process.wait(20) == -9, "the point was never reached"
    world.armed.unlink()
    with world.serving() as (_, client), world.running("never", "worker"):
        check_receipt(client)
