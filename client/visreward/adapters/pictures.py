"""Image inputs for the client, from what data sets and trainers hold.

Trainers hand over a new Pillow object for every sibling of a group. Their pixels tell which are the same
image, so that each is encoded once, and siblings share one object that the client hashes once. Pillow is
never imported.
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from visreward.images import ORIENTATION_TAG, ImageError, encode_pillow, is_pillow, is_single

MAX_BYTES = 256 * 2**20


class Pictures:
    """Encodings of Pillow images by content, the last used ones within a bound; threads may share it."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._encoded: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self.num_encoded = 0
        """Images encoded so far."""

    def read(self, images: Any) -> list[Any]:
        """Return what the client takes as an item's images, for one image, several or None.

        An image may be a path, a digest, encoded bytes, a Pillow image, or the mapping of `bytes` and
        `path` that data sets keep an undecoded one in. What is none of these stays as it is: the client
        refuses it, and it costs its item alone.
        """
        if images is None:
            return []
        to_list = getattr(images, "tolist", None)
        several = images if to_list is None else to_list()
        return [self._read_one(image) for image in ([several] if is_single(several) else several)]

    def _read_one(self, image: Any) -> Any:
        if isinstance(image, Mapping):
            data, path = image.get("bytes"), image.get("path")
            return path if data is None else data
        return self._encode(image) if is_pillow(image) else image

    def _encode(self, image: Any) -> Any:
        key = pixels_digest(image)
        with self._lock:
            if key in self._encoded:
                self._encoded.move_to_end(key)
                return self._encoded[key]
        try:
            data = encode_pillow(image)
        except ImageError:
            return image
        with self._lock:
            return self._keep(key, data)

    def _keep(self, key: bytes, data: bytes) -> bytes:
        """Keep an encoding and return it, or the one that another thread has kept meanwhile."""
        if key in self._encoded:
            return self._encoded[key]
        self._encoded[key] = data
        self._num_bytes += len(data)
        self.num_encoded += 1
        while self._num_bytes > self._max_bytes and len(self._encoded) > 1:
            _, dropped = self._encoded.popitem(last=False)
            self._num_bytes -= len(dropped)
        return data


def pixels_digest(image: Any) -> bytes:
    """Return a digest of what a Pillow image shows: mode, size, pixels, palette, orientation."""
    digest = hashlib.blake2b(digest_size=32)
    shown = (
        image.mode,
        image.size,
        image.getpalette(),
        image.info.get("transparency"),
        image.getexif().get(ORIENTATION_TAG),
    )
    digest.update(repr(shown).encode())
    digest.update(image.tobytes())
    return digest.digest()
