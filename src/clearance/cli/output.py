"""What the command line prints: one JSON document for programs, or calm lines for people.

One idea: everything that is shown goes through `clean`, for most of it was written by agents and
tools, and a terminal obeys what it is shown. Markup is never interpreted; colour means something
(autopilot, waiting, stopped, unknown) or is not there. Where the facts come from, and which of them
a command asks for, is not known here.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from difflib import unified_diff
from enum import StrEnum
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

Json: TypeAlias = Any
Facts: TypeAlias = Mapping[str, Json]

VALUE_LENGTH_MAX = 2_000  # characters of one value shown to people; --json has all of it
GAP = "  "
ACTOR_WIDTH = 16  # characters that a column of actors has at least


class Tone(StrEnum):
    """What a colour means."""

    PLAIN = ""
    QUIET = "dim"
    STRONG = "bold"
    AUTOPILOT = "cyan"
    DONE = "green"
    WAITING = "yellow"
    STOPPED = "red"
    UNKNOWN = "magenta"


Part: TypeAlias = str | tuple[str, Tone]

STATUS_TONES: Mapping[str, Tone] = {
    "BLOCKED": Tone.STOPPED,
    "AWAITING_APPROVAL": Tone.WAITING,
    "SUCCEEDED": Tone.DONE,
    "FAILED": Tone.STOPPED,
    "UNKNOWN": Tone.UNKNOWN,
    "REJECTED": Tone.STOPPED,
}
DECISION_TONES: Mapping[str, Tone] = {
    "AUTO_EXECUTE": Tone.AUTOPILOT,
    "REQUIRE_APPROVAL": Tone.WAITING,
    "BLOCK": Tone.STOPPED,
}


def clean(value: Json) -> str:
    """Text that a terminal only shows: one line, without control, direction, invisible or unpaired
    characters.
    """
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if not text.isprintable():
        text = "".join(_shown(character) for character in text)
    return text if len(text) <= VALUE_LENGTH_MAX else text[: VALUE_LENGTH_MAX - 1] + "…"


def _shown(character: str) -> str:
    if character in "\t\n\r\v\f\x85\u2028\u2029":
        return " "
    # Cc, Cf, Cs, Co, Cn: what steers a terminal, hides, turns the direction of reading, or is no
    # character at all.
    return "" if unicodedata.category(character).startswith("C") else character


class Terminal:
    """Lines for people, on standard output.

    Honours NO_COLOR, and prints plain text when it is not a terminal.
    """

    @cached_property
    def _console(self) -> Console:
        return Console(markup=False, highlight=False, emoji=False, soft_wrap=True)

    def line(self, *parts: Part) -> None:
        """One line of parts, each plain or with a tone."""
        text = Text(end="")
        for part in parts:
            said, tone = part if isinstance(part, tuple) else (part, Tone.PLAIN)
            text.append(clean(said), tone.value)
        self._console.print(text)

    def block(self, text: str) -> None:
        """Text of several lines, as it is."""
        for one in text.splitlines():
            self.line(one)

    def fields(self, pairs: Iterable[tuple[str, Json]]) -> None:
        """Names and values in two columns; what is None or empty is left out."""
        given = [(name, value) for name, value in pairs if value not in (None, "", [], {})]
        width = max((cell_len(clean(name)) for name, _ in given), default=0)
        for name, value in given:
            self.line(
                (_padded(name, width), Tone.QUIET),
                GAP,
                value if isinstance(value, str) else clean(value),
            )

    def table(self, rows: Sequence[Sequence[Part]]) -> None:
        """Rows in columns; the last column is as wide as it is."""
        parts = [
            [part if isinstance(part, tuple) else (part, Tone.PLAIN) for part in row]
            for row in rows
        ]
        widths = [
            max(cell_len(clean(text)) for text, _ in column) for column in zip(*parts, strict=True)
        ]
        for row in parts:
            said: list[Part] = []
            for (text, tone), width in zip(row[:-1], widths, strict=False):
                said += [(_padded(text, width), tone), GAP]
            self.line(*said, row[-1])


def _padded(text: str, width: int) -> str:
    shown = clean(text)
    return shown + " " * (width - cell_len(shown))


def show(value: Json, render: Callable[[Terminal, Json], None], *, as_json: bool) -> None:
    """One answer: as one JSON document, or as lines for people."""
    if as_json:
        document(value)
    else:
        render(Terminal(), value)


def follow(
    values: Iterable[Json], render: Callable[[Terminal, Json], None], *, as_json: bool
) -> None:
    """Answers as they come: each as one line of JSON, or as lines for people."""
    terminal = Terminal()
    for value in values:
        if as_json:
            sys.stdout.write(json.dumps(value) + "\n")
        else:
            render(terminal, value)
        sys.stdout.flush()


def document(value: Json) -> None:
    """One JSON document on standard output, in ASCII: no byte of it can steer a terminal."""
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


def error(code: str, sentence: str, problems: Sequence[Json] = (), *, as_json: bool) -> None:
    """One error on standard error."""
    if as_json:
        said: dict[str, Json] = {"code": code, "sentence": sentence}
        if problems:
            said["problems"] = list(problems)
        sys.stderr.write(json.dumps({"error": said}) + "\n")
        return
    # Sentences about a configuration have a line for each problem.
    shown = "\n".join(clean(one) for one in sentence.split("\n"))
    sys.stderr.write(f"{shown} ({clean(code)})\n")
    for problem in () if code == "INVALID_CONFIGURATION" else problems:
        if (said_too := _problem(problem)) not in sentence:
            sys.stderr.write(f"  {clean(said_too)}\n")


def _problem(problem: Json) -> str:
    if not isinstance(problem, Mapping):
        return str(problem)
    path = problem.get("path")
    where = ".".join(str(part) for part in path) if isinstance(path, list) else str(path or "")
    return f"{where}: {problem.get('detail')}"


def local_time(text: Json) -> str:
    """A moment of the wire in this machine's time zone, to the minute; as it came if it is none."""
    try:
        return datetime.fromisoformat(str(text)).astimezone().strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(text)


# Intents


def intent(terminal: Terminal, one: Facts) -> None:
    """One intent, as it stands."""
    status = str(one.get("status"))
    terminal.line((str(one.get("sentence")), Tone.STRONG))
    terminal.line((status, STATUS_TONES.get(status, Tone.PLAIN)), GAP, badge(one))
    outcome, approval = one.get("outcome") or {}, one.get("approval") or {}
    ruling, error_ = approval.get("ruling") or {}, outcome.get("error") or {}
    terminal.fields(
        [
            ("intent", one.get("action_intent_id")),
            ("account", one.get("account_id")),
            ("action type", one.get("action_type")),
            ("decision", one.get("decision")),
            ("reason", one.get("reason")),
            ("explanation", one.get("explanation")),
            ("policy clause", ", ".join(_rules(one))),
            ("proposed by", one.get("proposed_by")),
            ("parameters", one.get("parameters")),
            ("target", one.get("target")),
            ("confidence", one.get("confidence_score")),
            ("risk", one.get("risk_level")),
            ("the agent says", " / ".join(one.get("why") or [])),
            ("approval", _state(approval)),
            (
                "ruled by",
                " ".join(filter(None, (ruling.get("ruled_by"), _quoted(ruling.get("reason"))))),
            ),
            ("outcome", outcome.get("sentence")),
            (
                "error",
                error_.get("sentence")
                if error_.get("sentence") != outcome.get("sentence")
                else None,
            ),
            ("result", outcome.get("result")),
            ("superseded by", one.get("superseded_by")),
            ("changed", local_time(one["changed_at"]) if one.get("changed_at") else None),
        ]
    )


def _rules(one: Facts) -> Sequence[str]:
    """The rules of the policy, where they gave the reason; where something else asked, a rule only
    permitted.
    """
    findings = [
        finding for finding in one.get("findings") or () if finding.get("check") == "policy"
    ]
    return (
        one.get("policy_clause") or ()
        if any(said.get("code") == one.get("reason") for said in findings)
        else ()
    )


def _state(approval: Facts) -> str:
    return f"{approval['approval_id']}  {approval.get('state')}" if approval else ""


def _quoted(text: Json) -> str:
    return f"“{text}”" if text else ""


def badge(one: Facts) -> Part:
    """Who let it run: autopilot, or a person by name."""
    if one.get("auto_executed"):
        return ("autopilot", Tone.AUTOPILOT)
    ruling = (one.get("approval") or {}).get("ruling") or {}
    approved_by = one.get("approved_by") or ruling.get("ruled_by")
    if one.get("approval_source") == "HUMAN":
        return (f"approved by {approved_by}" if approved_by else "approved by a person", Tone.PLAIN)
    return ("not run", Tone.QUIET)


def ruled(terminal: Terminal, one: Facts) -> None:
    """An intent after a ruling, and what an edit proposed in its place."""
    if new := one.get("new_intent"):
        terminal.line((str(one.get("sentence")), Tone.QUIET))
        intent(terminal, new)
    else:
        intent(terminal, one)


def explanation(terminal: Terminal, one: Facts) -> None:
    """Why: the row of checks, and what would change the answer."""
    decision = str(one.get("decision"))
    terminal.line((str(one.get("sentence")), Tone.STRONG))
    terminal.line((decision, DECISION_TONES.get(decision, Tone.PLAIN)), GAP, str(one.get("reason")))
    terminal.line(str(one.get("explanation") or ""))
    terminal.line()
    findings = one.get("findings") or []
    if findings:
        terminal.table(
            [
                (
                    str(finding.get("check")),
                    (
                        str(finding.get("answer")),
                        DECISION_TONES.get(str(finding.get("answer")), Tone.PLAIN),
                    ),
                    str(finding.get("sentence")),
                )
                for finding in findings
            ]
        )
        terminal.line()
    if not one.get("current", True):
        terminal.line(
            (
                "The settings have changed since; what follows holds under those of today.",
                Tone.WAITING,
            )
        )
    for change in one.get("nearest_changes") or []:
        terminal.line(str(change.get("sentence")))


# Lists


def inbox(terminal: Terminal, page: Facts, *, rules: bool = True) -> None:
    """What needs a person, one card each; `rules` if the reader may be that person."""
    items = page["items"]
    terminal.line((_count(len(items), rules=rules), Tone.STRONG if items else Tone.PLAIN))
    for one in items:
        terminal.line()
        terminal.line((str(one.get("approval_id")), Tone.WAITING), GAP, str(one.get("sentence")))
        terminal.fields(
            [
                ("  asked because", one.get("explanation") or one.get("reason")),
                ("  what changed", " / ".join(one.get("differences") or [])),
                ("  parameters", one.get("parameters")),
                ("  target", one.get("target")),
                ("  tool", f"{one.get('tool')} ({one.get('effect')})" if one.get("tool") else None),
                ("  undo", "possible" if one.get("undo") else "not possible"),
                ("  risk", one.get("risk_level")),
                ("  confidence", one.get("confidence_score")),
                ("  the agent says", " / ".join(one.get("why") or [])),
                ("  digest", one.get("digest")),
                ("  until", local_time(one.get("expires_at"))),
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
    """What was done, newest first."""
    if not page["items"]:
        terminal.line("Nothing has been proposed yet, or nothing that fits these filters.")
        return
    for one in page["items"]:
        told(terminal, one)


def told(terminal: Terminal, one: Facts) -> None:
    """One line of the timeline."""
    status = str(one.get("status"))
    moment = local_time(one.get("at") or one.get("changed_at"))
    terminal.line(
        (moment, Tone.QUIET),
        GAP,
        str(one.get("sentence")),
        GAP,
        (status, STATUS_TONES.get(status, Tone.PLAIN)),
        GAP,
        badge(one),
    )


def ledger(terminal: Terminal, page: Facts) -> None:
    """Ledger entries, in order."""
    if not page["items"]:
        terminal.line("There is no entry behind this position.")
    for one in page["items"]:
        entry(terminal, one)


def entry(terminal: Terminal, one: Facts) -> None:
    """One ledger entry."""
    actor = one.get("actor") or {}
    about = " ".join(
        str(one[name])
        for name in ("action_intent_id", "account_id", "action_type")
        if one.get(name)
    )
    terminal.line(
        f"{one.get('position')!s:>7}",
        GAP,
        (local_time(one.get("at")), Tone.QUIET),
        GAP,
        f"{one.get('kind')!s:<22}",
        GAP,
        _padded(str(actor.get("id") if isinstance(actor, Mapping) else actor), ACTOR_WIDTH),
        GAP,
        (about, Tone.QUIET),
    )


def stop_switches(terminal: Terminal, part: Facts) -> None:
    """The stop switches that are on; and where, if the place itself was asked."""
    switches = part["stop_switches"]
    if part.get("place"):
        terminal.line(f"Of {part['place']}:")
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


def whoami(terminal: Terminal, who: Facts) -> None:
    """Whose key it is."""
    terminal.line(f"This is the key of {who.get('actor_id')} for {who.get('tenant_id')}.")
    terminal.line(f"It may {', '.join(who.get('permissions') or ['do nothing'])}.")


# The data directory


def differences(terminal: Terminal, changes: Sequence[Facts]) -> None:
    """What applying a configuration changes: a sentence each, and line by line what does not fit
    into one.
    """
    for change in changes:
        terminal.line((str(change["sentence"]), Tone.STRONG))
        before, after = _lines(change.get("before")), _lines(change.get("after"))
        if len(before) <= 1 and len(after) <= 1:
            continue
        # The first lines of a unified diff name files.
        for line in islice(unified_diff(before, after, n=1, lineterm=""), 2, None):
            terminal.line("  ", (line, _DIFF_TONES.get(line[0], Tone.QUIET)))


_DIFF_TONES = {"-": Tone.STOPPED, "+": Tone.DONE}


def _lines(value: Json) -> list[str]:
    """A value over its lines: a policy as it is written, anything else as JSON; None has none."""
    if value is None:
        return []
    return (
        value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)
    ).splitlines()


def api_keys(terminal: Terminal, page: Facts) -> None:
    """Credentials, without their secrets."""
    keys = page["items"]
    if not keys:
        terminal.line("There is no API key.")
        return
    terminal.table(
        [
            (
                str(key.get("key_id")),
                str(key.get("name")),
                str(key.get("role")),
                f"made {local_time(key.get('created_at'))}",
                (f"revoked {local_time(key['revoked_at'])}", Tone.STOPPED)
                if key.get("revoked_at")
                else "valid",
            )
            for key in keys
        ]
    )


def new_key(terminal: Terminal, key: Facts) -> None:
    """A new credential, with its secret."""
    terminal.line(
        f"The key {key['name']} ({key['role']}) is made. Keep it now: it is not shown again."
    )
    terminal.line()
    terminal.line((str(key["key"]), Tone.STRONG))


CHECK_TONES = {"ok": Tone.DONE, "warning": Tone.WAITING, "failure": Tone.STOPPED}


def checks(terminal: Terminal, report: Facts) -> None:
    """What the doctor found."""
    rows = report["checks"]
    terminal.table(
        [
            ((one["status"], CHECK_TONES[one["status"]]), one["name"], one["sentence"])
            for one in rows
        ]
    )
