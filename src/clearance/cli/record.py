"""The commands that read the record: timeline, ledger and usage."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from clearance.cli.options import LIMIT_DEFAULT, AsJson, Cursor, Json, Limit
from clearance.cli.server import answer, connected

if TYPE_CHECKING:
    from clearance.client import Answer, Clearance

SEEN_MAX = 1_000  # steps of intents that `timeline --follow` remembers, to say each once

Account = Annotated[
    str | None, typer.Option("--account", metavar="NAME", help="Only this account.")
]
ActionType = Annotated[
    str | None, typer.Option("--action-type", metavar="TYPE", help="Only this action type.")
]


class Status(StrEnum):
    """Where an intent is on its way."""

    BLOCKED = "BLOCKED"
    AWAITING_APPROVAL = "AWAITING_APPROVAL"
    APPROVED = "APPROVED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    CANCELLED = "CANCELLED"


def timeline(
    *,
    account: Account = None,
    action_type: ActionType = None,
    auto_executed: Annotated[
        bool | None,
        typer.Option(
            "--autopilot/--not-autopilot",
            help="Only intents that no person approved, or only the rest.",
        ),
    ] = None,
    status: Annotated[
        list[Status] | None, typer.Option(help="Only this status; give it again for more.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="MOMENT", help="For example 2026-11-23T06:00:00Z.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="MOMENT", help="Up to this moment.")] = None,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Cursor = None,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on as things happen; --json: a line for each."),
    ] = False,
    each: Annotated[
        bool, typer.Option("--each", help="A line for each act that changes nothing, too.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the timeline.

    It holds actions that ran and those that did not: newest first, or with --follow newest last.
    What one agent only looks up, again and again, is one line.
    """
    from clearance.cli import output
    from clearance.cli.views import lists as views

    filters: dict[str, Json] = {
        "account_id": account,
        "action_type": action_type,
        "auto_executed": auto_executed,
        "status": status or (),
    }
    with connected() as clearance:
        page = clearance.page(
            "timeline", limit=limit, cursor=cursor, **filters, since=since, until=until
        )
        if follow:
            items = _followed(clearance, page["items"], filters)
            output.follow(items, views.timeline_item, as_json=as_json)
        else:
            output.show(page, partial(views.timeline, each=each), as_json=as_json)


def _followed(
    clearance: Clearance, items: list[Answer], filters: Mapping[str, Json]
) -> Iterator[Answer]:
    """The items oldest first, then each intent that a new ledger entry is about, as an item of the
    timeline.
    """
    yield from reversed(items)
    seen: deque[tuple[str, str]] = deque(
        ((item["action_intent_id"], item["status"]) for item in items), maxlen=SEEN_MAX
    )
    for entry in clearance.events(after=items[0]["position"] if items else None):
        name = entry.get("action_intent_id")
        if name is None or not all(
            filters[key] in (None, entry.get(key)) for key in ("account_id", "action_type")
        ):
            continue
        item = _item(entry, clearance.intent(name))
        step = (name, item["status"])
        wanted = filters["auto_executed"] in (None, item["auto_executed"])
        if (
            step not in seen
            and wanted
            and (not filters["status"] or item["status"] in filters["status"])
        ):
            seen.append(step)
            yield item


_SHARED = (
    *("action_intent_id", "account_id", "action_type", "action_label", "proposed_by", "sentence"),
    *("status", "decision", "reason", "auto_executed", "approval_source"),
)


def _item(entry: Mapping[str, Json], intent: Mapping[str, Json]) -> Answer:
    """An intent as the timeline tells it, at its latest entry."""
    from clearance.cli.views.intents import effect_of

    ruling = (intent["approval"] or {}).get("ruling") or {}
    return {
        "position": entry["position"],
        "at": entry["at"],
        **{name: intent.get(name) for name in _SHARED},
        "approved_by": ruling.get("ruled_by") if intent["approval_source"] == "HUMAN" else None,
        "effect": effect_of(intent),
        "outcome_status": (intent["outcome"] or {}).get("status"),
    }


def ledger(
    *,
    after: Annotated[
        int | None, typer.Option(min=0, metavar="N", help="Start after this position.")
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on as entries come; --json: a line for each.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Read the ledger.

    Prints entries in order; with --follow from a position, or from now on.
    """
    from clearance.cli import output
    from clearance.cli.views import lists as views

    with connected() as clearance:
        if follow:
            output.follow(clearance.events(after=after), views.entry, as_json=as_json)
        else:
            page = clearance.page("ledger", limit=limit, after=after or 0)
            page["total"] = clearance.status()["ledger_size"]
            output.show(page, views.ledger, as_json=as_json)


def usage(
    *,
    agent: Annotated[
        str | None, typer.Option(metavar="NAME", help="What this agent has used, too.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(metavar="NAME", help="What is used on this account, too.")
    ] = None,
    action_type: Annotated[
        str | None, typer.Option(metavar="TYPE", help="What acts of this type have used, too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is used of the limits.

    It shows the tenant's counters in the window that it is now, and those of the agent, account and
    action type that are named, one by one and together.
    """
    from clearance.cli.views import lists as views

    answer(
        lambda clearance: clearance.usage(agent=agent, account=account, action_type=action_type),
        views.usage,
        as_json=as_json,
    )
