"""The policies that this process has compiled, by the digest of what they mean.

Compiling is what settings cost. Whatever changes beside it (a stop switch, a pin, a budget)
compiles nothing again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from weakref import WeakValueDictionary

from clearance.core.canonical import Json, canonical
from clearance.core.policy import PolicyReading, read_policy

POLICIES_KEPT_MAX = 64  # policies that a process keeps although it has no settings with them


class _Kept:
    """Policies by digest: the latest ones, and every other one as long as some settings have it."""

    def __init__(self) -> None:
        self._latest: OrderedDict[bytes, PolicyReading] = OrderedDict()
        self._alive: WeakValueDictionary[bytes, PolicyReading] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> PolicyReading | None:
        with self._lock:
            kept = self._alive.get(key)
            return None if kept is None else self._put(key, kept)

    def put(self, key: bytes, reading: PolicyReading) -> PolicyReading:
        with self._lock:
            return self._put(key, reading)

    def _put(self, key: bytes, reading: PolicyReading) -> PolicyReading:
        self._latest[key] = self._alive[key] = reading
        self._latest.move_to_end(key)
        while len(self._latest) > POLICIES_KEPT_MAX:
            self._latest.popitem(last=False)
        return reading


_KEPT = _Kept()


def policy_reading(text: str, parameters: Mapping[str, Mapping[str, Json]]) -> PolicyReading | None:
    """What this version makes of a policy for these schemas of parameters; None if it is empty."""
    if not text.strip():
        return None
    key = sha256(canonical([text, parameters])).digest()
    return _KEPT.get(key) or _KEPT.put(key, read_policy(text, parameters))
