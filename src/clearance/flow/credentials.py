"""Credentials: owners hand out API keys and end them."""

from __future__ import annotations

import asyncio
import secrets

from clearance.core.canonical import Json
from clearance.core.credential import (
    SECRET_BYTES,
    ApiKey,
    check_key,
    check_new_key,
    hash_key,
    new_key,
)
from clearance.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    Problem,
)
from clearance.core.intent import ACTION_TYPE, name_problem
from clearance.core.ledger import Draft, EntryKind, draft
from clearance.core.principal import (
    EVERYTHING,
    EVERYWHERE,
    SCOPE_NAMES_MAX,
    Permission,
    Principal,
    Role,
    Scope,
)
from clearance.flow.context import Context
from clearance.flow.ports.credentials import ReplacedKey


async def create_api_key(
    context: Context,
    principal: Principal,
    name: str,
    role: Role,
    scope: Scope | None = None,
    *,
    replace: bool = False,
) -> tuple[ApiKey, str]:
    """Makes a credential: the key and its text, which is kept nowhere. Without a scope it is for
    everything.

    To `replace` is to end the valid key of the name in the same step; without a scope the new one
    has that of the old one. NotFound if there is none. Else Conflict if a valid key has the name.
    """
    _may_have_keys(principal)
    _check_name(name)
    _check_scope(scope or EVERYTHING)
    old = await _valid_key(context, principal, name) if replace else None
    if replace and old is None:
        sentence = f"There is no valid API key named {name} to replace."
        raise NotFound(sentence)
    text = await new_key_text(context)
    key_hash = await _hash(context, text)
    return await _add_api_key(context, principal, name, role, key_hash, scope, old), text


async def new_key_text(context: Context) -> str:
    """The text of a key that this installation may have, which is kept nowhere."""
    salt = await context.store.installation_salt()
    return new_key(secrets.token_bytes(SECRET_BYTES), salt)


def _may_have_keys(principal: Principal) -> None:
    principal.require(Permission.CONFIGURE, on=principal.tenant)
    if principal.tenant_id == EVERYWHERE:
        sentence = "The name that stands for every tenant belongs to none, so it has no keys."
        raise Forbidden(sentence)


async def ensure_api_key(
    context: Context, principal: Principal, name: str, role: Role, key_text: str
) -> bool:
    """Sees to it that the key of this name has this secret and role; an older one ends in the same
    step, and the new one keeps its scope.

    True if anything changed. InvalidInput if the text may not become a key; one that is a key
    already goes on, however short it is.
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
    if known is None:
        check_new_key(key_text, await context.store.installation_salt())
    old = await _valid_key(context, principal, name)
    await _add_api_key(context, principal, name, role, key_hash, replaced=old)
    return True


async def _valid_key(context: Context, principal: Principal, name: str) -> ApiKey | None:
    """The tenant's valid key of this name; a name has one at most."""
    keys = await context.store.api_keys(principal.tenant_id)
    return next((key for key in keys if key.name == name and key.revoked_at is None), None)


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


def _check_scope(scope: Scope) -> None:
    """Raises InvalidInput (`INVALID_SCOPE`) if a scope names nothing, too much, or what no account
    or action type can be called.
    """
    for key, names in scope.names.items():
        problems = [problem for name in names or () if (problem := _scope_problem(key, name))]
        if names is not None and not 1 <= len(names) <= SCOPE_NAMES_MAX:
            problems = [f"must have 1 to {SCOPE_NAMES_MAX} names"]
        if problems:
            sentence = f"The scope of an API key does not fit: {key} {problems[0]}."
            parts = tuple(Problem(("scope", key), problem) for problem in problems)
            raise InvalidInput(sentence, code="INVALID_SCOPE", problems=parts)


def _scope_problem(key: str, name: str) -> str | None:
    if key == "accounts":
        return name_problem(name)
    fits = ACTION_TYPE.fullmatch(name)
    return None if fits else f"has {name[:64]}, which is no action type"


async def _hash(context: Context, text: str) -> bytes:
    """The key's hash, worked out beside the event loop: it may be slow on purpose."""
    return await asyncio.to_thread(hash_key, text, await context.store.installation_salt())


async def _add_api_key(
    context: Context,
    principal: Principal,
    name: str,
    role: Role,
    key_hash: bytes,
    scope: Scope | None = None,
    replaced: ApiKey | None = None,
) -> ApiKey:
    now, key_id = context.clock.now_ms(), context.clock.new_id()
    if scope is None:
        scope = replaced.scope if replaced else EVERYTHING
    key = ApiKey(key_id, principal.tenant_id, name, role, key_hash, now, scope=scope)
    limited: dict[str, Json] = {} if scope == EVERYTHING else {"scope": dict(scope.names)}
    facts: dict[str, Json] = {"key_id": key_id, "name": name, "role": role.value, **limited}
    entry = draft(EntryKind.API_KEY_CREATED, now, principal, **facts)
    ended = ReplacedKey(replaced.key_id, _ending(principal, replaced, now)) if replaced else None
    await context.store.add_api_key(key, entry, ended)
    return key


async def _revoke(context: Context, principal: Principal, key: ApiKey) -> bool:
    now = context.clock.now_ms()
    entry = _ending(principal, key, now)
    return await context.store.revoke_api_key(principal.tenant_id, key.key_id, now, entry)


def _ending(principal: Principal, key: ApiKey, now: int) -> Draft:
    facts: dict[str, Json] = {"key_id": key.key_id, "name": key.name, "role": key.role.value}
    return draft(EntryKind.API_KEY_REVOKED, now, principal, **facts)
