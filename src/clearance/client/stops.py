"""The stop switches as the Python client changes them: what one person stops or lifts, no other
loses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

from clearance.client.wire import Answer, ClearanceError, Json, Request, Steps, path, put, send

STOP_TRIES_MAX = 20  # of a change to the stop switches that others are changing too
NEAR_MAX = 3  # names that may have been meant
SHOWN_MAX = 10  # switches that a sentence names
NO_SUCH_SWITCH = "NO_SUCH_STOP_SWITCH"
OPERATORS = (
    "Every tenant is stopped by the operator, and only the operator lifts that: "
    "clearance stop --everything --lift."
)


def change_stops(change: Callable[[list[Answer]], list[Answer]]) -> Steps:
    """Changes the switches as they are now, again if others changed them meanwhile, so that no
    switch is lost.
    """
    for tried in range(1, STOP_TRIES_MAX + 1):
        part = yield from _switches()
        switches = {"stop_switches": change(part["stop_switches"])}
        try:
            return (yield from send(put("stop-switches", switches, f'"{part["version"]}"')))
        except ClearanceError as error:
            if error.code != "VERSION_MISMATCH" or tried == STOP_TRIES_MAX:
                raise
    raise AssertionError  # the last try returns or raises


def _switches() -> Steps:
    """The switches as they are. Whoever may not read them may not change them either: the refusal
    names the permission that was asked for.
    """
    try:
        return (yield from send(Request("GET", path("autonomy", "stop-switches"))))
    except ClearanceError as error:
        if error.code != "FORBIDDEN":
            raise
        who = yield from send(Request("GET", path("whoami")))
        if "stop" in who["permissions"]:
            raise
        sentence = (
            f"This needs the permission 'stop', which the credential of {who['actor_id']} lacks."
        )
        raise ClearanceError(error.code, sentence, status=error.status) from None


def stop(switch: Answer) -> Steps:
    """Puts a switch on in the place of the one that covers the same, and answers with its receipt
    among `receipts` also if it was on already.
    """
    scope, subject = switch["scope"], switch.get("subject")

    def change(switches: list[Answer]) -> list[Answer]:
        return [other for other in switches if not covers(other, scope, subject)] + [switch]

    changed = yield from change_stops(change)
    receipts = changed.setdefault("receipts", [])
    if any(covers(receipt["switch"], scope, subject) for receipt in receipts):
        return changed
    try:
        receipts.append((yield from stop_receipt(scope, subject)))
    except ClearanceError as error:  # the stop is on, and must not look as if it were not
        problem = {"code": error.code, "sentence": error.sentence}
        changed["receipt_problem"] = changed.get("receipt_problem") or problem
    return changed


def lift(scope: str, subject: str | None) -> Steps:
    """Takes the switch of a scope and subject away; ClearanceError (`NO_SUCH_STOP_SWITCH`) if there
    is none, with the names of those that are on.
    """

    def change(switches: list[Answer]) -> list[Answer]:
        kept = [other for other in switches if not covers(other, scope, subject)]
        if len(kept) == len(switches):
            raise ClearanceError(NO_SUCH_SWITCH, _no_such_switch(switches, scope, subject))
        return kept

    try:
        return (yield from change_stops(change))
    except ClearanceError as error:
        if error.code != NO_SUCH_SWITCH:
            raise
        on = (yield from send(Request("GET", path("status"))))["stop_switches"]
        if all(switch["scope"] != "GLOBAL" for switch in on):
            raise
        raise ClearanceError(error.code, f"{error.sentence} {OPERATORS}") from None


def _no_such_switch(switches: list[Answer], scope: str, subject: str | None) -> str:
    """That none is on for it, which names on are near, and what is on."""
    alike = [str(each["subject"]) for each in switches if each["scope"] == scope]
    near = get_close_matches(subject or "", alike, NEAR_MAX)
    on = [" ".join(_covered(each["scope"], each.get("subject"))) for each in switches]
    more = f" and {len(on) - SHOWN_MAX:,} more" if len(on) > SHOWN_MAX else ""
    return " ".join(
        (
            f"No stop switch is on for {' '.join(_covered(scope, subject))}.",
            *([f"Did you mean {' or '.join(near)}?"] if near else []),
            *([f"On are: {', '.join(on[:SHOWN_MAX])}{more}."] if on else []),
        )
    )


def _covered(scope: str, subject: str | None) -> tuple[str, ...]:
    words = f"the {scope.lower().replace('_', ' ')}"
    return ("the whole tenant",) if subject is None else (words, subject)


def stop_receipt(scope: str, subject: str | None) -> Steps:
    """The receipt of one scope and subject, whether or not a switch is on for it."""
    named = () if subject is None else (("subject", subject),)
    return send(Request("GET", path("stop-receipts", "preview"), (("scope", scope), *named)))


def covers(switch: Mapping[str, Json], scope: str, subject: str | None) -> bool:
    """True if a switch is the one of this scope and subject."""
    return switch.get("scope") == scope and switch.get("subject") == subject
