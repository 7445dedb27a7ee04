"""The attacking process: carries out one flood until its standard input ends. `python -m
flood.attacker`.

It reads one line of JSON (the flood and its aim), and answers with two: when it has begun, and its
tally. It is a process of its own so that the client that measures is not what is slow.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from flood.floods import BY_NAME, Aim, Ask, Flood, Hold
from flood.wire import Connection, address, asked, connected

STARTED_WITHIN_SECONDS = 0.8  # over which the first connections are spread
LIFE_SECONDS_MAX = 40  # of the process, whatever its parent does
REST_SECONDS = 0.25  # after a connection that was refused
PART_BYTES = 65_536


@dataclass
class Tally:
    """The flood as it went for its sender."""

    opened: int = 0
    refused: int = 0
    sent: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    cut_after_seconds: list[float] = field(default_factory=list)
    cut_after_bytes: list[int] = field(default_factory=list)

    def cut(self, seconds: float, sent: int) -> None:
        """The server ended a connection."""
        self.cut_after_seconds.append(seconds)
        self.cut_after_bytes.append(sent)

    def summary(self, cores: float) -> dict[str, Any]:
        """As JSON, with the medians of what was cut, and how much of one core it took."""
        seconds, sent = self.cut_after_seconds, self.cut_after_bytes
        return {
            "opened": self.opened,
            "refused": self.refused,
            "statuses": self.statuses,
            "cut": len(seconds),
            "cut_after_seconds": statistics.median(seconds) if seconds else None,
            "cut_after_bytes": statistics.median(sent) if sent else None,
            "cores": cores,
        }


def main() -> None:
    job = json.loads(sys.stdin.readline())
    _raise_file_limit()
    begin = time.monotonic()
    tally = asyncio.run(_until_told(BY_NAME[job["flood"]], Aim(**job["aim"])))
    used = resource.getrusage(resource.RUSAGE_SELF)
    cores = (used.ru_utime + used.ru_stime) / (time.monotonic() - begin)
    print(json.dumps(tally.summary(cores)), flush=True)


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _until_told(flood: Flood, aim: Aim) -> Tally:
    tally, attack = Tally(), flood.attack(aim)
    senders = [
        asyncio.create_task(_sender(flood, attack, aim, number, tally))
        for number in range(flood.connections)
    ]
    await asyncio.sleep(STARTED_WITHIN_SECONDS)
    print(json.dumps({"begun": True}), flush=True)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LIFE_SECONDS_MAX):
            await _end_of_input()
    for sender in senders:
        sender.cancel()
    await asyncio.wait(senders)
    for sender in senders:
        if not sender.cancelled() and (error := sender.exception()):
            raise error
    return tally


async def _end_of_input() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    await reader.read()


async def _sender(flood: Flood, attack: Hold | Ask, aim: Aim, number: int, tally: Tally) -> None:
    """One connection after another, each when the last one has ended."""
    await asyncio.sleep(STARTED_WITHIN_SECONDS * number / flood.connections)
    source = address(flood.addresses[number % len(flood.addresses)])
    turn = 0
    while True:
        try:
            async with connected(aim.port, source) as connection:
                tally.opened += 1
                if isinstance(attack, Hold):
                    await _hold(attack, connection, number, tally)
                    await asyncio.sleep(attack.again)
                else:
                    turn = await _ask(attack, connection, number, turn, tally)
        except OSError:
            tally.refused += 1
            await asyncio.sleep(REST_SECONDS)


async def _hold(attack: Hold, connection: Connection, number: int, tally: Tally) -> None:
    """Holds a connection until the server ends it."""
    begin, sent = time.monotonic(), [0]
    pouring = asyncio.create_task(_pour(attack, connection[1], number, tally, sent))
    try:
        await _drained(connection[0], tally)
    finally:
        pouring.cancel()
        await asyncio.wait([pouring])
    tally.cut(time.monotonic() - begin, sent[0])


async def _pour(
    attack: Hold, writer: asyncio.StreamWriter, number: int, tally: Tally, sent: list[int]
) -> None:
    """Sends, within the bounds of the flood; `sent` counts the bytes of this connection."""
    part = attack.first(number, 0)
    with contextlib.suppress(OSError):
        while tally.sent + len(part) <= attack.bytes_max:
            writer.write(part)
            await writer.drain()
            sent[0] += len(part)
            tally.sent += len(part)
            part = attack.more
            if not part:
                return
            await asyncio.sleep(attack.every)


async def _drained(reader: asyncio.StreamReader, tally: Tally) -> None:
    """Reads all that comes until the server ends it, and counts the status that it begins with."""
    with contextlib.suppress(OSError):
        first = await reader.read(PART_BYTES)
        if first:
            tally.statuses[first[9:12].decode("ascii", "replace")] += 1
        while await reader.read(PART_BYTES):
            pass


async def _ask(attack: Ask, connection: Connection, number: int, turn: int, tally: Tally) -> int:
    """Asks until the server ends the connection; the turn that comes next."""
    begin, sent = time.monotonic(), 0
    while True:
        part = attack.what(number, turn)
        turn, sent = turn + 1, sent + len(part)
        tally.sent += len(part)
        try:
            reply = await asked(connection, part)
        except (OSError, EOFError):
            tally.cut(time.monotonic() - begin, sent)
            await asyncio.sleep(attack.every)
            return turn
        tally.statuses[str(reply.status)] += 1
        await asyncio.sleep(attack.every)


if __name__ == "__main__":
    main()
