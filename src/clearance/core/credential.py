"""API keys: their form, and the only form in which they are kept."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import scrypt

from clearance.core.errors import Conflict, InvalidInput
from clearance.core.principal import (
    EVERYTHING,
    PERMISSIONS,
    ActorKind,
    Principal,
    Role,
    Scope,
)

SECRET_BYTES = 32
KEY_LENGTH_MIN = 8  # characters of a key that a person chose; ours have 47
KEY_LENGTH_MAX = 256
SESSION_DIGITS = 16  # hexadecimal ones, of the hash of a random token, that name a session
KEY_LENGTH_WEAK = 24  # below it, a chosen key is worth a warning


def new_key(secret: bytes) -> str:
    """The text of a key made from 32 random bytes: `clr_` and 43 characters."""
    return "clr_" + urlsafe_b64encode(secret).decode().rstrip("=")


def check_key(key: str) -> None:
    """Raises InvalidInput if a key is too short or too long to be one."""
    if (
        not KEY_LENGTH_MIN <= len(key) <= KEY_LENGTH_MAX
        or not key.isascii()
        or not key.isprintable()
        or " " in key
    ):
        sentence = (
            f"An API key has {KEY_LENGTH_MIN} to {KEY_LENGTH_MAX} printable ASCII characters "
            f"without spaces."
        )
        raise InvalidInput(sentence, code="INVALID_API_KEY")


def hash_key(key: str, installation_salt: bytes) -> bytes:
    """Scrypt (RFC 7914; N = 2^14, r = 8, p = 1; 32 bytes).

    One salt for all keys, so that a key is found by its hash.
    """
    return scrypt(
        key.encode(), salt=installation_salt, n=2**14, r=8, p=1, maxmem=64 * 1024 * 1024, dklen=32
    )


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

    `key_hash` is the scrypt hash of the whole key under the installation's salt.
    """

    key_id: str
    tenant_id: str
    name: str
    role: Role
    key_hash: bytes
    created_at: int
    revoked_at: int | None = None
    scope: Scope = EVERYTHING


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
