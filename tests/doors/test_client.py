"""The Python client against a scripted server: what it sends, what it repeats, and that it never
makes an answer up.
"""

import asyncio
import json
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from typing import Any

import httpx2
import pytest

from clearance import client
from clearance.client import AsyncClearance, Clearance, ClearanceError, ClearanceUnavailable
from clearance.client.stops import STOP_TRIES_MAX
from clearance.client.wire import (
    RECONNECTS_MAX,
    SAFE_TO_REPEAT,
    TRIES_MAX,
    UNSAFE_TO_REPEAT,
)

KEY = "clr_never-to-be-seen-again"
INTENT = {
    "account_id": "acme",
    "action_type": "SEND_EMAIL",
    "confidence_score": 0.9,
    "risk_level": "LOW",
}

Script = Callable[[httpx2.Request], httpx2.Response]


class Asked:
    """One of the two clients behind one face: `ask` for answers, `listed` for items; and what it
    sent and waited.
    """

    def __init__(self, kind: str, script: Script, pauses: list[float]) -> None:
        self.requests: list[httpx2.Request] = []
        self.pauses = pauses

        def answer(request: httpx2.Request) -> httpx2.Response:
            self.requests.append(request)
            return script(request)

        made = {"blocking": Clearance, "asyncio": AsyncClearance}[kind]
        self.client: Any = made(api_key=KEY, transport=httpx2.MockTransport(answer))

    def ask(self, verb: str, *args: object, **kwargs: object) -> Any:
        answer = getattr(self.client, verb)(*args, **kwargs)
        return asyncio.run(answer) if asyncio.iscoroutine(answer) else answer

    def listed(
        self, verb: str, *args: object, count: int | None = None, **kwargs: object
    ) -> list[Any]:
        items = getattr(self.client, verb)(*args, **kwargs)
        return (
            list(islice(items, count))
            if isinstance(items, Iterator)
            else asyncio.run(_collect(items, count))
        )


async def _collect(items: AsyncIterator[Any], count: int | None) -> list[Any]:
    collected: list[Any] = []
    async for item in items:
        collected.append(item)
        if len(collected) == count:
            break
    return collected


@pytest.fixture(params=["blocking", "asyncio"])
def asked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Script], Asked]:
    """Makes a client over a scripted server; its pauses are written down and not waited."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(client.time, "sleep", pauses.append)
    monkeypatch.setattr(client.asyncio, "sleep", sleep)
    return lambda script: Asked(request.param, script, pauses)


def answers(*replies: httpx2.Response | Exception) -> Script:
    """A server that gives these replies in turn, the last one for ever."""
    left = list(replies)

    def script(_: httpx2.Request) -> httpx2.Response:
        reply = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(reply, Exception):
            raise reply
        if isinstance(reply.stream, Broken):
            return reply
        return httpx2.Response(reply.status_code, headers=reply.headers, content=reply.content)

    return script


def ok(**fields: object) -> httpx2.Response:
    return httpx2.Response(200, json=fields)


def problem(status: int, code: str, **more: object) -> httpx2.Response:
    body = {
        "type": "about:blank",
        "status": status,
        "title": "No",
        "detail": "It is not so.",
        "code": code,
        **more,
    }
    return httpx2.Response(status, json=body, headers={"content-type": "application/problem+json"})


def test_a_proposal_is_repeated_with_the_same_bytes_until_an_answer_comes(asked):
    it = asked(
        answers(httpx2.ReadTimeout("slow"), problem(503, "UNAVAILABLE"), ok(status="APPROVED"))
    )
    assert it.ask("propose", **INTENT)["status"] == "APPROVED"
    first, *repeats = [request.content for request in it.requests]
    assert repeats == [first, first]
    assert len(json.loads(first)["action_intent_id"]) == 32
    assert it.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_two_proposals_are_two_intents_and_what_is_said_is_sent(asked):
    it = asked(answers(ok()))
    moment = datetime(2026, 11, 23, 6, tzinfo=UTC)
    it.ask(
        "propose",
        **INTENT,
        why="because",
        target={"id": 1},
        expires_at=moment,
        parameters={"to": "é"},
    )
    it.ask("propose", **INTENT, action_intent_id="mine")
    first, second = (json.loads(request.content) for request in it.requests)
    assert first.pop("action_intent_id") != second["action_intent_id"] == "mine"
    assert first == {
        **INTENT,
        "why": ["because"],
        "target": {"id": 1},
        "expires_at": "2026-11-23T06:00:00+00:00",
        "parameters": {"to": "é"},
    }


@pytest.mark.parametrize(
    "failure",
    [httpx2.ConnectError("refused"), httpx2.ReadError("cut"), problem(503, "UNAVAILABLE")],
)
def test_without_an_answer_it_raises_and_says_under_which_id(asked, failure):
    it = asked(answers(failure))
    with pytest.raises(ClearanceUnavailable) as raised:
        it.ask("propose", **INTENT)
    assert len(it.requests) == TRIES_MAX
    assert it.pauses == sorted(it.pauses)
    assert raised.value.action_intent_id == json.loads(it.requests[0].content)["action_intent_id"]


VERBS = {
    "read": [("whoami",), ("intent", "i1"), ("settings_part", "modes"), ("usage",), ("api_keys",)],
    "propose": [("propose",)],
    "put_settings_part": [("put_settings_part", "modes", {"modes": []})],
    "rule": [("approve", "i1.1"), ("reject", "i1.1"), ("edit", "i1.1")],
    "cancel": [("cancel", "i1", "no need")],
    "reconcile": [("reconcile", "i1")],
    "erase": [("erase", "i1")],
    "create_api_key": [("create_api_key", "ci", "agent")],
    "revoke_api_key": [("revoke_api_key", "k1")],
}
NAMED = {
    "propose": INTENT,
    "put_settings_part": {"version": 3},
    "reject": {"reason": "no"},
    "edit": {"parameters": {}},
    "reconcile": {"status": "FAILED", "reason": "seen"},
    "erase": {"reason": "seen"},
}
IN_DOUBT = [
    pytest.param(httpx2.ReadTimeout("slow"), id="no-answer"),
    pytest.param(problem(503, "IN_DOUBT"), id="in-doubt"),
    pytest.param(httpx2.Response(503, text="upstream gone"), id="a-proxy"),
]
NOTHING_DONE = [
    pytest.param(httpx2.ConnectError("refused"), id="not-sent"),
    pytest.param(problem(503, "UNAVAILABLE"), id="not-done"),
]
EACH_VERB = [
    pytest.param(operation, verb, arguments, id=verb)
    for operation, verbs in VERBS.items()
    for verb, *arguments in verbs
]


def test_every_operation_has_a_verb_here():
    assert VERBS.keys() == SAFE_TO_REPEAT.keys() | UNSAFE_TO_REPEAT.keys()


@pytest.mark.parametrize(("operation", "verb", "arguments"), EACH_VERB)
@pytest.mark.parametrize("doubt", IN_DOUBT)
def test_what_may_have_been_done_is_repeated_only_where_that_is_safe(
    asked, operation, verb, arguments, doubt
):
    it = asked(answers(doubt, ok(status="APPROVED")))
    if operation in SAFE_TO_REPEAT:
        assert it.ask(verb, *arguments, **NAMED.get(verb, {})) == {"status": "APPROVED"}
        first, again = it.requests
        assert (first.content, first.headers) == (again.content, again.headers)
    else:
        with pytest.raises(ClearanceUnavailable):
            it.ask(verb, *arguments, **NAMED.get(verb, {}))
        assert len(it.requests) == 1


@pytest.mark.parametrize(("operation", "verb", "arguments"), EACH_VERB)
@pytest.mark.parametrize("refused", NOTHING_DONE)
def test_what_was_surely_not_done_is_always_repeated(asked, operation, verb, arguments, refused):
    it = asked(answers(refused, ok(status="APPROVED")))
    assert it.ask(verb, *arguments, **NAMED.get(verb, {})) == {"status": "APPROVED"}
    assert len(it.requests) == 2


def test_the_server_says_how_long_to_wait_within_a_limit(asked):
    later = [
        httpx2.Response(503, headers={"retry-after": seconds}) for seconds in ("2", "86400", "soon")
    ]
    it = asked(answers(*later, ok()))
    it.ask("whoami")
    assert 2 <= it.pauses[0] <= 2.5
    assert 5 <= it.pauses[1] <= 6.25
    assert it.pauses[2] < 2


def test_a_refusal_carries_code_sentence_status_and_problems(asked):
    problems = [{"path": ["account_id"], "detail": "must be 1 to 128 characters"}]
    it = asked(answers(problem(422, "INVALID_INTENT", problems=problems)))
    with pytest.raises(ClearanceError) as raised:
        it.ask("propose", **INTENT)
    error = raised.value
    assert (error.code, error.sentence, error.status) == ("INVALID_INTENT", "It is not so.", 422)
    assert error.problems == tuple(problems)
    assert not isinstance(error, ClearanceUnavailable)


@pytest.mark.parametrize(
    "reply",
    [
        httpx2.Response(200, html="<h1>Welcome to nginx</h1>"),
        httpx2.Response(200, json=["APPROVED"]),
        httpx2.Response(302, headers={"location": "http://elsewhere.example/v1/whoami"}),
        httpx2.Response(404, text="no such page"),
        httpx2.Response(200, content=b"[" * 100_000),
    ],
)
def test_what_is_not_clearance_is_not_believed_or_followed(asked, reply):
    it = asked(answers(reply))
    with pytest.raises(ClearanceError, match="UNEXPECTED_ANSWER"):
        it.ask("whoami")
    assert len(it.requests) == 1


def test_the_key_is_in_no_text(asked):
    it = asked(answers(httpx2.ConnectError(f"could not send Bearer {KEY}")))
    texts = [repr(it.client), str(it.client)]
    try:
        it.ask("whoami")
    except ClearanceUnavailable as error:
        texts += [repr(error), str(error), *traceback.format_exception(error)]
    with pytest.raises(ClearanceError) as raised:
        Clearance(api_key=KEY + "\n")
    texts += [str(raised.value), *traceback.format_exception(raised.value)]
    assert len(texts) > 6
    assert not [text for text in texts if KEY in text]


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://clearance.example", "INSECURE_URL"),
        ("http://127.0.0.1.example:8600", "INSECURE_URL"),
        ("http://0.0.0.0:8600", "INSECURE_URL"),
        ("http://127.0.0.1@evil.example", "INVALID_URL"),
        ("ftp://127.0.0.1", "INVALID_URL"),
        ("127.0.0.1:8600", "INVALID_URL"),
        ("", None),
        ("https://clearance.example", None),
        ("http://localhost:1", None),
        ("http://[::1]:8600", None),
        ("http://127.9.9.9", None),
    ],
)
def test_the_key_travels_encrypted_or_stays_on_this_machine(url, code):
    if code is None:
        Clearance(url, KEY).close()
        return
    with pytest.raises(ClearanceError) as raised:
        Clearance(url, KEY)
    assert raised.value.code == code


def test_insecure_only_when_said_and_never_without_a_key(monkeypatch):
    Clearance("http://clearance.example", KEY, allow_insecure=True).close()
    monkeypatch.delenv("CLEARANCE_API_KEY", raising=False)
    with pytest.raises(ClearanceError, match="CLEARANCE_API_KEY"):
        Clearance()
    monkeypatch.setenv("CLEARANCE_API_KEY", KEY)
    monkeypatch.setenv("CLEARANCE_URL", "https://clearance.example/gate")
    assert repr(Clearance()) == "Clearance('https://clearance.example/gate/')"


def test_no_proxy_from_the_environment_sees_a_key_for_this_machine(monkeypatch):
    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"tenant_id": "northwind"}')

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setenv("NO_PROXY", "")
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with Clearance(f"http://127.0.0.1:{server.server_port}", KEY) as clearance:
            assert clearance.whoami() == {"tenant_id": "northwind"}


def test_a_name_is_one_part_of_the_path(asked):
    it = asked(answers(ok()))
    it.ask("intent", "../approvals?x#y")
    assert it.requests[0].url.raw_path == b"/v1/intents/..%2Fapprovals%3Fx%23y"
    for name in ("", ".", ".."):
        with pytest.raises(ClearanceError, match="INVALID_NAME"):
            it.ask("intent", name)
    assert len(it.requests) == 1


def test_what_is_not_json_is_refused_here(asked):
    it = asked(answers(ok()))
    for parameters in ({"amount": float("nan")}, {"when": object()}):
        with pytest.raises(ClearanceError, match="INVALID_JSON"):
            it.ask("propose", **INTENT, parameters=parameters)
    with pytest.raises(ClearanceError, match="INVALID_MOMENT"):
        it.ask("propose", **INTENT, expires_at=datetime(2026, 11, 23))  # noqa: DTZ001
    assert it.requests == []


def test_lists_are_read_page_by_page_as_far_as_asked(asked):
    pages = (
        ok(items=[{"n": 1}, {"n": 2}], next_cursor="c/1"),
        ok(items=[{"n": 3}], next_cursor=None),
    )
    it = asked(answers(*pages))
    query = {
        "status": ["FAILED", "UNKNOWN"],
        "auto_executed": True,
        "since": "2026-11-23T00:00:00Z",
    }
    assert [item["n"] for item in it.listed("timeline", **query, page_size=2)] == [1, 2, 3]
    first, second = (dict(request.url.params.multi_items()) for request in it.requests)
    assert first == {
        "auto_executed": "true",
        "since": "2026-11-23T00:00:00Z",
        "status": "UNKNOWN",
        "limit": "2",
    }
    assert second == {**first, "cursor": "c/1"}
    it = asked(answers(*pages))
    assert it.listed("approvals", count=1) == [{"n": 1}]
    assert len(it.requests) == 1


def test_the_ledger_goes_on_behind_the_last_position(asked):
    it = asked(
        answers(
            ok(items=[{"position": 8}, {"position": 9}], next_cursor="9"),
            ok(items=[], next_cursor=None),
        )
    )
    assert [entry["position"] for entry in it.listed("ledger", after=7)] == [8, 9]
    assert [request.url.params["after"] for request in it.requests] == ["7", "9"]


@pytest.mark.parametrize("verb", ["timeline", "approvals", "ledger"])
def test_a_list_that_does_not_go_on_ends_with_an_error(asked, verb):
    it = asked(lambda _: ok(items=[{"position": 1}], next_cursor="same"))
    with pytest.raises(ClearanceError, match="UNEXPECTED_ANSWER"):
        it.listed(verb)
    assert len(it.requests) == 2


def test_waiting_ends_with_the_work_or_for_a_person(asked):
    it = asked(answers(ok(status="APPROVED"), ok(status="RUNNING"), ok(status="SUCCEEDED")))
    assert it.ask("wait", "i1")["status"] == "SUCCEEDED"
    assert len(it.pauses) == 2
    it = asked(answers(ok(status="AWAITING_APPROVAL"), ok(status="REJECTED")))
    assert it.ask("wait", "i1")["status"] == "AWAITING_APPROVAL"
    assert it.ask("wait", "i1", past_approval=True)["status"] == "REJECTED"
    assert asked(answers(ok(status="RUNNING"))).ask("wait", "i1", 0)["status"] == "RUNNING"


def test_a_ruling_by_the_intents_id_goes_to_its_latest_approval(asked):
    it = asked(answers(ok(approval={"approval_id": "i1.2"}), ok(status="APPROVED")))
    it.ask("approve", "i1", digest="sha256:0")
    ruling = it.requests[-1]
    assert ruling.url.path == "/v1/approvals/i1.2/rulings"
    assert json.loads(ruling.content) == {"ruling": "approve", "digest": "sha256:0"}
    it.ask("edit", "i1.2", parameters={})
    assert json.loads(it.requests[-1].content) == {"ruling": "edit", "parameters": {}}
    with pytest.raises(ClearanceError, match="NO_APPROVAL"):
        asked(answers(ok(approval=None))).ask("reject", "i1", reason="no")


class Switches:
    """A server's stop switches that somebody else changes
    before each of the first `races` changes.
    """

    def __init__(self, races: int, switches: list[dict[str, Any]]) -> None:
        self.races, self.switches, self.version = races, switches, 1
        self.tries: list[str] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "PUT":
            self.tries.append(request.headers["if-match"])
            if self.races and self.tries[-1] != "*":
                self.races, self.version = self.races - 1, self.version + 1
                return problem(412, "VERSION_MISMATCH")
            self.switches = json.loads(request.content)["stop_switches"]
            self.version += 1
        return ok(stop_switches=self.switches, version=self.version)


def test_a_stop_adds_to_what_is_on_and_loses_nobodys_switch(asked):
    other = {"scope": "AGENT", "subject": "crawler", "level": "HOLD", "reason": "odd"}
    server = Switches(3, [other])
    asked(server).ask("stop", "ACCOUNT", "acme", level="REFUSE", reason="incident")
    mine = {"scope": "ACCOUNT", "subject": "acme", "level": "REFUSE", "reason": "incident"}
    assert server.switches == [other, mine]
    assert server.tries == ['"1"', '"2"', '"3"', '"4"']


def test_a_stop_answers_with_its_receipt_or_why_there_is_none(asked):
    mine = {"scope": "AGENT", "subject": "crawler", "level": "HOLD", "reason": "odd"}
    receipt = {"switch": {**mine, "set_by": "olga"}, "known": True}
    part = ok(stop_switches=[], version=1)
    made = ok(stop_switches=[mine], version=2, receipts=[receipt], receipt_problem=None)
    it = asked(answers(part, made))
    assert it.ask("stop", "AGENT", "crawler", reason="odd")["receipts"] == [receipt]
    # It was on already, so that the change did nothing: its receipt as it is now.
    same = ok(stop_switches=[mine], version=1, receipts=[], receipt_problem=None)
    it = asked(answers(part, same, ok(**receipt)))
    assert it.ask("stop", "AGENT", "crawler", reason="odd")["receipts"] == [receipt]
    assert it.requests[-1].url.path == "/v1/stop-receipts/preview"
    assert dict(it.requests[-1].url.params) == {"scope": "AGENT", "subject": "crawler"}
    it = asked(answers(part, same, problem(500, "FAULT")))
    answer = it.ask("stop", "AGENT", "crawler", reason="odd", lifted_by="OWNER")
    assert (answer["receipts"], answer["receipt_problem"]["code"]) == ([], "FAULT")
    assert json.loads(it.requests[1].content)["stop_switches"][0]["lifted_by"] == "OWNER"
    it = asked(answers(ok(items=[receipt])))
    assert it.ask("stop_receipts")["items"] == [receipt]


def test_a_lift_takes_one_switch_and_never_forces(asked):
    switch = {"scope": "TENANT", "subject": None, "level": "HOLD", "reason": "incident"}
    server = Switches(1, [switch])
    it = asked(server)
    assert it.ask("lift", "TENANT")["stop_switches"] == []
    assert server.switches == []
    assert server.tries == ['"1"', '"2"']
    with pytest.raises(ClearanceError, match="NO_SUCH_STOP_SWITCH"):
        it.ask("lift", "TENANT")
    with pytest.raises(ClearanceError, match="VERSION_MISMATCH"):
        asked(Switches(STOP_TRIES_MAX, [switch])).ask("lift", "TENANT")


def test_settings_name_the_version_that_they_were_made_from(asked):
    it = asked(answers(ok(modes=[], version=4)))
    it.ask("put_settings_part", "modes", {"modes": []}, version=3)
    assert it.requests[0].headers["if-match"] == '"3"'
    assert it.requests[0].content == b'{"modes": []}'


class Broken(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A stream of events that is cut off in the middle of the last one."""

    def __init__(self, *events: str) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        yield from (event.encode() for event in self._events)
        sentence = "cut"
        raise httpx2.ReadError(sentence)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self:
            yield event


def streamed(*events: str) -> httpx2.Response:
    return httpx2.Response(
        200, stream=Broken(*events), headers={"content-type": "text/event-stream; charset=utf-8"}
    )


def event(position: int) -> str:
    return f'id: {position}\nevent: ACTION_APPROVED\ndata: {{"position": {position}}}\n\n'


def test_events_are_taken_up_behind_the_last_one(asked):
    it = asked(
        answers(
            streamed(": hello\n\n", event(8), event(9), "id: 10\nevent: ACTION_APP"),
            httpx2.ConnectError("restarting"),
            problem(503, "UNAVAILABLE"),
            streamed(event(10), event(11)),
        )
    )
    assert [entry["position"] for entry in it.listed("events", after=7, count=4)] == [8, 9, 10, 11]
    assert [request.headers["last-event-id"] for request in it.requests] == ["7", "9", "9", "9"]


def test_events_end_when_the_credential_does_or_nobody_answers(asked):
    it = asked(answers(streamed(event(1)), problem(401, "UNAUTHENTICATED")))
    with pytest.raises(ClearanceError, match="UNAUTHENTICATED"):
        it.listed("events")
    assert "last-event-id" not in it.requests[0].headers
    it = asked(answers(httpx2.ConnectError("down")))
    with pytest.raises(ClearanceUnavailable):
        it.listed("events")
    assert len(it.requests) == RECONNECTS_MAX + 1
    with pytest.raises(ClearanceError, match="UNEXPECTED_ANSWER"):
        asked(answers(ok())).listed("events")


def test_the_client_brings_no_server_code():
    loaded = (
        "import sys, clearance.client; print(*sorted(m for m in sys.modules if "
        "m.startswith('clearance')))"
    )
    names = subprocess.run(
        [sys.executable, "-c", loaded], capture_output=True, text=True, check=True
    ).stdout.split()
    assert names == [
        "clearance",
        "clearance.client",
        "clearance.client.stops",
        "clearance.client.wire",
    ]
