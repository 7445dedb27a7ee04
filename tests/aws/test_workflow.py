"""What the aws profile promises, from an event to the Status API: the same tests in this process
and on the deployed template.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from clearance.core.ledger import Entry
from clearance.core.outcome import ErrorClass, Sent
from clearance.core.principal import Role
from clearance.core.record import IntentRecord, IntentStatus
from clearance.engines.step_functions import execution_name
from clearance.flow import submit
from clearance.flow.requests import Proposal
from tests.aws.support.in_process import in_process
from tests.aws.support.stack import (
    Execution,
    FunctionFailed,
    Stack,
    on_table,
    outcome_of,
    record_of,
    record_when,
)
from tests.support.sample import AGENT, account_of, mail, task

NORTHWIND, CONTOSO = "northwind", "contoso"
SOURCE = "northwind.agents"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with in_process() as made:
        yield made


def detail(action_intent_id: str, **changes: Any) -> dict[str, Any]:
    """An ActionIntent that the gate answers with AUTO_EXECUTE, unless `changes` say otherwise.

    Its account is its own.
    """
    said = {
        "action_intent_id": action_intent_id,
        "account_id": account_of(action_intent_id),
        "action_type": "CREATE_TASK",
        "parameters": {"title": "Renewal call"},
        "confidence_score": 0.95,
        "risk_level": "LOW",
    }
    return said | changes


def mail_detail(action_intent_id: str, **changes: Any) -> dict[str, Any]:
    """A mail: a tool that may not be called twice."""
    parameters = {"to": "ann@example.com", "subject": "Hello", "body": "Good morning"}
    return detail(action_intent_id, action_type="SEND_MAIL", parameters=parameters, **changes)


def carried_out(stack: Stack, action_intent_id: str, **changes: Any) -> IntentRecord:
    """Proposes an intent by event; what is known of it when it has its outcome."""
    stack.propose_by_event(detail(action_intent_id, **changes), SOURCE)
    return outcome_of(stack, NORTHWIND, action_intent_id)


def executions_of(
    stack: Stack, action_intent_id: str, tenant_id: str = NORTHWIND
) -> list[Execution]:
    return [
        one
        for one in stack.executions()
        if (one.tenant_id, one.action_intent_id) == (tenant_id, action_intent_id)
    ]


def entries_of(stack: Stack, action_intent_id: str, tenant_id: str = NORTHWIND) -> list[Entry]:
    return on_table(stack, lambda context: context.store.entries_about(tenant_id, action_intent_id))


def charged(stack: Stack, record: IntentRecord) -> int:
    """How many actions the account of an intent has used on the day of its hold."""
    assert record.hold is not None
    intent, day = record.intent, record.hold.day
    used = on_table(
        stack, lambda context: context.store.budget_used(intent.tenant_id, intent.account_id, day)
    )
    return used["actions"]


def propose_and_crash(stack: Stack, proposal: Proposal) -> None:
    """Commits an intent as the gate does, and is gone before anything is published."""
    on_table(stack, lambda context: submit.propose(context, AGENT, proposal))


def key_of(stack: Stack, role: Role = Role.OWNER, tenant_id: str = NORTHWIND) -> str:
    return stack.keys[tenant_id, role.value]


def event_of(said: dict[str, Any], source: str = SOURCE) -> dict[str, Any]:
    """An ActionIntent as EventBridge hands it to the gate."""
    return {"id": "0b0e8e1e-event", "detail-type": "ActionIntent", "source": source, "detail": said}


def approve(stack: Stack, action_intent_id: str) -> None:
    status, intent = stack.api(
        "GET", f"/v1/intents/{action_intent_id}", key_of(stack, Role.APPROVER)
    )
    assert status == 200
    path = f"/v1/approvals/{intent['approval']['approval_id']}/rulings"
    status, said = stack.api("POST", path, key_of(stack, Role.APPROVER), {"ruling": "approve"})
    assert status == 201, said


def queued(tenant_id: str, action_intent_id: str, message_id: str = "m1") -> dict[str, Any]:
    """A batch of the queue with one event of the bus, as Lambda hands it to the launcher."""
    said = {
        "detail-type": "ACTION_APPROVED",
        "detail": {"tenant_id": tenant_id, "action_intent_id": action_intent_id},
    }
    return {"Records": [{"messageId": message_id, "body": json.dumps(said)}]}


# The way in, and the way through


def test_an_intent_in_by_event_is_carried_out_and_says_everywhere_that_nobody_approved_it(
    stack: Stack,
) -> None:
    stack.propose_by_event(detail("in-1"), SOURCE)
    record = outcome_of(stack, NORTHWIND, "in-1")
    assert (record.status, record.auto_executed) == (IntentStatus.SUCCEEDED, True)
    assert record.intent.proposed_by == "agent-ada"
    facts = [
        (entry.fields["kind"], entry.fields.get("auto_executed"))
        for entry in entries_of(stack, "in-1")
    ]
    assert facts == [
        ("ACTION_APPROVED", True),
        ("EXECUTION_STARTED", True),
        ("OUTCOME_RECORDED", True),
    ]
    status, said = stack.api("GET", "/v1/intents/in-1", key_of(stack, Role.AUDITOR))
    assert (status, said["status"], said["auto_executed"]) == (200, "SUCCEEDED", True)
    assert (said["outcome"]["auto_executed"], said["outcome"]["approval_source"]) == (
        True,
        "POLICY",
    )
    [execution] = executions_of(stack, "in-1")
    assert execution.name.startswith("exec-in-1-")
    assert record.attempt is not None
    assert record.attempt.worker == execution.name
    assert stack.tool.effects(NORTHWIND, "in-1") == 1
    assert stack.tool.refused == 0  # every request brought the secret


def test_duplicates_of_the_event_and_of_what_it_leads_to_are_one_execution_one_effect_one_charge(
    stack: Stack,
) -> None:
    for _ in range(3):
        stack.propose_by_event(detail("twice"), SOURCE)
    answers = [stack.invoke("gate", event_of(detail("twice"))) for _ in range(2)]
    assert [answer["created"] for answer in answers] == [False, False]
    for number in range(3):
        assert stack.invoke("launcher", queued(NORTHWIND, "twice", f"m{number}")) == {
            "batchItemFailures": []
        }
    record = outcome_of(stack, NORTHWIND, "twice")
    stack.invoke("launcher", queued(NORTHWIND, "twice"))
    stack.sweep()
    stack.quiet()
    assert len(executions_of(stack, "twice")) == 1
    assert (
        len(stack.tool.calls_of(NORTHWIND, "twice")),
        stack.tool.effects(NORTHWIND, "twice"),
    ) == (1, 1)
    assert charged(stack, record) == 1


def test_each_step_may_be_invoked_again_and_what_may_be_sent_once_is_sent_once(
    stack: Stack,
) -> None:
    """Step Functions does not; a redrive, or a person with too many rights, may."""
    propose_and_crash(stack, mail("steps", account_id=account_of("steps")))
    asked = {"tenant_id": NORTHWIND, "action_intent_id": "steps"}
    [attempt, again] = [
        stack.invoke("starter", {**asked, "execution": "exec-by-hand"}) for _ in range(2)
    ]
    assert attempt == again == {**asked, "attempt": 1}
    with pytest.raises(FunctionFailed, match="NothingToStart"):
        stack.invoke("starter", {**asked, "execution": "exec-another"})
    called, repeated = stack.invoke("invoker", attempt), stack.invoke("invoker", attempt)
    assert called["outcome"]["status"] == "SUCCEEDED"
    assert (repeated["outcome"]["status"], repeated["outcome"]["error"]["code"]) == (
        "UNKNOWN",
        "CALL_ALREADY_BEGUN",
    )
    written = [stack.invoke("recorder", said)["recorded"] for said in (called, called, repeated)]
    assert written == [True, False, False]
    record = outcome_of(stack, NORTHWIND, "steps")
    with pytest.raises(FunctionFailed, match="Conflict"):
        stack.invoke("invoker", attempt)
    assert (record.status, charged(stack, record)) == (IntentStatus.SUCCEEDED, 1)
    assert (
        len(stack.tool.calls_of(NORTHWIND, "steps")),
        stack.tool.effects(NORTHWIND, "steps"),
    ) == (1, 1)


def test_an_event_without_an_id_has_that_of_its_delivery_so_that_a_repeat_is_the_same_intent(
    stack: Stack,
) -> None:
    said = detail("unused")
    del said["action_intent_id"]
    event = {
        "id": "0b0e8e1e-nameless",
        "detail-type": "ActionIntent",
        "source": SOURCE,
        "detail": said,
    }
    first, again = stack.invoke("gate", event), stack.invoke("gate", event)
    assert (first["created"], again["created"]) == (True, False)
    assert (
        first["intent"]["action_intent_id"]
        == again["intent"]["action_intent_id"]
        == "0b0e8e1e-nameless"
    )
    outcome_of(stack, NORTHWIND, "0b0e8e1e-nameless")
    assert stack.tool.effects(NORTHWIND, "0b0e8e1e-nameless") == 1


def test_two_tenants_may_use_the_same_id(stack: Stack) -> None:
    long = "x" * 64
    stack.propose_by_event(detail(long), SOURCE)
    stack.propose_by_event(detail(long), "contoso.agents")
    for tenant in (NORTHWIND, CONTOSO):
        record = outcome_of(stack, tenant, long)
        assert (record.status, record.intent.tenant_id) == (IntentStatus.SUCCEEDED, tenant)
        assert stack.tool.effects(tenant, long) == 1
    names = [executions_of(stack, long, tenant)[0].name for tenant in (NORTHWIND, CONTOSO)]
    assert len(set(names)) == 2
    assert {len(name) for name in names} == {80}


def test_a_source_that_speaks_for_nobody_is_refused(stack: Stack) -> None:
    stack.propose_by_event(detail("whose"), "somebody.else")
    for event in (
        event_of(detail("whose"), "somebody.else"),
        {"source": SOURCE, "detail": detail("whose")},
    ):
        with pytest.raises(FunctionFailed, match="Refused: UNKNOWN_SOURCE"):
            stack.invoke("gate", event)
    assert [record_of(stack, tenant, "whose") for tenant in (NORTHWIND, CONTOSO)] == [None, None]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tenant_id": CONTOSO}, "TENANT_MISMATCH"),
        ({"risk_level": 1}, "INVALID_BODY"),
        ({"surprise": True}, "INVALID_BODY"),
        ({"parameters": {"title": 7}}, "INVALID_PARAMETERS"),
        ({"action_intent_id": "a/b"}, "INVALID_INTENT"),
        ({"confidence_score": 10**20}, "INVALID_JSON"),
    ],
)
def test_a_detail_that_the_rest_api_would_refuse_is_refused(
    stack: Stack, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(FunctionFailed, match=f"Refused: {code}"):
        stack.invoke("gate", event_of(detail("wrong") | changes))
    assert [record_of(stack, tenant, "wrong") for tenant in (NORTHWIND, CONTOSO)] == [None, None]


# What people approve


def test_what_policy_does_not_allow_alone_waits_and_runs_after_a_ruling_through_the_api(
    stack: Stack,
) -> None:
    stack.propose_by_event(detail("unsure", confidence_score=0.5), SOURCE)
    record = record_when(
        stack, NORTHWIND, "unsure", lambda record: record.status is IntentStatus.AWAITING_APPROVAL
    )
    assert record.decision.reason == "CONFIDENCE_TOO_LOW"
    stack.sweep()
    assert executions_of(stack, "unsure") == []
    approve(stack, "unsure")
    record = outcome_of(stack, NORTHWIND, "unsure")
    assert (record.status, record.auto_executed) == (IntentStatus.SUCCEEDED, False)
    status, said = stack.api("GET", "/v1/intents/unsure", key_of(stack))
    assert (status, said["outcome"]["auto_executed"], said["outcome"]["approval_source"]) == (
        200,
        False,
        "HUMAN",
    )
    assert [entry.fields.get("auto_executed") for entry in entries_of(stack, "unsure")][1:] == [
        False
    ] * 3
    assert stack.tool.effects(NORTHWIND, "unsure") == 1


def test_what_the_budget_has_no_room_for_waits_and_runs_after_a_ruling(stack: Stack) -> None:
    for number in range(2):  # one after the other: events that come together have no order
        stack.propose_by_event(mail_detail(f"mail-{number}", account_id="acme"), SOURCE)
        assert outcome_of(stack, NORTHWIND, f"mail-{number}").auto_executed
    stack.propose_by_event(mail_detail("mail-2", account_id="acme"), SOURCE)
    record = record_when(
        stack, NORTHWIND, "mail-2", lambda record: record.status is IntentStatus.AWAITING_APPROVAL
    )
    assert record.decision.reason == "BUDGET_EXCEEDED"
    approve(stack, "mail-2")
    record = outcome_of(stack, NORTHWIND, "mail-2")
    assert (record.status, record.auto_executed) == (IntentStatus.SUCCEEDED, False)
    assert [stack.tool.effects(NORTHWIND, f"mail-{number}") for number in range(3)] == [1, 1, 1]


def test_a_stop_switch_holds_what_was_approved_and_it_runs_after_the_lift(stack: Stack) -> None:
    switch = {
        "scope": "ACCOUNT",
        "subject": account_of("held"),
        "level": "HOLD",
        "reason": "Looking into it",
    }
    stack.propose_by_event(detail("held", confidence_score=0.5), SOURCE)
    record_when(
        stack, NORTHWIND, "held", lambda record: record.status is IntentStatus.AWAITING_APPROVAL
    )
    status, said = stack.api(
        "PUT", "/v1/autonomy/stop-switches", key_of(stack), {"stop_switches": [switch]}
    )
    assert status == 200, said
    try:
        approve(stack, "held")
        stack.sweep()
        stack.quiet()
        record = record_of(stack, NORTHWIND, "held")
        assert record is not None
        assert (record.status, record.attempt) == (IntentStatus.APPROVED, None)
        assert executions_of(stack, "held") == []  # looking cost no execution
    finally:
        stack.api("PUT", "/v1/autonomy/stop-switches", key_of(stack), {"stop_switches": []})
    stack.sweep()
    assert outcome_of(stack, NORTHWIND, "held").status is IntentStatus.SUCCEEDED
    assert stack.tool.effects(NORTHWIND, "held") == 1


def test_an_execution_that_ended_without_a_start_does_not_keep_the_intent_from_starting_later(
    stack: Stack,
) -> None:
    switch = {
        "scope": "ACCOUNT",
        "subject": "other",
        "level": "HOLD",
        "reason": "Looking into it",
    }
    propose_and_crash(stack, task("name-taken", account_id="other"))
    record = record_of(stack, NORTHWIND, "name-taken")
    assert record is not None
    stack.api("PUT", "/v1/autonomy/stop-switches", key_of(stack), {"stop_switches": [switch]})
    try:
        stack.start_execution(execution_name(record), NORTHWIND, "name-taken")
    finally:
        stack.api("PUT", "/v1/autonomy/stop-switches", key_of(stack), {"stop_switches": []})
    [ended] = executions_of(stack, "name-taken")
    assert (ended.status, record_of(stack, NORTHWIND, "name-taken")) == ("SUCCEEDED", record)
    stack.sweep()
    assert outcome_of(stack, NORTHWIND, "name-taken").status is IntentStatus.SUCCEEDED
    assert len(executions_of(stack, "name-taken")) == 2
    assert stack.tool.effects(NORTHWIND, "name-taken") == 1


# What is lost on the way


def test_what_a_crash_kept_from_being_published_is_published_by_the_sweep_and_charged_once(
    stack: Stack,
) -> None:
    propose_and_crash(stack, task("crashed", account_id=account_of("crashed")))
    stack.quiet()
    record = record_of(stack, NORTHWIND, "crashed")
    assert record is not None
    assert (record.status, charged(stack, record)) == (IntentStatus.APPROVED, 1)
    assert executions_of(stack, "crashed") == []
    stack.sweep()
    stack.sweep()
    record = outcome_of(stack, NORTHWIND, "crashed")
    assert (record.status, charged(stack, record)) == (IntentStatus.SUCCEEDED, 1)
    assert len(executions_of(stack, "crashed")) == 1
    assert stack.tool.effects(NORTHWIND, "crashed") == 1


def test_an_event_that_the_bus_lost_is_published_again_by_the_sweep(stack: Stack) -> None:
    with stack.losing_events():
        stack.propose_by_event(detail("lost"), SOURCE)
        record_when(stack, NORTHWIND, "lost", lambda record: record.status is IntentStatus.APPROVED)
        stack.quiet()
    assert executions_of(stack, "lost") == []
    stack.sweep()
    record = outcome_of(stack, NORTHWIND, "lost")
    assert (record.auto_executed, charged(stack, record)) == (True, 1)
    assert stack.tool.effects(NORTHWIND, "lost") == 1


def test_a_message_that_nobody_can_read_goes_back_to_the_queue_alone(stack: Stack) -> None:
    batch = queued(NORTHWIND, "nobody-knows-it")
    batch["Records"].append({"messageId": "m2", "body": "not JSON"})
    assert stack.invoke("launcher", batch) == {"batchItemFailures": [{"itemIdentifier": "m2"}]}


# What the tool answers


def test_transient_errors_are_tried_again_within_the_attempt(stack: Stack) -> None:
    stack.tool.will(NORTHWIND, "busy", "busy", "rate_limit")
    stack.propose_by_event(detail("busy"), SOURCE)
    record = outcome_of(stack, NORTHWIND, "busy")
    assert record.status is IntentStatus.SUCCEEDED
    calls = stack.tool.calls_of(NORTHWIND, "busy")
    assert [call.behaviour for call in calls] == ["busy", "rate_limit", "prompt"]
    assert len({call.key for call in calls}) == 1
    assert (
        entries_of(stack, "busy")[-1].fields["tries"],
        stack.tool.effects(NORTHWIND, "busy"),
    ) == (3, 1)
    ends = time.monotonic() + 10
    while executions_of(stack, "busy")[0].status == "RUNNING" and time.monotonic() < ends:
        time.sleep(0.1)  # the outcome is there a moment before its execution ends
    assert [execution.status for execution in executions_of(stack, "busy")] == ["SUCCEEDED"]


def test_transient_errors_that_go_on_are_an_outcome(stack: Stack) -> None:
    stack.tool.will(NORTHWIND, "down", *["rate_limit"] * 5)
    stack.propose_by_event(detail("down"), SOURCE)
    record = outcome_of(stack, NORTHWIND, "down")
    assert record.outcome is not None
    assert record.outcome.error is not None
    assert (record.status, record.outcome.error.error_class) == (
        IntentStatus.FAILED,
        ErrorClass.RATE_LIMIT,
    )
    assert len(stack.tool.calls_of(NORTHWIND, "down")) == 3
    assert entries_of(stack, "down")[-1].fields["tries"] == 3


def test_a_permanent_error_is_recorded_at_once(stack: Stack) -> None:
    stack.tool.will(NORTHWIND, "misfit", "invalid")
    stack.propose_by_event(detail("misfit"), SOURCE)
    record = outcome_of(stack, NORTHWIND, "misfit")
    assert record.outcome is not None
    assert record.outcome.error is not None
    assert (record.status, record.outcome.error.error_class) == (
        IntentStatus.FAILED,
        ErrorClass.VALIDATION,
    )
    assert len(stack.tool.calls_of(NORTHWIND, "misfit")) == 1
    status, said = stack.api("GET", "/v1/intents/misfit", key_of(stack))
    assert (status, said["outcome"]["status"], said["auto_executed"]) == (200, "FAILED", True)


def test_an_answer_that_never_came_is_unknown_where_the_call_may_not_be_repeated(
    stack: Stack,
) -> None:
    stack.tool.will(NORTHWIND, "no-answer", "act_then_drop")
    stack.propose_by_event(mail_detail("no-answer"), SOURCE)
    record = outcome_of(stack, NORTHWIND, "no-answer")
    assert record.outcome is not None
    assert record.outcome.error is not None
    assert (record.status, record.outcome.error.sent) == (IntentStatus.UNKNOWN, Sent.MAYBE)
    stack.sweep()
    stack.quiet()
    assert (
        len(stack.tool.calls_of(NORTHWIND, "no-answer")),
        stack.tool.effects(NORTHWIND, "no-answer"),
    ) == (1, 1)


def test_an_answer_that_never_came_is_asked_for_again_with_the_same_key(stack: Stack) -> None:
    stack.tool.will(NORTHWIND, "again", "act_then_drop")
    stack.propose_by_event(detail("again"), SOURCE)
    assert outcome_of(stack, NORTHWIND, "again").status is IntentStatus.SUCCEEDED
    assert (
        len(stack.tool.calls_of(NORTHWIND, "again")),
        stack.tool.effects(NORTHWIND, "again"),
    ) == (2, 1)


# What ends in the middle


def test_an_invoker_that_dies_after_sending_leaves_unknown_where_the_call_may_not_be_repeated(
    stack: Stack,
) -> None:
    stack.tool.will(NORTHWIND, "died", "hang_then_act")
    stack.propose_by_event(mail_detail("died"), SOURCE)
    stack.tool.wait_for_call(NORTHWIND, "died")
    stack.kill("invoker")
    record = outcome_of(stack, NORTHWIND, "died")
    assert record.outcome is not None
    assert record.outcome.error is not None
    assert (record.status, record.outcome.error.code) == (IntentStatus.UNKNOWN, "INVOKER_LOST")
    stack.tool.wait_for_effect(NORTHWIND, "died")
    stack.sweep()
    stack.quiet()
    assert len(stack.tool.calls_of(NORTHWIND, "died")) == 1
    status, said = stack.api("GET", "/v1/intents/died", key_of(stack))
    assert (status, said["outcome"]["status"], said["outcome"]["error"]["sent"]) == (
        200,
        "UNKNOWN",
        "MAYBE",
    )


def test_an_invoker_that_dies_is_followed_after_its_lease_by_another_one_with_the_same_key(
    stack: Stack,
) -> None:
    stack.tool.will(NORTHWIND, "lease", "hang_then_act")
    stack.propose_by_event(detail("lease"), SOURCE)
    stack.tool.wait_for_call(NORTHWIND, "lease")
    stack.kill("invoker")
    stack.tool.wait_for_effect(NORTHWIND, "lease")
    stack.sweep()
    record = record_of(stack, NORTHWIND, "lease")
    assert record is not None
    assert record.attempt is not None
    assert (record.status, record.attempt.number) == (IntentStatus.RUNNING, 1)
    stack.until(record.attempt.lease_until)
    stack.sweep()
    record = outcome_of(stack, NORTHWIND, "lease")
    assert record.attempt is not None
    assert (record.status, record.attempt.number) == (IntentStatus.SUCCEEDED, 2)
    calls = stack.tool.calls_of(NORTHWIND, "lease")
    assert (
        len(calls),
        len({call.key for call in calls}),
        stack.tool.effects(NORTHWIND, "lease"),
    ) == (2, 1, 1)
    names = [execution.name for execution in executions_of(stack, "lease")]
    assert (len(names), record.attempt.worker) == (2, names[-1])


@pytest.mark.parametrize(
    "said", [mail_detail("aborted-mail"), detail("aborted-task")], ids=["at most once", "keyed"]
)
def test_an_execution_that_somebody_aborts_has_an_outcome_and_is_not_tried_again(
    stack: Stack, said: dict[str, Any]
) -> None:
    name = said["action_intent_id"]
    stack.tool.will(NORTHWIND, name, "hang_then_act")
    stack.propose_by_event(said, SOURCE)
    stack.tool.wait_for_call(NORTHWIND, name)
    [execution] = executions_of(stack, name)
    stack.abort(execution.name)
    record = outcome_of(stack, NORTHWIND, name)
    assert record.outcome is not None
    assert record.outcome.error is not None
    assert (record.status, record.outcome.error.code) == (IntentStatus.UNKNOWN, "EXECUTION_ENDED")
    stack.tool.wait_for_effect(NORTHWIND, name)
    stack.quiet()
    after = record_of(stack, NORTHWIND, name)
    assert after is not None
    assert (after.status, after.revision) == (
        record.status,
        record.revision,
    )  # what the invoker said then came too late
    assert len(stack.tool.calls_of(NORTHWIND, name)) == 1


# The doors


def test_the_api_answers_as_everywhere(stack: Stack) -> None:
    assert stack.api("GET", "/healthz", None) == (200, {"status": "ok"})
    assert stack.api("GET", "/readyz", None) == (200, {"status": "ok"})
    status, said = stack.api("GET", "/v1/timeline", None)
    assert (status, said["code"]) == (401, "UNAUTHENTICATED")
    status, said = stack.api("POST", "/v1/intents", key_of(stack, Role.AGENT), detail("by-rest"))
    assert (status, said["decision"]) == (201, "AUTO_EXECUTE")
    assert outcome_of(stack, NORTHWIND, "by-rest").status is IntentStatus.SUCCEEDED
    status, said = stack.api("GET", "/v1/timeline?limit=500", key_of(stack, Role.AUDITOR))
    assert status == 200
    assert "by-rest" in {item["action_intent_id"] for item in said["items"]}
    status, said = stack.api("GET", "/v1/intents/by-rest", key_of(stack, Role.OWNER, CONTOSO))
    assert (status, said["code"]) == (404, "NOT_FOUND")


def test_a_mail_proposed_by_rest_is_sent_once(stack: Stack) -> None:
    propose_and_crash(stack, mail("rest-mail", account_id="hooli"))
    body = mail_detail("rest-mail", account_id="hooli")
    status, _ = stack.api("POST", "/v1/intents", key_of(stack, Role.AGENT), body)
    assert status == 200  # known, and published now
    assert outcome_of(stack, NORTHWIND, "rest-mail").status is IntentStatus.SUCCEEDED
    assert stack.tool.effects(NORTHWIND, "rest-mail") == 1
