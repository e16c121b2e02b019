"""How much the service takes in at once. What is over the bound is refused, with a hint when to return."""

import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.metrics import Metrics

RATE_WINDOW_SECONDS = 30.0
"""How far back the rate of answered items is measured."""


@dataclass(slots=True)
class _Hold:
    """Gives back at the block's end what was taken before it."""

    release: Callable[[int], None]
    count: int

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.release(self.count)


class Admission:
    """Bounds on admitted bytes and items. A request that is alone is admitted: its own limits bound it."""

    def __init__(
        self,
        *,
        max_bytes: int,
        max_items: int,
        min_retry_seconds: float,
        max_retry_seconds: float,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Hints lie between `min_retry_seconds` and `max_retry_seconds`."""
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._min_retry_seconds = min_retry_seconds
        self._max_retry_seconds = max_retry_seconds
        self._metrics = metrics
        self._clock = clock
        self._num_bytes = 0
        self._num_items = 0
        self._answered: deque[tuple[float, int]] = deque()
        metrics.pending.set_function(lambda: self._num_items)
        metrics.pending_bytes.set_function(lambda: self._num_bytes)

    def hold_bytes(self, count: int) -> AbstractContextManager[None]:
        """Hold a body's bytes for the length of the block. Raises `RequestFault` where they do not fit."""
        if self._num_bytes and self._num_bytes + count > self._max_bytes:
            raise self._refusal("bytes")
        self._num_bytes += count
        return _Hold(self._release_bytes, count)

    def hold_items(self, count: int) -> AbstractContextManager[None]:
        """Hold a request's items for the length of the block. Raises `RequestFault` where they do not fit."""
        if self._num_items and self._num_items + count > self._max_items:
            raise self._refusal("items")
        self._num_items += count
        return _Hold(self._release_items, count)

    def _release_bytes(self, count: int) -> None:
        self._num_bytes -= count

    def _release_items(self, count: int) -> None:
        self._num_items -= count
        now = self._clock()
        self._answered.append((now, count))
        self._forget_old(now)

    def retry_after_seconds(self) -> float:
        """Return when half of the queue should be done, at the rate of the last half minute."""
        self._forget_old(self._clock())
        done = sum(count for _, count in self._answered)
        if not done:
            return self._min_retry_seconds
        seconds = max(self._clock() - self._answered[0][0], 1.0)
        expected = self._num_items / 2 / (done / seconds)
        return min(max(expected, self._min_retry_seconds), self._max_retry_seconds)

    def _forget_old(self, now: float) -> None:
        horizon = now - RATE_WINDOW_SECONDS
        while self._answered and self._answered[0][0] < horizon:
            self._answered.popleft()

    def _refusal(self, what: str) -> RequestFault:
        self._metrics.refused.labels(what).inc()
        return RequestFault(
            Code.OVERLOADED,
            f"the queue is full of {what}; try again later",
            retry_after_seconds=self.retry_after_seconds(),
        )
