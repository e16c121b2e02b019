"""How HTTP is listened for: a connection's bounds, encryption, and a second port for probes and metrics."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from visreward_service.certificates import Certificates
from visreward_service.engine.engine import Engine
from visreward_service.metrics import Metrics
from visreward_service.rest.app import add_metrics, add_probes
from visreward_service.rest.connection import bounded_connection
from visreward_service.rest.errors import install
from visreward_service.rest.trace import Trace
from visreward_service.settings import Settings, SettingsError

log = logging.getLogger(__name__)

PROBE_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})


def listening(settings: Settings, metrics: Metrics) -> dict[str, Any]:
    """Return uvicorn's options. Raises `SettingsError` for certificates that cannot be used."""
    options: dict[str, Any] = {
        "http": bounded_connection(
            max_head_bytes=settings.http.max_head_bytes,
            idle_seconds=settings.http.idle_seconds,
            request_seconds=settings.http.request_seconds,
            max_arriving_bytes=settings.queue.max_bytes,
        ),
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nothing asks where a client is
        "timeout_graceful_shutdown": int(settings.shutdown_seconds),
    }
    if settings.tls is not None:
        context = encryption(Certificates(settings.tls, metrics, port="http"))
        options["ssl_context_factory"] = lambda _config, _default: context
    return options


def encryption(certificates: Certificates) -> ssl.SSLContext:
    """Return how a server encrypts: each connection with the certificate that is good when it is made."""
    context = certificates.renewed().context

    def choose(connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, asked: ssl.SSLContext) -> None:
        del name, asked
        connection.context = certificates.renewed().context

    context.sni_callback = choose  # called for clients that name no server too
    return context


class ProbeServer:
    """Serves probes and metrics on a port of their own, in plain HTTP, on the event loop that starts it."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._server: uvicorn.Server | None = None
        self._running: asyncio.Task[None] | None = None
        self.port = 0
        """Where it listens, once started."""

    async def start(self) -> None:
        """Listen. Raises `SettingsError` where the port is taken."""
        wanted = self._settings.metrics
        try:
            listener = socket.create_server((wanted.host, wanted.port or 0))
        except OSError as error:
            raise SettingsError(f"metrics.port: {error.strerror}: {wanted.host}:{wanted.port}") from None
        self.port = listener.getsockname()[1]
        plain = self._settings.model_copy(update={"tls": None})
        options = {**listening(plain, self._engine.metrics), "lifespan": "off"}
        self._server = _Beside(uvicorn.Config(self._app(), **options))
        self._running = asyncio.create_task(self._server.serve(sockets=[listener]), name="probes")
        log.info("probes and metrics listen", extra={"host": wanted.host, "port": self.port})

    async def stop(self) -> None:
        """Stop at once: who asks holds no work."""
        if self._server is not None and self._running is not None:
            self._server.should_exit = self._server.force_exit = True
            await self._running

    def _app(self) -> FastAPI:
        app = FastAPI(title="visreward probes", docs_url=None, redoc_url=None, openapi_url=None)
        app.add_middleware(Trace, metrics=self._engine.metrics, paths=PROBE_PATHS)
        install(app)
        add_probes(app, self._engine)
        add_metrics(app, self._engine)
        return app


class _Beside(uvicorn.Server):
    """A server beside another, which takes the process's signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def serve_probes_beside(app: FastAPI, server: ProbeServer) -> None:
    """Start the server before the app starts its engine, and stop it when the app has closed that.

    So it says of a service that starts or drains that it does.
    """
    inner = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncIterator[None]:
        await server.start()
        try:
            async with inner(started):
                yield
        finally:
            await server.stop()

    app.router.lifespan_context = lifespan
