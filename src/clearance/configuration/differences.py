"""How two settings documents differ, a sentence each.

Values of environments and headers are in none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from clearance.configuration.document import KEPT, Reading
from clearance.configuration.limiting import as_people_read
from clearance.configuration.shape import AccountsShape, SettingsDocument
from clearance.core.canonical import Json, canonical

VALUE_SHOWN_LENGTH_MAX = 80  # characters of one value in the sentence of a difference


NOT_SHOWN = "(not shown)"
NOT_READABLE = "(not readable)"


@dataclass(frozen=True, slots=True)
class SettingsDifference:
    """What a change changes: where (names joined by dots), from what to what (None: absent), in a
    sentence.
    """

    path: str
    before: Json
    after: Json
    sentence: str


def differences(before: Reading, after: SettingsDocument) -> list[SettingsDifference]:
    """Everything with a meaning that is not the same, in the document's order; order in lists has
    none. What was not readable differs from everything.
    """
    was = _by_place(before.document)
    for path in sorted(before.lost, key=str):
        if path and path[0] not in KEPT:  # these stay as they are stored
            *within, last = (f"entry {part}" if isinstance(part, int) else part for part in path)
            place = was
            for name in within:
                place = place[name]
            place[last] = NOT_READABLE
    return list(_different((), was, _by_place(after)))


def _by_place(document: SettingsDocument) -> dict[str, Json]:
    """The document with its lists as mappings by what an entry is about: entries are compared, not
    positions.
    """
    whole = document.as_json()
    allowlist = document.autonomy.allowlist
    accounts = {
        account: dict.fromkeys(names, "listed")
        for account, names in allowlist.accounts.items()
        if names
    }
    modes = {
        _place(shape.account, shape.action_type): shape.mode for shape in document.autonomy.modes
    }
    budgets = {
        _place(shape.account): shape.model_dump(mode="json", exclude={"account"})
        for shape in document.autonomy.budgets
    }
    switches = {
        " ".join(filter(None, (s.scope, s.subject, s.level))): s.reason
        for s in document.stop_switches
    }
    return {
        "tool_servers": whole.get("tool_servers", {}),
        "catalog": whole.get("catalog", {}),
        "autonomy": {
            "allowlist": {
                "tenant": dict.fromkeys(allowlist.tenant, "listed"),
                "accounts": accounts,
            },
            "modes": modes,
            "budgets": budgets,
            "accounts": _accounts_by_place(document.autonomy.accounts),
            "limits": {", ".join(place): shown for place, shown in as_people_read(document)},
            "rejections": document.autonomy.rejections.model_dump(mode="json"),
            "quotas": document.autonomy.quotas.model_dump(mode="json"),
        },
        "policy": document.policy,
        "tool_pins": document.tool_pins,
        "tool_descriptions": document.tool_descriptions,
        "stop_switches": switches,
    }


def _accounts_by_place(accounts: AccountsShape | None) -> dict[str, Json]:
    if accounts is None:
        return {}
    known: dict[str, Json] = {
        str(entry.name or entry.match): "listed" if entry.name else f"{entry.new_per_day} new a day"
        for entry in accounts.known
    }
    return {"known": known, "unknown": accounts.unknown}


def _place(account: str | None, action_type: str | None = None) -> str:
    return ", ".join(filter(None, (account or "every account", action_type)))


_ABSENT = object()


def _different(path: tuple[str, ...], before: Json, after: Json) -> Iterator[SettingsDifference]:
    if path[:1] == (
        "autonomy",
    ):  # there, every single limit gets its sentence, also when its whole place is new
        before, after = (
            {} if this is _ABSENT and isinstance(other, dict) else this
            for this, other in ((before, after), (after, before))
        )
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            yield from _different(
                (*path, name), before.get(name, _ABSENT), after.get(name, _ABSENT)
            )
        return
    # As JSON: to Python, 1 and true are equal.
    if before is after or (
        _ABSENT not in (before, after) and canonical(before) == canonical(after)
    ):
        return
    shown = [None if value is _ABSENT else _shown(path, value) for value in (before, after)]
    was, now = (_in_words(value) for value in shown)
    where = ".".join(path)
    if before is _ABSENT:
        sentence = f"{where} is new{': ' + now if now else ''}."
    elif after is _ABSENT:
        sentence = f"{where} is gone{': it was ' + was if was else ''}."
    else:
        sentence = (
            f"{where} was {was} and is {now} now."
            if was and now and was != now
            else f"{where} changed."
        )
    yield SettingsDifference(where, shown[0], shown[1], sentence)


def _shown(path: tuple[str, ...], value: Json) -> Json:
    """The value without what may be a secret: values of environments and headers, the query of an
    address.
    """
    if path[:1] != ("tool_servers",):
        return value
    if path[2:3] in {("environment",), ("headers",)}:
        return NOT_SHOWN if len(path) > 3 else dict.fromkeys(value, NOT_SHOWN)  # noqa: PLR2004
    if path[2:] == ("url",):
        return value.partition("?")[0]
    return (
        {name: _shown((*path, name), part) for name, part in value.items()}
        if isinstance(value, dict)
        else value
    )


def _in_words(value: Json) -> str:
    """A value for a sentence; empty for what is too long for one."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return (
        text
        if len(text) <= VALUE_SHOWN_LENGTH_MAX
        and text.isprintable()
        and not isinstance(value, dict)
        else ""
    )
