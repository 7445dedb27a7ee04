# ruff: noqa: ASYNC240 - files of one test alone
"""The first key: in a file of its owner alone, and valid only if it is there."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from clearance.core.errors import Conflict, InvalidInput, Unavailable
from clearance.core.principal import Role
from clearance.doors.access import Access
from clearance.profiles.parts import Parts
from clearance.profiles.place import Database
from clearance.running.first_key import FirstKey, key_file_of, make_first_key
from tests.support.sample import OWNER, STRANGER, TENANT
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite3"


@pytest.fixture
def parts(world: World) -> Parts:
    return Parts(world.context, world.control, Access(world.store, world.clock))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLEARANCE_DATA", str(tmp_path / "new"))
    return tmp_path / "new" / "owner.key"


@pytest.fixture(autouse=True)
def _open_to_all() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def keys_of(world: World) -> list[str]:
    return [key.name for key in await world.control.api_keys(OWNER) if key.revoked_at is None]


async def test_the_key_is_in_a_file_of_its_owner_alone_and_made_once(
    parts: Parts, file: Path
) -> None:
    assert await make_first_key(parts, TENANT, file) == FirstKey(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert [each.name for each in file.parent.iterdir()] == ["owner.key"]
    text = file.read_text(encoding="ascii")
    assert (await parts.access.authenticate(text.strip())).actor_id == "owner"
    assert await make_first_key(parts, TENANT, file) == FirstKey()
    assert file.read_text(encoding="ascii") == text


async def test_a_start_that_was_interrupted_left_a_key_that_the_next_one_replaces(
    parts: Parts, world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.parent.mkdir()
    left = await world.control.new_key_text()
    file.write_text(left + "\n", encoding="ascii")
    await make_first_key(parts, TENANT, file)
    made = file.read_text(encoding="ascii").strip()
    assert made != left
    await world.control.revoke_api_key(OWNER, (await world.control.api_keys(OWNER))[0].key_id)

    async def breaks(*_: object) -> None:
        sentence = "The store does not answer."
        raise Unavailable(sentence)

    monkeypatch.setattr(world.store, "add_api_key", breaks)
    with pytest.raises(Unavailable):
        await make_first_key(parts, TENANT, file)
    assert not file.exists()


async def test_nothing_else_that_is_there_is_replaced(
    parts: Parts, world: World, file: Path, tmp_path: Path
) -> None:
    file.parent.mkdir()
    theirs = await world.control.new_key_text()
    await world.control.ensure_api_key(STRANGER, "owner", Role.OWNER, theirs)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    for content in (theirs.encode(), b"clr2_" + b"a" * 51, b"", b"\xff\x00", b"root:x:0:0"):
        file.write_bytes(content)
        with pytest.raises(Conflict) as refused:
            await make_first_key(parts, TENANT, file)
        assert refused.value.code == "KEY_FILE_TAKEN"
        assert file.read_bytes() == content
        assert theirs not in refused.value.sentence
    for path in (tmp_path, elsewhere):
        file.unlink()
        file.symlink_to(path)
        with pytest.raises(Conflict):
            await make_first_key(parts, TENANT, file)
    assert elsewhere.read_bytes() == b"precious"
    assert await keys_of(world) == []


async def test_a_key_that_cannot_be_written_is_not_made(
    parts: Parts, world: World, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("a file", encoding="ascii")
    for folder in ("plain", "not-there"):
        with pytest.raises(InvalidInput) as refused:
            await make_first_key(parts, TENANT, tmp_path / folder / "owner.key")
        assert refused.value.code == "KEY_FILE_NOT_WRITTEN"
        assert "--key-file" in refused.value.sentence
    assert not (tmp_path / "not-there").exists()
    assert await keys_of(world) == []


@pytest.mark.parametrize("chosen", ["short", "ten-letter"])
async def test_a_chosen_key_that_is_too_short_says_at_once_what_is_long_enough(
    parts: Parts, file: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    monkeypatch.setenv("CLEARANCE_BOOTSTRAP_API_KEY", chosen)
    with pytest.raises(InvalidInput, match=r"has 16 to 256 printable"):
        await make_first_key(parts, TENANT, file)


async def test_a_key_that_was_chosen_is_in_no_file(
    parts: Parts, world: World, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_BOOTSTRAP_API_KEY", "sixteen-letters!")
    assert await make_first_key(parts, TENANT, file) == FirstKey(is_weak=True)
    assert not file.exists()
    assert await keys_of(world) == ["owner"]


def test_a_database_keeps_the_key_in_the_environments_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLEARANCE_DATA", str(tmp_path))
    assert key_file_of(tmp_path / "data") == tmp_path / "data" / "owner.key"
    assert key_file_of(Database(url="x")) == tmp_path / "owner.key"  # type: ignore[arg-type]
