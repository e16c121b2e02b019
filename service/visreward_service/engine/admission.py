"""How much the service takes in at once. What is over the bound is refused, with a hint when to return."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.metrics import Metrics

RATE_WINDOW_SECONDS = 30.0
"""How far back the rate of answered items is measured."""


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

    @contextmanager
    def hold_bytes(self, count: int) -> Iterator[None]:
        """Hold a body's bytes for the length of the block. Raises `RequestFault` where they do not fit."""
        if self._num_bytes and self._num_bytes + count > self._max_bytes:
            raise self._refusal("bytes")
        self._num_bytes += count
        self._metrics.pending_bytes.set(self._num_bytes)
        try:
            yield
        finally:
            self._num_bytes -= count
            self._metrics.pending_bytes.set(self._num_bytes)

    @contextmanager
    def hold_items(self, count: int) -> Iterator[None]:
        """Hold a request's items for the length of the block. Raises `RequestFault` where they do not fit."""
        if self._num_items and self._num_items + count > self._max_items:
            raise self._refusal("items")
        self._num_items += count
        self._metrics.pending.set(self._num_items)
        try:
            yield
        finally:
            self._num_items -= count
            self._metrics.pending.set(self._num_items)
            self._answered.append((self._clock(), count))
            self._forget_old()

    def retry_after_seconds(self) -> float:
        """Return when half of the queue should be done, at the rate of the last half minute."""
        self._forget_old()
        done = sum(count for _, count in self._answered)
        if not done:
            return self._min_retry_seconds
        seconds = max(self._clock() - self._answered[0][0], 1.0)
        expected = self._num_items / 2 / (done / seconds)
        return min(max(expected, self._min_retry_seconds), self._max_retry_seconds)

    def _forget_old(self) -> None:
        horizon = self._clock() - RATE_WINDOW_SECONDS
        while self._answered and self._answered[0][0] < horizon:
            self._answered.popleft()

    def _refusal(self, what: str) -> RequestFault:
        self._metrics.refused.labels(what).inc()
        return RequestFault(
            Code.OVERLOADED,
            f"the queue is full of {what}; try again later",
            retry_after_seconds=self.retry_after_seconds(),
        )
