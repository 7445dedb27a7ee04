"""A server whose stored settings are refused in part: what these reach asks a person, the rest
works, and nothing that cannot be read is run, lifted, replaced or lost.
"""

from __future__ import annotations

import math
from typing import Any
from unittest.mock import Mock

import pytest

from clearance.configuration import fitting, policies
from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import DOCUMENT_BYTES_MAX, StoredSettings, parse_document
from clearance.core import policy_text
from clearance.core.approval import RulingKind
from clearance.core.canonical import canonical
from clearance.core.decision import SettingsVersion
from clearance.core.errors import InvalidInput
from clearance.core.principal import EVERYWHERE, system
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.tool_pin import pin_of
from clearance.flow import context as contexts
from clearance.flow import execute
from clearance.flow.pins import pin_tools
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.requests import RulingRequest, SettingsPart
from clearance.profiles.parts import operator
from tests.support import sample
from tests.support.sample import APPROVER, OWNER, TENANT, mail, refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio

APPROVE = RulingRequest(RulingKind.APPROVE)
HELD = {"scope": "ACCOUNT", "subject": "acme", "level": "HOLD", "reason": "being looked at"}
LATER = {"scope": "TENANT", "level": "REFUSE", "reason": "closed", "until": "2027-01-01"}
"""A switch of a version to come."""


def stored(**changes: Any) -> dict[str, Any]:
    return {**sample.document(), **changes}


def refunds(**entry: Any) -> dict[str, Any]:
    made = sample.document()
    made["catalog"]["ISSUE_REFUND"] |= entry
    return made


async def why(world: World, proposal: Any) -> tuple[IntentStatus, str]:
    record = await world.propose(proposal)
    return record.status, record.decision.reason


async def approve(world: World, name: str) -> IntentRecord:
    return (await world.control.rule(APPROVER, f"{name}.1", APPROVE)).record


async def put(world: World, part: SettingsPart, value: Any) -> Any:
    version = (await world.store.settings_version(TENANT)).tenant
    shown, _ = await world.control.put_settings_part(OWNER, part, value, version=version)
    return shown


async def shown(world: World, part: SettingsPart) -> Any:
    return (await world.control.settings_part(OWNER, part))[0]


AUTO, ASKED = IntentStatus.APPROVED, IntentStatus.AWAITING_APPROVAL


PERMITS_THE_CONFIDENT = sample.POLICY.replace(
    'permit(principal, action == Action::"CREATE_TASK", resource);',
    'permit(principal, action == Action::"CREATE_TASK", resource)'
    " when { context.confidence_bp > 9000 };",
)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (stored(policy="permit(principal, action"), "POLICY_UNREADABLE"),
        (stored(policy=["permit"]), "POLICY_UNREADABLE"),
        (stored(policy=PERMITS_THE_CONFIDENT), "POLICY_UNREADABLE"),
        (stored(watch={"agents": ["ada"]}), "SETTINGS_UNREADABLE"),
        (sample.document(allowlist={"everybody": True}), "ALLOWLIST_UNREADABLE"),
        (sample.document(modes="AUTO_EXECUTE"), "MODE_UNREADABLE"),
        (sample.document(budgets=[{"max_per_day": 10, "max_per_hour": 2}]), "BUDGET_UNREADABLE"),
    ],
)
async def test_what_is_refused_asks_a_person_who_may_still_approve_and_the_rest_works(
    world: World, document: dict[str, Any], code: str
) -> None:
    await world.propose(mail("before", confidence_score=0.5))
    await world.configure(document)
    assert await why(world, task("t1")) == (ASKED, code)
    waiting = await world.control.waiting(APPROVER)
    assert [one.record.intent.action_intent_id for one in waiting] == ["before", "t1"]
    assert len(await world.control.timeline(APPROVER, TimelineQuery())) == 2
    assert (await world.control.counts(APPROVER))[ASKED] == 2
    explained = await world.control.explain(APPROVER, "t1")
    assert code in [finding.code for finding in explained.record.decision.findings]
    await world.control.budget(OWNER, "acme")
    for part in SettingsPart:
        await shown(world, part)

    assert (await approve(world, "t1")).status is AUTO
    done = await world.run("t1")
    assert done is not None
    assert (done.status, done.auto_executed) == (IntentStatus.SUCCEEDED, False)

    await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": [{**HELD, "level": "REFUSE"}]})
    assert await why(world, task("t2")) == (IntentStatus.BLOCKED, "STOP_SWITCH_ON")


@pytest.mark.parametrize(
    "entry", [{"effect": "exactly_once"}, {"parameters": 5}, {"newer": 1}, {"tool": "nowhere.x"}]
)
async def test_an_action_that_cannot_be_read_is_asked_about_and_not_run_whoever_approved_it(
    world: World, entry: dict[str, Any]
) -> None:
    await world.propose(refund("auto"))
    await world.propose(refund("person", 60_000))
    await approve(world, "person")
    await world.propose(refund("asked", 60_000))
    await world.configure(refunds(**entry))
    for name in ("auto", "person"):
        assert await world.run(name) is None
        assert await execute.due(world.context, TENANT, name) is None
        assert (await world.record(name)).status is AUTO
    await approve(world, "asked")
    assert await why(world, refund("new", 60_000)) == (ASKED, "ACTION_UNREADABLE")
    await approve(world, "new")
    await world.sweep()
    for name in ("asked", "new"):
        assert await world.run(name) is None
    assert world.tools.calls == []
    assert (await why(world, task("t1")), await why(world, mail("m1"))) == (
        (AUTO, "TASKS_ALLOWED"),
        (AUTO, "MAILS_ALLOWED"),
    )
    assert await world.run("t1") is not None

    # As it was: what was approved of it runs. What was approved without it is asked about again.
    await world.configure(sample.document())
    for name in ("auto", "person", "asked"):
        done = await world.run(name)
        assert done is not None
        assert done.status is IntentStatus.SUCCEEDED, name
    assert await world.run("new") is None
    again = await world.record("new")
    assert again.status is ASKED
    assert again.approval is not None
    assert "The action's entry in the catalog changed." in again.approval.differences
    await world.control.rule(APPROVER, "new.2", APPROVE)
    assert await world.run("new") is not None


async def test_an_action_whose_words_are_refused_runs_with_a_person(world: World) -> None:
    await world.configure(refunds(sentence="refunded {nothing}"))
    assert await why(world, refund("r1")) == (ASKED, "ACTION_UNREADABLE")
    with pytest.raises(InvalidInput):
        await world.propose(refund("r2", amount_minor=-1))
    await approve(world, "r1")
    assert await world.run("r1") is not None
    assert len(world.tools.calls) == 1


@pytest.mark.parametrize(
    "section",
    [
        {"tool_servers": {"crm": {"command": ["crm"], "sandbox": True}}},
        {"tool_servers": []},
        {"tool_pins": {"crm.create_task": "blake3:00"}},
    ],
)
async def test_what_a_call_needs_is_never_guessed(world: World, section: Any) -> None:
    [needs] = {"tool_servers": "TOOL_SERVER", "tool_pins": "TOOL_PIN"}.keys() & section.keys()
    await world.configure(stored(**section))
    code = {"tool_servers": "TOOL_SERVER_UNREADABLE", "tool_pins": "TOOL_PIN_UNREADABLE"}[needs]
    assert await why(world, task("t1")) == (ASKED, code)
    await approve(world, "t1")
    assert await world.run("t1") is None
    assert world.tools.calls == []


# An upgrade: the settings are the same, the software is stricter


def stricter(monkeypatch: pytest.MonkeyPatch, world: World, what: str) -> World:
    """The same store, with software that refuses more: a reason of the policy, or a sentence."""
    if what == "policy":
        reserved = policy_text._OUR_REASONS | {"TASKS_ALLOWED"}
        monkeypatch.setattr(policy_text, "_OUR_REASONS", reserved)
        monkeypatch.setattr(policies, "_KEPT", policies._Kept())
    else:
        monkeypatch.setattr(fitting, "_FIXED_NAMES", frozenset())
    return World(world.store, world.place, world.clock, world.tools, world.engine)


@pytest.mark.parametrize("what", ["policy", "catalog"])
async def test_after_an_upgrade_what_was_approved_alone_is_asked_about(
    world: World, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    await world.propose(task("auto"))
    await world.propose(task("person", confidence_score=0.5))
    await approve(world, "person")
    await world.propose(mail("mail"))
    newer = stricter(monkeypatch, world, what)
    assert (await newer.store.settings_version(TENANT)).tenant == 1
    code = {"policy": "POLICY_UNREADABLE", "catalog": "ACTION_UNREADABLE"}[what]
    assert await why(newer, task("new")) == (ASKED, code)

    assert await newer.run("auto") is None
    record = await newer.record("auto")
    if what == "policy":
        assert record.status is ASKED
        assert (await newer.entries())[-1]["reason"] == code
        # The rule that permitted it is not read any more, so the person ruled under others.
        assert await newer.run("person") is None
        assert (await newer.record("person")).status is ASKED
        assert await newer.run("mail") is not None
    else:
        assert record.status is AUTO  # arguments name the account: what would be sent is not known
        assert await newer.run("mail") is None


# What people see, and how they put it right


@pytest.mark.parametrize(
    ("document", "part", "path"),
    [
        (stored(policy="permit("), SettingsPart.POLICIES, "policy"),
        (sample.document(modes=[{"mode": "OFF"}]), SettingsPart.MODES, "autonomy.modes.0.mode"),
        (sample.document(budgets={"a": 1}), SettingsPart.BUDGETS, "autonomy.budgets"),
        (sample.document(allowlist=7), SettingsPart.ALLOWLIST, "autonomy.allowlist"),
        (refunds(effect="once"), SettingsPart.CATALOG, "catalog.ISSUE_REFUND.effect"),
        (stored(autonomy=[]), SettingsPart.MODES, "autonomy"),
    ],
)
async def test_a_part_is_shown_as_it_is_stored_with_its_problems(
    world: World, document: dict[str, Any], part: SettingsPart, path: str
) -> None:
    await world.configure(document)
    value = await shown(world, part)
    assert [problem["path"] for problem in value["problems"]][:1] == [path]
    assert all(problem["detail"] for problem in value["problems"])
    name = {SettingsPart.POLICIES: "policy"}.get(part, part.value)
    inside: Any = document if name in document else document["autonomy"]
    assert value[name] == (inside[name] if isinstance(inside, dict) else None)
    if path != "autonomy":
        for other in set(SettingsPart) - {part}:
            assert "problems" not in await shown(world, other)


async def test_a_part_is_put_right_by_itself_and_a_file_puts_everything_right(world: World) -> None:
    await world.configure(
        stored(policy="permit(", tool_pins={"crm.send_mail": "sha256:" + "0" * 64})
    )
    with pytest.raises(InvalidInput) as caught:
        await put(world, SettingsPart.BUDGETS, {"budgets": [{"max_per_day": 1}]})
    assert [problem.path[0] for problem in caught.value.problems] == ["policy"]
    after = await put(world, SettingsPart.POLICIES, {"policy": sample.POLICY})
    assert "problems" not in after
    assert await why(world, task("t1")) == (AUTO, "TASKS_ALLOWED")

    broken = sample.document(modes=[{"mode": "OFF"}], budgets=3)
    broken["catalog"]["SEND_MAIL"]["newer"] = True
    broken |= {
        "newer": 1,
        "stop_switches": [HELD],
        "tool_pins": {"crm.send_mail": "sha256:" + "0" * 64},
    }
    await world.configure(broken)
    wanted = parse_document(sample.document())
    found = await world.control.compare(OWNER, wanted)
    assert await world.control.apply(OWNER, wanted) == found
    assert {
        "newer is gone: it was (not readable).",
        "autonomy.budgets changed.",
        "autonomy.modes.entry 0 is gone: it was (not readable).",
        "catalog.SEND_MAIL changed.",
    } <= {difference.sentence for difference in found}
    after = (await world.store.settings(TENANT)).document
    assert (after["stop_switches"], after["tool_pins"]) == (
        broken["stop_switches"],
        broken["tool_pins"],
    )
    assert (await world.context.settings(TENANT)).unreadable == {}
    assert await world.control.apply(OWNER, wanted) == []


# Stop switches


async def test_a_switch_that_cannot_be_read_holds_and_neither_prevents_nor_loses_another(
    world: World,
) -> None:
    await world.propose(task("t1"))
    await world.configure(stored(policy="permit(", stop_switches=[HELD, LATER]))
    assert await why(world, task("t2", account_id="other")) == (
        IntentStatus.BLOCKED,
        "STOP_SWITCH_UNREADABLE",
    )
    on = (await shown(world, SettingsPart.STOP_SWITCHES))["stop_switches"]
    assert [(s["scope"], s["subject"], s["level"]) for s in on] == [
        ("ACCOUNT", "acme", "HOLD"),
        ("TENANT", None, "REFUSE"),
    ]
    assert "stop_switches.1.until" in on[1]["reason"]
    version = (await world.store.settings_version(TENANT)).tenant
    await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": on})
    assert (await world.store.settings_version(TENANT)).tenant == version

    agent = {"scope": "AGENT", "subject": "ben", "level": "HOLD", "reason": "on trial"}
    after = await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": [*on, agent]})
    assert sample.as_written(after["stop_switches"]) == sample.as_written([*on, agent])
    written = (await world.store.settings(TENANT)).document["stop_switches"]
    assert (written[:2], sample.as_written(written[2:])) == ([HELD, LATER], [agent])

    # It is lifted as every other one is.
    await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": [on[0], agent]})
    written = (await world.store.settings(TENANT)).document["stop_switches"]
    assert sample.as_written(written) == [HELD, agent]


@pytest.mark.parametrize(
    "switches", ["all", [7], [{"scope": "REGION", "subject": "eu", "level": "HOLD", "reason": "x"}]]
)
async def test_switches_of_which_nobody_knows_what_they_cover_hold_everything(
    world: World, switches: Any
) -> None:
    await world.propose(task("t1"))
    await world.configure(stored(stop_switches=switches))
    assert await world.run("t1") is None
    assert (await world.record("t1")).status is AUTO
    assert await why(world, mail("m1", account_id="other")) == (ASKED, "STOP_SWITCH_UNREADABLE")
    [held] = (await shown(world, SettingsPart.STOP_SWITCHES))["stop_switches"]
    assert (held["scope"], held["level"]) == ("TENANT", "HOLD")
    await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": []})
    assert await world.run("t1") is not None


async def test_what_holds_everywhere_is_held_if_it_cannot_be_read(world: World) -> None:
    await world.configure({"stop_switches": [{"scope": "PLANET"}]}, "*")
    assert await why(world, task("t1")) == (ASKED, "STOP_SWITCH_UNREADABLE")
    [held], version = await world.control.everywhere_stop(operator(EVERYWHERE))
    assert (held["level"], version) == ("HOLD", 1)


# Pins


async def test_a_pin_that_cannot_be_read_is_not_replaced_until_somebody_says_so(
    world: World,
) -> None:
    pins = {"crm.create_task": "blake3:00", "crm.later": {"of": 2}}
    await world.configure(stored(tool_pins=pins, newer={"kept": True}))
    report = await pin_tools(world.context, system(TENANT))
    assert report.changed == ("crm.create_task",)
    assert report.pinned == ("crm.issue_refund", "crm.send_mail")
    after = (await world.store.settings(TENANT)).document
    new = pin_of(world.tools.schema)
    assert after["tool_pins"] == {**pins, "crm.issue_refund": new, "crm.send_mail": new}
    assert after["newer"] == {"kept": True}
    await pin_tools(world.context, OWNER, repin=frozenset({"crm.create_task"}))
    after = (await world.store.settings(TENANT)).document
    assert after["tool_pins"] == {**pins, **dict.fromkeys(PINNED, new)}


PINNED = ("crm.create_task", "crm.issue_refund", "crm.send_mail")


@pytest.mark.parametrize("pins", [["crm.create_task"], {"crm create_task": "sha256:" + "0" * 64}])
async def test_pins_of_which_nobody_knows_the_tool_are_accepted_anew_all_at_once(
    world: World, pins: Any
) -> None:
    await world.configure(stored(tool_pins=pins))
    for repin in (frozenset[str](), frozenset({"crm.create_task"})):
        report = await pin_tools(world.context, OWNER, repin=repin)
        assert (report.pinned, report.changed) == ((), PINNED)
    assert (await world.store.settings(TENANT)).document["tool_pins"] == pins
    await pin_tools(world.context, OWNER, repin=frozenset(PINNED))
    assert (await world.store.settings(TENANT)).document["tool_pins"].keys() == set(PINNED)
    assert await why(world, task("t1")) == (AUTO, "TASKS_ALLOWED")


async def test_a_tool_server_that_is_not_accepted_is_not_asked(world: World) -> None:
    await world.configure(stored(tool_servers={"crm": {"command": ["crm"], "sandbox": True}}))
    report = await pin_tools(world.context, OWNER)
    assert (report.pinned, report.missing) == ((), {})
    assert list(report.unreachable) == ["crm"]


async def test_the_log_says_it_once_for_each_version(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = Mock()
    monkeypatch.setattr(contexts, "_log", log)
    await world.configure(stored(policy="permit(", newer=1))
    for number in range(3):
        await world.propose(task(f"t{number}"))
    log.warning.assert_called_once()
    said = log.warning.call_args.kwargs
    assert (said["tenant_id"], said["version"], said["problems"]) == (TENANT, 2, 2)


async def test_another_stop_in_its_place_neither_replaces_nor_lifts_a_switch_that_cannot_be_read(
    world: World,
) -> None:
    group = {"scope": "AGENT_GROUP", "subject": "bots", "level": "REFUSE", "reason": "incident 7"}
    await world.configure(stored(stop_switches=[group]))

    async def on() -> list[Any]:
        return list((await world.store.settings(TENANT)).document.get("stop_switches", []))

    async def lift(scope: str) -> None:
        kept = [s for s in (await shown(world, part))["stop_switches"] if s["scope"] != scope]
        await put(world, part, {"stop_switches": kept})

    part = SettingsPart.STOP_SWITCHES
    deploy = {"scope": "TENANT", "level": "HOLD", "reason": "deploy"}
    await put(world, part, {"stop_switches": [deploy]})
    assert group in await on()
    assert len(await on()) == 2
    await lift("TENANT")
    assert await on() == [group]
    await put(world, part, {"stop_switches": (await shown(world, part))["stop_switches"] * 50})
    assert await on() == [group]
    await lift("TENANT")
    assert await on() == []


@pytest.mark.parametrize(
    "later",
    [
        stored(
            policy=sample.POLICY + '@id("frozen") @reason("FROZEN") @explanation("No refunds.") '
            'forbid(principal, action == Action::"ISSUE_REFUND", resource) '
            "when { context.watch == 1 };"
        ),
        sample.document(modes=[{"mode": "QUARANTINED", "account": "acme"}]),
        sample.document(modes=[{"mode": "DISABLED", "account": "zzz", "also": ["acme"]}]),
        stored(freeze={"accounts": ["acme"]}),
    ],
)
async def test_a_later_prohibition_that_cannot_be_read_asks_again_about_what_a_person_approved(
    world: World, later: dict[str, Any]
) -> None:
    await world.propose(refund("big", 75_000))
    await approve(world, "big")
    await world.configure(later)
    await world.run("big")
    record = await world.context.record(TENANT, "big")
    assert record.status is ASKED
    assert record.approval is not None
    assert "This version does not accept" in " ".join(record.approval.differences)
    assert world.tools.calls == []
    await world.control.rule(APPROVER, "big.2", APPROVE)
    done = await world.run("big")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


async def test_a_pin_or_a_switch_never_makes_an_accepted_document_too_large(world: World) -> None:
    document = sample.document()
    words = document["catalog"]["CREATE_TASK"]["parameters"]
    words["description"] = ""
    sizes = (len(canonical(form)) for form in (document, parse_document(document).as_json()))
    room = DOCUMENT_BYTES_MAX - max(sizes)
    words["description"] = "x" * (room - 10)
    await world.control.apply(OWNER, parse_document(document))
    await world.control.pin_tools(OWNER)
    switch = {"scope": "ACCOUNT", "subject": "zzz", "level": "HOLD", "reason": "y" * 300}
    await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": [switch]})
    assert await why(world, task("t1")) == (AUTO, "TASKS_ALLOWED")


@pytest.mark.parametrize("odd", [math.inf, math.nan, 10**400, "\ud800"])
def test_a_stored_schema_that_is_no_json_loads_and_asks(odd: Any) -> None:
    made: dict[str, Any] = sample.document()
    made["catalog"]["CREATE_TASK"]["parameters"]["maxProperties"] = odd
    settings = compile_settings(TENANT, StoredSettings(SettingsVersion(1, 0), made, {}))
    assert settings.unread("catalog", "acme", "CREATE_TASK") is not None
