"""What else is the same, at every door at which people rule: the API, the pages, the command line.

An agent is told nothing of it.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from clearance.cli.output import Terminal
from clearance.cli.views import lists
from clearance.core.approval import RulingKind
from clearance.core.moment import HOUR_MS, as_text
from clearance.core.principal import Role
from clearance.flow.requests import RulingRequest
from clearance.web.routes import mount
from tests.doors.conftest import Door, client
from tests.support import sample
from tests.support.sample import APPROVER, NOON, OTHER_AGENT, OWNER, refund
from tests.support.world import World

pytestmark = pytest.mark.anyio
UNSURE = 0.5
NO = RulingRequest(RulingKind.REJECT, "Never: it is <b>fraud</b>.")


async def a_day(world: World) -> None:
    """One act done, then rejected, then asked for by two agents; and another act that waits."""
    document = sample.document()
    document["catalog"]["ISSUE_REFUND"]["same_when"] = ["order_id"]
    await world.configure(document)
    await world.propose(refund("done", 900))
    await world.run("done")
    world.clock.forward(HOUR_MS)
    await world.propose(refund("no", confidence_score=UNSURE))
    await world.control.rule(APPROVER, "no.1", NO)
    world.clock.forward(HOUR_MS)
    await world.propose(refund("first", 1_500))
    other = {"order_id": "ORD-2", "amount_minor": 5}
    await world.propose(refund("other", parameters=other, confidence_score=UNSURE))
    await world.propose(refund("second", 2_500), OTHER_AGENT)
    await world.propose(refund("withdrawn", 3_000))
    await world.control.cancel(OWNER, "withdrawn", "not needed")


SAID = [
    f"olga rejected the same at {as_text(NOON + HOUR_MS)}: “Never: it is <b>fraud</b>.”",
    f"The same was done, let run by Autopilot, at {as_text(NOON)}.",
    f"The same waits too: agent-bob asked at {as_text(NOON + 2 * HOUR_MS)}.",
]


async def test_the_inbox_says_who_rejected_the_same_that_it_was_done_and_that_it_waits(
    door: Door,
) -> None:
    await a_day(door.world)
    items = (await door.approver.get("/v1/approvals")).json()["items"]
    cards: dict[str, Any] = {item["action_intent_id"]: item for item in items}
    assert [act["sentence"] for act in cards["first"]["alike"]] == SAID
    assert [act["action_intent_id"] for act in cards["second"]["alike"]] == ["no", "done", "first"]
    assert cards["other"]["alike"] == []
    assert cards["first"]["likeness"] == cards["second"]["likeness"] != cards["other"]["likeness"]
    shown = (await door.approver.get("/v1/intents/first")).json()
    assert shown["alike"] == cards["first"]["alike"]
    assert (await door.approver.get("/v1/intents/done")).json()["alike"] == []


async def test_an_agent_learns_nothing_of_the_same_acts_of_others(door: Door) -> None:
    await a_day(door.world)
    assert (await door.agent.get("/v1/intents/first")).json()["alike"] == []
    again = {"account_id": "acme", "action_type": "ISSUE_REFUND", "confidence_score": 1.0}
    said = {"order_id": "ORD-1", "amount_minor": 7}
    answer = await door.agent.post(
        "/v1/intents", json={**again, "risk_level": "LOW", "parameters": said}
    )
    assert (answer.json()["reason"], answer.json()["alike"]) == ("REJECTED_BEFORE", [])
    assert "olga" not in answer.text


async def test_the_pages_put_the_same_acts_together_and_quote_what_was_said(door: Door) -> None:
    await a_day(door.world)
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    async with client(door.app, None) as browser:
        browser.base_url = "https://clearance"  # type: ignore[assignment]
        await browser.post("/sign-in", data={"key": door.keys["olga"]})
        page = (await browser.get("/needs-you")).text
    cards = re.findall(r'<article class="card" id="card-(\w+)"', page)
    assert cards == ["first", "second", "other"]
    assert page.count('<details class="same-act">') == 1
    assert "1 more of the same act waits" in page
    assert "<q><bdi>Never: it is &lt;b&gt;fraud&lt;/b&gt;.</bdi></q>" in page
    assert "olga rejected the same" in page


async def test_the_command_line_says_it_on_each_card(
    door: Door, capsys: pytest.CaptureFixture[str]
) -> None:
    await a_day(door.world)
    page = (await door.approver.get("/v1/approvals")).json()
    lists.inbox(Terminal(), page)
    assert " / ".join(SAID) in capsys.readouterr().out


async def test_a_no_of_an_edit_is_called_one_and_what_it_became_is_not_its_own_other(
    door: Door,
) -> None:
    await a_day(door.world)
    said = {"order_id": "ORD-1", "amount_minor": 11}
    request = RulingRequest(RulingKind.EDIT, parameters=said)
    ruled = await door.world.control.rule(APPROVER, "first.1", request)
    assert ruled.admitted is not None
    name = ruled.admitted.record.intent.action_intent_id
    own = (await door.approver.get(f"/v1/intents/{name}")).json()["alike"]
    assert [act["action_intent_id"] for act in own] == ["no", "done", "second"]
    others = (await door.approver.get("/v1/intents/second")).json()["alike"]
    assert others[0]["sentence"].startswith("olga edited the same at ")


async def test_a_stranger_s_same_act_is_in_no_card(door: Door) -> None:
    await a_day(door.world)
    _, key = await door.world.control.create_api_key(sample.STRANGER, "bot", Role.AGENT)
    async with client(door.app, key) as agent:
        body = {"account_id": "acme", "action_type": "ISSUE_REFUND", "risk_level": "LOW"}
        said = {"order_id": "ORD-1", "amount_minor": 1_500}
        await agent.post("/v1/intents", json={**body, "confidence_score": 0.5, "parameters": said})
    items = (await door.stranger.get("/v1/approvals")).json()["items"]
    assert [item["alike"] for item in items] == [[]]
