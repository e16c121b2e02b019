"""From faults to gRPC statuses. The table of statuses is the protocol's."""

import asyncio
from contextlib import suppress

import grpc

from visreward.protocol import MEANINGS, ErrorBody
from visreward_service.engine.faults import RequestFault
from visreward_service.grpc.stubs import Context

ERROR_KEY = "visreward-error-bin"
"""Trailing metadata: the error's body, the same JSON as over HTTP."""
PUSHBACK_KEY = "grpc-retry-pushback-ms"
"""Trailing metadata that gRPC's own retries obey."""
TOLD_SECONDS = 5.0
"""What a status has to reach its caller."""


def to_error(fault: RequestFault, request_id: str) -> ErrorBody:
    """Return a fault as it goes over the wire."""
    return ErrorBody(
        code=fault.code,
        message=fault.message,
        field=fault.field,
        retryable=MEANINGS[fault.code].retryable,
        request_id=request_id,
        nearest=list(fault.nearest),
    )


async def abort(context: Context, fault: RequestFault, request_id: str) -> None:
    """End the call with the status of the fault's code.

    A caller that takes no answers takes no status either; it is not waited for.
    """
    metadata: list[tuple[str, str | bytes]] = [
        ("x-request-id", request_id),
        (ERROR_KEY, to_error(fault, request_id).model_dump_json().encode()),
    ]
    if fault.retry_after_seconds is not None:
        metadata.append((PUSHBACK_KEY, str(round(fault.retry_after_seconds * 1000))))
    status = grpc.StatusCode[MEANINGS[fault.code].grpc]
    with suppress(TimeoutError):
        async with asyncio.timeout(TOLD_SECONDS):
            await context.abort(status, fault.message, tuple(metadata))
