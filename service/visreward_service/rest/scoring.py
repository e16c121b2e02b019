"""`POST /score`, answered in front of FastAPI, whose layers take longer than scoring a short item does.

FastAPI has the same route: for its document, and for what a mount leaves of the path.
"""

from fastapi import FastAPI, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from visreward_service.access import Caller
from visreward_service.engine.engine import Engine
from visreward_service.engine.faults import RequestFault
from visreward_service.rest import body
from visreward_service.rest.disconnect import ClientGoneError, while_connected
from visreward_service.rest.errors import CLIENT_CLOSED_REQUEST, error_response

PATH = "/score"
READ = {
    name.encode(): name
    for name in ("accept", "accept-encoding", "content-encoding", "content-length", "content-type")
}
"""The headers that make a difference."""


class Service(FastAPI):
    """FastAPI, which a request to score does not enter."""

    scoring: ASGIApp
    """Answers it, with the service's own middleware around."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == PATH and scope["method"] == "POST":
            await self.scoring(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Scoring:
    """ASGI app: callers are known and requests have their ids."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answered = await answer(self._engine, scope, receive)
        except RequestFault as fault:
            await error_response(fault, scope["state"]["request_id"])(scope, receive, send)
        except ClientGoneError:
            await Response(status_code=CLIENT_CLOSED_REQUEST)(scope, receive, send)
        else:
            head = {"type": "http.response.start", "status": 200, "headers": answered.raw_headers}
            await send(head)
            await send({"type": "http.response.body", "body": answered.body})


async def answer(engine: Engine, scope: Scope, receive: Receive) -> body.Answer:
    """Return the answer to a score request. Raises `RequestFault` or `ClientGoneError`."""
    # The first of several headers of one name counts, as it does to starlette.
    headers = {
        READ[name]: value.decode("latin-1") for name, value in reversed(scope["headers"]) if name in READ
    }
    state = scope["state"]
    caller: Caller = state["caller"]
    read, permitted = body.reader(headers), caller.permit_document
    raw = await body.receive_body(headers, receive, engine.limits.max_request_bytes)
    scoring = engine.score(lambda: permitted(read(raw)), request_id=state["request_id"], num_bytes=len(raw))
    return body.write(headers, await while_connected(receive, scoring))
