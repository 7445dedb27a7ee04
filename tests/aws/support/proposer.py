"""A process that proposes, each time for an account that it invents, until the tenant has no room
and the agent may not wait for more. Some of what it did it withdraws. It says on stdout that it is
ready, begins with a line on stdin, and writes a line for each id that was admitted.

    python -m tests.aws.support.proposer TABLE NAME ACTS WAITING
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from itertools import count

from clearance.core import steps
from clearance.core.budget import Claim, Counter, Hold
from clearance.core.record import Admission
from clearance.flow.ports.transitions import Admitted, Applied
from clearance.stores.dynamodb.store import DynamoStore
from tests.aws.support.table import Table
from tests.conformance.test_store import admission
from tests.support.sample import NOON, OWNER, account_of
from tests.support.world import World

DAY = "2026-11-24"
TENANT_DAY = Counter("{}", DAY)
WITHDRAWN_EACH = 4


async def invented(world: World, name: str, acts: int) -> Admission:
    """An act for one of many accounts; the tenant may have so many a day."""
    wanted = await admission(world, name, account_id=account_of(name))
    claims = (Claim("actions", 1, 1_000), Claim("actions", 1, acts, TENANT_DAY))
    return replace(wanted, decision=replace(wanted.decision, hold=Hold(DAY, claims)))


async def asking(world: World, name: str, waiting: int) -> Admission:
    """An act that waits for a person, if no more than so many do."""
    wanted = await admission(world, name, account_id=account_of(name), confidence_score=0.1)
    return replace(wanted, waiting_max=waiting)


async def _propose(world: World, own: str, acts: int, waiting: int) -> None:
    wanted = {"act": True, "ask": True}
    for number in count():
        for kind in [kind for kind, goes_on in wanted.items() if goes_on]:
            name = f"{own}-{kind}-{number}"
            makes = invented(world, name, acts) if kind == "act" else asking(world, name, waiting)
            answer = await world.store.admit(await makes)
            wanted[kind] = isinstance(answer, Admitted)
            if isinstance(answer, Admitted):
                _tell(name)
                if number % WITHDRAWN_EACH == 1:
                    left = steps.cancel(answer.record, code="X", reason=None, actor=OWNER, now=NOON)
                    assert isinstance(await world.store.advance(left), Applied)
        if not any(wanted.values()):
            return


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(table: str, own: str, acts: str, waiting: str) -> None:
    """Proposes on a table of the emulator that the environment names."""
    store = await DynamoStore.open(table)
    try:
        world = World(store, Table(table, None, None))
        await admission(world, "warm")
        _tell("ready")
        sys.stdin.readline()
        await _propose(world, own, int(acts), int(waiting))
    finally:
        await store.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
