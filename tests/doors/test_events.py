"""The event stream: every fact once, in order, resumable; it ends with its credential, its client
or the process.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest

from clearance.api import events
from clearance.api.app import end_streams
from clearance.core.errors import Unavailable
from clearance.core.principal import Role
from clearance.doors import streams
from tests.doors.conftest import INTENT, UNSURE, Door
from tests.support.sample import OWNER

pytestmark = pytest.mark.anyio
PATIENCE_SECONDS = 10


class Stream:
    """One request as an ASGI server makes it: what was sent so far can be waited for, and the
    client can leave.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.text = ""
        self.complete = False
        self._grew = anyio.Event()
        self.left = anyio.Event()
        self.ended = anyio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            self.text += message["body"].decode()
            self.complete = not message.get("more_body", False)
        self._grew.set()
        self._grew = anyio.Event()

    async def until(self, count: int, mark: str = "data: ") -> None:
        """Waits until a mark was sent so often."""
        with anyio.fail_after(PATIENCE_SECONDS):
            while self.text.count(mark) < count:
                await self._grew.wait()

    async def over(self) -> None:
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.ended.wait()

    @property
    def events(self) -> list[tuple[int, str, dict[str, Any]]]:
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(
                line.split(": ", 1)
                for line in block.splitlines()
                if line and not line.startswith(":")
            )
            if "data" in fields:
                found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
        return found


@asynccontextmanager
async def streaming(
    door: Door, *, key: str = "audrey", query: str = "", **headers: str
) -> AsyncIterator[Stream]:
    stream = Stream()
    sent = {
        "authorization": f"Bearer {door.keys[key]}",
        **{name.replace("_", "-"): text for name, text in headers.items()},
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/v1/events",
        "raw_path": b"/v1/events",
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), text.encode()) for name, text in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("clearance", 80),
    }

    async def run() -> None:
        await door.app(scope, stream.receive, stream.send)
        stream.ended.set()

    async with anyio.create_task_group() as server:
        server.start_soon(run)
        yield stream
        stream.left.set()
        await stream.over()


async def test_what_happens_arrives_once_and_in_order(door: Door) -> None:
    await door.world.control.pin_tools(OWNER)
    async with streaming(door) as stream:
        await stream.until(1, "retry: ")
        await door.propose()
        await stream.until(1)
        await door.world.run("t1")
        await stream.until(3)
    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    assert "content-length" not in stream.headers
    kinds = ["ACTION_APPROVED", "EXECUTION_STARTED", "OUTCOME_RECORDED"]
    assert [kind for _, kind, _ in stream.events] == kinds
    size = await door.world.store.ledger_size("northwind")
    assert [position for position, _, _ in stream.events] == [size - 2, size - 1, size]
    entries = (await door.auditor.get(f"/v1/ledger/entries?after={size - 3}")).json()["items"]
    assert [entry for _, _, entry in stream.events] == entries


@pytest.mark.parametrize(
    ("query", "headers"),
    [("", {"last_event_id": "2"}), ("after=2", {}), ("after=9", {"last_event_id": "2"})],
)
async def test_a_stream_goes_on_where_it_was(
    door: Door, query: str, headers: dict[str, str]
) -> None:
    size = await door.world.store.ledger_size("northwind")
    async with streaming(door, query=query, **headers) as stream:
        await stream.until(size - 2)
        await door.propose()
        await stream.until(size - 1)
    assert [position for position, _, _ in stream.events] == list(range(3, size + 2))


@pytest.mark.parametrize(
    ("query", "headers"), [("", {"last_event_id": "x"}), ("after=-1", {}), ("since=2", {})]
)
async def test_a_place_that_is_none_is_refused(
    door: Door, query: str, headers: dict[str, str]
) -> None:
    async with streaming(door, query=query, **headers) as stream:
        await stream.over()
    assert (stream.status, json.loads(stream.text)["code"]) == (422, "INVALID_QUERY")


async def test_a_tenant_hears_only_its_own(door: Door) -> None:
    async with streaming(door, key="mallory") as stream:
        await stream.until(1, "retry: ")
        await door.propose()
        await door.stranger.post("/v1/intents", json=dict(UNSURE))
        await stream.until(1)
    assert [entry["tenant_id"] for _, _, entry in stream.events] == ["other-tenant"]


async def test_a_silent_stream_says_that_it_is_there(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_MS", 1)
    async with streaming(door) as stream:
        await stream.until(2, ": still here\n\n")
    assert stream.events == []


async def test_a_revoked_key_ends_its_stream_before_the_next_fact(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = (
        await door.owner.post("/v1/api-keys", json={"name": "nightly", "role": "auditor"})
    ).json()
    door.keys["nightly"] = made["key"]
    async with streaming(door, key="nightly") as stream:
        await stream.until(1, "retry: ")
        door.world.clock.forward(1_000)
        await door.owner.delete(f"/v1/api-keys/{made['key_id']}")
        await stream.over()
        assert stream.complete
    assert stream.events == []
    monkeypatch.setattr(events, "HEARTBEAT_MS", 1)
    async with streaming(door, key="nightly") as stream:
        await stream.over()
    assert stream.status == 401


async def test_streams_are_bounded_and_a_client_that_leaves_makes_room(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_PER_TENANT_MAX", 1)
    async with streaming(door) as first:
        await first.until(1, "retry: ")
        assert "clearance_event_streams 1.0" in (await door.nobody.get("/metrics")).text
        async with streaming(door, key="owner") as second:
            await second.over()
        assert (second.status, json.loads(second.text)["code"]) == (503, "TOO_MANY_STREAMS")
        assert second.headers["retry-after"] == "1"
        async with streaming(door, key="mallory") as other:
            await other.until(1, "retry: ")
    async with streaming(door, key="owner") as third:
        await third.until(1, "retry: ")
    assert "clearance_event_streams 0.0" in (await door.nobody.get("/metrics")).text


async def test_one_actor_does_not_take_every_place(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_PER_ACTOR_MAX", 1)
    async with streaming(door) as first:
        await first.until(1, "retry: ")
        async with streaming(door) as second:
            await second.over()
        assert (second.status, json.loads(second.text)["code"]) == (503, "TOO_MANY_STREAMS")
        async with streaming(door, key="owner") as other:
            await other.until(1, "retry: ")
    async with streaming(door) as again:
        await again.until(1, "retry: ")


async def test_agents_together_leave_streams_for_people(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STREAMS_PER_TENANT_MAX", 4)
    for number in range(4):
        name = f"agent-{number}"
        _, door.keys[name] = await door.world.control.create_api_key(OWNER, name, Role.AGENT)
    async with AsyncExitStack() as held:
        for number in range(3):
            stream = await held.enter_async_context(streaming(door, key=f"agent-{number}"))
            await stream.until(1, "retry: ")
        async with streaming(door, key="agent-3") as late:
            await late.over()
        assert (late.status, json.loads(late.text)["code"]) == (503, "TOO_MANY_STREAMS")
        async with streaming(door, key="olga") as person:
            await person.until(1, "retry: ")
    async with streaming(door, key="agent-3") as again:
        await again.until(1, "retry: ")


async def test_a_process_that_stops_ends_its_streams_cleanly(door: Door) -> None:
    async with streaming(door) as one, streaming(door, key="owner") as other:
        await one.until(1, "retry: ")
        await other.until(1, "retry: ")
        end_streams(door.app)
        await one.over()
        await other.over()
        assert one.complete
        assert other.complete
    async with streaming(door) as late:
        await late.over()
    assert late.status == 503


async def test_a_store_that_fails_ends_the_stream_so_that_the_client_comes_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def full(*_: object) -> None:
        sentence = "The disk is full."
        raise Unavailable(sentence)

    async with streaming(door) as stream:
        await stream.until(1, "retry: ")
        monkeypatch.setattr(door.world.store, "entries", full)
        await door.propose(INTENT)
        await stream.over()
        assert stream.complete
    assert stream.status == 200
