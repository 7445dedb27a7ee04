"""A process that answers HTTP until it is asked to end: its address, its signals, and its orderly
end.

One idea: the first SIGTERM or SIGINT begins the orderly end; the second gets the system's default
and ends the process at once. This file does not know what the process serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from errno import EADDRINUSE
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, cast

import uvicorn

from clearance.core.errors import Conflict
from clearance.running.door_settings import DoorSettings, ServedHosts
from clearance.running.doorkeeper import Doorkeeper, room
from clearance.running.front_door import FrontDoor

if TYPE_CHECKING:
    from fastapi import FastAPI

SIGNALS = (signal.SIGTERM, signal.SIGINT)
BACKLOG = 1_024  # connections that the machine keeps until they are accepted
ACCEPTED_AT_ONCE = 32  # between two looks at who has to go for them
STREAMS_END_SECONDS = 5  # how long open connections may take to end when the process is asked to


class Shutdown:
    """Whether the process was asked to end: `asked` is set by the first signal after `listen`."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def listen(self) -> None:
        """Takes the signals from their previous handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._first)

    def _first(self, _number: int, _frame: FrameType | None) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        self._loop.call_soon_threadsafe(self.asked.set)


@contextlib.contextmanager
def signals() -> Iterator[Shutdown]:
    """The signals for as long as the block lasts; afterwards they are whose they were."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        yield Shutdown()
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Takes the address before anything else happens, so that a second start changes nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio sets TCP_NODELAY only where it is. Without that the body
    # of an answer waits until the client has acknowledged its head.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind((host, port))
        except OSError as error:
            other = " Another port is named with --port." if error.errno == EADDRINUSE else ""
            sentence = f"Cannot listen on {host}:{port}: {error.strerror}.{other}"
            raise Conflict(sentence, code="ADDRESS_IN_USE") from None
        yield taken


def url_of(host: str, taken: socket.socket) -> str:
    """The address that others use."""
    return f"http://{f'[{host}]' if ':' in host else host}:{taken.getsockname()[1]}"


class _Server(uvicorn.Server):
    """Ends what would not end by itself before it waits for open connections, and leaves the
    signals alone.
    """

    def __init__(self, config: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(config)
        self._end_streams = end_streams

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def answering(
    app: FastAPI,
    taken: socket.socket,
    door: DoorSettings,
    *,
    until: asyncio.Event,
    end_streams: Callable[[], None],
) -> AsyncIterator[asyncio.Event]:
    """Answers on an address until the event, or the end of the block; the event that it yields is
    set when it has ended.

    Then new connections are refused, streams end, and what is under way has STREAMS_END_SECONDS.
    """
    keeper = Doorkeeper(room(door.connections), door.is_proxy)
    settings = uvicorn.Config(
        ServedHosts(app, door.hosts),
        http=cast("type[asyncio.Protocol]", partial(FrontDoor, keeper)),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(door.proxies),
        forwarded_allow_ips=list(map(str, door.proxies)),
        backlog=ACCEPTED_AT_ONCE,
        timeout_graceful_shutdown=STREAMS_END_SECONDS,
    )
    server, ended = _Server(settings, end_streams), asyncio.Event()
    running = asyncio.create_task(server.serve(sockets=[taken]))
    running.add_done_callback(lambda _: ended.set())

    async def end() -> None:
        await until.wait()
        server.should_exit = True

    ending = asyncio.create_task(end())
    try:
        while not server.started and not ended.is_set():  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)
        if not ended.is_set():
            taken.listen(BACKLOG)  # uvicorn has one number for both
        yield ended
    finally:
        ending.cancel()
        server.should_exit = True
        await running
