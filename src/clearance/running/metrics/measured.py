"""A store and tools that are measured: calls through them are counted and otherwise unchanged."""

from __future__ import annotations

import time
from typing import Any

from clearance.core.ledger import EntryKind
from clearance.core.record import Admission, Change, IntentRecord
from clearance.flow.ports.store import Store
from clearance.flow.ports.tools import (
    Cleared,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    Tools,
)
from clearance.flow.ports.transitions import AdmitAnswer, Admitted, AdvanceAnswer, Applied
from clearance.running.metrics.families import (
    ANSWERED,
    CANCELLED,
    DECISIONS,
    EXECUTIONS,
    OTHER,
    REFUSAL_CODES,
    REFUSED,
    TOOL_CALL_SECONDS,
    TOOL_CALLS,
    TOOL_CALLS_UNDER_WAY,
    TRANSITIONS,
    Meter,
)


class MeasuredStore:
    """A store whose decisions, transitions and outcomes are counted once they are stored.

    All else is the store's own, whatever its port comes to have.
    """

    def __init__(self, store: Store, meter: Meter) -> None:
        self._store = store
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def admit(self, admission: Admission) -> AdmitAnswer:
        answer = await self._store.admit(admission)
        if isinstance(answer, Admitted):
            self._admitted(answer.record)
        return answer

    async def advance(self, change: Change) -> AdvanceAnswer:
        answer = await self._store.advance(change)
        # An erasure moves an intent nowhere.
        if isinstance(answer, Applied) and not change.erases:
            self._meter.count(TRANSITIONS, status=change.status.value)
            # A reconciliation is no execution: that ended before.
            if change.outcome and change.entry.kind is EntryKind.OUTCOME_RECORDED:
                self._meter.count(EXECUTIONS, outcome=change.outcome.status.value)
            if answer.admitted:
                self._admitted(answer.admitted)
        return answer

    def _admitted(self, record: IntentRecord) -> None:
        self._meter.count(DECISIONS, decision=record.decision.answer.value)
        self._meter.count(TRANSITIONS, status=record.status.value)


def count_refused(meter: Meter, code: str) -> None:
    """Counts a refused proposal; a code that is not among those of the family is counted as
    OTHER.
    """
    meter.count(REFUSED, code=code if code in REFUSAL_CODES else OTHER)


class MeasuredTools:
    """Tools, with every call counted and timed. All else is the tools' own."""

    def __init__(self, tools: Tools, meter: Meter) -> None:
        self._tools = tools
        self._meter = meter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tools, name)

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        began, ended = time.perf_counter(), CANCELLED
        self._meter.under_way(TOOL_CALLS_UNDER_WAY, 1)
        try:
            answer = await self._tools.call(tenant_id, call, cleared)
            ended = ANSWERED
        except ToolCallFailed as failed:
            ended = failed.error.error_class.value
            raise
        finally:
            self._meter.under_way(TOOL_CALLS_UNDER_WAY, -1)
            self._meter.count(TOOL_CALLS, answer=ended)
            self._meter.took(TOOL_CALL_SECONDS, time.perf_counter() - began)
        return answer
