"""The plan's contract, a test for each demand: when it runs without a person, when it waits, when
it is blocked.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from clearance.core.approval import ApprovalSource, RulingKind
from clearance.core.budget import HoldState
from clearance.core.decision import Answer
from clearance.core.errors import Conflict
from clearance.core.outcome import OutcomeStatus
from clearance.core.record import IntentStatus
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import RulingRequest
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OWNER, mail, refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
APPROVE = RulingRequest(RulingKind.APPROVE)


async def test_all_preconditions_hold_so_it_runs_without_a_person_and_says_so_everywhere(
    world: World,
) -> None:
    proposed = await world.propose(task("t1"))
    assert proposed.decision.answer is Answer.AUTO_EXECUTE
    assert (proposed.decision.reason, proposed.decision.policy_clause) == (
        "TASKS_ALLOWED",
        ("tasks",),
    )
    assert proposed.status is IntentStatus.APPROVED
    assert world.engine.hints == ["t1"]

    done = await world.run("t1")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED
    assert done.approval_source is ApprovalSource.POLICY
    assert done.approval is None

    told = await world.control.timeline(OWNER, TimelineQuery(auto_executed=True))
    assert [one.sentence for one in told] == ["Autopilot created the task 'Renewal call' for acme"]
    entries = [entry for entry in await world.entries() if entry.get("action_intent_id") == "t1"]
    assert [entry["kind"] for entry in entries] == [
        "ACTION_APPROVED",
        "EXECUTION_STARTED",
        "OUTCOME_RECORDED",
    ]
    assert all(
        entry["auto_executed"] is True and entry["approval_source"] == "POLICY" for entry in entries
    )


@pytest.mark.parametrize(
    ("proposal", "autonomy", "reason"),
    [
        (task("t1", confidence_score=0.5), {}, "CONFIDENCE_TOO_LOW"),
        (task("t1"), {"allowlist": []}, "ACTION_TYPE_NOT_ALLOWLISTED"),
        (task("t1"), {"modes": [{"mode": "APPROVAL_REQUIRED"}]}, "MODE_APPROVAL_REQUIRED"),
        (task("t1"), {"modes": [{"mode": "PROPOSE_ONLY"}]}, "MODE_PROPOSE_ONLY"),
        (task("t1"), {"modes": []}, "MODE_APPROVAL_REQUIRED"),
        (task("t1"), {"budgets": []}, "BUDGET_NOT_CONFIGURED"),
        (task("t1"), {"budgets": [{"max_per_day": 0}]}, "BUDGET_EXCEEDED"),
        (refund("t1", 50_001), {}, "REFUND_OVER_SOFT_CAP"),
    ],
)
async def test_any_precondition_missing_so_a_person_is_asked_and_nothing_runs(
    world: World, proposal: object, autonomy: dict[str, object], reason: str
) -> None:
    await world.autonomy(**autonomy)
    proposed = await world.propose(proposal)  # type: ignore[arg-type]
    assert (proposed.decision.answer, proposed.decision.reason) == (Answer.REQUIRE_APPROVAL, reason)
    assert proposed.status is IntentStatus.AWAITING_APPROVAL
    assert await world.run("t1") is None
    assert world.tools.calls == []
    assert await world.used() == {}
    assert [one.record.intent.action_intent_id for one in await world.control.waiting(OWNER)] == [
        "t1"
    ]


async def test_a_budget_that_is_used_up_asks_a_person(world: World) -> None:
    for number in range(2):
        await world.propose(mail(f"m{number}"))
    third = await world.propose(mail("m2"))
    assert (third.decision.reason, third.hold) == ("BUDGET_EXCEEDED", None)
    assert "2 of 2" in third.decision.explanation
    assert await world.used() == {"actions": 2, "actions:SEND_MAIL": 2}


async def test_an_amount_limit_binds_beside_the_count(world: World) -> None:
    answers = [(await world.propose(refund(f"r{n}", 40_000))).decision.answer for n in range(3)]
    assert answers == [Answer.AUTO_EXECUTE, Answer.AUTO_EXECUTE, Answer.REQUIRE_APPROVAL]
    assert (await world.used())["amount:ISSUE_REFUND"] == 80_000


@pytest.mark.parametrize(
    ("proposal", "autonomy", "reason"),
    [
        (task("t1", action_type="UNHEARD_OF"), {}, "UNKNOWN_ACTION"),
        (task("t1"), {"modes": [{"mode": "DISABLED"}]}, "ACTION_TYPE_DISABLED"),
        (refund("t1", 500_001), {}, "REFUND_OVER_HARD_CAP"),
        (task("t1", expires_at=1), {}, "INTENT_EXPIRED"),
    ],
)
async def test_block_is_final(
    world: World, proposal: object, autonomy: dict[str, object], reason: str
) -> None:
    await world.autonomy(**autonomy)
    blocked = await world.propose(proposal)  # type: ignore[arg-type]
    assert (blocked.status, blocked.decision.reason) == (IntentStatus.BLOCKED, reason)
    assert await world.run("t1") is None
    assert await world.control.waiting(OWNER) == []
    with pytest.raises(Conflict):
        await world.control.cancel(OWNER, "t1", "try")
    await world.autonomy(modes=[{"mode": "AUTO_EXECUTE"}])
    await world.sweep(alone=True)
    assert (await world.record("t1")).status is IntentStatus.BLOCKED
    assert world.tools.calls == []
    assert (await world.entries())[-2 if autonomy else -1]["kind"] in {
        "ACTION_BLOCKED",
        "SETTINGS_CHANGED",
    }


async def test_a_person_approves_and_it_takes_the_same_path_without_being_called_autopilot(
    world: World,
) -> None:
    await world.propose(task("t1", confidence_score=0.5))
    ruled = await world.control.rule(APPROVER, "t1.1", APPROVE)
    assert ruled.record.status is IntentStatus.APPROVED
    assert world.engine.hints == ["t1"]
    done = await world.run("t1")
    assert done is not None
    assert (done.status, done.approval_source, done.auto_executed) == (
        IntentStatus.SUCCEEDED,
        ApprovalSource.HUMAN,
        False,
    )
    assert await world.used() == {}, "only autonomous acts spend the autonomy budget"
    kinds = [
        entry["kind"] for entry in await world.entries() if entry.get("action_intent_id") == "t1"
    ]
    assert kinds == [
        "APPROVAL_REQUESTED",
        "ACTION_APPROVED",
        "EXECUTION_STARTED",
        "OUTCOME_RECORDED",
    ]
    told = await world.control.timeline(OWNER, TimelineQuery())
    assert (
        told[0].sentence == "agent-ada, approved by olga, created the task 'Renewal call' for acme"
    )
    assert (await world.entries())[-1]["auto_executed"] is False


async def test_the_same_intent_again_gets_the_same_answer_and_consumes_nothing(
    world: World,
) -> None:
    first = await world.control.propose(AGENT, task("t1"))
    again = await world.control.propose(AGENT, task("t1", trace_id="another-run"))
    assert (first.created, again.created) == (True, False)
    assert again.record.decision == first.record.decision
    await world.run("t1")
    after = await world.control.propose(AGENT, task("t1"))
    assert (after.record.decision, after.record.status) == (
        replace(first.record.decision, hold=after.record.hold),
        IntentStatus.SUCCEEDED,
    )
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}
    assert len(world.tools.calls) == 1


async def test_the_same_intent_again_after_the_catalog_changed_gets_the_same_answer(
    world: World,
) -> None:
    first = await world.propose(task("t1"))
    document = {**await _document(world)}
    document["catalog"] = {
        name: action for name, action in document["catalog"].items() if name != "CREATE_TASK"
    }
    document["autonomy"] = {**document["autonomy"], "allowlist": ["SEND_MAIL"]}
    document["policy"] = (
        '@id("a") @reason("A") @explanation("b") permit(principal, action, resource);'
    )
    await world.configure(document)
    assert (await world.propose(task("t1"))).decision == first.decision


async def _document(world: World) -> dict[str, object]:
    return dict((await world.store.settings("northwind")).document)


async def test_other_content_under_the_same_id_is_a_conflict(world: World) -> None:
    await world.propose(task("t1"))
    with pytest.raises(Conflict) as refused:
        await world.propose(task("t1", parameters={"title": "Another call"}))
    assert refused.value.code == "INTENT_ID_REUSED"
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_what_a_verb_answers_is_in_the_words_that_are_in_force(world: World) -> None:
    for name in ("t1", "t2"):
        await world.propose(task(name, confidence_score=0.5))
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["proposal"] = "note down '{title}'"
    await world.configure(document)  # as another process does: this one has compiled the old words
    edit = RulingRequest(RulingKind.EDIT, parameters={"title": "Later"})
    ruled = await world.control.rule(APPROVER, "t1.1", edit)
    assert ruled.admitted is not None
    answers = [
        ruled,
        ruled.admitted,
        await world.control.cancel(OWNER, "t2", "no need"),
    ]
    readers = [(answer, OWNER) for answer in answers]
    for answer, reader in [*readers, (await world.control.propose(AGENT, task("t3")), AGENT)]:
        assert "note down" in answer.sentence
        name = answer.record.intent.action_intent_id
        shown = await world.control.intent(reader, name)
        assert (answer.record, answer.sentence) == (shown.record, shown.sentence)


async def test_an_edit_is_a_new_intent_through_the_whole_gate(world: World) -> None:
    await world.propose(refund("r1", 60_000))
    edit = RulingRequest(RulingKind.EDIT, parameters={"order_id": "ORD-1", "amount_minor": 600_000})
    ruled = await world.control.rule(APPROVER, "r1.1", edit)
    assert ruled.admitted is not None
    new = ruled.admitted.record
    assert (ruled.record.status, new.status) == (IntentStatus.REJECTED, IntentStatus.BLOCKED)
    assert new.decision.reason == "REFUND_OVER_HARD_CAP"
    assert new.intent.supersedes == "r1"
    assert ruled.record.approval is not None
    assert ruled.record.approval.superseded_by == new.intent.action_intent_id


async def test_what_nobody_rules_on_expires_and_never_runs(world: World) -> None:
    await world.propose(task("t1", confidence_score=0.5))
    world.clock.forward(73 * 3_600_000)
    with pytest.raises(Conflict) as refused:
        await world.control.rule(APPROVER, "t1.1", APPROVE)
    assert refused.value.code == "APPROVAL_EXPIRED"
    await world.sweep()
    assert (await world.record("t1")).status is IntentStatus.EXPIRED
    assert await world.run("t1") is None


async def test_an_approved_intent_that_expires_before_it_starts_gives_its_budget_back(
    world: World,
) -> None:
    await world.propose(task("t1", expires_at=world.clock.now + 1_000))
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}
    world.clock.forward(2_000)
    assert await world.run("t1") is None
    expired = await world.record("t1")
    assert (expired.status, expired.hold and expired.hold.state) == (
        IntentStatus.EXPIRED,
        HoldState.RELEASED,
    )
    assert await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}


async def test_an_unknown_outcome_is_reconciled_by_a_person_and_only_once(world: World) -> None:
    await world.propose(mail("m1"))
    started = await _claimed(world, "m1")
    world.clock.forward(3_600_000)
    await world.sweep("worker-2")
    unknown = await world.record("m1")
    assert (unknown.status, started) == (IntentStatus.UNKNOWN, True)
    done = await world.control.reconcile(
        APPROVER, "m1", OutcomeStatus.SUCCEEDED, "It is in the outbox."
    )
    assert done.record.status is IntentStatus.SUCCEEDED
    with pytest.raises(Conflict):
        await world.control.reconcile(APPROVER, "m1", OutcomeStatus.FAILED, "No.")
    assert await world.used() == {"actions": 1, "actions:SEND_MAIL": 1}


async def _claimed(world: World, action_intent_id: str) -> bool:
    from clearance.flow import execute  # noqa: PLC0415

    return await execute.start(world.context, "northwind", action_intent_id, "worker-1") is not None
