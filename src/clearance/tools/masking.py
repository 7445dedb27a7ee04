"""The secrets of a tool server's definition: `${NAME}` is filled in from our variables, and masked
in every text.

One idea: the code that fills a value in remembers it, so no sentence and no log line of the same
server can show it.

Refuses to know: what the values are for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from clearance.core.outcome import ErrorClass, Sent
from clearance.tools.untrusted import TEXT_LENGTH_MAX, failed, one_line

SECRET_LENGTH_MIN = 4  # shorter values are not looked for in texts: they would be found everywhere

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variables_of(text: str) -> set[str]:
    """The names that are to be filled in."""
    return set(_VARIABLE.findall(text))


class Secrets:
    """The values of one server that must not be seen in a sentence or a log.

    `variables` are our environment's, or a vault's.
    """

    def __init__(self, server: str, variables: Mapping[str, str] = os.environ) -> None:
        self._server = server
        self._variables = variables
        self._values: list[str] = []

    def filled(self, text: str) -> str:
        """The text with its variables filled in; ToolCallFailed names one that is not set.

        Only their values are secret.
        """
        return _VARIABLE.sub(self._value, text)

    def resolved(self, texts: Mapping[str, str]) -> dict[str, str]:
        """Such texts by name. All of each is secret, for it may be written out."""
        resolved = {name: self.filled(text) for name, text in texts.items()}
        self.keep(*resolved.values())
        return resolved

    def keep(self, *values: str) -> None:
        """Remembers further values, and each line of one that has several: texts come in lines."""
        parts = [part for value in values for part in (value, *value.splitlines())]
        self._values += [part for part in dict.fromkeys(parts) if len(part) >= SECRET_LENGTH_MIN]
        self._values.sort(key=len, reverse=True)  # a value that holds another one goes first

    def sentence(self, text: str) -> str:
        """Untrusted text as one line without what must not be seen."""
        text = text[:TEXT_LENGTH_MAX]
        for value in self._values:
            text = text.replace(value, "***")
        return one_line(text)

    def _value(self, variable: re.Match[str]) -> str:
        value = self._variables.get(variable[1])
        if value is None:
            sentence = (
                f"The tool server {self._server} needs the environment variable {variable[1]}, "
                f"which is not set."
            )
            raise failed(
                ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SERVER_VARIABLE_MISSING"
            )
        self.keep(value)
        return value
