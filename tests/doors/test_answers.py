"""What was done is answered: the store may fail right after the commit, or with its answer, and
whoever asked still learns what happened, or that it is not known; and no repeat acts twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import httpx2
import pytest
from fastapi import FastAPI
from starlette.routing import Route

from clearance.api.app import create_app
from clearance.client.wire import READ, SAFE_TO_REPEAT, UNSAFE_TO_REPEAT
from clearance.core.approval import RulingKind
from clearance.core.errors import IN_DOUBT, Unavailable
from clearance.core.moment import HOUR_MS
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.principal import Role
from clearance.doors.access import csrf_token
from clearance.flow.control import Control
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.ports.transitions import (
    AlreadyAdmitted,
    BudgetSpent,
    RecordMoved,
    SettingsMoved,
)
from clearance.flow.requests import RulingRequest, SettingsPart
from clearance.web.routes import mount
from clearance.web.visitor import COOKIE_SECURE
from tests.doors.conftest import INTENT, UNSURE, Door, problem
from tests.support import sample
from tests.support.sample import APPROVER, OWNER, mail, refund

pytestmark = pytest.mark.anyio

COMMITS = {"admit", "advance", "configure", "add_api_key", "revoke_api_key"} | {
    "add_session",
    "end_session",
}
REFUSED = (AlreadyAdmitted, BudgetSpent, RecordMoved, SettingsMoved)


class Dying:
    """A store that commits once, and then answers nothing more; with `lost`, not even that."""

    def __init__(self, store: Any, *, lost: bool = False) -> None:
        self._store, self._lost, self.committed = store, lost, False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        async def ask(*arguments: Any, **named: Any) -> Any:
            if self.committed:
                raise Unavailable("The store is gone.")
            answer = await method(*arguments, **named)
            self.committed = name in COMMITS and not (
                answer is False or isinstance(answer, REFUSED)
            )
            if self.committed and self._lost:
                raise Unavailable("It is not known whether this was stored.", code=IN_DOUBT)
            return answer

        return ask


Kinds: TypeAlias = tuple[str, ...]
Before: TypeAlias = Callable[[Door], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True)
class Case:
    """A request that writes, what must be there before it, and the entries that it makes.

    `shown`: where what it answered can be read afterwards.
    """

    name: str
    path: str
    body: Mapping[str, Any] | None
    kinds: Kinds
    who: str = "owner"
    before: Before | None = None
    shown: str | None = None


async def waiting(door: Door) -> dict[str, str]:
    record = await door.world.propose(refund("big", 75_000))
    assert record.approval is not None
    return {"digest": record.approval.digest}


async def rejected(door: Door) -> dict[str, str]:
    known = await waiting(door)
    ruling = RulingRequest(RulingKind.REJECT, "no")
    await door.world.control.rule(APPROVER, "big.1", ruling)
    return known


async def unknown(door: Door) -> dict[str, str]:
    async def silent(_: ToolCall) -> Any:
        raise ToolCallFailed(CallError(ErrorClass.TIMEOUT, "It did not answer.", Sent.MAYBE))

    door.world.tools.behave = silent
    await door.world.propose(mail("lost"))
    await door.world.run("lost")
    door.world.clock.forward(HOUR_MS)  # its lease is over
    return {}


async def stopped(door: Door) -> dict[str, str]:
    value = {"stop_switches": [SWITCH]}
    await door.world.control.put_settings_part(OWNER, SettingsPart.STOP_SWITCHES, value, version=-1)
    return {}


async def with_key(door: Door) -> dict[str, str]:
    key, _ = await door.world.control.create_api_key(OWNER, "ends", Role.AGENT)
    return {"key_id": key.key_id}


async def for_sign_in(door: Door) -> dict[str, str]:
    return {"key": door.keys["olga"]}


NAMELESS = {name: value for name, value in INTENT.items() if name != "action_intent_id"}
EDITED = {"order_id": "ORD-9", "amount_minor": 60_000}
CALMER = {**sample.DOCUMENT["catalog"]["SEND_MAIL"], "risk_level": "MINIMAL"}
SWITCH = {"scope": "ACCOUNT", "subject": "acme", "level": "HOLD", "reason": "odd"}
PARTS: Mapping[str, Mapping[str, Any]] = {
    "modes": {"modes": [{"mode": "DISABLED"}]},
    "allowlist": {"allowlist": {"tenant": ["SEND_MAIL"], "accounts": {"acme": ["CREATE_TASK"]}}},
    "budgets": {"budgets": [{"max_per_day": 3}]},
    "accounts": {"accounts": {"known": ["acme"], "unknown": "refuse"}},
    "stop-switches": {"stop_switches": [SWITCH]},
    "policies": {"policy": sample.POLICY.replace("may be created", "may be made")},
    "catalog": {"catalog": {**sample.DOCUMENT["catalog"], "SEND_MAIL": CALMER}},
    "limits": {"limits": [{"for": "tenant", "per": "day", "actions": 9}]},
    "rejections": {"rejections": {"asks_for": "9d"}},
    "quotas": {"quotas": {"waiting_each_agent": 9}},
}
FIELDS = {"approves": "true", "p.order_id": "ORD-9", "p.amount_minor": "60000", "reason": "half"}
LOST = "/v1/intents/lost"
BIG = "/v1/intents/big"
WITHDRAWN = {"reason": "no need"}
SETTLED = {"status": "FAILED", "reason": "seen"}
REJECTS = {"ruling": "reject", "reason": "no"}
EDITS = {"ruling": "edit", "parameters": EDITED}
APPROVED, ASKED, REJECTED = ("ACTION_APPROVED",), ("APPROVAL_REQUESTED",), ("ACTION_REJECTED",)
CANCELLED, RECONCILED = ("ACTION_CANCELLED",), ("OUTCOME_RECONCILED",)
ERASED = ("CONTENT_ERASED",)
SETTINGS, STOPS = ("SETTINGS_CHANGED",), ("STOP_SWITCHES_CHANGED",)


def proposal(name: str, body: Mapping[str, Any], kinds: Kinds, shown: str | None = None) -> Case:
    return Case(name, "/v1/intents", body, kinds, "agent-ada", shown=shown)


def ruling(name: str, body: Mapping[str, Any], kinds: Kinds) -> Case:
    return Case(name, "/v1/approvals/big.1/rulings", body, kinds, "olga", waiting, BIG)


def setting(part: SettingsPart) -> Case:
    kinds = STOPS if part is SettingsPart.STOP_SWITCHES else SETTINGS
    path = f"/v1/autonomy/{part.value}"
    return Case(part.value, path, PARTS[part.value], kinds, shown=path)


def page(
    name: str, path: str, form: Mapping[str, str], kinds: Kinds, before: Before | None = None
) -> Case:
    return Case(f"page {name}", path, form, kinds, "page", before)


CASES: Mapping[tuple[str, str], list[Case]] = {
    ("POST", "/v1/intents"): [
        proposal("acts", INTENT, APPROVED, "/v1/intents/t1"),
        proposal("asks", UNSURE, ASKED, "/v1/intents/t1"),
        proposal("has no name", NAMELESS, APPROVED),
    ],
    ("POST", "/v1/approvals/{approval_id}/rulings"): [
        ruling("approves", {"ruling": "approve"}, APPROVED),
        ruling("rejects", REJECTS, REJECTED),
        ruling("edits", EDITS, (*ASKED, *REJECTED)),
    ],
    ("POST", "/v1/intents/{action_intent_id}/cancellation"): [
        Case("cancels", f"{BIG}/cancellation", WITHDRAWN, CANCELLED, "agent-ada", waiting, BIG)
    ],
    ("POST", "/v1/intents/{action_intent_id}/reconciliation"): [
        Case("reconciles", f"{LOST}/reconciliation", SETTLED, RECONCILED, "olga", unknown, LOST)
    ],
    ("POST", "/v1/intents/{action_intent_id}/erasure"): [
        Case("erases", f"{BIG}/erasure", WITHDRAWN, ERASED, "owner", rejected, BIG)
    ],
    ("PUT", "/v1/autonomy/{part}"): [setting(part) for part in SettingsPart],
    ("POST", "/v1/api-keys"): [
        Case("makes a key", "/v1/api-keys", {"name": "ci", "role": "agent"}, ("API_KEY_CREATED",))
    ],
    ("DELETE", "/v1/api-keys/{key_id}"): [
        Case("ends a key", "/v1/api-keys/{key_id}", None, ("API_KEY_REVOKED",), before=with_key)
    ],
    ("POST", "/approvals/{approval_id}/rulings"): [
        page("approves", "/approvals/big.1/rulings", {"ruling": "approve"}, APPROVED, waiting),
        page("rejects", "/approvals/big.1/rulings", REJECTS, REJECTED, waiting),
    ],
    ("POST", "/approvals/{approval_id}/edit"): [
        page("edits", "/approvals/big.1/edit", FIELDS, (*APPROVED, *REJECTED), waiting)
    ],
    ("POST", "/intents/{action_intent_id}/cancellation"): [
        page("cancels", "/intents/big/cancellation", WITHDRAWN, CANCELLED, waiting)
    ],
    ("POST", "/intents/{action_intent_id}/reconciliation"): [
        page("reconciles", "/intents/lost/reconciliation", SETTLED, RECONCILED, unknown)
    ],
    ("POST", "/stop"): [
        page("stops", "/stop", {"do": "stop", **SWITCH}, STOPS),
        page("lifts", "/stop", {"do": "lift", **SWITCH}, STOPS, stopped),
    ],
    ("POST", "/sign-in"): [page("signs in", "/sign-in", {}, (), for_sign_in)],
    ("POST", "/sign-out"): [page("signs out", "/sign-out", {}, ())],
}
EACH = [
    pytest.param(*route, case, id=case.name.replace(" ", "-"))
    for route, cases in CASES.items()
    for case in cases
]


def everything() -> FastAPI:
    """The app with the pages on it, over nothing."""
    nothing = cast("Any", None)
    app = create_app(Control(nothing), nothing)
    mount(app, Control(nothing), nothing)
    return app


def operations() -> dict[tuple[str, str], str]:
    """The operations of the REST API that write."""
    paths = everything().openapi()["paths"]
    return {
        (method.upper(), path): operation["operationId"]
        for path, methods in paths.items()
        for method, operation in methods.items()
        if method != "get"
    }


def test_every_route_that_writes_has_a_case() -> None:
    pages = {
        (method, route.path)
        for route in everything().router.routes
        if type(route) is Route
        for method in route.methods or ()
        if method not in {"GET", "HEAD"}
    }
    assert len(pages) > 5
    assert set(CASES) == operations().keys() | pages


def test_the_client_knows_of_every_operation_whether_it_may_be_repeated() -> None:
    assert SAFE_TO_REPEAT.keys() | UNSAFE_TO_REPEAT.keys() == {READ, *operations().values()}
    assert not SAFE_TO_REPEAT.keys() & UNSAFE_TO_REPEAT.keys()


@dataclass
class Stage:
    """Both doors on one store, which may be another one from some moment on."""

    door: Door
    browser: httpx2.AsyncClient

    async def request(self, method: str, case: Case) -> Callable[..., Awaitable[httpx2.Response]]:
        """Makes ready what the case needs. What it gives sends the request, with more in its body
        if that is given.
        """
        known = await case.before(self.door) if case.before else {}
        path = case.path.format(**known)
        if case.who == "page":
            token = self.browser.cookies[COOKIE_SECURE]
            form = {**known, "csrf": csrf_token(token), **(case.body or {})}
            cookies = {"Cookie": f"{COOKIE_SECURE}={token}"}
            return lambda **_: self.browser.post(path, data=form, headers=cookies)
        headers = {}
        if method == "PUT":
            headers["If-Match"] = (await self.door.owner.get(path)).headers["etag"]
        client = self.door.clients[case.who]
        return lambda **more: client.request(
            method,
            path,
            headers=headers,
            **({} if case.body is None else {"json": {**case.body, **more}}),
        )

    def stand_on(self, store: Any) -> None:
        self.door.world.context.store = store
        self.door.access._credentials = store

    async def kinds(self) -> list[str]:
        return [entry["kind"] for entry in await self.door.world.entries()]


@pytest.fixture
async def stage(door: Door) -> AsyncIterator[Stage]:
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    transport = httpx2.ASGITransport(door.app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="https://clearance") as browser:
        answer = await browser.post("/sign-in", data={"key": door.keys["owner"]})
        assert answer.status_code == 303
        yield Stage(door, browser)


@pytest.mark.parametrize(("method", "route", "case"), EACH)
async def test_what_was_done_is_answered_without_another_read(
    stage: Stage, method: str, route: str, case: Case
) -> None:
    send = await stage.request(method, case)
    before, real = await stage.kinds(), stage.door.world.store
    dying = Dying(real)
    stage.stand_on(dying)
    answer = await send()
    assert dying.committed, route
    assert answer.status_code in {200, 201, 204, 303}, answer.text
    stage.stand_on(real)
    assert (await stage.kinds())[len(before) :] == list(case.kinds)
    if case.shown:
        body = answer.json()
        new = body.pop("new_intent", None)
        now = (await stage.door.clients[case.who].get(case.shown)).json()
        assert {name: body[name] for name in now} == now
        if new:
            path = f"/v1/intents/{new['action_intent_id']}"
            assert new == (await stage.door.owner.get(path)).json()


@pytest.mark.parametrize(("method", "route", "case"), EACH)
async def test_what_is_in_doubt_says_so_and_its_repeat_acts_once(
    stage: Stage, method: str, route: str, case: Case
) -> None:
    send = await stage.request(method, case)
    before, real = await stage.kinds(), stage.door.world.store
    stage.stand_on(Dying(real, lost=True))
    doubtful = await send()
    assert doubtful.status_code == 503
    assert "It is not known whether this was stored." in doubtful.text
    assert IN_DOUBT in doubtful.text or route == "/sign-in"
    assert "retry-after" not in doubtful.headers
    stage.stand_on(real)
    named = {}
    if case.who != "page":
        body = problem(doubtful, 503, IN_DOUBT)
        named = {name: body[name] for name in ("action_intent_id",) if name in body}
        assert bool(named) == (route == "/v1/intents")
    again = await send(**named)
    assert (await stage.kinds())[len(before) :] == list(case.kinds)
    if case.who != "page":
        safe = operations()[method, route] in SAFE_TO_REPEAT
        assert again.is_success is safe, again.text
    else:
        assert again.status_code in {303, 404, 409}, again.text


async def test_a_proposal_whose_commit_is_in_doubt_is_answered_if_it_can_be_looked_up(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, admit = stage.door.world.store, stage.door.world.store.admit

    async def lost(admission: Any) -> Any:
        await admit(admission)
        raise Unavailable("It is not known whether this was stored.", code=IN_DOUBT)

    monkeypatch.setattr(store, "admit", lost)
    answer = await stage.door.agent.post("/v1/intents", json=NAMELESS)
    assert (answer.status_code, answer.json()["status"]) == (200, "APPROVED")
    assert stage.door.world.engine.hints == [answer.json()["action_intent_id"]]


async def test_what_was_not_done_is_never_called_in_doubt(stage: Stage) -> None:
    door, dying = stage.door, Dying(stage.door.world.store)
    for client in (door.agent, door.owner):
        await client.get("/v1/whoami")
    stage.stand_on(dying)
    dying.committed = True
    refused = await door.agent.post("/v1/intents", json=NAMELESS)
    assert len(problem(refused, 503, "UNAVAILABLE")["action_intent_id"]) == 32
    if_match = {"If-Match": '"1"'}
    refused = await door.owner.put("/v1/autonomy/budgets", json=PARTS["budgets"], headers=if_match)
    assert "action_intent_id" not in problem(refused, 503, "UNAVAILABLE")


async def test_the_same_settings_again_are_done_already_and_others_are_not(stage: Stage) -> None:
    owner, path = stage.door.owner, "/v1/autonomy/budgets"
    if_match = {"If-Match": (await owner.get(path)).headers["etag"]}
    done = await owner.put(path, json=PARTS["budgets"], headers=if_match)
    await owner.put(
        "/v1/autonomy/modes",
        json=PARTS["modes"],
        headers={"If-Match": done.headers["etag"]},
    )
    again = await owner.put(path, json=PARTS["budgets"], headers=if_match)
    assert (again.status_code, again.json()) == (200, (await owner.get(path)).json())
    other = {"budgets": [{"max_per_day": 4}]}
    problem(await owner.put(path, json=other, headers=if_match), 412, "VERSION_MISMATCH")


async def test_proposals_that_failed_together_are_told_their_own_ids(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Unavailable("The disk is full.")

    async def full(_: Any) -> Any:
        raise shared

    monkeypatch.setattr(stage.door.world.store, "admit", full)
    for name in ("a", "b"):
        body = {**INTENT, "action_intent_id": name}
        refused = problem(await stage.door.agent.post("/v1/intents", json=body), 503, "UNAVAILABLE")
        assert refused["action_intent_id"] == name
    assert shared.action_intent_id is None
