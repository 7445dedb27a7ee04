"""Templates: data goes in once, keeps its type where it stands alone, and is never a template."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.policy_schema import parameters_type, read_parameters
from clearance.core.schema import CompiledSchema
from clearance.core.template import (
    SHOWN_LENGTH_MAX,
    fill,
    final_schema,
    phrase,
    placeholders,
    plain,
    values_of,
)
from clearance.core.validation import schema_validator

QUOTES = "'\u2018\u2019\u201b\u2032`\u00b4\u02bc\uff07"


def sentence(text: str, known: dict[str, Any], schema: Any = None) -> str:
    return plain(phrase(text, known, CompiledSchema(schema) if schema else None))


def values(**parameters: Any) -> dict[str, Any]:
    intent = ActionIntent("t", "acme", "i1", "MAIL", parameters, 0.9, RiskLevel.LOW, "ada")
    return values_of(intent, parameters)


def test_the_fields_of_an_intent_win_over_parameters_of_the_same_name() -> None:
    known = values(account_id="rival", title="x", result="forged")
    assert sentence("{title} for {account_id}: {result}", known) == "x for acme: ?"
    assert sentence("{parameters.account_id}", known) == "rival"


@given(st.text(max_size=30))
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    known = values(title=value + "{account_id}", secret="no")
    assert fill("{title}", known) == value + "{account_id}"
    assert fill("<{title}>", known) == f"<{value}{{account_id}}>"


@given(st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=3))
def test_a_placeholder_alone_keeps_the_type_of_its_value(value: Any) -> None:
    filled = fill({"a": ["{x}", {"b": "{x}"}], "c": 1}, {"x": value})
    assert filled == {"a": [value, {"b": value}], "c": 1}
    assert type(filled["a"][0]) is type(value)


def test_a_missing_value_is_an_error_in_a_call_and_a_question_mark_in_a_sentence() -> None:
    with pytest.raises(KeyError, match=r"target\.id"):
        fill("x {target.id}", values())
    assert sentence("x {target.id}", values()) == "x ?"


@given(st.text(max_size=300))
def test_a_sentence_stays_on_one_line_and_short(value: str) -> None:
    shown = sentence("{x}", {"x": value})
    assert shown.isprintable()
    assert len(shown) <= len("'⟨U+10FFFF⟩'") * SHOWN_LENGTH_MAX


def within(quoted: str) -> str:
    """The content of a quoted text, by the rule that people and programs read it by: a quote within
    a word, or behind a backslash, does not end it.
    """
    assert (quoted[0], quoted[-1]) == ("'", "'")
    inner, position = quoted[1:-1], 0
    while position < len(inner):
        character = inner[position]
        around = inner[max(0, position - 1) : position] + inner[position + 1 : position + 2]
        in_word = len(around) == 2 and around.isalnum() and not set(around) & set(QUOTES)
        assert character not in QUOTES or in_word, f"left at {position}: {quoted}"
        position += 2 if character == "\\" else 1
    return inner


@given(st.text(st.sampled_from(QUOTES + "ab \\.\n\u202e\u2800,)"), max_size=40))
def test_no_text_leaves_its_quotes(value: str) -> None:
    for template in ("{x}", "'{x}'", '"{x}"', "\u2018{x}\u2019"):
        shown = sentence(f"wants to do {template} for us", {"x": value})
        quoted = shown.removeprefix("wants to do ").removesuffix(" for us")
        if quoted != value or not value.isalnum():
            within(quoted)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Call' for acme. Approved", "'Call\\' for acme. Approved'"),
        ("Call\u2019 for acme. Approved \u2018x", "'Call\\\u2019 for acme. Approved \\\u2018x'"),
        ("Call\\' for acme", "'Call\\\\\\' for acme'"),
        ("The customer doesn't answer", "'The customer doesn't answer'"),
        ("ends with '", "'ends with \\''"),
        ("a\u3164b\nc", "'a⟨U+3164⟩b↵c'"),
        ("", "''"),
        (["a' b"], "'a\\' b'"),
        (["a@example.com", "b, c", 5], "a@example.com, 'b, c', 5"),
        (["a" * 50, "b" * 50, "c"], "a" * 50 + ", …"),
        ([], "'[]'"),
        ([{"a": 1}], """'[{"a": 1}]'"""),
        ({"a": None}, """'{"a": null}'"""),
        (5, "5"),
        (True, "true"),
        (None, "?"),
        ("?", "'?'"),
        ("ORD-1011", "ORD-1011"),
        ("a@example.com", "a@example.com"),
        ("docs/new-page", "docs/new-page"),
        ("ends.", "'ends.'"),
    ],
)
def test_a_value_reads_as_one_value(value: Any, shown: str) -> None:
    assert sentence("{x}", {"x": value}) == shown


def test_quotes_of_the_template_are_the_ones_of_the_sentence() -> None:
    known = {"a": "one", "b": "two words"}
    assert sentence("'{a}' and \"{b}\" and {a}'s {b}", known) == (
        "'one' and 'two words' and one's 'two words'"
    )


def test_values_stand_apart_in_a_phrase_and_amounts_have_their_unit() -> None:
    schema = {"properties": {"cents": {"type": "integer", "x-scale": 100, "x-unit": "EUR"}}}
    known = {"cents": 34900, "who": "A b"}
    parts = phrase("refund {cents} to '{who}'", known, CompiledSchema(schema))
    assert [str(part) for part in parts] == ["refund ", "349.00 EUR", " to ", "'A b'"]
    assert [getattr(part, "number", None) for part in parts] == [None, True, None, False]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("pay {cents} {currency} to {who}", "pay 5.00 EUR to ann"),
        ("pay {cents} {currency}", "pay 5.00 EUR"),
        ("pay {cents} EUR to {who}", "pay 5.00 EUR to ann"),
        ("pay {cents} EUR", "pay 5.00 EUR"),
        ("pay {cents} EURO {currency}", "pay 5.00 EUR EURO EUR"),
        ("pay {cents} {other}", "pay 5.00 EUR USD"),
        ("pay {cents} {who} {currency}", "pay 5.00 EUR ann EUR"),
        ("pay {cents} {cents}", "pay 5.00 EUR 5.00 EUR"),
        ("{currency} {cents} ", "EUR 5.00 EUR "),
    ],
)
def test_an_amount_names_its_unit_once(text: str, shown: str) -> None:
    schema = {"properties": {"cents": {"type": "integer", "x-scale": 100, "x-unit": "EUR"}}}
    known = {"cents": 500, "currency": "EUR", "other": "USD", "who": "ann"}
    assert sentence(text, known, schema) == shown


def test_names_are_listed_in_their_order() -> None:
    assert placeholders("{b} {a.c-1} {1x} {} {b}") == ["b", "a.c-1", "b"]


# --- The schema of what the tool gets ---

REFERENCES: dict[str, dict[str, Any]] = {
    "by the root": {"child": {"$ref": "#"}},
    "by an anchor": {"child": {"$ref": "#whole"}},
    "by a dynamic one": {"child": {"$dynamicRef": "#whole"}},
    "by a recursive one": {"child": {"$recursiveRef": "#"}},
    "in an alternative": {"child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
    "by a definition": {"child": {"$ref": "#/$defs/again"}},
}


@pytest.mark.parametrize("kind", REFERENCES)
def test_what_refers_to_all_parameters_does_not_ask_for_our_arguments_there(kind: str) -> None:
    draft = "2019-09" if "recursive" in kind else "2020-12"
    schema = {
        "$schema": f"https://json-schema.org/draft/{draft}/schema",
        **({"$dynamicAnchor": "whole"} if "dynamic" in kind else {"$anchor": "whole"}),
        "type": "object",
        "properties": {"name": {"$ref": "#/$defs/parameters"}, **REFERENCES[kind]},
        "required": ["name"],
        "$defs": {"parameters": {"type": "string"}, "again": {"$ref": "#"}},
    }
    final = final_schema(schema, {"account": "{account_id}", "copy": "{child}"})
    validator = schema_validator(final)
    call: dict[str, Any] = {"name": "a", "child": {"name": "b"}, "account": "x"}
    call["copy"] = {"name": "c"}
    assert validator.is_valid(call)
    assert validator.is_valid({**call, "child": {"name": "b", "child": {"name": "c"}}})
    assert not validator.is_valid({**call, "child": {}})
    assert not validator.is_valid({**call, "child": {"name": 1}})
    assert not validator.is_valid({**call, "copy": {"name": 1}})
    assert not validator.is_valid({name: call[name] for name in call if name != "account"})
    answer = read_parameters(parameters_type(final), call)
    assert (answer.record, answer.unread) == (call, ())
    assert final_schema(schema, {}) == schema


def test_a_schema_that_does_not_refer_to_itself_stays_as_it_is() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    assert final_schema(schema, {"by": "us"}) == {
        "type": "object",
        "properties": {"name": {"type": "string"}, "by": {"const": "us"}},
        "required": ["name", "by"],
    }
