"""What a group or a batch of rewards says as a whole: pass rates, classes, gates, weights. Pure functions.

A group is the list of values of the items that answer one prompt; None stands for an item without a value.
Values that are missing are left out and never taken for 0. Where the numbers come from, and who asks, is not
known here.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Values = Sequence[float | None]
Class = Literal["easy", "medium", "hard"]

CITY_WEIGHTS: Mapping[str, float] = {"easy": 1.0, "middle": 1.2, "hard": 1.5}
TRANSFER_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class PassRate:
    """How many of a group's items are right."""

    num_passed: int
    num_scored: int
    num_items: int

    @property
    def rate(self) -> float | None:
        """Passed over scored, None where nothing was scored."""
        return self.num_passed / self.num_scored if self.num_scored else None


def measure_pass_rate(values: Values, threshold: float = 1.0) -> PassRate:
    """Count the values that reach the threshold."""
    scored = [value for value in values if value is not None]
    return PassRate(sum(value >= threshold for value in scored), len(scored), len(values))


def classify(values: Values, rollouts: int = 8, threshold: float = 1.0) -> Class | None:
    """Return the class of a question by PeBR-R1's sampling (arXiv:2509.13031, `pebr_sample.py`).

    `easy` where all rollouts are right, `hard` where none is, else `medium`. None where fewer than `rollouts`
    have a value: the official code classes those too, and takes a question with 7 right answers of 7 for
    medium.
    """
    passed = measure_pass_rate(values, threshold)
    if passed.num_scored < rollouts:
        return None
    if passed.num_passed == passed.num_scored:
        return "easy"
    return "hard" if passed.num_passed == 0 else "medium"


def keeps(values: Values, low: float = 0.0, high: float = 1.0) -> bool:
    """Whether a group stays in the batch: its mean lies between the bounds, neither included.

    EasyR1's online filter; VPPO (arXiv:2510.09285) takes 0.01 and 0.99. A group without values goes.
    """
    mean = _mean(values)
    return mean is not None and low < mean < high


@dataclass(frozen=True, slots=True)
class Gate:
    """What the fidelity gate makes of a group (PEARL, arXiv:2511.18437)."""

    mean: float | None
    """Mean share of right perception answers."""
    open: bool
    """False where no perception answer of the group is right: the reasoning rollouts are skipped."""
    scale: float
    """Factor of the reasoning advantages: min(mean, cap) as the paper prints it, 0 where the gate is shut."""


def gate(perception: Values, cap: float = 0.5) -> Gate:
    """Return the gate of a group from the shares of right perception answers of its items."""
    mean = _mean(perception)
    if mean is None or mean == 0:
        return Gate(mean, open=False, scale=0.0)
    return Gate(mean, open=True, scale=min(mean, cap))


def keeps_gated(perception: Values, reasoning: Values) -> bool:
    """Whether PEARL keeps a group: one of its two means is neither 0 nor 1."""
    return keeps(perception) or keeps(reasoning)


@dataclass(frozen=True, slots=True)
class Tamed:
    """Rewards combined after log-taming."""

    totals: tuple[float | None, ...]
    """Weighted sums by item; None where an item lacks a component of weight."""
    tamed: tuple[str, ...]
    """Components that were tamed."""
    variations: Mapping[str, float]
    """Standard deviation over mean, by component; components without a positive mean are left out."""


def tame(
    components: Mapping[str, Values],
    weights: Mapping[str, float],
    threshold: Literal["mean", "median"] | float = "mean",
) -> Tamed:
    """Combine components by PaCo-RL's log-tamed aggregation (arXiv:2512.04784).

    A component whose coefficient of variation over the batch (population standard deviation over mean) is
    above the threshold enters as log(1 + R); the threshold is the mean or the median of the coefficients, or
    a number. Raise ValueError for components of different lengths, a weight without a component and a tamed
    value of -1 or less.
    """
    if len({len(values) for values in components.values()}) > 1:
        raise ValueError("components of different lengths")
    unknown = sorted(set(weights) - set(components))
    if unknown:
        raise ValueError(f"weights without components: {', '.join(unknown)}")
    variations = {
        name: variation for name, values in components.items() if (variation := _vary(values)) is not None
    }
    limit = _limit(list(variations.values()), threshold)
    tamed = tuple(name for name, variation in variations.items() if variation > limit)
    used = {name: _log(components[name]) if name in tamed else components[name] for name in weights}
    length = len(next(iter(components.values()), ()))
    totals = [_total(used, weights, index) for index in range(length)]
    return Tamed(tuple(totals), tamed, variations)


def weigh_difficulty(city: str, num_transfers: int | None = None) -> float:
    """Return RewardMap's difficulty weight (arXiv:2510.02240): by city, 0.5 more for routes with transfers.

    `num_transfers` is None for questions that plan no route. Raise ValueError for an unknown city class or a
    negative number.
    """
    if city not in CITY_WEIGHTS:
        raise ValueError(f"unknown city class {city!r}; there are {', '.join(CITY_WEIGHTS)}")
    if num_transfers is not None and num_transfers < 0:
        raise ValueError("a negative number of transfers")
    return CITY_WEIGHTS[city] + (TRANSFER_WEIGHT if num_transfers else 0.0)


def _mean(values: Values) -> float | None:
    scored = [value for value in values if value is not None]
    if not scored:
        return None
    # The mean of equal values is that value, whatever rounding would make of their sum.
    return scored[0] if len(set(scored)) == 1 else math.fsum(scored) / len(scored)


def _vary(values: Values) -> float | None:
    mean = _mean(values)
    if mean is None or mean <= 0:
        return None
    scored = [value for value in values if value is not None]
    return math.sqrt(math.fsum((value - mean) ** 2 for value in scored) / len(scored)) / mean


def _limit(variations: list[float], threshold: Literal["mean", "median"] | float) -> float:
    if not isinstance(threshold, str):
        return threshold
    if not variations:
        return math.inf
    if threshold == "mean":
        return math.fsum(variations) / len(variations)
    ordered = sorted(variations)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def _log(values: Values) -> list[float | None]:
    if any(value is not None and value <= -1 for value in values):
        raise ValueError("a value of -1 or less has no logarithm")
    return [None if value is None else math.log1p(value) for value in values]


def _total(used: Mapping[str, Values], weights: Mapping[str, float], index: int) -> float | None:
    total = 0.0
    for name, weight in weights.items():
        value = used[name][index]
        if value is None:
            return None
        total += weight * value
    return total
