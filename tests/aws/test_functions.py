"""What stands around every function: its door, its environment, its secrets, its errors and its
log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from botocore.exceptions import ClientError

from clearance.clock import SystemClock
from clearance.core.catalog import ToolServer
from clearance.core.errors import IN_DOUBT, Conflict, Forbidden, InvalidInput, TooMany, Unavailable
from clearance.core.outcome import Sent
from clearance.core.principal import ActorKind, Permission
from clearance.core.record import Admission, IntentStatus
from clearance.engines.step_functions import Machine
from clearance.flow import submit, sweep
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.flow.credentials import revoke_api_key
from clearance.flow.ports.tools import ToolCall, ToolCallFailed, Tools
from clearance.flow.ports.transitions import Admitted
from clearance.profiles import aws
from clearance.profiles.parts import NoTools, operator
from clearance.profiles.place import Database, Table, place_of
from clearance.running import functions
from clearance.running.functions import Function, Handler, Refused, Unexpected
from clearance.stores.dynamodb.store import DynamoStore
from clearance.tools.mcp import McpTools
from clearance.tools.variables import Secrets
from tests.aws.support.in_process import InProcess, in_process
from tests.aws.support.stack import SECRET_VALUE, SOURCES, on_table, outcome_of, record_of
from tests.aws.test_workflow import (
    NORTHWIND,
    SOURCE,
    carried_out,
    detail,
    event_of,
    key_of,
    propose_and_crash,
    queued,
)
from tests.support.sample import TENANT, account_of, task

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def stack() -> Iterator[InProcess]:
    with in_process() as made:
        yield made


# The functions


def function(handler: Handler) -> Function:
    async def opening(_: contextlib.AsyncExitStack) -> Handler:
        return handler

    return Function("test", opening)


def test_an_error_without_a_name_tells_and_logs_where_it_was_and_not_what_it_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def handle(_: Any, __: Any) -> Any:
        raise ValueError(f"Bearer {SECRET_VALUE}")

    tried = function(handle)
    with pytest.raises(Unexpected, match=r"^ValueError at .*test_functions.py:\d+$"):
        tried({}, SimpleNamespace(aws_request_id="r-1"))
    tried.close()
    [line] = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["kind"], said["function"], said["request_id"], said["level"]) == (
        "ValueError",
        "test",
        "r-1",
        "error",
    )
    assert SECRET_VALUE not in line


def test_a_cold_start_that_failed_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARANCE_TABLE", raising=False)
    tried = Function("recorder", functions.open_recorder)
    for _ in range(2):
        with pytest.raises(InvalidInput, match="CLEARANCE_TABLE is not set"):
            tried({}, None)
    tried.close()


def test_a_refusal_keeps_its_class_for_whoever_catches_it_by_name() -> None:
    async def handle(event: Any, _: Any) -> Any:
        raise Unavailable("Not now.") if event else Conflict("No.")

    tried = function(handle)
    for event, kind in ((1, "Unavailable"), (0, "Conflict")):
        with pytest.raises((Unavailable, Conflict)) as raised:
            tried(event, None)
        assert type(raised.value).__name__ == kind
    tried.close()


def test_an_event_that_is_refused_fails_so_that_it_is_kept(stack: InProcess) -> None:
    done = stack.functions.run("gate", event_of(detail("e1"), "nobody"))
    assert isinstance(done.error, Refused)
    assert str(done.error).startswith("UNKNOWN_SOURCE: ")


@pytest.mark.parametrize(
    "event", [None, [], "text", {}, {"source": SOURCE}, event_of({}) | {"detail": "text"}]
)
def test_an_invocation_of_another_shape_is_refused(stack: InProcess, event: Any) -> None:
    done = stack.functions.run("gate", event)
    assert isinstance(done.error, Refused)
    assert str(done.error).partition(":")[0] in {"UNKNOWN_SOURCE", "INVALID_BODY"}


def test_a_direct_invocation_speaks_as_the_alias_that_lambda_says_it_is_of(
    stack: InProcess,
) -> None:
    said = {"detail": detail("direct")}
    done = stack.functions.run("gate", said, alias="northwind-service")
    assert done.answer["created"] is True
    assert done.answer["intent"]["proposed_by"] == "service-nora"
    outcome_of(stack, NORTHWIND, "direct")
    refused = stack.functions.run(
        "gate", {"detail": detail("wrong") | {"risk_level": 1}}, alias="northwind-service"
    )
    assert refused.answer["refused"]["code"] == "INVALID_BODY"
    for event in (
        said | {"source": "northwind-service"},
        event_of(detail("direct"), "northwind-service"),
    ):
        assert (
            stack.functions.run("gate", event, alias="northwind-service").answer["created"] is False
        )


@pytest.mark.parametrize("alias", ["nobody", "northwind-service"])
def test_an_alias_speaks_for_no_other_source_than_its_own(stack: InProcess, alias: str) -> None:
    for event in (
        event_of(detail("borrowed"), "contoso.agents"),
        {"detail": detail("borrowed"), "source": SOURCE},
    ):
        answer = stack.functions.run("gate", event, alias=alias).answer
        assert answer["refused"]["code"] == "UNKNOWN_SOURCE"
    assert record_of(stack, NORTHWIND, "borrowed") is None


@pytest.mark.parametrize("source", [[], {}, 7, ""])
def test_a_source_of_an_odd_kind_is_nobodys(stack: InProcess, source: Any) -> None:
    answer = stack.functions.run(
        "gate", {"detail": detail("odd"), "source": source}, alias="northwind-service"
    ).answer
    assert answer["refused"]["code"] == "UNKNOWN_SOURCE"
    assert isinstance(
        stack.functions.run("gate", event_of(detail("odd")) | {"source": source}).error, Refused
    )


@pytest.mark.parametrize(
    "value", [10**5_000, float("nan"), "\ud800"], ids=["digits", "nan", "surrogate"]
)
def test_a_value_that_not_every_reader_understands_is_refused(stack: InProcess, value: Any) -> None:
    event = {"detail": detail("odd") | {"parameters": {"title": value}}}
    assert (
        stack.functions.run("gate", event, alias="northwind-service").answer["refused"]["code"]
        == "INVALID_JSON"
    )


def test_what_is_away_is_no_refusal(stack: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise Unavailable("Not now.")

    monkeypatch.setattr(Control, "propose", away)
    done = stack.functions.run("gate", {"detail": detail("away")}, alias="northwind-service")
    assert isinstance(done.error, Unavailable)


def test_a_proposal_too_many_comes_again_by_event_and_is_answered_to_a_caller_who_waits(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_many(*_: Any) -> None:
        raise TooMany.for_seconds(3, "Too many.", code="TOO_MANY_PROPOSALS")

    with monkeypatch.context() as patched:
        patched.setattr(submit, "check_rate", too_many)
        by_event = stack.functions.run("gate", event_of(detail("busy")))
        waits = stack.functions.run("gate", {"detail": detail("busy")}, alias="northwind-service")
    assert isinstance(by_event.error, TooMany), "the invocation fails, and Lambda tries it again"
    assert waits.answer["refused"]["code"] == "TOO_MANY_PROPOSALS"
    assert stack.functions.run("gate", event_of(detail("busy"))).answer["created"]
    outcome_of(stack, NORTHWIND, "busy")


@pytest.mark.parametrize("lost", [False, True], ids=["the-reads-fail", "the-answer-is-lost"])
def test_what_the_gate_did_is_answered_without_another_read_and_its_repeat_acts_once(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    admit, event = DynamoStore.admit, event_of(detail("unused"))
    del event["detail"]["action_intent_id"]
    event["id"] = name = f"answered-{lost}"

    async def away(*_: Any) -> Any:
        raise Unavailable("Not now.")

    with monkeypatch.context() as patched:

        async def last(store: DynamoStore, admission: Admission) -> Any:
            answer = await admit(store, admission)
            if not isinstance(answer, Admitted):
                return answer
            for read in ("intent", "settings", "settings_version"):
                patched.setattr(DynamoStore, read, away)
            if lost:
                raise Unavailable("It is not known.", code=IN_DOUBT)
            return answer

        patched.setattr(DynamoStore, "admit", last)
        done = stack.functions.run("gate", event)
    if lost:
        assert isinstance(done.error, Unavailable)
        assert (done.error.in_doubt, done.error.action_intent_id) == (True, name)
    else:
        assert (done.answer["created"], done.answer["intent"]["status"]) == (True, "APPROVED")
        assert done.answer["intent"]["sentence"]
    again = stack.functions.run("gate", event)
    assert (again.answer["created"], again.answer["intent"]["action_intent_id"]) == (False, name)
    outcome_of(stack, NORTHWIND, name)


def test_sessions_end_with_their_invocation_and_cost_no_answer(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, ended = McpTools.close, []

    async def goodbye(self: McpTools) -> None:
        await close(self)
        if structlog.contextvars.get_contextvars().get("function") == "invoker":
            ended.append(self)
            raise OSError("no goodbye")

    monkeypatch.setattr(McpTools, "close", goodbye)
    carried_out(stack, "left")
    assert (outcome_of(stack, NORTHWIND, "left").status, len(ended)) == (IntentStatus.SUCCEEDED, 1)


def test_a_sweep_takes_steps_while_there_is_time(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (functions, sweep):
        monkeypatch.setattr(module, "STEP_MAX", 1)
    stack.functions.cool()
    names = [f"step-{number}" for number in range(3)]
    for name in names:
        propose_and_crash(stack, task(name, account_id=account_of(name)))
    stack.sweep()
    for name in names:
        outcome_of(stack, NORTHWIND, name, timeout=10)
    margin = functions.SWEEP_MARGIN_MS
    left = [
        SimpleNamespace(get_remaining_time_in_millis=lambda ms=ms: ms)
        for ms in (margin, margin + 1)
    ]
    assert [functions._time_left(one) for one in left] == [False, True]


@pytest.mark.parametrize("version", ["$LATEST", "7"])
def test_a_version_of_the_gate_is_the_gate_itself(stack: InProcess, version: str) -> None:
    assert isinstance(
        stack.functions.run("gate", {"detail": detail("v")}, alias=version).error, Refused
    )
    assert stack.functions.run("gate", event_of(detail("v")), alias=version).error is None


def test_what_could_not_be_launched_comes_again_alone(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose_and_crash(stack, task("launched"))
    propose_and_crash(stack, task("not-launched"))
    launch = Machine.launch

    async def sometimes(
        self: Machine, context: Context, tenant_id: str, action_intent_id: str
    ) -> str | None:
        if action_intent_id == "not-launched":
            raise Unavailable("Not now.", code="STEP_FUNCTIONS_AWAY")
        return await launch(self, context, tenant_id, action_intent_id)

    monkeypatch.setattr(Machine, "launch", sometimes)
    batch = queued(NORTHWIND, "not-launched", "m1")
    batch["Records"] += queued(NORTHWIND, "launched", "m2")["Records"] + [
        {"messageId": "m3", "body": "[]"}
    ]
    said = stack.invoke("launcher", batch)
    assert said == {"batchItemFailures": [{"itemIdentifier": "m1"}, {"itemIdentifier": "m3"}]}
    outcome_of(stack, NORTHWIND, "launched")


def test_only_the_invoker_reads_the_secret_and_once_for_each_cold_start(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = aws.secrets
    by: list[str] = []

    async def counted() -> Any:
        by.append(structlog.contextvars.get_contextvars()["function"])
        return await read()

    monkeypatch.setattr(aws, "secrets", counted)
    stack.functions.cool()
    for number in range(3):
        carried_out(stack, f"secret-{number}")
    stack.sweep()
    assert by == ["invoker"]


def test_no_log_of_a_function_and_no_fact_has_the_secret(
    stack: InProcess, capfd: pytest.CaptureFixture[str]
) -> None:
    stack.tool.will(NORTHWIND, "told", "refused", "busy")
    carried_out(stack, "told")
    stack.functions.run("gate", {"source": "nobody", "detail": {}})
    out, err = capfd.readouterr()
    lines = [line for line in err.splitlines() if line.startswith("{")]
    assert lines
    assert all(json.loads(line)["function"] for line in lines)
    _, entries = stack.api("GET", "/v1/ledger/entries?limit=500", key_of(stack))
    _, intent = stack.api("GET", "/v1/intents/told", key_of(stack))
    assert SECRET_VALUE not in out + err + json.dumps([entries, intent])


def request(stack: InProcess, path: str, body: str | None = None, **headers: str) -> dict[str, Any]:
    """A GET, or a form, as API Gateway hands it to the
    function; its answer, as it goes back there.
    """
    method = "GET" if body is None else "POST"
    headers |= {} if body is None else {"content_type": "application/x-www-form-urlencoded"}
    return dict(
        stack.invoke(
            "api",
            {
                "version": "2.0",
                "rawPath": path,
                "rawQueryString": "",
                "headers": {
                    "host": "api.example.com",
                    **{name.replace("_", "-"): one for name, one in headers.items()},
                },
                "requestContext": {
                    "http": {"method": method, "path": path, "sourceIp": "127.0.0.1"}
                },
                "body": body or "",
                "isBase64Encoded": False,
            },
        )
    )


def test_an_event_stream_ends_by_itself_with_what_there_was(stack: InProcess) -> None:
    carried_out(stack, "streamed")
    began = time.monotonic()
    answer = request(
        stack, "/v1/events", authorization=f"Bearer {key_of(stack)}", last_event_id="0"
    )
    assert time.monotonic() - began < 10
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (
        200,
        "text/event-stream; charset=utf-8",
    )
    assert answer["isBase64Encoded"] is False
    assert "event: OUTCOME_RECORDED" in answer["body"]


def test_a_revoked_key_does_not_work_in_the_next_invocation_whatever_the_clock_says(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        SystemClock, "monotonic_ms", lambda _: 0
    )  # of an environment that was stopped since
    _, made = stack.api("POST", "/v1/api-keys", key_of(stack), {"name": "brief", "role": "auditor"})
    assert stack.api("GET", "/v1/whoami", made["key"])[0] == 200
    on_table(stack, lambda context: revoke_api_key(context, operator(NORTHWIND), made["key_id"]))
    assert stack.api("GET", "/v1/whoami", made["key"])[0] == 401


def test_the_pages_are_behind_the_same_door(stack: InProcess) -> None:
    answer = request(stack, "/sign-in")
    assert (answer["statusCode"], "<html" in answer["body"]) == (200, True)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"x_forwarded_proto": "http"},
        {"x_forwarded_port": "abc", "x_forwarded_proto": "https, http"},
    ],
)
def test_what_a_client_says_of_a_proxy_is_not_believed(
    stack: InProcess, said: dict[str, str]
) -> None:
    answer = request(
        stack, "/sign-in", f"key={key_of(stack)}", origin="https://api.example.com", **said
    )
    assert answer["statusCode"] == 303, answer["body"]
    [cookie] = answer["cookies"]
    assert (cookie.startswith("__Host-"), "Secure" in cookie) == (True, True)


def test_counters_are_not_for_the_internet(stack: InProcess) -> None:
    assert request(stack, "/healthz")["statusCode"] == 200
    said = request(stack, "/metrics", authorization=f"Bearer {key_of(stack)}")
    assert "clearance_requests" not in said["body"]
    assert said["statusCode"] != 200


# Tool servers, seen from a function


PROGRAM = ToolServer("crm", command=("touch", "started"))
CALL = ToolCall(PROGRAM, "create_task", {}, "ik_1", 2_000, None)


async def cleared() -> None:
    pass


@pytest.mark.parametrize(
    ("tools", "code"),
    [(McpTools({}, programs=False), "PROGRAMS_NOT_STARTED"), (NoTools(), "NO_TOOLS_HERE")],
)
async def test_no_function_starts_a_program_and_only_the_invoker_calls_tools(
    tools: Tools, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for asked in (tools.describe(TENANT, PROGRAM), tools.call(TENANT, CALL, cleared)):
        with pytest.raises(ToolCallFailed) as failed:
            await asked
        assert (failed.value.error.code, failed.value.error.sent) == (code, Sent.NOT_SENT)
    await tools.close()
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - a folder of this test alone


def test_what_fills_in_a_header_is_masked_wherever_it_came_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-the-function")
    server = ToolServer(
        "crm", headers={"Authorization": "Bearer ${CRM_TOKEN}"}, url="https://crm.example/mcp"
    )
    secrets = Secrets(server, {"CRM_TOKEN": SECRET_VALUE})
    assert secrets.headers() == {"Authorization": f"Bearer {SECRET_VALUE}"}
    assert secrets.sentence(f"Invalid token {SECRET_VALUE}.") == "Invalid token ***."
    with pytest.raises(ToolCallFailed, match="AWS_SESSION_TOKEN"):
        Secrets(
            replace(server, headers={"Authorization": "${AWS_SESSION_TOKEN}"}),
            {"CRM_TOKEN": SECRET_VALUE},
        ).headers()


# The environment


@pytest.mark.parametrize(
    "name", ["clearance-tools", "arn:aws:secretsmanager:us-east-1:123456789012:secret:x"]
)
async def test_a_secret_that_cannot_be_read_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    said: list[Any] = [
        '{"A": 1}',
        '["hunter2"]',
        "hunter2",
        None,
        ClientError({"Error": {"Code": "Gone"}}, "Get"),
    ]

    class Vault:
        def get_secret_value(self, **request: Any) -> dict[str, Any]:
            assert request == {"SecretId": name}
            value = said.pop()
            if isinstance(value, Exception):
                raise value
            return {} if value is None else {"SecretString": value}

    async def client(_: str) -> Any:
        return Vault()

    monkeypatch.setattr(aws, "client", client)
    monkeypatch.setenv("CLEARANCE_SECRET", name)
    while said:
        with pytest.raises(Unavailable) as refused:
            await aws.secrets()
        assert refused.value.code == "SECRET_UNREADABLE"
        assert "hunter2" not in refused.value.sentence
        assert refused.value.__cause__ is None
    said.append('{"A": "hunter2"}')
    assert await aws.secrets() == {"A": "hunter2"}


async def test_without_a_secret_no_variable_has_a_value_also_not_those_of_the_function(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("CLEARANCE_SECRET", raising=False)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    assert await aws.secrets() == {}


def test_a_source_is_an_agent_of_its_tenant_and_nothing_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLEARANCE_SOURCES", json.dumps(SOURCES))
    principal = aws.sources().principal("northwind.agents")
    assert principal.credential == "northwind.agents"
    assert (principal.tenant_id, principal.actor_id, principal.kind) == (
        "northwind",
        "agent-ada",
        ActorKind.AGENT,
    )
    assert principal.permissions == {Permission.PROPOSE, Permission.READ_OWN}
    for nobody in ("northwind", "", None, 7, ["northwind.agents"]):
        with pytest.raises(Forbidden) as refused:
            aws.sources().principal(nobody)
        assert refused.value.code == "UNKNOWN_SOURCE"


@pytest.mark.parametrize(
    "said",
    [
        "no JSON",
        "[]",
        '{"a": "northwind"}',
        '{"a": {"tenant_id": "northwind"}}',
        '{"a": {"tenant_id": "northwind", "actor": ""}}',
        '{"a": {"tenant_id": "northwind", "actor": "x", "role": "owner"}}',
        (
            '{"a": {"tenant_id": "northwind", "actor": "x"}, "a": {"tenant_id": "contoso", '
            '"actor": '
            '"x"}}'
        ),
        '{"clearance": {"tenant_id": "northwind", "actor": "x"}}',
        '{"a": {"tenant_id": "*", "actor": "x"}}',
    ],
)
def test_sources_that_cannot_be_read_let_nobody_in(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setenv("CLEARANCE_SOURCES", said)
    with pytest.raises(InvalidInput) as refused:
        aws.sources()
    assert refused.value.code == "INVALID_ENVIRONMENT"


def test_no_sources_let_nobody_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEARANCE_SOURCES", raising=False)
    with pytest.raises(Forbidden):
        aws.sources().principal("northwind.agents")


@pytest.mark.parametrize(
    ("variable", "made"),
    [("CLEARANCE_BUS", aws.bus), ("CLEARANCE_STATE_MACHINE", aws.machine)],
)
def test_what_a_function_needs_is_named_if_it_is_missing(
    monkeypatch: pytest.MonkeyPatch, variable: str, made: Any
) -> None:
    monkeypatch.setenv(variable, "")
    with pytest.raises(InvalidInput, match=variable):
        asyncio.run(made())


def test_the_place_is_what_was_named_else_the_database_or_the_table_else_the_data_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("CLEARANCE_DATABASE_URL", "CLEARANCE_TABLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLEARANCE_DATA", str(tmp_path))
    assert place_of(None) == tmp_path
    monkeypatch.setenv("CLEARANCE_TABLE", "clearance")
    assert place_of(None) == Table("clearance")
    assert place_of(tmp_path / "other") == tmp_path / "other"
    monkeypatch.setenv("CLEARANCE_DATABASE_URL", "postgresql://db/clearance")
    with pytest.raises(InvalidInput) as refused:
        place_of(None)
    assert refused.value.code == "TWO_PLACES"
    monkeypatch.delenv("CLEARANCE_TABLE")
    assert isinstance(place_of(None), Database)
