"""Gives up work whose client has gone."""

import asyncio
from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any, TypeVar

from starlette.types import Receive

T = TypeVar("T")


class ClientGoneError(Exception):
    """The client closed the connection before its answer was ready."""


class _Watch:
    """Cancels a task once the client is gone."""

    def __init__(self, receive: Receive, task: "asyncio.Task[Any]") -> None:
        self._receive = receive
        self._task = task
        self._listening = task.get_loop().create_task(self._wait())
        self.is_over = False
        """Whether the client has gone."""

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_over = True
        self._task.cancel()

    def end(self) -> None:
        """Listen no longer."""
        self._listening.cancel()


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Return what `work` returns; cancel it and raise `ClientGoneError` once the client is gone.

    `receive` is the request's, whose body must have been read. Nobody listens to it before the work has to
    wait for the first time: what is done at once needs no listener.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - every request has a task of its own
    try:
        awaited = work.send(None)
    except StopIteration as done:
        answer: T = done.value
        return answer
    watch = _Watch(receive, task)
    try:
        return await _go_on(work, awaited)
    except asyncio.CancelledError:
        # Where somebody else cancels the request too, that counts.
        if watch.is_over and task.uncancel() == 0:
            raise ClientGoneError from None
        raise
    finally:
        watch.end()


@coroutine
def _go_on(work: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Await a coroutine that was started, and that has given `awaited` to wait for."""
    try:
        while True:
            try:
                sent = yield awaited
            except (Exception, asyncio.CancelledError) as error:
                awaited = work.throw(error)
            else:
                awaited = work.send(sent)
    except StopIteration as done:
        answer: T = done.value
        return answer
    finally:
        work.close()
