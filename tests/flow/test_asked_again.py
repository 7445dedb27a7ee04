"""What a person approved: what of it, when it changes, is asked again, and what is not; also when
the software changed meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from clearance.configuration import policies
from clearance.core import binding as bindings
from clearance.core.approval import RulingKind
from clearance.core.binding import Binding
from clearance.core.canonical import digest
from clearance.core.policy_types import schema_text
from clearance.core.record import IntentRecord, IntentStatus
from clearance.flow import execute
from clearance.flow.requests import RulingRequest
from tests.support import sample
from tests.support.sample import APPROVER, task
from tests.support.world import World

# What differs between stores is how a binding is read back, which their own suite compares.
pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("place", ["sqlite"], indirect=True)]
SURE = task("t1", target={"id": "7"})
UNSURE = task("t1", confidence_score=0.5, target={"id": "7"})
PIN, OTHER_PIN = "sha256:" + "1" * 64, "sha256:" + "2" * 64
LATE = """
@id("late") @reason("LATE") @explanation("Today a person must look.")
forbid(principal, action == Action::"CREATE_TASK", resource) when { context.unattended };
"""
MAILS = """
@id("few-mails") @reason("MAILS") @explanation("A person must look at mails.")
forbid(principal, action == Action::"SEND_MAIL", resource) when { context.unattended };
"""


def document(
    policy: str = sample.POLICY, pin: str = PIN, more: str | None = None, **entry: Any
) -> dict[str, Any]:
    """The sample's settings with a pin, another entry for tasks, or one more action."""
    pins = {"crm.create_task": pin, "crm.delete_task": pin}
    made = {**sample.document(), "policy": policy, "tool_pins": pins}
    made["catalog"]["CREATE_TASK"] |= entry
    if more:
        made["catalog"][more] = made["catalog"]["SEND_MAIL"]
    return made


async def approve(world: World) -> None:
    await world.control.rule(APPROVER, "t1.1", RulingRequest(RulingKind.APPROVE))


async def asked(world: World, approval_id: str) -> tuple[str, ...]:
    """Why a person is asked (again), by this approval."""
    assert await world.run("t1") is None
    record = await world.record("t1")
    assert record.status is IntentStatus.AWAITING_APPROVAL
    assert record.approval is not None
    assert record.approval.approval_id == approval_id
    assert world.tools.calls == []
    return record.approval.differences


async def runs(world: World) -> IntentRecord:
    """What was approved is carried out, and no one was asked twice."""
    done = await world.run("t1")
    assert done is not None
    assert (done.status, len(world.tools.calls)) == (IntentStatus.SUCCEEDED, 1)
    kinds = [entry["kind"] for entry in await world.entries()]
    assert kinds.count("APPROVAL_REQUESTED") <= 1
    return done


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"tool": "crm.delete_task"},
            "The tool was crm.create_task and is crm.delete_task now.",
        ),
        ({"pin": OTHER_PIN}, "The schema of the tool crm.create_task changed."),
        ({"arguments": {"account": "all"}}, "The action's entry in the catalog changed."),
        ({"effect": "at_most_once"}, "The action's entry in the catalog changed."),
        (
            {"proposal": "delete all tasks"},
            "The action's risk, its undo or its wording in the catalog changed.",
        ),
        (
            {"policy": sample.POLICY.replace("< 8000", "< 9000")},
            "The policy changed what it says in: sure-enough.",
        ),
        (
            {"policy": sample.POLICY.replace("Below 0.80 a", "A second")},
            "The policy changed what it says in: sure-enough.",
        ),
        (
            {"policy": sample.POLICY + LATE},
            "Other rules decide: late, sure-enough; before: sure-enough.",
        ),
    ],
)
@pytest.mark.parametrize("approved", ["before", "after"])
async def test_a_person_is_asked_again_when_what_they_approved_changed(
    world: World, change: dict[str, Any], sentence: str, approved: str
) -> None:
    """Also if they approved after the change what they were asked before it."""
    await world.configure(document())
    await world.propose(UNSURE)
    if approved == "before":
        await approve(world)
    await world.configure(document(**change))
    if approved == "after":
        await approve(world)
    assert await asked(world, "t1.2") == (sentence,)


@pytest.mark.parametrize("proposal", [UNSURE, SURE], ids=["person", "policy"])
@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE intent SET content = replace(content, 'Renewal call', 'Gift')",
        """UPDATE intent SET content = replace(content, '"id":"7"', '"id":"8"')""",
        "UPDATE account SET account_id = 'globex'",
        "UPDATE intent SET salt = zeroblob(16)",
    ],
    ids=["parameters", "target", "account", "salt"],
)
@pytest.mark.parametrize("settings_moved", [False, True])
async def test_what_is_not_what_was_decided_on_never_runs(
    world: World, proposal: Any, forgery: str, settings_moved: bool
) -> None:
    """Someone reaches past us into the database."""
    if (await world.propose(proposal)).approval:
        await approve(world)
    world.sql(forgery)
    if settings_moved:
        await world.configure(document())
    assert await world.run("t1") is None
    assert (await world.record("t1")).status is IntentStatus.CANCELLED
    assert (await world.entries())[-1]["code"] == "DIGEST_MISMATCH"
    assert world.tools.calls == []


@pytest.mark.parametrize(
    "change",
    [
        {"more": "SEND_FAX"},
        {"policy": sample.POLICY + MAILS},
        {"policy": "// reviewed\n" + sample.POLICY.replace(" when {", "\n  when   {")},
        {"sentence": "made a task"},
        {"approval": {"expires_after": "1h"}},
        {
            "parameters": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "day": {}},
                "required": ["title"],
                "additionalProperties": False,
            }
        },
        {"policy": sample.POLICY.replace("< 8000", "< 4000")},  # no rule asks for a person any more
    ],
)
@pytest.mark.parametrize("proposal", [UNSURE, SURE], ids=["person", "policy"])
async def test_no_one_is_asked_again_about_what_is_nothing_to_the_act(
    world: World, proposal: Any, change: dict[str, Any]
) -> None:
    await world.configure(document())
    proposed = await world.propose(proposal)
    await world.configure(document(**change))
    if proposed.status is IntentStatus.AWAITING_APPROVAL:
        await approve(world)
    done = await runs(world)
    digests = {entry["kind"]: entry.get("digest") for entry in await world.entries()}
    if not done.auto_executed:
        assert digests["EXECUTION_STARTED"] == digests["ACTION_APPROVED"]


async def test_a_stricter_answer_is_asked_about_or_final(world: World) -> None:
    await world.propose(SURE)
    await world.configure(document(sample.POLICY + LATE))
    assert await asked(world, "t1.1") == ("Today a person must look.",)
    await approve(world)
    never = LATE.replace("when { context.unattended }", "")
    await world.configure(document(sample.POLICY + never))
    assert await world.run("t1") is None
    assert (await world.record("t1")).status is IntentStatus.CANCELLED
    assert (await world.entries())[-1]["code"] == "LATE"


# Another version of the software


def as_0_1_writes(patch: pytest.MonkeyPatch) -> None:
    """From now on, a binding is what version 0.1.0 knows of it."""

    def written(binding: Binding) -> dict[str, Any]:
        names = ("parameters", "tool", "tool_schema", "policy_version")
        return {**{name: getattr(binding, name) for name in names}, "action": binding.entry_0_1}

    made = bindings._bound

    def bound(*clauses: Any, **facts: Any) -> Binding:
        binding = made(*clauses, **facts)
        return replace(binding, digest=digest(written(binding)))

    patch.setattr(bindings, "_written", written)
    patch.setattr(bindings, "_bound", bound)


async def upgraded(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same store, with software that generates a schema of one line more."""
    before = (await world.context.settings(sample.TENANT)).policy
    newer = "clearance.core.policy.schema_text"
    monkeypatch.setattr(newer, lambda *types: schema_text(*types) + "entity Newer;\n")
    monkeypatch.setattr(policies, "_KEPT", policies._Kept())  # another process has compiled nothing
    after = World(world.store, world.place, world.clock, world.tools, world.engine)
    policy = (await after.context.settings(sample.TENANT)).policy
    assert before is not None
    assert policy is not None
    assert policy.schema != before.schema
    assert policy.version == before.version
    return after


@pytest.mark.parametrize("writes", [lambda _: None, as_0_1_writes], ids=["ours", "0.1"])
@pytest.mark.parametrize("proposal", [UNSURE, SURE], ids=["person", "policy"])
@pytest.mark.parametrize("approved", ["before", "after"])
@pytest.mark.parametrize("settings_moved", [False, True])
async def test_an_upgrade_cancels_nothing_and_asks_no_one_again(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    writes: Callable[[pytest.MonkeyPatch], None],
    proposal: Any,
    approved: str,
    settings_moved: bool,
) -> None:
    await world.configure(document())
    with monkeypatch.context() as earlier:
        writes(earlier)
        waits = (await world.propose(proposal)).approval
        if waits and approved == "before":
            await approve(world)
    newer = await upgraded(world, monkeypatch)
    if settings_moved:
        switch = {"scope": "ACCOUNT", "subject": "globex", "level": "HOLD", "reason": "move"}
        await newer.configure({**document(), "stop_switches": [switch]})
    if waits and approved == "after":
        seen = RulingRequest(RulingKind.APPROVE, digest=waits.digest)  # on a page opened before
        await newer.control.rule(APPROVER, waits.approval_id, seen)
    await runs(newer)


@pytest.mark.parametrize("writes", [lambda _: None, as_0_1_writes], ids=["ours", "0.1"])
@pytest.mark.parametrize("proposal", [UNSURE, SURE], ids=["person", "policy"])
async def test_an_upgrade_repeats_the_call_that_a_worker_of_the_version_before_left(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    writes: Callable[[pytest.MonkeyPatch], None],
    proposal: Any,
) -> None:
    with monkeypatch.context() as earlier:
        writes(earlier)
        if (await world.propose(proposal)).approval:
            await approve(world)
        assert await execute.start(world.context, sample.TENANT, "t1", "dead") is not None
    newer = await upgraded(world, monkeypatch)
    await newer.configure(document(more="SEND_FAX"))
    world.clock.forward(60_000)
    await newer.sweep("worker-2")
    done = await newer.record("t1")
    assert (done.status, len(world.tools.calls)) == (IntentStatus.SUCCEEDED, 1)
    assert done.attempt is not None
    assert done.attempt.number == 2
