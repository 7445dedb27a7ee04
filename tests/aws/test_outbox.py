"""The outbox: what is approved is published, and what could not be is said and found again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from botocore.exceptions import ClientError, EndpointConnectionError

from clearance.core.approval import ApprovalSource
from clearance.core.errors import Unavailable
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.engines import eventbridge
from clearance.engines.eventbridge import ENTRIES_MAX, TRIES_MAX, Bus
from clearance.flow.ports.due import Due
from tests.aws.support.in_process import InProcess, in_process
from tests.aws.support.stack import outcome_of, record_of
from tests.aws.test_workflow import NORTHWIND, detail, event_of
from tests.support.sample import TENANT, task
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def stack() -> Iterator[InProcess]:
    with in_process() as made:
        yield made


class Events:
    """EventBridge as far as the outbox asks it.

    `refuses`: how often an event is not taken, by its intent; `away`: a call's end.
    """

    def __init__(self, **refuses: int) -> None:
        self.refuses = refuses
        self.away: Exception | None = None
        self.calls: list[list[str]] = []
        self.published: list[dict[str, Any]] = []

    def put_events(self, **request: Any) -> dict[str, Any]:
        names = [json.loads(entry["Detail"])["action_intent_id"] for entry in request["Entries"]]
        self.calls.append(names)
        if self.away:
            raise self.away
        said = []
        for name, entry in zip(names, request["Entries"], strict=True):
            if self.refuses.get(name, 0) > 0:
                self.refuses[name] -= 1
                said.append({"ErrorCode": "ThrottlingException", "ErrorMessage": "later"})
            else:
                self.published.append(entry)
                said.append({"EventId": "e"})
        return {"FailedEntryCount": sum("ErrorCode" in one for one in said), "Entries": said}


def hint(bus: Bus, *names: str) -> None:
    for name in names:
        bus.hint(Due(TENANT, name, "CREATE_TASK", ApprovalSource.POLICY, "acme"))


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eventbridge, "BACKOFF_SECONDS", 0.001)


async def test_an_event_says_what_was_approved_and_by_whom(world: World) -> None:
    events = Events()
    bus = Bus("bus", events)
    bus.hint(Due(TENANT, "t1", "CREATE_TASK", ApprovalSource.HUMAN, "acme"))
    bus.hint(Due(TENANT, "t1", "CREATE_TASK", ApprovalSource.HUMAN, "acme"))
    assert await bus.flush(world.context) == 1
    [entry] = events.published
    assert {**entry, "Detail": json.loads(entry["Detail"])} == {
        "EventBusName": "bus",
        "Source": "clearance",
        "DetailType": "ACTION_APPROVED",
        "Detail": {
            "tenant_id": TENANT,
            "account_id": "acme",
            "action_intent_id": "t1",
            "action_type": "CREATE_TASK",
            "approval_source": "HUMAN",
            "auto_executed": False,
        },
    }
    assert await bus.flush(world.context) == 0


async def test_only_what_was_not_taken_is_sent_again(world: World) -> None:
    events = Events(i1=1, i3=2)
    bus = Bus("bus", events)
    hint(bus, *[f"i{number}" for number in range(12)])
    assert await bus.flush(world.context) == 12
    names = [f"i{number}" for number in range(12)]
    assert events.calls == [names[:ENTRIES_MAX], ["i1", "i3"], ["i3"], names[ENTRIES_MAX:]]


async def test_what_is_never_taken_is_left_to_the_sweep_and_said(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()
    events = Events(i1=99)
    bus = Bus("bus", events)
    hint(bus, "i0", "i1")
    assert await bus.flush(world.context) == 1
    assert events.calls == [["i0", "i1"]] + [["i1"]] * (TRIES_MAX - 1)
    said = capsys.readouterr().out
    assert "EVENTS_REFUSED" in said
    assert "ThrottlingException" in said


@pytest.mark.parametrize(
    "away",
    [
        ClientError({"Error": {"Code": "InternalFailure"}}, "PutEvents"),
        EndpointConnectionError(endpoint_url="http://127.0.0.1:1"),
    ],
)
async def test_a_bus_that_is_away_fails_nobody_and_is_not_asked_for_ever(
    world: World, away: Exception
) -> None:
    events = Events()
    events.away = away
    bus = Bus("bus", events)
    hint(bus, *[f"i{number}" for number in range(50)])
    assert await bus.flush(world.context) == 0
    assert len(events.calls) == TRIES_MAX


async def test_more_hints_than_may_wait_are_left_to_the_sweep_and_said(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    structlog.reset_defaults()
    monkeypatch.setattr(eventbridge, "WAITING_MAX", 2)
    bus = Bus("bus", Events())
    hint(bus, "i0", "i1", "i2")
    assert [await bus.flush(world.context) for _ in range(2)] == [2, 0]
    assert capsys.readouterr().out.count("TOO_MANY_WAIT") == 1


async def test_what_the_sweep_found_is_looked_at_before_it_is_published(world: World) -> None:
    await world.propose(task("t1"))
    await world.propose(task("done"))
    await world.run("done")
    events = Events()
    bus = Bus("bus", events)
    for name in ("t1", "done", "never-heard-of"):
        bus.hint(Due(TENANT, name, "CREATE_TASK"))
    assert await bus.flush(world.context) == 1
    said = json.loads(events.published[0]["Detail"])
    assert (said["account_id"], said["approval_source"], said["auto_executed"]) == (
        "acme",
        "POLICY",
        True,
    )
    await world.stop(StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "incident"))
    bus.hint(Due(TENANT, "t1", "CREATE_TASK"))
    assert await bus.flush(world.context) == 0


async def test_one_intent_that_cannot_be_read_does_not_keep_the_others_from_being_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.propose(task("t1"))
    await world.propose(task("t2"))
    intent = world.store.intent

    async def sometimes(tenant_id: str, action_intent_id: str) -> Any:
        if action_intent_id == "t1":
            raise Unavailable("Not now.")
        return await intent(tenant_id, action_intent_id)

    monkeypatch.setattr(world.store, "intent", sometimes)
    events = Events()
    bus = Bus("bus", events)
    for name in ("t1", "t2"):
        bus.hint(Due(TENANT, name, "CREATE_TASK"))
    assert await bus.flush(world.context) == 1
    assert events.calls == [["t2"]]


def test_an_event_that_the_bus_refused_is_approved_all_the_same_and_published_by_the_sweep(
    stack: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, refused = Bus._put, 0

    async def partly(self: Bus, entries: list[dict[str, str]]) -> tuple[list[dict[str, str]], str]:
        nonlocal refused
        refused += 1
        return entries, "ThrottlingException"

    monkeypatch.setattr(Bus, "_put", partly)
    answer = stack.invoke("gate", event_of(detail("refused-by-the-bus")))
    assert (answer["intent"]["status"], refused) == ("APPROVED", TRIES_MAX)
    assert record_of(stack, NORTHWIND, "refused-by-the-bus") is not None
    monkeypatch.setattr(Bus, "_put", real)
    stack.sweep()
    assert outcome_of(stack, NORTHWIND, "refused-by-the-bus").auto_executed
