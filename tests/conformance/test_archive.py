"""An exported file that is not what it should be: refused with its line, and nothing of it is
imported.
"""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from clearance.core.errors import Conflict, Refusal
from clearance.profiles.local import STORE_FILE
from clearance.profiles.place import Place
from clearance.stores.archive.file import LINE_BYTES_MAX, ArchiveReader, line
from clearance.stores.archive.lines import Kind
from tests.conformance.support.moving import History, exported, imported, nothing_in
from tests.support.sample import task
from tests.support.world import opened


def sealed(lines: list[bytes]) -> bytes:
    """The lines with the end line that they would have."""
    counts = dict.fromkeys((kind.value for kind in Kind), 0)
    for one in lines[1:]:
        kind = one.partition(b'"kind":"')[2].partition(b'"')[0].decode()
        if kind in counts:
            counts[kind] += 1
    return b"".join(lines) + line(
        "end", {"counts": counts, "sha256": sha256(b"".join(lines)).hexdigest()}
    )


Attack = Callable[[list[bytes]], list[bytes]]


def numbers(lines: list[bytes], kind: str) -> list[int]:
    return [
        number for number, one in enumerate(lines) if one.startswith(f'{{"kind":"{kind}"'.encode())
    ]


def edit(kind: str, index: int = 0, **changes: Any) -> Attack:
    """One line of a kind with other values; groups by `group__field`."""

    def attack(lines: list[bytes]) -> list[bytes]:
        number = numbers(lines, kind)[index]
        value = json.loads(lines[number])
        for name, new in changes.items():
            group, _, field = name.partition("__")
            (value[group] if field else value)[field or group] = (
                new(value) if callable(new) else new
            )
        lines[number] = line(value.pop("kind"), value)
        return lines

    return attack


def raw(kind: str, change: Callable[[bytes], bytes]) -> Attack:
    """The first line of a kind as other bytes."""

    def attack(lines: list[bytes]) -> list[bytes]:
        number = numbers(lines, kind)[0]
        lines[number] = change(lines[number])
        return lines

    return attack


def without(kind: str) -> Attack:
    return lambda lines: [
        one for number, one in enumerate(lines) if number not in set(numbers(lines, kind))
    ]


def drop(kind: str, index: int) -> Attack:
    def attack(lines: list[bytes]) -> list[bytes]:
        del lines[numbers(lines, kind)[index]]
        return lines

    return attack


def twice(kind: str, **changes: Any) -> Attack:
    """The last line of a kind again, with other values."""

    def attack(lines: list[bytes]) -> list[bytes]:
        number = numbers(lines, kind)[-1]
        lines.insert(number, lines[number])
        return edit(kind, -1, **changes)(lines)

    return attack


def of_nobody(lines: list[bytes]) -> list[bytes]:
    return edit("budget_use", -1, tenant_id="zz-nobody")(lines)


def both_valid(lines: list[bytes]) -> list[bytes]:
    for index in (0, 1):
        lines = edit("api_key", index, name="olga", revoked_at=None)(lines)
    return lines


HOSTILE: Mapping[str, tuple[Attack, str]] = {
    "no JSON": (raw("tenant", lambda _: b"{\n"), "INVALID_ARCHIVE"),
    "no object": (raw("tenant", lambda _: b"[1]\n"), "INVALID_ARCHIVE"),
    "no text": (raw("tenant", lambda _: b'{"kind":"tenant","\xff":1}\n'), "INVALID_ARCHIVE"),
    "deeply nested": (raw("tenant", lambda _: b"[" * 100_000 + b"\n"), "INVALID_ARCHIVE"),
    "an unknown kind": (
        raw("tenant", lambda one: one.replace(b'"tenant"', b'"lodger"', 1)),
        "INVALID_ARCHIVE",
    ),
    "a kind in the wrong place": (lambda lines: [*lines, lines[1]], "INVALID_ARCHIVE"),
    "a kind that is a number": (raw("tenant", lambda _: b'{"kind":1}\n'), "INVALID_ARCHIVE"),
    "another header": (lambda lines: [*lines, lines[0]], "INVALID_ARCHIVE"),
    "text for a number": (edit("entry", position="1"), "INVALID_ARCHIVE"),
    "a flag for a number": (edit("entry", position=True), "INVALID_ARCHIVE"),
    "a fraction": (edit("entry", position=1.0), "INVALID_ARCHIVE"),
    "not a number": (edit("budget_use", used=float("nan")), "INVALID_ARCHIVE"),
    "a negative number": (edit("budget_use", used=-1), "INVALID_ARCHIVE"),
    "a very large number": (edit("budget_use", used=10**400), "INVALID_ARCHIVE"),
    "more than a counter holds": (edit("counter", used=2**63), "INVALID_ARCHIVE"),
    "a window that is none": (edit("counter", window="2026-11-24T12:00:01"), "INVALID_ARCHIVE"),
    "a subject that is none": (edit("counter", subject="acme"), "INVALID_ARCHIVE"),
    "the same counter twice": (twice("counter"), "INVALID_ARCHIVE"),
    "a stop without its entry": (edit("stop", position=9_999), "INVALID_ARCHIVE"),
    "a receipt before its stop": (edit("stop", recorded=1), "INVALID_ARCHIVE"),
    "a receipt that is closed and not there": (edit("stop", recorded=None), "INVALID_ARCHIVE"),
    "a state that is none": (edit("stop", state="7"), "INVALID_ARCHIVE"),
    "the same stop twice": (twice("stop"), "INVALID_ARCHIVE"),
    "an account that is known twice": (twice("known_account"), "INVALID_ARCHIVE"),
    "a likeness that is short": (edit("intent", likeness="ab"), "INVALID_ARCHIVE"),
    "a scope that is none": (edit("api_key", scope="[]"), "INVALID_ARCHIVE"),
    "digits without end": (
        raw("budget_use", lambda one: one[:-2] + b"0" * 9_999 + b"}\n"),
        "INVALID_ARCHIVE",
    ),
    "a zero character": (edit("budget_use", account_id="a\0"), "INVALID_ARCHIVE"),
    "half a surrogate pair": (
        raw("budget_use", lambda one: one.replace(b'"acme"', b'"\\ud800"', 1)),
        "INVALID_ARCHIVE",
    ),
    "an endless name": (edit("budget_use", account_id="a" * 129), "INVALID_ARCHIVE"),
    "null": (edit("tenant", tenant_id=None), "INVALID_ARCHIVE"),
    "a list for text": (edit("api_key", name=["olga"]), "INVALID_ARCHIVE"),
    "odd hexadecimal": (edit("api_key", key_hash="abc"), "INVALID_ARCHIVE"),
    "an unknown role": (edit("api_key", role="god"), "INVALID_ARCHIVE"),
    "an unknown status": (edit("intent", status="DONE"), "INVALID_ARCHIVE"),
    "a hold that is text": (edit("intent", hold="x"), "INVALID_ARCHIVE"),
    "a hold without a state": (edit("intent", hold={"day": "2026-11-24"}), "INVALID_ARCHIVE"),
    "a document that is none": (edit("settings", document="[]"), "INVALID_ARCHIVE"),
    "one more field": (edit("tenant", more=1), "INVALID_ARCHIVE"),
    "fields in another order": (
        raw(
            "tenant",
            lambda one: line(
                "tenant", dict(reversed(json.loads(one).items())) | {"kind": "tenant"}
            ),
        ),
        "INVALID_ARCHIVE",
    ),
    "spaces": (raw("tenant", lambda one: one.replace(b":", b": ", 1)), "INVALID_ARCHIVE"),
    "the same name twice": (
        raw("tenant", lambda one: one.replace(b"}", b',"ledger_size":1}')),
        "INVALID_ARCHIVE",
    ),
    "the same tenant twice": (twice("tenant"), "INVALID_ARCHIVE"),
    "the same entry twice": (twice("entry"), "INVALID_ARCHIVE"),
    "the same intent twice": (twice("intent"), "INVALID_ARCHIVE"),
    "two intents of one id": (twice("intent", intent_no=10_000), "INVALID_ARCHIVE"),
    "two keys of one name": (both_valid, "INVALID_ARCHIVE"),
    "an unknown tenant": (of_nobody, "INVALID_ARCHIVE"),
    "a gap in the ledger": (drop("entry", 5), "INVALID_ARCHIVE"),
    "a ledger that ends early": (drop("entry", -1), "INVALID_ARCHIVE"),
    "a gap in the settings": (drop("settings", 1), "INVALID_ARCHIVE"),
    "an entry of another tenant": (
        edit("entry", -1, body='{"tenant_id":"northwind"}'),
        "INVALID_ARCHIVE",
    ),
    "a reason that is another": (edit("entry_text", text='"Ann"'), "INVALID_ARCHIVE"),
    "a reason with another salt": (edit("entry_text", salt="0" * 32), "INVALID_ARCHIVE"),
    "a reason where the entry binds none": (
        edit("entry_text", -1, name="/z" * 500),
        "INVALID_ARCHIVE",
    ),
    "a reason that became a part": (edit("entry_text", salt=None), "INVALID_ARCHIVE"),
    "parts of an entry that are not there": (drop("entry_text", -1), "INVALID_ARCHIVE"),
    "an entry that is no JSON": (edit("entry", -1, body="x"), "INVALID_ARCHIVE"),
    "an entry about nothing": (edit("entry", -1, intent_no=10_000), "INVALID_ARCHIVE"),
    "an entry about another's intent": (edit("entry", -1, intent_no=1), "INVALID_ARCHIVE"),
    "an intent that is not there": (drop("intent", 3), "INVALID_ARCHIVE"),
    "a revision too many": (
        edit("intent", revision=lambda value: value["revision"] + 1),
        "INVALID_ARCHIVE",
    ),
    "a position behind the ledger": (edit("intent", position=10_000), "INVALID_ARCHIVE"),
    "a decision that is another's": (
        edit(
            "intent",
            -2,
            decision_position=lambda value: value["decision_position"] - 1,
            admitted_position=1,
        ),
        "INVALID_ARCHIVE",
    ),
    "an admission that was elsewhere": (edit("intent", -2, admitted_position=1), "ARCHIVE_DIFFERS"),
    "content that is none": (edit("intent", content="x"), "INVALID_ARCHIVE"),
    "claims that are none": (
        edit("intent", -1, hold={"day": "2026-11-24", "state": "HELD", "claims": "7"}),
        "INVALID_ARCHIVE",
    ),
    "no installation": (without("installation"), "INVALID_ARCHIVE"),
    "two installations": (twice("installation"), "INVALID_ARCHIVE"),
    "no line of everywhere": (
        lambda lines: [one for one in lines if b'"tenant_id":"*"' not in one],
        "INVALID_ARCHIVE",
    ),
    "a line without end": (
        raw("tenant", lambda _: b'{"kind":"tenant","x":"' + b"x" * LINE_BYTES_MAX + b'"}\n'),
        "ARCHIVE_LINE_TOO_LONG",
    ),
}
AT_THE_STORE = {"an admission that was elsewhere": {"postgres": "INVALID_ARCHIVE"}}
"""What one kind of store finds before all is read back."""


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_leaves_nothing(
    history: History, target: Place, name: str
) -> None:
    attack, code = HOSTILE[name]
    kind = "sqlite" if isinstance(target, Path) else "postgres"
    lines = attack(history.lines[:-1])
    assert lines != history.lines[:-1]
    with pytest.raises(Refusal) as refused:
        imported(sealed(lines), target)
    assert refused.value.code == AT_THE_STORE.get(name, {}).get(kind, code), refused.value.sentence
    assert len(refused.value.sentence) < 1_000
    assert nothing_in(target)


@pytest.mark.parametrize(
    ("name", "kind", "index"),
    [
        ("text for a number", "entry", 0),
        ("a fraction", "entry", 0),
        ("one more field", "tenant", 0),
        ("a gap in the ledger", "entry", 5),
        ("two intents of one id", "intent", -1),
        ("two keys of one name", "api_key", 1),
        ("the same tenant twice", "tenant", -1),
        ("an unknown tenant", "budget_use", -1),
    ],
)
def test_the_line_is_named(
    history: History, target: Place, name: str, kind: str, index: int
) -> None:
    lines = HOSTILE[name][0](history.lines[:-1])
    with pytest.raises(Refusal) as refused:
        imported(sealed(lines), target)
    assert refused.value.sentence.startswith(f"Line {numbers(lines, kind)[index] + 1}: ")


def header(**changes: Any) -> Callable[[bytes], bytes]:
    def attack(archive: bytes) -> bytes:
        first, _, rest = archive.partition(b"\n")
        value = {**json.loads(first), **changes}
        return line(value.pop("kind"), value) + rest

    return attack


SPOILT: Mapping[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "ARCHIVE_INCOMPLETE"),
    "an empty line": (lambda _: b"\n", "INVALID_ARCHIVE"),
    "zeros": (lambda _: b"\x00" * 1_000 + b"\n", "INVALID_ARCHIVE"),
    "a database": (lambda _: b"SQLite format 3\x00" * 1_000, "ARCHIVE_INCOMPLETE"),
    "the first half": (lambda one: one[: len(one) // 2], "ARCHIVE_INCOMPLETE"),
    "all but the last byte": (lambda one: one[:-1], "ARCHIVE_INCOMPLETE"),
    "no end": (lambda one: one[: one.rindex(b'{"kind":"end"')], "ARCHIVE_INCOMPLETE"),
    "another account": (lambda one: one.replace(b"globex", b"glowex"), "ARCHIVE_DAMAGED"),
    "something behind the end": (lambda one: one + b"\n", "INVALID_ARCHIVE"),
    "a count": (
        lambda one: one.replace(b'"counts":{"installation":1', b'"counts":{"installation":2'),
        "ARCHIVE_DAMAGED",
    ),
    "a newer format": (header(version=4), "ARCHIVE_TOO_NEW"),
    "a format in words": (header(version="1"), "INVALID_ARCHIVE"),
    "another format": (header(format="another"), "INVALID_ARCHIVE"),
    "another store": (header(store="dynamodb"), "ARCHIVE_DAMAGED"),
}


@pytest.mark.parametrize("name", SPOILT)
def test_a_file_that_is_not_whole_or_was_changed_is_refused(
    history: History, target: Place, name: str
) -> None:
    change, code = SPOILT[name]
    changed = change(history.archive)
    assert changed != history.archive
    with pytest.raises(Refusal) as refused:
        imported(changed, target)
    assert refused.value.code == code, refused.value.sentence
    assert nothing_in(target)


class Endless:
    """An archive with many rows that are made as they are read."""

    def __init__(self, history: History, count: int) -> None:
        head = [
            *history.lines[:2],
            *(history.lines[number] for number in numbers(history.lines, "tenant")),
        ]
        self._lines = self._made(head, count)

    def _made(self, head: list[bytes], count: int) -> Iterator[bytes]:
        yield from head
        for number in range(count):
            row = {
                "tenant_id": "*",
                "account_id": f"{number:09}",
                "day": "2026-11-24",
                "bucket": "actions",
                "used": 1,
            }
            yield line("budget_use", row)

    def readline(self, _: int) -> bytes:
        return next(self._lines, b"")


def test_a_long_archive_takes_no_more_memory_than_a_short_one(history: History) -> None:
    def peak(count: int) -> int:
        reading = ArchiveReader(Endless(history, count))  # type: ignore[arg-type]
        tracemalloc.start()
        with pytest.raises(Refusal, match="not written to its end"):
            for _ in reading.batches():
                pass
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return used

    peak(1_000)
    assert peak(20_000) < peak(4_000) * 1.5


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE intent SET status = 'DONE'", "status must be one of"),
        ("UPDATE intent SET fingerprint = x'00'", "fingerprint must be"),
        (
            "DROP TRIGGER ledger_keeps_entries; UPDATE ledger SET body = x'ff' WHERE intent_no = 1",
            "text that is none",
        ),
    ],
)
def test_a_store_that_no_archive_could_hold_is_not_exported(
    tmp_path: Path, damage: str, said: str
) -> None:
    async def made() -> None:
        async with opened(tmp_path / STORE_FILE) as world:
            await world.propose(task("t1"))
            world.sql(damage)

    asyncio.run(made())
    with pytest.raises(Conflict, match=said) as refused:
        exported(tmp_path)
    assert refused.value.code == "STORE_DAMAGED"
