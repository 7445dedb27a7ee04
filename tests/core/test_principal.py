"""Who acts: what each role may do, and how a key becomes a principal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearance.core.credential import (
    KEY_LENGTH_MAX,
    KEY_LENGTH_MIN,
    check_key,
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


@given(st.binary(min_size=32, max_size=32))
def test_a_key_of_ours_is_one(secret: bytes) -> None:
    key = new_key(secret)
    assert (key[:4], len(key)) == ("clr_", 47)
    check_key(key)


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
    salt = b"0" * 16
    assert hash_key("clr_one", salt) == hash_key("clr_one", salt)
    assert hash_key("clr_one", salt) != hash_key("clr_two", salt)
    assert hash_key("clr_one", salt) != hash_key("clr_one", b"1" * 16)
