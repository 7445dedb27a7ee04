"""Budgets: which rule holds, what an act claims, on which day, and whether it still fits."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from clearance.core.budget import (
    AMOUNT_MAX,
    BudgetRule,
    Claim,
    Hold,
    HoldState,
    hold_for,
    rule_for,
    spent_claim,
)
from clearance.core.moment import HOUR_MS, from_text

NOON = from_text("2026-11-24T12:00:00Z")
DEFAULT = BudgetRule(max_per_day=5)
ACME = BudgetRule(
    max_per_day=3,
    account="acme",
    max_per_day_by_action_type={"MAIL": 1},
    max_amount_per_day_by_action_type={"REFUND": 100},
)


def test_an_account_has_its_own_rule_or_the_default_or_none() -> None:
    assert rule_for([DEFAULT, ACME], "acme") is ACME
    assert rule_for([ACME, DEFAULT], "globex") is DEFAULT
    assert rule_for([ACME], "globex") is None
    assert rule_for([], "acme") is None


def test_an_act_claims_from_every_bucket_that_it_is_counted_in() -> None:
    assert hold_for(ACME, "MAIL", None, NOON).claims == (
        Claim("actions", 1, 3),
        Claim("actions:MAIL", 1, 1),
    )
    assert hold_for(ACME, "REFUND", 40, NOON).claims == (
        Claim("actions", 1, 3),
        Claim("actions:REFUND", 1, None),
        Claim("amount:REFUND", 40, 100),
    )


def test_an_amount_is_counted_also_where_no_limit_is_set() -> None:
    assert hold_for(DEFAULT, "REFUND", 40, NOON).claims[-1] == Claim(
        "amount:REFUND", 40, AMOUNT_MAX
    )


def test_an_unknown_amount_fits_no_amount_limit_however_large() -> None:
    wide = replace(ACME, max_amount_per_day_by_action_type={"REFUND": AMOUNT_MAX})
    hold = hold_for(wide, "REFUND", None, NOON)
    assert spent_claim(hold, {}) == Claim("amount:REFUND", AMOUNT_MAX + 1, AMOUNT_MAX)


@given(st.integers(0, 100), st.integers(1, 50), st.integers(0, 100))
def test_a_claim_fits_exactly_up_to_its_limit(used: int, amount: int, limit: int) -> None:
    hold = Hold("2026-11-24", (Claim("actions", 1, None), Claim("amount:X", amount, limit)))
    fits = spent_claim(hold, {"amount:X": used, "actions": 10**9}) is None
    assert fits == (used + amount <= limit)


def test_the_first_claim_without_room_is_named() -> None:
    hold = hold_for(ACME, "MAIL", None, NOON)
    assert spent_claim(hold, {"actions": 3, "actions:MAIL": 1}) == hold.claims[0]
    assert spent_claim(hold, {"actions": 2, "actions:MAIL": 1}) == hold.claims[1]
    assert spent_claim(hold, {"actions": 2}) is None


def test_the_day_begins_in_the_zone_of_the_rule() -> None:
    late = from_text("2026-11-24T23:30:00Z")
    assert hold_for(DEFAULT, "MAIL", None, late).day == "2026-11-24"
    assert hold_for(replace(DEFAULT, zone="Europe/Berlin"), "MAIL", None, late).day == "2026-11-25"
    behind = hold_for(replace(DEFAULT, zone="America/New_York"), "MAIL", None, NOON - 8 * HOUR_MS)
    assert behind.day == "2026-11-23"


def test_a_hold_counts_until_it_is_released() -> None:
    assert {state: state.counts for state in HoldState} == {
        HoldState.HELD: True,
        HoldState.SETTLED: True,
        HoldState.RELEASED: False,
    }
