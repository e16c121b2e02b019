"""What an answer says of a group's rewards as a whole, whoever computes it: the service, or the client for a
group that several requests have answered. Pure.

None stands for an item without a reward. It is left out and never taken for 0.
"""

import math
from collections.abc import Sequence
from typing import Any

from visreward.protocol.response import GroupSummary

Values = Sequence[float | None]


def average(values: Values) -> float | None:
    """Return the mean of the values that are there; None where there are none.

    The mean of equal values is that value, whatever rounding would make of their sum.
    """
    scored = present(values)
    if not scored:
        return None
    if min(scored) == max(scored):
        return scored[0]
    try:
        return math.fsum(scored) / len(scored)
    except OverflowError:
        return math.fsum(value / len(scored) for value in scored)


def deviate(values: Values) -> float | None:
    """Return the population standard deviation; exactly 0.0 for equal values.

    None where there are no values, and where their distances are beyond a double. Rounding must not give a
    tie an advantage.
    """
    scored, mean = present(values), average(values)
    if mean is None:
        return None
    if min(scored) == max(scored):
        return 0.0
    distances = [value - mean for value in scored]
    try:
        return math.sqrt(math.fsum(distance**2 for distance in distances) / len(scored))
    except OverflowError:  # of squares; the root may well be a double
        largest = max(map(abs, distances))
        if math.isinf(largest):
            return None
        return largest * math.sqrt(math.fsum((one / largest) ** 2 for one in distances) / len(scored))


def summarise(group: str, rewards: Values, **facts: Any) -> GroupSummary:
    """Return a group's summary; `facts` are what the recipe's steps say of it."""
    scored = present(rewards)
    return GroupSummary(
        group=group,
        num_items=len(rewards),
        num_scored=len(scored),
        mean=average(rewards),
        std=deviate(rewards),
        tied=len(scored) > 1 and min(scored) == max(scored),
        **facts,
    )


def present(values: Values) -> list[float]:
    """Return the values that are there."""
    return [value for value in values if value is not None]
