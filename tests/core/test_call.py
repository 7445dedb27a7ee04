"""One call of a tool: its arguments, its deadline and lease, and when it may be sent again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.call import (
    BACKOFF_MS,
    BACKOFF_MS_MAX,
    LEASE_MARGIN_MS,
    RETRY_WINDOW_MS,
    TRIES_MAX,
    arguments,
    deadline_ms,
    lease_ms,
    outcome_of,
    retry_after_ms,
)
from clearance.core.catalog import Action, Effect, ToolName, ToolServer, idempotency_key
from clearance.core.errors import InvalidInput
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.outcome import TRANSIENT, CallError, ErrorClass, OutcomeStatus, Sent

INTENT = ActionIntent(
    "t", "acme", "i1", "MAIL", {"to": "a", "account": "rival"}, 0.9, RiskLevel.LOW, "ada"
)
ACTION = Action("MAIL", ToolName("crm", "mail"), RiskLevel.LOW, Effect.KEYED, {}, "did", "do")


def test_the_key_comes_last_and_an_agent_cannot_send_one_in_its_place() -> None:
    action = replace(ACTION, arguments={"to": "{account_id}"}, idempotency_argument="key")
    assert arguments(action, replace(INTENT, parameters={})) == {
        "to": "acme",
        "key": idempotency_key("t", "i1"),
    }
    with pytest.raises(InvalidInput, match="filled in by Clearance"):
        arguments(action, replace(INTENT, parameters={"key": "forged"}))


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_no_two_intents_share_an_idempotency_key(a: str, b: str, c: str, d: str) -> None:
    assert (idempotency_key(a, b) == idempotency_key(c, d)) == ((a, b) == (c, d))


def test_a_lease_outlasts_the_deadline_the_later_tries_and_a_margin() -> None:
    server = ToolServer("crm", deadline_seconds=7)
    assert deadline_ms(server) == 7_000
    assert lease_ms(server) == 7_000 + RETRY_WINDOW_MS + LEASE_MARGIN_MS
    assert lease_ms(None) > deadline_ms(None)


@given(
    st.sampled_from(ErrorClass),
    st.sampled_from(Sent),
    st.sampled_from(Effect),
    st.integers(1, TRIES_MAX + 1),
    st.none() | st.integers(0, 10**6),
)
def test_a_call_is_sent_again_only_where_that_is_safe_and_soon(
    error_class: ErrorClass, sent: Sent, effect: Effect, tries: int, asked: int | None
) -> None:
    error = CallError(error_class, "x", sent, retry_after_ms=asked)
    wait = retry_after_ms(error, replace(ACTION, effect=effect), tries)
    safe = sent is Sent.NOT_SENT or effect is not Effect.AT_MOST_ONCE
    soon = (asked or 0) <= BACKOFF_MS_MAX  # sooner than the tool asked, a try cannot succeed
    assert (wait is not None) == (safe and error_class in TRANSIENT and tries < TRIES_MAX and soon)
    if wait is not None:
        assert max(BACKOFF_MS, asked or 0) <= wait <= BACKOFF_MS_MAX


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (Sent.NOT_SENT, OutcomeStatus.CANCELLED),
        (Sent.ANSWERED, OutcomeStatus.FAILED),
        (Sent.MAYBE, OutcomeStatus.UNKNOWN),
    ],
)
def test_an_outcome_says_no_more_than_is_known(sent: Sent, status: OutcomeStatus) -> None:
    outcome = outcome_of(CallError(ErrorClass.TIMEOUT, "x", sent))
    assert outcome.status is status
    assert outcome.nothing_sent == (sent is Sent.NOT_SENT)


@given(st.lists(st.sampled_from(Sent), min_size=1, max_size=5))
def test_of_several_tries_the_worst_is_known(tries: list[Sent]) -> None:
    worst: Any = tries[0]
    for sent in tries[1:]:
        worst = worst.worst(sent)
    order = [Sent.NOT_SENT, Sent.ANSWERED, Sent.MAYBE]
    assert worst is max(tries, key=order.index)
