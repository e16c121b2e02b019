"""Overlaps are what their formulas say, and empty or turned boxes overlap nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visreward_service.scorers.boxes import measure_giou, measure_iou, measure_iou_off_by_one
from visreward_service.scorers.boxes.overlap import Boxes

coordinates = st.integers(0, 40)


@st.composite
def box(draw: st.DrawFn) -> list[float]:
    x, y = draw(coordinates), draw(coordinates)
    return [x, y, x + draw(coordinates), y + draw(coordinates)]


def one(*numbers: float) -> Boxes:
    return np.array([numbers], dtype=np.float64)


def count_pixels(left: list[float], right: list[float]) -> float:
    """Intersection over union by counting unit squares."""

    def cover(corners: list[float]) -> set[tuple[int, int]]:
        x1, y1, x2, y2 = map(int, corners)
        return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}

    a, b = cover(left), cover(right)
    return len(a & b) / len(a | b) if a & b else 0.0


@given(box(), box())
@settings(deadline=None)
def test_iou_is_the_share_of_unit_squares_in_common(left: list[float], right: list[float]) -> None:
    assert measure_iou(one(*left), one(*right))[0, 0] == pytest.approx(count_pixels(left, right), abs=1e-12)


@given(box(), box())
@settings(deadline=None)
def test_giou_lies_between_minus_one_and_iou(left: list[float], right: list[float]) -> None:
    giou = measure_giou(one(*left), one(*right))[0, 0]
    assert -1.0 <= giou <= measure_iou(one(*left), one(*right))[0, 0] + 1e-12


def test_giou_of_separate_boxes_is_minus_the_empty_share_of_their_hull() -> None:
    assert measure_giou(one(0, 0, 1, 1), one(2, 0, 3, 1))[0, 0] == pytest.approx(-1 / 3)


def test_the_off_by_one_iou_agrees_on_pixels_and_misses_overlaps_one_pixel_wide() -> None:
    assert measure_iou_off_by_one(one(0, 0, 10, 10), one(0, 0, 10, 10))[0, 0] == 1.0
    assert measure_iou_off_by_one(one(0, 0, 10, 10), one(5, 5, 15, 15))[0, 0] == pytest.approx(25 / 175)
    assert measure_iou(one(0, 0, 10, 10), one(9, 0, 20, 10))[0, 0] > 0
    assert measure_iou_off_by_one(one(0, 0, 10, 10), one(9, 0, 20, 10))[0, 0] == 0.0
    assert measure_iou_off_by_one(one(0.1, 0.1, 0.9, 0.9), one(0.1, 0.1, 0.9, 0.9))[0, 0] == 0.0


@pytest.mark.parametrize("turned", [(10, 10, 0, 0), (10, 0, 0, 10), (5, 5, 5, 5), (0, 5, 10, 5)])
def test_turned_and_empty_boxes_overlap_nothing(turned: tuple[float, ...]) -> None:
    for measure in (measure_iou, measure_iou_off_by_one):
        assert measure(one(*turned), one(0, 0, 10, 10))[0, 0] == 0.0
        assert measure(one(*turned), one(*turned))[0, 0] == 0.0


def test_boxes_of_a_billion_stay_finite() -> None:
    huge = one(-1e9, -1e9, 1e9, 1e9)
    assert measure_iou(huge, huge)[0, 0] == 1.0
    assert np.isfinite(measure_giou(huge, one(0, 0, 1, 1))).all()


def test_no_boxes_give_an_empty_matrix() -> None:
    assert measure_iou(np.zeros((0, 4)), one(0, 0, 1, 1)).shape == (0, 1)
