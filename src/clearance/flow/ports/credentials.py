"""The port of credentials and page sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from clearance.core.credential import ApiKey, PageSession
from clearance.core.ledger import Draft


@dataclass(frozen=True, slots=True)
class ReplacedKey:
    """A credential that ends in the moment in which another one takes its name, and the entry that
    says so.
    """

    key_id: str
    entry: Draft


class Credentials(Protocol):
    """Keeps API keys, and the browsers that are signed in with one: a page session is no fact of
    the ledger.
    """

    async def add_api_key(
        self, key: ApiKey, entry: Draft, replaces: ReplacedKey | None = None
    ) -> None:
        """Stores a credential, and ends the one that it `replaces`, with its page sessions, in the
        same step: no look sees both of them valid, or none.

        Conflict (`API_KEY_EXISTS`) if another valid one has the same name in its tenant, or the
        same secret, and (`API_KEY_ENDED`) if the replaced one is not valid any more. Then nothing
        changes.
        """

    async def revoke_api_key(self, tenant_id: str, key_id: str, at: int, entry: Draft) -> bool:
        """Ends a credential and every page session made with it; False if there is none that is
        valid.
        """

    async def api_key(self, key_hash: bytes) -> ApiKey | None:
        """The valid credential with this hash."""

    async def api_keys(self, tenant_id: str) -> list[ApiKey]:
        """Every credential of a tenant, revoked ones too."""

    async def api_key_ended(self, tenant_id: str, name: str) -> bool:
        """True if there were credentials of this name that may propose, and none of them is valid
        now. Those of other roles do not count.
        """

    async def installation_salt(self) -> bytes:
        """16 random bytes made with the store: the salt of the credentials' hashes."""

    async def add_session(self, session: PageSession) -> None:
        """Stores a signed-in browser, and forgets the ones that are over."""

    async def session_key(self, token_hash: bytes, now: int) -> ApiKey | None:
        """The valid credential behind a session that is not over."""

    async def end_session(self, token_hash: bytes) -> None:
        """Signs a browser out."""
