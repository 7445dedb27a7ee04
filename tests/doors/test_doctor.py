"""What the doctor of a new version says of the state that an older one left, and leaves alone."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import pytest

from clearance.cli.main import main
from clearance.clock import SystemClock
from clearance.core.errors import Unavailable
from clearance.core.moment import HOUR_MS
from clearance.core.principal import Scope
from clearance.profiles.local import STORE_FILE
from clearance.running import doorkeeper
from clearance.stores.sqlite.store import SqliteStore
from tests.support import sample
from tests.support.sample import OWNER, TENANT, task
from tests.support.world import World, opened

Examine = Callable[[], tuple[int, list[dict[str, str]]]]


@pytest.fixture
def examine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Examine:
    monkeypatch.setenv("CLEARANCE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CLEARANCE_LOG_LEVEL", "error")

    def look() -> tuple[int, list[dict[str, str]]]:
        monkeypatch.setattr("sys.argv", ["clearance", "doctor", "--data", str(tmp_path), "--json"])
        with pytest.raises(SystemExit) as ended:
            main()
        checks = json.loads(capsys.readouterr().out)["checks"]
        return int(ended.value.code or 0), [one for one in checks if one["name"] == "tenants"]

    return look


def leave(data: Path, document: dict[str, Any], schema: int | None = None) -> str:
    """The state that an older version left; the digest of its file."""

    async def write() -> None:
        async with opened(data / STORE_FILE) as world:
            await world.configure(document)

    anyio.run(write)
    if schema is not None:
        with closing(sqlite3.connect(data / STORE_FILE)) as database:
            database.execute(f"PRAGMA user_version = {schema}")
    return digest_of(data)


def digest_of(data: Path) -> str:
    return sha256((data / STORE_FILE).read_bytes()).hexdigest()


def test_the_doctor_says_what_is_refused_where_and_what_would_be_right_and_changes_nothing(
    tmp_path: Path, examine: Examine
) -> None:
    document = sample.document(modes=[{"mode": "OFF"}])
    document["catalog"]["ISSUE_REFUND"]["effect"] = "exactly_once"
    document["policy"] = sample.POLICY.replace("TASKS_ALLOWED", "tasks")
    document |= {"newer": 1, "stop_switches": [{"scope": "REGION"}]}
    document["tool_servers"]["crm"]["sandbox"] = True
    left = leave(tmp_path, document, schema=0)  # a schema that would have to be brought up to date
    code, found = examine()
    assert code == 1
    about = f"This version does not accept what is stored for {TENANT} at "
    said = [one["sentence"] for one in found if one["status"] == "failure"]
    expected = [
        (
            "autonomy.modes.0.mode: must be one of DISABLED, PROPOSE_ONLY, APPROVAL_REQUIRED, "
            "AUTO_EXECUTE."
        ),
        "catalog.ISSUE_REFUND.effect: must be one of read, idempotent, keyed, at_most_once.",
        (
            "newer: is not a key here; the keys are tool_servers, catalog, autonomy, policy, "
            "tool_pins, tool_descriptions, stop_switches."
        ),
        (
            "policy.tasks: has a @reason that must be 1 to 64 characters of A-Z 0-9 _, starting "
            "with a letter (line 2)."
        ),
    ]
    assert {about + line for line in expected} <= set(said)
    assert any(line.startswith(about + "stop_switches.0.scope: must be one of") for line in said)
    assert any(line.startswith(about + "tool_servers.crm.sandbox: is not a key") for line in said)
    assert "clearance apply" in said[-1]
    assert digest_of(tmp_path) == left
    with closing(sqlite3.connect(tmp_path / STORE_FILE)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (0,)


def test_the_doctor_says_that_everything_is_accepted(tmp_path: Path, examine: Examine) -> None:
    left = leave(tmp_path, sample.document())
    _, found = examine()
    accepted = f"This version accepts all settings that are stored for {TENANT}."
    assert {"name": "tenants", "status": "ok", "sentence": accepted} in found
    assert digest_of(tmp_path) == left


def test_the_doctor_of_an_older_version_leaves_a_newer_store_alone(
    tmp_path: Path, examine: Examine
) -> None:
    leave(tmp_path, sample.document(), schema=9_999)
    code, found = examine()
    assert (code, len(found)) == (1, 1)
    assert "Use a newer Clearance" in found[0]["sentence"]


def test_the_doctor_gives_advice_about_stored_settings_too(
    tmp_path: Path, examine: Examine
) -> None:
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["parameters"]["properties"]["title"]["maxLenght"] = 5
    leave(tmp_path, document)
    warnings = [one["sentence"] for one in examine()[1] if one["status"] == "warning"]
    place = "catalog.CREATE_TASK.parameters.properties.title.maxLenght"
    assert [line for line in warnings if f"for {TENANT} at {place}: is no keyword" in line]
    ceiling = (
        f"Stored for {TENANT} at autonomy.limits: the tenant as a whole has no limit of actions"
    )
    assert [line for line in warnings if line.startswith(ceiling)]
    document["autonomy"]["limits"] = [{"for": "tenant", "per": "day", "actions": 9}]
    leave(tmp_path, document)
    assert not [one for one in examine()[1] if "autonomy.limits" in one["sentence"]]


def test_the_doctor_lists_the_accounts_of_settings_that_list_none(
    tmp_path: Path, examine: Examine
) -> None:
    document = sample.document()
    del document["autonomy"]["accounts"]

    async def name_them() -> None:
        async with opened(tmp_path / STORE_FILE) as world:
            await world.configure(document)
            world.clock.now = SystemClock().now_ms() - 31 * 24 * HOUR_MS
            await world.propose(task("old", account_id="long ago"))
            world.clock.forward(2 * 24 * HOUR_MS)
            for number, account in enumerate(("globex", "іnitech", "acme")):
                await world.propose(task(f"t{number}", account_id=account))

    anyio.run(name_them)
    warned = [one["sentence"] for one in examine()[1] if one["status"] == "warning"]
    [sentence] = [line for line in warned if "lists no accounts" in line]
    assert sentence.endswith(r'accounts: ["acme", "globex", "\u0456nitech"]')
    leave(tmp_path, sample.document())
    assert not any("lists no accounts" in one["sentence"] for one in examine()[1])


def test_the_doctor_lists_the_keys_that_are_limited(tmp_path: Path, examine: Examine) -> None:
    async def make() -> None:
        async with opened(tmp_path / STORE_FILE) as world:
            scope = Scope(frozenset({"acme", "globex"}), frozenset({"CREATE_TASK"}))
            await world.control.create_api_key(OWNER, "narrow", sample.Role.AGENT, scope)
            await world.control.create_api_key(OWNER, "wide", sample.Role.AGENT)

    anyio.run(make)
    said = [one["sentence"] for one in examine()[1] if "The key" in one["sentence"]]
    limits = "only on the accounts acme, globex and with the action type CREATE_TASK"
    assert said == [f"The key narrow (agent) acts {limits}."]


def test_the_doctor_names_keys_of_before_and_chosen_ones_and_shows_none(
    tmp_path: Path, examine: Examine
) -> None:
    chosen, over = "a-chosen-key-of-24-signs", "another-key-that-is-over"

    async def make() -> None:
        async with opened(tmp_path / STORE_FILE) as world:
            await world.control.create_api_key(OWNER, "ours", sample.Role.AGENT)
            for name, text in (("by-hand", chosen), ("over", over)):
                await world.control.ensure_api_key(OWNER, name, sample.Role.AUDITOR, text)
            await world.control.create_api_key(OWNER, "over", sample.Role.AUDITOR, replace=True)

    assert not any("a person chose" in one["sentence"] for one in examine()[1])
    anyio.run(make)
    findings = examine()[1]
    [said] = [one for one in findings if "a person chose" in one["sentence"]]
    assert said["status"] == "warning"
    assert "chose them: by-hand. They go on working" in said["sentence"]
    assert chosen not in json.dumps(findings)


def test_nothing_is_written_to_a_store_that_is_opened_for_reading(tmp_path: Path) -> None:
    left = leave(tmp_path, sample.document())

    async def write() -> None:
        store = await SqliteStore.open(tmp_path / STORE_FILE, read_only=True)
        try:
            world = World(store, tmp_path / STORE_FILE)
            assert (await world.context.settings(TENANT)).policy is not None
            with pytest.raises(Unavailable):
                await world.configure(sample.document(modes=[]))
            with pytest.raises(Unavailable):
                await world.control.create_api_key(OWNER, "x", sample.Role.AGENT)
        finally:
            await store.close()

    anyio.run(write)
    assert digest_of(tmp_path) == left


def test_the_doctor_looks_at_the_door(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_URL", "https://clearance.invalid")

    def door() -> list[tuple[str, str]]:
        monkeypatch.setattr("sys.argv", ["clearance", "doctor", "--data", str(tmp_path), "--json"])
        with pytest.raises(SystemExit):
            main()
        checks = json.loads(capsys.readouterr().out)["checks"]
        return [(one["status"], one["sentence"]) for one in checks if one["name"] == "door"]

    statuses, sentences = zip(*door(), strict=True)
    assert statuses == ("ok", "warning", "warning")
    assert "1,024 connections" in sentences[0]
    assert "CLEARANCE_PROXIES" in sentences[1]
    assert "clearance.invalid" in sentences[2]
    assert "CLEARANCE_HOSTS" in sentences[2]
    monkeypatch.setenv("CLEARANCE_PROXIES", "127.0.0.1")
    monkeypatch.setenv("CLEARANCE_HOSTS", "Clearance.Invalid")
    assert [status for status, _ in door()] == ["ok"]
    monkeypatch.setenv("CLEARANCE_CONNECTIONS", "65536")
    monkeypatch.setattr(doorkeeper, "FILES_KEPT", 10**9)
    assert [status for status, _ in door()] == ["ok", "warning"]
    monkeypatch.setenv("CLEARANCE_HOSTS", "https://clearance.invalid")
    [(status, sentence)] = door()
    assert status == "failure"
    assert "no host name" in sentence
