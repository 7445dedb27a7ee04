"""The flood's program lives, and its goals can be missed. Tests of the limits show what a server
does under a flood, without a clock.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from flood import report
from flood.bystanders import Phase, Waits
from flood.floods import BY_NAME, FLOODS, Aim, Flood, Hold
from flood.run import Result

from tests.tidy.pages import ROOT

GOOD = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"
AIM = Aim(0, ["clr_a"] * 5, "clr_" + "b" * 43)


def waits(seconds: float) -> Waits:
    return Waits([seconds] * 3)


def phase(seconds: float) -> Phase:
    return Phase(*(waits(seconds) for _ in range(4)))


def result(
    name: str, under: Phase, *, memory: float = 110.0, log: float = 0.0, looked: int = 0
) -> Result:
    tally = {
        "opened": 3,
        "refused": 0,
        "statuses": {"403": looked},
        "cut": 1,
        "cut_after_seconds": 1.0,
        "cut_after_bytes": 2048,
        "cores": 0.05,
    }
    return Result(BY_NAME[name], phase(0.1), under, 100.0, memory, log, tally)


def test_a_goal_is_missed_beyond_its_bound_and_met_at_it() -> None:
    assert report.missed(result("idle", phase(0.3), memory=164.0, log=2000.0, looked=999)) == []
    assert report.missed(result("idle", phase(0.31))) == ["propose", "healthz"]
    assert report.missed(result("idle", phase(2.1), memory=165.0, log=2001.0)) == [
        *("stop", "propose", "healthz", "come in", "memory", "log")
    ]
    throttled = result("forged-addresses", phase(0.1), looked=31)
    assert report.missed(throttled) == ["throttle"]


def test_one_slow_stop_is_enough_to_miss() -> None:
    slow = phase(0.1)
    slow.stop.seconds.append(1.2)
    text = report.report([result("idle", slow)], 4)
    assert "every time | **missed** under `idle` |" in text
    assert "1 cut, in the middle after 1.0 s and 2 KiB" in text


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["half-lines", "forged-addresses"])
async def test_a_flood_reaches_its_target_and_reports_how_it_was_cut(name: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65_536)
        writer.write(GOOD)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        job = {"flood": name, "aim": asdict(replace(AIM, port=server.sockets[0].getsockname()[1]))}
        with subprocess.Popen(  # noqa: ASYNC220 - it is read in threads
            [sys.executable, "-m", "flood.attacker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        ) as attacker:
            assert attacker.stdin
            assert attacker.stdout
            attacker.stdin.write(f"{json.dumps(job)}\n")
            attacker.stdin.flush()
            await asyncio.to_thread(attacker.stdout.readline)
            answer, _ = await asyncio.to_thread(attacker.communicate)
    tally = json.loads(answer)
    assert tally["opened"] >= BY_NAME[name].connections
    assert tally["cut"] > 0
    assert tally["statuses"]["403"] > 0


@pytest.mark.parametrize("flood", FLOODS, ids=lambda flood: flood.name)
def test_each_flood_sends_what_it_says(flood: Flood) -> None:
    attack = flood.attack(AIM)
    make = attack.first if isinstance(attack, Hold) else attack.what
    parts = {make(number, turn) for number in range(8) for turn in range(8)}
    assert all(len(part) < 256_000 for part in parts)
    assert any(parts) == (flood.name != "idle")
    assert attack.every > 0


def test_the_page_has_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "floods.md"
    page.write_text((ROOT / "docs" / "floods.md").read_text(encoding="utf-8"), encoding="utf-8")
    report.write("new", page)
    assert "<!-- flood -->\n\nnew\n<!-- /flood -->" in page.read_text(encoding="utf-8")
    assert len(BY_NAME) == len(FLOODS)
