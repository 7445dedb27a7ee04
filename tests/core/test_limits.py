"""Limits: which hold for an act, what they count together, in which window, and what does not
fit.
"""

from __future__ import annotations

import json
from collections import Counter as Tally
from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.budget import Claim, Counter, Hold, HoldState, spent_claim
from clearance.core.canonical import INTEGER_MAX
from clearance.core.limits import (
    MILLIONTHS_MAX,
    READS_PER_MINUTE_DEFAULT,
    Limit,
    LimitKey,
    Limits,
    Per,
    Spending,
    Taking,
    Who,
    applying,
    claims_of,
    counter_of,
    covers_all,
    in_words,
    limited_counters,
    looked_at,
    together,
    window_at,
)
from clearance.core.moment import from_text

AGENT, ACCOUNT, ACTION_TYPE = LimitKey
NOON = from_text("2026-11-30T12:34:56Z")
WHO: Who = {AGENT: "support", ACCOUNT: "acme", ACTION_TYPE: "ISSUE_REFUND"}
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Kiritimati", "Australia/Lord_Howe")

_NAMES = {AGENT: ("support", "sales"), ACCOUNT: ("acme", "globex"), ACTION_TYPE: ("REFUND", "MAIL")}


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    keys = draw(st.sets(st.sampled_from(list(LimitKey))))
    named = draw(st.sets(st.sampled_from(sorted(keys)))) if keys else set()
    return Limit(
        draw(st.sampled_from(list(Per))),
        {key: draw(st.sampled_from(_NAMES[key])) for key in sorted(named)},
        frozenset(keys - named),
        actions=draw(st.integers(0, 4)),
    )


def whose() -> st.SearchStrategy[Who]:
    return st.fixed_dictionaries({key: st.sampled_from(names) for key, names in _NAMES.items()})


def claims(rules: tuple[Limit, ...], who: Who = WHO, now: int = NOON, **takes: object):
    return claims_of(limited_counters(Limits(rules), who, now), Taking(**takes))  # type: ignore[arg-type]


# --- Which limits hold, and what they count together ---


@given(
    st.lists(limits(), max_size=6),
    st.lists(st.tuples(whose(), st.integers(0, 40 * 24 * 60)), max_size=40),
)
def test_no_window_of_a_limit_that_holds_ever_has_more_than_the_limit(
    rules: list[Limit], acts: list[tuple[Who, int]]
) -> None:
    """Whatever is proposed when: what fits is done. The tally is kept by other means than ours."""
    used: Tally[str] = Tally()
    ran: list[tuple[Who, str]] = []
    for who, minutes in acts:
        now = NOON + minutes * 60_000
        hold = Hold("2026-11-30", claims(tuple(rules), who, now))
        if spent_claim(hold, used) is None:
            used.update({claim.place: claim.amount for claim in hold.claims})
            moment = datetime.fromtimestamp(now / 1000, UTC)
            ran.append((who, moment.isoformat()))
    for limit in rules:
        length = {Per.MINUTE: 16, Per.HOUR: 13, Per.DAY: 10, Per.MONTH: 7}[limit.per]
        together = Tally(
            (tuple(who[key] for key in sorted(limit.keys)), moment[:length])
            for who, moment in ran
            if all(who[key] == name for key, name in limit.names.items())
            and not any(
                other.per is limit.per
                and other.keys == limit.keys
                and limit.names.items() < other.names.items()
                and all(who[key] == name for key, name in other.names.items())
                for other in rules
            )
        )
        assert all(count <= (limit.actions or 0) for count in together.values())


@given(st.lists(limits(), max_size=8), whose())
def test_what_an_act_takes_names_each_counter_once_and_is_taken_by_nothing_else(
    rules: list[Limit], who: Who
) -> None:
    taken = claims(tuple(rules), who)
    assert len({claim.place for claim in taken}) == len(taken) <= 32
    for claim in taken:
        assert claim.counter is not None
        subject = json.loads(claim.counter.subject)
        assert subject.items() <= {key.value: name for key, name in who.items()}.items()


def test_a_limit_that_names_more_replaces_only_its_own_kind() -> None:
    each_agent = Limit(Per.DAY, each=frozenset({AGENT}), actions=30)
    tenant = Limit(Per.DAY, actions=2_000)
    support = Limit(Per.DAY, {AGENT: "support"}, actions=300)
    on_acme = Limit(Per.DAY, {AGENT: "support", ACCOUNT: "acme"}, actions=7)
    by_month = Limit(Per.MONTH, {AGENT: "support"}, actions=9)
    other = Limit(Per.DAY, {AGENT: "sales"}, actions=1)
    rules = [each_agent, tenant, support, on_acme, by_month, other]

    def holding(limits: list[Limit], who: Who = WHO) -> list[Limit]:
        return [limit for limit, buckets in applying(limits, who) if buckets]

    assert holding(rules) == [tenant, support, on_acme, by_month]
    assert holding([each_agent, on_acme]) == [each_agent, on_acme]
    assert holding([each_agent, support], {**WHO, AGENT: "bob"}) == [each_agent]
    half = Limit(Per.DAY, {AGENT: "support"}, frozenset({ACCOUNT}), actions=20)
    assert holding([half, on_acme]) == [on_acme], "of two that name, the one that names more"


def test_a_limit_that_names_more_leaves_the_others_what_it_says_nothing_of() -> None:
    money = Limit(Per.DAY, each=frozenset({AGENT}), actions=3, amounts={"EUR": 300})
    acts = Limit(Per.DAY, {AGENT: "support"}, actions=500)
    often = Limit(Per.MINUTE, {AGENT: "support"}, actions=1_000)
    of_day = [
        (claim.bucket, claim.limit)
        for claim in claims((money, acts), spends=Spending("EUR", 1))
        if claim.counter == Counter('{"agent":"support"}', "2026-11-30")
    ]
    assert of_day == [("amount:EUR", 300), ("actions", 500)]
    [read] = [claim for claim in claims((often,), reads=True) if claim.bucket == "reads"]
    assert read.limit == READS_PER_MINUTE_DEFAULT


def test_two_limits_of_one_counter_are_one_claim_under_the_lower_of_them() -> None:
    mine = Limit(Per.DAY, {AGENT: "support"}, frozenset({ACCOUNT}), actions=20)
    theirs = Limit(Per.DAY, {ACCOUNT: "acme"}, frozenset({AGENT}), actions=5)
    pair = '{"account":"acme","agent":"support"}'
    for rules in ((mine, theirs), (theirs, mine)):
        assert [claim for claim in claims(rules) if claim.limit is not None] == [
            Claim("actions", 1, 5, Counter(pair, "2026-11-30"))
        ]


def test_the_tenant_and_the_agent_are_counted_without_any_limit() -> None:
    tenant, agent = Counter("{}", "2026-11-30"), Counter('{"agent":"support"}', "2026-11-30")
    assert claims(()) == (Claim("actions", 1, None, tenant), Claim("actions", 1, None, agent))
    limited = (
        Limit(Per.DAY, actions=9),
        Limit(Per.DAY, each=frozenset({AGENT}), zone="Asia/Tokyo"),
    )
    assert Claim("actions", 1, 9, tenant) in claims(limited)
    assert Claim("actions", 1, None, agent) in claims(limited), "in UTC, whatever a limit's zone is"


def test_accounts_that_are_not_known_are_one_account_unless_they_are_named() -> None:
    each, acme = (
        Limit(Per.DAY, each=frozenset({ACCOUNT}), actions=5),
        Limit(Per.HOUR, {ACCOUNT: "acme"}),
    )
    rules = Limits((each, replace(acme, actions=1)))

    def subjects(account: str, *, known: bool) -> list[str]:
        counters = limited_counters(rules, {**WHO, ACCOUNT: account}, NOON, known=known)
        return [each.counter.subject for each in counters if "account" in each.counter.subject]

    assert subjects("inv-1", known=False) == subjects("inv-2", known=False)
    assert subjects("inv-1", known=False) == ['{"accounts":"unknown"}']
    assert subjects("inv-1", known=True) == ['{"account":"inv-1"}']
    assert subjects("acme", known=False) == ['{"accounts":"unknown"}', '{"account":"acme"}']


def test_what_budget_and_limits_both_count_is_taken_once_under_the_lower_of_their_limits() -> None:
    shared, other = (
        counter_of({"accounts": "unknown"}, Per.DAY, NOON),
        counter_of({}, Per.DAY, NOON),
    )
    own, budget = Claim("actions", 1, 9), Claim("actions", 1, 20, shared)
    tenant, each = Claim("actions", 1, None, other), Claim("actions", 1, 5, shared)
    lower = Claim("actions", 1, 5, shared)
    assert together((own, budget, tenant, each)) == (own, lower, tenant)
    assert together((each, replace(each, limit=None))) == (lower,)


# --- Windows ---


@given(
    st.integers(from_text("2020-01-01T00:00:00Z"), from_text("2035-01-01T00:00:00Z")),
    st.integers(0, 70 * 24 * 60),
    st.sampled_from(ZONES),
    st.sampled_from(list(Per)),
)
def test_two_moments_share_a_window_exactly_if_their_clocks_show_it(
    first: int, minutes: int, zone: str, per: Per
) -> None:
    """Also over the ends of months and years, and where clocks are put on or back."""
    moments = [first, first + minutes * 60_000]
    shown_in = UTC if per in {Per.MINUTE, Per.HOUR} else ZoneInfo(zone)
    parts = {Per.MONTH: 2, Per.DAY: 3, Per.HOUR: 4, Per.MINUTE: 5}[per]
    shown = [
        datetime.fromtimestamp(moment / 1000, shown_in).timetuple()[:parts] for moment in moments
    ]
    names = [window_at(moment, per, zone) for moment in moments]
    assert (names[0] == names[1]) == (shown[0] == shown[1])


@pytest.mark.parametrize(
    ("moment", "per", "zone", "window"),
    [
        ("2026-11-30T23:59:59.999Z", Per.MONTH, "UTC", "2026-11"),
        ("2026-12-01T00:00:00Z", Per.MONTH, "UTC", "2026-12"),
        ("2026-11-30T23:00:00Z", Per.MONTH, "Europe/Berlin", "2026-12 Europe/Berlin"),
        ("2028-02-29T12:00:00Z", Per.DAY, "UTC", "2028-02-29"),
        ("2026-10-25T00:30:00Z", Per.DAY, "Europe/Berlin", "2026-10-25 Europe/Berlin"),
        ("2026-10-25T22:59:00Z", Per.DAY, "Europe/Berlin", "2026-10-25 Europe/Berlin"),
        ("2026-10-25T23:00:00Z", Per.DAY, "Europe/Berlin", "2026-10-26 Europe/Berlin"),
        ("2026-10-25T00:30:00Z", Per.HOUR, "Europe/Berlin", "2026-10-25T00"),
        ("2026-10-25T01:30:00Z", Per.HOUR, "Europe/Berlin", "2026-10-25T01"),
        ("2026-11-30T14:05:59Z", Per.MINUTE, "UTC", "2026-11-30T14:05"),
    ],
)
def test_the_names_of_windows(moment: str, per: Per, zone: str, window: str) -> None:
    assert window_at(from_text(moment), per, zone) == window


# --- What an act takes ---


@pytest.mark.parametrize(
    ("spends", "taken"),
    [
        (Spending("EUR", 12_340_000), 12_340_000),
        (Spending("EUR", 0), 0),
        (Spending("USD", 12_340_000), None),
        (Spending("USD", None), None),
        (None, None),
        (Spending("EUR", None), MILLIONTHS_MAX + 1),
        (Spending("", 1), MILLIONTHS_MAX + 1),
        (Spending("EUR", 10**30), MILLIONTHS_MAX + 1),
    ],
)
def test_an_amount_counts_the_acts_that_spend_its_unit(
    spends: Spending | None, taken: int | None
) -> None:
    most = Limit(Per.DAY, amounts={"EUR": MILLIONTHS_MAX})
    amounts = [claim for claim in claims((most,), spends=spends) if claim.bucket == "amount:EUR"]
    assert [claim.amount for claim in amounts] == ([] if taken is None else [taken])
    fits = spent_claim(Hold("2026-11-30", tuple(amounts)), {}) is None
    assert fits == (taken is None or taken <= MILLIONTHS_MAX), "what no limit can count"
    assert MILLIONTHS_MAX <= INTEGER_MAX, "or the ledger could not keep it"


def test_a_read_takes_from_reads_alone_and_each_agent_has_a_rate_of_them() -> None:
    agent_now = Counter('{"agent":"support"}', "2026-11-30T12:34")
    tenant = Limit(Per.MINUTE, actions=0)
    assert claims((tenant,), reads=True) == (Claim("reads", 1, 60, agent_now),)
    own = Limit(Per.MINUTE, {AGENT: "support"}, reads=600)
    assert claims((own,), reads=True) == (Claim("reads", 1, 600, agent_now),)
    by_day = Limit(Per.DAY, {AGENT: "support"}, reads=9)
    assert [claim.limit for claim in claims((by_day,), reads=True)] == [9, 60]
    assert "reads" not in {claim.bucket for claim in claims((own, tenant))}


# --- A hold that is looked at later ---


def held(rules: tuple[Limit, ...], now: int = NOON) -> Hold:
    return Hold("2026-11-30", claims(rules, now=now, spends=Spending("EUR", 5)))


def test_a_hold_covers_what_is_needed_later_in_the_windows_it_was_taken_from() -> None:
    rules = (
        Limit(Per.MINUTE, actions=3),
        Limit(Per.MONTH, {AGENT: "support"}, amounts={"EUR": 100}),
    )
    needed = held(rules, NOON + 40 * 24 * 3_600_000)
    assert covers_all(held(rules), needed)
    assert not covers_all(held(rules[:1]), needed), "it holds nothing of the month"
    assert not covers_all(held((rules[0], replace(rules[1], zone="Asia/Tokyo"))), needed)
    assert not covers_all(None, needed)
    assert not covers_all(held(rules), None)
    by_hour = replace(rules[0], per=Per.HOUR)
    assert not covers_all(held(rules), held((by_hour, rules[1])))


def test_a_hold_of_before_counters_covers_those_that_have_no_limit() -> None:
    old = Hold("2026-11-30", (Claim("actions", 1, 5),))
    assert covers_all(old, replace(old, claims=(*old.claims, *claims(()))))
    assert not covers_all(
        old, replace(old, claims=(*old.claims, *claims((Limit(Per.DAY, actions=1),))))
    )


def test_a_hold_that_counts_is_looked_at_where_it_was_taken() -> None:
    before = held((Limit(Per.MINUTE, actions=3),))
    minute = counter_of({}, Per.MINUTE, NOON + 60_000)
    assert looked_at(minute, before) == counter_of({}, Per.MINUTE, NOON)
    assert looked_at(minute, replace(before, state=HoldState.RELEASED)) == minute
    assert looked_at(minute, None) == minute
    hour = counter_of({}, Per.HOUR, NOON)
    assert looked_at(hour, before) == hour, "it took nothing from the hour"


# --- In words ---


@pytest.mark.parametrize(
    ("counter", "words"),
    [
        (counter_of({}, Per.DAY, NOON), "the tenant for 2026-11-30"),
        (
            counter_of({"agent": "support"}, Per.MINUTE, NOON),
            "agent support for 2026-11-30 12:34 UTC",
        ),
        (counter_of({"agent": "a b"}, Per.HOUR, NOON), "agent 'a b' for 2026-11-30 12:00 UTC"),
        (
            counter_of({"account": "acme", "action_type": "MAIL"}, Per.MONTH, NOON, "Asia/Tokyo"),
            "account acme and action type MAIL for 2026-11 (Asia/Tokyo)",
        ),
        (
            counter_of({"accounts": "unknown"}, Per.DAY, NOON),
            "accounts that are not known for 2026-11-30",
        ),
    ],
)
def test_a_counter_says_whose_it_is_and_when(counter: Counter, words: str) -> None:
    assert in_words(counter) == words


def test_amounts_are_written_in_the_finest_scale_of_their_unit() -> None:
    known = Limits(scales={"EUR": 100, "JPY": 1})
    assert known.used_of("amount:EUR", 1_999_990_000, 2_000_000_000) == "1,999.99 of 2,000.00 EUR"
    assert known.amount("amount:JPY", 5_000_000) == "5 JPY"
    assert known.amount("amount:EUR", 1) == "0.01 EUR", "a use below a smallest unit is one"
    assert known.used_of("actions", 1_999, 2_000) == "1,999 of 2,000 actions"
    assert (known.amount("actions", 1), known.amount("reads", 2)) == ("1 action", "2 reads")
