"""The meaning of a tool server's answers, and of their absence.

One idea: every failure states what is known about whether the request was sent: `NOT_SENT` only if
no transport took it or no connection was made, `ANSWERED` only if the server itself said no, else
`MAYBE`.

Refuses to know: sessions, and what may be retried.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from mcp import MCPError, types

from clearance.core.canonical import Json
from clearance.core.catalog import ToolServer
from clearance.core.manners import AS_IT_SAYS, Manners, means_failed
from clearance.core.outcome import CallError, ErrorClass, Sent
from clearance.flow.ports.tools import ToolAnswer, ToolCall, ToolCallFailed
from clearance.tools.content import left_out, text_of
from clearance.tools.exchange import Exchange
from clearance.tools.stdio import Ending
from clearance.tools.untrusted import SENTENCE_LENGTH_MAX, failed, one_line, storable
from clearance.tools.variables import Secrets

RETRY_AFTER_MS_MAX = 24 * 3600 * 1000
WISH_LENGTH_MAX = 40  # characters of a number in a text
COMMAND_LENGTH_MAX = 100  # characters of a server's command in a sentence

_CLOSED = "Connection closed"
_INVALID = frozenset({types.INVALID_REQUEST, types.METHOD_NOT_FOUND, types.INVALID_PARAMS})
_MADE_BY_CLIENT = frozenset({types.CONNECTION_CLOSED, types.PARSE_ERROR})


class Answers:
    """The meaning of what one server says, in sentences that are safe to show."""

    def __init__(self, server: ToolServer, secrets: Secrets) -> None:
        self._server = server
        self._secrets = secrets

    def unavailable(self, why: str) -> CallError:
        """Nothing was sent, because the server is not there or not as it must be."""
        sentence = self._secrets.sentence(f"The tool server {self._server.name} {why}.")
        return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.NOT_SENT)

    def not_opened(self, error: Exception | None, exchange: Exchange, ending: Ending) -> CallError:
        """Why there is no session, from what broke its opening; nothing was called."""
        match error:
            case ToolCallFailed():
                return error.error
            case OSError():
                why = f"could not be started: {error.strerror or type(error).__name__}"
            case MCPError() if self._server.url is not None and exchange.status is None:
                why = "could not be reached"
            case MCPError() if exchange.status is not None:
                return replace(self.refusal(error, exchange), sent=Sent.NOT_SENT)
            case MCPError() if is_closed(error):
                why = f"ended before it was ready{ending.how}"
            case MCPError():
                why = f"refused the handshake: {error.message}"
            case _:
                why = f"could not be connected to ({type(error).__name__})"
        return self.not_ready(why, ending)

    def not_ready(self, why: str, ending: Ending) -> CallError:
        """A server that cannot be worked with: named with its command, in which variables stay as
        they are written, and with as much of its last words as there is room for.
        """
        command = one_line(shlex.join(self._server.command), COMMAND_LENGTH_MAX)
        failure = self.unavailable(f"({command}) {why}" if command else why)
        words = " / ".join(ending.last_lines)
        room = SENTENCE_LENGTH_MAX - len(failure.sentence) - len(" …")
        if not words or room <= 0:
            return failure
        words = words if len(words) <= room else f"…{words[-room:]}"
        return replace(failure, sentence=f"{failure.sentence.removesuffix('.')}: {words}")

    def refusal(
        self,
        error: MCPError,
        exchange: Exchange,
        *,
        over: bool = False,
        in_session: bool = False,
        manners: Manners = AS_IT_SAYS,
    ) -> CallError:
        """What an error in place of an answer means.

        `over`: the session is; `in_session`: the server keeps one for us. `manners` are those of
        the tool that was called.
        """
        name = self._server.name
        if exchange.sent is Sent.NOT_SENT:
            return self.unavailable("could not be reached")
        if exchange.status is not None and not exchange.readable:
            return self._http_refusal(
                error, exchange.status, exchange.retry_after_ms, in_session=in_session
            )
        # The SDK makes errors of its own from a lost connection, and over HTTP from an unreadable
        # answer.
        http = self._server.url is not None
        lost = exchange.status is None or error.code in _MADE_BY_CLIENT if http else over
        if lost or is_closed(error):
            sentence = f"The connection to the tool server {name} was lost before an answer came."
            return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.MAYBE)
        error_class = ErrorClass.VALIDATION if error.code in _INVALID else ErrorClass.UNKNOWN
        refused = CallError(
            error_class, f"The tool server {name} refused: {error.message}", Sent.ANSWERED
        )
        return self._masked(manners.of_error(refused, None, error.message))

    def answer(
        self, call: ToolCall, result: types.CallToolResult | types.InputRequiredResult
    ) -> ToolAnswer:
        """The answer of a tool; ToolCallFailed if it or the catalog says that it failed, or if this
        is not its answer yet.
        """
        named = f"{self._server.name}.{call.tool}"
        if isinstance(result, types.InputRequiredResult):
            sentence = f"The tool {named} asks for more input than an action can give."
            raise failed(ErrorClass.VALIDATION, sentence, Sent.ANSWERED, code="TOOL_NEEDS_INPUT")
        if result.result_type != "complete":
            sentence = (
                f"The tool {named} answered that it is not finished, in a way that is not "
                f"supported."
            )
            raise failed(ErrorClass.UNKNOWN, sentence, Sent.MAYBE)
        structure, text = result.structured_content, text_of(result)
        if result.is_error:
            error_class, retry_after_ms = _declared(result)
            sentence = f"The tool {named} failed: {text or 'it gave no reason'}"
            refused = CallError(error_class, sentence, Sent.ANSWERED, retry_after_ms=retry_after_ms)
            raise ToolCallFailed(self._masked(call.manners.of_error(refused, structure, text)))
        answer = storable(text if structure is None else structure, self._secrets.mask)
        answer = replace(answer, left_out=left_out(result))
        if call.manners.means_failed(structure, text):
            raise ToolCallFailed(self._masked(means_failed(named, text)), answer)
        return answer

    def _masked(self, error: CallError) -> CallError:
        return replace(error, sentence=self._secrets.sentence(error.sentence))

    def _http_refusal(
        self, error: MCPError, status: int, retry_after_ms: int | None, *, in_session: bool
    ) -> CallError:
        name = self._server.name
        sentence = self._secrets.sentence(
            f"The tool server {name} answered with HTTP status {status}: {error.message}"
        )
        if status in (401, 403):
            return CallError(ErrorClass.AUTH, sentence, Sent.ANSWERED)
        if status == 429:  # noqa: PLR2004 - HTTP's own number
            return CallError(
                ErrorClass.RATE_LIMIT, sentence, Sent.ANSWERED, retry_after_ms=retry_after_ms
            )
        if status == 404 and in_session:  # noqa: PLR2004
            sentence = f"The tool server {name} has forgotten our session."
            return CallError(
                ErrorClass.DOWNSTREAM, sentence, Sent.ANSWERED, code="TOOL_SESSION_LOST"
            )
        if 400 <= status < 500 and status != 408:  # noqa: PLR2004 - 408: a gateway gave up waiting
            return CallError(ErrorClass.VALIDATION, sentence, Sent.ANSWERED)
        return CallError(ErrorClass.DOWNSTREAM, sentence, Sent.MAYBE, retry_after_ms=retry_after_ms)


def closed() -> MCPError:
    """The error that the SDK itself makes for a request when its connection is closed."""
    return MCPError(types.CONNECTION_CLOSED, _CLOSED)


def is_closed(error: Exception | None) -> bool:
    """True for the error that `closed` makes."""
    return isinstance(error, MCPError) and (error.code, error.message) == (
        types.CONNECTION_CLOSED,
        _CLOSED,
    )


def _declared(result: types.CallToolResult) -> tuple[ErrorClass, int | None]:
    """The class of an error as the tool declares it, in its
    structured content or else its `_meta`.
    """
    for place in (result.structured_content, result.meta):
        if isinstance(place, Mapping) and isinstance(named := place.get("error_class"), str):
            with suppress(ValueError):
                return ErrorClass(named.upper()), _wish(place.get("retry_after_ms"))
    return ErrorClass.UNKNOWN, None


def _wish(wait: Json) -> int | None:
    """A pause that a tool asks for, in milliseconds, however it writes the number; a longer one
    than a day is a day. None for what is no wish.
    """
    if isinstance(wait, bool) or not isinstance(wait, int | float | str):
        return None
    if isinstance(wait, str) and len(wait) > WISH_LENGTH_MAX:
        return None
    try:
        milliseconds = float(wait)
    except (ValueError, OverflowError):
        return RETRY_AFTER_MS_MAX if isinstance(wait, int) and wait > 0 else None
    if not milliseconds >= 0:  # NaN too
        return None
    return math.ceil(min(milliseconds, RETRY_AFTER_MS_MAX))
