"""Feels whether the event loop turns: how late it wakes who asked to be woken.

A loop that something blocks answers nobody, not even the probes. Knows nothing of what the loop does.
"""

import asyncio

from visreward_service.metrics import Metrics

BEAT_SECONDS = 0.1


class Pulse:
    """Sleeps, and notes by how much it overslept."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; needs a running event loop."""
        self._task = asyncio.create_task(self._beat(), name="pulse")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + BEAT_SECONDS
            await asyncio.sleep(BEAT_SECONDS)
            self._metrics.loop_lag.observe(max(loop.time() - due, 0.0))
