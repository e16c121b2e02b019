"""Rows of a batch whose bits do not depend on the rest of the batch, on the CPU.

A product of few rows goes through other kernels than one of many and rounds otherwise: with MKL, below
about four rows per thread. Towers have rows enough in every image and text; what follows the pooling has
one row per item. `make_steady` pads those few products, which costs next to nothing, and leaves the rest
alone. Whether a whole network is steady is for `encoder` to try.
"""

from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

MOST_ROWS = 256


class SteadyLinear(nn.Linear):
    """A linear layer that never multiplies fewer than `rows` rows."""

    def __init__(self, layer: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.rows = steady_rows(layer.weight, layer.bias)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        return multiply(input, self.weight, self.bias, rows=self.rows)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None, *, rows: int) -> Tensor:
    """Return `x @ weight.T + bias` over the last axis, with zero rows added up to `rows`.

    Always as one matrix: torch takes another way for three axes that are not contiguous.
    """
    count = x.shape[:-1].numel()
    flat = x.reshape(count, x.shape[-1]).contiguous()
    if count < rows:
        flat = F.pad(flat, (0, 0, 0, rows - count))
    return F.linear(flat, weight, bias)[:count].reshape(*x.shape[:-1], -1)


def make_steady(module: nn.Module) -> None:
    """Replace every plain linear layer inside the module by a steady one over the same parameters."""
    for name, child in module.named_children():
        if type(child) is nn.Linear:
            setattr(module, name, SteadyLinear(child))
        else:
            make_steady(child)


def steady_rows(weight: Tensor, bias: Tensor | None = None) -> int:
    """Return the fewest rows that a product with this weight needs; 1 off the CPU."""
    if weight.device.type != "cpu":
        return 1
    outputs, inputs = weight.shape
    return find_steady_rows(outputs, inputs, bias is not None, weight.dtype, torch.get_num_threads())


@cache
def find_steady_rows(outputs: int, inputs: int, has_bias: bool, dtype: torch.dtype, num_threads: int) -> int:
    """Return the fewest rows from which on a row's bits are those it has among many, by trying.

    The number of threads changes the answer and is an argument for the cache's sake.
    """
    del num_threads
    dice = torch.Generator().manual_seed(0)
    x = torch.randn(2 * MOST_ROWS, inputs, generator=dice).to(dtype)
    weight = (torch.randn(outputs, inputs, generator=dice) * inputs**-0.5).to(dtype)
    bias = torch.randn(outputs, generator=dice).to(dtype) if has_bias else None
    among_many = F.linear(x, weight, bias)
    fewest = MOST_ROWS
    while fewest >= 1:
        counts = (fewest, fewest + 1, fewest * 3 // 2)
        if not all(torch.equal(F.linear(x[:count], weight, bias), among_many[:count]) for count in counts):
            return fewest * 2
        fewest //= 2
    return 1


def normalise(rows: Tensor) -> Tensor:
    """Return rows of unit length in float32 over the last axis; NaN for a row that has no length."""
    rows = rows.float()
    return cast("Tensor", rows / torch.linalg.vector_norm(rows, dim=-1, keepdim=True))
