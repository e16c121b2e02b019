"""What a recipe's steps make of the values of a group: pass rates, classes, filters, gates, tamed sums. Pure.

A group is the list of values of the items that answer one prompt; None stands for an item without a value.
Values that are missing are left out and never taken for 0. Where the numbers come from, and who asks, is not
known here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visreward.protocol.statistics import Values, average, deviate, present

Class = Literal["easy", "medium", "hard"]
Threshold = Literal["mean", "median"] | float


def rate_passed(values: Values, threshold: float = 1.0) -> float | None:
    """Return the share of the values that reach the threshold, None where there are none."""
    scored = present(values)
    return sum(value >= threshold for value in scored) / len(scored) if scored else None


def classify(
    values: Values, rollouts: int = 8, threshold: float = 1.0, *, count_short: bool = False
) -> Class | None:
    """Return the class of a question by PeBR-R1's sampling (arXiv:2509.13031, `pebr_sample.py`).

    `easy` where all of `rollouts` are right, `hard` where none is, else `medium`. None where a value
    is missing, and where there are fewer than `rollouts`. The official code counts those too, as
    `count_short` does, and takes a question with 7 right answers of 7 for medium.
    """
    scored = present(values)
    if not scored or len(scored) < len(values) or (len(scored) < rollouts and not count_short):
        return None
    passed = sum(value >= threshold for value in scored)
    if passed >= (rollouts if count_short else len(scored)):
        return "easy"
    return "hard" if passed == 0 else "medium"


def keeps(values: Values, low: float = 0.0, high: float = 1.0) -> bool:
    """Whether a group stays in the batch: its mean lies between the bounds, neither included.

    EasyR1's online filter; VPPO (arXiv:2510.09285) takes 0.01 and 0.99. A group without values goes.
    """
    mean = average(values)
    return mean is not None and low < mean < high


@dataclass(frozen=True, slots=True)
class Gate:
    """What the fidelity gate makes of a group (PEARL, arXiv:2511.18437)."""

    open: bool
    """False where no perception answer of the group is right: the reasoning rollouts are skipped."""
    scale: float
    """Factor of the reasoning advantages: min(mean, cap) as the paper prints it, 0 where the gate is shut."""


def gate(perception: Values, cap: float = 0.5) -> Gate | None:
    """Return the gate of a group from the shares of right perception answers, None where there are none."""
    mean = average(perception)
    return None if mean is None else Gate(open=mean > 0, scale=max(0.0, min(mean, cap)))


@dataclass(frozen=True, slots=True)
class Tamed:
    """Rewards combined after log-taming."""

    totals: tuple[float | None, ...]
    """Weighted sums by item; None where an item lacks a component, or has one with no logarithm."""
    names: tuple[str, ...]
    """Components that were tamed."""


def tame(
    components: Mapping[str, Values], weights: Mapping[str, float], threshold: Threshold = "mean"
) -> Tamed:
    """Combine components of the same items by PaCo-RL's log-tamed aggregation (arXiv:2512.04784).

    A component whose coefficient of variation (population standard deviation over mean) is above the
    threshold enters as log(1 + R); the threshold is the mean or the median of the coefficients, or a number.
    Components without a positive mean have no coefficient and are not tamed. An item that lacks a component
    is left out of all.
    """
    rows = zip(*components.values(), strict=True)
    whole = [None not in row for row in rows]
    components = {
        name: [value if there else None for value, there in zip(values, whole)]
        for name, values in components.items()
    }
    found = {name: _vary(values) for name, values in components.items()}
    variations = {name: variation for name, variation in found.items() if variation is not None}
    limit = _limit(list(variations.values()), threshold)
    tamed = tuple(name for name, variation in variations.items() if variation > limit)
    used = {name: _log(components[name]) if name in tamed else components[name] for name in weights}
    return Tamed(tuple(_total(used, weights, index) for index in range(len(whole))), tamed)


def _vary(values: Values) -> float | None:
    mean, deviation = average(values), deviate(values)
    return None if mean is None or deviation is None or mean <= 0 else deviation / mean


def _limit(variations: list[float], threshold: Threshold) -> float:
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
    return [None if value is None or value <= -1 else math.log1p(value) for value in values]


def _total(used: Mapping[str, Values], weights: Mapping[str, float], index: int) -> float | None:
    total = 0.0
    for name, weight in weights.items():
        value = used[name][index]
        if value is None:
            return None
        total += weight * value
    return total
