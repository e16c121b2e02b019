"""Times the stages of a request, for its answer and for the metrics."""

import time

from visreward_service.metrics import Metrics


class Clock:
    """Times the stages of one request."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._start = self._last = time.perf_counter()
        self._stages_ms: dict[str, float] = {}

    def left(self, deadline_seconds: float | None) -> float | None:
        """Return the seconds that a deadline, counted from the request's arrival, leaves."""
        if deadline_seconds is None:
            return None
        return max(deadline_seconds - (time.perf_counter() - self._start), 0.0)

    def stage(self, name: str) -> None:
        """End a stage."""
        now = time.perf_counter()
        seconds, self._last = now - self._last, now
        self._metrics.stage(name, seconds)
        self._stages_ms[name] = round(seconds * 1000, 3)

    def total(self) -> dict[str, float]:
        """Return milliseconds by stage, with their sum as `total`."""
        return {**self._stages_ms, "total": round((self._last - self._start) * 1000, 3)}
