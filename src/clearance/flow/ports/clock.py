"""The port of time: the only source of time and of new ids."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The only source of time and of new ids."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back; only differences mean anything."""

    def new_id(self) -> str:
        """A new UUIDv7 as 32 hexadecimal characters: sorts by its time of making."""
