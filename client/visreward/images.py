"""From what a caller calls an image to encoded bytes and their SHA-256.

Owns the reading of files and the encoding of Pillow images. Never imports Pillow: where no Pillow image can
exist, none is looked for. What the bytes decode to is the service's business.
"""

import hashlib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from visreward.protocol.codes import Code

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage

ImageInput: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | PillowImage"
"""A path, encoded bytes, a Pillow image, or the digest of an image that the service already holds."""

DIGEST = re.compile(r"[0-9a-f]{64}")
LOSSLESS_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})
"""Pillow modes that PNG holds without changing a pixel."""
ORIENTATION_TAG = 0x0112


class ImageError(ValueError):
    """An image of one item that cannot be sent; `code` says why."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class ImageStore:
    """The images of one call: each distinct one is read, encoded and hashed once, and held once."""

    max_image_bytes: int
    """Encoded bytes of one image; a larger one is refused here, and a larger file is not read."""
    data: dict[str, bytes] = field(default_factory=dict)
    """Encoded bytes by digest, for the images that are to be sent."""
    _digests: dict[Any, str] = field(default_factory=dict)
    """By path, or by the identity of an object in `_held`."""
    _held: list[Any] = field(default_factory=list)
    """Keeps objects alive, so that their identities stay theirs."""

    def add(self, image: ImageInput) -> str:
        """Return the image's digest; raise ImageError, or TypeError where `image` is no image input."""
        if isinstance(image, str) and DIGEST.fullmatch(image):
            return image
        if isinstance(image, str | os.PathLike):
            path = Path(image)
            return self._remember(path, lambda: self._read(path))
        if isinstance(image, bytes | bytearray | memoryview):
            return self._remember(id(image), lambda: bytes(image), held=image)
        if is_pillow(image):
            return self._remember(id(image), lambda: encode_pillow(image), held=image)
        raise TypeError(f"an image is a path, bytes, a Pillow image or a digest, not {type(image).__name__}")

    def _remember(self, key: Any, load: Callable[[], bytes], *, held: Any = None) -> str:
        digest = self._digests.get(key)
        if digest is None:
            data = load()
            self._check_size(len(data))
            digest = hashlib.sha256(data).hexdigest()
            self.data[digest] = data
            self._digests[key] = digest
            self._held.append(held)
        return digest

    def _read(self, path: Path) -> bytes:
        try:
            self._check_size(path.stat().st_size)
            return path.read_bytes()
        except (OSError, ValueError) as error:
            if isinstance(error, ImageError):
                raise
            reason = error.strerror if isinstance(error, OSError) else "not a path"
            raise ImageError(Code.IMAGE_INVALID, f"cannot read {path}: {reason}") from None

    def _check_size(self, num_bytes: int) -> None:
        if num_bytes > self.max_image_bytes:
            limit = f"the service takes {self.max_image_bytes:,}"
            raise ImageError(Code.IMAGE_TOO_LARGE, f"the image has {num_bytes:,} bytes; {limit}")


def is_pillow(value: object) -> bool:
    """Whether `value` is a Pillow image; without loading Pillow."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def is_single(images: object) -> bool:
    """Whether `images` is one image rather than a sequence of them."""
    return not isinstance(images, Sequence) or isinstance(images, str | bytes | bytearray | memoryview)


def encode_pillow(image: "PillowImage") -> bytes:
    """Return the image as a PNG with the same pixels and orientation.

    Raises ImageError for a mode that PNG cannot hold: a conversion changes pixels and is the caller's choice.
    """
    if image.mode not in LOSSLESS_MODES:
        raise ImageError(
            Code.IMAGE_UNSUPPORTED,
            f"a Pillow image of mode {image.mode} has no lossless PNG: send its file, or convert it first",
        )
    exif = image.getexif()
    oriented = {"exif": exif} if exif.get(ORIENTATION_TAG, 1) != 1 else {}
    buffer = io.BytesIO()
    # Level 1: the bytes live for one request, and deflate's higher levels cost more than they save.
    image.save(buffer, format="PNG", compress_level=1, **oriented)
    return buffer.getvalue()
