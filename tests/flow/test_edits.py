"""An edit is its editor's act: it never runs alone, and everything that tells of it names them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearance.core import gate
from clearance.core.approval import ApprovalSource, ApprovalState, RulingKind
from clearance.core.budget import HoldState
from clearance.core.credential import principal_of
from clearance.core.decision import Answer
from clearance.core.errors import Forbidden
from clearance.core.principal import Permission, Principal, Role
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow import execute
from clearance.flow.requests import RulingRequest
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OWNER, TENANT, refund
from tests.support.world import World

pytestmark = pytest.mark.anyio
APPROVE = RulingRequest(RulingKind.APPROVE)
DANA = principal_of(TENANT, "dana", Role.APPROVER)
OWN_ORDER = {"order_id": "OLGAS-OWN-ORDER", "amount_minor": 250}
FORBIDDEN = {"order_id": "OLGAS-OWN-ORDER", "amount_minor": 500_001}


def shop(**approval: Any) -> dict[str, Any]:
    """The sample, with what approvals of refunds are like."""
    made = sample.document()
    made["catalog"]["ISSUE_REFUND"]["approval"] = approval
    return made


async def edited(
    world: World, editor: Principal, parameters: dict[str, Any] | None = None
) -> IntentRecord:
    """The intent that an edit makes of a refund that needs a person."""
    await world.propose(refund("r1", 75_000))
    edit = RulingRequest(RulingKind.EDIT, "half", parameters or OWN_ORDER)
    ruled = await world.control.rule(editor, "r1.1", edit)
    assert ruled.record.status is IntentStatus.REJECTED
    assert ruled.admitted is not None
    return ruled.admitted.record


async def run(world: World, record: IntentRecord) -> IntentRecord | None:
    return await world.run(record.intent.action_intent_id)


async def sentence(world: World, record: IntentRecord) -> str:
    return (await world.control.intent(OWNER, record.intent.action_intent_id)).sentence


async def test_an_edit_that_the_gate_would_let_run_waits_for_another_person(world: World) -> None:
    """An approver, who may not propose, edited a request into an order of their own: it ran at
    once, and the timeline said that Autopilot did it.
    """
    new = await edited(world, APPROVER)
    assert (new.status, new.decision.reason) == (IntentStatus.AWAITING_APPROVAL, "EDITED")
    assert (new.intent.proposed_by, new.intent.edited_by) == ("agent-ada", "olga")
    assert new.hold is None
    assert await run(world, new) is None
    assert new.approval is not None
    with pytest.raises(Forbidden) as refused:
        await world.control.rule(APPROVER, new.approval.approval_id, APPROVE)
    assert refused.value.code == "OWN_PROPOSAL"
    await world.control.rule(DANA, new.approval.approval_id, APPROVE)
    done = await run(world, new)
    assert done is not None
    assert (done.status, done.approval_source) == (IntentStatus.SUCCEEDED, ApprovalSource.HUMAN)
    assert await sentence(world, done) == (
        "olga, approved by dana, refunded 250 for OLGAS-OWN-ORDER, as an edit of what agent-ada "
        "proposed"
    )
    await told_as_the_act_of_a_person(world, done)


@pytest.mark.parametrize("by", ["action type", "role"])
async def test_where_editors_rule_an_edit_is_their_approval_too_in_one_step(
    world: World, by: str
) -> None:
    editor = APPROVER if by == "action type" else principal_of(TENANT, "olga", Role.OWNER)
    if by == "action type":
        await world.configure(shop(editors_rule=True))
    before = await world.used()
    new = await edited(world, editor)
    assert (new.status, new.approval_source) == (IntentStatus.APPROVED, ApprovalSource.HUMAN)
    assert (new.decision.answer, new.decision.reason) == (Answer.REQUIRE_APPROVAL, "EDITED")
    stored = await world.record(new.intent.action_intent_id)
    assert stored.approval is not None
    assert stored.binding is not None
    assert stored.approval.state is ApprovalState.APPROVED
    assert stored.approval.digest == stored.binding.digest
    (ruling,) = stored.approval.rulings
    assert (ruling.kind, ruling.ruled_by) == (RulingKind.APPROVE, "olga")
    assert world.engine.hints[-1] == new.intent.action_intent_id
    (entry,) = await world.control.history(OWNER, new.intent.action_intent_id)
    approved = entry.fields
    told = (approved["kind"], approved["ruling"], approved["actor"]["id"], approved["digest"])
    assert told == ("ACTION_APPROVED", "approve", "olga", stored.binding.digest)
    done = await run(world, new)
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED
    assert await sentence(world, done) == (
        "olga refunded 250 for OLGAS-OWN-ORDER, as an edit of what agent-ada proposed"
    )
    assert await world.used() == before
    await told_as_the_act_of_a_person(world, done)


async def told_as_the_act_of_a_person(world: World, done: IntentRecord) -> None:
    """Every entry about an edited intent names its editor, and none says that it ran alone."""
    assert not done.auto_executed
    about = await world.control.history(OWNER, done.intent.action_intent_id)
    assert {entry.fields["edited_by"] for entry in about} == {"olga"}
    sources = [
        (entry.fields["approval_source"], entry.fields["auto_executed"])
        for entry in about
        if "approval_source" in entry.fields
    ]
    assert sources == [("HUMAN", False)] * 3


@pytest.mark.parametrize("by", ["nobody", "action type", "role"])
async def test_what_is_blocked_stays_blocked_whoever_edits(world: World, by: str) -> None:
    if by == "action type":
        await world.configure(shop(editors_rule=True))
    new = await edited(world, OWNER if by == "role" else APPROVER, FORBIDDEN)
    assert (new.status, new.decision.reason) == (IntentStatus.BLOCKED, "REFUND_OVER_HARD_CAP")
    assert (new.approval, new.approval_source) == (None, None)
    assert await run(world, new) is None
    assert (await sentence(world, new)).startswith(
        "Blocked: olga wanted to" if by != "role" else ""
    )


async def test_an_action_type_lets_editors_rule_only_those_who_may_rule_at_all(
    world: World,
) -> None:
    await world.configure(shop(editors_rule=True))
    await world.propose(refund("r1", 75_000))
    edit = RulingRequest(RulingKind.EDIT, parameters=OWN_ORDER)
    agent_that_rules = replace(AGENT, permissions=AGENT.permissions | {Permission.RULE})
    for principal in (AGENT, agent_that_rules):
        with pytest.raises(Forbidden):
            await world.control.rule(principal, "r1.1", edit)
    assert (await world.record("r1")).status is IntentStatus.AWAITING_APPROVAL


async def test_a_stop_switch_holds_an_edit_that_its_editor_approved(world: World) -> None:
    hold = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "incident")
    await world.propose(refund("r1", 75_000))
    await world.stop(hold)
    edit = RulingRequest(RulingKind.EDIT, parameters=OWN_ORDER)
    ruled = await world.control.rule(OWNER, "r1.1", edit)
    assert ruled.admitted is not None
    new = ruled.admitted.record
    assert new.status is IntentStatus.APPROVED
    assert await run(world, new) is None
    await world.stop()
    done = await run(world, new)
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


async def test_an_editors_approval_is_outdated_like_any_other_and_they_may_give_it_again(
    world: World,
) -> None:
    await world.configure(shop(editors_rule=True))
    new = await edited(world, APPROVER)
    document = shop(editors_rule=True)
    document["catalog"]["ISSUE_REFUND"]["risk_level"] = "HIGH"
    await world.configure(document)
    assert await run(world, new) is None
    asked = await world.record(new.intent.action_intent_id)
    assert asked.status is IntentStatus.AWAITING_APPROVAL
    assert asked.approval is not None
    await world.control.rule(APPROVER, asked.approval.approval_id, APPROVE)
    done = await run(world, asked)
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


async def test_an_editors_approval_stands_though_editors_rule_no_more(world: World) -> None:
    await world.configure(shop(editors_rule=True))
    new = await edited(world, APPROVER)
    await world.configure(shop())
    done = await run(world, new)
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


# Intents that a version before this one let run alone


@pytest.fixture
async def left_by_an_earlier_version(world: World, monkeypatch: pytest.MonkeyPatch) -> IntentRecord:
    """An edited intent that policy approved: the row had no check of edits."""
    row = gate.ROW
    monkeypatch.setattr(gate, "ROW", tuple(check for check in row if check.name != "edit"))
    new = await edited(world, APPROVER)
    monkeypatch.setattr(gate, "ROW", row)
    assert (new.status, new.approval_source) == (IntentStatus.APPROVED, ApprovalSource.POLICY)
    return new


@pytest.mark.parametrize("settings", ["as they were", "changed"])
async def test_an_edit_that_policy_approved_asks_another_person_before_it_starts(
    world: World, left_by_an_earlier_version: IntentRecord, settings: str
) -> None:
    if settings == "changed":
        await world.autonomy(allowlist=["ISSUE_REFUND"])
    assert await run(world, left_by_an_earlier_version) is None
    asked = await world.record(left_by_an_earlier_version.intent.action_intent_id)
    assert (asked.status, asked.decision.reason) == (IntentStatus.AWAITING_APPROVAL, "EDITED")
    assert (asked.hold is not None and asked.hold.state) is HoldState.RELEASED
    assert not any((await world.used()).values())
    assert asked.approval is not None
    with pytest.raises(Forbidden):
        await world.control.rule(APPROVER, asked.approval.approval_id, APPROVE)
    await world.control.rule(DANA, asked.approval.approval_id, APPROVE)
    done = await run(world, asked)
    assert done is not None
    assert (done.status, done.approval_source) == (IntentStatus.SUCCEEDED, ApprovalSource.HUMAN)


async def test_an_edit_that_policy_approved_is_not_repeated(
    world: World, left_by_an_earlier_version: IntentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of the earlier version may have sent it; so it is unknown, and a person looks."""
    name, record = left_by_an_earlier_version.intent.action_intent_id, left_by_an_earlier_version
    with monkeypatch.context() as earlier:
        row = tuple(check for check in gate.ROW if check.name != "edit")
        earlier.setattr(gate, "ROW", row)
        earlier.setattr("clearance.core.revalidation._edited_alone", lambda _: False)
        assert await execute.start(world.context, TENANT, name, "earlier") is not None
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    assert (await world.record(name)).status is IntentStatus.UNKNOWN
    assert world.tools.calls == []
    assert (await sentence(world, record)).startswith("olga, let run by policy, tried to refund")
