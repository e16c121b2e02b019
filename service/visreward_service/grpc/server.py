"""The gRPC server: its services, its limits, its health, and its life beside the HTTP server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from fastapi import FastAPI
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from visreward_service.access import Guard, TlsSettings
from visreward_service.engine.engine import Engine
from visreward_service.grpc.access import Access
from visreward_service.grpc.inference import SERVICE as INFERENCE
from visreward_service.grpc.inference import InferenceService
from visreward_service.grpc.reflection import add_reflection
from visreward_service.grpc.reward import SERVICE as REWARD
from visreward_service.grpc.reward import RewardService
from visreward_service.settings import Settings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""What the last answers have to reach their callers, once nothing is under way."""
HEALTH_SECONDS = 0.25
"""How often the engine is asked whether it is ready."""
FRAME_BYTES = 2**16
"""What a message may take beside the bytes that the limits count."""
NAMES = ("", REWARD, INFERENCE)
"""What health can be asked about; the empty name is the server."""

KEEPALIVE = (
    # A peer that has gone without a word is noticed, and its calls are cancelled.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)


class GrpcServer:
    """Serves the engine's methods on a port of its own, on the event loop that starts it."""

    def __init__(self, settings: Settings, engine: Engine, guard: Guard | None = None) -> None:
        """`guard` is shared with other protocols, so that a key's requests are counted together."""
        self._settings = settings
        self._engine = engine
        self._guard = guard or Guard(settings.keys)
        self._server: grpc.aio.Server | None = None
        self._health = health.aio.HealthServicer()
        self._watcher: asyncio.Task[None] | None = None
        self.port = 0
        """Where it listens, once started."""

    async def start(self) -> None:
        """Listen. Raises RuntimeError where the port is taken."""
        wanted = self._settings.grpc
        options = (
            ("grpc.max_receive_message_length", self._settings.limits.max_request_bytes + FRAME_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", wanted.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", wanted.max_metadata_bytes),
            ("grpc.so_reuseport", 0),
            *KEEPALIVE,
        )
        server = grpc.aio.server(
            interceptors=[Access(self._guard, self._engine.metrics)],
            options=options,
            maximum_concurrent_rpcs=wanted.max_calls,
        )
        reward = RewardService(
            self._engine,
            self._guard,
            stream_requests=wanted.stream_requests,
            stream_idle_seconds=wanted.stream_idle_seconds,
        )
        inference = InferenceService(self._engine, self._guard)
        for name, handlers in ((REWARD, reward.handlers()), (INFERENCE, inference.handlers())):
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(name, handlers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        add_reflection(server, (REWARD, INFERENCE, health.SERVICE_NAME))
        self.port = self._listen(server, f"{wanted.host}:{wanted.port}")
        await self._tell_health()
        await server.start()
        self._server = server
        self._watcher = asyncio.create_task(self._watch(), name="grpc-health")
        log.info("gRPC listens", extra={"host": wanted.host, "port": self.port})

    def _listen(self, server: grpc.aio.Server, address: str) -> int:
        if self._settings.tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, read_credentials(self._settings.tls))

    async def stop(self) -> None:
        """Refuse new calls, and give those under way as long as the settings say."""
        await self._health.enter_graceful_shutdown()
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
        self._engine.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.shutdown_seconds):
                await self._engine.wait_idle()
        if self._server is not None:
            # Streams that wait for a further request would wait on.
            await self._server.stop(ANSWER_SECONDS)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(HEALTH_SECONDS)
            await self._tell_health()

    async def _tell_health(self) -> None:
        serving = health_pb2.HealthCheckResponse.SERVING
        status = serving if self._engine.not_ready is None else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in NAMES:
            await self._health.set(name, status)


def read_credentials(tls: TlsSettings) -> grpc.ServerCredentials:
    """Return what gRPC needs to encrypt, and to ask clients for their certificates."""
    pair = (tls.key.read_bytes(), tls.certificate.read_bytes())
    roots = None if tls.client_ca is None else tls.client_ca.read_bytes()
    return grpc.ssl_server_credentials([pair], root_certificates=roots, require_client_auth=roots is not None)


def serve_beside(app: FastAPI, server: GrpcServer) -> None:
    """Start the server when the app has started its engine, and stop it before the app closes that."""
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[None]:
        async with inner(started):
            await server.start()
            try:
                yield
            finally:
                await server.stop()

    app.router.lifespan_context = lifespan
