"""Access: an API key, or the cookie of a signed-in browser, becomes a principal.

A key is looked up in the store again at least once a second, so a revoked key stops working
everywhere within that time. One that Clearance made carries a mark, and a wrong mark ends the
matter: no hash, no look at the store, and no place that a valid key could need. Any other text has
to be hashed slowly (scrypt) once, which callers without a key share in turns. A process remembers
the SHA-256 of a key, never its text. Access knows nothing of HTTP: doors bring the text of a
credential, and the address that it came from, and get a principal.
"""

from __future__ import annotations

import hmac
import re
import secrets
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

import anyio
import anyio.to_thread
import structlog

from clearance.core.credential import (
    ApiKey,
    PageSession,
    check_key,
    has_its_mark,
    is_ours,
    principal_of,
    quick_hash,
    session_id,
    slow_hash,
)
from clearance.core.errors import Forbidden, InvalidInput, Unauthenticated, Unavailable
from clearance.core.moment import HOUR_MS, SECOND_MS
from clearance.core.principal import Principal
from clearance.doors.turns import Turns
from clearance.flow.ports.clock import Clock
from clearance.flow.ports.credentials import Credentials

LOOKUP_MS_MAX = (
    1 * SECOND_MS
)  # how long a key may still work (or still be unknown) after the store learned otherwise
KEYS_REMEMBERED_MAX = 4_096  # valid keys whose hash is kept
STRANGERS_REMEMBERED_MAX = (
    1_024  # texts that are no valid key; apart, so that guessing never evicts a valid one
)
ANSWER_SECONDS_MAX = 2  # of the store, to say whether it is there

SESSION_MS = 12 * HOUR_MS  # absolute: use does not prolong it
TOKEN_BYTES = 32
HASH_BYTES = 32
_log = structlog.get_logger(__name__)

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(slots=True)
class _Seen:
    """A text that came as a key: its hash, and the credential that the store had for it
    (believed until when).
    """

    key_hash: bytes
    api_key: ApiKey | None
    fresh_until: int  # monotonic milliseconds


class Access:
    """Credentials at the door, as one store keeps them."""

    def __init__(self, credentials: Credentials, clock: Clock) -> None:
        self._credentials = credentials
        self._clock = clock
        self._valid: OrderedDict[bytes, _Seen] = OrderedDict()
        self._strangers: OrderedDict[bytes, _Seen] = OrderedDict()
        self._salt: bytes | None = None
        self._reading_salt = anyio.Lock()
        self._turns = Turns()
        self._under_way: dict[bytes, anyio.Event] = {}

    async def authenticate(self, key: str | None, source: str = "") -> Principal:
        """Who acts with an API key. Raises Unauthenticated, with one sentence for every cause; the
        log has a line of each key that is refused, without the key.

        `source`: as `source_of` names the client. Unavailable if too many texts of the old form are
        being checked, and this source has most of them.
        """
        return _principal(await self._api_key(key, source))

    async def sign_in(self, key: str | None, source: str = "") -> tuple[str, Principal]:
        """A session for a browser: the token for its cookie, shown nowhere else, and who is signed
        in. Forbidden (`PAGES_ARE_FOR_PEOPLE`) for the key of an agent.
        """
        api_key = await self._api_key(key, source)
        if _of_an_agent(api_key):
            sentence = (
                "This is the key of an agent, and the pages are for people. Sign in with a key of "
                "the role auditor, approver or owner."
            )
            raise Forbidden(sentence, code="PAGES_ARE_FOR_PEOPLE")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        now = self._clock.now_ms()
        session = PageSession(
            _token_hash(token), api_key.key_id, created_at=now, expires_at=now + SESSION_MS
        )
        await self._credentials.add_session(session)
        return token, _principal(api_key, session.token_hash)

    async def session(self, token: str | None) -> Principal:
        """Who is signed in with a session's token.

        Raises Unauthenticated once the session or its key is over.
        """
        if token is None or not _TOKEN.fullmatch(token):
            raise _nobody()
        token_hash = _token_hash(token)
        api_key = await self._credentials.session_key(token_hash, self._clock.now_ms())
        if api_key is None or _of_an_agent(api_key):
            raise _nobody()
        return _principal(api_key, token_hash)

    async def sign_out(self, token: str | None) -> None:
        """Ends a session; nothing happens if there is none."""
        if token is not None and _TOKEN.fullmatch(token):
            await self._credentials.end_session(_token_hash(token))

    async def check_store(self) -> None:
        """Raises Unavailable if no credential could be looked up now: then the process is of no
        use.
        """
        with anyio.move_on_after(ANSWER_SECONDS_MAX):
            await self._credentials.api_key(bytes(HASH_BYTES))
            return
        sentence = f"The store did not answer within {ANSWER_SECONDS_MAX} seconds."
        raise Unavailable(sentence)

    def doubt(self) -> None:
        """Looks up every key again that comes: for a process that was stopped, and whose clock may
        have stopped with it.
        """
        for memory in (self._valid, self._strangers):
            for seen in memory.values():
                seen.fresh_until = self._clock.monotonic_ms()

    async def _api_key(self, key: str | None, source: str) -> ApiKey:
        try:
            return await self._valid_key(key, source)
        except Unauthenticated:
            if key:
                _log.warning("an API key was refused", source=source)
            raise

    async def _valid_key(self, key: str | None, source: str) -> ApiKey:
        try:
            check_key(key or "")
        except InvalidInput:
            raise _nobody() from None
        text = key or ""
        name = sha256(text.encode()).digest()
        seen = self._seen(name)
        if seen is None:
            hashed = self._quickly(text) if is_ours(text) else self._slowly(name, text, source)
            seen = await hashed
        asked_at = self._clock.monotonic_ms()
        if asked_at >= seen.fresh_until:
            seen.api_key = await self._credentials.api_key(seen.key_hash)
            seen.fresh_until = asked_at + LOOKUP_MS_MAX
            self._remember(name, seen)
        if seen.api_key is None:
            raise _nobody()
        return seen.api_key

    def _seen(self, name: bytes) -> _Seen | None:
        for memory in (self._valid, self._strangers):
            if name in memory:
                memory.move_to_end(name)
                return memory[name]
        return None

    async def _quickly(self, key: str) -> _Seen:
        """A text with the prefix of our keys. One that this installation did not make goes no
        further, and is not remembered.
        """
        if not has_its_mark(key, await self._installation_salt()):
            raise _nobody()
        return _Seen(quick_hash(key), None, self._clock.monotonic_ms())

    async def _slowly(self, name: bytes, key: str, source: str) -> _Seen:
        """The slow hash of a text that was not seen before; many requests with one new key hash it
        once.
        """
        while under_way := self._under_way.get(name):
            await under_way.wait()
            if seen := self._seen(name):
                return seen
        done = self._under_way[name] = anyio.Event()
        try:
            async with self._turns.turn(source):
                salt = await self._installation_salt()
                key_hash = await anyio.to_thread.run_sync(slow_hash, key, salt)
            seen = _Seen(key_hash, None, self._clock.monotonic_ms())
            self._remember(name, seen)
        finally:
            del self._under_way[name]
            done.set()
        return seen

    async def _installation_salt(self) -> bytes:
        """Asked of the store once, however many ask for it at first."""
        if self._salt is None:
            async with self._reading_salt:
                if self._salt is None:
                    self._salt = await self._credentials.installation_salt()
        return self._salt

    def _remember(self, name: bytes, seen: _Seen) -> None:
        self._valid.pop(name, None)
        self._strangers.pop(name, None)
        memory, most = (
            (self._valid, KEYS_REMEMBERED_MAX)
            if seen.api_key
            else (self._strangers, STRANGERS_REMEMBERED_MAX)
        )
        memory[name] = seen
        if len(memory) > most:
            memory.popitem(last=False)


def csrf_token(token: str) -> str:
    """The proof in a page's forms that they are the session's own: it is derived from the session's
    token, and nothing is stored.
    """
    return hmac.new(token.encode(), b"csrf", sha256).hexdigest()


def check_csrf(token: str, given: str | None) -> None:
    """Raises Forbidden (`CSRF_REFUSED`) unless a form carries the session's own token; compared in
    constant time.
    """
    if given is None or not hmac.compare_digest(
        csrf_token(token).encode(), given.encode(errors="replace")
    ):
        sentence = "This form does not belong to the session; load the page again."
        raise Forbidden(sentence, code="CSRF_REFUSED")


def _token_hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _principal(api_key: ApiKey, token_hash: bytes | None = None) -> Principal:
    key_id = api_key.key_id
    credential = session_id(key_id, token_hash) if token_hash else key_id
    return principal_of(api_key.tenant_id, api_key.name, api_key.role, credential, api_key.scope)


def _of_an_agent(api_key: ApiKey) -> bool:
    """True for a key that may not read all that the pages show."""
    return _principal(api_key).sees_own_only


def _nobody() -> Unauthenticated:
    return Unauthenticated("No valid credential came with the request.")
