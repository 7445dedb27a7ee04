"""What exactly was decided on, as digests: the thing that binds an approval to what runs."""

from __future__ import annotations

from dataclasses import dataclass

from clearance.core.canonical import Json, digest
from clearance.core.intent import ActionIntent
from clearance.core.settings import Settings


@dataclass(frozen=True, slots=True)
class Binding:
    """What exactly was decided on, as digests; its own digest binds an approval to what runs."""

    parameters: str
    tool: str
    tool_schema: str | None
    action: str
    policy_version: str | None

    @property
    def digest(self) -> str:
        """One digest over all of it."""
        return digest(self.as_json())

    def as_json(self) -> dict[str, Json]:
        """The parts by name."""
        return {
            "parameters": self.parameters,
            "tool": self.tool,
            "tool_schema": self.tool_schema,
            "action": self.action,
            "policy_version": self.policy_version,
        }


def bind(intent: ActionIntent, settings: Settings, salt: bytes) -> Binding | None:
    """What would run under these settings, or None if the catalog has no such action.

    The salt is the intent's own.
    """
    action = settings.catalog.get(intent.action_type)
    if action is None:
        return None
    return Binding(
        parameters=digest([salt.hex(), intent.account_id, dict(intent.parameters), intent.target]),
        tool=str(action.tool),
        tool_schema=settings.tool_pins.get(str(action.tool)),
        action=action.digest,
        policy_version=settings.policy.version if settings.policy else None,
    )


def differences(then: Binding, now: Binding) -> tuple[str, ...]:
    """What changed between two bindings, a sentence each.

    A tool schema that is seen for the first time is no change.
    """
    changed = [
        (
            then.parameters != now.parameters,
            "The parameters are not the ones that were decided on.",
        ),
        (then.tool != now.tool, f"The tool was {then.tool} and is {now.tool} now."),
        (
            then.tool_schema not in {None, now.tool_schema},
            f"The schema of the tool {now.tool} changed.",
        ),
        (then.action != now.action, "The action's entry in the catalog changed."),
        (then.policy_version != now.policy_version, "The policy changed."),
    ]
    return tuple(sentence for differs, sentence in changed if differs)
