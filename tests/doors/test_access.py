"""Credentials: a valid key opens, anything else does not; a revoked one stops within a second;
sessions end.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import anyio
import pytest

from clearance.core.credential import ApiKey, PageSession
from clearance.core.errors import Forbidden, Unauthenticated, Unavailable
from clearance.core.principal import PERMISSIONS, ActorKind, Principal, Role
from clearance.doors import access as access_module
from clearance.doors.access import LOOKUP_MS_MAX, SESSION_MS, Access, check_csrf, csrf_token
from tests.support.sample import OWNER, TENANT
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def access(world: World) -> Access:
    return Access(world.store, world.clock)


@pytest.fixture
async def made(world: World) -> tuple[ApiKey, str]:
    return await world.control.create_api_key(OWNER, "agent-ada", Role.AGENT)


@pytest.fixture
async def person(world: World) -> tuple[ApiKey, str]:
    return await world.control.create_api_key(OWNER, "audrey", Role.AUDITOR)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys that were hashed slowly."""
    keys: list[str] = []
    slow: Callable[[str, bytes], bytes] = access_module.hash_key

    def counting(key: str, salt: bytes) -> bytes:
        keys.append(key)
        return slow(key, salt)

    monkeypatch.setattr(access_module, "hash_key", counting)
    return keys


async def test_a_key_says_who_acts(access: Access, made: tuple[ApiKey, str]) -> None:
    principal = await access.authenticate(made[1])
    allowed = PERMISSIONS[Role.AGENT]
    key_id = made[0].key_id
    assert principal == Principal(TENANT, "agent-ada", ActorKind.AGENT, allowed, key_id)


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "short",
        "clr_" + "a" * 43,
        "x" * 257,
        "clé-" + "a" * 40,
        "two words here",
        "a\x00b",
    ],
)
async def test_anything_else_is_nobody_with_one_sentence(access: Access, key: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await access.authenticate(key)
    assert refused.value.sentence == "No valid credential came with the request."


async def test_a_key_is_hashed_once_however_many_come_with_it(
    access: Access, made: tuple[ApiKey, str], hashed: list[str]
) -> None:
    async with anyio.create_task_group() as requests:
        for _ in range(20):
            requests.start_soon(access.authenticate, made[1])
    assert hashed == [made[1]]


async def test_a_revoked_key_stops_within_a_second_and_so_do_its_sessions(
    access: Access, person: tuple[ApiKey, str], world: World
) -> None:
    token, _ = await access.sign_in(person[1])
    await world.control.revoke_api_key(OWNER, person[0].key_id)
    with pytest.raises(Unauthenticated):
        await access.session(token)
    world.clock.forward(LOOKUP_MS_MAX)
    with pytest.raises(Unauthenticated):
        await access.authenticate(person[1])


async def test_a_key_that_was_unknown_works_within_a_second_of_being_made(
    access: Access, world: World, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    secret = b"k" * 32
    key = "clr_" + "a2tr" * 10 + "a2s"
    with pytest.raises(Unauthenticated):
        await access.authenticate(key)
    monkeypatch.setattr("secrets.token_bytes", lambda _: secret)
    _, text = await world.control.create_api_key(OWNER, "agent-ada", Role.AGENT)
    monkeypatch.undo()
    assert text == key
    world.clock.forward(LOOKUP_MS_MAX)
    assert (await access.authenticate(key)).actor_id == "agent-ada"


async def test_guessing_evicts_no_valid_key_and_is_bounded(
    access: Access, made: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "STRANGERS_REMEMBERED_MAX", 2)
    monkeypatch.setattr(access_module, "KEYS_REMEMBERED_MAX", 1)
    await access.authenticate(made[1])
    for number in range(4):
        with pytest.raises(Unauthenticated):
            await access.authenticate(f"clr_guess-{number:040}")
    monkeypatch.setattr(access_module, "hash_key", None)
    await access.authenticate(made[1])
    assert len(access._strangers) == 2


async def test_a_flood_of_new_keys_is_asked_to_come_again(
    access: Access, made: tuple[ApiKey, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "HASHES_WAITING_MAX", 3)
    await access.authenticate(made[1])
    answers: list[type[Exception]] = []

    async def guess(number: int) -> None:
        try:
            await access.authenticate(f"clr_guess-{number:040}")
        except (Unauthenticated, Unavailable) as refusal:
            answers.append(type(refusal))

    async with anyio.create_task_group() as flood:
        for number in range(10):
            flood.start_soon(guess, number)
        flood.start_soon(access.authenticate, made[1])
    assert sorted(answers, key=str) == [Unauthenticated] * 3 + [Unavailable] * 7


async def test_nothing_remembers_the_text_of_a_key(
    access: Access, person: tuple[ApiKey, str]
) -> None:
    await access.sign_in(person[1])
    assert person[1] not in repr(vars(access))


async def test_a_session_is_its_keys_and_ends_after_twelve_hours_whatever_is_done(
    access: Access, person: tuple[ApiKey, str], world: World
) -> None:
    token, signed_in = await access.sign_in(person[1])
    world.clock.forward(SESSION_MS - 1)
    assert await access.session(token) == signed_in
    world.clock.forward(1)
    with pytest.raises(Unauthenticated):
        await access.session(token)


async def test_signing_out_ends_one_session_and_not_another(
    access: Access, person: tuple[ApiKey, str]
) -> None:
    one, _ = await access.sign_in(person[1])
    other, _ = await access.sign_in(person[1])
    await access.sign_out(one)
    await access.sign_out(one)
    with pytest.raises(Unauthenticated):
        await access.session(one)
    assert (await access.session(other)).actor_id == "audrey"


@pytest.mark.parametrize(
    "token", [None, "", "a" * 42, "é" * 43, "a" * 43, "\ud800" * 43, "a" * 100_000]
)
async def test_what_is_no_session_opens_nothing(access: Access, token: str | None) -> None:
    with pytest.raises(Unauthenticated):
        await access.session(token)
    await access.sign_out(token)


async def test_an_agent_does_not_sign_in_and_a_session_of_before_is_over(
    access: Access, made: tuple[ApiKey, str], world: World
) -> None:
    with pytest.raises(Forbidden, match="the pages are for people") as refused:
        await access.sign_in(made[1])
    assert refused.value.code == "PAGES_ARE_FOR_PEOPLE"
    token, now = "t" * 43, world.clock.now_ms()
    kept = PageSession(sha256(token.encode()).digest(), made[0].key_id, now, now + SESSION_MS)
    await world.store.add_session(kept)
    with pytest.raises(Unauthenticated):
        await access.session(token)


async def test_only_a_valid_key_signs_in(access: Access) -> None:
    with pytest.raises(Unauthenticated):
        await access.sign_in("clr_" + "a" * 43)


async def test_a_form_belongs_to_its_session(access: Access, person: tuple[ApiKey, str]) -> None:
    one, _ = await access.sign_in(person[1])
    other, _ = await access.sign_in(person[1])
    check_csrf(one, csrf_token(one))
    for given in (None, "", csrf_token(other), csrf_token(one)[:-1], "é", "\ud800", one):
        with pytest.raises(Forbidden, match="does not belong"):
            check_csrf(one, given)
