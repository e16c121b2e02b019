"""Asks every request for its key, before a byte of its body is read. Who is let in is for `access` to say."""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from visreward.protocol import Code
from visreward_service import oip
from visreward_service.access import ANYONE, Caller, Guard
from visreward_service.engine.faults import RequestFault
from visreward_service.rest.errors import error_response

OPEN = frozenset({"/", "/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"})
"""Paths that ask for no key: probes have none, and the page asks its reader for one."""


class Access:
    """ASGI middleware; leaves the caller in the request's state."""

    def __init__(self, app: ASGIApp, *, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope.setdefault("state", {})["caller"] = self._admit(scope)
        except RequestFault as fault:
            await _refusal(scope, fault)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _admit(self, scope: Scope) -> Caller:
        if scope["path"] in OPEN and scope["method"] in ("GET", "HEAD"):
            return ANYONE
        shown = Headers(scope=scope).get("authorization") if self._guard.closed else None
        caller = self._guard.identify(shown)
        caller.spend()
        return caller


def caller_of(request: Request) -> Caller:
    """Return who sent a request."""
    caller: Caller = request.state.caller
    return caller


def _refusal(scope: Scope, fault: RequestFault) -> JSONResponse:
    if scope["path"].startswith("/v2/"):
        answer = oip.error_response(fault)
    else:
        answer = error_response(fault, scope["state"].get("request_id"))
    if fault.code == Code.UNAUTHENTICATED:
        answer.headers["www-authenticate"] = "Bearer"
        # With the connection goes the rest of a body that nobody will read.
        answer.headers["connection"] = "close"
    return answer
