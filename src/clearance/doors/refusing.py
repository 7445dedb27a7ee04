"""Refusals over HTTP: the header that every door's answer to one has."""

from __future__ import annotations

from clearance.core.errors import Refusal, TooMany


def retry_after(refusal: Refusal) -> dict[str, str]:
    """The header that says when the same may be sent again; nothing if time alone does not help."""
    seconds = refusal.retry_after_seconds if isinstance(refusal, TooMany) else None
    return {} if seconds is None else {"Retry-After": str(seconds)}
