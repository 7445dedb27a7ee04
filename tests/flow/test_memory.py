"""What is remembered of an act: a person's no to the same, the same call while it waits, and how
much of one agent waits or was blocked.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearance.configuration.document import parse_document
from clearance.core.approval import RulingKind
from clearance.core.decision import Answer
from clearance.core.errors import Conflict, InvalidInput, TooMany
from clearance.core.moment import HOUR_MS
from clearance.core.principal import Principal
from clearance.core.quota import QUOTAS_DEFAULT
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow.memory import rejection_of
from clearance.flow.requests import Proposal, Ruled, RulingRequest, SettingsPart
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OTHER_AGENT, OWNER, TENANT, refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """What differs between stores is compared by their own suite."""
    return tmp_path / "store.sqlite3"


DAY_MS = 24 * HOUR_MS
NO = RulingRequest(RulingKind.REJECT, "Never: it is fraud.")
UNSURE = 0.5
SAME_ORDER = {"same_when": ["order_id"]}
AUTO = (Answer.AUTO_EXECUTE, "REFUNDS_ALLOWED")
ASKED = (Answer.REQUIRE_APPROVAL, "REJECTED_BEFORE")


def document(quotas: dict[str, int] | None = None, **entry: Any) -> dict[str, Any]:
    made = sample.document(rejections={"asks_for": "10d"}, quotas=quotas or {})
    made["catalog"]["ISSUE_REFUND"] |= entry
    return made


def answered(record: IntentRecord) -> tuple[Answer, str]:
    return record.decision.answer, record.decision.reason


async def rejected(world: World, name: str, proposal: Proposal | None = None) -> None:
    """A person's no to a refund of 10.00 for ORD-1."""
    await world.propose(proposal or refund(name, confidence_score=UNSURE))
    await world.control.rule(APPROVER, f"{name}.1", NO)


async def answer_to(world: World, proposal: Proposal, by: Principal = AGENT) -> tuple[Answer, str]:
    return answered(await world.propose(proposal, by))


async def edited(world: World, name: str, **parameters: Any) -> Ruled:
    request = RulingRequest(RulingKind.EDIT, parameters=parameters)
    return await world.control.rule(APPROVER, f"{name}.1", request)


# --- A no ---


@pytest.mark.parametrize("by", [AGENT, OTHER_AGENT])
async def test_what_a_person_rejected_asks_whoever_proposes_it_and_however_sure(
    world: World, by: Principal
) -> None:
    await world.configure(document())
    assert await answer_to(world, refund("r0")) == AUTO
    await rejected(world, "r1")
    again = await world.propose(refund("r2", confidence_score=1.0), by)
    assert answered(again) == ASKED
    finding = again.decision.findings[-1]
    assert (finding.check, finding.inputs["action_intent_id"]) == ("rejection", "r1")
    assert again.hold is None
    assert await answer_to(world, refund("r3", amount_minor=1_001), by) == AUTO
    assert await answer_to(world, refund("r4", account_id="globex"), by) == AUTO


async def test_a_no_is_forgotten_after_its_time_and_not_before(world: World) -> None:
    await world.configure(document())
    await rejected(world, "r1")
    world.clock.forward(10 * DAY_MS - 1)
    assert await answer_to(world, refund("r2")) == ASKED
    world.clock.forward(1)
    assert await answer_to(world, refund("r3")) == AUTO


@pytest.mark.parametrize("order", ["ORD-1", "ord-1", " ORD-1 ", "\uff2fRD-1", "ORD\u200b-1"])
async def test_the_catalog_says_what_makes_two_acts_the_same(world: World, order: str) -> None:
    await world.configure(document(**SAME_ORDER))
    await rejected(world, "r1")
    said = {"order_id": order, "amount_minor": 77}
    assert await answer_to(world, refund("r2", parameters=said)) == ASKED
    other = {"order_id": "ORD-10", "amount_minor": 1_000}
    assert await answer_to(world, refund("r3", parameters=other)) == AUTO


async def test_what_never_ran_or_was_only_withdrawn_is_no_no(world: World) -> None:
    await world.configure(document())
    await world.propose(refund("r1", confidence_score=UNSURE))
    await world.control.cancel(AGENT, "r1", "Not needed.")
    assert await answer_to(world, refund("r2")) == AUTO


async def test_an_edit_is_a_no_to_what_was_edited_and_meets_the_noes_of_before(
    world: World,
) -> None:
    await world.configure(document())
    await rejected(world, "r1", refund("r1", amount_minor=500, confidence_score=UNSURE))
    await world.propose(refund("r2", amount_minor=900, confidence_score=UNSURE))
    ruled = await edited(world, "r2", order_id="ORD-1", amount_minor=500)
    assert ruled.admitted is not None
    codes = [finding.code for finding in ruled.admitted.record.decision.findings]
    assert "REJECTED_BEFORE" in codes
    assert ruled.admitted.record.status is IntentStatus.AWAITING_APPROVAL
    assert await answer_to(world, refund("r3", amount_minor=900)) == ASKED


async def test_an_edit_of_the_same_act_is_not_asked_about_because_of_itself(world: World) -> None:
    await world.configure(document(**SAME_ORDER))
    await world.propose(refund("r1", amount_minor=900, confidence_score=UNSURE))
    ruled = await edited(world, "r1", order_id="ORD-1", amount_minor=500)
    assert ruled.admitted is not None
    codes = [finding.code for finding in ruled.admitted.record.decision.findings]
    assert "NOT_REJECTED" in codes
    record = await world.record(ruled.admitted.record.intent.action_intent_id)
    settings, now = await world.context.settings(TENANT), world.clock.now_ms()
    assert await rejection_of(world.context, record, settings, now) is None
    first = await world.record("r1")
    others = await world.store.alike(TENANT, record.likeness or b"", 5)
    assert {other.intent.action_intent_id for other in others} == {
        record.intent.action_intent_id,
        first.intent.action_intent_id,
    }


async def test_a_later_start_knows_a_no_that_came_meanwhile(world: World) -> None:
    """It was let run and held by a switch; the no came before the switch was lifted."""
    await world.configure(document())
    await world.propose(refund("r1"))
    held = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "Wait.")
    await world.configure(document() | {"stop_switches": [_switch(held)]})
    assert await world.run("r1") is None
    await rejected(world, "r2", refund("r2"))
    await world.configure(document())
    assert await world.run("r1") is None
    again = await world.record("r1")
    assert (again.status, again.decision.reason) == (
        IntentStatus.AWAITING_APPROVAL,
        "REJECTED_BEFORE",
    )
    assert world.tools.calls == []


def _switch(switch: StopSwitch) -> dict[str, Any]:
    return {"scope": switch.scope, "level": switch.level, "reason": switch.reason}


async def test_what_would_change_the_answer_knows_the_no(world: World) -> None:
    await world.configure(document())
    await rejected(world, "r1")
    await world.propose(refund("r2", confidence_score=UNSURE))
    explained = await world.control.explain(APPROVER, "r2")
    assert explained.nearest_changes == ()


async def test_a_stored_part_that_cannot_be_read_asks(world: World) -> None:
    broken = document()
    broken["autonomy"]["rejections"] = {"asks_for": "for ever"}
    await world.configure(broken)
    assert await answer_to(world, refund("r1")) == (
        Answer.REQUIRE_APPROVAL,
        "REJECTIONS_UNREADABLE",
    )


# --- The same call ---


async def test_a_door_that_folds_answers_with_what_waits_already(world: World) -> None:
    await world.configure(document())
    call = refund("a", confidence_score=UNSURE, folds=True)
    first = await world.control.propose(AGENT, call)
    again = replace(call, action_intent_id="b", confidence_score=0.9, why=("Please!",))
    second = await world.control.propose(AGENT, again)
    assert (second.created, second.record.intent.action_intent_id) == (False, "a")
    assert first.created
    others = {
        "another agent": await world.propose(replace(again, action_intent_id="c"), OTHER_AGENT),
        "other arguments": await world.propose(
            replace(again, action_intent_id="d", parameters={"order_id": "o", "amount_minor": 1})
        ),
        "a door that does not fold": await world.propose(
            replace(again, action_intent_id="e", folds=False)
        ),
    }
    assert {r.intent.action_intent_id for r in others.values()} == {"c", "d", "e"}
    await world.control.rule(APPROVER, "a.1", NO)
    later = await world.control.propose(AGENT, replace(again, action_intent_id="f"))
    assert (later.created, answered(later.record)) == (True, ASKED)


async def test_an_id_that_stands_for_something_else_is_still_refused_where_calls_fold(
    world: World,
) -> None:
    await world.propose(refund("a", amount_minor=5))
    with pytest.raises(Conflict) as refused:
        await world.propose(refund("a", amount_minor=6, folds=True))
    assert refused.value.code == "INTENT_ID_REUSED"


# --- Quotas ---


async def test_so_much_of_one_agent_waits_and_no_more(world: World) -> None:
    await world.configure(document({"waiting_each_agent": 2}))
    for number in range(2):
        await world.propose(refund(f"r{number}", amount_minor=60_000 + number))
    size = await world.store.ledger_size(TENANT)
    with pytest.raises(TooMany) as refused:
        await world.propose(refund("r2", amount_minor=60_002))
    assert (refused.value.code, refused.value.retry_after_seconds) == ("TOO_MANY_WAITING", None)
    assert await world.store.ledger_size(TENANT) == size
    assert await world.store.intent(TENANT, "r2") is None
    assert (await world.propose(refund("r0", amount_minor=60_000))).status is (
        IntentStatus.AWAITING_APPROVAL
    )
    assert await answer_to(world, refund("r3")) == AUTO, "what runs alone waits for nobody"
    await world.propose(refund("r4", amount_minor=60_004), OTHER_AGENT)
    ruled = await edited(world, "r0", order_id="ORD-1", amount_minor=70_000)
    assert ruled.admitted, "a person's edit is no agent's flood"
    await world.control.rule(APPROVER, "r1.1", NO)
    assert (await world.propose(refund("r5", amount_minor=60_005))).status is (
        IntentStatus.AWAITING_APPROVAL
    )


async def test_above_its_quota_a_blocked_intent_leaves_its_entry_and_no_words(
    world: World,
) -> None:
    absurd = refund("r1", amount_minor=600_000, why=("x" * 500,), target={"a": "b"})
    await world.configure(document({"blocked_bytes_per_day": 1_200}))
    whole = await world.propose(absurd)
    assert (whole.status, whole.intent.content_kept) == (IntentStatus.BLOCKED, True)
    proposed = await world.control.propose(AGENT, replace(absurd, action_intent_id="r2"))
    assert proposed.created
    for record in (proposed.record, await world.record("r2")):
        intent = record.intent
        assert (intent.content_kept, intent.parameters) == (False, {})
        assert (intent.target, intent.why) == (None, ())
        assert answered(record) == (Answer.BLOCK, "REFUND_OVER_HARD_CAP")
    entry = (await world.entries())[-1]
    assert (entry["kind"], entry["content_kept"]) == ("ACTION_BLOCKED", False)
    same = await world.control.propose(AGENT, replace(absurd, action_intent_id="r2"))
    assert not same.created
    with pytest.raises(Conflict):
        await world.propose(replace(absurd, action_intent_id="r2", why=("other",)))
    assert (await world.propose(refund("r3", amount_minor=60_000))).intent.content_kept
    world.clock.forward(DAY_MS)
    assert (await world.propose(replace(absurd, action_intent_id="r4"))).intent.content_kept


async def test_a_task_that_is_not_in_the_catalog_counts_too(world: World) -> None:
    await world.configure(document({"blocked_bytes_per_day": 0}))
    record = await world.propose(task("t1", action_type="NO_SUCH_THING", why=("x",)))
    assert (record.decision.reason, record.intent.content_kept) == ("UNKNOWN_ACTION", False)


# --- Settings ---


@pytest.mark.parametrize(
    ("names", "path", "sentence"),
    [
        (["order"], ("same_when", 0), "gets no argument order; did you mean order_id?"),
        (["order_id", "idea"], ("same_when", 1), "gets no argument idea"),
        (["request_id"], ("same_when", 0), "gets no argument request_id"),
        ([], ("same_when",), "must name at least one argument"),
    ],
)
def test_what_is_no_argument_makes_no_two_acts_the_same(
    names: list[str], path: tuple[str | int, ...], sentence: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_document(document(same_when=names))
    [problem] = refused.value.problems
    assert problem.path == ("catalog", "ISSUE_REFUND", *path)
    assert sentence in problem.sentence
    parse_document(document(same_when=["order_id", "account"]))


def test_what_is_another_one_for_each_intent_makes_none_the_same() -> None:
    made = document(same_when=["reference"], arguments={"reference": "ref-{action_intent_id}"})
    with pytest.raises(InvalidInput, match="is another one for each intent"):
        parse_document(made)


async def test_a_quota_that_cannot_be_read_is_the_usual_one_and_asks_nobody(world: World) -> None:
    broken = document({"waiting_each_agent": 1})
    broken["autonomy"]["quotas"]["blocked_bytes_per_day"] = -1
    await world.configure(broken)
    settings = await world.context.settings(TENANT)
    assert settings.quotas == replace(QUOTAS_DEFAULT, waiting_each_agent=1)
    assert await answer_to(world, refund("r1")) == AUTO
    shown, _ = await world.control.settings_part(OWNER, SettingsPart.QUOTAS)
    [problem] = shown["problems"]
    assert problem["path"] == "autonomy.quotas.blocked_bytes_per_day"
    state = await world.control.state(OWNER)
    assert [concern.code for concern in state.concerns] == ["QUOTAS_UNREADABLE"]


async def test_both_parts_are_read_and_replaced_like_the_others(world: World) -> None:
    shown, version = await world.control.settings_part(OWNER, SettingsPart.REJECTIONS)
    assert shown == {"rejections": {"asks_for": "30d"}}
    await world.control.put_settings_part(
        OWNER, SettingsPart.REJECTIONS, {"rejections": {"asks_for": "2h"}}, version=version
    )
    quotas = {"quotas": {"waiting_each_agent": 3}}
    shown, _ = await world.control.put_settings_part(
        OWNER, SettingsPart.QUOTAS, quotas, version=version + 1
    )
    assert shown["quotas"]["waiting_each_agent"] == 3
    assert shown["quotas"]["proposals_per_minute"] == QUOTAS_DEFAULT.proposals_per_minute
    settings = await world.context.settings(TENANT)
    assert (settings.rejections_ask_for_ms, settings.quotas.waiting_each_agent) == (2 * HOUR_MS, 3)
    changed = [entry for entry in await world.entries() if entry["kind"] == "SETTINGS_CHANGED"]
    assert [entry["differences"] for entry in changed[1:]] == [
        ["autonomy.rejections.asks_for was 30d and is 2h now."],
        ["autonomy.quotas.waiting_each_agent was 200 and is 3 now."],
    ]
