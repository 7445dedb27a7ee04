"""A small believable tenant that tests share: settings, policy, and ways to move its clock and to
see what its tools were asked.
"""

from __future__ import annotations

import asyncio
import copy
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from zlib import crc32

from clearance.core.catalog import ToolServer
from clearance.core.credential import principal_of
from clearance.core.intent import RiskLevel
from clearance.core.principal import Permission, Principal, Role
from clearance.core.tool_pin import pin_of
from clearance.flow.ports.due import Due
from clearance.flow.ports.tools import Cleared, ToolAnswer, ToolCall, ToolDescription, ToolList
from clearance.flow.requests import Proposal

TENANT = "northwind"
NOON = 1_795_521_600_000  # 2026-11-24T12:00:00Z

POLICY = """
@id("tasks") @reason("TASKS_ALLOWED") @explanation("Tasks may be created.")
permit(principal, action == Action::"CREATE_TASK", resource);

@id("sure-enough") @reason("CONFIDENCE_TOO_LOW") @explanation("Below 0.80 a person must look.")
forbid(principal, action, resource) when { context.unattended && context.confidence_bp < 8000 };

@id("refunds") @reason("REFUNDS_ALLOWED") @explanation("Refunds may be issued.")
permit(principal, action == Action::"ISSUE_REFUND", resource);

@id("large-refunds") @reason("REFUND_OVER_SOFT_CAP")
@explanation("Refunds above 500.00 need a person.")
forbid(principal, action == Action::"ISSUE_REFUND", resource)
when { context.unattended && context.parameters.amount_minor > 50000 };

@id("absurd-refunds") @reason("REFUND_OVER_HARD_CAP")
@explanation("Refunds above 5000.00 are never issued here.")
forbid(principal, action == Action::"ISSUE_REFUND", resource)
when { context.parameters.amount_minor > 500000 };

@id("mails") @reason("MAILS_ALLOWED") @explanation("Mails may be sent.")
permit(principal, action == Action::"SEND_MAIL", resource);
"""

ACCOUNTS = ("acme", "globex", "initech", "hooli", "other", *(f"account-{n}" for n in range(100)))
"""The accounts that are known here."""


def account_of(name: str) -> str:
    """One of the accounts that are known: always the same for a name, mostly others for others."""
    return f"account-{crc32(name.encode()) % 100}"


DOCUMENT: Mapping[str, Any] = {
    "tool_servers": {
        "crm": {"command": ["python", "-m", "clearance.demo.crm"], "deadline_seconds": 2}
    },
    "catalog": {
        "CREATE_TASK": {
            "tool": "crm.create_task",
            "risk_level": "LOW",
            "effect": "keyed",
            "idempotency_argument": "request_id",
            "parameters": {
                "type": "object",
                "required": ["title"],
                "properties": {"title": {"type": "string", "maxLength": 200}},
                "additionalProperties": False,
            },
            "arguments": {"account": "{account_id}"},
            "sentence": "created the task '{title}' for {account_id}",
            "proposal": "create the task '{title}' for {account_id}",
            "approval": {"expires_after": "72h"},
        },
        "ISSUE_REFUND": {
            "tool": "crm.issue_refund",
            "risk_level": "MEDIUM",
            "effect": "keyed",
            "idempotency_argument": "request_id",
            "spends": "amount_minor",
            "parameters": {
                "type": "object",
                "required": ["order_id", "amount_minor"],
                "properties": {
                    "order_id": {"type": "string", "maxLength": 40},
                    "amount_minor": {"type": "integer", "minimum": 1, "maximum": 10_000_000},
                },
                "additionalProperties": False,
            },
            "arguments": {"account": "{account_id}"},
            "sentence": "refunded {amount_minor} for {order_id}",
            "proposal": "refund {amount_minor} for {order_id}",
        },
        "SEND_MAIL": {
            "tool": "crm.send_mail",
            "risk_level": "LOW",
            "effect": "at_most_once",
            "parameters": {
                "type": "object",
                "required": ["to", "subject", "body"],
                "properties": {
                    "to": {"type": "string", "maxLength": 200},
                    "subject": {"type": "string", "maxLength": 200},
                    "body": {"type": "string", "maxLength": 2000},
                },
                "additionalProperties": False,
            },
            "arguments": {"account": "{account_id}"},
            "sentence": "sent '{subject}' to {to}",
            "proposal": "send '{subject}' to {to}",
        },
    },
    "autonomy": {
        "allowlist": ["CREATE_TASK", "ISSUE_REFUND", "SEND_MAIL"],
        "modes": [{"mode": "AUTO_EXECUTE"}],
        "budgets": [
            {"max_per_day": 1000, "zone": "UTC"},
            {
                "account": "acme",
                "max_per_day": 10,
                "max_per_day_by_action_type": {"SEND_MAIL": 2},
                "max_amount_per_day_by_action_type": {"ISSUE_REFUND": 100_000},
            },
        ],
        "accounts": [*ACCOUNTS],
    },
    "policy": POLICY,
}


def as_written(switches: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Stop switches without what Clearance itself writes about them."""
    about = {"set_by", "set_at", "lifted_by"}
    return [
        {name: value for name, value in switch.items() if name not in about} for switch in switches
    ]


def document(**autonomy: Any) -> dict[str, Any]:
    """The settings document, with parts of `autonomy` replaced."""
    copied = copy.deepcopy(dict(DOCUMENT))
    copied["autonomy"] |= autonomy
    return copied


AGENT = principal_of(TENANT, "agent-ada", Role.AGENT)
OTHER_AGENT = principal_of(TENANT, "agent-bob", Role.AGENT)
APPROVER = principal_of(TENANT, "olga", Role.APPROVER)
OWNER = principal_of(TENANT, "owner", Role.OWNER)
STRANGER = Principal("other-tenant", "mallory", OWNER.kind, frozenset(Permission))


def task(action_intent_id: str | None = None, **changes: Any) -> Proposal:
    """A proposal that the gate answers with AUTO_EXECUTE, unless `changes` say otherwise."""
    said: dict[str, Any] = {
        "account_id": "acme",
        "action_type": "CREATE_TASK",
        "confidence_score": 0.95,
        "risk_level": RiskLevel.LOW,
        "parameters": {"title": "Renewal call"},
        "action_intent_id": action_intent_id,
    }
    return Proposal(**(said | changes))


def refund(
    action_intent_id: str | None = None, amount_minor: int = 1_000, **changes: Any
) -> Proposal:
    """A refund, by default a small one that runs alone."""
    parameters = {"order_id": "ORD-1", "amount_minor": amount_minor}
    return task(
        action_intent_id, **({"action_type": "ISSUE_REFUND", "parameters": parameters} | changes)
    )


def mail(action_intent_id: str | None = None, **changes: Any) -> Proposal:
    """A mail: a tool that may not be called twice."""
    parameters = {"to": "ann@example.com", "subject": "Hello", "body": "Good morning"}
    return task(
        action_intent_id, **({"action_type": "SEND_MAIL", "parameters": parameters} | changes)
    )


@dataclass
class FakeClock:
    """A clock that stands still until a test moves it."""

    now: int = NOON

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> int:
        return self.now

    def new_id(self) -> str:
        return secrets.token_hex(16)

    def forward(self, milliseconds: int) -> None:
        self.now += milliseconds


@dataclass
class RecordingTools:
    """Tools that do what a test tells them to, and remember every call that reached them."""

    calls: list[ToolCall] = field(default_factory=list)
    behave: Callable[[ToolCall], Awaitable[Any]] | None = None
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object"})

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        pinned = pin_of(self.schema)
        names = ("create_task", "issue_refund", "send_mail", "delete_task")
        tools = {name: ToolDescription(name, name, self.schema, pinned) for name in names}
        return ToolList(server.name, tools)

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        await cleared()
        self.calls.append(call)
        await asyncio.sleep(0)
        if self.behave is not None:
            return ToolAnswer(await self.behave(call))
        return ToolAnswer({"ok": True})

    async def close(self) -> None:
        pass

    def by_key(self) -> Counter[str]:
        """How often each idempotency key reached a tool."""
        return Counter(call.idempotency_key for call in self.calls)


@dataclass
class NoEngine:
    """An engine that loses every hint."""

    hints: list[str] = field(default_factory=list)

    def hint(self, due: Due) -> None:
        self.hints.append(due.action_intent_id)
