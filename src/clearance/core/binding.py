"""What exactly was decided on, as digests: the thing that binds an approval to what runs.

A binding has two parts. The call: what is sent to which tool, and what the catalog says of it. The
permission: the rules, and those of them that decided. Another call is asked about again; another
permission only if it makes a difference to this intent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from clearance.core.canonical import Json, digest
from clearance.core.decision import Decision
from clearance.core.intent import ActionIntent
from clearance.core.settings import Settings

FORMAT = 2
FORMAT_0_1 = 1  # of version 0.1.0, which names none
NAMES_MAX = 5  # rules that a sentence names
NOT_READABLE = "(not readable)"
"""The tool and the catalog's entry of an action that cannot be read as it is stored."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What exactly was decided on, as digests; its own digest binds an approval to what runs.

    The call is `parameters` (with account and target), `tool`, `tool_schema`, `entry` (how the
    catalog makes a call of them) and `shown` (what the catalog tells people of it). The permission
    is `policy_version` and `clauses`: the rules that decided by id, each with the digest of its
    text. What a format does not know is None.

    `action_0_1` and `policy_version_0_1` are what version 0.1.0 compares instead of `entry`,
    `shown` and the permission. The ledger's `binding` and an approval's digest are made of them, so
    that processes of that version work beside this one.
    """

    format: int
    parameters: str
    tool: str
    tool_schema: str | None
    entry: str
    shown: str | None
    policy_version: str | None
    clauses: tuple[tuple[str, str | None], ...]
    action_0_1: str
    policy_version_0_1: str | None

    @property
    def digest(self) -> str:
        """One digest over all of it, as version 0.1.0 has it too."""
        return digest(self._as_0_1())

    def facts(self) -> dict[str, Json]:
        """The facts of a ledger entry that `read` reads, beside the entry's decision."""
        parts = {
            "format": self.format,
            "entry": self.entry,
            "shown": self.shown,
            "clauses": dict(self.clauses),
        }
        return {"digest": self.digest, "binding": self._as_0_1(), "binding_parts": parts}

    def _as_0_1(self) -> dict[str, Json]:
        """What version 0.1.0 reads: with one name more or less, it could not."""
        return {
            "parameters": self.parameters,
            "tool": self.tool,
            "tool_schema": self.tool_schema,
            "action": self.action_0_1,
            "policy_version": self.policy_version_0_1,
        }


def read(entry: Mapping[str, Json]) -> Binding | None:
    """The binding in a ledger entry with a decision; None if that was about an unknown action.

    A binding of a format that is not ours is read as far as version 0.1.0 would read it.
    """
    if "binding" not in entry:
        return None
    known, decision = entry["binding"], entry["decision"]
    parts = entry.get("binding_parts", {})
    ours = parts.get("format") == FORMAT
    texts = parts["clauses"] if ours else {}
    return Binding(
        format=FORMAT if ours else FORMAT_0_1,
        parameters=known["parameters"],
        tool=known["tool"],
        tool_schema=known["tool_schema"],
        entry=parts["entry"] if ours else known["action"],
        shown=parts["shown"] if ours else None,
        policy_version=(decision if ours else known)["policy_version"],
        clauses=tuple((name, texts.get(name)) for name in decision["policy_clause"]),
        action_0_1=known["action"],
        policy_version_0_1=known["policy_version"],
    )


def bind(
    intent: ActionIntent, decision: Decision, settings: Settings, salt: bytes
) -> Binding | None:
    """What would run under these settings, and the rules that made the decision as they are in
    them; None if the catalog has no such action.

    The salt is the intent's own.
    """
    action, policy = settings.catalog.get(intent.action_type), settings.policy
    parameters = digest([salt.hex(), intent.account_id, dict(intent.parameters), intent.target])
    if action is None:
        unreadable = settings.uncallable(intent.account_id, intent.action_type)
        return _not_readable(parameters) if unreadable else None
    clauses = policy.clauses if policy else {}
    return Binding(
        format=FORMAT,
        parameters=parameters,
        tool=str(action.tool),
        tool_schema=settings.tool_pins.get(str(action.tool)),
        entry=action.entry_digest,
        shown=action.shown_digest,
        policy_version=policy.version if policy else None,
        clauses=tuple(
            (name, clauses[name].digest if name in clauses else None)
            for name in decision.policy_clause
        ),
        action_0_1=action.digest_0_1,
        policy_version_0_1=policy.version_0_1 if policy else None,
    )


def _not_readable(parameters: str) -> Binding:
    """What would run of an action that cannot be read: nothing, until it can be, and then it is
    another call than this.
    """
    return Binding(
        format=FORMAT,
        parameters=parameters,
        tool=NOT_READABLE,
        tool_schema=None,
        entry=NOT_READABLE,
        shown=NOT_READABLE,
        policy_version=None,
        clauses=(),
        action_0_1=NOT_READABLE,
        policy_version_0_1=None,
    )


def same_call(then: Binding | None, now: Binding | None) -> bool:
    """True if what would run now is the call that was decided on, whatever allows it and whatever
    people are told of it.
    """
    if then is None or now is None:
        return False
    return not any(_other_call(*_alike(then, now)))


def call_differences(then: Binding, now: Binding) -> tuple[str, ...]:
    """What changed of the call between two bindings, a sentence each.

    A tool schema that is seen for the first time is no change.
    """
    then, now = _alike(then, now)
    shown = (
        ("The action's risk, its undo or its wording in the catalog changed.",)
        if then.shown != now.shown
        else ()
    )
    return (*_other_call(then, now), *shown)


def rule_differences(then: Binding, now: Binding) -> tuple[str, ...]:
    """What changed of the rules that decided, a sentence each; nothing if all rules are the same.

    A rule whose text changed is another rule.
    """
    then, now = _alike(then, now)
    if then.policy_version == now.policy_version:
        return ()
    before, after = dict(then.clauses), dict(now.clauses)
    changed = [name for name in after if name in before and after[name] != before[name]]
    sentences = [f"The policy changed what it says in: {_named(changed)}."] if changed else []
    if before.keys() != after.keys():
        sentences.append(f"Other rules decide: {_named(after)}; before: {_named(before)}.")
    return tuple(sentences)


def _other_call(then: Binding, now: Binding) -> Iterator[str]:
    if then.parameters != now.parameters:
        yield "The parameters are not the ones that were decided on."
    if then.tool != now.tool:
        yield f"The tool was {then.tool} and is {now.tool} now."
    if then.tool_schema not in {None, now.tool_schema}:
        yield f"The schema of the tool {now.tool} changed."
    if then.entry != now.entry:
        yield "The action's entry in the catalog changed."


def _alike(then: Binding, now: Binding) -> tuple[Binding, Binding]:
    """Both in one format: their own, or the one that every version knows."""
    return (then, now) if then.format == now.format else (_in_0_1(then), _in_0_1(now))


def _in_0_1(binding: Binding) -> Binding:
    return replace(
        binding,
        format=FORMAT_0_1,
        entry=binding.action_0_1,
        shown=None,
        policy_version=binding.policy_version_0_1,
        clauses=tuple((name, None) for name, _ in binding.clauses),
    )


def _named(rules: Mapping[str, object] | list[str]) -> str:
    names = list(rules)
    more = len(names) - NAMES_MAX
    return (", ".join(names[:NAMES_MAX]) or "none") + (f" and {more} more" if more > 0 else "")
