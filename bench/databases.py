"""A database of its own for each measurement on PostgreSQL, made from a template where the schema
is large.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg


@contextmanager
def database(admin: str, template: str = "template0") -> Iterator[str]:
    """The URL of a new database, which is dropped afterwards."""
    name = f"bench_{secrets.token_hex(6)}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield url_of(admin, name)
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def url_of(admin: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlunsplit(urlsplit(admin)._replace(path=f"/{name}"))
