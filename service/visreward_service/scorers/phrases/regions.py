"""Where a phrase is: its similarity to each patch, the box grown around the best one, and pooling in a box.

Boxes are `[x1, y1, x2, y2]` with 0..1 for the whole image, x to the right and y downwards. It knows no text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visreward_service.scorers.base import ImageFeatures, Vector

Map = npt.NDArray[np.float32]
"""(rows, columns) of cosines."""
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Region:
    """A box of whole patches."""

    box: Box
    peak: float
    """The largest cosine in it."""
    num_patches: int
    """Patches that grew together; the box around them may hold more."""


def similarity_map(image: ImageFeatures, text: Vector) -> Map:
    """Return the cosine of each patch of a dense view with a text.

    Products are exact in binary64 and are summed patch by patch: a map has the same bits in every request.
    """
    products = image.vectors.astype(np.float64) * text.astype(np.float64)
    cosines = np.add.reduce(products, axis=1).reshape(image.grid)
    return np.asarray(cosines, dtype=np.float32)


def grow_box(similarities: Map, *, grow: float) -> Region:
    """Return the box around the best patch and the like patches that touch it by a side.

    A patch is alike where its cosine is at least floor + grow * (peak - floor), with the map's median as the
    floor: cosines of one model lie in a narrow band away from 0, so that a share of the peak alone says
    little. Among equal peaks the first in reading order counts.
    """
    rows, columns = similarities.shape
    at = int(np.argmax(similarities))
    peak, floor = float(similarities.flat[at]), float(np.median(similarities))
    alike = similarities >= floor + grow * (peak - floor)
    alike.flat[at] = True
    seen, front = {divmod(at, columns)}, [divmod(at, columns)]
    while front:
        row, column = front.pop()
        for near in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= near[0] < rows and 0 <= near[1] < columns and near not in seen and alike[near]:
                seen.add(near)
                front.append(near)
    ys, xs = [row for row, _ in seen], [column for _, column in seen]
    box = (min(xs) / columns, min(ys) / rows, (max(xs) + 1) / columns, (max(ys) + 1) / rows)
    return Region(box, peak, len(seen))


def pool_box(image: ImageFeatures, box: Sequence[float]) -> Vector:
    """Return the L2-normalised mean of a dense view in a box: (D,), 0 where the box has no area.

    torchvision's `roi_align` with output 1x1, spatial scale 1, `sampling_ratio=-1, aligned=True` on boxes in
    units of the grid, as FG-CLIP's `get_image_box_roi_features`. There patches keep their lengths; here each
    has length 1, so that all weigh the same.
    """
    rows, columns = image.grid
    x1, y1, x2, y2 = box
    down, across = (
        _axis_weights(y1 * rows, y2 * rows, rows),
        _axis_weights(x1 * columns, x2 * columns, columns),
    )
    weights = (down[:, None] * across[None, :]).reshape(-1, 1)
    pooled = np.add.reduce(image.vectors.astype(np.float64) * weights, axis=0)
    length = float(np.sqrt(np.add.reduce(pooled * pooled)))
    pooled = pooled / length if length else pooled
    return np.asarray(pooled, dtype=np.float32)


def _axis_weights(start: float, end: float, cells: int) -> npt.NDArray[np.float64]:
    """Return the mean bilinear weight of each cell for the samples of an interval: (cells,).

    ceil(length) samples, evenly spaced and shifted by half a cell; those beyond one cell outside the grid
    count as 0 (torchvision/csrc/ops/cpu/roi_align_common.h).
    """
    length = np.float32(end) - np.float32(start)
    num_samples = int(np.ceil(length))
    if num_samples < 1:
        return np.zeros(cells)
    at = start - 0.5 + (np.arange(num_samples) + 0.5) * (end - start) / num_samples
    counted = (at >= -1) & (at <= cells)
    hats = np.maximum(0.0, 1 - np.abs(np.clip(at, 0, cells - 1)[:, None] - np.arange(cells)))
    return np.asarray((hats * counted[:, None]).sum(axis=0) / num_samples)
