"""Stored settings always load: whatever this version would refuse makes what it reaches ask a
person, and never gives an agent more than the settings could have meant.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import cache
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import StoredSettings, parse_document, read_document
from clearance.core import gate
from clearance.core.binding import bind
from clearance.core.decision import Answer, Decision, SettingsVersion
from clearance.core.errors import InvalidInput
from clearance.core.gate import Facts
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.policy import read_policy
from clearance.core.settings import Settings
from clearance.core.stop import StopLevel, strictest
from tests.support import sample
from tests.support.sample import NOON, TENANT

MORE = """
@id("nothing-for-globex") @reason("GLOBEX_FROZEN") @explanation("Globex is frozen.")
forbid(principal, action in [Action::"SEND_MAIL", Action::"CREATE_TASK"], resource)
when { resource == Account::"globex" };
"""
SWITCHES = [
    {"scope": "ACCOUNT", "subject": "initech", "level": "REFUSE", "reason": "closed"},
    {"scope": "AGENT", "subject": "agent-bob", "level": "HOLD", "reason": "on trial"},
    {"scope": "TOOL_SERVER", "subject": "mail", "level": "REFUSE", "reason": "spam"},
]


def valid() -> dict[str, Any]:
    """A document that uses every section, in which something is forbidden in each."""
    made = {**sample.document(), "policy": sample.POLICY + MORE, "stop_switches": SWITCHES}
    made = copy.deepcopy(made)
    made["tool_servers"] |= {
        "mail": {"url": "https://mail.example/mcp", "headers": {"Authorization": "${TOKEN}"}},
        "web": {"url": "https://web.example/mcp"},
    }
    made["catalog"]["SEND_FAX"] = {**made["catalog"]["SEND_MAIL"], "tool": "mail.fax"}
    made["catalog"]["CREATE_TASK"]["undo"] = {"tool": "web.delete_task", "within": "24h"}
    refund = made["catalog"]["ISSUE_REFUND"]
    refund["parameters"]["properties"]["amount_minor"] |= {"x-scale": 100, "x-unit": "EUR"}
    fee = {"type": "number", "minimum": 0, "maximum": 9, "x-scale": 1000, "x-unit": "EUR"}
    made["catalog"]["CHARGE_FEE"] = {
        **refund,
        "spends": "fee",
        "sentence": "charged {fee}",
        "proposal": "charge {fee}",
        "parameters": {
            **refund["parameters"],
            "required": ["fee"],
            "properties": {"fee": fee},
        },
    }
    made["autonomy"]["allowlist"] = {
        "tenant": ["CREATE_TASK", "ISSUE_REFUND"],
        "accounts": {"acme": ["SEND_MAIL"], "umbrella": ["SEND_MAIL"]},
    }
    made["autonomy"]["modes"] = [
        {"mode": "AUTO_EXECUTE"},
        {"mode": "DISABLED", "account": "hooli"},
        {"mode": "AUTO_EXECUTE", "account": "hooli", "action_type": "CREATE_TASK"},
        {"mode": "PROPOSE_ONLY", "action_type": "ISSUE_REFUND"},
        {"mode": "AUTO_EXECUTE", "account": "acme", "action_type": "ISSUE_REFUND"},
    ]
    made["autonomy"]["budgets"] += [{"account": "umbrella", "max_per_day": 0}]
    made["autonomy"]["limits"] = [
        {"for": "tenant", "per": "day", "actions": 9, "amount": {"EUR": 700_000}},
        {"for": "each agent", "per": "minute", "actions": 3},
        {"agent": "agent-ada", "per": "minute", "actions": 7},
        {"for": "each agent", "account": "globex", "per": "month", "actions": 0},
        {"account": "acme", "action_type": "ISSUE_REFUND", "per": "hour", "amount": {"EUR": 9_000}},
    ]
    made["tool_pins"] = dict.fromkeys(("crm.create_task", "mail.fax"), "sha256:" + "0" * 64)
    return made


VALID = valid()
PARAMETERS = {
    "CREATE_TASK": [{"title": "x"}],
    "ISSUE_REFUND": [{"order_id": "1", "amount_minor": n} for n in (1, 60_000, 600_000)],
    "SEND_MAIL": [{"to": "x", "subject": "y", "body": "z"}],
    "SEND_FAX": [{"to": "x", "subject": "y", "body": "z"}],
    "UNKNOWN": [{}],
}
ACCOUNTS = ("acme", "globex", "hooli", "initech", "umbrella", "other")
INTENTS = [
    ActionIntent(
        *(TENANT, account, f"i{number}", action_type, parameters, confidence),
        RiskLevel.LOW,
        agent,
        expires_at=None,
    )
    for number, (account, action_type, confidence, agent) in enumerate(
        product(ACCOUNTS, PARAMETERS, (0.5, 0.95), ("agent-ada", "agent-bob"))
    )
    for parameters in PARAMETERS[action_type]
]


NOTHING: dict[str, Any] = {}


def compiled(document: Any, everywhere: Any = NOTHING) -> Settings:
    return compile_settings(TENANT, StoredSettings(SettingsVersion(1, 0), document, everywhere))


def decide(settings: Settings, intent: ActionIntent) -> Decision:
    return gate.decide(intent, Facts(settings), NOON)


@cache
def meant() -> tuple[Settings, list[Decision]]:
    """The valid document, and what it answers to each intent."""
    settings = compiled(VALID)
    return settings, [decide(settings, intent) for intent in INTENTS]


def test_the_intents_meet_every_answer_for_many_reasons() -> None:
    """Else the property below would say little."""
    settings, decisions = meant()
    assert settings.unreadable == {}
    reasons = {(decision.answer, decision.reason) for decision in decisions}
    assert len(reasons) >= 14
    assert {answer for answer, _ in reasons} == set(Answer)


def refused(document: Any) -> bool:
    try:
        parse_document(document)
    except InvalidInput:
        return True
    return False


def never_looser(document: Any) -> None:
    """What is refused in a document gives no intent more than the valid one does."""
    then, expected = meant()
    now = compiled(document)
    for intent, before in zip(INTENTS, expected, strict=True):
        after = decide(now, intent)
        unread = [finding.code for finding in after.findings if "_UNREADABLE" in finding.code]
        if after.answer is Answer.AUTO_EXECUTE:
            assert before.answer is Answer.AUTO_EXECUTE
            assert after.hold == before.hold
            assert call(now, intent, after) == call(then, intent, before)
        elif before.answer is Answer.BLOCK and after.answer is not Answer.BLOCK:
            assert unread, (before.reason, after.reason)
        # What a person is asked about can be bound to their ruling, or they could not rule.
        assert after.answer is Answer.BLOCK or bind(intent, after, now, b"") is not None
        # What was stopped stays stopped, unless the document has no switches any more.
        stops = not isinstance(document, dict) or "stop_switches" in document
        if stops and strictest(then.stop_switches, intent, then.catalog.get(intent.action_type)):
            stopped = strictest(now.stop_switches, intent, now.catalog.get(intent.action_type))
            assert stopped or intent.action_type not in now.catalog


def call(settings: Settings, intent: ActionIntent, decision: Decision) -> Any:
    """What would be sent, and to whom."""
    binding = bind(intent, decision, settings, b"")
    assert binding is not None
    action = settings.catalog[intent.action_type]
    return (
        (binding.parameters, binding.tool, binding.tool_schema, binding.entry),
        settings.tool_servers[action.tool.server],
    )


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a document, down to the entries of its entries."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, part in pairs for place in places(part, (*path, key)))]


def corrupted(path: tuple[Any, ...], change: Any) -> Any:
    """The valid document with something else at one place: a value, a key more, a key gone, or a
    key that is written in another way.
    """
    made = copy.deepcopy(VALID)
    kind, value = change
    if not path:
        return value if kind == "value" else {**made, "newer": value}
    inner: Any = made
    for key in path[:-1]:
        inner = inner[key]
    if kind == "value":
        inner[path[-1]] = value
    elif kind == "gone":
        del inner[path[-1]]
    elif kind == "renamed" and isinstance(inner, dict):
        inner[f"{path[-1]}\n"] = inner.pop(path[-1])
    elif kind == "more" and isinstance(inner[path[-1]], dict):
        inner[path[-1]]["newer"] = value
    elif kind == "more" and isinstance(inner[path[-1]], list):
        inner[path[-1]].append(value)
    else:
        assume(False)
    return made


# Without `account`: a rule that names another account is another rule.
JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**54), 2**54)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["NOPE", "acme", "AUTO_EXECUTE", "crm.nope", "sha512:00", "72 hours"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["a", "mode", "tool", "scope"]), inner, max_size=2)
    ),
    max_leaves=4,
)
CHANGES = st.tuples(st.sampled_from(["value", "gone", "renamed", "more"]), JUNK)


@examples(max_examples=300, deadline=None)
@given(st.sampled_from(places(VALID)), CHANGES)
def test_a_stored_document_with_one_refused_entry_loads_and_is_never_looser(
    path: tuple[Any, ...], change: Any
) -> None:
    document = corrupted(path, change)
    assume(refused(document))
    never_looser(document)


LINES = [line for line in VALID["policy"].splitlines() if line.strip()]


WORDS = [
    (number, place) for number, line in enumerate(LINES) for place in range(len(line.split(" ")))
]


@examples(max_examples=150, deadline=None)
@given(st.sampled_from(WORDS), st.sampled_from(["", "nonsense", "@id", "8000.5", "X"]))
def test_a_policy_with_one_refused_word_loads_and_is_never_looser(
    word: tuple[int, int], other: str
) -> None:
    number, place = word
    words = LINES[number].split(" ")
    words[place : place + 1] = [other] if other else []
    policy = "\n".join([*LINES[:number], " ".join(words), *LINES[number + 1 :]])
    assume(refused({**VALID, "policy": policy}))
    never_looser({**VALID, "policy": policy})


# What each part reaches


def intent(action_type: str = "CREATE_TASK", account: str = "acme", **changes: Any) -> ActionIntent:
    parameters = PARAMETERS[action_type][0]
    made = ActionIntent(TENANT, account, "i", action_type, parameters, 0.95, RiskLevel.LOW, "ada")
    return replace(made, **changes)


def reasons(document: Any, *intents: ActionIntent) -> list[str]:
    settings = compiled(document)
    return [decide(settings, one).reason for one in intents]


TASK, REFUND, MAIL = intent(), intent("ISSUE_REFUND"), intent("SEND_MAIL")
REACHABLE = {
    "T": TASK,
    "O": intent(account="other"),
    "R": REFUND,
    "E": intent("ISSUE_REFUND", "other"),
    "M": MAIL,
}
"""By a letter: a task, a refund and a mail on the account acme; a task and a refund elsewhere."""


FEE = "catalog/CHARGE_FEE/parameters/properties/fee"


def at(path: str, value: Any) -> dict[str, Any]:
    keys = tuple(int(key) if key.isdecimal() else key for key in path.split("/"))
    return dict(corrupted(keys, ("gone", None) if value is ... else ("value", value)))


@pytest.mark.parametrize(
    ("path", "value", "code", "reached"),
    [
        ("catalog/ISSUE_REFUND/effect", "exactly_once", "ACTION_UNREADABLE", "RE"),
        ("catalog/ISSUE_REFUND/sentence", "{nothing}", "ACTION_UNREADABLE", "RE"),
        ("catalog/ISSUE_REFUND/parameters", "none", "ACTION_UNREADABLE", "RE"),
        ("catalog/ISSUE_REFUND/newer", 1, "ACTION_UNREADABLE", "RE"),
        ("catalog/ISSUE_REFUND", [], "ACTION_UNREADABLE", "RE"),
        ("catalog", [], "ACTION_UNREADABLE", "TOREM"),
        ("tool_servers/web/url", "ftp://web", "TOOL_SERVER_UNREADABLE", "TO"),
        ("tool_servers/crm/newer", True, "TOOL_SERVER_UNREADABLE", "TOREM"),
        ("tool_servers/crm/url", "https://crm.example", "TOOL_SERVER_UNREADABLE", "TOREM"),
        ("tool_pins/crm.create_task", "sha512:00", "TOOL_PIN_UNREADABLE", "TO"),
        ("autonomy/allowlist/accounts/acme", "SEND_MAIL", "ALLOWLIST_UNREADABLE", "TRM"),
        ("autonomy/allowlist/tenant/1", "NOPE", "ALLOWLIST_UNREADABLE", "TOREM"),
        ("autonomy/modes/4/mode", "AUTOMATIC", "MODE_UNREADABLE", "R"),
        ("autonomy/modes/4/newer", 1, "MODE_UNREADABLE", "TOREM"),
        ("autonomy/modes/4/account", 7, "MODE_UNREADABLE", "RE"),
        ("autonomy/modes/0", 7, "MODE_UNREADABLE", "TOREM"),
        ("autonomy/budgets/1/max_per_day", -1, "BUDGET_UNREADABLE", "TRM"),
        ("autonomy/budgets/1/per_hour", 5, "BUDGET_UNREADABLE", "TORM"),
        ("autonomy/budgets/1/account", ["acme"], "BUDGET_UNREADABLE", "TORM"),
        ("autonomy/limits/4/per", "week", "LIMITS_UNREADABLE", "R"),
        ("autonomy/limits/4/amount/USD", 1, "LIMITS_UNREADABLE", "R"),
        ("autonomy/limits/4/account", 7, "LIMITS_UNREADABLE", "R"),
        ("autonomy/limits/4/action_type", "NOPE", "LIMITS_UNREADABLE", "TRM"),
        ("autonomy/limits/2/zone", "Asia/Tokyo", "LIMITS_UNREADABLE", "TORM"),
        ("autonomy/limits/0/burst", 5, "LIMITS_UNREADABLE", "TORM"),
        ("autonomy/limits", {}, "LIMITS_UNREADABLE", "TORM"),
        ("catalog/CHARGE_FEE/spends", "fees", "LIMITS_UNREADABLE", "R"),
        ("catalog/CHARGE_FEE/effect", "exactly_once", "LIMITS_UNREADABLE", "R"),
        (f"{FEE}/x-scale", 7, "LIMITS_UNREADABLE", "R"),
        ("autonomy/newer", {}, "SETTINGS_UNREADABLE", "TOREM"),
        ("newer", {}, "SETTINGS_UNREADABLE", "TOREM"),
        ("policy", 5, "POLICY_UNREADABLE", "TOREM"),
        ("policy", "permit(", "POLICY_UNREADABLE", "TOREM"),
        ("policy", VALID["policy"].replace("REFUNDS_ALLOWED", "low"), "POLICY_UNREADABLE", "RE"),
        ("policy", VALID["policy"].replace("GLOBEX_FROZEN", "low"), "POLICY_UNREADABLE", "TOM"),
        ("stop_switches/1/level", "PAUSE", "STOP_SWITCH_UNREADABLE", ""),
        ("stop_switches/1/subject", ..., "STOP_SWITCH_UNREADABLE", "TOREM"),
        ("stop_switches/1/until", "noon", "STOP_SWITCH_UNREADABLE", "TOREM"),
        ("stop_switches", {}, "STOP_SWITCH_UNREADABLE", "TOREM"),
    ],
)
def test_what_is_refused_makes_what_it_reaches_ask_and_the_rest_goes_on(
    path: str, value: Any, code: str, reached: str
) -> None:
    document = at(path, value)
    assert refused(document)
    settings, then = compiled(document), meant()[0]
    for name, one in REACHABLE.items():
        answered = decide(settings, one)
        codes = {finding.code for finding in answered.findings}
        assert (code in codes) == (name in reached), (name, codes)
        if name in reached:
            assert answered.answer is Answer.REQUIRE_APPROVAL
            [sentence] = {f.sentence for f in answered.findings if f.code == code}
            assert sentence.startswith("This version does not accept what is stored at ")
            assert sentence.endswith(".")
        else:
            assert answered.answer is decide(then, one).answer


@pytest.mark.parametrize(
    "stored", [None, 5, [], "x", {"policy": "x" * 2**21}, {"catalog": {"A": [[[]]] * 9}}]
)
def test_whatever_is_stored_loads(stored: Any) -> None:
    settings = compiled(stored)
    for one in INTENTS:
        assert decide(settings, one).answer is not Answer.AUTO_EXECUTE


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [300, 20_000])
def test_what_is_nested_too_deeply_holds_everything(depth: int) -> None:
    settings = compiled({**VALID, "newer": nested(depth)})
    for one in INTENTS:
        decision = decide(settings, one)
        assert decision.answer is Answer.REQUIRE_APPROVAL or decision.reason == "UNKNOWN_ACTION"
        assert settings.uncallable(one.account_id, one.action_type)


def test_what_holds_everywhere_holds_everywhere_if_it_cannot_be_read() -> None:
    for everywhere in ({"stop_switches": [{"scope": "ALL"}]}, {"stop_switches": 1}, []):
        settings = compiled(VALID, everywhere)
        first = settings.stop_switches[0]
        assert (str(first), first.level, first.unreadable) == ("global", StopLevel.HOLD, True)
        assert decide(settings, TASK).reason == "STOP_SWITCH_UNREADABLE"
    settings = compiled(VALID, {"newer": 1})
    assert decide(settings, TASK).reason == "SETTINGS_UNREADABLE"
    assert decide(settings, intent("UNKNOWN")).reason == "UNKNOWN_ACTION"


def test_a_switch_that_refuses_goes_on_refusing_whatever_is_wrong_beside_it() -> None:
    refused_switch = at("stop_switches/0/reason", "")
    blocked = decide(compiled(refused_switch), intent(account="initech"))
    assert (blocked.answer, blocked.reason) == (Answer.BLOCK, "STOP_SWITCH_UNREADABLE")
    assert decide(compiled(refused_switch), TASK).answer is Answer.AUTO_EXECUTE


@pytest.mark.parametrize(
    ("path", "value", "callable_"),
    [
        ("catalog/ISSUE_REFUND/sentence", "{nothing}", True),
        ("catalog/ISSUE_REFUND/spends", "nothing", True),
        ("catalog/ISSUE_REFUND/tool", "nowhere.refund", False),
        ("catalog/ISSUE_REFUND/parameters/type", "array", False),
        ("catalog/ISSUE_REFUND/arguments", {"to": "{nobody}"}, False),
        ("catalog/ISSUE_REFUND/idempotency_argument", "order_id", False),
        ("catalog/ISSUE_REFUND/risk_level", "NONE", False),
        ("catalog/ISSUE_REFUND/newer", 1, False),
        ("tool_servers/crm/command", [], False),
        ("tool_pins", [], False),
        ("policy", "permit(", True),
        ("newer", 1, True),
    ],
)
def test_an_action_of_which_it_is_not_certain_what_would_be_sent_is_not_run(
    path: str, value: Any, callable_: bool
) -> None:
    settings = compiled(at(path, value))
    assert (settings.uncallable("acme", "ISSUE_REFUND") is None) == callable_
    assert ("ISSUE_REFUND" in settings.catalog) == callable_


def test_a_mode_that_cannot_be_read_asks_in_its_own_place_alone() -> None:
    """It comes before the rules that it came before, and after those that it came after."""
    specific = compiled(at("autonomy/modes/2/mode", "AUTO"))  # inside an account that is disabled
    assert decide(specific, intent(account="hooli")).reason == "MODE_UNREADABLE"
    mailed = intent("SEND_MAIL", account="hooli")
    assert decide(specific, mailed).reason == "ACTION_TYPE_DISABLED"
    default = compiled(at("autonomy/modes/0/mode", "AUTO"))
    assert decide(default, TASK).reason == "MODE_UNREADABLE"
    assert decide(default, mailed).reason == "ACTION_TYPE_DISABLED"


def test_a_clause_that_is_read_forbids_whatever_the_others_say() -> None:
    """An unreadable permit is asked about; a forbid beside it still blocks."""
    unread = {**VALID, "policy": VALID["policy"].replace("REFUNDS_ALLOWED", "low")}
    absurd = replace(REFUND, parameters=PARAMETERS["ISSUE_REFUND"][2])
    assert reasons(unread, REFUND, absurd) == ["POLICY_UNREADABLE", "REFUND_OVER_HARD_CAP"]
    assert decide(compiled(unread), absurd).answer is Answer.BLOCK


def test_a_clause_reaches_the_actions_that_its_scope_names_or_every_one() -> None:
    parameters = {name: {"type": "object"} for name in ("A", "B")}
    words = '@id("x") @reason("low") @explanation("e") forbid'
    scopes = {
        '(principal, action == Action::"A", resource);': {"A"},
        '(principal, action in [Action::"A", Action::"B"], resource);': {"A", "B"},
        '(principal, action in Action::"B", resource);': {"B"},
        "(principal, action, resource);": {None},
        '(principal, action == Action::"C", resource);': {None},
        '(principal == Agent::"x", action, resource': {None},
    }
    for scope, expected in scopes.items():
        reading = read_policy(words + scope, parameters)
        assert (reading.policy, reading.refused.keys()) == (None, expected), scope


def test_every_problem_that_a_change_is_refused_for_is_known_of_what_is_stored() -> None:
    wrong = at("autonomy/modes/1/mode", "OFF")
    wrong["autonomy"]["budgets"][2]["max_per_day_by_action_type"] = {"NOPE": 1}
    wrong["stop_switches"].insert(0, {"scope": "ALL"})
    wrong["stop_switches"][2]["subject"] = None
    with pytest.raises(InvalidInput) as caught:
        parse_document(wrong)
    reading = read_document(wrong)
    assert reading.problems == caught.value.problems
    assert {problem.path[:3] for problem in reading.problems} == {
        ("autonomy", "modes", 1),
        ("autonomy", "budgets", 2),
        ("stop_switches", 0, "level"),
        ("stop_switches", 0, "reason"),
        ("stop_switches", 0, "scope"),
        ("stop_switches", 2, "subject"),
    }
