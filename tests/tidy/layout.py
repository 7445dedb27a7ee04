"""Writes the layout of docs/architecture.md from the first sentences of the files: `python -m
tests.tidy.layout`.
"""

from __future__ import annotations

import ast
import re
from itertools import groupby

from tests.tidy.pages import ROOT

SOURCE = ROOT / "src" / "clearance"
PAGE = ROOT / "docs" / "architecture.md"
SECTION = re.compile(r"(?<=<!-- layout -->\n).*?(?=<!-- /layout -->)", re.DOTALL)
CHAPTERS = (
    (
        "core",
        (
            "The rules, in the order in which an intent meets them. Pure: no I/O, no clock, no "
            "framework."
        ),
    ),
    (
        "configuration",
        (
            "A tenant's settings as people write them: the file, its shape, the document, how "
            "two of "
            "them differ."
        ),
    ),
    ("flow", "The verbs. Each reads facts, asks the core, commits once."),
    ("flow/ports", "The sockets that the verbs need, one for each reader."),
    ("doors", "The parts that every way in shares."),
    ("api", "The REST door."),
    ("web", "The pages."),
    ("stores", "Where facts are kept."),
    ("stores/sqlite", "The embedded store."),
    ("stores/postgres", "The store of many processes."),
    ("stores/dynamodb", "The store on AWS."),
    ("stores/archive", "Every fact as lines of JSON."),
    ("engines", "Who calls the steps of an execution, and when."),
    ("engines/queue", "The queue in PostgreSQL."),
    ("tools", "How tools are called."),
    ("profiles", "How a process is put together."),
    ("running", "The processes."),
    ("running/metrics", "What operators measure."),
    ("cli", "The command line: a file for each noun that commands are about."),
    ("cli/views", "How answers look to people."),
    ("client", "The Python client."),
    ("demo", "The demo."),
    (".", "At the top."),
)


def sentences() -> dict[str, str]:
    """The first sentence of every module by its path.

    A package's own file is left out if it only speaks for its folder.
    """
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        if path.name == "__init__.py" and len(tree.body) == 1:
            continue
        opening = " ".join((ast.get_docstring(tree) or "").split())
        found[str(path.relative_to(SOURCE))] = re.split(r"(?<=[.?!])\s", opening, maxsplit=1)[0]
    return found


def layout() -> str:
    """A table for each folder, the core in the order of its chapters."""
    known = sentences()
    parts = []
    chapters = dict(CHAPTERS)
    folders = {
        folder: list(names) for folder, names in groupby(sorted(known, key=_folder), key=_folder)
    }
    assert set(folders) == set(chapters), "every folder has a line in CHAPTERS"
    for folder, said in CHAPTERS:
        names = sorted(folders[folder], key=_reading_order)
        rows = "".join(
            f"| `{name}` | {known[name].replace('|', chr(92) + '|')} |\n" for name in names
        )
        title = f"`{folder}/`" if folder != "." else "At the top"
        parts.append(f"\n### {title}\n\n{said}\n\n| file | holds |\n|---|---|\n{rows}")
    return "".join(parts) + "\n"


def _folder(name: str) -> str:
    return name.rpartition("/")[0] or "."


def _reading_order(name: str) -> tuple[int, str]:
    """The core's chapters as its import contract orders them, the first one first; everything else
    by name.
    """
    contract = (
        (ROOT / "pyproject.toml")
        .read_text(encoding="utf-8")
        .partition('containers = ["clearance.core"]')[2]
    )
    chapters = re.findall(r"[a-z_]+", contract.partition("layers = [")[2].partition("]")[0])
    stem = name.removeprefix("core/").removesuffix(".py")
    return (-chapters.index(stem) if name.startswith("core/") else 0, name)


def written(page: str) -> str:
    """The page with the layout as it is now."""
    return SECTION.sub(lambda _: layout(), page)


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
