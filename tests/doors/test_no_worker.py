"""Without a worker nothing approved runs: every door stays open, and says so."""

from __future__ import annotations

import re

import pytest
from pydantic import SecretStr

from clearance.cli import doctor
from clearance.core.errors import Unavailable
from clearance.engines.queue.state import QueueState
from clearance.flow.requests import Workers
from clearance.flow.workers import FRESH_MS
from clearance.profiles import postgres
from clearance.profiles.place import Database
from clearance.web.routes import mount
from tests.doors.conftest import INTENT, Door
from tests.support.exposition import series, value

pytestmark = pytest.mark.anyio

AN_HOUR_AGO = 1_763_996_400_000
SINCE = "2025-11-24T15:00:00.000Z"
SENTENCE = f"No worker is alive since {SINCE}: 1 approved intent waits until one starts."


class Looking:
    """A look at the workers, which counts how often it was taken."""

    def __init__(self, workers: Workers | Unavailable) -> None:
        self.workers = workers
        self.count = 0

    async def __call__(self) -> Workers:
        self.count += 1
        if isinstance(self.workers, Unavailable):
            raise self.workers
        return self.workers


def watched(door: Door, workers: Workers | Unavailable) -> Looking:
    look = Looking(workers)
    door.world.context.watch_workers(look)
    door.app.state.workers = door.world.context.workers
    return look


async def _everywhere(door: Door) -> tuple[object, list[str], float | None, list[str]]:
    """What readiness, the status, the metrics and a page say."""
    ready = await door.nobody.get("/readyz")
    assert ready.status_code == 200
    status = (await door.auditor.get("/v1/status")).json()["problems"]
    measured = series((await door.nobody.get("/metrics")).text)
    page = await door.nobody.get("/")
    return (
        ready.json(),
        [problem["sentence"] for problem in status if problem["code"] == "NO_WORKER"],
        value(measured, "clearance_workers_alive"),
        re.findall(r'role="status">(No worker[^<]*)<', page.text),
    )


@pytest.fixture
async def visited(door: Door) -> Door:
    mount(door.app, door.world.control, door.access, clock=door.world.clock)
    form = {"key": door.keys["olga"]}
    assert (await door.nobody.post("/sign-in", data=form)).status_code == 303
    await door.propose(INTENT)
    return door


async def test_people_reach_the_stop_and_every_door_says_that_no_worker_is_alive(
    visited: Door,
) -> None:
    watched(visited, Workers(0, 1, AN_HOUR_AGO))
    ready = {"status": "ok", "code": "NO_WORKER", "detail": SENTENCE}
    assert await _everywhere(visited) == (ready, [SENTENCE], 0, [SENTENCE])
    assert (await visited.nobody.get("/stop")).status_code == 200


@pytest.mark.parametrize(
    ("workers", "alive"),
    [(Workers(2, 5, AN_HOUR_AGO), 2), (Unavailable("No queue."), None), (None, None)],
)
async def test_nothing_is_said_while_workers_live_or_nothing_is_known_of_them(
    visited: Door, workers: Workers | Unavailable | None, alive: int | None
) -> None:
    if workers is not None:
        watched(visited, workers)
    assert await _everywhere(visited) == ({"status": "ok"}, [], alive, [])


async def test_many_who_ask_cost_one_look(visited: Door) -> None:
    look = watched(visited, Workers(0, 0))
    for _ in range(5):
        said = (await visited.nobody.get("/readyz")).json()["detail"]
    assert said == "No worker is alive: approved intents will wait until one starts."
    assert look.count == 1
    look.workers = Workers(1, 0)
    visited.world.clock.forward(FRESH_MS)
    assert (await visited.nobody.get("/readyz")).json() == {"status": "ok"}


@pytest.mark.parametrize(("hints", "status"), [(1, "failure"), (0, "warning")])
async def test_the_doctor_fails_while_approved_intents_wait_for_no_worker(
    hints: int, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def queue(_: Database) -> QueueState:
        return QueueState({"todo": hints}, 0, None, AN_HOUR_AGO)

    monkeypatch.setattr(postgres, "database_queue", queue)
    place = Database(SecretStr("postgresql://localhost"))
    [(found, sentence)] = [each async for each in doctor._queue(place)]
    assert found == status
    assert sentence.startswith(f"No worker is alive since {SINCE}: ")
