"""What the queue's tests may use: a database that has the queue, and a shop with room for
everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from clearance.engines.queue import procrastinate as queues
from clearance.engines.queue.procrastinate import Queue
from clearance.engines.queue.schema import prepare
from tests.flow.support.queueing import document
from tests.support.world import World, opened


@pytest.fixture
async def queue_place(database: str) -> str:
    """One database that has the store and the queue."""
    await prepare(database)
    return database


@pytest.fixture
async def shop(queue_place: str) -> AsyncIterator[World]:
    """A world whose tool server has room for everything, and whose budgets do too."""
    async with opened(queue_place) as made:
        await made.configure(document(64))
        yield made


@pytest.fixture
def no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves hints as the only way to work."""

    async def nothing(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Queue, "_sweep", nothing)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps and signs of life by the hundredth of a second."""
    for name, seconds in (("SWEEP_SECONDS", 0.05), ("BEAT_SECONDS", 0.1), ("LEADS_SECONDS", 0.5)):
        monkeypatch.setattr(queues, name, seconds)
