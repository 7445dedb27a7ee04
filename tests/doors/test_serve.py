"""The command line and the Python client against `clearance serve` in a process of its own, with a
real tool.
"""

import asyncio
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clearance.cli import main as cli
from clearance.client import AsyncClearance, Clearance, ClearanceError
from clearance.demo.crm import effects
from tests.support.exposition import documented, families, series, value

SECONDS_MAX = 30.0

CONFIGURATION = """\
version: 1
tenant: northwind
tool_servers:
  crm:
    command: [{python}, -m, clearance.demo.crm]
    environment: {{CRM_DB: "${{CRM_DB}}"}}
catalog:
  CREATE_TASK:
    tool: crm.create_task
    risk_level: LOW
    effect: keyed
    idempotency_argument: request_id
    parameters:
      type: object
      required: [title]
      properties: {{title: {{type: string, maxLength: 200}}}}
      additionalProperties: false
    arguments: {{account: "{{account_id}}"}}
    sentence: "created the task '{{title}}' for {{account_id}}"
    proposal: "create the task '{{title}}' for {{account_id}}"
autonomy:
  allowlist: [CREATE_TASK]
  modes:
    - {{mode: APPROVAL_REQUIRED}}
    - {{action_type: CREATE_TASK, mode: AUTO_EXECUTE}}
  budgets:
    - {{max_per_day: 50, zone: UTC}}
  accounts: [acme, globex]
  limits: [{{for: tenant, per: day, actions: 200}}]
policy: policy.cedar
"""
POLICY = """\
@id("tasks") @reason("TASKS_ALLOWED") @explanation("Tasks may be created.")
permit(principal, action == Action::"CREATE_TASK", resource);

@id("sure-enough") @reason("CONFIDENCE_TOO_LOW") @explanation("Below 0.80 a person must look.")
forbid(principal, action, resource) when { context.unattended && context.confidence_bp < 8000 };
"""
TASK: dict[str, Any] = {
    "account_id": "acme",
    "action_type": "CREATE_TASK",
    "risk_level": "LOW",
    "confidence_score": 0.95,
}
UNSURE = {**TASK, "confidence_score": 0.5}
PROPOSE = (
    "propose",
    "--account",
    "acme",
    "--action-type",
    "CREATE_TASK",
    "--risk",
    "LOW",
    "--json",
)

Run = Callable[..., tuple[int, str, str]]


@dataclass
class Served:
    """A server in its own process, and where its files are."""

    folder: Path
    process: subprocess.Popen[str]
    said: dict[str, Any]
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def configuration(self) -> Path:
        return self.folder / "clearance.yaml"

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def client(self, name: str = "owner") -> Clearance:
        return Clearance(self.said["url"], self.keys[name])

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(SECONDS_MAX)


def start(
    folder: Path,
    *options: str,
    configuration: str = CONFIGURATION,
    first: str = "pass",
) -> Served:
    """Starts a server, and waits for its first words."""
    (folder / "clearance.yaml").write_text(
        configuration.format(python=sys.executable), encoding="utf-8"
    )
    (folder / "policy.cedar").write_text(POLICY, encoding="utf-8")
    command = [
        "serve",
        "--config",
        str(folder / "clearance.yaml"),
        "--data",
        str(folder / "data"),
        "--port",
        "0",
        "--json",
        *options,
    ]
    process = subprocess.Popen(
        [sys.executable, "-c", f"{first}; from clearance.cli.main import main; main()", *command],
        env={**os.environ, "CRM_DB": str(folder / "crm.sqlite")},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if line == "}\n":
            break
    served = Served(folder, process, json.loads(said))
    served.keys["owner"] = first_key(served.said)
    return served


def first_key(said: dict[str, Any], folder: Path = Path()) -> str:
    """The key in the file that a server named, as seen from the folder that it works in."""
    return (folder / said["first_key_file"]).read_text(encoding="ascii").strip()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = start(tmp_path_factory.mktemp("served"))
    with served.client() as owner:
        for name, role in (("ada", "agent"), ("olga", "approver")):
            served.keys[name] = owner.create_api_key(name, role)["key"]
    yield served
    assert served.end() == 0
    assert served.process.stdout is not None
    served.process.stdout.close()


@pytest.fixture
def run(served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command as the owner, in this process: exit code, standard output, standard error."""
    monkeypatch.setenv("CLEARANCE_URL", served.said["url"])
    monkeypatch.setenv("CLEARANCE_API_KEY", served.keys["owner"])
    monkeypatch.setenv("CLEARANCE_DATA", str(served.data))
    monkeypatch.setenv("CRM_DB", str(served.folder / "crm.sqlite"))

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearance", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert not [key for key in served.keys.values() if key in out + err]
        return int(ended.value.code or 0), out, err

    return run


def test_the_first_words_are_the_address_and_a_key_and_what_was_applied(served):
    assert served.said["tenant_id"] == "northwind"
    assert served.said["pins"]["pinned"] == ["crm.create_task"]
    assert "policy changed." in served.said["changes"]


def test_the_first_key_is_in_its_file_and_nowhere_else(served):
    file, key = Path(served.said["first_key_file"]), served.keys["owner"]
    assert file == served.data / "owner.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in json.dumps(served.said)
    with served.client() as owner:
        assert owner.whoami()["actor_id"] == "owner"
    others = [path for path in served.folder.rglob("*") if path.is_file() and path != file]
    assert {path.name for path in others} >= {"clearance.sqlite3", "clearance.yaml"}
    assert [path for path in others if key.encode() in path.read_bytes()] == []


def test_autopilot_acts_once_whoever_repeats_it(served):
    with served.client("ada") as agent:
        first = agent.propose(**TASK, parameters={"title": "Once"}, action_intent_id="once")
        again = agent.propose(**TASK, parameters={"title": "Once"}, action_intent_id="once")
        done = agent.wait("once", SECONDS_MAX)
        with pytest.raises(ClearanceError) as reused:
            agent.propose(**TASK, parameters={"title": "Twice"}, action_intent_id="once")
    assert (first["decision"], again["decision"], reused.value.code) == (
        "AUTO_EXECUTE",
        "AUTO_EXECUTE",
        "INTENT_ID_REUSED",
    )
    assert (done["status"], done["auto_executed"], done["approval_source"]) == (
        "SUCCEEDED",
        True,
        "POLICY",
    )
    assert done["sentence"] == "Autopilot created the task 'Once' for acme"
    assert [
        json.dumps(effect).count("Once") for effect in effects(served.folder / "crm.sqlite")
    ] == [1]


def test_a_server_that_works_measures_what_it_does(served):
    with served.client("ada") as agent:
        agent.propose(**TASK, parameters={"title": "Count"}, action_intent_id="count")
        agent.wait("count", SECONDS_MAX)
    with served.client("olga") as olga:
        status = olga.status()
    text = httpx2.get(served.said["url"] + "/metrics", trust_env=False).text
    found = series(text)
    assert families(text).keys() == documented()
    assert value(found, "clearance_executions_total", outcome="SUCCEEDED") >= 1
    assert value(found, "clearance_tool_calls_total", answer="ANSWERED") >= 1
    assert value(found, "clearance_worker_sweeping") == 1
    assert value(found, "clearance_sweep_age_seconds") < 5
    assert value(found, "clearance_ledger_entries") >= status["ledger_size"]
    assert (status["tenant_id"], status["problems"]) == ("northwind", [])


def test_the_asyncio_client_sees_it_happen(served):
    async def conversation() -> tuple[dict[str, Any], list[dict[str, Any]]]:
        async with AsyncClearance(served.said["url"], served.keys["ada"]) as agent:
            before = [item async for item in agent.timeline()]
            after = max((item["position"] for item in before), default=0)
            proposed = await agent.propose(
                **TASK, parameters={"title": "Seen"}, action_intent_id="seen"
            )
            told = []
            async for entry in agent.events(after=after):
                told.append(entry)
                if entry["kind"] == "OUTCOME_RECORDED":
                    return proposed, told
        raise AssertionError

    proposed, told = asyncio.run(asyncio.wait_for(conversation(), SECONDS_MAX))
    assert proposed["status"] in {"APPROVED", "RUNNING", "SUCCEEDED"}
    assert [entry["kind"] for entry in told] == [
        "ACTION_APPROVED",
        "EXECUTION_STARTED",
        "OUTCOME_RECORDED",
    ]
    assert {entry["action_intent_id"] for entry in told} == {"seen"}
    assert [entry["position"] - told[0]["position"] for entry in told] == [0, 1, 2]


def test_a_person_rules_on_what_was_shown(served):
    with served.client("ada") as agent, served.client("olga") as olga:
        for name in ("ask", "no", "edit", "withdrawn"):
            assert (
                agent.propose(**UNSURE, parameters={"title": name}, action_intent_id=name)["status"]
                == "AWAITING_APPROVAL"
            )
        shown = {one["action_intent_id"]: one for one in olga.approvals(page_size=2)}
        assert {"ask", "no", "edit", "withdrawn"} <= shown.keys()
        with pytest.raises(ClearanceError) as stale:
            olga.approve("ask", digest="sha256:" + "0" * 64)
        olga.approve(shown["ask"]["approval_id"], digest=shown["ask"]["digest"])
        done = agent.wait("ask", SECONDS_MAX)
        rejected = olga.reject("no", reason="not now")
        edited = olga.edit("edit", parameters={"title": "better"})
        cancelled = agent.cancel("withdrawn", "changed my mind")
        with pytest.raises(ClearanceError) as own:
            agent.approve("edit")
    assert (stale.value.code, own.value.code) == ("DIGEST_MISMATCH", "FORBIDDEN")
    assert (done["status"], done["auto_executed"], done["approval"]["ruling"]["ruled_by"]) == (
        "SUCCEEDED",
        False,
        "olga",
    )
    assert (rejected["status"], cancelled["status"]) == ("REJECTED", "CANCELLED")
    assert (edited["status"], edited["new_intent"]["parameters"]) == (
        "REJECTED",
        {"title": "better"},
    )
    assert edited["new_intent"]["supersedes"] == "edit"


PAGE = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_the_examples_of_the_documentation_run(served, monkeypatch, example):
    monkeypatch.setenv("CLEARANCE_URL", served.said["url"])
    monkeypatch.setenv("CLEARANCE_API_KEY", served.keys["owner"])
    exec(compile(example, PAGE, "exec"), {})


def test_lists_go_on_over_pages(served):
    with served.client() as owner:
        positions = [entry["position"] for entry in owner.ledger(page_size=3)]
        told = [one["position"] for one in owner.timeline(page_size=2, account_id="acme")]
        newest = next(iter(owner.timeline(page_size=1)))
    assert positions == list(range(1, len(positions) + 1))
    assert told == sorted(told, reverse=True)
    assert len(told) > 2
    assert newest["position"] == told[0]


def test_the_commands_tell_the_same_story(served, run):
    title = json.dumps({"title": "By hand"})
    code, out, err = run(*PROPOSE, "--confidence", "0.5", "--parameters", title, "--id", "hand")
    assert (code, err, json.loads(out)["status"]) == (0, "", "AWAITING_APPROVAL")
    assert "hand.1" in {
        one["approval_id"] for one in json.loads(run("inbox", "--json")[1])["items"]
    }
    assert json.loads(run("explain", "hand", "--json")[1])["nearest_changes"]
    assert json.loads(run("approve", "hand", "--json")[1])["approval_source"] == "HUMAN"
    with served.client() as owner:
        assert owner.wait("hand", SECONDS_MAX)["status"] == "SUCCEEDED"
    assert "created the task 'By hand' for acme" in run("timeline")[1]
    assert "SUCCEEDED" in run("show", "hand")[1]
    kinds = [
        entry["kind"]
        for entry in json.loads(run("ledger", "--limit", "1000", "--json")[1])["items"]
    ]
    assert kinds[0] == "SETTINGS_CHANGED"
    assert json.loads(run("whoami", "--json")[1])["actor_id"] == "owner"
    assert run("reconcile", "hand", "--status", "failed", "--reason", "no")[0] == 1


@pytest.mark.parametrize("options", [(), ("--account", "acme"), ("--everything",)])
def test_a_stop_holds_until_it_is_lifted(served, run, options):
    propose = (*PROPOSE, "--confidence", "0.99", "--parameters", '{"title": "Held"}')
    code, out, _ = run("stop", *options, "--reason", "incident", "--json")
    assert (code, len(json.loads(out)["stop_switches"])) == (0, 1)
    held = json.loads(run(*propose)[1])
    assert (held["status"], held["reason"]) == ("AWAITING_APPROVAL", "STOP_SWITCH_ON")
    assert "incident" in run("stop", *options, "--list")[1]
    assert json.loads(run("stop", *options, "--lift", "--json")[1])["stop_switches"] == []
    assert json.loads(run(*propose)[1])["decision"] == "AUTO_EXECUTE"


def test_the_operator_reads_that_a_tenant_has_a_switch_of_its_own(served, run):
    assert run("stop", "--everything", "--list")[1].endswith("No stop for every tenant is on.\n")
    run("stop", "--account", "acme", "--reason", "incident")
    said = "Switches of tenants: northwind has 1.\n"
    for options in (("--list",), ("--lift",)):
        out = run("stop", "--everything", *options)[1]
        assert out.endswith(f"No stop for every tenant is on.\n{said}")
    out = run("stop", "--everything", "--reason", "incident")[1]
    assert "of the operator's ledger" in out
    assert run("stop", "--everything", "--list")[1].endswith(said)
    assert run("stop", "--everything", "--lift")[0] == 0
    run("stop", "--account", "acme", "--lift")


def test_a_configuration_is_shown_applied_once_and_holds_at_once(served, run):
    configuration = str(served.configuration)
    assert run("apply", configuration)[1] == "Nothing to change.\n"
    stricter = POLICY.replace("8000", "9900").replace("0.80", "0.99")
    (served.folder / "policy.cedar").write_text(stricter, encoding="utf-8")
    code, out, _ = run("apply", configuration, "--dry-run")
    assert (code, "-forbid" in out, "+forbid" in out, "dry run" in out) == (0, True, True, True)
    with served.client("ada") as agent:
        assert agent.propose(**TASK, parameters={"title": "Before"})["decision"] == "AUTO_EXECUTE"
        applied = json.loads(run("apply", configuration, "--json")[1])
        assert (applied["applied"], [one["path"] for one in applied["differences"]]) == (
            True,
            ["policy"],
        )
        assert (
            agent.propose(**TASK, parameters={"title": "After"})["decision"] == "REQUIRE_APPROVAL"
        )
    (served.folder / "policy.cedar").write_text(POLICY, encoding="utf-8")
    applied = run("apply", configuration, "--yes")[1]
    assert f"Applied 1 change to northwind, in {served.data.absolute()}." in applied
    assert run("apply", configuration, "--repin", "crm.create_task")[0] == 0
    assert run("apply", configuration, "--repin", "crm.nothing")[0] == 1


def test_apply_says_that_nothing_bounds_the_tenant_as_a_whole(served, run):
    text = served.configuration.read_text(encoding="utf-8")
    without = text.replace("limits: [{for: tenant, per: day, actions: 200}]", "limits: []")
    assert without != text
    boundless = served.folder / "boundless.yaml"
    boundless.write_text(without, encoding="utf-8")
    out = run("apply", str(boundless), "--dry-run")[1]
    assert "autonomy.limits.tenant, per day.actions is gone: it was 200." in out
    assert "autonomy.limits: the tenant as a whole has no limit of actions (for: tenant)" in out


def test_a_first_apply_says_in_short_what_is_new_and_where_it_is(
    served, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEARANCE_DATA", raising=False)
    monkeypatch.setenv("CLEARANCE_URL", "http://127.0.0.1:1")
    command = ("apply", str(served.configuration), "--yes")
    code, out, _ = run(*command, "--dry-run")
    assert code == 0
    assert "catalog.CREATE_TASK is new" in out
    assert "parameters" not in out
    assert '"parameters"' in run(*command, "--dry-run", "--verbose")[1]
    out = run(*command)[1]
    [place] = tmp_path.rglob("clearance.sqlite3")
    assert f"to northwind, in {place.parent}." in out
    assert "Warning: CLEARANCE_URL names a server, and apply does not ask it" in out
    monkeypatch.setenv("CLEARANCE_DATA", str(place.parent))
    assert run(*command)[1] == "Nothing to change.\n"


def test_what_was_applied_is_said_although_its_tools_could_not_be_looked_at(served, run):
    stricter = POLICY.replace("8000", "9900").replace("0.80", "0.99")
    (served.folder / "policy.cedar").write_text(stricter, encoding="utf-8")
    arguments = ("apply", str(served.configuration), "--repin", "crm.nothing", "--json")
    code, _, err = run(*arguments)
    assert (code, json.loads(err)["error"]["code"]) == (1, "UNKNOWN_TOOL")
    assert json.loads(err)["error"]["sentence"].startswith(
        "The configuration was applied, and then: "
    )
    assert "was applied" not in run(*arguments)[2]
    (served.folder / "policy.cedar").write_text(POLICY, encoding="utf-8")
    assert "Applied 1 change" in run("apply", str(served.configuration), "--yes")[1]


def test_on_a_terminal_it_asks_before_it_applies(served, run, tmp_path):
    wanted = tmp_path / "clearance.yaml"
    wanted.write_text(
        served.configuration.read_text(encoding="utf-8").replace("50", "60"), encoding="utf-8"
    )
    (tmp_path / "policy.cedar").write_text(POLICY, encoding="utf-8")
    ours, theirs = os.openpty()
    os.write(ours, b"n\n")
    command = [
        sys.executable,
        "-c",
        "from clearance.cli.main import main; main()",
        "apply",
        str(wanted),
    ]
    ended = subprocess.run(
        command, stdin=theirs, stdout=theirs, stderr=theirs, timeout=SECONDS_MAX, check=False
    )
    said = os.read(ours, 65_536).decode()
    os.close(theirs)
    os.close(ours)
    assert (ended.returncode, "was 50 and is 60 now" in said, "Nothing was changed." in said) == (
        1,
        True,
        True,
    )
    assert run("apply", str(served.configuration))[1] == "Nothing to change.\n"


def test_a_wrong_configuration_says_where_and_changes_nothing(served, run, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(
        served.configuration.read_text(encoding="utf-8").replace("50", "many"), encoding="utf-8"
    )
    (tmp_path / "policy.cedar").write_text("permit(principal", encoding="utf-8")
    for command in (
        ("apply", str(wrong)),
        ("policy", "check", "--config", str(wrong)),
        ("serve", "--config", str(wrong)),
    ):
        code, out, err = run(*command)
        assert (code, out) == (1, "")
        assert "wrong.yaml:27: autonomy.budgets.0.max_per_day" in err
        assert "policy.cedar:1" in err
    code, out, err = run("apply", str(wrong), "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "INVALID_CONFIGURATION")
    assert run("apply", str(tmp_path / "missing.yaml"))[0] == 1


def test_the_schema_of_the_policy_is_shown_while_the_policy_is_wrong(served, run, tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(served.configuration.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "policy.cedar").write_text("permit(principal", encoding="utf-8")
    code, out, _ = run("policy", "schema", "--config", str(wrong))
    assert code == 0
    assert 'action "CREATE_TASK" appliesTo' in out


def test_the_policy_is_shown_and_checked(served, run):
    configuration = str(served.configuration)
    assert 'action "CREATE_TASK" appliesTo' in run("policy", "schema", "--config", configuration)[1]
    assert (
        "title: String"
        in json.loads(run("policy", "schema", "--config", configuration, "--json")[1])["schema"]
    )
    checked = json.loads(run("policy", "check", "--config", configuration, "--json")[1])
    assert [one["id"] for one in checked["clauses"]] == ["tasks", "sure-enough"]


@pytest.mark.parametrize(
    "where", [(), ("--data",), ("--direct",)], ids=["server", "data directory", "direct"]
)
def test_keys_are_made_listed_and_ended(served, run, where):
    at = (*where, str(served.data)) if where == ("--data",) else where
    made = json.loads(
        run("key", "create", f"temporary{'-'.join(where)}", "--role", "agent", *at, "--json")[1]
    )
    with Clearance(served.said["url"], made["key"]) as temporary:
        assert temporary.whoami()["actor_id"] == made["name"]
    listed = {
        one["key_id"]: one for one in json.loads(run("key", "list", *at, "--json")[1])["items"]
    }
    assert listed[made["key_id"]]["revoked_at"] is None
    assert made["key"] not in run("key", "list", *at)[1]
    assert run("key", "revoke", made["key_id"], *at)[0] == 0
    assert run("key", "revoke", made["key_id"], *at)[0] == 1
    revoked = {
        one["key_id"]: one for one in json.loads(run("key", "list", *at, "--json")[1])["items"]
    }
    assert revoked[made["key_id"]]["revoked_at"] is not None


def test_a_tool_that_its_server_does_not_offer_is_an_obvious_problem(served, run):
    right = served.configuration.read_text(encoding="utf-8")
    served.configuration.write_text(
        right.replace("crm.create_task", "crm.create_tsk"), encoding="utf-8"
    )
    sentence = (
        "The catalog names crm.create_tsk, which the tool server crm does not offer; did you mean "
        "crm.create_task?"
    )
    code, out, _ = run("apply", str(served.configuration), "--yes")
    assert (code, "Applied " in out, sentence in out) == (1, True, True)
    code, out, _ = run("doctor")
    assert (code, sentence in out) == (1, True)
    served.configuration.write_text(right, encoding="utf-8")
    assert run("apply", str(served.configuration), "--yes")[0] == 0


def test_a_tool_server_that_cannot_start_is_named_wherever_it_is_missed(tmp_path):
    broken = "[sh, -c, 'echo there is no $CRM_DB >&2; exit 4']"
    served = start(
        tmp_path,
        configuration=CONFIGURATION.replace("[{python}, -m, clearance.demo.crm]", broken),
    )
    sentence = (
        "The tool server crm (sh -c 'echo there is no $CRM_DB >&2; exit 4') ended before it was "
        "ready with exit code 4: there is no ***"
    )
    [unreachable] = served.said["pins"]["unreachable"].values()
    assert unreachable in {sentence, f"{sentence}. It is started again in 1 second."}
    with served.client() as owner:
        owner.propose(**TASK, parameters={"title": "Once"}, action_intent_id="once")
        done = owner.wait("once", SECONDS_MAX)
    assert done["status"] == "CANCELLED"
    assert sentence in done["outcome"]["error"]["sentence"]
    secret = str(tmp_path / "crm.sqlite")
    assert secret not in json.dumps(done)
    for command, code in ((["apply", str(served.configuration)], 0), (["doctor"], 1)):
        ended = subprocess.run(
            [sys.executable, "-c", "from clearance.cli.main import main; main()", *command],
            env={**os.environ, "CRM_DB": secret, "CLEARANCE_DATA": str(served.data)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (ended.returncode, sentence in ended.stdout) == (code, True), ended.stdout
        assert secret not in ended.stdout + ended.stderr
    assert served.end() == 0
    assert served.process.stdout is not None
    served.process.stdout.close()


def test_the_doctor_finds_health_and_illness(served, run, tmp_path, monkeypatch):
    code, out, err = run("doctor", "--config", str(served.configuration), "--json")
    report = json.loads(out)
    assert (code, err, report["healthy"]) == (0, "", True)
    said = " ".join(one["sentence"] for one in report["checks"])
    assert "The tool server crm answers, and its tools are as they were pinned." in said
    assert "is the key of owner for northwind" in said
    monkeypatch.setenv("CLEARANCE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CLEARANCE_DATA", str(tmp_path))
    assert run("doctor")[0] == 0
    with closing(sqlite3.connect(tmp_path / "clearance.sqlite3")) as database:
        database.execute("CREATE TABLE t (x)")
    (tmp_path / "clearance.sqlite3").write_bytes(b"not a database" * 100)
    code, out, _ = run("doctor", "--config", str(tmp_path / "missing.yaml"), "--json")
    failures = {one["name"] for one in json.loads(out)["checks"] if one["status"] == "failure"}
    assert (code, failures) == (1, {"data", "configuration", "tenants"})


def test_one_data_directory_has_one_server_and_commands_need_it(served, run, tmp_path):
    code, out, err = run("serve", "--port", "0", "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "ALREADY_SERVED")
    assert (served.data / "serve.lock").stat().st_mode & 0o777 == 0o600
    port = served.said["url"].rpartition(":")[2]
    code, _, err = run("serve", "--port", port, "--data", str(tmp_path / "other"))
    assert (code, "ADDRESS_IN_USE" in err, "--port" in err) == (1, True, True)
    (tmp_path / "other" / "serve.lock").unlink()
    (tmp_path / "other").rmdir()
    code, _, err = run("key", "list", "--data", str(tmp_path))
    assert (code, "NO_DATA" in err) == (1, True)
    assert not list(tmp_path.iterdir())


def test_a_server_that_is_told_to_end_drains_and_its_clients_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr("clearance.client.time.sleep", lambda _: None)
    served = start(tmp_path)
    with served.client() as owner:
        stream = owner.events(after=0)
        assert [entry["position"] for entry in islice(stream, 2)] == [1, 2]
        owner.propose(**TASK, parameters={"title": "Last"}, action_intent_id="last")
        assert served.end() == 0
        with pytest.raises(ClearanceError, match="UNREACHABLE"):
            for _ in stream:
                pass
    assert not (tmp_path / "data" / "clearance.sqlite3-wal").exists()
    served.process.stdout.close()


def asked(url: str) -> tuple[int, dict[str, Any]]:
    with httpx2.Client(trust_env=False) as http:
        answer = http.get(url)
    return answer.status_code, answer.json()


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + SECONDS_MAX
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_server_that_drains_says_so_and_answers_on_for_as_long_as_it_was_told(tmp_path):
    served = start(tmp_path, "--linger", "3")
    ready = f"{served.said['url']}/readyz"
    with served.client() as owner:
        stream = owner.events(after=0)
        assert next(stream)["position"] == 1
        assert asked(ready) == (200, {"status": "ok"})
        began = time.monotonic()
        served.process.send_signal(signal.SIGTERM)
        until(lambda: asked(ready)[0] == 503)
        assert asked(ready) == (503, {"status": "draining"})
        assert asked(f"{served.said['url']}/healthz") == (200, {"status": "ok"})
        late = owner.propose(**TASK, parameters={"title": "Late"}, action_intent_id="late")
        assert late["decision"] == "AUTO_EXECUTE"
        until(lambda: owner.intent("late")["status"] == "SUCCEEDED")
        assert served.process.poll() is None
    assert (served.process.wait(SECONDS_MAX), time.monotonic() - began > 2.9) == (0, True)
    served.process.stdout.close()


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_the_second_signal_ends_at_once(tmp_path, second):
    served = start(tmp_path, "--linger", "600")
    served.process.send_signal(signal.SIGTERM)
    until(lambda: asked(f"{served.said['url']}/readyz")[0] == 503)
    served.process.send_signal(second)
    assert served.process.wait(2) == -second
    served.process.stdout.close()


def test_without_a_database_there_is_no_worker_and_nothing_to_migrate(run, monkeypatch):
    for command in (("worker",), ("migrate",)):
        code, out, err = run(*command, "--json")
        assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "NO_DATABASE")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "  ",
        "postgresql://:hunter2",
        "hunter2",
        "hunter2 host=x",
        "password='hunter2",
        "postgresql://me:hunter2/x@db/clearance",
        "postgresql://me:x@hunter2@db/clearance",
        "postgresql://me:1/hunter2@db/c",
    ],
)
def test_a_database_that_has_no_address_is_not_taken_for_a_data_directory(run, monkeypatch, url):
    monkeypatch.setenv("CLEARANCE_DATABASE_URL", url)
    for command in (
        ("serve",),
        ("worker",),
        ("migrate",),
        ("key", "list", "--direct"),
        ("stop", "--everything", "--list"),
    ):
        code, out, err = run(*command, "--json")
        assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "INVALID_DATABASE_URL"), url
        assert "hunter2" not in err


def test_without_the_extra_it_says_what_to_install(run, monkeypatch):
    monkeypatch.setenv("CLEARANCE_DATABASE_URL", "postgresql:///clearance")
    monkeypatch.setitem(sys.modules, "psycopg_pool", None)
    code, out, err = run("migrate")
    assert (code, out) == (1, "")
    assert "pip install 'clearance[postgres]'. (POSTGRES_NOT_INSTALLED)" in err


def test_a_named_data_directory_goes_before_the_database(served, run, monkeypatch):
    monkeypatch.setenv("CLEARANCE_DATABASE_URL", "postgresql:///nowhere?host=/nowhere")
    assert run("key", "list", "--data", str(served.data))[0] == 0
    assert (
        run("apply", str(served.configuration), "--data", str(served.data))[1]
        == "Nothing to change.\n"
    )
    code, _, err = run("key", "list", "--direct", "--json")
    assert (code, json.loads(err)["error"]["code"]) == (3, "DATABASE_UNREACHABLE")
    assert run("key", "list")[0] == 0


def test_a_server_with_few_files_answers_beside_idle_connections(tmp_path: Path) -> None:
    """In a process of its own, as a machine starts it: a low soft limit of open files, and a hard
    one that is lower than the clients that come.
    """
    soft, hard = 128, 512
    limit = f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))"
    served = start(tmp_path, first=limit)
    idle: list[socket.socket] = []
    try:
        limits = Path(f"/proc/{served.process.pid}/limits")
        if limits.exists():
            [line] = [each for each in limits.read_text().splitlines() if "open files" in each]
            assert line.split()[3:5] == [str(hard), str(hard)]
        address = ("127.0.0.1", int(served.said["url"].rpartition(":")[2]))
        for number in range(hard + 100):
            client = socket.socket()
            idle.append(client)
            client.bind((f"127.0.0.{number % 200 + 2}", 0))
            client.connect(address)
        with served.client() as owner:
            assert owner.whoami()["actor_id"] == "owner"
            assert owner.status()["tenant_id"]
        assert sum(_is_over(client) for client in idle) >= 100
    finally:
        for client in idle:
            client.close()
        assert served.end() == 0
        assert served.process.stdout is not None
        served.process.stdout.close()


def _is_over(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
