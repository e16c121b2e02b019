"""Counters and histograms that requests fill on one thread: the library's own take a lock for every number.

Filled on the event loop and read there, at a scrape.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

Labels = tuple[str, ...]


class CounterTally(Collector):
    """A counter by the values of its labels."""

    def __init__(
        self, name: str, documentation: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._sums: dict[Labels, float] = {}
        registry.register(self)

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Count so many; of 0, only that the labels are there from now on."""
        self._sums[labels] = self._sums.get(labels, 0) + amount

    def describe(self) -> Iterator[CounterMetricFamily]:
        """Yield the family without its samples: a registry asks for its names."""
        yield CounterMetricFamily(self._name, self._documentation, labels=self._labels)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Yield the counter with its samples."""
        for family in self.describe():
            for labels, amount in self._sums.items():
                family.add_metric(labels, amount)
            yield family


class HistogramTally(Collector):
    """A histogram by the values of its labels."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        registry: CollectorRegistry,
        *,
        bounds: Sequence[float],
        has_sum: bool = True,
    ) -> None:
        """`has_sum` is False where values may be negative: a sum that can fall is no counter."""
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._bounds = tuple(map(float, bounds))
        self._les = (*map(str, self._bounds), "+Inf")
        self._has_sum = has_sum
        self._counts: dict[Labels, list[int]] = {}
        self._sums: dict[Labels, float] = {}
        registry.register(self)

    def observe(self, labels: Labels, value: float) -> None:
        """Count one value."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._start(labels)
        counts[bisect_left(self._bounds, value)] += 1
        self._sums[labels] += value

    def observe_all(self, labels: Labels, values: Iterable[float]) -> None:
        """Count several values."""
        counts = self._counts.get(labels)
        if counts is None:
            counts = self._start(labels)
        for value in values:
            counts[bisect_left(self._bounds, value)] += 1
            self._sums[labels] += value

    def _start(self, labels: Labels) -> list[int]:
        self._sums[labels] = 0.0
        counts = self._counts[labels] = [0] * len(self._les)
        return counts

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Yield the family without its samples: a registry asks for its names."""
        yield HistogramMetricFamily(self._name, self._documentation, labels=self._labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram, each bucket with those below it."""
        for family in self.describe():
            for labels, counts in self._counts.items():
                buckets: list[tuple[str, float]] = []
                below = 0
                for le, count in zip(self._les, counts, strict=True):
                    below += count
                    buckets.append((le, below))
                family.add_metric(labels, buckets, sum_value=self._sums[labels] if self._has_sum else None)
                if not self._has_sum:  # the library leaves the count out with it
                    named = dict(zip(self._labels, labels, strict=True))
                    family.add_sample(f"{self._name}_count", named, below)
            yield family
