"""Peers that take no answer, say no word, or are gone: each costs little, and not for long."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import grpc
import pytest

from tests.service.grpc.conftest import Service, serving, streaming, unary
from tests.service.grpc.test_score import document
from tests.service.grpc.test_server import pending
from tests.service.grpc.test_stream import STREAM
from tests.service.scenes_data import item
from visreward.protocol import Limits
from visreward.protocol.proto import request
from visreward_service.settings import GrpcSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

NARROW = (("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 2**16))
"""A channel that holds little of what its caller does not read."""
RULES = "pebr-r1/stage2"


def large_request() -> bytes:
    """A request whose answer does not fit into what a narrow channel holds."""
    items = [{**item(1, number), "images": []} for number in range(300)]
    return request.to_message(document(items, [], recipe=RULES)).SerializeToString()


async def until(is_true: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await is_true():
            await asyncio.sleep(0.05)


async def answered(service: Service) -> bool:
    """Whether a call on a connection of its own is answered."""
    async with grpc.aio.insecure_channel(service.grpc) as channel:
        try:
            await unary(channel, "/visreward.v1.RewardService/GetLimits")(b"", timeout=5)
        except grpc.aio.AioRpcError:
            return False
        return True


def ended(service: Service, status: str) -> float:
    labels = {"path": STREAM, "status": status}
    return service.engine.metrics.registry.get_sample_value("visreward_requests_total", labels) or 0


async def ask_without_end(call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> None:
    message = large_request()
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        while True:
            await call.write(message)


@pytest.mark.slow
async def test_a_stream_whose_answers_nobody_takes_is_given_up_and_its_connection_closed() -> None:
    rpc = GrpcSettings(port=0, stream_requests=2, stream_idle_seconds=1, connection_seconds=8, max_calls=1)
    async with (
        serving(grpc=rpc, limits=Limits(max_deadline_ms=1000)) as service,
        grpc.aio.insecure_channel(service.grpc, options=NARROW) as channel,
    ):
        call = streaming(channel, STREAM)()
        asking = asyncio.create_task(ask_without_end(call))

        async def given_up() -> bool:
            return ended(service, "DEADLINE_EXCEEDED") == 1

        await until(given_up)
        assert pending(service) == 0
        assert not call.done()
        await until(lambda: answered(service))
        await asking
        assert call.done()


@pytest.mark.slow
async def test_a_stream_that_is_read_slowly_is_left_in_peace() -> None:
    async with (
        serving(grpc=GrpcSettings(port=0, stream_requests=4, stream_idle_seconds=3)) as service,
        grpc.aio.insecure_channel(service.grpc, options=NARROW) as channel,
    ):
        call = streaming(channel, STREAM)()
        for _ in range(8):
            await call.write(large_request())
        await call.done_writing()
        for _ in range(8):
            await asyncio.sleep(0.5)
            assert isinstance(await call.read(), bytes)
        assert await call.code() is grpc.StatusCode.OK


async def test_a_peer_that_connects_and_says_nothing_is_shown_out() -> None:
    async with serving(grpc=GrpcSettings(port=0, keepalive_seconds=1)) as service:
        host, _, port = service.grpc.rpartition(":")
        for begun in (b"", b"PRI * HTTP/2.0\r\n"):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(begun)
            async with asyncio.timeout(30):
                with contextlib.suppress(ConnectionResetError):
                    while await reader.read(2**16):
                        pass
            writer.close()


@asynccontextmanager
async def cable(place: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Yield the address of a way to a place, and an event that cuts it: open still, nothing arrives."""
    cut = asyncio.Event()
    host, _, port = place.rpartition(":")
    open_ways: list[asyncio.StreamWriter] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(2**16):
                if not cut.is_set():
                    writer.write(data)
                    await writer.drain()
        if not cut.is_set():
            writer.close()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(host, int(port))
        open_ways.extend((writer, back))
        await asyncio.gather(carry(reader, back), carry(there, writer))

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", cut
    finally:
        server.close()
        for way in open_ways:
            way.close()


@pytest.mark.slow
async def test_the_stream_of_a_peer_that_has_gone_without_a_word_is_ended() -> None:
    async with (
        serving(grpc=GrpcSettings(port=0, keepalive_seconds=6)) as service,
        cable(service.grpc) as (place, cut),
        grpc.aio.insecure_channel(place) as channel,
    ):
        call = streaming(channel, STREAM)()
        await call.write(request.to_message(document([item(1)], [1])).SerializeToString())
        assert isinstance(await call.read(), bytes)
        cut.set()

        async def gone() -> bool:
            # As gRPC's threads have it, the stream was cancelled, or came to its end.
            return ended(service, "CANCELLED") + ended(service, "OK") == 1

        await until(gone)
        call.cancel()
