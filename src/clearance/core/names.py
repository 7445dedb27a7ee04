"""Names of which a later version may know more than this one.

An `OpenName` is an enumeration that reads every name. What it does not know is a name like the
others that is equal to no member, so that it can be shown and kept, and nothing is done with it.
"""

from __future__ import annotations

import re
from enum import StrEnum

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")


class OpenName(StrEnum):
    """A name that is read whether this version knows it or not.

    ValueError for text that is no name: 1 to 64 characters of A-Z a-z 0-9 _, a letter first.
    """

    @classmethod
    def _missing_(cls, value: object) -> OpenName | None:
        if not isinstance(value, str) or not NAME.fullmatch(value):
            return None
        later = str.__new__(cls, value)
        later._name_, later._value_ = value, value
        return later

    @property
    def known(self) -> bool:
        """True if this version knows what the name means."""
        return self.value in type(self).__members__.values()
