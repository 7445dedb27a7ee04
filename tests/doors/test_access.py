"""Credentials: a valid key opens, anything else does not and costs little; a revoked one stops
within a second; sessions end.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

from clearance.core.credential import ApiKey, PageSession, hash_key, new_key
from clearance.core.errors import Forbidden, Unauthenticated, Unavailable
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import PERMISSIONS, ActorKind, Principal, Role
from clearance.doors import access as access_module
from clearance.doors import turns
from clearance.doors.access import LOOKUP_MS_MAX, SESSION_MS, Access, check_csrf, csrf_token
from clearance.flow.ports.credentials import Credentials
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
    slow: Callable[[str, bytes], bytes] = access_module.slow_hash

    def counting(key: str, salt: bytes) -> bytes:
        keys.append(key)
        return slow(key, salt)

    monkeypatch.setattr(access_module, "slow_hash", counting)
    return keys


OLD, CHOSEN, SHORT = "clr_" + "o" * 43, "a-chosen-key-of-24-signs", "8-signs!"


async def kept(world: World, text: str, name: str = "old") -> str:
    """A key as versions before kept every one, and as a chosen one is kept now."""
    key_hash = hash_key(text, await world.store.installation_salt())
    key = ApiKey(f"key-{name}", TENANT, name, Role.AUDITOR, key_hash, world.clock.now)
    entry = draft(EntryKind.API_KEY_CREATED, world.clock.now, OWNER)
    await world.store.add_api_key(key, entry)
    return text


@dataclass
class Counted:
    """A store's credentials, and how often each was asked for."""

    inner: Credentials
    asked: Counter[str] = field(default_factory=Counter)

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self.inner, name)


@pytest.fixture
def counted(world: World) -> Counted:
    return Counted(world.store)


@pytest.fixture
def fresh(world: World, counted: Counted) -> Access:
    """The access of a new process, whose questions to the store are counted."""
    return Access(cast("Credentials", counted), world.clock)


def forged(number: int, salt: bytes = b"x" * 16) -> str:
    """A text in the form of our keys, made by someone who does not know the installation's salt."""
    return new_key(number.to_bytes(32, "big"), salt)


async def answer_of(access: Access, text: str, source: str = "") -> str:
    try:
        await access.authenticate(text, source)
    except (Unauthenticated, Unavailable) as refusal:
        return type(refusal).__name__
    return "in"


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
        "clr2_" + "a" * 51,
        "clr2_",
        "clr2_short",
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


@pytest.mark.parametrize("text", [OLD, CHOSEN, SHORT])
async def test_a_key_of_before_and_a_chosen_one_work_and_are_hashed_once_however_many_come(
    access: Access, world: World, hashed: list[str], text: str
) -> None:
    await kept(world, text)
    async with anyio.create_task_group() as requests:
        for _ in range(20):
            requests.start_soon(access.authenticate, text)
    assert hashed == [text]


async def test_a_key_of_ours_is_never_hashed_slowly(
    access: Access, person: tuple[ApiKey, str], hashed: list[str]
) -> None:
    await access.authenticate(person[1])
    await access.sign_in(person[1])
    assert hashed == []


async def test_a_wrong_mark_reaches_neither_the_store_nor_a_hash_nor_a_memory(
    fresh: Access, counted: Counted, made: tuple[ApiKey, str], hashed: list[str]
) -> None:
    wrong = [forged(number) for number in range(200)]
    wrong += [
        made[1][:-1] + "!",
        made[1][:-1],
        made[1] + "a",
        "clr2_" + "a" * 51,
        "clr2_" + "b" * 9,
    ]
    for text in wrong:
        assert await answer_of(fresh, text) == "Unauthenticated"
        with pytest.raises(Unauthenticated):
            await fresh.sign_in(text)
    assert counted.asked == {"installation_salt": 1}
    assert (hashed, fresh._strangers, fresh._under_way) == ([], {}, {})


async def test_the_salt_is_read_once_however_many_come_at_first(
    fresh: Access, counted: Counted
) -> None:
    async with anyio.create_task_group() as flood:
        for number in range(50):
            flood.start_soon(answer_of, fresh, forged(number))
    assert counted.asked == {"installation_salt": 1}


async def test_a_key_of_ours_passes_in_a_new_process_while_random_texts_take_every_place(
    fresh: Access,
    world: World,
    made: tuple[ApiKey, str],
    person: tuple[ApiKey, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "HASHES_WAITING_MAX", 3)
    hold, begun = threading.Event(), []

    def stuck(key: str, _: bytes) -> bytes:
        begun.append(key)
        hold.wait(20)
        return bytes(32)

    monkeypatch.setattr(access_module, "slow_hash", stuck)
    answers: list[str] = []
    salt = await world.store.installation_salt()

    async def guess(text: str, source: str) -> None:
        answers.append(await answer_of(fresh, text, source))

    async with anyio.create_task_group() as flood:
        for number in range(30):
            flood.start_soon(guess, f"clr_guess-{number:040}", f"10.0.0.{number}")
        while answers.count("Unavailable") < 27:
            await anyio.lowlevel.checkpoint()
        for number in range(30):  # and texts with a right mark: a salt may have been read
            assert await answer_of(fresh, forged(number, salt)) == "Unauthenticated"
        assert (await fresh.authenticate(made[1])).actor_id == "agent-ada"
        assert (await fresh.sign_in(person[1]))[1].actor_id == "audrey"
        hold.set()
    assert sorted(answers) == ["Unauthenticated"] * 3 + ["Unavailable"] * 27


async def test_a_key_of_before_passes_while_another_address_floods(
    fresh: Access, world: World, monkeypatch: pytest.MonkeyPatch, hashed: list[str]
) -> None:
    await kept(world, OLD)
    monkeypatch.setattr(turns, "HASHES_WAITING_MAX", 8)
    hold, slow = threading.Event(), access_module.slow_hash
    monkeypatch.setattr(
        access_module, "slow_hash", lambda key, salt: hold.wait(20) and slow(key, salt)
    )
    answers: list[str] = []

    async def come(text: str, source: str) -> None:
        answers.append(await answer_of(fresh, text, source))

    async with anyio.create_task_group() as flood:
        for number in range(40):
            flood.start_soon(come, f"clr_guess-{number:040}", "10.0.0.1")
        while len(answers) < 32:
            await anyio.lowlevel.checkpoint()
        flood.start_soon(come, OLD, "10.0.0.2")
        while len(answers) < 33:
            await anyio.lowlevel.checkpoint()
        hold.set()
    assert Counter(answers) == {"Unavailable": 33, "Unauthenticated": 7, "in": 1}
    assert OLD in hashed[:4]  # two were under way; then it is this address's turn


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
    access: Access, world: World
) -> None:
    key = await world.control.new_key_text()
    with pytest.raises(Unauthenticated):
        await access.authenticate(key)
    await world.control.ensure_api_key(OWNER, "agent-ada", Role.AGENT, key)
    world.clock.forward(LOOKUP_MS_MAX)
    assert (await access.authenticate(key)).actor_id == "agent-ada"


async def test_guessing_evicts_no_valid_key_and_is_bounded(
    access: Access, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access_module, "STRANGERS_REMEMBERED_MAX", 2)
    monkeypatch.setattr(access_module, "KEYS_REMEMBERED_MAX", 1)
    await access.authenticate(await kept(world, OLD))
    for number in range(4):
        with pytest.raises(Unauthenticated):
            await access.authenticate(f"clr_guess-{number:040}")
    monkeypatch.setattr(access_module, "slow_hash", None)
    await access.authenticate(OLD)
    assert len(access._strangers) == 2


async def test_a_flood_of_texts_of_the_old_form_is_asked_to_come_again(
    access: Access, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "HASHES_WAITING_MAX", 3)
    await access.authenticate(await kept(world, OLD))
    answers: list[str] = []

    async def guess(number: int) -> None:
        answers.append(await answer_of(access, f"clr_guess-{number:040}"))

    async with anyio.create_task_group() as flood:
        for number in range(10):
            flood.start_soon(guess, number)
        flood.start_soon(access.authenticate, OLD)
    assert sorted(answers) == ["Unauthenticated"] * 3 + ["Unavailable"] * 7


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
