"""Which waiting jobs run together: a pure grouping function, and the buckets it groups by."""

from bisect import bisect_left
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol, TypeVar

LENGTH_BUCKETS = (16, 24, 32, 40, 48, 64, 77, 96, 128, 160, 196, 248)
"""Upper ends, in tokens. A text is batched with texts of its own bucket, so that padding stays small."""

REGAIN_PASSES = 100
"""Passes that fit, after which more is tried again."""
REGAIN = 1.25
SMALLEST_SHARE = 1 / 1024
SMALLEST_PARTS = {"image": 4, "text": 8}
"""Jobs below which a pass is not made smaller to leave some to others: kernels want rows."""
SMALLEST_LAST_PARTS = {"image": 4, "text": 16}
"""Likewise while all the others run: nobody idles for what the last one takes."""


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


@dataclass(slots=True)
class Allowance:
    """The share of a budget that a device has memory for: cut where a pass did not fit, slowly regained."""

    share: float = 1.0
    _num_passes: int = 0

    def cut(self, used: float) -> None:
        """Note that a pass did not fit which held the share `used` of the whole budget."""
        self.share = max(min(self.share, used / 2), SMALLEST_SHARE)
        self._num_passes = 0

    def note_pass(self) -> None:
        """Note a pass that did fit."""
        if self.share < 1.0:
            self._num_passes += 1
            if self._num_passes >= REGAIN_PASSES:
                self._num_passes = 0
                self.share = min(self.share * REGAIN, 1.0)

    def of(self, budget: Budget) -> Budget:
        """Return what passes may hold now: one job at least."""
        if self.share == 1.0:
            return budget
        return Budget(
            max_jobs=max(int(budget.max_jobs * self.share), 1),
            max_cost=max(int(budget.max_cost * self.share), 1),
        )


J = TypeVar("J", bound=Queued)


def length_bucket(num_tokens: int) -> int:
    """Return the upper end of the bucket that holds a text of that many tokens."""
    place = bisect_left(LENGTH_BUCKETS, num_tokens)
    return LENGTH_BUCKETS[place] if place < len(LENGTH_BUCKETS) else num_tokens


def share(queue: Sequence[Queued], budget: Budget, passes: int, running: int) -> Budget:
    """Return what a pass may hold where several run at once: its part of the budget, and of what waits.

    Parts shrink as the queue does, so that the passes come to their end together. `running` of them are
    under way.
    """
    kind = queue[0].kind
    smallest = SMALLEST_PARTS if running < passes - 1 else SMALLEST_LAST_PARTS
    waiting = sum(job.kind == kind for job in queue)
    part = max(ceil(waiting / passes), smallest[kind[0]])
    return Budget(
        max_jobs=min(ceil(budget.max_jobs / passes), part), max_cost=max(budget.max_cost // passes, 1)
    )


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
