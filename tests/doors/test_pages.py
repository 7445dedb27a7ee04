"""The pages, asked by HTTP: who gets in, what a form must prove, and what strangers' text cannot
do.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st

from clearance.api.app import create_app
from clearance.core import gate
from clearance.core.credential import principal_of
from clearance.core.errors import Unavailable
from clearance.core.moment import HOUR_MS
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Role
from clearance.core.record import IntentStatus
from clearance.core.schema import CompiledSchema
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.core.visible import visible
from clearance.doors.access import Access
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import SettingsPart
from clearance.web import edit_form, presenting, sign_in
from clearance.web.routes import mount
from tests.support import sample
from tests.support.sample import OWNER, STRANGER, mail, refund, task
from tests.support.world import World

pytestmark = pytest.mark.anyio

HTTPS = "https://clearance.test"
HTTP = "http://clearance.test"
HOSTILE = '<img src=x onerror="alert(1)">\u202egnp.exe{{ 7*7 }}</bdi></hx-partial>'


@dataclass
class Door:
    """The pages of a world, and browsers at them."""

    world: World
    app: FastAPI
    access: Access
    keys: dict[str, str] = field(default_factory=dict)

    async def key(self, name: str, role: Role, tenant_id: str = sample.TENANT) -> str:
        if name not in self.keys:
            owner = principal_of(tenant_id, "owner", Role.OWNER)
            _, self.keys[name] = await self.world.control.create_api_key(owner, name, role)
        return self.keys[name]

    async def chosen(self, name: str, text: str) -> None:
        owner = principal_of(sample.TENANT, "owner", Role.OWNER)
        await self.world.control.ensure_api_key(owner, name, Role.APPROVER, text)

    def browser(
        self, base: str = HTTPS, client: tuple[str, int] = ("127.0.0.1", 123)
    ) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=self.app, client=client)
        return httpx2.AsyncClient(transport=transport, base_url=base)

    async def signed_in(
        self, name: str = "olga", role: Role = Role.APPROVER, tenant_id: str = sample.TENANT
    ) -> httpx2.AsyncClient:
        browser = self.browser()
        answer = await browser.post("/sign-in", data={"key": await self.key(name, role, tenant_id)})
        assert answer.status_code == 303, answer.text
        return browser


@pytest.fixture
async def door(world: World) -> Door:
    access = Access(world.store, world.clock)
    app = create_app(world.control, access)
    mount(app, world.control, access, clock=world.clock)
    return Door(world, app, access)


def csrf_in(page: str) -> str:
    """What the page's forms carry."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found, page
    return found[1]


def text_of(page: str) -> str:
    """The page's words on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def waiting_refund(door: Door, name: str = "big", **changes: Any) -> dict[str, str]:
    """A refund that waits for a person, and the fields of a form that rules on it."""
    record = await door.world.propose(refund(name, 75_000, **changes))
    assert record.approval is not None
    return {"digest": record.approval.digest, "from": "needs-you"}


PAGES = (
    "/",
    "/needs-you",
    "/intents/big",
    "/intents/big/why",
    "/approvals/big.1/edit",
    "/stop",
    "/nowhere",
)
FORMS = {
    "/approvals/big.1/rulings": {"ruling": "approve"},
    "/approvals/big.1/edit": {"p.order_id": "ORD-1", "p.amount_minor": "1"},
    "/intents/big/cancellation": {"reason": "not needed"},
    "/intents/lost/reconciliation": {"status": "SUCCEEDED", "reason": "seen"},
    "/stop": {"do": "stop", "scope": "TENANT", "level": "HOLD", "reason": "wait"},
    "/sign-out": {},
}


async def test_nobody_sees_a_page_without_signing_in(door: Door) -> None:
    await waiting_refund(door)
    browser = door.browser()
    for path in PAGES:
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (
            303,
            "/sign-in",
        ), path
        fragment = await browser.get(path, headers={"HX-Request": "true"})
        assert (fragment.status_code, fragment.headers["hx-redirect"]) == (401, "/sign-in")
    for path, form in FORMS.items():
        answer = await browser.post(path, data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in"), path
    for path in ("/events", "/events/timeline", "/events/needs-you", "/events/intents/big"):
        assert (await browser.get(path)).status_code == 401, path
    assert (await door.world.record("big")).status is IntentStatus.AWAITING_APPROVAL


@pytest.mark.parametrize("base", [HTTPS, HTTP])
async def test_a_key_becomes_a_cookie_that_only_this_site_gets(door: Door, base: str) -> None:
    key = await door.key("olga", Role.APPROVER)
    browser = door.browser(base)
    answer = await browser.post("/sign-in", data={"key": f" {key}\n", "next": "/intents/x?ruled=x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/intents/x?ruled=x")
    cookie, *flags = [part.strip() for part in answer.headers["set-cookie"].split(";")]
    secure = base == HTTPS
    assert cookie.startswith("__Host-clearance_session=" if secure else "clearance_session=")
    assert {"HttpOnly", "Path=/", "SameSite=strict", "Max-Age=43200"} <= set(flags)
    assert ("Secure" in flags) is secure
    assert not any(flag.lower().startswith("domain") for flag in flags)
    assert key not in cookie
    page = await browser.get("/")
    assert page.status_code == 200
    assert key not in page.text


async def test_signing_out_ends_the_session_and_not_only_the_cookie(door: Door) -> None:
    browser = await door.signed_in()
    token = browser.cookies["__Host-clearance_session"]
    csrf = csrf_in((await browser.get("/")).text)
    answer = await browser.post("/sign-out", data={"csrf": csrf})
    assert answer.headers["location"] == "/sign-in?flash=signed-out"
    assert "__Host-clearance_session" not in browser.cookies
    old = door.browser()
    old.cookies.set("__Host-clearance_session", token)
    assert (await old.get("/")).status_code == 303


@pytest.mark.parametrize("wrong", ["short", "clr_" + "w" * 43, "clr2_" + "w" * 51])
async def test_a_wrong_key_gets_nothing_and_guessing_is_slow(door: Door, wrong: str) -> None:
    await door.chosen("chosen", "a-chosen-key-of-24-signs")
    ours, browser = await door.key("olga", Role.APPROVER), door.browser()

    async def tried(key: str, at: httpx2.AsyncClient) -> tuple[int, bool]:
        answer = await at.post("/sign-in", data={"key": key})
        assert key not in answer.text
        assert ("Too many attempts" in answer.text) is (answer.status_code == 429)
        return answer.status_code, "set-cookie" in answer.headers

    for _ in range(sign_in.ATTEMPTS_MAX):
        assert await tried(wrong, browser) == (403, False)
    for guess in (wrong, "another-guess", "a-chosen-key-of-24-signs"):
        assert await tried(guess, browser) == (429, False)
    # Nobody guesses a key that Clearance made, and it is let in past the guesses of others
    assert await tried(ours, browser) == (303, True)
    elsewhere = door.browser(client=("192.0.2.7", 1))
    assert await tried("a-chosen-key-of-24-signs", elsewhere) == (303, True)
    door.world.clock.forward(sign_in.WINDOW_MS)
    assert await tried("a-chosen-key-of-24-signs", browser) == (303, True)


async def test_a_key_that_is_over_is_throttled_like_any_other(door: Door) -> None:
    key, browser = await door.key("olga", Role.APPROVER), door.browser()
    [stored] = await door.world.control.api_keys(sample.OWNER)
    await door.world.control.revoke_api_key(sample.OWNER, stored.key_id)
    codes = [
        (await browser.post("/sign-in", data={"key": key})).status_code
        for _ in range(sign_in.ATTEMPTS_MAX + 2)
    ]
    assert codes == [403] * sign_in.ATTEMPTS_MAX + [429] * 2


async def test_the_addresses_of_one_network_are_one_visitor(door: Door) -> None:
    codes = []
    for number in range(sign_in.ATTEMPTS_MAX + 1):
        browser = door.browser(client=(f"2001:db8::{number:x}", 1))
        codes.append((await browser.post("/sign-in", data={"key": "wrong-key"})).status_code)
    assert codes == [403] * sign_in.ATTEMPTS_MAX + [429]


@pytest.mark.parametrize(
    "target", ["//evil.test", "https://evil.test", "/\\evil.test", "", "/\u2028"]
)
async def test_signing_in_leads_nowhere_else(door: Door, target: str) -> None:
    key = await door.key("olga", Role.APPROVER)
    answer = await door.browser().post("/sign-in", data={"key": key, "next": target})
    assert answer.headers["location"] == "/"


async def test_a_form_that_is_not_the_sessions_own_does_nothing(door: Door) -> None:
    form = await waiting_refund(door)
    browser, other = await door.signed_in("owner-2", Role.OWNER), await door.signed_in("olga")
    own, foreign = csrf_in((await browser.get("/")).text), csrf_in((await other.get("/")).text)
    before = len(await door.world.entries())
    refused = [
        ({}, {}),
        ({"csrf": foreign}, {}),
        ({"csrf": own}, {"Sec-Fetch-Site": "cross-site"}),
        ({"csrf": own}, {"Sec-Fetch-Site": "same-site"}),
        ({"csrf": own}, {"Origin": "https://evil.test"}),
    ]
    for path, fields_given in FORMS.items():
        for extra, headers in refused:
            answer = await browser.post(
                path, data={**form, **fields_given, **extra}, headers=headers
            )
            assert answer.status_code == 403, (path, extra, headers)
            assert answer.headers["content-type"].startswith("text/html")
    assert len(await door.world.entries()) == before
    trusted = {"Sec-Fetch-Site": "same-origin", "Origin": HTTPS}
    ruled = await browser.post(
        "/approvals/big.1/rulings", data={**form, "ruling": "approve", "csrf": own}, headers=trusted
    )
    assert ruled.headers["location"] == "/needs-you?ruled=big"


async def test_forms_are_bounded_and_are_forms(door: Door) -> None:
    browser = await door.signed_in()
    csrf = csrf_in((await browser.get("/")).text)
    large = await browser.post("/stop", data={"csrf": csrf, "reason": "x" * 300_000})
    assert large.status_code == 413
    assert (await browser.post("/stop", json={"csrf": csrf})).status_code == 422
    many = {f"f{number}": "" for number in range(1_001)}
    assert (await browser.post("/stop", data=many)).status_code == 422
    raw = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await browser.post("/stop", content=b"csrf=%ff", headers=raw)).status_code == 422


async def test_every_page_has_the_headers_and_no_inline_code(door: Door) -> None:
    await waiting_refund(door, why=("because",), target={"order": 1})
    await door.world.propose(task("done"))
    await door.world.run("done")
    browser = await door.signed_in("owner-2", Role.OWNER)
    for path in (
        *PAGES,
        "/sign-in?next=/",
        "/intents/done",
        "/?outcome=nonsense",
        "/?account_id=nobody",
    ):
        answer = await browser.get(path)
        if answer.status_code == 303:
            continue
        assert answer.headers["content-security-policy"].startswith(
            "default-src 'self'; base-uri 'none'"
        )
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert not re.search(
            r"<style|\sstyle=|\son[a-z]+=|<script(?![^>]*\ssrc=\"/static/)|javascript:", answer.text
        )
        assert "http" not in re.sub(r"http-equiv|http://www.w3.org", "", answer.text), path
    static = re.search(r'href="(/static/clearance\.css\?[0-9a-f]+)"', (await browser.get("/")).text)
    assert static
    kept = await door.browser().get(static[1])
    assert (kept.status_code, "immutable" in kept.headers["cache-control"]) == (200, True)


async def test_hostile_text_is_only_text(door: Door) -> None:
    await door.world.propose(task("auto", parameters={"title": HOSTILE}, why=(HOSTILE,)))
    await door.world.run("auto")
    await door.world.propose(
        mail(
            "wait",
            confidence_score=0.1,
            parameters={"to": HOSTILE, "subject": HOSTILE, "body": HOSTILE},
            target=HOSTILE,
        )
    )
    await waiting_refund(door)
    browser = await door.signed_in("owner-2", Role.OWNER)
    csrf = csrf_in((await browser.get("/")).text)
    stopped = {
        "do": "stop",
        "scope": "ACCOUNT",
        "subject": "acme",
        "level": "HOLD",
        "reason": HOSTILE,
        "csrf": csrf,
    }
    assert (await browser.post("/stop", data=stopped)).status_code == 303
    for path in (
        "/",
        "/needs-you",
        "/intents/auto",
        "/intents/wait",
        "/approvals/wait.1/edit",
        "/stop",
    ):
        page = (await browser.get(path)).text
        assert "onerror" in page, path
        assert "<img src=x" not in page
        assert "</bdi></hx-partial>" not in page
        assert "\u202e" not in page
        assert "{{ 7*7 }}" in page
    search = await browser.get("/", params={"account_id": '"><script>alert(1)</script>'})
    assert "<script>alert" not in search.text


async def test_a_tenant_sees_only_its_own(door: Door) -> None:
    form = await waiting_refund(door, "secret")
    await door.world.configure(sample.DOCUMENT, STRANGER.tenant_id)
    browser = await door.signed_in("mallory", Role.OWNER, STRANGER.tenant_id)
    csrf = csrf_in((await browser.get("/")).text)
    for path in (
        "/intents/secret",
        "/intents/secret/why",
        "/approvals/secret.1/edit",
        "/events/intents/secret",
    ):
        answer = await browser.get(path)
        assert answer.status_code == 404, path
        assert "refund 75000" not in answer.text
    for path in (
        "/approvals/secret.1/rulings",
        "/approvals/secret.1/edit",
        "/intents/secret/cancellation",
    ):
        sent = {**form, "ruling": "approve", "reason": "mine", "csrf": csrf, "p.amount_minor": "1"}
        assert (await browser.post(path, data=sent)).status_code == 404, path
    for path in ("/", "/needs-you", "/needs-you?ruled=secret", "/?account_id=acme"):
        assert "75000" not in (await browser.get(path)).text, path
    assert (await door.world.record("secret")).status is IntentStatus.AWAITING_APPROVAL


async def test_who_may_not_rule_is_told_so(door: Door) -> None:
    form = await waiting_refund(door)
    browser = await door.signed_in("anders", Role.AUDITOR)
    inbox = (await browser.get("/needs-you")).text
    assert "may read this, and not rule on it" in inbox
    assert "Approve</button>" not in inbox
    assert "may not set or lift" in (await browser.get("/stop")).text
    csrf = csrf_in(inbox)
    for path, given_fields in FORMS.items():
        if path in {"/sign-out", "/intents/lost/reconciliation"}:
            continue
        answer = await browser.post(path, data={**form, **given_fields, "csrf": csrf})
        assert answer.status_code == 403, path


async def test_a_ruling_is_bound_to_what_was_shown(door: Door) -> None:
    form = await waiting_refund(door)
    browser = await door.signed_in()
    inbox = (await browser.get("/needs-you")).text
    assert form["digest"] in inbox
    form["csrf"] = csrf_in(inbox)
    path = "/approvals/big.1/rulings"
    stale = await browser.post(path, data={**form, "ruling": "approve", "digest": "sha256:0"})
    assert (stale.status_code, "Your ruling was not taken" in stale.text) == (409, True)
    assert "look again before you rule" in stale.text
    unsaid = await browser.post(path, data={"csrf": form["csrf"], "ruling": "approve"})
    assert unsaid.status_code == 422
    silent = await browser.post(path, data={**form, "ruling": "reject", "reason": "  "})
    assert (silent.status_code, "A rejection needs a reason" in silent.text) == (422, True)
    assert (await door.world.record("big")).status is IntentStatus.AWAITING_APPROVAL

    rejected = await browser.post(path, data={**form, "ruling": "reject", "reason": "never paid"})
    told = text_of((await browser.get(rejected.headers["location"])).text)
    assert "Rejected by olga . olga rejected: agent-ada wanted to refund 75000 for ORD-1" in told
    assert "Nothing needs you." in told
    late = await browser.post(path, data={**form, "ruling": "approve"})
    assert late.status_code == 409
    assert "Rejected by olga" in text_of(late.text)
    assert "approval big.1 is closed" in late.text


@pytest.mark.parametrize("role", [Role.APPROVER, Role.OWNER])
async def test_an_edit_is_a_new_intent(door: Door, role: Role) -> None:
    approves = role is Role.OWNER
    form = await waiting_refund(door) | {"approves": str(approves).lower()}
    browser = await door.signed_in("owner-2", role)
    path = "/approvals/big.1/edit"
    page = (await browser.get(path)).text
    assert (
        "Your edit is your approval too: unless the gate blocks it, it runs" in page
    ) is approves
    assert ("Another person must approve it before it runs" in page) is not approves
    assert (
        'type="number" id="field-2" name="p.amount_minor" value="75000" step="1" required' in page
    )
    form["csrf"] = csrf_in(page)
    wrong = await browser.post(path, data={**form, "p.order_id": "ORD-9", "p.amount_minor": "-5"})
    assert wrong.status_code == 422
    assert 'value="-5"' in wrong.text
    assert "less than the minimum" in wrong.text
    unread = await browser.post(
        path, data={**form, "p.order_id": "ORD-9", "p.amount_minor": "1_000"}
    )
    assert (unread.status_code, "must be a number" in unread.text) == (422, True)
    edited = await browser.post(
        path, data={**form, "p.order_id": "ORD-9", "p.amount_minor": "60000", "reason": "half"}
    )
    assert edited.status_code == 303
    new = edited.headers["location"].removeprefix("/intents/").partition("?")[0]
    record = await door.world.record(new)
    assert record.intent.parameters == {"order_id": "ORD-9", "amount_minor": 60_000}
    assert (record.intent.supersedes, record.intent.edited_by) == ("big", "owner-2")
    assert record.status.value == ("APPROVED" if approves else "AWAITING_APPROVAL")
    assert (await door.world.record("big")).status is IntentStatus.REJECTED
    gone = await browser.get(path)
    assert (gone.status_code, "is closed" in gone.text) == (409, True)
    if approves:
        assert door.world.engine.hints == [new]
        return
    card = text_of((await browser.get("/needs-you")).text)
    assert "amount_minor 75000 → became 60000" in card
    assert "order_id ORD-1 → became ORD-9" in card


async def test_an_edit_is_not_sent_if_it_would_run_and_its_page_said_that_it_waits(
    door: Door,
) -> None:
    form = await waiting_refund(door)
    browser = await door.signed_in()
    path = "/approvals/big.1/edit"
    page = (await browser.get(path)).text
    assert 'name="approves" value="false"' in page
    document = sample.document()
    document["catalog"]["ISSUE_REFUND"]["approval"] = {"editors_rule": True}
    await door.world.configure(document)
    edit = {"csrf": csrf_in(page), "p.order_id": "ORD-9", "p.amount_minor": "60000", **form}
    looks_again = await browser.post(path, data={**edit, "approves": "false"})
    assert looks_again.status_code == 422
    assert "who must approve an edit changed since" in looks_again.text
    assert 'name="approves" value="true"' in looks_again.text
    assert (await door.world.record("big")).status is IntentStatus.AWAITING_APPROVAL
    sent = await browser.post(path, data={**edit, "approves": "true"})
    assert sent.status_code == 303


async def test_an_unknown_outcome_is_settled_by_a_person(door: Door) -> None:
    async def silent(call: ToolCall) -> Any:
        sentence = "The tool crm.send_mail did not answer."
        raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, sentence, Sent.MAYBE))

    door.world.tools.behave = silent
    await door.world.propose(mail("lost"))
    await door.world.run("lost")
    browser = await door.signed_in()
    timeline = text_of((await browser.get("/?outcome=unknown")).text)
    assert "The tool did not answer; nothing was retried." in timeline
    page = (await browser.get("/intents/lost")).text
    assert "Outcome unknown: the tool did not answer; nothing was retried" in page
    assert "may still be under way" in page
    assert "What happened" in page
    assert "nobody checked them" not in page
    csrf = csrf_in(page)
    settled = {"status": "SUCCEEDED", "reason": "It is in the outbox.", "csrf": csrf}
    early = await browser.post("/intents/lost/reconciliation", data=settled)
    assert early.status_code == 409
    door.world.clock.forward(HOUR_MS)
    assert "It did not happen" in (await browser.get("/intents/lost")).text
    done = await browser.post("/intents/lost/reconciliation", data=settled)
    assert done.headers["location"] == "/intents/lost?flash=reconciled"
    assert (
        "Reconciled by olga: It is in the outbox."
        in (await browser.get(done.headers["location"])).text
    )
    assert (await door.world.record("lost")).status is IntentStatus.SUCCEEDED


async def test_the_stop_switch_holds_says_so_and_is_lifted_alone(door: Door) -> None:
    await door.world.stop(StopSwitch(StopScope.AGENT, "agent-x", StopLevel.REFUSE, "odd"))
    browser = await door.signed_in()
    csrf = csrf_in((await browser.get("/stop")).text)
    stop = {
        "do": "stop",
        "scope": "ACCOUNT",
        "subject": "acme",
        "level": "HOLD",
        "reason": "doubled tasks",
        "csrf": csrf,
    }
    for wrong in (
        {"reason": " "},
        {"subject": ""},
        {"scope": "GLOBAL"},
        {"level": "x"},
        {"scope": "TENANT"},
    ):
        assert (await browser.post("/stop", data={**stop, **wrong})).status_code in {403, 422}, (
            wrong
        )
    assert (await browser.post("/stop", data=stop)).headers["location"] == "/stop?flash=stopped"
    await door.world.propose(task("held"))
    await door.world.propose(refund("not-held", 75_000, account_id="globex"))
    inbox = text_of((await browser.get("/needs-you")).text)
    assert "Stopped : 2 switches (refuse)" in inbox
    assert "The stop switch for account acme is on." in inbox
    page = text_of((await browser.get("/stop")).text)
    assert "The account acme is held doubled tasks By olga" in page
    assert "Held 1 not started 0 approved, 1 that waits for a person" in page
    assert "olga" in page.partition("Lately")[2]
    lifted = await browser.post(
        "/stop", data={"do": "lift", "scope": "AGENT", "subject": "agent-x", "csrf": csrf}
    )
    assert lifted.headers["location"] == "/stop?flash=lifted"
    assert "Held by the stop switch: 1 waiting." in text_of((await browser.get("/")).text)
    switches = (await door.world.control.settings(OWNER)).stop_switches
    assert [str(switch) for switch in switches] == ["account acme"]


async def test_the_whole_tenant_is_stopped_and_lifted_in_the_page(door: Door) -> None:
    browser = await door.signed_in()
    csrf = csrf_in((await browser.get("/stop")).text)
    stop = {
        "do": "stop",
        "scope": "TENANT",
        "subject": "",
        "level": "HOLD",
        "reason": "incident",
        "csrf": csrf,
    }
    assert (await browser.post("/stop", data=stop)).headers["location"] == "/stop?flash=stopped"
    [switch] = (await door.world.control.settings_part(OWNER, SettingsPart.STOP_SWITCHES))[0][
        "stop_switches"
    ]
    said = {"scope": "TENANT", "subject": None, "level": "HOLD", "reason": "incident"}
    assert said.items() <= switch.items()
    page = await browser.get("/stop")
    assert (page.status_code, "The whole tenant is held incident" in text_of(page.text)) == (
        200,
        True,
    )
    again = await browser.post("/stop", data={**stop, "level": "REFUSE"})
    assert again.headers["location"] == "/stop?flash=stopped"
    lifted = await browser.post(
        "/stop", data={"do": "lift", "scope": "TENANT", "subject": "", "csrf": csrf}
    )
    assert lifted.headers["location"] == "/stop?flash=lifted"
    assert "Nothing is stopped." in text_of((await browser.get("/stop")).text)


async def test_a_page_names_a_rule_only_where_it_gave_the_reason(door: Door) -> None:
    await waiting_refund(door)
    browser = await door.signed_in()
    by_policy = text_of((await browser.get("/intents/big")).text)
    [rule] = (await door.world.record("big")).decision.policy_clause
    assert f"by the rule {rule}" in by_policy
    assert f"Rules that decided {rule}" in by_policy
    document = sample.document()
    document["autonomy"]["modes"] = [{"mode": "APPROVAL_REQUIRED"}]
    await door.world.configure(document)
    record = await door.world.propose(task("asked"))
    assert (record.decision.reason, record.decision.policy_clause) == (
        "MODE_APPROVAL_REQUIRED",
        ("tasks",),
    )
    by_mode = text_of((await browser.get("/intents/asked")).text)
    assert "by the rule" not in by_mode
    assert "Rules that decided none" in by_mode


async def test_a_spent_budget_says_what_was_asked_for(door: Door) -> None:
    rule = {"max_per_day": 10, "max_per_day_by_action_type": {"SEND_MAIL": 0}}
    await door.world.configure(sample.document(budgets=[rule]))
    record = await door.world.propose(mail("over"))
    said = record.decision.explanation
    assert record.decision.reason == "BUDGET_EXCEEDED"
    assert re.search(r" for \d{4}-\d\d-\d\d is 0 \(actions:SEND_MAIL\); this needs 1\.$", said), (
        said
    )


async def test_the_limits_of_the_tenant_and_what_an_act_takes_from_them_are_shown(
    door: Door,
) -> None:
    document = sample.document(
        limits=[
            {"for": "tenant", "per": "day", "actions": 2_000, "amount": {"EUR": 10_000}},
            {"for": "each agent", "per": "month", "actions": 5},
        ]
    )
    amount = document["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"]
    amount |= {"x-scale": 100, "x-unit": "EUR"}
    await door.world.configure(document)
    await door.world.propose(refund("r1", 2_500))
    browser = await door.signed_in()
    today = text_of((await browser.get("/")).text)
    assert "Tenant 1 of 2,000 actions used 2026-11-24" in today
    assert "Tenant 25.00 of 100.00 EUR used 2026-11-24" in today
    taken = text_of((await browser.get("/intents/r1")).text)
    assert "Limit of the tenant for 2026-11-24 25.00 EUR 100.00 EUR" in taken
    assert "Limit of agent agent-ada for 2026-11 1 action 5 actions" in taken


async def test_who_approved_is_told_that_it_is_asked_again(door: Door) -> None:
    form = await waiting_refund(door)
    browser = await door.signed_in()
    csrf = csrf_in((await browser.get("/needs-you")).text)
    ruled = await browser.post(
        "/approvals/big.1/rulings", data={**form, "ruling": "approve", "csrf": csrf}
    )
    document = sample.document()
    document["catalog"]["ISSUE_REFUND"]["tool"] = "crm.refund_again"
    await door.world.configure(document)
    await door.world.run("big")
    for path in (ruled.headers["location"], "/intents/big?ruled=big"):
        told = text_of((await browser.get(path)).text)
        assert "Not started: a person is asked again, because something changed." in told
        assert "is crm.refund_again now." in told
        assert "Your ruling is recorded" not in told


async def test_the_timeline_says_what_was_done_and_what_was_not(door: Door) -> None:
    for number in range(4):
        await door.world.propose(task(f"task-{number}"))
        await door.world.run(f"task-{number}")
    await door.world.propose(refund("absurd", 900_000))
    await door.world.propose(refund("big", 75_000))
    browser = await door.signed_in()
    page = (await browser.get("/")).text
    said = text_of(page)
    assert "Autopilot created the task 'Renewal call' for acme" in said
    assert "and 3 more like this" in said
    assert (
        "Blocked: agent-ada wanted to refund 900000 for ORD-1 Refunds above 5000.00 are never "
        "issued here." in said
    )
    assert "agent-ada wants to refund 75000 for ORD-1 Refunds above 500.00 need a person." in said
    assert "acme 4 of 10" in said
    assert page.count('class="badge autopilot"') == 4
    only = text_of((await browser.get("/?outcome=blocked")).text)
    assert "refund 900000" in only
    assert "refund 75000" not in only
    assert "Nothing matches." in (await browser.get("/?source=people")).text
    assert "Nothing matches." in (await browser.get("/?source=people&outcome=blocked")).text
    for wrong in (
        "outcome=odd",
        "source=odd",
        "before=x",
        "before=-1",
        "action_type=a",
        "account_id=%00",
    ):
        assert (await browser.get(f"/?{wrong}")).status_code == 422, wrong


async def test_older_rows_are_on_the_next_page(door: Door) -> None:
    await door.world.configure(sample.document(budgets=[{"max_per_day": 1000}]))
    for number in range(45):
        await door.world.propose(task(f"task-{number}", account_id=f"account-{number}"))
    browser = await door.signed_in()
    first = (await browser.get("/?action_type=CREATE_TASK")).text
    older = re.search(r'href="(/\?[^"]+)" rel="next"', first)
    assert older
    second = (await browser.get(html.unescape(older[1]))).text
    ids = [set(re.findall(r'id="row-(task-\d+)"', page)) for page in (first, second)]
    assert [len(found) for found in ids] == [40, 5]
    assert not ids[0] & ids[1]
    assert "events/timeline" not in second


async def test_the_ladder_names_every_check_of_the_gate(door: Door) -> None:
    record = await door.world.propose(task("auto"))
    marks = {rung.name: rung.mark for rung in presenting.ladder(record.decision)}
    assert len(marks) == len(gate.ROW)
    assert [name for name, mark in marks.items() if mark != "tick"] == ["Edit"]
    blocked = await door.world.propose(refund("absurd", 900_000))
    rungs = presenting.ladder(blocked.decision)
    assert [rung.mark for rung in rungs] == ["tick"] * 6 + ["cross"] + ["dash"] * 4
    assert [rung.name for rung in rungs[-4:]] == ["Edit", "Rejection", "Budget", "Limits"]
    browser = await door.signed_in()
    why = text_of((await browser.get("/intents/absurd/why")).text)
    assert (
        "Policy blocks it Refunds above 5000.00 are never issued here. REFUND_OVER_HARD_CAP" in why
    )
    await door.world.propose(task("unsure", confidence_score=0.5))
    said = text_of((await browser.get("/intents/unsure")).text)
    assert "It would run without a person if the confidence were at least 0.8." in said


async def test_a_confidence_that_is_not_stated_is_no_confidence_of_nothing(door: Door) -> None:
    bare = {"confidence_score": None, "risk_level": None}
    await door.world.propose(task("bare", **bare))
    await door.world.propose(task("odd", action_type="UNHEARD_OF", **bare))
    browser = await door.signed_in()
    card = text_of((await browser.get("/needs-you")).text)
    assert "Low risk" in card
    assert "Confidence not stated" in card
    for name, risk in (("bare", "Low"), ("odd", "Unknown")):
        story = text_of((await browser.get(f"/intents/{name}")).text)
        assert f"Risk {risk} Confidence not stated" in story
    assert "the agent said" not in story


async def test_what_has_not_started_is_withdrawn_with_a_reason(door: Door) -> None:
    await waiting_refund(door)
    browser = await door.signed_in()
    csrf = csrf_in((await browser.get("/intents/big")).text)
    path = "/intents/big/cancellation"
    assert (await browser.post(path, data={"csrf": csrf, "reason": " "})).status_code == 422
    done = await browser.post(
        path, data={"csrf": csrf, "reason": "The order was refunded by phone."}
    )
    page = (await browser.get(done.headers["location"])).text
    assert "Withdrawn: it will not run." in page
    assert "The order was refunded by phone." in page
    assert "Withdraw this intent" not in page
    assert (await browser.post(path, data={"csrf": csrf, "reason": "again"})).status_code == 409


async def test_addresses_that_lead_nowhere(door: Door) -> None:
    browser = await door.signed_in()
    for path in (
        "/nowhere",
        "/intents/none",
        "/intents/a%2Fb",
        "/intents/a.b",
        "/approvals/none.1/edit",
        "/a/b/c",
    ):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (
            404,
            "text/html; charset=utf-8",
        ), path
        assert "There is nothing here" in answer.text
    for path in ("/v1/nowhere", "/v1/", "/v1"):
        answer = await browser.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (
            404,
            "application/problem+json",
        ), path


async def test_a_store_that_cannot_answer_is_said_and_nothing_leaks(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await door.signed_in()

    async def broken(*_: object, **__: object) -> Any:
        sentence = "password=hunter2"
        raise RuntimeError(sentence)

    monkeypatch.setattr(door.world.store, "timeline", broken)
    answer = await browser.get("/")
    assert (answer.status_code, "This page broke" in answer.text) == (500, True)
    assert "hunter2" not in answer.text


async def test_while_nobody_can_be_recognised_there_is_a_page_too(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = await door.signed_in()
    sentence = "The database does not answer; nothing happened."

    async def away(*_: object) -> Any:
        raise Unavailable(sentence)

    monkeypatch.setattr(door.world.store, "session_key", away)
    said = [
        await browser.get("/"),
        await browser.get("/sign-in"),
        await browser.post("/stop", data={"csrf": "x"}),
    ]
    for answer in said:
        assert (answer.status_code, answer.headers["content-type"]) == (
            503,
            "text/html; charset=utf-8",
        )
        assert sentence in answer.text


async def test_a_link_from_another_site_is_asked_for_once_more(door: Door) -> None:
    answer = await door.browser().get(
        "/intents/big?ruled=big", headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0; url=/intents/big?ruled=big">' in answer.text


async def test_a_revoked_key_ends_its_sessions(door: Door) -> None:
    browser = await door.signed_in()
    [key] = [key for key in await door.world.control.api_keys(OWNER) if key.name == "olga"]
    await door.world.control.revoke_api_key(OWNER, key.key_id)
    assert (await browser.get("/")).status_code == 303


SCHEMA = {
    "type": "object",
    "required": ["text", "flag", "count"],
    "properties": {
        "text": {"type": "string"},
        "note": {"type": "string", "maxLength": 2000},
        "flag": {"type": "boolean"},
        "maybe": {"type": "boolean"},
        "count": {"type": "integer"},
        "ratio": {"type": "number"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "items": {"type": "array"},
        "free": {},
        "perhaps": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "level": {"anyOf": [{"$ref": "#/$defs/Level"}, {"type": "null"}], "default": "low"},
        "day": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "price": {"$ref": "#/$defs/Price"},
    },
    "$defs": {
        "Level": {"type": "string", "enum": ["low", "high"]},
        "Price": {"type": "number", "x-scale": 100, "x-unit": "EUR"},
    },
}
TEXTS = st.text(max_size=40).filter(lambda text: "\r" not in text)
PARAMETERS = st.fixed_dictionaries(
    {"text": TEXTS, "flag": st.booleans(), "count": st.integers(-(2**53), 2**53)},
    optional={
        "note": TEXTS,
        "maybe": st.booleans(),
        "ratio": st.floats(allow_nan=False, allow_infinity=False),
        "kind": st.sampled_from(["a", "b"]),
        "items": st.lists(st.integers() | TEXTS, max_size=3),
        "free": st.none() | st.dictionaries(TEXTS, TEXTS, max_size=2),
        "perhaps": st.none() | TEXTS,
        "level": st.sampled_from([None, "low", "high"]),
        "day": st.sampled_from([None, "2026-11-24"]),
        "price": st.floats(0, 1e6) | st.integers(0, 10**6),
        "unnamed": TEXTS | st.lists(TEXTS, max_size=2),
    },
)


def sent(shown: list[edit_form.Field]) -> dict[str, str]:
    """What a browser sends of fields that nobody touched."""
    return {
        field.name: field.text
        for field in shown
        if field.control is not edit_form.Widget.CHECKBOX or field.text == "true"
    }


@given(PARAMETERS)
@pytest.mark.parametrize("schema", [SCHEMA, {"type": "object"}])
def test_an_untouched_form_says_what_was_there(
    schema: dict[str, Any], parameters: dict[str, Any]
) -> None:
    compiled = CompiledSchema(schema)
    shown = edit_form.fields(compiled, parameters)
    assert edit_form.read(compiled, parameters, sent(shown)) == parameters
    assert all(visible(field.text) == field.text for field in shown)


def test_fields_are_what_tools_of_pydantic_declare() -> None:
    """Optional text, an optional choice and an amount are no JSON to write."""
    schema = CompiledSchema(SCHEMA)
    proposed = {"text": "x", "flag": True, "count": 1, "price": 149.9, "perhaps": "here"}
    shown = {field.name: field for field in edit_form.fields(schema, proposed)}
    perhaps, level, price = (shown[f"p.{name}"] for name in ("perhaps", "level", "price"))
    assert (perhaps.control, perhaps.text) == (edit_form.Widget.LINE, "here")
    assert (level.control, level.choices, level.empty) == (
        edit_form.Widget.CHOICE,
        (("low", "low"), ("high", "high")),
        "default: low",
    )
    assert (price.control, price.text, price.label) == (
        edit_form.Widget.NUMBER,
        "149.90",
        "price (EUR)",
    )
    form = sent(list(shown.values()))
    emptied = edit_form.read(schema, proposed, form | {"p.perhaps": "", "p.price": "150.50"})
    assert "perhaps" not in emptied
    assert emptied["price"] == 150.5
    was_null = proposed | {"perhaps": None}
    kept = edit_form.read(schema, was_null, form | {"p.perhaps": ""})
    assert kept["perhaps"] is None
    required = CompiledSchema(SCHEMA | {"required": ["perhaps"]})
    assert edit_form.read(required, proposed, form | {"p.perhaps": ""})["perhaps"] is None
