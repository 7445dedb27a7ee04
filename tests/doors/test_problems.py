"""What goes wrong over REST: one status for each kind of refusal, nothing leaked, and counters that
name nobody.
"""

from __future__ import annotations

import pytest
import structlog

from clearance.api.problems import KINDS
from clearance.core import errors
from tests.doors.conftest import INTENT, UNSURE, Door, problem

pytestmark = pytest.mark.anyio


async def test_every_kind_of_refusal_has_its_status() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and kind.__base__ is errors.Refusal
    }
    assert kinds <= KINDS.keys()
    assert {kind.__name__: KINDS[kind][0].value for kind in kinds} == {
        "InvalidInput": 422,
        "TooLarge": 413,
        "Unauthenticated": 401,
        "Forbidden": 403,
        "NotFound": 404,
        "Conflict": 409,
        "TooMany": 429,
        "VersionMismatch": 412,
        "VersionRequired": 428,
        "Unavailable": 503,
    }


async def test_a_store_that_cannot_answer_is_503_and_worth_another_try(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        sentence = "The disk is full."
        raise errors.Unavailable(sentence)

    assert (await door.nobody.get("/readyz")).json() == {"status": "ok"}
    await door.agent.get("/v1/whoami")
    monkeypatch.setattr(door.world.store, "admit", full)
    monkeypatch.setattr(door.world.store, "api_key", full)
    response = await door.agent.post("/v1/intents", json=dict(INTENT))
    assert problem(response, 503, "UNAVAILABLE")["detail"] == "The disk is full."
    assert response.headers["retry-after"] == "1"
    problem(await door.nobody.get("/readyz"), 503, "UNAVAILABLE")
    assert (await door.nobody.get("/healthz")).json() == {"status": "ok"}


async def test_what_nobody_foresaw_is_logged_and_tells_nothing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        sentence = "password=hunter2"
        raise RuntimeError(sentence)

    monkeypatch.setattr(door.world.store, "timeline", broken)
    with structlog.testing.capture_logs() as logs:
        response = await door.auditor.get("/v1/timeline")
    problem(response, 500, "INTERNAL")
    assert "hunter2" not in response.text
    assert response.headers["cache-control"] == "no-store"
    assert [log["log_level"] for log in logs] == ["error"]
    assert door.keys["audrey"] not in str(logs)


async def test_unknown_paths_and_methods_are_problems_too(door: Door) -> None:
    problem(await door.agent.get("/v1/nothing"), 404, "NOT_FOUND")
    problem(await door.agent.get("/v1/intents/"), 404, "NOT_FOUND")
    problem(await door.agent.get("/v1/intents/a%2Fb"), 404, "NOT_FOUND")
    response = await door.agent.delete("/v1/intents")
    problem(response, 405, "METHOD_NOT_ALLOWED")
    assert response.headers["allow"] == "POST"


async def test_metrics_count_by_route_and_name_nobody(door: Door) -> None:
    await door.propose()
    await door.propose()
    await door.propose({**UNSURE, "action_intent_id": "t2"})
    await door.agent.get("/v1/intents/t1")
    await door.agent.get("/v1/secret-path-of-acme")
    await door.agent.request("BREW", "/v1/intents")
    text = (await door.nobody.get("/metrics")).text
    assert 'clearance_decisions_total{decision="AUTO_EXECUTE"} 1.0' in text
    assert 'clearance_decisions_total{decision="REQUIRE_APPROVAL"} 1.0' in text
    route = 'method="GET",route="/v1/intents/{action_intent_id}"'
    assert f'clearance_requests_total{{{route},status="200"}} 1.0' in text
    assert f"clearance_request_seconds_count{{{route}}} 1.0" in text
    assert 'clearance_requests_total{method="GET",route="unmatched",status="404"} 1.0' in text
    assert 'method="OTHER"' in text
    for name in ("northwind", "acme", "agent-ada", "t1", "BREW"):
        assert name not in text
