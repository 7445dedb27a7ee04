"""What the key of an agent gets, route by route: its own intents with their answers, and nothing by
which it could steer: no rule, no limit, no count, nothing of others.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from clearance.api import wire
from clearance.api.actions import ActionPage
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Role, Scope
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import RulingKind, RulingRequest
from clearance.web.routes import mount
from tests.doors.conftest import INTENT, Door, client, problem
from tests.doors.test_events import streaming
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OTHER_AGENT, OWNER, mail, refund, task

pytestmark = pytest.mark.anyio

POLICY = (
    sample.POLICY.replace("50000 }", "7777771 }").replace("500000 }", "9999991 }")
    + """
@id("rule-for-bob") @reason("ON_TRIAL") @explanation("Bob is watched since 7777771.")
@remedy("Ask the team of Olga first.")
forbid(principal == Agent::"agent-bob", action == Action::"SEND_MAIL", resource)
when { context.unattended };
"""
)
POLICY = POLICY.replace(
    '@explanation("Refunds above 500.00 need a person.")',
    '@explanation("Above 7777771 the board decides.") @remedy("Ask finance before you refund.")',
).replace(
    '@explanation("Refunds above 5000.00 are never issued here.")',
    '@explanation("Above 9999991 never.") @remedy("Do not ask again.")',
)


def settings() -> dict[str, Any]:
    wanted = copy.deepcopy(dict(sample.DOCUMENT))
    wanted["policy"] = POLICY
    body = wanted["catalog"]["SEND_MAIL"]["parameters"]["properties"]["body"]
    body["x-policy"] = "unread"
    wanted["catalog"]["SEND_MAIL"] |= {"label": "Send a mail", "description": "To one address."}
    budget = {
        "max_per_day": 3_133_731,
        "max_amount_per_day_by_action_type": {"ISSUE_REFUND": 4_242_421},
    }
    wanted["autonomy"]["accounts"] = {"known": ["acme", "bobs-account"], "unknown": "ask"}
    wanted["autonomy"]["limits"] = [
        {"for": "tenant", "per": "month", "actions": 6_543_211},
        {"agent": "agent-ada", "action_type": "SEND_MAIL", "per": "day", "actions": 0},
    ]
    wanted["autonomy"]["quotas"] = {"waiting_each_agent": 12}
    wanted["autonomy"]["budgets"] = [{"account": "acme", **budget}]
    return wanted


SECRETS = (
    *("7777771", "9999991", "4242421", "3133731", "0.8"),  # limits, of rules and of budgets
    *("3000017", "confidence were", "would run"),  # a use, and the nearest changes
    *("board decides", "never.", "Below 0.80", "has room", " used ("),  # words for people
    *("large-refunds", "absurd-refunds", "sure-enough", "rule-for-bob"),  # rules
    *("6543211", "The limit of", "looks like", "is not known", "A person said no to"),
    *("agent-bob", "bobs-", "hoarding"),  # others, and the reason of a stop switch
    "x-policy",
)
OWN = {
    "ran": "SUCCEEDED",
    "failed": "FAILED",
    "asks": "AWAITING_APPROVAL",
    "never": "BLOCKED",
    "spent": "AWAITING_APPROVAL",
    "unsure": "AWAITING_APPROVAL",
    "unheard": "BLOCKED",
    "limited": "AWAITING_APPROVAL",
    "likes": "BLOCKED",
    "unknown": "AWAITING_APPROVAL",
    "same": "AWAITING_APPROVAL",
    "no": "REJECTED",
    "better": "REJECTED",
    "again": "AWAITING_APPROVAL",
    "closed": "CANCELLED",
    "held": "APPROVED",
}
BOBS = ("bobs-refund", "bobs-mail", "bobs-third")


async def lived(door: Door) -> None:
    """Intents of both agents, in every state that says why."""
    world = door.world
    await world.configure(settings())
    await world.propose(refund("bobs-refund", 3_000_017, account_id="acme"), OTHER_AGENT)
    await world.propose(mail("bobs-mail", account_id="bobs-account"), OTHER_AGENT)
    await world.propose(task("ran"))
    await world.run("ran")

    async def broken(call: ToolCall) -> None:
        raise ToolCallFailed(CallError(ErrorClass.VALIDATION, "No such account.", Sent.ANSWERED))

    await world.propose(task("failed"))
    world.tools.behave = broken
    await world.run("failed")
    world.tools.behave = None
    for name, amount in (("asks", 8_000_000), ("never", 9_999_995), ("spent", 2_000_000)):
        await world.propose(refund(name, amount))
    await world.propose(task("unsure", confidence_score=0.1))
    await world.propose(task("unheard", action_type="UNHEARD_OF"))
    await world.propose(mail("limited"))
    await world.propose(task("likes", account_id="Bobs-account"))
    await world.propose(task("unknown", account_id="nowhere"))
    await world.propose(refund("bobs-third", 4_000, confidence_score=0.1), OTHER_AGENT)
    await world.control.rule(APPROVER, "bobs-third.1", RulingRequest(RulingKind.REJECT, "No."))
    await world.propose(refund("same", 4_000))
    for name, kind, parameters in (
        ("no", RulingKind.REJECT, None),
        ("better", RulingKind.EDIT, {"title": "Better"}),
    ):
        await world.propose(task(name, confidence_score=0.1, parameters={"title": name}))
        ruling = RulingRequest(kind, "Not this one.", parameters)
        await world.control.rule(APPROVER, f"{name}.1", ruling)
    await world.propose(task("again"))
    await world.propose(task("closed"))
    stricter = settings()
    stricter["policy"] = POLICY.replace(
        "context.confidence_bp < 8000", "context.confidence_bp < 10000"
    )
    await world.configure(stricter)
    await world.run("again")
    disabled = settings()
    disabled["autonomy"]["modes"] = [{"mode": "DISABLED"}]
    await world.configure(disabled)
    await world.run("closed")
    await world.configure(settings())
    await world.propose(task("held"))
    switch = {"scope": "TENANT", "level": "HOLD", "reason": "agent-bob is hoarding."}
    await world.configure({**settings(), "stop_switches": [switch]})


@pytest.fixture
async def ada(door: Door) -> httpx2.AsyncClient:
    await lived(door)
    assert {name: (await door.world.record(name)).status for name in OWN} == OWN
    return door.agent


def clean(answer: httpx2.Response, *, but: str = "") -> Any:
    """The answer, which holds nothing that is not for an agent, `but` what it asked about."""
    text = answer.text.replace(but, "") if but else answer.text
    assert [secret for secret in SECRETS if secret in text] == [], text
    return answer.json()


# --- Every route ---

READ, OWN_ONLY, REFUSED, OPEN = "read", "own only", "refused", "open"
ROUTES: Mapping[tuple[str, str], str] = {
    ("GET", "/v1/actions"): READ,
    ("POST", "/v1/intents"): READ,
    ("GET", "/v1/timeline"): READ,
    ("GET", "/v1/events"): READ,
    ("GET", "/v1/whoami"): READ,
    ("GET", "/v1/intents/{action_intent_id}"): OWN_ONLY,
    ("GET", "/v1/intents/{action_intent_id}/explanation"): OWN_ONLY,
    ("POST", "/v1/intents/{action_intent_id}/cancellation"): OWN_ONLY,
    ("POST", "/v1/intents/{action_intent_id}/reconciliation"): REFUSED,
    ("POST", "/v1/intents/{action_intent_id}/erasure"): REFUSED,
    ("GET", "/v1/approvals"): REFUSED,
    ("POST", "/v1/approvals/{approval_id}/rulings"): REFUSED,
    ("GET", "/v1/autonomy/{part}"): REFUSED,
    ("PUT", "/v1/autonomy/{part}"): REFUSED,
    ("GET", "/v1/budgets/usage"): REFUSED,
    ("GET", "/v1/autonomy/usage"): REFUSED,
    ("GET", "/v1/ledger/entries"): REFUSED,
    ("GET", "/v1/ledger/entries/{position}/bytes"): REFUSED,
    ("GET", "/v1/status"): REFUSED,
    ("GET", "/v1/stop-receipts"): REFUSED,
    ("GET", "/v1/stop-receipts/preview"): REFUSED,
    ("GET", "/v1/api-keys"): REFUSED,
    ("POST", "/v1/api-keys"): REFUSED,
    ("DELETE", "/v1/api-keys/{key_id}"): REFUSED,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/metrics"): OPEN,
}
"""What an agent may do on each route. Who adds a route says it here."""
BODIES: Mapping[str, Mapping[str, Any]] = {
    "cancellation": {"reason": "No need."},
    "reconciliation": {"status": "FAILED", "reason": "Seen."},
    "erasure": {"reason": "Asked for."},
    "rulings": {"ruling": "approve"},
    "api-keys": {"name": "x", "role": "owner"},
    "{part}": {"stop_switches": []},
}
QUERIES = {
    "/v1/budgets/usage": {"account_id": "acme"},
    "/v1/stop-receipts/preview": {"scope": "TENANT"},
}
PARTS = ("modes", "allowlist", "budgets", "stop-switches", "policies", "catalog")


async def test_every_route_says_what_an_agent_gets(door: Door) -> None:
    paths = door.app.openapi()["paths"]
    assert {(method.upper(), path) for path in paths for method in paths[path]} == ROUTES.keys()


async def asked(
    ada: httpx2.AsyncClient, method: str, path: str, name: str, part: str = "budgets"
) -> httpx2.Response:
    where = path.format(
        action_intent_id=name, approval_id=f"{name}.1", part=part, position=1, key_id="k"
    )
    body = BODIES.get(path.rpartition("/")[2]) if method != "GET" else None
    headers = {"If-Match": '"1"'} if method == "PUT" else {}
    return await ada.request(
        method, where, json=body, params=QUERIES.get(path, {}), headers=headers
    )


@pytest.mark.parametrize(("method", "path"), [at for at in ROUTES if ROUTES[at] == REFUSED])
async def test_what_is_not_for_agents_is_refused_whether_it_is_there_or_not(
    ada: httpx2.AsyncClient, method: str, path: str
) -> None:
    names = ("asks", "bobs-mail", "nothing") if "{" in path else ("",)
    for name in names:
        for part in PARTS if "{part}" in path else ("",):
            answer = await asked(ada, method, path, name, part)
            refused = problem(answer, 403, "FORBIDDEN")
            clean(answer, but=name)
            assert "which the credential of agent-ada lacks" in refused["detail"]


@pytest.mark.parametrize(("method", "path"), [at for at in ROUTES if ROUTES[at] == OWN_ONLY])
async def test_the_intents_of_others_are_not_there(
    ada: httpx2.AsyncClient, method: str, path: str
) -> None:
    nothing = await asked(ada, method, path, "nothing-at-all")
    problem(nothing, 404, "NOT_FOUND")
    for name in BOBS:
        answer = await asked(ada, method, path, name)
        assert answer.status_code == 404
        assert answer.text.replace(name, "nothing-at-all") == nothing.text
    for name in OWN:
        answer = await asked(ada, method, path, name)
        clean(answer)
        assert answer.status_code in ({200} if method == "GET" else {200, 409}), answer.text


async def test_the_lists_and_the_answers_are_its_own(ada: httpx2.AsyncClient) -> None:
    answer = await ada.get("/v1/timeline")
    items = clean(answer)["items"]
    wire.TimelinePage.model_validate(answer.json())
    assert {item["action_intent_id"] for item in items} >= OWN.keys()
    assert not {item["action_intent_id"] for item in items} & set(BOBS)
    assert clean(await ada.get("/v1/timeline", params={"account_id": "other"}))["items"] == []
    clean(await ada.get("/v1/whoami"))


async def test_an_answer_is_a_reason_and_a_remedy(ada: httpx2.AsyncClient) -> None:
    told = {}
    for name in OWN:
        answer = clean(await ada.get(f"/v1/intents/{name}"))
        wire.Intent.model_validate(answer)
        explained = clean(await ada.get(f"/v1/intents/{name}/explanation"))
        wire.ExplanationResource.model_validate(explained)
        for shown in (answer, explained):
            assert (shown["findings"], shown["policy_clause"]) == ([], [])
            assert shown["policy_version"] is None
            assert shown["reason"] == answer["reason"]
        assert answer["budget"] is None
        assert (explained["nearest_changes"], explained["knew"]["inputs"]) == ([], {})
        told[name] = (answer["reason"], answer["explanation"], answer["remedy"])
    asks, never = "A person decides about it.", "It will not run."
    assert told["asks"] == ("REFUND_OVER_SOFT_CAP", asks, "Ask finance before you refund.")
    assert told["never"] == ("REFUND_OVER_HARD_CAP", never, "Do not ask again.")
    assert told["spent"] == ("BUDGET_EXCEEDED", asks, None)
    assert told["unsure"] == ("CONFIDENCE_TOO_LOW", asks, None)
    assert told["unheard"][:2] == ("UNKNOWN_ACTION", "The catalog has no action UNHEARD_OF.")
    assert told["limited"] == ("LIMIT_EXCEEDED", asks, None)
    assert told["likes"] == ("ACCOUNT_LOOKS_ALIKE", never, None)
    assert told["unknown"] == ("ACCOUNT_NOT_KNOWN", asks, None)
    assert told["same"] == ("REJECTED_BEFORE", asks, None)
    assert told["ran"] == ("TASKS_ALLOWED", "It runs without a person.", None)
    held = (await ada.get("/v1/intents/held")).json()
    assert held["sentence"].endswith("for acme, once nothing holds it")


async def test_people_are_told_all_of_it(ada: httpx2.AsyncClient, door: Door) -> None:
    """So that the absence above is the agent's, and not the absence of what is looked for."""
    told = "".join(
        [(await door.auditor.get(f"/v1/intents/{name}/explanation")).text for name in (*OWN, *BOBS)]
        + [(await door.auditor.get("/v1/timeline")).text]
        + [(await door.owner.get(f"/v1/autonomy/{part}")).text for part in PARTS]
    )
    assert [secret for secret in SECRETS if secret not in told] == ["confidence were"]


# --- Ids ---


async def test_an_id_of_another_agent_is_a_conflict_and_nothing_else(door: Door) -> None:
    _, text = await door.world.control.create_api_key(OWNER, "agent-bob", Role.AGENT)
    first = await door.agent.post("/v1/intents", json=dict(INTENT))
    assert first.status_code == 201
    misfit = {**INTENT, "parameters": {"title": 5}}
    async with client(door.app, text) as bob:
        answers = [
            await bob.post("/v1/intents", json=body)
            for body in (INTENT, {**INTENT, "account_id": "other"}, misfit)
        ]
        for answer in answers:
            problem(answer, 409, "INTENT_ID_TAKEN")
            assert answer.text == answers[0].text
        assert "agent-ada" not in answers[0].text
        problem(await bob.get("/v1/intents/t1"), 404, "NOT_FOUND")


async def test_another_key_of_the_same_agent_gets_the_answer(door: Door) -> None:
    first = await door.propose()
    made = (await door.owner.get("/v1/api-keys")).json()["items"]
    [key_id] = [key["key_id"] for key in made if key["name"] == "agent-ada"]
    await door.owner.delete(f"/v1/api-keys/{key_id}")
    _, text = await door.world.control.create_api_key(OWNER, "agent-ada", Role.AGENT)
    async with client(door.app, text) as rotated:
        again = await rotated.post("/v1/intents", json=dict(INTENT))
        assert (again.status_code, again.json()) == (200, first)
        assert (await rotated.get("/v1/intents/t1")).json() == first


# --- Refusals ---


async def test_a_refusal_of_a_proposal_names_no_rule_and_no_limit(ada: httpx2.AsyncClient) -> None:
    for changes, status in (
        ({"parameters": {}}, 422),
        ({"parameters": {"title": "x", "tittle": "y"}}, 422),
        ({"confidence_score": 7}, 422),
        ({"action_intent_id": "ran"}, 409),
        ({"tenant_id": "other-tenant"}, 403),
    ):
        answer = await ada.post("/v1/intents", json={**INTENT, **changes})
        clean(answer)
        assert answer.status_code == status, answer.text


async def test_a_full_inbox_is_a_429_without_its_number(ada: httpx2.AsyncClient) -> None:
    for number in range(13):
        act = {"action_intent_id": f"more-{number}", "parameters": {"title": str(number)}}
        answer = await ada.post("/v1/intents", json={**INTENT, **act})
        clean(answer)
        if answer.status_code != 201:
            break
    refused = problem(answer, 429, "TOO_MANY_WAITING")
    assert "12" not in refused["detail"]


# --- What may be proposed ---


async def test_an_agent_reads_what_it_may_propose_and_nothing_about_rules(
    ada: httpx2.AsyncClient, door: Door
) -> None:
    page = clean(await ada.get("/v1/actions"))
    ActionPage.model_validate(page)
    assert [item["action_type"] for item in page["items"]] == [
        "CREATE_TASK",
        "ISSUE_REFUND",
        "SEND_MAIL",
    ]
    sent = page["items"][-1]
    declared = settings()["catalog"]["SEND_MAIL"]["parameters"]
    del declared["properties"]["body"]["x-policy"]
    assert (sent["label"], sent["description"]) == ("Send a mail", "To one address.")
    assert sent["parameters"] == declared
    assert "tool" not in json.dumps(page["items"][:1])
    assert (await door.auditor.get("/v1/actions")).json() == page


async def test_an_action_says_which_parameter_names_the_account(door: Door) -> None:
    wanted = settings()
    wanted["catalog"]["CREATE_TASK"]["account"] = "{title}"
    await door.world.configure(wanted)
    items = (await door.agent.get("/v1/actions")).json()["items"]
    assert [item["account"] for item in items] == ["title", None, None]


async def test_what_a_credential_is_kept_from_is_not_offered(door: Door) -> None:
    narrow = replace(AGENT, scope=Scope(action_types=frozenset({"SEND_MAIL", "UNHEARD_OF"})))
    assert list(await door.world.control.actions(narrow)) == ["SEND_MAIL"]


# --- Events ---


async def test_events_are_about_its_own_intents_and_an_interrupted_stream_goes_on(
    ada: httpx2.AsyncClient, door: Door
) -> None:
    store = door.world.store
    known = await store.timeline("northwind", TimelineQuery(limit=100))
    ours = {
        each.intent.action_intent_id for each in known if each.intent.proposed_by == "agent-ada"
    }
    entries = await store.entries("northwind", 0, 1_000)
    own = [each.position for each in entries if each.fields.get("action_intent_id") in ours]
    async with streaming(door, key="agent-ada", query="after=0") as stream:
        await stream.until(len(own))
        assert [secret for secret in SECRETS if secret in stream.text] == []
        assert [position for position, _, _ in stream.events] == own
        await door.world.propose(mail("bobs-fourth", account_id="bobs-account"), OTHER_AGENT)
        size = await store.ledger_size("northwind")
        await stream.until(1, f"id: {size}\n")
        assert len(stream.events) == len(own)
        await door.world.propose(task("later"))
        await stream.until(len(own) + 1)
    told = stream.events[-1][2]
    assert (told["action_intent_id"], told["decision"]["reason"]) == ("later", "STOP_SWITCH_ON")
    assert told["decision"].keys() == {"decision", "reason"}
    closing = [data for _, kind, data in stream.events if kind == "ACTION_CANCELLED"]
    assert [data["code"] for data in closing] == ["ACTION_TYPE_DISABLED"]
    assert "reason" not in closing[0]
    rejected = [data for _, kind, data in stream.events if kind == "ACTION_REJECTED"]
    assert {data["reason"] for data in rejected} == {"Not this one."}


# --- Pages ---


async def test_an_agent_is_refused_at_the_pages_with_a_sentence(door: Door) -> None:
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = httpx2.ASGITransport(door.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://clearance") as browser:
        answer = await browser.post("/sign-in", data={"key": door.keys["agent-ada"]})
    assert answer.status_code == 403
    assert "This is the key of an agent, and the pages are for people." in answer.text
    assert "set-cookie" not in answer.headers
