"""ROI align with a 1x1 output, as a matrix of weights over the cells of a feature grid.

With one output bin the bilinear samples of a box are averaged, and the bilinear weight is a product over
the two axes; the whole operator is then one row of weights per box. This needs no compiled operator, is
differentiable in the features and runs on any device. It knows nothing about networks.
"""

import torch
from torch import Tensor


def axis_weights(start: Tensor, end: Tensor, cells: int) -> Tensor:
    """Mean bilinear weight of each of `cells` cells for the samples of the intervals `[start, end]`: (M,
    cells).

    torchvision's `roi_align` with `sampling_ratio=-1, aligned=True`
    (torchvision/csrc/ops/cpu/roi_align_common.h): ceil(length) evenly spaced samples, shifted by half a
    cell; samples beyond one cell outside the grid count as 0.
    """
    length = end - start
    samples = length.ceil().clamp(min=0)
    num_samples = max(1, int(samples.max().item())) if len(samples) else 1
    index = torch.arange(num_samples, device=start.device, dtype=start.dtype)
    step = length / samples.clamp(min=1)
    at = start[:, None] - 0.5 + (index + 0.5) * step[:, None]
    counted = (index < samples[:, None]) & (at >= -1) & (at <= cells)
    cell = torch.arange(cells, device=start.device, dtype=start.dtype)
    hat = (1 - (at.clamp(0, cells - 1)[..., None] - cell).abs()).clamp(min=0)
    return (hat * counted[..., None]).sum(1) / samples.clamp(min=1)[:, None]


def roi_weights(boxes: Tensor, height: int, width: int) -> Tensor:
    """Weights of the cells of a `height` x `width` grid for boxes `[x1, y1, x2, y2]` in grid units: (M, H*W).

    `weights @ features` equals `roi_align(features, boxes, (1, 1), 1.0, -1, True)`. A box without area has
    weights 0, as there.
    """
    boxes = boxes.float()
    columns = axis_weights(boxes[:, 0], boxes[:, 2], width)
    rows = axis_weights(boxes[:, 1], boxes[:, 3], height)
    return (rows[:, :, None] * columns[:, None, :]).flatten(1)
