"""The average precision of one item's boxes."""

import json

import pytest

from tests.service.scorers.boxes.judging import judge, label, value
from visreward_service.scorers.average_precision import ItemAveragePrecision as Scorer

TWO = [label([0, 0, 10, 10], "cat"), label([20, 20, 30, 30], "dog")]


def write(*boxes: tuple[list[float], str, float]) -> str:
    return json.dumps([{"bbox_2d": box, "label": name, "confidence": score} for box, name, score in boxes])


RIGHT = write(([0, 0, 10, 10], "cat", 0.9), ([20, 20, 30, 30], "dog", 0.8))


def test_the_right_boxes_earn_one() -> None:
    values = judge(Scorer, RIGHT, boxes=TWO).values
    assert (values["map"], values["map50"], values["map75"]) == pytest.approx((1, 1, 1))


def test_a_box_that_is_close_counts_at_a_half_and_not_at_three_quarters() -> None:
    text = write(([0, 0, 10, 6], "cat", 0.9), ([20, 20, 30, 30], "dog", 0.8))
    values = judge(Scorer, text, boxes=TWO).values
    assert (values["map50"], values["map75"]) == pytest.approx((1.0, 0.5))


def test_a_false_box_costs_more_when_it_is_confident() -> None:
    wrong = ([50.0, 50.0, 60.0, 60.0], "cat", 0.99)
    first = write(wrong, ([0, 0, 10, 10], "cat", 0.9), ([20, 20, 30, 30], "dog", 0.8))
    assert value(Scorer, first, "map50", boxes=TWO) == pytest.approx(0.75)
    last = write(([0, 0, 10, 10], "cat", 0.9), (wrong[0], "cat", 0.1), ([20, 20, 30, 30], "dog", 0.8))
    assert value(Scorer, last, "map50", boxes=TWO) == pytest.approx(1.0)
    assert value(Scorer, first, "map50", boxes=TWO, confidences="one") == pytest.approx(0.75)


def test_labels_agree_in_any_case_unless_told_otherwise() -> None:
    text = write(([0, 0, 10, 10], "CAT", 1), ([20, 20, 30, 30], "dog", 1))
    assert value(Scorer, text, "map", boxes=TWO) == pytest.approx(1.0)
    assert value(Scorer, text, "map", boxes=TWO, ignore_case=False) == pytest.approx(0.5)


@pytest.mark.parametrize("text", [None, "", "None", "[{'bbox_2d': 3}]"])
def test_no_boxes_earn_zero(text: str | None) -> None:
    assert value(Scorer, text, "map", boxes=TWO) == 0.0


def test_boxes_of_labels_that_nobody_asked_for_earn_zero_and_never_less() -> None:
    assert value(Scorer, write(([0, 0, 10, 10], "fox", 1)), "map", boxes=TWO) == 0.0


def test_an_empty_reference_is_met_by_saying_so() -> None:
    assert value(Scorer, "No objects", "map", boxes=[]) == 1.0
    assert value(Scorer, "hm", "map", boxes=[]) == 0.0
    assert value(Scorer, "hm", "map", boxes=[], without_reference="unfound") == 1.0
    assert value(Scorer, RIGHT, "map", boxes=[], without_reference="unfound") == 0.0
