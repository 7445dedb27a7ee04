"""The scenarios: who acts, what may happen, and how far each is explored."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clearance.configuration.values import duration_ms
from clearance.core.approval import RulingKind
from clearance.core.canonical import digest
from clearance.core.outcome import OutcomeStatus
from clearance.core.record import IntentStatus
from tests.model.support.promises import Promise
from tests.model.support.tasks import (
    OTHER_APPROVER,
    TICK_MS,
    Slot,
    carries_on,
    claims,
    executes,
    expires,
    half_past,
    proposes,
    reconciles,
    rules,
    takes_over,
    withdraws,
)
from tests.model.support.totals import INVENTED
from tests.support import sample
from tests.support.sample import APPROVER, NOON, OTHER_AGENT

KEY_ENDS = "key ends"
"""The change after which the agent has no valid key any more."""
TOOL_FAULTS = ("refused", "busy", "no", "lost", "swallowed")
STORE_FAULTS = ("cut", "down")
"""`cut`: committed, and the connection is cut before the answer.

`down`: nothing happened, and the store says so.
"""


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
    autonomy: Mapping[str, Any] = field(default_factory=dict)
    pauses: bool = False
    torn: bool = False
    no_gap: bool = False
    waits: int = 0
    ignoring: frozenset[Promise] = frozenset()
    reaches: frozenset[IntentStatus] = frozenset()

    @property
    def asks_for_ms(self) -> int:
        """How long a person's no holds."""
        return duration_ms(self.autonomy.get("rejections", {}).get("asks_for", "30d"))

    @property
    def waiting_max(self) -> int:
        """How many intents of one agent may wait for people."""
        most: int = self.autonomy.get("quotas", {}).get("waiting_each_agent", 200)
        return most

    @property
    def blocked_bytes(self) -> int:
        """How many bytes blocked intents may leave in a day."""
        most: int = self.autonomy.get("quotas", {}).get("blocked_bytes_per_day", 64 << 20)
        return most

    @property
    def alone(self) -> bool:
        """True if one process follows the other, and each takes over at once."""
        return self.processes > 1

    def documents(self) -> Mapping[str, Mapping[str, Any]]:
        """The settings that may hold, by name."""
        calm = sample.document(
            budgets=[{"max_per_day": self.budget, "zone": "UTC"}],
            limits=[dict(limit) for limit in self.limits],
            **self.autonomy,
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


BLOCKED_BYTES = 300  # room for the content of one blocked intent
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
        "a no is remembered",
        "a person rejects an act; others propose the same under settings that would let it run",
        T1,
        (
            REJECTS,
            proposes("t2"),
            proposes("t3", by=OTHER_AGENT),
            carries_on("t2"),
            rules(APPROVER, RulingKind.APPROVE, "t2"),
        ),
        settings="ask",
        changes=("calm",),
        changes_max=1,
        reaches=_statuses("AWAITING_APPROVAL REJECTED SUCCEEDED"),
    ),
    Scenario(
        "a no is forgotten",
        "a person rejects an act, and the same is proposed while that holds, or later",
        T1,
        (REJECTS, proposes("t2"), carries_on("t2")),
        settings="ask",
        ticks=3,
        changes=("calm",),
        changes_max=1,
        autonomy={"rejections": {"asks_for": "20s"}},
        reaches=_statuses("AWAITING_APPROVAL REJECTED SUCCEEDED"),
    ),
    Scenario(
        "same call",
        "one agent repeats a call through a door that folds repeats, and another makes it too",
        (),
        (
            proposes("t1", folds=True),
            proposes("t2", folds=True),
            proposes("t3"),
            proposes("t4", by=OTHER_AGENT, folds=True),
            REJECTS,
        ),
        settings="ask",
        changes=("calm",),
        changes_max=1,
        reaches=_statuses("APPROVED AWAITING_APPROVAL REJECTED"),
    ),
    Scenario(
        "quotas",
        "an agent leaves one request to people, and the content of one blocked intent",
        (),
        (
            proposes("t1", title="One"),
            proposes("t2", title="Two"),
            proposes("t3", title="Six", by=OTHER_AGENT),
            APPROVES,
        ),
        settings="ask",
        changes=("refuse", "ask"),
        changes_max=2,
        faults=1,
        faulty=STORE_FAULTS,
        autonomy={"quotas": {"waiting_each_agent": 1, "blocked_bytes_per_day": BLOCKED_BYTES}},
        reaches=_statuses("APPROVED AWAITING_APPROVAL BLOCKED"),
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
        (W, APPROVES, withdraws()),
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
        "reads",
        "an agent looks things up, of which one a minute; a worker, and one that dies or is slow",
        (),
        (proposes("t1"), proposes("t2", account="globex"), W, W),
        effect="read",
        budget=0,
        limits=({"for": "each agent", "per": "minute", "reads": 1},),
        begins=MONTH_ENDS - TICK_MS,
        ticks=2,
        faults=1,
        faulty=("lost",),
        reaches=_statuses("APPROVED AWAITING_APPROVAL CANCELLED RUNNING SUCCEEDED"),
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
