"""The settings document: what is accepted, what is refused and how that is said, and what a stored
one compiles to.
"""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from clearance.configuration.compiling import compile_settings
from clearance.configuration.document import (
    DOCUMENT_BYTES_MAX,
    StoredSettings,
    parse_document,
)
from clearance.configuration.fitting import CATALOG_ACTIONS_MAX
from clearance.core.budget import BudgetRule, rule_for
from clearance.core.catalog import Effect
from clearance.core.decision import SettingsVersion
from clearance.core.errors import InvalidInput
from clearance.core.intent import RiskLevel
from clearance.core.limits import Limit, LimitKey, Limits, Per
from clearance.core.mode import AutonomyMode, resolve
from clearance.core.moment import HOUR_MS
from tests.support import sample

SWITCH = {"scope": "ACCOUNT", "subject": "acme", "level": "HOLD", "reason": "being looked at"}


def full() -> dict[str, Any]:
    """A document that uses every key."""
    made = sample.document()
    made["tool_servers"]["git"] = {
        "url": "https://git.example/mcp?x=1",
        "headers": {"Authorization": "Bearer ${TOKEN}"},
        "concurrency_max": 2,
    }
    made["tool_servers"]["crm"]["environment"] = {"CRM_DB": "${CRM_DB}"}
    made["catalog"]["CREATE_TASK"]["undo"] = {
        "tool": "crm.delete_task",
        "arguments": {"task_id": "{result.task_id}", "why": ["undo of {title}", None]},
        "within": "24h",
    }
    made["autonomy"]["allowlist"] = {
        "tenant": ["SEND_MAIL", "CREATE_TASK"],
        "accounts": {"acme": ["ISSUE_REFUND"]},
    }
    made["catalog"]["CREATE_TASK"] |= {"key_kept_for": "7d", "accepts": ["TOOL_DEFAULT:limit"]}
    made["catalog"]["ISSUE_REFUND"] |= {"idempotency": "meta"}
    del made["catalog"]["ISSUE_REFUND"]["idempotency_argument"]
    money = made["catalog"]["ISSUE_REFUND"]["parameters"]["properties"]["amount_minor"]
    money |= {"x-scale": 100, "x-unit": "EUR"}
    made["autonomy"]["limits"] = [
        {"for": "tenant", "per": "day", "zone": "Europe/Berlin", "actions": 2_000},
        {"for": "each agent", "per": "minute", "actions": 30, "reads": 90},
        {"for": "each agent and account", "action_type": "ISSUE_REFUND", "per": "month"},
        {"agent": "ada", "account": "acme", "action_type": "ISSUE_REFUND", "per": "month"},
    ]
    for limit in made["autonomy"]["limits"][2:]:
        limit["amount"] = {"EUR": 500_000}
    made["tool_pins"] = {"crm.create_task": "sha256-2:" + "0" * 64 + " sha256:" + "0" * 64}
    made["tool_descriptions"] = {"crm.create_task": "sha256-2:" + "0" * 64}
    made["stop_switches"] = [dict(SWITCH)]
    return made


def said(document: Any) -> list[str]:
    """Every problem that is found in a document."""
    with pytest.raises(InvalidInput) as caught:
        parse_document(document)
    assert caught.value.code == "INVALID_SETTINGS"
    return [
        "/".join(map(str, problem.path)) + f": {problem.sentence}"
        for problem in caught.value.problems
    ]


def changed(path: str, value: Any) -> dict[str, Any]:
    """The full document with something else at a path; `...` takes away what is there."""
    made: Any = full()
    *parents, last = path.split("/")
    inner = made
    for name in parents:
        inner = inner[int(name) if isinstance(inner, list) else name]
    if value is ...:
        del inner[last]
    else:
        inner[int(last) if isinstance(inner, list) else last] = value
    return dict(made)


def compiled(document: Any, everywhere: Any = None) -> Any:
    stored = StoredSettings(SettingsVersion(3, 1), document, everywhere or {})
    return compile_settings("northwind", stored)


def test_a_document_keeps_its_meaning_on_the_way_through_the_store() -> None:
    first = parse_document(full()).as_json()
    again = parse_document(json.loads(json.dumps(first))).as_json()
    assert again == first
    assert compiled(full()) == compiled(first)
    assert list(first["catalog"]) == list(full()["catalog"])


def test_what_a_document_compiles_to() -> None:
    settings = compiled(
        full(), {"stop_switches": [{"scope": "GLOBAL", "level": "REFUSE", "reason": "maintenance"}]}
    )
    action = settings.catalog["CREATE_TASK"]
    assert (action.tool.server, action.tool.tool, action.effect) == (
        "crm",
        "create_task",
        Effect.KEYED,
    )
    assert (action.risk_level, action.approval_expires_after_ms) == (RiskLevel.LOW, 72 * HOUR_MS)
    assert action.undo.within_ms == 24 * HOUR_MS
    assert action.undo.arguments["why"] == ["undo of {title}", None]
    assert settings.version == SettingsVersion(3, 1)
    assert settings.tool_servers["git"].headers == {"Authorization": "Bearer ${TOKEN}"}
    assert settings.tool_servers["crm"].command == ("python", "-m", "clearance.demo.crm")
    assert settings.allowlist.allows("acme", "ISSUE_REFUND")
    assert not settings.allowlist.allows("other", "ISSUE_REFUND")
    assert resolve(settings.modes, "acme", "SEND_MAIL").mode is AutonomyMode.AUTO_EXECUTE
    assert rule_for(settings.budgets, "acme") == settings.budgets[1]
    assert settings.budgets[1].max_amount_per_day_by_action_type == {"ISSUE_REFUND": 100_000}
    assert rule_for(settings.budgets, "other") == BudgetRule(1_000)
    agent, account, action_type = LimitKey
    assert settings.limits == Limits(
        (
            Limit(Per.DAY, zone="Europe/Berlin", actions=2_000),
            Limit(Per.MINUTE, each=frozenset({agent}), actions=30, reads=90),
            Limit(
                Per.MONTH,
                {action_type: "ISSUE_REFUND"},
                frozenset({agent, account}),
                amounts={"EUR": 5_000_000_000},
            ),
            Limit(
                Per.MONTH,
                {agent: "ada", account: "acme", action_type: "ISSUE_REFUND"},
                amounts={"EUR": 5_000_000_000},
            ),
        ),
        {"EUR": 100},
    )
    assert [str(switch) for switch in settings.stop_switches] == ["global", "account acme"]
    assert settings.policy.version.startswith("sha256:")


def test_nothing_configured_compiles_to_nothing_permitted() -> None:
    settings = compiled({})
    assert (settings.catalog, settings.policy, settings.budgets, settings.modes) == (
        {},
        None,
        (),
        (),
    )


def test_what_is_left_out_has_the_documented_default() -> None:
    made = full()
    del made["catalog"]["CREATE_TASK"]["proposal"], made["catalog"]["CREATE_TASK"]["approval"]
    settings = compiled(parse_document(made).as_json())
    assert settings.catalog["CREATE_TASK"].proposal == "run CREATE_TASK for {account_id}"
    assert settings.catalog["CREATE_TASK"].approval_expires_after_ms == 72 * HOUR_MS
    assert settings.tool_servers["git"].deadline_seconds == 30


ACTION = "catalog/CREATE_TASK"
SCHEMA = f"{ACTION}/parameters"

REFUSED: list[tuple[str, Any, str]] = [
    # Shape
    ("catalogue", {}, "catalogue: is not a key here; did you mean catalog?"),
    (f"{ACTION}/efect", "keyed", f"{ACTION}/efect: is not a key here; did you mean effect?"),
    (f"{ACTION}/undo/with", "1h", f"{ACTION}/undo/with: is not a key here; did you mean within?"),
    ("autonomy/budgets/0/max", 5, "autonomy/budgets/0/max: is not a key here"),
    (f"{ACTION}/tool", ..., f"{ACTION}/tool: is required"),
    (
        "autonomy/modes",
        None,
        "autonomy/modes: must be a list; leave the key out if there is nothing to say",
    ),
    (
        "autonomy/budgets/0/max_per_day",
        True,
        "autonomy/budgets/0/max_per_day: must be an integer from 0 to 1000000000",
    ),
    (
        "autonomy/budgets/0/max_per_day",
        -1,
        "autonomy/budgets/0/max_per_day: must be an integer from 0 to",
    ),
    (
        "autonomy/budgets/0/max_per_day",
        10**9 + 1,
        "autonomy/budgets/0/max_per_day: must be an integer from 0 to",
    ),
    (
        "autonomy/budgets/0/max_per_day",
        "5",
        "autonomy/budgets/0/max_per_day: must be an integer from 0 to",
    ),
    (
        "autonomy/budgets/0/max_per_day",
        5.0,
        "autonomy/budgets/0/max_per_day: must be an integer from 0 to",
    ),
    (
        "autonomy/budgets/0/zone",
        "Europe/Berln",
        "zone: must be an IANA time zone such as UTC or Europe/Berlin; did you",
    ),
    ("autonomy/budgets/0/zone", "../UTC", "zone: must be an IANA time zone"),
    (
        "autonomy/modes/0/mode",
        "AUTO",
        "mode: must be one of DISABLED, PROPOSE_ONLY, APPROVAL_REQUIRED, AUTO_EXECUTE",
    ),
    ("autonomy/modes/0/mode", "auto_execute", "did you mean AUTO_EXECUTE?"),
    ("autonomy/modes/0/account", " acme", "account: must not start or end with a space"),
    (f"{ACTION}/risk_level", 1, "risk_level: must be one of MINIMAL, LOW, MEDIUM, HIGH"),
    (f"{ACTION}/tool", "create_task", f"{ACTION}/tool: must be SERVER.TOOL"),
    (
        f"{ACTION}/approval",
        {"expires_after": "3 days"},
        "expires_after: must be a duration such as 90s, 30m, 72h or 7d",
    ),
    (f"{ACTION}/approval", {"expires_after": "367d"}, "expires_after: must be a duration such as"),
    (f"{ACTION}/sentence", "", "sentence: must be 1 to 300 characters of text"),
    ("catalog/create_task", {}, "catalog/create_task: must be 1 to 64 characters of A-Z 0-9 _"),
    (
        "tool_servers/crm/deadline_seconds",
        601,
        "deadline_seconds: must be an integer from 1 to 600",
    ),
    ("tool_servers/crm/concurrency_max", 0, "concurrency_max: must be an integer from 1 to 64"),
    (
        "tool_servers/crm/environment",
        {"PORT": 80},
        "environment/PORT: must be text; put it in quotes",
    ),
    ("tool_servers/git/url", "ftp://x", "url: must be an address that starts with http"),
    (
        "tool_servers/git/url",
        "https://u:p@x/",
        "url: must not hold a user or password: use headers, with ${NAME}",
    ),
    ("tool_servers/git/url", "https://${HOST}/", "url: must be written out"),
    ("tool_servers/git/headers", {"X": "a\nb"}, "headers/X: must be one line of text"),
    (
        "tool_pins/crm.create_task",
        "md5:0",
        "tool_pins/crm.create_task: must be sha256-2: (or sha256:) and 64 hexadecimal digits",
    ),
    ("stop_switches/0/level", "STOP", "level: must be one of HOLD, REFUSE"),
    (f"{ACTION}/idempotency_argument", ..., "effect: keyed needs an idempotency_argument"),
    (f"{ACTION}/idempotency", "meta", "idempotency: is for a tool that has no idempotency_arg"),
    (f"{ACTION}/key_kept_for", "1y", "key_kept_for: must be a duration such as"),
    (f"{ACTION}/effect", "idempotent", "key_kept_for: belongs to effect: keyed"),
    (f"{ACTION}/accepts/0", "limit", "accepts/0: must be the name of a finding, such as TOOL_DEF"),
    # What has to fit
    ("tool_servers/git/command", ["x"], "tool_servers/git: needs either a command"),
    ("tool_servers/git/url", ..., "tool_servers/git: needs either a command"),
    (
        "tool_servers/crm/headers",
        {"X": "y"},
        "tool_servers/crm/headers: only a server with a url has headers",
    ),
    (
        "tool_servers/git/environment",
        {"X": "y"},
        "tool_servers/git/environment: only a server with a command",
    ),
    (
        f"{ACTION}/tool",
        "crn.create_task",
        f"{ACTION}/tool: there is no tool server crn; did you mean crm?",
    ),
    (f"{ACTION}/undo/tool", "hr.x", f"{ACTION}/undo/tool: there is no tool server hr"),
    (
        f"{ACTION}/sentence",
        "did {titel}",
        "sentence: {titel} names nothing that is known here; did you mean title?",
    ),
    (
        f"{ACTION}/sentence",
        "did {account_id.x}",
        "sentence: {account_id.x} names nothing that is known here",
    ),
    (
        f"{ACTION}/proposal",
        "do {result.x}",
        "proposal: {result.x}: there is no result before the action is done",
    ),
    (
        f"{ACTION}/arguments",
        {"a": ["{result.x}"]},
        "arguments/a/0: {result.x}: there is no result before",
    ),
    (f"{SCHEMA}/required", [], "undo/arguments/why/0: {title}: the parameter must be required"),
    (f"{ACTION}/idempotency_argument", "title", "idempotency_argument: Clearance fills in title"),
    (
        f"{ACTION}/idempotency_argument",
        "account",
        "idempotency_argument: Clearance fills in account",
    ),
    (
        f"{SCHEMA}/required",
        ["title", "request_id"],
        "idempotency_argument: Clearance fills in request_id",
    ),
    (f"{ACTION}/spends", "amount", f"{ACTION}/spends: names no parameter"),
    (
        f"{ACTION}/spends",
        "title",
        "spends: the parameter title must be an integer, or a number with x-scale",
    ),
    (
        "catalog/ISSUE_REFUND/parameters/required",
        ["order_id"],
        "spends: the parameter amount_minor must be required",
    ),
    (
        "catalog/ISSUE_REFUND/spends",
        ...,
        "ISSUE_REFUND: the catalog does not say which parameter of ISSUE_REFUND it spends",
    ),
    (f"{SCHEMA}/type", "array", "parameters/type: must be object"),
    (f"{SCHEMA}/additionalProperties", 5, "additionalProperties: is not a valid JSON Schema"),
    (f"{SCHEMA}/properties/title", {"type": "text"}, "title/type: text must be one of array,"),
    (
        f"{SCHEMA}/properties/title",
        {"type": "strng"},
        "object, string; did you mean string?",
    ),
    (f"{SCHEMA}/properties/title", {"type": ["null", "strng"]}, "title/type: strng must be one of"),
    (f"{SCHEMA}/properties/title", {"pattern": "("}, "title/pattern: is not a valid JSON Schema"),
    (f"{SCHEMA}/properties/title", {"$ref": "#/$defs/gone"}, "title/$ref: is not a valid JSON"),
    (f"{SCHEMA}/properties/title", {"$ref": "#gone"}, "title/$ref: is not a valid JSON Schema"),
    (f"{SCHEMA}/properties/title", {"$ref": "http://x/y"}, "title/$ref: must start with #:"),
    (
        f"{SCHEMA}/properties/title",
        {"$id": "http://x/y"},
        "title/$id: moves the base of references",
    ),
    (f"{SCHEMA}/examples", [{"$id": "y.json"}], "examples/0/$id: moves the base of references"),
    (
        f"{SCHEMA}/properties/title",
        {"$schema": "http://json-schema.org/draft-07/schema#"},
        "title/$schema: is another draft of JSON Schema",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"anyOf": [{"$anchor": "a"}, {"$anchor": "a"}]},
        "title/anyOf/1: has the name a, which another part of the schema has too",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"not": {"pattern": "^(?!a)"}},
        "the pattern ^(?!a) looks ahead or back, which it cannot under not",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "number", "x-scale": 0},
        "x-scale: must be 1, 10, 100 and so on, up to 1000000",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "integer", "x-scale": 100},
        "x-scale: belongs to type: number",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "string", "x-unit": "EUR"},
        "x-unit: belongs to type: number or type: integer",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "number", "x-unit": "EUR"},
        "x-unit: needs x-scale beside it",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "integer", "x-unit": "EUR", "x-scale": 60},
        "x-scale: must be 1, 10, 100 and so on",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "number", "x-scale": 50},
        "x-scale: must be 1, 10, 100 and so on",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "string", "x-read": "uri"},
        "title/x-read: must be url or email or path; did you mean url?",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"anyOf": [{"type": "string", "x-read": ["url"]}]},
        "title/anyOf/0/x-read: must be url or email or path",
    ),
    (
        f"{SCHEMA}/properties/title",
        {"type": "string", "x-policy": "unraed"},
        "title/x-policy: must be unread; did you mean unread?",
    ),
    (f"{SCHEMA}/properties/title", {"x-policy": None}, "title/x-policy: must be unread"),
    (f"{ACTION}/sentence", "did {title", "sentence: has a { that belongs to no placeholder"),
    (f"{ACTION}/sentence", "did { title }", "sentence: has a { that belongs to no placeholder"),
    (f"{ACTION}/proposal", "do title}", "proposal: has a } that belongs to no placeholder"),
    (
        f"{SCHEMA}/properties/title",
        {"type": "integer", "x-unit": "paid by legal'"},
        "x-unit: must be a unit such as EUR",
    ),
    (f"{ACTION}/label", "x" * 61, "label: must be 1 to 60 characters of text"),
    (f"{ACTION}/description", 5, "description: must be text"),
    (f"{SCHEMA}/$ref", "#/$defs/x", "$ref: the parameters themselves cannot be a reference"),
    (
        "autonomy/allowlist/tenant/1",
        "CREATE_TASC",
        "tenant/1: the catalog has no action CREATE_TASC; did you mean CREATE",
    ),
    (
        "autonomy/allowlist",
        ["CREATE_TASK", "NOPE"],
        "autonomy/allowlist/1: the catalog has no action NOPE",
    ),
    (
        "autonomy/allowlist/accounts/acme/0",
        "NOPE",
        "accounts/acme/0: the catalog has no action NOPE",
    ),
    (
        "autonomy/modes/0/action_type",
        "NOPE",
        "autonomy/modes/0/action_type: the catalog has no action NOPE",
    ),
    (
        "autonomy/modes",
        [{"mode": "DISABLED"}] * 2,
        "autonomy/modes/1: is for the same place as entry 0 (every account)",
    ),
    (
        "autonomy/budgets/0/account",
        "acme",
        "autonomy/budgets/1: is for the same place as entry 0 (acme)",
    ),
    ("autonomy/limits/1/for", "every agent", "for: must be tenant, or each and keys of agent, acc"),
    ("autonomy/limits/1/for", "each agents", "for: must be tenant, or each and keys of agent, acc"),
    ("autonomy/limits/1/for", "each agent, agent", "for: must be tenant, or each and keys of"),
    ("autonomy/limits/1/fro", "tenant", "limits/1/fro: is not a key here; did you mean for?"),
    ("autonomy/limits/1/for", ..., "limits/1: needs its subject: for: tenant, for: each agent, or"),
    (
        "autonomy/limits/0/agent",
        "ada",
        "limits/0/for: the tenant's limit names nothing else: agent",
    ),
    ("autonomy/limits/1/agent", "ada", "limits/1/agent: is named, and for takes each agent: one"),
    ("autonomy/limits/0/actions", ..., "limits/0: limits nothing: it needs actions, reads or amo"),
    ("autonomy/limits/1/zone", "Asia/Tokyo", "limits/1/zone: belongs to per: day or per: month;"),
    ("autonomy/limits/3/zone", "Asia/Tokyo", "limits/3/zone: must be UTC, as in entry 2, which"),
    ("autonomy/limits/1/per", "week", "limits/1/per: must be one of minute, hour, day, month"),
    (
        "autonomy/limits/3",
        {"action_type": "ISSUE_REFUND", "for": "each account , agent", "per": "month", "reads": 1},
        "limits/3: is for the same place as entry 2 (each agent and account, action_type ISSUE_R",
    ),
    ("autonomy/limits/3/amount/EURO", 5, "EURO: no action of the catalog spends EURO; did you"),
    ("autonomy/limits/3/action_type", "SEND_MAIL", "amount/EUR: SEND_MAIL does not spend EUR"),
    ("autonomy/limits/3/action_type", "NOPE", "limits/3/action_type: the catalog has no action N"),
    ("autonomy/limits/3/amount/EUR", 10**12, "EUR: must be at most 9,007,199,254 EUR"),
    (
        "autonomy/budgets/1/max_per_day_by_action_type",
        {"NOPE": 1},
        "NOPE: the catalog has no action NOPE",
    ),
    (
        "stop_switches/0/scope",
        "TENANT",
        "stop_switches/0/subject: the scope TENANT needs no subject",
    ),
    (
        "stop_switches/0/subject",
        ...,
        "stop_switches/0/subject: the scope ACCOUNT needs the subject that it covers",
    ),
    (
        "policy",
        "permit(principal, action, resource);",
        "policy: the rule in line 1 has no @id (line 1)",
    ),
    (
        "policy",
        sample.POLICY.replace("CREATE_TASK", "GONE"),
        "policy/tasks: names the action GONE, which the catalog does not have",
    ),
]


@pytest.mark.parametrize(("path", "value", "problem"), REFUSED)
def test_each_mistake_is_refused_in_its_place_with_what_would_be_right(
    path: str, value: Any, problem: str
) -> None:
    found = said(changed(path, value))
    assert any(problem in line for line in found), found


def test_all_problems_of_an_action_are_reported_at_once() -> None:
    """Also beside keys that do not exist, or that have no right shape."""
    made = sample.document()
    made["catalog"]["CREATE_TASK"] |= {
        "risk_level": "HUGE",
        "spend": "amount",
        "proposal": "do {titel}",
        "spends": "title",
        "tool": "crn.create_task",
    }
    made["catalog"]["CREATE_TASK"]["parameters"]["properties"] |= {
        "title": {"type": "strng"},
        "low": {"type": "integer", "minimum": "0"},
        "high": {"type": "integer", "maximum": "9", "minLength": "1"},
        "far": {"$ref": "http://x/y"},
        "units": {"type": "number", "x-scale": 50},
    }
    begins = "catalog/CREATE_TASK/"
    assert {line.partition(":")[0].removeprefix(begins) for line in said(made)} == {
        *("risk_level", "spend", "proposal", "spends", "tool"),
        *("parameters/properties/title/type", "parameters/properties/low/minimum"),
        *("parameters/properties/high/maximum", "parameters/properties/high/minLength"),
        *("parameters/properties/far/$ref", "parameters/properties/units/x-scale"),
    }


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"argumnts": {"to": "us"}}, "did {to}"),
        ({"arguments": 5}, "did {to}"),
        ({"parameters": 5}, "{x}"),
    ],
)
def test_what_a_wrong_key_may_have_declared_is_no_problem_of_its_own(
    wrong: Any, sentence: str
) -> None:
    made = sample.document()
    del made["catalog"]["CREATE_TASK"]["arguments"]
    made["catalog"]["CREATE_TASK"] |= {"sentence": sentence, **wrong}
    (key,) = wrong
    assert [line.partition(":")[0] for line in said(made)] == [f"catalog/CREATE_TASK/{key}"]


def test_the_limits_themselves_are_let_through() -> None:
    for path, value in [
        ("autonomy/budgets/0/max_per_day", 0),
        ("autonomy/budgets/0/max_per_day", 10**9),
        ("tool_servers/crm/deadline_seconds", 600),
        (f"{SCHEMA}/additionalProperties", True),
        (f"{SCHEMA}/additionalProperties", ...),
        (f"{ACTION}/key_kept_for", "366d"),
        (f"{ACTION}/accepts", ["TOOL_DEFAULT:to.name", "ACCOUNT_NOT_SENT"]),
        (f"{SCHEMA}/properties/x", {"type": "number", "x-scale": 10**6}),
        (f"{SCHEMA}/properties/x", {"type": "integer", "x-scale": 100, "x-unit": "EUR"}),
        (f"{SCHEMA}/properties/x", {"type": ["integer", "null"], "x-unit": "kWh"}),
        (f"{SCHEMA}/properties/x", {"type": "number", "x-scale": 1, "x-unit": "\u20ac"}),
        (f"{SCHEMA}/properties/x-unit", {"type": "string"}),
        (f"{ACTION}/label", "x" * 60),
        (f"{SCHEMA}/properties/x", {"$ref": "#/properties/title"}),
        (f"{SCHEMA}/properties/$ref", {"type": "string"}),
        (f"{SCHEMA}/properties/x-scale", {"type": "string"}),
        ("autonomy", ...),
        ("policy", ""),
    ]:
        parse_document(changed(path, value))


def test_all_problems_are_found_at_once_in_entries_with_and_without_the_right_shape() -> None:
    made = full()
    made["catalog"]["SEND_MAIL"]["effect"] = "once"
    made["catalog"]["CREATE_TASK"]["tool"] = "hr.create_task"
    made["tool_servers"]["crm"]["deadline"] = 5
    made["autonomy"]["budgets"][0]["max_per_day"] = None
    made["autonomy"]["allowlist"] = ["SEND_MAIL", "NOPE"]
    assert [line.partition(": ")[0] for line in said(made)] == [
        "tool_servers/crm/deadline",
        "catalog/SEND_MAIL/effect",
        "autonomy/budgets/0/max_per_day",
        "catalog/CREATE_TASK/tool",
        "autonomy/allowlist/1",
    ]


def test_sizes_are_limited() -> None:
    action = full()["catalog"]["SEND_MAIL"]
    assert "catalog: has 2001 entries; the limit is 2000" in said(
        {
            "tool_servers": full()["tool_servers"],
            "catalog": {f"A{number}": action for number in range(CATALOG_ACTIONS_MAX + 1)},
        }
    )
    assert str(DOCUMENT_BYTES_MAX) in said({"policy": "x" * DOCUMENT_BYTES_MAX})[0]
    nested: Any = "x"
    for _ in range(5_000):
        nested = [nested]
    assert said({"policy": nested})
    assert said(changed(f"{ACTION}/arguments", {"a": json.loads("[" * 300 + "]" * 300)}))


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(
        [
            "CREATE_TASK",
            "acme",
            "crm.x",
            "{title}",
            "72h",
            "UTC",
            "Europe",
            "\ud800",
            "$ref",
            "#/",
            "object",
            b"x",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    *full(),
                    *full()["catalog"]["CREATE_TASK"],
                    *full()["autonomy"],
                    "type",
                    "properties",
                    "$ref",
                    "allOf",
                ]
            )
            | st.text(max_size=3)
            | st.integers(),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    pairs = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [path, *(place for key, part in pairs for place in places(part, (*path, key)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    made = copy.deepcopy(document)
    inner = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def refuses_or_keeps(document: Any) -> None:
    refusal = None
    try:
        accepted = parse_document(document).as_json()
    except InvalidInput as error:
        refusal = error
    if refusal is None:
        assert parse_document(accepted).as_json() == accepted
        compiled(accepted)
    else:
        assert refusal.code == "INVALID_SETTINGS"
        assert refusal.problems
        assert all(problem.sentence for problem in refusal.problems)


@given(junk)
def test_junk_is_refused_and_never_breaks_anything(document: Any) -> None:
    refuses_or_keeps(document)


@examples(max_examples=400)
@given(st.data())
def test_a_valid_document_with_junk_in_one_place_is_refused_or_means_something(
    data: st.DataObject,
) -> None:
    path = data.draw(st.sampled_from(places(full())))
    refuses_or_keeps(replaced(full(), path, data.draw(junk)))
