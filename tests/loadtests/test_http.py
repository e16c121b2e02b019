"""The lean sender of the load tests, against real connections."""

import asyncio

import pytest

from loadtests.http import fire

KNOWN = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nRetry-After: 3\r\n\r\nok"
CHUNKED = b"HTTP/1.1 429 no\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n"


async def answer_with(answer: bytes) -> tuple[asyncio.Server, list[bytes]]:
    """Start a server that answers every request so; return it and the bodies it gets."""
    bodies: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                bodies.append(await reader.readexactly(length))
                writer.write(answer)
        except asyncio.IncompleteReadError:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0), bodies


@pytest.mark.parametrize(("answer", "status", "body"), [(KNOWN, 200, b"ok"), (CHUNKED, 429, b"abcd")])
async def test_every_body_is_sent_once_and_answered(answer: bytes, status: int, body: bytes) -> None:
    server, bodies = await answer_with(answer)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answers = await fire(port, [b"one", b"two", b"three"], callers=2)
        assert sorted(bodies) == [b"one", b"three", b"two"]
        assert [(found.status, found.body) for found in answers] == [(status, body)] * 3
        assert answers[0].headers.get("retry-after") == ("3" if status == 200 else None)


async def test_bodies_are_sent_again_as_long_as_the_time_lasts() -> None:
    server, bodies = await answer_with(KNOWN)
    async with server:
        port = server.sockets[0].getsockname()[1]
        answers = await fire(port, [b"one"], callers=2, seconds=0.1)
        assert len(answers) == len(bodies) > 2
