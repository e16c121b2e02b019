"""Images that clients have sent before, by digest, bounded in bytes: encoded, and checked."""

import threading
from collections.abc import Iterable, Mapping

from cachetools import LRUCache


class ImageStore:
    """Encoded images by digest; the least recently used go first. May be used from several threads."""

    def __init__(self, max_bytes: int) -> None:
        self._images: LRUCache[str, bytes] = LRUCache(max(max_bytes, 1), getsizeof=len)
        self._lock = threading.Lock()

    @property
    def num_bytes(self) -> int:
        """Bytes held."""
        return int(self._images.currsize)

    def put(self, digest: str, data: bytes) -> None:
        """Keep an image. One that is larger than the whole store is left out."""
        with self._lock:
            if len(data) <= self._images.maxsize:
                self._images[digest] = data

    def get_many(self, digests: Iterable[str]) -> Mapping[str, bytes]:
        """Return the images that are held; each counts as used."""
        with self._lock:
            return {digest: data for digest in digests if (data := self._images.get(digest)) is not None}

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Return the digests that are not held, in order; those that are held count as used."""
        with self._lock:
            return [digest for digest in digests if self._images.get(digest) is None]
