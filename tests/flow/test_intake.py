"""The input schema of a real tool goes into the catalog as its server lists it, pasted as JSON; and
what cannot be taken is refused at its place.
"""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest

from clearance.configuration.compiling import catalog_of
from clearance.configuration.document import DOCUMENT_BYTES_MAX, parse_document
from clearance.configuration.file import ConfigurationError, load
from clearance.configuration.fitting import CATALOG_ACTIONS_MAX
from clearance.core.canonical import INTEGER_MAX
from clearance.core.catalog import Action
from clearance.core.errors import InvalidInput
from clearance.flow.ports.settings import SettingsChange
from clearance.stores.dynamodb.items import settings_document, settings_part, settings_parts
from tests.support import sample

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TRANSACTION_BYTES_MAX = 4_000_000  # DynamoDB's own
TRANSACTION_ITEMS_MAX = 100

SHAPES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # what generators write, arguments that fit, and arguments that do not
    "silent at every depth, as fastmcp and pydantic write it": (
        {
            "properties": {
                "repo_path": {"title": "Repo Path", "type": "string"},
                "since": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
            },
            "required": ["repo_path"],
            "title": "GitLog",
            "type": "object",
        },
        {"repo_path": "/srv", "since": None},
        {"since": "x"},
    ),
    "draft 7 with a schema's address, as zod-to-json-schema writes it": (
        {
            "type": "object",
            "properties": {
                "entities": {
                    "type": "array",
                    "items": {"type": "object", "properties": {"name": {"type": "string"}}},
                }
            },
            "required": ["entities"],
            "additionalProperties": False,
            "$schema": DRAFT_7,
        },
        {"entities": [{"name": "x"}]},
        {"entities": [{"name": 1}]},
    ),
    "zod 4's email, and its safe integers": (
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "to": {
                    "type": "string",
                    "format": "email",
                    "pattern": r"^(?!\.)(?!.*\.\.)([A-Za-z0-9_'+\-\.]*)[A-Za-z0-9_+-]@"
                    r"([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$",
                },
                "count": {"type": "integer", "minimum": -INTEGER_MAX, "maximum": INTEGER_MAX},
            },
        },
        {"to": "ada@example.com", "count": 1},
        {"to": "a..b@example.com"},
    ),
    "bounds of 64 bits, as Go and Java write them": (
        {
            "type": "object",
            "properties": {
                "id": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
                "size": {"type": "number", "format": "double", "maximum": 1.7976931348623157e308},
                "name": {"type": "string", "maxLength": 2**63 - 1},
            },
        },
        {"id": INTEGER_MAX, "size": 1.5, "name": "x"},
        {"id": "1"},
    ),
    "OpenAPI 3.0": (
        {
            "type": "object",
            "properties": {
                "ttl": {
                    "type": "integer",
                    "format": "int64",
                    "minimum": 0,
                    "exclusiveMinimum": True,
                },
                "note": {"type": "string", "nullable": True, "x-order": 1, "example": "x"},
                "rate": {"type": "number", "default": 1e-05},
            },
            "discriminator": {"propertyName": "ttl"},
        },
        {"ttl": 1, "note": None, "rate": 0.5},
        {"ttl": 0},
    ),
    "references to anchors and to definitions": (
        {
            "type": "object",
            "$defs": {"state": {"$anchor": "state", "enum": ["open", "closed"]}},
            "properties": {"a": {"$ref": "#state"}, "b": {"$ref": "#/$defs/state"}},
        },
        {"a": "open", "b": "closed"},
        {"a": "ajar"},
    ),
    "an emoji, as Python's json writes it, and slashes, as PHP's does": (
        {
            "type": "object",
            "description": "Sends a \U0001f600",
            "properties": {"url": {"type": "string", "pattern": "^https://", "title": "\\ \t ü"}},
        },
        {"url": "https://example.com"},
        {"url": "http://example.com"},
    ),
    "a parameter with the name of a keyword": (
        {
            "type": "object",
            "properties": {
                "description": {"type": "string"},
                "properties": {"type": "object"},
                "exclusiveMinimum": {"type": "boolean"},
                "maximum": {"type": "integer", "default": 5},
                "$ref": {"type": "string"},
            },
        },
        {"exclusiveMinimum": True, "maximum": 5, "$ref": "x"},
        {"exclusiveMinimum": 1},
    ),
    "one of two shapes at the top": (
        {
            "type": "object",
            "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        {"a": "x"},
        {"a": "x", "b": "y"},
    ),
    "no parameters": ({"type": "object", "properties": {}}, {}, {"properties": 5}),
}


def loaded(folder: Path, catalog: str) -> dict[str, Action]:
    """The actions of a configuration file with this catalog."""
    (folder / "policy.cedar").write_text("")
    (folder / "clearance.yaml").write_text(
        "version: 1\ntenant: t\ntool_servers: {s: {command: [x]}}\npolicy: policy.cedar\n" + catalog
    )
    return catalog_of(load(folder / "clearance.yaml", {}).document)


def pasted(schema: Any, tool: str = "s.tool") -> str:
    """The catalog's text with a schema pasted as JSON, as Python and as PHP write it."""
    written = json.dumps(schema).replace("/", "\\/")
    keys = f"tool: {tool}, risk_level: LOW, effect: at_most_once, sentence: did it"
    return f"catalog:\n  ACT: {{{keys}, parameters: {written}}}\n"


@pytest.mark.parametrize("name", SHAPES)
def test_the_schema_of_a_real_tool_goes_in_as_it_is(tmp_path: Path, name: str) -> None:
    schema, fit, unfit = SHAPES[name]
    action = loaded(tmp_path, pasted(schema))["ACT"]
    if "64 bits" not in name:
        assert action.parameters == schema
    assert json.loads(json.dumps(action.digest_0_1))  # it has a canonical form
    action.check_parameters(fit)
    if name != "no parameters":
        with pytest.raises(InvalidInput):
            action.check_parameters(unfit)


def test_a_tool_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    action = loaded(tmp_path, pasted({"type": "object"}, '"s.repo:create.issue"'))["ACT"]
    assert (action.tool.server, action.tool.tool) == ("s", "repo:create.issue")


@pytest.mark.parametrize(
    ("schema", "place"),
    [
        ({"properties": {"a": {"default": 2**63}}}, "properties.a.default: is an integer beyond"),
        ({"properties": {"a": {"enum": [1, 2**64]}}}, "properties.a.enum.1: is an integer beyond"),
        ({"properties": {"a": {"minimum": 2**63}}}, "properties.a.minimum: is an integer beyond"),
        ({"title": "\ud83d alone"}, "title: has half of a character"),
        ({"\ud83d": 1}, "parameters: the key in line 7 has half of a character"),
        ({"properties": {"a": {"type": "strin"}}}, "properties.a.type: strin must be one of"),
        ({"properties": {"a": {"$ref": "#gone"}}}, "properties.a.$ref: is not a valid JSON Schema"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern: is not a valid JSON"),
        ({"properties": {"a": {"$ref": "b.json"}}}, "properties.a.$ref: must start with #"),
    ],
)
def test_what_is_refused_is_refused_at_its_place(
    tmp_path: Path, schema: dict[str, Any], place: str
) -> None:
    catalog = pasted({"type": "object", **schema}).replace("parameters:", "\n    parameters:")
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, catalog)
    line, _, problem = caught.value.sentence.removeprefix(f"{tmp_path}/clearance.yaml:").partition(
        ": catalog.ACT.parameters"
    )
    assert line == "7"
    assert place in f"parameters{problem}"


def test_a_value_without_a_canonical_form_is_refused_at_its_place_beside_other_problems(
    tmp_path: Path,
) -> None:
    written = "{to: [x, 99999999999999999999]}"
    catalog = pasted({"type": "object"}).replace("parameters", f"arguments: {written}, parameters")
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, catalog + "autonomy: {budgets: [{max_per_day: x}]}\n")
    [first, second] = caught.value.sentence.splitlines()
    assert "clearance.yaml:6: catalog.ACT.arguments.to.1: is an integer beyond" in first
    assert "autonomy.budgets.0.max_per_day: must be an integer" in second


# --- YAML's own ways ---

MERGED = """\
catalog:
  FIRST: &first
    tool: s.one
    risk_level: LOW
    effect: at_most_once
    parameters: &schema {type: object, properties: {a: {type: string}}}
    sentence: did one
  SECOND:
    <<: *first
    tool: s.two
    parameters:
      <<: [{title: Two}, *schema, {title: Three, description: x}]
      required: [a]
"""


def test_a_merge_key_brings_in_a_mapping_and_own_keys_win(tmp_path: Path) -> None:
    actions = loaded(tmp_path, MERGED)
    first, second = actions["FIRST"], actions["SECOND"]
    assert (str(first.tool), str(second.tool)) == ("s.one", "s.two")
    assert (second.sentence, second.effect) == (first.sentence, first.effect)
    assert second.parameters == {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "title": "Two",
        "description": "x",
        "required": ["a"],
    }
    quoted = MERGED.replace("<<: *first", '"<<": *first')
    with pytest.raises(ConfigurationError, match=r"SECOND\.<<: is not a key here"):
        loaded(tmp_path, quoted)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("risk_level: LOW", "risk_level: low", "clearance.yaml:8: catalog.SECOND.risk_level: must"),
        ("tool: s.two", "tool: t.two", "clearance.yaml:14: catalog.SECOND.tool: there is no"),
        ("<<: *first", "<<: 5", "catalog.SECOND: << in line 13 must be followed by a mapping"),
        ("<<: *first", "<<: [*first, x]", "catalog.SECOND: << in line 13 must be followed by"),
        ("tool: s.one", "<<: *first", "clearance.yaml:7: is merged into itself"),
        ("tool: s.two", "tool: s.two\n    tool: s.three", "catalog.SECOND.tool: is written twice"),
    ],
)
def test_what_is_wrong_in_a_merge_is_named_at_its_place(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in MERGED
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, MERGED.replace(old, new))
    assert problem in caught.value.sentence


def test_merges_that_grow_are_refused_in_bounded_time(tmp_path: Path) -> None:
    doubling = "a0: &a0 {x: 1}\n" + "".join(
        f"a{n}: &a{n} {{k: {{<<: [*a{n - 1}, *a{n - 1}]}}, <<: *a{n - 1}}}\n" for n in range(1, 60)
    )
    chain = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: *a{n - 1}}}\n" for n in range(1, 500))
    for text, why in [(doubling, "says too much|too deeply"), (chain, "too deeply")]:
        with pytest.raises(ConfigurationError, match=why):
            loaded(tmp_path, text)


# --- Large catalogs ---


def large(count: int) -> dict[str, Any]:
    """A document with so many actions, of the size that real tools have."""
    made = sample.document()
    words = random.Random(1)
    for number in range(count - len(made["catalog"])):
        properties = {
            f"parameter_{each}": {
                "type": "string",
                "description": "".join(words.choices("abcdefghijklmnop qrst", k=60)),
            }
            for each in range(8)
        }
        made["catalog"][f"A{number}"] = {
            **made["catalog"]["SEND_MAIL"],
            "parameters": {"type": "object", "properties": properties},
            "sentence": "did it",
            "proposal": "do it",
            "arguments": {},
        }
    return made


def test_a_catalog_of_the_largest_size_is_read_in_a_moment() -> None:
    made = large(CATALOG_ACTIONS_MAX)
    started = time.perf_counter()
    assert len(parse_document(made).catalog) == CATALOG_ACTIONS_MAX
    assert time.perf_counter() - started < 10


def test_the_largest_document_fits_into_one_transaction_of_dynamodb() -> None:
    words = random.Random(1)
    characters = [chr(code) for code in range(0x20, 0x7F)]
    text = "".join(words.choices(characters, k=DOCUMENT_BYTES_MAX))
    change = SettingsChange("t", 1, {"policy": text}, None, 0)  # type: ignore[arg-type]
    parts = settings_parts(change.document)
    assert sum(map(len, parts)) + 100_000 < TRANSACTION_BYTES_MAX
    assert len(parts) + 10 < TRANSACTION_ITEMS_MAX
    items = [settings_part(change, parts, number) for number in range(len(parts))]
    assert settings_document(items) == change.document
