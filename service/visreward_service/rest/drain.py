"""The end of a service's life: refuse new requests, answer those under way, and only then stop listening."""

import asyncio
import signal
import socket
from contextlib import suppress
from types import FrameType

import uvicorn

from visreward_service.engine.engine import Engine


class DrainingServer(uvicorn.Server):
    """uvicorn, which on its own closes its port at the signal, before balancers and clients have noticed."""

    def __init__(
        self, config: uvicorn.Config, engine: Engine, *, drain_seconds: float, limit_seconds: float
    ) -> None:
        """Go on refusing for `drain_seconds` at least, and have stopped after about `limit_seconds`."""
        super().__init__(config)
        self._engine = engine
        self._drain_seconds = drain_seconds
        self._limit_seconds = limit_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Note the loop that signals have to wake; uvicorn calls this."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain at the first signal; a second one stops at once, as does one during the start."""
        if self._loop is None or not self.started or self._engine.is_draining:
            super().handle_exit(sig, frame)
            return
        self._engine.drain()
        self._loop.call_soon_threadsafe(self._begin, sig)

    def _begin(self, sig: int) -> None:
        self._draining = asyncio.get_running_loop().create_task(self._drain(sig), name="drain")

    async def _drain(self, sig: int) -> None:
        loop = asyncio.get_running_loop()
        ends = loop.time() + self._limit_seconds
        # A person at a terminal has no balancer that has to notice.
        seconds = min(0.0 if sig == signal.SIGINT else self._drain_seconds, self._limit_seconds)
        await asyncio.sleep(seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(ends):
                await self._engine.wait_idle()
        # What is left is for answers on their way out.
        self.config.timeout_graceful_shutdown = max(round(ends - loop.time()), 1)
        super().handle_exit(sig, None)
