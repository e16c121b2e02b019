"""A real Redis server on a free port."""

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError


@dataclass
class Server:
    """A Redis process, and ways to trouble it."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def client(self) -> Redis:
        return Redis.from_url(self.url)

    def pause(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest_asyncio.fixture
async def redis_server(tmp_path: Path) -> AsyncIterator[Server]:
    program = Path(sys.executable).parent / "redis-server"
    port = free_port()
    options = [
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
        str(tmp_path),
    ]
    process = subprocess.Popen([str(program), *options], stdout=subprocess.DEVNULL)
    server = Server(process, port)
    client = server.client()
    for _ in range(200):
        try:
            await client.ping()
            break
        except (OSError, RedisError):
            await asyncio.sleep(0.05)
    await client.aclose()
    yield server
    server.resume()
    server.kill()
