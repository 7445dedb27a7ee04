"""What operators measure of a worker: executions by outcome, calls of tools, and what waits in the
queue of all workers.

No label names a tenant, a tool, or anything else that callers choose.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from clearance.core.catalog import ToolServer
from clearance.core.outcome import OutcomeStatus
from clearance.flow.ports.tools import (
    Cleared,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    ToolList,
    Tools,
)

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0)


class WorkerMetrics:
    """The counters of one worker, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._executions = Counter(
            "clearance_executions",
            "Executions that this worker ended.",
            ("outcome",),
            registry=self._registry,
        )
        self._calls = Counter(
            "clearance_tool_calls",
            "Calls of tools, by how they ended.",
            ("answer",),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "clearance_tool_call_seconds",
            "Seconds of a call of a tool.",
            buckets=SECONDS,
            registry=self._registry,
        )
        self.under_way = Gauge(
            "clearance_tool_calls_under_way",
            "Calls of tools that were not answered yet.",
            registry=self._registry,
        )
        self._jobs = Gauge(
            "clearance_queue_jobs",
            "Hints in the queue of all workers.",
            ("state",),
            registry=self._registry,
        )
        self._sweeping = Gauge(
            "clearance_worker_sweeping",
            "1 if this worker is the one that sweeps.",
            registry=self._registry,
        )

    def recorded(self, outcome: OutcomeStatus) -> None:
        """Counts an execution whose outcome this worker wrote."""
        self._executions.labels(outcome.value).inc()

    def called(self, answer: str, seconds: float) -> None:
        """Counts a call of a tool: `ANSWERED`, or the class of its error."""
        self._calls.labels(answer).inc()
        self._seconds.observe(seconds)

    def queued(self, jobs: Mapping[str, int], *, sweeping: bool) -> None:
        """Sets what the queue has now, by the state of its jobs."""
        for state in ("todo", "doing"):
            self._jobs.labels(state).set(jobs.get(state, 0))
        self._sweeping.set(sweeping)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus."""
        return generate_latest(self._registry)


class MeasuredTools:
    """Tools, with every call counted."""

    def __init__(self, tools: Tools, metrics: WorkerMetrics) -> None:
        self._tools = tools
        self._metrics = metrics

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        """As the tools do."""
        return await self._tools.describe(tenant_id, server)

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        """As the tools do."""
        began, answer = time.perf_counter(), "CANCELLED"
        with self._metrics.under_way.track_inprogress():
            try:
                given = await self._tools.call(tenant_id, call, cleared)
                answer = "ANSWERED"
            except ToolCallFailed as failed:
                answer = failed.error.error_class.value
                raise
            finally:
                self._metrics.called(answer, time.perf_counter() - began)
        return given

    async def close(self) -> None:
        """As the tools do."""
        await self._tools.close()
