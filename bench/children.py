"""A child process for each variant, started when it is first asked, asked a line at a time, and
ended whatever happens.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from bench import peers_venv
from bench.drive import Job, Measured, Timed
from bench.variants import Variant

CHILDREN_MAX = 32
ENDS_SECONDS = 10
_TAIL = 2000


class NotMeasured(Exception):
    """A variant gave no answer, or a wrong one; the sentence says why."""


class Children:
    """The children of one run. `answer_seconds`: how long one measurement may take."""

    def __init__(self, folder: Path, answer_seconds: float) -> None:
        self._folder = folder
        self._answer_seconds = answer_seconds
        self._children: dict[tuple[str, bool], _Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for child in self._children.values():
            child.end()

    def measure(self, variant: Variant, job: Job, seconds: float | None = None) -> Measured:
        """Asks the variant's child. NotMeasured if it fails or takes too long; then it is ended."""
        key = (variant.key, variant.peers)
        if key not in self._children:
            if len(self._children) >= CHILDREN_MAX:
                raise NotMeasured(f"more than {CHILDREN_MAX} processes")
            self._children[key] = _Child(variant, self._folder)
        try:
            return self._children[key].ask(job, seconds or self._answer_seconds)
        except NotMeasured:
            self._children.pop(key).end(within_seconds=0)
            raise


class _Child:
    def __init__(self, variant: Variant, folder: Path) -> None:
        try:
            python = peers_venv.python() if variant.peers else sys.executable
        except peers_venv.NotMade as reason:
            raise NotMeasured(str(reason)) from reason
        self._log = folder / f"{variant.key.replace(' ', '-')}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python, "-W", "ignore", "-m", "bench.child", variant.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=peers_venv.ROOT,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
                bufsize=0,
                start_new_session=True,  # an interrupt is the parent's to handle
            )

    def ask(self, job: Job, seconds: float) -> Measured:
        """One measurement."""
        if self._process.stdin is None:
            raise NotMeasured("its process has ended")
        try:
            self._process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
        except BrokenPipeError:
            raise NotMeasured(self._why("its process has ended")) from None
        answer = json.loads(self._line(seconds))
        if "error" in answer:
            raise NotMeasured(answer["error"])
        return {name: Timed(**one) for name, one in answer["measured"].items()}

    def _line(self, seconds: float) -> bytes:
        ends, read = time.monotonic() + seconds, b""
        if self._process.stdout is None:
            raise NotMeasured("its process has ended")
        while not read.endswith(b"\n"):
            ready, _, _ = select.select(
                [self._process.stdout], [], [], max(0.0, ends - time.monotonic())
            )
            if not ready:
                raise NotMeasured(self._why(f"no answer within {seconds:.0f} s"))
            part = self._process.stdout.read(65536)
            if not part:
                raise NotMeasured(self._why("its process ended without an answer"))
            read += part
        return read

    def _why(self, sentence: str) -> str:
        said = self._log.read_text(errors="replace")[-_TAIL:].strip().splitlines()
        return f"{sentence} ({said[-1]})" if said else sentence

    def end(self, within_seconds: float = ENDS_SECONDS) -> None:
        """Lets the process finish, and kills it with what it started if it does not."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(within_seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, 9)
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
