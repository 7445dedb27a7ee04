"""The doctor: what can be wrong on the machine that Clearance runs on, found by looking, and said
in one sentence each.

One idea: every check is a small function that answers with its findings, and a check that breaks is
a finding itself. Nothing is repaired here, and no secret is shown: of the environment, names only.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import platform
import resource
import shutil
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx2

from clearance.cli.stored import (
    SEEN_DAYS,
    accounts_to_paste,
    limited_keys,
    means_otherwise,
    slow_keys,
    stored_document,
    stored_findings,
)
from clearance.cli.tool_check import checked
from clearance.cli.views.operator import accepted
from clearance.client import AsyncClearance, ClearanceError, ClearanceUnavailable
from clearance.client.wire import URL_DEFAULT
from clearance.clock import SystemClock
from clearance.configuration import file
from clearance.configuration.advice import advice
from clearance.configuration.compiling import policy_of
from clearance.configuration.tool_fit import misfit
from clearance.core.errors import Problem, Refusal
from clearance.core.moment import HOUR_MS, from_text
from clearance.core.principal import EVERYWHERE, Principal
from clearance.core.settings import Settings
from clearance.flow.control import Control
from clearance.flow.ports.tools import ToolCallFailed
from clearance.flow.requests import SettingsPart, Workers
from clearance.profiles import aws, choose, postgres
from clearance.profiles.environment import Environment
from clearance.profiles.local import STORE_FILE
from clearance.profiles.parts import operator
from clearance.profiles.place import Database, Place, Table
from clearance.running.door_settings import door_settings
from clearance.running.doorkeeper import room

if TYPE_CHECKING:
    from clearance.profiles.postgres import DatabaseServer

OK = "ok"
WARNING = "warning"
FAILURE = "failure"

PYTHON_MIN = (3, 11)
SQLITE_MIN = (3, 38)
DISK_BYTES_MIN = 100 * 1024**2
DISK_BYTES_LOW = 1024**3
CLOCK_APART_SECONDS_MAX = 5
POSTGRES_NUMBER_MIN = 150_000
TABLE_CLOCK_APART_MS_MAX = 2_000  # AWS says its time in whole seconds
DATABASE_CLOCK_APART_MS_MAX = 1_000  # leases have a margin of two seconds
CONNECTIONS_FREE_LOW = 20
SERVER_SECONDS_MAX = 5
AGENTS_SHOWN_MAX = 10  # whose proposals were refused
PROBLEMS_SHOWN_MAX = 20  # of the stored settings of one tenant
OTHERS = stat.S_IRWXG | stat.S_IRWXO
VARIABLE_MISSING = "TOOL_SERVER_VARIABLE_MISSING"
"""The code of a tool runner that was not given a variable."""
VARIABLE_PREFIX = "CLEARANCE_"
"""Of the environment variables that Clearance itself reads."""


@dataclass(frozen=True, slots=True)
class CheckUp:
    """The result of one look at the machine."""

    name: str
    status: str
    sentence: str


async def examine(where: Place, config: Path | None) -> list[CheckUp]:
    """Every check, in order. A check that breaks is a failure; the others go on."""
    checks = {
        "python": _python(),
        "environment": _environment(),
        **_state(where),
        "configuration": _configuration(config, where),
        "tenants": _tenants(where),
        "server": _server(),
    }
    results: list[CheckUp] = []
    for name, check in checks.items():
        try:
            results += [CheckUp(name, status, sentence) async for status, sentence in check]
        except Refusal as refusal:
            results.append(CheckUp(name, FAILURE, refusal.sentence))
        except Exception as error:
            results.append(CheckUp(name, FAILURE, f"This check broke: {type(error).__name__}."))
    return results


Findings = AsyncIterator[tuple[str, str]]


def _state(where: Place) -> dict[str, Findings]:
    """The checks of the place where the state is."""
    match where:
        case Path():
            machine = {"sqlite": _sqlite(), "disk": _disk(where), "data": _store(where)}
            return {"door": _door(), **machine}
        case Database():
            database = {"database": _database(where), "schema": _schema(where)}
            return {"door": _door(), **database, "queue": _queue(where)}
        case Table():
            return {"table": _table(where)}


async def _python() -> Findings:
    version = platform.python_version()
    good = sys.version_info >= PYTHON_MIN
    yield (OK if good else FAILURE, f"Python {version} on {platform.system()}.")


async def _sqlite() -> Findings:
    good = sqlite3.sqlite_version_info >= SQLITE_MIN
    wanted = ".".join(map(str, SQLITE_MIN))
    yield (
        OK if good else FAILURE,
        f"SQLite {sqlite3.sqlite_version}{'' if good else f'; {wanted} is needed'}.",
    )


async def _environment() -> Findings:
    names = sorted(name for name in os.environ if name.startswith(VARIABLE_PREFIX))
    yield (
        OK,
        f"Set (values are not shown): {', '.join(names)}."
        if names
        else "No CLEARANCE_ variable is set.",
    )
    if "CLEARANCE_API_KEY" not in names:
        yield WARNING, "CLEARANCE_API_KEY is not set: commands that ask the server need it."


async def _door() -> Findings:
    """How a server with this environment would know its hosts and its proxies, and how many
    connections it would take.
    """
    door = door_settings(Environment())
    yield OK, f"A server here takes {room(door.connections):,} connections at once."
    if room(door.connections) < door.connections:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        sentence = f"A process here may open {soft:,} files (ulimit -n), too few for"
        yield WARNING, f"{sentence} {door.connections:,} connections."
    url = urlsplit(os.environ.get("CLEARANCE_URL", ""))
    if url.scheme == "https" and not door.proxies:
        sentence = "CLEARANCE_URL is https, so the server is behind a proxy. If it has this"
        yield (
            WARNING,
            f"{sentence} environment, it believes no proxy: name yours in CLEARANCE_PROXIES.",
        )
    if url.hostname and not _is_address(url.hostname) and not door.serves(url.hostname):
        sentence = f"CLEARANCE_URL names {url.hostname}. If the server has this environment, it"
        yield WARNING, f"{sentence} does not serve that host: name it in CLEARANCE_HOSTS."


def _is_address(host: str) -> bool:
    """True for an IP address, which is served if the server listens there."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


async def _disk(data: Path) -> Findings:
    for finding in await asyncio.to_thread(_look_at_disk, data):
        yield finding


def _look_at_disk(data: Path) -> Iterator[tuple[str, str]]:
    data = data.absolute()
    there = next(path for path in (data, *data.parents) if path.exists())
    free = shutil.disk_usage(there).free
    status = FAILURE if free < DISK_BYTES_MIN else WARNING if free < DISK_BYTES_LOW else OK
    yield status, f"{free / 1024**3:.1f} GiB are free where {data} is."
    if there == data and stat.S_IMODE(data.stat().st_mode) & OTHERS:
        yield WARNING, f"Other users of this machine can enter {data}: chmod 700 {data}."
    if not os.access(there, os.W_OK):
        yield FAILURE, f"{there} cannot be written by this user."


async def _store(data: Path) -> Findings:
    path = data / STORE_FILE
    if not path.exists():
        yield WARNING, f"There is no data in {data} yet."
        return
    try:
        mode, whole = await asyncio.to_thread(_look_into, path)
    except sqlite3.Error as error:
        yield FAILURE, f"{path} cannot be read: {error}."
        return
    yield (
        (OK, "The database is intact.")
        if whole == "ok"
        else (FAILURE, f"The database is damaged: {whole}.")
    )
    if mode != "wal":
        yield FAILURE, f"The database's journal mode is {mode}, not wal."


def _look_into(path: Path) -> tuple[str, str]:
    """The journal mode, and what the integrity check says; opened for reading alone."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
        mode = database.execute("PRAGMA journal_mode").fetchone()[0]
        whole = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    return mode, whole


async def _database(where: Database) -> Findings:
    """What the database server says: its version, who we are to it, what it promises, its clock,
    and its room.
    """
    began = SystemClock().now_ms()
    server = await postgres.database_server(where)
    good = server.version_number >= POSTGRES_NUMBER_MIN
    wanted = f"; {POSTGRES_NUMBER_MIN // 10_000} is needed"
    yield (OK if good else FAILURE, f"PostgreSQL {server.version}{'' if good else wanted}.")
    yield _role(server)
    if server.read_only:
        yield FAILURE, "This is a standby, which takes no writes: connect to the primary."
    if unsafe := [
        name
        for name in ("fsync", "full_page_writes", "synchronous_commit")
        if getattr(server, name) == "off"
    ]:
        yield FAILURE, f"{', '.join(unsafe)} is off: what was acknowledged can be lost."
    else:
        yield (
            OK,
            (
                f"fsync and full_page_writes are on, synchronous_commit is "
                f"{server.synchronous_commit}."
            ),
        )
    yield _clock_of(server, began, SystemClock().now_ms())
    free = server.connections_max - server.connections
    sentence = f"{server.connections} of {server.connections_max} connections are taken."
    yield (FAILURE if free <= 0 else WARNING if free < CONNECTIONS_FREE_LOW else OK, sentence)


def _role(server: DatabaseServer) -> tuple[str, str]:
    """Who we are to the database: the one that serves must not be able to change the ledger, or to
    see past a tenant.
    """
    if server.superuser:
        sentence = f"Connected as the superuser {server.role}, who could change the ledger"
        return WARNING, f"{sentence}: serve as a role that has clearance_app alone."
    if server.owns_schema:
        sentence = f"Connected as {server.role}, who owns the schema and could change the ledger"
        return (
            WARNING,
            f"{sentence}: right to migrate; serve as a role that has clearance_app alone.",
        )
    if server.bypasses_row_security:
        return (
            WARNING,
            (
                f"The role {server.role} passes row-level security: ALTER ROLE {server.role} "
                f"NOBYPASSRLS."
            ),
        )
    if not server.has_app_role:
        return (
            FAILURE,
            (
                f"The role {server.role} does not have clearance_app: GRANT clearance_app TO "
                f"{server.role}."
            ),
        )
    return OK, f"Connected as {server.role}, who has what clearance_app has and no more."


def _clock_of(server: DatabaseServer, began: int, ended: int) -> tuple[str, str]:
    """How far the database's clock is from ours, which must have stood somewhere between the two
    moments when it was read.
    """
    apart_ms = max(began - server.now_ms, server.now_ms - ended, 0)
    if apart_ms > DATABASE_CLOCK_APART_MS_MAX:
        sentence = (
            f"This machine's clock and the database's are {apart_ms / 1_000:.1f} seconds apart"
        )
        return FAILURE, f"{sentence}; leases and approvals are compared by clocks: use NTP."
    return OK, "This machine's clock and the database's agree."


async def _schema(where: Database) -> Findings:
    yield (
        OK,
        f"The schema is {await postgres.check_schema(where)}, which this Clearance works with.",
    )


async def _queue(where: Database) -> Findings:
    """Whether a worker runs: without one, approved intents wait."""
    queue = await postgres.database_queue(where)
    waiting = queue.jobs.get("todo", 0)
    if not queue.workers:
        concern = Workers(0, waiting, queue.seen_at).concern(waiting)
        worst = FAILURE if waiting else WARNING
        yield worst, f"{concern.sentence if concern else ''} Start one with clearance worker."
        return
    workers = "1 worker works" if queue.workers == 1 else f"{queue.workers} workers work"
    yield OK, f"{workers}, {waiting} hints wait."
    if queue.sweeper is None:
        yield WARNING, "No worker sweeps just now."


async def _table(where: Table) -> Findings:
    """What DynamoDB says of the table: whether it is whole, and what would be left of it after a
    mistake.
    """
    table = await aws.look(where, SystemClock())
    yield (
        OK if table.status == "ACTIVE" else FAILURE,
        f"The table {where.name} is {table.status}.",
    )
    if table.missing:
        yield (
            FAILURE,
            (
                f"The table lacks the indexes {', '.join(table.missing)}: it is not what this "
                f"Clearance deploys."
            ),
        )
    if not table.ages_sessions_out:
        yield (
            WARNING,
            "Time to live is off: sessions and budget counters of days long past stay for ever.",
        )
    kept = {"point-in-time recovery": table.recoverable, "deletion protection": table.protected}
    for name, on in kept.items():
        yield (OK, f"It has {name}.") if on else (WARNING, f"It has no {name}.")
    if abs(table.clock_apart_ms) > TABLE_CLOCK_APART_MS_MAX:
        yield (
            WARNING,
            (
                f"This machine's clock and AWS's are {abs(table.clock_apart_ms) // 1_000} seconds "
                f"apart."
            ),
        )


async def _configuration(config: Path | None, where: Place) -> Findings:
    if config is None:
        return
    wanted = file.load(config, secrets_elsewhere=isinstance(where, Table))
    document = wanted.document
    fit = await checked(wanted, where)
    for finding in fit.misfits:
        yield FAILURE, wanted.located(Problem(finding.path, finding.sentence))
    for problem in accepted(fit):
        yield OK, wanted.located(problem)
    for finding in fit.warnings:
        yield WARNING, wanted.located(Problem(finding.path, finding.sentence))
    for problem in fit.unused:
        yield WARNING, wanted.located(problem)
    for server, sentence in () if isinstance(where, Table) else fit.unreachable.items():
        yield WARNING, f"The tools of {server} were not looked at: {sentence}"
    for problem in advice(document, await _agents(where, wanted.tenant_id)):
        yield WARNING, wanted.located(problem)
    policy = policy_of(document)
    if policy is None:
        yield WARNING, f"{config} is sound, and has no policy: everything is blocked."
    else:
        yield OK, f"{config} is sound: {len(document.catalog)} actions, policy {policy.version}."


async def _agents(where: Place, tenant_id: str) -> set[str] | None:
    """The agents of a tenant that have a key; None if there is no state yet."""
    if isinstance(where, Path) and not (where / STORE_FILE).exists():
        return None
    async with choose.opened(where, tools=choose.tools_of(where), read_only=True) as control:
        keys = await control.api_keys(operator(tenant_id))
    return {key.name for key in keys if key.revoked_at is None}


async def _tenants(where: Place) -> Findings:
    """Of each tenant: whether the clock goes on where its ledger stands, and its tools answer."""
    if isinstance(where, Path) and not (where / STORE_FILE).exists():
        return
    async with choose.opened(where, tools=choose.tools_of(where), read_only=True) as control:
        for tenant_id in await control.tenants(operator(EVERYWHERE)):
            reader = operator(tenant_id)
            latest = await control.ledger_size(reader) - 1
            for entry in await control.ledger(reader, after=latest, limit=1):
                if from_text(entry.fields["at"]) > SystemClock().now_ms():
                    yield (
                        FAILURE,
                        (
                            f"This machine's clock is behind the latest ledger entry, of "
                            f"{entry.fields['at']}."
                        ),
                    )
            settings = await control.settings(reader)
            for sentence in means_otherwise(settings):
                yield WARNING, sentence
            async for finding in _stored_settings(control, reader):
                yield finding
            keys = await control.api_keys(reader)
            for sentence in limited_keys(keys):
                yield OK, sentence
            if slow := slow_keys(keys):
                yield WARNING, f"Of {tenant_id}: {slow}"
            for name in settings.tool_servers:
                elsewhere = isinstance(where, Table)
                yield await _tool_server(control, settings, name, secrets_elsewhere=elsewhere)


async def _stored_settings(control: Control, reader: Principal) -> Findings:
    """What this version does not accept of a tenant's settings, and what would be right."""
    parts = [await control.settings_part(reader, part) for part in SettingsPart]
    problems = {
        problem["path"]: problem["detail"]
        for value, _ in reversed(parts)
        for problem in value.get("problems", ())
    }
    for path, detail in sorted(problems.items())[:PROBLEMS_SHOWN_MAX]:
        place = f"what is stored for {reader.tenant_id}" + (f" at {path}" if path else "")
        yield FAILURE, f"This version does not accept {place}: {detail}."
    if not problems:
        yield OK, f"This version accepts all settings that are stored for {reader.tenant_id}."
        agents = {key.name for key in await control.api_keys(reader) if key.revoked_at is None}
        settings = await control.settings(reader)
        document = stored_document(settings, parts)
        for problem in advice(document, agents):
            yield WARNING, f"Stored for {reader.tenant_id} at {problem}."
        if document.autonomy.accounts is None:
            since = SystemClock().now_ms() - SEEN_DAYS * 24 * HOUR_MS
            seen = await control.accounts_seen(reader, since=since)
            if listed := accounts_to_paste(settings, seen):
                yield WARNING if listed[0] else OK, listed[1]
        return
    more = len(problems) - PROBLEMS_SHOWN_MAX
    sentence = "What these settings reach asks a person until clearance apply has put them right."
    yield FAILURE, f"And {more} problems more. {sentence}" if more > 0 else sentence


async def _tool_server(
    control: Control, settings: Settings, name: str, *, secrets_elsewhere: bool
) -> tuple[str, str]:
    """Whether a server answers, and its tools have the schemas that are pinned."""
    try:
        offered = await control.offered_tools(operator(settings.tenant_id), name)
    except ToolCallFailed as failed:
        if secrets_elsewhere and failed.error.code == VARIABLE_MISSING:
            return (
                OK,
                (
                    f"The tool server {name} of {settings.tenant_id} was not asked: its secrets "
                    f"are "
                    f"the functions' alone."
                ),
            )
        return FAILURE, f"The tool server {name} does not answer: {failed.error.sentence}"
    actions = settings.catalog.values()
    needed = [action.tool for action in actions] + [
        action.undo.tool for action in actions if action.undo
    ]
    wanted = {tool.tool for tool in needed if tool.server == name}
    if missing := sorted(wanted - offered.tools.keys()):
        return FAILURE, " ".join(map(offered.why_missing, missing))
    pins = {tool: settings.tool_pins.get(f"{name}.{tool}") for tool in wanted}
    if changed := sorted(
        tool for tool, pin in pins.items() if pin and not offered.tools[tool].is_pinned_by(pin)
    ):
        return (
            FAILURE,
            f"The tool server {name} has another schema than its pin for {', '.join(changed)}.",
        )
    findings = stored_findings(settings, offered)
    if refusal := misfit(findings):
        return FAILURE, f"For {settings.tenant_id}: {refusal.sentence}"
    texts = {tool: settings.tool_descriptions.get(f"{name}.{tool}") for tool in wanted}
    if reworded := sorted(
        tool
        for tool, text in texts.items()
        if text not in (None, offered.tools[tool].description_digest)
    ):
        sentence = f"The tool server {name} says something else than at its pin of"
        return WARNING, f"{sentence} {', '.join(reworded)}."
    if unpinned := sorted(tool for tool, pin in pins.items() if pin is None):
        return WARNING, f"The tool server {name} answers; not pinned yet: {', '.join(unpinned)}."
    if seen := [finding for finding in findings if not (finding.refused or finding.accepted)]:
        listed = "; ".join(f"{finding.action_type}: {finding.name}" for finding in seen)
        sentence = f"For {settings.tenant_id}, the tools of {name} take values that are not shown"
        return WARNING, f"{sentence}: {listed}. Declare them in the catalog with these defaults."
    return OK, f"The tool server {name} answers, and its tools are as they were pinned."


async def _server() -> Findings:
    url = os.environ.get("CLEARANCE_URL") or URL_DEFAULT
    try:
        async with httpx2.AsyncClient(
            timeout=SERVER_SECONDS_MAX, trust_env=url.startswith("https:")
        ) as http:
            answer = await http.get(url.rstrip("/") + "/readyz")
    except (httpx2.HTTPError, httpx2.InvalidURL):
        named = (
            ""
            if os.environ.get("CLEARANCE_URL")
            else " CLEARANCE_URL is not set; it names another one."
        )
        yield WARNING, f"No server answers at {url}.{named}"
        return
    if answer.status_code == httpx2.codes.MISDIRECTED_REQUEST:
        sentence = f"The server at {url} does not serve {urlsplit(url).hostname}"
        yield FAILURE, f"{sentence}: name this host in its CLEARANCE_HOSTS."
        return
    if answer.status_code != httpx2.codes.OK:
        yield FAILURE, f"The server at {url} is not ready: HTTP {answer.status_code}."
        return
    yield OK, f"The server at {url} is ready."
    async for finding in _clocks(answer.headers):
        yield finding
    if not os.environ.get("CLEARANCE_API_KEY"):
        return
    try:
        async with AsyncClearance(url) as clearance:
            who = await clearance.whoami()
            sees = who["kind"] == "PERSON" and "read" in who["permissions"]
            refused = refused_sentences(await clearance.status()) if sees else []
    except ClearanceUnavailable as error:
        yield WARNING, error.sentence
    except ClearanceError as error:
        yield FAILURE, error.sentence
    else:
        yield OK, f"CLEARANCE_API_KEY is the key of {who['actor_id']} for {who['tenant_id']}."
        for sentence in refused:
            yield WARNING, sentence


def refused_sentences(status: Mapping[str, Any]) -> list[str]:
    """Which agents tried in vain within the latest hour of that."""
    hours = status.get("refused_proposals") or []
    latest = [each for each in hours if each["hour"] == hours[0]["hour"]]
    return [
        f"{each['count']:,} proposals of {each['agent_id']} were refused in the hour from "
        f"{each['hour']}, most with {max(each['codes'], key=each['codes'].__getitem__)}."
        for each in latest[:AGENTS_SHOWN_MAX]
    ]


async def _clocks(headers: Mapping[str, str]) -> Findings:
    if "date" not in headers:
        return
    apart_ms = SystemClock().now_ms() - int(
        parsedate_to_datetime(headers["date"]).timestamp() * 1_000
    )
    if abs(apart_ms) > CLOCK_APART_SECONDS_MAX * 1_000:
        yield (
            WARNING,
            f"This machine's clock and the server's are {abs(apart_ms) // 1_000} seconds apart.",
        )
