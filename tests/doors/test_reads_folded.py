"""Reads stand folded on the timeline of every door, and each of them can still be reached."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import httpx2
import pytest

from clearance.cli.output import Terminal
from clearance.cli.views import lists as views
from clearance.web import screens
from clearance.web.routes import mount
from clearance.web.timeline_filter import PAGE_SIZE
from tests.flow.test_reads import document
from tests.support.sample import OTHER_AGENT, refund, task

from .conftest import Door

pytestmark = pytest.mark.anyio

LOOKED_UP = "agent-ada: Look up an account, {} times"


@pytest.fixture
async def olga(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser at the pages of a tenant whose tasks are only looked up."""
    await door.world.configure(document(budgets=[{"max_per_day": 1000}]))
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = httpx2.ASGITransport(app=door.app)
    async with httpx2.AsyncClient(transport=transport, base_url="https://clearance") as browser:
        assert (await browser.post("/sign-in", data={"key": door.keys["olga"]})).is_redirect
        yield browser


async def reads(door: Door, *names: str, **changes: Any) -> None:
    for name in names:
        await door.world.propose(task(name, **changes))


async def timeline(door: Door, **query: Any) -> dict[str, Any]:
    page: dict[str, Any] = (await door.approver.get("/v1/timeline", params=query)).json()
    return page


def lines(capsys: pytest.CaptureFixture[str], page: dict[str, Any], *, each: bool) -> list[str]:
    capsys.readouterr()
    partial(views.timeline, each=each)(Terminal(), page)
    return capsys.readouterr().out.splitlines()


async def test_consecutive_reads_of_one_agent_are_one_line_and_each_is_behind_it(
    door: Door, olga: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await reads(door, "r1", "r2")
    await reads(door, "r3", "r4", account_id="globex")
    await door.world.propose(refund("money"))
    await reads(door, "r5", "r6")
    await door.world.propose(task("other"), OTHER_AGENT)
    shown = (await olga.get("/")).text
    assert LOOKED_UP.format(4) in shown
    assert shown.count("Look up an account, ") == 1, "two in a row are not folded"
    for name in ("r1", "r2", "r3", "r4", "money", "r5", "r6", "other"):
        assert shown.count(f'id="row-{name}"') == 1
        assert f'href="/intents/{name}"' in shown

    page = await timeline(door)
    assert {item["effect"] for item in page["items"]} == {"read", "keyed"}
    newest = page["items"][0]
    assert (newest["effect"], newest["action_label"]) == ("read", "Look up an account")
    assert newest["proposed_by"] == "agent-bob"
    folded = lines(capsys, page, each=False)
    assert len(folded) == 5
    assert LOOKED_UP.format(4) in folded[-1]
    assert len(lines(capsys, page, each=True)) == len(page["items"]) == 8


async def test_reads_with_another_end_are_not_folded_into_those_that_went_well(
    door: Door, olga: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    await reads(door, *(f"r{number}" for number in range(6)))
    for number in range(3):
        await door.world.run(f"r{number}")
    assert (await olga.get("/")).text.count(LOOKED_UP.format(3)) == 2
    assert len(lines(capsys, await timeline(door), each=False)) == 2


async def test_a_page_full_of_reads_goes_on_with_what_is_behind_them(
    door: Door, olga: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await door.world.propose(refund("money"))
    await reads(door, *(f"r{number}" for number in range(PAGE_SIZE + 5)))
    shown = (await olga.get("/")).text
    assert 'id="row-money"' in shown
    assert LOOKED_UP.format(PAGE_SIZE + 5) in shown
    assert 'rel="next"' not in shown
    monkeypatch.setattr(screens, "ROWS_MAX", PAGE_SIZE)
    shown = (await olga.get("/")).text
    assert LOOKED_UP.format(PAGE_SIZE) in shown
    older = re.search(r'href="([^"]+)" rel="next"', shown)
    assert older is not None
    assert 'id="row-money"' in (await olga.get(older[1].replace("&amp;", "&"))).text
