"""Embeddings in Redis, shared by replicas. Redis can be slow, gone, full or wrong: then it is left aside.

A lookup is one MGET, a write one pipeline, both under a time limit. After a failure Redis is not asked again
for a while, so that a dead server costs one time limit and not one per request. A value is trusted only if
its checksum over key and content is right, so that what comes back is what was put, or nothing.
"""

import asyncio
import hashlib
import logging
import math
import struct
import time
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from redis.asyncio import Redis
from redis.exceptions import RedisError

from visreward_service.metrics import Metrics

log = logging.getLogger(__name__)

Vector = npt.NDArray[np.float32]

PREFIX = "visreward:2:"
"""Version of the keys and of the values' layout."""
HEADER = struct.Struct("<16sBIII")
"""Checksum, number of axes, and three sizes; those of axes that are not there are 0."""
AXES = (1, 3)
"""Of a vector, and of a dense map: rows, columns, dimensions."""
MAX_WRITES_UNDER_WAY = 64


class SharedCache:
    """A cache of embeddings in Redis. No method raises for what Redis does."""

    def __init__(
        self,
        url: str,
        *,
        ttl_seconds: float,
        timeout_seconds: float,
        pause_seconds: float,
        metrics: Metrics,
    ) -> None:
        """Connect at the first use. Raises ValueError where `url` is not a Redis URL."""
        self._redis: Redis = Redis.from_url(
            url,
            socket_timeout=timeout_seconds,
            socket_connect_timeout=timeout_seconds,
            decode_responses=False,
        )
        self._ttl_ms = max(int(ttl_seconds * 1000), 1)
        self._timeout_seconds = timeout_seconds
        self._pause_seconds = pause_seconds
        self._metrics = metrics
        self._paused_until = 0.0
        self._writes: set[asyncio.Task[None]] = set()

    async def get_many(self, keys: Sequence[str]) -> list[Vector | None]:
        """Return the vector of each key; None where Redis does not have it, or does not answer in time."""
        if not keys or self._paused():
            return [None] * len(keys)
        names = [PREFIX + key for key in keys]
        try:
            async with asyncio.timeout(self._timeout_seconds):
                values = await self._redis.mget(names)
        except (RedisError, OSError, TimeoutError) as error:
            self._pause("get", error)
            return [None] * len(keys)
        return [self._unpack(name, value) for name, value in zip(names, values)]

    async def put_many(self, entries: Sequence[tuple[str, Vector]]) -> None:
        """Write the vectors in the background; what is over the bound on writes under way is left out."""
        if not entries or self._paused():
            return
        if len(self._writes) >= MAX_WRITES_UNDER_WAY:
            self._metrics.shared_cache.labels("put", "skipped").inc()
            return
        task = asyncio.get_running_loop().create_task(self._write(list(entries)))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def flush(self) -> None:
        """Wait for the writes under way."""
        await asyncio.gather(*self._writes, return_exceptions=True)

    async def close(self) -> None:
        """Wait for the writes under way, then disconnect."""
        await self.flush()
        try:
            await self._redis.aclose()
        except (RedisError, OSError):
            log.debug("redis did not say goodbye")

    async def _write(self, entries: list[tuple[str, Vector]]) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        for key, vector in entries:
            pipeline.set(PREFIX + key, pack(PREFIX + key, vector), px=self._ttl_ms)
        try:
            async with asyncio.timeout(self._timeout_seconds * 4):
                await pipeline.execute()
            self._metrics.shared_cache.labels("put", "ok").inc()
        except (RedisError, OSError, TimeoutError) as error:
            self._pause("put", error)

    def _unpack(self, name: str, value: object) -> Vector | None:
        if value is None:
            self._metrics.shared_cache.labels("get", "miss").inc()
            return None
        vector = unpack(name, value)
        self._metrics.shared_cache.labels("get", "hit" if vector is not None else "garbage").inc()
        return vector

    def _paused(self) -> bool:
        return time.monotonic() < self._paused_until

    def _pause(self, operation: str, error: BaseException) -> None:
        self._metrics.shared_cache.labels(operation, "failed").inc()
        log.warning("redis left aside", extra={"operation": operation, "reason": type(error).__name__})
        self._paused_until = time.monotonic() + self._pause_seconds


def pack(name: str, vector: Vector) -> bytes:
    """Return a value that says of itself whether it is whole and belongs to its key."""
    data = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    sizes = (*vector.shape, 0, 0)[:3]
    return HEADER.pack(_checksum(name, sizes, data), vector.ndim, *sizes) + data


def unpack(name: str, value: object) -> Vector | None:
    """Return the vector, or None where the value is not what `pack` made for this key."""
    if not isinstance(value, bytes) or len(value) < HEADER.size:
        return None
    checksum, num_axes, *sizes = HEADER.unpack_from(value)
    data = value[HEADER.size :]
    if num_axes not in AXES or len(data) != 4 * math.prod(sizes[:num_axes]):
        return None
    if checksum != _checksum(name, sizes, data):
        return None
    return np.frombuffer(data, dtype="<f4").astype(np.float32, copy=False).reshape(sizes[:num_axes])


def _checksum(name: str, sizes: Sequence[int], data: bytes) -> bytes:
    shape = "".join(f"{size}|" for size in sizes)
    return hashlib.blake2b(f"{name}|{shape}".encode() + data, digest_size=16).digest()
