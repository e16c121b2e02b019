"""What another service has prepared for an encoder: its tensors, checked and made into what the engine takes.

Knows no transport and no engine.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from visreward.protocol import Code
from visreward_service.engine.faults import RequestFault
from visreward_service.models.base import ModelInfo, Pixels, Tokens
from visreward_service.oip.tensors import Array, TensorSpec, refuse


def input_specs(info: ModelInfo, part: str) -> tuple[TensorSpec, ...]:
    """Return the tensors of a view or a text branch."""
    if part not in info.views:
        return (TensorSpec("IDS", "INT64", (-1, -1)),)
    if not info.patch_size:
        width, height = info.image_size
        return (TensorSpec("PIXELS", "UINT8", (-1, height, width, 3)),)
    patches = TensorSpec("PATCHES", "UINT8", (-1, -1, 3 * info.patch_size**2))
    return patches, TensorSpec("SHAPES", "INT64", (-1, 2))


def read_images(arrays: Mapping[str, Array], info: ModelInfo) -> list[Pixels]:
    """Return prepared images (H, W, 3). Raises `RequestFault` for patches that are none."""
    if not info.patch_size:
        return list(arrays["PIXELS"])
    patches, shapes = arrays["PATCHES"], arrays["SHAPES"]
    room, patch = patches.shape[1], info.patch_size
    if room > info.max_patches:
        refuse(f"has {room} patches to an image; the model has {info.max_patches}", "PATCHES")
    if len(shapes) != len(patches):
        refuse(f"has {len(shapes)} rows; PATCHES has {len(patches)}", "SHAPES")
    images: list[Pixels] = []
    for pieces, (rows, columns) in zip(patches, shapes.tolist()):
        if rows < 1 or columns < 1 or rows * columns > room:
            refuse(f"has {rows} x {columns} patches, which are not 1 to {room}", "SHAPES")
        grid = pieces[: rows * columns].reshape(rows, columns, patch, patch, 3)
        images.append(grid.transpose(0, 2, 1, 3, 4).reshape(rows * patch, columns * patch, 3))
    return images


def read_tokens(batch: Array, info: ModelInfo, branch: str) -> list[Tokens]:
    """Return texts of padded ids (N, T). Raises `RequestFault` for ids that the model has not."""
    limit, vocabulary = info.branches[branch], info.vocabulary
    if batch.shape[1] > limit:
        message = f"has {batch.shape[1]} positions; the model has {limit}"
        raise RequestFault(Code.TEXT_TOO_LONG, message, field="IDS")
    # Checked here: an id behind the table's end would take a GPU down, and everybody with it.
    ids = batch.astype(np.int64)
    if np.any(ids < 0) or np.any(ids >= vocabulary):
        message = f"holds an id that is not between 0 and {vocabulary - 1}"
        raise RequestFault(Code.INVALID_REQUEST, message, field="IDS")
    end = info.end
    if end is not None and not np.all(np.any(ids == end, axis=1)):
        message = f"holds a row without the end token {end}, where the model reads a text"
        raise RequestFault(Code.INVALID_REQUEST, message, field="IDS")
    return [Tokens(tuple(row), len(row)) for row in batch.tolist()]


def stack_rows(rows: Sequence[Array], arrays: Mapping[str, Array]) -> Array:
    """Return an answer's rows as one tensor; dense rows of patches are filled up with zeros."""
    if "PATCHES" not in arrays or rows[0].ndim == 1:
        return np.stack(rows)
    filled = np.zeros((*arrays["PATCHES"].shape[:2], rows[0].shape[1]), np.float32)
    for place, row in zip(filled, rows):
        place[: len(row)] = row
    return filled
