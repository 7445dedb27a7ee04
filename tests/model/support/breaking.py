"""Broken variants of the code and of the store, each of which the checker must catch: the proof
that it can.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from unittest import mock

from clearance.core import accounts, gate, revalidation, steps, stop
from clearance.core import approval as approvals
from clearance.core import call as calls
from clearance.core import limits as counting
from clearance.core.approval import RulingKind
from clearance.core.budget import HoldState
from clearance.core.outcome import OutcomeStatus, Sent
from clearance.core.record import STEPS, Change, IntentRecord, IntentStatus
from clearance.flow import execute, memory, review, submit
from clearance.flow.sweep import Sweeper
from tests.model.support import driving
from tests.model.support.driving import stepwise
from tests.model.support.exploring import Explored, Explorer
from tests.model.support.keeping import Guard
from tests.model.support.promises import Promise
from tests.model.support.scenarios import (
    APPROVES,
    BLOCKED_BYTES,
    EVERY_WINDOW,
    KEY_ENDS,
    MONTH_ENDS,
    REJECTS,
    T1,
    Scenario,
    W,
)
from tests.model.support.tasks import TICK_MS, expires, half_past, proposes, rules, withdraws
from tests.model.support.totals import INVENTED
from tests.support.sample import AGENT, APPROVER, OTHER_AGENT, TENANT

_KEYED = Scenario("keyed", "", T1, (W, W), ticks=3)
_ONCE = replace(_KEYED, effect="at_most_once")
_STOPPED = Scenario("stop", "", T1, (W, W), changes=("hold", "refuse"), changes_max=1)
_LOOKED_AT = Scenario(
    "last look", "", T1, (W,), changes=("disabled", "unlisted", KEY_ENDS), changes_max=1
)
_EDITED = Scenario(
    "edit",
    "",
    T1,
    (rules(APPROVER, RulingKind.EDIT), rules(APPROVER, RulingKind.APPROVE, "edited")),
    settings="ask",
)
_INVENTED = Scenario(
    "new accounts",
    "",
    (),
    (proposes("t1", account=f"{INVENTED}1"), proposes("t2", account=f"{INVENTED}2")),
    new_accounts=1,
)
_REJECTED = Scenario(
    "a no is remembered",
    "",
    T1,
    (REJECTS, proposes("t2", by=OTHER_AGENT)),
    settings="ask",
    changes=("calm",),
    changes_max=1,
)
_FOLDING = Scenario(
    "same call", "", (), (proposes("t1", folds=True), proposes("t2", folds=True)), settings="ask"
)
_LIMITED = Scenario(
    "limits", "", (), (proposes("t1"), proposes("t2", account="globex")), limits=EVERY_WINDOW
)
_REAL_REMEMBERING = memory.remembering
_REAL_LIKENESS = memory.likeness_of
_REAL_COUNTERS = counting.limited_counters
_REAL_RECORD_OUTCOME = steps.record_outcome
_REAL_RESTART = execute.restart
_REAL_DUE_AT = steps.due_at


@dataclass(frozen=True, slots=True)
class Variant:
    """One thing left out or done wrong.

    `patches`: what stands in for what; `without`: what the store does not
    check.

    `ignoring`: promises that are broken on the way, so that what follows from it is seen.
    """

    name: str
    scenario: Scenario
    promise: Promise
    patches: tuple[tuple[object, str, Any], ...] = ()
    without: frozenset[Guard] = frozenset()
    ignoring: frozenset[Promise] = frozenset()

    def explored(self) -> Explored:
        """What the checker finds."""
        scenario = replace(self.scenario, ignoring=self.ignoring)
        with self.in_force(), stepwise():
            return Explorer(scenario, self.without).explore()

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """The code with this fault."""
        with contextlib.ExitStack() as stack:
            for owner, name, stand_in in self.patches:
                stack.enter_context(
                    mock.patch.object(owner, name, stand_in, create=owner is driving._Store)
                )
            yield


def _unfenced(record: IntentRecord, _number: int, *arguments: Any, **named: Any) -> Change:
    assert record.attempt is not None
    return _REAL_RECORD_OUTCOME(record, record.attempt.number, *arguments, **named)


def _giving_back(record: IntentRecord, number: int, outcome: Any, **named: Any) -> Change:
    change = _REAL_RECORD_OUTCOME(record, number, outcome, **named)
    return (
        replace(change, hold=HoldState.RELEASED)
        if outcome.status is OutcomeStatus.FAILED
        else change
    )


def _of_this_day(limits: Any, who: Any, now: int, **named: Any) -> Any:
    rules = tuple(limit for limit in limits.rules if limit.per is counting.Per.DAY)
    return _REAL_COUNTERS(replace(limits, rules=rules), who, now, **named)


async def _looks_at_no_lease(context: Any, started: Any, _sent: Any, _needs_ms: int) -> None:
    settings = await context.settings(started.record.intent.tenant_id)
    if stop.strictest(settings.stop_switches, started.record.intent, started.action):
        raise execute._not_sent("STOP_SWITCH_ON", "A stop is on.")
    await context.store.api_key_ended(TENANT, AGENT.actor_id)


async def _looks_at_no_stop(context: Any, started: Any, _sent: Any, needs_ms: int) -> None:
    needs_ms += calls.LEASE_MARGIN_MS
    if context.clock.monotonic_ms() + needs_ms > started.lease_ends_ms:
        raise execute._not_sent("LEASE_TOO_SHORT", "The lease is too short.")


async def _sends_without_a_look(_tools: object, _tenant: str, call: Any, _cleared: object) -> Any:
    await driving._ask("place")
    return driving.answered(await driving._ask("send", call))


async def _claims_at_once(*arguments: Any, **_: Any) -> Any:
    return await _REAL_RESTART(*arguments[:3], "another", alone=True)


async def _has_a_key(*_: object) -> bool:
    await driving._ask("api_key_ended", TENANT, AGENT.actor_id)
    return False


async def _asks_for_no_rejection(context: Any, admission: Any, facts: Any) -> Any:
    remembering = await _REAL_REMEMBERING(context, admission, facts)
    return replace(remembering, rejected_since=None)


def _with_the_agent(key: bytes, intent: Any, action: Any, arguments: Any) -> bytes:
    like = _REAL_LIKENESS(key, intent, action, arguments)
    return sha256(like + intent.proposed_by.encode()).digest()


def _yes(*_: object) -> bool:
    return True


async def _nothing(*_: object, **__: object) -> int:
    return 0


async def _none_dead(*_: object, **__: object) -> tuple[()]:
    return ()


def _expires_while_it_runs(status: IntentStatus, intent: Any, approval: Any) -> int | None:
    return (
        intent.expires_at
        if status is IntentStatus.RUNNING
        else _REAL_DUE_AT(status, intent, approval)
    )


VARIANTS = (
    Variant(
        "the store does not compare the revision",
        _ONCE,
        Promise.ONE_EXECUTION,
        without=frozenset({Guard.REVISION}),
        ignoring=frozenset(Promise) - {Promise.ONE_EXECUTION},
    ),
    Variant(
        "a hint claims a running intent again",
        _KEYED,
        Promise.LEASE,
        ((execute, "restart", _claims_at_once),),
    ),
    Variant(
        "an outcome is taken from an older attempt",
        replace(_KEYED, slots=(W, W), ticks=3),
        Promise.FENCE,
        ((steps, "record_outcome", _unfenced),),
    ),
    Variant(
        "the lease is not looked at before the send",
        _KEYED,
        Promise.LEASE,
        ((execute, "_cleared", _looks_at_no_lease),),
    ),
    Variant(
        "the stop is not looked at before the send",
        _KEYED,
        Promise.STOP,
        ((execute, "_cleared", _looks_at_no_stop),),
    ),
    Variant(
        "the settings are not looked at again before the send",
        _LOOKED_AT,
        Promise.LOOK,
        ((revalidation, "refused_at_send", lambda *_: None),),
    ),
    Variant(
        "what expires while it waits for a place is sent",
        replace(_KEYED, setup=(proposes("t1", expires_at=half_past(0)),), slots=(W,), ticks=1),
        Promise.LOOK,
        ((revalidation, "refused_at_send", lambda *_: None),),
    ),
    Variant(
        "nobody asks whether the agent still has a key",
        _LOOKED_AT,
        Promise.LOOK,
        ((driving._Store, "api_key_ended", _has_a_key),),
    ),
    Variant(
        "the last look comes before the wait for a place",
        _KEYED,
        Promise.LOOK,
        ((driving.ModelTools, "call", _sends_without_a_look),),
    ),
    Variant(
        "what is dead is repeated whatever the effect",
        _ONCE,
        Promise.ONE_EXECUTION,
        ((revalidation, "may_repeat", lambda *_, **__: True),),
    ),
    Variant(
        "a call that may have been sent counts as not sent",
        replace(_KEYED, faults=2, faulty=("lost", "refused")),
        Promise.HONEST,
        ((Sent, "worst", lambda _self, other: other),),
    ),
    Variant(
        "a failed call gives its hold back",
        replace(_KEYED, ticks=0, faults=1),
        Promise.BUDGET,
        ((steps, "record_outcome", _giving_back),),
    ),
    Variant(
        "the store does not ask the budget",
        Scenario("budget", "", (), (proposes("t1"), proposes("t2")), budget=1),
        Promise.BUDGET,
        without=frozenset({Guard.BUDGET}),
    ),
    Variant(
        "the store does not ask the limits",
        _LIMITED,
        Promise.LIMITS,
        without=frozenset({Guard.LIMITS}),
    ),
    Variant(
        "the store keeps what fitted of a hold that did not",
        replace(_LIMITED, slots=(proposes("t1"), proposes("t3", by=OTHER_AGENT))),
        Promise.BUDGET,
        without=frozenset({Guard.WHOLE}),
    ),
    Variant(
        "a claim goes back to the window that it is now",
        replace(
            _LIMITED, slots=(proposes("t1"), withdraws()), begins=MONTH_ENDS - TICK_MS, ticks=1
        ),
        Promise.BUDGET,
        without=frozenset({Guard.WINDOW}),
    ),
    Variant(
        "reads are not counted",
        replace(_LIMITED, effect="read", limits=()),
        Promise.LIMITS,
        ((gate, "Taking", lambda spends, **_: counting.Taking(spends)),),
    ),
    Variant(
        "a new account is given back with its hold",
        replace(_INVENTED, slots=(*_INVENTED.slots, withdraws())),
        Promise.ACCOUNTS,
        without=frozenset({Guard.FOR_GOOD}),
        ignoring=frozenset({Promise.BUDGET}),
    ),
    Variant(
        "an account is known by its form alone",
        _INVENTED,
        Promise.ACCOUNTS,
        ((accounts.AccountStanding, "claims", lambda *_: ()),),
    ),
    Variant(
        "the gate counts for the account alone",
        replace(_LIMITED, limits=()),
        Promise.LIMITS,
        ((counting, "limited_counters", lambda *_, **__: ()),),
    ),
    Variant(
        "the gate asks only the limits of today",
        _LIMITED,
        Promise.LIMITS,
        ((counting, "limited_counters", _of_this_day),),
    ),
    Variant(
        "the store does not look for a rejection",
        _REJECTED,
        Promise.REMEMBERED,
        without=frozenset({Guard.REJECTED}),
    ),
    Variant(
        "a no is looked for before the commit, and not in it",
        _REJECTED,
        Promise.REMEMBERED,
        ((submit, "remembering", _asks_for_no_rejection),),
    ),
    Variant(
        "another agent is asked about another no",
        _REJECTED,
        Promise.REMEMBERED,
        ((memory, "likeness_of", _with_the_agent),),
    ),
    Variant(
        "the store does not look for the same call",
        _FOLDING,
        Promise.FOLDED,
        without=frozenset({Guard.SAME_CALL}),
    ),
    Variant(
        "the store does not count what waits",
        replace(_FOLDING, autonomy={"quotas": {"waiting_each_agent": 1}}),
        Promise.QUOTAS,
        without=frozenset({Guard.WAITING, Guard.SAME_CALL}),
        ignoring=frozenset({Promise.FOLDED}),
    ),
    Variant(
        "the store does not ask the quotas",
        replace(
            _FOLDING,
            settings="refuse",
            autonomy={"quotas": {"blocked_bytes_per_day": BLOCKED_BYTES}},
        ),
        Promise.QUOTAS,
        without=frozenset({Guard.QUOTA}),
    ),
    Variant(
        "the store does not compare the settings",
        _STOPPED,
        Promise.STOP,
        without=frozenset({Guard.SETTINGS}),
    ),
    Variant(
        "what runs may expire",
        Scenario("expiry", "", (proposes("t1", expires_at=half_past(0)),), (W, expires()), ticks=1),
        Promise.TIME,
        (
            (steps, "_require_not_started", lambda _record: None),
            (steps, "due_at", _expires_while_it_runs),
            (
                steps,
                "STEPS",
                {
                    **STEPS,
                    IntentStatus.RUNNING: STEPS[IntentStatus.RUNNING] | {IntentStatus.EXPIRED},
                },
            ),
        ),
        ignoring=frozenset({Promise.FENCE}),
    ),
    Variant(
        "an approval that is over may be ruled on",
        Scenario(
            "people",
            "",
            (proposes("t1", expires_at=half_past(0)),),
            (APPROVES,),
            settings="ask",
            ticks=1,
        ),
        Promise.TIME,
        ((approvals, "check_ruling", lambda *_, **__: None),),
    ),
    Variant(
        "what has ended may start again",
        Scenario("people", "", T1, (APPROVES, REJECTS), settings="ask"),
        Promise.TERMINAL,
        (
            (steps, "STEPS", {**STEPS, IntentStatus.REJECTED: frozenset({IntentStatus.APPROVED})}),
            (approvals, "check_ruling", lambda *_, **__: None),
            (review, "check_ruling", lambda *_, **__: None),
            (approvals.Approval, "approved_by_enough", True),
        ),
    ),
    Variant(
        "an edit may run alone",
        replace(_EDITED, changes=("calm",), changes_max=1),
        Promise.EDITED,
        ((gate, "ROW", tuple(check for check in gate.ROW if check.name != "edit")),),
    ),
    Variant(
        "every editor may rule on their edit",
        _EDITED,
        Promise.EDITED,
        ((approvals, "edit_approves", _yes), (review, "edit_approves", _yes)),
    ),
    Variant(
        "an editor may approve their edit afterwards",
        _EDITED,
        Promise.EDITED,
        ((approvals, "edit_approves", _yes),),
    ),
    Variant(
        "the ledger says that people approve everything",
        replace(_KEYED, setup=(), slots=(proposes("t1"),)),
        Promise.LEDGER,
        (
            (
                steps,
                "_source_facts",
                lambda _source: {"approval_source": "HUMAN", "auto_executed": False},
            ),
        ),
    ),
    Variant(
        "the sweep finds nothing dead", _KEYED, Promise.SETTLES, ((Sweeper, "_dead", _none_dead),)
    ),
    Variant("the sweep hints nothing", _KEYED, Promise.SETTLES, ((Sweeper, "_hint", _nothing),)),
)
