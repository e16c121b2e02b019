"""Threads of forward passes on the CPU: one for each pass, several passes at once.

Where an operation is split between threads, where the split falls depends on the size of the batch, and the
rows beside it are rounded otherwise. With one thread to a pass a row has the same bits in any batch, and the
cores are kept busy by passes over different batches, or over parts of one.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from math import ceil
from threading import Lock
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


class Workers:
    """Threads that each run a forward pass of their own, whichever model it is of."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="forward")
        self._lock = Lock()
        self._num_parts = 0

    def spread(self, function: Callable[[Sequence[T]], list[R]], items: Sequence[T]) -> list[R]:
        """Return `function(items)`, computed in as many parts as there are workers without work."""
        with self._lock:
            num_idle = max(self.count - self._num_parts, 1)
            share = max(ceil(len(items) / num_idle), 1)
            parts = [items[start : start + share] for start in range(0, len(items), share)]
            self._num_parts += len(parts)
        try:
            return [row for rows in self._pool.map(function, parts) for row in rows]
        finally:
            with self._lock:
                self._num_parts -= len(parts)


@cache
def take_threads() -> Workers:
    """Return as many workers as torch had threads. From the first call on, an operation of torch has one."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    return Workers(count)
