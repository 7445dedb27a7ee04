"""A stop that proves that it stopped: who may lift it, what its receipt says, and that the receipt
is made once, whatever dies in between.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from clearance.core.canonical import digest
from clearance.core.credential import principal_of
from clearance.core.errors import Forbidden, InvalidInput, Unavailable
from clearance.core.principal import EVERYWHERE, Principal, Role
from clearance.core.record import IntentStatus
from clearance.core.stop import Lifter, StopLevel, StopScope, StopSwitch
from clearance.flow import execute, receipts
from clearance.flow.ports.tools import ToolCall
from clearance.flow.requests import SettingsPart, StopReceipt
from clearance.flow.sweep import Sweeper
from clearance.profiles.parts import operator
from tests.flow.test_administer import part, put
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OTHER_AGENT, OWNER, TENANT, mail, refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
THREE = pytest.mark.parametrize("place", ["sqlite", "postgres", "dynamodb"], indirect=True)
HOUR = 3_600_000
OPERATOR = operator(EVERYWHERE)
AUDITOR = principal_of(TENANT, "ines", Role.AUDITOR)


def switch(scope: str = "TENANT", subject: str | None = None, **more: Any) -> dict[str, Any]:
    return {"scope": scope, "subject": subject, "level": "HOLD", "reason": "odd", **more}


async def stop(world: World, who: Principal, *switches: dict[str, Any]) -> list[Any]:
    value = {"stop_switches": list(switches)}
    written, _ = await world.control.put_settings_part(
        who, SettingsPart.STOP_SWITCHES, value, version=-1
    )
    on: list[Any] = written["stop_switches"]
    return on


async def receipt(
    world: World, scope: str = "TENANT", subject: str | None = None, who: Principal = APPROVER
) -> StopReceipt:
    return await world.control.stop_receipt(who, StopScope(scope), subject)


async def of_kind(world: World, kind: str, tenant_id: str = TENANT) -> list[tuple[int, Any]]:
    entries = await world.store.entries(tenant_id, 0, 100_000)
    return [
        (entry.position, fields) for entry in entries if (fields := entry.in_full)["kind"] == kind
    ]


async def approved(world: World, *proposals: Any, who: Principal = AGENT) -> list[str]:
    names = []
    for proposal in proposals:
        record = await world.propose(proposal, who)
        assert record.status is IntentStatus.APPROVED, record.decision
        names.append(record.intent.action_intent_id)
    return names


class Slow:
    """Tools whose calls end when a test says."""

    def __init__(self, world: World) -> None:
        self.world, self.end, self.seen = world, asyncio.Event(), list[str]()
        self.tasks: list[asyncio.Task[Any]] = []
        world.tools.behave = self._behave

    async def _behave(self, call: ToolCall) -> Any:
        self.seen.append(call.idempotency_key)
        await self.end.wait()
        return {"ok": True}

    async def start(self, names: Sequence[str]) -> None:
        self.tasks += [asyncio.create_task(self.world.run(name)) for name in names]
        while len(self.seen) < len(self.tasks):
            await asyncio.sleep(0.005)

    async def finish(self) -> None:
        self.end.set()
        await asyncio.gather(*self.tasks)


# --- Who may lift ---


async def test_a_refusal_of_an_owner_is_an_owners_to_lift_and_a_hold_is_not(world: World) -> None:
    now = world.clock.now_ms()
    [on] = await stop(world, OWNER, switch(level="REFUSE", set_by="mallory", set_at=3))
    assert (on["set_by"], on["set_at"], on["lifted_by"]) == ("owner", now, "OWNER")
    world.clock.forward(5)
    agent = switch("AGENT", "agent-ada")
    for looser in (
        [],
        [{**on, "level": "HOLD"}],
        [{**on, "lifted_by": "APPROVER"}],
        [agent],
        [{**on, "scope": "AGENT", "subject": "agent-ada"}],
    ):
        with pytest.raises(Forbidden) as refused:
            await stop(world, APPROVER, *looser)
        assert refused.value.code == "STOP_IS_OWNERS"
    # What an approver adds beside it lifts nothing, and another reason for it is not taken.
    more = await stop(world, APPROVER, switch(level="REFUSE", reason="other"), agent)
    assert [(s["set_by"], s["lifted_by"], s["reason"]) for s in more] == [
        ("owner", "OWNER", on["reason"]),
        ("olga", "APPROVER", agent["reason"]),
    ]
    assert await stop(world, APPROVER, more[0]) == [more[0]]
    assert await stop(world, OWNER) == []


async def test_who_sets_a_stop_says_who_may_lift_it(world: World) -> None:
    [by_approver] = await stop(world, APPROVER, switch(level="REFUSE"))
    assert by_approver["lifted_by"] == "APPROVER"
    [by_owner] = await stop(world, OWNER, switch(reason="again", lifted_by="OWNER"))
    assert (by_owner["level"], by_owner["lifted_by"]) == ("HOLD", "OWNER")
    with pytest.raises(Forbidden):
        await stop(world, APPROVER)
    [loosened] = await stop(world, OWNER, {**by_owner, "lifted_by": "APPROVER"})
    assert (loosened["set_at"], loosened["lifted_by"]) == (by_owner["set_at"], "APPROVER")
    assert await stop(world, APPROVER) == []
    settings = await world.control.settings(OWNER)
    assert settings.stop_switches == ()


async def test_switches_of_before_are_read_and_stay_as_they_are(world: World) -> None:
    await world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.REFUSE, "old"))
    on, version = await part(world, SettingsPart.STOP_SWITCHES)
    [old] = on["stop_switches"]
    assert (old["set_by"], old["set_at"], old["lifted_by"]) == (None, None, "APPROVER")
    written, _ = await put(world, SettingsPart.STOP_SWITCHES, on, version), version
    assert (await world.store.settings_version(TENANT)).tenant == version
    [stays, _] = await stop(world, OWNER, {**switch(level="REFUSE", reason="old")}, switch())
    assert (stays["set_by"], stays["lifted_by"]) == (None, "APPROVER")
    shown = await receipt(world)
    assert (shown.on, shown.stop, shown.recorded, shown.closed) == (True, None, None, False)
    assert written


@pytest.mark.parametrize(
    ("stored", "lifter"),
    [
        ({**switch(), "later": 1}, Lifter.APPROVER),
        ({**switch(), "lifted_by": "SECURITY"}, Lifter.OWNER),
        ({**switch(), "later": 1, "lifted_by": "OWNER"}, Lifter.OWNER),
        ({**switch(), "set_at": "now", "lifted_by": "APPROVER"}, Lifter.APPROVER),
        ("odd", Lifter.OWNER),
    ],
)
async def test_a_switch_that_cannot_be_read_is_lifted_by_an_owner_if_it_may_have_said_so(
    world: World, stored: Any, lifter: Lifter
) -> None:
    await world.configure({**sample.document(), "stop_switches": [stored]})
    [on] = (await world.control.settings(OWNER)).stop_switches
    assert (on.unreadable, on.lifted_by) == (True, lifter)
    if lifter is Lifter.OWNER:
        with pytest.raises(Forbidden, match="Only an owner may lift or loosen"):
            await stop(world, APPROVER)
    else:
        await stop(world, APPROVER)
    shown = (await part(world, SettingsPart.STOP_SWITCHES))[0]["stop_switches"]
    assert await stop(world, AUDITOR if lifter is None else OWNER, *shown, switch("AGENT", "x"))
    assert await stop(world, OWNER) == []


# --- What a receipt says ---


@THREE
async def test_a_receipt_counts_what_is_held_names_what_runs_and_is_closed_at_its_end(
    world: World,
) -> None:
    await world.autonomy(budgets=[{"max_per_day": 100}])
    done = (await approved(world, task("done")))[0]
    await world.run(done)
    slow = Slow(world)
    running = await approved(world, task("r1"), refund("r2"))
    await slow.start(running)
    await approved(world, task("a1"), task("a2", account_id="other"))
    await approved(world, task("b1"), who=OTHER_AGENT)
    for name in ("w1", "w2", "w3"):
        assert (await world.propose(task(name, confidence_score=0.1))).approval

    preview = await receipt(world, "AGENT", "agent-ada")
    assert (preview.on, preview.stop, preview.waiting, preview.approved) == (False, None, 3, 2)
    world.clock.forward(1_000)
    await stop(world, APPROVER, switch("AGENT", "agent-ada"), switch("ACCOUNT", "other"))
    shown = await receipt(world, "AGENT", "agent-ada")
    assert (shown.on, shown.known, shown.near) == (True, True, ())
    assert (shown.waiting, shown.approved, shown.under_way, shown.starts) == (3, 2, 2, 1)
    assert shown.done == {IntentStatus.SUCCEEDED: 1}
    assert [(call.action_intent_id, call.tool) for call in shown.calls] == [
        ("r1", "crm.create_task"),
        ("r2", "crm.issue_refund"),
    ]
    for call in shown.calls:
        attempt = (await world.record(call.action_intent_id)).attempt
        assert attempt is not None
        assert (call.attempt, call.tenant_id) == (1, TENANT)
        assert (call.since, call.deadline) == (attempt.started_at, attempt.lease_until)
    [(position, changed)] = await of_kind(world, "STOP_SWITCHES_CHANGED")
    [(recorded, entry)] = await of_kind(world, "STOP_RECORDED")
    assert (shown.stop, shown.recorded, shown.closed) == (position, recorded, False)
    assert changed["after"][0]["set_by"] == "olga"
    named = [[TENANT, "r1", 1], [TENANT, "r2", 1]]
    assert entry["under_way_digest"] == digest(named)
    assert (entry["stop"], entry["waiting"], entry["approved"], entry["under_way"]) == (
        *(position, 3, 2, 2),
    )
    assert entry["done"] == {"SUCCEEDED": 1}
    assert [s["subject"] for s in entry["switches"]] == ["agent-ada", "other"]

    await world.sweep()
    assert await of_kind(world, "STOP_CLOSED") == []
    await slow.finish()
    await world.sweep()
    await world.sweep()
    [(_, closed)] = await of_kind(world, "STOP_CLOSED")
    assert (closed["stop"], closed["recorded"]) == (position, recorded)
    assert closed["ended"] == {"SUCCEEDED": 2}
    assert (await receipt(world, "AGENT", "agent-ada")).closed
    assert [r.switch.subject for r in await world.control.stop_receipts(AUDITOR)] == [
        "agent-ada",
        "other",
    ]
    assert await world.store.open_stops(10) == []
    assert len(await of_kind(world, "STOP_RECORDED")) == 1


async def test_a_receipt_knows_names_and_says_which_are_near(world: World) -> None:
    await world.control.create_api_key(OWNER, "support-agent", Role.AGENT)
    await world.autonomy(accounts=["Zürich Häuser"])
    await stop(world, APPROVER, *(switch("ACCOUNT", name) for name in ("Zurich Hauser", "nobody")))
    assert (await receipt(world, "ACCOUNT", "Zurich Hauser")).near == ("Zürich Häuser",)
    for scope, wrong, right in (
        ("AGENT", "suport-agent", "support-agent"),
        ("AGENT", "SUPPORT-AGENT", "support-agent"),
        ("AGENT", "suppоrt-agent", "support-agent"),  # a Cyrillic o
        ("ACTION_TYPE", "CREATE_TASKS", "CREATE_TASK"),
        ("TOOL_SERVER", "crn", "crm"),
    ):
        shown = await receipt(world, scope, wrong)
        assert (shown.known, shown.near[:1]) == (False, (right,)), wrong
        assert (await receipt(world, scope, right)).known
    for scope, name in (("AGENT", "x" * 128), ("ACCOUNT", "nobody"), ("AGENT", "\u202e\u200b")):
        shown = await receipt(world, scope, name)
        assert (shown.known, shown.near) == (False, ())
    for scope, name in (("AGENT", None), ("TENANT", "x")):
        with pytest.raises(InvalidInput):
            await receipt(world, scope, name)
    with pytest.raises(Forbidden):
        await receipt(world, "GLOBAL")
    with pytest.raises(Forbidden):
        await receipt(world, who=AGENT)


async def test_a_name_of_long_ago_is_known(world: World) -> None:
    await world.autonomy(accounts=["acme", "old"])
    await approved(world, task("t", account_id="old"))
    await world.autonomy()
    await world.control.cancel(OWNER, "t", "no")
    world.clock.forward(900 * 24 * HOUR)
    shown = await receipt(world, "ACCOUNT", "old")
    assert (shown.known, shown.done) == (True, {})


@THREE
async def test_subjects_are_what_there_is_with_what_a_stop_would_cover(world: World) -> None:
    await world.control.create_api_key(OWNER, "bookings", Role.AGENT)
    await world.control.create_api_key(OWNER, "ann", Role.APPROVER)
    await approved(world, task("a"))
    await world.propose(mail("w", account_id="other", confidence_score=0.1), OTHER_AGENT)
    subjects = await world.control.stop_subjects(APPROVER)
    counts = {
        scope: {s.name: (s.waiting, s.approved, s.under_way) for s in own}
        for scope, own in subjects.items()
    }
    accounts = counts[StopScope.ACCOUNT]
    assert (accounts["acme"], accounts["other"]) == ((0, 1, 0), (1, 0, 0))
    assert accounts["globex"] == (0, 0, 0)
    assert counts[StopScope.AGENT] == {
        "agent-ada": (0, 1, 0),
        "agent-bob": (1, 0, 0),
        "bookings": (0, 0, 0),
    }
    assert counts[StopScope.ACTION_TYPE]["CREATE_TASK"] == (0, 1, 0)
    assert counts[StopScope.ACTION_TYPE]["ISSUE_REFUND"] == (0, 0, 0)
    assert counts[StopScope.TOOL_SERVER] == {"crm": (1, 1, 0)}
    with pytest.raises(Forbidden):
        await world.control.stop_subjects(AGENT)


# --- Exact, once, durable ---


@THREE
async def test_claims_race_with_a_stop_and_the_receipt_lists_what_the_tools_saw(
    world: World,
) -> None:
    """Each intent began before the stop, and then its call is under way or over by then; or it is
    held.
    """
    await world.autonomy(budgets=[{"max_per_day": 500}])
    names = await approved(world, *(task(f"t{number:02}") for number in range(24)))
    pauses = random.Random(4)
    seen: dict[str, asyncio.Event] = {}

    async def behave(call: ToolCall) -> Any:
        seen[call.idempotency_key] = asyncio.Event()
        await asyncio.sleep(pauses.random() / 20)
        return {"ok": True}

    world.tools.behave = behave

    async def begin(name: str) -> None:
        await asyncio.sleep(pauses.random() / 5)
        await world.run(name)

    calls = [asyncio.create_task(begin(name)) for name in names]
    await asyncio.sleep(0.1)
    await stop(world, APPROVER, switch())
    await asyncio.gather(*calls)
    await world.sweep()
    [(position, _)] = await of_kind(world, "STOP_SWITCHES_CHANGED")
    [(_, recorded)] = await of_kind(world, "STOP_RECORDED")
    [(_, closed)] = await of_kind(world, "STOP_CLOSED")
    began = {f["action_intent_id"]: at for at, f in await of_kind(world, "EXECUTION_STARTED")}
    ended = {f["action_intent_id"]: at for at, f in await of_kind(world, "OUTCOME_RECORDED")}
    assert max(began.values()) < position
    under_way = sorted(name for name, at in ended.items() if at > position)
    assert recorded["under_way_digest"] == digest([[TENANT, name, 1] for name in under_way])
    assert recorded["under_way"] == len(under_way) == sum(closed["ended"].values())
    done = [name for name, at in ended.items() if at < position]
    sent = {(await world.record(name)).outcome.status for name in done}  # type: ignore[union-attr]
    assert sent <= {IntentStatus.SUCCEEDED}
    succeeded = [n for n in names if (await world.record(n)).status is IntentStatus.SUCCEEDED]
    assert len(seen) == len(succeeded)
    held = [n for n in names if (await world.record(n)).status is IntentStatus.APPROVED]
    assert len(held) + len(began) == len(names)


async def dies(*_: Any, **__: Any) -> None:
    """In the place of what a process that is killed does not do any more."""


@THREE
async def test_a_sweep_records_what_a_dead_process_left_also_after_the_lift(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Slow(world)
    await slow.start(await approved(world, task("r1"), task("r2")))
    with monkeypatch.context() as patch:
        patch.setattr("clearance.flow.settings.record_soon", dies)
        await stop(world, APPROVER, switch("AGENT", "agent-ada"))
    await approved(world, task("b1"), who=OTHER_AGENT)
    await slow.start(["b1"])
    await stop(world, APPROVER)
    assert await of_kind(world, "STOP_RECORDED") == []
    await slow.start(await approved(world, task("late")))
    await slow.finish()
    await world.sweep()
    [(_, recorded)] = await of_kind(world, "STOP_RECORDED")
    [(_, closed)] = await of_kind(world, "STOP_CLOSED")
    assert recorded["under_way_digest"] == digest([[TENANT, "r1", 1], [TENANT, "r2", 1]])
    assert closed["ended"] == {"SUCCEEDED": 2}


@THREE
async def test_two_stops_at_once_and_many_sweeps_make_one_receipt_each(world: World) -> None:
    slow = Slow(world)
    await slow.start(await approved(world, task("r1")))
    one, two = switch("AGENT", "agent-ada"), switch("ACCOUNT", "acme")
    await asyncio.gather(
        stop(world, APPROVER, one), stop(world, OWNER, one, two), world.sweep(), world.sweep()
    )
    await stop(world, APPROVER, one, two)
    sweepers = [Sweeper(world.context, f"s{n}", alone=False) for n in range(4)]
    await asyncio.gather(*(sweeper.find() for sweeper in sweepers))
    await slow.finish()
    await asyncio.gather(*(sweeper.find() for sweeper in sweepers))
    stops = [at for at, f in await of_kind(world, "STOP_SWITCHES_CHANGED") if f["after"]]
    recorded = [f["stop"] for _, f in await of_kind(world, "STOP_RECORDED")]
    closed = [f["stop"] for _, f in await of_kind(world, "STOP_CLOSED")]
    assert len(set(recorded)) == len(recorded)
    assert sorted(recorded) == sorted(closed)
    assert set(recorded) <= set(stops)
    assert recorded


async def test_only_what_turns_on_or_refuses_opens_a_stop(world: World) -> None:
    agent, tenant = switch("AGENT", "agent-ada"), switch()
    await stop(world, OWNER, agent)
    await stop(world, OWNER, {**agent, "reason": "other"})
    await stop(world, OWNER, tenant, {**agent, "reason": "other"})
    await stop(world, OWNER, {**tenant, "level": "REFUSE"})
    await stop(world, OWNER, tenant)
    await stop(world, OWNER)
    recorded = [fields["switches"] for _, fields in await of_kind(world, "STOP_RECORDED")]
    hold = {"scope": "TENANT", "subject": None, "level": "HOLD"}
    assert recorded == [
        [{"scope": "AGENT", "subject": "agent-ada", "level": "HOLD"}],
        [hold],
        [{**hold, "level": "REFUSE"}],
    ]


async def test_a_call_whose_worker_was_lost_closes_as_unknown_when_its_lease_is_over(
    world: World,
) -> None:
    [name] = await approved(world, task("lost"))
    started = await execute.start(world.context, TENANT, name, "dead")
    assert isinstance(started, execute.Started)
    await stop(world, APPROVER, switch())
    await world.sweep()
    assert await of_kind(world, "STOP_CLOSED") == []
    world.clock.forward(started.attempt.lease_until - world.clock.now_ms())
    await world.sweep("other")
    [(_, closed)] = await of_kind(world, "STOP_CLOSED")
    assert closed["ended"] == {"UNKNOWN": 1}


async def test_a_repeat_after_the_lift_does_not_hide_the_attempt_that_was_under_way(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = await approved(world, task("again"))
    await execute.start(world.context, TENANT, name, "dead")
    monkeypatch.setattr("clearance.flow.settings.record_soon", dies)
    await stop(world, APPROVER, switch())
    await stop(world, APPROVER)
    world.clock.forward(HOUR)
    await execute.carry_on(world.context, TENANT, name, "other", alone=False)
    assert (await world.record(name)).status is IntentStatus.SUCCEEDED
    await world.sweep()
    [(_, recorded)] = await of_kind(world, "STOP_RECORDED")
    [(_, closed)] = await of_kind(world, "STOP_CLOSED")
    assert recorded["under_way_digest"] == digest([[TENANT, name, 1]])
    assert closed["ended"] == {"UNKNOWN": 1}


@pytest.mark.parametrize("failing", ["running", "open_tallies", "stops_at", "entries"])
async def test_a_receipt_that_cannot_be_made_undoes_no_stop(
    world: World, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    async def unavailable(*_: Any, **__: Any) -> Any:
        sentence = "Not now."
        raise Unavailable(sentence)

    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(receipts, "RECORD_SECONDS_MAX", 0.05)
    monkeypatch.setattr("clearance.flow.stops.RECEIPT_SECONDS_MAX", 0.05)
    for number, broken in enumerate((unavailable, never)):
        with monkeypatch.context() as patch:
            patch.setattr(world.store, failing, broken)
            on = await stop(world, APPROVER, switch(reason=f"n{number}", level="REFUSE"))
            assert on[0]["reason"] == f"n{number}"
            if failing != "entries":
                with pytest.raises(Unavailable):
                    await receipt(world)
        await stop(world, APPROVER)
    await world.sweep()
    assert len(await of_kind(world, "STOP_RECORDED")) == 2
    assert len(await of_kind(world, "STOP_CLOSED")) == 2


# --- Everything ---


@THREE
async def test_a_stop_of_everything_adds_up_all_tenants(world: World) -> None:
    await world.configure(sample.DOCUMENT, "second")
    other = replace(AGENT, tenant_id="second")
    slow = Slow(world)
    await slow.start(await approved(world, task("r1")))
    await world.control.propose(other, task("r2"))
    slow.tasks.append(
        asyncio.create_task(execute.execute(world.context, "second", "r2", "worker-1"))
    )
    while len(slow.seen) < 2:
        await asyncio.sleep(0.005)
    await world.control.propose(other, task("held"))
    everything = StopSwitch(StopScope.GLOBAL, None, StopLevel.REFUSE, "incident")
    await world.control.put_everywhere_stop(OPERATOR, [everything])
    shown = await receipt(world, "GLOBAL", who=OPERATOR)
    assert (shown.switch.lifted_by, shown.switch.set_by) == (Lifter.OWNER, "operator")
    assert (shown.on, shown.approved, shown.under_way) == (True, 1, 2)
    assert [(call.tenant_id, call.action_intent_id) for call in shown.calls] == [
        (TENANT, "r1"),
        ("second", "r2"),
    ]
    await slow.finish()
    await world.sweep()
    [(_, recorded)] = await of_kind(world, "STOP_RECORDED", EVERYWHERE)
    [(_, closed)] = await of_kind(world, "STOP_CLOSED", EVERYWHERE)
    assert recorded["under_way_digest"] == digest(sorted([[TENANT, "r1", 1], ["second", "r2", 1]]))
    assert closed["ended"] == {"SUCCEEDED": 2}
    assert (await receipt(world, "GLOBAL", who=OPERATOR)).closed
    [mine] = await world.control.stop_receipts(OPERATOR)
    assert mine.stop == 1
    await world.control.put_everywhere_stop(OPERATOR, [])


# --- Hostile sizes ---


async def test_ten_thousand_covered_intents_of_names_of_128_characters(world: World) -> None:
    """Written past the gate: the count is what matters, and what it costs."""
    longest = "é" * 128
    await world.autonomy(budgets=[{"max_per_day": 10}], accounts=[longest])
    await approved(world, task("a" * 64, account_id=longest))
    many(world, 10_000)
    await stop(world, APPROVER, switch("ACCOUNT", longest), switch("AGENT", "agent-ada"))
    shown = await receipt(world, "ACCOUNT", longest)
    assert (shown.approved, shown.starts, shown.known) == (10_001, 0, True)
    [(_, entry)] = await of_kind(world, "STOP_RECORDED")
    assert entry["approved"] == 10_001


def many(world: World, count: int) -> None:
    """Copies of the one intent that there is, in the state it is in."""
    if isinstance(world.place, str):
        columns = world.sql("""SELECT string_agg(quote_ident(column_name), ', ')
            FROM information_schema.columns WHERE table_name = 'intent'
            AND table_schema = 'clearance' AND column_name NOT IN ('intent_no',
            'action_intent_id')""")[0][0]
        world.sql(f"""INSERT INTO intent (intent_no, action_intent_id, {columns})
            SELECT i.intent_no + n, 'copy-' || n, {columns} FROM intent i,
            generate_series(1, {count}) n""")
        return
    names = [row[1] for row in world.sql("PRAGMA table_info(intent)")]
    columns = ", ".join(
        f'"{name}"' for name in names if name not in {"intent_no", "action_intent_id"}
    )
    world.sql(f"""WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})
        INSERT INTO intent (intent_no, action_intent_id, {columns})
        SELECT i.intent_no + n, 'copy-' || n, {columns} FROM intent i, n""")


async def test_a_change_of_as_many_stops_as_fit_is_recorded(world: World) -> None:
    names = [f"{number:03}" + "é" * 125 for number in range(200)]
    await stop(world, OWNER, *(switch("AGENT", name) for name in names))
    [(_, entry)] = await of_kind(world, "STOP_RECORDED")
    assert [each["subject"] for each in entry["switches"]] == names
    assert len(await of_kind(world, "STOP_CLOSED")) == 1
