"""What tasks do: the flow's own coroutines, one after the other as the engines call them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from clearance.core.approval import RulingKind, approval_id
from clearance.core.credential import principal_of
from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.core.principal import Principal, Role
from clearance.flow import execute, review, submit, sweep
from clearance.flow.execute import Started
from clearance.flow.requests import RulingRequest
from clearance.flow.sweep import STEP_MAX, Sweeper, SweepSummary
from tests.model.support.driving import Program
from tests.model.support.records import key_of
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, TENANT

TICK_MS = 16_000
"""One tick.

A lease lasts 18 s (a deadline of 1 s, 15 s for retries, 2 s of margin). So an attempt that was
claimed a tick ago may not begin a call any more but may still send one that waits, and two ticks
ago its lease is over: every answer that the code can give to a question about time occurs.
"""

OTHER_APPROVER = principal_of(TENANT, "oskar", Role.APPROVER)


@dataclass(frozen=True, slots=True)
class Slot:
    """One task that may run once, from whenever on.

    Slots with the same program and worker are interchangeable.

    `process`: which of the processes, that follow one another, it belongs to.
    """

    name: str
    worker: str
    program: Program
    process: int = 0


def proposes(
    intent: str,
    *,
    by: Principal = AGENT,
    title: str = "Renewal call",
    expires_at: int | None = None,
    account: str = "acme",
    folds: bool = False,
) -> Slot:
    """An agent proposes a task. Its server knows the first settings, and no later ones."""
    parameters = {"title": title}
    proposal = sample.task(
        intent, parameters=parameters, expires_at=expires_at, account_id=account, folds=folds
    )
    return Slot(
        f"{by.actor_id}, proposing {intent} for {account}",
        "door",
        Program(
            ("propose", intent, title, by.actor_id, account, folds),
            lambda context, _: submit.propose(context, by, proposal),
        ),
    )


def carries_on(intent: str = "t1", worker: str = "worker", *, alone: bool = False) -> Slot:
    """A worker does what is due for an intent, because of a hint that may be right, late, doubled
    or wrong.

    These are the steps of `execute.carry_on`, one program after the other, so that what one of them
    no longer needs is forgotten; `test_model.py` shows that nothing else differs.
    """
    again = Program(
        ("restart", intent, worker, alone),
        lambda context, _: execute.restart(context, TENANT, intent, worker, alone=alone),
        then=invokes,
    )

    def then(started: Started | None) -> Program:
        return again if started is None else invokes(started, again)

    program = Program(
        ("carry on", intent, worker, alone),
        lambda context, _: execute.start(context, TENANT, intent, worker),
        then=then,
    )
    return Slot(f"worker, told of {intent}", worker, program)


def claims(intent: str = "t1") -> Slot:
    """A worker that claims an attempt, and dies."""

    async def begin(context: Any, _: Any) -> None:
        if await execute.start(context, TENANT, intent, "worker") is None:
            await execute.restart(context, TENANT, intent, "worker")

    return Slot(
        f"worker, soon to die, told of {intent}", "worker", Program(("claim", intent), begin)
    )


def carries_on_whole(intent: str = "t1") -> Slot:
    """The same as one program, as the engine calls it."""
    program = Program(
        ("whole", intent), lambda context, _: execute.carry_on(context, TENANT, intent, "worker")
    )
    return Slot(f"worker, told of {intent}", "worker", program)


def executes(worker: str, process: int, intent: str = "t1") -> Slot:
    """The embedded worker carries out an intent that it was told of."""
    key = ("execute", intent, worker)
    program = Program(
        key, lambda context, _: execute.start(context, TENANT, intent, worker), then=invokes
    )
    return Slot(f"{worker}, told of {intent}", worker, program, process)


def takes_over(worker: str, process: int) -> Slot:
    """The embedded worker sweeps dead leases, and carries on with what it claims: what others had
    claimed is its own now.
    """

    async def begin(context: Any, replay: Any) -> Started | None:
        sweeper = Sweeper(context, worker, alone=True, under_way=replay)
        found = [due.action_intent_id for due in await sweeper._dead()]
        claimed = [
            await execute.restart(context, TENANT, intent, worker, alone=True) for intent in found
        ]
        assert len(claimed) <= 1
        return claimed[0] if claimed else None

    return Slot(
        f"{worker}, sweeping", worker, Program(("take over", worker), begin, then=invokes), process
    )


def invokes(started: Started | None, again: Program | None = None) -> Program | None:
    """A worker carries on with what it claimed: calls the tool, and records the outcome."""
    if started is None:
        return None
    record = key_of(started.record, with_worker=True)
    key = ("invoke", record, started.lease_ends_ms, id(started.settings), again and again.key)
    return Program(
        key,
        lambda context, _: execute.invoke(context, started),
        known={TENANT: started.settings},
        then=lambda ended: _records(key, started, *ended, again),
    )


def _records(
    key: Any, started: Started, outcome: Outcome, tries: int, again: Program | None
) -> Program:
    error = outcome.error and (outcome.error.code, outcome.error.sent)
    return Program(
        ("record", key, outcome.status, error),
        lambda context, _: execute.record(context, started, outcome, tries=tries),
        known={TENANT: started.settings},
        then=lambda record: again if record is None else None,
    )


def expires() -> Slot:
    """A sweep closes what is past its time."""

    async def begin(context: Any, _: Any) -> None:
        for due in await context.store.expired(context.clock.now_ms(), STEP_MAX):
            await sweep._expire(context, due)

    return Slot("sweeper, closing what has expired", "sweeper", Program(("expire",), begin))


def sweeps(*, alone: bool) -> Slot:
    """One whole step of a sweep by a new worker. What it found is left to whoever runs it."""

    async def begin(context: Any, replay: Any) -> SweepSummary:
        return await Sweeper(context, "rescuer", alone=alone, under_way=replay).find()

    return Slot("rescuer", "rescuer", Program(("sweep", alone), begin))


def rules(ruler: Principal, kind: RulingKind, intent: str = "t1", number: int = 1) -> Slot:
    """A person rules on an approval."""
    edited = {"title": "Another title"} if kind is RulingKind.EDIT else None
    request = RulingRequest(kind, "So it is.", edited)
    name = approval_id(intent, number)
    program = Program(
        ("rule", ruler.actor_id, kind, name),
        lambda context, _: review.rule(context, ruler, name, request),
    )
    return Slot(f"{ruler.actor_id}, who would {kind} {name}", "door", program)


def withdraws(intent: str = "t1") -> Slot:
    """The agent withdraws its intent."""
    program = Program(
        ("cancel", intent), lambda context, _: review.cancel(context, AGENT, intent, "Not needed.")
    )
    return Slot(f"{AGENT.actor_id}, withdrawing {intent}", "door", program)


def reconciles(status: OutcomeStatus, intent: str = "t1") -> Slot:
    """A person says what became of an unknown outcome."""
    program = Program(
        ("reconcile", intent, status),
        lambda context, _: review.reconcile(context, APPROVER, intent, status, "I looked."),
    )
    return Slot(f"{APPROVER.actor_id}, reconciling {intent} as {status}", "door", program)


def half_past(ticks: int) -> int:
    return NOON + ticks * TICK_MS + TICK_MS // 2
