"""An act that changes nothing needs no budget and may be repeated; the rest is as with others."""

from __future__ import annotations

from typing import Any

import pytest

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import parse_document
from clearance.core.errors import InvalidInput
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.record import IntentStatus
from clearance.flow import execute
from clearance.flow.fit import check_fits
from clearance.flow.ports.tools import ToolCall, ToolCallFailed, ToolDescription
from tests.support import sample
from tests.support.sample import TENANT, task
from tests.support.world import World

pytestmark = pytest.mark.anyio

READ = {
    "tool": "crm.create_task",
    "risk_level": "MINIMAL",
    "effect": "read",
    "label": "Look up an account",
    "parameters": {
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "additionalProperties": False,
    },
    "arguments": {"account": "{account_id}"},
    "sentence": "looked up {account_id}",
    "proposal": "look up {account_id}",
}


def document(**autonomy: Any) -> dict[str, Any]:
    """Settings in which the tasks of the sample are only looked up; without any budget."""
    made = sample.document(**{"budgets": [], **autonomy})
    made["catalog"]["CREATE_TASK"] = READ
    return made


async def test_a_read_runs_alone_without_a_budget_and_takes_nothing_from_one(world: World) -> None:
    await world.configure(document())
    record = await world.propose(task("t1"))
    assert (record.status, record.decision.reason) == (IntentStatus.APPROVED, "TASKS_ALLOWED")
    budget = {finding.check: finding.code for finding in record.decision.findings}["budget"]
    assert budget == "NO_BUDGET_NEEDED"
    done = await world.run("t1")
    assert done is not None
    assert (done.status, done.auto_executed) == (IntentStatus.SUCCEEDED, True)
    assert not any((await world.used()).values())


async def test_everything_but_the_budget_is_asked_about_a_read(world: World) -> None:
    for name, autonomy in {
        "MODE_APPROVAL_REQUIRED": {"modes": []},
        "ACTION_TYPE_NOT_ALLOWLISTED": {"allowlist": []},
        "ACTION_TYPE_DISABLED": {"modes": [{"mode": "DISABLED"}]},
    }.items():
        await world.configure(document(**autonomy))
        assert (await world.propose(task(name))).decision.reason == name


async def test_a_read_is_repeated_when_no_answer_came(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS", 0)
    await world.configure(document())

    async def lost_once(_: ToolCall) -> dict[str, bool]:
        if len(world.tools.calls) == 1:
            raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, "No answer.", Sent.MAYBE))
        return {"ok": True}

    world.tools.behave = lost_once
    await world.propose(task("t1"))
    done = await world.run("t1")
    assert done is not None
    assert (done.status, len(world.tools.calls)) == (IntentStatus.SUCCEEDED, 2)


async def test_what_a_dead_worker_was_to_look_up_is_looked_up(world: World) -> None:
    await world.configure(document())
    await world.propose(task("t1"))
    assert await execute.start(world.context, TENANT, "t1", "dead") is not None
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    assert (await world.record("t1")).status is IntentStatus.SUCCEEDED


@pytest.mark.parametrize(("effect", "status"), [("read", "SUCCEEDED"), ("idempotent", "AWAITING")])
async def test_an_action_that_changes_something_by_now_asks_again(
    world: World, effect: str, status: str
) -> None:
    await world.configure(document())
    await world.propose(task("t1"))
    changed = document(budgets=[{"max_per_day": 5}])
    changed["catalog"]["CREATE_TASK"] = READ | {"effect": effect}
    await world.configure(changed)
    done = await world.run("t1") or await world.record("t1")
    assert done.status.value.startswith(status)


@pytest.mark.parametrize(
    "more",
    [
        {"spends": "title", "parameters": {"properties": {"title": {"type": "integer"}}}},
        {"undo": {"tool": "crm.delete_task", "arguments": {}}},
    ],
    ids=["spends", "undo"],
)
def test_what_changes_nothing_neither_spends_nor_is_taken_back(more: dict[str, Any]) -> None:
    made = document()
    parameters = {**READ["parameters"], **more.get("parameters", {}), "required": ["title"]}  # type: ignore[dict-item]
    made["catalog"]["CREATE_TASK"] = {**READ, **more, "parameters": parameters}
    with pytest.raises(InvalidInput) as refused:
        parse_document(made)
    [name] = more.keys() - {"parameters"}
    assert [str(problem) for problem in refused.value.problems] == [
        f"catalog.CREATE_TASK.{name}: cannot stand beside effect: read, which changes nothing"
    ]


async def test_a_tool_that_says_by_now_that_it_changes_something_is_called_for_people_only(
    world: World,
) -> None:
    action = compile_settings(TENANT, await world.configure(document())).catalog["CREATE_TASK"]
    schema, destructive = {"type": "object"}, {"annotations": {"destructive_hint": True}}
    offered = ToolDescription("create_task", "", schema, "", destructive)
    check_fits(action, offered, alone=False)
    with pytest.raises(ToolCallFailed) as refused:
        check_fits(action, offered, alone=True)
    assert refused.value.error.code == "TOOL_MISFIT"
