"""Below a path prefix, every address has it, whether the proxy in front strips it or not."""

from __future__ import annotations

import re
from pathlib import Path

import httpx2
import pytest

from clearance.core.errors import InvalidInput
from clearance.doors.path_prefix import checked_prefix, put_below
from clearance.web import rendering
from clearance.web.routes import mount
from tests.doors.conftest import INTENT, UNSURE, Door

pytestmark = pytest.mark.anyio

PREFIX = "/clearance"
ADDRESS = re.compile(r'\b(?:href|action|src|hx-get|hx-sse:connect)="([^"#?][^"]*)"')
TEMPLATES = sorted((Path(rendering.HERE) / "templates").glob("*.html"))


class Stripping(httpx2.AsyncBaseTransport):
    """A proxy that passes on what is below the prefix, without it, and answers 404 to the rest."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, strips: bool) -> None:
        self._inner = inner
        self._strips = strips

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.raw_path.decode()
        if not path.startswith(f"{PREFIX}/") and path != PREFIX:
            return httpx2.Response(404, text="another service")
        if self._strips:
            request.url = request.url.copy_with(
                raw_path=(path.removeprefix(PREFIX) or "/").encode()
            )
        return await self._inner.handle_async_request(request)


@pytest.fixture(params=[True, False], ids=["stripped", "passed on"])
async def browser(door: Door, request: pytest.FixtureRequest) -> httpx2.AsyncClient:
    put_below(door.app, PREFIX)
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = Stripping(httpx2.ASGITransport(door.app), strips=request.param)
    return httpx2.AsyncClient(transport=transport, base_url="https://tools.test")


async def _signed_in(browser: httpx2.AsyncClient, door: Door) -> httpx2.Response:
    return await browser.post(
        f"{PREFIX}/sign-in", data={"key": door.keys["olga"], "next": "/needs-you"}
    )


async def test_every_link_form_file_and_redirect_stays_below_the_prefix(
    browser: httpx2.AsyncClient, door: Door
) -> None:
    first = await browser.get(f"{PREFIX}/")
    assert first.headers["location"] == f"{PREFIX}/sign-in?next=%2F"
    assert (await _signed_in(browser, door)).headers["location"] == f"{PREFIX}/needs-you"
    await door.propose(INTENT)
    await door.propose({**UNSURE, "action_intent_id": "t2"})
    waiting, seen = [f"{PREFIX}/"], set()
    while waiting:
        address = waiting.pop().replace("&amp;", "&")
        if address in seen:
            continue
        seen.add(address)
        page = await browser.get(address)
        assert page.status_code == 200, address
        if not page.headers["content-type"].startswith("text/html"):
            continue
        found = ADDRESS.findall(page.text)
        assert [one for one in found if not one.startswith(f"{PREFIX}/")] == []
        waiting += [
            one
            for one in found
            if "/events" not in one
            and "sign-out" not in one
            and "/rulings" not in one
            and "/cancellation" not in one
        ]
    kinds = ("static/", "intents/", "approvals/", "needs-you", "stop")
    assert all(any(address.startswith(f"{PREFIX}/{kind}") for address in seen) for kind in kinds)


async def test_what_a_form_answers_and_what_htmx_is_sent_to_is_below_the_prefix(
    browser: httpx2.AsyncClient, door: Door
) -> None:
    asked = await browser.get(f"{PREFIX}/needs-you", headers={"hx-request": "true"})
    assert asked.headers["hx-redirect"] == f"{PREFIX}/sign-in"
    linked = await browser.get(f"{PREFIX}/needs-you", headers={"sec-fetch-site": "cross-site"})
    assert f'content="0; url={PREFIX}/needs-you"' in linked.text
    await _signed_in(browser, door)
    page = await browser.get(f"{PREFIX}/stop")
    csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert csrf is not None
    out = await browser.post(f"{PREFIX}/sign-out", data={"csrf": csrf[1]})
    assert out.headers["location"] == f"{PREFIX}/sign-in?flash=signed-out"
    assert (await browser.get(f"{PREFIX}/stop")).status_code == 303


async def test_the_session_is_for_this_path_alone(browser: httpx2.AsyncClient, door: Door) -> None:
    cookie = (await _signed_in(browser, door)).headers["set-cookie"]
    assert cookie.startswith("__Secure-clearance_session=")
    assert f"Path={PREFIX};" in cookie
    assert "Secure" in cookie


async def test_the_api_is_below_the_prefix_too(browser: httpx2.AsyncClient, door: Door) -> None:
    headers = {"Authorization": f"Bearer {door.keys['agent-ada']}"}
    made = await browser.post(f"{PREFIX}/v1/intents", json=dict(INTENT), headers=headers)
    assert made.headers["location"] == f"{PREFIX}/v1/intents/t1"
    assert made.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert (await browser.get(made.headers["location"], headers=headers)).status_code == 200
    for path in ("healthz", "readyz", "metrics"):
        assert (await browser.get(f"{PREFIX}/{path}")).status_code == 200
    assert (await browser.get(f"{PREFIX}/openapi.json")).json()["servers"] == [{"url": PREFIX}]


async def test_a_longer_name_is_not_below_the_prefix(door: Door) -> None:
    put_below(door.app, PREFIX)
    assert (await door.nobody.get("/clearances/healthz")).status_code == 404
    assert (await door.nobody.get("/clearance/clearance/healthz")).status_code == 404
    assert (await door.nobody.get("/clearance/healthz")).status_code == 200


def test_no_template_has_an_address_that_the_prefix_does_not_reach() -> None:
    known = r"\b(?:href|action|src|hx-get|hx-post|hx-sse:connect)="
    for template in TEMPLATES:
        source = template.read_text(encoding="utf-8")
        addresses = re.findall(r'[\w:-]+="/[^"]*"', source)
        assert [one for one in addresses if not re.match(known, one)] == [], template.name
        rendered = rendering._ADDRESS.sub(r"\g<0>{{ root }}", source)
        assert not re.search(rf'{known}"(?:/|\{{\{{ (?!root))', rendered), template.name


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("", ""), ("/", ""), ("/clearance", PREFIX), ("/clearance/", PREFIX), ("/a/b.c", "/a/b.c")],
)
def test_a_prefix_is_a_path(text: str, prefix: str) -> None:
    assert checked_prefix(text) == prefix


@pytest.mark.parametrize(
    "text",
    [
        "clearance",
        "//evil.test",
        "/a//b",
        "/..",
        "/a/../b",
        "/a b",
        "/a?b",
        "/é",
        "/v1",
        "/stop/x",
        "https://x/y",
        "/" + "a" * 128,
        "/a\r\nb",
    ],
)
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        checked_prefix(text)
    assert refused.value.code == "INVALID_PATH_PREFIX"
