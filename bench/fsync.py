"""What the disk itself takes to make 4 KiB durable: a file that grows by a page and is
synchronised, page by page.
"""

from __future__ import annotations

import os
import time

from bench.drive import Job, Measured, timed

PAGE = b"x" * 4096


async def measure(job: Job) -> Measured:
    taken = []
    file = os.open(job.path / "fsync", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    try:
        begin = time.perf_counter()
        for _ in range(job.operations):
            start = time.perf_counter()
            os.write(file, PAGE)
            os.fdatasync(file)
            taken.append(time.perf_counter() - start)
        return {"fsync": timed(time.perf_counter() - begin, taken)}
    finally:
        os.close(file)
