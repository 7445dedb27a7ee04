"""What is measured in rounds: which module, on which store, with how many operations for each
number of callers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CALLERS = (1, 8, 64)
POLICY_US = (
    40  # what a policy costs at the least, so that storage is not measured against an idle caller
)
QUESTIONS = 432


@dataclass(frozen=True, slots=True)
class Variant:
    """`operations` by number of callers; their sum is what a round takes.

    `beside`: the variant that its ratios are made to.
    """

    key: str
    module: str
    title: str
    keeps: str  # what survives, and how
    operations: Mapping[int, int]
    store: str = ""
    beside: str = ""
    policy_us: int = 0
    peers: bool = False  # runs in the peers' venv
    optional: bool = False  # a row that says why it is missing, rather than an end of the run


_SQLITE = "WAL, `synchronous=FULL`: an fsync for each commit"
_POSTGRES = "`synchronous_commit=on`, `fsync=on`"
_DISK = Variant("fsync", "bench.fsync", "4 KiB, fdatasync", "the disk itself", {1: 200})

SQLITE = (
    Variant(
        "sqlite raw",
        "bench.raw_sqlite",
        "raw: insert and commit, one connection",
        f"{_SQLITE}; a commit for each",
        {1: 400, 8: 400, 64: 600},
        "sqlite",
        "sqlite raw",
    ),
    Variant(
        "sqlite storage",
        "bench.storage",
        "storage part + 40 us",
        f"{_SQLITE}; one commit for many",
        {1: 300, 8: 800, 64: 2000},
        "sqlite",
        "sqlite raw",
        POLICY_US,
    ),
    Variant(
        "sqlite gate",
        "bench.gate",
        "whole gate decision",
        f"{_SQLITE}; one commit for many",
        {1: 200, 8: 400, 64: 600},
        "sqlite",
        "sqlite raw",
    ),
    Variant(
        "sqlite execution",
        "bench.execution",
        "auto-execution, end to end",
        f"{_SQLITE}; 3 transactions each, shared with others",
        {1: 60, 8: 160, 64: 256},
        "sqlite",
        "sqlite raw",
    ),
    Variant(
        "sqlite dbos",
        "bench.peers.dbos_steps",
        "DBOS workflow of 3 steps, no gate",
        "WAL (set by us), SQLite's default `synchronous=FULL`; a commit for each step, and its own",
        {1: 24, 8: 48, 64: 128},
        "sqlite",
        "sqlite raw",
        peers=True,
        optional=True,
    ),
)
POSTGRES = (
    Variant(
        "postgres raw",
        "bench.raw_postgres",
        "raw: insert and commit, psycopg pool of 16",
        f"{_POSTGRES}; a commit for each",
        {1: 300, 8: 800, 64: 1500},
        "postgres",
        "postgres raw",
    ),
    Variant(
        "postgres pgbench",
        "bench.pgbench",
        "pgbench -N, no Python",
        f"{_POSTGRES}; a commit for each",
        {1: 300, 8: 800, 64: 1920},
        "postgres",
        "postgres raw",
        optional=True,
    ),
    Variant(
        "postgres storage alone",
        "bench.storage",
        "storage part",
        f"{_POSTGRES}; one commit for many",
        {1: 200, 8: 600, 64: 1500},
        "postgres",
        "postgres raw",
    ),
    Variant(
        "postgres storage",
        "bench.storage",
        "storage part + 40 us",
        f"{_POSTGRES}; one commit for many",
        {1: 200, 8: 600, 64: 1500},
        "postgres",
        "postgres raw",
        POLICY_US,
    ),
    Variant(
        "postgres gate",
        "bench.gate",
        "whole gate decision",
        f"{_POSTGRES}; one commit for many",
        {1: 150, 8: 400, 64: 600},
        "postgres",
        "postgres raw",
    ),
    Variant(
        "postgres execution",
        "bench.execution",
        "auto-execution through the queue, end to end",
        f"{_POSTGRES}; 3 transactions and a job each",
        {1: 60, 8: 160, 64: 256},
        "postgres",
        "postgres raw",
    ),
    Variant(
        "postgres procrastinate",
        "bench.peers.procrastinate_steps",
        "procrastinate job of 3 steps, no gate",
        f"{_POSTGRES}; a commit for each step, and its own",
        {1: 40, 8: 96, 64: 192},
        "postgres",
        "postgres raw",
        optional=True,
    ),
    Variant(
        "postgres dbos",
        "bench.peers.dbos_steps",
        "DBOS workflow of 3 steps, no gate",
        f"{_POSTGRES}; a commit for each step, and its own",
        {1: 24, 8: 64, 64: 128},
        "postgres",
        "postgres raw",
        peers=True,
        optional=True,
    ),
)
POLICIES = (
    Variant(
        "policy hand",
        "bench.fifteen_rules",
        "the 15 rules by hand, in Python",
        "nothing is stored",
        {1: QUESTIONS},
        beside="policy hand",
    ),
    Variant(
        "policy cedar",
        "bench.policy",
        "Clearance: Cedar, both questions",
        "nothing is stored here; the gate stores every finding",
        {1: QUESTIONS},
        beside="policy hand",
    ),
    Variant(
        "policy agt",
        "bench.peers.agt_policy",
        "agent-governance-toolkit 4.1.0, one condition a rule",
        "nothing is stored; an audit entry is returned in memory",
        {1: QUESTIONS},
        beside="policy hand",
        peers=True,
        optional=True,
    ),
)
TOOLS = (
    Variant("sqlite tools", "bench.tool_call", "on SQLite", "", {1: 24}, "sqlite"),
    Variant("postgres tools", "bench.tool_call", "on PostgreSQL", "", {1: 24}, "postgres"),
)
HTTP = (
    Variant("sqlite http", "bench.served", "SQLite", "", {1: 60, 8: 160, 64: 256}, "sqlite"),
    Variant("postgres http", "bench.served", "PostgreSQL", "", {1: 16, 8: 96, 64: 192}, "postgres"),
)
CORRECT = tuple(
    Variant(f"{store} correct", "bench.correct", "", "", {64: 2700}, store)
    for store in ("sqlite", "postgres")
)
WAITING = tuple(
    Variant(f"{store} waiting", "bench.waiting", "", "", {1: 10_000}, store)
    for store in ("sqlite", "postgres")
)
GROWTH = tuple(
    Variant(f"{store} growth", "bench.growth", "", "", {1: 1_000_000}, store)
    for store in ("sqlite", "postgres")
)
ROUND = (_DISK, *SQLITE, *POSTGRES, *POLICIES, *TOOLS, *HTTP)
