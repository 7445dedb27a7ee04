"""The variables of a tool server's definition: `${NAME}` is filled in from ours, and what of that
is secret.

One idea: the code that fills a value in remembers it, so nothing that comes from the same server
can show it.

Refuses to know: what the values are for, and how they are spelled where they come back.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from clearance.configuration.values import VARIABLE
from clearance.core.catalog import ToolServer
from clearance.core.outcome import ErrorClass, Sent
from clearance.tools.masking import Mask
from clearance.tools.untrusted import failed, one_line

SECRET_LENGTH_MIN = 4  # a shorter value would be masked everywhere, and cannot be kept secret
UNNAMED_LENGTH_MIN = 8  # of a value that no `secrets` names
PATH_SECRET_LENGTH_MIN = 16  # a longer part of an address is taken for a key

_CONTROLS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_USER = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^\s/?#]*)@")


class Secrets:
    """The values of one server that must not be seen, and the texts of its definition filled in.

    `variables` are our environment's, or a vault's.
    """

    def __init__(self, server: ToolServer, variables: Mapping[str, str] = os.environ) -> None:
        self._server = server
        self._variables = variables
        self._values: set[str] = set()
        self.mask = Mask()

    def command(self) -> list[str]:
        """The words of the server's command."""
        return [self._filled(word) for word in self._server.command]

    def environment(self) -> dict[str, str]:
        """What the server's definition adds to a minimal environment."""
        passed = {
            name: self._variables[name] for name in self._server.inherit if name in self._variables
        }
        declared = {name: self._filled(text) for name, text in self._server.environment.items()}
        for name, value in (passed | declared).items():
            self.keep(*_with_password(value))
            if name in self._named:
                self._keep_named(name, value)
        return passed | declared

    def headers(self) -> dict[str, str]:
        """The headers of the server's requests; each is secret, and so is what follows its scheme
        (`Bearer`).
        """
        headers = {name: self._filled(text) for name, text in self._server.headers.items()}
        for name, value in headers.items():
            self.keep(*_credentials(value))
            if name in self._named:
                self._keep_named(name, value)
        return headers

    def keep(self, *values: str) -> None:
        """Remembers values that are secret unless they are words or short."""
        self._keep(*(value for value in values if not _common(value)))

    def sentence(self, text: str, *, cut: bool = False) -> str:
        """Untrusted text as one line without what must not be seen; `cut`: it may end in there."""
        return one_line(self.mask.text(text, cut=cut))

    @property
    def _named(self) -> tuple[str, ...]:
        return self._server.secrets or ()

    def _filled(self, text: str) -> str:
        return VARIABLE.sub(lambda variable: self._value(variable[1]), text)

    def _value(self, name: str) -> str:
        value = self._variables.get(name)
        if value is None:
            sentence = (
                f"The tool server {self._server.name} needs the environment variable {name}, "
                f"which is not set."
            )
            raise failed(
                ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SERVER_VARIABLE_MISSING"
            )
        if name in self._named:
            self._keep_named(name, value)
        elif self._server.secrets is None and len(value) >= UNNAMED_LENGTH_MIN:
            self._keep(value)
        return value

    def _keep_named(self, name: str, value: str) -> None:
        if 0 < len(value) < SECRET_LENGTH_MIN:
            sentence = (
                f"The secret {name} of the tool server {self._server.name} has fewer than "
                f"{SECRET_LENGTH_MIN} characters: it cannot be masked in an answer."
            )
            raise failed(
                ErrorClass.VALIDATION, sentence, Sent.NOT_SENT, code="TOOL_SERVER_SECRET_SHORT"
            )
        self._keep(value)

    def _keep(self, *values: str) -> None:
        """Remembers values, and the lines of those that have several: they may come back alone."""
        for value in values:
            parts = [value, *(part.strip() for part in _CONTROLS.split(value))]
            self._values.update(part for part in parts if len(part) >= SECRET_LENGTH_MIN)
        self.mask = Mask(self._values)


def _common(value: str) -> bool:
    """True for what would be masked out of sentences that are not about it: words and numbers."""
    return len(value) < UNNAMED_LENGTH_MIN and (
        len(value) < SECRET_LENGTH_MIN or value.isalpha() or value.isdecimal()
    )


def _with_password(value: str) -> Iterator[str]:
    """An address that has a password, such as a proxy's; with it alone, and as it is typed."""
    if match := _USER.match(value):
        yield from (value, match[1])
        password = match[1].partition(":")[2]
        yield from (password, unquote(password))


def _credentials(value: str) -> Iterator[str]:
    """A header's value, what follows its scheme, and a password in there."""
    yield value
    scheme, _, credentials = value.partition(" ")
    yield credentials
    if scheme.lower() == "basic":
        try:
            pair = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return
        yield from (pair, pair.partition(":")[2])
