"""How an intent, a ruling and an explanation look."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.cells import cell_len

from clearance.cli.output import (
    GAP,
    STATUS_TONES,
    Facts,
    Json,
    Part,
    Terminal,
    Tone,
    as_json_text,
    clean,
    local_time,
    padded,
)
from clearance.core.decision import not_read

DECISION_TONES: Mapping[str, Tone] = {
    "AUTO_EXECUTE": Tone.AUTOPILOT,
    "REQUIRE_APPROVAL": Tone.WAITING,
    "BLOCK": Tone.STOPPED,
}


def intent(terminal: Terminal, facts: Facts) -> None:
    """One intent, as it stands."""
    status = str(facts.get("status"))
    terminal.line((str(facts.get("sentence")), Tone.STRONG))
    terminal.line((status, STATUS_TONES.get(status, Tone.PLAIN)), GAP, badge(facts))
    the_call(terminal, facts)
    outcome, approval = facts.get("outcome") or {}, facts.get("approval") or {}
    ruling, error = approval.get("ruling") or {}, outcome.get("error") or {}
    terminal.fields(
        [
            ("intent", facts.get("action_intent_id")),
            ("account", facts.get("account_id")),
            ("action", action_of(facts)),
            ("decision", facts.get("decision")),
            ("reason", facts.get("reason")),
            ("explanation", facts.get("explanation")),
            ("remedy", facts.get("remedy")),
            ("policy clause", ", ".join(_rules(facts))),
            ("proposed by", facts.get("proposed_by")),
            ("confidence", facts.get("confidence_score")),
            ("edited by", facts.get("edited_by")),
            ("instead of", facts.get("supersedes")),
            ("risk", risk(facts)),
            ("the agent says", " / ".join(facts.get("why") or [])),
            ("approval", _state(approval)),
            ("the same act", alike(facts)),
            (
                "edited by" if ruling.get("ruling") == "edit" else "ruled by",
                " ".join(filter(None, (ruling.get("ruled_by"), _why(ruling)))),
            ),
            ("cancelled", _closing(facts)),
            ("outcome", outcome.get("sentence")),
            (
                "error",
                error.get("sentence") if error.get("sentence") != outcome.get("sentence") else None,
            ),
            ("result", outcome.get("result")),
            ("superseded by", facts.get("superseded_by")),
            ("executor", _unusual(facts.get("executor"))),
            ("changed", local_time(facts["changed_at"]) if facts.get("changed_at") else None),
        ]
    )


def alike(facts: Facts) -> str:
    """What else is known of the same act."""
    return " / ".join(str(act.get("sentence")) for act in facts.get("alike") or ())


def risk(facts: Facts) -> str:
    """The effective risk in words, and what the agent said where that is another one."""
    inputs = _finding(facts, "catalog").get("inputs") or {}
    own = str(facts.get("risk_level") or "")
    effective = str(inputs.get("risk_level") or own)
    also = f", the agent said {own.lower()}" if own and effective != own else ""
    return effective.capitalize() + also


def effect_of(facts: Facts) -> Json:
    """The effect that the catalog named when an intent was decided; None if it is not known."""
    return (_finding(facts, "catalog").get("inputs") or {}).get("effect")


def _finding(facts: Facts, check: str) -> Facts:
    """What a check of the gate found; empty if it was not asked."""
    findings = facts.get("findings") or ()
    return next((each for each in findings if each.get("check") == check), {})


def _unread(finding: Facts) -> list[str]:
    """The values of a call that policy did not read, in a sentence."""
    return not_read(finding.get("inputs") or {})


def _closing(facts: Facts) -> str | None:
    """Why an intent was cancelled, as its ledger entry says."""
    entries = [each for each in facts.get("history") or () if each["kind"] == "ACTION_CANCELLED"]
    if not entries:
        return None
    entry = entries[-1]
    reason = entry.get("reason") or ("(the reason was erased)" if entry.get("erased") else "")
    closed = f"{entry.get('code')}, by {(entry.get('actor') or {}).get('id')}"
    return f"{closed}: {reason}" if reason else closed


def action_of(facts: Facts) -> str | None:
    """The action by its label, and its type."""
    label, action_type = facts.get("action_label"), facts.get("action_type")
    return f"{label} ({action_type})" if label else action_type


def the_call(terminal: Terminal, facts: Facts, margin: str = "") -> None:
    """What the tool gets, whole, a line for each argument, with who set it if not the agent; the
    parameters as proposed where the catalog makes no call of them, or another one by now.
    """
    called, proposed = facts.get("arguments"), facts.get("parameters") or {}
    given = proposed if called is None else called
    heading = _as_proposed(facts) if called is None else "the tool gets"
    terminal.line((f"{margin}{heading}", Tone.QUIET), "" if given else "  nothing")
    width = max((cell_len(clean(name)) for name in given), default=0)
    for name, value in given.items():
        for path, note in _notes(facts, name, value):
            terminal.line(margin + GAP, (padded(path, width), Tone.QUIET), GAP, *note)
    if facts.get("target") is not None:
        terminal.line((f"{margin}target", Tone.QUIET), GAP, as_json_text(facts["target"]))


def _notes(facts: Facts, name: str, value: Json) -> Iterator[tuple[str, tuple[Part, ...]]]:
    """An argument, and the values inside of it that are amounts or that the agent did not write."""
    set_by, amounts = facts.get("arguments_set_by") or {}, facts.get("amounts") or {}
    shown = as_json_text(value)
    text = f"{amounts[name]}  (sent as {shown})" if name in amounts else shown
    yield name, (text, _by(set_by, name))
    for path in dict.fromkeys((*amounts, *set_by)):
        if path.startswith(f"{name}."):
            yield path, (amounts.get(path, ""), _by(set_by, path))


def _by(set_by: Facts, path: str) -> Part:
    by = _SET_BY.get(str(set_by.get(path)), "")
    return (by and f"{GAP}({by})", Tone.QUIET)


def _as_proposed(facts: Facts) -> str:
    """Why the parameters are shown, and not the call."""
    catalog = _finding(facts, "catalog")
    if not facts.get("content_kept", True):
        return "parameters (not kept: blocked acts had left as much that day as they may)"
    if facts.get("reason") == "UNKNOWN_ACTION":
        return "parameters as proposed (the catalog did not have this action)"
    if catalog.get("answer") == "BLOCK":
        return "parameters as proposed (no call can be made of them)"
    return (
        "parameters as proposed (the catalog changed since: it does not have the action any more, "
        "or makes another call of it)"
    )


_SET_BY = {"catalog": "from the catalog", "default": "default"}


def _rules(facts: Facts) -> Sequence[str]:
    """The rules of the policy, where they gave the reason; where something else asked, a rule only
    permitted.
    """
    findings = [
        finding for finding in facts.get("findings") or () if finding.get("check") == "policy"
    ]
    return (
        facts.get("policy_clause") or ()
        if any(finding.get("code") == facts.get("reason") for finding in findings)
        else ()
    )


def _unusual(executor: Json) -> Json:
    """An executor that is not the usual one."""
    return None if executor == "server" else executor


def _state(approval: Facts) -> str:
    return f"{approval['approval_id']}  {approval.get('state')}" if approval else ""


def _why(ruling: Facts) -> str:
    if ruling.get("erased"):
        return "(the reason was erased)"
    return f"“{ruling['reason']}”" if ruling.get("reason") else ""


def badge(facts: Facts) -> Part:
    """Who let it run: autopilot, or a person by name."""
    if facts.get("auto_executed"):
        return ("autopilot", Tone.AUTOPILOT)
    source = facts.get("approval_source")
    if source not in {None, "POLICY", "HUMAN"}:
        return (f"let run by {source}", Tone.WAITING)
    ruling = (facts.get("approval") or {}).get("ruling") or {}
    approved_by = facts.get("approved_by") or ruling.get("ruled_by")
    if source == "HUMAN":
        return (f"approved by {approved_by}" if approved_by else "approved by a person", Tone.PLAIN)
    return ("not run", Tone.QUIET)


def ruled(terminal: Terminal, facts: Facts) -> None:
    """An intent after a ruling, and what an edit proposed in its place."""
    if new := facts.get("new_intent"):
        terminal.line((str(facts.get("sentence")), Tone.QUIET))
        intent(terminal, new)
    else:
        intent(terminal, facts)


def erased(terminal: Terminal, facts: Facts) -> None:
    """An intent after an erasure, and what went or stayed."""
    intent(terminal, facts)
    count = len(facts["reasons_erased"])
    terminal.line(f"{count} reason{'s' * (count != 1)} erased; the ledger keeps the digests.")
    if stays := facts["reasons_in_clear"]:
        places = ", ".join(map(str, stays))
        terminal.line(f"Version 0.1.0 wrote reasons into the ledger; those stay: {places}.")


def explanation(terminal: Terminal, facts: Facts) -> None:
    """Why: the row of checks, and what would change the answer."""
    decision = str(facts.get("decision"))
    terminal.line((str(facts.get("sentence")), Tone.STRONG))
    terminal.line(
        (decision, DECISION_TONES.get(decision, Tone.PLAIN)), GAP, str(facts.get("reason"))
    )
    terminal.line(str(facts.get("explanation") or ""))
    if remedy := facts.get("remedy"):
        terminal.line(("remedy", Tone.QUIET), GAP, str(remedy))
    if closing := _closing(facts):
        terminal.line(("cancelled", Tone.QUIET), GAP, closing)
    the_call(terminal, facts)
    terminal.line()
    findings = facts.get("findings") or []
    if findings:
        terminal.table(
            [
                (
                    str(finding.get("check")),
                    (
                        str(finding.get("answer")),
                        DECISION_TONES.get(str(finding.get("answer")), Tone.PLAIN),
                    ),
                    " ".join((str(finding.get("sentence")), *_unread(finding))),
                )
                for finding in findings
            ]
        )
        terminal.line()
    if not facts.get("current", True):
        terminal.line(
            (
                "The settings have changed since; what follows holds under those of today.",
                Tone.WAITING,
            )
        )
    for change in facts.get("nearest_changes") or []:
        terminal.line(str(change.get("sentence")))
