"""Installation: the questions and acts of its operator, for every tenant at once.

The operator works on the state itself and acts for the tenant that stands for all of them; no
credential belongs to that tenant.
"""

from __future__ import annotations

from collections.abc import Sequence

from clearance.configuration.document import parse_document
from clearance.configuration.switches import shown_switches, stamped
from clearance.core.canonical import Json
from clearance.core.errors import Forbidden, InvalidInput
from clearance.core.principal import EVERYWHERE, Permission, Principal
from clearance.core.stop import StopScope, StopSwitch
from clearance.flow.context import Context
from clearance.flow.settings import CHANGES_MAX, change_switches, kept_moving, setter_of


async def tenants(context: Context, operator: Principal) -> list[str]:
    """Every tenant that has settings, by name."""
    _require(operator, Permission.READ)
    return await context.store.tenants()


async def everywhere_stop(context: Context, operator: Principal) -> tuple[list[Json], int]:
    """The switches that hold for every tenant, and their version."""
    _require(operator, Permission.READ)
    stored = await context.store.settings(EVERYWHERE)
    return shown_switches(stored.document), stored.version.tenant


async def put_everywhere_stop(
    context: Context, operator: Principal, switches: Sequence[StopSwitch]
) -> tuple[list[Json], int]:
    """Replaces the switches that hold for every tenant; as they are then, and their version."""
    _require(operator, Permission.STOP)
    if any(switch.scope is not StopScope.GLOBAL for switch in switches):
        sentence = "What holds for every tenant has the scope GLOBAL."
        raise InvalidInput(sentence, code="INVALID_SETTINGS")
    wanted = [
        {"scope": s.scope.value, "level": s.level.value, "reason": s.reason} for s in switches
    ]
    shapes = parse_document({"stop_switches": wanted}).stop_switches
    for _ in range(CHANGES_MAX):
        stored = await context.store.settings(EVERYWHERE)
        setter, before = setter_of(context, operator), shown_switches(stored.document)
        after: list[Json] = [stamped(shape, before, setter) for shape in shapes]
        version = await change_switches(context, operator, stored, after, setter)
        if version is not None:
            return after, version
    raise kept_moving()


def _require(operator: Principal, permission: Permission) -> None:
    operator.require(permission, on=operator.tenant)
    if operator.tenant_id != EVERYWHERE:
        sentence = f"{operator.actor_id} acts for one tenant; this is for every tenant at once."
        raise Forbidden(sentence)
