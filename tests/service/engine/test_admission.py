"""Admission: bounds on what is held, and hints when to come back."""

import pytest

from visreward.protocol import Code
from visreward_service.engine.admission import Admission
from visreward_service.engine.faults import RequestFault
from visreward_service.metrics import Metrics


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def admission(clock: Clock, *, max_bytes: int = 100, max_items: int = 10) -> Admission:
    return Admission(
        max_bytes=max_bytes,
        max_items=max_items,
        min_retry_seconds=1.0,
        max_retry_seconds=60.0,
        metrics=Metrics(),
        clock=clock,
    )


def test_what_is_over_the_bound_is_refused_until_room_is_made() -> None:
    gate = admission(Clock())
    with gate.hold_items(6), gate.hold_bytes(60):
        for hold in (gate.hold_items, gate.hold_bytes):
            with pytest.raises(RequestFault) as caught, hold(50):
                pass
            assert caught.value.code is Code.OVERLOADED
            assert caught.value.retry_after_seconds == 1.0
        with gate.hold_items(4):
            pass
    with gate.hold_items(10):
        pass


def test_a_request_that_is_alone_is_admitted_whatever_its_size() -> None:
    gate = admission(Clock())
    with gate.hold_bytes(1000), gate.hold_items(1000):
        pass


def test_the_hint_grows_with_the_queue_and_shrinks_with_the_rate() -> None:
    clock = Clock()
    gate = admission(clock, max_items=1000)
    with gate.hold_items(100):
        pass
    clock.now += 10
    with gate.hold_items(400):
        assert gate.retry_after_seconds() == pytest.approx(400 / 2 / (100 / 10))
        with gate.hold_items(500):
            assert gate.retry_after_seconds() == pytest.approx(45)
        assert gate.retry_after_seconds() == pytest.approx(400 / 2 / (600 / 10))


def test_the_hint_stays_within_its_bounds_when_nothing_was_answered_lately() -> None:
    clock = Clock()
    gate = admission(clock, max_items=1000)
    with gate.hold_items(1):
        pass
    clock.now += 20
    with gate.hold_items(900):
        assert gate.retry_after_seconds() == 60.0
        clock.now += 100
        assert gate.retry_after_seconds() == 1.0


def test_a_refused_request_holds_nothing() -> None:
    gate = admission(Clock())
    with gate.hold_items(10):
        for _ in range(5):
            with pytest.raises(RequestFault), gate.hold_items(1):
                pass
    with gate.hold_items(10):
        pass
