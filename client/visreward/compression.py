"""Bodies in zstd, for networks that are slower than packing. Needs the extra zstd."""

from typing import Literal, TypeAlias

Compression: TypeAlias = Literal["zstd"]

LEVEL = 1
MIN_BYTES = 2**12
"""A smaller body is not worth packing."""


def check_compression(compression: Compression | None) -> Compression | None:
    """Return the compression; raise ValueError for one that is not known or not installed."""
    if compression is None:
        return None
    if compression != "zstd":
        raise ValueError(f"compression is None or 'zstd', not {compression!r}")
    try:
        import zstandard  # noqa: F401 - is it there
    except ImportError:
        raise ValueError('compression="zstd" needs an extra: pip install "visreward[zstd]"') from None
    return compression


def pack(content: bytes) -> bytes:
    """Return the content as one frame that says how large it is."""
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL).compress(content)
