"""REST, call by call: the shapes that the wire contract fixes, and who may do what."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx2
import pytest

from clearance.api import keys, wire
from clearance.api import usage as api_usage
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import SettingsPart
from tests.doors.conftest import INTENT, UNSURE, Door, client, problem

pytestmark = pytest.mark.anyio
DOCUMENTED = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")

INTENT_NAMES = frozenset(
    """
    action_intent_id tenant_id account_id action_type status sentence decision reason explanation
    policy_version
    policy_clause settings_version findings approval_source auto_executed executor proposed_by
    parameters target
    confidence_score risk_level why expires_at trace_id supersedes superseded_by edited_by digest
    created_at changed_at
    approval attempt outcome budget
    action_label arguments arguments_set_by amounts remedy content_kept alike
    """.split()  # noqa: SIM905 - thirty names, one look
)


async def ruled(door: Door, action_intent_id: str, **ruling: Any) -> Any:
    return await door.approver.post(f"/v1/approvals/{action_intent_id}.1/rulings", json=ruling)


async def test_an_autonomous_act_says_so_from_the_answer_to_the_outcome(door: Door) -> None:
    response = await door.agent.post("/v1/intents", json=dict(INTENT))
    assert response.status_code == 201
    assert response.headers["location"] == "/v1/intents/t1"
    assert response.headers["cache-control"] == "no-store"
    proposed = response.json()
    assert set(proposed) == INTENT_NAMES
    wire.Intent.model_validate(proposed)
    assert proposed["decision"] == "AUTO_EXECUTE"
    assert proposed["status"] == "APPROVED"
    proposed = (await door.auditor.get("/v1/intents/t1")).json()
    assert proposed["budget"]["claims"] == [
        {"bucket": "actions", "amount": 1, "limit": 10},
        {"bucket": "actions:CREATE_TASK", "amount": 1, "limit": None},
    ]
    day = {"window": "2026-11-24", "zone": "UTC"}
    assert proposed["budget"]["counted"] == [
        {"bucket": "actions", "amount": 1, "limit": None, "subject": subject, **day}
        for subject in ({}, {"agent": "agent-ada"})
    ]
    assert [finding["check"] for finding in proposed["findings"]][-2:] == ["budget", "limits"]

    await door.world.run("t1")
    done = (await door.agent.get("/v1/intents/t1")).json()
    wire.Intent.model_validate(done)
    assert done["status"] == "SUCCEEDED"
    assert done["auto_executed"] is True
    assert done["outcome"] | {"sentence": ""} == {
        "status": "SUCCEEDED",
        "sentence": "",
        "auto_executed": True,
        "approval_source": "POLICY",
        "result": {"ok": True},
        "result_bytes": len(b'{"ok": true}'),
        "result_truncated": False,
        "error": None,
    }
    assert done["attempt"]["number"] == 1
    items = (await door.auditor.get("/v1/timeline")).json()["items"]
    assert items[0]["sentence"] == "Autopilot created the task 'Renewal call' for acme"
    assert items[0]["auto_executed"] is True


async def test_the_same_again_is_the_same_answer_and_other_content_a_conflict(door: Door) -> None:
    first = await door.propose()
    again = await door.agent.post("/v1/intents", json=dict(INTENT))
    assert (again.status_code, again.json()) == (200, first)
    assert "location" not in again.headers
    problem(
        await door.agent.post("/v1/intents", json={**INTENT, "account_id": "other"}),
        409,
        "INTENT_ID_REUSED",
    )
    assert await door.world.used() == {"actions": 1, "actions:CREATE_TASK": 1}


async def test_an_id_is_made_if_none_is_given_and_the_tenant_is_the_credentials(door: Door) -> None:
    said = {name: value for name, value in INTENT.items() if name != "action_intent_id"}
    answer = (await door.agent.post("/v1/intents", json={**said, "tenant_id": "northwind"})).json()
    assert len(answer["action_intent_id"]) == 32
    assert answer["tenant_id"] == "northwind"
    problem(
        await door.agent.post("/v1/intents", json={**said, "tenant_id": "other-tenant"}),
        403,
        "TENANT_MISMATCH",
    )


@pytest.mark.parametrize("key", ["order-42", '"order-42"'])
async def test_an_idempotency_key_is_the_id_and_a_repeat_the_same_intent(
    door: Door, key: str
) -> None:
    unnamed = {name: value for name, value in INTENT.items() if name != "action_intent_id"}
    for body, status in [
        (unnamed, 201),
        (unnamed, 200),
        (unnamed | {"action_intent_id": "order-42"}, 200),
    ]:
        answer = await door.agent.post("/v1/intents", json=body, headers={"Idempotency-Key": key})
        assert (answer.status_code, answer.json()["action_intent_id"]) == (status, "order-42")
    assert len((await door.auditor.get("/v1/timeline")).json()["items"]) == 1


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ({}, ["a key"]),
        ({}, [""]),
        ({}, ['""']),
        ({}, ["x" * 65]),
        ({}, ["a", "b"]),
        ({"action_intent_id": "t1"}, ["t2"]),
    ],
)
async def test_an_idempotency_key_that_cannot_be_the_id_is_refused(
    door: Door, body: dict[str, Any], keys: list[str]
) -> None:
    unnamed = {name: value for name, value in INTENT.items() if name != "action_intent_id"}
    headers = [("Idempotency-Key", key) for key in keys]
    refused = await door.agent.post("/v1/intents", json=unnamed | body, headers=headers)
    problem(refused, 422, "INVALID_IDEMPOTENCY_KEY")
    assert ("differs from action_intent_id in the body" in refused.text) is bool(body)
    assert (await door.auditor.get("/v1/timeline")).json()["items"] == []


async def test_no_other_call_that_changes_something_ignores_an_idempotency_key(door: Door) -> None:
    await door.agent.post("/v1/intents", json=dict(INTENT))
    changing = [
        (method.upper(), path)
        for path, methods in door.app.openapi()["paths"].items()
        for method in methods
        if method != "get" and path != "/v1/intents"
    ]
    assert len(changing) >= 7
    headers = {"Idempotency-Key": "x"}
    for method, path in changing:
        refused = await door.owner.request(method, path, headers=headers)
        problem(refused, 422, "IDEMPOTENCY_KEY_NOT_READ")
    assert (await door.owner.get("/v1/timeline", headers=headers)).status_code == 200


async def test_a_moment_has_its_offset(door: Door) -> None:
    answer = await door.propose({**INTENT, "expires_at": "2026-11-25T13:00:00.5+01:00"})
    assert answer["expires_at"] == "2026-11-25T12:00:00.500Z"
    for text in (
        "2026-11-25T12:00:00",
        "2026-11-25",
        "soon",
        "2026-13-01T00:00:00Z",
        "20261125T120000Z",
        "",
    ):
        response = await door.agent.post(
            "/v1/intents", json={**INTENT, "action_intent_id": "t2", "expires_at": text}
        )
        assert problem(response, 422, "INVALID_BODY")["problems"][0]["path"] == "expires_at"


async def test_the_inbox_shows_what_would_run_and_an_approval_lets_it(door: Door) -> None:
    waiting = await door.propose(UNSURE)
    assert waiting["status"] == "AWAITING_APPROVAL"
    page = (await door.approver.get("/v1/approvals")).json()
    wire.ApprovalPage.model_validate(page)
    (item,) = page["items"]
    assert item["approval_id"] == waiting["approval"]["approval_id"] == "t1.1"
    assert item["sentence"] == "agent-ada wants to create the task 'Renewal call' for acme"
    assert (item["tool"], item["effect"], item["undo"]) == ("crm.create_task", "keyed", False)
    assert (item["risk_level"], item["reason"]) == ("LOW", "CONFIDENCE_TOO_LOW")

    stale = await ruled(door, "t1", ruling="approve", digest="sha256:" + "0" * 64)
    problem(stale, 409, "DIGEST_MISMATCH")
    response = await ruled(
        door, "t1", ruling="approve", digest=item["digest"], reason="Known customer."
    )
    assert response.status_code == 201
    wire.RuledIntent.model_validate(response.json())
    answer = response.json()
    assert set(answer) == INTENT_NAMES | {"new_intent"}
    assert (answer["status"], answer["approval_source"], answer["auto_executed"]) == (
        "APPROVED",
        "HUMAN",
        False,
    )
    assert answer["approval"]["ruling"]["ruled_by"] == "olga"
    problem(await ruled(door, "t1", ruling="approve"), 409, "APPROVAL_CLOSED")

    await door.world.run("t1")
    (told,) = (await door.auditor.get("/v1/timeline", params={"status": "SUCCEEDED"})).json()[
        "items"
    ]
    assert (told["approved_by"], told["approval_source"], told["auto_executed"]) == (
        "olga",
        "HUMAN",
        False,
    )
    assert (await door.approver.get("/v1/approvals")).json() == {"items": [], "next_cursor": None}


async def test_the_effective_risk_is_shown_not_the_agents(door: Door) -> None:
    refund = {
        **UNSURE,
        "action_type": "ISSUE_REFUND",
        "risk_level": "MINIMAL",
        "parameters": {"order_id": "ORD-1", "amount_minor": 100},
    }
    assert (await door.propose(refund))["risk_level"] == "MINIMAL"
    (item,) = (await door.approver.get("/v1/approvals")).json()["items"]
    assert item["risk_level"] == "MEDIUM"
    assert (await door.auditor.get("/v1/intents/t1/explanation")).json()["knew"][
        "risk_level"
    ] == "MEDIUM"


async def test_an_edit_is_a_new_intent_through_the_whole_gate(door: Door) -> None:
    await door.propose(UNSURE)
    problem(await ruled(door, "t1", ruling="edit"), 422, "EDIT_PARAMETERS")
    problem(
        await ruled(door, "t1", ruling="edit", parameters={"title": 5}), 422, "INVALID_PARAMETERS"
    )
    response = await ruled(door, "t1", ruling="edit", parameters={"title": "Call"})
    assert response.status_code == 201
    answer = response.json()
    new = answer["new_intent"]
    assert set(new) == INTENT_NAMES
    assert (answer["status"], answer["superseded_by"]) == ("REJECTED", new["action_intent_id"])
    assert (new["supersedes"], new["parameters"]) == ("t1", {"title": "Call"})
    assert (new["proposed_by"], new["edited_by"]) == (answer["proposed_by"], "olga")


async def test_a_rejection_needs_a_reason_and_is_final(door: Door) -> None:
    await door.propose(UNSURE)
    problem(await ruled(door, "t1", ruling="reject"), 422, "REASON_REQUIRED")
    assert (await ruled(door, "t1", ruling="reject", reason="Not now.")).json()[
        "status"
    ] == "REJECTED"
    problem(
        await door.agent.post("/v1/intents/t1/cancellation", json={"reason": "x"}),
        409,
        "ALREADY_CLOSED",
    )


async def test_an_approval_that_was_never_asked_for_is_not_found(door: Door) -> None:
    await door.propose()
    for name in ("t1.1", "t2.1", "nonsense", "a.b.c", "." * 200):
        problem(
            await door.approver.post(f"/v1/approvals/{name}/rulings", json={"ruling": "approve"}),
            404,
            "NOT_FOUND",
        )


async def test_its_proposer_withdraws_an_intent_and_the_budget_comes_back(door: Door) -> None:
    await door.propose()
    response = await door.agent.post(
        "/v1/intents/t1/cancellation", json={"reason": "Done by hand."}
    )
    assert (response.status_code, response.json()["status"]) == (200, "CANCELLED")
    known = (await door.auditor.get("/v1/intents/t1")).json()
    assert known["budget"]["state"] == "RELEASED"
    usage = (await door.auditor.get("/v1/budgets/usage", params={"account_id": "acme"})).json()
    api_usage.BudgetUsage.model_validate(usage)
    assert usage["buckets"][0] == {"bucket": "actions", "used": 0, "limit": 10}


async def test_limits_are_put_and_their_use_is_read_at_every_level(door: Door) -> None:
    limits = [
        {"for": "tenant", "per": "day", "actions": 2_000},
        {"for": "each agent and account", "per": "minute", "actions": 1},
    ]
    put = await door.owner.put(
        "/v1/autonomy/limits", json={"limits": limits}, headers={"If-Match": '"1"'}
    )
    assert (put.status_code, put.json()["limits"]) == (200, limits)
    await door.propose()
    over = await door.propose({**INTENT, "action_intent_id": "t2"})
    assert (over["decision"], over["reason"]) == ("REQUIRE_APPROVAL", "LIMIT_EXCEEDED")
    assert over["findings"] == [], "an agent is not shown the numbers"
    shown = (await door.auditor.get("/v1/intents/t2")).json()["findings"]
    [finding] = [each for each in shown if each["check"] == "limits"]
    pair = {"subject": {"account": "acme", "agent": "agent-ada"}, "zone": "UTC"}
    assert finding["inputs"]["claims"][-1] == {
        "bucket": "actions",
        "amount": 1,
        "limit": 1,
        "used": 1,
        "counter": {**pair, "window": "2026-11-24T12:00"},
    }
    usage = (await door.auditor.get("/v1/autonomy/usage?agent=agent-ada&account=acme")).json()
    api_usage.Usage.model_validate(usage)
    assert [
        (each["sentence"], [bucket["shown"] for bucket in each["buckets"]])
        for each in usage["counters"]
    ] == [
        ("the tenant for 2026-11-24", ["1 of 2,000 actions"]),
        ("agent agent-ada and account acme for 2026-11-24 12:00 UTC", ["1 of 1 actions"]),
        ("agent agent-ada for 2026-11-24 12:00 UTC", ["0 of 60 reads"]),
        ("agent agent-ada for 2026-11-24", ["1 action"]),
    ]
    assert usage["counters"][1] | {"sentence": None} == {
        **pair,
        "window": "2026-11-24T12:00",
        "sentence": None,
        "buckets": [{"bucket": "actions", "used": 1, "limit": 1, "shown": "1 of 1 actions"}],
    }
    problem(await door.auditor.get("/v1/autonomy/usage?acount=acme"), 422, "INVALID_QUERY")


async def test_an_unknown_outcome_is_shown_and_reconciled_by_a_person(door: Door) -> None:
    async def silent(call: ToolCall) -> None:
        raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, "No answer came.", Sent.MAYBE))

    door.world.tools.behave = silent
    mail = {"to": "ann@example.com", "subject": "Hello", "body": "Hi"}
    await door.propose({**INTENT, "action_type": "SEND_MAIL", "parameters": mail})
    await door.world.run("t1")
    unknown = (await door.agent.get("/v1/intents/t1")).json()
    wire.Intent.model_validate(unknown)
    assert unknown["status"] == "UNKNOWN"
    assert unknown["outcome"]["error"]["class"] == "TIMEOUT"
    said = {"status": "SUCCEEDED", "reason": "The mail is in her inbox."}
    problem(await door.agent.post("/v1/intents/t1/reconciliation", json=said), 403, "FORBIDDEN")
    problem(
        await door.approver.post("/v1/intents/t1/reconciliation", json=said), 409, "LEASE_NOT_OVER"
    )
    door.world.clock.forward(60_000)
    response = await door.approver.post("/v1/intents/t1/reconciliation", json=said)
    assert (response.status_code, response.json()["status"]) == (200, "SUCCEEDED")


async def test_an_explanation_says_why_what_it_knew_and_what_would_change_it(door: Door) -> None:
    await door.propose(UNSURE)
    answer = (await door.auditor.get("/v1/intents/t1/explanation")).json()
    wire.ExplanationResource.model_validate(answer)
    assert (answer["decision"], answer["reason"]) == ("REQUIRE_APPROVAL", "CONFIDENCE_TOO_LOW")
    assert answer["explanation"] == "Below 0.80 a person must look."
    assert answer["current"] is True
    assert answer["knew"]["confidence_bp"] == 5000
    assert answer["knew"]["inputs"]["mode"]["source"] == "tenant default"
    assert answer["nearest_changes"] == [
        {
            "sentence": "It would run without a person if the confidence were at least 0.8.",
            "decision": "AUTO_EXECUTE",
        }
    ]
    assert [entry["kind"] for entry in answer["history"]] == ["APPROVAL_REQUESTED"]


async def test_a_confidence_and_a_risk_that_are_not_stated_stay_absent(door: Door) -> None:
    hints = {"confidence_score", "risk_level"}
    bare = {name: value for name, value in INTENT.items() if name not in hints}
    proposed = await door.propose(bare)
    assert (proposed["decision"], proposed["reason"]) == ("REQUIRE_APPROVAL", "CONFIDENCE_TOO_LOW")
    for _ in range(2):
        again = await door.propose({**bare, "confidence_score": None})
        assert {name: again[name] for name in hints} == dict.fromkeys(hints)
    stated = await door.agent.post("/v1/intents", json={**bare, "confidence_score": 0.0})
    problem(stated, 409, "INTENT_ID_REUSED")
    explained = (await door.owner.get("/v1/intents/t1/explanation")).json()
    knew = explained["knew"]
    assert (knew["confidence_bp"], knew["confidence_stated"], knew["risk_level"]) == (
        0,
        False,
        "LOW",
    )
    [entry] = explained["history"]
    assert not {"confidence_bp", "risk_level"} & entry.keys()
    [card] = (await door.approver.get("/v1/approvals")).json()["items"]
    assert (card["confidence_score"], card["risk_level"]) == (None, "LOW")


async def test_the_timeline_is_filtered_and_paged_without_gaps(door: Door) -> None:
    for number in range(5):
        await door.propose({**INTENT, "action_intent_id": f"t{number}"})
    await door.propose({**UNSURE, "action_intent_id": "unsure", "account_id": "other"})
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2, "account_id": "acme"}
    while True:
        page = (await door.auditor.get("/v1/timeline", params=query)).json()
        wire.TimelinePage.model_validate(page)
        seen += [item["action_intent_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == ["t4", "t3", "t2", "t1", "t0"]

    async def ids(**query: Any) -> list[str]:
        found = (await door.auditor.get("/v1/timeline", params=query)).json()["items"]
        return [item["action_intent_id"] for item in found]

    assert await ids(auto_executed="false") == ["unsure"]
    assert await ids(status=["AWAITING_APPROVAL", "REJECTED"]) == ["unsure"]
    assert await ids(action_type="SEND_MAIL") == []
    assert await ids(since="2026-11-24T12:00:01Z") == []
    assert len(await ids(until="2026-11-24T12:00:01Z")) == 6


async def test_a_cursor_that_was_never_given_out_is_refused(door: Door) -> None:
    places = ("timeline:x", "timeline:", "approvals:a.b", "ledger:-1", "other:1", "\x00", "")
    cursors = [urlsafe_b64encode(place.encode()).decode() for place in places] + [
        "***",
        "\u00e9",
        "x" * 300,
    ]
    for path in ("/v1/timeline", "/v1/approvals", "/v1/ledger/entries"):
        for cursor in cursors:
            code = "INVALID_CURSOR" if len(cursor) < 256 else "INVALID_QUERY"
            problem(await door.auditor.get(path, params={"cursor": cursor}), 422, code)


async def test_a_query_that_does_not_fit_is_refused_and_says_where(door: Door) -> None:
    queries = (
        "limit=0 limit=501 limit=x limit= acount_id=acme status=DONE auto_executed=2 "
        "since=yesterday"
    )
    for query in queries.split():
        body = problem(await door.auditor.get(f"/v1/timeline?{query}"), 422, "INVALID_QUERY")
        assert body["problems"][0]["path"].startswith(query.partition("=")[0])


async def test_the_inbox_is_paged(door: Door) -> None:
    for number in range(3):
        await door.propose({**UNSURE, "action_intent_id": f"t{number}"})
    first = (await door.approver.get("/v1/approvals?limit=2")).json()
    rest = (
        await door.approver.get("/v1/approvals", params={"cursor": first["next_cursor"]})
    ).json()
    assert [item["action_intent_id"] for item in first["items"] + rest["items"]] == [
        "t0",
        "t1",
        "t2",
    ]
    assert rest["next_cursor"] is None


async def test_settings_change_only_from_the_version_that_was_read(door: Door) -> None:
    path = "/v1/autonomy/budgets"
    read = await door.owner.get(path)
    assert read.headers["etag"] == f'"{read.json()["version"]}"'
    wanted = {"budgets": [{"max_per_day": 3}]}
    problem(await door.owner.put(path, json=wanted), 428, "VERSION_REQUIRED")
    for stale in ('"0"', '"99"', "*"):
        problem(
            await door.owner.put(path, json=wanted, headers={"If-Match": stale}),
            412,
            "VERSION_MISMATCH",
        )
    for text in ("1", 'W/"1"', '"x"', '"1", "2"', '"' + "9" * 40 + '"'):
        problem(
            await door.owner.put(path, json=wanted, headers={"If-Match": text}),
            422,
            "INVALID_IF_MATCH",
        )
    if_match = {"If-Match": read.headers["etag"]}
    problem(await door.agent.put(path, json=wanted, headers=if_match), 403, "FORBIDDEN")
    changed = await door.owner.put(path, json=wanted, headers=if_match)
    assert changed.status_code == 200, changed.text
    assert changed.json()["version"] == read.json()["version"] + 1
    assert changed.headers["etag"] == f'"{changed.json()["version"]}"'
    assert changed.json() == (await door.owner.get(path)).json()
    other = {"budgets": [{"max_per_day": 4}]}
    problem(await door.owner.put(path, json=other, headers=if_match), 412, "VERSION_MISMATCH")


async def test_what_was_read_of_a_part_can_be_put_back_and_changes_nothing(door: Door) -> None:
    size = await door.world.store.ledger_size("northwind")
    for part in (part.value for part in SettingsPart):
        path = f"/v1/autonomy/{part}"
        read = await door.owner.get(path)
        wire.SettingsPartResource.model_validate(read.json())
        back = await door.owner.put(
            path, json=read.json(), headers={"If-Match": read.headers["etag"]}
        )
        assert back.status_code == 200
        assert read.json().items() <= back.json().items()
    assert await door.world.store.ledger_size("northwind") == size


async def test_tool_servers_are_no_part_that_the_api_knows(door: Door) -> None:
    problem(await door.owner.get("/v1/autonomy/tool_servers"), 404, "NOT_FOUND")
    wanted = {"tool_servers": {"crm": {"command": ["sh"]}}}
    problem(
        await door.owner.put("/v1/autonomy/catalog", json=wanted, headers={"If-Match": '"1"'}),
        422,
        "INVALID_SETTINGS",
    )


async def test_an_emergency_stop_needs_no_version_and_stops(door: Door) -> None:
    stop = {
        "stop_switches": [
            {"scope": "TENANT", "subject": None, "level": "REFUSE", "reason": "Incident."}
        ]
    }
    response = await door.approver.put(
        "/v1/autonomy/stop-switches", json=stop, headers={"If-Match": "*"}
    )
    assert response.status_code == 200, response.text
    blocked = await door.propose()
    assert (blocked["status"], blocked["reason"]) == ("BLOCKED", "STOP_SWITCH_ON")


async def test_the_ledger_is_paged_and_its_bytes_are_what_was_digested(door: Door) -> None:
    await door.propose()
    page = (await door.auditor.get("/v1/ledger/entries?limit=500")).json()
    wire.LedgerPage.model_validate(page)
    entries = page["items"]
    assert [entry["position"] for entry in entries] == list(range(1, len(entries) + 1))
    for entry in entries:
        response = await door.auditor.get(f"/v1/ledger/entries/{entry['position']}/bytes")
        assert response.headers["content-type"] == "application/json"
        assert "sha256:" + sha256(response.content).hexdigest() == entry["entry_digest"]
        own = {
            name: value for name, value in entry.items() if name not in {"position", "entry_digest"}
        }
        assert response.json() == own
    approved = entries[-1]
    assert (approved["kind"], approved["auto_executed"]) == ("ACTION_APPROVED", True)
    assert approved["digest"] == (await door.agent.get("/v1/intents/t1")).json()["digest"]

    first = (await door.auditor.get("/v1/ledger/entries?limit=2")).json()
    rest = (
        await door.auditor.get("/v1/ledger/entries", params={"cursor": first["next_cursor"]})
    ).json()
    behind = (await door.auditor.get("/v1/ledger/entries?after=2")).json()
    assert first["items"] + rest["items"] == entries
    assert behind == rest
    problem(await door.auditor.get("/v1/ledger/entries?after=2&cursor=x"), 422, "INVALID_CURSOR")
    for position in ("0", "-1", "x", str(len(entries) + 1), "9" * 30):
        problem(await door.auditor.get(f"/v1/ledger/entries/{position}/bytes"), 404, "NOT_FOUND")


async def test_the_documented_ledger_query_goes_on_page_after_page(door: Door) -> None:
    for number in range(5):
        await door.propose({**INTENT, "action_intent_id": f"t{number}"})
    [(path, query)] = re.findall(r"/v1(/ledger/entries)\?(\S+)\"", DOCUMENTED)
    filters = dict(part.split("=") for part in query.split("&"))
    assert filters.keys() == {"after", "limit"}
    for after in (0, 2, 3):
        asked: dict[str, Any] = {**filters, "after": after, "limit": 3}
        positions: list[int] = []
        pages = 0
        while True:
            response = await door.auditor.get(f"/v1{path}", params=asked)
            assert response.status_code == 200, response.text
            page, pages = response.json(), pages + 1
            positions += [entry["position"] for entry in page["items"]]
            if page["next_cursor"] is None:
                break
            asked["cursor"] = page["next_cursor"]  # with the same filters, as the page says
        size = await door.world.store.ledger_size("northwind")
        assert positions == list(range(after + 1, size + 1))
        assert pages > 1


async def test_a_request_has_one_caller(door: Door) -> None:
    own = door.agent.headers["authorization"]
    for second in (door.owner.headers["authorization"], own, ""):
        headers = [("Authorization", own), ("Authorization", second)]
        async with httpx2.AsyncClient(
            transport=httpx2.ASGITransport(door.app), base_url="http://localhost"
        ) as client_of_two:
            answer = await client_of_two.get("/v1/whoami", headers=headers)
        problem(answer, 400, "INVALID_AUTHORIZATION")


async def test_credentials_are_made_listed_and_ended(door: Door) -> None:
    me = (await door.agent.get("/v1/whoami")).json()
    assert me == {
        "tenant_id": "northwind",
        "actor_id": "agent-ada",
        "kind": "AGENT",
        "permissions": ["propose", "read_own"],
        "scope": {"accounts": None, "action_types": None},
    }
    made = await door.owner.post("/v1/api-keys", json={"name": "nightly", "role": "auditor"})
    assert made.status_code == 201
    keys.NewApiKey.model_validate(made.json())
    key = made.json()["key"]
    async with client(door.app, key) as nightly:
        assert (await nightly.get("/v1/whoami")).json()["actor_id"] == "nightly"
        listed = await door.owner.get("/v1/api-keys")
        keys.ApiKeyPage.model_validate(listed.json())
        assert key not in listed.text
        assert "hash" not in listed.text
        problem(await door.approver.get("/v1/api-keys"), 403, "FORBIDDEN")
        ended = await door.owner.delete(f"/v1/api-keys/{made.json()['key_id']}")
        assert (ended.status_code, ended.content) == (204, b"")
        door.world.clock.forward(1_000)
        refused = await nightly.get("/v1/whoami")
    problem(refused, 401, "UNAUTHENTICATED")
    problem(await door.owner.delete(f"/v1/api-keys/{made.json()['key_id']}"), 404, "NOT_FOUND")
    for name in (" ", "", "x" * 129, "a\nb", "nightly\u202e"):
        problem(
            await door.owner.post("/v1/api-keys", json={"name": name, "role": "agent"}),
            422,
            "INVALID_NAME",
        )


async def test_another_tenant_sees_and_moves_nothing(door: Door) -> None:
    await door.propose(UNSURE)
    made = (
        await door.owner.post("/v1/api-keys", json={"name": "nightly", "role": "auditor"})
    ).json()
    size = await door.world.store.ledger_size("northwind")
    for path in (
        "/v1/intents/t1",
        "/v1/intents/t1/explanation",
        f"/v1/ledger/entries/{size}/bytes",
    ):
        problem(await door.stranger.get(path), 404, "NOT_FOUND")
    reason = {"reason": "x"}
    for path, body in (
        ("/v1/approvals/t1.1/rulings", {"ruling": "approve"}),
        ("/v1/intents/t1/cancellation", reason),
        ("/v1/intents/t1/reconciliation", {"status": "FAILED", **reason}),
    ):
        problem(await door.stranger.post(path, json=body), 404, "NOT_FOUND")
    problem(await door.stranger.delete(f"/v1/api-keys/{made['key_id']}"), 404, "NOT_FOUND")
    for path in ("/v1/timeline", "/v1/approvals"):
        assert (await door.stranger.get(path)).json()["items"] == []
    theirs = (await door.stranger.get("/v1/ledger/entries")).json()["items"]
    assert {entry["tenant_id"] for entry in theirs} == {"other-tenant"}
    assert [key["name"] for key in (await door.stranger.get("/v1/api-keys")).json()["items"]] == [
        "mallory"
    ]
    usage = (await door.stranger.get("/v1/budgets/usage?account_id=acme")).json()
    assert {bucket["used"] for bucket in usage["buckets"]} == {0}
    counters = (await door.stranger.get("/v1/autonomy/usage?agent=agent-ada")).json()["counters"]
    assert {bucket["used"] for each in counters for bucket in each["buckets"]} == {0}
    own = await door.stranger.post("/v1/intents", json=dict(INTENT))
    assert (own.status_code, own.json()["tenant_id"]) == (201, "other-tenant")
    assert await door.world.store.ledger_size("northwind") == size
    assert (await door.agent.get("/v1/intents/t1")).json()["status"] == "AWAITING_APPROVAL"


async def test_no_call_under_v1_answers_without_a_valid_key(door: Door) -> None:
    paths: dict[str, dict[str, Any]] = (await door.nobody.get("/openapi.json")).json()["paths"]
    asked = 0
    for path, operations in paths.items():
        if not path.startswith("/v1/"):
            continue
        for method in operations:
            for headers in (
                {},
                {"Authorization": "Bearer clr_" + "x" * 43},
                {"Authorization": "Basic b3duZXI6"},
            ):
                # A body that does not parse shows that who asks is looked at first.
                response = await door.nobody.request(method, path, headers=headers, content=b"{")
                problem(response, 401, "UNAUTHENTICATED")
                assert response.headers["www-authenticate"].startswith("Bearer")
                asked += 1
    assert asked >= 3 * 18


async def test_roles_do_what_they_may_and_no_more(door: Door) -> None:
    await door.propose(UNSURE)
    problem(await door.auditor.post("/v1/intents", json=dict(INTENT)), 403, "FORBIDDEN")
    problem(
        await door.agent.post("/v1/approvals/t1.1/rulings", json={"ruling": "approve"}),
        403,
        "FORBIDDEN",
    )
    stop = {"stop_switches": []}
    any_version = {"If-Match": "*"}
    problem(
        await door.agent.put("/v1/autonomy/stop-switches", json=stop, headers=any_version),
        403,
        "FORBIDDEN",
    )
    for read in (
        "/v1/intents/t1",
        "/v1/timeline",
        "/v1/approvals",
        "/v1/ledger/entries",
        "/v1/autonomy/policies",
    ):
        assert (await door.auditor.get(read)).status_code == 200


async def test_results_of_tools_come_out_as_they_are_even_where_utf8_cannot_say_them(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.propose()
    await door.world.run("t1")
    record = await door.world.record("t1")
    assert record.outcome is not None
    object.__setattr__(record.outcome, "result", {"note": "half \ud83d, whole \U0001f600, <b>"})

    async def found(*_: object) -> object:
        return record

    monkeypatch.setattr(door.world.store, "intent", found)
    response = await door.agent.get("/v1/intents/t1")
    assert (
        json.loads(response.content)["outcome"]["result"]["note"]
        == "half \ud83d, whole \U0001f600, <b>"
    )
