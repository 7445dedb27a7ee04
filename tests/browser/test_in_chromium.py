"""The pages in a real browser: live, by keyboard, on a phone, in the dark, for everybody, and
without JavaScript.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, expect

from clearance.core.approval import RulingKind
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Role
from clearance.core.record import IntentStatus
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import RulingRequest
from tests.browser.conftest import PATIENCE_MS, PHONE, Served, Visit
from tests.support.sample import AGENT, APPROVER, OTHER_AGENT, mail, refund, task

expect.set_options(timeout=30_000)  # milliseconds: two cores may be busy
pytestmark = pytest.mark.anyio

HOSTILE = "<b>bold</b> \u202e" + "unbreakable" * 12
EVERY_PAGE = (
    "/",
    "/?outcome=unknown",
    "/needs-you",
    "/intents/auto",
    "/intents/wait",
    "/intents/lost",
    "/intents/absurd",
    "/approvals/wait.1/edit",
    "/stop",
    "/?account_id=nobody",
)


async def a_day(served: Served) -> None:
    """One intent of each kind, some with text that means harm."""
    world = served.world

    async def answer(call: ToolCall) -> Any:
        if call.tool == "send_mail":
            sentence = "The tool crm.send_mail did not answer."
            raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, sentence, Sent.MAYBE))
        return {"answer": HOSTILE}

    world.tools.behave = answer
    for number in range(4):
        await world.propose(task(f"same-{number}", account_id="globex"))
    await world.propose(task("auto", parameters={"title": HOSTILE}, why=(HOSTILE,)))
    await world.propose(mail("lost"))
    await world.propose(refund("absurd", 900_000))
    await world.propose(refund("wait", 75_000, why=(HOSTILE,), target={"order": HOSTILE}))
    await world.propose(task("unsure", confidence_score=0.2, parameters={"title": HOSTILE}))
    await world.propose(refund("rejected", 80_000))
    await world.control.rule(
        APPROVER, "rejected.1", RulingRequest(RulingKind.REJECT, reason=HOSTILE)
    )


@pytest.mark.parametrize("served", ["", "/clearance"], indirect=True, ids=["root", "below a path"])
async def test_what_happens_appears_without_reloading(visit: Visit) -> None:
    for number in range(30):
        await visit.served.world.propose(
            refund(f"old-{number}", 75_000, account_id=f"account-{number}")
        )
    await visit.sign_in()
    page = visit.page
    await page.evaluate("window.notReloaded = true")
    opened = page.locator("#row-old-20")
    await opened.get_by_text("why?").click()
    await expect(opened.get_by_text("Refunds above 500.00 need a person.").nth(1)).to_be_visible()
    await opened.scroll_into_view_if_needed()
    before = await opened.bounding_box()

    await visit.served.world.propose(task("new"))
    row = page.locator("#rows > .row").first
    await expect(row).to_have_id("row-new")
    await expect(row.locator(".badge.autopilot")).to_have_text("autopilot")
    await expect(row.locator(".word")).to_have_text("Done")
    await expect(row).to_contain_text("Autopilot created the task 'Renewal call' for acme")
    await expect(page.locator(".counts .autopilot dd")).to_have_text("1")
    await expect(opened.get_by_text("Autonomy mode", exact=True)).to_be_visible()
    after = await opened.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["y"] - after["y"]) < 2, "what was being read moved away"
    assert await page.evaluate("window.notReloaded") is True
    await expect(page.locator("#row-new time")).not_to_contain_text("UTC")


@pytest.mark.parametrize("served", ["", "/clearance"], indirect=True, ids=["root", "below a path"])
async def test_approving_by_keyboard_runs_it(visit: Visit) -> None:
    world = visit.served.world
    await world.propose(refund("first", 75_000))
    await world.propose(refund("second", 76_000))
    await visit.sign_in(Role.APPROVER, "/needs-you")
    keys = visit.page.keyboard
    await keys.press("j")
    await expect(visit.page.locator("#card-first")).to_be_focused()
    await keys.press("j")
    await keys.press("k")
    await keys.press("j")
    await expect(visit.page.locator("#card-second")).to_be_focused()
    await keys.press("a")
    assert world.tools.calls == []
    await keys.press("Enter")
    flash = visit.page.locator("#flash")
    await expect(flash).to_contain_text("Approved by olga")
    await expect(visit.page.locator("#needs-count")).to_contain_text("1")
    await flash.get_by_role("link").click()
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(
        "agent-ada, approved by olga, refunded 76000 for ORD-1"
    )
    assert [call.arguments["amount_minor"] for call in world.tools.calls] == [76_000]
    assert (await world.record("first")).status is IntentStatus.AWAITING_APPROVAL


async def test_the_same_act_is_folded_and_the_keyboard_goes_by_what_is_seen(visit: Visit) -> None:
    world = visit.served.world
    for name, by in (("first", AGENT), ("again", OTHER_AGENT)):
        await world.propose(refund(name, 75_000), by)
    await world.propose(refund("other", 76_000))
    await visit.sign_in(Role.APPROVER, "/needs-you")
    page, keys = visit.page, visit.page.keyboard
    await keys.press("j")
    await keys.press("j")
    await expect(page.locator("#card-other")).to_be_focused()
    await expect(page.locator("#card-again")).not_to_be_visible()
    await page.get_by_text("1 more of the same act waits").click()
    await page.locator("#card-first").focus()
    await keys.press("j")
    await expect(page.locator("#card-again")).to_be_focused()
    said = page.locator("#card-again .alike")
    await expect(said).to_contain_text("The same waits too: agent-ada asked")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_rejecting_needs_a_reason_and_letters_in_it_are_letters(visit: Visit) -> None:
    await visit.served.world.propose(refund("big", 75_000))
    await visit.sign_in(Role.APPROVER, "/needs-you")
    page = visit.page
    await page.keyboard.press("j")
    await page.keyboard.press("r")
    reason = page.get_by_label("Why not?")
    await expect(reason).to_be_focused()
    await page.get_by_role("button", name="Reject", exact=True).click()
    assert await reason.evaluate("field => field.validity.valueMissing") is True
    assert (await visit.served.world.record("big")).status is IntentStatus.AWAITING_APPROVAL
    await reason.press_sequentially("a rare, jerky ask")
    await page.get_by_role("button", name="Reject", exact=True).click()
    await expect(page.locator("#flash")).to_contain_text("Rejected by olga")
    record = await visit.served.world.record("big")
    assert record.approval is not None
    assert record.approval.decisive is not None
    assert record.approval.decisive.reason == "a rare, jerky ask"


async def test_shortcuts_can_be_turned_off(visit: Visit) -> None:
    await visit.served.world.propose(refund("big", 75_000))
    await visit.sign_in(Role.APPROVER, "/needs-you")
    await visit.page.get_by_role("button", name="Turn shortcuts off").click()
    await visit.page.reload()
    await visit.page.keyboard.press("j")
    await expect(visit.page.locator("#card-big")).not_to_be_focused()
    await visit.page.get_by_role("button", name="Turn keyboard shortcuts on").click()
    await visit.page.keyboard.press("j")
    await expect(visit.page.locator("#card-big")).to_be_focused()


async def test_what_others_settle_is_said_in_place(visit: Visit) -> None:
    world = visit.served.world
    await world.propose(refund("big", 75_000))
    await visit.sign_in(Role.OWNER, "/needs-you")
    page, card = visit.page, visit.page.locator("#card-big")
    await card.get_by_text("Reject…").click()
    await card.get_by_label("Why not?").fill("half a sentence")
    await world.propose(refund("other", 76_000))
    await expect(page.get_by_text("1 new request.")).to_be_visible()
    await expect(card.get_by_label("Why not?")).to_have_value("half a sentence")
    await world.control.rule(APPROVER, "big.1", RulingRequest(RulingKind.APPROVE))
    await expect(card.get_by_text("Settled meanwhile")).to_be_visible()
    await expect(card.get_by_role("button", name="Approve")).to_be_hidden()


async def test_an_owners_edit_is_their_approval_too(visit: Visit) -> None:
    await visit.served.world.propose(refund("big", 75_000))
    await visit.sign_in(Role.OWNER, "/needs-you")
    page = visit.page
    await page.keyboard.press("e")
    await page.get_by_label("amount_minor").fill("1200")
    await page.get_by_role("button", name="Edit and approve").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("refunded 1200 for ORD-1")
    await expect(page.locator(".title .badge")).to_contain_text("approved by")
    assert [call.arguments["amount_minor"] for call in visit.served.world.tools.calls] == [1_200]


async def test_the_stop_switch_is_seen_everywhere_at_once(visit: Visit) -> None:
    world, go = visit.served.world, asyncio.Event()

    async def slow(_: ToolCall) -> Any:
        await go.wait()
        return {}

    world.tools.behave = slow
    await world.propose(task("sent"))
    await visit.sign_in()
    other = await visit.context.new_page()
    await other.goto(visit.served.url + "/")
    await expect(other.locator("#row-sent")).to_contain_text("Running")
    page = visit.page
    await page.get_by_role("link", name="Not stopped").click()
    await page.get_by_role("link", name="An account").click()
    await page.get_by_label("Name (you are asked").fill("acmee")
    await page.get_by_label("Why").fill("doubled tasks")
    await page.get_by_role("button", name="Stop", exact=True).click()
    await expect(page.get_by_text("Nothing was stopped yet.")).to_be_visible()
    await page.get_by_role("button", name="Stop acme", exact=True).click()
    await expect(page.get_by_text("The stop switch is on.")).to_be_visible()
    stop = page.locator(".stop")
    await expect(stop).to_contain_text("crm.create_task")
    await expect(other.locator("#stop-state")).to_have_text("Stopped: account acme (hold)")
    await world.propose(task("held"))
    await expect(other.locator("#row-held")).to_contain_text(
        "The stop switch for account acme is on."
    )
    await expect(other.locator("#held")).to_contain_text("Held by the stop switch: 1 waiting.")
    await expect(stop).to_contain_text("1 that waits for a person")
    go.set()
    await expect(stop).to_contain_text("0 calls")
    await expect(stop).not_to_contain_text("crm.create_task")
    await page.get_by_role("link", name="Lift…").click()
    await expect(page.get_by_text("No approved act starts at once.")).to_be_visible()
    await page.get_by_role("button", name="Lift").click()
    await expect(other.locator("#stop-state")).to_have_text("Not stopped")
    await expect(other.locator("#held")).to_be_empty()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_page_is_for_everybody(visit: Visit, scheme: Any) -> None:
    await a_day(visit.served)
    await visit.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await visit.go("/sign-in")
    await _no_violations(visit)
    await visit.sign_in()
    paper = await visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(250, 250, 249)", "dark": "rgb(17, 17, 16)"}[scheme]
    await expect(visit.page.locator("#row-lost .word")).to_have_text("Unknown")
    for path in EVERY_PAGE:
        await visit.go(path)
        await _unfold(visit)
        await _no_violations(visit)


async def _unfold(visit: Visit) -> None:
    """Opens everything that can be opened, and waits for what is loaded then."""
    await visit.page.evaluate(
        "document.querySelectorAll('main details').forEach(details => { details.open = true })"
    )
    await expect(
        visit.page.get_by_role("link", name="The gate's answer is on its page")
    ).to_have_count(0)


async def _no_violations(visit: Visit) -> None:
    found = await Axe().run(visit.page)
    serious = [
        one
        for one in found.response["violations"]
        if one["impact"] in {"serious", "critical", "moderate"}
    ]
    assert serious == [], visit.page.url


async def test_nothing_scrolls_sideways_on_a_phone(visit: Visit) -> None:
    await a_day(visit.served)
    for width in (PHONE["width"], 320):
        await visit.page.set_viewport_size({"width": width, "height": PHONE["height"]})
        if width == PHONE["width"]:
            await visit.sign_in()
        for path in EVERY_PAGE:
            await visit.go(path)
            await _unfold(visit)
            wide = await visit.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (path, wide)
    await visit.go("/needs-you")
    approve = await visit.page.get_by_role("button", name="Approve").first.bounding_box()
    assert approve is not None
    assert approve["height"] >= 44


async def test_everything_works_without_javascript(browser: Browser, served: Served) -> None:
    await served.world.propose(refund("big", 75_000))
    context = await browser.new_context(java_script_enabled=False)
    context.set_default_timeout(PATIENCE_MS)
    page = await context.new_page()
    await page.goto(f"{served.url}/intents/big")
    await page.get_by_label("API key").fill(served.keys[Role.APPROVER])
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        "agent-ada wants to refund 75000 for ORD-1"
    )
    await expect(page.locator("time").first).to_contain_text("UTC")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.get_by_text("Your ruling is recorded.")).to_be_visible()
    await page.get_by_role("link", name="Timeline").click()
    await expect(page.locator("#row-big")).to_contain_text("approved by olga")
    await page.locator("#row-big").get_by_text("why?").click()
    await expect(page.get_by_role("link", name="The gate's answer is on its page")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You are signed out.")).to_be_visible()
    await context.close()


async def test_a_link_in_a_message_finds_the_session(visit: Visit) -> None:
    """The cookie is SameSite=Strict, so that the browser leaves it out when another site leads
    here.
    """
    await visit.served.world.propose(refund("big", 75_000))
    await visit.sign_in()
    elsewhere = visit.served.url.replace("127.0.0.1", "localhost")
    await visit.page.goto(f"{elsewhere}/sign-in")
    await visit.page.evaluate(
        "address => { location.href = address }", f"{visit.served.url}/intents/big"
    )
    await expect(visit.page.get_by_role("heading", level=1)).to_have_text(
        "agent-ada wants to refund 75000 for ORD-1"
    )


async def test_signing_out_ends_what_is_live(visit: Visit) -> None:
    await visit.sign_in()
    other = await visit.context.new_page()
    await other.goto(visit.served.url + "/")
    await visit.page.get_by_role("button", name="Sign out").click()
    await visit.page.wait_for_url("**/sign-in?flash=signed-out")
    async with other.expect_response(
        lambda answer: "/events/" in answer.url and answer.status == 401
    ):
        await visit.served.world.control.propose(AGENT, task("unseen"))
    await expect(other.locator("#row-unseen")).to_have_count(0)
    visit.complaints.clear()
