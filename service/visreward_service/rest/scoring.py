"""`POST /score`, answered in front of FastAPI, whose routing takes longer than scoring a short item does.

FastAPI has the same route: for its document, and for what a mount leaves of the path.
"""

from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from visreward_service.access import Caller
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.rest import body
from visreward_service.rest.disconnect import ClientGoneError, while_connected
from visreward_service.rest.errors import CLIENT_CLOSED_REQUEST, error_response

PATH = "/score"


class Scoring:
    """ASGI middleware, the innermost: callers are known and requests have their ids."""

    def __init__(self, app: ASGIApp, *, engine: Engine) -> None:
        self._app = app
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        try:
            response = await answer(self._engine, scope, receive)
        except RequestFault as fault:
            response = error_response(fault, scope["state"]["request_id"])
        except ClientGoneError:
            response = Response(status_code=CLIENT_CLOSED_REQUEST)
        await response(scope, receive, send)


async def answer(engine: Engine, scope: Scope, receive: Receive) -> Response:
    """Return the answer to a score request. Raises `RequestFault` or `ClientGoneError`."""
    # The first of several headers of one name counts, as it does to starlette.
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}
    state = scope["state"]
    caller: Caller = state["caller"]
    read, permitted = body.reader(headers), caller.permit_document
    raw = await body.receive_body(headers, receive, engine.limits.max_request_bytes)
    scoring = engine.score(lambda: permitted(read(raw)), request_id=state["request_id"], num_bytes=len(raw))
    return body.write(headers, await while_connected(receive, scoring))
