"""Requests under way: counted, so that a drain can wait for the last, and refused where none is taken."""

import asyncio
from collections.abc import Callable

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault


class UnderWay:
    """A block for each request; all on one event loop."""

    def __init__(self, find_hindrance: Callable[[], str | None], touch: Callable[[], None]) -> None:
        """`find_hindrance` says why no request is taken; `touch` is called where one begins or ends."""
        self._find_hindrance = find_hindrance
        self._touch = touch
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def __enter__(self) -> None:
        hindrance = self._find_hindrance()
        if hindrance is not None:
            raise RequestFault(Code.NOT_READY, hindrance, retry_after_seconds=2)
        self._count += 1
        self._idle.clear()
        self._touch()

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        self._touch()
        if not self._count:
            self._idle.set()

    async def wait_idle(self) -> None:
        """Return when there is none."""
        await self._idle.wait()
