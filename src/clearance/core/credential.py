"""API keys: their form, and the only form in which they are kept."""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import scrypt, sha256

from clearance.core.errors import Conflict, InvalidInput
from clearance.core.principal import (
    EVERYTHING,
    PERMISSIONS,
    ActorKind,
    Principal,
    Role,
    Scope,
)

PREFIX = "clr2_"  # of a key that Clearance made, and whose text carries a mark
SECRET_BYTES = 32
MARK_BYTES = 6  # of the keyed mark at the end of a key; a guess passes with a chance of 2^-48
KEY_LENGTH_MIN = 8  # characters of any key that is looked at: versions before let people choose 8
CHOSEN_LENGTH_MIN = 16  # characters of a key that a person chooses now; ours have 56
KEY_LENGTH_MAX = 256
SESSION_DIGITS = 16  # hexadecimal ones, of the hash of a random token, that name a session
KEY_LENGTH_WEAK = 24  # below it, a chosen key is worth a warning

_MARKED = re.compile(PREFIX + "[A-Za-z0-9_-]{51}")
_MARK_LENGTH = 8  # characters: MARK_BYTES in base64
_QUICK = b"\x02"  # before a quick hash in the store; a slow hash has nothing before it
_SLOW_BYTES = 32


def new_key(secret: bytes, installation_salt: bytes) -> str:
    """The text of a key made from 32 random bytes: `clr2_`, 43 characters of them in base64, and
    8 characters of a mark.

    The mark is a checksum that only this installation can make: it is keyed with the
    installation's salt. A text without the right one is no key of ours, and costs nothing more.
    """
    text = PREFIX + _base64(secret)
    return text + _mark(text, installation_salt)


def is_ours(key: str) -> bool:
    """True if a text says that Clearance made it, rightly or not: then it is never a guess at a
    key that a person chose, nor one of a version before.
    """
    return key.startswith(PREFIX)


def has_its_mark(key: str, installation_salt: bytes) -> bool:
    """True if this installation made the text; compared in constant time."""
    if not _MARKED.fullmatch(key):
        return False
    text, mark = key[:-_MARK_LENGTH], key[-_MARK_LENGTH:]
    return hmac.compare_digest(mark, _mark(text, installation_salt))


def _mark(text: str, installation_salt: bytes) -> str:
    keyed = hmac.digest(installation_salt, b"API key " + text.encode(), "sha256")
    return _base64(keyed[:MARK_BYTES])


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).decode().rstrip("=")


def check_key(key: str) -> None:
    """Raises InvalidInput if a text is too short or too long to be a key, of whatever version. The
    sentence says what a new one needs.
    """
    if not _fits(key, KEY_LENGTH_MIN):
        raise _no_key()


def check_new_key(key: str, installation_salt: bytes) -> None:
    """Raises InvalidInput if a text may not become a key: it is too short, or it has the prefix of
    our keys and this installation did not make it.
    """
    if not _fits(key, CHOSEN_LENGTH_MIN):
        raise _no_key()
    if is_ours(key) and not has_its_mark(key, installation_salt):
        sentence = (
            f"A text that begins with {PREFIX} is a key that Clearance makes, and this one was not "
            f"made here: give another text."
        )
        raise InvalidInput(sentence, code="INVALID_API_KEY")


def _fits(key: str, length_min: int) -> bool:
    fits = length_min <= len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()
    return fits and " " not in key


def _no_key() -> InvalidInput:
    sentence = (
        f"An API key has {CHOSEN_LENGTH_MIN} to {KEY_LENGTH_MAX} printable ASCII characters "
        f"without spaces."
    )
    return InvalidInput(sentence, code="INVALID_API_KEY")


def hash_key(key: str, installation_salt: bytes) -> bytes:
    """The only form in which a key is kept: quick for one of ours, which has 256 random bits, and
    slow for every other text.
    """
    return quick_hash(key) if is_ours(key) else slow_hash(key, installation_salt)


def quick_hash(key: str) -> bytes:
    """SHA-256 of the whole key, behind a byte that tells it from a slow hash; 33 bytes."""
    return _QUICK + sha256(key.encode()).digest()


def slow_hash(key: str, installation_salt: bytes) -> bytes:
    """Scrypt (RFC 7914; N = 2^14, r = 8, p = 1; 32 bytes).

    One salt for all keys, so that a key is found by its hash.
    """
    salt, memory = installation_salt, 64 * 1024 * 1024
    return scrypt(key.encode(), salt=salt, n=2**14, r=8, p=1, maxmem=memory, dklen=_SLOW_BYTES)


def principal_of(
    tenant_id: str,
    name: str,
    role: Role,
    credential: str | None = None,
    scope: Scope = EVERYTHING,
) -> Principal:
    """Who acts with a key: an agent if its role is that, else a person."""
    kind = ActorKind.AGENT if role is Role.AGENT else ActorKind.PERSON
    return Principal(tenant_id, name, kind, PERMISSIONS[role], credential, scope)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A credential, without its secret.

    `key_hash` is what `hash_key` made of the whole key.
    """

    key_id: str
    tenant_id: str
    name: str
    role: Role
    key_hash: bytes
    created_at: int
    revoked_at: int | None = None
    scope: Scope = EVERYTHING

    @property
    def is_slow(self) -> bool:
        """True for a key of a version before, and for one that a person chose: each process hashes
        it slowly when it first comes.
        """
        return len(self.key_hash) == _SLOW_BYTES


@dataclass(frozen=True, slots=True)
class PageSession:
    """A signed-in browser.

    `token_hash` is SHA-256 of the cookie's random token; it ends with its key, or in time.
    """

    token_hash: bytes
    key_id: str
    created_at: int
    expires_at: int


def name_taken(key: ApiKey) -> Conflict:
    """Why a credential was not stored: a valid one has its name or its secret."""
    sentence = f"There is a valid API key named {key.name}, or one with this secret."
    return Conflict(sentence, code="API_KEY_EXISTS")


def already_ended(key_id: str) -> Conflict:
    """Why a credential did not replace another one."""
    sentence = f"The API key {key_id} ended meanwhile; nothing was changed."
    return Conflict(sentence, code="API_KEY_ENDED")


def key_of(credential: str) -> str:
    """The key's id of a credential: of each session that was signed in with it, too."""
    return credential.partition("/")[0]


def session_id(key_id: str, token_hash: bytes) -> str:
    """The name of a session in the ledger: its key's id, and the start of its token's hash."""
    return f"{key_id}/{token_hash.hex()[:SESSION_DIGITS]}"
