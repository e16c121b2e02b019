"""Statistics of a group's rewards, for groups whose items were not all answered by one request."""

import math
from collections.abc import Sequence

from visreward.protocol import GroupSummary


def summarise(group: str, rewards: Sequence[float | None]) -> GroupSummary:
    """Return mean and population standard deviation of the rewards that are there (None was not scored).

    A group whose rewards are all the same number has that very number as its mean and exactly 0.0 as its
    deviation: rounding must not give a tie an advantage.
    """
    scored = [reward for reward in rewards if reward is not None]
    if not scored:
        return GroupSummary(
            group=group, num_items=len(rewards), num_scored=0, mean=None, std=None, tied=False
        )
    same = min(scored) == max(scored)
    mean = scored[0] if same else math.fsum(scored) / len(scored)
    return GroupSummary(
        group=group,
        num_items=len(rewards),
        num_scored=len(scored),
        mean=mean,
        std=0.0 if same else _deviate([reward - mean for reward in scored]),
        tied=same and len(scored) > 1,
    )


def _deviate(distances: Sequence[float]) -> float:
    try:
        return math.sqrt(math.fsum(distance**2 for distance in distances) / len(distances))
    except OverflowError:  # of squares; the root may well be a double
        largest = max(map(abs, distances))
        return largest * math.sqrt(math.fsum((one / largest) ** 2 for one in distances) / len(distances))
