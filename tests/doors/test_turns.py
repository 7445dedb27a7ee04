"""Turns: a few at a time, one address after the other, and no place is lost."""

from __future__ import annotations

import anyio
import pytest

from clearance.core.errors import Unavailable
from clearance.doors import turns
from clearance.doors.turns import HASHES_AT_ONCE_MAX, Turns, source_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("host", "source"),
    [
        (None, ""),
        ("", ""),
        ("testclient", "testclient"),
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_a_client_is_counted_by_what_it_cannot_choose(host: str | None, source: str) -> None:
    assert source_of(host) == source


async def test_addresses_take_turns_and_the_one_with_most_gives_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "HASHES_WAITING_MAX", 6)
    places, worked, refused = Turns(), [], []
    go, at_once = anyio.Event(), []

    async def work(source: str, number: int) -> None:
        try:
            async with places.turn(source):
                at_once.append(places._working)
                await go.wait()
                worked.append((source, number))
        except Unavailable:
            refused.append((source, number))

    async with anyio.create_task_group() as all_of_them:
        for number in range(8):
            all_of_them.start_soon(work, "flood", number)
        await anyio.wait_all_tasks_blocked()
        for number in range(3):
            all_of_them.start_soon(work, f"other-{number}", 0)
            await anyio.wait_all_tasks_blocked()
        go.set()
    assert worked[:2] == [("flood", 0), ("flood", 1)]
    assert worked[2:] == [("flood", 2), *((f"other-{number}", 0) for number in range(3))]
    assert refused == [("flood", number) for number in (6, 7, 5, 4, 3)]
    assert max(at_once) == HASHES_AT_ONCE_MAX
    assert (places._working, dict(places._lines)) == (0, {})


async def test_a_place_of_a_caller_who_went_away_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "HASHES_WAITING_MAX", 4)
    places, held = Turns(), anyio.Event()
    scopes = [anyio.CancelScope() for _ in range(4)]

    async def wait(scope: anyio.CancelScope) -> None:
        with scope:
            async with places.turn("same"):
                await held.wait()

    async with anyio.create_task_group() as callers:
        for scope in scopes:
            callers.start_soon(wait, scope)
        await anyio.wait_all_tasks_blocked()
        scopes[2].cancel()  # it waits
        await anyio.wait_all_tasks_blocked()
        scopes[0].cancel()  # it works, and the last one is called: which goes at the same moment
        scopes[3].cancel()
        await anyio.wait_all_tasks_blocked()
        assert (places._working, dict(places._lines)) == (1, {})
        held.set()
    assert (places._working, dict(places._lines)) == (0, {})


async def test_many_addresses_keep_no_new_one_out_once_they_were_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "HASHES_WAITING_MAX", 6)
    places, over, refused = Turns(), False, []

    async def flood(source: str) -> None:
        while not over:
            try:
                async with places.turn(source):
                    await anyio.lowlevel.checkpoint()
            except Unavailable:
                refused.append(source)
                await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as attackers:
        for number in range(12):
            attackers.start_soon(flood, f"attacker-{number}")
        while len(places._served) < 12:
            await anyio.lowlevel.checkpoint()
        for number in range(50):
            async with places.turn(f"newcomer-{number}"):
                pass
        over = True
    assert refused
