"""The gRPC server: its services, its limits, its health, and its life beside the HTTP server."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import grpc
from fastapi import FastAPI
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from visreward.protocol import Limits
from visreward_service.access import Guard
from visreward_service.certificates import Certificates, Shown
from visreward_service.engine.engine import Engine
from visreward_service.grpc.access import Access
from visreward_service.grpc.inference import SERVICE as INFERENCE
from visreward_service.grpc.inference import InferenceService
from visreward_service.grpc.reflection import add_reflection
from visreward_service.grpc.reward import SERVICE as REWARD
from visreward_service.grpc.reward import RewardService
from visreward_service.settings import GrpcSettings, Settings

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
"""What the last answers have to reach their callers, once nothing is under way."""
HEALTH_SECONDS = 0.25
"""How often the engine is asked whether it is ready."""
FRAME_BYTES = 2**16
"""What a message may take beside the bytes that the limits count."""
NAMES = ("", REWARD, INFERENCE)
"""What health can be asked about; the empty name is the server."""

MIN_PING_MS = 5_000
"""How often a client may ask whether the server is still there."""


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
            *bounds_of_connections(wanted, self._settings.limits),
            ("grpc.max_receive_message_length", self._settings.limits.max_request_bytes + FRAME_BYTES),
            ("grpc.max_send_message_length", -1),
            ("grpc.max_metadata_size", wanted.max_metadata_bytes),
            ("grpc.absolute_max_metadata_size", wanted.max_metadata_bytes),
            ("grpc.so_reuseport", 0),
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
        certificates = Certificates(self._settings.tls, self._engine.metrics, port="grpc")
        return server.add_secure_port(address, encryption(certificates))

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


def bounds_of_connections(wanted: GrpcSettings, limits: Limits) -> tuple[tuple[str, int], ...]:
    """Return gRPC's options for what a peer may do with a connection by doing nothing."""
    patience_ms = round(wanted.keepalive_seconds * 1000)
    return (
        # A peer that has gone without a word is noticed, and its calls are cancelled.
        ("grpc.keepalive_time_ms", patience_ms),
        # For an answer gRPC waits so long, and a minute where `keepalive_timeout_ms` alone is set.
        ("grpc.http2.ping_timeout_ms", patience_ms // 3),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", MIN_PING_MS),
        # One that connects and says nothing.
        ("grpc.server_handshake_timeout_ms", patience_ms),
        # One that is there and takes no answers: Python's gRPC cannot end its call, only its connection.
        ("grpc.max_connection_age_ms", round(wanted.connection_seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", limits.max_deadline_ms),
    )


def encryption(certificates: Certificates) -> grpc.ServerCredentials:
    """Return how a server encrypts: each connection with the certificate that is good when it is made."""
    first = given = certificates.renewed()

    def renew() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        shown = certificates.renewed()
        if shown is given:
            return None
        given = shown
        return _configuration(shown)

    # The stub leaves out that None stands for no change.
    return grpc.dynamic_ssl_server_credentials(
        _configuration(first),
        renew,  # type: ignore[arg-type]
        require_client_authentication=first.client_ca is not None,
    )


def _configuration(shown: Shown) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(shown.key, shown.certificate)], root_certificates=shown.client_ca
    )


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
