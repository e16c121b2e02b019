"""Clients that send or read as slowly as they can: they cost nothing to the others."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import orjson
import pytest
import pytest_asyncio

from tests.service.grpc.conftest import Service, serving
from visreward_service.settings import HttpSettings, QueueSettings

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_BYTES = 4 * 2**20
TERMS = {"length": {"scorer": "length", "shape": "ratio", "expected_tokens": 4}}
ITEM = {"id": "1", "completion": "so it is four", "completion_tokens": 4}
BODY = orjson.dumps({"terms": TERMS, "reward": "length", "items": [ITEM]})

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def slow() -> AsyncIterator[Service]:
    """A service that gives a client four seconds to move, and three to send a request."""
    http = HttpSettings(idle_seconds=4.0, request_seconds=3.0)
    async with serving(http=http, queue=QueueSettings(max_bytes=MAX_BYTES)) as service:
        yield service


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def patient() -> AsyncIterator[Service]:
    """A service that waits for ever, but has room for a few megabytes only."""
    async with serving(queue=QueueSettings(max_bytes=MAX_BYTES)) as service:
        yield service


async def connect(service: Service) -> Connection:
    host, _, port = service.http.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def begin(service: Service, length: int) -> Connection:
    """Open a connection and send the head of a score request."""
    reader, writer = await connect(service)
    writer.write(head(length))
    return reader, writer


def head(length: int) -> bytes:
    kind = "host: x\r\ncontent-type: application/json"
    return f"POST /score HTTP/1.1\r\n{kind}\r\ncontent-length: {length}\r\n\r\n".encode()


async def ended(connection: Connection) -> bytes:
    """Return what came until the server closed the connection; fail if it never does."""
    reader, writer = connection
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


async def rewards(service: Service) -> list[float | None]:
    async with httpx.AsyncClient(timeout=60) as client:
        answer = await client.post(
            f"http://{service.http}/score", content=BODY, headers={"content-type": "application/json"}
        )
    assert answer.status_code == 200, answer.text
    return [item["reward"] for item in answer.json()["items"]]


async def drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send byte by byte, each well before the server calls it idleness."""
    try:
        for number in range(len(data)):
            writer.write(data[number : number + 1])
            await writer.drain()
            await asyncio.sleep(0.1)
    except OSError:
        return


async def test_who_sends_byte_by_byte_is_turned_away_when_its_time_is_up(slow: Service) -> None:
    in_head, in_body = await connect(slow), await begin(slow, 10_000)
    dripping = [
        asyncio.create_task(drip(writer, b"GET /readyz?" + b"x" * 600)) for _, writer in (in_head, in_body)
    ]
    assert await rewards(slow) == [1.0]
    for answer in await asyncio.gather(ended(in_head), ended(in_body)):
        assert answer.startswith(b"HTTP/1.1 408 ")
    await asyncio.gather(*dripping)


async def test_a_request_that_comes_in_pieces_but_in_time_is_answered(slow: Service) -> None:
    reader, writer = await begin(slow, len(BODY))
    for start in range(0, len(BODY), 40):
        writer.write(BODY[start : start + 40])
        await writer.drain()
        await asyncio.sleep(0.02)
    async with asyncio.timeout(30):
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200 ")
    writer.close()


async def test_bodies_that_never_end_are_held_within_the_bound_on_bytes(patient: Service) -> None:
    """Twenty clients begin a body of a megabyte each, and stop before its end: four fit."""
    part = b" " * 2**20
    opened = []
    for _ in range(20):
        connection = await begin(patient, len(part) + 1)
        connection[1].write(part)
        await connection[1].drain()
        opened.append(connection)
    assert await rewards(patient) == [1.0]
    for answer in await asyncio.gather(*map(ended, opened[:16])):
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
    for reader, writer in opened[-3:]:
        writer.write(b"{")
        async with asyncio.timeout(60):
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 400 ")
    for _, writer in opened:
        writer.close()


@pytest.mark.slow
async def test_who_reads_no_answer_holds_up_nobody(slow: Service) -> None:
    stalled = []
    for _ in range(8):
        reader, writer = await connect(slow)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(head(len(BODY)) + BODY)
        writer.write(b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200)
        stalled.append((reader, writer))
    assert await asyncio.gather(*(rewards(slow) for _ in range(8))) == [[1.0]] * 8
    while await pending(slow):
        await asyncio.sleep(0.05)
    for reader, writer in stalled:
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        answer = await ended((reader, writer))
        assert answer == b"" or answer.startswith(b"HTTP/1.1 200 ")
    assert await rewards(slow) == [1.0]


async def pending(service: Service) -> float:
    """Return how many items the service says it has not answered."""
    value = service.engine.metrics.registry.get_sample_value("visreward_pending_items")
    assert value is not None
    return value
