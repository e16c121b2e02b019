"""An LRU cache of embeddings, bounded in bytes. Lives in one process and one event loop."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from cachetools import LRUCache

Vector = npt.NDArray[np.float32]

ENTRY_OVERHEAD_BYTES = 400
"""Key, array header and links of one entry, so that small vectors are not counted as free."""


def _num_bytes(vector: Vector) -> int:
    return int(vector.nbytes) + ENTRY_OVERHEAD_BYTES


class MemoryCache:
    """Embeddings by key; the least recently used go first."""

    def __init__(self, max_bytes: int) -> None:
        self._entries: LRUCache[str, Vector] = LRUCache(max(max_bytes, 1), getsizeof=_num_bytes)
        self.num_evicted = 0

    @property
    def num_bytes(self) -> int:
        """Bytes held, bookkeeping included."""
        return int(self._entries.currsize)

    def __len__(self) -> int:
        return len(self._entries)

    async def get_many(self, keys: Sequence[str]) -> list[Vector | None]:
        """Return the vector of each key, None where it is not held."""
        return [self._entries.get(key) for key in keys]

    async def put_many(self, entries: Sequence[tuple[str, Vector]]) -> None:
        """Keep the vectors. One that is larger than the whole cache is left out."""
        before = len(self._entries)
        added = 0
        for key, vector in entries:
            if _num_bytes(vector) <= self._entries.maxsize:
                added += key not in self._entries
                vector.flags.writeable = False
                self._entries[key] = vector
        self.num_evicted += before + added - len(self._entries)
