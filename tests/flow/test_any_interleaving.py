"""Any interleaving of proposals, rulings, expiry, stops, crashes, retries and changes of settings
keeps the promises.

A Hypothesis state machine drives the real verbs on a real store. The tool counts effects by
idempotency key, as a keyed tool of the world does; a crash is a claimed attempt that nobody carries
on with.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from clearance.core import call as calls
from clearance.core.approval import RulingKind
from clearance.core.budget import Claim, Counter, HoldState
from clearance.core.errors import Refusal
from clearance.core.outcome import CallError, ErrorClass, Outcome, OutcomeStatus, Sent
from clearance.core.record import STEPS, IntentRecord, IntentStatus
from clearance.core.stop import StopLevel, StopScope, StopSwitch
from clearance.flow import execute
from clearance.flow.execute import Started
from clearance.flow.ports.intents import TimelineQuery
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import RulingRequest
from clearance.stores import codec
from tests.aws.support.table import Table
from tests.support import sample
from tests.support.postgres import migrated_database
from tests.support.sample import AGENT, APPROVER, OTHER_AGENT, OWNER, TENANT, mail, refund, task
from tests.support.world import Place, World, opened

Answer = TypeVar("Answer")

IDS = st.sampled_from([f"i{number}" for number in range(6)])
OF_ANOTHER_AGENT = "i5"
LIMIT = 3

PROPOSALS = {
    "task": task,
    "unsure task": lambda name: task(name, confidence_score=0.5),
    "task that expires": lambda name: task(name, expires_at=sample.NOON + 20_000),
    "other account": lambda name: task(name, account_id="globex"),
    "refund": lambda name: refund(name, 400),
    "large refund": lambda name: refund(name, 60_000),
    "absurd refund": lambda name: refund(name, 600_000),
    "mail": mail,
    "unknown": lambda name: task(name, action_type="UNHEARD_OF"),
}
BUDGETS = [
    [{"max_per_day": LIMIT, "max_amount_per_day_by_action_type": {"ISSUE_REFUND": 1_000}}],
    [{"max_per_day": LIMIT, "max_per_day_by_action_type": {"SEND_MAIL": 1}}],
]
LIMITS: list[list[dict[str, Any]]] = [
    [],
    [
        {"for": "tenant", "per": "day", "actions": 2},
        {"for": "each agent", "per": "minute", "actions": 1},
    ],
    [{"for": "each agent and account", "per": "hour", "actions": 1}],
]
REFUSES = CallError(ErrorClass.VALIDATION, "no", Sent.ANSWERED)
IS_BUSY = CallError(ErrorClass.RATE_LIMIT, "later", Sent.ANSWERED)
IS_AWAY = CallError(ErrorClass.DOWNSTREAM, "no", Sent.NOT_SENT)
IS_SILENT = CallError(ErrorClass.TIMEOUT, "?", Sent.MAYBE)  # having acted
FAILURES = st.lists(st.sampled_from([None, REFUSES, IS_BUSY, IS_AWAY, IS_SILENT]), max_size=3)
SETTINGS = settings(settings.get_profile("clearance"), max_examples=60, stateful_step_count=40)
NEVER_ACTED = frozenset(
    {
        IntentStatus.BLOCKED,
        IntentStatus.REJECTED,
        IntentStatus.EXPIRED,
        IntentStatus.CANCELLED,
        IntentStatus.APPROVED,
    }
)


class Interleavings(RuleBasedStateMachine):
    """Every rule may be refused; none may break an invariant."""

    holds = """SELECT a.account_id, h.day, h.state, h.claims FROM hold h JOIN intent i
    USING (intent_no)
        JOIN account a USING (account_no)"""
    budget_use = (
        "SELECT account_id, day, bucket, used FROM budget_use JOIN account USING (account_no)"
    )

    def __init__(self) -> None:
        super().__init__()
        calls.BACKOFF_MS = 0
        self.loop = asyncio.new_event_loop()
        self.ends = contextlib.ExitStack()
        self.opening = opened(self.place())
        self.world: World = self.do(self.opening.__aenter__())
        self.world.tools.behave = self.behave
        self.effects: dict[str, int] = {}
        self.sent: dict[str, int] = {}
        self.failures: list[CallError | None] = []
        self.abandoned: list[tuple[Started, tuple[Outcome, int] | None]] = []
        self.last_status: dict[str, IntentStatus] = {}
        self.answers: dict[str, tuple[str, str]] = {}
        self.highest_limit: dict[str, int] = {}

    def place(self) -> Place:
        return Path(self.ends.enter_context(tempfile.TemporaryDirectory())) / "store.sqlite3"

    def all_holds(self) -> Iterable[tuple[str, str, str, str]]:
        """Account, day, state and claims of every hold."""
        return self.world.sql(self.holds)

    def all_used(self) -> Iterable[tuple[str, str, str, int]]:
        """Account, day, bucket and use of every counter."""
        return self.world.sql(self.budget_use)

    def do(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        return self.loop.run_until_complete(work)

    def attempt(self, work: Coroutine[Any, Any, object]) -> None:
        try:
            self.do(work)
        except Refusal:
            return

    async def behave(self, call: ToolCall) -> dict[str, bool]:
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None and failure.sent is not Sent.MAYBE:
            raise ToolCallFailed(failure)
        self.sent[call.idempotency_key] = self.sent.get(call.idempotency_key, 0) + 1
        # A keyed tool acts once for each key; the other one acts with each call.
        self.effects[call.idempotency_key] = (
            1 if call.tool != "send_mail" else self.sent[call.idempotency_key]
        )
        if failure is not None:
            raise ToolCallFailed(failure)
        return {"ok": True}

    @initialize(budgets=st.sampled_from(BUDGETS), limits=st.sampled_from(LIMITS))
    def begin(self, budgets: list[dict[str, Any]], limits: list[dict[str, Any]]) -> None:
        self.do(self.world.autonomy(budgets=budgets, limits=limits))

    @rule(name=IDS, what=st.sampled_from(sorted(PROPOSALS)))
    def propose(self, name: str, what: str) -> None:
        agent = OTHER_AGENT if name == OF_ANOTHER_AGENT else AGENT
        try:
            proposed = self.do(self.world.control.propose(agent, PROPOSALS[what](name)))
        except Refusal as refusal:
            assert refusal.code == "INTENT_ID_REUSED"
            return
        said = self.answers.setdefault(name, (what, proposed.record.decision.answer.value))
        assert said[0] == what
        if not proposed.created and proposed.record.revision == 1:
            assert proposed.record.decision.answer.value == said[1]

    @rule(name=IDS, kind=st.sampled_from(list(RulingKind)), number=st.integers(1, 2))
    def rule_on(self, name: str, kind: RulingKind, number: int) -> None:
        parameters = {"title": "Edited"} if kind is RulingKind.EDIT else None
        request = RulingRequest(kind, reason="because", parameters=parameters)
        self.attempt(self.world.control.rule(APPROVER, f"{name}.{number}", request))

    @rule(name=IDS)
    def cancel(self, name: str) -> None:
        self.attempt(self.world.control.cancel(OWNER, name, "no longer needed"))

    @rule(name=IDS, failures=FAILURES)
    def run(self, name: str, failures: list[CallError | None]) -> None:
        self.failures = list(failures)
        self.do(self.world.run(name))
        self.failures.clear()

    @rule(name=IDS, sent=st.booleans())
    def crash_after_the_claim(self, name: str, sent: bool) -> None:
        started = self.do(execute.start(self.world.context, TENANT, name, "dead-worker"))
        if started is not None:
            answered = self.do(execute.invoke(self.world.context, started)) if sent else None
            self.abandoned.append((started, answered))

    @rule()
    def a_slow_worker_comes_back(self) -> None:
        if self.abandoned:
            started, answered = (
                self.abandoned.pop()
            )  # a call that it made before, it does not make again
            outcome, tries = answered or self.do(execute.invoke(self.world.context, started))
            self.do(execute.record(self.world.context, started, outcome, tries=tries))

    @rule(seconds=st.sampled_from([1, 30, 120, 73 * 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.forward(seconds * 1_000)

    @rule(alone=st.booleans())
    def sweep(self, alone: bool) -> None:
        if alone:
            self.abandoned.clear()  # the old process is surely gone
        self.do(self.world.sweep(alone=alone))

    @rule(name=IDS, status=st.sampled_from([OutcomeStatus.SUCCEEDED, OutcomeStatus.FAILED]))
    def reconcile(self, name: str, status: OutcomeStatus) -> None:
        self.attempt(self.world.control.reconcile(APPROVER, name, status, "looked it up"))

    @rule(
        mode=st.sampled_from(["AUTO_EXECUTE", "APPROVAL_REQUIRED", "DISABLED"]),
        budgets=st.sampled_from(BUDGETS),
        limits=st.sampled_from(LIMITS),
        level=st.sampled_from([None, StopLevel.HOLD, StopLevel.REFUSE]),
    )
    def configure(
        self,
        mode: str,
        budgets: list[dict[str, Any]],
        limits: list[dict[str, Any]],
        level: StopLevel | None,
    ) -> None:
        document = sample.document(modes=[{"mode": mode}], budgets=budgets, limits=limits)
        if level is not None:
            switch = StopSwitch(StopScope.ACTION_TYPE, "CREATE_TASK", level, "test")
            document["stop_switches"] = [
                {
                    "scope": switch.scope.value,
                    "subject": switch.subject,
                    "level": level.value,
                    "reason": "test",
                }
            ]
        self.do(self.world.configure(document))

    @invariant()
    def budgets_are_exact_and_never_overspent(self) -> None:
        own: dict[tuple[str, str, str], int] = {}
        counted: dict[tuple[Counter, str], int] = {}
        for account, day, state, kept in self.all_holds():
            hold = codec.hold({"day": day, "state": state, "claims": kept})
            for claim in hold.claims if hold else ():
                amount = claim.amount if HoldState(state).counts else 0
                if claim.counter is None:
                    key = (account, day, claim.bucket)
                    own[key] = own.get(key, 0) + amount
                else:
                    place = (claim.counter, claim.bucket)
                    counted[place] = counted.get(place, 0) + amount
                if claim.limit is not None:
                    limit = max(claim.limit, self.highest_limit.get(claim.place, 0))
                    self.highest_limit[claim.place] = limit
        used = {(account, day, bucket): amount for account, day, bucket, amount in self.all_used()}
        assert used == own
        for (_, _, bucket), amount in used.items():
            assert amount <= self.highest_limit.get(bucket, amount)
            assert bucket != "actions" or amount <= LIMIT
        self.counters_are_exact(counted)

    def counters_are_exact(self, counted: dict[tuple[Counter, str], int]) -> None:
        counters = {counter for counter, _ in counted}
        read = self.do(self.world.store.counted(TENANT, counters))
        for (counter, bucket), amount in counted.items():
            assert read.get(counter, {}).get(bucket, 0) == amount
            place = Claim(bucket, 0, None, counter).place
            assert amount <= self.highest_limit.get(place, amount)

    @invariant()
    def at_most_one_execution_per_intent(self) -> None:
        assert all(count == 1 for count in self.effects.values())

    @invariant()
    def no_state_moves_illegally_and_nothing_comes_from_block(self) -> None:
        told = self.do(self.world.control.timeline(OWNER, TimelineQuery(limit=500)))
        for one in told:
            record = one.record
            name, status = record.intent.action_intent_id, record.status
            before = self.last_status.get(name)
            assert before is None or status is before or _reachable(before, status), (
                name,
                before,
                status,
            )
            self.last_status[name] = status
            acted = self.sent.get(_key(name), 0) > 0
            assert not (acted and status in NEVER_ACTED), (name, status)
            assert status is not IntentStatus.SUCCEEDED or acted or _was_reconciled(record), (
                name,
                status,
            )
            assert record.outcome is None or record.outcome.status.value == status.value

    @invariant()
    def the_ledger_tells_the_same_story_as_the_tables(self) -> None:
        story: dict[str, dict[str, Any]] = {}
        counts: dict[str, int] = {}
        for number, entry in enumerate(
            self.do(self.world.store.entries(TENANT, 0, 10_000)), start=1
        ):
            assert entry.position == number, "positions have no gaps"
            fields = entry.fields
            if name := fields.get("action_intent_id"):
                counts[name] = counts.get(name, 0) + 1
                story[name] = fields
        for one in self.do(self.world.control.timeline(OWNER, TimelineQuery(limit=500))):
            record = one.record
            told = story.pop(record.intent.action_intent_id)
            assert told["status"] == record.status.value
            assert counts[record.intent.action_intent_id] == record.revision
            source = record.approval_source.value if record.approval_source else None
            assert told.get("approval_source") == source
            assert told.get("auto_executed", False) == record.auto_executed
        assert story == {}

    def teardown(self) -> None:
        self.do(self.opening.__aexit__(None, None, None))
        self.loop.close()
        self.ends.close()


def _reachable(before: IntentStatus, after: IntentStatus) -> bool:
    seen, front = {before}, {before}
    while front:
        front = {step for status in front for step in STEPS.get(status, ())} - seen
        seen |= front
    return after in seen


def _was_reconciled(record: IntentRecord) -> bool:
    return record.outcome is not None and record.outcome.sentence.startswith("Reconciled")


def _key(name: str) -> str:
    from clearance.core.catalog import idempotency_key  # noqa: PLC0415

    return idempotency_key(TENANT, name)


class OnPostgres(Interleavings):
    """The same on PostgreSQL."""

    holds = (
        "SELECT account_id, (hold).day, (hold).state, (hold).claims FROM intent WHERE (hold).day "
        "IS NOT NULL"
    )
    budget_use = "SELECT account_id, day, bucket, used FROM budget_use"
    folder: Path

    def place(self) -> Place:
        return self.ends.enter_context(migrated_database(self.folder))


class OnDynamo(Interleavings):
    """The same on DynamoDB."""

    endpoint: str
    client: Any

    def place(self) -> Place:
        from tests.aws.support.emulators import new_table  # noqa: PLC0415 - most tests need no AWS

        return self.ends.enter_context(new_table(self.client, self.endpoint))

    def items(self, kind: str) -> list[dict[str, Any]]:
        from clearance.stores.dynamodb.client import decode_item  # noqa: PLC0415

        assert isinstance(self.world.place, Table)
        pages = self.client.get_paginator("scan").paginate(TableName=self.world.place.name)
        found = [decode_item(item) for page in pages for item in page["Items"]]
        return [item for item in found if item["pk"].startswith(f"{kind}#")]

    def all_holds(self) -> Iterable[tuple[str, str, str, str]]:
        for item in self.items("INTENT"):
            if "hold" in item:
                yield (
                    item["account_id"],
                    item["hold"]["day"],
                    item["hold"]["state"],
                    item["hold"]["claims"],
                )

    def all_used(self) -> Iterable[tuple[str, str, str, int]]:
        for item in self.items("BUDGET"):
            day, _, account = item["sk"].partition("#")
            for name, amount in item.items():
                if name.startswith("used:"):
                    yield account, day, name.removeprefix("used:"), amount


def test_on_sqlite() -> None:
    run_state_machine_as_test(Interleavings, settings=SETTINGS)


def test_on_postgres(postgres_folder: Path) -> None:
    OnPostgres.folder = postgres_folder
    run_state_machine_as_test(OnPostgres, settings=settings(SETTINGS, max_examples=20))


def test_on_dynamodb(ministack_dynamodb: Any, ministack_endpoint: str) -> None:
    OnDynamo.client, OnDynamo.endpoint = ministack_dynamodb, ministack_endpoint
    run_state_machine_as_test(
        OnDynamo, settings=settings(SETTINGS, max_examples=6, stateful_step_count=30)
    )
