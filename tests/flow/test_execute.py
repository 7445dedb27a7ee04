"""The execution path: revalidation before the start, honest outcomes after it, and no second call
that could hurt.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearance.core.approval import RulingKind
from clearance.core.catalog import idempotency_key
from clearance.core.errors import Forbidden, Unavailable
from clearance.core.moment import as_text
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Principal
from clearance.core.record import Change, IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.core.tool_pin import pin_of
from clearance.flow import execute
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import RulingRequest
from clearance.flow.sweep import Sweeper
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, TENANT, mail, refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
APPROVE = RulingRequest(RulingKind.APPROVE)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS", 0)


def failing(*errors: CallError) -> Any:
    """A tool that meets these errors, one per call, and then answers."""
    left = list(errors)

    async def behave(call: ToolCall) -> dict[str, bool]:
        if left:
            raise ToolCallFailed(left.pop(0))
        return {"ok": True}

    return behave


def error(error_class: ErrorClass, sent: Sent) -> CallError:
    return CallError(error_class, "The tool said no.", sent)


async def test_the_tool_gets_the_parameters_the_catalogs_arguments_and_our_key(
    world: World,
) -> None:
    await world.propose(task("t1"))
    await world.run("t1")
    key = idempotency_key(TENANT, "t1")
    assert world.tools.calls[0].arguments == {
        "title": "Renewal call",
        "account": "acme",
        "request_id": key,
    }
    assert world.tools.calls[0].idempotency_key == key


@pytest.mark.parametrize(
    ("proposal", "errors", "status", "calls", "used"),
    [
        # transient and not sent, or repeatable: tried again in the same attempt
        (task("i"), [error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)], "SUCCEEDED", 2, 1),
        (task("i"), [error(ErrorClass.TIMEOUT, Sent.MAYBE)] * 2, "SUCCEEDED", 3, 1),
        (mail("i"), [error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)], "SUCCEEDED", 2, 1),
        (task("i"), [error(ErrorClass.RATE_LIMIT, Sent.ANSWERED)], "SUCCEEDED", 2, 1),
        # permanent: not tried again
        (task("i"), [error(ErrorClass.VALIDATION, Sent.ANSWERED)], "FAILED", 1, 1),
        (task("i"), [error(ErrorClass.AUTH, Sent.ANSWERED)], "FAILED", 1, 1),
        (mail("i"), [error(ErrorClass.RATE_LIMIT, Sent.ANSWERED)], "FAILED", 1, 1),
        # may have been sent and must not be repeated
        (mail("i"), [error(ErrorClass.TIMEOUT, Sent.MAYBE)], "UNKNOWN", 1, 1),
        (mail("i"), [error(ErrorClass.UNKNOWN, Sent.MAYBE)], "UNKNOWN", 1, 1),
        # the cap
        (task("i"), [error(ErrorClass.TIMEOUT, Sent.MAYBE)] * 9, "UNKNOWN", 3, 1),
        (task("i"), [error(ErrorClass.RATE_LIMIT, Sent.ANSWERED)] * 9, "FAILED", 3, 1),
        # known never sent: cancelled, and the budget given back
        (mail("i"), [error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)] * 9, "CANCELLED", 3, 0),
        (task("i"), [error(ErrorClass.VALIDATION, Sent.NOT_SENT)], "CANCELLED", 1, 0),
        # one try may have gone through: a later one that was surely not sent does not make that
        # undone
        (
            task("i"),
            [
                error(ErrorClass.TIMEOUT, Sent.MAYBE),
                *[error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)] * 2,
            ],
            "UNKNOWN",
            3,
            1,
        ),
        # one try was answered: the budget stays spent, whatever the later ones met
        (
            task("i"),
            [
                error(ErrorClass.RATE_LIMIT, Sent.ANSWERED),
                *[error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)] * 2,
            ],
            "FAILED",
            3,
            1,
        ),
        (
            task("i"),
            [error(ErrorClass.TIMEOUT, Sent.MAYBE), error(ErrorClass.AUTH, Sent.ANSWERED)],
            "UNKNOWN",
            2,
            1,
        ),
    ],
)
async def test_errors_are_retried_only_where_that_is_safe_and_ends_are_honest(
    world: World, proposal: Any, errors: list[CallError], status: str, calls: int, used: int
) -> None:
    world.tools.behave = failing(*errors)
    await world.propose(proposal)
    done = await world.run("i")
    assert done is not None
    assert (done.status.value, len(world.tools.calls)) == (status, calls)
    assert (await world.used())["actions"] == used
    assert len({call.idempotency_key for call in world.tools.calls}) == 1
    last = (await world.entries())[-1]
    assert (last["kind"], last["tries"], last["auto_executed"]) == ("OUTCOME_RECORDED", calls, True)


@pytest.mark.parametrize(
    ("proposal", "pause_ms", "calls"),
    [(task("i"), 21, 1), (task("i"), 20, 3), (mail("i"), 20, 1)],
)
async def test_a_tool_that_asks_for_a_longer_pause_is_left_alone_and_the_outcome_says_until_when(
    world: World, proposal: Any, pause_ms: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS_MAX", 20)
    asked = replace(error(ErrorClass.RATE_LIMIT, Sent.ANSWERED), retry_after_ms=pause_ms)
    world.tools.behave = failing(*[asked] * calls)
    await world.propose(proposal)
    done = await world.run("i")
    assert done is not None
    assert done.outcome is not None
    retry_at = -(-(world.clock.now_ms() + pause_ms) // 1_000) * 1_000
    until = as_text(retry_at).replace(".000Z", "Z")
    assert (done.status.value, len(world.tools.calls)) == ("FAILED", calls)
    assert done.outcome.sentence == (
        f"{asked.sentence} The tool asked not to be called again before {until}."
    )
    assert done.outcome.error is not None
    assert done.outcome.error.sentence == done.outcome.sentence
    kept = await world.store.intent(done.intent.tenant_id, "i")
    assert kept is not None
    assert kept.outcome is not None
    assert kept.outcome.error is not None
    assert kept.outcome.error.retry_at == retry_at


async def test_only_one_of_many_starters_gets_the_attempt(world: World) -> None:
    await world.propose(task("t1"))
    done = await asyncio.gather(*(world.run("t1", f"worker-{n}") for n in range(16)))
    assert sum(one is not None for one in done) == 1
    assert len(world.tools.calls) == 1


async def test_a_stop_switch_holds_what_was_approved_until_it_is_lifted(world: World) -> None:
    await world.propose(task("t1"))
    await world.stop(StopSwitch(StopScope.TOOL_SERVER, "crm", StopLevel.HOLD, "CRM migration"))
    assert await world.run("t1") is None
    assert (await world.record("t1")).status is IntentStatus.APPROVED
    assert (await world.propose(task("t2"))).decision.reason == "STOP_SWITCH_ON"
    await world.stop()
    done = await world.run("t1")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


@pytest.mark.parametrize(
    "switch",
    [
        StopSwitch(StopScope.TENANT, None, StopLevel.REFUSE, "incident"),
        StopSwitch(StopScope.ACCOUNT, "acme", StopLevel.REFUSE, "incident"),
        StopSwitch(StopScope.ACTION_TYPE, "CREATE_TASK", StopLevel.REFUSE, "incident"),
        StopSwitch(StopScope.AGENT, "agent-ada", StopLevel.REFUSE, "incident"),
        StopSwitch(StopScope.TOOL_SERVER, "crm", StopLevel.REFUSE, "incident"),
    ],
)
async def test_a_refusing_stop_switch_cancels_what_was_approved_and_blocks_what_is_new(
    world: World, switch: StopSwitch
) -> None:
    await world.propose(task("t1"))
    await world.stop(switch)
    assert await world.run("t1") is None
    assert (await world.record("t1")).status is IntentStatus.CANCELLED
    assert await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}
    assert (await world.propose(task("t2"))).status is IntentStatus.BLOCKED
    assert world.tools.calls == []


async def test_a_stop_between_claim_and_call_sends_nothing_and_gives_the_budget_back(
    world: World,
) -> None:
    await world.propose(task("t1"))
    started = await execute.start(world.context, TENANT, "t1", "worker-1")
    assert started is not None
    await world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "incident"))
    outcome, tries = await execute.invoke(world.context, started)
    done = await execute.record(world.context, started, outcome, tries=tries)
    assert done is not None
    assert (done.status, done.outcome and done.outcome.error and done.outcome.error.code) == (
        IntentStatus.CANCELLED,
        "STOP_SWITCH_ON",
    )
    assert world.tools.calls == []
    assert await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}


async def test_autonomy_withdrawn_after_the_approval_asks_a_person_and_gives_the_budget_back(
    world: World,
) -> None:
    await world.propose(task("t1"))
    await world.autonomy(modes=[{"mode": "APPROVAL_REQUIRED"}])
    assert await world.run("t1") is None
    reopened = await world.record("t1")
    assert (reopened.status, reopened.approval_source) == (IntentStatus.AWAITING_APPROVAL, None)
    assert await world.used() == {"actions": 0, "actions:CREATE_TASK": 0}
    assert reopened.decision.reason == "MODE_APPROVAL_REQUIRED"
    await world.control.rule(APPROVER, "t1.1", APPROVE)
    done = await world.run("t1")
    assert done is not None
    assert (done.status, done.auto_executed) == (IntentStatus.SUCCEEDED, False)


async def test_settings_changed_but_the_decision_holds_so_it_runs_under_the_new_one(
    world: World,
) -> None:
    await world.propose(task("t1"))
    await world.autonomy(budgets=[{"max_per_day": 5}])
    done = await world.run("t1")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED
    started = next(entry for entry in await world.entries() if entry["kind"] == "EXECUTION_STARTED")
    assert started["decision"]["settings_version"] == [2, 0]


async def test_a_lowered_limit_is_kept_for_what_has_not_started(world: World) -> None:
    for number in range(3):
        await world.propose(task(f"t{number}"))
    await world.autonomy(budgets=[{"max_per_day": 1}])
    for number in range(3):
        await world.run(f"t{number}")
    statuses = [(await world.record(f"t{n}")).status.value for n in range(3)]
    assert sorted(statuses) == ["AWAITING_APPROVAL", "AWAITING_APPROVAL", "SUCCEEDED"]
    assert await world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_what_a_person_approved_is_cancelled_when_the_policy_now_blocks_it(
    world: World,
) -> None:
    await world.propose(refund("r1", 60_000))
    await world.control.rule(APPROVER, "r1.1", APPROVE)
    document = sample.document()
    document["policy"] = sample.POLICY.replace("> 500000", "> 1000")
    await world.configure(document)
    assert await world.run("r1") is None
    assert (await world.record("r1")).status is IntentStatus.CANCELLED


@pytest.mark.parametrize(
    ("proposal", "status", "calls"), [(task("i"), "SUCCEEDED", 1), (mail("i"), "UNKNOWN", 0)]
)
async def test_what_a_dead_worker_left_is_repeated_only_if_the_effect_allows_it(
    world: World, proposal: Any, status: str, calls: int
) -> None:
    await world.propose(proposal)
    assert await execute.start(world.context, TENANT, "i", "worker-1") is not None
    await world.sweep("worker-2")
    assert (await world.record("i")).status is IntentStatus.RUNNING, "the lease is not over"
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    done = await world.record("i")
    assert (done.status.value, len(world.tools.calls)) == (status, calls)


async def test_a_slow_worker_sends_nothing_after_its_lease_and_its_outcome_is_refused(
    world: World,
) -> None:
    await world.propose(task("t1"))
    slow = await execute.start(world.context, TENANT, "t1", "slow")
    assert slow is not None
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    assert (await world.record("t1")).status is IntentStatus.SUCCEEDED
    outcome, tries = await execute.invoke(world.context, slow)
    assert outcome.error is not None
    assert outcome.error.code == "LEASE_TOO_SHORT"
    assert await execute.record(world.context, slow, outcome, tries=tries) is None
    assert len(world.tools.calls) == 1


async def test_attempts_are_bounded(world: World) -> None:
    await world.propose(task("t1"))
    assert await execute.start(world.context, TENANT, "t1", "w") is not None
    for number in range(5):
        world.clock.forward(60_000)
        await execute.restart(world.context, TENANT, "t1", f"w{number}")
    done = await world.record("t1")
    assert done.attempt is not None
    assert (done.status, done.attempt.number) == (IntentStatus.UNKNOWN, 3)


async def test_a_tenant_whose_state_is_busy_keeps_the_sweep_from_nobody_elses_work(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    expires = world.clock.now_ms() + 1_000
    for name in ("e1", "e2", "e3"):
        await world.propose(task(name, expires_at=expires))
    await world.configure(sample.DOCUMENT, tenant_id="contoso")
    await world.propose(task("other", expires_at=expires), replace(AGENT, tenant_id="contoso"))
    await world.propose(task("t1"))
    world.engine.hints.clear()
    world.clock.forward(2_000)
    advance, asked = world.store.advance, []

    async def busy(change: Change) -> Any:
        asked.append(change.action_intent_id)
        if change.tenant_id == TENANT:
            assert (
                "t1" in world.engine.hints
            )  # who waits for its start does not wait for those who expire
            raise Unavailable("Too many transitions of the tenant wait.")
        return await advance(change)

    monkeypatch.setattr(world.store, "advance", busy)
    assert (await Sweeper(world.context, "w", alone=False).find()).expired == 1
    assert (len(asked), asked.count("other")) == (2, 1)


async def test_a_lost_hint_is_found_by_the_sweep(world: World) -> None:
    await world.propose(task("t1"))
    world.engine.hints.clear()
    await world.sweep()
    assert world.engine.hints == ["t1"]


async def test_large_answers_are_cut_and_said_to_be(world: World) -> None:
    async def behave(call: ToolCall) -> str:
        return "é" * 200_000

    world.tools.behave = behave
    await world.propose(task("t1"))
    done = await world.run("t1")
    assert done is not None
    assert done.outcome is not None
    assert (done.outcome.result_truncated, done.outcome.result_bytes) == (True, 400_002)
    assert len(str(done.outcome.result).encode()) <= 33_000


async def test_a_stop_that_comes_while_the_call_waits_for_its_turn_sends_nothing(
    world: World,
) -> None:
    await world.propose(task("t1"))
    call = world.tools.call

    async def waits(tenant_id: str, wanted: ToolCall, cleared: Any) -> Any:
        await world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.REFUSE, "incident"))
        return await call(tenant_id, wanted, cleared)

    world.tools.call = waits  # type: ignore[method-assign]
    done = await world.run("t1")
    assert done is not None
    assert (done.status, world.tools.calls) == (IntentStatus.CANCELLED, [])


@pytest.mark.parametrize(
    ("what", "status"),
    [
        ("expired", "UNKNOWN"),
        ("disabled", "UNKNOWN"),
        ("another tool", "UNKNOWN"),
        ("refused", "UNKNOWN"),
        ("held", "RUNNING"),
        ("nothing", "SUCCEEDED"),
    ],
)
async def test_a_repeat_is_revalidated_like_a_start(world: World, what: str, status: str) -> None:
    await world.propose(
        task("t1", expires_at=world.clock.now + 10_000 if what == "expired" else None)
    )
    assert await execute.start(world.context, TENANT, "t1", "dead") is not None
    document = sample.document()
    if what == "disabled":
        await world.autonomy(modes=[{"mode": "DISABLED"}])
    elif what == "another tool":
        document["catalog"]["CREATE_TASK"]["tool"] = "crm.delete_task"
        await world.configure(document)
    elif what in {"refused", "held"}:
        level = StopLevel.REFUSE if what == "refused" else StopLevel.HOLD
        await world.stop(StopSwitch(StopScope.TENANT, None, level, "incident"))
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    done = await world.record("t1")
    assert (done.status.value, len(world.tools.calls)) == (status, 1 if what == "nothing" else 0)


async def test_a_repeat_that_meets_an_error_says_that_the_first_call_may_have_acted(
    world: World,
) -> None:
    await world.propose(task("t1"))
    assert await execute.start(world.context, TENANT, "t1", "dead") is not None
    world.clock.forward(60_000)
    world.tools.behave = failing(error(ErrorClass.VALIDATION, Sent.NOT_SENT))
    await world.sweep("worker-2")
    done = await world.record("t1")
    assert (done.status, done.hold and done.hold.state.value) == (IntentStatus.UNKNOWN, "SETTLED")


async def test_one_tenants_broken_policy_does_not_keep_anothers_work_from_being_carried_on(
    world: World,
) -> None:
    await world.configure(sample.DOCUMENT, tenant_id="southwind")
    await world.propose(task("t1"))
    southwind = Principal("southwind", "ada", AGENT.kind, AGENT.permissions)
    await world.propose(task("t1"), southwind)
    for tenant in ("southwind", TENANT):
        assert await execute.start(world.context, tenant, "t1", "dead") is not None
    await world.configure({**sample.document(), "policy": "permit("}, tenant_id="southwind")
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    assert (await world.record("t1")).status is IntentStatus.SUCCEEDED


async def test_parameters_that_the_catalog_now_refuses_do_not_run(world: World) -> None:
    await world.propose(refund("r1", 40_000))
    document = sample.document()
    document["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"]["maximum"] = 100
    await world.configure(document)
    assert await world.run("r1") is None
    assert (await world.record("r1")).status is IntentStatus.CANCELLED
    assert world.tools.calls == []


async def test_a_limit_that_is_set_later_finds_what_was_used_before(world: World) -> None:
    for number in range(3):
        await world.propose(task(f"t{number}"))
    await world.autonomy(
        budgets=[{"max_per_day": 10, "max_per_day_by_action_type": {"CREATE_TASK": 1}}]
    )
    for number in range(3):
        await world.run(f"t{number}")
    assert len(world.tools.calls) == 1
    assert (await world.propose(task("t9"))).decision.reason == "BUDGET_EXCEEDED"


FORGED_APPROVAL = (
    "UPDATE approval SET state",
    "UPDATE intent SET approval.state",
)  # on PostgreSQL, a column of the row


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE intent SET status = 'APPROVED', approval_source = 'HUMAN'",
        "UPDATE intent SET status = 'APPROVED', approval_source = 'POLICY'",
        (
            "UPDATE approval SET state = 'APPROVED'; UPDATE intent SET status = 'APPROVED', "
            "approval_source = 'HUMAN'"
        ),
    ],
)
@pytest.mark.parametrize("proposal", [task("i", confidence_score=0.5), refund("i", 900_000)])
async def test_a_state_that_decision_and_ruling_do_not_bear_out_does_not_run(
    world: World, proposal: Any, forgery: str
) -> None:
    await world.propose(proposal)
    world.sql(forgery if isinstance(world.place, Path) else forgery.replace(*FORGED_APPROVAL))
    assert await world.run("i") is None
    assert world.tools.calls == []


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE intent SET content = replace(content, '1000', '9000')",
        "UPDATE intent SET action_type = 'CREATE_TASK'",
    ],
)
async def test_what_is_not_what_was_decided_on_does_not_run(world: World, forgery: str) -> None:
    await world.propose(refund("i"))
    world.sql(forgery if isinstance(world.place, Path) else forgery.replace(*FORGED_APPROVAL))
    assert await world.run("i") is None
    assert (await world.record("i")).status is IntentStatus.CANCELLED
    assert world.tools.calls == []


async def test_a_known_answer_survives_a_store_that_cannot_commit_for_a_while(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execute, "RECORD_AGAIN_SECONDS", 0)
    await world.propose(mail("m1"))
    started = await execute.start(world.context, TENANT, "m1", "worker-1")
    assert started is not None
    outcome, tries = await execute.invoke(world.context, started)
    advance, refusals = world.store.advance, [Unavailable("disk full")] * 3

    async def failing_advance(change: Change) -> Any:
        if refusals:
            raise refusals.pop()
        return await advance(change)

    monkeypatch.setattr(world.store, "advance", failing_advance)
    done = await execute.record(world.context, started, outcome, tries=tries)
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


async def test_a_tool_that_was_never_seen_is_pinned_on_first_contact_and_held_to_it(
    world: World,
) -> None:
    await world.propose(task("t1"))
    await world.run("t1")
    assert world.tools.calls[0].schema_digest == pin_of(world.tools.schema)
    world.tools.schema = {"type": "object", "title": "another"}
    await world.propose(task("t2"))
    await world.run("t2")
    assert world.tools.calls[1].schema_digest == pin_of({"type": "object"}), (
        "the runner is told the agreed one"
    )


async def test_a_store_that_cannot_be_read_before_the_call_means_that_nothing_was_sent(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.propose(mail("m1"))
    started = await execute.start(world.context, TENANT, "m1", "worker-1")
    assert started is not None

    async def unreadable(_: str) -> Any:
        raise Unavailable("disk gone")

    monkeypatch.setattr(world.store, "settings_version", unreadable)
    outcome, _ = await execute.invoke(world.context, started)
    assert (outcome.status.value, world.tools.calls) == ("CANCELLED", [])


async def test_many_first_contacts_at_once_pin_the_tool_once(world: World) -> None:
    for number in range(10):
        await world.propose(task(f"t{number}"))
    done = await asyncio.gather(*(world.run(f"t{number}") for number in range(10)))
    left = [
        number for number, one in enumerate(done) if one is None
    ]  # the settings moved while they started
    for number in left:
        await world.run(f"t{number}")
    assert len(world.tools.calls) == 10
    assert {(await world.record(f"t{number}")).status for number in range(10)} == {
        IntentStatus.SUCCEEDED
    }
    assert [entry["kind"] for entry in await world.entries()].count("SETTINGS_CHANGED") == 2


async def test_an_edit_stays_the_agents_and_its_editor_does_not_rule_on_it(world: World) -> None:
    await world.stop(StopSwitch(StopScope.AGENT, "agent-ada", StopLevel.HOLD, "misbehaves"))
    await world.propose(task("t1"))
    edit = RulingRequest(RulingKind.EDIT, parameters={"title": "Edited"})
    ruled = await world.control.rule(APPROVER, "t1.1", edit)
    assert ruled.admitted is not None
    edited = ruled.admitted.record
    assert (edited.intent.proposed_by, edited.intent.edited_by) == ("agent-ada", "olga")
    assert edited.decision.reason == "STOP_SWITCH_ON"
    assert edited.approval is not None
    with pytest.raises(Forbidden):
        await world.control.rule(APPROVER, edited.approval.approval_id, APPROVE)
