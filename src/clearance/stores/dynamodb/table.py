"""The table of the DynamoDB store as data: its keys, its indexes, the items that expire, and the
key of every kind of item.

The tests and the deployment make the table from this file, so that they cannot differ. An item's
`pk` begins with its kind, so a grant can name kinds (`LEDGER#*` may be put and never updated or
deleted). Every index is sparse: an intent is in it only while it has the index's attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple
from zlib import crc32

from clearance.core.accounts import look_digest

# Copies of the version of the switches that hold everywhere, so that no item is every tenant's
EVERYWHERE_SHARDS = 16
QUEUE_SHARDS = (
    16  # parts of the queues across tenants, each with the write rate of one index partition
)
POSITION_DIGITS = 16  # so that positions sort as text
POSITION_MAX = 10**POSITION_DIGITS - 1
MOMENT_DIGITS = 15  # of milliseconds since 1970: the latest moment there is has 15
VERSION_DIGITS = 10
SORT_KEY_BYTES_MAX = 1024  # DynamoDB's own
THE_TENANT = "{}"
"""The subject of the counters of a tenant as a whole."""

TTL_ATTRIBUTE = "ttl"
"""Seconds since 1970 after which DynamoDB may delete the item.

Only page sessions, and counters of windows long past, have it.
"""

TIMELINE, OPEN, QUEUE, DUE = "timeline", "open", "queue", "due"


def _index(name: str, partition: str, sort: str, *included: str) -> dict[str, Any]:
    projection: dict[str, Any] = {"ProjectionType": "KEYS_ONLY"}
    if included:
        projection = {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(included)}
    keys = [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
    return {"IndexName": name, "KeySchema": keys, "Projection": projection}


TABLE: Mapping[str, Any] = {
    "BillingMode": "PAY_PER_REQUEST",
    "KeySchema": [
        {"AttributeName": "pk", "KeyType": "HASH"},
        {"AttributeName": "sk", "KeyType": "RANGE"},
    ],
    "AttributeDefinitions": [
        {"AttributeName": "pk", "AttributeType": "S"},
        {"AttributeName": "sk", "AttributeType": "S"},
        {"AttributeName": "timeline", "AttributeType": "S"},
        {"AttributeName": "position", "AttributeType": "N"},
        {"AttributeName": "open", "AttributeType": "S"},
        {"AttributeName": "open_order", "AttributeType": "S"},
        {"AttributeName": "queue", "AttributeType": "S"},
        {"AttributeName": "queue_order", "AttributeType": "S"},
        {"AttributeName": "due", "AttributeType": "S"},
        {"AttributeName": "due_at", "AttributeType": "N"},
    ],
    "GlobalSecondaryIndexes": [
        # Every intent of a tenant by its latest fact.
        _index(
            TIMELINE,
            "timeline",
            "position",
            "account_id",
            "action_type",
            "status",
            "changed_at",
            "approval_source",
        ),
        # The intents of a tenant that are not terminal, by state and then by admission.
        _index(OPEN, "open", "open_order"),
        # Intents that are APPROVED or RUNNING, of all tenants, in shards, by admission.
        _index(
            *(QUEUE, "queue", "queue_order"),
            *(
                "tenant_id",
                "action_intent_id",
                "action_type",
                "approval_source",
                "worker",
                "lease_until",
            ),
        ),
        # Intents that expire if nothing else happens to them, of all tenants, in shards.
        _index(
            DUE, "due", "due_at", "tenant_id", "action_intent_id", "action_type", "approval_source"
        ),
    ],
}
"""The arguments of CreateTable, without a name.

What a person decides for an account (backups, deletion protection, keys of their own) is the
deployment's.
"""


class Key(NamedTuple):
    """The primary key of one item."""

    pk: str
    sk: str


INSTALLATION = Key("INSTALLATION", "INSTALLATION")
TENANTS = "TENANTS"


def head(tenant_id: str) -> Key:
    """The tenant's lock: the size of its ledger and the version of its settings.

    Every transition moves it.
    """
    return Key(f"HEAD#{tenant_id}", "HEAD")


def everywhere(shard: int) -> Key:
    """One copy of the version of the switches that hold everywhere."""
    return Key(f"EVERYWHERE#{shard:02}", "EVERYWHERE")


def everywhere_of(tenant_id: str) -> Key:
    """The copy that a tenant's transitions check."""
    return everywhere(crc32(tenant_id.encode()) % EVERYWHERE_SHARDS)


def tenant(tenant_id: str) -> Key:
    """Says that the tenant has settings."""
    return Key(TENANTS, tenant_id)


def settings(tenant_id: str, version: int, part: int) -> Key:
    """A part of one version of a tenant's settings document."""
    return Key(f"SETTINGS#{tenant_id}", f"{version:0{VERSION_DIGITS}}#{part:04}")


def tool(tenant_id: str, digest: str, part: int) -> Key:
    """A part of a tool as it was pinned. Versions begin with a digit, so no key is a version's."""
    return Key(settings(tenant_id, 0, 0).pk, f"tool#{digest}#{part:04}")


def ledger_of(tenant_id: str) -> str:
    """The partition key of a tenant's ledger."""
    return f"LEDGER#{tenant_id}"


def position_text(position: int) -> str:
    """A ledger position, so that it sorts as text."""
    return f"{position:0{POSITION_DIGITS}}"


def ledger(tenant_id: str, position: int) -> Key:
    """One ledger entry."""
    return Key(ledger_of(tenant_id), position_text(position))


def ledger_text(tenant_id: str, position: int, name: str, part: int) -> Key:
    """A part of a text that stands beside a ledger entry."""
    return Key(f"TEXT#{tenant_id}", f"{position_text(position)}#{part:04}#{name}")


def intent(tenant_id: str, action_intent_id: str) -> Key:
    """An intent as it is now. An id has no `#`, so that no two tenants share a key."""
    return Key(f"INTENT#{tenant_id}#{action_intent_id}", "INTENT")


def content(tenant_id: str, action_intent_id: str) -> Key:
    """The agent's words about an intent, in an item of their own, so that a step of the intent does
    not pay for it again.
    """
    return Key(intent(tenant_id, action_intent_id).pk, "CONTENT")


def mark(tenant_id: str, action_intent_id: str, attempt: int) -> Key:
    """The calls that the tries of an attempt may have sent: a kind of its own, since a caller of
    tools writes no intents.
    """
    return Key(f"MARK#{tenant_id}#{action_intent_id}", f"{attempt:0{VERSION_DIGITS}}")


def budget(tenant_id: str, account_id: str, day: str) -> Key:
    """The counters of one account and day.

    A day has ten characters, so that no two accounts share a key.
    """
    return Key(f"BUDGET#{tenant_id}", f"{day}#{account_id}")


def counters(tenant_id: str, subject: str) -> Key:
    """The current counters of one subject, side by side; those of the tenant are in its HEAD."""
    return head(tenant_id) if subject == THE_TENANT else _guard(tenant_id, f"counter#{subject}")


def past_window(tenant_id: str, subject: str, window: str) -> Key:
    """A counter of which the window is past."""
    return _guard(tenant_id, f"past#{window}#{subject}")


OPEN_STOPS = "#stops"
"""The partition of the index of open intents in which the stops are whose receipt is not closed. No
tenant has this name.
"""


def stop(tenant_id: str, at: int, position: int) -> Key:
    """A stop, by its moment."""
    return Key(f"STOP#{tenant_id}", f"{at:0{MOMENT_DIGITS}}#{position_text(position)}")


def stop_text(tenant_id: str, entry: int, part: int) -> Key:
    """A part of a stop's state since one of its entries. It sorts behind every moment."""
    return Key(f"STOP#{tenant_id}", f"text#{position_text(entry)}#{part:04}")


def waiting(tenant_id: str, proposed_by: str) -> Key:
    """How many intents of an actor wait for a person."""
    return _guard(tenant_id, f"waiting#{proposed_by}")


def alike(tenant_id: str, likeness: bytes) -> Key:
    """What is known of the intents of one likeness."""
    return _guard(tenant_id, f"likeness#{likeness.hex()}")


def same_call(tenant_id: str, call: bytes) -> Key:
    """The intents of the same call that waited when they were last written."""
    return _guard(tenant_id, f"call#{call.hex()}")


def known_account(tenant_id: str, account_id: str) -> Key:
    """The account that an admission made known, of all that look like this one."""
    return _guard(tenant_id, f"account#{look_digest(account_id).hex()}")


def _guard(tenant_id: str, name: str) -> Key:
    """What an admission has to know of others. A longer name than DynamoDB takes is digested."""
    if len(name.encode()) > SORT_KEY_BYTES_MAX:
        name = f"{name.partition('#')[0]}##{sha256(name.encode()).hexdigest()}"
    return Key(f"GUARD#{tenant_id}", name)


def api_key(key_id: str) -> Key:
    """A credential, valid or revoked."""
    return Key(f"KEY#{key_id}", "KEY")


def api_key_hash(key_hash: bytes) -> Key:
    """Leads from a credential's hash to the credential."""
    return Key(f"KEYHASH#{key_hash.hex()}", "KEYHASH")


def api_keys_of(tenant_id: str) -> str:
    """The partition key of what lists a tenant's credentials."""
    return f"KEYS#{tenant_id}"


def api_key_id(tenant_id: str, key_id: str) -> Key:
    """Says that a credential is a tenant's."""
    return Key(api_keys_of(tenant_id), f"{ID_PREFIX}{key_id}")


def api_key_name(tenant_id: str, name: str) -> Key:
    """Keeps a name to one valid credential."""
    return Key(api_keys_of(tenant_id), f"NAME#{name}")


ID_PREFIX = "ID#"


def session(token_hash: bytes) -> Key:
    """A signed-in browser."""
    return Key(f"SESSION#{token_hash.hex()}", "SESSION")


def queue_shard(tenant_id: str, action_intent_id: str) -> str:
    """Which part of the queues an intent is in, as the two digits that end the part's name."""
    return f"{crc32(f'{tenant_id}#{action_intent_id}'.encode()) % QUEUE_SHARDS:02}"
