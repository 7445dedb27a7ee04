"""The families of measurements, by name: the meaning of each, and every value that its labels may
have.

Every profile uses the same names, whether Prometheus reads them or a log line holds them. A label
has only values that stand here: no tenant, account, agent, action type or tool can be in one, since
`/metrics` asks for no credential.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from clearance.core.decision import Answer
from clearance.core.outcome import ErrorClass, OutcomeStatus
from clearance.core.record import STEPS, IntentStatus
from clearance.core.stop import StopLevel, StopScope


class Measure(StrEnum):
    """The kind of measurement that a family is."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One family: its full name with the unit, and the values that each label may have."""

    name: str
    measure: Measure
    help: str
    labels: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement of a family."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


class Meter(Protocol):
    """Takes measurements of what a process does, by the names of COUNTED."""

    def count(self, name: str, **labels: str) -> None:
        """Adds one to a counter."""

    def took(self, name: str, seconds: float) -> None:
        """Adds one observation to a histogram."""

    def under_way(self, name: str, change: int) -> None:
        """Moves a gauge of what the process itself is doing."""


ANSWERED = "ANSWERED"
CANCELLED = "CANCELLED"
EXPIRY = "EXPIRY"
LEASE = "LEASE"

DECISIONS = "clearance_decisions_total"
REFUSED = "clearance_refused_proposals_total"
TRANSITIONS = "clearance_transitions_total"
EXECUTIONS = "clearance_executions_total"
TOOL_CALLS = "clearance_tool_calls_total"
TOOL_CALL_SECONDS = "clearance_tool_call_seconds"
TOOL_CALLS_UNDER_WAY = "clearance_tool_calls_under_way"
STORE_UP = "clearance_store_up"
INTENTS_OPEN = "clearance_intents_open"
INTENT_OLDEST_SECONDS = "clearance_intent_oldest_seconds"
STOP_SWITCHES = "clearance_stop_switches"
OVERDUE_SECONDS = "clearance_overdue_seconds"
LEDGER_ENTRIES = "clearance_ledger_entries"
QUEUE_JOBS = "clearance_queue_jobs"
SWEEPING = "clearance_worker_sweeping"
SWEEP_AGE_SECONDS = "clearance_sweep_age_seconds"


REFUSAL_CODES = frozenset(
    {
        *("FORBIDDEN", "OUT_OF_SCOPE", "TENANT_MISMATCH", "TOO_MANY_PROPOSALS", "TOO_MANY_WAITING"),
        *("INTENT_ID_TAKEN", "INTENT_AGED_OUT", "ACCOUNT_REQUIRED", "ACCOUNT_CONTRADICTED"),
        *("INVALID_JSON", "INVALID_BODY", "BODY_TOO_LARGE", "BODY_TOO_SLOW"),
        *("BODY_CUT_OFF", "UNSUPPORTED_MEDIA_TYPE", "UNSUPPORTED_CONTENT_ENCODING"),
        *(
            "INVALID_IDEMPOTENCY_KEY",
            "INVALID_INTENT",
            "INTENT_TOO_LARGE",
            "INTENT_ID_REUSED",
            "INVALID_PARAMETERS",
        ),
        *("ARGUMENT_MISSING", "ARGUMENT_UNFIT", "NOT_CANONICAL_JSON"),
    }
)
"""The codes by which refused proposals are counted."""
OTHER = "OTHER"
"""Stands for every other code."""


def _values(names: Iterable[str]) -> frozenset[str]:
    return frozenset(str(name) for name in names)


COUNTED = (
    Family(
        DECISIONS,
        Measure.COUNTER,
        "New action intents, by the gate's answer.",
        {"decision": _values(Answer)},
    ),
    Family(
        REFUSED,
        Measure.COUNTER,
        "Proposals of which nothing was stored, by the code of the refusal.",
        {"code": _values((*REFUSAL_CODES, OTHER))},
    ),
    Family(
        TRANSITIONS,
        Measure.COUNTER,
        "Transitions of intents that this process stored, by the status that they led to.",
        {"status": _values(IntentStatus)},
    ),
    Family(
        EXECUTIONS,
        Measure.COUNTER,
        "Executions whose outcome this process wrote.",
        {"outcome": _values(OutcomeStatus)},
    ),
    Family(
        TOOL_CALLS,
        Measure.COUNTER,
        "Calls of tools, by how they ended: ANSWERED, or the class of the error.",
        {"answer": _values((ANSWERED, CANCELLED, *ErrorClass))},
    ),
    Family(TOOL_CALL_SECONDS, Measure.HISTOGRAM, "Seconds of a call of a tool."),
    Family(TOOL_CALLS_UNDER_WAY, Measure.GAUGE, "Calls of tools that were not answered yet."),
)
"""The counts of a process's own work."""

LOOKED_AT = (
    Family(STORE_UP, Measure.GAUGE, "1 if the store answered; else what follows is not there."),
    Family(
        INTENTS_OPEN,
        Measure.GAUGE,
        "Intents of all tenants that are not over, by status; 10000 means that or more.",
        {"status": _values(STEPS)},
    ),
    Family(
        INTENT_OLDEST_SECONDS,
        Measure.GAUGE,
        "Seconds that an open intent has been in its status, the longest; 0 if there is none.",
        {"status": _values(STEPS)},
    ),
    Family(
        STOP_SWITCHES,
        Measure.GAUGE,
        "Stop switches that are on, of all tenants; GLOBAL is the one that holds everywhere.",
        {"scope": _values(StopScope), "level": _values(StopLevel)},
    ),
    Family(
        OVERDUE_SECONDS,
        Measure.GAUGE,
        "Seconds by which the first is overdue that a sweep should have dealt with; 0 if none is.",
        {"due": _values((EXPIRY, LEASE))},
    ),
    Family(LEDGER_ENTRIES, Measure.GAUGE, "Entries in the ledgers of all tenants."),
    Family(
        QUEUE_JOBS,
        Measure.GAUGE,
        "Hints in the queue of all workers.",
        {"state": _values(("todo", "doing"))},
    ),
    Family(SWEEPING, Measure.GAUGE, "1 if this process is the one that sweeps."),
    Family(
        SWEEP_AGE_SECONDS,
        Measure.GAUGE,
        "Seconds since this process completed a step of the sweep; not there if it does not sweep.",
    ),
)
"""The current state: of the whole installation, then of this process."""
