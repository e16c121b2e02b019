"""Resizing and cropping give the references' pixels."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from tests.service.models.conftest import Pairs
from tests.service.models.pictures import BICUBIC, BILINEAR, cropped, picture, squashed, two_passes
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.base import DecodedImage
from visreward_service.models.patches import FGCLIP2_BUDGETS, PatchPreprocessing, fit_grid
from visreward_service.models.preprocess import Preprocessing, Resizing
from visreward_service.models.resize import MAX_DEVICE_SHRINK, Rgb, Way, has_device, has_fast, resize

SIZES = [(640, 480), (480, 640), (333, 499), (50, 37), (1, 1), (1, 60), (60, 1), (500, 500)]
STATISTICS: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


CPU = torch.device("cpu")


def apart(ours: Any, theirs: Any) -> npt.NDArray[np.int64]:
    """Levels between two images."""
    return np.asarray(np.abs(np.asarray(ours).astype(np.int64) - np.asarray(theirs)), np.int64)


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
    assert np.array_equal(np.asarray(floor), image.rgb[:, 16:80])
    assert np.array_equal(np.asarray(even), image.rgb[:, 16:80])
    wider = picture(99, 64)
    rounded = Preprocessing(height=64, width=64, mode="crop", odd_margin="round", **STATISTICS)(wider)
    floored = Preprocessing(height=64, width=64, mode="crop", **STATISTICS)(wider)
    assert np.array_equal(np.asarray(rounded), wider.rgb[:, 18:82])
    assert np.array_equal(np.asarray(floored), wider.rgb[:, 17:81])


def test_a_line_of_a_million_pixels_is_cropped_without_growing_the_rest() -> None:
    line = DecodedImage(np.full((1, 1_000_000, 3), 77, np.uint8))
    ours = np.asarray(Preprocessing(height=224, width=224, mode="crop", **STATISTICS)(line))
    assert ours.shape == (224, 224, 3)
    assert (ours == 77).all()


def test_a_crop_larger_than_the_shorter_side_is_an_error() -> None:
    broken = Preprocessing(height=64, width=64, mode="crop", shorter_side=32, **STATISTICS)
    with pytest.raises(ValueError, match="crop of 64 x 64"):
        broken(picture())


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_the_fast_resize_is_within_a_level_but_for_a_pixel_in_a_hundred_thousand(name: Any) -> None:
    assert has_fast(name)
    levels = levels_apart(name, "fast")
    assert levels.max() <= 2
    assert (levels > 1).mean() < 1e-5
    assert (levels > 0).mean() < 0.01


def levels_apart(name: Any, way: Way) -> npt.NDArray[np.int64]:
    """Of all values of many images, by how many levels a way differs from Pillow."""
    found = [
        apart(resize(image.rgb, *target, name, way), resize(image.rgb, *target, name))
        for size in SIZES
        for image in (picture(*size), black_and_white(*size))
        for target in [(96, 96), (224, 224), (224, 298)]
    ]
    return np.concatenate([difference.ravel() for difference in found])


@pytest.mark.parametrize("name", ["bicubic", "bilinear"])
def test_the_resize_of_a_device_is_within_one_level(name: Any) -> None:
    """The same operators as on a GPU, run by the CPU."""
    assert has_device(name, CPU)
    levels = levels_apart(name, "device")
    assert levels.max() <= 1
    assert (levels > 0).mean() < 1e-3


@pytest.mark.parametrize("way", ["exact", "fast", "device"])
@pytest.mark.parametrize("size", [(640, 480), (480, 640), (333, 224), (298, 500), (298, 224)])
def test_leaving_out_columns_moves_no_pixel_of_the_others(size: tuple[int, int], way: Way) -> None:
    rgb = black_and_white(*size).rgb
    whole = np.asarray(resize(rgb, 224, 298, "bicubic", way))
    for columns in (slice(37, 261), slice(0, 224), slice(297, 298), slice(None)):
        part = np.asarray(resize(rgb, 224, 298, "bicubic", way, columns=columns))
        assert np.array_equal(part, whole[:, columns])


def test_one_pass_in_both_directions_is_not_within_a_level() -> None:
    """The naive way on a device: no rounding to 8 bits between the passes, and none of the overshoot cut."""
    image = black_and_white(333, 499)
    whole = torch.from_numpy(image.rgb).permute(2, 0, 1)[None].float()
    naive = torch.nn.functional.interpolate(whole, size=(224, 224), mode="bicubic", antialias=True)
    rounded = naive[0].permute(1, 2, 0).round().clamp(0, 255)
    assert apart(rounded, resize(image.rgb, 224, 224, "bicubic")).max() > 1


def test_images_that_a_device_cannot_shrink_are_left_to_pillow() -> None:
    rgb: Rgb = picture(MAX_DEVICE_SHRINK * 8 + 8, 16).rgb
    assert isinstance(resize(rgb, 8, 8, "bicubic", "device"), np.ndarray)
    assert isinstance(resize(rgb, 8, 9, "bicubic", "device"), torch.Tensor)
    assert isinstance(resize(rgb, 8, 9, "lanczos", "device"), np.ndarray)


@pytest.mark.parametrize("way", ["fast", "device"])
@pytest.mark.parametrize("key", ["clip", "fgclip", "fgclip2", "siglip2", "open_clip", "naflex"])
def test_no_way_to_resize_moves_a_cosine_by_a_thousandth(pairs: Pairs, key: str, way: Way) -> None:
    model = pairs(key).model
    assert isinstance(model.parts.prepare, Resizing)
    other: Any = replace(model.parts.prepare, way=way)
    for seed, size in enumerate(SIZES):
        image = picture(*size, seed=seed)
        exact_row, other_row = model.encode_images([model.prepare_image(image), other(image)], "pooled")
        assert float(exact_row @ other_row) > 1 - 1e-3


def test_a_model_that_resizes_on_its_device_says_so_in_its_cache_keys(pairs: Pairs) -> None:
    folder = pairs("fgclip").folder
    model = load_model(
        "fgclip", ModelSettings(kind="fgclip", source=str(folder), device="cpu", resize="device")
    )
    assert "-device:" in model.info.preprocessing
    assert isinstance(model.prepare_image(picture()), torch.Tensor)
    exact = pairs("fgclip").model
    rows = model.encode_images([model.prepare_image(picture()), exact.prepare_image(picture())], "pooled")
    assert float(rows[0] @ rows[1]) > 1 - 1e-3


def test_lanczos_is_never_resized_fast() -> None:
    assert not has_fast("lanczos")
    image = picture()
    assert (
        apart(
            resize(image.rgb, 20, 20, "lanczos", "fast"),
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
        Preprocessing(height=32, width=32, mode="crop", way="fast", **STATISTICS),
        Preprocessing(height=32, width=32, mode="crop", way="device", **STATISTICS),
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
