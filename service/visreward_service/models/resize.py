"""Resizing with antialiasing, three ways to the same pixels; the quicker two are tried before they are used.

The reference is Pillow's two passes, across and then down, rounded to 8 bits between them. That is what
`resize` of Pillow before 13 does, and so what the published models were trained on; since 13 Pillow goes down
first where that is cheaper, which moves a pixel by up to 29 levels (black and white noise, bicubic).
It knows no model. All functions may be called from several threads.
"""

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from visreward_service.models.base import Pixels

Rgb = npt.NDArray[np.uint8]
"""(height, width, 3)."""

Filter = Literal["bilinear", "bicubic", "lanczos"]
Way = Literal["exact", "fast", "device"]
"""`exact`: Pillow. `fast`: torch's fixed-point filter on the CPU. `device`: float64 where the model runs."""

CPU = torch.device("cpu")

ALL = slice(None)
"""Every column."""

RESAMPLING: dict[Filter, Image.Resampling] = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
TORCH_FILTERS: tuple[Filter, ...] = ("bilinear", "bicubic")
"""Filters that torch has with antialiasing."""

MAX_DEVICE_PIXELS = 4_000_000
"""Larger images are left to Pillow: in float64 a pixel has 24 bytes, for every thread that prepares."""
MAX_DEVICE_SHRINK = 16
"""Images that shrink more are left to Pillow: torch's CUDA kernel holds a row of weights in shared memory."""

HALF = 0.5 + 2**-20
"""Added before rounding down: half-way values go up, also where the sum of weights fell short of them."""

TRIAL_SIZES = ((16, 16), (24, 17), (90, 111))
"""Heights and widths that a small image is resized to before a way is used."""
FAST_LEVELS = 2
DEVICE_LEVELS = 1
"""Most levels of 255 that a way may differ from Pillow in the trial."""


def resize(
    rgb: Rgb,
    height: int,
    width: int,
    filter_: Filter,
    way: Way = "exact",
    device: torch.device = CPU,
    *,
    columns: slice = ALL,
) -> Pixels:
    """Return the image resized: (height, width, 3) of uint8, a tensor on the device where that resized it.

    Of `columns` alone, if given: on the CPU the pass down leaves out the others. No pixel differs for it.
    Another way than `exact` is taken where it has the filter and passed its trial; which one depends on the
    image's size alone.
    """
    taken = pick_way(way, filter_, device)
    if taken == "device" and _suits_device(rgb, height, width):
        # All columns go down: how many there are decides the last bit of a sum of floats.
        return resize_on_device(rgb, height, width, filter_, device)[:, columns]
    if rgb.shape[:2] == (height, width):
        return rgb[:, columns]
    if taken == "fast":
        return resize_fast(rgb, height, width, filter_, columns)
    return resize_exactly(rgb, height, width, filter_, columns)


def pick_way(way: Way, filter_: Filter, device: torch.device) -> Way:
    """Return the way, where it has the filter and passed its trial; otherwise `exact`."""
    passed = has_fast(filter_) if way == "fast" else way == "exact" or has_device(filter_, device)
    return way if passed else "exact"


def cut(pixels: Pixels, top: int, left: int, height: int, width: int) -> Pixels:
    """Return a window of an image, without keeping the rest."""
    window = pixels[top : top + height, left : left + width]
    return window.contiguous() if isinstance(window, Tensor) else np.ascontiguousarray(window)


def resize_exactly(rgb: Rgb, height: int, width: int, filter_: Filter, columns: slice = ALL) -> Rgb:
    """Return Pillow's two passes."""
    across = Image.fromarray(rgb).resize((width, rgb.shape[0]), RESAMPLING[filter_])
    start, stop, _ = columns.indices(width)
    if stop - start < width:
        across = across.crop((start, 0, stop, rgb.shape[0]))
    return np.array(across.resize((stop - start, height), RESAMPLING[filter_]))


def resize_fast(rgb: Rgb, height: int, width: int, filter_: Filter, columns: slice = ALL) -> Rgb:
    """Return the same two passes in torch's fixed-point arithmetic, which has shorter weights."""
    # With the batch in front, torch sees that channels are last and leaves them there: nothing is copied.
    channels_last = to_tensor(rgb)[None].permute(0, 3, 1, 2)
    across = F.interpolate(channels_last, size=(rgb.shape[0], width), mode=filter_, antialias=True)
    kept = across[..., columns].contiguous(memory_format=torch.channels_last)
    resized = F.interpolate(kept, size=(height, kept.shape[3]), mode=filter_, antialias=True)
    return np.ascontiguousarray(resized[0].permute(1, 2, 0).numpy())


def resize_on_device(rgb: Rgb, height: int, width: int, filter_: Filter, device: torch.device) -> Tensor:
    """Return the same two passes in float64 on a device, rounded after each as Pillow rounds.

    Values half-way between two levels are common; in float32 they fall on either side, and the second pass
    makes two levels of that.
    """
    pixels = upload(to_tensor(rgb), device).permute(2, 0, 1)[None].double()
    for size in ((rgb.shape[0], width), (height, width)):
        if pixels.shape[2:] != size:
            filtered = F.interpolate(pixels, size=size, mode=filter_, antialias=True)
            pixels = filtered.add(HALF).floor().clamp(0, 255)
    return pixels[0].permute(1, 2, 0).to(torch.uint8).contiguous()


def to_tensor(pixels: Pixels) -> Tensor:
    """Return an image as a tensor where it is."""
    if isinstance(pixels, Tensor):
        return pixels
    array = np.asarray(pixels)
    # torch warns of memory that it must not write to.
    return torch.from_numpy(array if array.flags.writeable else array.copy())


def upload(values: Tensor, device: torch.device) -> Tensor:
    """Return values on the device; from the host to CUDA by pinned memory, without waiting for the copy."""
    if device.type != "cuda" or values.device == device:
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


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


def _suits_device(rgb: Rgb, height: int, width: int) -> bool:
    shrink: float = max(rgb.shape[0] / height, rgb.shape[1] / width)
    return int(rgb.size) <= 3 * MAX_DEVICE_PIXELS and shrink <= MAX_DEVICE_SHRINK


@cache
def has_fast(filter_: Filter) -> bool:
    """Whether torch has the filter in fixed point and gives Pillow's pixels to within two levels."""
    if filter_ not in TORCH_FILTERS:
        return False
    return _levels_apart(filter_, lambda rgb, size: resize_fast(rgb, *size, filter_)) <= FAST_LEVELS


@cache
def has_device(filter_: Filter, device: torch.device) -> bool:
    """Whether torch has the filter on the device and gives Pillow's pixels to within one level there."""
    if filter_ not in TORCH_FILTERS:
        return False
    try:
        apart = _levels_apart(
            filter_, lambda rgb, size: resize_on_device(rgb, *size, filter_, device).cpu().numpy()
        )
    except RuntimeError:  # a device, or a build of torch, that lacks the operator
        return False
    return apart <= DEVICE_LEVELS


def _levels_apart(filter_: Filter, way: Callable[[Rgb, tuple[int, int]], Rgb]) -> int:
    """Return the most levels between a way and Pillow on a small image of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (37, 53, 3), dtype=np.uint8)
    pairs = ((way(noise, size), resize_exactly(noise, *size, filter_)) for size in TRIAL_SIZES)
    return max(int(np.abs(ours.astype(int) - theirs).max()) for ours, theirs in pairs)
