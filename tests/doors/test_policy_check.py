"""`clearance policy check`: what a configuration covers, and what in it probably means something
else, each with its file and line.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from clearance.cli import main as cli
from clearance.configuration import file
from clearance.configuration.advice import advice
from clearance.configuration.document import parse_document
from tests.support import sample

DOCUMENT = """\
version: 1
tenant: northwind
tool_servers:
  bank: {url: "http://127.0.0.1:1/mcp"}
catalog:
  PAY:
    tool: bank.pay
    risk_level: LOW
    effect: idempotent
    parameters:
      type: object
      properties:
        code: {type: string, pattern: "[A-Z]+"}
        either: {type: string, pattern: "^a|b$"}
        both: {type: string, pattern: "^a$|^(b|c)$"}
        name: {type: string, maxlength: 3, pattern: "^[a-z]+$"}
        maxlength: {type: string, title: a parameter of that name}
        note: {type: string, x-policy: unread}
        tree: {type: object, additionalProperties: {type: object}}
      additionalProperties: false
    sentence: "paid"
autonomy:
  allowlist: [PAY]
  modes: [{mode: AUTO_EXECUTE}, {mode: DISABLED, account: globex}]
  budgets: [{max_per_day: 5}]
  limits: [{for: tenant, per: day, actions: 9}]
  accounts: [acme, globex]
policy: policy.cedar
"""
POLICY = """\
@id("pay") @reason("PAY") @explanation("Payments may be made.")
permit(principal, action == Action::"PAY", resource);

@id("ben") @reason("BEN") @explanation("Ben waits.")
forbid(principal == Agent::"bne", action, resource) when { context.unattended };

@id("frozen") @reason("FROZEN") @explanation("Nothing happens there.")
forbid(principal, action, resource)
when { [Account::"globex", Account::"globx"].contains(resource) };
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "clearance.yaml").write_text(DOCUMENT, encoding="utf-8")
    (tmp_path / "policy.cedar").write_text(POLICY, encoding="utf-8")
    return tmp_path


def check(
    folder: Path, monkeypatch: Any, capsys: Any, *options: str, code: int = 0
) -> tuple[str, str]:
    path = str(folder / "clearance.yaml")
    monkeypatch.setattr(sys, "argv", ["clearance", "policy", "check", "--config", path, *options])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == code
    out, err = capsys.readouterr()
    return out, err


def test_what_probably_means_something_else_is_a_warning_with_its_line(
    folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    out, _ = check(folder, monkeypatch, capsys)
    warnings = [line for line in out.splitlines() if line.startswith("Warning: ")]
    document, policy = folder / "clearance.yaml", folder / "policy.cedar"
    properties = "catalog.PAY.parameters.properties"
    anywhere = "matches anywhere in a text: put ^ before it and $ behind it"
    assert warnings == [
        (
            f"Warning: {policy}:7: frozen: names the account globx, and nothing under "
            f"autonomy does; did you mean globex?"
        ),
        f"Warning: {document}:13: {properties}.code.pattern: {anywhere}",
        f"Warning: {document}:14: {properties}.either.pattern: {anywhere}",
        (
            f"Warning: {document}:16: {properties}.name.maxlength: is no keyword of JSON Schema, "
            f"and checks nothing; did you mean maxLength?"
        ),
    ]


EURO = {"type": "number", "x-scale": 100, "x-unit": "EUR"}


@pytest.mark.parametrize(
    ("amount", "currency", "warned"),
    [
        (EURO | {"minimum": 0}, None, ""),
        (EURO | {"exclusiveMinimum": 0}, {"const": "EUR"}, ""),
        (EURO | {"minimum": 0, "exclusiveMinimum": True}, {"enum": ["EUR"]}, ""),
        ({"$ref": "#/$defs/Price"}, None, ""),
        (EURO, None, "negative"),
        (EURO | {"minimum": -1}, None, "negative"),
        (EURO | {"minimum": 0}, {"type": "string"}, "fixed to EUR"),
        ({"$ref": "#/$defs/Price"}, {"enum": ["EUR", "USD"]}, "fixed to EUR"),
        ({"type": "number", "minimum": 0, "x-scale": 100}, {"type": "string"}, ""),
    ],
)
def test_an_amount_that_would_be_counted_wrong_is_a_warning(amount, currency, warned: str) -> None:
    made = sample.document(budgets=[])
    properties = {"order_id": {"type": "string"}, "amount_minor": amount}
    properties |= {"currency": currency} if currency else {}
    made["catalog"]["ISSUE_REFUND"]["parameters"] |= {
        "$defs": {"Price": EURO | {"minimum": 0}},
        "properties": properties,
        "required": ["order_id", "amount_minor"],
    }
    if "$ref" in amount:
        del made["catalog"]["ISSUE_REFUND"]["spends"]
    del made["policy"]
    sentences = [problem.sentence for problem in advice(parse_document(made))]
    assert len(sentences) == bool(warned)
    assert warned in "".join(sentences)


def test_an_agent_without_a_key_is_a_warning_where_the_keys_are_known(folder: Path) -> None:
    wanted = file.load(folder / "clearance.yaml")
    [agent, *_] = [
        wanted.located(problem)
        for problem in advice(wanted.document, {"ben", "ada"})
        if "agent" in problem.sentence
    ]
    policy = folder / "policy.cedar"
    assert agent == f"{policy}:4: ben: names the agent bne, and no key is for it; did you mean ben?"
    assert not any("agent" in each.sentence for each in advice(wanted.document, {"bne"}))


def test_coverage_shows_what_is_read_waived_and_not_read(
    folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    out, _ = check(folder, monkeypatch, capsys)
    text = out[out.index("PAY can run alone.") :]
    assert "  rules     ben, frozen, pay\n" in text
    assert (
        "  read      both: String, code: String, either: String, maxlength: String, name: String"
        in text
    )
    assert "  waived    note\n" in text
    assert "  not read  tree.values: the values of the map" in text
    [covered] = json.loads(check(folder, monkeypatch, capsys, "--json")[0])["coverage"]
    assert (covered["action_type"], covered["runs_alone"], covered["obstacle"]) == (
        "PAY",
        True,
        None,
    )
    assert covered["waived"] == ["note"]
    assert list(covered["unread"]) == ["tree.values"]


def test_an_action_that_can_never_run_alone_says_why(
    folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    path = folder / "clearance.yaml"
    path.write_text(DOCUMENT.replace("allowlist: [PAY]", "allowlist: []"), encoding="utf-8")
    out, _ = check(folder, monkeypatch, capsys)
    assert "PAY asks: it is not on the allowlist.\n" in out


def test_a_rule_that_cannot_match_is_refused_with_its_file_and_line(
    folder: Path, monkeypatch: Any, capsys: Any
) -> None:
    dead = POLICY.replace("{ context.unattended }", "{ context.parameters has cod }")
    (folder / "policy.cedar").write_text(dead, encoding="utf-8")
    out, err = check(folder, monkeypatch, capsys, code=1)
    assert out == ""
    assert err.startswith(
        f"{folder / 'policy.cedar'}:4: ben: mentions context.parameters.cod, which no action that "
        f"it can be about has (PAY); did you mean code?"
    )
