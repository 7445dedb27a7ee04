"""What starts often imports only what it needs: frameworks and clients cost a second each time."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

STARTED = {
    "the command line": (
        ("clearance.cli.main",),
        {"fastapi", "mcp", "cedarpy", "pydantic", "boto3"},
    ),
    "a command on the state": (
        ("clearance.profiles.choose",),
        {"fastapi", "starlette", "mcp", "boto3", "psycopg"},
    ),
    "the gate on AWS": (
        (
            "clearance.running.functions",
            "clearance.api.proposals",
            "clearance.api.resources",
            "clearance.stores.dynamodb.store",
        ),
        {"fastapi", "starlette", "mcp", "psycopg"},
    ),
}
"""What is imported, and what must not come with it."""


@pytest.mark.parametrize("started", STARTED)
def test_what_starts_often_is_light(started: str) -> None:
    modules, heavy = STARTED[started]
    code = f"import json, sys, {', '.join(modules)}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert heavy.isdisjoint(json.loads(done.stdout))
