"""Passes that run at once on the CPU."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from visreward_service.models.threads import Workers


def test_a_lone_call_is_split_between_all_workers_and_keeps_its_order() -> None:
    workers, parts = Workers(3), []

    def double(numbers: Sequence[int]) -> list[int]:
        parts.append(len(numbers))
        return [2 * number for number in numbers]

    assert workers.spread(double, range(10)) == [2 * number for number in range(10)]
    assert sorted(parts) == [2, 4, 4]


def test_a_call_beside_another_takes_what_workers_are_idle() -> None:
    workers, parts = Workers(2), []
    gate, begun = threading.Event(), threading.Event()

    def wait(numbers: Sequence[int]) -> list[int]:
        begun.set()
        gate.wait(10)
        return list(numbers)

    def note(numbers: Sequence[int]) -> list[int]:
        parts.append(len(numbers))
        return list(numbers)

    with ThreadPoolExecutor(1) as pool:
        long = pool.submit(workers.spread, wait, [1])
        begun.wait(10)
        assert workers.spread(note, range(6)) == list(range(6))
        gate.set()
        assert long.result(10) == [1]
    assert parts == [6]


def test_a_call_that_fails_leaves_its_workers_free() -> None:
    workers, parts = Workers(2), []

    def fail(numbers: Sequence[int]) -> list[int]:
        raise ZeroDivisionError

    def note(numbers: Sequence[int]) -> list[int]:
        parts.append(len(numbers))
        return list(numbers)

    for _ in range(3):
        try:
            workers.spread(fail, range(4))
        except ZeroDivisionError:
            continue
    assert workers.spread(note, range(4)) == [0, 1, 2, 3]
    assert parts == [2, 2]
