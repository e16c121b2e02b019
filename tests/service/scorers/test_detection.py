"""Sets of boxes: the numbers of the published rewards, their order of matching, their thresholds."""

import json

import pytest

from tests.service.scorers.boxes.judging import judge, label, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.detection import SHARES, Detection

TWO = [label([0, 0, 10, 10], "cat"), label([20, 20, 30, 30], "dog")]


def write(*boxes: tuple[list[float], str]) -> str:
    return json.dumps([{"bbox_2d": box, "label": name} for box, name in boxes])


RIGHT = write(([0, 0, 10, 10], "cat"), ([20, 20, 30, 30], "dog"))


def test_the_published_example_of_visual_rft() -> None:
    text = (
        "[{'Position': [0, 0, 10, 9], 'Confidence': 0.9}, {'Position': [50, 50, 60, 60], 'Confidence': 0.3}]"
    )
    score = judge(
        Detection, text, boxes=TWO, style="visual_rft", order="confidence", thresholds=[0.5], inclusive=False
    )
    assert score.values["balanced_iou"] == pytest.approx(0.45)
    assert score.values["confidence"] == pytest.approx(0.8)


def test_the_right_boxes_earn_one_everywhere() -> None:
    score = judge(Detection, RIGHT, boxes=TWO)
    assert {name: score.values[name] for name in SHARES} == dict.fromkeys(SHARES, 1.0)
    assert score.values["readable"] == 1.0
    assert score.details["pairs"] == [(0, 0, 1.0), (1, 1, 1.0)]


@pytest.mark.parametrize(
    ("text", "status"),
    [(None, "missing"), ("", "unreadable"), ("I cannot see any", "unreadable"), ("[]", "none")],
)
def test_no_boxes_where_there_are_some_earn_zero_everywhere(text: str | None, status: str) -> None:
    score = judge(Detection, text, boxes=TWO)
    assert {name: score.values[name] for name in SHARES} == dict.fromkeys(SHARES, 0.0)
    assert score.details["status"] == status


def test_extra_and_missing_boxes_cost_precision_recall_and_size() -> None:
    text = write(([0, 0, 10, 10], "cat"), ([50, 50, 60, 60], "cat"), ([70, 70, 80, 80], "cat"))
    values = judge(Detection, text, boxes=TWO).values
    assert values["precision"] == pytest.approx(1 / 3)
    assert values["recall"] == pytest.approx(1 / 2)
    assert values["f1"] == pytest.approx(0.4)
    assert values["mean_iou"] == pytest.approx(0.5)
    assert values["balanced_iou"] == pytest.approx(1 / 3)
    assert values["completeness"] == pytest.approx(1 - (1 / 2 + 2 / 3) / 2)
    assert values["size_penalty"] == pytest.approx(0.6)
    assert values["count_ratio"] == pytest.approx(2 / 3)


def test_wrong_labels_are_ignored_or_cost_their_overlap_or_the_pair() -> None:
    swapped = write(([0, 0, 10, 10], "DOG"), ([20, 20, 30, 30], "Dog"))
    assert value(Detection, swapped, "mean_iou", boxes=TWO, labels="ignore") == 1.0
    zero = judge(Detection, swapped, boxes=TWO, labels="zero").values
    assert (zero["mean_iou"], zero["precision"]) == (0.5, 1.0)
    require = judge(Detection, swapped, boxes=TWO, labels="require").values
    assert (require["mean_iou"], require["precision"]) == (0.5, 0.5)


def test_several_thresholds_give_their_mean() -> None:
    text = write(([0, 0, 10, 8], "cat"), ([20, 20, 30, 30], "dog"))
    assert value(Detection, text, "recall", boxes=TWO, thresholds=[0.5]) == 1.0
    assert value(Detection, text, "recall", boxes=TWO, thresholds=[0.5, 0.9]) == 0.75


@pytest.mark.parametrize(
    ("step", "recall"), [(0, 1.0), (10, 1.0), (11, 1.0), (25, 1.0), (26, 0.5), (100, 0.5), (900, 0.5)]
)
def test_a_schedule_raises_the_threshold_with_the_progress_of_training(step: int, recall: float) -> None:
    text = write(([0, 0, 100, 96], "cat"), ([200, 200, 300, 300], "dog"))
    boxes = [label([0, 0, 100, 100]), label([200, 200, 300, 300])]
    schedule = [[0.10, 0.85], [0.25, 0.95], [1.0, 0.99]]
    extra = {"step": step, "total_steps": 100}
    assert value(Detection, text, "recall", boxes=boxes, extra=extra, schedule=schedule) == recall


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        ({}, Code.MISSING_FIELD),
        ({"step": 1}, Code.MISSING_FIELD),
        ({"step": 1, "total_steps": 0}, Code.INVALID_ITEM),
        ({"step": -1, "total_steps": 5}, Code.INVALID_ITEM),
        ({"step": "1", "total_steps": 5}, Code.INVALID_ITEM),
    ],
)
def test_a_schedule_without_progress_is_the_items_fault(extra: dict[str, object], code: Code) -> None:
    with pytest.raises(Fault) as fault:
        judge(Detection, RIGHT, boxes=TWO, extra=extra, schedule=[[1.0, 0.5]])
    assert fault.value.code is code


def test_confidences_beyond_their_bounds_are_clamped_unless_told_otherwise() -> None:
    text = "[{'Position': [50, 50, 60, 60], 'Confidence': -4}]"
    assert value(Detection, text, "confidence", boxes=TWO) == 1.0
    assert value(Detection, text, "confidence", boxes=TWO, clamp_confidence=False) == 5.0


@pytest.mark.parametrize(
    ("text", "stated", "unfound", "zero"),
    [("No Objects", 1, 1, 0), ("[]", 1, 1, 0), ("", 0, 1, 0), ("nonsense", 0, 1, 0), (RIGHT, 0, 0, 0)],
)
def test_an_empty_reference_is_met_by_saying_so(text: str, stated: int, unfound: int, zero: int) -> None:
    for rule, expected in (("stated", stated), ("unfound", unfound), ("zero", zero)):
        assert value(Detection, text, "f1", boxes=[], without_reference=rule) == expected


def test_ten_thousand_boxes_are_the_policys_failure() -> None:
    text = json.dumps([{"bbox_2d": [i, 0, i + 1, 1], "label": "cat"} for i in range(10_000)])
    score = judge(Detection, text, boxes=TWO)
    assert score.values["f1"] == 0.0
    assert score.details["status"] == "too_many"


def test_too_many_reference_boxes_are_the_items_fault() -> None:
    with pytest.raises(Fault) as fault:
        judge(Detection, RIGHT, boxes=TWO * 3, max_boxes=5)
    assert fault.value.code is Code.INVALID_ITEM


@pytest.mark.parametrize("box", [[10, 0, 0, 10], [0, 10, 10, 0], [0, 0, 2e9, 1]])
def test_a_reference_box_that_is_turned_over_or_huge_is_the_items_fault(box: list[float]) -> None:
    with pytest.raises(Fault) as fault:
        judge(Detection, RIGHT, boxes=[TWO[0], label(box)])
    assert (fault.value.code, fault.value.field) == (Code.INVALID_ITEM, "reference.boxes[1].box")


def test_boxes_in_a_normalised_frame_meet_a_reference_in_pixels() -> None:
    text = "[[0, 0, 500, 500]]"
    boxes = [label([0, 0, 200, 100])]
    extra = {"image_width": 400, "image_height": 200}
    assert value(Detection, text, "mean_iou", boxes=boxes, extra=extra, frame="thousand") == 1.0
    assert value(Detection, text, "mean_iou", boxes=boxes, extra=extra) == 0.0


def test_equal_texts_give_bit_identical_values() -> None:
    first, second = (judge(Detection, RIGHT.replace("10, 10", "9, 7"), boxes=TWO).values for _ in range(2))
    assert first == second
