"""The doors of a server whose stored settings this version refuses in part: nothing answers 422 for
it, and each says what is refused.
"""

from __future__ import annotations

from typing import Any

import pytest

from clearance.flow.requests import SettingsPart
from tests.doors.conftest import INTENT, Door, problem
from tests.doors.test_pages import Door as Pages
from tests.doors.test_pages import csrf_in, text_of
from tests.support import sample
from tests.support.sample import refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio

LATER = {"scope": "ACCOUNT", "subject": "acme", "level": "HOLD", "reason": "x", "until": "noon"}


def refused() -> dict[str, Any]:
    """Something is refused in every section."""
    document = sample.document(modes=[{"mode": "OFF"}], budgets=[{"max_per_day": "ten"}])
    document["autonomy"]["allowlist"] = {"tenant": ["CREATE_TASK"], "except": []}
    document["catalog"]["ISSUE_REFUND"]["effect"] = "exactly_once"
    document["tool_servers"]["later"] = {"socket": "/run/tools"}
    document |= {"policy": "permit(", "watch": {}, "tool_pins": {"crm.send_mail": "blake3:0"}}
    return {**document, "stop_switches": [LATER, {"scope": "REGION"}]}


READS = (
    *(f"/v1/autonomy/{part.value}" for part in SettingsPart),
    "/v1/intents/before",
    "/v1/intents/before/explanation",
    "/v1/approvals",
    "/v1/timeline",
    "/v1/ledger/entries",
    "/v1/budgets/usage?account_id=acme",
    "/v1/status",
    "/readyz",
    "/metrics",
)


async def test_every_call_answers_and_the_status_says_what_is_refused(door: Door) -> None:
    await door.propose({**INTENT, "action_intent_id": "before", "confidence_score": 0.5})
    await door.world.configure(refused())
    for path in READS:
        answer = await door.owner.get(path)
        assert answer.status_code == 200, (path, answer.text)
    proposed = await door.propose({**INTENT, "action_intent_id": "after"})
    assert (proposed["decision"], proposed["reason"]) == (
        "REQUIRE_APPROVAL",
        "STOP_SWITCH_UNREADABLE",
    )
    proposed = (await door.auditor.get("/v1/intents/after")).json()
    assert {finding["code"] for finding in proposed["findings"]} >= {
        "SETTINGS_UNREADABLE",
        "ALLOWLIST_UNREADABLE",
        "MODE_UNREADABLE",
        "POLICY_UNREADABLE",
    }
    ruled = await door.approver.post(
        "/v1/approvals/after.1/rulings", json={"ruling": "reject", "reason": "no"}
    )
    assert ruled.status_code == 201, ruled.text
    concerns = (await door.auditor.get("/v1/status")).json()["problems"]
    assert {concern["code"] for concern in concerns} >= {
        "ACTION_UNREADABLE",
        "BUDGET_UNREADABLE",
        "POLICY_UNREADABLE",
        "SETTINGS_UNREADABLE",
        "TOOL_PIN_UNREADABLE",
    }
    assert all(concern["sentence"].endswith(".") for concern in concerns)


async def test_a_part_says_its_problems_and_is_put_back_with_them(door: Door) -> None:
    await door.world.configure({**sample.document(), "policy": "permit("})
    read = await door.owner.get("/v1/autonomy/policies")
    body = read.json()
    assert (body["policy"], body["policy_version"], body["clauses"]) == ("permit(", None, [])
    [wrong] = body["problems"]
    assert wrong.keys() == {"path", "detail"}
    headers = {"If-Match": read.headers["ETag"]}
    again = await door.owner.put("/v1/autonomy/policies", json=body, headers=headers)
    assert problem(again, 422, "INVALID_SETTINGS")["problems"] == [wrong]
    other = await door.owner.get("/v1/autonomy/budgets")
    assert "problems" not in other.json()
    refusal = await door.owner.put("/v1/autonomy/budgets", json={"budgets": []}, headers=headers)
    assert problem(refusal, 422, "INVALID_SETTINGS")["problems"] == [wrong]
    right = await door.owner.put(
        "/v1/autonomy/policies", json={**body, "policy": sample.POLICY}, headers=headers
    )
    assert (right.status_code, "problems" in right.json()) == (200, False)
    assert (await door.propose())["decision"] == "AUTO_EXECUTE"


@pytest.fixture
async def pages(world: World) -> Pages:
    from clearance.api.app import create_app  # noqa: PLC0415
    from clearance.doors.access import Access  # noqa: PLC0415
    from clearance.web.routes import mount  # noqa: PLC0415

    access = Access(world.store, world.clock)
    app = create_app(world.control, access)
    mount(app, world.control, access, clock=world.clock)
    return Pages(world, app, access)


async def test_every_page_is_shown_and_the_switches_are_thrown_and_lifted_there(
    pages: Pages,
) -> None:
    await pages.world.propose(refund("big", 75_000))
    await pages.world.configure(refused())
    await pages.world.propose(task("t1"))
    browser = await pages.signed_in()
    for path in ("/", "/needs-you", "/intents/big", "/intents/big/why", "/intents/t1/why", "/stop"):
        assert (await browser.get(path)).status_code == 200, path
    assert "This version does not accept what is stored at" in text_of(
        (await browser.get("/needs-you")).text
    )
    page = await browser.get("/stop")
    assert text_of(page.text).count("This version does not accept what is stored at") >= 2
    switch = {"subject": "globex", "level": "HOLD", "reason": "odd", "csrf": csrf_in(page.text)}
    done = await browser.post("/stop", data={**switch, "do": "stop", "scope": "ACCOUNT"})
    assert done.headers["location"] == "/stop?flash=stopped"
    stored = (await pages.world.store.settings(sample.TENANT)).document["stop_switches"]
    assert stored[:2] == refused()["stop_switches"]
    lift = {**switch, "do": "lift", "scope": "TENANT", "subject": ""}
    assert (await browser.post("/stop", data=lift)).headers["location"] == "/stop?flash=lifted"
    # It stood for the stored switch of acme too, which is lifted with it.
    gone = await browser.post("/stop", data={**lift, "scope": "ACCOUNT", "subject": "acme"})
    assert (gone.status_code, "NO_SUCH_STOP_SWITCH" in gone.text) == (404, True)
    page = await browser.get("/stop")
    assert "The account globex is held odd" in text_of(page.text)
    stored = (await pages.world.store.settings(sample.TENANT)).document["stop_switches"]
    assert [switch["subject"] for switch in stored] == ["globex"]
