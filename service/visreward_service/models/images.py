"""Bytes of an image file to upright RGB pixels, for bytes that nobody has vouched for.

Owns the list of codecs, the limits on bytes and pixels, orientation and transparency. It knows no model, no
cache and no wire. What a decoder says never leaves this module: every fault has one of its fixed messages.
All functions may be called from several threads.
"""

import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin
from PIL.ImageFile import ImageFile

from visreward.protocol import Code
from visreward_service.models.base import DecodedImage

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3)."""

ORIENTATION_TAG = 0x0112
MAX_SCANS = 100
"""Of a progressive JPEG. Encoders write about ten; each costs a pass over every pixel."""
RLE_COMPRESSIONS = (1, 2)
"""BMP run lengths, which Pillow expands in Python: seconds of work for a small file that nobody makes."""
DAMAGED = "the image cannot be decoded; it may be cut short or damaged"


# Pillow warns of damaged metadata, which no score depends on, in words taken from the file.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageFault(ValueError):
    """An image that cannot be scored: IMAGE_INVALID, IMAGE_UNSUPPORTED or IMAGE_TOO_LARGE."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return ImageFault, (self.code, self.message)


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What an image file says of itself before it is decoded."""

    format: str
    """A key of `FORMATS`."""
    width: int
    height: int
    """As stored: orientation is applied by `decode`."""
    num_frames: int
    """Frames announced; 2 for any animated GIF, whose header does not count them."""


@dataclass(frozen=True, slots=True)
class Codec:
    """How one format is recognised and opened."""

    magic: tuple[bytes, ...]
    open: Callable[[BytesIO], ImageFile]

    def accepts(self, data: bytes) -> bool:
        return data.startswith(self.magic)


class WebPCodec(Codec):
    """WebP stands inside a RIFF container whose length comes between the two words."""

    def accepts(self, data: bytes) -> bool:
        return data.startswith(self.magic) and data[8:12] == b"WEBP"


# The plugins are named one by one: `Image.open` also takes a JPEG for MPO, and answers large headers with
# process-wide warnings.
CODECS: Final[dict[str, Codec]] = {
    "jpeg": Codec((b"\xff\xd8\xff",), JpegImagePlugin.JpegImageFile),
    "png": Codec((b"\x89PNG\r\n\x1a\n",), PngImagePlugin.PngImageFile),
    "webp": WebPCodec((b"RIFF",), WebPImagePlugin.WebPImageFile),
    "gif": Codec((b"GIF87a", b"GIF89a"), GifImagePlugin.GifImageFile),
    "bmp": Codec((b"BM",), BmpImagePlugin.BmpImageFile),
}

FORMATS: Final = tuple(CODECS)
"""Names that `formats` may hold."""


def read_header(data: bytes, *, formats: Collection[str], max_bytes: int, max_pixels: int) -> ImageHeader:
    """Return what the header says, without decoding a pixel. Raise `ImageFault` as `decode` does."""
    name, opened = _open(data, formats=formats, max_bytes=max_bytes, max_pixels=max_pixels)
    return ImageHeader(name, opened.width, opened.height, _count_frames(opened))


def decode(data: bytes, *, formats: Collection[str], max_bytes: int, max_pixels: int) -> DecodedImage:
    """Return the image upright, in RGB, transparency over white; of an animation the first frame.

    Raise `ImageFault` where the format is not among `formats`, the file is over a limit, or it cannot be
    decoded to its end.
    """
    name, opened = _open(data, formats=formats, max_bytes=max_bytes, max_pixels=max_pixels)
    rgb = decode_jpeg(data, opened.mode) if name == "jpeg" else None
    with _decoder_faults(max_pixels):
        if rgb is None:
            opened.load()
            rgb = to_rgb(opened)
        return DecodedImage(np.ascontiguousarray(turn_upright(rgb, _read_orientation(opened))))


def to_rgb(image: Image.Image) -> Rgb:
    """Return a loaded image of any mode as RGB, with transparency over white.

    Samples of 16 bits keep their high byte, as Pillow has it for 16-bit colour.
    """
    if image.mode.startswith("I"):
        high = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(high[:, :, None], 3, axis=2)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", over.size, "white"), over)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def turn_upright(rgb: Rgb, orientation: int) -> Rgb:
    """Return a view turned as EXIF orientation 1 to 8 asks (EXIF 2.32, tag 0x0112); others turn nothing."""
    match orientation:
        case 2:
            return rgb[:, ::-1]
        case 3:
            return rgb[::-1, ::-1]
        case 4:
            return rgb[::-1]
        case 5:
            return rgb.transpose(1, 0, 2)
        case 6:
            return rgb.transpose(1, 0, 2)[:, ::-1]
        case 7:
            return rgb.transpose(1, 0, 2)[::-1, ::-1]
        case 8:
            return rgb.transpose(1, 0, 2)[::-1]
        case _:
            return rgb


def decode_jpeg(data: bytes, mode: str) -> Rgb | None:
    """Return the pixels by libjpeg-turbo without Pillow's copies, or None where Pillow must decide.

    That is for every file with so much as a warning, so that what is accepted is what Pillow accepts.
    """
    if mode not in ("RGB", "L") or not has_exact_turbojpeg():
        return None
    import simplejpeg

    try:
        return cast("Rgb", simplejpeg.decode_jpeg(data, "RGB", strict=True))
    except ValueError:
        return None


@cache
def has_exact_turbojpeg() -> bool:
    """Whether simplejpeg is installed and gives Pillow's very pixels, tried on a small 4:2:0 JPEG."""
    if find_spec("simplejpeg") is None:
        return False
    import simplejpeg

    noise = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).resize((75, 51), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=85)
    ours = simplejpeg.decode_jpeg(buffer.getvalue(), "RGB")
    return np.array_equal(ours, np.asarray(JpegImagePlugin.JpegImageFile(BytesIO(buffer.getvalue()))))


def _open(data: bytes, *, formats: Collection[str], max_bytes: int, max_pixels: int) -> tuple[str, ImageFile]:
    if not data:
        raise ImageFault(Code.IMAGE_INVALID, "the image is empty")
    if len(data) > max_bytes:
        raise ImageFault(Code.IMAGE_TOO_LARGE, f"the image has more than {max_bytes} bytes")
    name = next((name for name, codec in CODECS.items() if name in formats and codec.accepts(data)), None)
    if name is None:
        raise ImageFault(Code.IMAGE_UNSUPPORTED, f"the image is none of {', '.join(formats)}")
    with _decoder_faults(max_pixels):
        opened = CODECS[name].open(BytesIO(data))
    if opened.width * opened.height > max_pixels:
        raise _too_many_pixels(max_pixels)
    _refuse_slow(name, data, opened)
    return name, opened


def _refuse_slow(name: str, data: bytes, opened: ImageFile) -> None:
    """Raise for files that cost seconds of decoding per megabyte."""
    if name == "jpeg" and "progressive" in opened.info and data.count(b"\xff\xda") > MAX_SCANS:
        raise ImageFault(Code.IMAGE_UNSUPPORTED, f"a progressive JPEG of more than {MAX_SCANS} scans")
    if name == "bmp" and opened.info.get("compression") in RLE_COMPRESSIONS:
        raise ImageFault(Code.IMAGE_UNSUPPORTED, "a BMP with run-length compression")


@contextmanager
def _decoder_faults(max_pixels: int) -> Iterator[None]:
    """Turn whatever a decoder raises on a hostile file into one fixed fault."""
    try:
        yield
    except MemoryError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_many_pixels(max_pixels) from None
    except Exception:  # Pillow's decoders raise a dozen types, from SyntaxError to struct.error
        raise ImageFault(Code.IMAGE_INVALID, DAMAGED) from None


def _too_many_pixels(max_pixels: int) -> ImageFault:
    return ImageFault(Code.IMAGE_TOO_LARGE, f"the image has more than {max_pixels} pixels")


def _count_frames(opened: ImageFile) -> int:
    if isinstance(opened, GifImagePlugin.GifImageFile):
        return 2 if opened.is_animated else 1
    return int(getattr(opened, "n_frames", 1))


def _read_orientation(opened: ImageFile) -> int:
    """Return the EXIF orientation; 1 where there is none or the EXIF block is damaged."""
    try:
        value = opened.getexif().get(ORIENTATION_TAG, 1)
    except Exception:  # as in `_decoder_faults`; the image itself is whole
        return 1
    return value if isinstance(value, int) else 1
