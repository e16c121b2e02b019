"""Asks every call for its key, before a byte of its message is read. Who is let in is for `access` to say."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc

from visreward_service.access import Guard
from visreward_service.engine.faults import RequestFault
from visreward_service.grpc.call import AUTHORIZATION, Call, read_metadata, stream_handler
from visreward_service.grpc.stubs import Context, Handler
from visreward_service.metrics import Metrics

OPEN = (
    "/grpc.health.v1.Health/",
    "/inference.GRPCInferenceService/ServerLive",
    "/inference.GRPCInferenceService/ServerReady",
)
"""Beginnings of methods that ask for no key: probes have none."""
OTHER = "other"
"""What metrics call a method that is refused: its name is the caller's invention."""

Continue = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]


class Access(grpc.aio.ServerInterceptor):
    """Refuses callers without a key. The handlers ask the guard again who it was."""

    def __init__(self, guard: Guard, metrics: Metrics) -> None:
        self._guard = guard
        self._metrics = metrics

    async def intercept_service(self, continuation: Continue, details: grpc.HandlerCallDetails) -> Any:
        """Return the method's handler, or one that refuses the call."""
        if details.method.startswith(OPEN):
            return await continuation(details)
        try:
            self._guard.identify(read_metadata(details.invocation_metadata).get(AUTHORIZATION)).spend()
        except RequestFault as fault:
            return self._refusing(fault)
        return await continuation(details)

    def _refusing(self, fault: RequestFault) -> Handler:
        async def refuse(context: Context, call: Call) -> None:
            del context, call
            raise fault

        # A handler of streams takes nothing from the caller before it answers.
        return stream_handler(OTHER, refuse, self._metrics)
