"""The proposal in a body of the wire, whether it came by HTTP or by event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from clearance.core.errors import Forbidden, InvalidInput, Problem
from clearance.core.intent import ACTION_INTENT_ID, RiskLevel
from clearance.core.moment import from_text
from clearance.flow.requests import Proposal

if TYPE_CHECKING:
    from clearance.api import wire
    from clearance.core.principal import Principal


def proposal_of(
    body: wire.ProposalBody, caller: Principal, idempotency_keys: Sequence[str] = ()
) -> Proposal:
    """The proposal that a body makes. An `Idempotency-Key` that came with it is the intent's id.

    Forbidden (`TENANT_MISMATCH`) if it names a tenant that is not the caller's. InvalidInput
    (`INVALID_IDEMPOTENCY_KEY`) for a key that is no id, or not the id in the body.
    """
    if body.tenant_id not in {None, caller.tenant_id}:
        sentence = "The tenant is the credential's; the body names another one."
        raise Forbidden(sentence, code="TENANT_MISMATCH")
    return Proposal(
        account_id=body.account_id,
        action_type=body.action_type,
        confidence_score=body.confidence_score,
        risk_level=None if body.risk_level is None else RiskLevel[body.risk_level],
        parameters=body.parameters,
        action_intent_id=_id_of(body.action_intent_id, idempotency_keys),
        target=body.target,
        why=tuple(body.why),
        expires_at=milliseconds(body.expires_at),
        trace_id=body.trace_id,
    )


def _id_of(named: str | None, keys: Sequence[str]) -> str | None:
    """The id in the body, or the one that the header gives: bare, or as a quoted string, which the
    header's draft standard writes.
    """
    in_body = named is not None
    for key in keys:
        bare = key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key
        if not ACTION_INTENT_ID.fullmatch(bare):
            why = "must be an intent's id: 1 to 64 letters, digits, _ or -"
            raise _unusable_key(why)
        named = bare if named is None else named
        if bare != named:
            why = (
                "differs from action_intent_id in the body"
                if in_body
                else "came more than once, with different ids"
            )
            raise _unusable_key(why)
    return named


def _unusable_key(why: str) -> InvalidInput:
    sentence = f"The header Idempotency-Key {why}."
    problem = Problem(("Idempotency-Key",), why)
    return InvalidInput(sentence, code="INVALID_IDEMPOTENCY_KEY", problems=(problem,))


def milliseconds(moment: str | None) -> int | None:
    """A moment of the wire in milliseconds since 1970."""
    return None if moment is None else from_text(moment)
