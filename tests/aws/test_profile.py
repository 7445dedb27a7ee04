"""A person's command line on a table: apply, key, stop and doctor; and what a table is not for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from clearance.cli import main as cli
from clearance.stores.dynamodb.table import TTL_ATTRIBUTE
from tests.aws.support import toolserver
from tests.aws.support.emulators import dynamodb_client, moto_aws, new_table
from tests.aws.support.stack import SECRET_NAME, SECRET_VALUE, document
from tests.aws.support.table import Table
from tests.support import sample

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Table]:
    """An empty table, which the environment names."""
    with moto_aws(), new_table(dynamodb_client(None), None) as table:
        monkeypatch.setenv("CLEARANCE_TABLE", table.name)
        for name in ("CLEARANCE_DATABASE_URL", "CLEARANCE_DATA", SECRET_NAME):
            monkeypatch.delenv(name, raising=False)
        yield table


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearance", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return run


def configuration(folder: Path, tool_server: dict[str, Any]) -> str:
    """A file with the sample's settings and this tool server."""
    said = sample.document()
    (folder / "policy.cedar").write_text(said["policy"], encoding="utf-8")
    said |= {
        "version": 1,
        "tenant": "northwind",
        "policy": "policy.cedar",
        "tool_servers": {"crm": tool_server},
    }
    path = folder / "clearance.yaml"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    return str(path)


def code_of(said: str) -> str:
    return str(json.loads(said)["error"]["code"])


@pytest.mark.usefixtures("here")
def test_a_configuration_is_applied_to_the_table_and_its_secrets_are_not_needed_here(
    tmp_path: Path, run: Run
) -> None:
    with toolserver.serving() as (tool, url):
        wanted = configuration(
            tmp_path, document(url.format(tenant="northwind"))["tool_servers"]["crm"]
        )
        code, out, _ = run("apply", wanted, "--json")
        said = json.loads(out)
        assert (code, said["applied"]) == (0, True)
        assert said["pins"]["unreachable"].keys() == {
            "crm"
        }  # pinned on first contact, by the invoker
        code, out, _ = run("apply", wanted, "--json")
        assert (code, json.loads(out)["differences"]) == (0, [])
        assert tool.refused == 0


@pytest.mark.usefixtures("here")
def test_whoever_has_the_secret_pins_the_tools_at_once(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SECRET_NAME, SECRET_VALUE)
    with toolserver.serving() as (_, url):
        wanted = configuration(
            tmp_path, document(url.format(tenant="northwind"))["tool_servers"]["crm"]
        )
        _, out, _ = run("apply", wanted, "--json")
    assert json.loads(out)["pins"]["pinned"] == [
        "crm.create_task",
        "crm.issue_refund",
        "crm.send_mail",
    ]


@pytest.mark.usefixtures("here")
def test_tools_are_looked_at_also_when_nothing_else_changed(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with toolserver.serving() as (_, url):
        path = Path(
            configuration(tmp_path, document(url.format(tenant="northwind"))["tool_servers"]["crm"])
        )
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
        said["catalog"]["CREATE_TASK"]["tool"] = "crm.make_task"
        path.write_text(yaml.safe_dump(said), encoding="utf-8")
        code, out, _ = run("apply", str(path), "--yes")
        assert (code, "The tools of crm were not looked at: The tool server crm needs" in out) == (
            0,
            True,
        )
        monkeypatch.setenv(SECRET_NAME, SECRET_VALUE)
        for _ in range(2):
            code, out, _ = run("apply", str(path), "--json")
            applied = json.loads(out)
            assert (code, applied["applied"], applied["pins"]["missing"]) == (
                1,
                False,
                ["crm.make_task"],
            )


@pytest.mark.usefixtures("here")
def test_no_key_is_made_for_a_tenant_that_is_not_there(tmp_path: Path, run: Run) -> None:
    code, _, err = run("key", "create", "owner", "--role", "owner", "--direct", "--json")
    assert (code, code_of(err)) == (1, "NO_TENANT")
    run("apply", configuration(tmp_path, {"url": "http://127.0.0.1:1/mcp"}), "--json")
    for tenant in ("nortwind", "*"):
        code, _, err = run(
            "key", "create", "owner", "--role", "owner", "--direct", "--tenant", tenant, "--json"
        )
        assert (code, code_of(err)) == (1, "NO_TENANT")


@pytest.mark.usefixtures("here")
def test_a_tool_server_that_is_a_program_is_refused_whole_and_nothing_is_started(
    tmp_path: Path, run: Run
) -> None:
    started = tmp_path / "started"
    wanted = configuration(tmp_path, {"command": ["touch", str(started)]})
    for arguments in (("apply", wanted, "--json"), ("apply", wanted, "--dry-run", "--json")):
        code, out, err = run(*arguments)
        assert (code, out, code_of(err)) == (1, "", "PROGRAMS_NOT_STARTED")
    assert not started.exists()
    code, _, err = run("key", "list", "--direct", "--json")
    assert (code, code_of(err)) == (1, "NO_TENANT")  # nobody was configured


@pytest.mark.usefixtures("here")
def test_keys_and_the_great_stop_are_made_on_the_table(tmp_path: Path, run: Run) -> None:
    run("apply", configuration(tmp_path, {"url": "http://127.0.0.1:1/mcp"}), "--json")
    code, out, _ = run("key", "create", "owner", "--role", "owner", "--direct", "--json")
    made = json.loads(out)
    assert (code, made["name"], bool(made["key"])) == (0, "owner", True)
    code, out, _ = run("key", "list", "--direct", "--json")
    assert [key["key_id"] for key in json.loads(out)["items"]] == [made["key_id"]]
    assert run("key", "revoke", made["key_id"], "--direct", "--json")[0] == 0
    code, out, _ = run("stop", "--everything", "--reason", "Restored", "--json")
    assert (code, [one["scope"] for one in json.loads(out)["stop_switches"]]) == (0, ["GLOBAL"])
    code, out, _ = run("stop", "--everything", "--lift", "--json")
    assert (code, json.loads(out)["stop_switches"]) == (0, [])


@pytest.mark.usefixtures("here")
def test_a_variable_of_the_catalog_is_needed_here_all_the_same(tmp_path: Path, run: Run) -> None:
    path = Path(configuration(tmp_path, {"url": "http://127.0.0.1:1/mcp"}))
    said = yaml.safe_load(path.read_text(encoding="utf-8"))
    said["catalog"]["CREATE_TASK"]["arguments"]["team"] = "${CRM_TEAM}"
    path.write_text(yaml.safe_dump(said), encoding="utf-8")
    code, _, err = run("apply", str(path), "--json")
    assert (code, code_of(err)) == (1, "INVALID_CONFIGURATION")
    assert "the environment variable CRM_TEAM is not set" in err


def checks(out: str) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in json.loads(out)["checks"]:
        found.setdefault(one["name"], []).append((one["status"], one["sentence"]))
    return found


def test_the_doctor_says_how_the_table_is(here: Table, tmp_path: Path, run: Run) -> None:
    with toolserver.serving() as (_, url):
        wanted = configuration(
            tmp_path, document(url.format(tenant="northwind"))["tool_servers"]["crm"]
        )
        run("apply", wanted, "--json")
        code, out, _ = run("doctor", "--config", wanted, "--json")
    found = checks(out)
    assert code == 0
    assert found["table"][0] == ("ok", f"The table {here.name} is ACTIVE.")
    assert {status for status, _ in found["table"][1:]} == {"warning"}
    assert found["tenants"] == [
        ("ok", "This version accepts all settings that are stored for northwind."),
        (
            "warning",
            (
                "Stored for northwind at autonomy.limits: the tenant as a whole has no limit of "
                "actions (for: tenant), so nothing bounds what all accounts and agents use "
                "together."
            ),
        ),
        (
            "ok",
            "The tool server crm of northwind was not asked: its secrets are the functions' alone.",
        ),
    ]
    assert found["configuration"][0][0] == "warning"  # of the same
    here.client.update_time_to_live(
        TableName=here.name,
        TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
    )
    here.client.update_continuous_backups(
        TableName=here.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    here.client.update_table(TableName=here.name, DeletionProtectionEnabled=True)
    _, out, _ = run("doctor", "--json")
    assert {status for status, _ in checks(out)["table"]} == {"ok"}
    here.client.update_table(TableName=here.name, DeletionProtectionEnabled=False)


def test_the_doctor_does_not_find_a_table_that_is_not_there_or_is_another_one(
    here: Table, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    here.client.create_table(
        TableName="another",
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
    )
    monkeypatch.setenv("CLEARANCE_TABLE", "another")
    code, out, _ = run("doctor", "--json")
    assert code == 1
    assert any(
        status == "failure" and "lacks the indexes" in said for status, said in checks(out)["table"]
    )
    monkeypatch.setenv("CLEARANCE_TABLE", "missing")
    code, out, _ = run("doctor", "--json")
    [(status, said)] = checks(out)["table"]
    assert (code, status) == (1, "failure")
    assert "ResourceNotFoundException" in said


@pytest.mark.usefixtures("here")
def test_a_table_is_served_by_functions_and_needs_no_worker_and_no_migration(run: Run) -> None:
    for arguments, code in (
        (("serve", "--port", "0"), "SERVED_BY_FUNCTIONS"),
        (("worker",), "NO_DATABASE"),
        (("migrate",), "NO_DATABASE"),
    ):
        ended, out, err = run(*arguments, "--json")
        assert (ended, out, code_of(err)) == (1, "", code)


def test_an_empty_name_and_a_missing_client_are_said(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLEARANCE_DATABASE_URL", raising=False)
    monkeypatch.setenv("CLEARANCE_TABLE", "")
    assert code_of(run("key", "list", "--direct", "--json")[2]) == "INVALID_TABLE"
    monkeypatch.setenv("CLEARANCE_TABLE", "clearance")
    monkeypatch.setitem(sys.modules, "boto3", None)
    code, _, err = run("key", "list", "--direct", "--json")
    assert (code, code_of(err)) == (1, "AWS_NOT_INSTALLED")
    assert "pip install 'clearance[aws]'" in err
