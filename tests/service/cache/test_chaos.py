"""A whole service whose Redis is paused, filled, spoilt and killed gives the same rewards to the bit."""

from typing import Any

import httpx
import pytest

from tests.service.cache.conftest import Server
from tests.service.rest.conftest import running
from tests.service.scenes_data import item, picture
from visreward_service.cache.shared import PREFIX
from visreward_service.settings import RedisSettings

SEEDS = (1, 2)


def body() -> dict[str, Any]:
    return {
        "recipe": "pebr-r1/stage1",
        "images": [picture(seed).wire() for seed in SEEDS],
        "items": [item(seed, number, completion_tokens=100) for seed in SEEDS for number in range(3)],
    }


async def score(service: httpx.AsyncClient) -> list[Any]:
    answer = await service.post("/score", json=body())
    assert answer.status_code == 200
    items = answer.json()["items"]
    assert all(result["error"] is None for result in items)
    return [(result["id"], result["reward"], result["parts"]) for result in items]


@pytest.fixture
async def expected() -> list[Any]:
    async with running() as service:
        return await score(service)


async def spoil(server: Server) -> None:
    client = server.client()
    async for key in client.scan_iter(f"{PREFIX}*"):
        await client.set(key, b"\x00" * 64)
    await client.aclose()


async def fill(server: Server) -> None:
    client = server.client()
    await client.config_set("maxmemory", "1mb")
    await client.config_set("maxmemory-policy", "noeviction")
    await client.flushall()
    await client.aclose()


async def test_no_trouble_with_redis_changes_a_reward(redis_server: Server, expected: list[Any]) -> None:
    shared = RedisSettings(url=redis_server.url, timeout_seconds=0.5, pause_seconds=0.01)
    # Nothing is kept in memory, so that every request depends on what Redis says.
    async with running(redis=shared, cache_bytes=0) as service:
        for _ in range(2):
            assert await score(service) == expected
        await spoil(redis_server)
        assert await score(service) == expected
        redis_server.pause()
        assert await score(service) == expected
        redis_server.resume()
        await fill(redis_server)
        assert await score(service) == expected
        redis_server.kill()
        for _ in range(2):
            assert await score(service) == expected
        text = (await service.get("/metrics")).text
    assert 'visreward_shared_cache_total{operation="get",outcome="failed"}' in text
    assert 'visreward_shared_cache_total{operation="get",outcome="garbage"}' in text
