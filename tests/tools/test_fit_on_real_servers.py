"""The catalog of a file, its commands, and servers that run: each finding by file and line."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

BANK = Path(__file__).parent / "support" / "bank_server.py"
POLICY = """@id("all") @reason("ALL") @explanation("All may be done.")
permit(principal, action, resource);
"""
HEAD = """version: 1
tenant: northwind
tool_servers:
  bank: {command: ["%s", "%s"], environment: {BANK_FILE: "${BANK_FILE}", BANK_TEXTS: "${BANK_TEXTS}", BANK_LIMIT: "${BANK_LIMIT}", BANK_SECONDS: "${BANK_SECONDS}"}, secrets: [], deadline_seconds: 2}
  git: {command: ["%s", -m, mcp_server_git]}
policy: policy.cedar
autonomy:
  allowlist: [PAY, LIST]
  modes: [{mode: AUTO_EXECUTE}]
  budgets: [{max_per_day: 9}]
catalog:
"""  # noqa: E501
PAY = """  PAY:
    tool: bank.pay
    risk_level: LOW
    effect: at_most_once
    parameters:
      type: object
      required: [order, amount]
      properties:
        order: {type: string}
        amount: {type: integer}
      additionalProperties: false
    arguments:
      account: "{account_id}"
    sentence: paid
"""
LIST = """  LIST:
    tool: bank.list_payments
    risk_level: LOW
    effect: idempotent
    parameters: {type: object, properties: {}, additionalProperties: false}
    arguments: {account: "{account_id}", limit: 10}
    sentence: listed
"""
BRANCH = """  BRANCH:
    tool: git.git_create_branch
    risk_level: LOW
    effect: at_most_once
    parameters:
      type: object
      properties:
        branch: {type: string}
      additionalProperties: false
    sentence: made
"""


class Shop:
    """A folder with a configuration, and the command on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.variables = {"BANK_TEXTS": "UTC", "BANK_LIMIT": "", "BANK_SECONDS": "0"}
        (path / "policy.cedar").write_text(POLICY)

    def write(self, *actions: str) -> list[str]:
        text = HEAD % (sys.executable, BANK, sys.executable) + "".join(actions)
        (self.path / "clearance.yaml").write_text(text)
        return text.splitlines()

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [Path(sys.executable).parent / "clearance", *command],
            cwd=self.path,
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.path),
                "BANK_FILE": str(self.path / "effects"),
                "CLEARANCE_DATA": str(self.path / "data"),
                **self.variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def json(self, *command: str) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = json.loads(self.run(*command, "--json").stdout)
        return answer

    def apply(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("apply", "clearance.yaml", "--yes", *options)

    @property
    def effects(self) -> list[str]:
        file = self.path / "effects"
        return file.read_text().splitlines() if file.exists() else []


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def line_of(lines: list[str], text: str) -> int:
    [number] = [number for number, line in enumerate(lines, 1) if text in line]
    return number


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"order: {": "ordr: {", "[order, ": "["}, "ARGUMENT_NOT_KNOWN:ordr", "ordr:"),
    ({"order: {": "ordr: {", "[order, ": "["}, "ARGUMENT_NOT_SUPPLIED:order", "bank.pay"),
    ({"[order, ": "["}, "ARGUMENT_NOT_SUPPLIED:order", "order: {"),
    ({"amount: {type: integer}": "amount: {type: string}"}, "TYPE_CLASH:amount", "amount: {"),
    ({'account: "{account_id}"': "account: 5"}, "TYPE_CLASH:account", "account: 5"),
    (
        {"effect: at_most_once": "effect: keyed\n    idempotency_argument: request_id"},
        "KEY_NOT_TAKEN:request_id",
        "request_id",
    ),
    (
        {'account: "{account_id}"': "amount: 5", "order, amount]": "order]"},
        "ACCOUNT_NOT_SENT",
        "PAY:",
    ),
    ({'account: "{account_id}"': "{}"}, "TOOL_DEFAULT:account", "bank.pay"),
]


@pytest.mark.parametrize(("changes", "name", "at"), WRONG)
def test_a_finding_is_refused_by_file_and_line_and_nothing_is_stored(
    shop: Shop, changes: Mapping[str, str], name: str, at: str
) -> None:
    action = PAY
    for right, wrong in changes.items():
        action = action.replace(right, wrong)
    if "amount: 5" in action:
        action = action.replace("        amount: {type: integer}\n", "")
    lines = shop.write(action.replace("arguments:\n      {}", "arguments: {}"), LIST)
    applied = shop.apply()
    assert applied.returncode == 1
    [finding] = [line for line in applied.stderr.splitlines() if f"({name})" in line]
    assert finding.startswith(f"clearance.yaml:{line_of(lines, at)}: catalog.PAY")
    assert "northwind" not in str(shop.json("doctor")["checks"])


def test_every_command_shows_what_is_found_of_a_server_of_somebody_else(shop: Shop) -> None:
    lines = shop.write(PAY, LIST, BRANCH)
    checked = shop.run("policy", "check", "--config", "clearance.yaml", "--tools")
    doctor = shop.json("doctor", "--config", "clearance.yaml")
    refused = shop.apply("--dry-run")
    assert (checked.returncode, refused.returncode, doctor["healthy"]) == (1, 1, False)
    for name, at in (
        ("ARGUMENT_NOT_SUPPLIED:repo_path", "git.git_create_branch"),
        ("ARGUMENT_NOT_SUPPLIED:branch_name", "git.git_create_branch"),
        ("ARGUMENT_NOT_KNOWN:branch", "branch: {"),
    ):
        place = f"clearance.yaml:{line_of(lines, at)}: catalog.BRANCH"
        failures = [each["sentence"] for each in doctor["checks"] if each["status"] == "failure"]
        for shown in (checked.stdout.splitlines(), refused.stderr.splitlines(), failures):
            assert [line for line in shown if f"({name})" in line and line.startswith(place)]


def test_an_accepted_finding_is_listed_and_one_that_is_not_there_is_a_warning(shop: Shop) -> None:
    accepts = "    accepts: [TOOL_DEFAULT:limit, TOOL_DEFAULT:limits]\n"
    lines = shop.write(PAY, LIST.replace(", limit: 10", "") + accepts)
    applied = shop.apply()
    assert applied.returncode == 0, applied.stderr
    line = f"clearance.yaml:{line_of(lines, 'accepts')}: catalog.LIST.accepts"
    assert f"{line}: accepted TOOL_DEFAULT:limit" in applied.stdout.splitlines()
    warning = f"Warning: clearance.yaml:{line_of(lines, 'accepts')}: catalog.LIST.accepts.1: there"
    assert warning in applied.stdout


def test_texts_may_change_and_are_reported_and_what_a_tool_takes_is_shown_before_it_is_pinned(
    shop: Shop,
) -> None:
    drop = PAY.replace("PAY:", "DROP:").replace("bank.pay", "bank.drop")
    drop = drop.replace("order, amount", "order").replace("        amount: {type: integer}\n", "")
    shop.write(PAY, LIST, drop)
    assert shop.apply().returncode == 0
    shop.variables["BANK_TEXTS"] = "Europe/Berlin"
    again = shop.apply()
    assert again.returncode == 0
    assert "says something else of bank.pay than when it was pinned" in again.stdout
    checks = shop.json("doctor")["checks"]
    [about] = [each for each in checks if "says something else" in each["sentence"]]
    assert (about["status"], about["sentence"].rpartition(" ")[2]) == ("warning", "pay.")
    assert '-      "description": "of a day in UTC"' in shown(again)
    assert '+      "description": "of a day in Europe/Berlin"' in shown(again)
    assert shop.apply("--repin", "bank.pay").returncode == 0
    assert "something else" not in shop.apply().stdout

    shop.variables["BANK_LIMIT"] = "yes"
    refused = shop.apply("--dry-run")
    assert refused.returncode == 1
    assert "(ARGUMENT_NOT_SUPPLIED:reason)" in refused.stderr
    shop.write(PAY, LIST, drop.replace('"{account_id}"', '"{account_id}"\n      reason: none'))
    before = shop.apply("--repin", "bank.drop", "--dry-run")
    assert before.returncode == 0, before.stderr
    assert "bank.drop takes something else than when it was pinned" in before.stdout
    assert '+      "reason": {' in shown(before)
    assert shop.apply().returncode == 0
    assert shop.apply("--repin", "bank.drop").returncode == 0
    assert "something else" not in shop.apply().stdout


def shown(run: subprocess.CompletedProcess[str]) -> str:
    """The lines of a difference, whatever they are indented by."""
    return "\n".join(
        f"{line.strip()[:1]}      {line.strip()[1:].strip()}" for line in run.stdout.splitlines()
    )
