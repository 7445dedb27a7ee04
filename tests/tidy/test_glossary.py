"""One word, one meaning, one class: the glossary names every noun of the rules, and the tree has
the shape that it promises.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.tidy.pages import ROOT, page

SOURCE = ROOT / "src" / "clearance"
FUNCTION_LINES_MAX = 60
FILE_LINES_MAX = 600

NOT_NOUNS_OF_THE_DOMAIN = {
    # Kinds of refusals: doors map them to statuses; the word is "refusal".
    *(
        "InvalidInput",
        "TooLarge",
        "Unauthenticated",
        "Forbidden",
        "NotFound",
        "Conflict",
        "Unavailable",
        "TooMany",
    ),
    *("VersionMismatch", "VersionRequired"),
    # What a store answers to a transition.
    *("Admitted", "AlreadyAdmitted", "SettingsMoved", "BudgetSpent", "RecordMoved", "Applied"),
    *("SameCallWaits", "RejectedBefore", "TooManyWaiting", "QuotaSpent"),
    # How settings travel to a store; the word is "settings".
    "SettingsChange",
}
BANNED_FILES = {
    "utils",
    "util",
    "helpers",
    "helper",
    "models",
    "model",
    "common",
    "manager",
    "managers",
    "misc",
}
BANNED_WORDS = {
    "src/clearance": r"approval requests?\b|\bkill switch|\bwhitelist|\bworkflow",
    "docs": r"\bkill switch|\bwhitelist",
}


NAMES_OF_NOTHING = {"said", "told", "found", "one", "whoever"}
"""A name says what the data is, and not that someone said or found it."""


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def test_every_noun_of_the_rules_is_in_the_glossary_and_nothing_else() -> None:
    files = [
        *sorted((SOURCE / "core").glob("*.py")),
        *sorted((SOURCE / "flow" / "ports").glob("*.py")),
    ]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in files]
    classes = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }
    rows = page("docs/glossary.md").rows("The story of an intent") + page("docs/glossary.md").rows(
        "What surrounds it"
    )
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row[2])}
    assert classes - named == NOT_NOUNS_OF_THE_DOMAIN
    assert named - classes == set()


def test_a_word_has_one_entry() -> None:
    rows = page("docs/glossary.md").rows("The story of an intent") + page("docs/glossary.md").rows(
        "What surrounds it"
    )
    words = [word.strip() for row in rows for word in row[0].split(",")]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("where", sorted(BANNED_WORDS))
def test_words_that_we_do_not_use(where: str) -> None:
    files = [
        path for path in (ROOT / where).rglob("*") if path.suffix in {".py", ".html", ".md", ".sql"}
    ]
    assert files
    allowed = {
        ROOT / "docs" / "glossary.md",
        ROOT / "docs" / "plan.md",
    }  # they say what we call it instead
    found = {
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path not in allowed
        for match in re.finditer(
            BANNED_WORDS[where], path.read_text(encoding="utf-8"), re.IGNORECASE
        )
    }
    assert found == set()


def identifiers(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name) | ast.alias(asname=str(name)):
                yield name
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def test_no_data_is_named_for_having_been_said_or_found() -> None:
    unnamed = {
        path.relative_to(SOURCE).as_posix()
        for path, tree in modules()
        if NAMES_OF_NOTHING & {name.strip("_").lower() for name in identifiers(tree)}
    }
    assert unnamed == set()


def test_a_public_class_name_stands_once_in_the_whole_tree() -> None:
    names = Counter(
        node.name
        for _, tree in modules()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, times in names.items() if times > 1} == set()


def test_every_file_has_a_telling_name_and_an_opening() -> None:
    for path, tree in modules():
        assert not BANNED_FILES & {path.stem, path.parent.name}, path
        opening = ast.get_docstring(tree)
        assert opening, f"{path} says nothing of itself"
        assert opening.rstrip().endswith("."), f"the opening of {path} is no sentence"


def test_functions_and_files_are_small() -> None:
    for path, tree in modules():
        name = str(path.relative_to(SOURCE))
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= FILE_LINES_MAX, f"{name} has {lines} lines"
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                assert length <= FUNCTION_LINES_MAX, f"{name}: {node.name} has {length} lines"


def methods(node: ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for part in node.body:
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith(
            "_"
        ):
            yield part


def test_a_method_without_a_docstring_is_one_that_a_port_describes() -> None:
    """The linter lets some files go without: their methods are described where the port is."""
    ignores = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    patterns = [
        name
        for name, rules in ignores["per-file-ignores"].items()
        if name.startswith("src/") and "D102" in rules
    ]
    described, silent = set(), {}
    for path, tree in modules():
        name = path.relative_to(ROOT).as_posix()
        free = any(fnmatch(name, choice) for pattern in patterns for choice in choices(pattern))
        for node in (part for part in ast.walk(tree) if isinstance(part, ast.ClassDef)):
            if any(isinstance(base, ast.Name) and base.id == "Protocol" for base in node.bases):
                described |= {method.name for method in methods(node)}
            elif free and not node.name.startswith("_"):
                silent |= {
                    f"{name}: {method.name}": method.name
                    for method in methods(node)
                    if ast.get_docstring(method) is None
                }
    assert len(silent) > 80
    assert {place for place, method in silent.items() if method not in described} == set()


def choices(pattern: str) -> list[str]:
    """`a/{b,c}.py` as `a/b.py` and `a/c.py`."""
    before, brace, rest = pattern.partition("{")
    named, _, after = rest.partition("}")
    return [f"{before}{name}{after}" for name in named.split(",")] if brace else [pattern]
