"""The clients over gRPC get what they get over HTTP."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from tests.client.calls import call_each
from tests.service.grpc.conftest import Service, serving
from tests.service.scenes_data import item, picture
from visreward import AsyncRewardClient, RewardClient
from visreward.errors import ConnectionFailedError, OverloadedError, UnknownNameError
from visreward.grpc_transport import AsyncGrpcTransport
from visreward.retry import NEVER

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAGE_1 = "pebr-r1/stage1"
URL = "http://reward"
RECEIVED = "visreward_image_bytes_received_total "


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


def items() -> list[dict[str, object]]:
    return [{**item(seed, number), "images": [picture(seed).data]} for seed in (1, 2) for number in (0, 1)]


async def test_both_clients_get_the_rewards_that_they_get_over_http(served: Service) -> None:
    def blocking() -> list[float | None]:
        with RewardClient(url=f"grpc://{served.grpc}") as client:
            assert client.ready()
            return client.score(items(), recipe=STAGE_1).rewards

    async with AsyncRewardClient(url=f"http://{served.http}") as client:
        expected = (await client.score(items(), recipe=STAGE_1)).rewards
    async with AsyncRewardClient(url=URL, transport=AsyncGrpcTransport(served.grpc)) as client:
        assert (await client.score(items(), recipe=STAGE_1)).rewards == expected
    async with AsyncRewardClient(
        url=URL, transport=AsyncGrpcTransport(served.grpc), encoding="json"
    ) as client:
        assert (await client.score(items(), recipe=STAGE_1)).rewards == expected
    assert await asyncio.to_thread(blocking) == expected


async def test_a_refusal_is_the_error_that_http_gives(served: Service) -> None:
    async with AsyncRewardClient(url=URL, transport=AsyncGrpcTransport(served.grpc)) as client:
        with pytest.raises(UnknownNameError) as caught:
            await client.score(items(), recipe="pebr-r1/stage9")
        assert caught.value.code == "unknown_recipe"
        assert "pebr-r1/stage1" in caught.value.nearest


async def test_what_grpc_does_not_carry_is_refused_in_words(served: Service) -> None:
    async with AsyncRewardClient(url=URL, transport=AsyncGrpcTransport(served.grpc)) as client:
        with pytest.raises(UnknownNameError, match="over HTTP alone"):
            await client.models()


async def test_a_service_that_is_not_there_is_a_failed_connection() -> None:
    transport = AsyncGrpcTransport("127.0.0.1:9")
    async with AsyncRewardClient(url=URL, transport=transport, retry=NEVER) as client:
        with pytest.raises(ConnectionFailedError):
            await client.limits()
        assert not await client.ready()


async def test_a_service_that_drains_is_overloaded() -> None:
    async with serving() as service:
        await service.engine.close()
        transport = AsyncGrpcTransport(service.grpc)
        async with AsyncRewardClient(url=URL, transport=transport, retry=NEVER) as client:
            with pytest.raises(OverloadedError):
                await client.score(items(), recipe=STAGE_1)
            for _ in range(100):  # health is told a few times a second
                if not await client.ready():
                    break
                await asyncio.sleep(0.1)
            assert not await client.ready()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_an_image_is_sent_once_over_grpc(kind: str) -> None:
    async with serving() as service, httpx.AsyncClient(base_url=f"http://{service.http}") as http:

        async def received() -> float:
            lines = (await http.get("/metrics")).text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith(RECEIVED))

        once = sum(len(picture(seed).data) for seed in (1, 2))
        calls = [items()] * 3
        results = await asyncio.to_thread(call_each, kind, [f"grpc://{service.grpc}"], calls, recipe=STAGE_1)
        assert len({tuple(result.rewards) for result in results}) == 1
        assert await received() == once
