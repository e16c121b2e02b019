"""gRPC under the clients: httpx transports that carry the same requests to `visreward.v1.RewardService`.

    RewardClient(url="http://reward", transport=GrpcTransport("reward:8001"))

Retries, splitting, errors and results stay the clients' own. Needs the extra `grpc`. What a channel says is
turned into what HTTP would have said: an answer, a refusal with the service's error, or a transport error.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import grpc
import httpx
import msgpack
from google.protobuf.message import Message

from visreward.access import Tls
from visreward.codec import MsgpackCodec, codec_of
from visreward.protocol import MEANINGS, Code, ErrorBody
from visreward.protocol.proto import answer, request
from visreward.protocol.proto import reward_pb2 as pb

SERVICE = "/visreward.v1.RewardService"
HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
"""A `HealthCheckResponse` that says so."""
ERROR_KEY = "visreward-error-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
REQUEST_ID = "x-request-id"
AUTHORIZATION = "authorization"
OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # The clients retry by the service's hints; the channel does not retry beneath them.
    ("grpc.enable_retries", 0),
)

Options = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Rpc:
    """One call as gRPC wants it."""

    path: str
    raw: bytes
    timeout_seconds: float | None
    metadata: tuple[tuple[str, str], ...]


class GrpcTransport(httpx.BaseTransport):
    """For `RewardClient`. The channel reconnects by itself and may be shared by threads."""

    def __init__(
        self, target: str, *, credentials: grpc.ChannelCredentials | None = None, options: Options = ()
    ) -> None:
        """`target` is a host and port; with `credentials` the channel is encrypted."""
        every = (*OPTIONS, *options)
        self._channel = (
            grpc.insecure_channel(target, options=every)
            if credentials is None
            else grpc.secure_channel(target, credentials, options=every)
        )

    @classmethod
    def open(cls, url: str, tls: Tls | None = None) -> Self:
        """Return the transport to a `grpc://` or, encrypted, a `grpcs://` URL."""
        return cls(target_of(url), credentials=credentials_of(url, tls))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request. Raises `httpx.TransportError` where nobody answered."""
        call = to_rpc(request)
        if isinstance(call, httpx.Response):
            return call
        send: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(call.path)
        try:
            raw = send(call.raw, timeout=call.timeout_seconds, metadata=call.metadata)
        except grpc.RpcError as error:
            return to_refusal(error, request)
        return to_response(call.path, raw)

    def close(self) -> None:
        """Close the channel."""
        self._channel.close()


class AsyncGrpcTransport(httpx.AsyncBaseTransport):
    """For `AsyncRewardClient`; make it on the event loop that uses it."""

    def __init__(
        self, target: str, *, credentials: grpc.ChannelCredentials | None = None, options: Options = ()
    ) -> None:
        """`target` is a host and port; with `credentials` the channel is encrypted."""
        every = (*OPTIONS, *options)
        self._channel = (
            grpc.aio.insecure_channel(target, options=every)
            if credentials is None
            else grpc.aio.secure_channel(target, credentials, options=every)
        )

    @classmethod
    def open(cls, url: str, tls: Tls | None = None) -> Self:
        """Return the transport to a `grpc://` or, encrypted, a `grpcs://` URL."""
        return cls(target_of(url), credentials=credentials_of(url, tls))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry one request. Raises `httpx.TransportError` where nobody answered."""
        call = to_rpc(request)
        if isinstance(call, httpx.Response):
            return call
        send: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary(call.path)
        try:
            raw = await send(call.raw, timeout=call.timeout_seconds, metadata=call.metadata)
        except grpc.RpcError as error:
            return to_refusal(error, request)
        return to_response(call.path, raw)

    async def aclose(self) -> None:
        """Close the channel."""
        await self._channel.close()


def target_of(url: str) -> str:
    """Return the host and port of a URL."""
    return url.partition("://")[2]


def credentials_of(url: str, tls: Tls | None) -> grpc.ChannelCredentials | None:
    """Return what encrypts the channel to a URL; None for `grpc://`, which is plain."""
    return (tls or Tls()).credentials() if url.startswith("grpcs://") else None


def to_rpc(sent: httpx.Request) -> Rpc | httpx.Response:
    """Return the call that a request stands for, or the refusal of one that gRPC does not carry."""
    path = METHODS.get((sent.method, sent.url.path))
    if path is None:
        return _refused(Code.NOT_FOUND, "the service offers this over HTTP alone")
    read = READERS.get(path)
    try:
        raw = read(sent).SerializeToString() if read is not None else b""
    except (ValueError, TypeError) as error:
        return _refused(Code.INVALID_REQUEST, str(error))
    timeouts: Mapping[str, float | None] = sent.extensions.get("timeout", {})
    carried = {name: sent.headers.get(name) for name in (REQUEST_ID, AUTHORIZATION)}
    metadata = tuple((name, value) for name, value in carried.items() if value)
    return Rpc(path, raw, timeouts.get("read"), metadata)


METHODS = {
    ("POST", "/score"): f"{SERVICE}/Score",
    ("POST", "/images/missing"): f"{SERVICE}/MissingImages",
    ("GET", "/limits"): f"{SERVICE}/GetLimits",
    ("GET", "/readyz"): HEALTH,
}


def _read_body(sent: httpx.Request) -> Any:
    codec = codec_of(sent.headers.get("content-type"))
    if "content-encoding" in sent.headers:
        raise ValueError("compression is HTTP's alone")
    if codec is None:
        raise ValueError("the body is neither JSON nor msgpack")
    return codec.decode(sent.read())


def _read_missing(sent: httpx.Request) -> pb.MissingImagesRequest:
    return pb.MissingImagesRequest(digests=_read_body(sent)["digests"])


def _read_score(sent: httpx.Request) -> pb.ScoreRequest:
    document = _read_body(sent)
    for image in document.get("images") or ():
        if isinstance(image["data"], str):
            image["data"] = base64.b64decode(image["data"], validate=True)
    return request.to_message(document)


READERS: dict[str, Callable[[httpx.Request], Message]] = {
    f"{SERVICE}/Score": _read_score,
    f"{SERVICE}/MissingImages": _read_missing,
}


def to_response(path: str, raw: bytes) -> httpx.Response:
    """Return the answer to a call as HTTP would have carried it."""
    if path == HEALTH:
        if raw == SERVING:
            return httpx.Response(200, json={"status": "ready"})
        return _refused(Code.NOT_READY, MEANINGS[Code.NOT_READY].summary)
    if path.endswith("/GetLimits"):
        return httpx.Response(200, json=json.loads(pb.GetLimitsResponse.FromString(raw).limits))
    if path.endswith("/MissingImages"):
        missing = pb.MissingImagesResponse.FromString(raw)
        return httpx.Response(200, json={"digests": list(missing.digests)})
    scored = answer.from_message(pb.ScoreResponse.FromString(raw)).model_dump(mode="json")
    headers = {"content-type": MsgpackCodec().content_type, REQUEST_ID: scored["request_id"]}
    return httpx.Response(200, headers=headers, content=msgpack.packb(scored))


def to_refusal(error: grpc.RpcError, sent: httpx.Request) -> httpx.Response:
    """Return the service's refusal. Raises `httpx.TransportError` where it was not the service that spoke."""
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)  # noqa: S101 - what channels raise
    metadata = dict(error.trailing_metadata() or ())
    details, status = error.details() or "no details", error.code()
    if ERROR_KEY in metadata:
        body = json.loads(metadata[ERROR_KEY])
        meaning = MEANINGS[body["code"]] if body["code"] in MEANINGS else MEANINGS[Code.INTERNAL]
        headers = {}
        if PUSHBACK_KEY in metadata:
            headers["retry-after"] = str(int(metadata[PUSHBACK_KEY]) / 1000)
        return httpx.Response(meaning.http, headers=headers, json={"error": body})
    if status is grpc.StatusCode.DEADLINE_EXCEEDED:
        raise httpx.ReadTimeout(details, request=sent)
    if status is grpc.StatusCode.UNAVAILABLE:
        raise httpx.ConnectError(details, request=sent)
    if status is grpc.StatusCode.RESOURCE_EXHAUSTED:
        # gRPC's own words: a message over the server's limit, or more calls than it takes at once.
        too_large = "larger than max" in details
        return _refused(Code.REQUEST_TOO_LARGE if too_large else Code.OVERLOADED, details)
    raise httpx.RemoteProtocolError(f"{status.name}: {details}", request=sent)


def _refused(code: Code, message: str) -> httpx.Response:
    meaning = MEANINGS[code]
    error = ErrorBody(code=code, message=message, retryable=meaning.retryable)
    return httpx.Response(meaning.http, json={"error": error.model_dump(mode="json")})
