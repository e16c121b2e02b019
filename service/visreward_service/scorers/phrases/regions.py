"""Where a phrase is: its similarity to each patch, the box grown around the best one, and pooling in a box.

Boxes are `[x1, y1, x2, y2]` with 0..1 for the whole image, x to the right and y downwards. It knows no text.
Sums run in a fixed order over products that are exact in binary64: a number has the same bits in every
request.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from visreward_service.scorers.base import Vector

Map = npt.NDArray[np.float32]
"""(rows, columns) of cosines."""
Features = npt.NDArray[np.float64]
Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Region:
    """A box of whole patches."""

    box: Box
    peak: float
    """The largest cosine in it."""
    num_patches: int
    """Patches that grew together; the box around them may hold more."""


@dataclass(frozen=True, slots=True)
class Patches:
    """An image's dense view, ready for any number of phrases."""

    features: Features
    """(rows, columns, D), as long as the model has them."""
    directions: Features
    """The same, L2-normalised; NaN where a patch has no length."""

    @classmethod
    def of(cls, dense: Vector) -> "Patches":
        """Return the patches of a dense view (rows, columns, D)."""
        features = dense.astype(np.float64)
        return cls(features, _normalised(features))

    def similarities(self, text: Vector) -> Map:
        """Return the cosine of each patch with a text, which is L2-normalised."""
        cosines = np.add.reduce(self.directions * text.astype(np.float64), axis=-1)
        return np.asarray(cosines, dtype=np.float32)

    def pool(self, box: Sequence[float]) -> Vector:
        """Return the L2-normalised feature of a box: (D,), NaN where the box has no area.

        torchvision's `roi_align` of the features with output 1x1, spatial scale 1, `sampling_ratio=-1,
        aligned=True` on the box in units of the grid: `get_image_box_roi_features` of FG-CLIP
        (fgclip/model/clip_strc/fgclip.py), whose output its users normalise.
        """
        rows, columns, _ = self.features.shape
        x1, y1, x2, y2 = box
        down = _axis_weights(y1 * rows, y2 * rows, rows)
        across = _axis_weights(x1 * columns, x2 * columns, columns)
        weights = (down[:, None] * across)[..., None]
        pooled = np.add.reduce(self.features * weights, axis=(0, 1))
        return np.asarray(_normalised(pooled), dtype=np.float32)


def _normalised(features: Features) -> Features:
    lengths = np.sqrt(np.add.reduce(features * features, axis=-1, keepdims=True))
    with np.errstate(invalid="ignore"):  # what has no length has no direction, and is refused as not finite
        return np.asarray(features / lengths)


def _axis_weights(start: float, end: float, cells: int) -> Features:
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
