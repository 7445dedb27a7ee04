"""Hostile input: whatever comes in, the answer is a problem with a code, and nothing was stored,
consumed or called.
"""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clearance.api.body import BODY_BYTES_MAX
from clearance.core.intent import CONTENT_BYTES_MAX
from clearance.doors import strict_json
from clearance.doors.strict_json import BODY_DEPTH_MAX, UnreadableBody
from tests.doors.conftest import INTENT, UNSURE, Door

anyio_test = pytest.mark.anyio


def intent(**changes: Any) -> bytes:
    return json.dumps({**INTENT, "action_intent_id": "hostile", **changes}).encode()


def with_raw(name: str, raw: str) -> bytes:
    """An intent in which one field is exactly this text."""
    marked = intent(**{name: "MARK"}).decode()
    return marked.replace('"MARK"', raw).encode("utf-8", "surrogatepass")


def nested(depth: int, opening: str = "[", closing: str = "]") -> str:
    return opening * depth + closing * depth


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"{",
    "two values": intent() + b"{}",
    "a BOM": b"\xef\xbb\xbf" + intent(),
    "UTF-16": intent().decode().encode("utf-16"),
    "invalid UTF-8": intent().replace(b"acme", b"ac\xffme"),
    "an overlong slash": intent().replace(b"acme", b"ac\xc0\xafme"),
    "a surrogate as bytes": intent().replace(b"acme", b"ac\xed\xa0\x80me"),
    "a lone surrogate": with_raw("account_id", r'"ac\ud800me"'),
    "a lone surrogate as a name": with_raw("target", r'{"\uDFFF": 1}'),
    "a lone surrogate in a list": with_raw("target", r'["\ud83d", "\ude00"]'),
    "NaN": with_raw("confidence_score", "NaN"),
    "Infinity": with_raw("confidence_score", "Infinity"),
    "-Infinity": with_raw("target", "[-Infinity]"),
    "a number past every double": with_raw("confidence_score", "1e400"),
    "a negative one in a list": with_raw("target", "[-1e999999]"),
    "an integer past 2^53": with_raw("target", str(2**53)),
    "a huge integer": with_raw("confidence_score", "9" * 5_000),
    "a name twice": intent()[:-1] + b', "account_id": "other"}',
    "a name twice deep inside": with_raw(
        "parameters", '{"title": "a", "x": [{"y": 1, "\\u0079": 2}]}'
    ),
    "10,000 lists": with_raw("target", nested(10_000)),
    "100,000 lists": nested(100_000).encode(),
    "10,000 objects": with_raw("target", '{"a":' * 10_000 + "1" + "}" * 10_000),
    "100,000 openings": b"[" * 100_000,
    "quotes without end": b'"' + b'\\"' * 60_000 + b"[" * 100,
    "a comment": b"{} // " + intent(),
}
UNFIT = {
    "a list": b"[]",
    "null": b"null",
    "a string": b'"intent"',
    "an unknown field": intent(approved=True),
    "a field of the outcome": intent(auto_executed=True),
    "no account": json.dumps(
        {name: value for name, value in INTENT.items() if name != "account_id"}
    ).encode(),
    "a number as a string": intent(confidence_score="0.95"),
    "a boolean as a number": intent(confidence_score=True),
    "null as a name": intent(action_type=None),
    "a confidence above 1": intent(confidence_score=1.0000001),
    "a negative confidence": intent(confidence_score=-0.1),
    "an unknown risk": intent(risk_level="NONE"),
    "a risk as a number": intent(risk_level=1),
    "a number as an account": intent(account_id=7),
    "parameters as a list": intent(parameters=["title"]),
    "parameters as null": intent(parameters=None),
    "an object as why": intent(why={"0": "because"}),
    "numbers as why": intent(why=[1]),
    "too many reasons": intent(why=["because"] * 33),
    "a reason too long": intent(why=["x" * 2_001]),
    "an empty id": intent(action_intent_id=""),
    "an id with a slash": intent(action_intent_id="../admin"),
    "an id with a dot": intent(action_intent_id="t1.1"),
    "an id too long": intent(action_intent_id="x" * 65),
    "an id with a line break": intent(action_intent_id="t1\n"),
    "an empty account": intent(account_id=""),
    "an account with a zero byte": intent(account_id="ac\0me"),
    "an account that turns around": intent(account_id="acme\u202e"),
    "an account with a space behind": intent(account_id="acme "),
    "an account too long": intent(account_id="x" * 129),
    "a small action type": intent(action_type="create_task"),
    "an action type with SQL": intent(action_type="X'; DROP TABLE intent;--"),
    "a moment without its zone": intent(expires_at="2026-11-25T12:00:00"),
    "a moment as a number": intent(expires_at=1_795_521_600),
    "a moment before 1970": intent(expires_at="1969-12-31T23:59:59Z"),
    "target too deep": with_raw("target", nested(17)),
    "parameters too deep": with_raw("parameters", '{"a":' * 20 + "1" + "}" * 20),
    "parameters that do not fit": intent(parameters={"title": 7}),
    "parameters with a name too many": intent(parameters={"title": "x", "approved": True}),
    "parameters without what is required": intent(parameters={}),
}


@anyio_test
async def test_every_hostile_body_is_a_problem_and_nothing_is_stored_or_consumed(
    door: Door,
) -> None:
    before = await state(door)
    for table, statuses in ((UNREADABLE, {400}), (UNFIT, {422})):
        for name, content in table.items():
            await refused(door, name, content, statuses)
    assert await state(door) == before
    assert door.world.tools.calls == []
    assert (await door.propose())["status"] == "APPROVED"


async def refused(
    door: Door, name: str, content: bytes, statuses: set[int], **headers: str
) -> dict[str, Any]:
    sent = {
        "Content-Type": "application/json",
        **{key.replace("_", "-"): text for key, text in headers.items()},
    }
    response = await door.agent.post("/v1/intents", content=content, headers=sent)
    assert response.status_code in statuses, (name, response.status_code, response.text)
    assert response.headers["content-type"] == "application/problem+json", name
    problem: dict[str, Any] = response.json()
    assert problem["code"], name
    assert problem["detail"], name
    assert len(response.content) < 8_000, name
    return problem


async def state(door: Door) -> tuple[Any, ...]:
    store = door.world.store
    sizes = [await store.ledger_size(tenant) for tenant in ("northwind", "other-tenant")]
    return (*sizes, await door.world.used(), await store.count_by_status("northwind"))


@anyio_test
async def test_a_body_too_large_is_not_read_to_its_end(door: Door) -> None:
    before = await state(door)
    too_large = b" " * BODY_BYTES_MAX + intent()
    problem = await refused(door, "announced", too_large, {413})
    assert problem["code"] == "BODY_TOO_LARGE"
    sent = 0

    async def drip() -> Any:
        nonlocal sent
        while sent < 100 * BODY_BYTES_MAX:
            sent += 65_536
            yield b" " * 65_536

    response = await door.agent.post(
        "/v1/intents", content=drip(), headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert response.headers["connection"] == "close"
    assert sent <= BODY_BYTES_MAX + 2 * 65_536

    large = intent(why=["x" * 2_000] * 32, target=["y" * 1_000] * 10)
    assert CONTENT_BYTES_MAX < len(large) < BODY_BYTES_MAX
    assert (await refused(door, "content", large, {413}))["code"] == "INTENT_TOO_LARGE"
    assert await state(door) == before


@anyio_test
async def test_only_plain_json_comes_in(door: Door) -> None:
    before = await state(door)
    bomb = gzip.compress(b" " * 10_000_000 + intent())
    for encoding in ("gzip", "br", "deflate", "identity, gzip"):
        problem = await refused(door, encoding, bomb, {415}, Content_Encoding=encoding)
        assert problem["code"] == "UNSUPPORTED_CONTENT_ENCODING"
    for media_type in (
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/jsonx",
        "multipart/form-data; boundary=x",
    ):
        problem = await refused(door, media_type, intent(), {415}, Content_Type=media_type)
        assert problem["code"] == "UNSUPPORTED_MEDIA_TYPE"
    assert await state(door) == before
    utf8 = {"Content-Type": "Application/JSON; charset=UTF-8"}
    assert (await door.agent.post("/v1/intents", content=intent(), headers=utf8)).status_code == 201


ANY_VERSION = {"If-Match": "*"}
FIRST_VERSION = {"If-Match": '"1"'}
OTHER_BODIES = {
    "POST /v1/approvals/t1.1/rulings": {},
    "POST /v1/intents/t1/cancellation": {},
    "POST /v1/intents/t1/reconciliation": {},
    "POST /v1/api-keys": {},
    "PUT /v1/autonomy/modes": FIRST_VERSION,
    "PUT /v1/autonomy/allowlist": FIRST_VERSION,
    "PUT /v1/autonomy/budgets": FIRST_VERSION,
    "PUT /v1/autonomy/stop-switches": ANY_VERSION,
    "PUT /v1/autonomy/policies": FIRST_VERSION,
    "PUT /v1/autonomy/catalog": FIRST_VERSION,
}


@anyio_test
async def test_no_other_body_is_read_more_kindly(door: Door) -> None:
    await door.propose(UNSURE)
    before = await state(door)
    for call, headers in OTHER_BODIES.items():
        method, path = call.split()
        for content in [
            *UNREADABLE.values(),
            *unfit_for(path.rpartition("/")[2].replace("-", "_")),
        ]:
            response = await door.owner.request(
                method,
                path,
                content=content,
                headers={"Content-Type": "application/json", **headers},
            )
            assert response.status_code in {400, 413, 422}, (call, content[:80], response.text)
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["code"]
    assert await state(door) == before


def unfit_for(part: str) -> list[bytes]:
    deep = json.dumps({part: "MARK"}).replace('"MARK"', nested(BODY_DEPTH_MAX - 1))
    return [
        b"{}",
        b"[]",
        b"null",
        b'{"surprise": 1}',
        json.dumps({part: {"a": [1, {"b": None}]}, "policy": 7}).encode(),
        deep.encode(),
        json.dumps(
            {"policy": "permit(principal, action, resource) when {" + "(" * 20_000}
        ).encode(),
        b"x" * (BODY_BYTES_MAX + 1),
    ]


@anyio_test
async def test_hostile_names_in_paths_and_queries_find_nothing(door: Door) -> None:
    before = await state(door)
    for name in (
        "%00",
        "..%2f..%2fetc",
        "x" * 65,
        "x" * 5_000,
        "%ff",
        "t1%0a",
        "'%20OR%201=1",
        "%F0%9F%98%80",
        "{id}",
    ):
        for path in (
            f"/v1/intents/{name}",
            f"/v1/intents/{name}/explanation",
            f"/v1/autonomy/{name}",
        ):
            response = await door.owner.get(path)
            assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND"), path
            assert len(response.content) < 2_000
        assert (await door.owner.delete(f"/v1/api-keys/{name}")).status_code == 404
        for query in ("account_id", "action_type"):
            assert (await door.owner.get(f"/v1/timeline?{query}={name}")).json()["items"] == []
    for after in ("9" * 30, "-1", "1e3", "%00"):
        assert (await door.owner.get(f"/v1/ledger/entries?after={after}")).status_code == 422
    assert (await door.owner.get(f"/v1/ledger/entries?after={2**53 - 1}")).json()["items"] == []
    assert await state(door) == before


@anyio_test
async def test_what_an_agent_writes_comes_back_as_data(door: Door) -> None:
    title = (
        "<script>alert(1)</script> {account_id} \u202e \u0007 '; DROP TABLE intent;-- \U0001f600"
    )
    answer = await door.propose(
        {**UNSURE, "parameters": {"title": title}, "why": [title], "target": {title: title}}
    )
    assert answer["parameters"] == {"title": title}
    assert answer["target"] == {title: title}
    assert "\u202e" not in answer["sentence"]
    assert "\u0007" not in answer["sentence"]
    assert "{account_id}" in answer["sentence"]


@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**53) + 1, 2**53 - 1)
        | st.text(st.characters(codec="utf-8"))
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner)
        ),
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_what_every_reader_understands_is_read_as_it_is(value: Any) -> None:
    assert strict_json.parse(json.dumps(value).encode()) == value
    assert strict_json.parse(json.dumps(value, ensure_ascii=False).encode()) == value


@given(
    text=st.text(st.sampled_from('[]{}",:\\ud8aeE+-.0123456789ntruflsNI\x00 \ud800'), max_size=200)
    | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1"))
)
def test_whatever_comes_is_a_value_or_a_refusal(text: str) -> None:
    try:
        value = strict_json.parse(text.encode("utf-8", "surrogatepass"))
    except UnreadableBody:
        return
    # A value that was read can be written again: no NaN, no lone surrogate.
    json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def test_depth_is_counted_outside_of_strings_only() -> None:
    brackets = "[{" * 10_000
    assert strict_json.parse(json.dumps([brackets, '\\"' + brackets]).encode()) == [
        brackets,
        '\\"' + brackets,
    ]
    assert strict_json.parse(nested(BODY_DEPTH_MAX).encode()) is not None
    with pytest.raises(UnreadableBody, match="levels deep"):
        strict_json.parse(nested(BODY_DEPTH_MAX + 1).encode())
