"""The connections that servers accept, in this process so that their sockets can be looked at."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from clearance.profiles import postgres
from clearance.profiles.place import Database
from clearance.running.server import serving
from clearance.running.worker import WorkerAnnouncement, work

pytestmark = pytest.mark.anyio


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[socket.socket]:
    """Every connection that is accepted here."""
    connections: list[socket.socket] = []
    accept = socket.socket.accept

    def noted(listening):
        connection, address = accept(listening)
        connections.append(connection)
        return connection, address

    monkeypatch.setattr(socket.socket, "accept", noted)
    return connections


@pytest.fixture(params=["127.0.0.1", "::1"])
def host(request: pytest.FixtureRequest) -> str:
    """An address of this machine in each of the two families."""
    return request.param


@contextlib.asynccontextmanager
async def working(url: str, host: str) -> AsyncIterator[str]:
    """A worker on a database; yields the address of its health."""
    where, announced = Database(SecretStr(url)), asyncio.Future[WorkerAnnouncement]()
    await postgres.migrate(where)
    running = asyncio.create_task(work(where, host, 0, announced.set_result, 1))
    try:
        await asyncio.wait({running, announced}, return_when=asyncio.FIRST_COMPLETED)
        yield str(announced.result().url)
    finally:
        while not running.done():  # a worker that drains may take a first request for its own end
            running.cancel()
            await asyncio.wait({running}, timeout=1)


async def writes_leave_at_once(url: str, accepted: list[socket.socket]) -> bool:
    """Whether TCP_NODELAY is set on the connection that an answer came over."""
    async with httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{url}/healthz")).status_code == 200
        [connection] = accepted
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


# An answer is written in two parts, head and body. Without TCP_NODELAY the second one waits until
# the client has acknowledged the first, which takes it 40 ms.


async def test_what_a_server_writes_leaves_at_once(
    tmp_path: Path, host: str, accepted: list[socket.socket]
) -> None:
    async with serving(None, tmp_path, host, 0) as up:
        assert await writes_leave_at_once(up.url, accepted)


async def test_what_a_worker_writes_leaves_at_once(
    database: str, host: str, accepted: list[socket.socket]
) -> None:
    async with working(database, host) as url:
        assert await writes_leave_at_once(url, accepted)


async def test_a_worker_has_the_same_door(database: str) -> None:
    async with working(database, "127.0.0.1") as url, httpx2.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{url}/healthz")).status_code == 200
        other = await http.get(f"{url}/healthz", headers={"Host": "evil.example"})
        assert (other.status_code, other.json()["code"]) == (421, "HOST_NOT_SERVED")
        large = await http.get(f"{url}/healthz", headers={"X": "a" * 40_000})
        assert (large.status_code, large.json()["code"]) == (431, "HEADERS_TOO_LARGE")
