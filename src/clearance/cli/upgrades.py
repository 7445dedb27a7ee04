"""What now means something else in the settings that an older version stored: a short line each."""

from __future__ import annotations

from collections.abc import Iterator

from clearance.core.catalog import Action
from clearance.core.defaults import Defaults, with_defaults
from clearance.core.schema import SchemaPlace
from clearance.core.settings import Settings
from clearance.core.tool_pin import is_of_before


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
