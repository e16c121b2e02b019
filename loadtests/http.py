"""A lean HTTP/1.1 sender: what a load test must not spend its own time on.

Requests of known bodies over kept connections; a client library costs several times what the service does.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


async def fire(
    port: int, bodies: Sequence[bytes], *, callers: int, seconds: float | None = None, path: str = "/score"
) -> list[Answer]:
    """Post each body once, or in turn again and again for so many seconds; answers come in the order sent."""
    answers: dict[int, Answer] = {}
    ends = None if seconds is None else time.perf_counter() + seconds
    counter = iter(range(len(bodies) if ends is None else 10**9))

    async def call() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for number in counter:
                if ends is not None and time.perf_counter() >= ends:
                    return
                answers[number] = await post(reader, writer, path, bodies[number % len(bodies)])
        finally:
            writer.close()

    await asyncio.gather(*(call() for _ in range(callers)))
    return [answers[number] for number in sorted(answers)]


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, body: bytes) -> Answer:
    """Send one JSON body and read its answer."""
    started = time.perf_counter()
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines[1:] if ": " in line)
    headers = {name.lower(): value for name, value in pairs}
    if headers.get("transfer-encoding") == "chunked":
        answer = await read_chunks(reader)
    else:
        answer = await reader.readexactly(int(headers.get("content-length", 0)))
    return Answer(int(lines[0].split(" ")[1]), headers, answer, time.perf_counter() - started)


async def read_chunks(reader: asyncio.StreamReader) -> bytes:
    """Read a body that comes in chunks."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
