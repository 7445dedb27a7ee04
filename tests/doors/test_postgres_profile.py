"""The profile `postgres` in processes of its own: servers and workers on one database, with the
roles of docs/postgres.md.
"""

import io
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from clearance.cli import main as cli
from clearance.client import Clearance
from clearance.demo.crm import effects
from tests.doors.test_serve import CONFIGURATION, POLICY, TASK, first_key
from tests.support.exposition import documented, families, series, value
from tests.support.postgres import new_database, server
from tests.tidy.pages import page

SECONDS_MAX = 40.0
SLOW = """\
  SLOW:
    tool: raw.slow
    arguments: {account: "{account_id}"}
    risk_level: LOW
    effect: idempotent
    parameters:
      type: object
      required: [seconds]
      properties: {seconds: {type: integer, minimum: 0, maximum: 60}}
      additionalProperties: false
    sentence: "was slow"
    proposal: "be slow"
autonomy:
"""
RAW = """\
tool_servers:
  raw: {{command: [{python}, {script}], deadline_seconds: 4, environment: {{TOKEN: "${{TOKEN}}"}}}}
"""
SLOWLY = {**TASK, "action_type": "SLOW"}


@dataclass
class Process:
    """A process of the command line, and its first words."""

    popen: subprocess.Popen[str]
    said: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.said["url"])

    def ask(self, path: str) -> tuple[int, Any]:
        with httpx2.Client(trust_env=False, timeout=10) as http:
            answer = http.get(self.url + path)
        return answer.status_code, answer.json() if "json" in answer.headers[
            "content-type"
        ] else answer.text

    def signal(self, number: int) -> None:
        self.popen.send_signal(number)

    def ended(self, seconds: float = SECONDS_MAX) -> int:
        return self.popen.wait(seconds)


@dataclass
class Installation:
    """A database with the roles of the page, and the processes that a test started on it."""

    folder: Path
    admin: str
    owner: str
    serving: str
    started: list[Process] = field(default_factory=list)
    begun: list[subprocess.Popen[str]] = field(default_factory=list)
    key: str = ""

    def environment(self, url: str | None = None) -> dict[str, str]:
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith("CLEARANCE_")
        }
        here = {
            "CRM_DB": str(self.folder / "crm.sqlite"),
            "TOKEN": "of the worker",
            "CLEARANCE_API_KEY": self.key,
        }
        return {**kept, **here, "CLEARANCE_DATABASE_URL": url or self.serving, "NO_COLOR": "1"}

    def run(self, *arguments: str, url: str | None = None) -> tuple[int, str, str]:
        """A command, in this process: exit code, standard output, standard error."""
        out, err = io.StringIO(), io.StringIO()
        here = patch.dict(os.environ, self.environment(url), clear=True)
        said = patch.object(sys, "argv", ["clearance", *arguments])
        with (
            here,
            said,
            redirect_stdout(out),
            redirect_stderr(err),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
        return int(ended.value.code or 0), out.getvalue(), err.getvalue()

    def begin(self, *arguments: str, url: str | None = None) -> subprocess.Popen[str]:
        popen = subprocess.Popen(
            words(*arguments, "--json"),
            env=self.environment(url),
            cwd=self.folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.begun.append(popen)
        return popen

    def up(self, popen: subprocess.Popen[str]) -> Process:
        """The process, once it has said its first words."""
        assert popen.stdout is not None
        said = ""
        for line in popen.stdout:
            said += line
            if line == "}\n":
                break
        assert said, popen.wait(SECONDS_MAX)
        process = Process(popen, json.loads(said))
        self.started.append(process)
        return process

    def start(self, *arguments: str) -> Process:
        return self.up(self.begin(*arguments))

    def client(self, process: Process) -> Clearance:
        return Clearance(process.url, self.key)

    def sql(self, statement: str) -> list[Any]:
        with psycopg.connect(self.admin, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        for popen in self.begun:
            if popen.poll() is None:
                popen.kill()
            popen.wait(SECONDS_MAX)
            assert popen.stdout is not None
            popen.stdout.close()


def words(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from clearance.cli.main import main; main()", *arguments]


def until(condition: Callable[[], object], seconds: float = SECONDS_MAX) -> float:
    """Waits for something to be so; how many seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.05)
    return time.monotonic() - began


@contextmanager
def installation(postgres_folder: Path, folder: Path) -> Iterator[Installation]:
    """What docs/postgres.md says to set up, under names of its own: many tests share one
    PostgreSQL.
    """
    suffix = secrets.token_hex(4)
    names = {"clearance_owner": f"owner_{suffix}", "clearance_serve": f"serve_{suffix}"}
    [block] = [block for block in page("docs/postgres.md").blocks if block.language == "sql"]
    with new_database(postgres_folder) as admin:
        with psycopg.connect(admin, autocommit=True) as connection:
            script = re.sub("|".join(names), lambda found: names[found[0]], block.text)
            script = re.sub(r"DATABASE clearance\b", f"DATABASE {connection.info.dbname}", script)
            script = re.sub(
                r"CREATE DATABASE (\w+) OWNER", r"ALTER DATABASE \1 OWNER TO", script
            )  # it is there
            for statement in script.split(";\n"):
                if "CREATE ROLE clearance_app" not in statement or not _has_app_role(connection):
                    connection.execute(statement)  # type: ignore[arg-type]
        addresses = [make_conninfo(admin, user=name) for name in names.values()]
        here = Installation(folder, admin, *addresses)
        try:
            yield here
        finally:
            here.close()
    with psycopg.connect(server(postgres_folder).get_uri(), autocommit=True) as connection:
        for name in names.values():
            connection.execute(f"DROP ROLE {name}")  # type: ignore[arg-type]


def _has_app_role(connection: psycopg.Connection) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = 'clearance_app'").rowcount > 0


def configure(here: Installation) -> Path:
    """The configuration, with a tool that takes as long as it is told."""
    text = CONFIGURATION.format(python=sys.executable)
    raw = RAW.format(
        python=sys.executable,
        script=Path(__file__).parents[1] / "tools" / "support" / "raw_server.py",
    )
    text = text.replace("tool_servers:\n", raw).replace("autonomy:\n", SLOW)
    text = text.replace("allowlist: [CREATE_TASK]", "allowlist: [CREATE_TASK, SLOW]")
    text = text.replace("    - {mode: APPROVAL_REQUIRED}\n", "    - {mode: AUTO_EXECUTE}\n")
    policy = '\n@id("slow") @reason("SLOW_ALLOWED") @explanation("Slow things are allowed.")\n'
    policy += 'permit(principal, action == Action::"SLOW", resource);\n'
    (here.folder / "clearance.yaml").write_text(text, encoding="utf-8")
    (here.folder / "policy.cedar").write_text(POLICY + policy, encoding="utf-8")
    return here.folder / "clearance.yaml"


@pytest.fixture(scope="module")
def running(
    postgres_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Migrated, configured, and served by three processes that started at the same moment."""
    with installation(postgres_folder, tmp_path_factory.mktemp("postgres")) as here:
        assert here.run("migrate", url=here.owner)[0] == 0
        config = str(configure(here))
        at_once = [here.begin("serve", "--config", config, "--port", "0") for _ in range(3)]
        for popen in at_once:
            here.up(popen)
        [here.key] = [
            first_key(one.said, here.folder) for one in here.started if one.said["first_key_file"]
        ]
        here.start("worker", "--port", "0")
        yield here


@pytest.fixture
def empty(postgres_folder: Path, tmp_path: Path) -> Iterator[Installation]:
    with installation(postgres_folder, tmp_path) as here:
        yield here


def test_servers_that_start_at_once_configure_once_and_make_one_key(running: Installation) -> None:
    servers = running.started[:3]
    assert sorted(bool(one.said["changes"]) for one in servers) == [False, False, True]
    assert sorted(bool(one.said["first_key_file"]) for one in servers) == [False, False, True]
    assert {one.said["tenant_id"] for one in servers} == {"northwind"}
    with running.client(servers[1]) as owner:
        kinds = [entry["kind"] for entry in owner.ledger()]
        assert len(list(owner.api_keys()["items"])) == 1
    assert kinds[:2] == ["SETTINGS_CHANGED", "API_KEY_CREATED"]
    assert kinds.count("API_KEY_CREATED") == 1


def test_what_is_proposed_three_times_through_three_servers_runs_once_in_the_worker(
    running: Installation,
) -> None:
    answers: list[str] = []

    def propose(process: Process) -> None:
        with running.client(process) as agent:
            for number in range(5):
                name = f"thrice-{number}"
                one = agent.propose(**TASK, parameters={"title": name}, action_intent_id=name)
                answers.append(one["decision"])

    together = [threading.Thread(target=propose, args=(one,)) for one in running.started[:3]]
    for one in together:
        one.start()
    for one in together:
        one.join(SECONDS_MAX)
    assert answers == ["AUTO_EXECUTE"] * 15
    with running.client(running.started[2]) as owner:
        for number in range(5):
            assert owner.wait(f"thrice-{number}", SECONDS_MAX)["status"] == "SUCCEEDED"
    done = [json.dumps(effect) for effect in effects(running.folder / "crm.sqlite")]
    assert [sum(f"thrice-{number}" in one for one in done) for number in range(5)] == [1] * 5


def test_the_worker_says_how_it_is_and_what_it_did(running: Installation) -> None:
    worker = running.started[3]
    with running.client(running.started[0]) as owner:
        for number in range(2):
            owner.propose(**TASK, parameters={"title": "Count"}, action_intent_id=f"count-{number}")
        for number in range(2):
            owner.wait(f"count-{number}", SECONDS_MAX)
    until(lambda: worker.ask("/readyz") == (200, {"status": "ok"}))
    assert worker.ask("/healthz") == (200, {"status": "ok"})
    text = worker.ask("/metrics")[1]
    found = series(text)
    succeeded = value(found, "clearance_executions_total", outcome="SUCCEEDED") or 0
    assert succeeded >= 2
    assert (value(found, "clearance_tool_calls_total", answer="ANSWERED") or 0) >= succeeded
    assert value(found, "clearance_tool_calls_under_way") == 0
    assert value(found, "clearance_worker_sweeping") == 1
    assert (value(found, "clearance_sweep_age_seconds") or 0) < 5
    assert worker.ask("/v1/whoami")[0] == 404


def test_servers_and_workers_measure_the_same_and_know_the_same(running: Installation) -> None:
    """What is of the whole installation is so in each process; what a process does, in that one."""
    texts = {
        kind: running.started[number].ask("/metrics")[1]
        for kind, number in (("server", 0), ("worker", 3))
    }
    for kind, text in texts.items():
        assert families(text).keys() == documented()
        found = series(text)
        assert value(found, "clearance_store_up") == 1
        assert value(found, "clearance_queue_jobs", state="todo") is not None
        assert (value(found, "clearance_ledger_entries") or 0) > 0
        assert value(found, "clearance_worker_sweeping") == (kind == "worker")
        assert (value(found, "clearance_sweep_age_seconds") is None) == (kind == "server")


def test_the_doctor_knows_who_asks(running: Installation) -> None:
    code, out, _ = running.run("doctor", "--json")
    said = {one["sentence"]: one["status"] for one in json.loads(out)["checks"]}
    assert code == 0
    assert [status for sentence, status in said.items() if "no more" in sentence] == ["ok"]
    assert [status for sentence, status in said.items() if "1 worker works" in sentence] == ["ok"]
    assert [
        status for sentence, status in said.items() if "clock and the database's agree" in sentence
    ] == ["ok"]
    assert [
        status for sentence, status in said.items() if "tool server crm answers" in sentence
    ] == ["ok"]
    assert [status for sentence, status in said.items() if "fsync" in sentence] == ["ok"]
    for url, sentence in ((running.owner, "owns the schema"), (running.admin, "superuser")):
        said = {
            one["sentence"]: one["status"]
            for one in json.loads(running.run("doctor", "--json", url=url)[1])["checks"]
        }
        assert [status for one, status in said.items() if sentence in one] == ["warning"]
    unsafe = make_conninfo(running.serving, options="-c synchronous_commit=off")
    code, out, _ = running.run("doctor", url=unsafe)
    assert (code, "synchronous_commit is off" in out) == (1, True)


def test_commands_work_on_the_database_and_the_servers_see_it(running: Installation) -> None:
    made = json.loads(
        running.run("key", "create", "direct", "--role", "agent", "--direct", "--json")[1]
    )
    with Clearance(running.started[1].url, made["key"]) as agent:
        assert agent.whoami()["actor_id"] == "direct"
    code, out, _ = running.run("apply", str(running.folder / "clearance.yaml"), "--yes")
    assert (code, out) == (0, "Nothing to change.\n")
    assert running.run("stop", "--everything", "--reason", "incident")[0] == 0
    with running.client(running.started[2]) as owner:
        held = owner.propose(**TASK, parameters={"title": "Held"}, action_intent_id="held")
        assert (held["status"], held["reason"]) == ("AWAITING_APPROVAL", "STOP_SWITCH_ON")
    assert running.run("stop", "--everything", "--lift")[0] == 0
    assert running.run("key", "revoke", made["key_id"], "--direct")[0] == 0


@contextmanager
def suspended(worker: Process) -> Iterator[None]:
    """It does nothing meanwhile, so that it is the other one that works."""
    worker.signal(signal.SIGSTOP)
    try:
        yield
    finally:
        worker.signal(signal.SIGCONT)


def test_a_worker_that_drains_finishes_and_takes_nothing_more(running: Installation) -> None:
    worker = running.start("worker", "--port", "0")
    with running.client(running.started[0]) as owner:
        with suspended(running.started[3]):
            until(lambda: worker.ask("/readyz")[0] == 200)
            owner.propose(**SLOWLY, parameters={"seconds": 3}, action_intent_id="slow")
            until(lambda: owner.intent("slow")["status"] == "RUNNING")
            until(lambda: "clearance_tool_calls_under_way 1.0" in worker.ask("/metrics")[1])
            worker.signal(signal.SIGTERM)
            assert until(lambda: worker.ask("/readyz") == (503, {"status": "draining"})) < 1
            assert worker.ask("/healthz")[0] == 200
            late = owner.propose(**SLOWLY, parameters={"seconds": 0}, action_intent_id="late")
            assert worker.ended() == 0
            assert (late["decision"], owner.intent("late")["status"]) == (
                "AUTO_EXECUTE",
                "APPROVED",
            )
            assert owner.intent("slow")["status"] == "SUCCEEDED"
        assert owner.wait("late", SECONDS_MAX)["status"] == "SUCCEEDED"


def test_what_a_killed_worker_left_is_done_by_another(running: Installation) -> None:
    """`idempotent`: tried again when its lease is over, which is the deadline of 4 seconds and 17
    more after the claim.
    """
    doomed = running.start("worker", "--port", "0")
    with running.client(running.started[0]) as owner:
        with suspended(running.started[3]):
            until(lambda: doomed.ask("/readyz")[0] == 200)
            owner.propose(**SLOWLY, parameters={"seconds": 3}, action_intent_id="orphan")
            until(lambda: "clearance_tool_calls_under_way 1.0" in doomed.ask("/metrics")[1])
            doomed.signal(signal.SIGTERM)
            until(lambda: doomed.ask("/readyz")[0] == 503)
            doomed.signal(signal.SIGTERM)
            assert doomed.ended(2) == -signal.SIGTERM  # the second one ends it at once
        took = until(lambda: owner.intent("orphan")["status"] == "SUCCEEDED")
        attempt = owner.intent("orphan")["attempt"]
    assert (attempt["number"], took < 4 + 17 + 8) == (2, True), took


def test_readiness_is_the_truth_while_the_database_is_away(running: Installation) -> None:
    serving, worker = running.started[0], running.started[3]
    name = running.sql("SELECT current_database()")[0][0]
    other = make_conninfo(running.admin, dbname="postgres")
    with psycopg.connect(other, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
        )
        try:
            until(lambda: serving.ask("/readyz")[0] == 503)
            until(lambda: worker.ask("/readyz")[0] == 503)
            assert (serving.ask("/healthz")[0], worker.ask("/healthz")[0]) == (200, 200)
            assert serving.ask("/readyz")[1]["code"] == "UNAVAILABLE"
            body = {**TASK, "parameters": {"title": "Away"}, "action_intent_id": "away"}
            headers = {"Authorization": f"Bearer {running.key}"}
            refused = httpx2.post(
                serving.url + "/v1/intents", json=body, headers=headers, timeout=30, trust_env=False
            )
            assert (refused.status_code, refused.json()["code"]) == (503, "UNAVAILABLE")
        finally:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[arg-type]
    until(lambda: serving.ask("/readyz")[0] == 200 and worker.ask("/readyz")[0] == 200)
    with running.client(serving) as owner:
        owner.propose(**TASK, parameters={"title": "Back"}, action_intent_id="back")
        assert owner.wait("back", SECONDS_MAX)["status"] == "SUCCEEDED"


def test_a_database_that_is_not_migrated_starts_nothing(empty: Installation) -> None:
    for command in (("serve", "--port", "0"), ("worker",), ("key", "list", "--direct")):
        code, out, err = empty.run(*command, "--json")
        assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "STORE_NOT_MIGRATED")
    code, out, _ = empty.run("doctor", "--json")
    failed = {one["name"] for one in json.loads(out)["checks"] if one["status"] == "failure"}
    assert (code, failed) == (1, {"schema", "queue", "tenants"})


def test_two_that_migrate_at_once_migrate_once_and_the_old_software_goes_on(
    empty: Installation,
) -> None:
    at_once = [empty.begin("migrate", url=empty.owner) for _ in range(3)]
    applied = [
        json.loads(popen.communicate(timeout=SECONDS_MAX)[0])["applied"] for popen in at_once
    ]
    assert [popen.returncode for popen in at_once] == [0, 0, 0]
    names = [name for one in applied for name in one]
    assert len(names) == len(set(names)) >= 3
    assert json.loads(empty.run("migrate", "--json", url=empty.owner)[1]) == {"applied": []}
    up = empty.start("serve", "--port", "0")
    assert up.ask("/readyz")[0] == 200
    empty.sql(
        "INSERT INTO clearance.migration (number, name, works_with) VALUES (98, '0098_expands', 1)"
    )
    assert empty.run("stop", "--everything", "--list")[0] == 0
    empty.sql(
        "INSERT INTO clearance.migration (number, name, works_with) VALUES (99, "
        "'0099_contracts', 99)"
    )
    for command in (("serve", "--port", "0"), ("worker",)):
        code, out, err = empty.run(*command, "--json")
        assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "STORE_TOO_NEW")
    until(lambda: up.ask("/readyz")[0] == 503)
    assert up.ask("/readyz")[1]["code"] == "STORE_TOO_NEW"


def test_only_the_owner_drops_months(running: Installation) -> None:
    assert json.loads(running.run("age-out", "2020-01", "--json", url=running.owner)[1]) == {
        "dropped": []
    }
    code, _, err = running.run("age-out", "2020-01", "--json")
    assert (code, json.loads(err)["error"]["code"]) == (1, "FORBIDDEN")
    code, _, err = running.run("age-out", "january", "--json", url=running.owner)
    assert (code, json.loads(err)["error"]["code"]) == (1, "INVALID_MONTH")
    months = running.sql(
        "SELECT count(*) FROM pg_class WHERE relname ~ '^intent_[0-9]{4}_[0-9]{2}$'"
    )
    assert months[0][0] == 3


def test_the_login_that_serves_cannot_change_the_ledger(running: Installation) -> None:
    with psycopg.connect(running.serving, autocommit=True) as connection:
        for statement in (
            "DELETE FROM clearance.ledger",
            "UPDATE clearance.ledger SET body = ''",
            "TRUNCATE clearance.ledger",
            "DROP TABLE clearance.intent",
            "DELETE FROM clearance.intent_key",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)  # type: ignore[arg-type]


def test_servers_end_in_order_and_a_stream_is_told(running: Installation) -> None:
    up = running.start("serve", "--port", "0", "--linger", "2")
    with running.client(up) as owner:
        stream = owner.events(after=0)
        assert next(stream)["position"] == 1
        up.signal(signal.SIGTERM)
        assert until(lambda: up.ask("/readyz") == (503, {"status": "draining"})) < 1
        assert (
            owner.propose(**TASK, parameters={"title": "Last"}, action_intent_id="last")["decision"]
            == "AUTO_EXECUTE"
        )
    assert up.ended(2 + 5 + 5) == 0
    with running.client(running.started[0]) as owner:
        assert owner.wait("last", SECONDS_MAX)["status"] == "SUCCEEDED"
