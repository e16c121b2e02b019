"""Threads of forward passes on the CPU: one for each pass, several passes at once.

Where an operation is split between threads, where the split falls depends on the size of the batch, and the
rows beside it are rounded otherwise. With one thread to a pass a row has the same bits in any batch, and the
cores are kept busy by passes over different parts of the batch.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Workers:
    """Threads that each run a forward pass of their own."""

    count: int
    pool: ThreadPoolExecutor

    def spread(self, function: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
        """Return `function(items)`, computed in as many parts as there are workers."""
        share = max(ceil(len(items) / self.count), 1)
        if share >= len(items):
            return function(items)
        parts = [items[start : start + share] for start in range(0, len(items), share)]
        return [row for rows in self.pool.map(function, parts) for row in rows]


@cache
def take_threads() -> Workers:
    """Return as many workers as torch had threads. From the first call on, an operation of torch has one."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    return Workers(count, ThreadPoolExecutor(count, thread_name_prefix="forward"))
