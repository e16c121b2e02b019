"""Decoded images to the pixels a model takes: resized and cropped as the model's own reference, in uint8.

Normalisation is not here: it is cheap on the device, and float pixels are four times the bytes on the way
there. Knows no model. All functions may be called from several threads.
"""

from dataclasses import dataclass, replace
from typing import Literal, Self

import torch

from visreward_service.models.base import DecodedImage, Pixels
from visreward_service.models.resize import ALL, CPU, Filter, Rgb, Way, cut, pick_way, resize, resize_window

MAX_ASPECT = 16
"""Beyond this ratio of sides only the part that a crop keeps is resized: the rest could need gigabytes."""


@dataclass(frozen=True, kw_only=True)
class Resizing:
    """What every preprocessing with a resize of ours has; two equal values make equal pixels."""

    filter: Filter = "bicubic"
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Of the channels, on the scale 0 to 1."""
    way: Way = "exact"
    """How images are resized, where that way passes its trial."""
    device: torch.device = CPU
    """Where the way `device` resizes."""

    def resize(self, rgb: Rgb, height: int, width: int, columns: slice = ALL) -> Pixels:
        """Return the image at that size, of the columns given."""
        return resize(rgb, height, width, self.filter, self.way, self.device, columns=columns)

    def exactly(self) -> Self:
        """Return the same with Pillow's own resize."""
        return replace(self, way="exact")

    def named(self, geometry: str) -> str:
        """Return a name that changes with every setting that changes a pixel; part of cache keys."""
        statistics = ",".join(f"{value:g}" for value in (*self.mean, *self.std))
        way = pick_way(self.way, self.filter, self.device)
        return f"1:{geometry}-{self.filter}-{way}:{statistics}"


@dataclass(frozen=True, kw_only=True)
class Preprocessing(Resizing):
    """Images of one size."""

    height: int
    width: int
    mode: Literal["crop", "squash"]
    """`crop`: the shorter side is resized and the middle cut out. `squash`: both sides are resized."""
    shorter_side: int | None = None
    """What `crop` resizes the shorter side to, where that is not the smaller of height and width."""
    odd_margin: Literal["floor", "round"] = "floor"
    """Where a crop starts with an odd margin: transformers rounds down, torchvision to the even neighbour."""

    def __call__(self, image: DecodedImage) -> Pixels:
        """Return (height, width, 3). Raise ValueError where the resized image is smaller than the crop."""
        if self.mode == "squash":
            return self.resize(image.rgb, self.height, self.width)
        return self._crop(image.rgb)

    def _crop(self, rgb: Rgb) -> Pixels:
        height, width = rgb.shape[:2]
        side = self.shorter_side or min(self.height, self.width)
        scaled = (int(side * height / width), side) if width <= height else (side, int(side * width / height))
        top, left = (self._margin(long, kept) for long, kept in zip(scaled, (self.height, self.width)))
        if min(top, left) < 0:
            raise ValueError(f"a crop of {self.width} x {self.height} from a shorter side of {side}")
        if max(scaled) > MAX_ASPECT * side:
            return resize_window(rgb, scaled, (top, left, self.height, self.width), self.filter)
        resized = self.resize(rgb, *scaled, slice(left, left + self.width))
        return cut(resized, top, 0, self.height, self.width)

    def _margin(self, long: int, kept: int) -> int:
        return (long - kept) // 2 if self.odd_margin == "floor" else round((long - kept) / 2)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the model's input in pixels."""
        return self.width, self.height

    @property
    def version(self) -> str:
        """The name of these settings."""
        parts = [f"{self.width}x{self.height}", self.mode]
        if self.mode == "crop":
            parts += [f"side{self.shorter_side or min(self.height, self.width)}", self.odd_margin]
        return self.named("-".join(parts))
