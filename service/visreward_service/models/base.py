"""What a model is to the engine: numpy in, numpy out, and nothing of torch, checkpoints or devices."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]


class Pixels(Protocol):
    """One image prepared for one model, (height, width, 3): an array, or a tensor where the model runs."""

    @property
    def shape(self) -> Sequence[int]: ...

    def __getitem__(self, key: tuple[slice, slice]) -> Any: ...


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
    """Rows and columns of the dense view; None where there is none, or where it follows the image."""
    logit_scale: float | None = None
    """exp of the checkpoint's logit scale."""
    logit_bias: float | None = None
    passes: int = 1
    """Calls of `encode_*` that may run at once, because each takes a part of the processor."""
    packs_texts: bool = False
    """Whether texts of all lengths share a pass at no cost."""
    patch_size: int = 0
    """Side in pixels of the patches of images that keep their aspect ratio; 0 where all have `image_size`."""
    max_patches: int = 0
    """The most patches that such an image has."""
    vocabulary: int = 0
    """Token ids of its texts are below this."""
    end: int | None = None
    """The token that every text must hold, as the model reads a text there; None where none is needed."""
    license: str | None = None
    notes: tuple[str, ...] = ()


@runtime_checkable
class Remote(Protocol):
    """What a model has beside `Model` where another server encodes for it."""

    @property
    def unavailable(self) -> str | None:
        """Why nothing can be encoded now; None where it can."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class Model(Protocol):
    """A loaded encoder. Methods are called from several threads; `encode_*` from as many at a
    time as `info.passes` says.

    Where the device has no room for a batch they raise `OutOfMemory`.

    `encode_*` returns float32, with the same bits whatever else is in the batch.
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
        """Return per image an L2-normalised (D,) for `pooled`, a (rows, columns, D) for `dense`.

        A dense view is not normalised, and its grid may follow the image.
        """
        ...

    def encode_texts(self, batch: Sequence[Tokens], branch: str) -> list[Vector]:
        """Return one L2-normalised (D,) per text."""
        ...
