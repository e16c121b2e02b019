"""Work is given up once its client has gone, and nobody listens for the end of work that is done at once."""

import asyncio

import pytest
from starlette.types import Message

from visreward_service.rest.disconnect import ClientGoneError, while_connected

DISCONNECT: Message = {"type": "http.disconnect"}


class Client:
    """Stays until it is told to go."""

    def __init__(self) -> None:
        self.num_asked = 0
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        self.num_asked += 1
        await self.gone.wait()
        return DISCONNECT


async def test_work_that_never_waits_has_no_listener() -> None:
    client = Client()

    async def work() -> int:
        return 3

    assert await while_connected(client.receive, work()) == 3
    await asyncio.sleep(0)
    assert client.num_asked == 0


async def test_work_whose_client_stays_is_done() -> None:
    client = Client()

    async def work() -> int:
        await asyncio.sleep(0.01)
        return 3

    assert await while_connected(client.receive, work()) == 3
    assert client.num_asked == 1


async def test_work_whose_client_goes_is_cancelled_and_the_task_lives_on() -> None:
    client = Client()
    ended: list[str] = []

    async def work() -> None:
        client.gone.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    with pytest.raises(ClientGoneError):
        await while_connected(client.receive, work())
    assert ended == ["cancelled"]
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_request_that_others_cancel_is_cancelled() -> None:
    client = Client()
    task = asyncio.ensure_future(while_connected(client.receive, asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
