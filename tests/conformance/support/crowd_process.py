"""One process of a crowd on one database: `python -m tests.conformance.support.crowd_process
DATABASE SEED`.

Says `ready`, waits for a line, and then proposes what every other process proposes too, and starts
all that was admitted. Prints how often it was answered what, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter

from clearance.flow.ports.transitions import Admitted, AlreadyAdmitted
from clearance.stores.postgres.store import PostgresStore
from tests.conformance.test_store import admission, started
from tests.support.world import World

NAMES = 40  # intents that every process proposes


async def main(conninfo: str, seed: int) -> None:
    store = await PostgresStore.open(conninfo, connections_max=4)
    world = World(store, conninfo)
    wanted = [await admission(world, f"a{number}") for number in range(NAMES)]
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
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
