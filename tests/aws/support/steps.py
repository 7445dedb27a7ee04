"""Steps of executions on a store in this process: what a test of them takes one by one, and says
between them.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from clearance.core.errors import Unavailable
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.record import IntentRecord
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.engines import step_functions
from clearance.engines.step_functions import CallAgain
from clearance.flow.ports.marks import Mark
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolCallFailed
from tests.support.sample import TENANT, RecordingTools
from tests.support.world import World

HOLD = StopSwitch(StopScope.TENANT, None, StopLevel.HOLD, "incident")
NAME = "exec-t1-abcdefghij"


class MemoryMarks:
    """Marks in this process. `away`: the method that cannot be done now."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str, int], Mark] = {}
        self.away = ""

    async def mark(self, *attempt: Any) -> Mark | None:
        if self.away == "mark":
            raise Unavailable("Not now.")
        return self.kept.get(attempt)

    async def swap(
        self, tenant_id: str, action_intent_id: str, attempt: int, seen: Mark | None, new: Mark
    ) -> bool:
        if self.away == "swap":
            raise Unavailable("Not now.")
        key = (tenant_id, action_intent_id, attempt)
        await SLEEP(0)
        if self.kept.get(key) != seen:
            return False
        self.kept[key] = new
        return True


SLEEP = asyncio.sleep
slept: list[float] = []
marks = MemoryMarks()


def answers(tools: RecordingTools, *errors: CallError | None) -> None:
    """Lets each of the next calls meet an error, before it is cleared if nothing was sent; what
    comes after them succeeds.
    """
    left = list(errors)

    async def call(tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        error = left.pop(0) if left else None
        if error is not None and error.sent is Sent.NOT_SENT:
            raise ToolCallFailed(error)
        await cleared()
        tools.calls.append(call)
        if error is not None:
            raise ToolCallFailed(error)
        return ToolAnswer({"ok": True})

    tools.call = call  # type: ignore[method-assign]


def error(error_class: ErrorClass, sent: Sent, retry_after_ms: int | None = None) -> CallError:
    return CallError(error_class, "It did not work.", sent, retry_after_ms=retry_after_ms)


AWAY = error(ErrorClass.DOWNSTREAM, Sent.NOT_SENT)
SILENT = error(ErrorClass.TIMEOUT, Sent.MAYBE)
WRONG = error(ErrorClass.VALIDATION, Sent.NOT_SENT)


async def started(world: World, name: str = "t1", execution: str = NAME) -> dict[str, Any]:
    event = {"tenant_id": TENANT, "action_intent_id": name, "execution": execution}
    return await step_functions.start(world.context, marks, event)


def caught(raised: CallAgain) -> dict[str, str]:
    """What Step Functions makes of an error that was caught."""
    said = {
        "errorMessage": str(raised),
        "errorType": type(raised).__name__,
        "requestId": "r",
        "stackTrace": ["..."],
    }
    return {"Error": type(raised).__name__, "Cause": json.dumps(said)}


async def invoked(world: World, state: dict[str, Any]) -> dict[str, Any]:
    """The states Invoke and Pause, until Record comes; through JSON, as between functions."""
    while True:
        try:
            return dict(
                json.loads(
                    json.dumps(
                        await step_functions.invoke(
                            world.context, marks, json.loads(json.dumps(state))
                        )
                    )
                )
            )
        except CallAgain as again:
            state = {**state, "again": caught(again)}


async def recorded(world: World, state: dict[str, Any]) -> IntentRecord:
    await step_functions.record(world.context, marks, json.loads(json.dumps(state)))
    return await world.record(state["action_intent_id"])


def afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgets every mark, and lets nothing wait: the state Pause is the machine's, and what is
    waited beyond it is in `slept`.
    """

    async def at_once(seconds: float) -> None:
        slept.append(seconds)

    slept.clear()
    marks.kept.clear()
    marks.away = ""
    monkeypatch.setattr(asyncio, "sleep", at_once)


def machine() -> dict[str, Any]:
    return dict(json.loads(step_functions.DEFINITION.read_text(encoding="utf-8")))
