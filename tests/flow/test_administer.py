"""Changing settings: who may, from which version, what the ledger says of it, and what it must
never say.
"""

from __future__ import annotations

import asyncio
import copy
import json
from dataclasses import replace
from typing import Any

import pytest

from clearance.configuration.document import parse_document
from clearance.configuration.shape import SettingsDocument
from clearance.core.catalog import ToolServer
from clearance.core.credential import ApiKey, hash_key
from clearance.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Refusal,
    Unavailable,
    VersionMismatch,
    VersionRequired,
)
from clearance.core.ledger import EntryKind, draft
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import EVERYWHERE, Role, Scope, system
from clearance.core.record import IntentStatus
from clearance.core.settings import document_digest
from clearance.core.stop import Lifter, StopLevel, StopScope, StopSwitch
from clearance.core.tool_pin import pin_of
from clearance.flow.ports.settings import SettingsChange
from clearance.flow.ports.tools import ToolCallFailed, ToolList
from clearance.flow.ports.transitions import SettingsMoved
from clearance.flow.requests import SettingsPart
from clearance.profiles.parts import operator
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OWNER, STRANGER, TENANT, RecordingTools, refund
from tests.support.world import World

pytestmark = pytest.mark.anyio

SWITCH = {
    "scope": "ACTION_TYPE",
    "subject": "ISSUE_REFUND",
    "level": "REFUSE",
    "reason": "odd refunds",
}
SECRET = "s3cr3t-value"


async def part(world: World, name: SettingsPart) -> tuple[Any, int]:
    return await world.control.settings_part(OWNER, name)


async def put(world: World, name: SettingsPart, value: Any, version: int | None = None) -> int:
    """Puts a part on the version in force, or on the one that is given."""
    known = version if version is not None else (await part(world, name))[1]
    put = await world.control.put_settings_part(OWNER, name, value, version=known)
    assert put == await part(world, name)
    return put[1]


async def last_entry(world: World, tenant_id: str = TENANT) -> dict[str, Any]:
    return (await world.entries(tenant_id))[-1]


# --- Parts ---


@pytest.mark.parametrize("name", SettingsPart)
async def test_what_is_read_can_be_put_again_and_changes_nothing(
    world: World, name: SettingsPart
) -> None:
    value, version = await part(world, name)
    before = await world.entries()
    assert await put(world, name, value, version) == version
    assert await world.entries() == before


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (
            "modes",
            {"modes": [{"mode": "DISABLED"}]},
            "autonomy.modes.every account was AUTO_EXECUTE and is DISABLED now.",
        ),
        (
            "allowlist",
            {
                "allowlist": {
                    "tenant": ["CREATE_TASK", "ISSUE_REFUND", "SEND_MAIL"],
                    "accounts": {"acme": ["SEND_MAIL"]},
                }
            },
            "autonomy.allowlist.accounts.acme.SEND_MAIL is new: listed.",
        ),
        (
            "budgets",
            {"budgets": [{"max_per_day": 1000}, {"max_per_day": 3, "account": "acme"}]},
            "autonomy.budgets.acme.max_per_day was 10 and is 3 now.",
        ),
        ("policies", {"policy": sample.POLICY + "\n// reviewed"}, "policy changed."),
    ],
)
async def test_a_change_is_one_version_and_one_entry_that_says_it(
    world: World, name: str, value: dict[str, Any], said: str
) -> None:
    version = (await part(world, SettingsPart(name)))[1]
    entries = len(await world.entries())
    assert await put(world, SettingsPart(name), value) == version + 1
    entry = await last_entry(world)
    assert len(await world.entries()) == entries + 1
    assert (entry["kind"], entry["version"], entry["actor"]["id"]) == (
        "SETTINGS_CHANGED",
        version + 1,
        "owner",
    )
    assert said in entry["differences"]
    assert entry["differences_count"] == len(entry["differences"])
    stored = await world.store.settings(TENANT)
    assert entry["digest"] == document_digest(stored.document, stored.salt)
    found, now = await part(world, SettingsPart(name))
    assert now == version + 1
    for key, content in value.items():
        assert json.loads(json.dumps(found[key])) == content


async def test_the_name_that_stands_for_every_tenant_has_no_keys(world: World) -> None:
    everybody = replace(OWNER, tenant_id=EVERYWHERE)
    with pytest.raises(Forbidden):
        await world.control.create_api_key(everybody, "god", Role.OWNER)
    with pytest.raises(Forbidden):
        await world.control.ensure_api_key(everybody, "god", Role.OWNER, "clr_" + "x" * 43)
    assert await world.store.api_keys(EVERYWHERE) == []


async def test_a_put_needs_the_version_in_force(world: World) -> None:
    value, version = await part(world, SettingsPart.MODES)
    changed = {"modes": [{"mode": "DISABLED"}]}
    with pytest.raises(VersionRequired):
        await world.control.put_settings_part(OWNER, SettingsPart.MODES, changed, version=None)
    for other in (version - 1, version + 1, -1):
        with pytest.raises(VersionMismatch):
            await put(world, SettingsPart.MODES, changed, other)
    assert await part(world, SettingsPart.MODES) == (value, version)


async def test_of_many_changes_from_one_version_exactly_one_is_made(world: World) -> None:
    version = (await part(world, SettingsPart.BUDGETS))[1]
    puts = [
        put(world, SettingsPart.BUDGETS, {"budgets": [{"max_per_day": n}]}, version)
        for n in range(8)
    ]
    answers = await asyncio.gather(*puts, return_exceptions=True)
    assert sum(answer == version + 1 for answer in answers) == 1
    assert sum(isinstance(answer, VersionMismatch) for answer in answers) == 7
    assert (await part(world, SettingsPart.BUDGETS))[1] == version + 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("modes", {"modes": [{"mode": "AUTO"}]}),
        ("modes", {"budgets": []}),
        ("modes", []),
        ("modes", {"modes": [], "version": 1}),
        ("allowlist", {"allowlist": ["NOPE"]}),
        ("catalog", {"catalog": {}}),  # the rest names its actions
        ("policies", {"policy": "permit("}),
        ("stop-switches", {"stop_switches": [{**SWITCH, "level": "MAYBE"}]}),
    ],
)
async def test_what_does_not_fit_changes_nothing(world: World, name: str, value: Any) -> None:
    before = await world.store.settings(TENANT)
    with pytest.raises(InvalidInput) as caught:
        await put(world, SettingsPart(name), value)
    assert caught.value.code == "INVALID_SETTINGS"
    assert caught.value.problems
    assert await world.store.settings(TENANT) == before


async def test_who_may_not_is_refused_and_other_tenants_see_their_own(world: World) -> None:
    version = (await part(world, SettingsPart.MODES))[1]
    for principal in (AGENT, APPROVER):
        for name in set(SettingsPart) - {SettingsPart.STOP_SWITCHES}:
            with pytest.raises(Forbidden):
                await world.control.put_settings_part(principal, name, {}, version=version)
        with pytest.raises(Forbidden):
            await world.control.apply(principal, parse_document(sample.document()))
        with pytest.raises(Forbidden):
            await world.control.create_api_key(principal, "x", Role.OWNER)
        with pytest.raises(Forbidden):
            await world.control.pin_tools(principal)
    with pytest.raises(Forbidden):
        await world.control.put_settings_part(AGENT, SettingsPart.STOP_SWITCHES, {}, version=-1)
    assert await world.control.settings_part(STRANGER, SettingsPart.CATALOG) == ({"catalog": {}}, 0)


async def test_the_policy_is_read_with_its_clauses(world: World) -> None:
    value, _ = await part(world, SettingsPart.POLICIES)
    assert value["policy"] == sample.POLICY
    assert value["policy_version"] == (await world.control.settings(OWNER)).policy.version  # type: ignore[union-attr]
    assert {
        "id": "tasks",
        "effect": "permit",
        "reason": "TASKS_ALLOWED",
        "explanation": "Tasks may be created.",
    } in value["clauses"]


# --- Stop switches ---


async def test_an_approver_stops_without_a_version_and_the_gate_obeys(world: World) -> None:
    value = {"stop_switches": [SWITCH]}
    _, version = await world.control.put_settings_part(
        APPROVER, SettingsPart.STOP_SWITCHES, value, version=-1
    )
    on, seen = await part(world, SettingsPart.STOP_SWITCHES)
    assert (sample.as_written(on["stop_switches"]), seen) == ([SWITCH], version)
    assert (await world.propose(refund("i"))).status is IntentStatus.BLOCKED
    entry = await last_entry_of_kind(world, "STOP_SWITCHES_CHANGED")
    [after] = entry["after"]
    assert after.pop("reason_digest").startswith("sha256:")
    assert sample.as_written([after]) == [SWITCH]
    assert (entry["before"], entry["version"]) == ([], version)
    await world.control.put_settings_part(
        APPROVER, SettingsPart.STOP_SWITCHES, {"stop_switches": []}, version=version
    )
    assert (await world.propose(refund("j"))).status is IntentStatus.APPROVED


async def last_entry_of_kind(world: World, kind: str) -> dict[str, Any]:
    return next(entry for entry in reversed(await world.entries()) if entry["kind"] == kind)


class Meddling:
    """A store in which somebody else changes the settings just before each of our first changes."""

    def __init__(self, world: World, times: int) -> None:
        self._store, self._left, self._world = world.store, times, world

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def configure(self, change: SettingsChange) -> int | SettingsMoved:
        if self._left:
            self._left -= 1
            version = (await self._store.settings_version(TENANT)).tenant
            document = sample.document(budgets=[{"max_per_day": self._left}])
            await self._store.configure(
                SettingsChange(TENANT, version, document, change.entry, change.at)
            )
        return await self._store.configure(change)


async def test_an_emergency_stop_wins_races_and_gives_up_honestly_when_it_cannot(
    world: World,
) -> None:
    real, world.context.store = world.context.store, Meddling(world, 4)
    value = {"stop_switches": [SWITCH]}
    await world.control.put_settings_part(APPROVER, SettingsPart.STOP_SWITCHES, value, version=-1)
    stored = await real.settings(TENANT)
    assert sample.as_written(stored.document["stop_switches"]) == [SWITCH]
    assert stored.document["autonomy"]["budgets"] == [{"max_per_day": 0}]
    world.context.store = Meddling(world, 99)
    held = {"stop_switches": [{**SWITCH, "level": "HOLD"}]}
    with pytest.raises(Unavailable):
        await world.control.put_settings_part(
            APPROVER, SettingsPart.STOP_SWITCHES, held, version=-1
        )


async def test_a_stop_works_when_the_rest_of_the_document_is_not_valid_any_more(
    world: World,
) -> None:
    await world.configure({**sample.document(), "policy": "permit("})
    await world.control.put_settings_part(
        OWNER, SettingsPart.STOP_SWITCHES, {"stop_switches": [SWITCH]}, version=-1
    )
    document = (await world.store.settings(TENANT)).document
    assert sample.as_written(document["stop_switches"]) == [SWITCH]


async def test_only_the_operator_stops_everything(world: World) -> None:
    everything = {"scope": "GLOBAL", "level": "REFUSE", "reason": "incident"}
    with pytest.raises(Forbidden, match="clearance stop --everything"):
        await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": [everything]})
    switch = StopSwitch(StopScope.GLOBAL, None, StopLevel.REFUSE, "incident")
    everywhere = operator(EVERYWHERE)
    await world.control.put_everywhere_stop(everywhere, [switch])
    shown, _ = await world.control.everywhere_stop(everywhere)
    assert sample.as_written(shown) == [{**everything, "subject": None}]
    on = replace(switch, set_by="operator", set_at=world.clock.now_ms(), lifted_by=Lifter.OWNER)
    assert (await world.control.settings(OWNER)).stop_switches == (on,)
    assert (await world.control.settings(STRANGER)).stop_switches == (on,)
    entry = (await world.entries(EVERYWHERE))[0]
    [after] = entry["after"]
    assert after.pop("reason_digest").startswith("sha256:")
    assert (entry["tenant_id"], sample.as_written([after])) == (
        "*",
        [{**everything, "subject": None}],
    )
    await world.control.put_everywhere_stop(everywhere, [])
    assert (await world.control.settings(OWNER)).stop_switches == ()
    with pytest.raises(InvalidInput):
        await world.control.put_everywhere_stop(
            everywhere, [StopSwitch(StopScope.ACCOUNT, "acme", StopLevel.HOLD, "x")]
        )
    for verb in (
        world.control.tenants(OWNER),
        world.control.everywhere_stop(OWNER),
        world.control.put_everywhere_stop(OWNER, []),
        world.control.put_everywhere_stop(replace(AGENT, tenant_id=EVERYWHERE), [switch]),
    ):
        with pytest.raises(Forbidden):
            await verb
    assert await world.control.tenants(everywhere) == [TENANT]


# --- The whole document ---


async def test_applying_keeps_switches_and_the_pins_of_tools_that_stay(world: World) -> None:
    await world.control.pin_tools(OWNER)
    await put(world, SettingsPart.STOP_SWITCHES, {"stop_switches": [SWITCH]}, -1)
    smaller = sample.document(allowlist=["CREATE_TASK"], budgets=[{"max_per_day": 5}])
    smaller["catalog"] = {"CREATE_TASK": smaller["catalog"]["CREATE_TASK"]}
    smaller["policy"] = (
        '@id("a") @reason("A") @explanation("a") permit(principal, action, resource);'
    )
    expected = await world.control.compare(OWNER, parse_document(smaller))
    assert await world.control.apply(OWNER, parse_document(smaller)) == expected
    assert "catalog.SEND_MAIL is gone." in [difference.sentence for difference in expected]
    stored = (await world.store.settings(TENANT)).document
    assert sample.as_written(stored["stop_switches"]) == [SWITCH]
    assert set(stored["tool_pins"]) == {"crm.create_task"}


async def test_applying_the_same_again_is_no_change_whatever_its_order(world: World) -> None:
    await world.control.apply(OWNER, parse_document(sample.document()))
    version, entries = await world.store.settings_version(TENANT), await world.entries()
    again = sample.document(allowlist={"tenant": ["SEND_MAIL", "ISSUE_REFUND", "CREATE_TASK"]})
    again["autonomy"]["budgets"].reverse()
    again["catalog"] = dict(reversed(again["catalog"].items()))
    assert await world.control.apply(OWNER, parse_document(again)) == []
    assert await world.store.settings_version(TENANT) == version
    assert await world.entries() == entries


async def test_a_document_is_applied_whole_or_not_at_all(world: World) -> None:
    before = await world.store.settings(TENANT)
    refused: list[dict[str, Any]] = [
        sample.document(allowlist=["NOPE"]),
        {**sample.document(), "stop_switches": []},
        {"catalog": []},
    ]
    for wrong in refused:
        for verb in (world.control.apply, world.control.compare):
            with pytest.raises(InvalidInput):
                await verb(OWNER, parse_document(wrong))
    assert await world.store.settings(TENANT) == before


async def test_applying_retries_when_somebody_else_is_faster(world: World) -> None:
    world.context.store = Meddling(world, 2)
    assert await world.control.apply(
        OWNER, parse_document(sample.document(budgets=[{"max_per_day": 77}]))
    )
    assert (await part(world, SettingsPart.BUDGETS))[0] == {"budgets": [{"max_per_day": 77}]}


async def test_secrets_are_in_no_difference_and_no_entry(world: World) -> None:
    first = sample.document()
    first["tool_servers"]["git"] = {
        "url": f"https://x/mcp?key={SECRET}",
        "headers": {"Authorization": SECRET},
    }
    first["tool_servers"]["crm"]["environment"] = {"TOKEN": SECRET, "GONE": SECRET}
    second = copy.deepcopy(first)
    second["tool_servers"]["git"]["headers"] = {"Authorization": SECRET + "2"}
    second["tool_servers"]["crm"]["environment"] = {"TOKEN": SECRET + "2", "NEW": SECRET}
    said = []
    for document in (first, second, sample.document()):
        said += [
            json.dumps([d.path, d.before, d.after, d.sentence])
            for d in await world.control.apply(OWNER, parse_document(document))
        ]
    assert any("tool_servers.crm.environment.TOKEN changed." in line for line in said)
    assert any("tool_servers.git.headers.Authorization changed." in line for line in said)
    assert any(
        '{"url": "https://x/mcp", "headers": {"Authorization": "(not shown)"}}' in line
        for line in said
    )
    assert SECRET not in "".join(said)
    assert SECRET not in json.dumps(await world.entries())


async def test_names_of_secrets_are_compared_as_sets_and_shown(world: World) -> None:
    def document(inherit: list[str], secrets: list[str] | None) -> SettingsDocument:
        changed = sample.document()
        crm = changed["tool_servers"]["crm"]
        crm["inherit"] = inherit
        if secrets is not None:
            crm["secrets"] = secrets
        return parse_document(changed)

    async def told(inherit: list[str], secrets: list[str] | None) -> list[str]:
        applied = await world.control.apply(OWNER, document(inherit, secrets))
        return [difference.sentence for difference in applied]

    assert await told(["A", "B"], None)
    assert await told(["B", "A"], None) == []
    assert await told(["A", "B"], ["B", "A"]) == ['tool_servers.crm.secrets is new: ["A", "B"].']
    assert await told(["A", "B"], ["A", "B"]) == []
    assert await told(["A", "B"], []) == ['tool_servers.crm.secrets was ["A", "B"] and is [] now.']
    server = (await world.control.settings(OWNER)).tool_servers["crm"]
    assert (server.inherit, server.secrets) == (("A", "B"), ())
    assert (await told(["A", "B"], None))[0].startswith("tool_servers.crm.secrets is gone")
    settings = await world.control.settings(OWNER)
    assert settings.tool_servers["crm"].secrets is None
    with pytest.raises(InvalidInput):
        document(["A"], ["B"])


async def test_an_entry_holds_every_difference(world: World) -> None:
    many = [{"account": f"a{number}", "max_per_day": number} for number in range(100)]
    await put(world, SettingsPart.BUDGETS, {"budgets": many})
    entry = await last_entry(world)
    assert len(entry["differences"]) == entry["differences_count"] > 100
    assert entry["changed"] == ["budgets"]


async def test_true_and_one_are_not_the_same(world: World) -> None:
    document = sample.document()
    document["catalog"]["CREATE_TASK"]["arguments"] = {"account": "x", "urgent": 1}
    await world.control.apply(OWNER, parse_document(document))
    document["catalog"]["CREATE_TASK"]["arguments"] = {"account": "x", "urgent": True}
    [difference] = await world.control.apply(OWNER, parse_document(document))
    assert difference.sentence == "catalog.CREATE_TASK.arguments.urgent was 1 and is true now."


# --- Tool pins ---


class Unreachable(RecordingTools):
    """Tools of which one server does not answer."""

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        if server.name == "git":
            raise ToolCallFailed(CallError(ErrorClass.DOWNSTREAM, "git is away.", Sent.NOT_SENT))
        return await super().describe(tenant_id, server)


async def test_tools_are_pinned_at_first_contact_and_only_again_when_asked(world: World) -> None:
    document = sample.document()
    document["tool_servers"] |= {
        "git": {"url": "http://127.0.0.1:1/mcp"},
        "unused": {"command": ["x"]},
    }
    document["catalog"]["PUSH"] = {**document["catalog"]["SEND_MAIL"], "tool": "git.push"}
    document["catalog"]["ODD"] = {**document["catalog"]["SEND_MAIL"], "tool": "crm.odd"}
    await world.control.apply(OWNER, parse_document(document))
    tools = Unreachable()
    world.context.tools = tools
    offered = ("crm.create_task", "crm.issue_refund", "crm.send_mail")

    first = await world.control.pin_tools(system(TENANT))
    assert (first.pinned, first.changed) == (offered, ())
    assert first.missing == {
        "crm.odd": "The catalog names crm.odd, which the tool server crm does not offer."
    }
    assert first.unreachable == {"git": "git is away."}
    entry = await last_entry(world)
    assert (entry["kind"], entry["changed"], entry["actor"]["kind"]) == (
        "SETTINGS_CHANGED",
        ["tool_descriptions", "tool_pins"],
        "SYSTEM",
    )
    assert (await world.control.settings(OWNER)).tool_pins == dict.fromkeys(
        offered, pin_of(tools.schema)
    )

    entries = await world.entries()
    again = await world.control.pin_tools(OWNER)
    assert (again.pinned, again.changed) == ((), ())
    assert await world.entries() == entries

    old = pin_of(tools.schema)
    tools.schema = {"type": "object", "maxProperties": 9}
    changed = await world.control.pin_tools(OWNER)
    assert (changed.pinned, changed.changed) == ((), offered)
    repinned = await world.control.pin_tools(OWNER, repin=frozenset({"crm.send_mail"}))
    assert (repinned.pinned, repinned.changed) == (("crm.send_mail",), offered[:2])
    assert (await world.control.settings(OWNER)).tool_pins == {
        **dict.fromkeys(offered, old),
        "crm.send_mail": pin_of(tools.schema),
    }
    with pytest.raises(InvalidInput, match=r"did you mean crm\.send_mail"):
        await world.control.pin_tools(OWNER, repin=frozenset({"crm.sendmail"}))


# --- Credentials ---


async def test_a_key_is_made_once_found_by_its_hash_and_ended(world: World) -> None:
    key, text = await world.control.create_api_key(OWNER, "agent-ada", Role.AGENT)
    assert text.startswith("clr2_")
    found = await world.store.api_key(hash_key(text, await world.store.installation_salt()))
    assert found == key
    assert (key.tenant_id, key.role, key.revoked_at) == (TENANT, Role.AGENT, None)
    with pytest.raises(Conflict):
        await world.control.create_api_key(OWNER, "agent-ada", Role.OWNER)
    with pytest.raises(NotFound):
        await world.control.revoke_api_key(STRANGER, key.key_id)
    await world.control.revoke_api_key(OWNER, key.key_id)
    assert await world.store.api_key(key.key_hash) is None
    with pytest.raises(NotFound):
        await world.control.revoke_api_key(OWNER, key.key_id)
    again, _ = await world.control.create_api_key(OWNER, "agent-ada", Role.AGENT)
    assert {known.key_id for known in await world.control.api_keys(OWNER)} == {
        key.key_id,
        again.key_id,
    }
    said = [
        (e["kind"], e["key_id"], e["name"], e["role"])
        for e in await world.entries()
        if "key_id" in e
    ]
    assert said == [
        ("API_KEY_CREATED", key.key_id, "agent-ada", "agent"),
        ("API_KEY_REVOKED", key.key_id, "agent-ada", "agent"),
        ("API_KEY_CREATED", again.key_id, "agent-ada", "agent"),
    ]
    assert text not in json.dumps(await world.entries())


async def test_a_key_that_replaces_another_keeps_its_limits_unless_others_are_given(
    world: World,
) -> None:
    narrow, other = Scope(accounts=frozenset({"acme"})), Scope(accounts=frozenset({"globex"}))

    async def valid() -> list[tuple[Role, Scope]]:
        keys = await world.control.api_keys(OWNER)
        return [(key.role, key.scope) for key in keys if key.revoked_at is None]

    with pytest.raises(NotFound):
        await world.control.create_api_key(OWNER, "ci", Role.AGENT, replace=True)
    await world.control.create_api_key(OWNER, "ci", Role.AGENT, narrow)
    await world.control.create_api_key(OWNER, "ci", Role.AGENT, replace=True)
    assert await valid() == [(Role.AGENT, narrow)]
    assert await world.control.ensure_api_key(OWNER, "ci", Role.AGENT, "the-first-secret-of-all")
    assert not await world.control.ensure_api_key(
        OWNER, "ci", Role.AGENT, "the-first-secret-of-all"
    )
    assert await valid() == [(Role.AGENT, narrow)]
    assert await world.control.ensure_api_key(OWNER, "ci", Role.AUDITOR, "the-first-secret-of-all")
    assert await valid() == [(Role.AUDITOR, narrow)]
    await world.control.create_api_key(OWNER, "ci", Role.AGENT, other, replace=True)
    assert await valid() == [(Role.AGENT, other)]
    entry = (await world.entries())[-1]
    assert entry["scope"] == {"accounts": ["globex"], "action_types": None}


async def test_the_first_key_follows_what_was_given(world: World) -> None:
    async def ensure(text: str, role: Role = Role.OWNER, name: str = "owner") -> bool:
        return await world.control.ensure_api_key(OWNER, name, role, text)

    assert await ensure("the-first-secret-of-all")
    assert not await ensure("the-first-secret-of-all")
    assert await ensure("the-second-secret-of-all")
    assert await ensure("the-first-secret-of-all")
    assert await ensure("the-first-secret-of-all", Role.AUDITOR)
    valid = [key for key in await world.control.api_keys(OWNER) if key.revoked_at is None]
    assert [(key.name, key.role) for key in valid] == [("owner", Role.AUDITOR)]
    refused: list[tuple[type[Refusal], str, str]] = [
        (Conflict, "the-first-secret-of-all", "other"),
        (InvalidInput, "short", "owner"),
        (InvalidInput, "fifteen-letters", "owner"),
        (InvalidInput, "clr2_" + "a" * 51, "owner"),
        (InvalidInput, "long-enough-secret", " owner"),
    ]
    for kind, text, name in refused:
        with pytest.raises(kind) as caught:
            await ensure(text, name=name)
        assert text not in caught.value.sentence


async def test_a_short_key_of_a_version_before_goes_on_and_none_is_made(world: World) -> None:
    salt = await world.store.installation_salt()
    old = ApiKey("old", TENANT, "owner", Role.OWNER, hash_key("8-signs!", salt), world.clock.now)
    entry = draft(EntryKind.API_KEY_CREATED, world.clock.now, OWNER)
    await world.store.add_api_key(old, entry)
    assert not await world.control.ensure_api_key(OWNER, "owner", Role.OWNER, "8-signs!")
    await world.control.revoke_api_key(OWNER, "old")
    with pytest.raises(InvalidInput) as refused:
        await world.control.ensure_api_key(OWNER, "owner", Role.OWNER, "8-signs!")
    assert refused.value.code == "INVALID_API_KEY"
