"""What is counted in SQLite: the account's own use of a day, and that of any other subject in any
window.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from itertools import chain

from clearance.core.budget import Claim, Counter, Hold

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
    asked = list(dict.fromkeys(counters))
    if not asked:
        return {}
    values = chain.from_iterable((one.subject, one.window) for one in asked)
    found: dict[Counter, dict[str, int]] = {}
    for subject, window, bucket, used in connection.execute(
        _COUNTED.format(_places(2, len(asked))), (*values, tenant_no)
    ):
        found.setdefault(Counter(subject, window), {})[bucket] = used
    return found


def used_by(
    connection: sqlite3.Connection, tenant_no: int, account_id: str, hold: Hold
) -> dict[str, int]:
    """What is held and settled of everything that a hold claims, by the place of each claim."""
    counters = [claim.counter for claim in hold.claims if claim.counter]
    others = counted(connection, tenant_no, counters)
    has_own = len(counters) < len(hold.claims)
    mine = own(connection, tenant_no, account_id, hold.day) if has_own else {}
    return {
        claim.place: (others.get(claim.counter, {}) if claim.counter else mine).get(claim.bucket, 0)
        for claim in hold.claims
    }


def take(connection: sqlite3.Connection, tenant_no: int, account_no: int, hold: Hold) -> None:
    """Counts every claim of a hold."""
    claims = [(account_no, hold.day, *_share(claim)) for claim in hold.claims if not claim.counter]
    _insert(connection, _TAKE_OWN, claims)
    others = [
        (tenant_no, claim.counter.subject, claim.counter.window, *_share(claim))
        for claim in hold.claims
        if claim.counter
    ]
    _insert(connection, _TAKE, others)


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


def _share(claim: Claim) -> tuple[str, int]:
    return claim.bucket, claim.amount


def _insert(
    connection: sqlite3.Connection, statement: str, rows: Collection[tuple[object, ...]]
) -> None:
    if rows:  # one statement for all of them: half the time of one for each
        width = len(next(iter(rows)))
        connection.execute(
            statement.format(_places(width, len(rows))), list(chain.from_iterable(rows))
        )


def _places(width: int, rows: int) -> str:
    row = f"({', '.join('?' * width)})"
    return ", ".join([row] * rows)
