"""The REST door on a real store: keys of one tenant and of a stranger, and a client for each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from hashlib import scrypt
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from clearance.api import wire
from clearance.api.app import create_app
from clearance.core import credential
from clearance.core.principal import Principal, Role
from clearance.doors.access import Access
from clearance.running.metrics.measured import MeasuredStore, MeasuredTools, count_refused
from clearance.running.metrics.prometheus import Exposition, Metrics
from tests.support import sample
from tests.support.sample import OWNER, STRANGER
from tests.support.world import World

INTENT: Mapping[str, Any] = {
    "action_intent_id": "t1",
    "account_id": "acme",
    "action_type": "CREATE_TASK",
    "parameters": {"title": "Renewal call"},
    "confidence_score": 0.95,
    "risk_level": "LOW",
    "why": ["The contract ends soon."],
}
UNSURE: Mapping[str, Any] = {**INTENT, "confidence_score": 0.5}
"""A proposal that a person must look at."""


@dataclass
class Door:
    """The app, a key and a client for each role, and the world behind it."""

    world: World
    app: FastAPI
    access: Access
    keys: dict[str, str] = field(default_factory=dict)
    clients: dict[str, httpx2.AsyncClient] = field(default_factory=dict)

    @property
    def agent(self) -> httpx2.AsyncClient:
        return self.clients["agent-ada"]

    @property
    def approver(self) -> httpx2.AsyncClient:
        return self.clients["olga"]

    @property
    def auditor(self) -> httpx2.AsyncClient:
        return self.clients["audrey"]

    @property
    def owner(self) -> httpx2.AsyncClient:
        return self.clients["owner"]

    @property
    def stranger(self) -> httpx2.AsyncClient:
        """The owner of another tenant."""
        return self.clients["mallory"]

    @property
    def nobody(self) -> httpx2.AsyncClient:
        return self.clients["nobody"]

    async def propose(self, intent: Mapping[str, Any] = INTENT) -> dict[str, Any]:
        response = await self.agent.post("/v1/intents", json=dict(intent))
        assert response.status_code in {200, 201}, response.text
        answer: dict[str, Any] = response.json()
        return answer


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem in a response, which must be one of this status and code."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    wire.ProblemResource.model_validate(body)
    assert body["status"] == status
    assert body["detail"].endswith((".", ":")) or body["problems"]
    return dict(body)


def client(app: FastAPI, key: str | None) -> httpx2.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # Whatever broke must come out as the answer that a caller would see.
    transport = httpx2.ASGITransport(app, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://clearance", headers=headers)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The doors know nothing of stores: one is enough here."""
    return tmp_path / "store.sqlite3"


@pytest.fixture
def quick_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys whose hash costs nothing: what it costs in earnest is for test_access.py."""
    monkeypatch.setattr(credential, "scrypt", lambda key, **given: scrypt(key, **{**given, "n": 2}))


def measured(world: World) -> Exposition:
    """What a server measures, with this world's store and tools measured from now on."""
    metrics, context = Metrics(), world.context
    context.store = MeasuredStore(context.store, metrics)
    context.tools = MeasuredTools(context.tools, metrics)
    context.refusals.heard = partial(count_refused, metrics)
    return Exposition(metrics, context)


@pytest.fixture
async def door(world: World, quick_hashes: None) -> AsyncIterator[Door]:
    await world.configure(sample.DOCUMENT, STRANGER.tenant_id)
    access = Access(world.store, world.clock)
    made = Door(world, create_app(world.control, access, metrics=measured(world)), access)
    people: list[tuple[Principal, str, Role]] = [
        (OWNER, "agent-ada", Role.AGENT),
        (OWNER, "olga", Role.APPROVER),
        (OWNER, "audrey", Role.AUDITOR),
        (OWNER, "owner", Role.OWNER),
        (STRANGER, "mallory", Role.OWNER),
    ]
    async with AsyncExitStack() as open_clients:
        for creator, name, role in people:
            _, made.keys[name] = await world.control.create_api_key(creator, name, role)
            made.clients[name] = await open_clients.enter_async_context(
                client(made.app, made.keys[name])
            )
        made.clients["nobody"] = await open_clients.enter_async_context(client(made.app, None))
        yield made
