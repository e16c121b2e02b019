"""How much the service takes in at once. What is over the bound is refused, with a hint when to return."""

from collections.abc import Iterator
from contextlib import contextmanager

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.metrics import Metrics


class Admission:
    """Bounds on admitted bytes and items. A request that is alone is admitted: its own limits bound it."""

    def __init__(
        self, *, max_bytes: int, max_items: int, retry_after_seconds: float, metrics: Metrics
    ) -> None:
        self._max_bytes = max_bytes
        self._max_items = max_items
        self._retry_after_seconds = retry_after_seconds
        self._metrics = metrics
        self._num_bytes = 0
        self._num_items = 0

    @contextmanager
    def hold_bytes(self, count: int) -> Iterator[None]:
        """Hold a body's bytes for the length of the block."""
        if self._num_bytes and self._num_bytes + count > self._max_bytes:
            raise self._refusal("bytes")
        self._num_bytes += count
        try:
            yield
        finally:
            self._num_bytes -= count

    @contextmanager
    def hold_items(self, count: int) -> Iterator[None]:
        """Hold a request's items for the length of the block."""
        if self._num_items and self._num_items + count > self._max_items:
            raise self._refusal("items")
        self._num_items += count
        self._metrics.pending.set(self._num_items)
        try:
            yield
        finally:
            self._num_items -= count
            self._metrics.pending.set(self._num_items)

    def _refusal(self, what: str) -> RequestFault:
        return RequestFault(
            Code.OVERLOADED,
            f"the queue is full of {what}; try again later",
            retry_after_seconds=self._retry_after_seconds,
        )
