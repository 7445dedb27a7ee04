"""How the answers for operators look: starts, configurations, tools, keys and checks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from difflib import unified_diff
from itertools import islice
from typing import TYPE_CHECKING

from clearance.cli.output import Facts, Json, Terminal, Tone, local_time
from clearance.core.errors import Problem

if TYPE_CHECKING:
    from clearance.configuration.tool_fit import FitFinding
    from clearance.core.coverage import Coverage
    from clearance.flow.requests import PinReport, ToolChange, ToolFit

CHANGES_SHOWN_MAX = 10  # of a configuration, when a server starts
WARNINGS_SHOWN_MAX = 50  # of a configuration, on a terminal
LOOPBACK_URLS = ("http://127.", "http://localhost:", "http://[::1]:")

_DIFFERENCE_TONES = {"-": Tone.STOPPED, "+": Tone.DONE}
_CHECK_TONES = {"ok": Tone.DONE, "warning": Tone.WAITING, "failure": Tone.STOPPED}


def start(terminal: Terminal, facts: Facts) -> None:
    """A server that is up: the file of a new first key, its address, what changed, and the state of
    the tools.
    """
    if facts["first_key_file"]:
        terminal.line(f"The owner's API key is in {facts['first_key_file']}, for you alone.")
    whose = f" for {facts['tenant_id']}" if facts["tenant_id"] else ""
    terminal.line(f"Clearance listens on {facts['url']}{whose}.")
    for change in facts["changes"][:CHANGES_SHOWN_MAX]:
        terminal.line(f"Changed: {change}")
    if (more := len(facts["changes"]) - CHANGES_SHOWN_MAX) > 0:
        terminal.line(f"Changed: {more} more.")
    if pins := facts["pins"]:
        _pinned(terminal, pins["pinned"])
        _not_callable(terminal, pins)
    if facts["weak_key"]:
        terminal.line(
            "The key in CLEARANCE_BOOTSTRAP_API_KEY is short: use a longer one where others can "
            "reach this."
        )
    if not facts["url"].startswith(LOOPBACK_URLS):
        terminal.line(
            "This address is open to other machines, and not encrypted: put a TLS proxy before it."
        )


def _pinned(terminal: Terminal, tools: Sequence[str]) -> None:
    if len(tools) == 1:
        terminal.line(f"Pinned the schema of {tools[0]}.")
    elif tools:
        terminal.line(f"Pinned the schemas of {len(tools)} tools.")


def applied(terminal: Terminal, answer: Facts) -> None:
    """The changes that a configuration made, and the state of the tools."""
    count = len(answer["differences"])
    if not count:
        terminal.line("Nothing to change.")
    elif answer.get("declined"):
        terminal.line("Nothing was changed.")
    elif answer["applied"]:
        changes = "1 change" if count == 1 else f"{count} changes"
        terminal.line(f"Applied {changes} to {answer['tenant_id']}, in {answer['place']}.")
    else:
        terminal.line("Nothing was changed: this was a dry run.")
    _accepted(terminal, answer["tools"])
    _warnings(terminal, answer["warnings"])
    if pins := answer["pins"]:
        for tool in pins["pinned"]:
            _pinned(terminal, [tool])
        _not_callable(terminal, pins)


def _not_callable(terminal: Terminal, pins: Facts) -> None:
    """A line for each tool that is not called, or described in other words, and for each server
    that did not answer.
    """
    for tool in pins["changed"]:
        sentence = (
            f"{tool} has another schema than its pin, and is not called: look at it, then apply "
            f"with --repin {tool}."
        )
        terminal.line((sentence, Tone.STOPPED))
    for sentence in (*pins["problems"], *pins["misfits"]):
        terminal.line((sentence, Tone.STOPPED))
    for tool in pins["reworded"]:
        sentence = (
            f"The server says something else of {tool} than when it was pinned, and it is called: "
            f"look at it, then apply with --repin {tool}."
        )
        terminal.line((sentence, Tone.WAITING))
    for server, sentence in pins["unreachable"].items():
        terminal.line((f"The tools of {server} were not looked at: {sentence}", Tone.STOPPED))


def pins_as_json(report: PinReport) -> Json:
    """The known state of the tools, with a sentence for each missing tool."""
    return {
        "pinned": list(report.pinned),
        "changed": list(report.changed),
        "missing": list(report.missing),
        "problems": list(report.missing.values()),
        "unreachable": dict(report.unreachable),
        "misfits": [str(Problem(finding.path, finding.sentence)) for finding in report.fit.misfits],
        "reworded": list(report.reworded),
    }


def tool_change(change: ToolChange, *, repinned: bool) -> Json:
    """A tool that is not as it was pinned, old beside new."""
    what = "says something else" if change.called else "takes something else"
    then = "It is called all the same." if change.called else "It is not called."
    if repinned:
        then = "You accept that with --repin."
    kept = "" if change.before else " Its description of then is not kept."
    return {
        "tool": change.tool,
        "sentence": f"{change.tool} {what} than when it was pinned. {then}{kept}",
        "before": change.before,
        "after": change.after if change.before else None,
    }


def accepted(fit: ToolFit) -> list[Problem]:
    """What was accepted, by name: one line for each action."""
    names: dict[str, list[str]] = {}
    for finding in fit.findings:
        if finding.accepted:
            names.setdefault(finding.action_type, []).append(finding.name)
    return [
        Problem(("catalog", action_type, "accepts"), f"accepted {', '.join(each)}")
        for action_type, each in names.items()
    ]


def fit_as_json(fit: ToolFit, located: Callable[[Problem], str]) -> Json:
    """How a catalog fits its tools, with a sentence for each finding."""

    def sentences(findings: Iterable[FitFinding]) -> list[str]:
        return [located(Problem(finding.path, finding.sentence)) for finding in findings]

    return {
        "misfits": sentences(fit.misfits),
        "accepted": [located(problem) for problem in accepted(fit)],
        "warnings": sentences(fit.warnings),
        "unused": [located(problem) for problem in fit.unused],
        "missing": list(fit.missing),
        "problems": list(fit.missing.values()),
        "unreachable": dict(fit.unreachable),
    }


def _fit(terminal: Terminal, tools: Facts) -> None:
    """A line for each finding about a tool, and for what was accepted or could not be seen."""
    for sentence in (*tools["misfits"], *tools["problems"]):
        terminal.line((sentence, Tone.STOPPED))
    for server, sentence in tools["unreachable"].items():
        terminal.line((f"The tools of {server} were not looked at: {sentence}", Tone.STOPPED))
    _accepted(terminal, tools)
    if not any(tools.values()):
        terminal.line("The catalog fits its tools.")


def _accepted(terminal: Terminal, tools: Facts) -> None:
    for sentence in tools["accepted"]:
        terminal.line((sentence, Tone.WAITING))
    _warnings(terminal, [*tools["warnings"], *tools["unused"]])


def coverage_as_json(coverage: Coverage) -> Json:
    """What is covered of an action."""
    return {
        "action_type": coverage.action_type,
        "runs_alone": coverage.obstacle is None,
        "obstacle": coverage.obstacle,
        "read": dict(coverage.read),
        "waived": list(coverage.waived),
        "unread": dict(coverage.unread),
        "rules": list(coverage.rules),
    }


def _coverage(terminal: Terminal, covered: Facts) -> None:
    """What policy sees of an action, and whether it can run alone."""
    alone = "can run alone" if covered["runs_alone"] else f"asks: {covered['obstacle']}"
    terminal.line(f"{covered['action_type']} {alone}.")
    terminal.table(
        [
            ("  rules", ", ".join(covered["rules"]) or "none reaches it"),
            ("  read", ", ".join(f"{name}: {kind}" for name, kind in covered["read"].items())),
            *(("  waived", name) for name in covered["waived"]),
            *(("  not read", f"{name}: {why}") for name, why in covered["unread"].items()),
        ]
    )


def _warnings(terminal: Terminal, sentences: Sequence[str]) -> None:
    """What a person should look at, though nothing is refused for it."""
    for sentence in sentences[:WARNINGS_SHOWN_MAX]:
        terminal.line((f"Warning: {sentence}", Tone.WAITING))
    if (more := len(sentences) - WARNINGS_SHOWN_MAX) > 0:
        terminal.line((f"Warning: {more} more; --json lists all.", Tone.WAITING))


def policy(terminal: Terminal, answer: Facts) -> None:
    """The rules of a policy, what they cover, and how the catalog fits its tools, if these were
    asked.
    """
    tools = answer.get("tools") or {}
    wrong = bool(tools.get("misfits") or tools.get("problems"))
    verdict = "can be read, but does not fit its tools" if wrong else "is sound"
    if answer["policy_version"] is None:
        terminal.line(f"The configuration {verdict}. It has no policy: everything is blocked.")
    else:
        terminal.line(f"The configuration {verdict}. Its policy is {answer['policy_version']}.")
        terminal.table(
            [(clause["effect"], clause["id"], clause["reason"]) for clause in answer["clauses"]]
        )
    _warnings(terminal, answer["warnings"])
    if tools:
        _fit(terminal, tools)
    for covered in answer["coverage"]:
        _coverage(terminal, covered)


def whoami(terminal: Terminal, who: Facts) -> None:
    """Whose key it is."""
    terminal.line(f"This is the key of {who.get('actor_id')} for {who.get('tenant_id')}.")
    terminal.line(f"It may {', '.join(who.get('permissions') or ['do nothing'])}.")
    if limits := limits_of(who.get("scope")):
        terminal.line(f"It acts {limits}.")


def limits_of(scope: Facts | None) -> str:
    """What a key is limited to, in words; empty for one that is not."""
    words = {"accounts": "on the account", "action_types": "with the action type"}
    parts = [
        f"{word}{'s' if len(names) > 1 else ''} {', '.join(names)}"
        for name, word in words.items()
        if (names := (scope or {}).get(name))
    ]
    return f"only {' and '.join(parts)}" if parts else ""


def differences(terminal: Terminal, changes: Sequence[Facts], *, verbose: bool = False) -> None:
    """The changes that a configuration makes: a sentence each, or line by line where a sentence is
    too short. Of what is new, these lines come only with `verbose`.
    """
    for change in changes:
        terminal.line((str(change["sentence"]), Tone.STRONG))
        if change.get("before") is None and not verbose:
            continue
        before, after = _lines(change.get("before")), _lines(change.get("after"))
        if len(before) <= 1 and len(after) <= 1:
            continue
        # The first lines of a unified diff name files.
        for line in islice(unified_diff(before, after, n=1, lineterm=""), 2, None):
            terminal.line("  ", (line, _DIFFERENCE_TONES.get(line[0], Tone.QUIET)))


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
                limits_of(key.get("scope")),
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


def checks(terminal: Terminal, report: Facts) -> None:
    """The doctor's findings."""
    rows = report["checks"]
    terminal.table(
        [
            ((row["status"], _CHECK_TONES[row["status"]]), row["name"], row["sentence"])
            for row in rows
        ]
    )
