"""Torture: everything at once, at random, for as long as asked; then the checker says whether a
promise was broken.

`python -m tests.crash.torture --profile local|postgres --minutes 10 --seed N --api 3 --workers 4
--clients 64`. The seed says what is proposed, what the tool does with it, and which fault strikes
whom and when; how the processes interleave nobody can repeat. Ends with 1 if a promise was broken,
and with everything kept in the folder that it names.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clearance.client import AsyncClearance, ClearanceError
from clearance.clock import SystemClock
from clearance.configuration.document import parse_document
from clearance.flow.context import Context
from clearance.flow.control import Control
from clearance.profiles.parts import NoEngine, operator
from clearance.tools.mcp import McpTools
from tests.crash.support import company, figures, nemesis
from tests.crash.support.checker import check, late_calls
from tests.crash.support.crowd import UNDER_WAY_MAX, Crowd, Doors, under_way
from tests.crash.support.evidence import Evidence, calls_of, collect
from tests.crash.support.figures import Kill, Recovery
from tests.crash.support.nemesis import Nemesis
from tests.crash.support.process import die_with_parent
from tests.crash.support.profiles import PROFILES, PYTHON, Profile
from tests.crash.support.story import Case, Violation
from tests.crash.support.supervisor import Process, Supervisor, free_port, supervised
from tests.crash.support.zygote import Zygote

DEADLINE_SECONDS = 2  # of one call of the tool
ATTEMPTS = 3
MARGIN_SECONDS = 2  # of a lease
SWEEP_SECONDS = 12  # until somebody looks for what a lease left, and does it
WHOLE_MAX = 300  # intents that are read whole through the API at the end, of each tenant


@dataclass
class Run:
    """What to do, and where everything of it is kept."""

    profile: str
    seed: int
    seconds: float
    apis: int
    workers: int
    clients: int
    per_second: float
    fault_every: float
    folder: Path
    ceiling: int = 2_000
    retry_window_seconds: float = 15.0
    deadline_seconds: int = DEADLINE_SECONDS
    only: frozenset[str] = frozenset()
    forks: Zygote | None = None
    say: Callable[[str], None] = print

    @property
    def lease_seconds(self) -> float:
        return self.deadline_seconds + self.retry_window_seconds + MARGIN_SECONDS

    @property
    def settle_seconds(self) -> float:
        """After this long without faults nothing may wait for a machine: every attempt's lease, and
        clocks that were ahead.
        """
        return (ATTEMPTS + 2) * self.lease_seconds + 2 * SWEEP_SECONDS


@dataclass
class Result:
    """What came out of a run."""

    violations: list[Violation]
    rows: list[tuple[str, str]]
    faults: Counter[str]
    counts: dict[str, int]
    recoveries: list[Recovery] = field(default_factory=list)


async def torture(run: Run) -> Result:
    """Runs, settles, reads everything, and checks it."""
    profile = PROFILES[run.profile](run.folder, run.apis, run.workers, run.forks)
    try:
        async with supervised() as supervisor:
            return await _torture(run, profile, supervisor)
    finally:
        await profile.close()


async def _torture(run: Run, profile: Profile, supervisor: Supervisor) -> Result:
    await profile.prepare()
    names = run.folder / "workers.txt"
    tool = _tool_server(run, profile)
    supervisor.add(tool)
    await supervisor.start([tool])
    await _configure(run, profile, str(tool.url))
    for process in profile.processes():
        process.environment = {
            **process.environment,
            "TORTURE_RETRY_WINDOW_MS": str(int(run.retry_window_seconds * 1000)),
            "TORTURE_NAMES": str(names),
            "CLEARANCE_LOG_LEVEL": "warning",
        }
        supervisor.add(process)
    await supervisor.start(supervisor.processes[1:])
    doors = Doors([str(process.url).removesuffix("/readyz") for process in supervisor.group("api")])
    watching = asyncio.create_task(supervisor.watch())
    try:
        crowd, struck = await _strike(run, profile, supervisor, doors)
        await _heal(profile, supervisor, crowd)
        settled = await _settle(run, doors)
        for tenant in company.TENANTS:
            await crowd.reject_all(tenant)
        full = {tenant: await crowd.fill(tenant) for tenant in company.TENANTS}
        settled += await _settle(run, doors)
        await _reconcile(run, doors, crowd)
        shown = [await _shown(doors, tenant, run.seed) for tenant in company.TENANTS]
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await doors.close()
    violations = await _drain(supervisor)
    evidence = await _collect(run, profile, crowd, shown)
    for one in evidence:
        one.full = full[one.tenant_id]
        one.waiting_max = company.waiting_max(run.ceiling)
    violations += [Violation("processes_live", "-", None, said) for said in supervisor.ended_alone]
    violations += [Violation("everything_settles", "-", None, said) for said in settled]
    cases = [Case(one) for one in evidence]
    for one in evidence:
        violations += check(one)
    return _result(run, profile, supervisor, crowd, struck, cases, violations)


def _tool_server(run: Run, profile: Profile) -> Process:
    port = free_port()
    command = (
        *PYTHON,
        "tests.crash.support.toolserver",
        str(port),
        str(run.folder / "calls.sqlite3"),
        str(run.seed),
    )
    url = f"http://127.0.0.1:{port}"
    return Process("tool-0", (*command, profile.witness), {}, run.folder, url=url)


async def _configure(run: Run, profile: Profile, tool_server: str) -> None:
    """Both tenants, their people's keys and their tools' pins, before anybody serves."""
    store = await profile.open()
    tools = McpTools()
    control = Control(Context(store, tools, NoEngine(), SystemClock()))
    try:
        for tenant in company.TENANTS:
            document = company.document(
                tenant, tool_server, run.deadline_seconds, 200, ceiling=run.ceiling
            )
            await control.apply(operator(tenant), parse_document(document))
            report = await control.pin_tools(operator(tenant))
            if report.unreachable or report.missing:
                raise RuntimeError(f"the tools were not pinned: {report}")
            for name, role in company.PEOPLE.items():
                await control.ensure_api_key(
                    operator(tenant), name, role, company.key_of(tenant, name)
                )
    finally:
        await tools.close()
        await store.close()


async def _strike(
    run: Run, profile: Profile, supervisor: Supervisor, doors: Doors
) -> tuple[Crowd, list[nemesis.Struck]]:
    crowd = Crowd(doors, run.seed, run.clients, run.per_second, run.ceiling)
    kinds = frozenset(profile.faults & run.only) if run.only else profile.faults
    faults = nemesis.plan(run.seed, kinds, run.seconds, run.fault_every, run.lease_seconds)
    (run.folder / "plan.txt").write_text("\n".join(map(str, faults)) + "\n")
    for kind, why in sorted(profile.skipped.items()):
        run.say(f"not here: {kind} ({why})")
    began = time.monotonic()
    tormentor = Nemesis(
        supervisor,
        profile,
        run.lease_seconds,
        lambda said: run.say(f"{time.monotonic() - began:7.1f} s  {said}"),
    )
    crowding = asyncio.create_task(crowd.run())
    tormenting = asyncio.create_task(tormentor.run(faults, began))
    try:
        await asyncio.wait({crowding}, timeout=run.seconds)
        if crowding.done():
            crowding.result()
        await tormenting
        crowd.stopped.set()
        await crowding
    finally:
        for task in (crowding, tormenting):
            task.cancel()
        await asyncio.gather(crowding, tormenting, return_exceptions=True)
    return crowd, tormentor.struck


async def _heal(profile: Profile, supervisor: Supervisor, crowd: Crowd) -> None:
    """Everything lives, no switch is on."""
    await profile.heal()
    for process in supervisor.processes:
        process.send(signal.SIGCONT)
        if not await process.up():
            raise RuntimeError(f"{process.name} did not come back: {process.tail()}")
    for tenant in company.TENANTS:
        ends = time.monotonic() + 30
        while not await crowd.lift_all(tenant):
            if time.monotonic() > ends:
                raise RuntimeError(f"the switches of {tenant} cannot be lifted")
            await asyncio.sleep(0.5)


async def _settle(run: Run, doors: Doors) -> list[str]:
    """Waits until nothing waits for a machine; what does after the settling time."""
    began = time.monotonic()
    while True:
        looks = [
            await under_way(doors.through(number, tenant, company.OWNER), UNDER_WAY_MAX)
            for number, tenant in enumerate(company.TENANTS)
        ]
        spent = time.monotonic() - began
        if looks == [0] * len(looks):
            run.say(f"settled within {spent:.1f} s")
            return []
        if spent > run.settle_seconds:
            return [f"after {spent:.0f} s these many intents were not settled: {looks}"]
        await asyncio.sleep(0.5)


async def _reconcile(run: Run, doors: Doors, crowd: Crowd) -> None:
    """People say what became of what is unknown, after a look at the tool's own record."""
    await asyncio.sleep(run.lease_seconds if run.lease_seconds < 10 else SWEEP_SECONDS)
    done = {
        (call.tenant_id, call.arguments["intent"])
        for call in calls_of(run.folder / "calls.sqlite3")
        if call.acted
    }
    for tenant in company.TENANTS:
        client = doors.through(0, tenant, company.RULERS[0])
        unknown = [
            item["action_intent_id"]
            async for item in client.timeline(status=("UNKNOWN",), page_size=500)
        ]
        for name in unknown[::2]:  # the others stay unknown, and must still be so at the end
            status = "SUCCEEDED" if (tenant, name) in done else "FAILED"
            asking = client.reconcile(name, status=status, reason="the tool's record says so")
            said = await crowd.told.ask("reconcile", tenant, name, asking)
            if said is not None:
                crowd.told.keep("reconcile", tenant, name, {"status": said["status"]})


async def _shown(doors: Doors, tenant: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the API shows of a tenant: every intent in the timeline, and some whole, through one
    process after the other.
    """
    items: dict[str, Any] = {}
    async for item in doors.through(0, tenant, company.OWNER).timeline(page_size=500):
        items[item["action_intent_id"]] = item
    whole: dict[str, Any] = {}
    chosen = sorted(items)[seed % 7 :: max(len(items) // WHOLE_MAX, 1)][:WHOLE_MAX]
    for number, name in enumerate(chosen):
        client: AsyncClearance = doors.through(number, tenant, company.OWNER)
        try:
            whole[name] = await client.intent(name)
        except ClearanceError as error:
            raise RuntimeError(
                f"{tenant}/{name} is in the timeline and cannot be read: {error}"
            ) from error
    return items, whole


async def _drain(supervisor: Supervisor) -> list[Violation]:
    """Everybody of Clearance is asked to end, and must do so in good order."""
    violations = []
    asked = [process for process in supervisor.processes if not process.name.startswith("tool")]
    for process, code in zip(
        asked, await asyncio.gather(*(one.end() for one in asked)), strict=True
    ):
        if code != 0:
            said = f"{process.name} ended with {code}: {process.tail()}"
            violations.append(Violation("processes_end_in_order", "-", None, said))
    return violations


async def _collect(
    run: Run, profile: Profile, crowd: Crowd, shown: Sequence[tuple[Any, Any]]
) -> list[Evidence]:
    calls = calls_of(run.folder / "calls.sqlite3")
    store = await profile.open()
    evidence = []
    try:
        for tenant, (items, whole) in zip(company.TENANTS, shown, strict=True):
            one = await collect(store, tenant, calls, company.EFFECTS, company.TOOLS)
            one.answered = [told for told in crowd.told.answered if told.tenant_id == tenant]
            one.refused = [told for told in crowd.told.refused if told.tenant_id == tenant]
            one.shown, one.seen_whole = items, whole
            evidence.append(one)
            _keep(run.folder, one)
    finally:
        await store.close()
    return evidence


def _keep(folder: Path, evidence: Evidence) -> None:
    with (folder / f"ledger-{evidence.tenant_id}.jsonl").open("w") as file:
        file.writelines(
            json.dumps({"position": one.position, **one.fields}) + "\n" for one in evidence.entries
        )
    with (folder / f"told-{evidence.tenant_id}.jsonl").open("w") as file:
        file.writelines(
            json.dumps(asdict(one)) + "\n" for one in [*evidence.answered, *evidence.refused]
        )


def _result(
    run: Run,
    profile: Profile,
    supervisor: Supervisor,
    crowd: Crowd,
    struck: list[nemesis.Struck],
    cases: list[Case],
    violations: list[Violation],
) -> Result:
    wall_ms = time.time_ns() // 1_000_000  # noqa: TID251
    behind = time.monotonic()
    kills = []
    for one in struck:
        if one.fault.kind.startswith("kill") or one.fault.kind in {"cut", "full_disk"}:
            at_ms = wall_ms - int((behind - one.at) * 1000)
            kills.append(Kill(one.fault.kind, one.at, at_ms, _pid_of(supervisor, one)))
    names = _names(run.folder / "workers.txt")
    waits = [seconds for case in cases for seconds in figures.picked_up(case, kills, names)]
    acks = sorted(crowd.told.first_answers)
    acted_ms = sorted(call.at_ms for case in cases for call in case.evidence.calls if call.acted)
    effects = [behind - (wall_ms - at) / 1000 for at in acted_ms]
    until = acks[-1] if acks else behind
    counts = _counts(crowd, cases)
    rows = [(name, str(value)) for name, value in counts.items()]
    rows += [(f"fault {kind}", str(count)) for kind, count in sorted(_by_kind(struck).items())]
    rows += [("violations", str(len(violations)))]
    recoveries: list[Recovery] = []
    for series, moments in (("answers", acks), ("effects", effects)):
        for whom in sorted({kill.whom for kill in kills}):
            found = [figures.recovery(kill, moments, until) for kill in kills if kill.whom == whom]
            known = [one for one in found if one is not None]
            recoveries += known if series == "answers" else []
            rows += _recovery_rows(f"{series} around {whom}", known)
    rows.append(("work of a killed worker taken up after, s", figures.spread(waits)))
    return Result(violations, rows, _by_kind(struck), counts, recoveries)


def _recovery_rows(name: str, found: Sequence[Recovery]) -> list[tuple[str, str]]:
    if not found:
        return []
    back = [one.seconds for one in found if one.seconds is not None]
    lowest = min(one.lowest for one in found)
    never = f", not back within the run {len(found) - len(back)}" if len(back) < len(found) else ""
    said = (
        f"usually {found[0].usual:.0f}/s, lowest {lowest:.0f}/s, back after s: "
        f"{figures.spread(back)}{never}"
    )
    return [(name, said)]


def _by_kind(struck: Sequence[nemesis.Struck]) -> Counter[str]:
    return Counter(one.fault.kind for one in struck)


def _counts(crowd: Crowd, cases: Sequence[Case]) -> dict[str, int]:
    told = crowd.told
    statuses = Counter(str(story.record.status) for case in cases for story in case if story.record)
    counts = {
        "intents": crowd.proposed,
        "intents in the store": sum(len(case.stories) for case in cases),
        "acknowledged": len(
            {
                (one.tenant_id, one.action_intent_id)
                for one in told.answered
                if one.verb == "propose"
            }
        ),
        "answers to proposals": sum(one.verb == "propose" for one in told.answered),
        "never answered": len(told.unanswered),
        "rulings": sum(one.verb in {"approve", "reject", "edit"} for one in told.answered),
        "changes of settings and switches": sum(
            one.verb in {"stop", "settings"} for one in told.answered
        ),
        "ledger entries": sum(len(case.facts) for case in cases),
        "calls of the tool": sum(len(case.evidence.calls) for case in cases),
        "effects": sum(call.acted for case in cases for call in case.evidence.calls),
        "attempts beyond the first": sum(
            max(len(story.started) - 1, 0) for case in cases for story in case
        ),
        "calls that came after an outcome that leaves room": sum(
            len(late_calls(story)) for case in cases for story in case
        ),
        "limits that were full at the end": sum(len(case.evidence.full) for case in cases),
        "approved alone on accounts that were made up": sum(
            story.record is not None
            and story.record.auto_executed
            and story.record.intent.account_id.startswith(company.INVENTED)
            for case in cases
            for story in case
        ),
        "calls without a witness": sum(
            call.ledger_size is None for case in cases for call in case.evidence.calls
        ),
    }
    return counts | {f"status {status}": count for status, count in sorted(statuses.items())}


def _pid_of(supervisor: Supervisor, struck: nemesis.Struck) -> int | None:
    """Which life of the process it was."""
    for process in supervisor.processes:
        if process.name == struck.process:
            return next((pid for began, pid in reversed(process.lives) if began <= struck.at), None)
    return None


def _names(path: Path) -> dict[int, str]:
    if not path.exists():
        return {}
    pairs = (line.split() for line in path.read_text().splitlines())
    return {int(pid): name for pid, name in pairs}


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.crash.torture", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--profile", choices=sorted(PROFILES), default="postgres")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--seed", type=int, default=None, help="without it a new one, which is printed"
    )
    parser.add_argument("--api", type=int, default=3)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument(
        "--per-second",
        type=float,
        default=25.0,
        help="intents proposed per second, each three times",
    )
    parser.add_argument(
        "--ceiling",
        type=int,
        default=2_000,
        help="acts of a tenant in a day that nobody approves, at first",
    )
    parser.add_argument(
        "--fault-every", type=float, default=6.0, help="seconds between faults, on average"
    )
    parser.add_argument("--only", default="", help="these faults alone, with commas between them")
    parser.add_argument(
        "--folder", type=Path, default=None, help="where everything is kept; without it a new one"
    )
    parser.add_argument(
        "--keep", action="store_true", help="keep the folder also if nothing was found"
    )
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> int:
    """The command."""
    asked = _arguments(given)
    seed = secrets.randbelow(1 << 32) if asked.seed is None else asked.seed
    folder = asked.folder or Path(tempfile.mkdtemp(prefix="torture-"))
    folder.mkdir(parents=True, exist_ok=True)
    only = frozenset(filter(None, asked.only.split(",")))
    run = Run(
        asked.profile,
        seed,
        asked.minutes * 60,
        asked.api,
        asked.workers,
        asked.clients,
        asked.per_second,
        asked.fault_every,
        folder,
        ceiling=asked.ceiling,
        only=only,
        say=lambda said: print(said, flush=True),  # noqa: T201
    )
    run.say(
        f"profile {run.profile}, seed {seed}, {asked.minutes:g} minutes, everything in {folder}"
    )
    result = asyncio.run(torture(run))
    report = figures.table([("seed", str(seed)), ("profile", run.profile), *result.rows])
    (folder / "report.txt").write_text("\n".join([report, *map(str, result.violations)]) + "\n")
    run.say(report)
    for violation in result.violations[:50]:
        run.say(f"VIOLATION {violation}")
    if result.violations:
        run.say(f"{len(result.violations)} violations; everything is kept in {folder}")
        run.say(
            f"again: python -m tests.crash.torture --profile {run.profile} --minutes "
            f"{asked.minutes:g} --seed {seed}"
        )
    elif not (asked.keep or asked.folder):
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if result.violations else 0


if __name__ == "__main__":
    die_with_parent()
    sys.exit(main())
