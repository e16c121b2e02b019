"""The two bodies of the wire: msgpack with raw image bytes, JSON with base64, the same fields in both.

Items and images are encoded one by one and joined later, so that their sizes are known before a request is
put together and nothing is encoded twice. Knows bytes and plain values, no HTTP.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import msgpack
from pydantic import BaseModel

Encoding: TypeAlias = Literal["msgpack", "json"]

BIN_32 = b"\xc6"
"""msgpack's mark of binary data with a length of four bytes."""

IMAGE_OVERHEAD_BYTES = 160
"""More than the field names, digest and punctuation of an image take in either body."""


class Codec(Protocol):
    """How values become bytes and back."""

    @property
    def content_type(self) -> str: ...

    def encode(self, value: Any) -> bytes:
        """Encode a plain value; raise ValueError, TypeError or OverflowError where it has no encoding."""

    def image_size(self, data: bytes) -> int:
        """Return an upper bound of the bytes that an image takes in a body."""

    def join(self, head: Mapping[str, Any], images: Mapping[str, bytes], items: Sequence[bytes]) -> bytes:
        """Return the body with the fields of `head`, images by digest, and items from `encode`."""

    def decode(self, body: bytes) -> Any:
        """Decode a body; raise ValueError where it is not one."""


def to_plain(value: Any) -> Any:
    """Return the plain form of what no codec knows; raise TypeError where there is none.

    Data sets are full of numpy's numbers and arrays, and callers may use the wire's own models.
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, BaseModel):
        return value.model_dump(exclude_unset=True)
    to_list = getattr(value, "tolist", None)
    if to_list is None:
        raise TypeError(f"a {type(value).__name__} cannot be sent")
    return to_list()


@dataclass(frozen=True, slots=True)
class MsgpackCodec:
    """Raw bytes, no escaping: the smaller and quicker of the two."""

    content_type: str = "application/msgpack"

    def encode(self, value: Any) -> bytes:
        packed: bytes = msgpack.packb(value, default=to_plain)
        return packed

    def image_size(self, data: bytes) -> int:
        return len(data) + IMAGE_OVERHEAD_BYTES

    def join(self, head: Mapping[str, Any], images: Mapping[str, bytes], items: Sequence[bytes]) -> bytes:
        packer = msgpack.Packer(autoreset=True)
        parts: list[bytes] = [packer.pack_map_header(len(head) + 2)]
        for name, value in head.items():
            parts += (self.encode(name), self.encode(value))
        parts += (self.encode("images"), packer.pack_array_header(len(images)))
        names = packer.pack_map_header(2) + self.encode("digest"), self.encode("data")
        for digest, data in images.items():
            # The header of a bin 32 is written by hand: packing the data would copy it once more.
            size = BIN_32 + len(data).to_bytes(4, "big")
            parts += (names[0], self.encode(digest), names[1], size, data)
        parts += (self.encode("items"), packer.pack_array_header(len(items)))
        return b"".join((*parts, *items))

    def decode(self, body: bytes) -> Any:
        try:
            return msgpack.unpackb(body)
        except (ValueError, msgpack.exceptions.UnpackException) as error:
            raise ValueError("not a msgpack body") from error


@dataclass(frozen=True, slots=True)
class JsonCodec:
    """Readable in every tool; images grow by a third."""

    content_type: str = "application/json"

    def encode(self, value: Any) -> bytes:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=to_plain)
        return text.encode()

    def image_size(self, data: bytes) -> int:
        return 4 * ((len(data) + 2) // 3) + IMAGE_OVERHEAD_BYTES

    def join(self, head: Mapping[str, Any], images: Mapping[str, bytes], items: Sequence[bytes]) -> bytes:
        parts = [b"{"]
        for name, value in head.items():
            parts += (self.encode(name), b":", self.encode(value), b",")
        parts.append(b'"images":[')
        for place, (digest, data) in enumerate(images.items()):
            comma = b"," if place else b""
            encoded = base64.b64encode(data)
            parts += (comma, b'{"digest":"', digest.encode(), b'","data":"', encoded, b'"}')
        parts += (b'],"items":[', b",".join(items), b"]}")
        return b"".join(parts)

    def decode(self, body: bytes) -> Any:
        return json.loads(body)


CODECS: dict[Encoding, Codec] = {"msgpack": MsgpackCodec(), "json": JsonCodec()}


def codec_of(content_type: str | None) -> Codec | None:
    """Return the codec that a `Content-Type` names, parameters aside; None for any other type."""
    name = (content_type or "").partition(";")[0].strip().lower()
    return next((codec for codec in CODECS.values() if codec.content_type == name), None)
