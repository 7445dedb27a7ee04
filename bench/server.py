"""A process that is measured over HTTP, until SIGTERM: the yardstick, a server or a worker.

    python -m bench.server echo | serve PLACE | work PLACE

Prints a line of JSON when it is up. Server and worker are those of `clearance serve` and
`clearance worker`; only their tools are ones that answer at once. A place is a data directory, or a
database's URL.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import SecretStr

from bench.kept_alive import HOST
from bench.stores import CALLS_AT_ONCE, InstantTools
from clearance.profiles.place import Database
from clearance.running.first_key import KEY_FILE
from clearance.running.server import serving
from clearance.running.worker import work

BODY = b'{"status":"ok"}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


def main() -> None:
    match sys.argv[1:]:
        case ["echo"]:
            asyncio.run(_echo())
        case ["serve", where]:
            asyncio.run(_serve(Database(SecretStr(where)) if "://" in where else Path(where)))
        case ["work", where]:
            asyncio.run(_work(Database(SecretStr(where))))


class _Constant(asyncio.Protocol):
    """Answers whatever comes with the same bytes, written at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, _: bytes) -> None:
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(ANSWER)


async def _echo() -> None:
    listening = await asyncio.get_running_loop().create_server(_Constant, HOST, 0)
    _say(url=f"http://{HOST}:{listening.sockets[0].getsockname()[1]}")
    await listening.serve_forever()


async def _serve(where: Path | Database) -> None:
    with TemporaryDirectory() as folder:
        file = Path(folder) / KEY_FILE
        async with serving(None, where, HOST, 0, tools=InstantTools(), key_file=file) as up:
            _say(url=up.url, key=file.read_text(encoding="ascii").strip())
            await up.ended.wait()


async def _work(where: Database) -> None:
    await work(
        where, HOST, None, lambda up: _say(name=up.name), CALLS_AT_ONCE, tools=InstantTools()
    )


def _say(**words: str | None) -> None:
    print(json.dumps(words), flush=True)


if __name__ == "__main__":
    main()
