"""The pages: every address that a person can visit, on one list.

Its one idea: a page is read without JavaScript, and a form is sent without it; live updates are an
addition. The pages call `Control` for everything they show and do, and `Access` to know the
visitor.
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.routing import Mount, Route

from clearance.clock import SystemClock
from clearance.doors.access import Access
from clearance.doors.streams import Streams
from clearance.flow.control import Control
from clearance.flow.ports.clock import Clock
from clearance.web import actions, live, screens, sign_in, stops
from clearance.web.rendering import Renderer, StaticFolder
from clearance.web.visitor import Site, done, shown


class _PageAddress(StringConvertor):
    """Any path that is not the API's, which answers for its own unknown paths."""

    regex = r"(?!v1(?:/|$)).*"


def mount(app: Starlette, control: Control, access: Access, *, clock: Clock | None = None) -> None:
    """Puts the pages on an app, after everything else on it.

    `app.state.streams` bounds and ends their streams; they are below `app.state.path_prefix`.
    """
    prefix: str = getattr(app.state, "path_prefix", "")
    site = Site(control, access, clock or SystemClock(), Renderer(prefix))
    streams: Streams = app.state.streams
    register_url_convertor("page", _PageAddress())
    app.router.routes.extend(
        [
            Route("/", shown(site, screens.timeline)),
            Route("/needs-you", shown(site, screens.needs_you)),
            Route("/approvals/{approval_id}/rulings", done(site, actions.rule), methods=["POST"]),
            Route("/approvals/{approval_id}/edit", shown(site, actions.edit_form)),
            Route("/approvals/{approval_id}/edit", done(site, actions.edit), methods=["POST"]),
            Route("/intents/{action_intent_id}", shown(site, screens.intent)),
            Route("/intents/{action_intent_id}/why", shown(site, screens.why)),
            Route(
                "/intents/{action_intent_id}/cancellation",
                done(site, actions.cancel),
                methods=["POST"],
            ),
            Route(
                "/intents/{action_intent_id}/reconciliation",
                done(site, actions.reconcile),
                methods=["POST"],
            ),
            Route("/stop", shown(site, stops.stop_page)),
            Route("/stop", done(site, stops.stop), methods=["POST"]),
            Route("/stop/lift", shown(site, stops.lift_page)),
            Route("/sign-in", sign_in.form_shown(site)),
            Route("/sign-in", sign_in.key_given(site), methods=["POST"]),
            Route("/sign-out", done(site, sign_in.sign_out), methods=["POST"]),
            Route("/events", live.stream(site, streams, live.show_frame)),
            Route("/events/timeline", live.stream(site, streams, live.show_timeline)),
            Route("/events/needs-you", live.stream(site, streams, live.show_needs_you)),
            Route("/events/stop", live.stream(site, streams, live.show_stops)),
            Route(
                "/events/intents/{action_intent_id}", live.stream(site, streams, live.show_intent)
            ),
            Mount("/static", StaticFolder()),
            Route("/{address:page}", shown(site, screens.nothing_here)),
        ]
    )
