"""Memory before Redis: what one replica computed, another finds, and each keeps at hand."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from visreward_service.cache.memory import MemoryCache
from visreward_service.cache.shared import SharedCache

Vector = npt.NDArray[np.float32]


class Tiers:
    """A memory cache with a shared one behind it, where there is one."""

    def __init__(self, memory: MemoryCache, shared: SharedCache | None = None) -> None:
        self.memory = memory
        self.shared = shared

    async def get_many(self, keys: Sequence[str]) -> list[Vector | None]:
        """Return the vector of each key, None where neither has it: at most one round trip to Redis."""
        found = await self.memory.get_many(keys)
        if self.shared is None:
            return found
        absent = [place for place, vector in enumerate(found) if vector is None]
        fetched = await self.shared.get_many([keys[place] for place in absent])
        fresh: list[tuple[str, Vector]] = []
        for place, vector in zip(absent, fetched):
            found[place] = vector
            if vector is not None:
                fresh.append((keys[place], vector))
        await self.memory.put_many(fresh)
        return found

    async def put_many(self, entries: Sequence[tuple[str, Vector]]) -> None:
        """Keep the vectors in both."""
        await self.memory.put_many(entries)
        if self.shared is not None:
            await self.shared.put_many(entries)

    async def close(self) -> None:
        """Finish writes and disconnect."""
        if self.shared is not None:
            await self.shared.close()
