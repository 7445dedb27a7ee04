"""What is counted in SQLite: the account's own use of a day, and that of any other subject in any
window.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from functools import lru_cache
from itertools import chain
from typing import TypeAlias

from clearance.core.budget import Claim, Counter, Hold

Claims: TypeAlias = Collection[Claim]
Value: TypeAlias = str | int

# A cross join reads what was asked first, and looks each of it up by the key.
_COUNTED = """WITH asked (subject, "window") AS (VALUES {})
    SELECT c.subject, c."window", c.bucket, c.used FROM asked a CROSS JOIN counter c
    ON c.tenant_no = ? AND c.subject = a.subject AND c."window" = a."window" """
_TAKE_OWN = """INSERT INTO budget_use (account_no, day, bucket, used) VALUES {}
    ON CONFLICT DO UPDATE SET used = used + excluded.used"""
_TAKE = """INSERT INTO counter (tenant_no, subject, "window", bucket, used) VALUES {}
    ON CONFLICT DO UPDATE SET used = used + excluded.used"""
_GIVE_BACK_OWN = """UPDATE budget_use SET used = used - ?
    WHERE account_no = ? AND day = ? AND bucket = ?"""
_GIVE_BACK = """UPDATE counter SET used = used - ?
    WHERE tenant_no = ? AND subject = ? AND "window" = ? AND bucket = ?"""


def own(
    connection: sqlite3.Connection, tenant_no: int, account_id: str, day: str
) -> dict[str, int]:
    """What is held and settled of an account's own buckets on a day."""
    return dict(
        connection.execute(
            """SELECT bucket, used FROM account JOIN budget_use USING (account_no)
            WHERE tenant_no = ? AND account_id = ? AND day = ?""",
            (tenant_no, account_id, day),
        )
    )


def counted(
    connection: sqlite3.Connection, tenant_no: int, counters: Collection[Counter]
) -> dict[Counter, dict[str, int]]:
    """What is held and settled of counters, by bucket."""
    uses: dict[Counter, dict[str, int]] = {}
    keys = {(counter.subject, counter.window) for counter in counters}
    for subject, window, bucket, used in _rows(connection, tenant_no, keys):
        uses.setdefault(Counter(subject, window), {})[bucket] = used
    return uses


def _rows(
    connection: sqlite3.Connection, tenant_no: int, keys: Collection[tuple[str, str]]
) -> Iterable[tuple[str, str, str, int]]:
    if not keys:
        return ()
    statement = _statement(_COUNTED, 2, len(keys))
    return connection.execute(statement, (*chain.from_iterable(keys), tenant_no))


def used_by(
    connection: sqlite3.Connection, tenant_no: int, account_id: str, day: str, claims: Claims
) -> dict[str, int]:
    """What is held and settled where claims are made, by the place of each."""
    keys = {(claim.counter.subject, claim.counter.window) for claim in claims if claim.counter}
    used = {
        (subject, window, bucket): count
        for subject, window, bucket, count in _rows(connection, tenant_no, keys)
    }
    is_own = any(claim.counter is None for claim in claims)
    mine = own(connection, tenant_no, account_id, day) if is_own else {}
    return {
        claim.place: mine.get(claim.bucket, 0)
        if claim.counter is None
        else used.get((claim.counter.subject, claim.counter.window, claim.bucket), 0)
        for claim in claims
    }


def take(
    connection: sqlite3.Connection, tenant_no: int, account_no: int, day: str, claims: Claims
) -> None:
    """Counts every claim."""
    mine: list[Value] = []
    others: list[Value] = []
    for claim in claims:
        if claim.counter is None:
            mine += (account_no, day, claim.bucket, claim.amount)
        else:
            counter = claim.counter
            others += (tenant_no, counter.subject, counter.window, claim.bucket, claim.amount)
    if mine:
        connection.execute(_statement(_TAKE_OWN, 4, len(mine) // 4), mine)
    if others:
        connection.execute(_statement(_TAKE, 5, len(others) // 5), others)


def give_back(connection: sqlite3.Connection, tenant_no: int, account_no: int, hold: Hold) -> None:
    """Gives the claims of a hold back to the very counters that they were taken from."""
    for claim in hold.given_back:
        if claim.counter is None:
            values = (claim.amount, account_no, hold.day, claim.bucket)
            connection.execute(_GIVE_BACK_OWN, values)
        else:
            counter = claim.counter
            named = (claim.amount, tenant_no, counter.subject, counter.window, claim.bucket)
            connection.execute(_GIVE_BACK, named)


@lru_cache
def _statement(template: str, width: int, rows: int) -> str:
    """A statement of so many rows of values: one for all of them is faster than one for each."""
    row = f"({', '.join('?' * width)})"
    return template.format(", ".join([row] * rows))
