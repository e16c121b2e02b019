"""Images and texts for the tests of models, and the references' preprocessing written out in Pillow."""

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from visreward_service.models.base import DecodedImage

WORDS = [
    "red",
    "blue",
    "small",
    "big",
    "ball",
    "cup",
    "table",
    "dog",
    "near",
    "left",
    "of",
    "and",
    "the",
    "with",
    "two",
    "green",
    "wooden",
    "old",
    "shiny",
]
BICUBIC, BILINEAR = Image.Resampling.BICUBIC, Image.Resampling.BILINEAR


def picture(width: int = 50, height: int = 37, seed: int = 0) -> DecodedImage:
    """Smooth noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return DecodedImage(np.array(Image.fromarray(noise).resize((width, height), BICUBIC)))


def sentence(num_words: int, seed: int = 0) -> str:
    """Words that are one token each in CLIP's vocabulary."""
    return " ".join(np.random.default_rng(seed).choice(WORDS, num_words))


def two_passes(rgb: npt.NDArray[np.uint8], width: int, height: int, filter_: Image.Resampling) -> Image.Image:
    """Pillow's resize before release 13: across, then down."""
    return Image.fromarray(rgb).resize((width, rgb.shape[0]), filter_).resize((width, height), filter_)


def to_tensor(image: Image.Image, mean: list[float], std: list[float]) -> Tensor:
    """Pixels as (1, 3, H, W), scaled to 0..1 and normalised."""
    values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255
    return ((values - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None])[None]


def squashed(image: DecodedImage, side: int, filter_: Image.Resampling = BICUBIC) -> Image.Image:
    return two_passes(image.rgb, side, side, filter_)


def cropped(image: DecodedImage, side: int) -> Image.Image:
    """Shorter side to `side`, then the middle, the odd pixel going to the far side."""
    width, height = image.size
    wide, high = (side, int(side * height / width)) if width <= height else (int(side * width / height), side)
    left, top = (wide - side) // 2, (high - side) // 2
    return two_passes(image.rgb, wide, high, BICUBIC).crop((left, top, left + side, top + side))


def unit(rows: Tensor) -> npt.NDArray[np.float32]:
    """Rows of unit length."""
    return torch.nn.functional.normalize(rows.detach().float(), dim=-1).numpy()
