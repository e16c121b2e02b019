"""Decoded images to the pixels a model takes: resize and crop as the model's own reference does, in uint8.

Normalisation is not here: it is cheap on the device and costs four times the copying on the way there. It knows
no model and no torch device. All functions may be called from several threads.
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

RESAMPLING: dict[str, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
FAST_FILTERS = ("bilinear", "bicubic")
"""Filters that torch has for uint8 with antialiasing."""

MAX_ASPECT = 16
"""Beyond this ratio of sides only the part that a crop keeps is resized: the rest could need gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How one model's images are made; two equal values make equal pixels."""

    height: int
    width: int
    mode: Literal["crop", "squash"]
    """`crop`: the shorter side is resized and the middle cut out. `squash`: both sides are resized, bending the image."""
    filter: Filter = "bicubic"
    shorter_side: int | None = None
    """What `crop` resizes the shorter side to, where that is not the smaller of height and width."""
    odd_margin: Literal["floor", "round"] = "floor"
    """Where a crop starts when the margin is odd: transformers rounds down, torchvision to the even neighbour."""
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Of the channels, on the scale 0 to 1."""

    def __call__(self, image: DecodedImage) -> Rgb:
        """Return (height, width, 3)."""
        if self.mode == "squash":
            return resize(image.rgb, self.height, self.width, self.filter)
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
        resized = resize(rgb, *scaled, self.filter)
        return np.ascontiguousarray(resized[top : top + self.height, left : left + self.width])

    def _margin(self, long: int, kept: int) -> int:
        return (long - kept) // 2 if self.odd_margin == "floor" else round((long - kept) / 2)

    @property
    def version(self) -> str:
        """A name that changes with every setting that changes a pixel; part of cache keys."""
        parts = [f"{self.width}x{self.height}", self.mode, self.filter, "fast" if uses_torch(self.filter) else "pil"]
        if self.mode == "crop":
            parts += [f"side{self.shorter_side or min(self.height, self.width)}", self.odd_margin]
        statistics = ",".join(f"{value:g}" for value in (*self.mean, *self.std))
        return "v1:" + "-".join(parts) + ":" + statistics


def resize(rgb: Rgb, height: int, width: int, filter_: Filter) -> Rgb:
    """Return the image resized with antialiasing, within one level of Pillow."""
    if rgb.shape[:2] == (height, width):
        return rgb
    if uses_torch(filter_):
        return resize_by_torch(rgb, height, width, filter_)
    return resize_by_pillow(rgb, height, width, filter_)


def resize_by_pillow(rgb: Rgb, height: int, width: int, filter_: Filter) -> Rgb:
    """The reference that others are measured against."""
    return np.array(Image.fromarray(rgb).resize((width, height), RESAMPLING[filter_]))


def resize_by_torch(rgb: Rgb, height: int, width: int, filter_: Filter) -> Rgb:
    """The same filter in fixed-point arithmetic; several times faster on an image of channels-last uint8."""
    channels_first = torch.from_numpy(rgb).permute(2, 0, 1)[None]
    resized = F.interpolate(channels_first, size=(height, width), mode=filter_, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def resize_window(rgb: Rgb, scaled: tuple[int, int], window: tuple[int, int, int, int], filter_: Filter) -> Rgb:
    """Return the window (top, left, height, width) of the image resized to `scaled`, without making the rest."""
    top, left, height, width = window
    down, right = rgb.shape[0] / scaled[0], rgb.shape[1] / scaled[1]
    box = (left * right, top * down, (left + width) * right, (top + height) * down)
    return np.array(Image.fromarray(rgb).resize((width, height), RESAMPLING[filter_], box=box))


@cache
def uses_torch(filter_: str) -> bool:
    """Whether torch has the filter and is within one level of Pillow, tried on a small image up and down."""
    if filter_ not in FAST_FILTERS:
        return False
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    for height, width in [(16, 16), (24, 17), (90, 111)]:
        ours = resize_by_torch(noise, height, width, filter_).astype(int)  # type: ignore[arg-type]
        theirs = resize_by_pillow(noise, height, width, filter_)  # type: ignore[arg-type]
        if np.abs(ours - theirs).max() > 1:
            return False
    return True
