"""How the lists look: the inbox, the timeline, the ledger and the usage of limits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from clearance.cli.output import (
    GAP,
    STATUS_TONES,
    Facts,
    Json,
    Terminal,
    Tone,
    local_time,
    padded,
)
from clearance.cli.views.intents import action_of, alike, badge, risk, the_call
from clearance.core.folding import folded, looked_up

ACTOR_WIDTH = 16  # characters that a column of actors has at least


def actions(terminal: Terminal, page: Facts) -> None:
    """The actions that may be proposed, a line each."""
    rows = [
        (
            (str(item.get("action_type")), Tone.STRONG),
            str(item.get("label")),
            str(item.get("description") or ""),
        )
        for item in page["items"]
    ]
    if rows:
        terminal.table(rows)
    else:
        terminal.line("Nothing may be proposed.")


def inbox(terminal: Terminal, page: Facts, *, rules: bool = True) -> None:
    """The approvals that need a person, one card each; `rules` if the reader may be that person."""
    items = page["items"]
    headline = _count(len(items), page.get("total"), rules=rules)
    terminal.line((headline, Tone.STRONG if items else Tone.PLAIN))
    for card in items:
        terminal.line()
        terminal.line((str(card.get("approval_id")), Tone.WAITING), GAP, str(card.get("sentence")))
        the_call(terminal, card, margin="  ")
        terminal.fields(
            [
                ("  asked because", card.get("explanation") or card.get("reason")),
                ("  what changed", " / ".join(card.get("differences") or [])),
                ("  the same act", alike(card)),
                ("  action", action_of(card)),
                (
                    "  tool",
                    f"{card.get('tool')} ({card.get('effect')})" if card.get("tool") else None,
                ),
                ("  undo", "possible" if card.get("undo") else "not possible"),
                ("  risk", risk(card)),
                ("  confidence", card.get("confidence_score")),
                ("  the agent says", " / ".join(card.get("why") or [])),
                ("  an edit by you", _EDIT[bool(card.get("edit_approves"))] if rules else None),
                ("  digest", card.get("digest")),
                ("  until", local_time(card.get("expires_at"))),
            ]
        )
    _more(terminal, page, "There are more.", f"--cursor {page.get('next_cursor')}")


_EDIT = {True: "runs at once: it is your approval too", False: "waits for another person"}


def _count(shown: int, total: Json, *, rules: bool) -> str:
    """How many wait in all, and how many of them are shown."""
    in_all = max(shown, total if isinstance(total, int) else 0)
    if in_all == 0:
        return "Nothing needs you." if rules else "Nothing waits for a person."
    number = f"{in_all:,}" if shown == in_all else f"{shown:,} of {in_all:,}"
    noun, verb = ("action", "s") if in_all == 1 else ("actions", "")
    needs = f"need{verb} you" if rules else f"wait{verb} for a person"
    return f"{number} {noun} {needs}."


def _more(terminal: Terminal, page: Facts, counted: str, option: str) -> None:
    """That a list goes on, and the option with which to read on."""
    if page.get("more"):
        terminal.line()
        terminal.line((f"{counted} Read on with {option}.", Tone.WAITING))


def timeline(terminal: Terminal, page: Facts, *, each: bool = False) -> None:
    """The timeline, newest first; `each` with a line for each read too."""
    if not page["items"]:
        terminal.line("Nothing has been proposed yet, or nothing that fits these filters.")
        return
    items = page["items"]
    for first, *others in ([item] for item in items) if each else folded(items, _like):
        if others:
            _reads(terminal, first, len(others) + 1)
        else:
            timeline_item(terminal, first)
    counted = f"These are {len(page['items']):,}, and there are more."
    _more(terminal, page, counted, f"--cursor {page.get('next_cursor')}")


def _like(facts: Facts) -> Hashable:
    """Equal for what one agent only looks up by the same action, with the same end."""
    if facts.get("effect") != "read":
        return id(facts)
    return (*map(facts.get, ("proposed_by", "action_type", "status")), badge(facts))


def timeline_item(terminal: Terminal, facts: Facts) -> None:
    """One line of the timeline."""
    _line_of(terminal, facts, str(facts.get("sentence")))


def _reads(terminal: Terminal, latest: Facts, count: int) -> None:
    """Many reads in one line, at the time of the latest."""
    agent, label = latest.get("proposed_by"), latest.get("action_label")
    _line_of(terminal, latest, looked_up(str(agent), str(label), count))


def _line_of(terminal: Terminal, facts: Facts, sentence: str) -> None:
    status = str(facts.get("status"))
    terminal.line(
        (local_time(facts.get("at") or facts.get("changed_at")), Tone.QUIET),
        GAP,
        sentence,
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
    if page["items"]:
        counted = f"These are {len(page['items']):,} of {page.get('total'):,} entries."
        _more(terminal, page, counted, f"--after {page['items'][-1].get('position')}")


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


def usage(terminal: Terminal, facts: Facts) -> None:
    """What is used of each counter, a line each."""
    terminal.fields(
        (counter["sentence"], ", ".join(bucket["shown"] for bucket in counter["buckets"]))
        for counter in facts["counters"]
    )
