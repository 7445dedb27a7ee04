"""A stop that proves that it stopped, at the REST door and on the pages: what is held, what is
under way, that a name is nobody's, who may lift it, and how many acts a lift starts.
"""

from __future__ import annotations

import asyncio
import html
import re
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from starlette.requests import Request

from clearance.cli.views import stops as stop_views
from clearance.core.credential import principal_of
from clearance.core.errors import Unavailable
from clearance.core.principal import EVERYWHERE, Role
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.doors import stopping
from clearance.flow.requests import StopReceipt
from clearance.profiles.parts import operator
from clearance.web import live
from clearance.web.rendering import Renderer
from clearance.web.routes import mount
from clearance.web.visitor import Site, Visitor
from tests.doors.conftest import Door, problem
from tests.support.sample import TENANT, mail, refund, task

pytestmark = pytest.mark.anyio

ANY = {"If-Match": "*"}
PATH = "/v1/autonomy/stop-switches"
OPERATOR = operator(EVERYWHERE)
HOSTILE = '"><script>alert(1)</script>'


def switch(scope: str = "AGENT", subject: str | None = "agent-ada", **more: Any) -> dict[str, Any]:
    return {"scope": scope, "subject": subject, "level": "HOLD", "reason": "odd", **more}


async def put(client: httpx2.AsyncClient, *switches: dict[str, Any]) -> dict[str, Any]:
    answer = await client.put(PATH, json={"stop_switches": list(switches)}, headers=ANY)
    assert answer.status_code == 200, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def receipts(client: httpx2.AsyncClient) -> list[dict[str, Any]]:
    answer = await client.get("/v1/stop-receipts")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


class Busy:
    """A day of agent-ada: one act done, two calls under way, two acts approved, one that waits."""

    def __init__(self, door: Door) -> None:
        self.door, self.go = door, asyncio.Event()
        self.running: list[asyncio.Task[Any]] = []

    async def begin(self) -> None:
        world = self.door.world
        await world.propose(task("done"))
        await world.run("done")

        async def slow(_: object) -> dict[str, bool]:
            await self.go.wait()
            return {"ok": True}

        world.tools.behave = slow
        for proposal in (task("first"), mail("second")):
            await world.propose(proposal)
            name = str(proposal.action_intent_id)
            self.running.append(asyncio.create_task(world.run(name)))
        with anyio.fail_after(5):
            while len(world.tools.calls) < 3:
                await anyio.sleep(0.01)
        for name in ("third", "fourth"):
            await world.propose(task(name, account_id="globex"))
        await world.propose(refund("big", 75_000))

    async def end(self) -> None:
        self.go.set()
        await asyncio.gather(*self.running)


@pytest.fixture
async def busy(door: Door) -> AsyncIterator[Busy]:
    made = Busy(door)
    await made.begin()
    yield made
    await made.end()


# --- Over REST ---


async def test_a_stop_answers_what_it_holds_and_what_it_came_too_late_for(
    door: Door, busy: Busy
) -> None:
    preview = await door.auditor.get("/v1/stop-receipts/preview?scope=AGENT&subject=agent-ada")
    answer = await put(door.owner, switch())
    [receipt] = answer["receipts"]
    assert (receipt["known"], receipt["near"], receipt["on"]) == (True, [], True)
    assert (receipt["waiting"], receipt["approved"], receipt["under_way"]) == (1, 2, 2)
    assert (receipt["done"], receipt["starts"]) == ({"SUCCEEDED": 1}, 2)
    assert (answer["starts"], answer["receipt_problem"]) == (0, None)
    calls = {call["action_intent_id"]: call for call in receipt["calls"]}
    assert {name: call["tool"] for name, call in calls.items()} == {
        "first": "crm.create_task",
        "second": "crm.send_mail",
    }
    attempt = (await door.auditor.get("/v1/intents/first")).json()["attempt"]
    assert calls["first"]["since"] == attempt["started_at"]
    assert calls["first"]["deadline"] == attempt["lease_until"]
    assert (receipt["switch"]["set_by"], receipt["switch"]["lifted_by"]) == ("owner", "APPROVER")
    before = preview.json()
    assert (before["on"], before["stop"], before["recorded"]) == (False, None, None)
    for name in ("waiting", "approved", "under_way", "calls", "done", "starts"):
        assert before[name] == receipt[name], name
    entries = {entry["position"]: entry for entry in await positioned(door)}
    assert entries[receipt["stop"]]["kind"] == "STOP_SWITCHES_CHANGED"
    assert entries[receipt["recorded"]]["under_way"] == 2
    await busy.end()
    [live] = await receipts(door.auditor)
    assert (live["under_way"], live["calls"], live["approved"]) == (0, [], 2)
    again = await put(door.approver, *answer["stop_switches"])
    assert (again["receipts"], again["version"]) == ([], answer["version"])
    lifted = await put(door.approver)
    assert (lifted["starts"], lifted["receipts"], lifted["stop_switches"]) == (2, [], [])
    assert await receipts(door.auditor) == []


async def positioned(door: Door) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await door.auditor.get("/v1/ledger/entries?limit=500")).json()[
        "items"
    ]
    return items


async def test_only_what_is_stopped_or_made_stricter_has_a_receipt(door: Door, busy: Busy) -> None:
    everything = switch("TENANT", None)
    await put(door.owner, switch())
    both = await put(door.owner, switch(), everything)
    assert [receipt["switch"]["scope"] for receipt in both["receipts"]] == ["TENANT"]
    [agent, tenant] = await receipts(door.auditor)
    assert (agent["starts"], tenant["starts"]) == (0, 0)  # each is held by the other too
    stricter = await put(door.owner, switch(level="REFUSE"), everything)
    [receipt] = stricter["receipts"]
    assert (receipt["switch"]["scope"], receipt["switch"]["level"]) == ("AGENT", "REFUSE")
    one = await put(door.owner, everything)
    assert (one["starts"], one["receipts"]) == (0, [])
    assert (await put(door.owner))["starts"] == 2


@pytest.mark.parametrize(
    ("scope", "wrong", "near"),
    [
        ("AGENT", "agent-adda", "agent-ada"),
        ("ACCOUNT", "gl0bex", "globex"),
        ("ACTION_TYPE", "SEND_MAILS", "SEND_MAIL"),
        ("TOOL_SERVER", "crn", "crm"),
    ],
)
async def test_a_name_that_nothing_has_is_stopped_and_said_to_be_nobodys(
    door: Door, scope: str, wrong: str, near: str
) -> None:
    answer = await put(door.approver, switch(scope, wrong))
    [receipt] = answer["receipts"]
    assert receipt["known"] is False
    assert near in receipt["near"]
    assert len(receipt["near"]) <= 5
    [live] = await receipts(door.auditor)  # its own switch does not make it known
    assert (live["known"], live["on"]) == (False, True)


@pytest.mark.parametrize("fault", [Unavailable("Not now."), RuntimeError("a bug"), TimeoutError()])
async def test_a_receipt_that_cannot_be_made_does_not_hide_that_the_stop_is_on(
    door: Door, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(stopping, "COUNTING_SECONDS_MAX", 0.05)

    async def failing(*_: object) -> StopReceipt:
        if isinstance(fault, TimeoutError):
            await anyio.sleep_forever()
        raise fault

    whole = type(door.world.control).stop_receipt
    monkeypatch.setattr(type(door.world.control), "stop_receipt", failing)
    answer = await put(door.owner, switch())
    assert (answer["receipts"], len(answer["stop_switches"])) == ([], 1)
    assert answer["receipt_problem"]["sentence"].endswith(".")
    assert "a bug" not in answer["receipt_problem"]["sentence"]
    lifted = await put(door.owner)
    assert (lifted["starts"], lifted["stop_switches"]) == (None, [])
    assert lifted["receipt_problem"] is not None
    monkeypatch.setattr(type(door.world.control), "stop_receipt", whole)
    assert len((await put(door.owner, switch()))["receipts"]) == 1


async def test_an_answer_is_put_back_whole(door: Door) -> None:
    answer = await put(door.owner, switch())
    assert (await put(door.owner, *answer["stop_switches"]))["version"] == answer["version"]
    back = await door.owner.put(PATH, json=answer, headers=ANY)
    assert (back.status_code, back.json()["version"]) == (200, answer["version"])


async def test_receipts_are_for_people_of_the_tenant(door: Door, busy: Busy) -> None:
    await put(door.owner, switch())
    for path in ("/v1/stop-receipts", "/v1/stop-receipts/preview?scope=TENANT"):
        problem(await door.agent.get(path), 403, "FORBIDDEN")
        problem(await door.nobody.get(path), 401, "UNAUTHENTICATED")
    assert await receipts(door.stranger) == []
    foreign = await door.stranger.get("/v1/stop-receipts/preview?scope=AGENT&subject=agent-ada")
    assert (foreign.json()["known"], foreign.json()["under_way"]) == (False, 0)
    for query in ("scope=GLOBAL", "scope=AGENT", "scope=TENANT&subject=x", "scope=x", "subject=x"):
        path = f"/v1/stop-receipts/preview?{query}"
        problem(await door.auditor.get(path), 422, "INVALID_QUERY")


async def test_an_owners_refusal_is_an_owners_to_lift(door: Door) -> None:
    await put(door.owner, switch(level="REFUSE"))
    for loosened in ([], [switch()], [switch(level="REFUSE", lifted_by="APPROVER")]):
        refused = await door.approver.put(PATH, json={"stop_switches": loosened}, headers=ANY)
        problem(refused, 403, "STOP_IS_OWNERS")
    assert len(await receipts(door.auditor)) == 1
    assert (await put(door.owner))["stop_switches"] == []
    chosen = await put(door.owner, switch(level="REFUSE", lifted_by="APPROVER"))
    assert chosen["receipts"][0]["switch"]["lifted_by"] == "APPROVER"
    assert (await put(door.approver))["stop_switches"] == []


# --- On the pages ---


@pytest.fixture
async def olga(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    browser = await signed_in(door, "olga")
    yield browser
    await browser.aclose()


@pytest.fixture
async def owner(door: Door) -> AsyncIterator[httpx2.AsyncClient]:
    browser = await signed_in(door, "owner")
    yield browser
    await browser.aclose()


async def signed_in(door: Door, name: str) -> httpx2.AsyncClient:
    if not any(getattr(route, "path", "") == "/stop" for route in door.app.router.routes):
        mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = httpx2.ASGITransport(door.app)
    browser = httpx2.AsyncClient(transport=transport, base_url="https://clearance.test")
    answer = await browser.post("/sign-in", data={"key": door.keys[name]})
    assert answer.status_code == 303, answer.text
    return browser


def words(page: httpx2.Response | str) -> str:
    text = page if isinstance(page, str) else page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())


async def form(browser: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    page = (await browser.get("/stop")).text
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert token
    stop = {"do": "stop", "scope": "AGENT", "level": "HOLD", "reason": "odd", "csrf": token[1]}
    return await browser.post("/stop", data={**stop, **fields})


async def test_a_subject_is_picked_from_what_exists(
    door: Door, busy: Busy, olga: httpx2.AsyncClient
) -> None:
    agents = await olga.get("/stop")
    assert '<input type="radio" name="subject" value="agent-ada">' in agents.text
    assert "agent-ada 2 under way 2 approved 1 waits" in words(agents)
    assert "An agent 2" in words(agents)  # and the owner, whose key may propose
    accounts = words(await olga.get("/stop?kind=ACCOUNT"))
    assert "acme 2 under way 0 approved 1 waits" in accounts
    assert "globex 0 under way 2 approved 0 wait" in accounts
    servers = words(await olga.get("/stop?kind=TOOL_SERVER"))
    assert "crm 2 under way 2 approved 1 waits" in servers
    tenant = words(await olga.get("/stop?kind=TENANT"))
    assert "It reaches 2 under way, 2 approved and 1 that waits for a person." in tenant
    assert words(await olga.get("/stop?kind=nonsense")) == words(agents)
    done = await form(olga, subject="agent-ada")
    assert (done.status_code, done.headers["location"]) == (303, "/stop?flash=stopped")
    page = await olga.get(done.headers["location"])
    shown = words(page)
    assert "The agent agent-ada is held odd By olga" in shown
    assert "Held 3 not started 2 approved, 1 that waits for a person" in shown
    assert "Under way 2 calls sent before the stop, and not taken back" in shown
    assert "Ended in 24 hours 1 in all 1 succeeded" in shown
    assert "first crm.create_task sent" in shown
    assert 'href="/intents/second"' in page.text
    assert "2 approved acts start at once then" in shown
    assert "2 approved and 1 waiting were held; 2 calls were under way." in shown


async def test_a_name_that_nothing_has_is_asked_about_once_more(
    door: Door, olga: httpx2.AsyncClient
) -> None:
    asked = await form(olga, other="agent-adda", reason=HOSTILE, lifted_by="OWNER")
    assert asked.status_code == 200
    assert "Nothing was stopped yet." in words(asked)
    assert "Stop agent-ada" in words(asked)
    assert "<script>" not in asked.text
    assert await receipts(door.auditor) == []
    near, _, all_the_same = asked.text.partition("</section>")
    for part, name in ((near, "agent-ada"), (all_the_same, "agent-adda")):
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', part))
        confirmed = {key: html.unescape(value) for key, value in fields.items()}
        assert (confirmed["subject"], confirmed["reason"]) == (name, HOSTILE)
        done = await olga.post("/stop", data=confirmed)
        assert (done.status_code, done.headers["location"]) == (303, "/stop?flash=stopped")
    found = {each["switch"]["subject"]: each for each in await receipts(door.auditor)}
    assert {name: each["known"] for name, each in found.items()} == {
        "agent-ada": True,
        "agent-adda": False,
    }
    assert {each["switch"]["lifted_by"] for each in found.values()} == {"OWNER"}
    page = await olga.get("/stop")
    assert "Nothing has this name now. Did you mean agent-ada ?" in words(page)
    assert "<script>" not in page.text


async def test_a_confirmation_is_of_one_name(door: Door, olga: httpx2.AsyncClient) -> None:
    other = await form(olga, subject="agent-bda", confirmed="agent-adda")
    assert "Nothing was stopped yet." in words(other)
    both = await form(olga, subject="agent-ada", other="agent-bda")
    assert (both.status_code, "leave one of them out" in both.text) == (422, True)
    assert await receipts(door.auditor) == []
    known = await form(olga, scope="ACCOUNT", other="globex")
    assert known.status_code == 303


async def test_a_lift_says_first_what_starts(
    door: Door, busy: Busy, olga: httpx2.AsyncClient
) -> None:
    await form(olga, subject="agent-ada")
    link = re.search(r'<a class="button" href="([^"]+)">Lift', (await olga.get("/stop")).text)
    assert link
    address = html.unescape(link[1])
    asked = await olga.get(address)
    assert "2 approved acts start at once. 1 waits for a person all the same." in words(asked)
    assert len(await receipts(door.auditor)) == 1  # looking lifts nothing
    await put(door.owner, *(await door.owner.get(PATH)).json()["stop_switches"], GLOBEX)
    asked = await olga.get(address)
    said = "No approved act starts at once. 2 more stay held by another stop."
    assert said in words(asked)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', asked.text.rpartition("<form")[2]))
    lifted = await olga.post("/stop", data=fields)
    assert (lifted.status_code, lifted.headers["location"]) == (303, "/stop?flash=lifted")
    assert [each["switch"]["subject"] for each in await receipts(door.auditor)] == ["globex"]
    assert (await olga.get(address)).status_code == 404
    assert (await olga.post("/stop", data=fields)).status_code == 404


GLOBEX = switch("ACCOUNT", "globex")


async def test_who_may_not_lift_is_told_who_may(
    door: Door, olga: httpx2.AsyncClient, owner: httpx2.AsyncClient
) -> None:
    assert (await form(owner, subject="agent-ada", level="REFUSE")).status_code == 303
    page = words(await olga.get("/stop"))
    assert "The agent agent-ada is refused" in page
    assert "Only an owner may lift it." in page
    assert "Lift…" not in page
    refused = await form(olga, do="lift", subject="agent-ada")
    assert refused.status_code == 403
    assert "This is not yours to do" in words(refused)
    assert "STOP_IS_OWNERS" in refused.text
    assert "Only an owner may lift it." in words(
        await olga.get("/stop/lift?scope=AGENT&subject=agent-ada")
    )
    assert "Lift…" in words(await owner.get("/stop"))
    assert (await form(owner, do="lift", subject="agent-ada")).status_code == 303


async def test_the_operators_stop_says_what_it_holds_here(
    door: Door, busy: Busy, owner: httpx2.AsyncClient
) -> None:
    everything = StopSwitch(StopScope.GLOBAL, None, StopLevel.HOLD, "Restored from a backup")
    await door.world.control.put_everywhere_stop(OPERATOR, [everything])
    page = words(await owner.get("/stop"))
    assert "Everything on this installation is held Restored from a backup" in page
    assert "Held 3 not started 2 approved, 1 that waits for a person" in page
    assert "Only the operator of this installation may lift it." in page
    assert "Lift…" not in page
    assert (await form(owner, do="lift", scope="GLOBAL")).status_code == 404


async def test_the_page_lives_without_its_counts(
    door: Door, owner: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await form(owner, subject="agent-ada")
    control = type(door.world.control)

    async def failing(*_: object) -> Any:
        raise Unavailable("The counts are not to be had.")

    for verb in ("stop_receipt", "stop_receipts", "stop_subjects"):
        monkeypatch.setattr(control, verb, failing)
    page = words(await owner.get("/stop"))
    assert "The counts are not to be had. What is stopped is stopped all the same." in page
    assert "The agent agent-ada is held odd" in page
    asked = words(await owner.get("/stop/lift?scope=AGENT&subject=agent-ada"))
    assert "How many approved acts start is not known." in asked
    # Nothing can say whether the name is known: a brake does not wait for that.
    assert (await form(owner, other="agent-bob")).status_code == 303
    assert (await form(owner, do="lift", subject="agent-ada")).status_code == 303


async def test_the_receipt_on_the_page_is_live(
    door: Door, busy: Busy, olga: httpx2.AsyncClient
) -> None:
    await form(olga, subject="agent-ada")
    site = Site(door.world.control, door.access, door.world.clock, Renderer())
    visitor = Visitor(principal_of(TENANT, "olga", Role.APPROVER), "")
    request = Request({"type": "http", "headers": [], "query_string": b"", "path": "/events/stop"})
    before = words(await live.show_stops(site, visitor, request, 0))
    await busy.end()
    after = words(await live.show_stops(site, visitor, request, 0))
    assert "Under way 2 calls" in before
    assert "Under way 0 calls" in after
    assert "Ended in 24 hours 3 in all" in after


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        (None, ""),
        ({}, "no call was under way"),
        ({"SUCCEEDED": 2}, "every call under way at the stop has ended"),
        ({"SUCCEEDED": 2, "UNKNOWN": 1}, "1 call of 3 at the stop ended without a known outcome"),
    ],
)
def test_a_call_whose_outcome_nobody_knows_is_not_said_to_have_ended(
    ended: dict[str, int] | None, words: str
) -> None:
    text = stop_views._over({"ended": ended, "closed": ended is not None})
    assert words in text
    assert bool(words) is bool(text)
