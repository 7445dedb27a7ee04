"""What doctor says of settings that an older version stored."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clearance.cli.stored import means_otherwise
from clearance.configuration.compiling import settings_alone
from clearance.configuration.document import parse_document
from tests.support import sample
from tests.support.sample import TENANT

OLD, NEW = "sha256:" + "0" * 64, "sha256-2:" + "0" * 64
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "required": ["lines", "total"],
    "properties": {
        "urgent": {"type": "boolean", "default": False},
        "total": {"type": "number", "x-scale": 100},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"price": {"type": "number", "x-scale": 10}}},
        },
    },
}


def test_what_means_something_else_is_a_line_for_each_action_that_is_of_before() -> None:
    document = sample.document()
    action = document["catalog"]["CREATE_TASK"]
    for key in ("undo", "arguments", "prose", "sentence", "proposal"):
        action.pop(key, None)
    action |= {"parameters": PARAMETERS, "sentence": "made", "proposal": "make"}
    del document["policy"]
    settings = settings_alone(TENANT, parse_document(document))
    tool = str(settings.catalog["CREATE_TASK"].tool)
    about = f"CREATE_TASK: an older version pinned {tool}, and now"
    for pin in (OLD, f"{NEW} {OLD}"):
        assert list(means_otherwise(replace(settings, tool_pins={tool: pin}))) == [
            f"{about} the defaults of urgent are sent where they are left out.",
            f"{about} policy reads the lists lines[] as one record of sets.",
            f"{about} more decimals than x-scale takes are refused in total, lines[].price.",
        ]
    assert list(means_otherwise(replace(settings, tool_pins={tool: NEW}))) == []
