"""What the core says, and what has to say it again: the client and the command line, which import
none of the core, the wire, whose types are literals, the pages' words, and the SQL of migrations.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from itertools import chain
from typing import Any, get_args

import pytest

from clearance import client
from clearance.api import keys, wire
from clearance.cli import inbox, intents, output, server
from clearance.cli.record import Status
from clearance.cli.views.intents import DECISION_TONES
from clearance.core import record
from clearance.core.approval import ApprovalState, RulingKind
from clearance.core.budget import HoldState
from clearance.core.catalog import Effect
from clearance.core.decision import Answer
from clearance.core.intent import RiskLevel
from clearance.core.outcome import OutcomeStatus, Sent
from clearance.core.principal import EVERYWHERE, ActorKind, Role
from clearance.core.record import IntentStatus
from clearance.flow.review import RECONCILABLE
from clearance.web import presenting, timeline_filter
from tests.tidy.pages import ROOT

SOURCE = ROOT / "src" / "clearance"
MIGRATIONS = sorted(SOURCE.glob("stores/*/migrations/*.sql"))


def literal(model: Any, field: str) -> set[str]:
    """What the type of a field on the wire allows, None left out."""
    allowed = model.model_fields[field].annotation
    nested = chain.from_iterable(get_args(part) or (part,) for part in get_args(allowed))
    return {name for name in nested if isinstance(name, str)}


STATUSES = set(IntentStatus)
COPIES: dict[str, tuple[Iterable[str], Iterable[str]]] = {
    "the wire's statuses": (get_args(wire.StatusName), STATUSES),
    "the wire's outcomes": (literal(wire.OutcomeResource, "status"), OutcomeStatus),
    "the timeline's outcomes": (literal(wire.TimelineItem, "outcome_status"), OutcomeStatus),
    "the wire's approvals": (literal(wire.ApprovalResource, "state"), ApprovalState),
    "the wire's rulings": (literal(wire.RulingResource, "ruling"), RulingKind),
    "what rules on the wire": (literal(wire.RulingBody, "ruling"), RulingKind),
    "what reconciles on the wire": (literal(wire.ReconciliationBody, "status"), RECONCILABLE),
    "the wire's holds": (literal(wire.BudgetHold, "state"), HoldState),
    "what the wire knows of a call": (literal(wire.OutcomeError, "sent"), Sent),
    "the wire's effects": (literal(wire.ApprovalItem, "effect"), Effect),
    "the wire's actors": (literal(keys.WhoAmI, "kind"), ActorKind),
    "the wire's risks": (get_args(wire.RiskName), (risk.name for risk in RiskLevel)),
    "the wire's decisions": (get_args(wire.AnswerName), Answer),
    "the wire's roles": (get_args(wire.RoleName), Role),
    "the client's intents under way": (client.UNDER_WAY, record.UNDER_WAY),
    "the client's waiting intents": ([client.AWAITING_APPROVAL], [IntentStatus.AWAITING_APPROVAL]),
    "the option --status": (Status, STATUSES),
    "the option --status of reconcile": (
        (status.value.upper() for status in inbox.ReconciledStatus),
        RECONCILABLE,
    ),
    "the option --risk": (get_args(intents.Risk), (risk.name for risk in RiskLevel)),
    "what `propose` answers with 1": (
        server.NOT_TO_BE,
        STATUSES - {*record.UNDER_WAY, IntentStatus.AWAITING_APPROVAL, IntentStatus.SUCCEEDED},
    ),
    "the terminal's colours": (output.STATUS_TONES, STATUSES),
    "the terminal's colours of decisions": (DECISION_TONES, Answer),
    "the pages' words": (presenting._WORDS, STATUSES),
    "the filters of the timeline": (
        chain.from_iterable(statuses for _, statuses in timeline_filter.OUTCOMES.values()),
        STATUSES,
    ),
}
"""Each copy by name: what it has, and what the core has. A copy may have nothing twice."""


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_has_what_the_core_has(name: str) -> None:
    copy, core = COPIES[name]
    assert sorted(map(str, copy)) == sorted(map(str, core))


@pytest.mark.parametrize("migrations", ["sqlite", "postgres"])
def test_the_indexes_of_open_intents_have_the_core_s_states_in_its_order(migrations: str) -> None:
    """SQLite uses a partial index only for a query that says its condition in the same words."""
    script = "".join(path.read_text() for path in MIGRATIONS if migrations in path.parts)
    [listed] = re.findall(r"CREATE INDEX intent_under_way ON [^;]*status IN \(([^)]*)\);", script)
    assert re.findall(r"'(\w+)'", listed) == [status.value for status in record.OPEN]
    for states in re.findall(r"CREATE INDEX intent_queue ON [^;]*status IN \(([^)]*)\);", script):
        assert re.findall(r"'(\w+)'", states) == [status.value for status in record.UNDER_WAY]


def test_the_tenant_of_what_holds_everywhere_is_written_once_and_in_migrations() -> None:
    scripts = {path: path.read_text() for path in MIGRATIONS}
    compared = {
        name
        for script in scripts.values()
        for name in re.findall(r"tenant_id = '([^']*)'|IN \(tenant_id, '([^']*)'\)", script)
    }
    assert compared == {(EVERYWHERE, ""), ("", EVERYWHERE)}
    again = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and (
            f"'{EVERYWHERE}'" in node.value
            or (
                node.value == EVERYWHERE and path.relative_to(SOURCE).parts[0] in {"flow", "stores"}
            )
        )
    }
    assert again == set()
