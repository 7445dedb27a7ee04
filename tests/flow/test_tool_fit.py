"""The fit of an action and its tool, on pairs of schemas: what is found, and what is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearance.configuration.tool_fit import (
    FINDINGS_MAX,
    FitFinding,
    fit_findings,
    may_run_alone,
    misfit,
)
from clearance.core.catalog import Action, Effect, ToolName, Undo
from clearance.core.intent import RiskLevel
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule
from clearance.flow.ports.tools import ToolDescription

ACTION = Action(
    "PAY",
    ToolName("bank", "pay"),
    RiskLevel.LOW,
    Effect.AT_MOST_ONCE,
    {"type": "object", "properties": {}},
    "paid",
    "pay",
    {"account": "{account_id}"},
)
AT = {"account": {"type": "string"}}


def of(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), **more}


def findings_of(
    action: Action,
    schemas: dict[str, dict[str, Any]],
    *,
    alone: bool,
    annotations: dict[str, Any] | None = None,
) -> tuple[FitFinding, ...]:
    """What is found about tools of these input schemas."""
    tools = {
        name: ToolDescription(name, "", schema, "", {"annotations": annotations})
        for name, schema in schemas.items()
    }
    return fit_findings(action, tools, alone=alone)


def found(
    sent: dict[str, Any], tool: dict[str, Any], *, alone: bool = True, **changes: Any
) -> list[str]:
    """The names of what is found about parameters and a tool that takes the account too."""
    taken = {**tool, "properties": {**tool.get("properties", {}), **AT}}
    action = replace(ACTION, **{"parameters": sent, **changes})
    return [finding.name for finding in findings_of(action, {"bank.pay": taken}, alone=alone)]


def several(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


TEXT, NUMBER, INTEGER = {"type": "string"}, {"type": "number"}, {"type": "integer"}


@pytest.mark.parametrize(
    ("sent", "tool", "names"),
    [
        (
            of({"pth": INTEGER}),
            of({"path": TEXT}, "path"),
            ["ARGUMENT_NOT_SUPPLIED:path", "ARGUMENT_NOT_KNOWN:pth"],
        ),
        (of({"a": TEXT}), of({"a": TEXT}, "a"), ["ARGUMENT_NOT_SUPPLIED:a"]),
        (of({"a": {**TEXT, "default": "x"}}), of({"a": TEXT}, "a"), []),
        (of({"a": {**TEXT, "default": None}}), of({"a": TEXT}, "a"), ["ARGUMENT_NOT_SUPPLIED:a"]),
        (of({"a": TEXT}, "a"), of({"a": TEXT}, "a"), []),
        # Names that the tool does not know
        (of({"x": TEXT}), of({"a": TEXT}, additionalProperties=False), ["ARGUMENT_NOT_KNOWN:x"]),
        (of({"x": TEXT}), of({"a": TEXT}, additionalProperties=True), []),
        (of({"x": TEXT}), of({"a": TEXT}, additionalProperties={}), []),
        (of({"x": TEXT}), of({"a": TEXT}, patternProperties={"^x": TEXT}), []),
        (of({"x": TEXT}), of({}, allOf=[of({"x": TEXT})]), []),
        (of({"x": TEXT}), of({}, anyOf=[of({"x": NUMBER}), of({"y": TEXT})]), []),
        # Types
        (of({"a": TEXT}), of({"a": INTEGER}), ["TYPE_CLASH:a"]),
        (of({"a": NUMBER}), of({"a": INTEGER}), ["TYPE_CLASH:a"]),
        (of({"a": INTEGER}), of({"a": NUMBER}), []),
        (of({"a": TEXT}), of({"a": {"anyOf": [TEXT, {"type": "null"}]}}), []),
        (of({"a": {"anyOf": [TEXT, {"type": "null"}]}}), of({"a": TEXT}), ["TYPE_CLASH:a"]),
        (of({"a": {"type": ["string", "null"]}}), of({"a": TEXT}), ["TYPE_CLASH:a"]),
        (of({"a": TEXT}), of({"a": {"enum": ["x", "y"]}}), ["TYPE_CLASH:a"]),
        (of({"a": {"enum": ["x"]}}), of({"a": {"enum": ["x", "y"]}}), []),
        (of({"a": {"enum": ["x", "z"]}}), of({"a": {"enum": ["x", "y"]}}), ["TYPE_CLASH:a"]),
        (of({"a": {"enum": [1, 99]}}), of({"a": {**INTEGER, "maximum": 9}}), ["TYPE_CLASH:a"]),
        (of({"a": several(TEXT)}), of({"a": several(INTEGER)}), ["TYPE_CLASH:a"]),
        (of({"a": TEXT}), of({"a": several(TEXT)}), ["TYPE_CLASH:a"]),
        # The limits of a type are the tool's to refuse, and what cannot be compared is none
        (of({"a": TEXT}), of({"a": {"type": "string", "maxLength": 3, "pattern": "^x"}}), []),
        (of({"a": TEXT}), of({"a": {"type": "string", "format": "date"}}), []),
        (of({"a": INTEGER}), of({"a": {"type": "integer", "maximum": 2**63 - 1}}), []),
        (of({"a": TEXT}), of({"a": {"type": "string", "pattern": "(?=a)b"}}), []),
        (of({"a": TEXT}), of({"a": {"$ref": "#/$defs/none"}}), []),
        (of({"a": TEXT}), of({"a": {"$ref": "https://elsewhere.example/a"}}), []),
        (of({"a": TEXT}), of({"a": {"exclusiveMinimum": True}}), []),
        # What OpenAPI writes, and what else our own schemas may say
        (
            of({"a": TEXT}),
            of({"a": {**INTEGER, "minimum": 0, "exclusiveMinimum": True}}),
            ["TYPE_CLASH:a"],
        ),
        (
            of({"a": TEXT, "b": {**INTEGER, "exclusiveMinimum": True}}),
            of({"a": INTEGER, "b": INTEGER}),
            ["TYPE_CLASH:a"],
        ),
        (
            of(
                {"a": {"$ref": "#/$defs/t"}},
                **{"$defs": {"t": TEXT, "n": {"exclusiveMinimum": True}}},
            ),
            of({"a": INTEGER}),
            ["TYPE_CLASH:a"],
        ),
        (of({"a": {**TEXT, "nullable": True}}), of({"a": TEXT}), ["TYPE_CLASH:a"]),
        (of({"a": {**TEXT, "nullable": True}}), of({"a": {**TEXT, "nullable": True}}), []),
        (of({"a": several(INTEGER)}), of({"a": several(TEXT)}), ["TYPE_CLASH:a"]),
        (of({"a": several(several(INTEGER))}), of({"a": several(several(TEXT))}), ["TYPE_CLASH:a"]),
        (of({"a": several(INTEGER)}), of({"a": several(NUMBER)}), []),
        (
            of({"a": {**several(TEXT), "nullable": True}}),
            of({"a": several(TEXT)}),
            ["TYPE_CLASH:a"],
        ),
        (of({"a": several(TEXT)}), of({"a": {"anyOf": [several(TEXT), TEXT]}}), []),
        (
            of({"a": {"$ref": "#/$defs/a%20b"}}, **{"$defs": {"a b": TEXT}}),
            of({"a": INTEGER}),
            ["TYPE_CLASH:a"],
        ),
        (
            of({"a": TEXT}),
            of({"a": {"$ref": "#n"}}, **{"$defs": {"n": {**INTEGER, "$anchor": "n"}}}),
            ["TYPE_CLASH:a"],
        ),
        (
            of({"a": TEXT, "b": TEXT}),
            of({"a": TEXT}, dependentSchemas={"a": {"properties": {"b": TEXT}}}),
            [],
        ),
        (
            of({"a": {**of({"x": TEXT}), "nullable": True}}),
            of({"a": {"anyOf": [of({"x": INTEGER, "y": TEXT}, "y"), {"type": "null"}]}}),
            ["ARGUMENT_NOT_SUPPLIED:a.y", "TYPE_CLASH:a.x"],
        ),
        (
            of({"a": {**of({"x": TEXT}), "nullable": True}}),
            of({"a": of({"x": TEXT})}),
            ["TYPE_CLASH:a"],
        ),
        # Deeper
        (
            of({"to": of({"mail": TEXT, "x": TEXT})}),
            of({"to": {"$ref": "#/$defs/to"}}, **{"$defs": {"to": of({"mail": TEXT}, "mail")}}),
            ["ARGUMENT_NOT_SUPPLIED:to.mail", "ARGUMENT_NOT_KNOWN:to.x"],
        ),
        (
            of({"to": {"type": "array", "items": of({"mail": INTEGER}, "mail")}}),
            of({"to": {"type": "array", "items": of({"mail": TEXT, "cc": TEXT}, "cc")}}),
            ["ARGUMENT_NOT_SUPPLIED:to.cc", "TYPE_CLASH:to.mail"],
        ),
        # Values that the tool puts
        (of({"a": TEXT}), of({"a": {**TEXT, "default": "x"}}), ["TOOL_DEFAULT:a"]),
        (of({}), of({"limit": {**INTEGER, "default": 100_000}}), ["TOOL_DEFAULT:limit"]),
        (
            of({}),
            of({"limit": {"anyOf": [{**INTEGER, "default": 9}, {"type": "null"}]}}),
            ["TOOL_DEFAULT:limit"],
        ),
        (
            of({}),
            of({}, anyOf=[of({"limit": {**INTEGER, "default": 9}}), of({})]),
            ["TOOL_DEFAULT:limit"],
        ),
        (
            of(
                {"a": {"$ref": "#/$defs/a", "default": "x", "nullable": True}},
                **{"$defs": {"a": TEXT}},
            ),
            of({"a": {"type": ["string", "null"]}}, "a"),
            [],
        ),
        (of({"a": TEXT}, "a"), of({"a": {**TEXT, "default": "x"}}), []),
        (of({"a": {**TEXT, "default": "y"}}), of({"a": {**TEXT, "default": "x"}}), []),
        (of({"a": TEXT}), of({"a": {"anyOf": [TEXT, {"type": "null"}], "default": None}}), []),
    ],
)  # fmt: skip
def test_what_is_found(sent: dict[str, Any], tool: dict[str, Any], names: list[str]) -> None:
    assert found(sent, tool) == names


def test_a_tool_that_declares_nothing_takes_everything() -> None:
    action = replace(ACTION, parameters=of({"a": TEXT}), idempotency_argument="key")
    assert findings_of(action, {"bank.pay": {"type": "object"}}, alone=True) == ()
    assert [finding.name for finding in findings_of(action, {"bank.pay": of({})}, alone=True)] == [
        "KEY_NOT_TAKEN:key",
        "ARGUMENT_NOT_KNOWN:a",
        "ARGUMENT_NOT_KNOWN:account",
    ]


def test_constants_and_templates_are_compared_as_what_they_become() -> None:
    tool = of({"a": INTEGER, "n": INTEGER, "to": of({"mail": TEXT}, "mail")})
    sent = of({"n": INTEGER, "p": TEXT}, "n", "p", additionalProperties=False)
    arguments = {"account": "{account_id}", "a": "{n}", "to": {"mail": "for {p}"}}
    assert (
        found(sent, {**tool, "properties": {**tool["properties"], "p": TEXT}}, arguments=arguments)
        == []
    )
    wrong = {"account": 5, "a": "{p}", "to": {"mails": "{p}"}}
    assert sorted(found(sent, tool, arguments=wrong)) == [
        "ARGUMENT_NOT_KNOWN:p",
        "ARGUMENT_NOT_KNOWN:to.mails",
        "ARGUMENT_NOT_SUPPLIED:to.mail",
        "TYPE_CLASH:a",
        "TYPE_CLASH:account",
    ]  # fmt: skip


def test_a_key_that_a_tool_does_not_name_is_not_taken_even_if_it_takes_any_name() -> None:
    open_ = of({"a": TEXT}, additionalProperties=True)
    key = {"idempotency_argument": "request_id", "effect": Effect.KEYED}
    assert found(of({}), open_, **key) == ["KEY_NOT_TAKEN:request_id"]
    named = of({"request_id": TEXT}, "request_id")
    assert found(of({}), named, **key) == []
    assert found(of({}), of({"request_id": INTEGER}), **key) == ["TYPE_CLASH:request_id"]


def test_only_an_action_that_may_run_alone_has_to_send_its_account_and_every_value() -> None:
    tool = of({"limit": {**INTEGER, "default": 9}})
    bare = replace(ACTION, parameters=of({}), arguments={})
    names = [finding.name for finding in findings_of(bare, {"bank.pay": tool}, alone=True)]
    assert names == ["ACCOUNT_NOT_SENT", "TOOL_DEFAULT:limit"]
    [seen] = findings_of(bare, {"bank.pay": tool}, alone=False)
    assert (seen.name, seen.is_misfit) == ("TOOL_DEFAULT:limit", False)
    assert "declare it as a parameter with default: 9" in seen.sentence
    assert misfit([seen]) is None


@pytest.mark.parametrize(
    ("annotations", "hint"),
    [
        ({"read_only_hint": False}, "readOnlyHint: false"),
        ({"destructive_hint": True}, "destructiveHint: true"),
        ({"read_only_hint": False, "destructive_hint": True}, "readOnlyHint: false, destructive"),
        ({"read_only_hint": True, "destructive_hint": False}, None),
        ({"title": "Pay", "idempotent_hint": False}, None),
        (None, None),
    ],
)
def test_a_read_whose_tool_says_that_something_changes_asks_until_it_is_accepted(
    annotations: dict[str, Any] | None, hint: str | None
) -> None:
    read = replace(ACTION, effect=Effect.READ)
    tool = {"bank.pay": of(AT)}
    assert findings_of(ACTION, tool, alone=True, annotations=annotations) == ()
    findings = findings_of(read, tool, alone=True, annotations=annotations)
    assert [finding.name for finding in findings] == ["READ_CONTRADICTED"] * (hint is not None)
    if hint is None:
        return
    assert hint in findings[0].sentence
    assert misfit(findings) is not None
    with_a_person = findings_of(read, tool, alone=False, annotations=annotations)
    assert (len(with_a_person), misfit(with_a_person)) == (1, None)
    accepted = replace(read, accepts=("READ_CONTRADICTED",))
    assert misfit(findings_of(accepted, tool, alone=True, annotations=annotations)) is None


def test_an_account_that_the_agent_sends_past_the_one_it_is_counted_on_is_a_warning() -> None:
    taken = replace(ACTION, parameters=of({"id": TEXT, "account_id": TEXT}), arguments={})
    [seen] = fit_findings(taken, {}, alone=True)
    assert (seen.name, seen.is_misfit) == ("ACCOUNT_NOT_BOUND", False)
    assert 'write account: "{account_id}"' in seen.sentence
    other = replace(ACTION, parameters=of({"customer_id": TEXT}), arguments={})
    [seen] = fit_findings(other, {}, alone=True)
    assert (seen.name, seen.is_misfit) == ("ACCOUNT_NOT_SENT", True)
    assert 'write account: "{customer_id}"' in seen.sentence
    for action, name in ((taken, "account_id"), (other, "customer_id")):
        assert fit_findings(replace(action, account=name), {}, alone=True) == ()


def test_what_is_accepted_by_name_stays_a_finding() -> None:
    tool = {"bank.pay": of({"a": {**TEXT, "default": "x"}, "b": {**TEXT, "default": "x"}, **AT})}
    one = replace(ACTION, accepts=("TOOL_DEFAULT:a",))
    assert [(f.name, f.accepted) for f in findings_of(one, tool, alone=True)] == [
        ("TOOL_DEFAULT:a", True),
        ("TOOL_DEFAULT:b", False),
    ]
    all_ = replace(ACTION, accepts=("TOOL_DEFAULT",))
    assert all(finding.accepted for finding in findings_of(all_, tool, alone=True))


def test_many_accepted_findings_hide_no_other() -> None:
    names = [f"a{number:03}" for number in range(120)]
    sent = of(dict.fromkeys(names, TEXT) | {"z": TEXT})
    action = replace(ACTION, parameters=sent, arguments={}, accepts=("ARGUMENT_NOT_KNOWN",))
    findings = findings_of(action, {"bank.pay": of({"z": INTEGER})}, alone=False)
    refusal = misfit(findings)
    assert refusal is not None
    assert [problem.path[2:] for problem in refusal.problems] == [("parameters", "properties", "z")]
    all_ = misfit(findings_of(replace(action, accepts=()), {"bank.pay": of({})}, alone=False))
    assert all_ is not None
    assert len(all_.problems) == FINDINGS_MAX
    assert "; and 118 more." in all_.sentence


def test_a_finding_names_a_place_that_is_in_the_file() -> None:
    line = of({"unit_price": TEXT, "extra": TEXT}, "unit_price", "extra")
    sent = of(
        {"lines": several({"$ref": "#/$defs/Line"}), "to": {"allOf": [of({"mail": TEXT}, "mail")]}},
        "lines",
        "to",
        **{"$defs": {"Line": line}},
    )
    tool = of(
        {
            "lines": several(of({"unit_price": NUMBER, "sku": TEXT}, "sku")),
            "to": of({"mail": INTEGER}),
            "account": of({"id": TEXT}, "id"),
        },
        "other",
    )
    action = replace(ACTION, parameters=sent, arguments={"account": {"name": "{account_id}"}})
    findings = findings_of(action, {"bank.pay": tool}, alone=True)
    assert {(finding.name, finding.path[2:]) for finding in findings} == {
        ("ARGUMENT_NOT_SUPPLIED:other", ("tool",)),
        ("ARGUMENT_NOT_SUPPLIED:lines.sku", ("parameters", "properties", "lines", "items")),
        (
            "ARGUMENT_NOT_KNOWN:lines.extra",
            ("parameters", "$defs", "Line", "properties", "extra"),
        ),
        (
            "TYPE_CLASH:lines.unit_price",
            ("parameters", "$defs", "Line", "properties", "unit_price"),
        ),
        (
            "TYPE_CLASH:to.mail",
            ("parameters", "properties", "to", "allOf", 0, "properties", "mail"),
        ),
        ("ARGUMENT_NOT_SUPPLIED:account.id", ("arguments", "account")),
        ("ARGUMENT_NOT_KNOWN:account.name", ("arguments", "account", "name")),
    }


def test_advice_is_about_what_the_tool_has() -> None:
    def sentences(tool: dict[str, Any]) -> list[str]:
        bare = replace(ACTION, parameters=of({}), arguments={})
        return [each.sentence for each in findings_of(bare, {"bank.pay": tool}, alone=True)]

    [none] = sentences(of({"limit": INTEGER}))
    assert none.endswith(
        "its account: write accepts: [ACCOUNT_NOT_SENT] if it needs none (ACCOUNT_NOT_SENT)"
    )
    [named] = sentences(of({"customer_id": TEXT}))
    assert 'put customer_id: "{account_id}" into arguments, or write accepts' in named
    [_, key] = sentences(of({"request_id": TEXT}, "request_id"))
    assert "or write idempotency_argument: request_id, if the tool knows a repeat" in key


def test_the_undo_is_compared_with_its_own_tool() -> None:
    undo = Undo(ToolName("bank", "refund"), {"id": "{result.id}", "why": 5}, None)
    tool = {"bank.refund": of({"payment": TEXT, "why": TEXT}, "payment")}
    findings = findings_of(replace(ACTION, undo=undo), tool, alone=False)
    assert [(finding.name, finding.path[2:]) for finding in findings] == [
        ("ARGUMENT_NOT_SUPPLIED:undo.payment", ("undo", "arguments")),
        ("ARGUMENT_NOT_KNOWN:undo.id", ("undo", "arguments", "id")),
        ("TYPE_CLASH:undo.why", ("undo", "arguments", "why")),
    ]


def test_a_hostile_schema_takes_no_time_and_proves_nothing() -> None:
    branch = {"anyOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/a"}], "properties": {"x": TEXT}}
    tool = of({"a": {"$ref": "#/$defs/a"}}, **{"$defs": {"a": branch}})
    deep = of({"a": {"$ref": "#/$defs/a"}}, **{"$defs": {"a": of({"a": {"$ref": "#/$defs/a"}})}})
    assert found(deep, deep) == []
    assert found(deep, tool) == ["ARGUMENT_NOT_KNOWN:a.a"]
    loop = of({"a": {"$ref": "#/$defs/b"}}, **{"$defs": {"b": {"$ref": "#/$defs/b"}}})
    assert found(of({"a": TEXT}), loop) == []
    assert found(of({"a\x1b[2J": TEXT}), of({"a\u202e": TEXT}, "a\u202e")) == [
        "ARGUMENT_NOT_SUPPLIED:a?",
        "ARGUMENT_NOT_KNOWN:a?[2J",
    ]


@pytest.mark.parametrize(
    ("allowed", "modes", "alone"),
    [
        (Allowlist(frozenset({"PAY"})), [ModeRule(AutonomyMode.AUTO_EXECUTE)], True),
        (Allowlist(), [ModeRule(AutonomyMode.AUTO_EXECUTE)], False),
        (Allowlist(frozenset({"PAY"})), [], False),
        (
            Allowlist(frozenset(), {"acme": frozenset({"PAY"})}),
            [ModeRule(AutonomyMode.AUTO_EXECUTE, account="acme")],
            True,
        ),
        (
            Allowlist(frozenset(), {"acme": frozenset({"PAY"})}),
            [ModeRule(AutonomyMode.AUTO_EXECUTE, account="globex")],
            False,
        ),
        (
            Allowlist(frozenset({"PAY"})),
            [
                ModeRule(AutonomyMode.AUTO_EXECUTE),
                ModeRule(AutonomyMode.APPROVAL_REQUIRED, action_type="PAY"),
            ],
            False,
        ),
    ],
)
def test_what_may_run_alone(allowed: Allowlist, modes: list[ModeRule], alone: bool) -> None:
    assert may_run_alone(allowed, modes, "PAY") is alone
