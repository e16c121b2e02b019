"""One box against one box."""

import pytest

from tests.service.scorers.boxes.judging import judge, label, value
from visreward.protocol import Code
from visreward_service.scorers.base import Fault
from visreward_service.scorers.grounding import Grounding

ONE = [label([0, 0, 100, 100])]


def test_iou_giou_and_hit_of_a_box_that_covers_half() -> None:
    values = judge(Grounding, "[0, 0, 100, 50]", boxes=ONE).values
    assert values == {"iou": 0.5, "hit": 1.0, "giou": 0.5, "readable": 1.0}
    assert value(Grounding, "[0, 0, 100, 50]", "hit", boxes=ONE, inclusive=False) == 0.0


@pytest.mark.parametrize("text", [None, "", "the left one", "[1, 2, 3]"])
def test_no_box_earns_nothing(text: str | None) -> None:
    assert judge(Grounding, text, boxes=ONE).values == {"iou": 0, "hit": 0, "giou": -1, "readable": 0}


def test_of_several_boxes_the_first_counts_or_none_or_their_corners() -> None:
    text = "(0,0),(50,50) (100,100),(200,200)"
    assert value(Grounding, text, "iou", boxes=ONE, style="pairs") == 0.25
    assert value(Grounding, text, "iou", boxes=ONE, style="pairs", several="reject") == 0.0
    assert value(Grounding, text, "iou", boxes=ONE, style="pairs", several="corners") == 1.0


def test_a_turned_box_is_rejected_and_kept_only_on_request() -> None:
    boxes = [label([400, 400, 600, 600])]
    assert judge(Grounding, "[1000, 1000, 0, 0]", boxes=boxes).details["status"] == "turned_over"
    assert value(Grounding, "[1000, 1000, 0, 0]", "giou", boxes=boxes) == -1.0
    assert value(Grounding, "[1000, 1000, 0, 0]", "giou", boxes=boxes, turned_over="keep") == pytest.approx(
        25
    )


def test_the_resized_frame_is_moved_to_the_image() -> None:
    extra = {"image_width": 200, "image_height": 400, "resized_width": 100, "resized_height": 100}
    values = judge(Grounding, "[0, 0, 50, 25]", boxes=ONE, extra=extra, frame="resized").values
    assert values["iou"] == 1.0


@pytest.mark.parametrize("boxes", [[], ONE * 2])
def test_a_reference_without_exactly_one_box_is_the_items_fault(boxes: list[object]) -> None:
    with pytest.raises(Fault) as fault:
        judge(Grounding, "[0, 0, 1, 1]", boxes=boxes)  # type: ignore[arg-type]
    assert fault.value.code is Code.INVALID_ITEM
