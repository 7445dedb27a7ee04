"""The final arguments of a call: what the tool gets, and the schema of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.arguments import (
    final_arguments,
    fits_a_segment,
)
from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.errors import InvalidInput
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.template import final_schema

INTENT = ActionIntent(
    *("t", "acme", "i1", "MAIL", {"to": "a", "id": 7}, 0.9, RiskLevel.LOW, "ada"),
    target={"ticket": 4},
)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["to", "id"],
    "properties": {
        "to": {"type": "string", "maxLength": 9},
        "id": {"type": "integer"},
        "from": {"type": "object", "properties": {"mail": {"type": "string", "format": "email"}}},
    },
    "additionalProperties": False,
}
ACTION = Action("MAIL", ToolName("crm", "mail"), RiskLevel.LOW, Effect.KEYED, SCHEMA, "did", "do")
TEMPLATES: dict[str, Any] = {
    "account": "{account_id}",
    "path": "/accounts/{account_id}/{id}",
    "copy": {"of": ["{to}", "{id}"], "always": True},
    "number": "{id}",
}


def made(parameters: dict[str, Any] | None = None, **arguments: Any) -> dict[str, Any]:
    intent = INTENT if parameters is None else replace(INTENT, parameters=parameters)
    return final_arguments(replace(ACTION, arguments=arguments), intent)


def test_the_catalogs_arguments_are_laid_on_and_keep_the_types_of_what_they_stand_for() -> None:
    assert made(**TEMPLATES) == {
        "to": "a",
        "id": 7,
        "account": "acme",
        "path": "/accounts/acme/7",
        "copy": {"of": ["a", 7], "always": True},
        "number": 7,
    }


def test_a_placeholder_without_a_value_makes_no_call() -> None:
    with pytest.raises(InvalidInput, match=r"arguments\.cc: needs target\.cc") as refused:
        made(cc="{target.cc}")
    assert refused.value.code == "ARGUMENT_MISSING"


SEPARATORS = ["/", "\\", "?", "#", "&", "%", "'", '"', "<", ">", "..", "\n", "\0", "\u202e"]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_a_value_that_could_end_its_place_in_a_longer_text_makes_no_call(separator: str) -> None:
    """As a parameter, and as an account: it would reach the place of another one."""
    parameters = {"to": f"x{separator}y", "id": 7}
    for path in ("/data/{to}/notes.txt", "{to}{id}", "{to} "):
        with pytest.raises(InvalidInput) as refused:
            made(parameters, where={"path": [path]})
        assert refused.value.code == "ARGUMENT_UNFIT"
        assert separator not in refused.value.sentence
    assert made(parameters, where="{to}")["where"] == parameters["to"]
    elsewhere = replace(INTENT, account_id=f"x{separator}y")
    with pytest.raises(InvalidInput, match="account_id"):
        final_arguments(replace(ACTION, arguments={"path": "/data/{account_id}"}), elsewhere)


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("/x/{to}{to}/y", "."),  # two values together
        ("/x/.{to}/y", "."),  # a value and our text
        ("/x/{to}./y", "."),
        ("/x/{to}", ""),
        ("/x/{to}", "."),
        ("/x/{to}/y", " "),
        ("/x/{to}{to}?q=1", ". "),
        ("{to}/x", ""),
        ("/x/%{to}", "2e"),  # an escape of ours that the value completes
        ("/x/%2{to}", "f"),
    ],
)
def test_a_segment_that_values_make_empty_or_into_another_one_makes_no_call(
    template: str, value: str
) -> None:
    with pytest.raises(InvalidInput, match="cannot hold this to") as refused:
        made({"to": value, "id": 7}, where=template)
    assert refused.value.code == "ARGUMENT_UNFIT"


@pytest.mark.parametrize(
    ("template", "value", "filled"),
    [
        ("/x/{to}-{to}", ".", "/x/.-."),
        ("/x/v{to}/y", "", "/x/v/y"),
        ("/../{to}/y", "a.b", "/../a.b/y"),
        ("/x/%2F{to}", "ab", "/x/%2Fab"),
    ],
)
def test_a_segment_may_have_dots_and_empty_values_and_escapes_of_ours(
    template: str, value: str, filled: str
) -> None:
    assert made({"to": value, "id": 7}, where=template)["where"] == filled


def test_an_integer_reads_the_same_however_it_is_written() -> None:
    """Stored and read again, `1000.0` is `1000`: the call must not become another one."""
    for written in (1000, 1000.0, 1e3):
        assert made({"to": "a", "id": written}, where="/x/{id}")["where"] == "/x/1000"
    with pytest.raises(InvalidInput):
        made({"to": "a", "id": 10.5}, where="/x/{id}")


@given(st.text(max_size=20))
def test_prose_takes_any_text(text: str) -> None:
    action = replace(ACTION, arguments={"note": "Dear {to}"}, prose=frozenset({"note"}))
    intent = replace(INTENT, parameters={"to": text, "id": 7})
    assert final_arguments(action, intent)["note"] == f"Dear {text}"


def test_a_list_or_an_object_has_no_place_in_a_longer_text() -> None:
    assert not any(map(fits_a_segment, ([], {}, None, 1.5)))
    assert all(map(fits_a_segment, ("a b", 7, True, "")))


def test_the_final_schema_takes_what_the_final_arguments_are() -> None:
    schema = final_schema(SCHEMA, TEMPLATES)
    jsonschema_rs.validate(schema, made(**TEMPLATES))
    assert schema["properties"]["account"] == {"type": "string"}
    assert schema["properties"]["number"] == SCHEMA["properties"]["id"]
    assert schema["required"] == ["to", "id", *TEMPLATES]
    assert final_schema(SCHEMA, {"mail": "{from.mail}"})["properties"]["mail"] == {
        "type": "string",
        "format": "email",
    }
    assert final_schema(SCHEMA, {"any": "{target.ticket}"})["properties"]["any"] == {}


@pytest.mark.parametrize(
    "catalog", [{"idempotency_argument": "key"}, {"arguments": {"key": "{account_id}"}}]
)
def test_an_agent_cannot_set_what_the_catalog_fills_in(catalog: dict[str, Any]) -> None:
    """An open schema lets the name through; the agent's value is not replaced in silence."""
    action = replace(ACTION, parameters={"type": "object"}, **catalog)
    with pytest.raises(
        InvalidInput, match=r"parameters\.key: is filled in by Clearance"
    ) as refused:
        final_arguments(action, replace(INTENT, parameters={"key": "mine"}))
    assert refused.value.code == "INVALID_PARAMETERS"
