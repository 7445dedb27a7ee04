"""The clock: the only code that reads time and makes ids, so that everything else can run at any
moment.
"""

from __future__ import annotations

import secrets
import time


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back; only differences mean anything."""
        return time.monotonic_ns() // 1_000_000

    def new_id(self) -> str:
        """A UUIDv7 (RFC 9562, section 5.7) as 32 hexadecimal characters: 48 bits of milliseconds,
        then random bits.
        """
        random = int.from_bytes(secrets.token_bytes(10), "big")
        value = self.now_ms() << 80 | random
        value = value & ~(0xF << 76) | 0x7 << 76
        value = value & ~(0x3 << 62) | 0x2 << 62
        return f"{value:032x}"
