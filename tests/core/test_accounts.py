"""Which accounts are known, which names look like one of them, and what a new name takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings, parse_document, read_document
from clearance.core import gate
from clearance.core.accounts import (
    NEW_ACCOUNTS,
    UNKNOWN_SUBJECT,
    AccountKind,
    AccountPattern,
    Accounts,
    makes_known,
)
from clearance.core.budget import Counter
from clearance.core.decision import Answer, Decision, SettingsVersion
from clearance.core.errors import InvalidInput
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel, name_problem
from clearance.core.narrative import explain
from clearance.core.record import admitted
from clearance.core.settings import Settings
from clearance.core.steps import admit
from tests.support import sample
from tests.support.sample import NOON

CUSTOMERS = {"match": "^cus_[0-9]{6}$", "new_per_day": 2}
INTENT = ActionIntent(
    "northwind", "acme", "i1", "CREATE_TASK", {"title": "x"}, 0.9, RiskLevel.LOW, "ada"
)


def settings(accounts: Any, **changes: Any) -> Settings:
    document = sample.document(accounts=accounts) | changes
    return compile_settings("northwind", StoredSettings(SettingsVersion(1, 0), document, {}))


def decide(
    account: str,
    accounts: Any,
    *,
    known: Iterable[str] = (),
    used: dict[str, int] | None = None,
    now: int = NOON,
    **changes: Any,
) -> Decision:
    facts = Facts(settings(accounts, **changes), used or {}, frozenset(known))
    return gate.decide(replace(INTENT, account_id=account), facts, now)


def place(decision: Decision, bucket: str) -> str:
    assert decision.hold
    return next(claim.place for claim in decision.hold.claims if claim.bucket == bucket)


# --- Known, and not ---


def test_an_account_that_nobody_listed_asks_a_person() -> None:
    assert decide("acme", ["acme"]).answer is Answer.AUTO_EXECUTE
    asked = decide("globex", ["acme"])
    assert (asked.answer, asked.reason) == (Answer.REQUIRE_APPROVAL, "ACCOUNT_NOT_KNOWN")
    assert asked.hold is None
    refused = decide("globex", {"known": ["acme"], "unknown": "refuse"})
    assert (refused.answer, refused.reason) == (Answer.BLOCK, "ACCOUNT_NOT_KNOWN")


def test_without_the_key_the_accounts_are_known_that_modes_budgets_and_allowlist_name() -> None:
    document = sample.document()
    del document["autonomy"]["accounts"]
    document["autonomy"] |= {
        "allowlist": {"tenant": ["CREATE_TASK"], "accounts": {"of-allowlist": ["SEND_MAIL"]}},
        "modes": [{"mode": "AUTO_EXECUTE"}, {"mode": "DISABLED", "account": "of-modes"}],
        "budgets": [{"max_per_day": 1}, {"max_per_day": 1, "account": "of-budgets"}],
    }
    stopped = {"scope": "ACCOUNT", "subject": "stopped", "level": "HOLD", "reason": "a look"}
    rule = '@id("x") @reason("X") @explanation("X.") forbid(principal, action, resource == '
    document |= {"stop_switches": [stopped]}
    document["policy"] += rule + 'Account::"ruled");'
    stored = StoredSettings(SettingsVersion(1, 0), document, {})
    accounts = compile_settings("northwind", stored).accounts
    assert accounts.known == {"of-allowlist", "of-modes", "of-budgets"}
    assert accounts.named == {*accounts.known, "stopped", "ruled"}


def test_what_is_not_accepted_of_the_accounts_makes_each_account_ask() -> None:
    for accounts in (["acme", 7], {"known": ["acme"], "unknown": "perhaps"}, {"newer": 1}, 7):
        asked = decide("acme", accounts)
        assert (asked.answer, asked.reason) == (Answer.REQUIRE_APPROVAL, "ACCOUNTS_UNREADABLE")


# --- Look-alikes ---

ALIKE = {
    "case": ("globex", ["Globex", "GLOBEX", "gLoBeX"]),
    "a capital i": ("initech", ["Initech", "INITECH", "lnitech", "Inltech"]),
    "another alphabet": ("initech", ["іnitech", "initесh", "ιnitech"]),
    "width": ("acme", ["ａｃｍｅ", "acｍe"]),
    "spaces": ("acme corp", ["acme\u00a0corp", "acme  corp"]),
    "styled letters": ("acme", ["𝐚cme", "𝓪𝓬𝓶𝓮", "ⓐcme"]),
    "signs": ("acme-1", ["acme‐1", "acme−1"]),
    "digits of another script": ("acme 10", ["acme １0", "acme ١٠"]),
    "digits for letters": ("globex", ["gl0bex", "g1obex", "GL0BEX", "G1OBEX", "gІ0bex"]),
    "letters for digits": ("cust-10", ["cust-lO", "cust-I0", "cust-io"]),
    "two letters for one": ("acme vow", ["acrne vow", "ACRNE VOVV", "acme vovv"]),
}


@pytest.mark.parametrize("kind", ALIKE)
def test_a_name_that_looks_like_a_known_one_is_refused(kind: str) -> None:
    known, others = ALIKE[kind]
    for other in others:
        assert not name_problem(other)
        for unknown in ("ask", "refuse", "allow"):
            blocked = decide(other, {"known": [known], "unknown": unknown})
            assert (blocked.answer, blocked.reason) == (Answer.BLOCK, "ACCOUNT_LOOKS_ALIKE")
            assert known in blocked.explanation
        assert decide(other, [known, other]).answer is Answer.AUTO_EXECUTE, "an owner listed both"


def test_another_name_is_another_account() -> None:
    for known, other in (("cust-10", "cust-11"), ("acme", "acme2"), ("globex", "globex.")):
        assert decide(other, [known]).reason == "ACCOUNT_NOT_KNOWN"


def test_a_name_may_not_look_like_one_of_a_stop_switch_a_mode_or_a_rule() -> None:
    switch = {"scope": "ACCOUNT", "subject": "initech", "level": "REFUSE", "reason": "a look"}
    rule = '@id("x") @reason("X") @explanation("X.") forbid(principal, action, resource == '
    policy = sample.POLICY + rule + 'Account::"globex");'
    allow = {"known": [], "unknown": "allow"}
    assert decide("Initech", allow, stop_switches=[switch]).reason == "ACCOUNT_LOOKS_ALIKE"
    assert decide("Globex", allow, policy=policy).reason == "ACCOUNT_LOOKS_ALIKE"
    assert decide("ACME", allow).reason == "ACCOUNT_LOOKS_ALIKE", "a budget names acme"


def test_a_name_that_looks_as_if_it_had_a_known_form_is_refused() -> None:
    upper = {"match": "CLI-[0-9]+", "new_per_day": 1}
    for account in ("CUS_000001", "ｃus_000001", "сus_000001", "cus_٠٠٠٠٠١", "cli-7", "СLI-7"):
        blocked = decide(account, [CUSTOMERS, upper])
        assert (blocked.answer, blocked.reason) == (Answer.BLOCK, "ACCOUNT_LOOKS_ALIKE"), account
    for account in ("cus_0000010", "xcus_000001", "cus_00000", "cus_e00000"):
        assert decide(account, [CUSTOMERS, upper]).reason == "ACCOUNT_NOT_KNOWN"


@pytest.mark.parametrize(
    ("pattern", "real", "others"),
    [
        ("cus_[0-9]{6}", "cus_100000", ["cus_l00000", "cus_1O0000", "cus_IoO0Oi"]),
        (r"client_\d+", "client_10", ["client_lO", "c1ient_10", "CL1ENT_i0"]),
        (r"(?:mow|(?P<x>ox))-[0-9A-F]{1,2}", "mow-1F", ["rnow-1F", "movv-lF", "0x-O"]),
    ],
)
def test_a_pattern_is_not_passed_by_letters_for_digits(
    pattern: str, real: str, others: list[str]
) -> None:
    known = [{"match": pattern, "new_per_day": 1}]
    assert decide(real, known).findings[3].code == "ACCOUNT_NEW"
    for other in others:
        assert decide(other, known).reason == "ACCOUNT_LOOKS_ALIKE", other


def test_a_set_of_letters_takes_no_digits() -> None:
    words = [{"match": "[a-z]+", "new_per_day": 1}]
    assert decide("team1", words).reason == "ACCOUNT_NOT_KNOWN"


def test_a_name_may_not_look_like_one_that_was_let_in() -> None:
    words = [{"match": "[A-Za-z0-9]+", "new_per_day": 9}]
    for other in ("Globex", "gIobex", "gl0bex"):
        refused = decide(other, words, known=["globex"])
        assert (refused.answer, refused.reason) == (Answer.BLOCK, "ACCOUNT_LOOKS_ALIKE")
        assert "globex" in refused.explanation
        assert decide(other, [*words, other], known=["globex"]).answer is Answer.AUTO_EXECUTE
    assert decide("globex", words, known=["globex"]).findings[3].code == "ACCOUNT_KNOWN"
    assert decide("umbrella", words, known=["globex"]).findings[3].code == "ACCOUNT_NEW"


def test_what_was_let_in_stays_known_whatever_names_a_twin_of_it() -> None:
    words = [{"match": "[a-z]+", "new_per_day": 9}]
    switch = {"scope": "ACCOUNT", "subject": "Globex", "level": "REFUSE", "reason": "a look"}
    rule = '@id("x") @reason("X") @explanation("X.") forbid(principal, action, resource == '
    changes: dict[str, Any]
    for changes in (
        {"stop_switches": [switch]},
        {"policy": f'{sample.POLICY}{rule}Account::"Globex");'},
    ):
        kept = decide("globex", words, known=["globex"], **changes)
        assert (kept.answer, kept.findings[3].code) == (Answer.AUTO_EXECUTE, "ACCOUNT_KNOWN")
        assert decide("globex", words, **changes).reason == "ACCOUNT_LOOKS_ALIKE"


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
def test_whatever_the_name_is_it_stands_in_one_way(name: str) -> None:
    accounts = Accounts(frozenset({"acme"}), (AccountPattern("[a-z]{1,5}", 1),))
    standing = accounts.standing(name, ())
    assert (standing.kind is AccountKind.KNOWN) == (name == "acme")
    assert (standing.pattern is None) == (standing.kind is not AccountKind.NEW)


# --- New names under a pattern ---


def test_a_new_name_takes_its_share_of_the_day_and_is_known_from_then_on() -> None:
    first = decide("cus_000001", [CUSTOMERS])
    assert (first.answer, first.findings[3].code) == (Answer.AUTO_EXECUTE, "ACCOUNT_NEW")
    assert first.hold
    assert makes_known(first.hold)
    [claim] = [claim for claim in first.hold.claims if claim.bucket == NEW_ACCOUNTS]
    subject = '{"accounts":"^cus_[0-9]{6}$"}'
    assert (claim.amount, claim.limit) == (1, 2)
    assert claim.counter == Counter(subject, "2026-11-24")
    again = decide("cus_000001", [CUSTOMERS], known=["cus_000001"])
    assert again.findings[3].code == "ACCOUNT_KNOWN"
    assert again.hold
    assert not makes_known(again.hold)


def test_as_many_new_names_as_the_day_has_and_the_next_one_asks() -> None:
    at = place(decide("cus_000001", [CUSTOMERS]), NEW_ACCOUNTS)
    asked = decide("cus_000003", [CUSTOMERS], used={at: 2})
    assert (asked.answer, asked.reason) == (Answer.REQUIRE_APPROVAL, "NEW_ACCOUNTS_SPENT")
    assert asked.hold is None, "what asks takes nothing"
    assert decide("cus_000003", [CUSTOMERS], used={at: 1}).answer is Answer.AUTO_EXECUTE
    known = decide("cus_000001", [CUSTOMERS], used={at: 2}, known=["cus_000001"])
    assert known.answer is Answer.AUTO_EXECUTE
    tomorrow = decide("cus_000003", [CUSTOMERS], used={at: 2}, now=NOON + 24 * 3_600_000)
    assert tomorrow.answer is Answer.AUTO_EXECUTE
    none = [{**CUSTOMERS, "new_per_day": 0}]
    assert decide("cus_000001", none).reason == "NEW_ACCOUNTS_SPENT"
    assert decide("cus_000001", none, known=["cus_000001"]).answer is Answer.AUTO_EXECUTE


def test_a_name_is_no_longer_known_once_no_pattern_lets_it_in() -> None:
    assert decide("cus_000001", ["acme"], known=["cus_000001"]).reason == "ACCOUNT_NOT_KNOWN"


def test_only_what_runs_alone_makes_an_account_known() -> None:
    for confidence, makes in ((0.9, True), (0.1, False)):
        under, intent = settings([CUSTOMERS]), replace(INTENT, account_id="cus_000001")
        intent = replace(intent, confidence_score=confidence)
        decision = gate.decide(intent, Facts(under), NOON)
        admission = admit(
            intent, b"{}", decision, under, salt=b"s" * 16, actor=sample.AGENT, now=NOON
        )
        assert admission.knows_account is makes


# --- Unknown accounts that are allowed ---


def test_all_unknown_accounts_that_are_allowed_share_one_budget() -> None:
    allow = {"known": ["acme"], "unknown": "allow"}
    one, other = (decide(account, allow) for account in ("umbrella", "wayne"))
    assert one.answer is Answer.AUTO_EXECUTE
    assert one.hold
    assert one.hold == other.hold
    shared = [claim for claim in one.hold.claims if claim.limit is not None]
    assert {claim.counter for claim in shared} == {Counter(UNKNOWN_SUBJECT, "2026-11-24")}
    assert all(claim.counter for claim in one.hold.claims), "nothing is counted by their names"
    spent = decide("third", allow, used={place(one, "actions"): 1_000})
    assert (spent.answer, spent.reason) == (Answer.REQUIRE_APPROVAL, "BUDGET_EXCEEDED")
    known = decide("acme", allow)
    assert known.hold
    assert UNKNOWN_SUBJECT not in {
        claim.counter.subject for claim in known.hold.claims if claim.counter
    }


def test_a_day_of_another_zone_is_another_window() -> None:
    document = sample.document(
        accounts={"unknown": "allow"}, budgets=[{"max_per_day": 5, "zone": "Asia/Tokyo"}]
    )
    stored = StoredSettings(SettingsVersion(1, 0), document, {})
    under = compile_settings("northwind", stored)
    decision = gate.decide(replace(INTENT, account_id="wayne"), Facts(under), NOON)
    assert decision.hold
    counters = (claim.counter for claim in decision.hold.claims)
    windows = {each.window for each in counters if each and each.subject == UNKNOWN_SUBJECT}
    assert windows == {"2026-11-24 Asia/Tokyo"}


# --- People are told what would change it ---


def test_the_explanation_says_what_if_the_account_were_known() -> None:
    under, intent = settings(["acme"]), replace(INTENT, account_id="globex")
    decision = gate.decide(intent, Facts(under), NOON)
    admission = admit(intent, b"{}", decision, under, salt=b"s" * 16, actor=sample.AGENT, now=NOON)
    explained = explain(admitted(admission, 1), Facts(under), NOON)
    said = [change.sentence for change in explained.nearest_changes]
    assert said == ["It would run without a person if the account were known."]


# --- The settings ---


@pytest.mark.parametrize(
    ("accounts", "path", "sentence"),
    [
        (["acme", "acme"], "autonomy.accounts.1", "is listed twice: acme"),
        ([CUSTOMERS, CUSTOMERS], "autonomy.accounts.1", "is listed twice"),
        ([7], "autonomy.accounts.0", "must be a name, or a pattern"),
        ([{}], "autonomy.accounts.0", "needs either a name or a match"),
        ([{"match": "a"}], "autonomy.accounts.0", "a match needs new_per_day"),
        ([{"name": "a", "new_per_day": 1}], "autonomy.accounts.0", "a match needs new_per_day"),
        ([" acme"], "autonomy.accounts.0", "must not start"),
        ([{"match": "a)|(b", "new_per_day": 1}], "autonomy.accounts.0.match", "regular expression"),
        ([{"match": "(?=a)b", "new_per_day": 1}], "autonomy.accounts.0.match", "look-ahead"),
        ([{"match": "(?x)a #", "new_per_day": 1}], "autonomy.accounts.0.match", "regular"),
        ([{"match": "a" * 201, "new_per_day": 1}], "autonomy.accounts.0.match", "200"),
        ([{"matches": "a"}], "autonomy.accounts.0.matches", "did you mean match?"),
        ({"known": [{"match": "[", "new_per_day": 1}]}, "autonomy.accounts.known.0.match", "expr"),
        ({"unknown": "alow"}, "autonomy.accounts.unknown", "did you mean allow?"),
        (
            [{"match": f"a{number}", "new_per_day": 1} for number in range(51)],
            "autonomy.accounts",
            "has 51 patterns; the limit is 50",
        ),
    ],
)
def test_what_is_wrong_with_the_accounts_is_said_at_its_place(
    accounts: Any, path: str, sentence: str
) -> None:
    problems = read_document(sample.document(accounts=accounts)).problems
    assert [".".join(map(str, problem.path)) for problem in problems] == [path]
    assert sentence in problems[0].sentence
    with pytest.raises(InvalidInput):
        parse_document(sample.document(accounts=accounts))


@pytest.mark.parametrize(
    "accounts",
    [{"known": ["acme", CUSTOMERS]}, {"known": [], "unknown": "allow"}, {"known": ["acme"]}],
)
def test_the_accounts_are_stored_as_they_are_written(accounts: Any) -> None:
    kept = parse_document(sample.document(accounts=accounts)).as_json()["autonomy"]["accounts"]
    assert kept | {"known": kept.get("known", [])} == accounts
    assert parse_document(sample.document(accounts=kept)) == parse_document(
        sample.document(accounts=accounts)
    )
