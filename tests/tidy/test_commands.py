"""The commands of the documentation run, in the order in which a reader would run them, and answer
what the pages say.
"""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

import pytest

from tests.tidy.pages import ROOT, Shell, page, pages

EXAMPLE = ROOT / "examples" / "notes"
DEMO = ROOT / "src" / "clearance" / "demo" / "clearance.yaml"
SERVE = "clearance serve --config clearance.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, to work in."""
    assert shutil.which("curl"), "the commands of the documentation need curl"
    return Path(shutil.copytree(EXAMPLE, tmp_path / "notes"))


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_start(folder: Path) -> None:
    with Shell(folder) as shell:
        for block in page("docs/start.md").blocks:
            if block.language in {"console", "python"}:
                shell.follow(block)
    assert {path.name for path in (folder / ".clearance").iterdir()} == {
        "clearance.sqlite3",
        "owner.key",
        "serve.lock",
    }
    assert mode_of(folder / ".clearance" / "owner.key") == 0o600
    assert mode_of(folder / "ada.json") == 0o600


def test_operate(folder: Path) -> None:
    with Shell(folder, NOTES_DB=str(folder / "notes.sqlite3")) as shell:
        shell.serve(SERVE)
        for block in page("docs/operate.md").blocks:
            if block.language == "console":
                shell.follow(block)
    assert mode_of(folder / "copy.sqlite3") == 0o600


def test_readme(folder: Path) -> None:
    with Shell(folder, CRM_DB=str(folder / "crm.sqlite3"), DEMO_REPOSITORY=str(folder)) as shell:
        shell.serve(f"clearance serve --config {DEMO}")
        for block in page("README.md").blocks:
            shell.follow(block)
        said, _ = shell.run("clearance timeline --account globex")
    assert "Autopilot created the task 'Send the renewal contract' for globex" in said


def test_the_demo_shows_what_the_readme_says(tmp_path: Path) -> None:
    with Shell(tmp_path) as shell:
        said, code = shell.run("clearance demo --once --json 2>/dev/null")
    day = json.loads(said)
    rows = page("README.md").rows("What the demo shows")
    assert {row[0].strip("`"): int(row[1]) for row in rows} == day["by_decision"]
    assert f"{day['intents']} proposals" in page("README.md").text
    assert (code, day["by_status"]["UNKNOWN"]) == (0, 1)


def test_what_is_to_be_made_can_be_made() -> None:
    targets = set(
        re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = {
        name
        for one in pages()
        for name in re.findall(r"(?:`|\$ |^)make ([a-z]+)", one.text, re.MULTILINE)
    }
    assert {"demo", "test", "setup", "bench"} <= named <= targets
