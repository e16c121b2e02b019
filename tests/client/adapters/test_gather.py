"""Single calls made at about the same time become one batch, whoever makes them."""

import asyncio
import threading
from concurrent.futures import CancelledError
from typing import Any

import pytest

from visreward.adapters.gather import NUM_THREADS, Gatherer


class Desk:
    """A `send` that keeps its batches, and waits in them until it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()

    def send(self, items: list[int]) -> list[int | Exception]:
        self.batches.append(items)
        self.entered.release()
        assert self.go_on.wait(60)
        return [ValueError(f"item {item}") if item < 0 else item * 2 for item in items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def gatherer(desk: Desk) -> Any:
    made: Gatherer[int, int] = Gatherer(desk.send, window_seconds=0.0)
    yield made
    desk.go_on.set()
    made.close()


def fill(gatherer: "Gatherer[int, int]", desk: Desk) -> list[Any]:
    """Keep every thread busy with a batch of one."""
    futures = []
    for item in range(NUM_THREADS):
        futures.append(gatherer.submit(item))
        assert desk.entered.acquire(timeout=60)
    return futures


def test_what_comes_while_all_threads_are_busy_is_one_batch(
    gatherer: "Gatherer[int, int]", desk: Desk
) -> None:
    busy = fill(gatherer, desk)
    waiting = [gatherer.submit(item) for item in range(100, 110)]
    desk.go_on.set()
    assert [future.result(60) for future in busy + waiting] == [
        2 * item for item in (*range(NUM_THREADS), *range(100, 110))
    ]
    assert desk.batches[NUM_THREADS:] == [list(range(100, 110))]


def test_an_items_failure_is_its_callers_alone(gatherer: "Gatherer[int, int]", desk: Desk) -> None:
    fill(gatherer, desk)
    good, bad, other = (gatherer.submit(item) for item in (7, -1, 8))
    desk.go_on.set()
    assert (good.result(60), other.result(60)) == (14, 16)
    with pytest.raises(ValueError, match="item -1"):
        bad.result(60)


def test_a_cancelled_call_that_still_waits_is_not_sent(gatherer: "Gatherer[int, int]", desk: Desk) -> None:
    fill(gatherer, desk)
    kept, dropped = gatherer.submit(50), gatherer.submit(51)
    assert dropped.cancel()
    desk.go_on.set()
    assert kept.result(60) == 100
    with pytest.raises(CancelledError):
        dropped.result(60)
    assert [51] not in desk.batches
    assert 51 not in desk.batches[-1]


def test_calls_of_several_event_loops_are_served_and_outlive_none(desk: Desk) -> None:
    desk.go_on.set()
    gatherer: Gatherer[int, int] = Gatherer(desk.send, window_seconds=0.0)

    async def ask() -> list[int]:
        return await asyncio.gather(*(asyncio.wrap_future(gatherer.submit(item)) for item in range(5)))

    assert [asyncio.run(ask()) for _ in range(3)] == [[0, 2, 4, 6, 8]] * 3
    gatherer.close()


@pytest.mark.parametrize("answers", [[], [1, 2]])
def test_an_answer_of_another_length_is_every_callers_error(answers: list[int]) -> None:
    def send(items: list[int]) -> list[int]:
        assert items == [1]
        return answers

    gatherer: Gatherer[int, int] = Gatherer(send, window_seconds=0.0)
    with pytest.raises(RuntimeError, match="answers to 1 items"):
        gatherer.submit(1).result(60)
    gatherer.close()
