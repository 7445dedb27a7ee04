"""One process of a crowd on one database: `python -m tests.conformance.support.crowd_process
DATABASE SEED WHOSE`.

`WHOSE` limit binds: that of the one `account` that all name, or that of the `tenant`, where each
intent has an account of its own. Says `ready`, waits for a line, and then proposes what every other
process proposes too, and starts all that was admitted. Prints how often it was answered what, as
JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from dataclasses import replace

from clearance.core.budget import Claim
from clearance.core.budget import Counter as BudgetCounter
from clearance.core.record import Admission
from clearance.flow.ports.transitions import Admitted, AlreadyAdmitted
from clearance.stores.postgres.store import PostgresStore
from tests.conformance.test_store import admission, started
from tests.support.world import World

NAMES = 40  # intents that every process proposes
EVERYBODY = Claim("actions", 1, 10, BudgetCounter("{}", "2026-11-24"))


async def wish(world: World, number: int, whose: str) -> Admission:
    if whose == "account":
        return await admission(world, f"a{number}")
    wanted = await admission(world, f"a{number}", account_id=f"account-{number}")
    hold = wanted.decision.hold
    assert hold is not None
    others = [claim for claim in hold.claims if claim.place != EVERYBODY.place]
    hold = replace(hold, claims=(*others, EVERYBODY))
    return replace(wanted, decision=replace(wanted.decision, hold=hold))


async def main(conninfo: str, seed: int, whose: str) -> None:
    store = await PostgresStore.open(conninfo, connections_max=4)
    world = World(store, conninfo)
    wanted = [await wish(world, number, whose) for number in range(NAMES)]
    random.Random(seed).shuffle(wanted)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    answers = await asyncio.gather(*(store.admit(one) for one in wanted))
    said = Counter(type(answer).__name__ for answer in answers)
    there = [answer.record for answer in answers if isinstance(answer, Admitted | AlreadyAdmitted)]
    changes = [await started(world, record) for record in there if record.revision == 1]
    said.update(
        type(answer).__name__ for answer in await asyncio.gather(*map(store.advance, changes))
    )
    await store.close()
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
