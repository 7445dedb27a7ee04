"""What settings cost: a document is parsed once for each version, a policy is compiled once for
each text, and nobody waits for another tenant's.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cedarpy
import pytest

from clearance.configuration import document as documents
from clearance.configuration import file, policies
from clearance.configuration.document import parse_document
from clearance.core import accounts, catalog
from clearance.core.policy import _engine_schema
from clearance.core.principal import Principal
from clearance.core.record import IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow.pins import pin_tools
from clearance.flow.requests import ANY_VERSION, SettingsPart
from tests.support import sample
from tests.support.sample import OWNER, TENANT, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
EXAMPLE = Path(__file__).parents[2] / "examples" / "notes"
STOP = {"scope": "TENANT", "subject": None, "level": "REFUSE", "reason": "an incident"}
SWITCH = StopSwitch(StopScope.TENANT, None, StopLevel.REFUSE, "an incident")


class Counts:
    """How often a document was parsed, and a policy and a schema compiled."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.parsed = self.compiled = 0

    def all(self) -> tuple[int, int]:
        return self.parsed, self.compiled


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counts]:
    """Of a process that has compiled nothing."""
    counted, shaped, validate = Counts(), documents._shaped, cedarpy.validate_policies

    def counting_shaped(text: str, value: Any) -> Any:
        counted.parsed += 1
        return shaped(text, value)

    def counting_validate(text: str, schema: Any, *, release_gil: bool = False) -> Any:
        assert release_gil, "the engine lets others work"
        counted.compiled += 1
        return validate(text, schema, release_gil=release_gil)

    monkeypatch.setattr(documents, "_shaped", counting_shaped)
    monkeypatch.setattr(cedarpy, "validate_policies", counting_validate)
    monkeypatch.setattr(policies, "_KEPT", policies._Kept())
    return counted


async def applied(world: World, path: Path) -> int:
    """The whole of `clearance apply`: how many changes it made."""
    wanted = file.load(path, {"NOTES_DB": "notes.sqlite3"})
    actor = Principal(wanted.tenant_id, OWNER.actor_id, OWNER.kind, OWNER.permissions)
    found = await world.control.compare(actor, wanted.document)
    if found:
        await world.control.apply(actor, wanted.document)
    await pin_tools(world.context, actor)
    await world.context.settings(wanted.tenant_id)
    return len(found)


def another_process(world: World) -> World:
    return World(world.store, world.place, world.clock, world.tools, world.engine)


async def test_a_file_is_parsed_once_on_its_way_to_the_gate(
    world: World, counts: Counts, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("clearance.yaml", "policy.cedar"):
        (tmp_path / name).write_text((EXAMPLE / name).read_text())
    path = tmp_path / "clearance.yaml"
    assert await applied(another_process(world), path)
    assert counts.all() == (1, 1)

    # The same again, in another process: the file, and what is stored.
    counts.forget()
    monkeypatch.setattr(policies, "_KEPT", policies._Kept())
    assert not await applied(another_process(world), path)
    assert counts.all() == (2, 1)

    # Another budget: the policy is compiled once, for the file and for what is stored alike.
    counts.forget()
    monkeypatch.setattr(policies, "_KEPT", policies._Kept())
    path.write_text(path.read_text().replace("max_per_day: ", "max_per_day: 1"))
    assert await applied(another_process(world), path) == 1
    assert counts.all() == (2, 1)


async def test_what_is_no_part_of_the_policy_compiles_nothing(world: World, counts: Counts) -> None:
    await world.propose(task())
    assert counts.all() == (1, 1)
    other = another_process(world)

    async def put(part: SettingsPart, value: Any) -> None:
        version = (await world.store.settings_version(TENANT)).tenant
        _, after = await other.control.put_settings_part(OWNER, part, value, version=version)
        assert after == version + 1

    await put(SettingsPart.BUDGETS, {"budgets": [{"max_per_day": 7}]})
    await put(SettingsPart.MODES, {"modes": [{"mode": "PROPOSE_ONLY"}]})
    await put(SettingsPart.STOP_SWITCHES, {"stop_switches": [STOP]})
    await pin_tools(other.context, OWNER)
    for process in (world, other):
        assert (await process.propose(task())).decision.reason == "STOP_SWITCH_ON"
        assert (await process.context.settings(TENANT)).version.tenant == 5
    assert counts.compiled == 1

    words = copy.deepcopy(dict(sample.DOCUMENT["catalog"]))
    words["SEND_MAIL"]["sentence"] = "mailed {to}"
    await put(SettingsPart.CATALOG, {"catalog": words})
    assert counts.compiled == 1
    words["SEND_MAIL"]["parameters"]["properties"]["cc"] = {"type": "string"}
    await put(SettingsPart.CATALOG, {"catalog": words})
    assert counts.compiled == 2


async def test_a_version_is_parsed_once_however_many_ask(world: World, counts: Counts) -> None:
    await world.propose(task())
    await world.configure({**sample.document(), "policy": sample.POLICY + "// reviewed"})
    counts.forget()
    proposed = await asyncio.gather(*(world.propose(task()) for _ in range(20)))
    assert {record.decision.settings_version.tenant for record in proposed} == {2}
    assert counts.all() == (1, 1)
    for part in SettingsPart:
        await world.control.settings_part(OWNER, part)
    await world.control.compare(OWNER, parse_document(sample.document()))
    assert counts.parsed == 2 + 1  # the one given to compare, and the switches by themselves
    assert counts.compiled == 1  # it compared with the policy of before, which is known


def test_a_schema_is_compiled_once_for_each_text(counts: Counts) -> None:
    """The whole one, which rules are checked by, and that of what rules name."""
    _engine_schema.cache_clear()
    for number in range(3):
        parse_document({**sample.document(), "policy": sample.POLICY + f"// {number}"})
    assert (counts.compiled, _engine_schema.cache_info().misses) == (3, 2)


def test_policies_are_kept_while_somebody_has_them_and_the_latest_beyond(
    monkeypatch: pytest.MonkeyPatch, counts: Counts
) -> None:
    monkeypatch.setattr(policies, "POLICIES_KEPT_MAX", 2)

    def of(number: int) -> Any:
        return policies.policy_reading(sample.POLICY + f"// {number}", PARAMETERS)

    had = of(0)
    latest = [id(of(number)) for number in (1, 2, 3)]
    assert counts.compiled == 4
    assert of(0) is had
    assert id(of(3)) == latest[2]
    assert counts.compiled == 4
    of(1)
    assert counts.compiled == 5


PARAMETERS = {name: action["parameters"] for name, action in sample.DOCUMENT["catalog"].items()}


def test_a_schema_that_looks_alike_to_policy_is_not_the_same() -> None:
    """The unit of a decimal is in no Cedar schema, and decides what a rule compares with."""

    def refunds(scale: int) -> Any:
        amount = {"type": "number", "x-scale": scale}
        schema = {"type": "object", "properties": {"amount_minor": amount}}
        schema["required"] = ["amount_minor"]
        reading = policies.policy_reading(sample.POLICY, {**PARAMETERS, "ISSUE_REFUND": schema})
        assert reading is not None
        assert reading.policy is not None
        return reading.policy

    assert refunds(100).schema == refunds(1000).schema
    kind = "ISSUE_REFUND"
    read = [refunds(scale)._types[kind].read({"amount_minor": 1.5}, ()) for scale in (100, 1000)]
    assert read == [{"amount_minor": 150}, {"amount_minor": 1500}]


# Compiling takes long


class Held:
    """Compiling that waits until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, only: str) -> None:
        self.begun, self._go = threading.Event(), threading.Event()
        real = policies.read_policy

        def read(text: str, parameters: Any) -> Any:
            if only in text:
                assert threading.current_thread() is not threading.main_thread()
                self.begun.set()
                assert self._go.wait(20)
            return real(text, parameters)

        monkeypatch.setattr(policies, "_KEPT", policies._Kept())
        monkeypatch.setattr(policies, "read_policy", read)

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, 20)

    def let_go(self) -> None:
        self._go.set()


SLOW = "// slow"


async def test_nobody_waits_while_another_tenants_policy_is_compiled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = Held(monkeypatch, SLOW)
    await world.configure({**sample.document(), "policy": sample.POLICY + SLOW}, "slow-tenant")
    slow = asyncio.create_task(world.context.settings("slow-tenant"))
    await held.until_begun()
    for _ in range(3):
        assert (await world.propose(task())).status is IntentStatus.APPROVED
    assert not slow.done()
    held.let_go()
    assert (await slow).policy is not None


async def test_a_stop_is_in_force_before_a_policy_is_compiled(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is thrown while the policy of a change before it is under way: whoever waited for that
    sees the switch.
    """
    await world.propose(task())
    held = Held(monkeypatch, SLOW)
    await world.configure({**sample.document(), "policy": sample.POLICY + SLOW})
    looks = [asyncio.create_task(world.context.settings(TENANT)) for _ in range(3)]
    proposed = asyncio.create_task(world.propose(task()))
    await held.until_begun()
    _, version = await world.control.put_settings_part(
        OWNER, SettingsPart.STOP_SWITCHES, {"stop_switches": [STOP]}, version=ANY_VERSION
    )
    assert not any(waiting.done() for waiting in (*looks, proposed))
    held.let_go()
    for look in looks:
        settings = await look
        [on] = settings.stop_switches
        assert (settings.version.tenant, on.place, on.level) == (
            *(version, SWITCH.place),
            SWITCH.level,
        )
    assert (await proposed).decision.reason == "STOP_SWITCH_ON"


async def test_a_stop_that_is_thrown_while_the_last_look_compiles_stops_the_call(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.propose(task("t1"))
    held = Held(monkeypatch, SLOW)
    cleared = asyncio.Event()
    call = world.tools.call

    async def changed_before_the_look(tenant_id: str, sent: Any, look: Any) -> Any:
        await world.configure({**sample.document(), "policy": sample.POLICY + SLOW})
        cleared.set()
        return await call(tenant_id, sent, look)

    monkeypatch.setattr(world.tools, "call", changed_before_the_look)
    running = asyncio.create_task(world.run("t1"))
    await cleared.wait()
    await held.until_begun()
    await world.control.put_settings_part(
        OWNER, SettingsPart.STOP_SWITCHES, {"stop_switches": [STOP]}, version=ANY_VERSION
    )
    held.let_go()
    done = await running
    assert done is not None
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.status, done.outcome.error.code) == (IntentStatus.CANCELLED, "STOP_SWITCH_ON")
    assert world.tools.calls == []


async def test_what_names_are_compared_with_is_compiled_aside_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    made = accounts.Accounts.compile

    def counting(known: accounts.Accounts) -> None:
        compiled.append(threading.get_ident())
        made(known)

    monkeypatch.setattr(accounts.Accounts, "compile", counting)
    await world.autonomy(accounts=["acme", {"match": "cus_[0-9]{6}", "new_per_day": 1}])
    settings = await world.context.settings(TENANT)
    assert "_by_look" in vars(settings.accounts)
    assert {"_exact", "_folded", "_wide"} <= vars(settings.accounts.patterns[0]).keys()
    assert len(compiled) == 1
    assert threading.get_ident() not in compiled
    await world.control.put_settings_part(
        OWNER, SettingsPart.STOP_SWITCHES, {"stop_switches": [STOP]}, version=ANY_VERSION
    )
    await world.context.settings(TENANT)
    assert len(compiled) == 1


async def test_actions_are_compiled_aside_and_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    made = catalog.Judge

    def counting(schema: Any) -> Any:
        compiled.append(threading.get_ident())
        return made(schema)

    monkeypatch.setattr(catalog, "Judge", counting)
    await world.configure(sample.DOCUMENT | {"stop_switches": []})
    settings = await world.context.settings(TENANT)
    assert len(compiled) == len(settings.catalog)
    assert threading.get_ident() not in compiled
    await world.propose(task("a"))
    content = {"stop_switches": [STOP]}
    await world.control.put_settings_part(
        OWNER, SettingsPart.STOP_SWITCHES, content, version=ANY_VERSION
    )
    await world.propose(task("b"))
    assert len(compiled) == len(settings.catalog)
