"""The demo's day, played: a real server in this process, three agents that use the REST API with
keys of their own, real MCP tools.

Everything lives in one folder, deleted at the end unless the caller named it. Nothing leaves the
machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

from clearance.client import AsyncClearance
from clearance.core.principal import Role
from clearance.core.record import UNDER_WAY
from clearance.demo import crm
from clearance.demo.script import AGENTS, DAY, RULED, Act
from clearance.profiles import choose
from clearance.running.first_key import KEY_FILE
from clearance.running.server import Serving, serving

TENANT = "northwind"
APPROVER = "olga"
PAUSE_SECONDS = 1.6  # between two acts, when a person watches
SETTLE_SECONDS_MAX = 30.0  # until approved intents have an outcome


def run(*, once: bool, as_json: bool, data: Path | None, port: int) -> int:
    """Plays the day.

    `once`: quickly, with a scripted approver, then ends; else the pages stay up until Ctrl-C.
    """
    with _folder(data) as folder, contextlib.suppress(KeyboardInterrupt):
        console = Console(stderr=as_json, highlight=False, soft_wrap=True)
        return asyncio.run(
            _play(_Stage(folder, console), once=once, as_json=as_json, port=0 if once else port)
        )
    return 0


@dataclass(frozen=True, slots=True)
class _Stage:
    """Where the day is played."""

    folder: Path
    console: Console

    @property
    def data(self) -> Path:
        return self.folder / choose.DEMO_FOLDER

    @property
    def key_file(self) -> Path:
        return self.data / KEY_FILE

    @property
    def crm_file(self) -> Path:
        return self.folder / "crm.sqlite3"

    @property
    def repository(self) -> Path:
        return self.folder / "repository"


async def _play(stage: _Stage, *, once: bool, as_json: bool, port: int) -> int:
    config = _prepare(stage)
    async with serving(config, stage.data, "127.0.0.1", port) as up:
        async with _agents(up) as agents:
            owner = agents["owner"]
            if not once:
                _welcome(stage.console, up, stage.key_file)
            for act in DAY:
                if act.alone:
                    await _settled(owner)
                await _act(stage.console, agents[act.agent], owner, act, quiet=as_json)
                if act.alone:
                    await _settled(owner)
                await asyncio.sleep(0 if once else PAUSE_SECONDS)
            if once:
                await _rule(stage.console, agents[APPROVER], quiet=as_json)
            await _settled(owner)
            summary = await _summary(stage, owner)
        if as_json:
            print(json.dumps(summary, indent=2))  # noqa: T201 - the command's answer
        else:
            _tell(stage.console, summary)
        if not once:
            await _stay(stage.console, up)
    return 0


# The stage


@contextlib.contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        yield data.resolve()
    else:
        with tempfile.TemporaryDirectory(prefix="clearance-demo-") as made:
            yield Path(made).resolve()


def _prepare(stage: _Stage) -> Path:
    """The files of the demo, a repository for the git server, and the variables that the
    configuration names.
    """
    for name in ("clearance.yaml", "policy.cedar"):
        text = resources.files("clearance.demo").joinpath(name).read_text(encoding="utf-8")
        (stage.folder / name).write_text(text, encoding="utf-8")
    if not stage.repository.exists():
        stage.repository.mkdir()
        identity = (
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@northwind.example",
            "-c",
            "commit.gpgsign=false",
        )
        for command in (("init", "-q"), ("commit", "-q", "--allow-empty", "-m", "The beginning")):
            subprocess.run(["git", *identity, *command], cwd=stage.repository, check=True)  # noqa: S603, S607
    os.environ["CRM_DB"] = str(stage.crm_file)
    os.environ["DEMO_REPOSITORY"] = str(stage.repository)
    return stage.folder / "clearance.yaml"


@contextlib.asynccontextmanager
async def _agents(serving: Serving) -> AsyncIterator[Mapping[str, AsyncClearance]]:
    """A client for each agent, for the approver and for the owner, each with a key of its own."""
    roles = {**dict.fromkeys(AGENTS, Role.AGENT), APPROVER: Role.APPROVER, "watcher": Role.OWNER}
    async with contextlib.AsyncExitStack() as stack:
        clients = {}
        for name, role in roles.items():
            text = await choose.new_api_key(serving.control, TENANT, name, role)
            clients[name] = await stack.enter_async_context(AsyncClearance(serving.url, text))
        clients["owner"] = clients.pop("watcher")
        yield clients


# The day


async def _act(
    console: Console, agent: AsyncClearance, owner: AsyncClearance, act: Act, *, quiet: bool
) -> None:
    """An agent proposes; the terminal shows why, which the owner may read and the agent may not."""
    answer = await agent.propose(
        account_id=act.account_id,
        action_type=act.action_type,
        parameters=act.parameters,
        confidence_score=act.confidence_score,
        risk_level=act.risk_level,
        why=list(act.why),
    )
    if not quiet:
        shown = await owner.intent(answer["action_intent_id"])
        colour = {"AUTO_EXECUTE": "green", "REQUIRE_APPROVAL": "yellow", "BLOCK": "red"}[
            answer["decision"]
        ]
        console.print(
            Text.assemble(
                (f"{answer['decision']:<17}", colour), f"{act.agent:<15} ", answer["sentence"]
            ),
        )
        note = f"  ({act.watch})" if act.watch else ""
        console.print(f"[dim]{'':<17}{escape(shown['explanation'])}{escape(note)}[/dim]")


async def _rule(console: Console, approver: AsyncClearance, *, quiet: bool) -> None:
    """The scripted approver rules on two of what waits; the rest is left waiting, as on any day."""
    waiting = [approval async for approval in approver.approvals()]
    for approval in waiting:
        ruling, reason = RULED.get(approval["reason"], (None, None))
        if ruling == "approve":
            await approver.approve(approval["approval_id"], digest=approval["digest"])
        elif ruling == "reject":
            await approver.reject(
                approval["approval_id"], reason=reason or "", digest=approval["digest"]
            )
        if ruling and not quiet:
            console.print(Text(f"{APPROVER} {ruling}s: {approval['sentence']}"))


async def _settled(owner: AsyncClearance) -> None:
    """Waits until nothing is under way."""
    ends = asyncio.get_running_loop().time() + SETTLE_SECONDS_MAX
    while asyncio.get_running_loop().time() < ends:
        statuses = {item["status"] async for item in owner.timeline()}
        if statuses.isdisjoint(UNDER_WAY):
            return
        await asyncio.sleep(0.05)


async def _summary(stage: _Stage, owner: AsyncClearance) -> dict[str, Any]:
    items = [item async for item in owner.timeline()]
    entries = [entry async for entry in owner.ledger()]
    effects = crm.effects(stage.crm_file)
    return {
        "tenant_id": TENANT,
        "intents": len(items),
        "by_decision": dict(Counter(item["decision"] for item in items)),
        "by_status": dict(Counter(item["status"] for item in items)),
        "auto_executed": sum(bool(item["auto_executed"]) for item in items),
        "effects": {
            "total": len(effects),
            "by_tool": dict(Counter(effect["tool"] for effect in effects)),
        },
        "ledger_entries": len(entries),
        "timeline": [item["sentence"] for item in reversed(items)],
    }


# The lines of the terminal


def _welcome(console: Console, serving: Serving, key_file: Path) -> None:
    """Shows the key itself: the demo is of this machine, and mostly of this hour."""
    console.rule("Clearance: a day at Northwind")
    console.print(
        "Three agents work for several accounts. The gate answers each proposal; real MCP tools "
        "carry it out."
    )
    console.print(
        f"Open [bold]{serving.url}[/bold] and sign in with this key: "
        f"[bold]{key_file.read_text(encoding='ascii').strip()}[/bold]\n"
    )


def _tell(console: Console, summary: Mapping[str, Any]) -> None:
    console.rule("The day so far")
    for name in ("by_decision", "by_status"):
        console.print("  ".join(f"{key} {count}" for key, count in sorted(summary[name].items())))
    console.print(
        f"{summary['auto_executed']} auto-executed; the CRM saw {summary['effects']['total']} "
        f"effects; "
        f"the ledger has {summary['ledger_entries']} entries."
    )


async def _stay(console: Console, serving: Serving) -> None:
    console.print(
        f"\nNow it is your turn: [bold]{serving.url}/needs-you[/bold] waits for your rulings, "
        f"and runs what you approve."
    )
    console.print(
        f"One outcome is unknown ({serving.url}/?outcome=unknown): see why nothing was retried, "
        "and settle it. Ctrl-C ends the demo."
    )
    sys.stdout.flush()
    await serving.ended.wait()
