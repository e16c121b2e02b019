"""The last requests of a large call asked a second time, at another server: when, and how many.

Pure bookkeeping; the clients send, wait and report.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedging:
    """When a request is sent twice: only the last ones of a call that has several."""

    max_share: float = 0.1
    """Of a call's requests, how many may be sent twice; never less than one request."""
    slowness: float = 3.0
    """A straggler has taken so many times the median time of the requests that are done."""
    min_seconds: float = 1.0
    """And no less than this."""

    def __post_init__(self) -> None:
        if not (0 < self.max_share <= 1 and self.slowness >= 1 and self.min_seconds >= 0):
            raise ValueError("Hedging wants max_share in (0, 1], slowness >= 1 and min_seconds >= 0")


class Race(Generic[T]):
    """The requests of one call, numbered; of each the first answer counts, whichever copy it comes from."""

    def __init__(
        self,
        num_requests: int,
        hedging: Hedging | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._num_requests = num_requests
        self._hedging = hedging
        self._clock = clock
        self._begun: dict[int, float] = {}
        self._seconds: list[float] = []
        self._answers: dict[int, T] = {}
        self._running: Counter[int] = Counter()
        self._doubled: set[int] = set()

    def launch(self, number: int) -> None:
        """Note that a copy of the request will be sent."""
        self._running[number] += 1

    def begin(self, number: int) -> None:
        """Note that a copy of the request is sent now."""
        self._begun.setdefault(number, self._clock())

    def answer(self, number: int, answer: T) -> bool:
        """Take an answer; return whether it is the request's first."""
        self._running[number] -= 1
        if number in self._answers:
            return False
        self._answers[number] = answer
        self._seconds.append(self._clock() - self._begun[number])
        return True

    def fail(self, number: int) -> bool:
        """Take a copy's failure; return whether the request has failed, for no other copy is left."""
        self._running[number] -= 1
        return number not in self._answers and self._running[number] == 0

    @property
    def is_over(self) -> bool:
        """Whether every request has an answer."""
        return len(self._answers) == self._num_requests

    @property
    def answers(self) -> list[T]:
        """The answers in the order of the requests."""
        return [self._answers[number] for number in sorted(self._answers)]

    def patience_seconds(self) -> float | None:
        """Return how long to wait for answers before asking for `stragglers` again; None for ever."""
        due = self._due()
        return max(min(due.values()) - self._clock(), 0.0) if due else None

    def stragglers(self) -> list[int]:
        """Return the requests to send a second time now; each is returned once."""
        now = self._clock()
        found = sorted(number for number, moment in self._due().items() if moment <= now)
        chosen = found[: self._num_left()]
        self._doubled.update(chosen)
        return chosen

    def _num_left(self) -> int:
        if self._hedging is None:
            return 0
        return max(int(self._hedging.max_share * self._num_requests), 1) - len(self._doubled)

    def _due(self) -> dict[int, float]:
        """When each request that runs becomes a straggler; none before all have begun and half are done."""
        hedging = self._hedging
        is_early = len(self._begun) < self._num_requests or 2 * len(self._seconds) < self._num_requests
        if hedging is None or is_early or self._num_left() <= 0:
            return {}
        patience_seconds = max(hedging.min_seconds, hedging.slowness * median(self._seconds))
        return {
            number: begun + patience_seconds
            for number, begun in self._begun.items()
            if number not in self._answers and number not in self._doubled
        }
