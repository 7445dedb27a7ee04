"""The commands that serve: serve, and demo, which plays a day to look at."""

from __future__ import annotations

import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearance.cli.options import AsJson, Data
from clearance.cli.state import end_with_a_signal, place_of, run

if TYPE_CHECKING:
    from clearance.running.server import Announcement

HostNames = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="A host name that is served, beside the address and localhost; again for more. "
        "Without it, CLEARANCE_HOSTS.",
    ),
]
Proxies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="A proxy, or its network, whose X-Forwarded-For and -Proto are believed; again "
        "for more. Without it, CLEARANCE_PROXIES.",
    ),
]
PathPrefix = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Serve below this path, such as /clearance. Without it, CLEARANCE_PATH_PREFIX.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Where a first key goes; else owner.key in the data directory."
    ),
]


def serve(
    *,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="clearance.yaml; without it, the stored settings."),
    ] = None,
    data: Data = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65_535, help="The port; 0 for any that is free."),
    ] = 8600,
    host_name: HostNames = None,
    proxy: Proxies = None,
    linger: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=600,
            help="When ending, keep answering so long, /readyz at 503.",
        ),
    ] = 0,
    path_prefix: PathPrefix = None,
    key_file: KeyFile = None,
    as_json: AsJson = False,
) -> None:
    """Run the server.

    It serves the REST API and the pages. On a data directory it also carries out approved intents;
    on a database, workers do. CLEARANCE_BOOTSTRAP_API_KEY sets the first key; without it, the
    server makes one and writes it to a file that only you can read. SIGINT or SIGTERM ends the
    server.
    """
    from clearance.profiles.environment import Environment
    from clearance.running import server
    from clearance.running.door_settings import door_settings

    end_with_a_signal()
    announce = partial(_announce, as_json=as_json)
    door = door_settings(Environment(), host_name or (), proxy or (), path_prefix)
    place = place_of(data)
    run(
        server.serve(
            config,
            place,
            host,
            port,
            announce,
            door=door,
            linger_seconds=linger,
            key_file=key_file,
        )
    )


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the day, print it, and end.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the day here; without it, nothing is kept."),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="The port of the pages.")
    ] = 8600,
    as_json: AsJson = False,
) -> None:
    """Play a day with agents.

    A small company whose agents act within limits, on this machine alone.
    """
    from clearance.demo import day

    raise typer.Exit(day.run(once=once, as_json=as_json, data=data, port=port))


def _announce(announcement: Announcement, *, as_json: bool) -> None:
    """Reports that the server is up."""
    from clearance.cli import output
    from clearance.cli.views import operator as views

    pins = announcement.pins
    start = {
        **asdict(announcement),
        "changes": list(announcement.changes),
        "pins": pins and views.pins_as_json(pins),
    }
    output.show(start, views.start, as_json=as_json)
    sys.stdout.flush()
