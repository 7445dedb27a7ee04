"""What operators measure: the same names everywhere, labels whose values are ours alone, and gauges
that cost no more when many ask.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from clearance.api.metrics import UNMATCHED
from clearance.core import steps
from clearance.core.approval import RulingKind
from clearance.core.catalog import idempotency_key
from clearance.core.errors import Unavailable
from clearance.core.ledger import Reason
from clearance.core.outcome import CallError, ErrorClass, OutcomeStatus, Sent
from clearance.core.principal import EVERYWHERE, Role
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow import execute
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import ToolCallFailed
from clearance.flow.ports.transitions import RecordMoved
from clearance.flow.requests import RulingRequest
from clearance.running.metrics import installation
from clearance.running.metrics.families import COUNTED, LOOKED_AT
from clearance.running.metrics.measured import MeasuredStore
from clearance.running.metrics.prometheus import Exposition, Metrics
from tests.doors.conftest import UNSURE, Door, client, problem
from tests.support import sample
from tests.support.exposition import Series, documented, families, series, value
from tests.support.sample import APPROVER, NOON, OWNER, STRANGER, TENANT, mail, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
MINUTE = 60_000
EVERYBODY = replace(OWNER, tenant_id=EVERYWHERE)


async def scraped(door: Door) -> Series:
    response = await door.nobody.get("/metrics")
    assert response.status_code == 200
    return series(response.text)


async def test_every_family_is_there_from_the_start_and_on_the_page(door: Door) -> None:
    text = (await door.nobody.get("/metrics")).text
    own = {family.name for family in (*COUNTED, *LOOKED_AT)}
    of_the_door = {
        "clearance_requests_total",
        "clearance_request_seconds",
        "clearance_event_streams",
    }
    assert families(text).keys() == own | of_the_door == documented()
    found = series(text)
    for family in COUNTED:
        suffix = "_count" if family.measure == "histogram" else ""
        count = sum(name == family.name + suffix for name, _ in found)
        assert count == max(1, *(len(values) for values in family.labels.values()), 1)


def test_names_say_what_they_measure_as_prometheus_asks() -> None:
    for family in (*COUNTED, *LOOKED_AT):
        assert family.name.startswith("clearance_")
        assert family.name.endswith("_total") == (family.measure == "counter"), family.name
        if family.help.startswith("Seconds"):
            assert family.name.endswith("_seconds")
        assert family.help.endswith(".")


async def test_no_label_has_a_value_that_a_caller_chose(door: Door) -> None:
    """Everything that somebody may name is named so that it can be recognised."""
    hostile = "Zz-hostile"
    document = sample.document(budgets=[{"max_per_day": 1000, "zone": "UTC"}], accounts=[hostile])
    document["catalog"]["ZZ_HOSTILE"] = document["catalog"]["CREATE_TASK"]
    document["autonomy"]["allowlist"].append("ZZ_HOSTILE")
    document["policy"] += (
        '@id("hostile") @reason("HOSTILE") @explanation("Fine.")'
        'permit(principal, action == Action::"ZZ_HOSTILE", resource);'
    )
    await door.world.configure(document, tenant_id=hostile)
    owner = replace(OWNER, tenant_id=hostile)
    _, key = await door.world.control.create_api_key(owner, hostile, Role.OWNER)
    switches = [
        {"scope": "AGENT", "subject": hostile, "level": "HOLD", "reason": hostile},
        {"scope": "ACCOUNT", "subject": f"{hostile}-2", "level": "REFUSE", "reason": hostile},
    ]
    async with client(door.app, key) as there:
        for number, action_type in enumerate(("ZZ_HOSTILE", "ZZ_NOT_THERE", "CREATE_TASK")):
            body = UNSURE if number == 2 else {**UNSURE, "confidence_score": 0.99}
            names_of = {"action_intent_id": f"{hostile}-{number}", "account_id": hostile}
            answer = await there.post(
                "/v1/intents",
                json={**body, **names_of, "action_type": action_type, "trace_id": hostile},
            )
            assert answer.status_code == 201
        await execute.execute(door.world.context, hostile, f"{hostile}-0", hostile)
        await there.put(
            "/v1/autonomy/stop-switches",
            json={"stop_switches": switches},
            headers={"If-Match": "*"},
        )
        await there.get(f"/v1/intents/{hostile}?{hostile}={hostile}")
        await there.get(f"/{hostile}", headers={"X-Forwarded-For": hostile})
        await there.request(hostile.upper(), "/v1/status")
    text = (await door.nobody.get("/metrics")).text
    found = series(text)
    assert value(found, "clearance_executions_total", outcome="SUCCEEDED") == 1
    assert value(found, "clearance_stop_switches", scope="AGENT", level="HOLD") == 1
    assert hostile.lower() not in text.lower().replace("_", "-")
    for name in (TENANT, "acme", "crm", "create_task"):
        assert name not in text
    closed = {
        ("clearance_requests_total", "method"): {"GET", "PUT", "POST", "OTHER"},
        ("clearance_requests_total", "status"): {"200", "201", "404", "405"},
        ("clearance_request_seconds", "method"): {"GET", "PUT", "POST", "OTHER"},
        ("clearance_requests_total", "route"): {*door.app.openapi()["paths"], UNMATCHED},
        ("clearance_request_seconds", "route"): {*door.app.openapi()["paths"], UNMATCHED},
        **{
            (family.name, label): values
            for family in (*COUNTED, *LOOKED_AT)
            for label, values in family.labels.items()
        },
    }
    for name, family in families(text).items():
        for one in family.samples:
            for label, given in one.labels.items():
                assert label == "le" or given in closed[name, label], one


# What is counted


async def test_decisions_transitions_and_outcomes_are_counted_once_they_are_stored(
    door: Door,
) -> None:
    world = door.world
    world.tools.behave = _answers({"mail": None, "refused": ErrorClass.AUTH})
    for proposal in (
        task("ok"),
        task("ok"),
        task("waits", confidence_score=0.5),
        task("edited", confidence_score=0.5),
        task("blocked", action_type="NO_SUCH_THING"),
        task("refused"),
        mail("mail"),
    ):
        await world.propose(proposal)
    for name in ("ok", "ok", "refused", "mail"):
        await world.run(name)
    await world.control.rule(APPROVER, "waits.1", RulingRequest(RulingKind.REJECT, "No."))
    edit = RulingRequest(RulingKind.EDIT, parameters={"title": "Better"})
    await world.control.rule(APPROVER, "edited.1", edit)
    world.clock.forward(10 * MINUTE)
    await world.control.reconcile(OWNER, "mail", OutcomeStatus.SUCCEEDED, "It is there.")
    found = await scraped(door)
    decisions = {"AUTO_EXECUTE": 3, "REQUIRE_APPROVAL": 3, "BLOCK": 1}
    executions = {"SUCCEEDED": 1, "FAILED": 1, "UNKNOWN": 1, "CANCELLED": 0}
    calls = {"ANSWERED": 1, "AUTH": 1, "TIMEOUT": 1, "CANCELLED": 0}
    transitions = {"APPROVED": 3, "AWAITING_APPROVAL": 3, "BLOCKED": 1, "RUNNING": 3}
    transitions |= {"SUCCEEDED": 2, "FAILED": 1, "UNKNOWN": 1, "REJECTED": 2}
    for name, label, expected in (
        ("clearance_decisions_total", "decision", decisions),
        ("clearance_executions_total", "outcome", executions),
        ("clearance_tool_calls_total", "answer", calls),
        ("clearance_transitions_total", "status", transitions | {"EXPIRED": 0, "CANCELLED": 0}),
    ):
        assert {one: value(found, name, **{label: one}) for one in expected} == expected, name
    assert value(found, "clearance_tool_call_seconds_count") == 3
    assert value(found, "clearance_tool_calls_under_way") == 0


def _answers(errors: Mapping[str, ErrorClass | None]) -> Any:
    """Tools that answer, but for these intents: an error of a class, or (None) no answer."""

    async def behave(call: Any) -> Any:
        for name, error_class in errors.items():
            if call.idempotency_key == idempotency_key(TENANT, name):
                sent = Sent.ANSWERED if error_class else Sent.MAYBE
                error = CallError(error_class or ErrorClass.TIMEOUT, "It did not work.", sent)
                raise ToolCallFailed(error)
        return {"ok": True}

    return behave


async def test_what_was_not_stored_is_not_counted(door: Door) -> None:
    world = door.world
    await world.propose(task("ok"))
    before = await scraped(door)
    record = await world.record("ok")
    stale = steps.cancel(
        record, code="LATE", reason=Reason("Late.", b"r" * 16), actor=OWNER, now=NOON
    )
    await world.run("ok")
    assert await world.context.store.advance(stale) == RecordMoved()
    await world.propose(task("ok"))
    after = await scraped(door)
    moved = {
        (name, *sorted(labels)): count - before.get((name, labels), 0)
        for (name, labels), count in after.items()
        if name.startswith(("clearance_decisions", "clearance_transitions"))
        and count != before.get((name, labels), 0)
    }
    assert moved == {
        ("clearance_transitions_total", ("status", "RUNNING")): 1,
        ("clearance_transitions_total", ("status", "SUCCEEDED")): 1,
    }


async def test_a_measured_store_is_the_store_for_all_else(world: World) -> None:
    wrapped = MeasuredStore(world.store, Metrics())
    verbs = {
        name
        for port in Store.__mro__
        for name, member in vars(port).items()
        if inspect.iscoroutinefunction(member)
    }
    assert len(verbs) > 25
    for name in verbs - {"admit", "advance"}:
        assert getattr(wrapped, name) == getattr(world.store, name), name


# What is so now


async def test_totals_are_over_all_tenants_and_ages_go_on(door: Door) -> None:
    world = door.world
    empty = await scraped(door)
    assert value(empty, "clearance_intents_open", status="AWAITING_APPROVAL") == 0
    assert value(empty, "clearance_intent_oldest_seconds", status="AWAITING_APPROVAL") == 0
    assert value(empty, "clearance_stop_switches", scope="GLOBAL", level="HOLD") == 0
    await world.propose(task("w", confidence_score=0.5))
    world.clock.forward(MINUTE)
    await world.propose(task("w", confidence_score=0.5), STRANGER)
    world.tools.behave = _answers({"m": None})
    await world.propose(mail("m"))
    await world.run("m")
    await world.control.put_everywhere_stop(
        EVERYBODY, [StopSwitch(StopScope.GLOBAL, None, StopLevel.HOLD, "Incident.")]
    )
    await world.stop(
        StopSwitch(StopScope.AGENT, "a", StopLevel.REFUSE, "Odd."),
        StopSwitch(StopScope.AGENT, "b", StopLevel.REFUSE, "Odd."),
    )
    world.clock.forward(MINUTE)
    found = await scraped(door)
    assert value(found, "clearance_store_up") == 1
    assert value(found, "clearance_intents_open", status="AWAITING_APPROVAL") == 2
    assert value(found, "clearance_intents_open", status="UNKNOWN") == 1
    assert value(found, "clearance_intent_oldest_seconds", status="AWAITING_APPROVAL") == 120
    assert value(found, "clearance_intent_oldest_seconds", status="UNKNOWN") == 60
    assert value(found, "clearance_stop_switches", scope="GLOBAL", level="HOLD") == 1
    assert value(found, "clearance_stop_switches", scope="AGENT", level="REFUSE") == 2
    assert value(found, "clearance_stop_switches", scope="TENANT", level="HOLD") == 0
    sizes = [await world.store.ledger_size(one) for one in (TENANT, STRANGER.tenant_id, EVERYWHERE)]
    assert value(found, "clearance_ledger_entries") == sum(sizes) > 10
    await world.control.put_everywhere_stop(EVERYBODY, [])
    world.clock.forward(MINUTE)
    lifted = await scraped(door)
    assert value(lifted, "clearance_stop_switches", scope="GLOBAL", level="HOLD") == 0
    assert value(lifted, "clearance_stop_switches", scope="AGENT", level="REFUSE") == 2


async def test_the_lag_of_the_sweep_is_what_is_overdue_and_when_it_last_ran(door: Door) -> None:
    world = door.world
    found = await scraped(door)
    assert value(found, "clearance_worker_sweeping") == 0
    assert value(found, "clearance_sweep_age_seconds") is None
    await world.propose(task("w", confidence_score=0.5))
    world.clock.forward(73 * 60 * MINUTE)
    found = await scraped(door)
    assert value(found, "clearance_overdue_seconds", due="EXPIRY") == 3600
    assert value(found, "clearance_overdue_seconds", due="LEASE") == 0
    await world.sweep()
    world.clock.forward(MINUTE)
    found = await scraped(door)
    assert value(found, "clearance_overdue_seconds", due="EXPIRY") == 0
    assert value(found, "clearance_worker_sweeping") == 1
    assert value(found, "clearance_sweep_age_seconds") == 60
    assert value(found, "clearance_transitions_total", status="EXPIRED") == 1


async def test_a_sweep_that_cannot_read_is_not_over(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise Unavailable("Not now.")

    await door.world.sweep()
    monkeypatch.setattr(door.world.store, "expired", away)
    door.world.clock.forward(MINUTE)
    await door.world.sweep()
    assert value(await scraped(door), "clearance_sweep_age_seconds") == 60


async def test_many_who_ask_cost_as_much_as_one(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    totals = door.world.store.totals

    async def counted(now: int) -> Any:
        asked.append(now)
        await asyncio.sleep(0)
        return await totals(now)

    monkeypatch.setattr(door.world.store, "totals", counted)
    await asyncio.gather(*(scraped(door) for _ in range(50)))
    await scraped(door)
    assert len(asked) == 1
    door.world.clock.forward(installation.FRESH_MS)
    await scraped(door)
    assert len(asked) == 2


async def test_switches_are_read_again_only_when_settings_moved(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    settings = door.world.store.settings

    async def counted(tenant_id: str) -> Any:
        asked.append(tenant_id)
        return await settings(tenant_id)

    monkeypatch.setattr(door.world.store, "settings", counted)
    await scraped(door)
    assert sorted(asked) == sorted([TENANT, STRANGER.tenant_id])
    asked.clear()
    await door.world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "Incident."))
    asked.clear()
    door.world.clock.forward(installation.FRESH_MS)
    found = await scraped(door)
    assert value(found, "clearance_stop_switches", scope="TENANT", level="HOLD") == 1
    assert asked == [TENANT]


async def test_a_store_that_is_away_leaves_the_counters_and_makes_nothing_up(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.propose()
    assert value(await scraped(door), "clearance_store_up") == 1

    async def away(*_: object) -> None:
        raise Unavailable("Not now.")

    with monkeypatch.context() as broken:
        broken.setattr(door.world.store, "totals", away)
        door.world.clock.forward(installation.FRESH_MS)
        found = await scraped(door)
        assert value(found, "clearance_store_up") == 0
        assert value(found, "clearance_decisions_total", decision="AUTO_EXECUTE") == 1
        looked_at = {family.name for family in LOOKED_AT} - {
            "clearance_store_up",
            "clearance_worker_sweeping",
        }
        assert not looked_at & {name for name, _ in found}
        assert families((await door.nobody.get("/metrics")).text).keys() == documented()
    door.world.clock.forward(installation.FRESH_MS)
    assert value(await scraped(door), "clearance_store_up") == 1


async def test_a_store_that_does_not_answer_is_asked_once_and_not_waited_for(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installation, "ANSWER_SECONDS_MAX", 0.01)
    asked, answers = [], asyncio.Event()
    totals = door.world.store.totals

    async def slow(now: int) -> Any:
        asked.append(now)
        await answers.wait()
        return await totals(now)

    monkeypatch.setattr(door.world.store, "totals", slow)
    for _ in range(3):
        async with asyncio.timeout(1):
            assert value(await scraped(door), "clearance_store_up") == 0
        door.world.clock.forward(installation.FRESH_MS)
    assert len(asked) == 1
    answers.set()
    monkeypatch.setattr(installation, "ANSWER_SECONDS_MAX", 10)
    assert value(await scraped(door), "clearance_store_up") == 1
    assert len(asked) == 1


async def test_a_queue_that_is_away_alone_hides_nothing_else(world: World) -> None:
    async def away() -> Mapping[str, int]:
        raise Unavailable("No queue.")

    async def there() -> Mapping[str, int]:
        return {"todo": 3, "aborted": 1}

    for queued, jobs in ((away, (None, None)), (there, (3, 0))):
        found = series((await Exposition(Metrics(), world.context, queued).text()).decode())
        assert value(found, "clearance_store_up") == 1
        states = ("todo", "doing")
        assert tuple(value(found, "clearance_queue_jobs", state=one) for one in states) == jobs


# The status of one tenant


async def test_the_status_is_the_callers_own_and_any_reader_may_see_it(door: Door) -> None:
    world = door.world
    quiet = (await door.auditor.get("/v1/status")).json()
    assert quiet["intents"] == {
        "AWAITING_APPROVAL": 0,
        "APPROVED": 0,
        "RUNNING": 0,
        "UNKNOWN": 0,
    }
    assert (quiet["waiting_since"], quiet["waiting_seconds"]) == (None, None)
    assert (quiet["stop_switches"], quiet["problems"]) == ([], [])
    world.tools.behave = _answers({"m": None})
    await world.propose(mail("m"))
    await world.run("m")
    await world.propose(task("w1", confidence_score=0.5))
    world.clock.forward(MINUTE)
    await world.propose(task("w2", confidence_score=0.5))
    await world.stop(StopSwitch(StopScope.ACCOUNT, "acme", StopLevel.HOLD, "Incident."))
    await world.control.put_everywhere_stop(
        EVERYBODY, [StopSwitch(StopScope.GLOBAL, None, StopLevel.REFUSE, "Restore.")]
    )
    for reader in (door.approver, door.auditor, door.owner):
        answer = await reader.get("/v1/status")
        assert answer.status_code == 200
        found = answer.json()
        assert found["tenant_id"] == TENANT
        assert found["intents"] == {
            "AWAITING_APPROVAL": 2,
            "APPROVED": 0,
            "RUNNING": 0,
            "UNKNOWN": 1,
        }
        assert found["waiting_since"] == "2026-11-24T12:00:00.000Z"
        assert found["waiting_seconds"] == 60
        version = await world.store.settings_version(TENANT)
        assert found["settings_version"] == list(version)
        assert version.everywhere == 1
        on = [{**switch, "set_at": bool(switch["set_at"])} for switch in found["stop_switches"]]
        operators = {"set_by": "owner", "set_at": True, "lifted_by": "OWNER"}
        unknown = {"set_by": None, "set_at": False, "lifted_by": "APPROVER"}
        assert on == [
            {"scope": "GLOBAL", "subject": None, "level": "REFUSE", "reason": "Restore."}
            | operators,
            {"scope": "ACCOUNT", "subject": "acme", "level": "HOLD", "reason": "Incident."}
            | unknown,
        ]
        assert found["ledger_size"] == await world.store.ledger_size(TENANT)
        assert [one["code"] for one in found["problems"]] == ["OUTCOMES_UNKNOWN"]
    other = (await door.stranger.get("/v1/status")).json()
    assert (other["tenant_id"], sum(other["intents"].values())) == (STRANGER.tenant_id, 0)
    assert [one["scope"] for one in other["stop_switches"]] == ["GLOBAL"]
    problem(await door.nobody.get("/v1/status"), 401, "UNAUTHENTICATED")


async def test_the_status_says_what_keeps_a_tenant_from_acting(door: Door) -> None:
    await door.world.configure({**sample.document(), "policy": ""})
    found = (await door.owner.get("/v1/status")).json()
    assert [one["code"] for one in found["problems"]] == ["POLICY_NOT_CONFIGURED"]
    await door.world.configure({**sample.document(), "policy": "permit(everything);"})
    found = (await door.owner.get("/v1/status")).json()
    assert [one["code"] for one in found["problems"]] == ["POLICY_UNREADABLE"]
    assert (found["stop_switches"], found["settings_version"]) == ([], [3, 0])
