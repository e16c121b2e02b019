"""The resize of NaFlex's position embeddings for a whole batch."""

import pytest
import torch
from torch.nn import functional as F

from visreward_service.models.positions import resize_positions

GRIDS = ((16, 16), (1, 1), (3, 85), (40, 5), (11, 23), (17, 15), (256, 1))


@pytest.mark.parametrize("side", [1, 4, 16])
def test_the_resize_of_a_batch_is_torchs_own_of_each_image(side: int) -> None:
    table = torch.randn(side * side, 24, generator=torch.Generator().manual_seed(side))
    shapes = torch.tensor(GRIDS)
    mask = torch.arange(256)[None] < shapes.prod(1, keepdim=True)
    found = resize_positions(table, shapes, mask)
    for rows, real, (height, width) in zip(found, mask, GRIDS):
        square = table.reshape(1, side, side, -1).permute(0, 3, 1, 2)
        resized = F.interpolate(square, (height, width), mode="bilinear", antialias=True, align_corners=False)
        expected = resized[0].flatten(1).T
        torch.testing.assert_close(rows[real], expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(
            rows[~real], expected[:1].expand(256 - height * width, -1), atol=1e-5, rtol=0
        )
