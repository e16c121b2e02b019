"""Rows of a pass, some at a time, where they have nothing to do with one another: on the CPU.

Between the two linear layers of a block's MLP lies the largest tensor of a pass. A tile of it stays in a
core's cache, and a pass needs megabytes where it would need tens of them.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from visreward_service.models.products import in_tiles
from visreward_service.models.rows import is_tracing

MLPS = ({"fc1", "activation_fn", "fc2"}, {"c_fc", "gelu", "c_proj"})
"""What the layers of an MLP are called, by transformers and by open_clip."""


def tile_mlps(module: nn.Module) -> None:
    """Have the MLPs inside the module take their rows in tiles.

    The modules stay: libraries look for layers in them, and parameters keep their names.
    """
    for block in module.modules():
        if dict(block.named_children()).keys() in MLPS:
            block.forward = partial(apply_to_tiles, block.forward)


def apply_to_tiles(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return what a function that makes a row of each row, of the same width, makes of (..., width)."""
    if is_tracing():
        return function(x)
    return in_tiles(function, x.reshape(-1, x.shape[-1]), x.shape[-1]).view(x.shape)
