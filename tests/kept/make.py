"""Makes the states that every later version must open, with the software that is installed.

`python -m tests.kept.make FOLDER`; FOLDER must not be there yet. The README beside this file says
what the states are. This script runs servers and workers, and speaks to them as agents and people
do. Only the server that leaves an approved intent alone on SQLite (`idle.py`) reaches inside.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from clearance.client import Clearance
from tests.crash.support.zygote import Zygote
from tests.kept.company import HERE, ROOT, Company, Process, now_ms, software, until
from tests.support.postgres import folder_of, new_database, server

DAY_MS = 86_400_000
ACCOUNTS = ("acme", "globex", "initech")
OWNER_KEY = "kept-key-of-the-owner-for-tests-only"


@dataclass
class Story:
    """What an agent, a person and the owner do until the state is as it is to be kept."""

    company: Company
    moved_ms: int
    keys: dict[str, str] = field(default_factory=lambda: {"owner": OWNER_KEY})
    server: Process | None = None

    def to(self, who: str) -> Clearance:
        assert self.server is not None
        return self.server.client(self.keys[who])

    def propose(
        self, name: str, action_type: str, parameters: dict[str, Any], **changes: Any
    ) -> str:
        """Proposes as an agent that is sure of itself; the status that this leads to."""
        usual = {
            "account_id": "acme",
            "confidence_score": 0.95,
            "risk_level": "LOW",
            "why": ["A customer asked."],
        }
        body = {
            "action_type": action_type,
            "parameters": parameters,
            "action_intent_id": name,
            **usual,
            **changes,
        }
        return str(self.to("ada").propose(**body)["status"])

    def task(self, name: str, **changes: Any) -> str:
        return self.propose(name, "CREATE_TASK", {"title": name}, **changes)

    def unsure(self, name: str, **changes: Any) -> str:
        return self.task(name, confidence_score=0.5, **changes)

    def mail(self, name: str, to: str, **changes: Any) -> str:
        return self.propose(
            name, "SEND_MAIL", {"to": to, "subject": name, "body": "Good morning."}, **changes
        )

    def refund(self, name: str, order_id: str, amount_minor: int) -> str:
        return self.propose(
            name, "ISSUE_REFUND", {"order_id": order_id, "amount_minor": amount_minor}
        )

    def becomes(self, name: str, status: str) -> None:
        until(lambda: self.to("owner").intent(name)["status"] == status)

    # The chapters

    def set_up(self) -> None:
        """Keys and a stop of everything, both ended; an intent; the switch that stays on."""
        self.company.run("stop", "--everything", "--reason", "A drill.")
        self.company.run("stop", "--everything", "--lift")
        owner = self.to("owner")
        for name, role in (
            ("ada", "agent"),
            ("olga", "approver"),
            ("audrey", "auditor"),
            ("former", "agent"),
        ):
            self.keys[name] = (made := owner.create_api_key(name, role))["key"]
        owner.revoke_api_key(made["key_id"])
        assert self.unsure("waits-from-before-the-switch") == "AWAITING_APPROVAL"
        owner.stop("ACTION_TYPE", "DELETE_TASK", reason="Tasks were deleted by mistake.")

    def work(self) -> None:
        """What happens while a worker runs."""
        self.task("succeeded")
        self.becomes("succeeded", "SUCCEEDED")
        self.propose("failed", "ISSUE_REFUND", {"order_id": "locked-1", "amount_minor": 500})
        self.becomes("failed", "FAILED")
        self.mail("unknown", "crash@example.com")
        self.becomes("unknown", "UNKNOWN")
        assert self.refund("blocked", "ORD-1", 200_001) == "BLOCKED"
        assert self.mail("blocked-by-mode", "ann@example.com", account_id="globex") == "BLOCKED"
        soon = datetime.fromtimestamp(now_ms(self.moved_ms) / 1000 + 2, UTC)
        self.unsure("expired", expires_at=soon.isoformat())
        self.becomes("expired", "EXPIRED")
        for name in ("succeeded-by-ruling", "rejected", "edited", "cancelled"):
            self.unsure(name)
        olga = self.to("olga")
        olga.approve("succeeded-by-ruling", reason="The customer waits.")
        olga.reject("rejected", reason="Not this week.")
        olga.edit("edited", parameters={"title": "edited by olga"})
        self.to("ada").cancel("cancelled", "The customer called.")
        self.becomes("succeeded-by-ruling", "SUCCEEDED")
        self.refund("running", "hang-1", 1_500)
        self.mail("running-once", "hang@example.com")
        for name in ("running", "running-once"):
            self.becomes(name, "RUNNING")

    def wait(self) -> None:
        """What happens while no worker runs."""
        asks = "AWAITING_APPROVAL"
        assert self.task("approved-by-policy", account_id="globex") == "APPROVED"
        assert self.unsure("approved-by-person", account_id="globex") == asks
        assert (
            self.to("olga").approve("approved-by-person", reason="Go on.")["status"] == "APPROVED"
        )
        assert self.unsure("waits-unsure") == asks
        hours = {"title": "waits-with-a-fraction", "hours": 1.25}
        assert (
            self.propose("waits-with-a-fraction", "CREATE_TASK", hours, confidence_score=0.5)
            == asks
        )
        assert (
            self.unsure(
                "waits-until-2099", expires_at="2099-01-01T00:00:00Z", target={"deal": "Ünïcode"}
            )
            == asks
        )
        assert self.refund("waits-for-a-large-refund", "ORD-2", 30_000) == asks
        assert self.mail("waits-by-mode", "bob@example.com", account_id="initech") == asks
        assert self.mail("waits-by-budget", "cyd@example.com") == asks
        assert (
            self.propose("waits-by-allowlist", "UPDATE_FIELD", {"field": "stage", "value": "won"})
            == asks
        )
        assert self.propose("waits-by-switch", "DELETE_TASK", {"title": "waits-by-switch"}) == asks
        assert (
            self.propose("waits-by-pin", "RENAME_ACCOUNT", {"name": "Acme"}, confidence_score=0.5)
            == asks
        )

    def facts(self) -> dict[str, Any]:
        """What a test compares: statuses of intents, digests of entries, used budgets."""
        assert self.server is not None
        owner = self.to("owner")
        intents = {item["action_intent_id"]: item["status"] for item in owner.timeline()}
        entries = [entry["entry_digest"] for entry in owner.ledger()]
        usage = [self.server.usage(account, OWNER_KEY) for account in ACCOUNTS]
        return {
            "keys": self.keys,
            "intents": dict(sorted(intents.items())),
            "entries": entries,
            "usage": usage,
        }


@contextmanager
def played(company: Company, folder: Path, moved_ms: int) -> Iterator[dict[str, Any]]:
    """The whole story in one place; its facts. Nothing runs there any more."""
    database = "CLEARANCE_DATABASE_URL" in company.place
    story = Story(company, moved_ms)
    with ExitStack() as ends:
        ends.callback(company.close)
        if database:
            company.run("migrate")
        company.run("apply", str(folder / "clearance.yaml"))
        story.server = company.start("serve", "--port", "0", CLEARANCE_BOOTSTRAP_API_KEY=OWNER_KEY)
        worker = company.start("worker") if database else story.server
        story.set_up()
        story.work()
        worker.end(signal.SIGKILL)
        if not database:
            idle = ends.enter_context(software(moved_ms, idle=True))
            story.server = company.start("serve", "--port", "0", software=idle)
        story.wait()
        facts = story.facts()
        assert story.server.end() == 0
        yield facts


def make_sqlite(folder: Path, moved_ms: int, kept: Zygote) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as work:
        data = Path(work, "data")
        company = Company(Path(work), {"CLEARANCE_DATA": str(data)}, kept, "first")
        with played(company, folder, moved_ms) as facts:
            company.run("export", str(folder / "archive.jsonl"))
        [file] = data.glob("*.sqlite3")
        with closing(sqlite3.connect(file)) as database:
            database.execute("pragma wal_checkpoint(truncate)")
        shutil.copyfile(file, folder / file.name)
    return facts


def make_postgres(folder: Path, moved_ms: int, kept: Zygote) -> dict[str, Any]:
    run = folder_of(f"kept-{os.getpid()}")
    with tempfile.TemporaryDirectory() as work, new_database(run) as admin:
        company = Company(Path(work), {"CLEARANCE_DATABASE_URL": admin}, kept, "first")
        with played(company, folder, moved_ms) as facts:
            pg_dump = server(run).bin_path / "pg_dump"
            schemas = ["--schema=clearance", "--schema=clearance_queue"]
            how = ["--no-owner", "--inserts", "--rows-per-insert=100"]
            done = subprocess.run(
                [pg_dump, *schemas, *how, admin], capture_output=True, text=True, check=True
            )
    (folder / "postgres.sql").write_text(without_commands(done.stdout), encoding="utf-8")
    return facts


def without_commands(dump: str) -> str:
    """A dump as any driver can run it: without psql's own commands."""
    return re.sub(r"^\\.*\n", "", dump, flags=re.MULTILINE)


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True)
    for name in ("clearance.yaml", "policy.cedar"):
        shutil.copyfile(HERE / name, folder / name)
    subprocess.run(
        [Path(sys.executable).parent / "uv", "build", "--wheel", "--out-dir", folder],
        cwd=ROOT,
        check=True,
    )
    (folder / ".gitignore").unlink(missing_ok=True)
    now = now_ms()
    # It is noon: everything happens on one day, in every zone of the settings.
    moved_ms = now // DAY_MS * DAY_MS + DAY_MS // 2 - now
    with software(moved_ms) as kept:
        sqlite, postgres = (make(folder, moved_ms, kept) for make in (make_sqlite, make_postgres))
    facts = {
        "version": version("clearance"),
        "at": now_ms(moved_ms),
        "sqlite": sqlite,
        "postgres": postgres,
    }
    (folder / "facts.json").write_text(
        json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
