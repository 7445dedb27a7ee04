"""The first key of a tenant: it goes into a file that only its owner can read, and to no log.

A server prints to a terminal or to a journal, and it cannot know which. It therefore prints where
the key is. The file is there before the key is valid, so a start that is interrupted leaves no key
that nobody has.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from clearance.core.credential import (
    KEY_LENGTH_MAX,
    KEY_LENGTH_WEAK,
    has_its_mark,
    quick_hash,
)
from clearance.core.errors import Conflict, InvalidInput, Refusal, Unavailable
from clearance.core.principal import Role
from clearance.flow.ports.store import Store
from clearance.profiles.environment import Environment
from clearance.profiles.parts import Parts, operator
from clearance.profiles.place import Place

FIRST_KEY_NAME = "owner"
KEY_FILE = "owner.key"  # in the data directory, unless another file is named


@dataclass(frozen=True, slots=True)
class FirstKey:
    """The key `owner` as a start left it: the file of a new one; if a given one is weak."""

    file: Path | None = None
    is_weak: bool = False


def key_file_of(place: Place) -> Path:
    """Where the first key of a place goes. A database has no directory: it is the one of the
    environment, on the machine of the server that makes the key.
    """
    return (place if isinstance(place, Path) else Environment().data) / KEY_FILE


async def make_first_key(parts: Parts, tenant_id: str | None, file: Path) -> FirstKey:
    """Makes the first key of a tenant that has none; the environment may set it.

    Conflict (`KEY_FILE_TAKEN`) if the file holds something else, InvalidInput
    (`KEY_FILE_NOT_WRITTEN`) if it cannot be written; then there is no key either.
    """
    if tenant_id is None:
        return FirstKey()
    control, owner = parts.control, operator(tenant_id)
    if (given := Environment().bootstrap_api_key) is not None:
        text = given.get_secret_value()
        await control.ensure_api_key(owner, FIRST_KEY_NAME, Role.OWNER, text)
        return FirstKey(is_weak=len(text) < KEY_LENGTH_WEAK)
    if any(key.revoked_at is None for key in await control.api_keys(owner)):
        return FirstKey()
    await _must_be_free(parts.context.store, file)
    text = await control.new_key_text()
    _write(file, text)
    try:
        await control.ensure_api_key(owner, FIRST_KEY_NAME, Role.OWNER, text)
    except Refusal as refusal:
        if not (isinstance(refusal, Unavailable) and refusal.in_doubt):
            _remove(file)  # else the key may be valid, and stands nowhere else
        raise
    return FirstKey(file)


async def _must_be_free(store: Store, file: Path) -> None:
    """A file that is there is replaced only if it holds a key of this installation that is over or
    never was valid.
    """
    text = _first_line(file)
    if text is None:
        return
    ours = has_its_mark(text, await store.installation_salt())
    if ours and await store.api_key(quick_hash(text)) is None:
        return
    sentence = (
        f"The first key would replace what is in {file}: move that away, or name another file "
        f"with --key-file."
    )
    raise Conflict(sentence, code="KEY_FILE_TAKEN")


def _first_line(file: Path) -> str | None:
    """None if nothing is there; empty for what is no plain file of text."""
    try:
        file.lstat()
    except OSError:
        return None
    try:
        if not file.is_file():
            return ""
        with file.open(encoding="ascii") as opened:
            return opened.readline(KEY_LENGTH_MAX).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _write(file: Path, text: str) -> None:
    """The file appears whole, with mode 0600, and is on disk. Of directories only the one of the
    environment is made: any other may be a mistake, or a volume that is not there.
    """
    beside = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    try:
        if file.parent == Environment().data:
            file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "w", encoding="ascii") as opened:
            opened.write(text + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        beside.replace(file)
    except OSError as error:
        _remove(beside)
        sentence = (
            f"The first key cannot be written to {file}: {error.strerror}. Name another file with "
            f"--key-file."
        )
        raise InvalidInput(sentence, code="KEY_FILE_NOT_WRITTEN") from None


def _remove(file: Path) -> None:
    with contextlib.suppress(OSError):
        file.unlink()
