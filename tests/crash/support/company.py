"""The two tenants that a torture run acts for: their settings, their people's keys, and what their
agents propose, from a seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clearance.core.principal import Role

TENANTS = ("northwind", "southwind")
"""Both use the same names for intents, accounts and people: whatever mixes them up is seen."""

PEOPLE: dict[str, Role] = {
    "agent-ada": Role.AGENT,
    "agent-bob": Role.AGENT,
    "olga": Role.APPROVER,
    "otto": Role.APPROVER,
    "olivia": Role.OWNER,
}
AGENTS = ("agent-ada", "agent-bob")
RULERS = ("olga", "otto")
OWNER = "olivia"

ACCOUNTS = ("hot", "a1", "a2", "a3", "a4", "careful", "closed", "poor")
"""`hot` meets every second proposal; `careful` asks a person for everything; `closed` blocks;
`poor` has hardly any budget.
"""

AGAIN = 20
"""How many different acts are proposed again and again."""
INVENTED = "new-"
"""How the accounts begin that agents make up: each of them would have a budget of its own."""

EFFECTS = {
    "LOOK_UP": "read",
    "CREATE_TASK": "keyed",
    "ISSUE_REFUND": "keyed",
    "SET_FIELD": "idempotent",
    "SEND_MAIL": "at_most_once",
}
TOOLS = {
    "LOOK_UP": "look_up",
    "CREATE_TASK": "create_task",
    "ISSUE_REFUND": "issue_refund",
    "SET_FIELD": "set_field",
    "SEND_MAIL": "send_mail",
}

POLICY = """
@id("acts") @reason("ACTS_ALLOWED") @explanation("These may be done.")
permit(principal, action in [Action::"CREATE_TASK", Action::"ISSUE_REFUND", Action::"SET_FIELD",
Action::"SEND_MAIL", Action::"LOOK_UP"], resource);

@id("sure-enough") @reason("CONFIDENCE_TOO_LOW") @explanation("Below 0.80 a person must look.")
forbid(principal, action, resource) when { context.unattended && context.confidence_bp < 8000 };

@id("large-refunds") @reason("REFUND_OVER_SOFT_CAP")
@explanation("Refunds above 900.00 need a person.")
forbid(principal, action == Action::"ISSUE_REFUND", resource)
when { context.unattended && context.parameters.amount_minor > 90000 };

@id("absurd-refunds") @reason("REFUND_OVER_HARD_CAP")
@explanation("Refunds above 5000.00 are never issued here.")
forbid(principal, action == Action::"ISSUE_REFUND", resource)
when { context.parameters.amount_minor > 500000 };
"""

_TEXT = {"type": "string", "maxLength": 200}
_PARAMETERS: dict[str, dict[str, Any]] = {
    "LOOK_UP": {"name": _TEXT},
    "CREATE_TASK": {"title": _TEXT},
    "ISSUE_REFUND": {
        "order_id": _TEXT,
        "amount_minor": {
            "type": "integer",
            "minimum": 1,
            "maximum": 10_000_000,
            "x-scale": 100,
            "x-unit": "EUR",
        },
    },
    "SET_FIELD": {"name": _TEXT, "value": _TEXT},
    "SEND_MAIL": {"to": _TEXT, "body": _TEXT},
}


def key_of(tenant_id: str, name: str) -> str:
    """The API key of a person or an agent: nothing secret, for a run on this machine alone."""
    return f"torture-{tenant_id}-{name}-0123456789abcdef"


def budgets(most: int, poor: int = 3) -> list[dict[str, Any]]:
    """The budget rules: `most` acts a day for each account, a third of them mails; refunds up to
    50.00 for each act.
    """
    return [
        {
            "max_per_day": most,
            "max_per_day_by_action_type": {"SEND_MAIL": max(most // 3, 1)},
            "max_amount_per_day_by_action_type": {"ISSUE_REFUND": most * 5_000},
        },
        {"account": "poor", "max_per_day": poor},
    ]


def limits(ceiling: int) -> list[dict[str, Any]]:
    """The limits of a tenant that may do `ceiling` acts alone in a day, whatever the accounts are,
    in windows of every length.
    """
    return [
        {"for": "tenant", "per": "day", "actions": ceiling},
        {"for": "each agent", "per": "month", "actions": ceiling * 2 // 3},
        {"for": "each agent and account", "per": "minute", "actions": max(ceiling // 8, 1)},
        {"for": "each agent", "per": "minute", "reads": max(ceiling // 4, 1)},
        {"for": "tenant", "per": "hour", "amount": {"EUR": ceiling * 2_000}},
    ]


def waiting_max(ceiling: int) -> int:
    """How many intents of one agent may wait for people."""
    return max(ceiling // 10, 10)


def document(
    tenant_id: str, tool_server: str, deadline_seconds: int, most: int, ceiling: int = 1_000
) -> dict[str, Any]:
    """The settings document of a tenant whose tools are at `tool_server`, an address without a
    path.
    """
    catalog = {}
    for action_type, properties in _PARAMETERS.items():
        catalog[action_type] = {
            "tool": f"crm.{TOOLS[action_type]}",
            "risk_level": "LOW",
            "effect": EFFECTS[action_type],
            "parameters": {
                "type": "object",
                "required": list(properties),
                "properties": properties,
                "additionalProperties": False,
            },
            "arguments": {"account": "{account_id}", "intent": "{action_intent_id}"},
            "sentence": f"did {action_type} for {{account_id}}",
        }
        if EFFECTS[action_type] == "keyed":
            catalog[action_type]["idempotency_argument"] = "request_id"
    catalog["ISSUE_REFUND"]["spends"] = "amount_minor"
    server = {
        "url": f"{tool_server}/{tenant_id}",
        "deadline_seconds": deadline_seconds,
        "concurrency_max": 16,
    }
    return {
        "tool_servers": {"crm": server},
        "catalog": catalog,
        "autonomy": {
            "allowlist": list(EFFECTS),
            "modes": [
                {"mode": "AUTO_EXECUTE"},
                {"mode": "APPROVAL_REQUIRED", "account": "careful"},
                {"mode": "DISABLED", "account": "closed"},
            ],
            "budgets": budgets(most),
            # A crowd is no flood here: the rates of each process are not what is tried.
            "quotas": {
                "proposals_per_minute": 1_000_000,
                "proposals_per_minute_each_credential": 1_000_000,
                "waiting_each_agent": waiting_max(ceiling),
            },
            "limits": limits(ceiling),
            "accounts": [*ACCOUNTS, {"match": f"{INVENTED}[a-z0-9-]+", "new_per_day": 3 * ceiling}],
        },
        "policy": POLICY,
    }


def filling(number: int) -> dict[str, Any]:
    """One more act on one more account that the agent made up, which policy lets run alone."""
    name = f"fill-{number:05d}"
    return {
        "action_intent_id": name,
        "account_id": f"{INVENTED}{name}",
        "action_type": "CREATE_TASK",
        "parameters": {"title": name},
        "confidence_score": 0.95,
        "risk_level": "LOW",
    }


@dataclass(frozen=True)
class Plan:
    """One intent that a client will propose: what it says, and what the agent does about it later.

    `once`: it is sent again only if no answer came. A repeat would bring back an intent that was
    acknowledged and lost."""

    tenant_id: str
    agent: str
    said: dict[str, Any]
    withdraws: bool
    once: bool


def plan(seed: int, tenant_id: str, action_intent_id: str) -> Plan:
    """What is proposed under an id: always the same for the same seed, but for when it expires."""
    drawn = random.Random(f"{seed}:{tenant_id}:{action_intent_id}")
    action_type = drawn.choices([*EFFECTS, "LAUNCH_ROCKET"], [10, 40, 16, 13, 19, 2])[0]
    parameters: dict[str, Any] = {
        "LOOK_UP": {"name": action_intent_id},
        "CREATE_TASK": {"title": f"{tenant_id} {action_intent_id}"},
        "ISSUE_REFUND": {
            "order_id": f"ORD-{action_intent_id}",
            "amount_minor": drawn.choice([900, 4_000, 95_000, 600_000]),
        },
        "SET_FIELD": {
            "name": f"field-{action_intent_id}",
            "value": f"{tenant_id}-{drawn.randrange(1000)}",
        },
        "SEND_MAIL": {"to": f"{action_intent_id}@example.com", "body": tenant_id},
        "LAUNCH_ROCKET": {},
    }[action_type]
    said: dict[str, Any] = {
        "action_intent_id": action_intent_id,
        "account_id": drawn.choices(
            (*ACCOUNTS, f"{INVENTED}{action_intent_id}"), [40, 8, 8, 8, 6, 5, 3, 3, 19]
        )[0],
        "action_type": action_type,
        "parameters": parameters,
        "confidence_score": drawn.choices([0.95, 0.5], [94, 6])[0],
        "risk_level": "LOW",
    }
    if drawn.random() < 0.12:  # the same act as many others, which a person may reject
        title = f"{tenant_id} {drawn.randrange(AGAIN)}"
        again = {"account_id": "a4", "action_type": "CREATE_TASK", "parameters": {"title": title}}
        said |= again
    if drawn.random() < 0.06:
        said["expires_at"] = datetime.now(UTC) + timedelta(seconds=drawn.uniform(1, 20))  # noqa: TID251 - a client's clock
    return Plan(
        tenant_id,
        drawn.choice(AGENTS),
        said,
        withdraws=drawn.random() < 0.04,
        once=drawn.random() < 0.1,
    )
