"""Gives each request an id, logs it once, times it, completes its answer, and answers for defects."""

import logging
import re
import time
from random import Random

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visreward.protocol import MEANINGS, Code
from visreward_service.engine.faults import RequestFault
from visreward_service.metrics import Metrics
from visreward_service.rest.errors import error_response
from visreward_service.rest.headers import SecurityHeaders

log = logging.getLogger("visreward.access")

HEADER = b"x-request-id"
ACCEPTED = re.compile(rb"[A-Za-z0-9._-]{1,128}")
IDS = Random()  # noqa: S311 - an id tells requests apart; it keeps nobody out
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Trace:
    """ASGI middleware around the whole app. `headers` are for every answer."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        metrics: Metrics,
        paths: frozenset[str],
        headers: SecurityHeaders | None = None,
    ) -> None:
        self._app = app
        self._headers = headers
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _read_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = message.get("headers", ())
                more = self._headers.missing(dict(own)) if self._headers is not None else ()
                message["headers"] = [*own, *more, (HEADER, request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("defect", extra={"request_id": request_id, "path": scope["path"]})
            if status:
                raise
            fault = RequestFault(Code.INTERNAL, MEANINGS[Code.INTERNAL].summary)
            await error_response(fault, request_id)(scope, receive, send_with_id)
        finally:
            self._record(scope, request_id, status, time.perf_counter() - started)

    def _record(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._metrics.request(path, str(status), seconds)
        level = logging.DEBUG if path in QUIET else logging.INFO
        if not log.isEnabledFor(level):
            return
        log.log(
            level,
            "request",
            extra={
                "request_id": request_id,
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "ms": round(seconds * 1000, 2),
            },
        )


def _read_id(scope: Scope) -> str:
    """Return the id that the client gave its request, or a new one."""
    for name, value in scope["headers"]:
        if name == HEADER:
            if ACCEPTED.fullmatch(value):
                return str(value, "ascii")
            break
    return f"{IDS.getrandbits(128):032x}"
