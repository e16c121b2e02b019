"""Gives memory that was freed back to the system, while there is work.

Forward passes and bodies are freed when they are done, but glibc keeps what it freed for each thread, so that
a process under load grows to many times what it holds. Knows nothing of who allocates.
"""

import asyncio
import ctypes
from collections.abc import Callable

TRIM_SECONDS = 2.0
"""A trim takes some milliseconds of one core, and passes take their pages anew: once in two seconds neither
shows."""

TRIMS_AFTERWARDS = 5
"""After the last use. A pass that nobody waits for any more ends, and frees, later than its requests."""

Trim = Callable[[int], object]


def find_trim() -> Trim | None:
    """Return glibc's `malloc_trim`; None with another C library."""
    trim: Trim | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim


class Heap:
    """Trims the heap once in a while in which it was used, and some more times after that."""

    def __init__(self, trim: Trim | None, *, every_seconds: float = TRIM_SECONDS) -> None:
        self._trim = trim
        self._every_seconds = every_seconds
        self._used = False
        self._task: asyncio.Task[None] | None = None

    def touch(self) -> None:
        """Note that something was allocated or freed."""
        self._used = True

    def start(self) -> None:
        """Begin; needs a running event loop."""
        if self._trim is not None:
            self._task = asyncio.create_task(self._keep_small(self._trim), name="heap")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep_small(self, trim: Trim) -> None:
        left = 0
        while True:
            await asyncio.sleep(self._every_seconds)
            if self._used:
                self._used, left = False, 1 + TRIMS_AFTERWARDS
            if left:
                left -= 1
                # ctypes lets go of Python's lock for the call.
                await asyncio.to_thread(trim, 0)
