"""The port of settings: one versioned document for each tenant."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from clearance.configuration.document import StoredSettings
from clearance.core.canonical import Json
from clearance.core.decision import SettingsVersion
from clearance.core.ledger import Draft
from clearance.flow.ports.transitions import SettingsMoved


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """New settings for a tenant: a whole document, made from `version`; applied only if that is in
    force. `salt`: the 16 bytes under which the entry has the digests of the document's parts.
    `stop`: the state of the stop that the change opens with its entry, at its moment.
    """

    tenant_id: str
    version: int
    document: Mapping[str, Json]
    entry: Draft
    at: int
    salt: bytes | None = None
    stop: Mapping[str, Json] | None = None


class SettingsStore(Protocol):
    """Keeps the settings document of each tenant."""

    async def configure(self, change: SettingsChange) -> int | SettingsMoved:
        """Replaces a tenant's settings (tenant `*`: the switches that hold everywhere); the version
        that this makes, which is the next.
        """

    async def settings(self, tenant_id: str) -> StoredSettings:
        """The settings in force."""

    async def settings_version(self, tenant_id: str) -> SettingsVersion:
        """The version of the settings in force: a cheap read."""

    async def keep_tools(self, tenant_id: str, tools: Mapping[str, Json]) -> None:
        """Keeps descriptions of tools by their digest; one that is kept stays as it is."""

    async def kept_tools(self, tenant_id: str, digests: Collection[str]) -> Mapping[str, Json]:
        """The descriptions of tools with these digests, of those that are kept."""

    async def tenants(self) -> list[str]:
        """Every tenant that has settings."""
