"""Where a DynamoDB store of a test lives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """A table on an emulator, and a client that reaches it.

    `endpoint` is None for moto, which is in this process.
    """

    name: str
    client: Any
    endpoint: str | None
