"""Every door shows what the tool gets, in words that are true of the state, and no value in them
can pose as ours.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from clearance.cli.output import Terminal
from clearance.cli.views import intents as intent_views
from clearance.cli.views import lists as views
from clearance.core.approval import ApprovalSource
from clearance.core.decision import not_read
from clearance.core.narrative import held_by, say, shown_call
from clearance.core.settings import Unreadable
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.core.template import plain
from clearance.web.routes import mount
from tests.support import sample
from tests.support.sample import refund, task

from .conftest import INTENT, UNSURE, Door

pytestmark = pytest.mark.anyio

EUROS = {"type": "integer", "minimum": 1, "x-scale": 100, "x-unit": "EUR"}
MAIL = {
    "tool": "crm.send_mail",
    "risk_level": "LOW",
    "effect": "at_most_once",
    "label": "Write to a customer",
    "description": "One mail, to one address.",
    "parameters": {
        "type": "object",
        "required": ["to"],
        "properties": {
            "to": {"type": "string"},
            "limit": {"type": "integer", "default": 20},
        },
        "additionalProperties": False,
    },
    "arguments": {"bcc": "archive@example.com", "from": "{account_id}"},
    "sentence": "wrote to {to}, copy to {bcc}, at most {limit}",
    "proposal": "write to {to}, copy to {bcc}, at most {limit}",
}
POLICY = (
    sample.POLICY
    + """
@id("write") @reason("WRITING_ALLOWED") @explanation("Mails may be written.")
permit(principal, action == Action::"WRITE", resource);
"""
)


def document(**mail: Any) -> dict[str, Any]:
    made = {**sample.document(), "policy": POLICY}
    made["catalog"]["WRITE"] = MAIL | mail
    made["autonomy"]["allowlist"].append("WRITE")
    made["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"] = EUROS
    return made


@pytest.fixture
def shown_by(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """What a view of the command line prints of an answer."""

    def shown(view: Callable[..., None], facts: Any) -> str:
        capsys.readouterr()
        view(Terminal(), facts)
        return capsys.readouterr().out

    return shown


@pytest.fixture
async def olga(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of a person who may rule, on the pages of the same server."""
    await door.world.configure(document())
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = httpx2.ASGITransport(app=door.app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://clearance") as browser:
        assert (await browser.post("/sign-in", data={"key": door.keys["olga"]})).is_redirect
        yield browser


def words(page: httpx2.Response) -> str:
    """The page's words on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


async def waiting(door: Door, name: str = "w1", **changes: Any) -> dict[str, Any]:
    """A mail that waits for a person, as the inbox of the API has it."""
    asked = {"action_intent_id": name, "action_type": "WRITE", "parameters": {"to": "ann"}}
    await door.propose({**UNSURE, **asked, **changes})
    items = (await door.approver.get("/v1/approvals")).json()["items"]
    return next(item for item in items if item["action_intent_id"] == name)


# --- What the tool gets ---


async def test_every_door_shows_what_the_tool_gets_and_who_set_it(door: Door, olga) -> None:
    item = await waiting(door)
    given = {"to": "ann", "limit": 20, "bcc": "archive@example.com", "from": "acme"}
    set_by = {"limit": "default", "bcc": "catalog", "from": "catalog"}
    intent = (await door.auditor.get("/v1/intents/w1")).json()
    explanation = (await door.approver.get("/v1/intents/w1/explanation")).json()
    for answer in (item, intent, explanation):
        assert (answer["arguments"], answer["arguments_set_by"]) == (given, set_by)
        assert answer["parameters"] == {"to": "ann"}
        assert "write to ann, copy to archive@example.com, at most 20" in answer["sentence"]
    for path in ("/needs-you", "/intents/w1"):
        shown = words(await olga.get(path))
        assert "What the tool gets to ann" in shown
        assert "limit 20 default" in shown
        assert "bcc archive@example.com from the catalog from acme from the catalog" in shown
    await door.approver.post(
        f"/v1/approvals/{item['approval_id']}/rulings",
        json={"ruling": "approve", "digest": item["digest"]},
    )
    await door.world.run("w1")
    assert door.world.tools.calls[-1].arguments == given


@pytest.mark.parametrize("change", ["another constant", "another default", "no such action"])
async def test_where_the_catalog_changed_since_the_parameters_are_shown_as_proposed(
    door: Door, olga, change: str
) -> None:
    await waiting(door)
    made = document(arguments={"bcc": "rival@example.com"}, sentence="wrote", proposal="write")
    if change == "another default":
        properties = MAIL["parameters"]["properties"] | {"limit": {"type": "integer", "default": 9}}
        made = document(parameters=MAIL["parameters"] | {"properties": properties})
    if change == "no such action":
        made = {**sample.document()}
    await door.world.configure(made)
    intent = (await door.auditor.get("/v1/intents/w1")).json()
    item = (await door.approver.get("/v1/approvals")).json()["items"][0]
    for answer in (intent, item):
        assert (answer["arguments"], answer["arguments_set_by"]) == (None, {})
        assert answer["parameters"] == {"to": "ann"}
    why = "does not have" if change == "no such action" else "changed since"
    for path in ("/needs-you", "/intents/w1"):
        shown = words(await olga.get(path))
        assert f"Parameters (as proposed: the catalog {why}" in shown
        assert "from the catalog" not in shown


async def test_an_act_that_is_done_is_told_with_what_was_sent(door: Door, olga) -> None:
    """A constant of today's catalog is not what yesterday's mail had."""
    await door.propose({**INTENT, "action_type": "WRITE", "parameters": {"to": "ann"}})
    await door.world.run("t1")
    told = (await door.auditor.get("/v1/intents/t1")).json()["sentence"]
    assert told == "Autopilot wrote to ann, copy to archive@example.com, at most 20"
    await door.world.configure(document(arguments={"bcc": "rival@example.com"}))
    assert "rival" not in words(await olga.get("/"))


async def test_an_act_of_a_version_that_sent_no_defaults_is_shown_without_them(door: Door) -> None:
    await door.world.configure(document())
    record = await door.world.propose(task("w1", action_type="WRITE", parameters={"to": "ann"}))
    settings = await door.world.context.settings(sample.TENANT)
    action = settings.catalog["WRITE"]
    assert record.binding
    for entry in (action.entry_digest, action.digest_0_1):
        older = replace(record, binding=replace(record.binding, final=None, entry=entry))
        call = shown_call(older, action)
        assert call
        assert call.arguments == {"to": "ann", "bcc": "archive@example.com", "from": "acme"}
        assert shown_call(older, replace(action, arguments={"bcc": "rival@example.com"})) is None
    call = shown_call(record, action)
    assert call
    assert call.arguments["limit"] == 20


PRICE = {"type": "number", "minimum": 0, "x-scale": 100, "x-unit": "EUR"}
ORDER = {
    "type": "object",
    "required": ["to", "subject", "lines", "body"],
    "$defs": {
        "Line": {
            "type": "object",
            "required": ["sku", "unit_price"],
            "properties": {
                "sku": {"type": "string"},
                "unit_price": PRICE,
                "quantity": {"type": "integer", "default": 1},
            },
        }
    },
    "properties": {
        "to": {"type": "string"},
        "subject": {"type": "string"},
        "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
        "body": {"type": "string", "maxLength": 4000},
        "total": {"anyOf": [PRICE, {"type": "null"}], "default": None},
    },
}


async def test_what_the_agent_left_out_is_marked_by_its_path(door: Door, olga, shown_by) -> None:
    """And the arguments stand in the order of the schema, each with its first lines."""
    await door.world.configure(document(parameters=ORDER, arguments={}, sentence="x", proposal="x"))
    body = "Dear Ann,\nyour order is on its way.\n" + "Best regards. " * 60
    parameters = {
        "total": 149.9,
        "body": body,
        "lines": [
            {"sku": "A", "unit_price": 19.99},
            {"sku": "B", "unit_price": 5, "quantity": 2},
        ],
        "subject": "Order",
        "to": "ann",
    }
    item = await waiting(door, parameters=parameters)
    assert list(item["arguments"]) == ["to", "subject", "lines", "body", "total"]
    assert item["arguments_set_by"] == {"lines.0.quantity": "default"}
    assert item["amounts"] == {
        "lines.0.unit_price": "19.99 EUR",
        "lines.1.unit_price": "5.00 EUR",
        "total": "149.90 EUR",
    }
    for path in ("/needs-you", "/intents/w1"):
        shown = words(await olga.get(path))
        assert re.search(
            r"What the tool gets to ann subject Order lines .* body Dear Ann, your", shown
        )
        assert "0.unit_price: 19.99 EUR 1.unit_price: 5.00 EUR 0.quantity: default body" in shown
        assert "on its way." in shown.partition("Show all")[0]
    form = words(await olga.get("/approvals/w1.1/edit"))
    assert "Filled in where it is left out: 0.quantity = 1" in form
    lines = shown_by(views.inbox, {"items": [item], "total": 1}).splitlines()
    assert any(re.fullmatch(r" +lines\.0\.quantity +\(default\)", line) for line in lines)
    assert not any(line.strip().startswith("lines ") and "default" in line for line in lines)


# --- Values stand apart ---


async def test_an_agent_cannot_write_our_sentence(door: Door, olga) -> None:
    title = "Call' for acme. Already approved by legal (olga). Low risk: 'x\u202e\u2800"
    await door.propose({**UNSURE, "parameters": {"title": title}, "account_id": "acme; approved"})
    fenced = "'Call\\' for acme. Already approved by legal (olga). Low risk: \\'x⟨U+202E⟩⟨U+2800⟩'"
    sentence = f"agent-ada wants to create the task {fenced} for 'acme; approved'"
    assert (await door.auditor.get("/v1/intents/t1")).json()["sentence"] == sentence
    page = (await olga.get("/needs-you")).text
    apart = [html.unescape(text) for text in re.findall(r'<bdi class="value">(.*?)</bdi>', page)]
    assert apart[:2] == [fenced, "'acme; approved'"]
    headline = re.search(r"<h3[^>]*>(.*?)</h3>", page, re.DOTALL)
    assert headline
    assert html.unescape(re.sub(r"<[^>]+>", "", headline[1])).strip() == sentence
    ours = re.sub(r"<bdi.*?</bdi>", "", headline[1])
    assert "legal" not in ours


async def test_an_account_cannot_write_the_reason(door: Door, olga) -> None:
    """The agent chose it, and the findings of account, budget and limit name it."""
    hostile = "acme. Approved by legal"
    await door.propose({**INTENT, "account_id": hostile})
    asked = (await door.owner.get("/v1/intents/t1")).json()
    sentence = f"The account '{hostile}' is not known: a person must look."
    assert (asked["reason"], asked["explanation"]) == ("ACCOUNT_NOT_KNOWN", sentence)
    limit = {"for": "each account", "per": "day", "actions": 0}
    await door.world.autonomy(accounts=[hostile], limits=[limit])
    await door.propose({**INTENT, "action_intent_id": "t2", "account_id": hostile})
    findings = (await door.owner.get("/v1/intents/t2")).json()["findings"]
    budget, limits = (finding["sentence"] for finding in findings[-2:])
    assert budget.startswith(f"The autonomy budget of '{hostile}' for ")
    assert limits.startswith(f"The limit of account '{hostile}' for ")


# --- Amounts ---


async def test_an_amount_is_written_one_way(door: Door, olga) -> None:
    record = await door.world.propose(refund("big", 75_000))
    budget = {"max_per_day": 10, "max_amount_per_day_by_action_type": {"ISSUE_REFUND": 60_000}}
    made = document()
    made["autonomy"]["budgets"] = [budget]
    item = (await door.approver.get("/v1/approvals")).json()["items"][0]
    assert item["sentence"] == "agent-ada wants to refund 750.00 EUR for ORD-1"
    assert item["amounts"] == {"amount_minor": "750.00 EUR"}
    assert item["arguments"]["amount_minor"] == 75_000
    card = await olga.get("/needs-you")
    assert '<bdi class="value number">750.00 EUR</bdi>' in card.text
    assert "amount_minor 750.00 EUR sent as 75000" in words(card)
    form = await olga.get("/approvals/big.1/edit")
    assert "amount_minor (100 make 1 EUR)" in words(form)
    assert record.decision.hold is None
    await door.world.configure(made)
    await door.world.propose(refund("first", 34_900))
    spent = await door.world.propose(refund("second", 30_000))
    assert spent.decision.explanation == (
        "The autonomy budget of acme for 2026-11-24 has 349.00 of 600.00 EUR used "
        "(amount:ISSUE_REFUND); this needs 300.00 EUR more."
    )
    assert "Issue refund, amount 349.00 EUR 600.00 EUR" in words(await olga.get("/intents/first"))


# --- True of the state ---


@pytest.mark.parametrize(
    ("level", "before", "after", "why"),
    [
        (
            "HOLD",
            "agent-ada, approved by olga, is to write to ann",
            ", and waits for the stop switch: 'wait'",
            "Held by the stop switch for tenant: wait Nothing has been sent",
        ),
        (
            "REFUSE",
            "agent-ada, approved by olga, was to write to ann",
            "; the stop switch refuses it and cancels it: 'wait'",
            "Refused by the stop switch for tenant, which cancels it: wait Nothing has been sent",
        ),
    ],
)
async def test_an_approved_act_under_a_stop_is_not_about_to(
    door: Door, olga, level: str, before: str, after: str, why: str
) -> None:
    item = await waiting(door)
    await door.world.configure(
        document() | {"stop_switches": [{"scope": "TENANT", "level": level, "reason": "wait"}]}
    )
    answer = await door.approver.post(
        f"/v1/approvals/{item['approval_id']}/rulings", json={"ruling": "approve"}
    )
    read = (await door.auditor.get("/v1/intents/w1")).json()["sentence"]
    for sentence in (answer.json()["sentence"], read):
        assert sentence.startswith(before)
        assert sentence.endswith(after)
    agents = (await door.agent.get("/v1/intents/w1")).json()["sentence"]
    assert agents.startswith(before)
    assert "wait'" not in agents
    page = words(await olga.get("/intents/w1"))
    assert why in page
    assert "It waits for a person." not in page
    for place in ("/intents/w1?ruled=w1", "/needs-you?ruled=w1", "/"):
        shown = words(await olga.get(place))
        assert "is about to" not in shown
        assert after.removeprefix(",").removesuffix(" 'wait'").strip() in shown, place
    await door.world.configure(document())
    told = (await door.auditor.get("/v1/intents/w1")).json()["sentence"]
    assert "approved by olga, is about to write to ann" in told


@pytest.mark.parametrize("level", ["HOLD", "REFUSE"])
async def test_why_a_switch_is_on_is_shown_while_it_is(door: Door, olga, level: str) -> None:
    switch = {"scope": "TENANT", "level": level, "reason": "Incident 12."}
    await door.world.configure(document() | {"stop_switches": [switch]})
    await door.propose(INTENT)
    for path in ("/v1/intents/t1", "/v1/intents/t1/explanation"):
        sentence = (await door.auditor.get(path)).json()["sentence"]
        assert sentence.endswith("; the stop switch is on: 'Incident 12.'")
    page = words(await olga.get("/intents/t1"))
    assert "The stop switch for tenant is on." in page
    assert "Incident 12." in page
    await door.world.configure(document())
    assert "Incident" not in (await door.auditor.get("/v1/intents/t1")).json()["sentence"]


async def test_an_approved_act_that_cannot_start_is_not_about_to(door: Door) -> None:
    await door.world.configure(document())
    record = await door.world.propose(task("t1"))
    settings = await door.world.context.settings(sample.TENANT)
    action = settings.catalog["CREATE_TASK"]
    assert " is about to create the task" in plain(say(record, action, None, settings))
    unread = Unreadable("catalog", "CATALOG_UNREADABLE", "The entry cannot be read.")
    stored = replace(settings, catalog={}, unreadable={unread.reached: unread})
    foreign = replace(record, approval_source=ApprovalSource("QUORUM"))
    for item, known, why, words_of in (
        (record, stored, "cannot be read as it is stored", "Held: The entry cannot be read."),
        (
            foreign,
            settings,
            "waits for a later version",
            "does not know the approval source QUORUM",
        ),
    ):
        sentence = plain(say(item, known.catalog.get("CREATE_TASK"), None, known))
        assert "is about to" not in sentence
        assert why in sentence
        assert words_of in str(held_by(item, known))


@pytest.mark.parametrize("by_us", [True, False])
async def test_a_cancelled_act_says_why(door: Door, olga, shown_by, by_us: bool) -> None:
    item = await waiting(door)
    if by_us:
        await door.approver.post(
            f"/v1/approvals/{item['approval_id']}/rulings", json={"ruling": "approve"}
        )
        narrow = {"to": {"type": "string", "maxLength": 1}, "limit": {"type": "integer"}}
        await door.world.configure(document(parameters=MAIL["parameters"] | {"properties": narrow}))
        await door.world.run("w1")
        code, why = "INVALID_PARAMETERS", "The parameters do not fit the schema of WRITE"
    else:
        await door.agent.post("/v1/intents/w1/cancellation", json={"reason": "By hand."})
        code, why = "WITHDRAWN", "Withdrawn by agent-ada before it started. By hand."
    intent = (await door.auditor.get("/v1/intents/w1")).json()
    assert intent["status"] == "CANCELLED"
    page = words(await olga.get("/intents/w1"))
    assert why in page
    assert f" {code} " in page
    assert ("withdrawn" in page.lower()) is not by_us
    assert "It needed a person." in page
    assert "It waits for a person." not in page
    assert "It was closed before it started." in words(await olga.get("/"))
    explanation = (await door.auditor.get("/v1/intents/w1/explanation")).json()
    for view, facts in (
        (intent_views.intent, intent | {"history": explanation["history"]}),
        (intent_views.explanation, explanation),
    ):
        shown = shown_by(view, facts)
        assert re.search(rf"cancelled +{code}, by ", shown)
        assert why.rpartition("started. ")[2] in shown


async def test_what_runs_would_not_run_if(door: Door, olga) -> None:
    """Under a stop that came too late: nothing that is running or over has another answer."""
    seen: list[str] = []

    async def look(_: Any) -> Any:
        await door.world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "late"))
        explanation = (await door.approver.get("/v1/intents/t1/explanation")).json()
        assert explanation["nearest_changes"] == []
        page = words(await olga.get("/intents/t1"))
        assert "would" not in page
        seen.append(explanation["sentence"])
        return {"ok": True}

    door.world.tools.behave = look
    await door.world.propose(task("t1"))
    await door.world.run("t1")
    assert seen == [
        "Autopilot has started to create the task 'Renewal call' for acme; no answer has come yet"
    ]
    explanation = (await door.approver.get("/v1/intents/t1/explanation")).json()
    assert explanation["nearest_changes"] == []
    await door.world.configure(sample.document())
    await door.world.propose(task("t2", confidence_score=0.5))
    explanation = (await door.approver.get("/v1/intents/t2/explanation")).json()
    assert explanation["nearest_changes"] != []


async def test_an_editor_reads_that_another_person_must_approve(door: Door, olga, shown_by) -> None:
    await waiting(door)
    form = await olga.get("/approvals/w1.1/edit")
    assert "agent-ada stays its proposer, and you are named as its editor" in words(form)
    assert "you cannot approve what you edited. OWN_PROPOSAL" in words(form)
    answer = await door.approver.post(
        "/v1/approvals/w1.1/rulings", json={"ruling": "edit", "parameters": {"to": "bob"}}
    )
    new = answer.json()["new_intent"]
    assert (new["proposed_by"], new["edited_by"]) == ("agent-ada", "olga")
    assert new["sentence"].startswith("olga wants to write to bob")
    assert new["sentence"].endswith(", as an edit of what agent-ada proposed")
    shown = shown_by(intent_views.intent, new)
    assert re.search(r"^edited by +olga$", shown, re.MULTILINE)
    assert re.search(r"^instead of +w1$", shown, re.MULTILINE)
    before = shown_by(intent_views.intent, answer.json())
    assert re.search(r"^edited by +olga$", before, re.MULTILINE)
    card = words(await olga.get(f"/intents/{new['action_intent_id']}"))
    assert "You edited this yourself, so another person must rule on it." in card
    refused = await door.approver.post(
        f"/v1/approvals/{new['action_intent_id']}.1/rulings", json={"ruling": "approve"}
    )
    assert refused.json()["code"] == "OWN_PROPOSAL"


# --- Names and numbers ---


async def test_the_kinds_above_the_inbox_count_everything_that_waits(door: Door, olga) -> None:
    for number in range(30):
        await door.world.propose(task(f"t{number}", confidence_score=0.5))
    for number in range(3):
        await waiting(door, f"w{number}")
    page = await olga.get("/needs-you")
    kinds = re.search(r'<nav class="types".*?</nav>', page.text, re.DOTALL)
    assert kinds
    said = " ".join(re.sub(r"<[^>]+>", " ", kinds[0]).split())
    assert said == "Create task 30 Write to a customer 3"
    last = await olga.get("/needs-you?after=t24")
    assert "Create task 30" in words(last)


async def test_people_read_a_label_and_not_a_constant(door: Door, olga) -> None:
    item = await waiting(door)
    assert item["action_label"] == "Write to a customer"
    assert (await door.auditor.get("/v1/intents/w1")).json()["action_label"] == item["action_label"]
    catalog = (await door.owner.get("/v1/autonomy/catalog")).json()["catalog"]
    assert catalog["WRITE"]["label"] == "Write to a customer"
    assert catalog["WRITE"]["description"] == "One mail, to one address."
    shown = words(await olga.get("/intents/w1"))
    assert "Write to a customer One mail, to one address." in shown
    for path in ("/", "/needs-you", "/intents/w1"):
        shown = words(await olga.get(path))
        assert "Write to a customer" in shown


async def test_the_risk_is_the_higher_one_in_the_same_words(door: Door, olga, shown_by) -> None:
    await door.world.propose(refund("big", 75_000))
    intent = (await door.auditor.get("/v1/intents/big")).json()
    assert re.search(
        r"^risk +Medium, the agent said low$", shown_by(intent_views.intent, intent), re.MULTILINE
    )
    items = (await door.approver.get("/v1/approvals")).json()["items"]
    inbox = shown_by(views.inbox, {"items": items, "total": 1})
    assert re.search(r"^ +risk +Medium$", inbox, re.MULTILINE)
    assert "Medium risk the agent said low" in words(await olga.get("/needs-you"))
    assert "Medium the agent said low" in words(await olga.get("/intents/big"))


async def test_what_policy_does_not_read_is_said_in_words(door: Door, olga, shown_by) -> None:
    properties = {
        "to": {"type": "string"},
        "note": {"type": "object", "x-policy": "unread"},
        "rest": {"type": "object"},
    }
    made = document(parameters=MAIL["parameters"] | {"properties": properties}, arguments={})
    await door.world.configure(made)
    parameters = {"to": "ann", "note": {"a": 1}, "rest": {"b": 2}}
    await waiting(door, parameters=parameters)
    sentence = "Policy does not read: note (waived)."
    assert sentence in words(await olga.get("/intents/w1"))
    assert sentence in words(await olga.get("/intents/w1/why"))
    explanation = (await door.auditor.get("/v1/intents/w1/explanation")).json()
    assert sentence in shown_by(intent_views.explanation, explanation)
    assert not_read({"unread": ["rest", "list"]}) == ["Policy could not read: rest, list."]


async def test_a_list_is_read_out_and_a_budget_shows_its_money(door: Door, olga) -> None:
    to = {"type": "array", "items": {"type": "string"}}
    made = document(parameters={"type": "object", "properties": {"to": to, "limit": {}}})
    await door.world.configure(made)
    item = await waiting(door, parameters={"to": ["a@example.com", "b, c"], "limit": 1})
    assert "wants to write to a@example.com, 'b, c', copy to" in item["sentence"]
    await door.world.propose(refund("first", 34_900))
    assert "349.00 of 1,000.00 EUR Issue refund" in words(await olga.get("/"))
