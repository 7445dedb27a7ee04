"""The requests of the Python client, and what it does when no answer comes: each verb is a
generator of steps.

A step asks for something (send this request, pause so long) or hands over an item of a list. The
caller carries the steps out, blocking or not. The API key goes into the headers that `connection`
makes, and nowhere else.
"""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias
from urllib.parse import quote

import httpx2

URL_DEFAULT = "http://127.0.0.1:8600"
TIMEOUT_SECONDS_DEFAULT = 10.0  # for connecting, and for each read of an answer
STREAM_SILENCE_SECONDS_MAX = 45.0  # the server says something every 15 seconds
PAGE_SIZE_MAX = 500  # items of one answer
TRIES_MAX = 4  # of one request
RECONNECTS_MAX = 8  # of an event stream, in a row
PAUSE_SECONDS_FIRST = 0.2  # doubled after each try
PAUSE_SECONDS_MAX = 5.0
POLL_SECONDS_FIRST = 0.1
POLL_SECONDS_MAX = 2.0
UNAVAILABLE = 503
NOTHING_DONE = "UNAVAILABLE"
"""The code of a 503 after which any request may be sent again."""

Json: TypeAlias = Any
Answer: TypeAlias = dict[str, Any]
"""A resource of the REST API, with the names of the wire."""


class ClearanceError(Exception):
    """Clearance refused.

    `code` is stable, `sentence` is for people, `status` is the HTTP status if one came.

    `problems` are the single things that are wrong with what was sent: `{"path": ..., "detail":
    ...}`. `retry_after_seconds`: when the server says that the same request may be sent again.
    """

    retry_after_seconds: int | None = None

    def __init__(
        self,
        code: str,
        sentence: str,
        *,
        status: int | None = None,
        problems: Sequence[Mapping[str, Json]] = (),
    ) -> None:
        super().__init__(code, sentence)
        self.code = code
        self.sentence = sentence
        self.status = status
        self.problems = tuple(problems)

    def __str__(self) -> str:
        return f"{self.sentence} ({self.code})"


class ClearanceUnavailable(ClearanceError):
    """It was not done, or no answer says whether it was: do not act. With the code `UNAVAILABLE`
    nothing was done; with any other, nothing may be assumed.

    After `propose`, `action_intent_id` is the id that was sent: ask for it, or propose the same
    again under it.
    """

    action_intent_id: str | None = None


READ = "read"
SAFE_TO_REPEAT: Mapping[str, str] = {
    READ: "It changes nothing.",
    "propose": "It names its intent, which gets the same answer again.",
    "put_settings_part": "It names the version it was made from, and what is so already is done.",
}
UNSAFE_TO_REPEAT: Mapping[str, str] = {
    "rule": "A ruling that was taken closes its approval, and the repeat would be refused.",
    "cancel": "An intent that was withdrawn cannot be withdrawn again.",
    "reconcile": "An outcome that was settled is not unknown any more.",
    "erase": "A reason that was erased is not there to be erased again.",
    "create_api_key": "Only the answer that was lost had the secret.",
    "revoke_api_key": "A key that was ended is not found any more.",
}
"""The operations of the REST API by name (everything that only reads is `READ`), and why each may
or may not be sent again while it is not known what became of it. No repeat acts twice; after an
unsafe one the answer could say the opposite of what was done.
"""


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the operation that it asks for."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    if_match: str | None = None
    operation: str = READ


@dataclass(frozen=True, slots=True)
class Reply:
    """The server's answer."""

    status: int
    body: bytes
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer came; `sent` is False if the request surely never left."""

    sentence: str
    sent: bool


@dataclass(frozen=True, slots=True)
class Pause:
    """Waits before the next step."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Item:
    """One item of a list, for the caller."""

    value: Answer


Steps: TypeAlias = Generator[Request | Pause | Item, Any, Answer]
"""What a verb does, in order; it is sent a Reply or a Failure for each Request, and returns the
answer.
"""


# The verbs as steps


def send(request: Request) -> Steps:
    """Sends a request, again after 503 and lost connections if nothing was done, or if a repeat is
    safe; the answer, or ClearanceError.
    """
    pause = PAUSE_SECONDS_FIRST
    for tried in range(1, TRIES_MAX + 1):
        reply: Reply | Failure = yield request
        if isinstance(reply, Reply) and reply.status != UNAVAILABLE:
            return _answer(reply)
        again = request.operation in SAFE_TO_REPEAT or _nothing_done(reply)
        if tried == TRIES_MAX or not again:
            break
        yield Pause(_longer(pause, reply))
        pause = min(pause * 2, PAUSE_SECONDS_MAX)
    raise _unavailable(reply)


def _nothing_done(reply: Reply | Failure) -> bool:
    """True if it is known that the request did nothing.

    A proxy may answer 503 for a request that it passed on, so only the server's own code counts.
    """
    if isinstance(reply, Failure):
        return not reply.sent
    return (_json_object(reply.body) or {}).get("code") == NOTHING_DONE


def propose(body: Answer) -> Steps:
    """Proposes; if no answer comes, the error says under which id."""
    try:
        return (yield from send(post("propose", path("intents"), body)))
    except ClearanceUnavailable as error:
        error.action_intent_id = body["action_intent_id"]
        raise


def wait(action_intent_id: str, unsettled: frozenset[str], timeout_seconds: float) -> Steps:
    """Asks for an intent until its status is none of these, or the time is over."""
    deadline = time.monotonic() + timeout_seconds
    pause = POLL_SECONDS_FIRST
    while True:
        intent = yield from send(Request("GET", path("intents", action_intent_id)))
        left = deadline - time.monotonic()
        if intent.get("status") not in unsettled or left <= 0:
            return intent
        yield Pause(min(pause, left))
        pause = min(pause * 1.5, POLL_SECONDS_MAX)


def rule(name: str, ruling: Answer) -> Steps:
    """Rules on an approval, or on the latest approval of an intent."""
    body = {key: value for key, value in ruling.items() if value is not None}
    approval_id = name
    if "." not in name:  # an intent's id has none, an approval's always has one
        intent = yield from send(Request("GET", path("intents", name)))
        approval = intent.get("approval")
        if not approval:
            sentence = f"The action intent {name} never asked for an approval."
            raise ClearanceError(code="NO_APPROVAL", sentence=sentence)
        approval_id = approval["approval_id"]
    return (yield from send(post("rule", path("approvals", approval_id, "rulings"), body)))


def pages(path: str, query: tuple[tuple[str, str], ...], page_size: int) -> Steps:
    """The items of a list, page after page, as far as they are asked for."""
    cursor: tuple[tuple[str, str], ...] = ()
    while True:
        page = yield from send(Request("GET", path, (*query, ("limit", str(page_size)), *cursor)))
        for item in page.get("items", ()):
            yield Item(item)
        if not page.get("next_cursor"):
            return {}
        before, cursor = cursor, (("cursor", str(page["next_cursor"])),)
        if cursor == before:
            raise _stuck(path)


def timeline_query(
    *,
    account_id: str | None = None,
    action_type: str | None = None,
    auto_executed: bool | None = None,
    status: Sequence[str] = (),
    since: datetime | str | None = None,
    until: datetime | str | None = None,
) -> tuple[tuple[str, str], ...]:
    """The filters of the timeline as a query."""
    given = {
        "account_id": account_id,
        "action_type": action_type,
        "auto_executed": None if auto_executed is None else str(auto_executed).lower(),
        "since": moment(since),
        "until": moment(until),
    }
    statuses = [status] if isinstance(status, str) else status
    query = [(name, value) for name, value in given.items() if value is not None]
    return (*query, *(("status", name) for name in statuses))


def list_named(name: str, filters: Mapping[str, Json]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The address of a list and its filters as a query."""
    if name == "timeline":
        return path("timeline"), timeline_query(**filters)
    where = path("ledger", "entries") if name == "ledger" else path(name)
    return where, tuple((key, str(value)) for key, value in filters.items())


def page(path: str, query: tuple[tuple[str, str], ...], limit: int, cursor: str | None) -> Steps:
    """Up to `limit` items of a list, from a cursor on; `more` says whether others follow, and then
    `next_cursor` where.
    """
    items: list[Answer] = []
    while True:
        wanted = min(limit - len(items), PAGE_SIZE_MAX)
        answer = yield from _page(path, query, wanted or 1, cursor)
        if not wanted:
            more = bool(answer.get("items"))
            return {"items": items, "more": more, "next_cursor": cursor if more else None}
        items += answer.get("items", ())
        if not answer.get("next_cursor"):
            return {"items": items, "more": False, "next_cursor": None}
        if answer["next_cursor"] == cursor:
            raise _stuck(path)
        cursor = str(answer["next_cursor"])


def _page(path: str, query: tuple[tuple[str, str], ...], size: int, cursor: str | None) -> Steps:
    place = (("cursor", cursor),) if cursor else ()
    return (yield from send(Request("GET", path, (*query, ("limit", str(size)), *place))))


def entries(after: int, page_size: int) -> Steps:
    """The ledger's entries behind a position, up to the latest."""
    while True:
        query = (("after", str(after)), ("limit", str(page_size)))
        page = yield from send(Request("GET", path("ledger", "entries"), query))
        if not page.get("items"):
            return {}
        for entry in page["items"]:
            if entry["position"] <= after:
                sentence = "/v1/ledger/entries"
                raise _stuck(sentence)
            after = entry["position"]
            yield Item(entry)


class Subscription:
    """Where an event stream is, and what to do when it ends; the two clients only read it."""

    def __init__(self, after: int | None) -> None:
        self.pause_seconds = PAUSE_SECONDS_FIRST
        self._last_id = None if after is None else str(after)
        self._failures = 0

    def arguments(self) -> dict[str, Any]:
        """The request that takes the stream up behind the last entry given."""
        headers = {"Accept": "text/event-stream"}
        if self._last_id is not None:
            headers["Last-Event-ID"] = self._last_id
        timeout = httpx2.Timeout(TIMEOUT_SECONDS_DEFAULT, read=STREAM_SILENCE_SECONDS_MAX)
        return {"method": "GET", "url": path("events"), "headers": headers, "timeout": timeout}

    def accepts(self, response: httpx2.Response) -> bool:
        """True if this is a stream; then earlier failures are forgotten."""
        is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
        if response.status_code != httpx2.codes.OK or not is_stream:
            return False
        self._failures, self.pause_seconds = 0, PAUSE_SECONDS_FIRST
        return True

    def taken(self, event: httpx2.ServerSentEvent) -> Iterator[Answer]:
        """The entry of an event, if it has one. It counts as given once the caller comes back."""
        if event.data:
            yield json.loads(event.data)
        self._last_id = event.id or self._last_id

    def refused(self, reply: Reply) -> None:
        """Raises the server's refusal, unless the server is unavailable for now."""
        if reply.status != UNAVAILABLE:
            _answer(reply)
            raise _unexpected(reply.status)
        self.lost(reply)

    def lost(self, reply: Reply | Failure) -> None:
        """Counts a failure; ClearanceUnavailable if there were too many in a row."""
        self._failures += 1
        if self._failures > RECONNECTS_MAX:
            raise _unavailable(reply)
        self.pause_seconds = _longer(
            min(PAUSE_SECONDS_FIRST * 2**self._failures, PAUSE_SECONDS_MAX), reply
        )


# The wire


def connection(
    url: str | None, api_key: str | None, timeout_seconds: float, *, allow_insecure: bool
) -> dict[str, Any]:
    """The arguments of both HTTP clients. The key is in their headers and nowhere else."""
    address = _address(url or os.environ.get("CLEARANCE_URL") or URL_DEFAULT)
    key = api_key or os.environ.get("CLEARANCE_API_KEY")
    if not key:
        sentence = "No API key: set CLEARANCE_API_KEY."
        raise ClearanceError(code="NO_API_KEY", sentence=sentence)
    if not (key.isascii() and key.isprintable()) or " " in key:
        sentence = (
            "The API key must be printable ASCII without spaces: was a line break copied with it?"
        )
        raise ClearanceError(code="INVALID_API_KEY", sentence=sentence)
    encrypted, here = address.scheme == "https", _is_loopback(address.host)
    if not (encrypted or here or allow_insecure):
        sentence = f"The API key is not sent unencrypted to {address.host}: use https."
        raise ClearanceError(code="INSECURE_URL", sentence=sentence)
    return {
        "base_url": address,
        "headers": {
            "Authorization": f"Bearer {key}",
            "Accept": "application/json",
            "User-Agent": "clearance-python",
        },
        "timeout": timeout_seconds,
        # A proxy from the environment would read an unencrypted key that was meant for this machine
        # only.
        "trust_env": encrypted or not here,
    }


def _address(url: str) -> httpx2.URL:
    """The server's address, as the HTTP client reads it, so that the checked address is the called
    one.
    """
    try:
        address = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        address = httpx2.URL("")
    if address.scheme not in {"http", "https"} or not address.host or address.userinfo:
        sentence = f"The server's address must look like {URL_DEFAULT}, without a user name."
        raise ClearanceError(code="INVALID_URL", sentence=sentence)
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def path(*parts: str) -> str:
    """`/v1/...` with every part quoted; a part never becomes two, nor none."""
    for part in parts:
        if part in {"", ".", ".."}:
            sentence = f"{part!r} is no name."
            raise ClearanceError(code="INVALID_NAME", sentence=sentence)
    return "/v1/" + "/".join(quote(part, safe="") for part in parts)


def post(operation: str, path: str, body: Mapping[str, Json]) -> Request:
    """A request that says something."""
    return Request("POST", path, body=_body(body), operation=operation)


def put(part: str, value: Mapping[str, Json], if_match: str) -> Request:
    """A request that replaces a part of the settings, if what
    it was made from is still in force.
    """
    where, body, operation = path("autonomy", part), _body(value), "put_settings_part"
    return Request("PUT", where, body=body, if_match=if_match, operation=operation)


def _body(value: Mapping[str, Json]) -> bytes:
    try:
        return json.dumps(value, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        sentence = f"What was given is not JSON: {error}."
        raise ClearanceError(code="INVALID_JSON", sentence=sentence) from None


def moment(value: datetime | str | None) -> str | None:
    """A point in time as text; ClearanceError for one without a time zone."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        sentence = "A moment needs its time zone: give datetime(..., tzinfo=...)."
        raise ClearanceError(code="INVALID_MOMENT", sentence=sentence)
    return value.isoformat()


def arguments(request: Request) -> dict[str, Any]:
    """A request as the HTTP client takes it."""
    headers = {}
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    if request.if_match is not None:
        headers["If-Match"] = request.if_match
    return {
        "method": request.method,
        "url": request.path,
        "params": list(request.query) or None,
        "content": request.body,
        "headers": headers,
    }


def read_reply(response: httpx2.Response) -> Reply:
    """The parts that matter of a response, once it was read to its end."""
    return Reply(response.status_code, response.content, response.headers.get("retry-after"))


def read_failure(error: httpx2.RequestError) -> Failure:
    """What is known of a request that got no answer.

    The error's own text stays out: it may quote what was sent.
    """
    server = _server(error)
    if isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.ProxyError
    ):
        return Failure(f"Clearance cannot be reached{server}", sent=False)
    if isinstance(error, httpx2.TimeoutException):
        return Failure(f"Clearance{server} did not answer in time", sent=True)
    return Failure(f"The connection to Clearance{server} broke before it answered", sent=True)


def _server(error: httpx2.RequestError) -> str:
    """The address that was asked, as far as it says where the server is."""
    try:
        url = error.request.url
    except RuntimeError:  # it broke before there was a request
        return ""
    return f" at {url.scheme}://{url.netloc.decode('ascii')}"


def _answer(reply: Reply) -> Answer:
    """The resource in a reply; ClearanceError if it is a problem, or nothing that Clearance would
    say.
    """
    if reply.status == httpx2.codes.NO_CONTENT:
        return {}
    value = _json_object(reply.body)
    if httpx2.codes.is_success(reply.status) and value is not None:
        return value
    if value is None or not isinstance(value.get("code"), str):
        raise _unexpected(reply.status)
    problems = [problem for problem in value.get("problems") or () if isinstance(problem, dict)]
    sentence = str(value.get("detail") or value.get("title") or value["code"])
    refusal = ClearanceError(value["code"], sentence, status=reply.status, problems=problems)
    asked = reply.retry_after or ""
    if asked.isascii() and asked.isdigit():
        refusal.retry_after_seconds = int(asked)
    raise refusal


def _json_object(body: bytes) -> Answer | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _unexpected(status: int) -> ClearanceError:
    sentence = f"What answered (HTTP {status}) does not seem to be Clearance: check the address."
    return ClearanceError("UNEXPECTED_ANSWER", sentence, status=status)


def _stuck(path: str) -> ClearanceError:
    sentence = f"The list {path} does not go on: the server gave the same place twice."
    return ClearanceError("UNEXPECTED_ANSWER", sentence)


def _unavailable(reply: Reply | Failure) -> ClearanceUnavailable:
    if isinstance(reply, Failure):
        return ClearanceUnavailable("UNREACHABLE", f"{reply.sentence}; nothing may be assumed.")
    value = _json_object(reply.body) or {}
    sentence = str(value.get("detail") or "Clearance is unavailable; nothing may be assumed.")
    return ClearanceUnavailable(
        str(value.get("code") or "UNAVAILABLE"), sentence, status=reply.status
    )


def _longer(pause: float, reply: Reply | Failure) -> float:
    """The pause, or what the server asks for if that is longer; a little random, so that crowds
    spread.
    """
    asked = reply.retry_after if isinstance(reply, Reply) else None
    if asked is not None and asked.isascii() and asked.isdigit():
        pause = max(pause, min(float(asked), PAUSE_SECONDS_MAX))
    return pause * (1 + secrets.randbelow(256) / 1024)
