"""Bodies in zstd, within the limits that hold for what they unpack to. Needs the extra zstd.

A body has to say how large it is unpacked: one that is too large is refused before anything is unpacked, and
none holds more than it has said.
"""

from functools import cache
from types import ModuleType

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault

ZSTD = "zstd"
MIN_ANSWER_BYTES = 2**12
"""A smaller answer is not worth packing."""
LEVEL = 1


@cache
def find_zstd() -> ModuleType | None:
    """Return the library, None where it is not installed."""
    try:
        import zstandard
    except ImportError:
        return None
    return zstandard


def check_encoding(encoding: str) -> bool:
    """Return whether a body has to be unpacked. Raises `RequestFault` for an encoding that is not taken."""
    name = encoding.strip().lower() or "identity"
    if name == "identity":
        return False
    if name != ZSTD or find_zstd() is None:
        takes = "in zstd or without" if find_zstd() is not None else "without"
        raise RequestFault(Code.UNSUPPORTED_MEDIA_TYPE, f"send the body {takes} a content encoding")
    return True


def unpack(packed: bytes | bytearray, max_bytes: int) -> bytes:
    """Return the content of one frame. Raises `RequestFault` where it is over `max_bytes`, or no frame."""
    zstandard = find_zstd()
    assert zstandard is not None  # noqa: S101 - `check_encoding` has found it
    try:
        declared = zstandard.frame_content_size(packed)
        if declared < 0:
            raise RequestFault(Code.INVALID_BODY, "a zstd body must say how large it is unpacked")
        if declared > max_bytes:
            raise RequestFault(Code.REQUEST_TOO_LARGE, f"the body is over {max_bytes:,} bytes unpacked")
        content: bytes = zstandard.ZstdDecompressor().decompress(
            packed, max_output_size=declared, allow_extra_data=False
        )
    except zstandard.ZstdError:
        raise RequestFault(Code.INVALID_BODY, "the body is not one zstd frame") from None
    return content


def is_worth_packing(accepted: str, num_bytes: int) -> bool:
    """Whether an answer goes out in zstd, by the request's `Accept-Encoding`."""
    if num_bytes < MIN_ANSWER_BYTES or find_zstd() is None:
        return False
    for offer in accepted.lower().split(","):
        name, _, weight = offer.partition(";")
        if name.strip() == ZSTD:
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def pack(content: bytes) -> bytes:
    """Return the content as one frame that says how large it is."""
    zstandard = find_zstd()
    assert zstandard is not None  # noqa: S101 - `is_worth_packing` has found it
    packed: bytes = zstandard.ZstdCompressor(level=LEVEL).compress(content)
    return packed
