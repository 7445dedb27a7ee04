"""Counts the rooms of the house and the arrows between them: `python -m tests.tidy.rooms`.

A room is a folder or a file directly under `clearance`. An arrow goes from a room to another one
that it imports, however often. A circle is a set of rooms that reach each other.
"""

from __future__ import annotations

import graphlib

import grimp

PACKAGE = "clearance"


def arrows() -> dict[str, set[str]]:
    """Each room by name, with the rooms that it imports."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    rooms = sorted(graph.find_children(PACKAGE))
    return {
        _short(room): {
            _short(other)
            for other in rooms
            if other != room
            and graph.direct_import_exists(importer=room, imported=other, as_packages=True)
        }
        for room in rooms
    }


def in_order(imports: dict[str, set[str]]) -> list[str]:
    """The rooms from the ground up. Raises `graphlib.CycleError` if there is a circle."""
    return list(graphlib.TopologicalSorter(imports).static_order())


def _short(module: str) -> str:
    return module.removeprefix(f"{PACKAGE}.")


if __name__ == "__main__":
    house = arrows()
    for room in in_order(house):
        print(f"{room:14} {', '.join(sorted(house[room]))}")  # noqa: T201
    count = sum(map(len, house.values()))
    print(f"{len(house)} rooms, {count} arrows, no circle")  # noqa: T201
