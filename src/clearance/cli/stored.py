"""Stored settings, looked at as a configuration file is: how they fit their tools, and what now
means something else in them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence

from clearance.cli.views.operator import limits_of
from clearance.configuration.document import read_document
from clearance.configuration.shape import SettingsDocument
from clearance.configuration.tool_fit import FitFinding, fit_findings, may_run_alone
from clearance.core.canonical import Json
from clearance.core.catalog import Action
from clearance.core.credential import ApiKey
from clearance.core.defaults import Defaults, with_defaults
from clearance.core.principal import EVERYTHING
from clearance.core.schema import SchemaPlace
from clearance.core.settings import Settings
from clearance.core.tool_pin import is_of_before
from clearance.flow.ports.tools import ToolList, offered_of


def means_otherwise(settings: Settings) -> Iterator[str]:
    """The actions that are held, and those whose tools an older version pinned, where a part of
    their parameters means something else by now.
    """
    for part in settings.unreadable.values():
        if part.check == "catalog" and part.action_type:
            yield f"{part.action_type} is held: {part.sentence}"
    for name, action in settings.catalog.items():
        if is_of_before(settings.tool_pins.get(str(action.tool), "")):
            for sentence in _of(action):
                yield f"{name}: an older version pinned {action.tool}, and now {sentence}"


def _of(action: Action) -> Iterator[str]:
    if defaults := with_defaults(Defaults(action.schema), {}):
        yield f"the defaults of {', '.join(defaults)} are sent where they are left out."
    places = list(_inside(action.schema.root, "", set()))
    if records := [at for at, place in places if place.names and at.endswith("[]")]:
        yield f"policy reads the lists {', '.join(records)} as one record of sets."
    if amounts := [at for at, place in places if place.scale is not None]:
        yield f"more decimals than x-scale takes are refused in {', '.join(amounts)}."


def _inside(place: SchemaPlace, at: str, seen: set[int]) -> Iterator[tuple[str, SchemaPlace]]:
    """The places of all parameters, each with its name; items of a list end with `[]`."""
    if id(place) in seen:
        return
    seen.add(id(place))
    yield at, place
    for name, part in place.names.items():
        yield from _inside(part, f"{at}.{name}".lstrip("."), seen)
    if "array" in place.kinds and any("items" in node for node in place.nodes):
        yield from _inside(place.items, f"{at}[]", seen)


SEEN_DAYS = 30  # in which agents named the accounts that are listed to paste
ACCOUNTS_SHOWN_MAX = 200  # of them
KEYS_SHOWN_MAX = 50  # that are hashed slowly


def limited_keys(keys: Iterable[ApiKey]) -> Iterator[str]:
    """The valid credentials that are limited, and to what."""
    for key in keys:
        if key.revoked_at is None and key.scope != EVERYTHING:
            yield f"The key {key.name} ({key.role}) acts {limits_of(key.scope.names)}."


def slow_keys(keys: Iterable[ApiKey]) -> str | None:
    """The valid credentials that a process hashes slowly when they first come, by name; None if
    there are none.
    """
    names = sorted(key.name for key in keys if key.revoked_at is None and key.is_slow)
    if not names:
        return None
    listed = ", ".join(names[:KEYS_SHOWN_MAX])
    more = len(names) - KEYS_SHOWN_MAX
    rest = f" and {more} more" if more > 0 else ""
    return (
        f"These API keys are of a version before, or a person chose them: {listed}{rest}. They go "
        f"on working, and a process that has not seen them yet may be slow to let them in; "
        f"clearance key create NAME --replace makes one that never waits."
    )


_IN_AUTONOMY = ("modes", "allowlist", "budgets", "accounts", "limits")


def accounts_to_paste(settings: Settings, seen: Collection[str]) -> tuple[bool, str] | None:
    """Of settings that list no accounts: the ones that agents named lately, as a list to paste;
    True if some are not known. None if there are none.

    Letters that are not ASCII are shown by their numbers, since some look like others.
    """
    if not seen:
        return None
    names = sorted({*seen, *settings.accounts.known})
    listed = json.dumps(names[:ACCOUNTS_SHOWN_MAX])
    more = len(names) - ACCOUNTS_SHOWN_MAX
    rest = f" And {more} more: a pattern may say their form." if more > 0 else ""
    sentence = (
        f"{settings.tenant_id} lists no accounts, so the ones that no mode, budget or allowlist "
        f"names ask a person. Agents named these within {SEEN_DAYS} days; look at each, and put "
        f"under autonomy: accounts: {listed}{rest}"
    )
    return not settings.accounts.known.issuperset(seen), sentence


def stored_document(settings: Settings, parts: Sequence[tuple[Json, int]]) -> SettingsDocument:
    """The stored parts as one document; of its tool servers, where they are."""
    whole = {name: part for value, _ in parts for name, part in value.items()}
    servers = {
        name: {"url": server.url} if server.url else {"command": list(server.command)}
        for name, server in settings.tool_servers.items()
    }
    autonomy = {name: whole[name] for name in _IN_AUTONOMY}
    document = {"tool_servers": servers, "catalog": whole["catalog"], "autonomy": autonomy}
    policy = {"policy": whole["policy"]} if whole["policy"] is not None else {}
    return read_document({**document, **policy}).document


def stored_findings(settings: Settings, offered: ToolList) -> list[FitFinding]:
    """How the stored actions do not fit the tools of one server."""
    tools = offered_of({offered.server: offered})
    return [
        finding
        for name, action in settings.catalog.items()
        if action.tool.server == offered.server
        for finding in fit_findings(
            action, tools, alone=may_run_alone(settings.allowlist, settings.modes, name)
        )
    ]
