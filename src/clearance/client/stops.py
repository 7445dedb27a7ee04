"""The stop switches as the Python client changes them: what one person stops or lifts, no other
loses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clearance.client.wire import Answer, ClearanceError, Json, Request, Steps, path, put, send

STOP_TRIES_MAX = 20  # of a change to the stop switches that others are changing too


def change_stops(change: Callable[[list[Answer]], list[Answer]]) -> Steps:
    """Changes the switches as they are now, again if others changed them meanwhile, so that no
    switch is lost.
    """
    for tried in range(1, STOP_TRIES_MAX + 1):
        part = yield from send(Request("GET", path("autonomy", "stop-switches")))
        switches = {"stop_switches": change(part["stop_switches"])}
        try:
            return (yield from send(put("stop-switches", switches, f'"{part["version"]}"')))
        except ClearanceError as error:
            if error.code != "VERSION_MISMATCH" or tried == STOP_TRIES_MAX:
                raise
    raise AssertionError  # the last try returns or raises


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
    """Takes the switch of a scope and subject away; ClearanceError if there is none."""

    def change(switches: list[Answer]) -> list[Answer]:
        kept = [other for other in switches if not covers(other, scope, subject)]
        if len(kept) == len(switches):
            covered = " ".join(filter(None, (scope, subject)))
            sentence = f"No stop switch is on for {covered}."
            raise ClearanceError(code="NO_SUCH_STOP_SWITCH", sentence=sentence)
        return kept

    return change_stops(change)


def stop_receipt(scope: str, subject: str | None) -> Steps:
    """The receipt of one scope and subject, whether or not a switch is on for it."""
    named = () if subject is None else (("subject", subject),)
    return send(Request("GET", path("stop-receipts", "preview"), (("scope", scope), *named)))


def covers(switch: Mapping[str, Json], scope: str, subject: str | None) -> bool:
    """True if a switch is the one of this scope and subject."""
    return switch.get("scope") == scope and switch.get("subject") == subject
