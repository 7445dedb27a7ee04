"""The demo CRM, as a tool server and as what really happened: its effects are counted, not its
answers.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.demo.crm import effects
from clearance.tools.mcp import McpTools
from tests.tools.support.calling import call, failure, result

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CRM_DB", str(tmp_path / "crm.sqlite3"))
    return tmp_path / "crm.sqlite3"


@pytest.fixture
def crm(database: Path) -> ToolServer:
    assert effects(database) == []
    return ToolServer(
        "crm", ("python", "-m", "clearance.demo.crm"), environment={"CRM_DB": "${CRM_DB}"}
    )


async def test_a_day_at_the_crm(tools: McpTools, crm: ToolServer, database: Path) -> None:
    def seen() -> list[tuple[Any, ...]]:
        return [
            (effect["tool"], effect["account"], effect["request_id"])
            for effect in effects(database)
        ]

    task = {"account": "acme", "title": "Renewal call", "request_id": "r1"}
    first = await result(tools, crm, "create_task", task)
    assert first == {"task_id": "task-1", "account": "acme", "title": "Renewal call", "due": None}
    again = await asyncio.gather(*(result(tools, crm, "create_task", task) for _ in range(8)))
    assert again == [first] * 8
    assert seen() == [("create_task", "acme", "r1")]

    for _ in range(2):
        assert await result(tools, crm, "delete_task", {"task_id": "task-1"}) == {
            "task_id": "task-1",
            "deleted": True,
        }
    error = await failure(tools, crm, "delete_task", {"task_id": "task-9"})
    assert (error.error_class, error.sent) == (ErrorClass.VALIDATION, Sent.ANSWERED)
    for value, changed in (("gold", True), ("gold", False), ("silver", True)):
        said = await result(
            tools, crm, "update_field", {"account": "acme", "field": "tier", "value": value}
        )
        assert said["changed"] is changed
    await call(tools, crm, "add_note", {"account": "acme", "text": "Called.", "request_id": "r2"})
    before = seen()
    assert await result(tools, crm, "get_account", {"account": "acme"}) == {
        "account": "acme",
        "fields": {"tier": "silver"},
        "open_tasks": 0,
        "notes": 1,
    }
    assert seen() == before, "who looks changes nothing"
    assert len(seen()) == 5

    refund = {"account": "acme", "order_id": "ORD-1", "amount_minor": 1250, "request_id": "r3"}
    said = await result(tools, crm, "issue_refund", refund)
    assert said == {
        "refund_id": "refund-1",
        "order_id": "ORD-1",
        "amount_minor": 1250,
        "currency": "EUR",
    }
    locked = await failure(
        tools, crm, "issue_refund", {**refund, "order_id": "ORD-LOCKED-7", "request_id": "r4"}
    )
    assert (locked.error_class, locked.sent) == (ErrorClass.VALIDATION, Sent.ANSWERED)
    assert locked.sentence == "The tool crm.issue_refund failed: order is locked by accounting"
    unfit = await failure(
        tools, crm, "issue_refund", {**refund, "amount_minor": -1, "request_id": "r5"}
    )
    assert unfit.sent is Sent.ANSWERED
    assert len(seen()) == 6

    mail = {"account": "acme", "to": "ada@example.org", "subject": "Hello", "body": "Bye"}
    await call(tools, crm, "send_mail", mail)
    crash = await failure(tools, crm, "send_mail", {**mail, "to": "ada@crash.example"})
    assert (crash.error_class, crash.sent) == (ErrorClass.DOWNSTREAM, Sent.MAYBE)
    await call(tools, crm, "send_mail", mail)
    assert [effect["body"]["to"] for effect in effects(database)[6:]] == [
        mail["to"],
        "ada@crash.example",
        mail["to"],
    ]


async def test_two_processes_on_one_file_do_the_work_once(
    tools: McpTools, crm: ToolServer, database: Path
) -> None:
    note = {"account": "acme", "text": "Once", "request_id": "same"}
    said = await asyncio.gather(
        *(
            result(tools, crm, "add_note", note, tenant_id=tenant)
            for tenant in ("one", "two")
            for _ in range(5)
        )
    )
    assert said == [said[0]] * 10
    assert len(effects(database)) == 1
