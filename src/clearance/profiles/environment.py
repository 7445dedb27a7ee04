"""The process's own settings, from `CLEARANCE_*` in the environment.

The settings of a tenant's agents are not here.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PORT_DEFAULT = 8600


class Environment(BaseSettings):
    """One field for each variable; secrets are masked when printed."""

    model_config = SettingsConfigDict(env_prefix="CLEARANCE_", extra="ignore", frozen=True)

    bootstrap_api_key: SecretStr | None = None
    bus: str = ""
    connections: str = ""
    data: Path = Path(".clearance")
    database_connections: str = "16"
    database_url: SecretStr | None = None
    hosts: str = ""
    log_level: str = "warning"
    path_prefix: str = ""
    proxies: str = ""
    secret: str = ""
    sources: str = ""
    state_machine: str = ""
    table: str | None = None
