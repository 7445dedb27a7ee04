"""What is not there any more, and what only a later version knows, at every door: it is said, and
nothing fails.
"""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from clearance.api import wire
from clearance.cli.output import Facts, Terminal
from clearance.cli.views import intents as views
from clearance.web.routes import mount
from tests.doors.conftest import UNSURE, Door

pytestmark = pytest.mark.anyio
WHY = "Ann is in hospital."


@pytest.fixture
async def browser(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = httpx2.ASGITransport(door.app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://clearance") as opened:
        answer = await opened.post("/sign-in", data={"key": door.keys["owner"]})
        assert answer.status_code == 303
        yield opened


async def page(browser: httpx2.AsyncClient, path: str) -> str:
    """The words of a page, on one line."""
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


async def rejected(door: Door) -> None:
    await door.propose(UNSURE)
    body = {"ruling": "reject", "reason": WHY}
    answer = await door.approver.post("/v1/approvals/t1.1/rulings", json=body)
    assert answer.status_code == 201, answer.text


async def transitions(door: Door) -> list[str]:
    """What is counted of the steps of intents."""
    text = (await door.nobody.get("/metrics")).text
    return [line for line in text.splitlines() if line.startswith("clearance_transitions_total{")]


def printed(facts: Facts, capsys: pytest.CaptureFixture[str]) -> str:
    views.intent(Terminal(), facts)
    return capsys.readouterr().out


async def test_a_reason_is_shown_until_it_is_erased_and_then_that_it_was(
    door: Door, browser: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await rejected(door)
    before = (await door.auditor.get("/v1/intents/t1")).json()
    moved = await transitions(door)
    history = (await door.auditor.get("/v1/intents/t1/explanation")).json()["history"]
    assert before["approval"]["ruling"]["reason"] == history[-1]["reason"] == WHY
    assert WHY in printed(before, capsys)
    for path in ("/", "/intents/t1"):
        assert WHY in await page(browser, path)

    erased = await door.owner.post("/v1/intents/t1/erasure", json={"reason": "Case 7."})
    wire.ErasedIntent.model_validate(erased.json())
    [gone] = erased.json()["reasons_erased"]
    assert gone == {"position": history[-1]["position"], "text": "/reason"}
    after = (await door.auditor.get("/v1/intents/t1")).json()
    ruling = after["approval"]["ruling"]
    assert (ruling["reason"], ruling["erased"], after["status"]) == (None, True, "REJECTED")
    _, entry, last = (await door.auditor.get("/v1/intents/t1/explanation")).json()["history"]
    assert "reason" not in entry
    assert (entry["erased"], entry["reason_digest"]) == (["/reason"], history[-1]["reason_digest"])
    assert (last["kind"], last["reason"]) == ("CONTENT_ERASED", "Case 7.")
    assert "(the reason was erased)" in printed(after, capsys)
    for path in ("/", "/intents/t1"):
        words = await page(browser, path)
        assert "The reason was erased." in words
        assert WHY not in words
    assert await transitions(door) == moved != []
    everything = (await door.auditor.get("/v1/ledger/entries")).text
    assert WHY not in everything


@pytest.mark.parametrize("column", ["approval_source", "executor"])
async def test_what_a_later_version_wrote_is_shown_at_every_door(
    door: Door,
    browser: httpx2.AsyncClient,
    capsys: pytest.CaptureFixture[str],
    column: str,
) -> None:
    await door.propose()
    value = {"approval_source": "GRANT", "executor": "caller"}[column]
    door.world.sql(f"UPDATE intent SET {column} = '{value}'")
    intent = (await door.auditor.get("/v1/intents/t1")).json()
    wire.Intent.model_validate(intent)
    assert intent[column] == value
    assert value in printed(intent, capsys)
    assert (await door.auditor.get("/v1/intents/t1/explanation")).status_code == 200
    [line] = (await door.auditor.get("/v1/timeline")).json()["items"]
    assert line["approval_source"] == intent["approval_source"]
    for path in ("/", "/intents/t1"):
        assert f"does not know the {column.replace('_', ' ')} {value}" in await page(browser, path)
    refused = await door.agent.post("/v1/intents/t1/cancellation", json={"reason": "no"})
    assert (refused.status_code, refused.json()["code"]) == (409, "OF_A_LATER_VERSION")
