"""Rates of one process: how many pass, when the next one does, and how little is remembered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.errors import Forbidden, TooMany, Unavailable
from clearance.core.moment import HOUR_MS
from clearance.core.quota import Quotas
from clearance.flow import rates as module
from clearance.flow import refusals
from clearance.flow.rates import MINUTE_MS, Rates, check_rate
from clearance.flow.refusals import HOURS_KEPT, Refusals
from tests.support.sample import AGENT, NOON, OTHER_AGENT

ADA = replace(AGENT, credential="key-1")
BEN = replace(OTHER_AGENT, credential="key-2")


@given(st.lists(st.integers(0, MINUTE_MS), max_size=60), st.integers(1, 7))
def test_at_most_twice_the_rate_passes_in_any_minute_and_a_wait_is_as_long_as_it_says(
    pauses: list[int], limit: int
) -> None:
    rates, now, passed = Rates(), 0, []
    for pause in pauses:
        now += pause
        if rates.take({("a",): limit}, now) is None:
            passed.append(now)
            continue
        wait = rates.wait_ms(("a",), limit, now)
        assert 0 < wait <= MINUTE_MS / limit + 1
    for at in passed:
        assert sum(at <= other < at + MINUTE_MS for other in passed) <= 2 * limit
    while rates.take({("a",): limit}, now) is None:
        pass
    due = now + rates.wait_ms(("a",), limit, now)
    assert rates.take({("a",): limit}, int(due) + 1) is None


def test_a_quiet_minute_lets_as_many_through_as_the_rate_says() -> None:
    rates = Rates()
    for _ in range(2):
        passed = [rates.take({("a",): 3}, NOON) for _ in range(5)]
        assert passed == [None] * 3 + [("a",)] * 2
        rates = Rates()


def test_what_one_bucket_refuses_takes_nothing_from_another() -> None:
    rates, quotas = Rates(), Quotas(3, 2, 1, 1)
    for _ in range(2):
        check_rate(rates, ADA, quotas, 0)
    for _ in range(5):
        with pytest.raises(TooMany, match="with this key of agent-ada than may"):
            check_rate(rates, ADA, quotas, 0)
    check_rate(rates, BEN, quotas, 0)
    with pytest.raises(TooMany, match="for this tenant than may") as refused:
        check_rate(rates, BEN, quotas, 0)
    assert refused.value.retry_after_seconds == MINUTE_MS // 3 // 1_000
    check_rate(rates, replace(BEN, tenant_id="southwind"), quotas, 0)


def test_sessions_of_one_key_share_its_bucket_and_the_operator_has_none() -> None:
    rates, quotas = Rates(), Quotas(100, 1, 1, 1)
    check_rate(rates, replace(ADA, credential="key-1/0011"), quotas, 0)
    with pytest.raises(TooMany):
        check_rate(rates, replace(ADA, credential="key-1/2233"), quotas, 0)
    for _ in range(200):
        check_rate(rates, AGENT, quotas, 0)


def test_memory_is_bounded_and_forgets_what_was_used_the_longest_ago(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "BUCKETS_MAX", 10)
    rates = Rates()
    for number in range(1_000):
        assert rates.take({("busy",): 2_000, (f"key-{number}",): 1}, 0) is None
    assert len(rates._full_at) == 10
    assert rates.take({("key-999",): 1}, 0) == ("key-999",)
    assert rates.take({("busy",): 1}, 0) == ("busy",)
    assert rates.take({("key-1",): 1}, 0) is None


def test_refusals_are_counted_by_agent_and_hour_within_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refusals, "COUNTS_MAX", 5)
    counted, heard = Refusals(), []
    counted.heard = heard.append
    for number in range(8):
        counted.add(replace(ADA, actor_id=f"a{number}"), Forbidden("No."), NOON)
    counted.add(replace(ADA, actor_id="a7"), TooMany("No.", code="TOO_MANY_WAITING"), NOON + 1)
    counted.add(replace(ADA, actor_id="a7"), Forbidden("No."), NOON + HOUR_MS)
    counted.add(replace(ADA, actor_id="a7"), Unavailable("Not now."), NOON + HOUR_MS)
    assert heard == ["FORBIDDEN"] * 8 + ["TOO_MANY_WAITING", "FORBIDDEN"]
    lately = counted.lately(ADA.tenant_id, NOON + HOUR_MS)
    assert [(each.agent_id, each.hour, each.count) for each in lately] == [
        ("a7", NOON + HOUR_MS, 1),
        ("a7", NOON, 2),
        ("a4", NOON, 1),
        ("a5", NOON, 1),
        ("a6", NOON, 1),
    ]
    assert counted.lately("southwind", NOON) == ()
    assert counted.lately(ADA.tenant_id, NOON + (HOURS_KEPT + 2) * HOUR_MS) == ()
