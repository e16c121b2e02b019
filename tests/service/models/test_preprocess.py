"""Resizing and cropping give the references' pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.service.models.conftest import Pairs
from tests.service.models.pictures import BICUBIC, BILINEAR, cropped, picture, squashed, two_passes
from visreward_service.models.base import DecodedImage
from visreward_service.models.patches import FGCLIP2_BUDGETS, PatchPreprocessing, fit_grid
from visreward_service.models.preprocess import Preprocessing, has_fast, resize

SIZES = [(640, 480), (480, 640), (333, 499), (50, 37), (1, 1), (1, 60), (60, 1), (500, 500)]
STATISTICS: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


def apart(ours: npt.NDArray[np.uint8], theirs: Any) -> npt.NDArray[np.int64]:
    """Levels between two images."""
    return np.asarray(np.abs(ours.astype(np.int64) - np.asarray(theirs)), np.int64)


def black_and_white(width: int, height: int) -> DecodedImage:
    """The hardest image for a filter that overshoots."""
    noise = np.random.default_rng(0).integers(0, 2, (height, width, 3), dtype=np.uint8)
    return DecodedImage(noise * np.uint8(255))


@pytest.mark.parametrize("size", SIZES)
def test_squashing_is_pillows_two_passes(size: tuple[int, int]) -> None:
    for image in (picture(*size), black_and_white(*size)):
        for name, filter_ in (("bicubic", BICUBIC), ("bilinear", BILINEAR)):
            ours = Preprocessing(height=96, width=96, mode="squash", filter=name, **STATISTICS)(image)  # type: ignore[arg-type]
            assert apart(ours, squashed(image, 96, filter_)).max() == 0


@pytest.mark.parametrize("size", SIZES)
def test_cropping_is_transformers(size: tuple[int, int]) -> None:
    for image in (picture(*size), black_and_white(*size)):
        ours = Preprocessing(height=64, width=64, mode="crop", **STATISTICS)(image)
        difference = apart(ours, cropped(image, 64))
        assert difference.max() <= (1 if max(size) > 16 * min(size) else 0)


def test_the_order_of_the_passes_matters() -> None:
    """Pillow chooses it by cost since release 13; the models were trained before."""
    image = black_and_white(500, 500)
    down_first = Image.fromarray(image.rgb).resize((500, 256), BICUBIC).resize((512, 256), BICUBIC)
    across_first = two_passes(image.rgb, 512, 256, BICUBIC)
    assert apart(resize(image.rgb, 256, 512, "bicubic"), across_first).max() == 0
    assert apart(np.asarray(down_first), across_first).max() > 10


def test_an_odd_margin_is_cut_as_each_library_cuts_it() -> None:
    image = picture(97, 64)
    floor = Preprocessing(height=64, width=64, mode="crop", **STATISTICS)(image)
    even = Preprocessing(height=64, width=64, mode="crop", odd_margin="round", **STATISTICS)(image)
    assert np.array_equal(floor, image.rgb[:, 16:80])
    assert np.array_equal(even, image.rgb[:, 16:80])
    wider = picture(99, 64)
    assert np.array_equal(
        Preprocessing(height=64, width=64, mode="crop", odd_margin="round", **STATISTICS)(wider),
        wider.rgb[:, 18:82],
    )
    assert np.array_equal(
        Preprocessing(height=64, width=64, mode="crop", **STATISTICS)(wider), wider.rgb[:, 17:81]
    )


def test_a_line_of_a_million_pixels_is_cropped_without_growing_the_rest() -> None:
    line = DecodedImage(np.full((1, 1_000_000, 3), 77, np.uint8))
    ours = Preprocessing(height=224, width=224, mode="crop", **STATISTICS)(line)
    assert ours.shape == (224, 224, 3)
    assert (ours == 77).all()


def test_a_crop_larger_than_the_shorter_side_is_an_error() -> None:
    broken = Preprocessing(height=64, width=64, mode="crop", shorter_side=32, **STATISTICS)
    with pytest.raises(ValueError, match="crop of 64 x 64"):
        broken(picture())


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_the_fast_resize_is_within_a_level_but_for_a_pixel_in_a_hundred_thousand(name: Any) -> None:
    assert has_fast(name)
    found = [
        apart(resize(image.rgb, *target, name, fast=True), resize(image.rgb, *target, name))
        for size in SIZES
        for image in (picture(*size), black_and_white(*size))
        for target in [(96, 96), (224, 224), (224, 298)]
    ]
    levels = np.concatenate([difference.ravel() for difference in found])
    assert levels.max() <= 2
    assert (levels > 1).mean() < 1e-5
    assert (levels > 0).mean() < 0.01


@pytest.mark.parametrize("key", ["clip", "fgclip", "siglip2", "open_clip", "naflex"])
def test_the_fast_resize_moves_no_cosine_by_a_thousandth(pairs: Pairs, key: str) -> None:
    from dataclasses import replace

    model = pairs(key).model
    fast: Any = replace(model.parts.prepare, fast=True)  # type: ignore[type-var]
    for seed, size in enumerate(SIZES):
        image = picture(*size, seed=seed)
        exact_row, fast_row = model.encode_images([model.prepare_image(image), fast(image)], "pooled")
        assert float(exact_row @ fast_row) > 1 - 1e-3


def test_lanczos_is_never_resized_fast() -> None:
    assert not has_fast("lanczos")
    image = picture()
    assert (
        apart(
            resize(image.rgb, 20, 20, "lanczos", fast=True),
            two_passes(image.rgb, 20, 20, Image.Resampling.LANCZOS),
        ).max()
        == 0
    )


def test_versions_tell_settings_apart() -> None:
    one = Preprocessing(height=32, width=32, mode="crop", **STATISTICS)
    others = [
        Preprocessing(height=32, width=32, mode="squash", **STATISTICS),
        Preprocessing(height=32, width=32, mode="crop", filter="bilinear", **STATISTICS),
        Preprocessing(height=32, width=32, mode="crop", odd_margin="round", **STATISTICS),
        Preprocessing(height=32, width=32, mode="crop", shorter_side=40, **STATISTICS),
        Preprocessing(height=32, width=32, mode="crop", fast=True, **STATISTICS),
        Preprocessing(height=32, width=32, mode="crop", mean=(0.5, 0.5, 0.4), std=(0.5, 0.5, 0.5)),
    ]
    assert len({each.version for each in [one, *others]}) == len(others) + 1


def test_grids_are_those_of_transformers() -> None:
    from transformers.models.siglip2.image_processing_siglip2 import get_image_size_for_max_num_patches

    dice = np.random.default_rng(0)
    for height, width in dice.integers(1, 3000, (150, 2)).tolist():
        for budget in (16, 256, 1024):
            expected = get_image_size_for_max_num_patches(height, width, 16, budget)
            assert tuple(16 * side for side in fit_grid(height, width, 16, budget)) == expected


@pytest.mark.parametrize(
    ("size", "budget"),
    [
        ((160, 160), 128),
        ((256, 256), 256),
        ((272, 256), 576),
        ((384, 384), 576),
        ((1000, 800), 1024),
        ((9, 9), 128),
    ],
)
def test_fgclip2_gives_an_image_the_budget_of_its_own_patches(size: tuple[int, int], budget: int) -> None:
    patches = PatchPreprocessing(patch=16, budgets=FGCLIP2_BUDGETS, filter="bilinear", **STATISTICS)
    assert patches.budget(size) == budget
    rows, columns = patches.grid(size)
    assert rows * columns <= budget
    assert patches(picture(*size)).shape == (rows * 16, columns * 16, 3)
