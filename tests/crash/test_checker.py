"""The checker is tested too: a small true history has no violation, and whatever is broken in it by
hand is found, by its name.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearance.api import resources
from clearance.configuration.document import parse_document
from clearance.core.approval import RulingKind
from clearance.core.budget import HoldState
from clearance.core.canonical import canonical, digest
from clearance.core.catalog import idempotency_key
from clearance.core.ledger import Entry
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.core.record import IntentStatus
from clearance.flow.ports.tools import ToolCall, ToolCallFailed
from clearance.flow.requests import ANY_VERSION, RulingRequest, SettingsPart
from tests.crash.support import company
from tests.crash.support.checker import PROMISES, check
from tests.crash.support.evidence import Answered, Call, Evidence, Full, Refused, collect
from tests.support import sample
from tests.support.sample import AGENT, APPROVER, OWNER, TENANT
from tests.support.world import World, opened

OTHER = "southwind"
SEND = {"to": "ann@example.com", "body": "Good morning"}


class History:
    """Acts in a real store, with tools that write down what a tool server would."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.calls: list[Call] = []
        self.answered: list[Answered] = []
        world.tools.behave = self._behave
        self.fails: dict[str, CallError] = {}

    async def _behave(self, call: ToolCall) -> Any:
        size = await self.world.store.ledger_size(TENANT)
        error = self.fails.get(str(call.arguments["intent"]))
        noted = Call(
            len(self.calls) + 1,
            TENANT,
            call.tool,
            call.idempotency_key,
            call.arguments,
            "prompt",
            size,
            error is None or error.sent is Sent.MAYBE,
            "ok" if error is None else None,
            0,
        )
        self.calls.append(noted)
        if error is not None:
            raise ToolCallFailed(error)
        return {"done": True}

    async def propose(
        self, name: str, action_type: str = "CREATE_TASK", account: str = "a1", **parameters: Any
    ) -> None:
        said = {"title": name} if action_type == "CREATE_TASK" else parameters
        record = await self.world.propose(
            sample.task(name, account_id=account, action_type=action_type, parameters=said)
        )
        decision = record.decision
        told = {
            "decision": decision.answer.value,
            "reason": decision.reason,
            "settings_version": list(decision.settings_version),
        }
        self.answered.append(Answered("propose", TENANT, name, told))

    async def rule(self, name: str, kind: RulingKind, reason: str | None = None) -> None:
        record = await self.world.record(name)
        assert record.approval is not None
        await self.world.control.rule(
            APPROVER, record.approval.approval_id, RulingRequest(kind, reason)
        )
        told = {
            "approval_id": record.approval.approval_id,
            "by": APPROVER.actor_id,
            "new_intent": None,
        }
        self.answered.append(Answered(kind.value, TENANT, name, told))

    async def play(self) -> None:
        """One intent for each end that there is."""
        for name in ("task", "failing", "stopped", "refused"):
            await self.propose(name, account="a4" if name == "stopped" else "a1")
        await self.propose("mail", "SEND_MAIL", **SEND)
        await self.propose("lost", "SEND_MAIL", **SEND)
        await self.propose("asked", account="careful")
        await self.propose("rejected", account="careful")
        await self.propose("withdrawn", account="careful")
        await self.propose("waiting", account="careful")
        await self.propose("blocked", account="closed")
        await self.rule("asked", RulingKind.APPROVE)
        await self.rule("rejected", RulingKind.REJECT, "not now")
        await self.propose("later", account="a2")
        await self.world.control.cancel(AGENT, "withdrawn", "changed my mind")
        self.answered.append(Answered("cancel", TENANT, "withdrawn", {}))
        self.fails["failing"] = CallError(ErrorClass.VALIDATION, "no", Sent.ANSWERED)
        self.fails["lost"] = CallError(ErrorClass.TIMEOUT, "no answer", Sent.MAYBE)
        self.fails["refused"] = CallError(ErrorClass.VALIDATION, "not sent", Sent.NOT_SENT)
        for name in ("task", "failing", "mail", "lost", "asked", "later"):
            await self.world.run(name)
        self.calls = [
            replace(call, acted=call.acted and call.arguments["intent"] != "failing")
            for call in self.calls
        ]
        calls = list(self.calls)
        await self.world.run("refused")
        self.calls = calls  # it never arrived
        await self._switches(
            [{"scope": "ACCOUNT", "subject": "a4", "level": "HOLD", "reason": "a look"}]
        )
        assert await self.world.run("stopped") is None, "it is held"
        await self._switches([])
        await self.world.run("stopped")
        self.answered.append(Answered("stop", TENANT, None, {"version": 4}))

    async def _switches(self, switches: list[dict[str, Any]]) -> None:
        part = SettingsPart.STOP_SWITCHES
        await self.world.control.put_settings_part(
            OWNER, part, {"stop_switches": switches}, version=ANY_VERSION
        )


async def _play(folder: Path) -> Evidence:
    async with opened(folder / "store.sqlite3") as world:
        document = company.document(TENANT, "http://127.0.0.1:1", 2, most=50)
        await world.control.apply(OWNER, parse_document(document))
        await world.control.pin_tools(OWNER)
        history = History(world)
        await history.play()
        evidence = await collect(world.store, TENANT, history.calls, company.EFFECTS, company.TOOLS)
        evidence.answered = history.answered
        evidence.full = [Full("waiting", "{}", "2026-11-24", "actions", 6)]
        for name in evidence.records:
            told = await world.control.intent(OWNER, name)
            evidence.seen_whole[name] = resources.intent(told).model_dump(mode="json")  # type: ignore[index]
            evidence.shown[name] = resources.timeline_item(told, None).model_dump(mode="json")  # type: ignore[index]
        return evidence


@pytest.fixture(scope="module")
def true_history(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return asyncio.run(_play(tmp_path_factory.mktemp("history")))


@pytest.fixture
def evidence(true_history: Evidence) -> Evidence:
    return copy.deepcopy(true_history)


# Ways to break it


def find(evidence: Evidence, name: str | None, kind: str, **having: Any) -> Entry:
    """The last entry of a kind about an intent."""
    return [
        entry
        for entry in evidence.entries
        if entry.fields["kind"] == kind
        and entry.fields.get("action_intent_id") == name
        and all(entry.fields.get(key) == value for key, value in having.items())
    ][-1]


def rewrite(evidence: Evidence, name: str | None, kind: str, /, **fields: Any) -> None:
    """Says something else in an entry; None takes a field away."""
    entry = find(evidence, name, kind)
    said = {key: value for key, value in {**entry.fields, **fields}.items() if value is not None}
    evidence.entries[entry.position - 1] = Entry(entry.position, canonical(said))


def erase(evidence: Evidence, name: str | None, kind: str) -> None:
    """Makes an entry one about nothing, so that the positions stay whole."""
    entry = find(evidence, name, kind)
    said = {"kind": "API_KEY_CREATED", "tenant_id": TENANT}
    evidence.entries[entry.position - 1] = Entry(entry.position, canonical(said))


def spaced(entry: Entry) -> Entry:
    """The same entry, in other bytes."""
    return Entry(entry.position, entry.body.replace(b":", b": ", 1))


def record(evidence: Evidence, name: str, **fields: Any) -> None:
    evidence.records[name] = replace(evidence.records[name], **fields)


def call_of(evidence: Evidence, name: str) -> Call:
    return next(call for call in evidence.calls if call.arguments["intent"] == name)


def another_call(evidence: Evidence, name: str, **fields: Any) -> None:
    like = replace(call_of(evidence, name), seq=99)
    evidence.calls.append(replace(like, **fields))


def change_call(evidence: Evidence, name: str, **fields: Any) -> None:
    found = call_of(evidence, name)
    evidence.calls[evidence.calls.index(found)] = replace(found, **fields)


def call_for(evidence: Evidence, name: str) -> None:
    """A call for an intent that was never sent."""
    key = idempotency_key(TENANT, name)
    said = {
        **evidence.records[name].intent.parameters,
        "account": evidence.records[name].intent.account_id,
    }
    another_call(evidence, "task", key=key, arguments={**said, "intent": name}, acted=False)


def decision_of(evidence: Evidence, name: str, **fields: Any) -> dict[str, Any]:
    return {**find(evidence, name, "ACTION_APPROVED").fields["decision"], **fields}


def objecting(evidence: Evidence) -> None:
    findings = decision_of(evidence, "task")["findings"]
    findings[0] = {**findings[0], "answer": "REQUIRE_APPROVAL"}
    rewrite(
        evidence,
        "task",
        "ACTION_APPROVED",
        decision=decision_of(evidence, "task", findings=findings),
    )


def limit_of_nothing(evidence: Evidence) -> None:
    findings = decision_of(evidence, "task")["findings"]
    [budget] = [finding for finding in findings if finding["check"] == "budget"]
    for claim in budget["inputs"]["claims"]:
        claim["limit"] = 0
    rewrite(
        evidence,
        "task",
        "ACTION_APPROVED",
        decision=decision_of(evidence, "task", findings=findings),
    )


def other_answer(evidence: Evidence) -> None:
    first = evidence.answered[0]
    evidence.answered = [
        replace(first, said={**first.said, "reason": "ANOTHER"}),
        *evidence.answered[1:],
    ]


def told(evidence: Evidence, verb: str, name: str | None, **said: Any) -> None:
    evidence.answered = [*evidence.answered, Answered(verb, TENANT, name, said)]


def shown(evidence: Evidence, name: str, **fields: Any) -> None:
    evidence.shown = {**evidence.shown, name: {**evidence.shown["task"], **fields}}


def seen(evidence: Evidence, name: str, **fields: Any) -> None:
    evidence.seen_whole = {**evidence.seen_whole, name: {**evidence.seen_whole["task"], **fields}}


def of_tenant(evidence: Evidence, name: str, tenant_id: str) -> None:
    record(evidence, name, intent=replace(evidence.records[name].intent, tenant_id=tenant_id))


def settled(evidence: Evidence, name: str, state: HoldState) -> None:
    hold = evidence.records[name].hold
    assert hold is not None
    record(evidence, name, hold=replace(hold, state=state))


def error_of(evidence: Evidence, name: str, **fields: Any) -> None:
    outcome = find(evidence, name, "OUTCOME_RECORDED").fields
    rewrite(evidence, name, "OUTCOME_RECORDED", error={**(outcome.get("error") or {}), **fields})


def lost_at_once(evidence: Evidence) -> None:
    """A keyed call that could have been repeated is given up after one attempt of a worker that
    died.
    """
    error = {"class": "UNKNOWN", "code": "WORKER_LOST", "sent": "MAYBE"}
    rewrite(evidence, "task", "OUTCOME_RECORDED", status="UNKNOWN", error=error, tries=0)
    record(evidence, "task", status=IntentStatus.UNKNOWN)


def late(evidence: Evidence) -> None:
    size = find(evidence, "task", "OUTCOME_RECORDED").position
    change_call(evidence, "task", ledger_size=size)


def early(evidence: Evidence) -> None:
    size = find(evidence, "task", "EXECUTION_STARTED").position - 1
    change_call(evidence, "task", ledger_size=size)


def counter(evidence: Evidence) -> None:
    used = next(used for used in evidence.budget_used.values() if used.get("actions"))
    used["actions"] += 1


def counter_of_limits(evidence: Evidence) -> None:
    used = next(used for used in evidence.counted.values() if used.get("actions"))
    used["actions"] += 1


def taken_elsewhere(evidence: Evidence) -> None:
    """It took from counters that its agent chose, and from no other."""
    hold = find(evidence, "task", "ACTION_APPROVED").fields["hold"]
    rewrite(evidence, "task", "ACTION_APPROVED", hold={**hold, "counted": []})


def lower_limit(evidence: Evidence) -> None:
    hold = evidence.records["mail"].hold
    assert hold is not None
    claims = tuple(replace(claim, limit=0) for claim in hold.claims)
    record(evidence, "mail", hold=replace(hold, claims=claims))


def charged_twice(evidence: Evidence) -> None:
    hold = find(evidence, "task", "ACTION_APPROVED").fields["hold"]
    rewrite(evidence, "task", "EXECUTION_STARTED", hold=hold)


def edited_elsewhere(evidence: Evidence) -> None:
    rewrite(evidence, "rejected", "ACTION_REJECTED", ruling="edit", superseded_by="new")
    told(
        evidence,
        "edit",
        "rejected",
        approval_id="rejected.1",
        by=APPROVER.actor_id,
        new_intent="another",
    )


def still_on(evidence: Evidence) -> None:
    before = find(evidence, None, "STOP_SWITCHES_CHANGED").fields["before"]
    rewrite(evidence, None, "STOP_SWITCHES_CHANGED", after=before)


def begun_before_the_stop(evidence: Evidence) -> None:
    """The receipt names a position behind the start of what was held."""
    started = find(evidence, "stopped", "EXECUTION_STARTED").position
    for kind in ("STOP_RECORDED", "STOP_CLOSED"):
        rewrite(evidence, None, kind, stop=started)


def recorded_twice(evidence: Evidence) -> None:
    receipt = find(evidence, None, "STOP_RECORDED")
    closed = find(evidence, None, "STOP_CLOSED")
    evidence.entries[closed.position - 1] = Entry(closed.position, receipt.body)


BROKEN: list[tuple[str, str, Callable[[Evidence], object]]] = [
    ("ledger_is_whole", "an entry is missing", lambda e: e.entries.pop(3)),
    ("ledger_is_whole", "the last entry is missing", lambda e: e.entries.pop()),
    (
        "ledger_is_whole",
        "bytes are not canonical",
        lambda e: e.entries.insert(0, spaced(e.entries.pop(0))),
    ),
    (
        "ledger_is_whole",
        "an entry is of another tenant",
        lambda e: rewrite(e, None, "SETTINGS_CHANGED", tenant_id=OTHER),
    ),
    ("one_entry_per_revision", "an intent is lost", lambda e: e.records.pop("task")),
    ("one_entry_per_revision", "a step has no entry", lambda e: record(e, "task", revision=4)),
    ("one_entry_per_revision", "the record is behind", lambda e: record(e, "task", position=1)),
    (
        "one_entry_per_revision",
        "an intent has no entry",
        lambda e: erase(e, "blocked", "ACTION_BLOCKED"),
    ),
    (
        "steps_are_legal",
        "a step that does not exist",
        lambda e: erase(e, "task", "EXECUTION_STARTED"),
    ),
    ("steps_are_legal", "it begins in the middle", lambda e: erase(e, "task", "ACTION_APPROVED")),
    (
        "steps_are_legal",
        "an entry says another state",
        lambda e: rewrite(e, "task", "ACTION_APPROVED", status="BLOCKED"),
    ),
    (
        "steps_are_legal",
        "the record says another state",
        lambda e: record(e, "task", status=IntentStatus.FAILED),
    ),
    ("nothing_runs_unapproved", "no approval", lambda e: erase(e, "task", "ACTION_APPROVED")),
    (
        "nothing_runs_unapproved",
        "another decision",
        lambda e: rewrite(
            e,
            "task",
            "ACTION_APPROVED",
            decision=decision_of(e, "task", decision="REQUIRE_APPROVAL"),
        ),
    ),
    ("nothing_runs_unapproved", "a check objects", objecting),
    (
        "nothing_runs_unapproved",
        "no hold",
        lambda e: rewrite(e, "task", "ACTION_APPROVED", hold=None),
    ),
    (
        "nothing_runs_unapproved",
        "time approves",
        lambda e: rewrite(
            e, "asked", "ACTION_APPROVED", actor={"id": "clearance", "kind": "SYSTEM"}
        ),
    ),
    (
        "nothing_runs_unapproved",
        "its proposer approves",
        lambda e: rewrite(
            e, "asked", "ACTION_APPROVED", actor={"id": AGENT.actor_id, "kind": "PERSON"}
        ),
    ),
    (
        "nothing_runs_unapproved",
        "a rejection",
        lambda e: rewrite(e, "asked", "ACTION_APPROVED", ruling="reject"),
    ),
    ("nothing_runs_unapproved", "nobody asked", lambda e: erase(e, "asked", "APPROVAL_REQUESTED")),
    (
        "nothing_runs_unapproved",
        "blocked, and started",
        lambda e: rewrite(e, "task", "OUTCOME_RECORDED", kind="ACTION_BLOCKED"),
    ),
    (
        "what_runs_is_what_was_decided_on",
        "something else starts",
        lambda e: rewrite(e, "mail", "EXECUTION_STARTED", digest=digest("else"), decision=None),
    ),
    (
        "what_runs_is_what_was_decided_on",
        "other arguments",
        lambda e: change_call(
            e, "task", arguments={**call_of(e, "task").arguments, "title": "another"}
        ),
    ),
    (
        "what_runs_is_what_was_decided_on",
        "another tool",
        lambda e: change_call(e, "task", tool="send_mail"),
    ),
    ("at_most_one_execution", "two effects", lambda e: another_call(e, "task")),
    (
        "at_most_one_execution",
        "two calls of a mail",
        lambda e: another_call(e, "lost", acted=False),
    ),
    (
        "at_most_one_execution",
        "attempts too many",
        lambda e: rewrite(e, "task", "EXECUTION_STARTED", attempt=4),
    ),
    (
        "at_most_one_execution",
        "an old attempt's outcome",
        lambda e: rewrite(e, "task", "OUTCOME_RECORDED", attempt=2),
    ),
    (
        "at_most_one_execution",
        "two outcomes",
        lambda e: rewrite(e, "task", "EXECUTION_STARTED", kind="OUTCOME_RECORDED"),
    ),
    ("calls_lie_between_start_and_outcome", "before the attempt", early),
    ("calls_lie_between_start_and_outcome", "after the outcome", late),
    ("calls_lie_between_start_and_outcome", "no attempt", lambda e: call_for(e, "waiting")),
    (
        "calls_lie_between_start_and_outcome",
        "nobody's call",
        lambda e: another_call(e, "task", key="ik_stranger"),
    ),
    ("budget_is_kept", "charged twice", charged_twice),
    ("budget_is_kept", "overspent", limit_of_nothing),
    ("budget_is_kept", "the counter is wrong", counter),
    (
        "budget_is_kept",
        "given back although it was sent",
        lambda e: settled(e, "task", HoldState.RELEASED),
    ),
    (
        "budget_is_kept",
        "kept although nothing was sent",
        lambda e: settled(e, "refused", HoldState.SETTLED),
    ),
    ("budget_is_kept", "not settled", lambda e: settled(e, "task", HoldState.HELD)),
    ("limits_are_kept", "a counter is wrong", counter_of_limits),
    ("limits_are_kept", "nothing was taken from the tenant", taken_elsewhere),
    ("limits_are_kept", "over the limit", lower_limit),
    (
        "limits_are_kept",
        "there was room for one more",
        lambda e: setattr(e, "full", [replace(e.full[0], limit=7)]),
    ),
    (
        "a_no_is_remembered",
        "the same runs alone",
        lambda e: record(e, "later", intent=e.records["rejected"].intent),
    ),
    ("few_enough_wait", "one too many", lambda e: setattr(e, "waiting_max", 1)),
    ("what_was_answered_is_kept", "a proposal is lost", lambda e: told(e, "propose", "gone")),
    ("what_was_answered_is_kept", "another answer", other_answer),
    (
        "what_was_answered_is_kept",
        "a ruling is lost",
        lambda e: told(
            e, "approve", "waiting", approval_id="waiting.1", by="olga", new_intent=None
        ),
    ),
    (
        "what_was_answered_is_kept",
        "somebody else's ruling",
        lambda e: rewrite(e, "asked", "ACTION_APPROVED", actor={"id": "otto", "kind": "PERSON"}),
    ),
    ("what_was_answered_is_kept", "an edit leads elsewhere", edited_elsewhere),
    ("what_was_answered_is_kept", "a withdrawal is lost", lambda e: told(e, "cancel", "task")),
    (
        "what_was_answered_is_kept",
        "a reconciliation is lost",
        lambda e: told(e, "reconcile", "lost"),
    ),
    (
        "what_was_answered_is_kept",
        "settings are lost",
        lambda e: told(e, "settings", None, version=99),
    ),
    (
        "what_was_answered_is_kept",
        "a version is missing",
        lambda e: erase(e, None, "SETTINGS_CHANGED"),
    ),
    ("outcomes_are_true", "it did nothing", lambda e: change_call(e, "task", acted=False)),
    ("outcomes_are_true", "it failed, and did it", lambda e: change_call(e, "failing", acted=True)),
    ("outcomes_are_true", "rejected, and called", lambda e: call_for(e, "rejected")),
    ("outcomes_are_true", "cancelled, and called", lambda e: call_for(e, "refused")),
    ("outcomes_are_true", "nobody answered so", lambda e: change_call(e, "task", answered=None)),
    (
        "unknown_only_where_allowed",
        "it was answered",
        lambda e: error_of(e, "lost", sent="ANSWERED"),
    ),
    ("unknown_only_where_allowed", "it could be repeated", lost_at_once),
    (
        "autopilot_is_named_as_such",
        "the outcome hides it",
        lambda e: rewrite(e, "task", "OUTCOME_RECORDED", auto_executed=False),
    ),
    (
        "autopilot_is_named_as_such",
        "the attempt claims it",
        lambda e: rewrite(
            e, "asked", "EXECUTION_STARTED", approval_source="POLICY", auto_executed=True
        ),
    ),
    (
        "autopilot_is_named_as_such",
        "the record hides it",
        lambda e: record(e, "task", approval_source=None),
    ),
    (
        "autopilot_is_named_as_such",
        "the timeline hides it",
        lambda e: shown(e, "task", auto_executed=False),
    ),
    (
        "autopilot_is_named_as_such",
        "the API's outcome hides it",
        lambda e: seen(
            e, "task", outcome={**e.seen_whole["task"]["outcome"], "auto_executed": False}
        ),
    ),
    ("tenants_are_apart", "a record of another", lambda e: of_tenant(e, "task", OTHER)),
    ("tenants_are_apart", "the API shows another's", lambda e: seen(e, "task", tenant_id=OTHER)),
    ("tenants_are_apart", "the timeline shows another's", lambda e: shown(e, "theirs")),
    ("a_stop_stops", "it started under a switch", still_on),
    (
        "receipts_are_exact",
        "a call that ended before the stop is in it",
        lambda e: rewrite(e, None, "STOP_RECORDED", under_way=1),
    ),
    (
        "receipts_are_exact",
        "the list is another one",
        lambda e: rewrite(e, None, "STOP_RECORDED", under_way_digest="sha256:0"),
    ),
    ("receipts_are_exact", "a call that was under way is not in it", begun_before_the_stop),
    (
        "receipts_are_exact",
        "more calls ended than were under way",
        lambda e: rewrite(e, None, "STOP_CLOSED", ended={"FAILED": 1}),
    ),
    ("receipts_are_exact", "a stop has two receipts", recorded_twice),
    ("refusals_are_expected", "something unforeseen", lambda e: refused(e, "propose", "INTERNAL")),
    (
        "refusals_are_expected",
        "the same, and a conflict",
        lambda e: refused(e, "propose", "INTENT_ID_REUSED"),
    ),
    (
        "nothing_is_left",
        "nobody carries it out",
        lambda e: record(e, "task", status=IntentStatus.APPROVED),
    ),
    ("nothing_is_left", "nobody ends it", lambda e: record(e, "task", status=IntentStatus.RUNNING)),
]


def refused(evidence: Evidence, verb: str, code: str) -> None:
    evidence.refused = [*evidence.refused, Refused(verb, TENANT, "task", code)]


def test_a_true_history_breaks_no_promise(evidence: Evidence) -> None:
    assert check(evidence) == []
    statuses = {name: record.status.value for name, record in evidence.records.items()}
    assert statuses == {
        "task": "SUCCEEDED",
        "failing": "FAILED",
        "stopped": "SUCCEEDED",
        "later": "SUCCEEDED",
        "refused": "CANCELLED",
        "mail": "SUCCEEDED",
        "lost": "UNKNOWN",
        "asked": "SUCCEEDED",
        "rejected": "REJECTED",
        "withdrawn": "CANCELLED",
        "waiting": "AWAITING_APPROVAL",
        "blocked": "BLOCKED",
    }


@pytest.mark.parametrize(
    ("promise", "how", "broken"), BROKEN, ids=[f"{name}: {how}" for name, how, _ in BROKEN]
)
def test_whatever_is_broken_is_found(
    evidence: Evidence, promise: str, how: str, broken: Callable[[Evidence], object]
) -> None:
    broken(evidence)
    found = check(evidence)
    assert promise in {violation.promise for violation in found}, [
        str(violation) for violation in found
    ]


def test_every_promise_is_broken_once() -> None:
    assert {promise.__name__ for promise in PROMISES} == {promise for promise, _, _ in BROKEN}
