"""Decoded images to the pixels a model takes: resize and crop as the model's own reference does, in uint8.

Normalisation is not here: it is cheap on the device, and float pixels are four times the bytes on the way
there. Knows no model and no device. All functions may be called from several threads.

The reference is Pillow's two passes, across and then down, rounded to 8 bits between them. That is what
`resize` of Pillow before 13 does, and so what the published models were trained on; since 13 Pillow goes down
first where that is cheaper, which moves a pixel by up to 29 levels (black and white noise, bicubic).
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional as F

from visreward_service.models.base import DecodedImage

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3)."""

Filter = Literal["bilinear", "bicubic", "lanczos"]

RESAMPLING: dict[Filter, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FAST_FILTERS: tuple[Filter, ...] = ("bilinear", "bicubic")
"""Filters that torch has for uint8 with antialiasing."""

MAX_ASPECT = 16
"""Beyond this ratio of sides only the part that a crop keeps is resized: the rest could need gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How one model's images are made; two equal values make equal pixels."""

    height: int
    width: int
    mode: Literal["crop", "squash"]
    """`crop`: the shorter side is resized and the middle cut out. `squash`: both sides are resized."""
    filter: Filter = "bicubic"
    shorter_side: int | None = None
    """What `crop` resizes the shorter side to, where that is not the smaller of height and width."""
    odd_margin: Literal["floor", "round"] = "floor"
    """Where a crop starts with an odd margin: transformers rounds down, torchvision to the even neighbour."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Of the channels, on the scale 0 to 1."""
    fast: bool = False
    """Resize by torch: four times as fast; one level off in 0.4 % of values, two in three of a million."""

    def __call__(self, image: DecodedImage) -> Rgb:
        """Return (height, width, 3). Raise ValueError where the resized image is smaller than the crop."""
        if self.mode == "squash":
            return resize(image.rgb, self.height, self.width, self.filter, fast=self.fast)
        return self._crop(image.rgb)

    def _crop(self, rgb: Rgb) -> Rgb:
        height, width = rgb.shape[:2]
        side = self.shorter_side or min(self.height, self.width)
        scaled = (int(side * height / width), side) if width <= height else (side, int(side * width / height))
        top, left = (self._margin(long, kept) for long, kept in zip(scaled, (self.height, self.width)))
        if min(top, left) < 0:
            raise ValueError(f"a crop of {self.width} x {self.height} from a shorter side of {side}")
        if max(scaled) > MAX_ASPECT * side:
            return resize_window(rgb, scaled, (top, left, self.height, self.width), self.filter)
        resized = resize(rgb, *scaled, self.filter, fast=self.fast)
        return np.ascontiguousarray(resized[top : top + self.height, left : left + self.width])

    def _margin(self, long: int, kept: int) -> int:
        return (long - kept) // 2 if self.odd_margin == "floor" else round((long - kept) / 2)

    @property
    def version(self) -> str:
        """A name that changes with every setting that changes a pixel; part of cache keys."""
        fast = self.fast and has_fast(self.filter)
        parts = [f"{self.width}x{self.height}", self.mode, self.filter, "fast" if fast else "exact"]
        if self.mode == "crop":
            parts += [f"side{self.shorter_side or min(self.height, self.width)}", self.odd_margin]
        statistics = ",".join(f"{value:g}" for value in (*self.mean, *self.std))
        return "1:" + "-".join(parts) + ":" + statistics


def resize(rgb: Rgb, height: int, width: int, filter_: Filter, *, fast: bool = False) -> Rgb:
    """Return the image resized with antialiasing; `fast` where it is available."""
    if rgb.shape[:2] == (height, width):
        return rgb
    if fast and has_fast(filter_):
        return resize_fast(rgb, height, width, filter_)
    across = Image.fromarray(rgb).resize((width, rgb.shape[0]), RESAMPLING[filter_])
    return np.array(across.resize((width, height), RESAMPLING[filter_]))


def resize_fast(rgb: Rgb, height: int, width: int, filter_: Filter) -> Rgb:
    """The same two passes in torch's fixed-point arithmetic, which has shorter weights."""
    channels_first = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    resized = F.interpolate(channels_first, size=(height, width), mode=filter_, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def resize_window(
    rgb: Rgb, scaled: tuple[int, int], window: tuple[int, int, int, int], filter_: Filter
) -> Rgb:
    """Return the window (top, left, height, width) of the image resized to `scaled`, without the rest."""
    top, left, height, width = window
    down, right = rgb.shape[0] / scaled[0], rgb.shape[1] / scaled[1]
    box_across = (left * right, 0, (left + width) * right, rgb.shape[0])
    box_down = (0, top * down, width, (top + height) * down)
    across = Image.fromarray(rgb).resize((width, rgb.shape[0]), RESAMPLING[filter_], box=box_across)
    return np.array(across.resize((width, height), RESAMPLING[filter_], box=box_down))


@cache
def has_fast(filter_: Filter) -> bool:
    """Whether torch has the filter and gives Pillow's pixels to within two levels, tried on a small image."""
    if filter_ not in FAST_FILTERS:
        return False
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    sizes = [(16, 16), (24, 17), (90, 111)]
    apart = [resize_fast(noise, *size, filter_).astype(int) - resize(noise, *size, filter_) for size in sizes]
    return max(int(np.abs(difference).max()) for difference in apart) <= 2
