"""What a model is to the engine: numpy in, numpy out, and nothing of torch, checkpoints or devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Pixels = npt.NDArray[np.generic]
"""One image prepared for one model, without a batch dimension."""


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An upright RGB image."""

    rgb: npt.NDArray[np.uint8]
    """(height, width, 3)."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.rgb.shape[1], self.rgb.shape[0]


@dataclass(frozen=True, slots=True)
class Tokens:
    """One tokenised text."""

    ids: tuple[int, ...]
    """Token ids with special tokens, truncated to the branch's limit as the reference does, not padded."""
    num_tokens: int
    """Length before truncation, special tokens included."""

    @property
    def truncated(self) -> bool:
        """Whether the model does not see the whole text."""
        return self.num_tokens > len(self.ids)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What `GET /models` tells of a model."""

    name: str
    kind: str
    source: str
    revision: str
    """The hub revision, or `sha256:` and the digest of the weights; part of every cache key."""
    pinned: bool
    dim: int
    """Length of an embedding."""
    image_size: tuple[int, int]
    """Width and height of the model's input, in pixels."""
    views: tuple[str, ...]
    """Image views: `pooled`, and `dense` where patches have embeddings in the text's space."""
    branches: dict[str, int]
    """Text branches with their limits in tokens."""
    preprocessing: str
    """Version of the preprocessing; part of every cache key."""
    device: str = "cpu"
    dtype: str = "float32"
    grid: tuple[int, int] | None = None
    """Rows and columns of the dense view."""
    logit_scale: float | None = None
    """exp of the checkpoint's logit scale."""
    logit_bias: float | None = None
    license: str | None = None
    notes: tuple[str, ...] = ()


class Model(Protocol):
    """A loaded encoder. Methods are called from several threads; `encode_*` from one at a time.

    `encode_*` returns float32 rows, L2-normalised. A row has the same bits whatever else is in the batch.
    """

    @property
    def info(self) -> ModelInfo: ...

    def prepare_image(self, image: DecodedImage) -> Pixels:
        """Return the image resized and cropped as the reference does (CPU)."""
        ...

    def prepare_texts(self, texts: Sequence[str], branch: str) -> list[Tokens]:
        """Return the texts tokenised as the reference does (CPU)."""
        ...

    def encode_images(self, batch: Sequence[Pixels], view: str) -> list[Vector]:
        """Return one (D,) vector per image for `pooled`, one (H*W, D) map for `dense`."""
        ...

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        """Return one (D,) vector per text."""
        ...
