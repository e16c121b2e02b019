"""Coordinates move between frames by the sizes that the item brings, or the item is at fault."""

import numpy as np
import pytest

from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.boxes import Frame, convert

SIZES = {"image_width": 400, "image_height": 200, "resized_width": 800, "resized_height": 600}
SAME: dict[Frame, list[float]] = {
    "pixels": [100.0, 50.0, 200.0, 100.0],
    "resized": [200.0, 150.0, 400.0, 300.0],
    "unit": [0.25, 0.25, 0.5, 0.5],
    "thousand": [250.0, 250.0, 500.0, 500.0],
}


@pytest.mark.parametrize("source", SAME)
@pytest.mark.parametrize("target", SAME)
def test_one_box_is_the_same_box_in_every_frame(source: Frame, target: Frame) -> None:
    moved = convert(np.array([SAME[source]]), source, target, SIZES)
    assert moved[0].tolist() == pytest.approx(SAME[target], abs=1e-9)


def test_truncation_drops_the_fraction_after_the_move() -> None:
    moved = convert(np.array([[1.0, 1.0, 799.0, 599.0]]), "resized", "thousand", SIZES, "truncate")
    assert moved[0].tolist() == [1.0, 1.0, 998.0, 998.0]


def test_a_frame_that_stays_needs_no_size() -> None:
    assert convert(np.array([[1.0, 2.0, 3.0, 4.0]]), "pixels", "pixels", {}).tolist() == [[1, 2, 3, 4]]


def test_a_missing_size_is_a_missing_field_with_its_name() -> None:
    with pytest.raises(Fault) as fault:
        convert(np.zeros((1, 4)), "resized", "unit", {"resized_width": 10})
    assert fault.value.code is Code.MISSING_FIELD
    assert fault.value.field == "reference.extra.resized_height"


@pytest.mark.parametrize("size", [0, -5, "wide", True])
def test_a_size_that_is_no_positive_number_is_the_items_fault(size: object) -> None:
    with pytest.raises(Fault) as fault:
        convert(np.zeros((1, 4)), "pixels", "unit", {**SIZES, "image_width": size})
    assert fault.value.code is Code.INVALID_ITEM
