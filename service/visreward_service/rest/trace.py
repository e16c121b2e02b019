"""Gives each request an id, logs it once, times it, and answers for defects."""

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from visreward.protocol import MEANINGS, Code
from visreward_service.engine.faults import RequestFault
from visreward_service.metrics import Metrics
from visreward_service.rest.errors import error_response

log = logging.getLogger("visreward.access")

HEADER = "x-request-id"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Trace:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, paths: frozenset[str]) -> None:
        self._app = app
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        brought = Headers(scope=scope).get(HEADER, "")
        request_id = brought if ACCEPTED.fullmatch(brought) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = request_id
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
        self._metrics.requests.labels(path, str(status)).inc()
        self._metrics.request_seconds.labels(path).observe(seconds)
        log.log(
            logging.DEBUG if path in QUIET else logging.INFO,
            "request",
            extra={
                "request_id": request_id,
                "method": scope["method"],
                "path": scope["path"][:200],
                "status": status,
                "ms": round(seconds * 1000, 2),
            },
        )
