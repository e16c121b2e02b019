"""From the scores of an item's phrases to the numbers of the item."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True, kw_only=True)
class Aggregates:
    """Numbers over the phrases of an item."""

    mean: float
    min: float
    soft_min: float
    """Between `min` (sharpness without end) and `mean` (sharpness 0)."""
    fraction: float
    """Share of phrases whose score is at least the threshold."""
    num_phrases: int

    def values(self) -> dict[str, float]:
        """The numbers by name."""
        return {name: float(value) for name, value in asdict(self).items()}


def aggregate(scores: Sequence[float], *, threshold: float, sharpness: float) -> Aggregates:
    """Return the aggregates of at least one score.

    soft_min = -log(mean(exp(-sharpness * score))) / sharpness, counted from the least score so that nothing
    overflows.
    """
    least = min(scores)
    weights = math.fsum(math.exp(-sharpness * (score - least)) for score in scores) / len(scores)
    return Aggregates(
        mean=math.fsum(scores) / len(scores),
        min=least,
        soft_min=least - math.log(weights) / sharpness,
        fraction=sum(score >= threshold for score in scores) / len(scores),
        num_phrases=len(scores),
    )
