"""The first positions of the vision tower: two-dimensional sines, so that a patch tells where it is from the
first step on. Drawn at random they are learned late, or not at all where phrases come before captions.
"""

from math import pi

import torch

from visreward_service.models.networks import FGClip

SCALE = 0.6
"""The height of the waves; patches have a length of about 1 per dimension."""


def add_sines(model: FGClip) -> None:
    """Add two-dimensional sines (of `SCALE`) to the positions of the patches."""
    table = model.get_parameter("vision_model.embeddings.position_embedding.weight")
    grid, quarter = model.config.grid, table.shape[1] // 4
    at = torch.arange(grid) / grid
    angles = at[:, None] * pi * 8 ** (torch.arange(quarter) / quarter)
    waves = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = waves[:, None].expand(-1, grid, -1), waves[None].expand(grid, -1, -1)
    with torch.no_grad():
        table[1:] += SCALE * torch.cat([columns, rows], dim=2).flatten(0, 1)
