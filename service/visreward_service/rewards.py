"""The histogram of rewards, filled a request at a time: the library's own takes a lock for each reward."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator

from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

BOUNDS = (-1.0, -0.5, 0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 5.0, 10.0)
LABELS = (*map(str, BOUNDS), "+Inf")


class RewardHistogram(Collector):
    """Rewards given, by recipe. Filled and read on one thread."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}

    def observe(self, recipe: str, rewards: Iterable[float]) -> None:
        """Count the rewards of one answer."""
        counts = self._counts.setdefault(recipe, [0] * len(LABELS))
        for reward in rewards:
            counts[bisect_left(BOUNDS, reward)] += 1

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the histogram, each bucket with those below it."""
        family = HistogramMetricFamily("visreward_reward", "Rewards given.", labels=["recipe"])
        for recipe, counts in self._counts.items():
            buckets: list[tuple[str, float]] = []
            below = 0
            for label, count in zip(LABELS, counts, strict=True):
                below += count
                buckets.append((label, below))
            family.add_metric([recipe], buckets, sum_value=None)
            # The library leaves the count out with the sum, which means nothing where buckets are below zero.
            family.add_sample(f"{family.name}_count", {"recipe": recipe}, below)
        yield family
