"""The pauses between starts of a server that could not be started.

One idea: a server that fails at its start is not started for every call. The pauses begin as short
as those between the tries of one call, and double up to a minute; a start that works ends them.

Refuses to know: what is started, and why it failed.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace

from clearance.configuration.values import as_sentence
from clearance.core.outcome import CallError
from clearance.flow.ports.tools import ToolCallFailed
from clearance.tools.untrusted import SENTENCE_LENGTH_MAX, one_line

START_PAUSE_SECONDS = 0.2  # after the first failure; doubles with each
START_PAUSE_SECONDS_MAX = 60


class Backoff:
    """The starts of one server."""

    def __init__(self) -> None:
        self._trial: object = None
        self._pause = 0.0  # seconds
        self._failure: CallError | None = None
        self._until = 0.0  # monotonic seconds

    def check(self) -> None:
        """Raises ToolCallFailed, with what the last start met, if it is too early for another."""
        left = self._until - time.monotonic()
        if self._failure is not None and left > 0:
            seconds = math.ceil(left)
            note = f" It is started again in {seconds} second{'s' if seconds > 1 else ''}."
            cause = as_sentence(
                one_line(self._failure.sentence, SENTENCE_LENGTH_MAX - len(note) - 1)
            )
            raise ToolCallFailed(replace(self._failure, sentence=cause + note))

    def begun(self, trial: object) -> None:
        """A start begins."""
        self._trial = trial

    def worked(self, trial: object) -> None:
        """The start worked."""
        if trial is self._trial:
            self._trial, self._pause, self._failure = None, 0.0, None

    def failed(self, trial: object, failure: CallError) -> None:
        """The start failed: counted once, however many callers waited for it."""
        if trial is self._trial:
            self._trial, self._failure = None, failure
            doubled = max(2 * self._pause, START_PAUSE_SECONDS)
            self._pause = min(doubled, START_PAUSE_SECONDS_MAX)
            self._until = time.monotonic() + self._pause
