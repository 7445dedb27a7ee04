"""What runs in a child process: it measures when it is asked to. `python -m bench.child MODULE`.

A line of JSON on standard input asks (a `Job`); a line of JSON answers. What libraries print goes
to standard error.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
import tempfile
import traceback
from dataclasses import asdict, replace
from pathlib import Path

from bench.drive import Job


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = importlib.import_module(sys.argv[1])
    for line in sys.stdin:
        asked = Job(**json.loads(line))
        try:
            with tempfile.TemporaryDirectory(dir=asked.folder) as folder:
                Path(folder).chmod(0o755)
                found = asyncio.run(module.measure(replace(asked, folder=folder)))
            answer: dict[str, object] = {
                "measured": {name: asdict(one) for name, one in found.items()}
            }
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
