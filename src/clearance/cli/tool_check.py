"""A look at the tool servers of a configuration file that nothing was applied of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearance.configuration.document import Reading
from clearance.flow.ports.tools import ask_servers
from clearance.flow.requests import ToolFit
from clearance.profiles import choose

if TYPE_CHECKING:
    from clearance.configuration.file import Configuration
    from clearance.profiles.place import Place


async def checked(wanted: Configuration, place: Place) -> ToolFit:
    """How the catalog of a file fits the tools that its servers offer now."""
    document, runner = wanted.document, choose.tools_of(place)
    try:
        answers = await ask_servers(runner, wanted.tenant_id, Reading(document), document.tools)
    finally:
        await runner.close()
    return ToolFit.of(document, *answers)
