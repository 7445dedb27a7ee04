"""The port of a store: all that its readers need of it, each named by its own port."""

from __future__ import annotations

from typing import Protocol

from clearance.flow.ports.credentials import Credentials
from clearance.flow.ports.due import DueReads
from clearance.flow.ports.intents import IntentReads
from clearance.flow.ports.ledger import LedgerReads
from clearance.flow.ports.settings import SettingsStore
from clearance.flow.ports.stops import Stops
from clearance.flow.ports.totals import TotalsReads
from clearance.flow.ports.transitions import Transitions


class Store(
    Transitions,
    IntentReads,
    LedgerReads,
    SettingsStore,
    Credentials,
    DueReads,
    TotalsReads,
    Stops,
    Protocol,
):
    """Keeps every fact.

    A transition and its ledger entry are one transaction; an acknowledged commit is durable.

    Every method may raise Unavailable. Then nothing was done; or, if it says `in_doubt`, it is not
    known whether it was. Nothing is read after a commit: what a method returns was committed.
    """

    async def close(self) -> None:
        """Commits what was acknowledged, and lets go of the files."""
