"""API keys, page sessions and the installation's salt in the DynamoDB store's table.

A key is four items, by id, by tenant and id, by hash and by name, which change together.
"""

from __future__ import annotations

import secrets

from clearance.core.credential import ApiKey, PageSession, already_ended, name_taken
from clearance.core.errors import Conflict, Unavailable
from clearance.core.ledger import Draft
from clearance.core.principal import PROPOSERS
from clearance.flow.ports.credentials import ReplacedKey
from clearance.stores.dynamodb import items, table
from clearance.stores.dynamodb.client import Calls, IndexQuery, Item, Write, put, update
from clearance.stores.dynamodb.table import Key
from clearance.stores.dynamodb.transactions import NEW, Plan, Seen, Transactions
from clearance.stores.tail import Tail

FORMAT = 1  # of the items; a store of a newer one is refused
SALT_BYTES = 16


class DynamoCredentials:
    """`Credentials` in the table of a store."""

    def __init__(
        self, calls: Calls, transactions: Transactions, tail: Tail, salt: bytes | None
    ) -> None:
        """`salt`: None if no process has asked the table for one yet."""
        self._calls = calls
        self._transactions = transactions
        self._tail = tail
        self._salt = salt

    async def add_api_key(
        self, key: ApiKey, entry: Draft, replaces: ReplacedKey | None = None
    ) -> None:
        by_id, by_hash = table.api_key(key.key_id), table.api_key_hash(key.key_hash)
        by_name = table.api_key_name(key.tenant_id, key.name)
        old_id = replaces.key_id if replaces else key.key_id
        old_key = table.api_key(old_id)

        def plan(seen: Seen, _: str) -> Plan[Conflict | ApiKey] | Conflict | ApiKey:
            old = seen.items.get(old_key) if replaces else None
            if replaces and not _is_valid_of(old, key.tenant_id):
                return already_ended(old_id)
            theirs = (seen.items.get(by_hash), seen.items.get(by_name))
            taken = any(
                item and "revoked_at" not in item and item["key_id"] != old_id for item in theirs
            )
            if taken or by_id in seen.items:
                return name_taken(key)
            actions = _add(key, old_id)
            if old and replaces:
                copies = [copy for copy in _copies(old) if copy not in (by_hash, by_name)]
                actions += [_end(copy, old_id, key.created_at) for copy in copies]
                return Plan(((replaces.entry, None), (entry, None)), actions, answer=key)
            return Plan(((entry, None),), actions, answer=key)

        looked = (by_id, by_hash, by_name, old_key)
        answer = await self._transactions.commit(key.tenant_id, looked, plan)
        if isinstance(answer, Conflict):
            raise answer
        self._tail.moved()

    async def revoke_api_key(self, tenant_id: str, key_id: str, at: int, entry: Draft) -> bool:
        """Page sessions need no end of their own: a look at one looks at its credential too."""
        key = table.api_key(key_id)

        def plan(seen: Seen, _: str) -> Plan[bool] | bool:
            item = seen.items.get(key)
            if item is None or not _is_valid_of(item, tenant_id):
                return False
            actions = [_end(copy, key_id, at) for copy in _copies(item)]
            return Plan(((entry, None),), actions, answer=True)

        revoked = await self._transactions.commit(tenant_id, (key,), plan)
        self._tail.moved()
        return revoked

    async def api_key(self, key_hash: bytes) -> ApiKey | None:
        return _valid(await self._calls.get(table.api_key_hash(key_hash)))

    async def api_keys(self, tenant_id: str) -> list[ApiKey]:
        asked = IndexQuery(table.api_keys_of(tenant_id), sort=("begins_with", table.ID_PREFIX))
        keys = [items.api_key(item) for item in await self._calls.all(asked)]
        return sorted(keys, key=lambda key: (key.created_at, key.key_id))

    async def api_key_ended(self, tenant_id: str, name: str) -> bool:
        """The item of a name is that of its last credential. Only if that one cannot speak for the
        name, or an earlier version wrote it without its role, those before it are looked at.
        """
        last = await self._calls.get(table.api_key_name(tenant_id, name))
        if last is None or ("revoked_at" not in last and last.get("role") in PROPOSERS):
            return False
        keys = [key for key in await self.api_keys(tenant_id) if key.name == name]
        theirs = [key.revoked_at is not None for key in keys if key.role in PROPOSERS]
        return bool(theirs) and all(theirs)

    async def installation_salt(self) -> bytes:
        """The first process that needs it makes it, and must be allowed to write."""
        if self._salt is None:
            made = {"salt": secrets.token_bytes(SALT_BYTES), "format": FORMAT}
            await self._calls.put_new(table.INSTALLATION, made)
            self._salt = await salt_of(self._calls)
        if self._salt is None:
            sentence = "The table does not keep what is written to it."
            raise Unavailable(sentence)
        return self._salt

    # Page sessions

    async def add_session(self, session: PageSession) -> None:
        """Those that are over go by themselves, some time later."""
        await self._calls.put_new(table.session(session.token_hash), items.session_item(session))

    async def session_key(self, token_hash: bytes, now: int) -> ApiKey | None:
        session = await self._calls.get(table.session(token_hash))
        if session is None or session["expires_at"] <= now:
            return None
        return _valid(await self._calls.get(table.api_key(session["key_id"])))

    async def end_session(self, token_hash: bytes) -> None:
        await self._calls.delete(table.session(token_hash))


async def salt_of(calls: Calls) -> bytes | None:
    """The salt of the installation, if it is made already.

    Unavailable (`STORE_TOO_NEW`) if the items are of a newer format.
    """
    installation = await calls.get(table.INSTALLATION)
    if installation is None:
        return None
    if installation["format"] > FORMAT:
        sentence = (
            f"The table has format {installation['format']}; this Clearance knows {FORMAT}. Use a "
            "newer Clearance."
        )
        raise Unavailable(sentence, code="STORE_TOO_NEW")
    return bytes(installation["salt"])


def _add(key: ApiKey, old_id: str) -> list[Write]:
    """The items of a new credential, in place of those of the old one where they lie there."""
    attributes = items.api_key_item(key)
    free = f"{NEW} OR attribute_exists(revoked_at) OR key_id = :old_id"
    named = {"key_id": key.key_id, "role": key.role.value}
    by_name = table.api_key_name(key.tenant_id, key.name)
    return [
        put(table.api_key(key.key_id), attributes, NEW),
        put(table.api_key_id(key.tenant_id, key.key_id), attributes, NEW),
        put(table.api_key_hash(key.key_hash), attributes, free, old_id=old_id),
        put(by_name, named, free, old_id=old_id),
    ]


def _copies(item: Item) -> tuple[Key, ...]:
    """Where the items of a credential lie."""
    return (
        table.api_key(item["key_id"]),
        table.api_key_id(item["tenant_id"], item["key_id"]),
        table.api_key_hash(item["key_hash"]),
        table.api_key_name(item["tenant_id"], item["name"]),
    )


def _end(copy: Key, key_id: str, at: int) -> Write:
    valid = "key_id = :key_id AND attribute_not_exists(revoked_at)"
    return update(copy, "SET revoked_at = :at", valid, {}, at=at, key_id=key_id)


def _is_valid_of(item: Item | None, tenant_id: str) -> bool:
    """True for a credential of a tenant that has not ended."""
    return item is not None and item["tenant_id"] == tenant_id and "revoked_at" not in item


def _valid(item: Item | None) -> ApiKey | None:
    return items.api_key(item) if item and "revoked_at" not in item else None
