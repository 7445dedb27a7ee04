"""The proposal in a body of the wire, whether it came by HTTP or by event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearance.core.errors import Forbidden
from clearance.core.intent import RiskLevel
from clearance.core.moment import from_text
from clearance.flow.requests import Proposal

if TYPE_CHECKING:
    from clearance.api import wire
    from clearance.core.principal import Principal


def proposal_of(body: wire.ProposalBody, caller: Principal) -> Proposal:
    """The proposal that a body makes.

    Forbidden (`TENANT_MISMATCH`) if it names a tenant that is not the caller's.
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
        action_intent_id=body.action_intent_id,
        target=body.target,
        why=tuple(body.why),
        expires_at=milliseconds(body.expires_at),
        trace_id=body.trace_id,
    )


def milliseconds(moment: str | None) -> int | None:
    """A moment of the wire in milliseconds since 1970."""
    return None if moment is None else from_text(moment)
