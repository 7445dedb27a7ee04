"""The commands for API keys: make, list and end them, and show whose key is in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

import typer

from clearance.cli.options import AsJson, Json
from clearance.cli.server import answer, connected
from clearance.cli.state import for_tenant

if TYPE_CHECKING:
    from clearance.core.credential import ApiKey
    from clearance.core.principal import Principal
    from clearance.flow.control import Control

Direct = Annotated[
    bool,
    typer.Option(
        "--direct",
        help="Work on the state itself (a data directory, a database, a table); do not ask the "
        "server.",
    ),
]
InDirectory = Annotated[
    Path | None,
    typer.Option(
        "--data", metavar="DIR", help="Work on this data directory; do not ask the server."
    ),
]
TenantName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="With --direct or --data, if there are several tenants."),
]
RoleName: TypeAlias = Literal["agent", "approver", "auditor", "owner"]

key_app = typer.Typer(
    help="Make, list and end API keys.", no_args_is_help=True, rich_markup_mode=None
)


@key_app.command("create")
def key_create(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The name of its user in the ledger.")
    ],
    *,
    role: Annotated[RoleName, typer.Option(help="Its permissions.")],
    account: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Limit it to this account; give it again for more."),
    ] = None,
    action_type: Annotated[
        list[str] | None,
        typer.Option(metavar="TYPE", help="Limit it to this action type; give it again for more."),
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="End the key that has the name now, in the same step; keep its limits.",
        ),
    ] = False,
    direct: Direct = False,
    data: InDirectory = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """Make an API key.

    The key is shown only once.
    """
    from clearance.cli import output
    from clearance.cli.views import operator as views
    from clearance.core.principal import Role, Scope

    async def create(control: Control, operator: Principal) -> Json:
        scope = Scope(_names(account), _names(action_type)) if account or action_type else None
        key, text = await control.create_api_key(operator, name, Role(role), scope, replace=replace)
        return {**_key(key), "key": text}

    if direct or data:
        made = for_tenant(data, tenant, create)
    else:
        with connected() as clearance:
            made = clearance.create_api_key(
                name,
                role,
                accounts=account or None,
                action_types=action_type or None,
                replace=replace,
            )
    output.show(made, views.new_key, as_json=as_json)


@key_app.command("list")
def key_list(
    *,
    direct: Direct = False,
    data: InDirectory = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """List the API keys.

    Shows no secrets: they are not stored.
    """
    from clearance.cli import output
    from clearance.cli.views import operator as views

    async def read(control: Control, operator: Principal) -> Json:
        return {"items": [_key(key) for key in await control.api_keys(operator)]}

    if direct or data:
        keys = for_tenant(data, tenant, read)
    else:
        with connected() as clearance:
            keys = clearance.api_keys()
    output.show(keys, views.api_keys, as_json=as_json)


@key_app.command("revoke")
def key_revoke(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="From `clearance key list`.")],
    *,
    direct: Direct = False,
    data: InDirectory = None,
    tenant: TenantName = None,
    as_json: AsJson = False,
) -> None:
    """End an API key.

    Every browser session that was opened with it ends too.
    """
    from clearance.cli import output

    async def revoke(control: Control, operator: Principal) -> None:
        await control.revoke_api_key(operator, key_id)

    if direct or data:
        for_tenant(data, tenant, revoke)
    else:
        with connected() as clearance:
            clearance.revoke_api_key(key_id)
    output.show(
        {"key_id": key_id, "revoked": True},
        lambda terminal, _: terminal.line(f"The key {key_id} is revoked."),
        as_json=as_json,
    )


def whoami(*, as_json: AsJson = False) -> None:
    """Show the owner of the key.

    Shows its tenant, actor and permissions.
    """
    from clearance.cli.views import operator as views

    answer(lambda clearance: clearance.whoami(), views.whoami, as_json=as_json)


def _names(given: list[str] | None) -> frozenset[str] | None:
    """The names that a key is limited to; None if none are given."""
    return frozenset(given) if given else None


def _key(key: ApiKey) -> Json:
    from clearance.core.moment import as_text

    return {
        "key_id": key.key_id,
        "name": key.name,
        "role": key.role.value,
        "created_at": as_text(key.created_at),
        "revoked_at": None if key.revoked_at is None else as_text(key.revoked_at),
        "scope": key.scope.names,
    }
