"""The commands of the documentation run, in the order in which a reader would run them, and answer what the pages say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.tidy.pages import ROOT, Shell, page


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    """A copy of the example."""
    assert shutil.which("curl"), "the commands of the documentation need curl"
    folder = tmp_path / "notes"
    shutil.copytree(ROOT / "examples" / "notes", folder)
    return folder


def test_start(notes: Path) -> None:
    with Shell(notes) as shell:
        for block in page("docs/start.md").blocks:
            if block.language not in {"yaml", "cedar"}:
                shell.follow(block)
