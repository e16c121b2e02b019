"""Rows of a pass, some at a time, where they have nothing to do with one another: on the CPU.

Between the two linear layers of a block's MLP lies the largest tensor of a pass. A tile of it stays in a
core's cache, and a pass needs megabytes where it would need tens of them.
"""

import torch
from torch import Tensor, nn

from visreward_service.models.products import TILE
from visreward_service.models.rows import is_tracing

MLPS = ({"fc1", "activation_fn", "fc2"}, {"c_fc", "gelu", "c_proj"})
"""What the layers of an MLP are called, by transformers and by open_clip."""


class Tiled(nn.Module):
    """A module that makes a row of each row, of the same width, applied to a tile after the other."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Return what the module makes of (..., width)."""
        if is_tracing():
            whole: Tensor = self.module(x)
            return whole
        rows = x.reshape(-1, x.shape[-1])
        found = torch.empty_like(rows)
        for start in range(0, len(rows), TILE):
            found[start : start + TILE] = self.module(rows[start : start + TILE])
        return found.view(x.shape)


def tile_mlps(module: nn.Module) -> None:
    """Have the MLPs inside the module take their rows in tiles."""
    for block in list(module.modules()):
        for name, child in list(block.named_children()):
            if dict(child.named_children()).keys() in MLPS:
                setattr(block, name, Tiled(child))
