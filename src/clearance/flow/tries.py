"""The tries of an attempt whose steps are separate invocations: what is known of them, kept where
every invocation sees it.

A worker that carries an intent out in one process knows what it sent. An invocation knows nothing
of the one before it, and may be repeated. So a mark records durably that a try begins, right before
it sends. A call that may not be repeated is sent only if no mark says that it may have been sent.
An attempt may end without reporting an outcome; the process that records that outcome first closes
the attempt's mark, and from then on nothing can be sent for it (decision record 0016).
"""

from __future__ import annotations

from dataclasses import replace

from clearance.core.call import outcome_of
from clearance.core.catalog import ToolServer
from clearance.core.errors import Unavailable
from clearance.core.outcome import CallError, ErrorClass, Outcome, Sent
from clearance.flow import execute
from clearance.flow.context import Context
from clearance.flow.execute import Started, Tried
from clearance.flow.ports.marks import Mark, Marks, Phase
from clearance.flow.ports.tools import (
    Cleared,
    ToolAnswer,
    ToolCall,
    ToolCallFailed,
    ToolList,
    Tools,
)

LOOKS_MAX = 5  # at a mark that others change, before it is given up


class Tries:
    """The tries of one attempt, as one invocation sees them."""

    def __init__(self, context: Context, marks: Marks, started: Started, seen: Mark | None) -> None:
        self._new_id = context.clock.new_id
        self._marks = marks
        self._started = started
        self._seen = seen
        # The known facts before this attempt's own first try. A further attempt begins as if the
        # one before it had sent: its end was not seen. Only `of` knows better, from its mark.
        self._first = execute.untried(started)
        self.begun = False
        """This invocation may have sent."""

    @classmethod
    async def of(cls, context: Context, marks: Marks, started: Started) -> Tries:
        """The traces that the tries of an attempt left."""
        tries = cls(context, marks, started, None)
        await tries._look()
        if tries._seen is None and started.attempt.number > 1:
            tenant_id, action_intent_id, number = tries._attempt
            left = await marks.mark(tenant_id, action_intent_id, number - 1)
            # The facts about an attempt cover those before it too, so they pass from one to the
            # next.
            if left is not None and left.phase is Phase.CLOSED and left.sent is Sent.NOT_SENT:
                tries._first = Tried(0, Sent.NOT_SENT)
        return tries

    @property
    def before(self) -> Tried:
        """The known facts about the tries so far."""
        seen = self._seen
        return self._first if seen is None else Tried(seen.tries, seen.sent, wait_ms=seen.wait_ms)

    def announced(self, tools: Tools) -> Tools:
        """The same tools; a call marks the begin of a try before it is sent."""
        return _Announced(tools, self._begin)

    async def _begin(self) -> None:
        """Raises ToolCallFailed (`CALL_ALREADY_BEGUN`) if the call may have been sent and may not
        be repeated, or is closed.
        """
        before = self.before
        open_ = self._started.action.effect.repeatable or before.sent is Sent.NOT_SENT
        if not open_ or not await self._write(before.tries + 1, Sent.MAYBE, Phase.BEGUN):
            sentence = "Another invocation began this call, or ended it; so this one sent nothing."
            error = CallError(
                ErrorClass.DOWNSTREAM, sentence, Sent.MAYBE, code="CALL_ALREADY_BEGUN"
            )
            raise ToolCallFailed(error)
        self.begun = True

    async def over(self, tried: Tried) -> None:
        """The try is over, and may be repeated.

        Nothing is written if another invocation has gone on meanwhile.
        """
        await self._write(tried.tries, tried.sent, Phase.OVER, tried.wait_ms)

    async def settled(self, outcome: Outcome, tried: Tried) -> Outcome:
        """The outcome, as it is true of the attempt: one that denies the effect is, if no other
        invocation sends; so it closes.
        """
        error = outcome.error
        if error is None or tried.sent is Sent.MAYBE:
            return outcome
        if self.begun and not self._started.action.effect.repeatable:
            return outcome  # the mark is ours, and no other try may begin while it is
        if await self._write(tried.tries, tried.sent, Phase.CLOSED):
            return outcome
        await self._look()
        return outcome_of(replace(error, sent=tried.sent.worst((await self.close()).sent)))

    @property
    def closed(self) -> bool:
        """True if nothing is sent any more."""
        return self._seen is not None and self._seen.phase is Phase.CLOSED

    async def close(self) -> Tried:
        """Lets nothing be sent from now on; returns the known facts about the tries."""
        for _ in range(LOOKS_MAX):
            before = self.before
            if self.closed or await self._write(before.tries, before.sent, Phase.CLOSED):
                return before
            await self._look()
        sentence = "The tries of this attempt go on; ask again."
        raise Unavailable(sentence)

    async def _look(self) -> None:
        self._seen = await self._marks.mark(*self._attempt)

    async def _write(self, tries: int, sent: Sent, phase: Phase, wait_ms: int = 0) -> bool:
        """False if the mark is not the one that was seen any more; or closed, which it stays."""
        if self.closed and phase is not Phase.CLOSED:
            return False
        new = Mark(tries, sent, wait_ms, phase, self._new_id())
        written = await self._marks.swap(*self._attempt, self._seen, new)
        if written:
            self._seen = new
        return written

    @property
    def _attempt(self) -> tuple[str, str, int]:
        intent = self._started.record.intent
        return intent.tenant_id, intent.action_intent_id, self._started.attempt.number


class _Announced:
    """A tool runner whose calls are announced before they are sent."""

    def __init__(self, tools: Tools, announce: Cleared) -> None:
        self._tools = tools
        self._announce = announce

    async def describe(self, tenant_id: str, server: ToolServer) -> ToolList:
        return await self._tools.describe(tenant_id, server)

    async def call(self, tenant_id: str, call: ToolCall, cleared: Cleared) -> ToolAnswer:
        async def both() -> None:
            await self._announce()
            await cleared()  # last: writing the mark took a moment

        return await self._tools.call(tenant_id, call, both)

    async def close(self) -> None:
        await self._tools.close()
