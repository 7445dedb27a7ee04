"""The evidence of one tenant, ordered by intent: what the checker's promises read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clearance.core.catalog import idempotency_key
from clearance.core.record import IntentRecord
from tests.crash.support.evidence import Answered, Call, Evidence


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken, by whom, and how it shows."""

    promise: str
    tenant_id: str
    action_intent_id: str | None
    sentence: str

    def __str__(self) -> str:
        about = (
            f"{self.tenant_id}/{self.action_intent_id}" if self.action_intent_id else self.tenant_id
        )
        return f"{self.promise}: {about}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Fact:
    """A ledger entry, read."""

    position: int
    fields: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.fields["kind"])

    @property
    def status(self) -> str:
        return str(self.fields.get("status"))


@dataclass
class Story:
    """One intent: its facts in order, its record, the calls with its key, and what callers were
    told about it.
    """

    action_intent_id: str
    facts: list[Fact] = field(default_factory=list)
    record: IntentRecord | None = None
    calls: list[Call] = field(default_factory=list)
    answered: list[Answered] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.kind == kind]

    @property
    def started(self) -> list[Fact]:
        return self.of_kind("EXECUTION_STARTED")

    @property
    def outcomes(self) -> list[Fact]:
        return self.of_kind("OUTCOME_RECORDED")

    @property
    def effects(self) -> list[Call]:
        return [call for call in self.calls if call.acted]

    def approval_before(self, position: int) -> Fact | None:
        """The latest ACTION_APPROVED before a position."""
        return next(
            (
                fact
                for fact in reversed(self.facts)
                if fact.position < position and fact.kind == "ACTION_APPROVED"
            ),
            None,
        )


class Case:
    """A tenant's stories, its other facts, and the calls whose
    key belongs to none of its intents.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.tenant_id = evidence.tenant_id
        self.facts = [Fact(entry.position, entry.fields) for entry in evidence.entries]
        stories: dict[str, Story] = {}
        self.about_tenant: list[Fact] = []
        for fact in self.facts:
            name = fact.fields.get("action_intent_id")
            if name is None:
                self.about_tenant.append(fact)
            else:
                stories.setdefault(name, Story(name)).facts.append(fact)
        for name, record in evidence.records.items():
            stories.setdefault(name, Story(name)).record = record
        by_key = {idempotency_key(self.tenant_id, name): story for name, story in stories.items()}
        self.stray_calls = [call for call in evidence.calls if call.key not in by_key]
        for call in evidence.calls:
            if call.key in by_key:
                by_key[call.key].calls.append(call)
        self.answered: dict[str, list[Answered]] = defaultdict(list)
        for one in evidence.answered:
            if one.action_intent_id in stories:
                stories[one.action_intent_id].answered.append(one)
        self.stories = stories

    def __iter__(self) -> Iterator[Story]:
        return iter(self.stories.values())

    def effect_of(self, story: Story) -> str | None:
        """What the catalog says that a repeat of the intent's call does; None for an unknown
        action.
        """
        return (
            self.evidence.effects.get(str(story.facts[0].fields.get("action_type")))
            if story.facts
            else None
        )
