"""Bodies: reading them within the limit, and translating JSON and msgpack to plain objects and back."""

import asyncio
import json
import math
from collections.abc import Callable
from typing import NoReturn

import msgpack
import orjson
from fastapi import Request, Response

from visreward.protocol import Code, ScoreResponse
from visreward_service.engine.faults import RequestFault
from visreward_service.rest import compression

JSON = "application/json"
MSGPACK = "application/msgpack"
MSGPACK_NAMES = frozenset({MSGPACK, "application/x-msgpack", "application/vnd.msgpack"})


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Return the body, unpacked where it came in zstd.

    Raises `RequestFault` as soon as more than `max_bytes` have come, announced or not, packed or not.
    """
    is_packed = compression.check_encoding(request.headers.get("content-encoding", ""))
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > max_bytes:
        raise _too_large(max_bytes)
    chunks = bytearray()
    async for chunk in request.stream():
        chunks += chunk
        if len(chunks) > max_bytes:
            raise _too_large(max_bytes)
    if is_packed:
        return await asyncio.to_thread(compression.unpack, bytes(chunks), max_bytes)
    return bytes(chunks)


def _too_large(max_bytes: int) -> RequestFault:
    return RequestFault(Code.REQUEST_TOO_LARGE, f"the body is over {max_bytes:,} bytes")


def reader(request: Request) -> Callable[[bytes], object]:
    """Return the function that decodes this request's body, by its content type."""
    kind = request.headers.get("content-type", JSON).split(";")[0].strip().lower()
    if kind == JSON:
        return read_json
    if kind in MSGPACK_NAMES:
        return read_msgpack
    raise RequestFault(Code.UNSUPPORTED_MEDIA_TYPE, f"send {JSON} or {MSGPACK}")


def read_json(body: bytes) -> object:
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


def read_msgpack(body: bytes) -> object:
    """Decode msgpack without extension types. Text that is not UTF-8 costs the item that holds it."""
    try:
        return msgpack.unpackb(body, raw=False, unicode_errors="surrogateescape", ext_hook=_refuse)
    except (ValueError, RecursionError, TypeError, msgpack.exceptions.UnpackException):
        raise RequestFault(Code.INVALID_BODY, "the body is not valid msgpack") from None


def _refuse(code: int, data: bytes) -> NoReturn:
    del code, data
    raise ValueError


def write(request: Request, answer: ScoreResponse) -> Response:
    """Encode an answer as JSON, or as msgpack where the client accepts it; in zstd where it accepts that."""
    kind = JSON
    if request.headers.get("accept", "").split(";")[0].strip().lower() in MSGPACK_NAMES:
        kind = MSGPACK
        content: bytes = msgpack.packb(answer.model_dump(mode="json"))
    else:
        content = answer.model_dump_json().encode()
    headers = {"vary": "accept, accept-encoding"}
    if compression.is_worth_packing(request.headers.get("accept-encoding", ""), len(content)):
        headers["content-encoding"] = compression.ZSTD
        content = compression.pack(content)
    return Response(content, media_type=kind, headers=headers)
