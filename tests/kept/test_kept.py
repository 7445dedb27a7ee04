"""What an earlier version left is opened and goes on: on SQLite, from an archive, on PostgreSQL.

The README beside this file says what the states hold. Only the command line, the REST API and the
client are used, in processes of their own.
"""

import json
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from clearance.client import Clearance, ClearanceUnavailable
from tests.crash.support.zygote import Zygote
from tests.kept.company import HERE, SECONDS_MAX, Company, Process, now_ms, software
from tests.support.postgres import new_database, new_login

PLACES = ("postgres", "archive", "sqlite")
STATES = sorted(file.parent for file in HERE.glob("*/facts.json"))
LATER_MS = 5 * 60_000  # after a state was left: its leases are over, and what waits still does
ASKED, APPROVED, STARTED, ENDED = (
    "APPROVAL_REQUESTED",
    "ACTION_APPROVED",
    "EXECUTION_STARTED",
    "OUTCOME_RECORDED",
)
TASK = {
    "account_id": "acme",
    "action_type": "CREATE_TASK",
    "risk_level": "LOW",
    "confidence_score": 0.95,
}
UNSURE = {**TASK, "confidence_score": 0.5}


@dataclass
class Opened:
    """A kept state with the current software at work on it.

    `statuses` and `usage` are as they were at the start.
    """

    company: Company
    kept: dict[str, Any]
    server: Process
    worker: Process = field(init=False)
    statuses: dict[str, str] = field(default_factory=dict)
    usage: list[Any] = field(default_factory=list)

    def to(self, who: str) -> Clearance:
        return self.server.client(self.kept["keys"][who])

    def left(self, *statuses: str) -> list[str]:
        """The intents that had one of these statuses when the state was left."""
        return [name for name, status in self.kept["intents"].items() if status in statuses]

    def since(self, name: str) -> list[tuple[str, str]]:
        """What happened to an intent since: the kind of each entry, and the status after it."""
        entries = self.to("owner").ledger(after=len(self.kept["entries"]))
        return [
            (entry["kind"], entry["status"])
            for entry in entries
            if entry.get("action_intent_id") == name
        ]

    def becomes(self, name: str, status: str) -> dict[str, Any]:
        intent = self.to("owner").wait(name, SECONDS_MAX)
        assert intent["status"] == status, (name, self.since(name))
        return intent

    def effects(self, intent: dict[str, Any]) -> int:
        """How often the tool server did what an intent asks for."""
        return len(self.request_ids(intent))

    def request_ids(self, intent: dict[str, Any]) -> list[str | None]:
        """The key that came with each call for what an intent asks for."""
        wanted = {**intent["parameters"], "account": intent["account_id"]}.items()
        return [
            effect.get("request_id") for effect in self.company.effects if wanted <= effect.items()
        ]


def moved_ms(state: Path) -> int:
    """How far the clock is moved, so that it is the day on which a state was left."""
    return int(facts(state)["at"]) + LATER_MS - now_ms()


def facts(state: Path) -> dict[str, Any]:
    return dict(json.loads((state / "facts.json").read_text(encoding="utf-8")))


@contextmanager
def restored(state: Path, postgres_folder: Path) -> Iterator[tuple[str, str]]:
    """A database with the kept rows: its URL for who migrates, and for who serves and works."""
    with new_database(postgres_folder) as admin:
        with psycopg.connect(admin, autocommit=True) as connection:
            role = "SELECT FROM pg_roles WHERE rolname = 'clearance_app'"
            if not connection.execute(role).rowcount:
                connection.execute("CREATE ROLE clearance_app NOLOGIN")
            script = (state / "postgres.sql").read_text(encoding="utf-8")
            connection.execute(script)  # type: ignore[arg-type]
        with new_login(admin, "IN ROLE clearance_app") as login:
            yield admin, login


@contextmanager
def in_place(
    where: str, state: Path, folder: Path, postgres_folder: Path, software: Zygote
) -> Iterator[Company]:
    """A company with a kept state, which commands of the current software put in its place."""
    data = folder / "data"
    with ExitStack() as ends:
        if where == "postgres":
            admin, login = ends.enter_context(restored(state, postgres_folder))
            made = Company(folder, {"CLEARANCE_DATABASE_URL": login}, software)
            made.run("migrate", CLEARANCE_DATABASE_URL=admin)
        else:
            made = Company(folder, {"CLEARANCE_DATA": str(data)}, software)
            if where == "archive":
                made.run("import", str(state / "archive.jsonl"))
            else:
                data.mkdir()
                shutil.copy(state / "clearance.sqlite3", data)
        ends.callback(made.close)
        yield made


def set_to_work(company: Company, where: str, state: Path) -> Opened:
    """Serves a state under the configuration that it has, and carries out what is due."""
    kept = facts(state)["postgres" if where == "postgres" else "sqlite"]
    server = company.start("serve", "--config", str(state / "clearance.yaml"), "--port", "0")
    made = Opened(company, kept, server)
    auditor, key = made.to("audrey"), kept["keys"]["audrey"]
    made.statuses = {item["action_intent_id"]: item["status"] for item in auditor.timeline()}
    made.usage = [server.usage(usage["account_id"], key) for usage in kept["usage"]]
    made.worker = company.start("worker") if where == "postgres" else server
    return made


@pytest.fixture(scope="module", params=STATES, ids=lambda state: state.name)
def state(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def old_software(state: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    folder = tmp_path_factory.mktemp("old")
    [wheel] = state.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(folder)
    with software(moved_ms(state), folder) as old:
        yield old


@pytest.fixture(scope="module")
def everywhere(
    state: Path,
    old_software: Zygote,
    postgres_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, Future[Opened]]]:
    """A kept state in each place. All that is slow to start begins at once, also the old one."""
    with ExitStack() as ends, ThreadPoolExecutor() as threads:
        new = ends.enter_context(software(moved_ms(state)))

        def begin(where: str) -> Future[Opened]:
            own = ends.enter_context(ExitStack())
            place = in_place(where, state, tmp_path_factory.mktemp(where), postgres_folder, new)
            return threads.submit(lambda: set_to_work(own.enter_context(place), where, state))

        yield {where: begin(where) for where in PLACES}


@pytest.fixture(params=PLACES)
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def opened(everywhere: Mapping[str, Future[Opened]], where: str) -> Opened:
    return everywhere[where].result()


def test_the_configuration_that_was_applied_changes_nothing(opened: Opened, where: str) -> None:
    assert opened.server.words["changes"] == []
    pins = opened.server.words["pins"]
    assert where == "postgres" or (pins["pinned"], pins["changed"]) == ([], ["crm.rename_account"])


def test_every_entry_has_the_bytes_that_it_had(opened: Opened) -> None:
    key = opened.kept["keys"]["audrey"]
    digests = []
    for position in range(1, len(opened.kept["entries"]) + 1):
        body = opened.server.get(f"/v1/ledger/entries/{position}/bytes", key).content
        digests.append("sha256:" + sha256(body).hexdigest())
    assert digests == opened.kept["entries"]


def test_every_intent_has_the_status_that_it_had(opened: Opened, where: str) -> None:
    assert opened.statuses.keys() == opened.kept["intents"].keys()
    # On a data directory the server works too, so these may have moved on already.
    moving = [] if where == "postgres" else opened.left("APPROVED", "RUNNING")
    for name, status in opened.kept["intents"].items():
        assert name in moving or opened.statuses[name] == status, name


def test_an_api_key_opens_the_door_and_one_that_was_ended_does_not(opened: Opened) -> None:
    keys = dict(opened.kept["keys"])
    former = keys.pop("former")
    for name, key in keys.items():
        identity = opened.server.client(key).whoami()
        assert (identity["tenant_id"], identity["actor_id"]) == ("northwind", name)
    assert opened.server.get("/v1/whoami", former).status_code == 401


def test_what_waited_is_approved_by_a_person_and_runs_once(opened: Opened) -> None:
    run_what_waited(opened)


def run_what_waited(opened: Opened) -> None:
    waited = set(opened.left("AWAITING_APPROVAL")) - {"waits-by-pin", "waits-by-switch"}
    assert len(waited) >= 8
    shown = {item["action_intent_id"]: item for item in opened.to("olga").approvals()}
    for name in waited:
        person = opened.to("owner" if shown[name]["edited_by"] == "olga" else "olga")
        assert person.approve(name, digest=shown[name]["digest"])["status"] == "APPROVED"
    for name in waited:
        intent = opened.becomes(name, "SUCCEEDED")
        assert opened.effects(intent) == 1, name
        ran = [(STARTED, "RUNNING"), (ENDED, "SUCCEEDED")]
        assert opened.since(name) == [(APPROVED, "APPROVED"), *ran]


@pytest.mark.parametrize("name", ["approved-by-policy", "approved-by-person", "running"])
def test_what_was_approved_or_cut_off_is_carried_out_once(opened: Opened, name: str) -> None:
    intent = opened.becomes(name, "SUCCEEDED")
    assert opened.effects(intent) == 1
    assert opened.since(name) == [(STARTED, "RUNNING"), (ENDED, "SUCCEEDED")]
    assert intent["auto_executed"] == (name != "approved-by-person")
    history = opened.to("olga").explanation(name)["history"]
    keys = [entry["idempotency_key"] for entry in history if entry["kind"] == STARTED]
    assert len(keys) == (2 if name == "running" else 1)
    assert len({*keys, *opened.request_ids(intent)}) == 1


def test_what_was_cut_off_and_may_not_be_repeated_is_for_a_person(opened: Opened) -> None:
    intent = opened.becomes("running-once", "UNKNOWN")
    assert opened.effects(intent) == 0
    assert opened.since("running-once") == [(ENDED, "UNKNOWN")]


def test_what_is_unknown_is_reconciled(opened: Opened) -> None:
    reconciled = opened.to("olga").reconcile(
        "unknown", status="SUCCEEDED", reason="Seen in the outbox."
    )
    assert reconciled["status"] == "SUCCEEDED"
    assert opened.since("unknown") == [("OUTCOME_RECONCILED", "SUCCEEDED")]


def test_what_is_held_of_a_budget_is_still_counted(opened: Opened) -> None:
    assert opened.usage == opened.kept["usage"]
    asked = opened.to("ada").propose(
        **{**TASK, "account_id": "globex"}, parameters={"title": "one too many"}
    )
    assert (asked["status"], asked["reason"]) == ("AWAITING_APPROVAL", "BUDGET_EXCEEDED")


def test_a_tool_with_another_schema_than_its_pin_is_not_called(opened: Opened) -> None:
    opened.to("olga").approve("waits-by-pin")
    intent = opened.becomes("waits-by-pin", "CANCELLED")
    assert intent["outcome"]["error"]["code"] == "TOOL_SCHEMA_CHANGED"
    assert "rename_account" not in {effect["tool"] for effect in opened.company.effects}


# The last two write settings, so they come last.


def test_the_stop_switch_holds_until_it_is_lifted(opened: Opened) -> None:
    agent = opened.to("ada")
    more = agent.propose(**{**TASK, "action_type": "DELETE_TASK"}, parameters={"title": "more"})
    assert (more["status"], more["reason"]) == ("AWAITING_APPROVAL", "STOP_SWITCH_ON")
    opened.to("olga").approve("waits-by-switch")
    agent.propose(**TASK, parameters={"title": "is not held"}, action_intent_id="is-not-held")
    assert opened.effects(opened.becomes("is-not-held", "SUCCEEDED")) == 1
    assert agent.intent("waits-by-switch")["status"] == "APPROVED"
    opened.to("owner").lift("ACTION_TYPE", "DELETE_TASK")
    intent = opened.becomes("waits-by-switch", "SUCCEEDED")
    assert opened.effects(intent) == 1


@contextmanager
def left_by_the_old(
    state: Path, old_software: Zygote, folder: Path, postgres_folder: Path
) -> Iterator[tuple[Company, str]]:
    """A kept database on which a server and a worker of the old version are at work, and the URL of
    who migrates it.
    """
    with (
        restored(state, postgres_folder) as (admin, login),
        software(moved_ms(state)) as new,
        closing(Company(folder, {"CLEARANCE_DATABASE_URL": login}, new)) as company,
    ):
        company.start("serve", "--port", "0", software=old_software)
        company.start("worker", software=old_software)
        yield company, admin


def test_the_old_version_is_shut_out_by_the_migration_and_nothing_is_lost(
    state: Path, old_software: Zygote, tmp_path: Path, postgres_folder: Path
) -> None:
    kept = facts(state)["postgres"]
    with left_by_the_old(state, old_software, tmp_path, postgres_folder) as (company, admin):
        [old, _] = company.begun
        agent, person, owner = (old.client(kept["keys"][name]) for name in ("ada", "olga", "owner"))
        for name in ("approved-by-policy", "approved-by-person", "running"):
            assert agent.wait(name, SECONDS_MAX)["status"] == "SUCCEEDED"
        company.run("migrate", CLEARANCE_DATABASE_URL=admin)
        before = [*owner.ledger()]
        waits = "waits-from-before-the-switch"
        for refused in (
            lambda: agent.propose(**UNSURE, parameters={"title": "no"}, action_intent_id="no"),
            lambda: agent.propose(**TASK, parameters={"title": "no"}, action_intent_id="sure"),
            lambda: person.approve(waits),
            lambda: agent.cancel(waits, "no"),
            lambda: owner.stop("TENANT", reason="no"),
            lambda: owner.create_api_key("no", "agent"),
        ):
            with pytest.raises(ClearanceUnavailable):
                refused()
        for command in ("serve", "worker"):
            assert "Use a newer Clearance." in company.refused(command, software=old_software)
        made = set_to_work(company, "postgres", state)
        statuses = {
            entry["action_intent_id"]: entry["status"] for entry in before if "status" in entry
        }
        assert made.statuses == statuses
        assert [*made.to("owner").ledger()][: len(before)] == before
        run_what_waited(made)
        assert [*owner.ledger(after=len(before))]
