"""The ledger: an entry is exact canonical bytes, and it holds nothing that an agent wrote."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.canonical import Json, canonical, digest
from clearance.core.credential import principal_of
from clearance.core.intent import ActionIntent, RiskLevel, checked_content
from clearance.core.ledger import (
    ENTRY_BYTES_MAX,
    PARTS,
    Entry,
    EntryKind,
    Reason,
    content_digest,
    draft,
    draft_about,
)
from clearance.core.principal import Role

AGENT = principal_of("northwind", "ada", Role.AGENT)
INTENT = ActionIntent(
    "northwind",
    "acme",
    "i1",
    "MAIL",
    {"to": "secret@x"},
    0.9,
    RiskLevel.LOW,
    "ada",
    why=("private",),
)


def test_an_entry_is_the_canonical_bytes_of_its_fields() -> None:
    written = draft_about(
        INTENT, EntryKind.ACTION_APPROVED, 0, AGENT, revision=1, status="APPROVED", reason=None
    )
    entry = Entry(1, written.body)
    assert written.body == canonical(entry.fields)
    assert entry.fields == {
        "format": 2,
        "kind": "ACTION_APPROVED",
        "at": "1970-01-01T00:00:00.000Z",
        "tenant_id": "northwind",
        "actor": {"id": "ada", "kind": "AGENT"},
        "action_intent_id": "i1",
        "account_id": "acme",
        "action_type": "MAIL",
        "revision": 1,
        "status": "APPROVED",
    }


def test_the_tenant_of_an_entry_is_the_actors() -> None:
    other = replace(AGENT, tenant_id="contoso")
    assert json.loads(draft(EntryKind.API_KEY_CREATED, 0, other).body)["tenant_id"] == "contoso"


NAMES = st.text("ab~/.", min_size=1, max_size=3)
LONG = st.integers(0, 40_000).map(lambda size: "x" * size)
FACTS = st.recursive(
    LONG | st.integers(0, 9) | st.lists(LONG, max_size=4),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, FACTS, max_size=6))
def test_no_entry_is_too_long_and_nothing_of_it_is_lost(facts: dict[str, Json]) -> None:
    reason = Reason("Not now.", b"r" * 16)
    written = draft(EntryKind.SETTINGS_CHANGED, 0, AGENT, reason=reason, facts=facts)
    assert len(written.body) <= ENTRY_BYTES_MAX
    entry = Entry(1, written.body, written.texts)
    assert entry.in_full["facts"] == facts
    assert entry.in_full["reason"] == "Not now."
    parts = next((json.loads(text.text) for text in entry.texts if text.name == PARTS), {})
    bound = entry.fields.get("beside", {})
    assert bound == {pointer: digest(part) for pointer, part in parts.items()}
    short = len(canonical({**entry.fields, "facts": facts})) <= ENTRY_BYTES_MAX
    assert bool(bound) is not short or not facts


@pytest.mark.parametrize("count", [1_000, 5_000])
def test_an_object_of_many_small_objects_moves_whole(count: int) -> None:
    many: Json = {
        f"name-{number}": {"value": {"at": number, "to": "x" * 50}} for number in range(count)
    }
    written = draft(EntryKind.SETTINGS_CHANGED, 0, AGENT, few={"a": [1]}, many=many)
    assert len(written.body) <= ENTRY_BYTES_MAX
    entry = Entry(1, written.body, written.texts)
    assert (entry.in_full["many"], entry.fields["few"]) == (many, {"a": [1]})
    assert set(entry.fields["beside"]) == {"/many"}
    assert entry.unbound == []


def test_what_does_not_fit_its_digest_is_named() -> None:
    reason = Reason("Not now.", b"r" * 16)
    written = draft(EntryKind.SETTINGS_CHANGED, 0, AGENT, reason=reason, facts=["x" * 70_000])
    own, parts = written.texts
    for texts, unbound in (
        ((own, parts), []),
        ((parts,), []),
        ((own,), [PARTS]),
        ((own, replace(parts, text='{"/facts":["y"]}')), [PARTS]),
        ((own, replace(parts, salt=None, name="more"), parts), ["more"]),
        ((replace(own, text='"Now."'), parts), ["/reason"]),
        ((replace(own, salt=b"s" * 16), parts), ["/reason"]),
    ):
        assert Entry(1, written.body, texts).unbound == unbound


@given(
    st.binary(min_size=16, max_size=16),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)
def test_content_is_bound_by_a_digest_that_its_salt_hides(salt: bytes, title: str) -> None:
    content = checked_content(replace(INTENT, parameters={"title": title}))
    assert content_digest(content, salt) == content_digest(content, salt)
    other = bytes(byte ^ 1 for byte in salt)
    assert content_digest(content, salt) != content_digest(content, other)
    changed = checked_content(replace(INTENT, parameters={"title": title + "!"}))
    assert content_digest(content, salt) != content_digest(changed, salt)
