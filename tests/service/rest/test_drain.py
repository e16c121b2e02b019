"""A service that was told to stop refuses what is new on every protocol, and answers what it has taken."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio

from tests.service.grpc.conftest import Service, serving, unary
from tests.service.rest.test_process import quick_request, slow_request
from tests.service.scenes_data import pebr
from visreward.protocol.proto import request
from visreward.protocol.proto import reward_pb2 as pb
from visreward_service.settings import RuleSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def drained() -> AsyncIterator[Service]:
    """A service that drains, with the answer to the request that it had taken before."""
    async with serving(rules=RuleSettings(workers=1, time_limit_seconds=2.0)) as service:
        async with httpx.AsyncClient(base_url=f"http://{service.http}", timeout=60) as client:
            taken = asyncio.create_task(client.post("/score", json=slow_request(1)))
            while (await gauge(client, "visreward_pending_items")) == 0:
                await asyncio.sleep(0.02)
            service.engine.drain()
            idle = asyncio.create_task(service.engine.wait_idle())
            refused = await client.post("/score", json=quick_request())
            assert refused.status_code == 503
            assert not idle.done()
            answer = await taken
            assert answer.status_code == 200
            assert answer.json()["items"][0]["error"]["code"] == "rule_timeout"
            await idle
        yield service


async def gauge(client: httpx.AsyncClient, name: str) -> float:
    text = (await client.get("/metrics")).text
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))


async def test_http_refuses_in_words_and_says_when_to_come_back(drained: Service) -> None:
    async with httpx.AsyncClient(base_url=f"http://{drained.http}") as client:
        answer = await client.post("/score", json=quick_request())
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
        assert answer.json()["error"]["retryable"]
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["connection"] == "close"


async def test_the_probes_tell_balancers(drained: Service) -> None:
    async with httpx.AsyncClient(base_url=f"http://{drained.http}") as client:
        assert (await client.get("/readyz")).status_code == 503
        assert (await client.get("/v2/health/ready")).status_code == 400
        assert (await client.get("/healthz")).status_code == 200
        assert await gauge(client, "visreward_ready") == 0.0


async def test_the_open_inference_protocol_refuses_too(drained: Service) -> None:
    body: dict[str, Any] = {
        "inputs": [{"name": "TEXT", "shape": [1], "datatype": "BYTES", "data": ["a red ball"]}]
    }
    async with httpx.AsyncClient(base_url=f"http://{drained.http}") as client:
        answer = await client.post("/v2/models/encoder.fgclip/infer", json=body)
    assert (answer.status_code, answer.headers["visreward-code"]) == (503, "not_ready")
    assert int(answer.headers["retry-after"]) > 0


async def test_grpc_refuses_with_a_hint_that_channels_obey(drained: Service) -> None:
    item = {"id": "a", "completion": pebr("", "42"), "reference": {"answer": "42"}}
    message = request.to_message({"recipe": "pebr-r1/stage2", "items": [item]})
    async with grpc.aio.insecure_channel(drained.grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, "/visreward.v1.RewardService/Score")(message.SerializeToString())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        hints = dict(caught.value.trailing_metadata() or ())
        assert int(hints["grpc-retry-pushback-ms"]) > 0
        asked = pb.MissingImagesRequest(digests=["0" * 64]).SerializeToString()
        answer = await unary(channel, "/visreward.v1.RewardService/MissingImages")(asked)
        assert list(pb.MissingImagesResponse.FromString(answer).digests) == ["0" * 64]
