"""What exactly was decided on, as digests: the thing that binds an approval to what runs.

A binding has two parts. The call: what is sent to which tool, and what the catalog says of it. The
permission: the rules, and those of them that decided. Another call is asked about again; another
permission only if it makes a difference to this intent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clearance.core.arguments import arguments_without_defaults
from clearance.core.canonical import Json, digest
from clearance.core.catalog import Action
from clearance.core.decision import Decision
from clearance.core.errors import InvalidInput
from clearance.core.intent import ActionIntent
from clearance.core.settings import Settings
from clearance.core.tool_pin import same_pin

FORMAT = 3
FORMAT_WITHOUT_FINAL = 2  # names its own format in `binding_parts`
FORMAT_0_1 = 1  # of version 0.1.0, which names none
NAMES_MAX = 5  # rules that a sentence names
NOT_READABLE = "(not readable)"
"""The tool and the catalog's entry of an action that cannot be read as it is stored."""
NOT_MADE = "(not made)"
"""The final arguments where no call can be made of an intent."""
BESIDE = ("session", "seen", "guards")
"""Facts that may stand in a binding, and be bound by its digest, beside those that are compared."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What exactly was decided on, as digests; `digest` binds an approval to what runs.

    The call is `parameters` (as proposed, with account and target), `final` (the final arguments),
    `tool`, `tool_schema`, `entry` (how the catalog makes a call of them) and `shown` (what the
    catalog tells people of it). The permission is `policy_version` and `clauses`: the rules that
    decided by id, each with the digest of its text. What a format does not know is None.

    `beside` is what another version bound too. `entry_0_1` and `without_defaults` are what formats
    1 and 2 are compared with.
    """

    format: int
    digest: str
    parameters: str
    final: str | None
    tool: str
    tool_schema: str | None
    entry: str
    shown: str | None
    policy_version: str | None
    clauses: tuple[tuple[str, str | None], ...]
    beside: Mapping[str, Json] = field(default_factory=dict)
    entry_0_1: str | None = field(default=None, compare=False)
    without_defaults: str | None = field(default=None, compare=False)

    def facts(self) -> dict[str, Json]:
        """The facts of a ledger entry that `read` reads, beside the entry's decision."""
        return {"digest": self.digest, "binding": _written(self)}


def read(entry: Mapping[str, Json]) -> Binding | None:
    """The binding in a ledger entry with a decision; None if that was about an unknown action.

    The digest is of the entry's own words, in every format. A binding of a later format is one that
    nothing is the same as.
    """
    if "binding" not in entry:
        return None
    known, decision, parts = entry["binding"], entry["decision"], entry.get("binding_parts", {})
    made = known.get("format", parts.get("format", FORMAT_0_1))
    texts = {FORMAT: known, FORMAT_WITHOUT_FINAL: parts}.get(made, {})
    return Binding(
        format=made,
        digest=digest(known),
        parameters=known.get("parameters", NOT_READABLE),
        final=known.get("final"),
        tool=known.get("tool", NOT_READABLE),
        tool_schema=known.get("tool_schema"),
        entry=(texts or known).get("entry", known.get("action", NOT_READABLE)),
        shown=texts.get("shown"),
        policy_version=decision["policy_version"] if texts else None,
        clauses=tuple(
            (name, texts.get("clauses", {}).get(name)) for name in decision["policy_clause"]
        ),
        beside={name: known[name] for name in BESIDE if name in known},
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
    known = policy.clauses if policy else {}
    final, without_defaults = _final(action, intent, decision, parameters)
    return _bound(
        tuple(
            (name, known[name].digest if name in known else None) for name in decision.policy_clause
        ),
        parameters=parameters,
        final=final,
        tool=str(action.tool),
        tool_schema=settings.tool_pins.get(str(action.tool)),
        entry=action.entry_digest,
        shown=action.shown_digest,
        policy_version=policy.version if policy else None,
        entry_0_1=action.digest_0_1,
        without_defaults=without_defaults,
    )


def _final(
    action: Action, intent: ActionIntent, decision: Decision, parameters: str
) -> tuple[str, str]:
    """Digests of the final arguments, and of what versions that sent no defaults would send."""
    try:
        final = decision.arguments(action, intent)
        before = arguments_without_defaults(action, intent) if action.has_defaults else final
    except InvalidInput:
        return NOT_MADE, NOT_MADE
    made = _final_digest(action, intent, final, parameters)
    return made, made if before == final else _final_digest(action, intent, before, parameters)


def _final_digest(
    action: Action, intent: ActionIntent, arguments: Mapping[str, Json], parameters: str
) -> str:
    """Of the arguments that are not the parameters of their name as they were proposed, and of the
    salted digest that binds the parameters.
    """
    added = {
        name: value
        for name, value in arguments.items()
        if name in action.arguments
        or name not in intent.parameters
        or value != intent.parameters[name]
    }
    return digest([parameters, added])


def binds(
    binding: Binding, action: Action, intent: ActionIntent, arguments: Mapping[str, Json]
) -> bool:
    """True unless it is known that a decision was about other final arguments than these."""
    made = _final_digest(action, intent, arguments, binding.parameters)
    return binding.final in {None, made}


def _not_readable(parameters: str) -> Binding:
    """What would run of an action that cannot be read: nothing, until it can be, and then it is
    another call than this.
    """
    return _bound(
        (),
        parameters=parameters,
        final=NOT_MADE,
        tool=NOT_READABLE,
        tool_schema=None,
        entry=NOT_READABLE,
        shown=NOT_READABLE,
        policy_version=None,
    )


def _bound(
    clauses: tuple[tuple[str, str | None], ...],
    *,
    entry_0_1: str | None = None,
    without_defaults: str | None = None,
    **facts: Any,
) -> Binding:
    """A binding of this format, with its digest."""
    made = digest({"format": FORMAT, **facts, "clauses": dict(clauses)})
    return Binding(
        format=FORMAT,
        digest=made,
        clauses=clauses,
        entry_0_1=entry_0_1,
        without_defaults=without_defaults,
        **facts,
    )


def _written(binding: Binding) -> dict[str, Json]:
    """A binding of this format, as its entry has it."""
    return {
        "format": binding.format,
        "parameters": binding.parameters,
        "final": binding.final,
        "tool": binding.tool,
        "tool_schema": binding.tool_schema,
        "entry": binding.entry,
        "shown": binding.shown,
        "policy_version": binding.policy_version,
        "clauses": dict(binding.clauses),
        **binding.beside,
    }


def same_call(then: Binding | None, now: Binding | None) -> bool:
    """True if what would run now is the call that was decided on, whatever allows it and whatever
    people are told of it.
    """
    if then is None or now is None:
        return False
    return not any(_other_call(_comparable(then, now), now))


def only_defaults_differ(then: Binding, now: Binding) -> bool:
    """True if the call is the one that an earlier version decided on, and has defaults of the
    schema beside it, which that version did not send.
    """
    return then.format < FORMAT and same_call(then, replace(now, final=now.without_defaults))


def call_differences(then: Binding, now: Binding) -> tuple[str, ...]:
    """What changed of the call between two bindings, a sentence each.

    A tool schema that is seen for the first time is no change.
    """
    then = _comparable(then, now)
    shown = (
        ("The action's risk, its undo or its wording in the catalog changed.",)
        if then.shown not in {None, now.shown}
        else ()
    )
    return (*_other_call(then, now), *shown)


def rule_differences(then: Binding, now: Binding) -> tuple[str, ...]:
    """What changed of the rules that decided, a sentence each; nothing if all rules are the same.

    A rule whose text changed is another rule. Version 0.1.0 kept no texts: of its decisions only
    the ids of the rules are compared.
    """
    if then.policy_version == now.policy_version and then.policy_version is not None:
        return ()
    before, after = dict(then.clauses), dict(now.clauses)
    changed = [name for name in after if before.get(name) not in {None, after[name]}]
    sentences = [f"The policy changed what it says in: {_named(changed)}."] if changed else []
    if before.keys() != after.keys():
        sentences.append(f"Other rules decide: {_named(after)}; before: {_named(before)}.")
    return tuple(sentences)


def _other_call(then: Binding, now: Binding) -> Iterator[str]:
    if then.format > FORMAT:
        yield "A later version decided on this, and this one cannot read what it bound."
        return
    if then.parameters != now.parameters:
        yield "The parameters are not the ones that were decided on."
    if then.tool != now.tool:
        yield f"The tool was {then.tool} and is {now.tool} now."
    if then.tool_schema is not None and not same_pin(then.tool_schema, now.tool_schema):
        yield f"The schema of the tool {now.tool} changed."
    if then.entry != now.entry:
        yield "The action's entry in the catalog changed."
    elif then.parameters == now.parameters and then.final != now.final:
        yield "The tool would get other arguments: the defaults of the schema changed."


def _comparable(then: Binding, now: Binding) -> Binding:
    """An earlier binding with what its format does not know, as it was when that format was
    written: no default was sent, and version 0.1.0 had its own digest of the catalog's entry.
    """
    if then.format == FORMAT_0_1:
        same = then.entry == now.entry_0_1
        return replace(then, final=now.without_defaults, entry=now.entry if same else then.entry)
    if then.format == FORMAT_WITHOUT_FINAL:
        return replace(then, final=now.without_defaults)
    return then


def _named(rules: Mapping[str, object] | list[str]) -> str:
    names = list(rules)
    more = len(names) - NAMES_MAX
    return (", ".join(names[:NAMES_MAX]) or "none") + (f" and {more} more" if more > 0 else "")
