"""The commands that work on the state itself, a data directory, a database or a table: serve,
apply, key, doctor.

One idea: whoever can write the state is its operator, and acts as a person of the tenant, in the
ledger like everybody else. A server that runs on the same state sees at once what is changed here.
Where it is: the data directory that `--data` names, else the database of `CLEARANCE_DATABASE_URL`,
else the table of `CLEARANCE_TABLE`, else the data directory of `CLEARANCE_DATA`. What a change
means is for the flow to know.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Collection, Coroutine
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias, TypeVar

import typer

if TYPE_CHECKING:
    from clearance.cli.output import Terminal
    from clearance.core.credential import ApiKey
    from clearance.core.errors import Refusal
    from clearance.flow.pins import PinReport
    from clearance.profiles.parts import Parts
    from clearance.profiles.place import Place
    from clearance.running.server import Announcement

LOOPBACK_URLS = ("http://127.", "http://localhost:", "http://[::1]:")

Json: TypeAlias = Any
T = TypeVar("T")

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="This data directory; without it CLEARANCE_DATABASE_URL, CLEARANCE_TABLE or "
        "CLEARANCE_DATA.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Config = Annotated[Path, typer.Option(metavar="FILE", help="clearance.yaml.")]
Direct = Annotated[
    bool,
    typer.Option(
        "--direct",
        help="Work on the state itself (a data directory, a database, a table); do not ask the "
        "server.",
    ),
]
AtHome = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Work on this data directory; do not ask the server."
    ),
]
TenantName = Annotated[
    str | None, typer.Option(metavar="NAME", help="With --direct or --data, if it has several.")
]
RoleName: TypeAlias = Literal["agent", "approver", "auditor", "owner"]

policy_app = typer.Typer(
    help="Look at the policy of a configuration.", no_args_is_help=True, rich_markup_mode=None
)
key_app = typer.Typer(
    help="Make, list and end API keys.", no_args_is_help=True, rich_markup_mode=None
)


# The server


def serve(
    *,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="clearance.yaml; without it: as it was left."),
    ] = None,
    data: Data = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(metavar="PORT", min=0, max=65_535, help="The port; 0 for any that is free."),
    ] = 8600,
    linger: Annotated[
        int,
        typer.Option(
            metavar="SECONDS",
            min=0,
            max=600,
            help="Asked to end: answer on so long, with /readyz at 503.",
        ),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Run the server.

    It has the REST API and the pages. On a data directory it also carries out what is approved; on
    a database, workers do. CLEARANCE_BOOTSTRAP_API_KEY sets the first key; else one is made and
    shown once. It ends with SIGINT or SIGTERM.
    """
    from clearance.profiles.place import place
    from clearance.running import server as serving

    end_with_a_signal()
    where = place(data)
    say = partial(_announce, as_json=as_json)
    run(serving.serve(config, where, host, port, say, linger_seconds=linger))


def end_with_a_signal() -> None:
    """Until the process is up, and takes the signals itself."""

    def end(*_: object) -> None:
        sys.exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Play the day, print it, and end.")] = False,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the day here; without it nothing is kept."),
    ] = None,
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65_535, help="The port of the pages.")
    ] = 8600,
    as_json: AsJson = False,
) -> None:
    """Play a day with agents.

    A small company whose agents act within limits, on this machine alone.
    """
    from clearance.demo import day

    raise typer.Exit(day.run(once=once, as_json=as_json, data=data, port=port))


def _announce(said: Announcement, *, as_json: bool) -> None:
    """Says that the server is up: its address, what changed, the state of the tools, and a new
    first key.
    """
    from clearance.cli import output

    value = {**asdict(said), "changes": list(said.changes), "pins": said.pins and _pins(said.pins)}
    output.show(value, _tell_start, as_json=as_json)
    sys.stdout.flush()


def _tell_start(terminal: Terminal, said: Json) -> None:
    whose = f" for {said['tenant_id']}" if said["tenant_id"] else ""
    terminal.line(f"Clearance listens on {said['url']}{whose}.")
    for change in said["changes"]:
        terminal.line(f"Changed: {change}")
    _tell_pins(terminal, said["pins"])
    if said["first_key"]:
        terminal.line(f"The owner's API key, shown this once: {said['first_key']}")
    if said["weak_key"]:
        terminal.line(
            "The key in CLEARANCE_BOOTSTRAP_API_KEY is short: use a longer one where others can "
            "reach this."
        )
    if not said["url"].startswith(LOOPBACK_URLS):
        terminal.line(
            "This address is open to other machines, and not encrypted: put a TLS proxy before it."
        )


def _pins(report: PinReport) -> Json:
    """What is known of the tools, with a sentence for each that is missing."""
    return {
        "pinned": list(report.pinned),
        "changed": list(report.changed),
        "missing": list(report.missing),
        "problems": list(report.missing.values()),
        "unreachable": dict(report.unreachable),
    }


def _tell_pins(terminal: Terminal, pins: Json) -> None:
    from clearance.cli.output import Tone

    for tool in (pins or {}).get("pinned", ()):
        terminal.line(f"Pinned the schema of {tool}.")
    for tool in (pins or {}).get("changed", ()):
        said = (
            f"{tool} has another schema than its pin, and is not called: look at it, then apply "
            f"with --repin {tool}."
        )
        terminal.line((said, Tone.STOPPED))
    for sentence in (pins or {}).get("problems", ()):
        terminal.line((sentence, Tone.STOPPED))
    for server, sentence in (pins or {}).get("unreachable", {}).items():
        terminal.line((f"The tools of {server} were not looked at: {sentence}", Tone.STOPPED))


# Configuration


def apply(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="clearance.yaml.")],
    *,
    data: Data = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "-y", help="Do not ask; with --json, or without a terminal, it never asks."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would change.")
    ] = False,
    repin: Annotated[
        list[str] | None,
        typer.Option(metavar="SERVER.TOOL", help="Accept this tool's schema as it is now."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Apply a configuration.

    Shows what it changes where the state is, then applies it whole or not at all. Ends with 1 if
    the catalog names a tool that its server does not offer.
    """
    from clearance.cli import output

    agree = not (yes or dry_run or as_json) and sys.stdin.isatty() and sys.stdout.isatty()
    work = _apply(
        file, _place(data), frozenset(repin or ()), ask=agree, dry_run=dry_run, as_json=as_json
    )
    answer = run(work)
    output.show(answer, _tell_applied, as_json=as_json)
    raise typer.Exit(
        int(answer.get("declined", False) or bool((answer["pins"] or {}).get("missing")))
    )


async def _apply(
    file: Path, where: Place, repin: frozenset[str], *, ask: bool, dry_run: bool, as_json: bool
) -> Json:
    from clearance.cli import output
    from clearance.configuration import file as configuration
    from clearance.core.errors import Refusal
    from clearance.flow.pins import pin_tools
    from clearance.profiles import choose
    from clearance.profiles.parts import operator
    from clearance.profiles.place import Table

    wanted = configuration.load(file, secrets_elsewhere=isinstance(where, Table))
    actor = operator(wanted.tenant_id)
    async with choose.opened(where, new=True, tools=choose.tools_of(where)) as parts:
        found = await parts.control.compare(actor, wanted.document)
        if not as_json:
            output.differences(output.Terminal(), [asdict(one) for one in found])
        answer = {
            "tenant_id": wanted.tenant_id,
            "applied": False,
            "differences": [asdict(one) for one in found],
            "pins": None,
        }
        if dry_run:
            return {**answer, "dry_run": True}
        if ask and (found or repin) and not typer.confirm(f"Apply this to {wanted.tenant_id}?"):
            return {**answer, "declined": True}
        changed = await parts.control.apply(actor, wanted.document) if found else ()
        try:
            report = await pin_tools(parts.context, actor, repin=repin)
        except Refusal as refusal:
            raise _after(changed, refusal) from refusal
    said = [asdict(one) for one in changed]
    return {
        **answer,
        "applied": bool(found or repin),
        "differences": said,
        "pins": _pins(report),
        "dry_run": False,
    }


def _after(changed: Collection[Any], refusal: Refusal) -> Refusal:
    """What is refused after a configuration was applied says that it was."""
    said = f"The configuration was applied, and then: {refusal.sentence}"
    sentence = said if changed else refusal.sentence
    return type(refusal)(sentence, code=refusal.code, problems=refusal.problems)


def _tell_applied(terminal: Terminal, answer: Json) -> None:
    count = len(answer["differences"])
    if not count:
        terminal.line("Nothing to change.")
    elif answer.get("declined"):
        terminal.line("Nothing was changed.")
    elif answer["applied"]:
        terminal.line(
            f"Applied {'1 change' if count == 1 else f'{count} changes'} to {answer['tenant_id']}."
        )
    else:
        terminal.line("Nothing was changed: this was a dry run.")
    _tell_pins(terminal, answer["pins"])


@policy_app.command("schema")
def policy_schema(*, config: Config, as_json: AsJson = False) -> None:
    """Print the Cedar schema.

    It is generated from the catalog, and says what a policy can read.
    """
    from clearance.cli import output
    from clearance.configuration import file as configuration
    from clearance.configuration.document import catalog_of, parse_document
    from clearance.core.policy_schema import cedar_schema

    document = configuration.load(config).document
    schema = cedar_schema(catalog_of(parse_document({**document, "policy": ""})))
    output.show(
        {"schema": schema}, lambda terminal, value: terminal.block(value["schema"]), as_json=as_json
    )


@policy_app.command("check")
def policy_check(*, config: Config, as_json: AsJson = False) -> None:
    """Check a configuration.

    Reads it whole, with its policy, and lists the policy's rules. Nothing is applied.
    """
    from clearance.cli import output
    from clearance.configuration import file as configuration
    from clearance.configuration.document import parse_document, policy_of

    wanted = configuration.load(config)
    policy = policy_of(parse_document(wanted.document))
    clauses = policy.clauses.values() if policy else ()
    answer = {
        "tenant_id": wanted.tenant_id,
        "policy_version": policy.version if policy else None,
        "clauses": [
            {"id": one.id, "effect": one.effect.value, "reason": one.reason} for one in clauses
        ],
    }
    output.show(answer, _tell_policy, as_json=as_json)


def _tell_policy(terminal: Terminal, answer: Json) -> None:
    if answer["policy_version"] is None:
        terminal.line("The configuration is sound, and has no policy: everything is blocked.")
        return
    terminal.line(f"The configuration is sound. Its policy is {answer['policy_version']}.")
    terminal.table([(one["effect"], one["id"], one["reason"]) for one in answer["clauses"]])


# Keys


@key_app.command("create")
def key_create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Who will use it: the ledger names them so.")
    ],
    *,
    role: Annotated[RoleName, typer.Option(help="What it may do.")],
    direct: Direct = False,
    data: AtHome = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key.

    It is shown this once.
    """
    from clearance.cli import output
    from clearance.core.principal import Role
    from clearance.profiles.parts import operator

    async def make(parts: Parts, tenant_id: str) -> Json:

        key, text = await parts.control.create_api_key(operator(tenant_id), name, Role(role))
        return {**_key(key), "key": text}

    answer = (
        _at_home(data, tenant, make)
        if direct or data
        else _from_server("create_api_key", name, role)
    )
    output.show(answer, output.new_key, as_json=as_json)


@key_app.command("list")
def key_list(
    *,
    direct: Direct = False,
    data: AtHome = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """List the API keys.

    Without their secrets, which are kept nowhere.
    """
    from clearance.cli import output

    async def read(parts: Parts, tenant_id: str) -> Json:
        from clearance.profiles.parts import operator

        return {"items": [_key(key) for key in await parts.control.api_keys(operator(tenant_id))]}

    answer = _at_home(data, tenant, read) if direct or data else _from_server("api_keys")
    output.show(answer, output.api_keys, as_json=as_json)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="From `clearance key list`.")],
    *,
    direct: Direct = False,
    data: AtHome = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """End an API key.

    Every browser session that was opened with it ends too.
    """
    from clearance.cli import output

    async def end(parts: Parts, tenant_id: str) -> Json:
        from clearance.profiles.parts import operator

        await parts.control.revoke_api_key(operator(tenant_id), key_id)
        return {}

    _ = _at_home(data, tenant, end) if direct or data else _from_server("revoke_api_key", key_id)
    said = {"key_id": key_id, "revoked": True}
    output.show(
        said, lambda terminal, _: terminal.line(f"The key {key_id} is revoked."), as_json=as_json
    )


def _key(key: ApiKey) -> Json:
    from clearance.core.moment import as_text

    return {
        "key_id": key.key_id,
        "name": key.name,
        "role": key.role.value,
        "created_at": as_text(key.created_at),
        "revoked_at": None if key.revoked_at is None else as_text(key.revoked_at),
    }


def _from_server(verb: str, *arguments: str) -> Json:
    from clearance.client import Clearance

    with Clearance() as clearance:
        return getattr(clearance, verb)(*arguments)


# The state itself


def run(work: Coroutine[Any, Any, T]) -> T:
    """Does it, with the log on standard error: standard output is for the answer."""
    from clearance.profiles.environment import Environment
    from clearance.running.logs import configure_logs

    configure_logs(Environment().log_level)
    return asyncio.run(work)


def _place(data: Path | None) -> Place:
    from clearance.profiles.place import place

    return place(data)


def _at_home(
    data: Path | None, tenant: str | None, work: Callable[[Parts, str], Coroutine[Any, Any, T]]
) -> T:
    """Does something to the state itself, for its only tenant or the one that is named."""
    from clearance.profiles import choose

    async def work_there() -> T:
        async with choose.opened(_place(data)) as parts:
            return await work(parts, await _tenant(parts, tenant))

    return run(work_there())


async def _tenant(parts: Parts, named: str | None) -> str:
    from clearance.core.errors import Conflict, NotFound

    tenants = await parts.context.store.tenants()
    if named is not None and named not in tenants:
        sentence = f"There is no tenant {named}: apply its configuration first."
        raise NotFound(sentence, code="NO_TENANT")
    if named is not None:
        return named
    if len(tenants) == 1:
        return tenants[0]
    if not tenants:
        sentence = "There is no tenant yet: apply a configuration first."
        raise NotFound(sentence, code="NO_TENANT")
    sentence = f"There are {len(tenants)} tenants; name one: --tenant NAME."
    raise Conflict(sentence, code="TENANT_NEEDED")


def stop_everywhere(
    data: Path | None, level: str, reason: str | None, *, lift: bool, listed: bool
) -> Json:
    """Stops every tenant of a data directory, a database or a table, or lifts that; the switches
    that are on then.
    """
    from clearance.core.principal import EVERYWHERE
    from clearance.core.stop import StopLevel, StopScope, StopSwitch
    from clearance.flow.settings import everywhere_stop
    from clearance.profiles import choose
    from clearance.profiles.parts import operator

    where = _place(data)

    async def work_there() -> Json:
        async with choose.opened(where) as parts:
            if listed:
                stored = await parts.context.store.settings(EVERYWHERE)
                switches = stored.document.get("stop_switches", [])
                version = stored.version.tenant
            else:
                switch = StopSwitch(StopScope.GLOBAL, None, StopLevel(level), reason or "")
                switches, version = await everywhere_stop(
                    parts.context, operator(EVERYWHERE), [] if lift else [switch]
                )
            return {"stop_switches": switches, "version": version, "place": choose.said(where)}

    return run(work_there())


def doctor(
    *,
    data: Data = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check this clearance.yaml too.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look for what is wrong.

    Checks this machine, the data, the configuration, the tool servers and the server; repairs
    nothing.
    """
    from clearance.cli import output
    from clearance.cli.doctor import FAILURE, examine

    found = run(examine(_place(data), config))
    failed = any(one.status == FAILURE for one in found)
    output.show(
        {"healthy": not failed, "checks": [asdict(one) for one in found]},
        output.checks,
        as_json=as_json,
    )
    raise typer.Exit(1 if failed else 0)


def add_to(app: typer.Typer) -> None:
    """Adds these commands to the command line."""
    for command in (serve, demo, apply, doctor):
        app.command()(command)
    app.add_typer(policy_app, name="policy")
    app.add_typer(key_app, name="key")
