"""A tenant's settings: everything that people have set about what its agents may do, as one
versioned value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from clearance.core.budget import BudgetRule
from clearance.core.catalog import Action, ToolServer
from clearance.core.decision import SettingsVersion
from clearance.core.mode import Allowlist, ModeRule
from clearance.core.policy import PolicySet
from clearance.core.stop import StopSwitch


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings in force for a tenant at one version. `tool_pins` are schema digests by
    `server.tool`.

    Without a policy nothing is permitted: a tenant that never configured anything can do nothing.
    """

    tenant_id: str
    version: SettingsVersion
    catalog: Mapping[str, Action] = field(default_factory=dict)
    tool_servers: Mapping[str, ToolServer] = field(default_factory=dict)
    tool_pins: Mapping[str, str] = field(default_factory=dict)
    allowlist: Allowlist = field(default_factory=Allowlist)
    modes: tuple[ModeRule, ...] = ()
    budgets: tuple[BudgetRule, ...] = ()
    policy: PolicySet | None = None
    stop_switches: tuple[StopSwitch, ...] = ()
