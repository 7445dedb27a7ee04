"""An archive: every fact of a store, as lines of JSON that every store writes and reads alike.

One idea: a fact has one line, and a line is written in one way. So a store that was filled from an
archive and is written out again gives the very same lines, and one digest proves that nothing was
lost, added or changed, whichever store wrote it. An archive holds no page sessions, so people sign
in again. Nor does it repeat the facts that only the ledger remembers: earlier approvals and
attempts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from itertools import groupby
from typing import BinaryIO, Protocol, TypeAlias

from clearance.core.canonical import Json
from clearance.core.errors import Conflict, InvalidInput, Refusal
from clearance.core.ledger import Entry, EntryText
from clearance.core.principal import EVERYWHERE
from clearance.stores import codec
from clearance.stores.archive.lines import (
    NEWEST,
    Kind,
    Row,
    as_format,
    as_newest,
    kinds,
    problem,
)
from clearance.stores.codec import Kept

FORMAT = "clearance archive"
NAME_SHOWN_MAX = 200  # characters of a text's name in a refusal
LINE_BYTES_MAX = 8 * 1024**2  # of one line, its end included
BATCH_ROWS_MAX = 1_000  # that a store is given at once
BATCH_BYTES_MAX = 4 * 1024**2  # of lines, after which a batch is full; the last line may pass it

Values: TypeAlias = tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What an archive has: the kind of store that it came from, how many rows of each kind, and the
    digest of its lines.
    """

    store: str
    counts: Mapping[str, int]
    sha256: str


class Source(Protocol):
    """One moment of a store, for as long as it is held."""

    store: str

    def rows(self, kind: Kind) -> Iterator[Row]:
        """Every row of a kind, in the order of `ORDER`; rows of the kind `intent` in that of their
        admission.
        """


class Target(Source, Protocol):
    """An empty store in a transaction that is committed only if nothing was refused."""

    def put(self, kind: Kind, batch: Sequence[Row]) -> None:
        """Stores rows; NotTaken says which one it cannot."""

    def check(self) -> None:
        """Raises InvalidInput if facts do not belong together: an entry without its intent, an
        intent without its entries.
        """

    def records(self) -> Iterator[Kept]:
        """Every intent as `codec.record` reads it."""


class NotTaken(Exception):
    """A store cannot keep a row: the `index`th of its batch, from 0.

    The sentence goes on from `Line n: `.
    """

    def __init__(self, index: int, sentence: str) -> None:
        super().__init__(sentence)
        self.index = index
        self.sentence = sentence


def line(kind: str, row: Mapping[str, Json]) -> bytes:
    """A row as its line. UnicodeEncodeError for half of a surrogate pair."""
    return (
        json.dumps({"kind": kind, **row}, ensure_ascii=False, separators=(",", ":")) + "\n"
    ).encode()


# Out of a store


def write(source: Source, file: BinaryIO) -> Summary:
    """Writes everything that a store knows.

    Conflict (`STORE_DAMAGED`) if it has what no archive may have.
    """
    head = {
        "format": FORMAT,
        "version": NEWEST,
        "software": version("clearance"),
        "store": source.store,
    }
    first = line("header", head)
    file.write(first)
    digest = sha256(first)
    counts = dict.fromkeys((kind.value for kind in Kind), 0)
    for kind in Kind:
        for written in _written(source, kind):
            digest.update(written)
            file.write(written)
            counts[kind] += 1
    summary = Summary(source.store, counts, digest.hexdigest())
    file.write(line("end", {"counts": counts, "sha256": summary.sha256}))
    return summary


def _written(source: Source, kind: Kind) -> Iterator[bytes]:
    """The lines of a kind, each as `ArchiveReader` takes it."""
    try:
        for row in source.rows(kind):
            if wrong := problem(kind, row):
                sentence = f"The store has a row of the kind {kind} whose {wrong}"
                raise Conflict(sentence, code="STORE_DAMAGED")
            yield line(kind, row)
    except UnicodeError:
        sentence = f"The store has a row of the kind {kind} with text that is none."
        raise Conflict(sentence, code="STORE_DAMAGED") from None


# Into a store


def fill(target: Target, file: BinaryIO) -> Summary:
    """Puts an archive into an empty store, and looks at what is there then.

    The holder of the transaction commits it.

    InvalidInput for an archive that is not whole, not as it was written, or whose facts do not
    belong together.
    """
    reading = ArchiveReader(file)
    for batch in reading.batches():
        try:
            target.put(batch.kind, batch.rows)
        except NotTaken as refused:
            raise invalid(batch.first_line + refused.index, refused.sentence) from None
    target.check()
    _check_records(target, reading.counts[Kind.INTENT])
    _check_texts(target)
    digest = sha256(reading.first)
    for kind in kinds(reading.version):
        for row in target.rows(kind):
            digest.update(line(kind, as_format(kind, row, reading.version)))
    if digest.hexdigest() != reading.end.sha256:
        sentence = "What the store has now is not what the archive said; nothing was imported."
        raise InvalidInput(sentence, code="ARCHIVE_DIFFERS")
    return reading.end


def _check_records(target: Target, count: int) -> None:
    """InvalidInput unless every intent can be read as the software reads it."""
    read = 0
    for kept in target.records():
        read += 1
        try:
            codec.record(kept)
        except Exception as error:
            sentence = (
                f"The intent {kept['action_intent_id']} of {kept['tenant_id']} cannot be read "
                f"({type(error).__name__})."
            )
            raise InvalidInput(sentence, code="INVALID_ARCHIVE") from None
    if read != count:
        sentence = f"{count - read} intents have no decision in the ledger."
        raise InvalidInput(sentence, code="INVALID_ARCHIVE")


def _check_texts(target: Target) -> None:
    """InvalidInput unless each text beside an entry is the one that the entry binds."""
    groups = groupby(target.rows(Kind.TEXT), key=_place)
    beside = next(groups, None)
    for row in target.rows(Kind.ENTRY):
        texts: tuple[EntryText, ...] = ()
        if beside is not None and beside[0] == _place(row):
            texts = tuple(_entry_text(text) for text in beside[1])
            beside = next(groups, None)
        if texts or '"beside"' in row["body"]:
            _check_bound(row, texts)


def _check_bound(row: Row, texts: tuple[EntryText, ...]) -> None:
    try:
        unbound = Entry(row["position"], row["body"].encode(), texts).unbound
    except Exception:
        unbound = [text.name for text in texts]  # no JSON, or no place of the entry
    if unbound:
        name = unbound[0][:NAME_SHOWN_MAX]
        sentence = (
            f"The text {name} beside entry {row['position']} of {row['tenant_id']} is not the one "
            f"that the entry binds by a digest."
        )
        raise InvalidInput(sentence, code="INVALID_ARCHIVE")


def _place(row: Row) -> tuple[str, int]:
    return row["tenant_id"], row["position"]


def _entry_text(row: Row) -> EntryText:
    return EntryText(row["name"], row["text"], bytes.fromhex(row["salt"]) if row["salt"] else None)


def invalid(number: int, sentence: str, code: str = "INVALID_ARCHIVE") -> InvalidInput:
    """The refusal of a line of an archive; lines count from 1."""
    return InvalidInput(f"Line {number}: {sentence}", code=code)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one kind that follow each other; `first_line` counts from 1."""

    kind: Kind
    first_line: int
    rows: Sequence[Row]


@dataclass(slots=True)
class _Tenant:
    """How many settings and entries a tenant said it has, and how many came."""

    settings_version: int
    ledger_size: int
    settings: int = 0
    entries: int = 0


class ArchiveReader:
    """An archive as it is read, line by line: in memory are one batch, and four numbers for each
    tenant.

    After `batches` came to its end, `end` is what the archive says of itself, and it is so.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._number = 0
        self._digest = sha256()
        self._tenants: dict[str, _Tenant] = {}
        self._last: Values | None = None
        self.counts = dict.fromkeys(Kind, 0)
        self.first = self._next()
        self.version, self._store = self._header()
        self.end = Summary(self._store, {}, "")

    def batches(self) -> Iterator[Batch]:
        """Its rows, checked. Raises InvalidInput at the first line that is not as it must be."""
        known = kinds(self.version)
        kind, taken, size = known[0], list[Row](), 0
        while True:
            raw = self._next()
            name, row = self._parsed(raw)
            if taken and (name != kind or len(taken) == BATCH_ROWS_MAX or size >= BATCH_BYTES_MAX):
                yield Batch(kind, self._number - len(taken), taken)
                taken, size = [], 0
            if name == "end":
                self._finish(row)
                return
            if name not in known[known.index(kind) :]:
                sentence = "is of no kind that is known, or not where it belongs."
                raise invalid(self._number, sentence)
            if name != kind:
                kind, self._last = Kind(name), None
            self._check(kind, row, raw)
            taken.append(as_newest(kind, row, self.version))
            size += len(raw)

    def _next(self) -> bytes:
        raw = self._file.readline(LINE_BYTES_MAX + 1)
        self._number += 1
        if len(raw) > LINE_BYTES_MAX:
            raise invalid(
                self._number, f"has more than {LINE_BYTES_MAX} bytes.", "ARCHIVE_LINE_TOO_LONG"
            )
        if not raw.endswith(b"\n"):
            sentence = "is missing or cut off: this archive was not written to its end."
            raise invalid(self._number, sentence, "ARCHIVE_INCOMPLETE")
        return raw

    def _parsed(self, raw: bytes) -> tuple[str, Row]:
        """The kind of a line, and its fields."""
        try:
            value = json.loads(raw)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or not isinstance(value.get("kind"), str):
            sentence = "is not a JSON object with a kind."
            raise invalid(self._number, sentence)
        return value.pop("kind"), value

    def _header(self) -> tuple[int, str]:
        """The format of the archive, and the kind of store that it came from."""
        kind, head = self._parsed(self.first)
        if kind != "header" or head.get("format") != FORMAT or type(head.get("version")) is not int:
            sentence = "is not the first line of an archive of Clearance."
            raise invalid(1, sentence)
        if not 1 <= head["version"] <= NEWEST:
            sentence = (
                f"has version {head['version']} of the format; this Clearance knows {NEWEST}."
            )
            raise invalid(1, sentence, "ARCHIVE_TOO_NEW")
        self._digest.update(self.first)
        return head["version"], str(head.get("store"))

    def _check(self, kind: Kind, row: Row, raw: bytes) -> None:
        """One row: its shape, its one way of being written, its place, and that it belongs to what
        came before.
        """
        if wrong := problem(kind, row, self.version):
            raise invalid(self._number, wrong)
        try:
            as_written = line(kind, row)
        except UnicodeEncodeError:
            as_written = b""
        if as_written != raw:
            sentence = "is not as clearance export writes it."
            raise invalid(self._number, sentence)
        key = tuple(row[name] for name in ORDER[kind])
        if self._last is not None and key <= self._last:
            sentence = (
                f"comes twice, or not in the order of {', '.join(ORDER[kind]) or 'its kind'}."
            )
            raise invalid(self._number, sentence)
        self._last = key
        if wrong := self._stray(kind, row):
            raise invalid(self._number, wrong)
        self._digest.update(raw)
        self.counts[kind] += 1

    def _stray(self, kind: Kind, row: Row) -> str | None:
        """Why a row does not belong to a tenant of the archive, or None if it does."""
        if kind is Kind.INSTALLATION:
            return None
        if kind is Kind.TENANT:
            self._tenants[row["tenant_id"]] = _Tenant(row["settings_version"], row["ledger_size"])
            return None
        tenant = self._tenants.get(row["tenant_id"])
        if tenant is None:
            return "names a tenant that the archive does not have."
        if kind is Kind.SETTINGS:
            tenant.settings += 1
            return (
                None
                if row["version"] == tenant.settings
                else "leaves out a version of the settings."
            )
        if kind is Kind.ENTRY:
            tenant.entries += 1
            return _stray_entry(row, tenant.entries)
        if kind is Kind.TEXT:
            here = row["position"] <= tenant.ledger_size
            return None if here else "stands beside an entry that the ledger does not have."
        if kind is Kind.STOP:
            return _stray_stop(row, tenant.ledger_size)
        if kind is Kind.INTENT:
            positions = [row["admitted_position"], row["decision_position"], row["position"]]
            if positions != sorted(positions) or positions[-1] > tenant.ledger_size:
                return "names positions that the ledger does not have, or not in this order."
        return None

    def _finish(self, end: Row) -> None:
        """The end line, and what can be known only now."""
        counts = {kind.value: self.counts[kind] for kind in kinds(self.version)}
        if end != {"counts": counts, "sha256": self._digest.hexdigest()}:
            sentence = (
                "the counts or the SHA-256 are not those of the lines before: the archive was "
                "changed or damaged."
            )
            raise invalid(self._number, sentence, "ARCHIVE_DAMAGED")
        if self.counts[Kind.INSTALLATION] != 1 or EVERYWHERE not in self._tenants:
            sentence = f"the archive has no installation, or no tenant {EVERYWHERE}."
            raise invalid(self._number, sentence)
        for tenant_id, tenant in self._tenants.items():
            if (tenant.settings, tenant.entries) != (tenant.settings_version, tenant.ledger_size):
                sentence = f"the archive does not have all settings and entries of {tenant_id}."
                raise invalid(self._number, sentence)
        if self._file.read(1):
            raise invalid(self._number + 1, "comes after the end.")
        self.end = Summary(self._store, counts, end["sha256"])


def _stray_entry(row: Row, position: int) -> str | None:
    """What is wrong with an entry that has to be at a position of its ledger."""
    if row["position"] != position:
        return "leaves out a position of the ledger."
    own = _tenant_of(row["body"]) == row["tenant_id"]
    return None if own else "has a body that is not the tenant's."


def _stray_stop(row: Row, ledger_size: int) -> str | None:
    """What is wrong with the positions of a stop: its own, and those of its receipt."""
    own = [row["position"], row["recorded"], row["closed"]]
    there = [position for position in own if position is not None]
    if there != own[: len(there)] or there != sorted(set(there)) or there[-1] > ledger_size:
        return "names positions that the ledger does not have, or not in this order."
    return None


ORDER: Mapping[Kind, Sequence[str]] = {
    Kind.INSTALLATION: (),
    Kind.TENANT: ("tenant_id",),
    Kind.SETTINGS: ("tenant_id", "version"),
    Kind.TOOL: ("tenant_id", "digest"),
    Kind.ENTRY: ("tenant_id", "position"),
    Kind.TEXT: ("tenant_id", "position", "name"),
    Kind.INTENT: ("intent_no",),
    Kind.AGED_OUT: ("intent_no",),
    Kind.BUDGET_USE: ("tenant_id", "account_id", "day", "bucket"),
    Kind.COUNTER: ("tenant_id", "subject", "window", "bucket"),
    Kind.KNOWN_ACCOUNT: ("tenant_id", "account_id"),
    Kind.STOP: ("tenant_id", "position"),
    Kind.API_KEY: ("key_id",),
}
"""What rows of a kind are sorted by, text by its code points; no two are the same."""


def _tenant_of(body: str) -> Json:
    """Whose ledger an entry belongs to, as it says itself; None if it says nothing."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return value.get("tenant_id") if isinstance(value, dict) else None


def not_empty() -> Refusal:
    """The refusal to fill a store that is not empty."""
    sentence = (
        "An archive is imported into an empty store, and this one has settings, keys, intents or "
        "entries."
    )
    return Conflict(sentence, code="STORE_NOT_EMPTY")


def stray_entry(position: int, tenant_id: str) -> InvalidInput:
    """The refusal of an entry about an intent that is not there, or is another tenant's."""
    sentence = f"Entry {position} of {tenant_id} is about an intent that this tenant does not have."
    return InvalidInput(sentence, code="INVALID_ARCHIVE")


def stray_intent(action_intent_id: str, tenant_id: str) -> InvalidInput:
    """The refusal of an intent whose revision or positions are not those of its entries."""
    sentence = (
        f"The intent {action_intent_id} of {tenant_id} does not have the entries that its revision "
        f"and positions name."
    )
    return InvalidInput(sentence, code="INVALID_ARCHIVE")
