"""The rows of the fail-closed table that no other test asks for by their code."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearance.core import gate, steps
from clearance.core.approval import RulingKind
from clearance.core.decision import Answer
from clearance.core.errors import Conflict, Forbidden, InvalidInput
from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.core.principal import Permission, system
from clearance.core.record import IntentStatus
from clearance.flow import execute
from clearance.flow.requests import RulingRequest
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, TENANT, mail, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
APPROVE = RulingRequest(RulingKind.APPROVE)


async def test_without_a_policy_everything_is_blocked(world: World) -> None:
    await world.configure({**sample.document(), "policy": ""})
    blocked = await world.propose(task("t1"))
    assert (blocked.status, blocked.decision.reason) == (
        IntentStatus.BLOCKED,
        "POLICY_NOT_CONFIGURED",
    )


async def test_an_empty_row_of_checks_blocks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "ROW", ())
    blocked = await world.propose(task("t1"))
    assert (blocked.status, blocked.decision.reason) == (IntentStatus.BLOCKED, "NOTHING_CHECKED")


async def test_every_check_can_only_tighten_what_the_others_say(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposed = await world.propose(task("t1", confidence_score=0.5))
    settings, row = await world.context.settings(TENANT), gate.ROW
    whole = gate.decide(proposed.intent, gate.Facts(settings), world.clock.now_ms())
    for number in range(len(row)):
        monkeypatch.setattr(gate, "ROW", row[:number] + row[number + 1 :])
        shorter = gate.decide(proposed.intent, gate.Facts(settings), world.clock.now_ms())
        assert shorter.answer.strictness <= whole.answer.strictness
    assert whole.answer is Answer.REQUIRE_APPROVAL


async def test_nobody_rules_on_what_they_proposed(world: World) -> None:
    await world.propose(task("t1", confidence_score=0.5))
    both = replace(AGENT, permissions=AGENT.permissions | {Permission.RULE})
    with pytest.raises(Forbidden) as refused:
        await world.control.rule(both, "t1.1", APPROVE)
    assert refused.value.code == "OWN_PROPOSAL"
    allowed = replace(both, permissions=both.permissions | {Permission.RULE_OWN})
    assert (
        await world.control.rule(allowed, "t1.1", APPROVE)
    ).record.status is IntentStatus.APPROVED


async def test_an_outdated_approval_says_so_in_the_ledger(world: World) -> None:
    await world.propose(task("t1", confidence_score=0.5))
    await world.control.rule(APPROVER, "t1.1", APPROVE)
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["tool"] = "crm.delete_task"
    await world.configure(document)
    assert await world.run("t1") is None
    asked = (await world.entries())[-1]
    assert (asked["kind"], asked["reason"]) == ("APPROVAL_REQUESTED", "APPROVAL_OUTDATED")
    assert asked["differences"]


async def test_an_argument_that_cannot_be_filled_sends_nothing(world: World) -> None:
    """It is refused; and what was approved before such an argument came is cancelled."""
    await world.propose(task("t1", target={"phone": "1"}))
    document: dict[str, Any] = sample.document()
    document["catalog"]["CREATE_TASK"]["arguments"] = {"account": "{target.email}"}
    await world.configure(document)
    with pytest.raises(InvalidInput) as refused:
        await world.propose(task("t2", target={"phone": "1"}))
    assert refused.value.code == "ARGUMENT_MISSING"
    assert await world.run("t1") is None
    assert (await world.record("t1")).status is IntentStatus.CANCELLED
    assert (await world.entries())[-1]["code"] == "ARGUMENT_MISSING"
    assert (world.tools.calls, await world.used()) == ([], {"actions": 0, "actions:CREATE_TASK": 0})


async def test_what_a_dead_worker_left_says_why_it_is_unknown(world: World) -> None:
    await world.propose(mail("m1"))
    assert await execute.start(world.context, TENANT, "m1", "worker-1") is not None
    await world.sweep("worker-2", alone=True)
    left = await world.record("m1")
    assert left.outcome is not None
    assert left.outcome.error is not None
    assert (left.status, left.outcome.error.code) == (IntentStatus.UNKNOWN, "WORKER_LOST")
    assert world.tools.calls == []


async def test_an_outcome_of_an_older_attempt_is_refused(world: World) -> None:
    await world.propose(task("t1"))
    assert await execute.start(world.context, TENANT, "t1", "worker-1") is not None
    again = await execute.restart(world.context, TENANT, "t1", "worker-2", alone=True)
    assert again is not None
    outcome = Outcome(OutcomeStatus.FAILED, "Too late.")
    with pytest.raises(Conflict) as refused:
        steps.record_outcome(
            again.record, 1, outcome, tries=1, actor=system(TENANT), now=world.clock.now_ms()
        )
    assert refused.value.code == "FENCED"
