"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

LIMIT_DEFAULT = 50  # items of a list
LIMIT_MAX = 10_000

Json: TypeAlias = Any

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="This data directory; without it, CLEARANCE_DATABASE_URL, CLEARANCE_TABLE or "
        "CLEARANCE_DATA.",
    ),
]
Config = Annotated[Path, typer.Option(metavar="FILE", help="clearance.yaml.")]
Limit = Annotated[int, typer.Option(metavar="N", min=1, max=LIMIT_MAX, help="At most this many.")]
Cursor = Annotated[
    str | None, typer.Option(metavar="CURSOR", help="Go on where another answer ended.")
]
ActionIntentId = Annotated[str, typer.Argument(metavar="ID", help="An action intent id.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why, for the ledger.")]
ReasonIfAny = Annotated[
    str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the ledger.")
]
