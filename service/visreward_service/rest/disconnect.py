"""Gives up work whose client has gone."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""


class _Watch:
    """Cancels a task once the client is gone. Listens from the first time that the task has to wait: what is
    done at once needs no listener."""

    def __init__(self, receive: Receive, task: "asyncio.Task[Any]") -> None:
        self._receive = receive
        self._task = task
        self._listening: asyncio.Task[None] | None = None
        self._start = task.get_loop().call_soon(self._listen)
        self.is_over = False
        """Whether the client has gone."""

    def _listen(self) -> None:
        self._listening = self._task.get_loop().create_task(self._wait())

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_over = True
        self._task.cancel()

    def end(self) -> None:
        """Listen no longer."""
        self._start.cancel()
        if self._listening is not None:
            self._listening.cancel()


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; cancel it and raise `ClientGoneError` once the client is gone.

    `receive` is the request's, whose body must have been read.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - every request has a task of its own
    watch = _Watch(receive, task)
    try:
        return await work
    except asyncio.CancelledError:
        # Where somebody else cancels the request too, that counts.
        if watch.is_over and task.uncancel() == 0:
            raise ClientGoneError from None
        raise
    finally:
        watch.end()
