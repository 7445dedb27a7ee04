"""The scenarios: who acts, what may happen, and how far each is explored."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clearance.core.approval import RulingKind, approval_id
from clearance.core.canonical import digest
from clearance.core.credential import principal_of
from clearance.core.outcome import Outcome, OutcomeStatus
from clearance.core.principal import Principal, Role
from clearance.core.record import IntentStatus
from clearance.flow import execute, review, submit, sweep
from clearance.flow.execute import Started
from clearance.flow.requests import RulingRequest
from clearance.flow.sweep import STEP_MAX, Sweeper, SweepSummary
from tests.model.support.driving import Program
from tests.model.support.promises import INVENTED, Promise
from tests.model.support.records import key_of
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, NOON, OTHER_AGENT, TENANT

TICK_MS = 16_000
"""One tick.

A lease lasts 18 s (a deadline of 1 s, 15 s for retries, 2 s of margin). So an attempt that was
claimed a tick ago may not begin a call any more but may still send one that waits, and two ticks
ago its lease is over: every answer that the code can give to a question about time occurs.
"""

KEY_ENDS = "key ends"
"""The change after which the agent has no valid key any more."""
TOOL_FAULTS = ("refused", "busy", "no", "lost", "swallowed")
STORE_FAULTS = ("cut", "down")
"""`cut`: committed, and the connection is cut before the answer.

`down`: nothing happened, and the store says so.
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


@dataclass(frozen=True, slots=True)
class Scenario:
    """What may happen at most. `setup` is run first, to its end, one after the other.

    `ticks`: how far time goes; `waits`: how many of them pass after each part of the setup.
    `ignoring`: promises that it breaks as everybody knows. `reaches`: the statuses that must occur,
    lest nothing happens. `changes` may be made `changes_max` times, in any order; `jumps` are ticks
    by which the wall clock may be set, once. `pauses`: a worker may be stopped for any time between
    its last look and the send; `torn`: also between its readings of the two clocks. `no_gap`: asks
    what cannot be promised, that no stop comes between the last look and the send."""

    name: str
    story: str
    setup: tuple[Slot, ...]
    slots: tuple[Slot, ...]
    effect: str = "keyed"
    ticks: int = 0
    faults: int = 0
    faulty: tuple[str, ...] = TOOL_FAULTS
    settings: str = "calm"
    changes: tuple[str, ...] = ()
    changes_max: int = 0
    jumps: tuple[int, ...] = ()
    processes: int = 1
    budget: int = 10
    begins: int = NOON
    limits: tuple[Mapping[str, Any], ...] = ()
    new_accounts: int = 0
    pauses: bool = False
    torn: bool = False
    no_gap: bool = False
    waits: int = 0
    ignoring: frozenset[Promise] = frozenset()
    reaches: frozenset[IntentStatus] = frozenset()

    @property
    def alone(self) -> bool:
        """True if one process follows the other, and each takes over at once."""
        return self.processes > 1

    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings that may hold, by name."""
        calm = sample.document(
            budgets=[{"max_per_day": self.budget, "zone": "UTC"}],
            limits=[dict(limit) for limit in self.limits],
        )
        calm["autonomy"]["accounts"].append(
            {"match": f"{INVENTED}[0-9]", "new_per_day": self.new_accounts}
        )
        calm["tool_servers"]["crm"]["deadline_seconds"] = 1
        calm["tool_pins"] = {"crm.create_task": digest({"type": "object"})}
        action = calm["catalog"]["CREATE_TASK"]
        calm["catalog"] = {"CREATE_TASK": action}
        calm["autonomy"]["allowlist"] = ["CREATE_TASK"]
        calm["policy"] = sample.POLICY.split('@id("refunds")', maxsplit=1)[0]
        action["effect"] = self.effect
        if self.effect != "keyed":
            del action["idempotency_argument"]
        return {"calm": calm, **_variants(calm)}


def _variants(calm: dict[str, Any]) -> dict[str, dict[str, Any]]:
    made = {
        name: copy.deepcopy(calm)
        for name in (
            *("hold", "refuse", "ask", "editors rule", "disabled", "unlisted"),
            *("other policy", "other tool", "gone"),
        )
    }
    for level in ("hold", "refuse"):
        made[level]["stop_switches"] = [
            {"scope": "TENANT", "level": level.upper(), "reason": "A test."}
        ]
    made["ask"]["autonomy"]["modes"] = [{"mode": "APPROVAL_REQUIRED"}]
    made["editors rule"]["autonomy"]["modes"] = [{"mode": "APPROVAL_REQUIRED"}]
    made["editors rule"]["catalog"]["CREATE_TASK"]["approval"] = {"editors_rule": True}
    made["disabled"]["autonomy"]["modes"] = [{"mode": "DISABLED"}]
    made["unlisted"]["autonomy"]["allowlist"] = []
    made["other policy"]["policy"] += "\n// Said in other words.\n"
    made["other tool"]["catalog"]["CREATE_TASK"]["arguments"] = {
        "account": "{account_id}",
        "source": "clearance",
    }
    made["gone"]["catalog"] = {}
    made["gone"]["policy"] = ""
    made["gone"]["autonomy"]["allowlist"] = []
    return made


# What tasks do: the flow's own coroutines, one after the other as the engines call them


def proposes(
    intent: str,
    *,
    by: Principal = AGENT,
    title: str = "Renewal call",
    expires_at: int | None = None,
    account: str = "acme",
) -> Slot:
    """An agent proposes a task. Its server knows the first settings, and no later ones."""
    parameters = {"title": title}
    proposal = sample.task(intent, parameters=parameters, expires_at=expires_at, account_id=account)
    return Slot(
        f"{by.actor_id}, proposing {intent} for {account}",
        "door",
        Program(
            ("propose", intent, title, by.actor_id, account),
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


MONTH_ENDS = 1_796_083_200_000  # 2026-12-01T00:00:00Z
EVERY_WINDOW = (
    {"for": "tenant", "per": "month", "actions": 1},
    {"for": "each agent", "per": "minute", "actions": 1},
    {"for": "each agent and account", "per": "hour", "actions": 1},
)
W = carries_on()
T1 = (proposes("t1"),)
ANY_FAULT = (*TOOL_FAULTS, *STORE_FAULTS)
APPROVES = rules(APPROVER, RulingKind.APPROVE)
REJECTS = rules(OTHER_APPROVER, RulingKind.REJECT)


def _statuses(names: str) -> frozenset[IntentStatus]:
    return frozenset(map(IntentStatus, names.split()))


SCENARIOS = (
    Scenario(
        "keyed",
        "a slow worker and another one, a call that fails, a store that goes away",
        T1,
        (W, W),
        ticks=4,
        faults=1,
        faulty=ANY_FAULT,
        reaches=_statuses("APPROVED CANCELLED FAILED RUNNING SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "three workers",
        "three workers, of whom two may be dead or slow",
        T1,
        (W, W, W),
        ticks=3,
        faults=1,
        faulty=("lost",),
        reaches=_statuses("APPROVED CANCELLED RUNNING SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "two faults",
        "one worker after another, two things that go wrong",
        T1,
        (W, W),
        ticks=3,
        faults=2,
        reaches=_statuses("FAILED CANCELLED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "idempotent",
        "a tool without keys",
        T1,
        (W, W),
        effect="idempotent",
        ticks=4,
        faults=1,
        reaches=_statuses("FAILED CANCELLED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "at most once",
        "a tool that may not be called twice, and a person who says what happened",
        T1,
        (W, W, reconciles(OutcomeStatus.FAILED)),
        effect="at_most_once",
        ticks=3,
        faults=1,
        reaches=_statuses("FAILED CANCELLED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "attempts",
        "the last attempt that is allowed, and one more",
        (*T1, claims(), claims()),
        (W, W, W),
        ticks=9,
        waits=2,
        reaches=_statuses("RUNNING SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "stop",
        "a stop is turned on and off",
        T1,
        (W, W),
        ticks=2,
        changes=("hold", "refuse", "calm"),
        changes_max=2,
        reaches=_statuses("CANCELLED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "settings",
        "settings change under what waits and runs",
        T1,
        (W, W, APPROVES),
        ticks=2,
        changes=("ask", "other policy", "other tool", "gone"),
        changes_max=1,
        reaches=_statuses("AWAITING_APPROVAL CANCELLED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "last look",
        "what forbids the call comes while it waits for its turn; or the agent's key ends",
        T1,
        (W, APPROVES),
        changes=("ask", "disabled", "unlisted", KEY_ENDS),
        changes_max=2,
        faults=1,
        faulty=("busy",),
        reaches=_statuses("AWAITING_APPROVAL CANCELLED SUCCEEDED"),
    ),
    Scenario(
        "expiry",
        "an intent that expires while it waits for a worker, and while it runs",
        (proposes("t1", expires_at=half_past(0)),),
        (W, W, expires()),
        ticks=2,
        faults=1,
        faulty=("lost",),
        reaches=_statuses("EXPIRED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "proposals",
        "the same proposal twice, another one of the same id, and a change of settings",
        (),
        (proposes("t1"), proposes("t1"), proposes("t1", title="Another call"), W),
        changes=("ask", "hold", "refuse"),
        changes_max=1,
        faults=1,
        faulty=STORE_FAULTS,
        reaches=_statuses("BLOCKED AWAITING_APPROVAL SUCCEEDED"),
    ),
    Scenario(
        "people",
        "two people rule, the agent withdraws, time runs out",
        (proposes("t1", expires_at=half_past(0)),),
        (APPROVES, REJECTS, withdraws(), expires(), W),
        settings="ask",
        ticks=1,
        reaches=_statuses("CANCELLED EXPIRED REJECTED SUCCEEDED"),
    ),
    Scenario(
        "edit",
        "one person edits and another one approves",
        T1,
        (
            rules(APPROVER, RulingKind.EDIT),
            rules(OTHER_APPROVER, RulingKind.APPROVE),
            W,
            carries_on("edited"),
        ),
        settings="ask",
        changes=("calm",),
        changes_max=1,
        faults=1,
        faulty=STORE_FAULTS,
        reaches=_statuses("AWAITING_APPROVAL REJECTED SUCCEEDED"),
    ),
    Scenario(
        "editor rules",
        "an editor may rule on what they edit, at first; and tries to when they may not any more",
        T1,
        (
            rules(APPROVER, RulingKind.EDIT),
            rules(APPROVER, RulingKind.APPROVE, "edited"),
            rules(OTHER_APPROVER, RulingKind.APPROVE),
            W,
            carries_on("edited"),
        ),
        settings="editors rule",
        changes=("ask", "calm"),
        changes_max=1,
        reaches=_statuses("AWAITING_APPROVAL REJECTED SUCCEEDED"),
    ),
    Scenario(
        "asked again",
        "settings that want a person, who approves what runs then",
        T1,
        (W, W, APPROVES, withdraws()),
        changes=("ask", "other policy"),
        changes_max=2,
        reaches=_statuses("AWAITING_APPROVAL CANCELLED SUCCEEDED"),
    ),
    Scenario(
        "budget",
        "two intents, and room for one of them",
        (),
        (proposes("t1"), proposes("t1"), proposes("t2"), W, withdraws()),
        budget=1,
        faults=1,
        faulty=("refused", "no", *STORE_FAULTS),
        reaches=_statuses("AWAITING_APPROVAL CANCELLED FAILED SUCCEEDED"),
    ),
    Scenario(
        "limits",
        "two agents on three accounts, room for two acts of the tenant, and for one of an agent",
        (),
        (
            proposes("t1"),
            proposes("t2", account="globex"),
            proposes("t3", account="initech", by=OTHER_AGENT),
            W,
            withdraws(),
        ),
        limits=(
            {"for": "tenant", "per": "day", "actions": 2},
            {"for": "each agent", "per": "minute", "actions": 1},
            {"for": "each account", "per": "month", "actions": 1},
        ),
        faults=1,
        faulty=("refused", "no", *STORE_FAULTS),
        reaches=_statuses("AWAITING_APPROVAL CANCELLED FAILED SUCCEEDED"),
    ),
    Scenario(
        "new accounts",
        "accounts that the agent makes up, of which one may appear in a day",
        (),
        (
            proposes("t1", account=f"{INVENTED}1"),
            proposes("t2", account=f"{INVENTED}2"),
            proposes("t3", account=f"{INVENTED}1"),
            W,
            withdraws(),
        ),
        new_accounts=1,
        faults=1,
        faulty=("refused", *STORE_FAULTS),
        reaches=_statuses("AWAITING_APPROVAL CANCELLED SUCCEEDED"),
    ),
    Scenario(
        "window edge",
        "two acts around the end of a month, and room for one in each window",
        (),
        (proposes("t1"), proposes("t2"), W, withdraws()),
        begins=MONTH_ENDS - TICK_MS,
        ticks=2,
        limits=EVERY_WINDOW,
        faults=1,
        faulty=STORE_FAULTS,
        reaches=_statuses("AWAITING_APPROVAL CANCELLED SUCCEEDED"),
    ),
    Scenario(
        "clock set over an edge",
        "the wall clock is set back over the end of a month, or forward over it",
        (),
        (proposes("t1"), proposes("t2"), proposes("t3"), withdraws(), withdraws("t2")),
        begins=MONTH_ENDS,
        limits=EVERY_WINDOW,
        jumps=(-1,),
        reaches=_statuses("AWAITING_APPROVAL APPROVED CANCELLED"),
    ),
    Scenario(
        "one process after the other",
        "the server is killed, and the next one takes over at once",
        T1,
        (
            executes("first", 0),
            takes_over("second", 1),
            executes("second", 1),
            takes_over("third", 2),
        ),
        processes=3,
        ticks=1,
        faults=1,
        faulty=("lost", "swallowed", "busy"),
        reaches=_statuses("FAILED SUCCEEDED UNKNOWN"),
    ),
    Scenario(
        "clock set forward",
        "the wall clock is set forward",
        T1,
        (W, W),
        ticks=3,
        jumps=(3,),
        torn=True,
        reaches=_statuses("CANCELLED SUCCEEDED"),
    ),
    Scenario(
        "clock set back",
        "the wall clock is set back",
        T1,
        (W, W),
        ticks=3,
        jumps=(-3,),
        reaches=_statuses("CANCELLED SUCCEEDED"),
    ),
    Scenario(
        "paused",
        "a worker is stopped between its last look and the send, for any time",
        T1,
        (W, W, reconciles(OutcomeStatus.FAILED)),
        effect="at_most_once",
        ticks=3,
        pauses=True,
        ignoring=frozenset({Promise.LEASE, Promise.CLOSED_IS_CLOSED}),
        reaches=_statuses("SUCCEEDED FAILED UNKNOWN"),
    ),
)
