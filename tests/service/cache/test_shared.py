"""The cache in Redis, with a real server that is slow, gone, full or wrong."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.service.cache.conftest import Server
from visreward_service.cache import MemoryCache, SharedCache, Tiers
from visreward_service.cache.shared import PREFIX, pack, unpack
from visreward_service.metrics import Metrics


@asynccontextmanager
async def connected(
    server: Server, *, pause_seconds: float = 60.0
) -> AsyncIterator[tuple[SharedCache, Metrics]]:
    metrics = Metrics()
    cache = SharedCache(
        server.url, ttl_seconds=60, timeout_seconds=0.5, pause_seconds=pause_seconds, metrics=metrics
    )
    yield cache, metrics
    await cache.close()


def counted(metrics: Metrics, operation: str, outcome: str) -> float:
    labels = {"operation": operation, "outcome": outcome}
    return metrics.registry.get_sample_value("visreward_shared_cache_total", labels) or 0.0


def vector(seed: int, *shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


async def test_what_one_replica_put_another_gets_to_the_bit(redis_server: Server) -> None:
    entries = [("a", vector(1, 8)), ("b", vector(2, 3, 4, 8))]
    async with connected(redis_server) as (one, _):
        await one.put_many(entries)
    async with connected(redis_server) as (other, metrics):
        found = await other.get_many(["a", "nothing", "b"])
    assert found[1] is None
    for (_, put), got in zip(entries, (found[0], found[2])):
        assert got is not None
        assert got.tobytes() == put.tobytes()
        assert got.shape == put.shape
    assert counted(metrics, "get", "hit") == 2
    assert counted(metrics, "get", "miss") == 1


async def test_a_value_that_is_not_ours_is_a_miss_and_counted(redis_server: Server) -> None:
    client = redis_server.client()
    good = pack(f"{PREFIX}a", vector(1, 8))
    await client.mset(
        {
            f"{PREFIX}cut": good[:-4],
            f"{PREFIX}elsewhere": good,
            f"{PREFIX}text": b"hello",
            f"{PREFIX}flipped": good[:-1] + bytes([good[-1] ^ 1]),
            f"{PREFIX}pickle": b"\x80\x04N.",
        }
    )
    await client.aclose()
    async with connected(redis_server) as (cache, metrics):
        assert await cache.get_many(["cut", "elsewhere", "text", "flipped", "pickle"]) == [None] * 5
    assert counted(metrics, "get", "garbage") == 5


async def test_a_key_of_another_type_is_a_miss(redis_server: Server) -> None:
    client = redis_server.client()
    await client.lpush(f"{PREFIX}list", "x")
    await client.aclose()
    async with connected(redis_server) as (cache, _):
        assert await cache.get_many(["list"]) == [None]


async def test_a_paused_server_costs_one_time_limit_and_is_then_left_alone(redis_server: Server) -> None:
    async with connected(redis_server) as (cache, metrics):
        redis_server.pause()
        for _ in range(50):
            assert await cache.get_many(["a"]) == [None]
        assert counted(metrics, "get", "failed") == 1
        redis_server.resume()


async def test_a_killed_server_is_a_miss(redis_server: Server) -> None:
    async with connected(redis_server) as (cache, metrics):
        redis_server.kill()
        assert await cache.get_many(["a"]) == [None]
        await cache.put_many([("a", vector(1, 8))])
    assert counted(metrics, "get", "failed") == 1


async def test_a_server_that_comes_back_is_used_again(redis_server: Server) -> None:
    async with connected(redis_server, pause_seconds=0.01) as (cache, _):
        await cache.put_many([("a", vector(1, 8))])
        await cache.flush()
        redis_server.pause()
        assert await cache.get_many(["a"]) == [None]
        redis_server.resume()
        for _ in range(100):
            await asyncio.sleep(0.05)
            (found,) = await cache.get_many(["a"])
            if found is not None:
                break
        assert found is not None


async def test_a_full_server_refuses_writes_and_that_is_all(redis_server: Server) -> None:
    client = redis_server.client()
    await client.config_set("maxmemory", "1mb")
    await client.config_set("maxmemory-policy", "noeviction")
    await client.aclose()
    async with connected(redis_server) as (cache, metrics):
        await cache.put_many([(str(n), vector(n, 1000)) for n in range(1000)])
        await cache.flush()
        assert counted(metrics, "put", "failed") == 1


async def test_entries_expire(redis_server: Server) -> None:
    async with connected(redis_server) as (cache, _):
        await cache.put_many([("a", vector(1, 8))])
        await cache.flush()
        client = redis_server.client()
        assert 0 < await client.pttl(f"{PREFIX}a") <= 60_000
        await client.aclose()


async def test_a_hit_in_redis_is_kept_in_memory(redis_server: Server) -> None:
    async with connected(redis_server) as (shared, metrics):
        await shared.put_many([("a", vector(1, 8))])
        await shared.flush()
        tiers = Tiers(MemoryCache(10_000), shared)
        for _ in range(3):
            (found,) = await tiers.get_many(["a"])
            assert found is not None
        assert counted(metrics, "get", "hit") == 1


@pytest.mark.parametrize("shape", [(24,), (2, 3, 4), (3, 2, 4), (1, 1, 24)])
def test_a_value_keeps_its_shape_and_is_no_other_shape_with_the_same_bytes(shape: tuple[int, ...]) -> None:
    packed = pack("key", vector(1, *shape))
    found = unpack("key", packed)
    assert found is not None
    assert found.shape == shape
    other = struct.pack("<BIII", 3, 4, 3, 2)
    assert unpack("key", packed[:16] + other + packed[16 + len(other) :]) is None


@given(st.binary(max_size=200))
def test_no_bytes_from_outside_are_taken_for_a_vector(value: bytes) -> None:
    assert unpack("key", value) is None


async def test_the_memory_cache_stays_within_its_bytes_and_drops_the_least_recently_used() -> None:
    cache = MemoryCache(max_bytes=3 * 500)
    await cache.put_many([(name, vector(1, 8)) for name in "abc"])
    await cache.get_many(["a"])
    await cache.put_many([("d", vector(2, 8))])
    found = await cache.get_many(list("abcd"))
    assert [vector is not None for vector in found] == [True, False, True, True]
    assert cache.num_bytes <= 1500
    assert cache.num_evicted == 1


@pytest.mark.parametrize("max_bytes", [0, 10])
async def test_a_cache_too_small_for_anything_holds_nothing(max_bytes: int) -> None:
    cache = MemoryCache(max_bytes)
    await cache.put_many([("a", vector(1, 8))])
    assert len(cache) == 0
