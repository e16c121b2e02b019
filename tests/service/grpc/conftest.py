"""A running service with the bundled model, on real ports for HTTP and gRPC."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import pytest_asyncio
import uvicorn

from visreward_service.engine.engine import Engine
from visreward_service.grpc import GrpcServer, serve_beside
from visreward_service.main import build_engine, build_guard
from visreward_service.rest import create_app
from visreward_service.rest.listen import listening
from visreward_service.settings import GrpcSettings, RuleSettings, Settings


@dataclass(frozen=True)
class Service:
    """Where a service listens, as host and port."""

    http: str
    grpc: str
    engine: Engine


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Service]:
    """Start a service with changed settings."""
    defaults = {
        "rules": RuleSettings(workers=1, time_limit_seconds=4.0),
        "cache_bytes": 2**26,
        "shutdown_seconds": 5.0,
        "grpc": GrpcSettings(port=0),
    }
    settings = Settings(**{**defaults, **changes})
    engine = build_engine(settings)
    guard = build_guard(settings, engine)
    app = create_app(settings, engine, guard)
    rpc = GrpcServer(settings, engine, guard)
    serve_beside(app, rpc)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, lifespan="on", **listening(settings, engine.metrics))
        server = uvicorn.Server(config)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            if running.done():
                running.result()
            await asyncio.sleep(0.02)
        try:
            yield Service(
                http=f"127.0.0.1:{listener.getsockname()[1]}", grpc=f"127.0.0.1:{rpc.port}", engine=engine
            )
        finally:
            server.should_exit = True
            await running


@asynccontextmanager
async def connected(**changes: Any) -> AsyncIterator[tuple[Service, grpc.aio.Channel]]:
    """Start a service with changed settings, and open a channel to it."""
    async with serving(**changes) as service, grpc.aio.insecure_channel(service.grpc) as opened:
        yield service, opened


def unary(channel: grpc.aio.Channel, method: str) -> "grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]":
    """Return a method that takes and gives the bytes of messages."""
    return channel.unary_unary(method)


def streaming(channel: grpc.aio.Channel, method: str) -> "grpc.aio.StreamStreamMultiCallable[bytes, bytes]":
    """Return a method that streams the bytes of messages both ways."""
    return channel.stream_stream(method)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def served() -> AsyncIterator[Service]:
    async with serving() as service:
        yield service


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def channel(served: Service) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(served.grpc) as opened:
        yield opened
