"""`on_the_day.py` with an embedded worker that starts nothing: what is approved stays so.

It is for making a state, with the software that is kept.
"""

import asyncio
import sys
from typing import Any

from clearance.engines.worker import Worker
from tests.kept import on_the_day


async def _idle(_self: Worker, _context: Any, stopped: asyncio.Event) -> None:
    await stopped.wait()


if __name__ == "__main__":
    Worker.run = _idle  # type: ignore[method-assign]
    on_the_day.main(*sys.argv[1:])
