"""HTTP at its plainest, for both sides of a flood: a connection from an address of this machine,
and one answer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlencode

HOST = "127.0.0.1"
HEAD_BYTES_MAX = 1_000_000
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_MANY_ADDRESSES = sys.platform == "linux"  # where all of 127.0.0.0/8 is this machine

Connection: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. `head` ends with an empty line."""

    status: int
    head: bytes
    body: bytes


def address(number: int) -> str:
    """An address of this machine; always the same one where it has no other."""
    return f"127.0.0.{number}" if _MANY_ADDRESSES else HOST


@contextlib.asynccontextmanager
async def connected(port: int, source: str) -> AsyncIterator[Connection]:
    """A connection from an address. OSError if there is none."""
    reader, writer = await asyncio.open_connection(
        HOST, port, local_addr=(source, 0), limit=HEAD_BYTES_MAX
    )
    try:
        yield reader, writer
    finally:
        # A flood leaves as it came: without waiting for a server that may be busy.
        writer.transport.abort()


async def asked(connection: Connection, request: bytes) -> Reply:
    """Sends a request and reads its answer, which has a length.

    OSError or EOFError if the connection ends before.
    """
    reader, writer = connection
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return Reply(int(head[9:12]), head, body)


def request(verb: str, path: str, *headers: str, body: bytes = b"") -> bytes:
    """A request as bytes; its length is in it if it has a body."""
    lines = [f"{verb} {path} HTTP/1.1", f"Host: {HOST}", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def with_json(verb: str, path: str, key: str, value: Mapping[str, Any], *headers: str) -> bytes:
    """A request of a caller with a key and a body of JSON."""
    return request(
        verb,
        path,
        bearer(key),
        "Content-Type: application/json",
        *headers,
        body=json.dumps(value).encode(),
    )


def form(path: str, fields: Mapping[str, str], *headers: str) -> bytes:
    """A form of the pages."""
    kind = "Content-Type: application/x-www-form-urlencoded"
    return request("POST", path, kind, *headers, body=urlencode(fields).encode())


def bearer(key: str) -> str:
    """The header that carries a key."""
    return f"Authorization: Bearer {key}"
