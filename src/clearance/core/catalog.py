"""The action catalog: the actions that exist, the tool behind each, and what is known about its
effect.

The gate blocks an action that is not in the catalog.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from clearance.core.canonical import Json, canonical, digest
from clearance.core.defaults import Defaults, with_defaults
from clearance.core.errors import InvalidInput, Problem
from clearance.core.intent import ActionIntent, RiskLevel
from clearance.core.judge import Judge
from clearance.core.manners import AS_IT_SAYS, Manners
from clearance.core.misfits import misfits
from clearance.core.moment import HOUR_MS
from clearance.core.money import Money, money_of
from clearance.core.schema import CompiledSchema, SchemaPlace
from clearance.core.suggestion import bounded_suggestion
from clearance.core.template import final_schema
from clearance.core.units import whole_units

APPROVAL_EXPIRES_AFTER_MS_DEFAULT = 72 * HOUR_MS
KEY_KEPT_FOR_MS_DEFAULT = 24 * HOUR_MS
DEADLINE_SECONDS_DEFAULT = 30
DEADLINE_SECONDS_MAX = 600
CONCURRENCY_DEFAULT = 4
PROBLEMS_MAX = 20  # problems of one validation that are reported

# How the validator ends its sentence about a name that is not declared.
_UNEXPECTED = re.compile(r"\('([^']*)' was unexpected\)$")


class Effect(StrEnum):
    """The effect of repeating the same tool call.

    `read`: none, for not even the first call changes anything. `idempotent`: the same as one call.
    `keyed`: the same as one call, if our idempotency key comes with it. `at_most_once`: unknown, so
    it is never repeated once it may have been sent.
    """

    READ = "read"
    IDEMPOTENT = "idempotent"
    KEYED = "keyed"
    AT_MOST_ONCE = "at_most_once"

    @property
    def repeatable(self) -> bool:
        """True if the call may be sent again when no answer came."""
        return self is not Effect.AT_MOST_ONCE


@dataclass(frozen=True, slots=True)
class ToolServer:
    """Where tools are: an MCP server over stdio (`command`) or streamable HTTP (`url`).

    Words of `command` and values of `environment` and `headers` may hold `${NAME}`: resolved from
    our environment when the server is started or called, never stored resolved. `inherit` names
    variables that it gets as we have them, if we have them. `secrets` names the variables and the
    entries that are secret, beside the headers; None: every `${NAME}` that is not short.
    """

    name: str
    command: tuple[str, ...] = ()
    url: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    deadline_seconds: int = DEADLINE_SECONDS_DEFAULT
    concurrency_max: int = CONCURRENCY_DEFAULT
    inherit: tuple[str, ...] = ()
    secrets: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class ToolName:
    """A tool of a tool server; written `server.tool`."""

    server: str
    tool: str

    def __str__(self) -> str:
        return f"{self.server}.{self.tool}"


@dataclass(frozen=True, slots=True)
class Undo:
    """How an action is taken back: a tool, its argument templates, and for how long (milliseconds;
    None: always).
    """

    tool: ToolName
    arguments: Mapping[str, Json]
    within_ms: int | None


@dataclass(frozen=True)
class Action:
    """One action type of the catalog.

    `key_kept_for_ms`: for how long the tool knows a key again, from the first call with it.
    `accepts` are names of findings about its tool that its owner accepts. `editors_rule`: an edit
    is its editor's approval too. `same_when` are the arguments that make two acts of an account
    the same; None: all final arguments. `account` is the parameter that names the account of the
    act.
    """

    action_type: str
    tool: ToolName
    risk_level: RiskLevel
    effect: Effect
    parameters: Mapping[str, Json]
    sentence: str
    proposal: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    idempotency_argument: str | None = None
    spends: str | None = None
    approval_expires_after_ms: int = APPROVAL_EXPIRES_AFTER_MS_DEFAULT
    undo: Undo | None = None
    prose: frozenset[str] = frozenset()
    label: str = ""
    description: str = ""
    manners: Manners = AS_IT_SAYS
    key_kept_for_ms: int = KEY_KEPT_FOR_MS_DEFAULT
    accepts: tuple[str, ...] = ()
    editors_rule: bool = False
    same_when: tuple[str, ...] | None = None
    account: str | None = None

    @cached_property
    def _judge(self) -> Judge:
        return Judge(self.schema)

    @cached_property
    def final_schema(self) -> Mapping[str, Json]:
        """The JSON Schema of the final arguments."""
        return final_schema(self.parameters, self.arguments)

    @cached_property
    def final(self) -> CompiledSchema:
        """The schema of the final arguments as Clearance understands it."""
        return CompiledSchema(self.final_schema)

    @cached_property
    def schema(self) -> CompiledSchema:
        """The parameters' schema as Clearance understands it."""
        return CompiledSchema(self.parameters)

    @cached_property
    def _defaults(self) -> Defaults:
        return Defaults(self.schema)

    @cached_property
    def entry_digest(self) -> str:
        """Digest of how a call is made of an intent, and of what a repeat of it does.

        The parameters' schema is not in it: an intent's own parameters are bound, and are checked
        again when settings change.
        """
        # Left out where it is usual: bindings of before do not have it.
        usual = self.key_kept_for_ms == KEY_KEPT_FOR_MS_DEFAULT
        return digest(
            {
                "action_type": self.action_type,
                "arguments": self.arguments,
                "idempotency_argument": self.idempotency_argument,
                "effect": self.effect.value,
                **({} if usual else {"key_kept_for_ms": self.key_kept_for_ms}),
            }
        )

    @cached_property
    def shown_digest(self) -> str:
        """Digest of the facts that a ruling person sees from here, beside the tool and the
        effect.
        """
        return digest(
            {
                "risk_level": self.risk_level.name,
                "proposal": self.proposal,
                "undo": {"within_ms": self.undo.within_ms} if self.undo else None,
                **self._named,
            }
        )

    @property
    def _named(self) -> dict[str, Json]:
        """What is shown beyond what every action has: its label, and the units of its amounts.

        Only what is declared stands here, so that other digests stay what they were.
        """
        label = {"label": self.label} if self.label not in {"", readable(self.action_type)} else {}
        units = {
            name: [money.scale, money.unit] for name, money in self.amounts.items() if money.unit
        }
        return label | ({"units": units} if units else {})

    @cached_property
    def amounts(self) -> Mapping[str, Money]:
        """How the arguments that declare a unit or a scale are written, by name."""
        declared = {name: money_of(place) for name, place in self.final.root.names.items()}
        return {name: money for name, money in declared.items() if money}

    @property
    def spent_in(self) -> Money:
        """How the amounts that it spends are written."""
        return self.amounts.get(self.spends or "", Money())

    @cached_property
    def digest_0_1(self) -> str:
        """The parts of an action that version 0.1.0 compares."""
        return digest(
            {
                "action_type": self.action_type,
                "tool": str(self.tool),
                "risk_level": self.risk_level.name,
                "effect": self.effect.value,
                "parameters": self.parameters,
                "arguments": self.arguments,
                "idempotency_argument": self.idempotency_argument,
                "spends": self.spends,
            }
        )

    def compile(self) -> None:
        """Makes known what is worked out when it is first asked for, because that takes time."""
        _ = self._judge, self._defaults, self.amounts, self._spends_scale, self.schema.root.names

    def check_parameters(self, parameters: Mapping[str, Json]) -> None:
        """Raises InvalidInput (`INVALID_PARAMETERS`) with every problem if `parameters` do not fit
        the schema.
        """
        problems: list[Problem] = []
        for path, message in self._judge.violations(parameters):
            meant = self._meant(path, name[1]) if (name := _UNEXPECTED.search(message)) else ""
            problems.append(Problem(("parameters", *path), _one_line(message) + meant))
            if len(problems) == PROBLEMS_MAX:
                break
        if not problems:
            problems = [
                Problem(
                    ("parameters", *misfit.path),
                    misfit.sentence + self._meant(misfit.path[:-1], misfit.path[-1]),
                )
                for misfit in misfits(self.schema, parameters)[:PROBLEMS_MAX]
            ]
        if problems:
            shown = "; ".join(str(problem) for problem in problems[:3])
            sentence = f"The parameters do not fit the schema of {self.action_type}: {shown}."
            raise InvalidInput(sentence, code="INVALID_PARAMETERS", problems=tuple(problems))

    def _meant(self, path: tuple[str | int, ...], name: Json) -> str:
        """Which parameter was perhaps meant by a name at a path; empty if the name may be there."""
        place: SchemaPlace | None = self.schema.root
        for step in path:
            if place is not None:
                inside = place.items if isinstance(step, int) else place.names.get(step)
                place = inside or place.other(str(step))
        if not place or name in place.names or place.other(str(name)):
            return ""
        return bounded_suggestion(name, place.names)

    @property
    def has_defaults(self) -> bool:
        """True if the schema has defaults to fill in."""
        return self._defaults.filler is not None

    def with_defaults(self, parameters: Mapping[str, Json]) -> dict[str, Json]:
        """The parameters, and the schema's defaults of those that are left out.

        Raises InvalidInput (`INVALID_PARAMETERS`) if they only fit the schema without the defaults:
        one may exclude what the agent wrote.
        """
        filled: dict[str, Json] = with_defaults(self._defaults, parameters)
        if filled != parameters and not self._fits(filled) and self._fits(parameters):
            problem = Problem(("parameters",), "do not fit the schema with its defaults filled in")
            sentence = f"The parameters of {self.action_type} cannot be used: {problem}."
            raise InvalidInput(sentence, code="INVALID_PARAMETERS", problems=(problem,))
        return filled

    def _fits(self, parameters: Mapping[str, Json]) -> bool:
        whole = dict(parameters)
        return self._judge.fits(whole) and not misfits(self.schema, whole)

    def amount_spent(self, arguments: Mapping[str, Json]) -> int | None:
        """What the act spends, in units of its argument's `x-scale`; None if it is unknown or
        negative, or no whole number of units.
        """
        value = arguments.get(self.spends) if self.spends else None
        if not isinstance(value, int | float) or isinstance(value, bool):
            return None
        if self._spends_scale is None:
            return None
        units = whole_units(value, self._spends_scale)
        return units if units is not None and units >= 0 else None

    @cached_property
    def _spends_scale(self) -> int | None:
        """How many units make one; None if the schema does not say, so that no amount is known."""
        argument = self.final.root.names.get(self.spends or "")
        if argument is None:
            return None
        return argument.scale or (1 if argument.kinds - {"null"} == {"integer"} else None)

    def effective_risk(self, intent: ActionIntent) -> RiskLevel:
        """The higher of the catalog's risk and the agent's, if it stated one: an agent can raise
        the risk, never lower it.
        """
        stated = intent.risk_level
        return self.risk_level if stated is None else max(self.risk_level, stated)


Catalog = Mapping[str, Action]
"""Actions by action type."""


def readable(action_type: str) -> str:
    """What people call an action without a label: `ISSUE_REFUND` is `Issue refund`."""
    return action_type.replace("_", " ").strip().capitalize()


def idempotency_key(tenant_id: str, action_intent_id: str) -> str:
    """The key that every try of one intent hands to its tool: stable, 43 characters, and no tenant
    can make another's.
    """
    return "ik_" + sha256(canonical([tenant_id, action_intent_id])).hexdigest()[:40]


def _one_line(message: str) -> str:
    return " ".join(message.split())[:300]
