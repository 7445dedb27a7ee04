"""A credential that is limited to accounts and action types: what it may still do, over every door
that makes one or acts with one.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from httpx2 import ASGITransport

from clearance.api import keys
from clearance.client import AsyncClearance, ClearanceError
from clearance.core.approval import RulingKind
from clearance.core.errors import Forbidden, InvalidInput
from clearance.core.principal import Permission, Principal, Role, Scope, Subject
from clearance.core.record import IntentStatus
from clearance.flow.requests import RulingRequest, SettingsPart
from clearance.web import presenting
from tests.doors.conftest import INTENT, UNSURE, Door, client, problem
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OWNER, task
from tests.support.world import World

pytestmark = pytest.mark.anyio

ACME_TASKS = Scope(frozenset({"acme"}), frozenset({"CREATE_TASK"}))
LIMITED = {"accounts": ["acme"], "action_types": ["CREATE_TASK"]}


def limited(principal: Principal, scope: Scope = ACME_TASKS) -> Principal:
    return replace(principal, scope=scope)


@pytest.mark.parametrize("permission", list(Permission))
def test_a_scope_limits_what_is_done_and_not_what_is_read(permission: Permission) -> None:
    everything = Principal("t", "x", OWNER.kind, frozenset(Permission))
    inside, outside = Subject("t", "acme", "CREATE_TASK"), Subject("t", "globex", "CREATE_TASK")
    other_type = Subject("t", "acme", "SEND_MAIL")
    for_acme = limited(everything)
    if permission in {Permission.CONFIGURE, Permission.STOP}:
        for subject in (Subject("t"), inside):
            with pytest.raises(Forbidden) as refused:
                for_acme.require(permission, on=subject)
            assert refused.value.code == "OUT_OF_SCOPE"
        return
    for subject in (Subject("t"), inside):
        for_acme.require(permission, on=subject)
    for subject in (outside, other_type):
        if permission.value.startswith("read"):
            for_acme.require(permission, on=subject)
        else:
            with pytest.raises(Forbidden):
                for_acme.require(permission, on=subject)


async def test_an_agent_proposes_only_in_its_scope(world: World) -> None:
    agent = limited(AGENT)
    assert (await world.propose(task("t1"), agent)).status is IntentStatus.APPROVED
    for other in (task("t2", account_id="globex"), sample.mail("t2")):
        with pytest.raises(Forbidden) as refused:
            await world.propose(other, agent)
        assert refused.value.code == "OUT_OF_SCOPE"


async def test_the_account_that_the_catalog_finds_must_be_in_the_scope_too(world: World) -> None:
    document = sample.document()
    action = document["catalog"]["CREATE_TASK"]
    action |= {"account": "{title}", "arguments": {}}
    await world.configure(document)
    for title, may in (("acme", True), ("globex", False)):
        proposal = task(f"of-{title}", account_id=None, parameters={"title": title})
        if may:
            await world.propose(proposal, limited(AGENT))
        else:
            with pytest.raises(Forbidden):
                await world.propose(proposal, limited(AGENT))


async def test_a_person_rules_settles_and_withdraws_only_in_the_scope(world: World) -> None:
    approver = limited(APPROVER)
    for name, account in (("in", "acme"), ("out", "globex"), ("gone", "globex")):
        await world.propose(task(name, account_id=account, confidence_score=0.1))
    approve = RulingRequest(RulingKind.APPROVE)
    assert (await world.control.rule(approver, "in.1", approve)).record.approval_source
    edit = RulingRequest(RulingKind.EDIT, parameters={"title": "x"})
    for request in (approve, edit, RulingRequest(RulingKind.REJECT, "no")):
        with pytest.raises(Forbidden):
            await world.control.rule(approver, "out.1", request)
    with pytest.raises(Forbidden):
        await world.control.cancel(approver, "gone", "no")
    assert (await world.record("out")).status is IntentStatus.AWAITING_APPROVAL
    for name in ("stop-switches", "budgets"):
        with pytest.raises(Forbidden):
            await world.control.put_settings_part(
                limited(OWNER), SettingsPart(name), {name.replace("-", "_"): []}, version=1
            )
    with pytest.raises(Forbidden):
        await world.control.create_api_key(limited(OWNER), "mine", Role.OWNER)


@pytest.mark.parametrize(
    "scope",
    [
        Scope(frozenset()),
        Scope(None, frozenset()),
        Scope(frozenset({" acme"})),
        Scope(frozenset({"acme", ""})),
        Scope(None, frozenset({"create_task"})),
        Scope(frozenset(f"a{number}" for number in range(1_001))),
    ],
)
async def test_what_is_no_scope_makes_no_key(world: World, scope: Scope) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.control.create_api_key(OWNER, "x", Role.AGENT, scope)
    assert refused.value.code == "INVALID_SCOPE"
    assert await world.control.api_keys(OWNER) == []


async def test_a_key_with_a_scope_is_made_shown_and_kept_to_it(door: Door) -> None:
    body = {"name": "narrow", "role": "agent", "scope": LIMITED}
    made = await door.owner.post("/v1/api-keys", json=body)
    assert made.status_code == 201
    keys.NewApiKey.model_validate(made.json())
    assert made.json()["scope"] == LIMITED
    listed = (await door.owner.get("/v1/api-keys")).json()["items"]
    assert {key["name"]: key["scope"] for key in listed}["narrow"] == LIMITED
    entries = await door.world.entries()
    assert [entry["scope"] for entry in entries if "scope" in entry] == [LIMITED]
    async with client(door.app, made.json()["key"]) as narrow:
        assert (await narrow.get("/v1/whoami")).json()["scope"] == LIMITED
        assert (await narrow.post("/v1/intents", json=dict(INTENT))).status_code == 201
        other = {**INTENT, "action_intent_id": "t2", "account_id": "globex"}
        problem(await narrow.post("/v1/intents", json=other), 403, "OUT_OF_SCOPE")
    for scope in ({"accounts": []}, {"action_types": ["x"]}, {"accounts": ["a\nb"]}):
        refused = await door.owner.post("/v1/api-keys", json={**body, "scope": scope})
        problem(refused, 422, "INVALID_SCOPE")
    for scope in ({"tenant": "x"}, {"accounts": "acme"}, []):
        refused = await door.owner.post("/v1/api-keys", json={**body, "scope": scope})
        problem(refused, 422, "INVALID_BODY")


async def test_the_client_makes_a_key_with_a_scope(door: Door) -> None:
    transport = ASGITransport(door.app)
    async with AsyncClearance(
        "http://127.0.0.1", door.keys["owner"], transport=transport
    ) as clearance:
        made = await clearance.create_api_key("narrow", "agent", accounts=["acme"])
        assert made["scope"] == {"accounts": ["acme"], "action_types": None}
        wide = await clearance.create_api_key("wide", "agent")
        assert wide["scope"] == {"accounts": None, "action_types": None}
        again = await clearance.create_api_key("narrow", "agent", replace=True)
        assert again["scope"] == made["scope"]
        ended = [
            key["key_id"] for key in (await clearance.api_keys())["items"] if key["revoked_at"]
        ]
        assert ended == [made["key_id"]]
        with pytest.raises(ClearanceError) as refused:
            await clearance.create_api_key("none", "agent", replace=True)
        assert (refused.value.status, refused.value.code) == (404, "NOT_FOUND")


async def test_a_limited_key_may_not_rule_outside_and_its_card_says_so(door: Door) -> None:
    await door.propose({**UNSURE, "account_id": "globex"})
    _, key = await door.world.control.create_api_key(
        OWNER, "narrow", Role.APPROVER, Scope(frozenset({"acme"}))
    )
    record = await door.world.record("t1")
    for scope, why in ((ACME_TASKS, "Your key is limited"), (Scope(frozenset({"globex"})), None)):
        said = presenting._may_not_rule(record, None, limited(APPROVER, scope))
        assert (said or "").startswith(why or "")
        assert (said is None) == (why is None)
    async with client(door.app, key) as narrow:
        card = (await narrow.get("/v1/intents/t1")).json()
        refused = await narrow.post(
            f"/v1/approvals/{card['approval']['approval_id']}/rulings", json={"ruling": "approve"}
        )
        problem(refused, 403, "OUT_OF_SCOPE")


async def test_a_proposal_over_rest_may_leave_its_account_to_the_catalog(door: Door) -> None:
    body = {name: value for name, value in INTENT.items() if name != "account_id"}
    problem(await door.agent.post("/v1/intents", json=body), 422, "ACCOUNT_REQUIRED")
    document = sample.document()
    document["catalog"]["CREATE_TASK"] |= {"account": "{title}", "arguments": {}}
    await door.world.configure(document)
    body = {**body, "parameters": {"title": "globex"}}
    answered = await door.agent.post("/v1/intents", json=body)
    assert (answered.status_code, answered.json()["account_id"]) == (201, "globex")
    again = await door.agent.post("/v1/intents", json=body)
    assert (again.status_code, again.json()) == (200, answered.json())
    contradicted = {**body, "action_intent_id": "t2", "account_id": "acme"}
    refused = await door.agent.post("/v1/intents", json=contradicted)
    problem(refused, 422, "ACCOUNT_CONTRADICTED")
