"""Which waiting jobs run together: a pure grouping function, and the buckets it groups by."""

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

LENGTH_BUCKETS = (16, 24, 32, 40, 48, 64, 77, 96, 128, 160, 196, 248)
"""Upper ends, in tokens. A text is batched with texts of its own bucket, so that padding stays small."""


class Queued(Protocol):
    """What the grouping reads of a waiting job."""

    @property
    def kind(self) -> tuple[str, str, int]:
        """Jobs of one kind can share a forward pass."""
        ...

    @property
    def cost(self) -> int:
        """Pixels of an image, tokens of a text."""
        ...

    @property
    def owner(self) -> int:
        """Number of the request that asked first."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """What one forward pass may hold."""

    max_jobs: int
    max_cost: int


J = TypeVar("J", bound=Queued)


def length_bucket(num_tokens: int) -> int:
    """Return the upper end of the bucket that holds a text of that many tokens."""
    place = bisect_left(LENGTH_BUCKETS, num_tokens)
    return LENGTH_BUCKETS[place] if place < len(LENGTH_BUCKETS) else num_tokens


def take_batch(queue: Sequence[J], budget: Budget) -> list[J]:
    """Choose the jobs of the next forward pass: the kind that has waited longest, owners taking turns.

    Always returns at least one job of a non-empty queue, even where that job alone is over the budget, so
    that nothing waits for ever. Jobs of one owner keep their order.
    """
    if not queue:
        return []
    kind = queue[0].kind
    by_owner: OrderedDict[int, deque[J]] = OrderedDict()
    for job in queue:
        if job.kind == kind:
            by_owner.setdefault(job.owner, deque()).append(job)
    batch: list[J] = []
    cost = 0
    while by_owner and len(batch) < budget.max_jobs:
        owner, jobs = by_owner.popitem(last=False)
        if batch and cost + jobs[0].cost > budget.max_cost:
            break
        job = jobs.popleft()
        batch.append(job)
        cost += job.cost
        if jobs:
            by_owner[owner] = jobs
    return batch
