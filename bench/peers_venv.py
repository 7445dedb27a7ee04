"""The venv of the peers that conflict with our lock: `.venv-peers`, made from `peers.txt` when it
is missing or old.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-peers"
PINNED = Path(__file__).with_name("peers.txt")
STAMP = FOLDER / ".made-from"
TIMEOUT_SECONDS = 300


class NotMade(Exception):
    """The venv cannot be made here; the sentence says why."""


def python() -> str:
    """The interpreter of the venv. NotMade if there is none and none can be made."""
    digest = hashlib.sha256(PINNED.read_bytes()).hexdigest()
    if not STAMP.exists() or STAMP.read_text(encoding="utf-8") != digest:
        _make()
        STAMP.write_text(digest, encoding="utf-8")
    return str(FOLDER / "bin" / "python")


def _make() -> None:
    uv = ROOT / ".venv" / "bin" / "uv"
    _run(str(uv), "venv", "--quiet", "--clear", "--python", sys.executable, str(FOLDER))
    _run(
        str(uv),
        "pip",
        "install",
        "--quiet",
        "--python",
        str(FOLDER / "bin" / "python"),
        "-r",
        str(PINNED),
    )


def _run(*command: str) -> None:
    try:
        ended = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        sentence = f"its venv could not be made: {type(error).__name__}"
        raise NotMade(sentence) from error
    if ended.returncode:
        said = " ".join(ended.stderr.split())[:200]
        sentence = f"its venv could not be made: {said}"
        raise NotMade(sentence)
