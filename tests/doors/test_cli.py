"""The command line against a scripted server: what it prints for people and programs, and how it
ends.
"""

import json
import re
import subprocess
import sys
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from clearance.cli import main as cli
from clearance.cli import serve
from clearance.cli.output import clean
from clearance.flow.requests import PinReport
from clearance.running.server import Announcement

from .cli_reference import PAGE, reference

KEY = "clr_never-to-be-seen-again"
HOSTILE = (
    "\x1b]0;owned\x07\x1b[2J[bold red]act[/bold red] \u202egnp.exe\x9b31m\r\nrm "
    "-rf\u2028\u200b\ud800 :boom:"
)

INTENT = {
    "action_intent_id": "i1",
    "tenant_id": "northwind",
    "account_id": "acme",
    "action_type": "SEND_EMAIL",
    "status": "AWAITING_APPROVAL",
    "sentence": f"crawler wants to {HOSTILE}",
    "decision": "REQUIRE_APPROVAL",
    "reason": "MODE",
    "explanation": HOSTILE,
    "policy_version": "sha256:1",
    "policy_clause": ["small"],
    "approval_source": None,
    "auto_executed": False,
    "proposed_by": HOSTILE,
    "parameters": {HOSTILE: [HOSTILE, 1, None]},
    "target": {"to": HOSTILE},
    "confidence_score": 0.9,
    "risk_level": "LOW",
    "why": [HOSTILE, "because"],
    "changed_at": "2026-11-23T06:00:00.000Z",
    "approval": {"approval_id": "i1.1", "state": "OPEN", "ruling": None},
    "outcome": {
        "status": "FAILED",
        "sentence": HOSTILE,
        "result": HOSTILE,
        "error": {"sentence": HOSTILE},
    },
}
FINDING = {
    "check": "mode",
    "answer": "REQUIRE_APPROVAL",
    "code": "MODE",
    "sentence": HOSTILE,
    "inputs": {},
}
EXPLANATION = {
    **{
        name: INTENT[name]
        for name in ("action_intent_id", "sentence", "decision", "reason", "explanation")
    },
    "findings": [FINDING],
    "current": False,
    "nearest_changes": [{"sentence": HOSTILE, "decision": "AUTO_EXECUTE"}],
}
TOLD = {
    **{
        name: INTENT[name]
        for name in (
            "action_intent_id",
            "account_id",
            "action_type",
            "sentence",
            "status",
            "reason",
        )
    },
    "position": 7,
    "at": "2026-11-23T06:00:00.000Z",
    "auto_executed": False,
    "approval_source": "HUMAN",
    "approved_by": HOSTILE,
}
ASKED = {
    **{
        name: INTENT[name]
        for name in ("action_intent_id", "sentence", "parameters", "target", "why", "risk_level")
    },
    "approval_id": "i1.1",
    "explanation": HOSTILE,
    "digest": "sha256:2",
    "expires_at": "2026-11-26T06:00:00.000Z",
    "differences": [HOSTILE],
    "undo": True,
    "tool": HOSTILE,
    "effect": "keyed",
}
ENTRY = {
    "position": 7,
    "kind": "ACTION_BLOCKED",
    "at": "2026-11-23T06:00:00.000Z",
    "actor": {"id": HOSTILE, "kind": "AGENT"},
    "action_intent_id": HOSTILE,
}
SWITCH = {"scope": "AGENT", "subject": HOSTILE, "level": "HOLD", "reason": HOSTILE}
IN_FORCE = {
    **SWITCH,
    "set_by": HOSTILE,
    "set_at": "2026-11-30T14:50:28.000Z",
    "lifted_by": "APPROVER",
}
RECEIPT = {
    "switch": IN_FORCE,
    "on": True,
    "stop": 12,
    "known": False,
    "near": [HOSTILE],
    "waiting": 1_300,
    "approved": 1,
    "under_way": 30,
    "calls": [
        {
            "action_intent_id": f"i{number}",
            "attempt": 1,
            "tool": None if number else HOSTILE,
            "since": "2026-11-30T14:50:28.000Z",
            "deadline": HOSTILE,
            "tenant_id": "acme",
        }
        for number in range(12)
    ],
    "done": {"SUCCEEDED": 2, "FAILED": 0},
    "starts": 1,
    "at": "2026-11-30T14:50:31.000Z",
    "recorded": 13,
    "closed": False,
}
CHANGED = {"stop_switches": [SWITCH], "version": 4, "starts": 0, "receipt_problem": None}
API_KEY = {
    "key_id": "k1",
    "name": HOSTILE,
    "role": "agent",
    "created_at": "2026-11-23T06:00:00.000Z",
    "revoked_at": None,
}
WHO = {
    "tenant_id": HOSTILE,
    "actor_id": HOSTILE,
    "kind": "AGENT",
    "permissions": ["propose", HOSTILE],
}


def page(*items: object) -> dict[str, Any]:
    return {"items": list(items), "next_cursor": None}


USAGE = {
    "counters": [
        {
            "subject": {"agent": HOSTILE},
            "window": "2026-11-30",
            "zone": "UTC",
            "sentence": f"agent {HOSTILE} for 2026-11-30",
            "buckets": [
                {"bucket": "actions", "used": 12, "limit": 30, "shown": "12 of 30 actions"},
                {"bucket": "reads", "used": 3, "limit": None, "shown": "3 reads"},
            ],
        }
    ]
}
ACTION = {
    "action_type": "SEND_EMAIL",
    "label": HOSTILE,
    "description": HOSTILE,
    "parameters": {"type": "object", "title": HOSTILE},
    "account": None,
}
ANSWERS: dict[str, Any] = {
    "GET /v1/actions": page(ACTION),
    "POST /v1/intents": INTENT,
    "GET /v1/intents/i1": INTENT,
    "GET /v1/intents/i1/explanation": EXPLANATION,
    "POST /v1/intents/i1/cancellation": INTENT,
    "POST /v1/intents/i1/reconciliation": INTENT,
    "GET /v1/approvals": page(ASKED),
    "POST /v1/approvals/i1.1/rulings": {**INTENT, "new_intent": None},
    "GET /v1/timeline": page(TOLD),
    "GET /v1/ledger/entries": lambda path: page() if "after=7" in path else page(ENTRY),
    "GET /v1/autonomy/stop-switches": {"stop_switches": [SWITCH], "version": 3},
    "PUT /v1/autonomy/stop-switches": {**CHANGED, "receipts": [RECEIPT]},
    "GET /v1/stop-receipts": {"items": [RECEIPT]},
    "GET /v1/stop-receipts/preview": RECEIPT,
    "GET /v1/autonomy/usage": USAGE,
    "GET /v1/whoami": WHO,
    "GET /v1/status": {
        "intents": {"AWAITING_APPROVAL": 1},
        "ledger_size": 1,
        "stop_switches": [{**IN_FORCE, "scope": "GLOBAL", "subject": None}, IN_FORCE],
    },
    "GET /v1/api-keys": page(API_KEY),
    "POST /v1/api-keys": {**API_KEY, "key": "clr_new"},
    "DELETE /v1/api-keys/k1": None,
}
PROPOSE = (
    "propose",
    "--account",
    "acme",
    "--action-type",
    "SEND_EMAIL",
    "--confidence",
    "0.9",
    "--risk",
    "LOW",
)
COMMANDS: list[tuple[str, ...]] = [
    (*PROPOSE, "--parameters", '{"to": "a"}', "--why", "because", "--target", '"x"', "--id", "i1"),
    ("actions",),
    ("show", "i1"),
    ("explain", "i1"),
    ("cancel", "i1", "--reason", "no"),
    ("inbox",),
    ("approve", "i1.1"),
    ("approve", "i1", "--digest", "sha256:2"),
    ("reject", "i1", "--reason", "no"),
    ("reconcile", "i1", "--status", "failed", "--reason", "seen"),
    ("stop", "--reason", "incident"),
    ("stop", "--agent", "crawler", "--level", "refuse", "--reason", "incident"),
    ("stop", "--list"),
    ("stop", "--lift", "--agent", HOSTILE),
    ("timeline", "--status", "FAILED", "--autopilot"),
    ("ledger", "--after", "3"),
    ("usage", "--agent", "crawler", "--account", "acme"),
    ("whoami",),
    ("key", "create", "ci", "--role", "agent"),
    ("key", "list"),
    ("key", "revoke", "k1"),
]


class Server:
    """A server that gives the answers of a table, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers = dict(ANSWERS)
        self.asked: list[tuple[str, str, Any]] = []
        self.streams = ""
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _handler(server) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - two selves
        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = self.path.partition("?")[0]
                server.asked.append(
                    (f"{self.command} {path}", self.path, json.loads(body) if body else None)
                )
                if path == "/v1/events":
                    return self._send(200, "text/event-stream", server.streams.encode())
                value = server.answers.get(
                    f"{self.command} {path}",
                    {"code": "NOT_FOUND", "detail": HOSTILE, "status": 404},
                )
                value = value(self.path) if callable(value) else value
                status = value.get("status") if value and "code" in value else 200
                return self._send(
                    status, "application/json", json.dumps(value).encode() if value else b"{}"
                )

            def _send(self, status: int, media_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the names of http.server

            def log_message(self, *_: object) -> None:
                pass

        return Handler


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    monkeypatch.setenv("CLEARANCE_URL", server.url)
    monkeypatch.setenv("CLEARANCE_API_KEY", KEY)
    yield server
    server.close()


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process: exit code, standard output, standard error.

    The key is in neither of them.
    """

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["clearance", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        assert KEY not in out + err
        return int(ended.value.code or 0), out, err

    return run


def unsafe(text: str) -> set[str]:
    """The characters in a text that a terminal would not just show."""
    return {
        one
        for one in text
        if one != "\n" and (unicodedata.category(one)[0] == "C" or one in "\u2028\u2029")
    }


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_every_command_prints_one_document_or_harmless_lines(server, run, command):
    code, out, err = run(*command, "--json")
    json.loads(out)
    assert (code, err, out.isascii()) == (0, "", True)
    code, out, err = run(*command)
    assert (code, err) == (0, "")
    assert out.strip()
    assert unsafe(out) == set()


def test_text_of_agents_is_shown_as_it_is_and_does_nothing(server, run):
    _, out, _ = run("show", "i1")
    said = "⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+001B⟩[2J[bold red]act[/bold red] ⟨U+202E⟩gnp.exe⟨U+009B⟩31m"
    assert f"crawler wants to {said}⟨U+000D⟩↵rm -rf⟨U+2028⟩⟨U+200B⟩⟨U+D800⟩ :boom:" in out
    assert clean("é 日本 🚀") == "é 日本 🚀"


@pytest.mark.parametrize("command", [("inbox",), ("show", "i1"), ("explain", "i1")])
def test_what_a_person_approves_is_shown_to_its_end(server, run, command):
    """With who set it, and the amount as people read it; a value cannot imitate the mark."""
    command_text = "x" * 20_000 + " && rm -rf /"
    called = {
        "parameters": {"command": command_text, "cents": 34900, "note": '"  (default)'},
        "arguments": {
            "command": command_text,
            "cents": 34900,
            "note": '"  (default)',
            "bcc": "archive@example.com",
            "limit": 20,
        },
        "arguments_set_by": {"bcc": "catalog", "limit": "default"},
        "amounts": {"cents": "349.00 EUR"},
        "action_label": "Run a command",
    }
    for name, answer in (("intents/i1", INTENT), ("intents/i1/explanation", EXPLANATION)):
        server.answers[f"GET /v1/{name}"] = answer | called
    server.answers["GET /v1/approvals"] = page(ASKED | called)
    out = run(*command)[1]
    lines = [line.strip() for line in out.splitlines()]
    assert f'command  "{command_text}"' in lines
    assert "cents    349.00 EUR  (sent as 34900)" in lines
    assert 'note     "\\"  (default)"' in lines
    assert 'bcc      "archive@example.com"  (from the catalog)' in lines
    assert "limit    20  (default)" in lines
    server.answers["GET /v1/approvals"] = page(ASKED | called | {"arguments": None})
    if command == ("inbox",):
        out = run(*command)[1]
        assert "parameters as proposed (the catalog" in out
        assert "archive@example.com" not in out


def test_a_failed_request_says_why_without_obeying_it(server, run):
    code, out, err = run("show", "nothing")
    assert (code, out) == (1, "")
    assert "[bold red]act[/bold red]" in err
    assert unsafe(err) == set()
    code, out, err = run("show", "nothing", "--json")
    assert (code, out, err.isascii()) == (1, "", True)
    assert json.loads(err)["error"] == {"code": "NOT_FOUND", "sentence": HOSTILE}


def test_a_proposal_says_each_field_and_ends_as_it_stands(server, run):
    run(
        *PROPOSE,
        "--parameters",
        '{"to": "a"}',
        "--why",
        "one",
        "--why",
        "two",
        "--expires-at",
        "2026-11-23T06:00:00Z",
    )
    said = server.asked[-1][2]
    assert len(said.pop("action_intent_id")) == 32
    assert said == {
        "account_id": "acme",
        "action_type": "SEND_EMAIL",
        "confidence_score": 0.9,
        "risk_level": "LOW",
        "parameters": {"to": "a"},
        "why": ["one", "two"],
        "expires_at": "2026-11-23T06:00:00Z",
    }
    for status, expected in (
        ("BLOCKED", 1),
        ("FAILED", 1),
        ("UNKNOWN", 1),
        ("APPROVED", 0),
        ("SUCCEEDED", 0),
    ):
        server.answers["POST /v1/intents"] = {**INTENT, "status": status}
        code, out, _ = run(*PROPOSE, "--json")
        assert (code, json.loads(out)["status"]) == (expected, status)


def test_a_proposal_waits_for_its_outcome(server, run):
    server.answers["POST /v1/intents"] = {**INTENT, "status": "APPROVED"}
    server.answers["GET /v1/intents/i1"] = {**INTENT, "status": "SUCCEEDED"}
    assert json.loads(run(*PROPOSE, "--wait", "5", "--json")[1])["status"] == "SUCCEEDED"


def test_parameters_come_from_a_file_or_standard_input(server, run, tmp_path, monkeypatch):
    file = tmp_path / "parameters.json"
    file.write_text('{"to": "ü"}', encoding="utf-8")
    run(*PROPOSE, "--parameters", f"@{file}")
    assert server.asked[-1][2]["parameters"] == {"to": "ü"}
    server.answers["POST /v1/approvals/i1.1/rulings"] = {
        **INTENT,
        "new_intent": {**INTENT, "status": "BLOCKED"},
    }
    code, out, _ = run("edit", "i1.1", "--parameters", f"@{file}")
    assert server.asked[-1][2] == {"ruling": "edit", "parameters": {"to": "ü"}}
    assert (code, "BLOCKED" in out) == (1, True)


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("fly",),
        ("show",),
        (*PROPOSE, "--parameters", "{"),
        (*PROPOSE, "--parameters", "[1]"),
        (*PROPOSE, "--parameters", "@/no/such/file"),
        ("stop",),
        ("stop", "--reason", " "),
        ("stop", "--agent", "a", "--account", "b", "--reason", "x"),
        ("stop", "--agent", "a", "--everything", "--reason", "x"),
        ("stop", "--everything", "--reason", "x", "--lifted-by", "owner"),
        ("reject", "i1"),
        ("timeline", "--status", "DONE"),
        ("key", "create", "ci", "--role", "king"),
    ],
    ids=" ".join,
)
def test_what_is_not_understood_asks_nobody(server, run, command):
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert err.strip()
    code, out, err = run(*command, "--json")
    assert (code, out, server.asked) == (2, "", [])
    assert json.loads(err)["error"]["code"] == "USAGE"


def test_without_an_answer_it_says_so_and_does_not_pretend(run, monkeypatch):
    monkeypatch.setattr("clearance.client.time.sleep", lambda _: None)
    monkeypatch.setenv("CLEARANCE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CLEARANCE_API_KEY", KEY)
    code, out, err = run("whoami", "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (3, "", "UNREACHABLE")
    code, out, err = run(*PROPOSE, "--id", "mine")
    assert (code, out) == (3, "")
    assert "cannot be reached at http://127.0.0.1:9;" in err
    assert "repeat with --id mine" in err
    monkeypatch.delenv("CLEARANCE_API_KEY")
    code, out, err = run("whoami", "--json")
    assert (code, out, json.loads(err)["error"]["code"]) == (1, "", "NO_API_KEY")


@pytest.mark.parametrize(
    ("options", "scope", "subject"),
    [
        ((), "TENANT", None),
        (("--account", "acme"), "ACCOUNT", "acme"),
        (("--action-type", "SEND_EMAIL"), "ACTION_TYPE", "SEND_EMAIL"),
        (("--tool-server", "crm"), "TOOL_SERVER", "crm"),
        (("--agent", "crawler"), "AGENT", "crawler"),
    ],
)
def test_a_stop_covers_what_was_named(server, run, options, scope, subject):
    server.answers["GET /v1/autonomy/stop-switches"] = {"stop_switches": [], "version": 3}
    run("stop", *options, "--reason", "incident")
    switch = {"scope": scope, "subject": subject, "level": "HOLD", "reason": "incident"}
    put, preview = server.asked[-2:]
    assert put[2] == {"stop_switches": [switch]}
    # The receipt in the answer was about another switch, so that of this one is asked for.
    assert preview[0] == "GET /v1/stop-receipts/preview"
    assert f"scope={scope}" in preview[1]
    run("stop", *options, "--reason", "incident", "--lifted-by", "owner")
    assert server.asked[-2][2] == {"stop_switches": [{**switch, "lifted_by": "OWNER"}]}
    server.answers["GET /v1/autonomy/stop-switches"] = {
        "stop_switches": [switch, SWITCH],
        "version": 4,
    }
    run("stop", *options, "--lift")
    assert server.asked[-1][2] == {"stop_switches": [SWITCH]}


def crawler(**changes):
    """The receipt of a stop of the agent crawler."""
    switch = {"subject": "crawler", "reason": "incident", "set_by": "owner", "set_at": None}
    return {**RECEIPT, "switch": {**IN_FORCE, **switch}, "near": [], **changes}


def stopped_with(server, *receipts, **answer):
    switches = [receipt["switch"] for receipt in receipts]
    server.answers["GET /v1/autonomy/stop-switches"] = {"stop_switches": [], "version": 3}
    changed = {**CHANGED, "stop_switches": switches, "receipts": list(receipts), **answer}
    server.answers["PUT /v1/autonomy/stop-switches"] = changed


STOP = ("stop", "--agent", "crawler", "--reason", "incident")


def test_a_stop_says_what_it_holds_and_what_goes_on(server, run):
    call = {**RECEIPT["calls"][0], "tool": "crm.send", "deadline": "2026-11-30T14:51:20.000Z"}
    receipt = crawler(known=True, under_way=12, calls=[call] * 12, starts=1)
    stopped_with(server, receipt)
    out = run(*STOP)[1]
    assert out.startswith("The agent crawler is held: incident\n")
    assert "Nothing has this name" not in out
    assert "held       1 act approved, 1,300 waiting for a person".replace("       ", "  ") in out
    assert "12 calls that go on to the end:" in out
    assert out.count("crm.send") == 10
    assert "  and 2 more\n" in out
    assert "in the last 24 hours: 2 SUCCEEDED\n" in out
    assert "by an owner or approver, starts 1 act at once" in out
    assert "entry 13 of the ledger\n" in out
    stopped_with(server, crawler(under_way=0, calls=[], closed=True, starts=0))
    out = run(*STOP)[1]
    assert "under way  no call\n" in out
    assert "starts nothing at once" in out
    assert "every call under way at the stop has ended" in out


def test_a_stop_of_nobody_says_so_and_which_names_are_near(server, run):
    stopped_with(server, crawler(near=["crawler-1", "crawler-2"]))
    code, out, _ = run(*STOP)
    assert code == 0
    assert "Nothing has this name now. Did you mean crawler-1 or crawler-2?\n" in out


def test_a_stop_without_its_receipt_is_a_stop(server, run):
    problem = {"code": "RECEIPT_NOT_NOW", "sentence": "It could not be counted."}
    stopped_with(server, receipt_problem=problem, stop_switches=[SWITCH])
    server.answers["GET /v1/stop-receipts/preview"] = {
        "code": "FAULT",
        "detail": "x",
        "status": 500,
    }
    code, out, err = run(*STOP)
    assert (code, err) == (0, "")
    assert "The stop is on, but what it holds could not be counted: It could not be counted." in out
    server.answers["GET /v1/stop-receipts"] = {"code": "FAULT", "detail": "No.", "status": 500}
    server.answers["GET /v1/autonomy/stop-switches"] = {"stop_switches": [SWITCH], "version": 3}
    code, out, _ = run("stop", "--list")
    assert code == 0
    assert "HOLD  AGENT" in out
    assert "What the stops hold could not be counted: No." in out


@pytest.mark.parametrize(
    ("starts", "said"),
    [
        (0, "Lifted. No approved act was held by it alone."),
        (1, "Lifted. 1 approved act starts now."),
        (1_200, "Lifted. 1,200 approved acts start now."),
        (None, "Lifted. The acts that start now could not be counted: No."),
    ],
)
def test_a_lift_says_how_many_acts_start(server, run, starts, said):
    problem = {"code": "RECEIPT_NOT_NOW", "sentence": "No."} if starts is None else None
    stopped_with(server, starts=starts, receipt_problem=problem)
    server.answers["GET /v1/autonomy/stop-switches"] = {
        "stop_switches": [{**SWITCH, "subject": "crawler"}],
        "version": 3,
    }
    assert run("stop", "--agent", "crawler", "--lift")[1] == f"{said}\nNo stop switch is on.\n"


def test_a_lift_of_what_is_not_on_says_what_is(server, run):
    switches = [{**SWITCH, "scope": "ACCOUNT", "subject": "globex"}, {**SWITCH, "subject": "bob"}]
    server.answers["GET /v1/autonomy/stop-switches"] = {"stop_switches": switches, "version": 3}
    server.answers["GET /v1/status"] = {"stop_switches": switches}
    code, _, err = run("stop", "--account", "glbex", "--lift")
    assert code == 1
    assert "No stop switch is on for the account glbex. Did you mean globex? " in err
    assert "On are: the account globex, the agent bob." in err
    assert "operator" not in err
    server.answers["GET /v1/autonomy/stop-switches"] = {"stop_switches": [], "version": 3}
    server.answers["GET /v1/status"] = {"stop_switches": [{**IN_FORCE, "scope": "GLOBAL"}]}
    code, _, err = run("stop", "--lift")
    assert code == 1
    assert "No stop switch is on for the whole tenant. Every tenant is stopped by" in err
    assert "clearance stop --everything --lift" in err
    out = run("stop", "--list")[1]
    assert "Every tenant" in out
    assert "2026-11-30 14:50:28 UTC" in out
    assert "clearance stop --everything --lift" in out


def test_an_agent_that_stops_lacks_the_permission_to_stop(server, run):
    problem = {"code": "FORBIDDEN", "detail": "This needs the permission 'read'.", "status": 403}
    server.answers["GET /v1/autonomy/stop-switches"] = problem
    for command in (("--reason", "x"), ("--lift",)):
        code, _, err = run("stop", *command)
        assert (code, "'stop'" in err, "'read'" in err) == (1, True, False)
    server.answers["GET /v1/whoami"] = {**WHO, "permissions": ["stop"]}
    assert "'read'" in run("stop", "--reason", "x")[2]


def test_a_key_that_is_not_valid_is_named_by_its_variable(server, run):
    problem = {"code": "UNAUTHENTICATED", "detail": "No valid credential came.", "status": 401}
    server.answers["GET /v1/whoami"] = problem
    code, _, err = run("whoami")
    assert (code, err) == (
        1,
        "The key in CLEARANCE_API_KEY is not valid at this server. (UNAUTHENTICATED)\n",
    )


def test_usage_is_a_line_for_each_counter(server, run):
    assert run("usage", "--agent", "crawler")[1].endswith(
        "for 2026-11-30  12 of 30 actions, 3 reads\n"
    )
    assert server.asked[-1][1] == "/v1/autonomy/usage?agent=crawler"


def test_an_inbox_needs_only_who_may_rule(server, run):
    assert "1 action waits for a person." in run("inbox")[1]
    server.answers["GET /v1/whoami"] = {**WHO, "permissions": ["read", "rule"]}
    assert "1 action needs you." in run("inbox")[1]


def test_a_count_is_a_total_or_says_that_it_is_none(server, run):
    """1,500 of each wait, and a page of them is shown."""

    def listed(path: str) -> dict[str, Any]:
        limit = int(re.search(r"limit=(\d+)", path)[1])
        first = int(
            (re.search(r"cursor=c(\d+)", path) or re.search(r"after=(\d+)", path) or "00")[1]
        )
        items = [{"position": first + n + 1} for n in range(min(limit, 1_500 - first))]
        more = f"c{first + limit}" if len(items) == limit else None
        return {"items": items, "next_cursor": more}

    server.answers["GET /v1/approvals"] = listed
    server.answers["GET /v1/timeline"] = listed
    server.answers["GET /v1/ledger/entries"] = listed
    server.answers["GET /v1/status"] = {
        "intents": {"AWAITING_APPROVAL": 1_500},
        "ledger_size": 1_500,
    }
    out = run("inbox")[1]
    assert "50 of 1,500 actions wait for a person." in out
    assert "There are more. Read on with --cursor c50." in out
    assert "These are 50, and there are more. Read on with --cursor c50." in run("timeline")[1]
    assert "These are 50 of 1,500 entries. Read on with --after 50." in run("ledger")[1]
    answer = json.loads(run("inbox", "--limit", "600", "--cursor", "c50", "--json")[1])
    assert (len(answer["items"]), answer["more"], answer["total"]) == (600, True, 1_500)
    assert answer["next_cursor"] == "c650"
    for command in ("inbox", "timeline", "ledger"):
        out = run(command, "--limit", "1500")[1]
        assert "Read on" not in out
        answer = json.loads(run(command, "--limit", "1500", "--json")[1])
        assert (len(answer["items"]), answer["more"], answer["next_cursor"]) == (1_500, False, None)


def test_a_rule_is_named_only_where_it_gave_the_reason(server, run):
    answered = {**FINDING, "check": "policy", "code": "TASKS_ALLOWED"}
    server.answers["GET /v1/intents/i1"] = {**INTENT, "findings": [answered, FINDING]}
    assert "policy clause" not in run("show", "i1")[1]
    server.answers["GET /v1/intents/i1"] = {**INTENT, "findings": [{**answered, "code": "MODE"}]}
    assert re.search(r"policy clause +small", run("show", "i1")[1])


def test_one_problem_of_a_configuration_is_said_once(run, tmp_path):
    file = tmp_path / "clearance.yaml"
    file.write_text("version: 2\ntenant: acme\n", encoding="utf-8")
    code, out, err = run("policy", "check", "--config", str(file))
    assert (code, out) == (1, "")
    assert err == f"{file}:1: version: must be 1 (INVALID_CONFIGURATION)\n"


def test_the_timeline_goes_on_with_each_step_once(server, run):
    events = [
        {**ENTRY, "action_intent_id": name, "account_id": "acme"}
        for name in ("i1", "i2", "i2", "i3")
    ]
    events[3] = {**events[3], "account_id": "other"}
    server.streams = "".join(
        f"id: {8 + n}\ndata: {json.dumps(one)}\n\n" for n, one in enumerate(events)
    )
    server.answers["GET /v1/intents/i2"] = {
        **INTENT,
        "action_intent_id": "i2",
        "status": "SUCCEEDED",
    }
    server.answers["GET /v1/timeline"] = page({**TOLD, "status": "AWAITING_APPROVAL"})
    code, out, err = _until_the_stream_is_refused(
        server, run, "timeline", "--follow", "--account", "acme", "--json"
    )
    lines = [json.loads(line) for line in out.splitlines()]
    assert [(one["action_intent_id"], one["status"]) for one in lines] == [
        ("i1", "AWAITING_APPROVAL"),
        ("i2", "SUCCEEDED"),
    ]
    assert (code, json.loads(err)["error"]["code"]) == (1, "NOT_FOUND")


def _until_the_stream_is_refused(server: Server, run: Run, *command: str) -> tuple[int, str, str]:
    """Follows until the second time that an intent which is not there is asked for."""
    server.streams += (
        f"id: 99\ndata: "
        f"{json.dumps({**ENTRY, 'action_intent_id': 'gone', 'account_id': 'acme'})}\n\n"
    )
    return run(*command)


def test_colour_is_ours_alone_and_can_be_turned_off(server, run, monkeypatch):
    assert "\x1b" not in run("timeline")[1]
    monkeypatch.setenv("FORCE_COLOR", "1")
    for command in COMMANDS:
        _, out, _ = run(*command)
        assert unsafe(re.sub(r"\x1b\[[0-9;]*m", "", out)) == set()
        assert "\x1b[31mrm" not in out
    assert "\x1b[" in run("timeline")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", run("timeline")[1])


def test_a_server_says_where_its_first_key_is_first_and_counts_what_it_pinned(capsys):
    tools = [f"notes.tool_{number}" for number in range(57)]
    pins = PinReport(
        tuple(tools), ("notes.other",), {"notes.gone": "It is gone."}, {"git": "Away."}
    )
    changes = tuple(f"catalog.TOOL_{number} is new." for number in range(120))
    announcement = Announcement(
        "http://127.0.0.1:8600", "workshop", ".clearance/owner.key", changes, pins, weak_key=False
    )
    serve._announce(announcement, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "The owner's API key is in .clearance/owner.key, for you alone.",
        "Clearance listens on http://127.0.0.1:8600 for workshop.",
    ]
    assert lines[2:13] == [f"Changed: {change}" for change in changes[:10]] + ["Changed: 110 more."]
    assert lines[13] == "Pinned the schemas of 57 tools."
    assert [("notes.other" in line, "gone" in line, "Away" in line) for line in lines[14:]] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    serve._announce(announcement, as_json=True)
    whole = json.loads(capsys.readouterr().out)
    assert (whole["changes"], whole["pins"]["pinned"]) == (list(changes), tools)


def test_help_comes_at_once():
    started = time.perf_counter()
    ended = subprocess.run(
        [sys.executable, "-m", "clearance.cli.main", "--help"], capture_output=True, check=False
    )
    assert ended.returncode == 0
    loaded = "import sys, clearance.cli.main; print(*{m.partition('.')[0] for m in sys.modules})"
    modules = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"httpx2", "fastapi", "pydantic", "rich", "mcp", "cedarpy", "uvicorn"} & set(modules)
    assert time.perf_counter() - started < 5  # two starts on a busy machine; what is loaded decides


def test_the_reference_is_what_the_commands_say():
    assert PAGE.read_text(encoding="utf-8") == reference(), (
        "run: python tests/doors/cli_reference.py"
    )
