"""The halves of an encoder as networks of their own, from prepared tensors to rows, and input to try them on.

What crosses the border is what `base.Model` prepares: uint8 images (B, H, W, 3), which are normalised behind
it, and padded token ids (B, T), int64. Out come float32 rows: (B, D), L2-normalised; of the dense view
(B, N, D), as they are.
"""

from typing import Any

import numpy as np
from torch import Tensor, nn

from visreward_service.models.base import DecodedImage, Model, Pixels, Tokens
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.rows import normalise

TEXTS = ("a red ball", "two dogs", "a small blue cup left of a green book on a wooden table", "word " * 60)


class ImageHalf(nn.Module):
    """One view of images."""

    def __init__(self, encoder: Encoder, view: str) -> None:
        super().__init__()
        self.network = encoder.module
        self._encoder = encoder
        self._view = view

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the rows of uint8 images (B, H, W, 3)."""
        # `stack` takes a tensor for a batch that is stacked already.
        batch: Any = pixels
        features = self._encoder.image_features(batch, self._view)
        return normalise(features) if self._view == "pooled" else features.float()


class TextHalf(nn.Module):
    """One text branch."""

    def __init__(self, encoder: Encoder, branch: str) -> None:
        super().__init__()
        self.network = encoder.module
        self._encoder = encoder
        self._branch = branch

    def forward(self, ids: Tensor) -> Tensor:
        """Return the rows of padded ids (B, T)."""
        return normalise(self._encoder.text_features(ids, self._branch))


def check_exportable(model: Model) -> None:
    """Raise `ModelError` where images are not of one size, so that no tensor of them has a shape to name."""
    if not model.info.fixed_size:
        raise ModelError(
            f"{model.info.name} keeps the aspect ratio of its images, and runs in this process alone: "
            "only kinds with one image size are exported, or run by other servers"
        )


def trial_images(model: Model) -> list[Pixels]:
    """Return prepared noise."""
    dice = np.random.default_rng(1)
    shapes = ((96, 96, 3), (120, 80, 3), (64, 200, 3))
    return [model.prepare_image(DecodedImage(dice.integers(0, 256, shape, np.uint8))) for shape in shapes]


def trial_texts(model: Model, branch: str) -> list[Tokens]:
    """Return texts of several lengths, one of them cut at the branch's limit or near it."""
    return model.prepare_texts(TEXTS, branch)
