"""Proposals that are too many, at the REST door: 429 before the body is read, by what the caller is
and not by what it writes; and people see what was refused.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from clearance.cli.doctor import refused_sentences
from clearance.client import Clearance, ClearanceError
from clearance.core.moment import HOUR_MS, as_text
from clearance.core.principal import Role
from tests.doors.conftest import INTENT, UNSURE, Door, client, problem
from tests.support import sample
from tests.support.exposition import series
from tests.support.sample import NOON, OWNER

pytestmark = pytest.mark.anyio


async def limited(door: Door, **quotas: int) -> None:
    """Settings with these quotas, which the process has seen."""
    await door.world.configure(sample.document(quotas=quotas))
    await door.world.context.settings(OWNER.tenant_id)


def numbered(number: int, **more: Any) -> dict[str, Any]:
    return {**INTENT, "action_intent_id": f"t{number}", **more}


async def test_one_proposal_too_many_is_refused_before_its_body_is_read(door: Door) -> None:
    await limited(door, proposals_per_minute_each_credential=2)
    for number in range(2):
        assert (await door.agent.post("/v1/intents", json=numbered(number))).status_code == 201
    read = []

    async def body() -> AsyncIterator[bytes]:
        read.append("some")
        yield b"{"

    response = await door.agent.post(
        "/v1/intents", content=body(), headers={"content-type": "application/json"}
    )
    problem(response, 429, "TOO_MANY_PROPOSALS")
    assert (response.headers["retry-after"], response.headers["connection"]) == ("30", "close")
    assert read == []
    door.world.clock.forward(29_999)
    problem(await door.agent.post("/v1/intents", json=numbered(2)), 429, "TOO_MANY_PROPOSALS")
    door.world.clock.forward(1)
    assert (await door.agent.post("/v1/intents", json=numbered(2))).status_code == 201


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"account_id": "globex"}, {}),
        ({"trace_id": "another"}, {}),
        ({"tenant_id": "northwind"}, {}),
        ({}, {"X-Forwarded-For": "10.1.2.3"}),
        ({}, {"Cookie": "clearance_session=x"}),
    ],
)
async def test_no_caller_chooses_what_its_rate_is_counted_by(
    door: Door, body: dict[str, Any], headers: dict[str, str]
) -> None:
    await limited(door, proposals_per_minute_each_credential=1)
    await door.agent.post("/v1/intents", json=INTENT)
    again = await door.agent.post("/v1/intents", json=numbered(2, **body), headers=headers)
    problem(again, 429, "TOO_MANY_PROPOSALS")
    _, key = await door.world.control.create_api_key(OWNER, "agent-ben", Role.AGENT)
    async with client(door.app, key) as other:
        assert (await other.post("/v1/intents", json=numbered(3))).status_code == 201
    assert (await door.stranger.post("/v1/intents", json=INTENT)).status_code != 429


async def test_the_tenant_has_a_rate_over_all_its_keys(door: Door) -> None:
    await limited(door, proposals_per_minute=2)
    answers = []
    for number in range(3):
        _, key = await door.world.control.create_api_key(OWNER, f"a-{number}", Role.AGENT)
        async with client(door.app, key) as agent:
            answers.append((await agent.post("/v1/intents", json=numbered(number))).status_code)
    assert answers == [201, 201, 429]


async def test_a_key_that_may_not_propose_takes_nothing_of_the_tenant(door: Door) -> None:
    await limited(door, proposals_per_minute=1)
    for number in range(3):
        problem(await door.auditor.post("/v1/intents", json=numbered(number)), 403, "FORBIDDEN")
    assert (await door.agent.post("/v1/intents", json=INTENT)).status_code == 201


async def test_reading_is_not_counted(door: Door) -> None:
    await limited(door, proposals_per_minute_each_credential=1)
    await door.propose()
    for _ in range(5):
        assert (await door.agent.get("/v1/whoami")).status_code == 200


async def test_too_much_that_waits_is_refused_and_time_alone_does_not_help(door: Door) -> None:
    await limited(door, waiting_each_agent=1)
    await door.propose(UNSURE)
    response = await door.agent.post(
        "/v1/intents", json={**UNSURE, "action_intent_id": "t2", "parameters": {"title": "Other"}}
    )
    problem(response, 429, "TOO_MANY_WAITING")
    assert "retry-after" not in response.headers
    problem(await door.owner.get("/v1/intents/t2"), 404, "NOT_FOUND")


async def test_people_see_what_was_refused_by_agent_and_hour(door: Door) -> None:
    await limited(door, proposals_per_minute_each_credential=4)
    wrong = [
        {**INTENT, "parameters": {"title": 7}},
        {**INTENT, "nonsense": True},
        {**INTENT, "tenant_id": "southwind"},
        INTENT,
        INTENT,
    ]
    statuses = [(await door.agent.post("/v1/intents", json=body)).status_code for body in wrong]
    assert statuses == [422, 422, 403, 201, 429]
    door.world.clock.forward(HOUR_MS)
    await door.agent.post("/v1/intents", content=b"{", headers={"content-type": "application/json"})
    seen = (await door.owner.get("/v1/status")).json()["refused_proposals"]
    codes = {
        "INVALID_PARAMETERS": 1,
        "INVALID_BODY": 1,
        "TENANT_MISMATCH": 1,
        "TOO_MANY_PROPOSALS": 1,
    }
    assert seen == [
        {
            "agent_id": "agent-ada",
            "hour": as_text(NOON + HOUR_MS),
            "count": 1,
            "codes": {"INVALID_JSON": 1},
        },
        {"agent_id": "agent-ada", "hour": as_text(NOON), "count": 4, "codes": codes},
    ]
    assert (await door.stranger.get("/v1/status")).json()["refused_proposals"] == []
    scraped = series((await door.nobody.get("/metrics")).text)
    counted = {
        dict(labels)["code"]: number
        for (name, labels), number in scraped.items()
        if name == "clearance_refused_proposals_total" and number
    }
    assert counted == {**codes, "INVALID_JSON": 1}


@pytest.mark.parametrize(("header", "seconds"), [("30", 30), (None, None), ("soon", None)])
def test_the_client_hands_on_when_to_come_again_and_does_not_wait(
    header: str | None, seconds: int | None
) -> None:
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        body = {"code": "TOO_MANY_PROPOSALS", "detail": "Too many."}
        return httpx2.Response(429, json=body, headers={"retry-after": header} if header else {})

    transport = httpx2.MockTransport(answer)
    made = Clearance("http://127.0.0.1", "clr_" + "k" * 40, transport=transport)
    with made as clearance, pytest.raises(ClearanceError) as refused:
        clearance.propose(
            account_id="acme", action_type="PAY", confidence_score=1, risk_level="LOW"
        )
    assert (refused.value.status, refused.value.retry_after_seconds) == (429, seconds)
    assert len(asked) == 1


def test_the_doctor_names_the_agents_that_tried_in_vain_in_the_latest_hour() -> None:
    codes = {"INVALID_PARAMETERS": 1_200, "TOO_MANY_PROPOSALS": 4}
    latest = {"agent_id": "ada", "hour": "2026-11-24T12:00:00.000Z", "count": 1_204, "codes": codes}
    before = {**latest, "agent_id": "ben", "hour": "2026-11-24T11:00:00.000Z"}
    [sentence] = refused_sentences({"refused_proposals": [latest, before]})
    assert sentence == (
        "1,204 proposals of ada were refused in the hour from 2026-11-24T12:00:00.000Z, most with "
        "INVALID_PARAMETERS."
    )
    assert refused_sentences({"refused_proposals": []}) == refused_sentences({}) == []
