"""What policy reads: every value that a schema allows is in the record, or is named as null or as
not read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import cedarpy
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from clearance.configuration.document import parse_document
from clearance.core.canonical import INTEGER_MAX
from clearance.core.catalog import Action, Effect, ToolName
from clearance.core.defaults import default_problems
from clearance.core.errors import InvalidInput
from clearance.core.intent import DEPTH_MAX, RiskLevel
from clearance.core.policy_reading import RECORD_MEMBERS_MAX
from clearance.core.policy_schema import RecordRead, cedar_schema, parameters_type, read_parameters
from clearance.core.policy_types import ParameterType, TypeKind, schema_text
from clearance.core.schema import CompiledSchema
from tests.core.real_tools import TOOLS
from tests.support import sample

BIG = INTEGER_MAX
ODD = 'a "quoted\\name"\nÄ😀'
ALL = cedarpy.PolicySet.from_str("permit(principal, action, resource);")


def action(parameters: dict[str, Any]) -> Action:
    return Action(
        "A", ToolName("s", "t"), RiskLevel.LOW, Effect.KEYED, parameters, "did it", "do it"
    )


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


def a_list(items: Any, **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def read(schema: Any, *value: Any, **more: Any) -> RecordRead:
    """What is read of the parameter `a`."""
    whole = {**an_object(a=schema), **more}
    return read_parameters(parameters_type(whole), {"a": value[0]} if value else {})


def decimal(text: str) -> dict[str, Any]:
    return {"__extn": {"fn": "decimal", "arg": text}}


def engine_takes(kind: ParameterType, record: RecordRead) -> list[str]:
    """Whether a call reaches the engine's rules; else what it complains of."""
    context = {
        "unattended": True,
        "confidence_bp": 1,
        "confidence_stated": True,
        "risk": 1,
        "mode": "AUTO_EXECUTE",
        "parameters": record.record,
        "nulls": list(record.nulls),
        "counts": record.counts,
    }
    request = {
        "principal": {"type": "Agent", "id": "a"},
        "action": {"type": "Action", "id": "A"},
        "resource": {"type": "Account", "id": "b"},
        "context": json.dumps(context),
    }
    schema = cedarpy.Schema.from_str(schema_text({"A": kind}))
    result = cedarpy.is_authorized(request, ALL, cedarpy.Entities.from_json_str("[]"), schema)
    return list(result.diagnostics.errors) if not result.allowed else []


# --- The schema that rules are written against ---


def test_the_schema_is_generated() -> None:
    parameters = an_object(
        "title",
        "amount",
        title={"type": "string", "maxLength": 200},
        amount={"type": "number", "x-scale": 100},
        urgent={"type": "boolean"},
        tags=a_list({"type": "string"}),
        note={"type": ["string", "null"]},
        owner=an_object("id", id={"type": "string"}, size={"type": "number"}),
        rows=a_list(an_object(n={"type": "integer"}, more=a_list(an_object(x={"enum": ["y"]})))),
        labels={"type": "object", "additionalProperties": {"type": "string"}},
        either={"anyOf": [{"type": "string"}, an_object("id", id={"type": "integer"})]},
        **{"two words": {"type": "integer"}, "if": {"type": "integer"}, 'a"\\\n': {"const": 1}},
    )
    assert cedar_schema({"A": action(parameters), "B": action({})}) == (
        r"""entity Agent;
entity Account;

action "A" appliesTo {
  principal: Agent,
  resource: Account,
  context: {
    unattended: Bool,
    confidence_bp: Long,
    confidence_stated: Bool,
    risk: Long,
    mode: String,
    parameters: {
      "a\u{22}\u{5c}\u{a}"?: Long,
      amount: Long,
      either?: {
        object?: {
          id?: Long,
        },
        string?: String,
      },
      "if"?: Long,
      labels?: {
        names: Set<String>,
        values: Set<String>,
      },
      note?: String,
      owner?: {
        id: String,
        size?: decimal,
      },
      rows?: {
        more: {
          x: Set<String>,
          count: Long,
        },
        n: Set<Long>,
        count: Long,
      },
      tags?: Set<String>,
      title: String,
      "two words"?: Long,
      urgent?: Bool,
    },
    nulls: Set<String>,
    counts: {"rows"?: Long, "tags"?: Long},
  },
};

action "B" appliesTo {
  principal: Agent,
  resource: Account,
  context: {
    unattended: Bool,
    confidence_bp: Long,
    confidence_stated: Bool,
    risk: Long,
    mode: String,
    parameters: {},
    nulls: Set<String>,
    counts: {},
  },
};
"""
    )


TEXT, WHOLE, NULL = {"type": "string"}, {"type": "integer"}, {"type": "null"}
READABLE: list[tuple[Any, Any, Any]] = [
    (TEXT, "x", "x"),
    ({"type": ["string"]}, "x", "x"),
    ({"type": ["string", "null"]}, "x", "x"),
    ({"anyOf": [TEXT, NULL]}, "x", "x"),
    ({"oneOf": [NULL, WHOLE]}, 5.0, 5),
    ({"anyOf": [WHOLE]}, 5, 5),
    ({"type": "string", "nullable": True}, "x", "x"),
    ({"enum": ["a", "b", None]}, "a", "a"),
    ({"const": True}, True, True),
    ({"$ref": "#/$defs/text"}, "x", "x"),
    ({"$ref": "#/definitions/text"}, "x", "x"),
    ({"$ref": "#text"}, "x", "x"),
    ({"$ref": "#/$defs/text", "maxLength": 3}, "x", "x"),
    ({"allOf": [{"type": ["string", "integer"]}, {"maxLength": 3}, TEXT]}, "x", "x"),
    ({"type": ["string", "integer"], "allOf": [{"type": ["string", "null"]}]}, "x", "x"),
    ({"type": "number"}, 250, decimal("250.0")),
    ({"type": "number"}, -0.25, decimal("-0.25")),
    ({"type": "number"}, 1e-4, decimal("0.0001")),
    ({"type": "number"}, 922337203685477.0, decimal("922337203685477.0")),
    ({"type": "number", "enum": [1, 2]}, 1.0, 1),
    ({"type": "number", "enum": [0.5, 2]}, 2, decimal("2.0")),
    ({"type": "number", "x-scale": 100}, 250.01, 25001),
    ({"type": "number", "x-scale": 100, "enum": [1, 2]}, 2, 200),
    ({"type": "integer", "x-scale": 100}, 250, 250),
    ({"anyOf": [{"type": "number", "x-scale": 100}, NULL]}, 0.29, 29),
    ({"properties": {"x": TEXT}}, {"x": "y"}, {"x": "y"}),
    ({"type": ["string", "integer"]}, "x", {"string": "x"}),
    ({"type": ["string", "integer"]}, 5, {"integer": 5}),
    ({"type": ["string", "number"]}, 5, {"number": decimal("5.0")}),
    ({"anyOf": [TEXT, a_list(TEXT)]}, ["x"], {"list": ["x"]}),
    ({"anyOf": [an_object(x=TEXT), an_object(y=WHOLE)]}, {"y": 1}, {"y": 1}),
    ({"anyOf": [an_object(x=TEXT), an_object(x=WHOLE)]}, {"x": 1}, {"x": {"integer": 1}}),
    ({}, True, {"boolean": True}),
    (True, 0.5, {"number": decimal("0.5")}),
    ({"type": "object"}, {}, {"names": []}),
    ({"type": "object", "additionalProperties": WHOLE}, {"x": 1}, {"names": ["x"], "values": [1]}),
    (
        {"type": "object", "patternProperties": {"^x": TEXT}, "additionalProperties": False},
        {"xy": "z"},
        {"names": ["xy"], "values": ["z"]},
    ),
    (a_list(TEXT), ["x", "y"], ["x", "y"]),
    (a_list({"type": "number", "x-scale": 10}), [0.5], [5]),
    (a_list(a_list(TEXT)), [["x"], ["y"]], ["x", "y"]),
    ({"type": "array", "prefixItems": [TEXT, TEXT]}, ["x", "y"], ["x", "y"]),
    (
        a_list(an_object(x=TEXT, y=WHOLE)),
        [{"x": "z"}, {"y": 1}],
        {"x": ["z"], "y": [1], "count": 2},
    ),
    (a_list(an_object(count=WHOLE)), [{"count": 7}], {"count": [7]}),
    (
        a_list(an_object(to=a_list(an_object(mail=TEXT)))),
        [{"to": [{"mail": "x"}]}, {"to": [{"mail": "y"}, {}]}],
        {"to": {"mail": ["x", "y"], "count": 3}, "count": 2},
    ),
    (
        a_list({"anyOf": [TEXT, an_object(x=WHOLE)]}),
        ["y", {"x": 1}],
        {"string": ["y"], "object": {"x": [1]}, "count": 2},
    ),
    (
        {"type": "string", "x-read": "email"},
        "ada@Example.com",
        {"raw": "ada@Example.com", "local": "ada", "domain": "example.com"},
    ),
    (
        a_list({"type": "string", "x-read": "path"}),
        ["/a/../b"],
        {"raw": ["/a/../b"], "path": ["/b"], "count": 1},
    ),
]
DEFINITIONS = {
    "$defs": {"text": {"type": "string", "$anchor": "text"}},
    "definitions": {"text": {"type": "string"}},
}


def normal(part: Any) -> Any:
    return {name: normal(part[name]) for name in sorted(part)} if isinstance(part, dict) else part


@pytest.mark.parametrize(("schema", "value", "result"), READABLE, ids=str)
def test_what_real_tools_declare_is_read(schema: Any, value: Any, result: Any) -> None:
    whole = {**an_object(a=schema), **DEFINITIONS}
    action(whole).check_parameters({"a": value})
    kind = parameters_type(whole)
    answer = read_parameters(kind, {"a": value})
    assert answer.unread == ()
    assert normal(answer.record["a"]) == normal(result)
    assert engine_takes(kind, answer) == []


PORTS: dict[str, tuple[list[str], Any, tuple[str, ...]]] = {
    "each has one": (["https://a.b/", "http://a.b/"], [443, 80], ()),
    "some have one": (["https://a.b/", "foo://x/"], None, ("a.port",)),
    "none has one": (["foo://x/"], None, ()),
    "none at all": ([], [], ()),
}


@pytest.mark.parametrize("kind", PORTS)
def test_a_part_that_some_of_a_list_lack_is_not_read(kind: str) -> None:
    texts, ports, unread = PORTS[kind]
    whole = an_object(a=a_list({"type": "string", "x-read": "url"}))
    answer = read_parameters(parameters_type(whole), {"a": texts})
    assert (answer.record["a"].get("port"), answer.unread) == (ports, unread)
    assert answer.record["a"]["raw"] == texts
    assert engine_takes(parameters_type(whole), answer) == []


def test_what_is_null_is_named_and_absent() -> None:
    schema = an_object(
        "note",
        "tags",
        note={"type": ["string", "null"]},
        tags=a_list({"type": ["string", "null"]}),
        rows=a_list(an_object(x={"enum": ["y", None]})),
        sizes={"type": "object", "additionalProperties": {"type": ["integer", "null"]}},
        gone={"type": "null"},
    )
    kind = parameters_type(schema)
    got = read_parameters(
        kind,
        {
            "note": None,
            "tags": [None, "x"],
            "rows": [{"x": None}, {"x": "y"}],
            "sizes": {"l": None},
            "gone": None,
        },
    )
    assert got.nulls == ("gone", "note", "rows.x", "sizes.values", "tags[]")
    assert got.record == {
        "tags": ["x"],
        "rows": {"x": ["y"], "count": 2},
        "sizes": {"names": ["l"], "values": []},
    }
    assert (got.unread, got.counts) == ((), {"tags": 2, "rows": 2})
    assert engine_takes(kind, got) == []


MANY = [str(number) for number in range(RECORD_MEMBERS_MAX + 1)]
RECURSIVE = {"$ref": "#/$defs/filter"}
FILTER = an_object(field=TEXT, every=a_list(RECURSIVE))
NOT_READ: list[tuple[Any, Any, Any, tuple[str, ...]]] = [
    ({"type": "number"}, 0.00001, None, ("a",)),
    ({"type": "number"}, 1e22, None, ("a",)),
    ({"type": "number"}, 922337203685478.0, None, ("a",)),
    ({"type": ["integer", "string"]}, 1e22, {}, ("a.integer",)),
    (a_list({"type": "number"}), [1, 0.00001], None, ("a",)),
    (a_list(an_object(x={"type": "number"}, y=TEXT)), [{"x": 1e-9, "y": "z"}], "z", ("a.x",)),
    (a_list(TEXT), MANY, None, ("a",)),
    (a_list(an_object(x=TEXT)), [{"x": text} for text in MANY], None, ("a",)),
    ({"type": "object", "additionalProperties": TEXT}, dict.fromkeys(MANY, "x"), None, ("a",)),
    (an_object(__entity=TEXT), {"__entity": "x"}, {}, ("a.__entity",)),
    ({**an_object(x=TEXT), "additionalProperties": True}, {"y": 1}, {}, ("a.*",)),
    ({**an_object(x=TEXT), "additionalProperties": TEXT}, {"x": "z", "y": "1"}, "z", ("a.*",)),
    ({**an_object(x=TEXT), "patternProperties": {"^y": TEXT}}, {"y": "1"}, {}, ("a.*",)),
    (a_list({**an_object(x=TEXT), "additionalProperties": {}}), [{"y": None}], "x", ("a.*",)),
    ({"type": "object"}, {"x": 1}, {"names": ["x"]}, ("a.values",)),
    ({"type": "object", "additionalProperties": FILTER}, {"x": {}}, "x", ("a.values",)),
    ({}, [["x"]], "list", ("a.list.list",)),
    ({}, {"x": [1]}, "object", ("a.object.values",)),
    ({"properties": {"x": TEXT}}, "text", None, ("a",)),
    (RECURSIVE, {"field": "x", "every": [{"field": "y"}]}, "x", ("a.every",)),
    ({"$ref": "https://example.com/schema"}, [[1]], "list", ("a.list.list",)),
    ({"type": "string", "x-read": "url"}, "https://a@b.c/", None, ("a",)),
    (a_list({"type": "string", "x-read": "url"}), ["https://b.c/", "b.c"], None, ("a",)),
    ({"type": "string", "x-read": "uri"}, "https://b.c/", None, ("a",)),
]


@pytest.mark.parametrize(("schema", "value", "part", "unread"), NOT_READ, ids=lambda v: str(v)[:40])
def test_what_is_not_read_is_named(
    schema: Any, value: Any, part: Any, unread: tuple[str, ...]
) -> None:
    whole = {**an_object("a", a=schema), "$defs": {"filter": FILTER}}
    kind = parameters_type(whole)
    got = read_parameters(kind, {"a": value})
    assert got.unread == unread
    assert ("a" in got.record) is (part is not None)
    if isinstance(part, dict):
        assert got.record["a"] == part
    assert part is None or isinstance(part, dict) or part in json.dumps(got.record)
    assert engine_takes(kind, got) == [], "what may fail to be read is optional"


@pytest.mark.parametrize("schema", [True, {}, {"type": ["array", "object", "string", "number"]}])
@pytest.mark.parametrize("value", [[[[1]]], {"x": {"y": 1}}, [{"x": 1}, [None]], [None]], ids=str)
def test_anything_is_read_as_far_as_it_goes_and_no_farther(schema: Any, value: Any) -> None:
    whole = an_object("a", a=schema)
    kind = parameters_type(whole)
    got = read_parameters(kind, {"a": value})
    assert got.unread or got.nulls
    assert engine_takes(kind, got) == []


def test_a_name_that_an_agent_chose_is_not_repeated() -> None:
    """It may be as private as a value, and what is not read goes into the ledger."""
    schema = {**an_object(), "additionalProperties": True}
    got = read_parameters(parameters_type(schema), {"+49 170 1234567": 1, "b": None})
    assert got.unread == ("*",)


def test_a_waiver_names_what_need_not_be_read() -> None:
    waived = {"x-policy": "unread"}
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **an_object(
            "blob",
            blob={**TEXT, **waived},
            ref={"$ref": "#/definitions/t", **waived},
            to=an_object(note={**a_list({}), **waived}),
            open={**an_object(), "properties": {"x": TEXT}, "additionalProperties": waived},
            map={"type": "object", "additionalProperties": waived},
        ),
        "definitions": {"t": TEXT},
    }
    kind = parameters_type(schema)
    value = {
        "blob": "x",
        "ref": "y",
        "to": {"note": [1]},
        "open": {"z": 1},
        "map": {"k": {}},
    }
    got = read_parameters(kind, value)
    assert got.waived == ("blob", "map.values", "open.*", "ref", "to.note")
    assert got.unread == ()
    assert kind.fields["blob"].waived
    assert not kind.fields["blob"].required
    assert engine_takes(kind, got) == []
    assert read_parameters(kind, {"blob": None, "to": {}}).waived == ()


def test_a_list_that_always_has_room_is_always_there() -> None:
    one = a_list(TEXT, maxItems=600)
    schema = an_object("a", "b", "c", a=one, b=one, c=a_list(TEXT))
    kind = parameters_type(schema)
    assert [kind.fields[name].required for name in "abc"] == [True, False, False]
    got = read_parameters(kind, {"a": MANY[:600], "b": MANY[:300], "c": MANY[:300]})
    assert got.unread == ("c",)
    assert len(got.record["a"]) + len(got.record["b"]) <= RECORD_MEMBERS_MAX
    assert got.counts == {"a": 600, "b": 300, "c": 300}
    assert engine_takes(kind, got) == []


def test_a_record_has_so_many_attributes_and_no_more() -> None:
    """A chain of definitions that each use the next one twice would have a million."""
    chain = {
        f"d{n}": an_object(x={"$ref": f"#/$defs/d{n + 1}"}, y={"$ref": f"#/$defs/d{n + 1}"})
        for n in range(20)
    }
    wide = an_object(**{f"p{n:04}": TEXT for n in range(RECORD_MEMBERS_MAX + 5)})
    for schema in ({"$ref": "#/$defs/d0", "$defs": {**chain, "d20": TEXT}}, wide):
        kind = parameters_type(schema)
        assert kind.cedar.count("?:") <= RECORD_MEMBERS_MAX
    last = f"p{RECORD_MEMBERS_MAX + 4:04}"
    assert "attributes" in str(kind.fields[last].problem)
    assert read_parameters(kind, {last: "x"}).unread == (last,)


def test_a_schema_deeper_than_any_intent_is_cut() -> None:
    deep: dict[str, Any] = {"type": "integer"}
    for _ in range(100):
        deep = an_object("a", a=deep)
    assert cedar_schema({"A": action(deep)}).count("a?: ") <= DEPTH_MAX + 1
    for _ in range(100):
        deep = a_list(deep)
    assert not read(deep).record


@pytest.mark.parametrize("name", ["__entity", "__extn", "__expr", "__cedar", "__", "\ud800"])
def test_names_that_would_not_be_names(name: str) -> None:
    schema = an_object(a=an_object(**{name: TEXT}), **{name: TEXT})
    hostile = {name: {"type": "Agent", "id": "root"}, "a": {name: {"fn": "ip", "arg": "::1"}}}
    kind = parameters_type(schema)
    got = read_parameters(kind, hostile)
    assert (got.record, got.unread) == ({"a": {}}, (name, f"a.{name}")[:: 1 if name < "a" else -1])
    assert engine_takes(kind, got) == []


def test_rules_can_be_told_what_a_value_can_be() -> None:
    schema = an_object(
        state={"enum": ["open", "closed", None]},
        sizes=a_list({"type": "integer", "enum": [1, 2]}),
        price={"type": "number", "x-scale": 100, "enum": [0.5, 1]},
        either={"enum": ["a", 1, True]},
        alike={"anyOf": [{"const": "x"}, {"const": "y"}, NULL]},
        free=TEXT,
        rate={"type": "number", "enum": [0.5]},
    )
    schema["anyOf"] = [{"properties": {"branch": {"enum": ["x"]}}}, {"required": ["free"]}]
    fields = parameters_type(schema).fields
    values = {name: field.type.values for name, field in fields.items() if field.type}
    assert values == {
        "state": {"open", "closed"},
        "sizes": {1, 2},
        "price": {50, 100},
        "either": None,
        "alike": {"x", "y"},
        "free": None,
        "rate": None,
        "branch": None,
    }
    either = fields["either"].type
    assert either is not None
    kinds = {name: field.type.values for name, field in either.fields.items() if field.type}
    assert kinds == {"string": {"a"}, "integer": {1}, "boolean": {True}}


@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300, 2**53, BIG, -BIG, True, "1"], ids=str)
def test_decimals_that_do_not_fit_their_scale_are_not_read(value: Any) -> None:
    assert read({"type": "number", "x-scale": 100}, value).unread == ("a",)


def test_an_integer_may_be_written_with_a_point() -> None:
    got = read(WHOLE, 5.0).record["a"]
    assert (got, type(got)) == (5, int)


# --- Whatever the schema and the value ---

WORDS = st.sampled_from(["a", "b", "c", "if", "Long", "two words", "__x", "count", "string"])
SCALARS = st.none() | st.booleans() | st.integers(-BIG, BIG) | st.floats(-1e6, 1e6) | st.text()
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
DECIMALS = st.integers(-(10**9), 10**9).map(lambda units: units / 10_000)
Pair = tuple[Any, st.SearchStrategy[Any]]
SCALAR_PAIRS: list[Pair] = [
    (WHOLE, st.integers(-BIG, BIG) | st.integers(-1000, 1000).map(float)),
    (TEXT, st.text(max_size=5)),
    ({"type": "boolean"}, st.booleans()),
    ({"enum": ["a", 1, None, ODD]}, st.sampled_from(["a", 1, None, ODD])),
    ({"type": "number"}, st.floats(-1e300, 1e300) | DECIMALS),
    ({"type": "number", "x-scale": 100}, st.integers(-(10**9), 10**9).map(lambda n: n / 100)),
    ({"type": "string", "nullable": True}, st.none() | st.text(max_size=5)),
    ({"type": "string", "x-read": "url"}, st.sampled_from(["http://a.b/", "c", "x://d:1/?e"])),
    ({"type": "string", "x-policy": "unread"}, st.text(max_size=5)),
    ({"$ref": "#/$defs/text"}, st.text(max_size=5)),
    ({"$ref": "#/$defs/tree"}, st.fixed_dictionaries({}, optional={"a": st.text(max_size=2)})),
    ({"$ref": "#/$defs/tree"}, st.just({"b": [{"a": "x"}, {"b": []}]})),
    ({}, JSON),
    (True, JSON),
    ({"type": ["string", "integer", "array"]}, st.text(max_size=3) | st.lists(JSON, max_size=2)),
    ({"properties": {"a": TEXT}}, st.just({"a": "x"}) | st.text(max_size=3)),
    ({"type": "object"}, st.dictionaries(WORDS, JSON, max_size=2)),
]
DEFS = {"text": TEXT, "tree": an_object(a=TEXT, b=a_list({"$ref": "#/$defs/tree"}))}


def nullable(pair: Pair) -> Pair:
    return {"anyOf": [pair[0], NULL]}, pair[1] | st.none()


def either(pairs: tuple[Pair, Pair]) -> Pair:
    return {"anyOf": [pair[0] for pair in pairs]}, pairs[0][1] | pairs[1][1]


def narrowed(pair: Pair) -> Pair:
    return {"allOf": [pair[0], {"title": "x"}], "description": "y"}, pair[1]


def listed(pair: Pair) -> Pair:
    return a_list(pair[0]), st.lists(pair[1], max_size=3)


def bounded(pair: Pair) -> Pair:
    return a_list(pair[0], maxItems=3), st.lists(pair[1], max_size=3)


def mapped(pair: Pair) -> Pair:
    schema = {"type": "object", "additionalProperties": pair[0]}
    return schema, st.dictionaries(WORDS, pair[1], max_size=3)


def records(properties: dict[str, Pair], required: set[str], more: Any) -> Pair:
    needed = {name: pair[1] for name, pair in properties.items() if name in required}
    others = {name: pair[1] for name, pair in properties.items() if name not in required}
    schema = an_object(*sorted(needed), **{name: pair[0] for name, pair in properties.items()})
    values = st.fixed_dictionaries(needed, optional=others)
    if more is None or not properties:
        return schema, values
    extra = st.dictionaries(WORDS.filter(lambda name: name not in properties), JSON, max_size=2)
    open_values = st.tuples(extra, values).map(lambda parts: {**parts[0], **parts[1]})
    return {**schema, "additionalProperties": more}, open_values


def record_pairs(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    return st.dictionaries(WORDS, inner, min_size=1, max_size=4).flatmap(
        lambda properties: st.builds(
            records,
            st.just(properties),
            st.sets(st.sampled_from(sorted(properties))),
            st.sampled_from([None, None, True, {}]),
        )
    )


PAIRS = st.recursive(
    st.sampled_from(SCALAR_PAIRS),
    lambda inner: st.one_of(
        record_pairs(inner),
        inner.map(listed),
        inner.map(bounded),
        inner.map(nullable),
        inner.map(narrowed),
        inner.map(mapped),
        st.tuples(inner, inner).map(either),
    ),
    max_leaves=8,
)
LOOSE = settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.filter_too_much,
    ],
)
STEPS = {"string", "integer", "number", "boolean", "list", "object", "raw"}


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """The leaves of a value or a record, without positions in lists."""
    if isinstance(value, dict) and "__extn" in value:
        yield path, float(value["__extn"]["arg"])
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, (*path, name))
    elif isinstance(value, list):
        for part in value:
            yield from leaves(part, path)
    else:
        yield path, value


def leads(place: tuple[str, ...], path: tuple[str, ...], *, whole: bool) -> bool:
    """Whether a place in the record is where the leaf with this path in the value is read, or
    (`whole` false) what it is in.
    """
    if not place:
        return not path or not whole
    first, rest = place[0], place[1:]
    known = bool(path) and first in {path[0], "values", "*"}
    return (known and leads(rest, path[1:], whole=whole)) or (
        first in STEPS and leads(rest, path, whole=whole)
    )


def same(read_as: Any, value: Any) -> bool:
    """Whether a leaf of the record is a leaf of the value, perhaps in hundredths."""
    if value is None:
        return False
    if isinstance(value, bool) or isinstance(read_as, bool) or isinstance(value, str):
        return type(read_as) is type(value) and read_as == value
    return not isinstance(read_as, str) and (
        read_as == value or math.isclose(read_as / 100, value, rel_tol=1e-15)
    )


@LOOSE
@given(pair=record_pairs(PAIRS), old=st.booleans(), data=st.data())
def test_every_leaf_is_read_or_named(pair: Pair, old: bool, data: st.DataObject) -> None:
    schema = {**pair[0], "$defs": DEFS}
    if old:
        schema["$schema"] = "http://json-schema.org/draft-07/schema#"
    value = data.draw(pair[1])
    try:
        action(schema).check_parameters(value)
    except InvalidInput:
        assume(False)
    kind = parameters_type(schema)
    got = read_parameters(kind, value)
    assert engine_takes(kind, got) == []
    known = list(leaves(got.record))
    named = [tuple(path.split(".")) for path in (*got.unread, *got.waived)]
    nulls = [tuple(path.removesuffix("[]").split(".")) for path in got.nulls]
    for path, leaf in leaves(value):
        is_read = any(leads(place, path, whole=True) and same(part, leaf) for place, part in known)
        is_null = leaf is None and any(leads(place, path, whole=True) for place in nulls)
        is_named = any(leads(place, path, whole=False) for place in named)
        assert is_read or is_null or is_named, (path, leaf, got)


@LOOSE
@given(pair=record_pairs(PAIRS), data=st.data())
def test_every_length_of_a_list_is_counted(pair: Pair, data: st.DataObject) -> None:
    schema = {**pair[0], "$defs": DEFS}
    value = data.draw(pair[1])
    kind = parameters_type(schema)
    got = read_parameters(kind, value)
    for name, part in value.items():
        field = kind.fields.get(name)
        if isinstance(part, list) and field and field.type and name in kind.lists:
            assert got.counts[name] == len(part)
    assert set(got.counts) <= set(kind.lists)
    assert all(field.type.kind in TypeKind for field in kind.fields.values() if field.type)


# --- Tools as servers declare them ---


def document(schema: dict[str, Any]) -> dict[str, Any]:
    made = sample.document()
    made["catalog"]["CREATE_TASK"] = {
        "tool": "crm.create_task",
        "risk_level": "LOW",
        "effect": "at_most_once",
        "parameters": schema,
        "sentence": "did it",
    }
    return made


def test_a_default_that_does_not_fit_is_refused_at_load() -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_document(document(an_object(limit={"type": "integer", "default": "ten"})))
    path = ("catalog", "CREATE_TASK", "parameters", "properties", "limit", "default")
    assert [problem.path for problem in refused.value.problems] == [path]


@pytest.mark.parametrize("name", TOOLS)
def test_a_real_tool_goes_into_a_catalog_with_its_own_schema(name: str) -> None:
    """Its schema is taken without hand work, and the engine takes what is read of any call."""
    schema = TOOLS[name]
    parse_document(document(schema))
    kind = parameters_type(schema)
    cedarpy.Schema.from_str(schema_text({"A": kind}))
    assert default_problems(CompiledSchema(schema)) == []


def test_nearly_all_parameters_of_real_tools_are_read() -> None:
    fields = [
        field
        for schema in TOOLS.values()
        for name, field in parameters_type(schema).fields.items()
        if name != "*"
    ]
    not_read = [field for field in fields if field.type is None]
    assert len(fields) > 90
    assert len(not_read) <= 0.03 * len(fields)


CALLS: list[tuple[str, Any, Any]] = [
    ("github.list_issues", {"owner": "o", "repo": "r", "per_page": 100}, ("per_page", "100.0")),
    ("git.git_log", {"repo_path": "/r", "end_timestamp": "x"}, ("end_timestamp", "x")),
    ("gitlab.create_issue", {"title": "t", "project_id": 7}, ("number", "7.0")),
    ("aws.call", {"region": None, "filters": [{"name": "n", "values": ["v"]}]}, ("values", "v")),
    ("aws.call", {"region": "x", "old_level": "high"}, ("old_level", "high")),
    ("openapi.update_pet", {"id": 1, "category": {"id": 2, "name": "c"}}, ("name", "c")),
    ("dotnet.create", {"name": "n", "parts": [None, "p"]}, ("parts", "p")),
]


@pytest.mark.parametrize(("tool", "value", "part"), CALLS, ids=lambda v: str(v)[:30])
def test_what_no_rule_could_see_before_is_in_the_record(tool: str, value: Any, part: Any) -> None:
    schema = TOOLS[tool]
    action(schema).check_parameters(value)
    kind = parameters_type(schema)
    got = read_parameters(kind, value)
    assert got.unread == ()
    assert all(f'"{text}"' in json.dumps(got.record) for text in part)
    assert engine_takes(kind, got) == []


@pytest.mark.parametrize("keyword", ["examples", "default", "const", "enum", "x-kept"])
@pytest.mark.parametrize("old", [False, True])
def test_a_value_gives_no_name_to_a_reference(keyword: str, old: bool) -> None:
    name = {"$id": "#L"} if old else {"$anchor": "L"}
    value = [{**name, "x-policy": "unread"}]
    draft = {"$schema": "http://json-schema.org/draft-07/schema#"} if old else {}
    defs = {"L": {**name, **WHOLE}, "o": {keyword: value}}
    schema = {**draft, **an_object(a={"$ref": "#L"}), "$defs": defs}
    kind = parameters_type(schema)
    assert (kind.cedar, kind.fields["a"].waived) == ("{\n  a?: Long,\n}", False)


BASE = an_object("a", a=TEXT)
LEFT_OVER: dict[str, tuple[Any, Any, Any]] = {
    "an extension by $ref": (
        {"allOf": [{"$ref": "#/$defs/base"}], "properties": {"b": WHOLE}, "$defs": {"base": BASE}},
        {"a": "x", "b": 1},
        {"a": "x", "b": 1},
    ),
    "an alternative": ({"anyOf": [BASE, an_object("b", b=WHOLE)]}, {"b": 1}, {"b": 1}),
    "a condition": ({"if": BASE, "then": {"properties": {"b": WHOLE}}}, {"a": "x"}, {"a": "x"}),
    "names by pattern": (
        {"allOf": [{"patternProperties": {"^a$": TEXT}}], "required": ["a"]},
        {"a": "x"},
        {"a": "x"},
    ),
    "another name in the branch": (
        {"allOf": [{**BASE, "additionalProperties": WHOLE}], "required": ["b"]},
        {"a": "x", "b": 1},
        {"a": "x", "b": 1},
    ),
}


@pytest.mark.parametrize("kind", LEFT_OVER)
@pytest.mark.parametrize("left", [False, {"type": "boolean"}])
def test_what_no_node_evaluates_is_all_that_unevaluated_speaks_of(kind: str, left: Any) -> None:
    schema, value, record = LEFT_OVER[kind]
    whole = {"type": "object", **schema, "unevaluatedProperties": left}
    assert action(whole).check_parameters(value) is None
    answer = read_parameters(parameters_type(whole), value)
    assert answer.unread == ()
    assert answer.record == record or left is not False  # where a value of that type could stand
    assert not engine_takes(parameters_type(whole), answer)


def test_items_that_a_branch_evaluates_are_not_left_over() -> None:
    extended = {"allOf": [a_list(TEXT)], "unevaluatedItems": WHOLE}
    assert read(extended, ["x"]).record == {"a": ["x"]}
    assert parameters_type(an_object(a=extended)).fields["a"].type.cedar == "Set<String>"
    perhaps = {"type": "array", "contains": TEXT, "unevaluatedItems": WHOLE}
    assert read(perhaps, ["x", 1]).record == {}
    assert read(perhaps, ["x", 1]).unread == ("a",)


def test_what_an_old_draft_does_not_check_is_not_believed() -> None:
    """There, `$ref` silences the type beside it."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **an_object("a", a={"$ref": "#/definitions/any", "type": "integer"}),
        "definitions": {"any": {"type": ["string", "integer"]}},
    }
    action(schema).check_parameters({"a": "x"})
    kind = parameters_type(schema)
    got = read_parameters(kind, {"a": "x"})
    assert got.record == {"a": {"string": "x"}}
    assert engine_takes(kind, got) == []


@pytest.mark.parametrize("name", ["filter.tags", "", "*", "a.b.c"])
def test_a_name_that_no_path_can_hold_is_not_read(name: str) -> None:
    """Else its path is another parameter's, and the order of names decides what is counted."""
    inside = an_object(tags=a_list(TEXT))
    kind = parameters_type(an_object(**{name: a_list(TEXT), "filter": inside}))
    assert kind.fields[name].type is None
    for value in ({name: ["x"] * 9, "filter": {"tags": []}}, {"filter": {"tags": []}, name: ["x"]}):
        got = read_parameters(kind, value)
        assert (got.unread, got.counts, got.nulls) == (("*",), {"filter.tags": 0}, ())


def test_the_scale_of_a_number_stands_whatever_else_speaks_of_it() -> None:
    """A subschema without a scale takes none away, and two scales are none."""
    amount = {"type": "number", "x-scale": 100}
    more = {"properties": {"amount": {"type": "number", "maximum": 50}}}
    for beside in (
        {"dependentSchemas": {"x": more}},
        {"allOf": [more]},
        {"if": more, "then": more},
    ):
        schema = {**an_object("amount", amount=amount), **beside}
        got = read_parameters(parameters_type(schema), {"amount": 12.5})
        assert got.record == {"amount": 1250}, beside
    other = {"properties": {"amount": {"type": "number", "x-scale": 10}}}
    schema = {**an_object("amount", amount=amount), "allOf": [other]}
    assert parameters_type(schema).fields["amount"].type.kind is TypeKind.DECIMAL
