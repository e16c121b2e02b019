"""One gRPC call from outside to inside: its id, its deadline, its log line, and an answer to every fault."""

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from visreward.protocol import MEANINGS, Code, Limits
from visreward_service.engine.faults import RequestFault
from visreward_service.grpc.faults import abort
from visreward_service.grpc.stubs import Context, Handler
from visreward_service.metrics import Metrics

log = logging.getLogger("visreward.access")

REQUEST_ID = "x-request-id"
AUTHORIZATION = "authorization"
ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")
MARGIN_SECONDS = 0.25
MARGIN_SHARE = 0.1

MessageT = TypeVar("MessageT", bound=Message)


@dataclass(frozen=True, slots=True)
class Call:
    """What a call brings beside its message."""

    request_id: str
    ends_at: float | None
    """When its answer must have arrived, on `time.monotonic`; None where the caller set no deadline."""
    authorization: str | None = field(default=None, repr=False)
    """The key that it shows."""

    def within(self, deadline_ms: int | None, limits: Limits) -> int | None:
        """Return the tighter of a request's own deadline and what is left of the call's, in milliseconds.

        Something is kept back from the call's deadline, so that what was scored by then still arrives.
        """
        if self.ends_at is None:
            return deadline_ms
        left = max(self.ends_at - time.monotonic(), 0.0)
        left -= min(MARGIN_SECONDS, MARGIN_SHARE * left)
        left_ms = min(max(int(left * 1000), 1), limits.max_deadline_ms)
        return left_ms if deadline_ms is None else min(deadline_ms, left_ms)


def open_call(context: Context) -> Call:
    """Read what a call brings beside its message."""
    brought = read_metadata(context.invocation_metadata())
    request_id = brought.get(REQUEST_ID, "")
    # The stub leaves out that a call without a deadline has no time remaining.
    seconds: float | None = context.time_remaining()
    return Call(
        request_id=request_id if ACCEPTED.fullmatch(request_id) else uuid.uuid4().hex,
        ends_at=None if seconds is None else time.monotonic() + seconds,
        authorization=brought.get(AUTHORIZATION),
    )


def read_metadata(metadata: Iterable[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Return the metadata that is text; of a key that comes twice the last value."""
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def parse(kind: type[MessageT], raw: bytes) -> MessageT:
    """Return the message. Raises `RequestFault` for bytes that are none."""
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise RequestFault(Code.INVALID_BODY, f"the bytes are no {kind.DESCRIPTOR.full_name}") from None


class Unary(Protocol):
    """Answers one message with one message."""

    async def __call__(self, raw: bytes, call: Call, /) -> Message: ...


Stream = Callable[[Context, Call], Awaitable[None]]
"""Reads messages from the context and writes answers to it."""


def unary_handler(method: str, answer: Unary, metrics: Metrics) -> Handler:
    """Return the handler of a method. It takes bytes, so that a broken message is ours to answer for."""

    async def handle(raw: bytes, context: Context) -> bytes:
        written = b""

        async def run(call: Call) -> None:
            nonlocal written
            written = (await answer(raw, call)).SerializeToString()

        await _traced(method, context, metrics, run)
        return written

    return grpc.unary_unary_rpc_method_handler(handle)


def stream_handler(method: str, answer: Stream, metrics: Metrics) -> Handler:
    """Return the handler of a method that streams both ways."""

    async def handle(_: object, context: Context) -> None:
        await _traced(method, context, metrics, lambda call: answer(context, call))

    return grpc.stream_stream_rpc_method_handler(handle)


async def _traced(
    method: str, context: Context, metrics: Metrics, run: Callable[[Call], Awaitable[None]]
) -> None:
    call = open_call(context)
    started = time.perf_counter()
    status = "CANCELLED"
    fault: RequestFault | None = None
    try:
        await run(call)
        status = "OK"
    except RequestFault as refusal:
        fault = refusal
    except Exception:
        log.exception("defect", extra={"request_id": call.request_id, "method": method})
        fault = RequestFault(Code.INTERNAL, MEANINGS[Code.INTERNAL].summary)
    finally:
        if fault is not None:
            status = MEANINGS[fault.code].grpc
        _record(method, call, status, time.perf_counter() - started, metrics)
    if fault is not None:
        await abort(context, fault, call.request_id)
        return
    context.set_trailing_metadata(((REQUEST_ID, call.request_id),))


def _record(method: str, call: Call, status: str, seconds: float, metrics: Metrics) -> None:
    metrics.request(method, status, seconds)
    log.info(
        "request",
        extra={
            "request_id": call.request_id,
            "method": "gRPC",
            "path": method,
            "status": status,
            "ms": round(seconds * 1000, 2),
        },
    )
