"""Training on several cores: one process each, the same weights in all, gradients averaged at every step.

One thread per process waits for no other within a step, which two threads in one process do at every
operation; on a busy machine that is several times faster. The sum is taken in the order of the processes,
so a run is reproducible for a number of processes. It knows no losses.
"""

from collections.abc import Iterable
from multiprocessing import get_context

import torch
from torch import Tensor, nn

PATIENCE_SECONDS = 900.0
"""How long a process waits for the others: longer than the first measures the figures."""


class Exchange:
    """Memory that the processes of a run share. Made in the first, inherited by the others, which it
    forks.
    """

    def __init__(self, num_processes: int, num_values: int) -> None:
        self.num_processes = num_processes
        self.context = get_context("fork")
        self.gradients = torch.zeros(num_processes, num_values).share_memory_()  # type: ignore[no-untyped-call]
        self.barrier = self.context.Barrier(num_processes)

    def average(self, rank: int, parameters: Iterable[nn.Parameter]) -> None:
        """Replace every gradient by its mean over the processes. All of them call this once a step.

        Raises `threading.BrokenBarrierError` where another process has ended or hangs.
        """
        if self.num_processes == 1:
            return
        present = list(parameters)
        torch.cat([gradient_of(parameter).flatten() for parameter in present], out=self.gradients[rank])
        self.barrier.wait(PATIENCE_SECONDS)
        mean = self.gradients.sum(0) / self.num_processes
        self.barrier.wait(PATIENCE_SECONDS)
        for parameter, values in zip(present, mean.split([parameter.numel() for parameter in present])):
            parameter.grad = values.view_as(parameter)


def gradient_of(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
