"""Credentials: owners hand out API keys and end them."""

from __future__ import annotations

import asyncio
import secrets

from clearance.core.credential import SECRET_BYTES, ApiKey, check_key, hash_key, new_key
from clearance.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Problem,
)
from clearance.core.intent import name_problem
from clearance.core.ledger import EntryKind, draft
from clearance.core.principal import EVERYWHERE, Permission, Principal, Role
from clearance.flow.context import Context


async def create_api_key(
    context: Context, principal: Principal, name: str, role: Role
) -> tuple[ApiKey, str]:
    """Makes a credential: the key and its text, which is kept nowhere.

    Conflict if a valid key has the name.
    """
    _may_have_keys(principal)
    _check_name(name)
    text = new_key(secrets.token_bytes(SECRET_BYTES))
    return await _add_api_key(context, principal, name, role, await _hash(context, text)), text


def _may_have_keys(principal: Principal) -> None:
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    if principal.tenant_id == EVERYWHERE:
        sentence = "The name that stands for every tenant belongs to none, so it has no keys."
        raise Forbidden(sentence)


async def ensure_api_key(
    context: Context, principal: Principal, name: str, role: Role, key_text: str
) -> bool:
    """Sees to it that the key of this name has this secret and role; an older one ends.

    True if anything changed.
    """
    _may_have_keys(principal)
    _check_name(name)
    check_key(key_text)
    key_hash = await _hash(context, key_text)
    known = await context.store.api_key(key_hash)
    if known and (known.tenant_id, known.name) != (principal.tenant_id, name):
        sentence = f"The secret that was given for {name} belongs to another API key."
        raise Conflict(sentence, code="API_KEY_EXISTS")
    if known and known.role is role:
        return False
    for key in await context.store.api_keys(principal.tenant_id):
        if key.name == name and key.revoked_at is None:
            await _revoke(context, principal, key)
    await _add_api_key(context, principal, name, role, key_hash)
    return True


async def revoke_api_key(context: Context, principal: Principal, key_id: str) -> None:
    """Ends a credential. NotFound if the tenant has no valid one of this id."""
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    keys = {key.key_id: key for key in await context.store.api_keys(principal.tenant_id)}
    if key_id not in keys or not await _revoke(context, principal, keys[key_id]):
        sentence = f"There is no valid API key {key_id}."
        raise NotFound(sentence)


async def api_keys(context: Context, principal: Principal) -> list[ApiKey]:
    """The tenant's credentials, revoked ones too."""
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    return await context.store.api_keys(principal.tenant_id)


def _check_name(name: str) -> None:
    if problem := name_problem(name):
        sentence = f"The name of an API key {problem}."
        raise InvalidInput(sentence, code="INVALID_NAME", problems=(Problem(("name",), problem),))


async def _hash(context: Context, text: str) -> bytes:
    """The key's hash, worked out beside the event loop: it is slow on purpose."""
    return await asyncio.to_thread(hash_key, text, await context.store.installation_salt())


async def _add_api_key(
    context: Context, principal: Principal, name: str, role: Role, key_hash: bytes
) -> ApiKey:
    now = context.clock.now_ms()
    key = ApiKey(context.clock.new_id(), principal.tenant_id, name, role, key_hash, now)
    entry = draft(
        EntryKind.API_KEY_CREATED, now, principal, key_id=key.key_id, name=name, role=role.value
    )
    await context.store.add_api_key(key, entry)
    return key


async def _revoke(context: Context, principal: Principal, key: ApiKey) -> bool:
    now = context.clock.now_ms()
    entry = draft(
        EntryKind.API_KEY_REVOKED,
        now,
        principal,
        key_id=key.key_id,
        name=key.name,
        role=key.role.value,
    )
    return await context.store.revoke_api_key(principal.tenant_id, key.key_id, now, entry)
