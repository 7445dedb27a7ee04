"""Who acts: what each role may do, and how a key becomes a principal."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.credential import (
    CHOSEN_LENGTH_MIN,
    KEY_LENGTH_MAX,
    KEY_LENGTH_MIN,
    ApiKey,
    check_key,
    check_new_key,
    has_its_mark,
    hash_key,
    new_key,
    principal_of,
)
from clearance.core.errors import Forbidden, InvalidInput
from clearance.core.principal import ActorKind, Permission, Role, Subject, system

MAY = {
    Role.AGENT: {"propose", "read_own"},
    Role.APPROVER: {"read", "rule", "stop"},
    Role.AUDITOR: {"read"},
    Role.OWNER: {"propose", "read", "read_own", "rule", "rule_own", "stop", "configure"},
}


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("permission", list(Permission))
def test_a_role_may_do_what_it_is_given_and_no_more(role: Role, permission: Permission) -> None:
    principal = principal_of("t", "x", role)
    if permission.value in MAY[role]:
        principal.require(permission, on=principal.tenant)
    else:
        with pytest.raises(Forbidden, match=permission.value):
            principal.require(permission, on=principal.tenant)


@pytest.mark.parametrize("permission", list(Permission))
def test_clearance_itself_may_do_nothing_that_a_credential_allows(permission: Permission) -> None:
    with pytest.raises(Forbidden):
        system("t").require(permission, on=Subject("t"))


@pytest.mark.parametrize("permission", list(Permission))
def test_no_permission_reaches_into_another_tenant(permission: Permission) -> None:
    owner = principal_of("t", "x", Role.OWNER)
    owner.require(permission, on=Subject("t", "acme", "MAIL"))
    with pytest.raises(Forbidden, match="another tenant"):
        owner.require(permission, on=Subject("u", "acme", "MAIL"))


def test_only_the_role_agent_makes_an_agent() -> None:
    kinds = {role: principal_of("t", "x", role).kind for role in Role}
    assert kinds.pop(Role.AGENT) is ActorKind.AGENT
    assert set(kinds.values()) == {ActorKind.PERSON}


SALT = b"0" * 16


@given(st.binary(min_size=32, max_size=32))
def test_a_key_of_ours_has_all_its_random_bits_and_a_mark_of_this_installation(
    secret: bytes,
) -> None:
    key = new_key(secret, SALT)
    assert (key[:5], len(key)) == ("clr2_", 56)
    assert urlsafe_b64decode(key[5:48] + "=") == secret
    check_key(key)
    check_new_key(key, SALT)
    assert has_its_mark(key, SALT)
    assert not has_its_mark(key, b"1" * 16)


@given(st.binary(min_size=32, max_size=32), st.data())
def test_a_text_that_differs_anywhere_has_no_mark(secret: bytes, data: st.DataObject) -> None:
    key = new_key(secret, SALT)
    place = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from("abcXYZ019_-").filter(lambda letter: letter != key[place]))
    changed = key[:place] + other + key[place + 1 :]
    for text in (changed, key[:place], key + other, key[:-8], key + "\n", key.upper()):
        assert not has_its_mark(text, SALT)


def test_marks_are_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    key = new_key(bytes(32), SALT)
    compared: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return False

    monkeypatch.setattr(hmac, "compare_digest", compare)
    assert not has_its_mark(key, SALT)
    assert compared == [(key[-8:], key[-8:])]


@pytest.mark.parametrize(
    "text",
    ["x" * (CHOSEN_LENGTH_MIN - 1), "clr2_chosen-by-a-person", new_key(bytes(32), b"1" * 16)],
)
def test_what_may_not_become_a_key_is_refused_without_being_shown(text: str) -> None:
    check_key(text)
    with pytest.raises(InvalidInput) as refused:
        check_new_key(text, SALT)
    assert refused.value.code == "INVALID_API_KEY"
    assert text not in refused.value.sentence


@pytest.mark.parametrize(
    "key",
    [
        "x" * (KEY_LENGTH_MIN - 1),
        "x" * (KEY_LENGTH_MAX + 1),
        "with a space",
        "umlaut-ä-key",
        "line\nbreak",
        "",
    ],
)
def test_no_other_text_is_a_key(key: str) -> None:
    with pytest.raises(InvalidInput, match=r"printable ASCII"):
        check_key(key)


def test_the_hash_of_a_key_depends_on_the_key_and_the_installation() -> None:
    assert hash_key("clr_one", SALT) == hash_key("clr_one", SALT)
    assert hash_key("clr_one", SALT) != hash_key("clr_two", SALT)
    assert hash_key("clr_one", SALT) != hash_key("clr_one", b"1" * 16)


def test_the_hash_of_a_key_says_whether_it_was_slow() -> None:
    ours, chosen = new_key(bytes(32), SALT), "clr_" + "a" * 43
    hashes = {text: hash_key(text, SALT) for text in (ours, chosen)}
    assert {text: len(value) for text, value in hashes.items()} == {ours: 33, chosen: 32}
    for text, value in hashes.items():
        key = ApiKey("k", "t", "n", Role.AGENT, value, 0)
        assert key.is_slow is (text == chosen)
