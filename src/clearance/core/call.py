"""One tool call on behalf of an intent: its arguments, how long it may take, when it may be sent
again, what an error means.
"""

from __future__ import annotations

from dataclasses import replace

from clearance.core.arguments import final_arguments
from clearance.core.canonical import Json
from clearance.core.catalog import (
    DEADLINE_SECONDS_DEFAULT,
    Action,
    Effect,
    ToolServer,
    idempotency_key,
)
from clearance.core.intent import ActionIntent
from clearance.core.moment import SECOND_MS, as_text
from clearance.core.outcome import TRANSIENT, CallError, Outcome, OutcomeStatus, Sent

TRIES_MAX = 3  # calls within one attempt
RETRY_WINDOW_MS = 15 * SECOND_MS  # the time that a lease allows for the tries after the first
BACKOFF_MS = 250  # before the second try; doubles with each
BACKOFF_MS_MAX = 5 * SECOND_MS
LEASE_MARGIN_MS = 2 * SECOND_MS  # between the last moment of a call and the end of its lease


def lease_ms(server: ToolServer | None) -> int:
    """How long a worker may take for one attempt: the call's deadline, the later tries, and a
    margin.
    """
    return deadline_ms(server) + RETRY_WINDOW_MS + LEASE_MARGIN_MS


def deadline_ms(server: ToolServer | None) -> int:
    """How long one call of a server's tools may take."""
    return (server.deadline_seconds if server else DEADLINE_SECONDS_DEFAULT) * SECOND_MS


def arguments(action: Action, intent: ActionIntent) -> dict[str, Json]:
    """What is sent: the final arguments, and the idempotency key in its own.

    InvalidInput as `final_arguments`.
    """
    named = final_arguments(action, intent)
    if action.idempotency_argument:
        named[action.idempotency_argument] = idempotency_key(
            intent.tenant_id, intent.action_intent_id
        )
    return named


def retry_after_ms(error: CallError, action: Action, tries: int) -> int | None:
    """How long to wait before the same call may be sent again in the same attempt, or None if it
    may not: a tool that asks for a longer pause than there is would only refuse it again.
    """
    safe = error.sent is Sent.NOT_SENT or action.effect.repeatable
    wait = max(BACKOFF_MS << (tries - 1), error.retry_after_ms or 0)
    if tries >= TRIES_MAX or error.error_class not in TRANSIENT or not safe:
        return None
    return wait if wait <= BACKOFF_MS_MAX else None


def with_moment(error: CallError, now: int) -> CallError:
    """The error that ended the tries now; if the tool asked for a pause, it and its sentence say
    until when: the next whole second.
    """
    if not error.retry_after_ms:
        return error
    retry_at = -(-(now + error.retry_after_ms) // SECOND_MS) * SECOND_MS
    until = as_text(retry_at).replace(".000Z", "Z")
    sentence = f"{error.sentence} The tool asked not to be called again before {until}."
    return replace(error, sentence=sentence, retry_at=retry_at)


def key_is_forgotten(action: Action, first_started_at: int, now: int) -> bool:
    """True if the tool may not know the key of a call any more that may have been sent since
    `first_started_at`: then a repeat is another call.
    """
    return action.effect is Effect.KEYED and now - first_started_at >= action.key_kept_for_ms


def outcome_of(error: CallError) -> Outcome:
    """What an error that is not retried means: not sent -> CANCELLED, answered -> FAILED, else
    UNKNOWN.
    """
    status = {
        Sent.NOT_SENT: OutcomeStatus.CANCELLED,
        Sent.ANSWERED: OutcomeStatus.FAILED,
        Sent.MAYBE: OutcomeStatus.UNKNOWN,
    }[error.sent]
    return Outcome(status, error.sentence, error=error)
