"""The port of an engine: it decides when the steps of an execution are called, and by which
process.
"""

from __future__ import annotations

from typing import Protocol

from clearance.flow.ports.due import Due


class Engine(Protocol):
    """Decides who calls the execution's steps, and when.

    A hint may be lost or repeated; the store is the truth.
    """

    def hint(self, due: Due) -> None:
        """An intent became APPROVED: start it soon."""
