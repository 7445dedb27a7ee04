"""The last look: right before a call is sent, all that could forbid it by then is asked again.

What fails there is CANCELLED: nothing was sent, and its budget is given back.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from clearance.core.approval import RulingKind
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Role
from clearance.core.record import IntentRecord, IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow import execute
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolCallFailed
from clearance.flow.requests import Proposal, RulingRequest
from tests.aws.support.steps import invoked, marks, recorded, started
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OWNER, TENANT, RecordingTools, mail, task
from tests.support.world import World

pytestmark = pytest.mark.anyio
APPROVE = RulingRequest(RulingKind.APPROVE)
EXPIRES_IN_MS = 1_000

Happens: TypeAlias = Callable[[World], Awaitable[Any]]
"""Something that happens after an attempt was claimed, and before its call is sent."""


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearance.core.call.BACKOFF_MS", 0)
    marks.kept.clear()


async def _nothing(_: World) -> None:
    """Nobody does anything."""


async def _expires(world: World) -> None:
    world.clock.forward(EXPIRES_IN_MS)


async def _almost_expires(world: World) -> None:
    world.clock.forward(EXPIRES_IN_MS - 1)


def _mode(mode: str, **place: str) -> Happens:
    everywhere = [{"mode": "AUTO_EXECUTE"}] if place else []
    return lambda world: world.autonomy(modes=[*everywhere, {"mode": mode, **place}])


async def _no_longer_listed(world: World) -> None:
    await world.autonomy(allowlist=[])


async def _a_later_version_stored_its_mode(world: World) -> None:
    document = copy.deepcopy(sample.document())
    document["autonomy"]["modes"].append({"mode": "SOMETIMES", "account": "acme"})
    await world.configure(document)


async def _key_ended(world: World) -> None:
    (key,) = [
        key
        for key in await world.control.api_keys(OWNER)
        if key.name == "agent-ada" and key.revoked_at is None
    ]
    await world.control.revoke_api_key(OWNER, key.key_id)


async def _key_replaced(world: World) -> None:
    await world.control.create_api_key(OWNER, "agent-ada", Role.AGENT, replace=True)


async def _secret_replaced(world: World) -> None:
    await world.control.ensure_api_key(OWNER, "agent-ada", Role.AGENT, "another-secret-of-hers")


async def _replaced_by_a_reader(world: World) -> None:
    await world.control.create_api_key(OWNER, "agent-ada", Role.AUDITOR, replace=True)


FORBIDDEN: dict[str, tuple[Happens, str]] = {
    "expired": (_expires, "INTENT_EXPIRED"),
    "disabled": (_mode("DISABLED"), "ACTION_TYPE_DISABLED"),
    "disabled for the account": (
        _mode("DISABLED", account="acme"),
        "ACTION_TYPE_DISABLED",
    ),
    "a mode that cannot be read": (_a_later_version_stored_its_mode, "MODE_UNREADABLE"),
    "key ended": (_key_ended, "AGENT_KEY_ENDED"),
    "key replaced by a reader's": (_replaced_by_a_reader, "AGENT_KEY_ENDED"),
}
ASKS: dict[str, tuple[Happens, str]] = {
    "mode": (_mode("APPROVAL_REQUIRED"), "MODE_APPROVAL_REQUIRED"),
    "mode of the account": (
        _mode("PROPOSE_ONLY", account="acme"),
        "MODE_PROPOSE_ONLY",
    ),
    "allowlist": (_no_longer_listed, "ACTION_TYPE_NOT_ALLOWLISTED"),
}
ALLOWED: dict[str, Happens] = {
    "about to expire": _almost_expires,
    "another account disabled": _mode("DISABLED", account="globex"),
    "key replaced": _key_replaced,
    "secret replaced": _secret_replaced,
}


class Slow(RecordingTools):
    """A tool server that was not ready: something happens before its turn comes."""

    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            await happens()
        return await super().call(tenant_id, call, cleared)


async def approved(world: World, proposal: Proposal, by: str) -> None:
    """An intent that may start, and expires in a second, of an agent with one key."""
    await world.control.create_api_key(OWNER, "agent-ada", Role.AGENT)
    sure = 0.95 if by == "policy" else 0.5
    expires_at = world.clock.now_ms() + EXPIRES_IN_MS
    await world.propose(replace(proposal, confidence_score=sure, expires_at=expires_at))
    if by == "person":
        await world.control.rule(APPROVER, f"{proposal.action_intent_id}.1", APPROVE)


async def sent(world: World, happens: Happens) -> IntentRecord:
    """The intent, after something happened while its claimed call waited for the tool server."""
    tools = Slow()
    tools.meanwhile = lambda: happens(world)
    world.context.tools = world.tools = tools
    done = await world.run("t1")
    assert done is not None
    return done


@pytest.mark.parametrize("by", ["policy", "person"])
@pytest.mark.parametrize("forbidden", FORBIDDEN)
async def test_what_is_forbidden_while_a_call_waits_is_not_sent_whoever_approved_it(
    world: World, by: str, forbidden: str
) -> None:
    await approved(world, task("t1"), by)
    happens, code = FORBIDDEN[forbidden]
    cancelled(world, await sent(world, happens), code)
    assert not any((await world.used()).values())
    shown = await world.control.intent(AGENT, "t1")
    outcome = shown.record.outcome
    assert outcome is not None
    words = (
        f"{shown.sentence} {outcome.sentence} {outcome.error.sentence if outcome.error else None}"
    )
    named = re.search(r"switch for|mode is|API key|not accept", words)
    assert not named, "the agent learns that nothing was sent, and not what refused it"


@pytest.mark.parametrize("asks", ASKS)
async def test_what_would_ask_a_person_now_is_not_sent_if_nobody_approved_it(
    world: World, asks: str
) -> None:
    await approved(world, task("t1"), "policy")
    happens, code = ASKS[asks]
    cancelled(world, await sent(world, happens), code)
    assert not any((await world.used()).values())


@pytest.mark.parametrize("asks", ASKS)
async def test_what_a_person_approved_is_sent_though_it_may_not_run_alone_any_more(
    world: World, asks: str
) -> None:
    await approved(world, task("t1"), "person")
    assert (await sent(world, ASKS[asks][0])).status is IntentStatus.SUCCEEDED


@pytest.mark.parametrize("by", ["policy", "person"])
@pytest.mark.parametrize("allowed", ALLOWED)
async def test_what_is_still_allowed_is_sent(world: World, by: str, allowed: str) -> None:
    await approved(world, task("t1"), by)
    assert (await sent(world, ALLOWED[allowed])).status is IntentStatus.SUCCEEDED


@pytest.mark.parametrize("replaced", [_key_replaced, _secret_replaced])
async def test_no_look_falls_between_the_old_key_and_the_new_one(
    world: World, monkeypatch: pytest.MonkeyPatch, replaced: Happens
) -> None:
    """The look is made right after each commit that the replacement makes."""
    await approved(world, task("t1"), "person")
    looks = []

    def then_looked_at(commit: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def committed(*arguments: Any) -> Any:
            answer = await commit(*arguments)
            looks.append(await world.store.api_key_ended(TENANT, "agent-ada"))
            return answer

        return committed

    for name in ("add_api_key", "revoke_api_key"):
        monkeypatch.setattr(world.store, name, then_looked_at(getattr(world.store, name)))
    await replaced(world)
    assert looks
    assert not any(looks)


async def test_a_switch_that_is_thrown_while_the_key_is_read_is_not_passed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await approved(world, task("t1"), "person")
    read = world.store.api_key_ended

    async def slowly(tenant_id: str, name: str) -> bool:
        ended = await read(tenant_id, name)
        await world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "no"))
        return ended

    monkeypatch.setattr(world.store, "api_key_ended", slowly)
    done = await sent(world, _nothing)
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.outcome.error.code, world.tools.calls) == ("STOP_SWITCH_ON", [])


async def test_an_agent_that_never_had_a_key_needs_none(world: World) -> None:
    """Its proposals came through EventBridge."""
    await world.control.create_api_key(OWNER, "another", Role.AGENT)
    await world.propose(task("t1"))
    done = await world.run("t1")
    assert done is not None
    assert done.status is IntentStatus.SUCCEEDED


@pytest.mark.parametrize("by", ["policy", "person"])
@pytest.mark.parametrize(
    ("first", "status", "rest"),
    [
        (Sent.NOT_SENT, IntentStatus.CANCELLED, "The call was not sent."),
        (Sent.MAYBE, IntentStatus.UNKNOWN, "The call was not repeated."),
    ],
)
@pytest.mark.parametrize("forbidden", FORBIDDEN)
async def test_a_further_try_looks_again(
    world: World, by: str, first: Sent, status: IntentStatus, rest: str, forbidden: str
) -> None:
    """A try may have gone through: then it is not known what was done, and not denied."""
    await approved(world, task("t1"), by)
    happens, code = FORBIDDEN[forbidden]

    async def behave(_: ToolCall) -> None:
        await happens(world)
        raise ToolCallFailed(CallError(ErrorClass.DOWNSTREAM, "No answer.", first))

    world.tools.behave = behave
    done = await world.run("t1")
    assert done is not None
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.status, done.outcome.error.code) == (status, code)
    assert done.outcome.sentence.endswith(rest)
    assert len(world.tools.calls) == 1


@pytest.mark.parametrize("forbidden", FORBIDDEN)
async def test_a_further_attempt_sends_nothing_either(world: World, forbidden: str) -> None:
    await approved(world, task("t1"), "policy")
    assert await execute.start(world.context, TENANT, "t1", "dead") is not None
    await FORBIDDEN[forbidden][0](world)
    world.clock.forward(60_000)
    await world.sweep("worker-2")
    assert ((await world.record("t1")).status, world.tools.calls) == (IntentStatus.UNKNOWN, [])


@pytest.mark.parametrize("by", ["policy", "person"])
@pytest.mark.parametrize("forbidden", FORBIDDEN)
async def test_on_step_functions_it_is_the_same(world: World, by: str, forbidden: str) -> None:
    await approved(world, mail("t1"), by)
    state = await started(world, "t1")
    happens, code = FORBIDDEN[forbidden]
    await happens(world)
    done = await recorded(world, await invoked(world, state))
    assert done.auto_executed == (by == "policy")
    cancelled(world, done, code)
    assert not any((await world.used()).values())


def cancelled(world: World, done: IntentRecord, code: str) -> None:
    """Nothing was sent, and one code and sentence say why."""
    assert done.outcome is not None
    assert done.outcome.error is not None
    assert (done.status, done.outcome.error.code) == (IntentStatus.CANCELLED, code)
    assert done.outcome.error.sent is Sent.NOT_SENT
    assert done.outcome.sentence.endswith("The call was not sent.")
    assert world.tools.calls == []
