"""Images for models that keep the aspect ratio (NaFlex): resized to whole patches within a budget.

The budget is a function of the image alone, never of its neighbours. Knows no model.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from visreward_service.models.base import DecodedImage, Pixels
from visreward_service.models.preprocess import Resizing

FGCLIP2_BUDGETS = (128, 256, 576, 784, 1024)
"""FG-CLIP 2 gives an image the smallest that holds its own patches (README, `determine_max_value`)."""

PRECISION = 1e-5
MAX_SCALE = 100.0


@dataclass(frozen=True, kw_only=True)
class PatchPreprocessing(Resizing):
    """How an image becomes patches."""

    patch: int
    """Side of a patch in pixels."""
    budgets: tuple[int, ...]
    """Most patches of an image, in rising order; one entry means every image has that one."""

    def __call__(self, image: DecodedImage) -> Pixels:
        """Return (rows * patch, columns * patch, 3)."""
        rows, columns = self.grid(image.size)
        return self.resize(image.rgb, rows * self.patch, columns * self.patch)

    def grid(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return rows and columns of patches for an image of that width and height."""
        width, height = size
        return fit_grid(height, width, self.patch, self.budget(size))

    def budget(self, size: tuple[int, int]) -> int:
        """Return the most patches that an image of that width and height may have."""
        width, height = size
        return self.at_least((width // self.patch) * (height // self.patch))

    def at_least(self, num_patches: int) -> int:
        """Return the smallest budget that holds so many patches, or the largest there is."""
        return next((budget for budget in self.budgets if budget >= num_patches), self.budgets[-1])

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels of a square image of the largest budget."""
        side = int(self.budgets[-1] ** 0.5) * self.patch
        return side, side

    @property
    def version(self) -> str:
        """The name of these settings."""
        return self.named(f"patches{self.patch}-{','.join(map(str, self.budgets))}")


@lru_cache(4096)
def fit_grid(height: int, width: int, patch: int, budget: int) -> tuple[int, int]:
    """Return the rows and columns of the largest grid within the budget that keeps the aspect ratio.

    The scale is searched by halving, as in `get_image_size_for_max_num_patches` of transformers, to the same
    last digit.
    """

    def sides(scale: float) -> tuple[int, int]:
        return max(1, math.ceil(height * scale / patch)), max(1, math.ceil(width * scale / patch))

    low, high = PRECISION / 10, MAX_SCALE
    while high - low >= PRECISION:
        middle = (low + high) / 2
        if math.prod(sides(middle)) <= budget:
            low = middle
        else:
            high = middle
    return sides(low)
