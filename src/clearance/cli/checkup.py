"""The command that looks for problems: doctor."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from clearance.cli.options import AsJson, Data
from clearance.cli.state import place_of, run


def doctor(
    *,
    data: Data = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check this clearance.yaml too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for problems.

    Checks this machine, the data, the configuration, the tool servers and the server. It repairs
    nothing.
    """
    from clearance.cli import output
    from clearance.cli.doctor import FAILURE, examine
    from clearance.cli.views import operator as views

    checks = run(examine(place_of(data), config))
    failed = any(check.status == FAILURE for check in checks)
    report = {"healthy": not failed, "checks": [asdict(check) for check in checks]}
    output.show(report, views.checks, as_json=as_json)
    raise typer.Exit(1 if failed else 0)
