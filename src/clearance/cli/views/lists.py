"""How the lists look: the inbox, the timeline and the ledger."""

from __future__ import annotations

from collections.abc import Mapping

from clearance.cli.output import GAP, STATUS_TONES, Facts, Terminal, Tone, local_time, padded
from clearance.cli.views.intents import badge

ACTOR_WIDTH = 16  # characters that a column of actors has at least


def inbox(terminal: Terminal, page: Facts, *, rules: bool = True) -> None:
    """The approvals that need a person, one card each; `rules` if the reader may be that person."""
    items = page["items"]
    terminal.line((_count(len(items), rules=rules), Tone.STRONG if items else Tone.PLAIN))
    for card in items:
        terminal.line()
        terminal.line((str(card.get("approval_id")), Tone.WAITING), GAP, str(card.get("sentence")))
        terminal.fields(
            [
                ("  asked because", card.get("explanation") or card.get("reason")),
                ("  what changed", " / ".join(card.get("differences") or [])),
                ("  parameters", card.get("parameters")),
                ("  target", card.get("target")),
                (
                    "  tool",
                    f"{card.get('tool')} ({card.get('effect')})" if card.get("tool") else None,
                ),
                ("  undo", "possible" if card.get("undo") else "not possible"),
                ("  risk", card.get("risk_level")),
                ("  confidence", card.get("confidence_score")),
                ("  the agent says", " / ".join(card.get("why") or [])),
                ("  digest", card.get("digest")),
                ("  until", local_time(card.get("expires_at"))),
            ]
        )


def _count(count: int, *, rules: bool) -> str:
    if count == 0:
        return "Nothing needs you." if rules else "Nothing waits for a person."
    if not rules:
        return (
            "1 action waits for a person." if count == 1 else f"{count} actions wait for a person."
        )
    return "1 action needs you." if count == 1 else f"{count} actions need you."


def timeline(terminal: Terminal, page: Facts) -> None:
    """The timeline, newest first."""
    if not page["items"]:
        terminal.line("Nothing has been proposed yet, or nothing that fits these filters.")
        return
    for item in page["items"]:
        timeline_item(terminal, item)


def timeline_item(terminal: Terminal, facts: Facts) -> None:
    """One line of the timeline."""
    status = str(facts.get("status"))
    moment = local_time(facts.get("at") or facts.get("changed_at"))
    terminal.line(
        (moment, Tone.QUIET),
        GAP,
        str(facts.get("sentence")),
        GAP,
        (status, STATUS_TONES.get(status, Tone.PLAIN)),
        GAP,
        badge(facts),
    )


def ledger(terminal: Terminal, page: Facts) -> None:
    """Ledger entries, in order."""
    if not page["items"]:
        terminal.line("There is no entry behind this position.")
    for item in page["items"]:
        entry(terminal, item)


def entry(terminal: Terminal, facts: Facts) -> None:
    """One ledger entry."""
    actor = facts.get("actor") or {}
    about = " ".join(
        str(facts[name])
        for name in ("action_intent_id", "account_id", "action_type")
        if facts.get(name)
    )
    terminal.line(
        f"{facts.get('position')!s:>7}",
        GAP,
        (local_time(facts.get("at")), Tone.QUIET),
        GAP,
        f"{facts.get('kind')!s:<22}",
        GAP,
        padded(str(actor.get("id") if isinstance(actor, Mapping) else actor), ACTOR_WIDTH),
        GAP,
        (about, Tone.QUIET),
    )
