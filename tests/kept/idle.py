"""Runs `on_the_day.py` with an embedded worker that starts nothing: what is approved stays so.

It is for making a state, with the software that is kept.
"""

import asyncio
import runpy
from pathlib import Path
from typing import Any

from clearance.engines.worker import Worker


async def _idle(_self: Worker, _context: Any, stopped: asyncio.Event) -> None:
    await stopped.wait()


if __name__ == "__main__":
    Worker.run = _idle  # type: ignore[method-assign]
    runpy.run_path(str(Path(__file__).with_name("on_the_day.py")), run_name="__main__")
