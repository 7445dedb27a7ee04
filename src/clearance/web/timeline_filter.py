"""The timeline's filters: the text of a page's address, and the query that it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from clearance.core.canonical import INTEGER_MAX
from clearance.core.errors import InvalidInput
from clearance.core.intent import ACTION_TYPE, name_problem
from clearance.core.record import LET_RUN, UNDER_WAY, IntentStatus
from clearance.flow.ports.intents import TimelineQuery

PAGE_SIZE = 40  # intents of one page

SOURCES: Mapping[str, str] = {"autopilot": "Autopilot", "people": "People"}
"""Who let an intent run: the word in the address, and the word on the page."""

OUTCOMES: Mapping[str, tuple[str, tuple[IntentStatus, ...]]] = {
    "done": ("Done", (IntentStatus.SUCCEEDED,)),
    "under-way": ("Under way", UNDER_WAY),
    "waiting": ("Waiting for a person", (IntentStatus.AWAITING_APPROVAL,)),
    "blocked": ("Blocked", (IntentStatus.BLOCKED,)),
    "not-done": (
        "Rejected, expired, cancelled",
        (IntentStatus.REJECTED, IntentStatus.EXPIRED, IntentStatus.CANCELLED),
    ),
    "failed": ("Failed", (IntentStatus.FAILED,)),
    "unknown": ("Outcome unknown", (IntentStatus.UNKNOWN,)),
}
"""How an intent stands: the word in the address, the words on the page, and the states that they
mean.
"""


@dataclass(frozen=True, slots=True)
class TimelineFilter:
    """The wanted intents; every part may be missing. `before` is the cursor."""

    account_id: str | None = None
    action_type: str | None = None
    source: str | None = None
    outcome: str | None = None
    before: int | None = None

    @property
    def chosen(self) -> bool:
        """True if anything but the page is asked for."""
        return replace(self, before=None) != TimelineFilter()

    def address(self, before: int | None = None, path: str = "/") -> str:
        """The address of the same list, from a cursor on."""
        asked = {
            "account_id": self.account_id,
            "action_type": self.action_type,
            "source": self.source,
            "outcome": self.outcome,
            "before": before,
        }
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        return f"{path}?{query}" if query else path

    def query(self) -> TimelineQuery | None:
        """The query of one page and one more, or None where nothing can be both."""
        statuses = OUTCOMES[self.outcome][1] if self.outcome else ()
        if self.source == "people":
            statuses = (
                tuple(status for status in statuses if status in LET_RUN) if statuses else LET_RUN
            )
            if not statuses:
                return None
        return TimelineQuery(
            account_id=self.account_id,
            action_type=self.action_type,
            auto_executed=None if self.source is None else self.source == "autopilot",
            statuses=statuses,
            before=self.before,
            limit=PAGE_SIZE + 1,
        )


def read_filter(query: Mapping[str, str]) -> TimelineFilter:
    """The filter in an address.

    Raises InvalidInput (`INVALID_QUERY`) for what no such filter can be.
    """
    given = {name: value.strip() for name, value in query.items() if value.strip()}
    account_id, action_type = given.get("account_id"), given.get("action_type")
    before = given.get("before")
    fits = (
        (account_id is None or name_problem(account_id) is None)
        and (action_type is None or ACTION_TYPE.fullmatch(action_type) is not None)
        and given.get("source") in {None, *SOURCES}
        and given.get("outcome") in {None, *OUTCOMES}
        and (
            before is None
            or (before.isascii() and before.isdigit() and int(before[:17]) <= INTEGER_MAX)
        )
    )
    if not fits:
        sentence = "The address asks for something that the timeline cannot be filtered by."
        raise InvalidInput(sentence, code="INVALID_QUERY")
    return TimelineFilter(
        account_id,
        action_type,
        given.get("source"),
        given.get("outcome"),
        int(before[:17]) if before else None,
    )
