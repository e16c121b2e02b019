"""The product of rows and a weight on the CPU, by the quicker of the two libraries that torch brings.

torch multiplies float32 with MKL, which on processors of other makers than Intel reaches half of what they
can do; oneDNN, which torch has for other types, reaches nearly all of it. Which one is taken follows from the
processor and the torch build alone, never from a measurement, so that a machine's bits stay the same from
start to start.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

Linear = Callable[[Tensor, Tensor, Tensor | None], Tensor]
"""As `torch.nn.functional.linear`: rows (N, inputs), a weight (outputs, inputs) and perhaps a bias to
(N, outputs)."""

CPUINFO = Path("/proc/cpuinfo")

TILE = 256
"""Rows that go through oneDNN at a time; from there on more are hardly quicker. It compiles a kernel of a
third of a megabyte for each number of rows that it meets, and keeps it for ever, so that they must be few."""
STEP = 16
"""Fewer rows are filled up to a multiple of this."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return `x @ weight.T + bias`, (N, inputs) to (N, outputs). Without gradients.

    The weight may be packed.
    """
    return _linear_for(weight)(x, weight, bias)


def pack(weight: Tensor) -> Tensor:
    """Return a weight in the order in which oneDNN reads it, where products go through oneDNN; else itself.

    It orders a weight anew for every product otherwise, which few rows do not repay. The product's bits are
    the same. Nothing but `linear` and `to_dense` takes what comes back.
    """
    return _reorder(weight.detach()) if _linear_for(weight) is multiply_in_tiles else weight


def _linear_for(weight: Tensor) -> Linear:
    is_plain = weight.device.type == "cpu" and weight.dtype == torch.float32
    return pick_linear() if is_plain else F.linear


@cache
def pick_linear() -> Linear:
    """Return the product for float32 on this machine's processor."""
    if torch._C.has_mkl and read_vendor(CPUINFO) not in (None, "GenuineIntel"):
        return find_onednn() or F.linear
    return F.linear


def read_vendor(cpuinfo: Path) -> str | None:
    """Return the processor's maker as an x86 processor names it; None where the system does not tell."""
    if not cpuinfo.is_file():
        return None
    lines = (line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines())
    return next((value.strip() for name, _, value in lines if name.strip() == "vendor_id"), None)


def find_onednn() -> Linear | None:
    """Return oneDNN's product in tiles; None where this torch has none, or one that does not give it."""
    if not torch._C._has_mkldnn:
        return None
    dice = torch.Generator().manual_seed(0)
    x, weight, bias = (torch.randn(shape, generator=dice) for shape in ((5, 32), (16, 32), (16,)))
    try:
        found = multiply_in_tiles(x, weight, bias), multiply_in_tiles(x, _reorder(weight), None)
    except (AttributeError, RuntimeError):  # NotImplementedError is a RuntimeError
        return None
    expected = F.linear(x, weight, bias), F.linear(x, weight)
    is_right = all(torch.allclose(*pair, atol=1e-5) for pair in zip(found, expected))
    return multiply_in_tiles if is_right else None


def prepare(weight: Tensor, bias: Tensor | None = None) -> None:
    """Have the kernels compiled that products with this weight, packed, may need.

    They would come one by one otherwise, and a process would grow while it meets new numbers of rows.
    """
    if _linear_for(weight) is multiply_in_tiles:
        _compile(*weight.shape, bias is not None)


@cache
def _compile(outputs: int, inputs: int, has_bias: bool) -> None:
    weight, bias = _reorder(torch.zeros(outputs, inputs)), torch.zeros(outputs) if has_bias else None
    for num_rows in range(STEP, TILE + 1, STEP):
        _multiply(torch.zeros(num_rows, inputs), weight, bias)


def _reorder(weight: Tensor) -> Tensor:
    return cast("Tensor", torch.ops.mkldnn._reorder_linear_weight(weight, TILE))


def multiply_in_tiles(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return the product by oneDNN, whatever the processor."""
    return in_tiles(lambda rows: _multiply(rows, weight, bias), x, len(weight))


def in_tiles(function: Callable[[Tensor], Tensor], rows: Tensor, width: int) -> Tensor:
    """Return what a function that makes a row of each row makes of (N, inputs), a tile after the other: (N,
    width)."""
    if len(rows) <= TILE:
        return function(rows)
    found = rows.new_empty(len(rows), width)
    for start in range(0, len(rows), TILE):
        found[start : start + TILE] = function(rows[start : start + TILE])
    return found


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    missing = -len(x) % STEP
    filled = F.pad(x, (0, 0, 0, missing)) if missing else x  # to pad by nothing is to copy
    # What torch's compiler puts in the place of a linear layer on the CPU; neither this nor the ordering of a
    # weight has a public name.
    found = torch.ops.mkldnn._linear_pointwise(filled, weight, bias, "none", [], "")
    return cast("Tensor", found)[: len(x)]
