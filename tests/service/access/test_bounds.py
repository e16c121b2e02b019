"""What a peer cannot do to a port: endless heads, unread answers, requests that never end, huge metadata."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
import pytest_asyncio

from tests.service.grpc.conftest import Service, serving, streaming, unary
from tests.service.grpc.test_score import SCORE
from tests.service.scenes_data import item
from visreward.protocol.proto import request
from visreward_service.main import build_engine
from visreward_service.rest import create_app
from visreward_service.rest.listen import ProbeServer
from visreward_service.settings import GrpcSettings, HttpSettings, MetricsSettings, RuleSettings, Settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

IDLE = 1.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bounded() -> AsyncIterator[Service]:
    http = HttpSettings(max_head_bytes=4096, idle_seconds=IDLE)
    rpc = GrpcSettings(port=0, stream_idle_seconds=IDLE, max_metadata_bytes=4096)
    async with serving(http=http, grpc=rpc) as service:
        yield service


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Return what came before the server closed the connection; fail if it never does."""
    async with asyncio.timeout(30):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def connect(service: Service) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = service.http.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def ready(service: Service) -> bool:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"http://{service.http}/readyz")).status_code == 200


@pytest.mark.parametrize(
    "head",
    [
        b"GET /readyz HTTP/1.1\r\nhost: x\r\na: " + b"x" * 5000 + b"\r\n\r\n",
        b"GET /readyz HTTP/1.1\r\nhost: x\r\na: " + b"x" * 500_000,
        b"GET /" + b"x" * 500_000,
        b"GET /readyz HTTP/1.1\r\n" + b"a: b\r\n" * 100_000,
    ],
)
async def test_a_head_over_its_bound_is_refused(bounded: Service, head: bytes) -> None:
    reader, writer = await connect(bounded)
    writer.write(head)
    assert (await closed(reader)).startswith((b"HTTP/1.1 431", b""))
    writer.close()
    assert await ready(bounded)


async def test_a_large_head_is_answered_with_431(bounded: Service) -> None:
    reader, writer = await connect(bounded)
    writer.write(b"GET /readyz HTTP/1.1\r\nhost: x\r\na: " + b"x" * 5000 + b"\r\n\r\n")
    assert (await closed(reader)).startswith(b"HTTP/1.1 431 ")
    writer.close()


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET /rea",
        b"GET /readyz HTTP/1.1\r\nhost: x\r\n",
        b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{",
    ],
)
async def test_a_request_that_is_never_finished_ends_with_its_connection(
    bounded: Service, begun: bytes
) -> None:
    reader, writer = await connect(bounded)
    writer.write(begun)
    assert await closed(reader) == b""
    writer.close()


async def write_forever(writer: asyncio.StreamWriter, data: bytes) -> None:
    while True:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(0.05)


async def test_an_answer_that_nobody_reads_ends_with_its_connection(bounded: Service) -> None:
    reader, writer = await connect(bounded)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    one = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n"
    for _ in range(500):  # answers of some tens of megabytes
        writer.write(one)
    async with asyncio.timeout(180):
        with pytest.raises(OSError):
            await write_forever(writer, one)
    assert await ready(bounded)


async def test_metadata_over_its_bound_is_refused(bounded: Service) -> None:
    raw = request.to_message({"recipe": "pebr-r1/stage2", "items": [{**item(1), "images": []}]})
    async with grpc.aio.insecure_channel(bounded.grpc) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await unary(channel, SCORE)(raw.SerializeToString(), metadata=(("x-large", "x" * 50_000),))
        assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await unary(channel, SCORE)(raw.SerializeToString())


async def test_a_stream_that_is_opened_and_left_is_ended(bounded: Service) -> None:
    async with grpc.aio.insecure_channel(bounded.grpc) as channel:
        stream = streaming(channel, "/visreward.v1.RewardService/ScoreStream")()
        async with asyncio.timeout(30):
            assert await stream.code() == grpc.StatusCode.DEADLINE_EXCEEDED


async def test_metrics_and_probes_have_a_port_of_their_own_where_that_is_asked() -> None:
    settings = Settings(metrics=MetricsSettings(port=0), rules=RuleSettings(workers=1))
    engine = build_engine(settings)
    probes = ProbeServer(settings, engine)
    await probes.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{probes.port}") as client:
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/readyz")).json()["error"]["message"] == "the service is starting"
            await engine.start()
            assert (await client.get("/readyz")).status_code == 200
            assert "visreward_pending_items" in (await client.get("/metrics")).text
            assert (await client.post("/score", json={})).status_code == 404
        app = create_app(settings, engine)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://x") as client:
            assert (await client.get("/metrics")).status_code == 404
            assert (await client.get("/readyz")).status_code == 200
    finally:
        await engine.close()
        await probes.stop()
