"""A client over HTTP that keeps its connections open, and does little else, for it is not measured.

It writes each request at once, and reads an answer by its length.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeAlias

HOST = "127.0.0.1"
LINE_BYTES_MAX = 1_000_000
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)

Ask: TypeAlias = Callable[[bytes], Awaitable[tuple[int, bytes]]]
"""Sends a request over a connection that is free; the status and the body of the answer."""


def get(path: str, key: str) -> bytes:
    """A request without a body."""
    return f"{_head('GET', path, key)}\r\n".encode()


def post(path: str, key: str, body: Mapping[str, Any]) -> bytes:
    """A request with a body of JSON."""
    text = json.dumps(body)  # ASCII
    about = f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n"
    return f"{_head('POST', path, key)}{about}\r\n{text}".encode()


def _head(verb: str, path: str, key: str) -> str:
    return f"{verb} {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {key}\r\n"


@contextlib.asynccontextmanager
async def connections(port: int, count: int) -> AsyncIterator[Ask]:
    """So many open connections, of which each request takes one that is free."""
    async with contextlib.AsyncExitStack() as ends:
        free = [await ends.enter_async_context(_connection(port)) for _ in range(count)]

        async def ask(request: bytes) -> tuple[int, bytes]:
            reader, writer = connection = free.pop()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1])) if length else b""
            free.append(connection)
            return int(head[9:12]), body

        yield ask


@contextlib.asynccontextmanager
async def lines(port: int, request: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
    """The lines of an answer that goes on, with those of its head and between its chunks."""
    async with _connection(port) as (reader, writer):
        writer.write(request)
        yield aiter(reader)


@contextlib.asynccontextmanager
async def _connection(
    port: int,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(HOST, port, limit=LINE_BYTES_MAX)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
