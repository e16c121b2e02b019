"""The halves of an encoder as networks of their own, from prepared tensors to rows, and input to try them on.

What crosses the border is what `base.Model` prepares: uint8 images (B, H, W, 3), which are normalised behind
it, and padded token ids (B, T), int64. Images that keep their aspect ratio are patches (B, N, P) instead, and
their rows and columns (B, 2). Out come float32 rows: (B, D), L2-normalised; of the dense view (B, N, D), as
they are.
"""

import numpy as np
from torch import Tensor, nn

from visreward_service.models.base import DecodedImage, Model, Pixels, Tokens
from visreward_service.models.encoder import Encoder
from visreward_service.models.rows import normalise

TEXTS = ("a red ball", "two dogs", "a small blue cup left of a green book on a wooden table", "word " * 60)


class ImageHalf(nn.Module):
    """One view of images."""

    def __init__(self, encoder: Encoder, view: str) -> None:
        super().__init__()
        self.network = encoder.module
        self._encoder = encoder
        self._view = view

    def forward(self, *tensors: Tensor) -> Tensor:
        """Return the rows of images, as the encoder's `image_tensors` gives them."""
        features = self._encoder.tensor_features(*tensors, view=self._view)
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


def trial_images(model: Model) -> list[Pixels]:
    """Return prepared noise, with a larger budget of patches too where there are several."""
    dice = np.random.default_rng(1)
    shapes = [(96, 96, 3), (120, 80, 3), (64, 200, 3)]
    if model.info.patch_size:
        shapes.append((400, 300, 3))
    return [model.prepare_image(DecodedImage(dice.integers(0, 256, shape, np.uint8))) for shape in shapes]


def trial_texts(model: Model, branch: str) -> list[Tokens]:
    """Return texts of several lengths, one of them cut at the branch's limit or near it."""
    return model.prepare_texts(TEXTS, branch)
