"""Bodies: reading them within the limit, and translating JSON and msgpack to plain objects and back."""

import asyncio
import json
import math
from collections.abc import Callable, Mapping
from typing import NoReturn

import msgpack
import orjson
from fastapi import Request, Response
from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from starlette.types import Receive

from visreward.protocol import Code, ItemResult, ScoreResponse
from visreward_service.engine.faults import RequestFault
from visreward_service.rest import compression
from visreward_service.rest.disconnect import ClientGoneError

JSON = "application/json"
MSGPACK = "application/msgpack"
MSGPACK_NAMES = frozenset({MSGPACK, "application/x-msgpack", "application/vnd.msgpack"})
VARY = (b"vary", b"accept, accept-encoding")
PACKED = (b"content-encoding", compression.ZSTD.encode())
KINDS = {kind: (b"content-type", kind.encode()) for kind in (JSON, MSGPACK)}


class Answer(Response):
    """A response whose headers need no more work."""

    def __init__(self, content: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = 200
        self.body = content
        self.raw_headers = headers
        self.background = None


Body = bytes | bytearray
"""One that came in pieces is a bytearray: it may be large, and is not copied once more."""


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return a request's body, as `receive_body` does."""
    return bytes(await receive_body(request.headers, request.receive, max_bytes))


async def receive_body(headers: Mapping[str, str], receive: Receive, max_bytes: int) -> Body:
    """Return the body, unpacked where it came in zstd. Raises `ClientGoneError` where it does not end.

    Raises `RequestFault` as soon as more than `max_bytes` have come, announced or not, packed or not.
    """
    is_packed = compression.check_encoding(headers.get("content-encoding", ""))
    announced = headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    whole = await _gather(receive, max_bytes)
    return await asyncio.to_thread(compression.unpack, whole, max_bytes) if is_packed else whole


async def _gather(receive: Receive, max_bytes: int) -> Body:
    """Return the body as it came: nothing is copied of one that came at once."""
    chunks: Body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if len(chunks) + len(chunk) > max_bytes:
            raise _too_large(max_bytes)
        if not chunks and not more:
            return chunk
        chunks = bytearray(chunks) if isinstance(chunks, bytes) else chunks
        chunks += chunk
        if not more:
            return chunks


def _too_large(max_bytes: int) -> RequestFault:
    return RequestFault(Code.REQUEST_TOO_LARGE, f"the body is over {max_bytes:,} bytes")


def reader(headers: Mapping[str, str]) -> Callable[[Body], object]:
    """Return the function that decodes a body, by its content type."""
    kind = headers.get("content-type", JSON)
    if kind == JSON or (kind := _name(kind)) == JSON:
        return read_json
    if kind in MSGPACK_NAMES:
        return read_msgpack
    raise RequestFault(Code.UNSUPPORTED_MEDIA_TYPE, f"send {JSON} or {MSGPACK}")


def read_json(body: Body) -> object:
    """Decode JSON. NaN and lone surrogates pass, so that they cost the item that holds them and no other."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
    try:
        return json.loads(body, parse_int=_whole_number)
    except (ValueError, RecursionError, UnicodeDecodeError):
        raise RequestFault(Code.INVALID_BODY, f"the body is not valid JSON ({place})") from None


def _whole_number(digits: str) -> int | float:
    """An integer too long for any field is as good as infinite, and costs no time to read."""
    return int(digits) if len(digits) <= 20 else math.inf


def read_msgpack(body: Body) -> object:
    """Decode msgpack without extension types. Text that is not UTF-8 costs the item that holds it."""
    try:
        return msgpack.unpackb(body, raw=False, unicode_errors="surrogateescape", ext_hook=_refuse)
    except (ValueError, RecursionError, TypeError, msgpack.exceptions.UnpackException):
        raise RequestFault(Code.INVALID_BODY, "the body is not valid msgpack") from None


def _refuse(code: int, data: bytes) -> NoReturn:
    del code, data
    raise ValueError


def _name(kind: str) -> str:
    return kind.split(";")[0].strip().lower()


def write(asked: Mapping[str, str], answer: ScoreResponse) -> Answer:
    """Encode an answer as JSON, or as msgpack where the client accepts it; in zstd where it accepts that."""
    accepted = asked.get("accept")
    kind = MSGPACK if accepted is not None and _name(accepted) in MSGPACK_NAMES else JSON
    content = _write_msgpack(answer) if kind == MSGPACK else _write_json(answer)
    headers = [VARY]
    if compression.is_worth_packing(asked.get("accept-encoding", ""), len(content)):
        headers.append(PACKED)
        content = compression.pack(content)
    headers += [(b"content-length", b"%d" % len(content)), KINDS[kind]]
    return Answer(content, headers)


def _write_json(answer: ScoreResponse) -> bytes:
    try:
        return orjson.dumps(_to_document(answer), default=_to_plain)
    except orjson.JSONEncodeError:  # an integer beyond 64 bits in the details of an item
        return answer.model_dump_json().encode()


def _write_msgpack(answer: ScoreResponse) -> bytes:
    packed: bytes = msgpack.packb(_to_document(answer), default=_to_plain)
    return packed


def _to_document(answer: ScoreResponse) -> dict[str, object]:
    """Return an answer's fields, and those of its items."""
    items = [_to_plain(item) if item.details else item.__dict__ for item in answer.items]
    return {**answer.__dict__, "items": items}


def _to_plain(value: object) -> object:
    """Return the fields of one of the wire's models. Details may hold what pydantic alone can write."""
    if isinstance(value, ItemResult) and value.details:
        return {**value.__dict__, "details": to_jsonable_python(value.details)}
    if isinstance(value, BaseModel):
        return value.__dict__
    raise TypeError(type(value).__name__)
