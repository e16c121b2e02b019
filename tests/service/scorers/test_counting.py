"""Counts of boxes and points, and stated numbers."""

import json

import pytest

from tests.service.scorers.boxes.judging import judge, label, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.counting import Counting


def test_boxes_are_counted_against_those_of_the_reference() -> None:
    boxes = [label([0, 0, 1, 1])] * 4
    values = judge(Counting, "[[1, 2, 3, 4], [5, 6, 7, 8]]", boxes=boxes).values
    assert values == {"exact": 0.0, "closeness": 0.5, "ratio": 0.5, "count": 2.0}


@pytest.mark.parametrize(
    ("text", "exact"),
    [("There are 12 of 3", 0), ("3 rows, 12", 1), ("12.5", 0), ("twelve", 0), ("", 0), ("I count 12.", 1)],
)
def test_a_stated_number_is_the_last_whole_one(text: str, exact: int) -> None:
    assert value(Counting, text, "exact", extra={"count": 12}, what="number") == exact


def test_points_are_counted_too() -> None:
    text = '<point x="10.5" y="20">cat</point> <point x="30" y="40">cat</point>'
    assert value(Counting, text, "exact", extra={"count": 2}, what="points") == 1.0


def test_none_is_a_count_of_zero_and_nonsense_is_no_count() -> None:
    assert value(Counting, "No objects", "exact", extra={"count": 0}) == 1.0
    assert value(Counting, "No objects", "ratio", extra={"count": 0}) == 1.0
    assert value(Counting, "who knows", "exact", extra={"count": 0}) == 0.0
    assert value(Counting, None, "exact", extra={"count": 0}) == 0.0


def test_ten_thousand_boxes_are_no_count() -> None:
    text = json.dumps([[i, 0, i + 1, 1] for i in range(10_000)])
    assert value(Counting, text, "exact", extra={"count": 10_000}) == 0.0


@pytest.mark.parametrize(
    ("extra", "code"),
    [({}, Code.MISSING_FIELD), ({"count": -1}, Code.INVALID_ITEM), ({"count": 2.5}, Code.INVALID_ITEM)],
)
def test_a_reference_without_a_count_is_the_items_fault(extra: dict[str, object], code: Code) -> None:
    with pytest.raises(Fault) as fault:
        judge(Counting, "3", extra=extra)
    assert fault.value.code is code
