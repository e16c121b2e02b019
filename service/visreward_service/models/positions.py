"""NaFlex's position embeddings, resized to the grid of each image by one product for a whole batch.

Equal to torch's `interpolate(mode="bilinear", antialias=True, align_corners=False)` of the checkpoint's
square table, image by image, which no exported network could carry: its sizes are numbers there. Knows no
network.
"""

import torch
from torch import Tensor

from visreward_service.models.rows import multiply, steady_rows


def resize_positions(table: Tensor, shapes: Tensor, mask: Tensor) -> Tensor:
    """Return (B, N, D) of a table (side * side, D), for grids of `shapes` (B, 2), rows and columns.

    `mask` (B, N) is True where a patch is the image's; behind it stands the embedding of the first patch.
    """
    side = round(len(table) ** 0.5)
    places = torch.arange(mask.shape[1], device=mask.device)[None] * mask
    height, width = shapes[:, :1], shapes[:, 1:]
    down = _weights(places // width, height, side)
    across = _weights(places % width, width, side)
    weights = (down[..., :, None] * across[..., None, :]).flatten(2)
    columns = table.float().T.contiguous()
    return multiply(weights, columns, None, rows=steady_rows(columns)).to(table.dtype)


def _weights(places: Tensor, sizes: Tensor, side: int) -> Tensor:
    """Return what each of `side` entries gives to places (B, N) of an axis resized to `sizes` (B, 1): (B, N,
    side), by the triangle of `_upsample_bilinear2d_aa` (ATen, UpSampleKernel.cpp)."""
    scale = side / sizes.float()
    centres = (places + 0.5) * scale
    entries = torch.arange(side, device=places.device) + 0.5
    distances = (entries - centres[..., None]).abs() / scale.clamp(min=1)[..., None]
    weights = (1 - distances).clamp(min=0)
    return weights / weights.sum(-1, keepdim=True)
