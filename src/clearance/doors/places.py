"""Places: how much of one kind may be under way at once, in a process, of a tenant and of an actor.

One idea: a part of the places is kept for people, so that agents together never take the last one
from the person who wants to stop them. A request takes its place when it turns out who sent it, and
that moment is also told to the connection that it came on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clearance.core.errors import Unavailable
from clearance.core.principal import ActorKind, Principal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

REQUESTS_MAX = 512  # under way in the process
REQUESTS_PER_TENANT_MAX = 256
PEOPLES_PART = 4  # of the places, the part that agents never take

KNOWN = "clearance.known"
"""In the scope of a request: whom the connection is told about, if there is one that listens."""
_VISIT = "clearance.visit"


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many places there are in a process, for each tenant, and for each actor (None: as many
    as the tenant has).
    """

    process: int
    tenant: int
    actor: int | None = None

    def of(self, caller: Principal) -> Mapping[tuple[str, ...], int]:
        """The most under each name that a place of this caller counts under."""
        tenant, actor = caller.tenant_id, caller.actor_id
        bounds = {(): self.process, (tenant,): self.tenant}
        if self.actor is not None:
            bounds[tenant, actor, caller.kind] = self.actor
        if caller.kind is ActorKind.PERSON:
            return bounds
        agents = {("", "agents"): self.process, (tenant, "agents"): self.tenant}
        return bounds | {name: most - most // PEOPLES_PART for name, most in agents.items()}


class Places:
    """The places of one kind in one process, and who has them."""

    def __init__(self) -> None:
        self._taken: Counter[tuple[str, ...]] = Counter()

    @contextmanager
    def place(self, caller: Principal, bounds: Bounds, refusal: Unavailable) -> Iterator[None]:
        """A place for as long as the block lasts; raises the refusal if there is none."""
        names = bounds.of(caller)
        if any(self._taken[name] >= most for name, most in names.items()):
            raise refusal
        self._taken.update(names.keys())
        try:
            yield
        finally:
            self._taken.subtract(names.keys())
            for name in names:
                if not self._taken[name]:
                    del self._taken[name]


class _Visit:
    """One request under way: nothing is known of it until somebody is welcomed."""

    def __init__(self, places: Places, known: Callable[[Principal], None] | None) -> None:
        self._places = places
        self._known = known
        self._held = ExitStack()
        self._welcomed = False

    def welcome(self, caller: Principal) -> None:
        if self._welcomed:
            return
        self._welcomed = True
        if self._known is not None:
            self._known(caller)
        sentence = "Too many requests are under way."
        refusal = Unavailable(sentence, code="TOO_MANY_REQUESTS")
        bounds = Bounds(REQUESTS_MAX, REQUESTS_PER_TENANT_MAX)
        self._held.enter_context(self._places.place(caller, bounds, refusal))

    def leave(self) -> None:
        self._held.close()


class Visited:
    """ASGI: a request that turns out to come from somebody has a place until it is answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._places = Places()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs the app within."""
        visit = scope[_VISIT] = _Visit(self._places, scope.get(KNOWN))
        try:
            await self._app(scope, receive, send)
        finally:
            visit.leave()


def welcome(scope: MutableMapping[str, Any], caller: Principal) -> None:
    """A request came with a valid credential: it takes its place, once.

    Unavailable (`TOO_MANY_REQUESTS`) if there is none.
    """
    visit: _Visit | None = scope.get(_VISIT)
    if visit is not None:
        visit.welcome(caller)


def leave(scope: MutableMapping[str, Any]) -> None:
    """Gives the place of a request back before its answer is over: for an answer that has a place
    of its own.
    """
    visit: _Visit | None = scope.get(_VISIT)
    if visit is not None:
        visit.leave()
