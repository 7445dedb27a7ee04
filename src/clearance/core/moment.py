"""Points in time: integer milliseconds since 1970-01-01 UTC inside, RFC 3339 text outside, and the
day of a zone.

Nothing here reads a clock: `now` is always an argument.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

SECOND_MS = 1_000
HOUR_MS = 3_600 * SECOND_MS
DAY_MS = 24 * HOUR_MS
# 9999-12-31T23:59:59.999Z: the last moment that RFC 3339 can write.
MOMENT_MS_MAX = 253_402_300_799_999

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def as_text(moment_ms: int) -> str:
    """RFC 3339 in UTC with milliseconds, for example `2026-11-23T06:00:00.000Z`."""
    return (_EPOCH + timedelta(milliseconds=moment_ms)).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def from_text(text: str) -> int:
    """Milliseconds since 1970 UTC of an RFC 3339 moment; ValueError if it is not one or has no
    offset.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        sentence = "a moment needs its offset from UTC, for example 2026-11-23T06:00:00Z"
        raise ValueError(sentence)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def day_in_zone(moment_ms: int, zone: str) -> str:
    """The calendar day, as `YYYY-MM-DD`, that it is in an IANA time zone."""
    return minute_in_zone(moment_ms, zone)[:10]


def minute_in_zone(moment_ms: int, zone: str) -> str:
    """The minute, as `YYYY-MM-DDTHH:MM`, that clocks show in an IANA time zone."""
    shown = (_EPOCH + timedelta(milliseconds=moment_ms)).astimezone(_zone(zone))
    return shown.isoformat(timespec="minutes")[:16]


@lru_cache(maxsize=512)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
