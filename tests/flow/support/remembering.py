"""A store that answers an admission as the port says, around one that does not know how yet."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clearance.core.record import Admission, Change, IntentRecord, IntentStatus
from clearance.flow.ports.store import Store
from clearance.flow.ports.transitions import (
    AdmitAnswer,
    Admitted,
    AdvanceAnswer,
    Applied,
    QuotaSpent,
    RejectedBefore,
    SameCallWaits,
    TooManyWaiting,
)


class Remembering:
    """Looks in memory, in the order of the port, and then asks the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.admitted: list[Admission] = []
        self.used: dict[str, int] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def intent(self, tenant_id: str, action_intent_id: str) -> IntentRecord | None:
        record = await self._store.intent(tenant_id, action_intent_id)
        names = (each for each in self.admitted if each.intent.tenant_id == tenant_id)
        known = {each.intent.action_intent_id: each.likeness for each in names}
        return record and replace(record, likeness=known.get(action_intent_id))

    async def admit(self, admission: Admission) -> AdmitAnswer:
        refused = await self._refused(admission)
        if refused:
            return refused
        answer = await self._store.admit(admission)
        if isinstance(answer, Admitted):
            self._took(admission)
        return answer

    async def advance(self, change: Change) -> AdvanceAnswer:
        edited = change.superseded_by
        refused = await self._refused(edited) if edited else None
        if refused:
            return refused
        answer = await self._store.advance(change)
        if isinstance(answer, Applied) and edited:
            self._took(edited)
        return answer

    def _took(self, admission: Admission) -> None:
        self.admitted.append(admission)
        for claim in admission.quota:
            self.used[claim.place] = self.used.get(claim.place, 0) + claim.amount

    async def _refused(self, admission: Admission) -> Any:
        intent = admission.intent
        if await self._store.intent(intent.tenant_id, intent.action_intent_id):
            return None
        if (await self._store.settings_version(intent.tenant_id)) != (
            admission.decision.settings_version
        ):
            return None
        records = await self._records(intent.tenant_id)
        waiting = [r for _, r in records if r.status is IntentStatus.AWAITING_APPROVAL]
        for each, record in records:
            if admission.same_call and each.same_call == admission.same_call and record in waiting:
                return SameCallWaits(record)
        since = admission.rejected_since
        for record in await self.alike(intent.tenant_id, admission.likeness or b"", 1_000):
            rejected = record.status is IntentStatus.REJECTED
            if since is not None and rejected and record.changed_at >= since:
                return RejectedBefore(record.intent.action_intent_id, record.changed_at)
        of_agent = [r for r in waiting if r.intent.proposed_by == intent.proposed_by]
        if admission.waiting_max is not None and len(of_agent) >= admission.waiting_max:
            return TooManyWaiting(len(of_agent))
        for claim in admission.quota:
            used = self.used.get(claim.place, 0) + claim.amount
            if claim.limit is not None and used > claim.limit:
                return QuotaSpent(claim.place)
        return None

    async def _records(self, tenant_id: str) -> list[tuple[Admission, IntentRecord]]:
        return [
            (each, record)
            for each in self.admitted
            if each.intent.tenant_id == tenant_id
            and (record := await self._store.intent(tenant_id, each.intent.action_intent_id))
        ]

    async def alike(self, tenant_id: str, likeness: bytes, limit: int) -> list[IntentRecord]:
        same = [r for each, r in await self._records(tenant_id) if each.likeness == likeness]
        return sorted(same, key=lambda record: -record.position)[:limit]
