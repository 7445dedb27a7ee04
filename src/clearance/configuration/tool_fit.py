"""How an action of the catalog fits the tool behind it: what would be sent, compared with what the
tool's input schema takes.

One idea: nothing is a finding that the two schemas do not prove. A schema that cannot be compared
finds nothing; the call is then the proof.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from clearance.configuration.compiling import allowlist_of, catalog_of, modes_of
from clearance.configuration.fitting import Path
from clearance.configuration.shape import SettingsDocument
from clearance.configuration.tool_schemas import Side, in_short, kind_not_taken, not_taken
from clearance.configuration.values import as_sentence
from clearance.core.canonical import Json
from clearance.core.catalog import Action, Effect
from clearance.core.dialect import places
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import DEPTH_MAX
from clearance.core.mode import Allowlist, AutonomyMode, ModeRule, resolve
from clearance.core.schema import SchemaPlace
from clearance.core.suggestion import suggestion
from clearance.core.template import final_schema, placeholders

TOOL_MISFIT = "TOOL_MISFIT"
"""The code of a refusal: an action of the catalog does not fit its tool."""

PROBLEMS_LISTED_MAX = 3  # findings in the sentence of a refusal
FINDINGS_MAX = 100  # that a refusal lists one by one
PAIRS_MAX = 1_000  # pairs of objects and lists that are compared for one action
NAME_LENGTH_MAX = 100  # characters of an argument's name in a sentence

_ACCOUNT_NAMES = frozenset({"account", "accountid"})
_LIKE_AN_ACCOUNT = ("account", "customer", "tenant", "client")
_LIKE_A_KEY = ("idempot", "dedup", "requestid", "clienttoken")
_CHANGES = (
    ("read_only_hint", False, "readOnlyHint: false"),
    ("destructive_hint", True, "destructiveHint: true"),
)
"""Annotations by which a tool says that it changes something, and how MCP writes them."""
_ANY_OTHER = "no account is meant"  # no account can be named so: names of accounts are checked


class FindingCode(StrEnum):
    """The ways in which an action may not fit its tool."""

    ARGUMENT_NOT_SUPPLIED = "ARGUMENT_NOT_SUPPLIED"
    ARGUMENT_NOT_KNOWN = "ARGUMENT_NOT_KNOWN"
    TYPE_CLASH = "TYPE_CLASH"
    TOOL_DEFAULT = "TOOL_DEFAULT"
    KEY_NOT_TAKEN = "KEY_NOT_TAKEN"
    ACCOUNT_NOT_SENT = "ACCOUNT_NOT_SENT"
    READ_CONTRADICTED = "READ_CONTRADICTED"
    ACCOUNT_NOT_BOUND = "ACCOUNT_NOT_BOUND"


@dataclass(frozen=True, slots=True)
class FitFinding:
    """One way in which an action does not fit its tool.

    `path` is where it is in the settings document, `tool` is `server.tool`. `subject` is the tool's
    argument, names joined by dots. `accepted`: its owner accepted it by name. `refused`: it keeps
    the action from being called; otherwise people should look at it.
    """

    action_type: str
    tool: str
    code: FindingCode
    subject: str
    path: Path
    explanation: str
    accepted: bool = False
    refused: bool = True

    @property
    def is_misfit(self) -> bool:
        """True if it keeps the action from being called."""
        return self.refused and not self.accepted

    @property
    def name(self) -> str:
        """The name under which it is accepted, such as `TOOL_DEFAULT:limit`."""
        return f"{self.code}:{self.subject}" if self.subject else self.code.value

    @property
    def sentence(self) -> str:
        """What is wrong, and the name of it."""
        return f"{self.explanation} ({self.name})"


def may_run_alone(allowlist: Allowlist, modes: Sequence[ModeRule], action_type: str) -> bool:
    """True if there can be an account for which an action runs without a person, as far as
    allowlist and modes decide.
    """
    named = {rule.account for rule in modes if rule.account} | allowlist.accounts.keys()
    return any(
        allowlist.allows(account, action_type)
        and resolve(modes, account, action_type).mode is AutonomyMode.AUTO_EXECUTE
        for account in (_ANY_OTHER, *sorted(named))
    )


class Offered(Protocol):
    """What a server says of a tool."""

    @property
    def input_schema(self) -> Mapping[str, Json]:
        """What it takes."""

    @property
    def annotations(self) -> Mapping[str, Json]:
        """MCP's hints at what it does, such as `read_only_hint`."""


def fit_findings(
    action: Action, tools: Mapping[str, Offered], *, alone: bool
) -> tuple[FitFinding, ...]:
    """How an action does not fit its tools. `tools` are those that are known, by `server.tool`;
    `alone` is whether the action may run without a person.
    """
    offered = tools.get(str(action.tool))
    tool = None if offered is None else Side.of(offered.input_schema)
    findings = [*_account_findings(action, tool)] if alone else []
    if offered is not None and tool is not None:
        findings += _read_findings(action, offered, alone=alone)
        findings += _call_findings(action, tool, alone=alone)
    undo = action.undo
    if undo and (offered := tools.get(str(undo.tool))) is not None:
        comparison = _Comparison(action, str(undo.tool), within=("undo",))
        findings += comparison.of(
            Side.of(offered.input_schema), _taken_back(action, undo.arguments)
        )
    return tuple(findings)


def catalog_findings(
    document: SettingsDocument, tools: Mapping[str, Offered], names: Collection[str]
) -> tuple[FitFinding, ...]:
    """How actions of a document do not fit their tools, by name of the action."""
    allowlist, modes = allowlist_of(document), modes_of(document)
    return tuple(
        finding
        for name, action in catalog_of(document).items()
        if name in names
        for finding in fit_findings(action, tools, alone=may_run_alone(allowlist, modes, name))
    )


def unused_acceptances(
    document: SettingsDocument, tools: Collection[str], findings: Sequence[FitFinding]
) -> Iterator[Problem]:
    """The acceptances that accept nothing, of actions whose tools are known."""
    for action_type, shape in document.catalog.items():
        own = [finding for finding in findings if finding.action_type == action_type]
        names = {finding.name for finding in own} | {finding.code.value for finding in own}
        for position, name in enumerate(shape.accepts):
            if name not in names and set(shape.tools) <= set(tools):
                path = ("catalog", action_type, "accepts", position)
                yield Problem(path, f"there is no finding {name}{suggestion(name, names)}")


def misfit(findings: Sequence[FitFinding]) -> InvalidInput | None:
    """The refusal of findings that are not accepted; None if there are none."""
    problems = [
        Problem(finding.path, finding.sentence) for finding in findings if finding.is_misfit
    ]
    if not problems:
        return None
    listed = "; ".join(map(str, problems[:PROBLEMS_LISTED_MAX]))
    more = len(problems) - PROBLEMS_LISTED_MAX
    sentence = as_sentence(
        f"The catalog does not fit its tools: {listed}{f'; and {more} more' * (more > 0)}"
    )
    return InvalidInput(sentence, code=TOOL_MISFIT, problems=tuple(problems[:FINDINGS_MAX]))


def _account_findings(action: Action, tool: Side | None) -> Iterator[FitFinding]:
    if action.account is not None or "account_id" in _placeholders(action.arguments):
        return
    parameters = list(action.parameters.get("properties", {}))
    alike = [name for name in parameters if _is_like(name, _LIKE_AN_ACCOUNT)]
    own = min(alike, key=lambda name: _plain(name) not in _ACCOUNT_NAMES, default=None)
    if own is not None and _plain(own) in _ACCOUNT_NAMES:
        explanation = (
            f"may run without a person, and its tool works on the account in {_at(own)}, whatever "
            f'account it is counted on: write account: "{{{_at(own)}}}"'
        )
        code = FindingCode.ACCOUNT_NOT_BOUND
        finding = _finding(action, str(action.tool), code, "", (), explanation)
        yield replace(finding, refused=False)
        return
    names = {*parameters, *action.arguments}
    if any(_plain(name) in _ACCOUNT_NAMES for name in action.arguments):
        return
    meant = [name for name in tool.names if _is_like(name, _LIKE_AN_ACCOUNT)] if tool else []
    free = next((name for name in meant if name not in names), None)
    advice = 'if the tool has an argument for it, put "{account_id}" there in arguments; else '
    if free is not None:
        advice = f'put {_at(free)}: "{{account_id}}" into arguments, or '
    if own is not None:
        advice = f'write account: "{{{_at(own)}}}" if that names it, or {advice}'
    explanation = (
        f"may run without a person, and the tool is not sent its account: "
        f"{advice if free is not None or own is not None or not tool else ''}"
        f"write accepts: [{FindingCode.ACCOUNT_NOT_SENT}] if it needs none"
    )
    yield _finding(action, str(action.tool), FindingCode.ACCOUNT_NOT_SENT, "", (), explanation)


def _plain(name: str) -> str:
    """A name in the form in which names are compared."""
    return name.lower().replace("_", "").replace("-", "")


def _is_like(name: str, words: Collection[str]) -> bool:
    return any(word in _plain(name) for word in words)


def _read_findings(action: Action, offered: Offered, *, alone: bool) -> Iterator[FitFinding]:
    """Whether a tool says that it changes something, of an action that is to change nothing."""
    hints = [hint for name, value, hint in _CHANGES if offered.annotations.get(name) is value]
    if action.effect is not Effect.READ or not hints:
        return
    code = FindingCode.READ_CONTRADICTED
    explanation = (
        f"effect: read says that nothing changes, and the tool {action.tool} says that something "
        f"does ({', '.join(hints)}): give the action another effect, let a person approve each "
        f"call, or write accepts: [{code}] if the tool is wrong"
    )
    finding = _finding(action, str(action.tool), code, "", ("effect",), explanation)
    yield replace(finding, refused=alone)


def _call_findings(action: Action, tool: Side, *, alone: bool) -> Iterator[FitFinding]:
    key = action.idempotency_argument
    if key and not (tool.takes(key) and (key in tool.names or not tool.declares)):
        explanation = (
            f"the tool {action.tool} does not know {key}, so it cannot see that a call is a repeat"
            f"{suggestion(key, list(tool.names))}"
        )
        path = ("idempotency_argument",)
        code = FindingCode.KEY_NOT_TAKEN
        yield _finding(action, str(action.tool), code, key, path, explanation)
    sent = _sent(action, key if key and tool.takes(key) else None)
    yield from _Comparison(action, str(action.tool), alone=alone).of(tool, sent)


@dataclass
class _Comparison:
    """A walk through what is sent and what the tool takes, side by side."""

    action: Action
    tool: str
    within: tuple[str, ...] = ()
    alone: bool = False
    _seen: dict[tuple[int, int], tuple[Side, Side]] = field(default_factory=dict)

    def of(
        self, tool: Side, sent: Side, at: tuple[str, ...] = (), depth: int = 0
    ) -> Iterator[FitFinding]:
        """The findings of two objects, and of all that is in both."""
        if not self._is_new(tool, sent, depth):
            return
        yield from self._not_supplied(tool, sent, at)
        for name, place in sent.names.items():
            if not tool.takes(name):
                hint = suggestion(name, list(tool.names))
                explanation = f"the tool {self.tool} does not know {_at(*at, name)}{hint}"
                code = FindingCode.ARGUMENT_NOT_KNOWN
                yield self._finding(code, (*at, name), explanation, sent, place)
        for name in sent.names.keys() & tool.names.keys():
            theirs, ours = tool.child(name), sent.child(name)
            if theirs and ours:
                yield from self._both(theirs, ours, (*at, name), depth + 1)
        if not self.within:
            yield from self._defaults(tool, sent, at)

    def _is_new(self, tool: Side, sent: Side, depth: int) -> bool:
        """True for a pair that was not compared, and that is not too much."""
        pair = (id(tool.place), id(sent.place))
        if pair in self._seen or len(self._seen) == PAIRS_MAX or depth > DEPTH_MAX:
            return False
        self._seen[pair] = tool, sent
        return True

    def _not_supplied(self, tool: Side, sent: Side, at: tuple[str, ...]) -> Iterator[FitFinding]:
        for name in sorted(tool.required):
            if sent.always(name) or (name not in sent.names and sent.open):
                continue
            why = (
                "and it may be left out: require it, or give it a default"
                if name in sent.names
                else "and nothing supplies it: add a parameter, or set it in arguments"
            )
            if not (at or self.action.idempotency_argument) and _is_like(name, _LIKE_A_KEY):
                key = f"idempotency_argument: {_at(name)}"
                why += f"; or write {key}, if the tool knows a repeat by it"
            explanation = f"the tool {self.tool} requires {_at(*at, name)}, {why}"
            yield self._finding(
                FindingCode.ARGUMENT_NOT_SUPPLIED,
                (*at, name),
                explanation,
                sent,
                sent.names.get(name, sent.place),
            )

    def _both(
        self, tool: Side, sent: Side, at: tuple[str, ...], depth: int
    ) -> Iterator[FitFinding]:
        compared = kind_not_taken
        if tool.declares and sent.declares:
            yield from self.of(tool, sent, at, depth)
        elif (items := (tool.items(), sent.items()))[0] and items[1]:
            if self._is_new(tool, sent, depth):
                yield from self._both(items[0], items[1], at, depth + 1)
        else:
            compared = not_taken
        refused = compared(tool, sent)
        if refused is None:
            return
        such = f", for example {in_short(refused[0])}" if refused else ""
        explanation = (
            f"the tool {self.tool} does not take every value that the catalog allows for "
            f"{_at(*at)}{such}; it takes {tool.in_words()}"
        )
        yield self._finding(FindingCode.TYPE_CLASH, at, explanation, sent, sent.whole)

    def _defaults(self, tool: Side, sent: Side, at: tuple[str, ...]) -> Iterator[FitFinding]:
        for name in tool.names:
            default = tool.default(name)
            if default is None or sent.always(name) or name in tool.required:
                continue
            value = in_short(default)
            explanation = (
                f"the tool {self.tool} takes {value} for {_at(*at, name)} where it is left out, "
                f"which neither policy nor people see: declare it as a parameter with default: "
                f"{value}, or set it in arguments"
            )
            place = sent.names.get(name, sent.place)
            code = FindingCode.TOOL_DEFAULT
            finding = self._finding(code, (*at, name), explanation, sent, place)
            yield replace(finding, refused=self.alone)

    def _finding(
        self,
        code: FindingCode,
        at: tuple[str, ...],
        explanation: str,
        sent: Side,
        place: SchemaPlace,
    ) -> FitFinding:
        where, subject = self._where(at, sent, place), _at(*self.within, *at)
        return _finding(self.action, self.tool, code, subject, where, explanation)

    def _where(self, at: tuple[str, ...], sent: Side, place: SchemaPlace) -> Path:
        """The path in the entry of an action at which an argument is written; of one that is not
        written, the path at which it would be.
        """
        if self.within:
            undo = self.action.undo
            entry = {"undo": {"arguments": undo.arguments if undo else {}}}
            return _written(entry, "undo", "arguments", *at)
        if at[0] in self.action.arguments:
            return _written({"arguments": self.action.arguments}, "arguments", *at)
        if at[0] == self.action.idempotency_argument:
            return ("idempotency_argument",)
        known = {id(node): path for path, node in places(sent.schema.schema)}
        path = next((known[id(node)] for node in place.nodes if id(node) in known), ())
        if not path:
            return ("tool",)
        return _written({"parameters": self.action.parameters}, "parameters", *path)


def _written(entry: Json, *path: str | int) -> Path:
    """The beginning of a path that is really there."""
    for count, step in enumerate(path):
        there = (
            step in entry
            if isinstance(entry, Mapping)
            else isinstance(entry, list | tuple) and isinstance(step, int) and step < len(entry)
        )
        if not there:
            return path[:count]
        entry = entry[step]
    return path


def _finding(
    action: Action, tool: str, code: FindingCode, subject: str, path: Path, explanation: str
) -> FitFinding:
    where = ("catalog", action.action_type, *path)
    finding = FitFinding(action.action_type, tool, code, subject, where, explanation)
    accepted = not {finding.name, code.value}.isdisjoint(action.accepts)
    return replace(finding, accepted=accepted)


def _at(*names: str) -> str:
    """A path as text. A tool's names are its server's words, so what does not print is replaced."""
    return ".".join(
        "".join(character if character.isprintable() else "?" for character in name)[
            :NAME_LENGTH_MAX
        ]
        for name in names
    )


def _sent(action: Action, key: str | None) -> Side:
    """The schema of all that a call of an action sends."""
    schema = action.final_schema
    if key is None:
        return Side.of(schema)
    properties = {**schema.get("properties", {}), key: {"type": "string"}}
    return Side.of(
        {**schema, "properties": properties, "required": [*schema.get("required", ()), key]}
    )


def _taken_back(action: Action, arguments: Mapping[str, Json]) -> Side:
    """The schema of all that the undo of an action sends."""
    schema = final_schema(action.parameters, arguments)
    properties = {name: schema["properties"][name] for name in arguments}
    return Side.of({**schema, "properties": properties, "required": list(arguments)})


def _placeholders(template: Json) -> Iterator[str]:
    if isinstance(template, str):
        yield from placeholders(template)
    elif isinstance(template, Mapping | list):
        for part in template.values() if isinstance(template, Mapping) else template:
            yield from _placeholders(part)
