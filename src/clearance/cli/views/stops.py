"""How stops look: what they hold, what goes on under them, and what a lift starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from clearance.cli.output import GAP, Facts, Json, Terminal, Tone, local_time

CALLS_SHOWN_MAX = 10  # of one stop, on a terminal
TENANTS_SHOWN_MAX = 10  # with switches of their own, on a terminal

_COVERS: Mapping[str, str] = {
    "GLOBAL": "Every tenant",
    "TENANT": "The whole tenant",
    "ACCOUNT": "The account",
    "ACTION_TYPE": "The action type",
    "TOOL_SERVER": "The tool server",
    "AGENT": "The agent",
}
_LIFTERS: Mapping[str, str] = {"APPROVER": "an owner or approver", "OWNER": "an owner only"}


def stopped(terminal: Terminal, answer: Facts) -> None:
    """What a stop did: its receipt, and that other switches are on too."""
    _place(terminal, answer)
    receipts = answer.get("receipts") or []
    for receipt in receipts:
        _receipt(terminal, receipt)
    _not_counted(terminal, answer, "The stop is on, but what it holds could not be counted")
    shown = {_covered(receipt["switch"]) for receipt in receipts}
    others = [each for each in answer["stop_switches"] if _covered(each) not in shown]
    if not receipts:
        _switches(terminal, others)
    elif others:
        on = "1 other stop is on" if len(others) == 1 else f"{len(others):,} other stops are on"
        terminal.line((f"{on}: clearance stop --list shows each.", Tone.QUIET))


def lifted(terminal: Terminal, answer: Facts) -> None:
    """What a lift starts, and the switches that are still on."""
    _place(terminal, answer)
    starts = answer.get("starts")
    if starts is not None:
        terminal.line(f"Lifted. {_starting(starts)}")
    _not_counted(terminal, answer, "Lifted. The acts that start now could not be counted")
    _on(terminal, answer)


def listed(terminal: Terminal, answer: Facts) -> None:
    """Each switch that is on, with what it holds now."""
    _place(terminal, answer)
    everywhere, receipts = answer.get("everywhere") or [], answer.get("receipts") or []
    for switch in everywhere:
        _stopped(terminal, switch)
        who = "the operator of the installation only: clearance stop --everything --lift"
        terminal.fields([("set", _set(switch)), ("a lift", f"by {who}")])
    for place, receipt in enumerate(receipts):
        if place or everywhere:
            terminal.line("")
        _receipt(terminal, receipt)
    if not receipts and (answer["stop_switches"] or not everywhere):
        _on(terminal, answer)
    elif answer.get("tenants"):
        _of_tenants(terminal, answer["tenants"])
    _not_counted(terminal, answer, "What the stops hold could not be counted")


def _place(terminal: Terminal, answer: Facts) -> None:
    if answer.get("place"):
        terminal.line(f"Of {answer['place']}:")


def _not_counted(terminal: Terminal, answer: Facts, what: str) -> None:
    if problem := answer.get("receipt_problem"):
        terminal.line((f"{what}: {problem['sentence']}", Tone.WAITING))


def _starting(starts: int) -> str:
    if starts == 0:
        return "No approved act was held by it alone."
    return "1 approved act starts now." if starts == 1 else f"{starts:,} approved acts start now."


def _on(terminal: Terminal, answer: Facts) -> None:
    """The switches that are on; of every tenant, where the operator asked for those."""
    if "tenants" not in answer or answer["stop_switches"]:
        _switches(terminal, answer["stop_switches"])
    else:
        terminal.line("No stop for every tenant is on.")
    if answer.get("tenants"):
        _of_tenants(terminal, answer["tenants"])


def _of_tenants(terminal: Terminal, counts: Mapping[str, int]) -> None:
    """That tenants have switches of their own, which this command does not lift."""
    shown = [f"{tenant} has {count:,}" for tenant, count in counts.items()][:TENANTS_SHOWN_MAX]
    more = f", and {len(counts) - len(shown):,} more tenants" if len(counts) > len(shown) else ""
    terminal.line(f"Switches of tenants: {', '.join(shown)}{more}.")


def _switches(terminal: Terminal, switches: Sequence[Facts]) -> None:
    if not switches:
        terminal.line("No stop switch is on.")
        return
    terminal.table(
        [
            (
                (str(switch.get("level")), Tone.STOPPED),
                str(switch.get("scope")),
                str(switch.get("subject") or "everything"),
                str(switch.get("reason")),
            )
            for switch in switches
        ]
    )


def _covered(switch: Facts) -> tuple[Json, Json]:
    return switch.get("scope"), switch.get("subject")


def _stopped(terminal: Terminal, switch: Facts) -> None:
    """What is stopped, and why."""
    covers = _COVERS.get(str(switch["scope"]), str(switch["scope"]))
    named = " ".join(filter(None, (covers, switch.get("subject"))))
    state = "is refused" if switch["level"] == "REFUSE" else "is held"
    terminal.line((named, Tone.STRONG), " ", (state, Tone.STOPPED), f": {switch['reason']}")


def _receipt(terminal: Terminal, receipt: Facts) -> None:
    """One stop in plain words."""
    switch = receipt["switch"]
    _stopped(terminal, switch)
    if not receipt["known"]:
        _unknown(terminal, receipt["near"])
    acts = f"{_acts(receipt['approved'])} approved, {receipt['waiting']:,} waiting for a person"
    terminal.fields([("cancelled" if switch["level"] == "REFUSE" else "held", acts)])
    _under_way(terminal, receipt)
    terminal.fields(
        [
            ("done", _done(receipt["done"])),
            ("set", _set(switch)),
            ("a lift", _lift(receipt)),
            ("receipt", _entry(receipt)),
        ]
    )


def _unknown(terminal: Terminal, near: Sequence[str]) -> None:
    """That nothing has the name: the stop is on, and may have missed what it was meant for."""
    meant = f" Did you mean {' or '.join(near)}?" if near else ""
    terminal.line((f"Nothing has this name now.{meant}", Tone.WAITING))


def _acts(count: int) -> str:
    return "1 act" if count == 1 else f"{count:,} acts"


def _under_way(terminal: Terminal, receipt: Facts) -> None:
    """The calls that the stop does not cut off."""
    count, calls = receipt["under_way"], receipt["calls"]
    if not count:
        terminal.fields([("under way", "no call")])
        return
    were = "1 call that goes on" if count == 1 else f"{count:,} calls that go on"
    terminal.line(("under way", Tone.QUIET), GAP, (f"{were} to the end:", Tone.WAITING))
    terminal.table(
        [
            (
                f"  {call['tool'] or 'an action that the catalog lost'}",
                str(call["action_intent_id"]),
                f"since {_second(call['since'])}",
                f"over by {_second(call['deadline'])}",
            )
            for call in calls[:CALLS_SHOWN_MAX]
        ]
    )
    if (more := count - min(len(calls), CALLS_SHOWN_MAX)) > 0:
        terminal.line(f"  and {more:,} more")


def _done(done: Mapping[str, int]) -> str:
    """What was done in the last 24 hours."""
    counts = [f"{count:,} {status}" for status, count in done.items() if count]
    return f"in the last 24 hours: {', '.join(counts) or 'nothing'}"


def _set(switch: Facts) -> str | None:
    if not switch.get("set_by"):
        return None
    return f"by {switch['set_by']}, {_second(switch['set_at'])}"


def _lift(receipt: Facts) -> str:
    starts = receipt["starts"]
    who = _LIFTERS.get(str(receipt["switch"]["lifted_by"]), "an owner only")
    who = "the operator" if receipt["switch"]["scope"] == "GLOBAL" else who
    return f"by {who}, starts {_acts(starts) if starts else 'nothing'} at once"


def _entry(receipt: Facts) -> str | None:
    """Where the ledger has the receipt."""
    if receipt["recorded"] is None:
        return None
    ledger = "operator's ledger" if receipt["switch"]["scope"] == "GLOBAL" else "ledger"
    return f"entry {receipt['recorded']} of the {ledger}{_over(receipt)}"


def _over(receipt: Facts) -> str:
    """How the calls that were under way at the stop ended, once all have."""
    ended = receipt.get("ended")  # which a server of before does not say
    if ended is None:
        return "; every call under way at the stop has ended" if receipt["closed"] else ""
    unknown, count = ended.get("UNKNOWN", 0), sum(ended.values())
    if unknown:
        who = "1 call" if unknown == 1 else f"{unknown:,} calls"
        return (
            f"; {who} of {count:,} at the stop ended without a known outcome: the tool may still "
            f"be at work"
        )
    return "; every call under way at the stop has ended" if count else "; no call was under way"


def _second(text: Json) -> str:
    """A moment of the wire, to the second."""
    return local_time(text, to_second=True)
