"""Visual-RFT (arXiv:2503.01785, Liuziyu77/Visual-RFT@9486633): its quirks, and what strict mends."""

from typing import Any

import pytest

from tests.service.recipes.published import boxes, judge, part

GOLD = boxes(([0, 11, 10, 21], "cat"), ([20, 20, 30, 30], "cat"))
SOLUTION = (
    "<answer>[{'Position': [0, 11, 10, 21], 'Confidence': 1}, "
    "{'Position': [20, 20, 30, 30], 'Confidence': 1}]</answer>"
)
DETECTION: dict[str, Any] = {"answer": SOLUTION, "boxes": GOLD}


def answer(*found: tuple[list[int], float]) -> str:
    listed = ", ".join(f"{{'Position': {box}, 'Confidence': {confidence}}}" for box, confidence in found)
    return f"<think>I look.</think><answer>[{listed}]</answer>"


def test_iou_confidence_and_format_are_added() -> None:
    text = answer(([0, 12, 10, 21], 0.9), ([50, 50, 60, 60], 0.3))
    reward, parts = judge("visual-rft/detection", text, **DETECTION)
    assert parts["accuracy_iou"] == pytest.approx(0.45)
    assert parts["accuracy_confidence"] == pytest.approx(0.8)
    assert reward == pytest.approx(2.25)


def test_math_verify_may_settle_a_list_of_boxes_by_one_number() -> None:
    text = answer(([900, 11, 950, 12], 0.0))
    assert judge("visual-rft/detection", text, **DETECTION)[0] == 3.0
    assert judge("visual-rft/detection-strict", text, boxes=GOLD)[0] == pytest.approx(2.0)


def test_an_answer_on_several_lines_earns_nothing_and_strict_reads_it() -> None:
    text = answer(([0, 12, 10, 21], 1)).replace("[{", "\n[{").replace("]<", "]\n<")
    assert part("visual-rft/detection", text, "accuracy_iou", **DETECTION) == 0.0
    assert part("visual-rft/detection-strict", text, "accuracy_iou", boxes=GOLD) == pytest.approx(0.45)


def test_one_broken_entry_spoils_the_list_and_strict_leaves_it_out() -> None:
    text = answer(([0, 12, 10, 21], 1)).replace("]</", ", {'Position': [1, 2, 3]}]</")
    assert part("visual-rft/detection", text, "accuracy_iou", **DETECTION) == 0.0
    assert part("visual-rft/detection-strict", text, "accuracy_iou", boxes=GOLD) == pytest.approx(0.45)


def test_a_hugely_negative_confidence_buys_the_whole_part_and_strict_bounds_it() -> None:
    text = answer(([0, 12, 10, 21], 0.0), ([900, 900, 901, 901], -100))
    assert part("visual-rft/detection", text, "accuracy_confidence", **DETECTION) == 1.0
    assert part("visual-rft/detection-strict", text, "accuracy_confidence", boxes=GOLD) == pytest.approx(0.5)


def test_where_there_is_nothing_to_find_only_strict_rewards_saying_so() -> None:
    text = "<think>Empty.</think><answer>No Objects</answer>"
    assert judge("visual-rft/detection", text, answer="No Objects", boxes=[])[0] == 1.0
    assert judge("visual-rft/detection-strict", text, boxes=[])[0] == 3.0


def test_an_iou_of_exactly_a_half_is_no_match() -> None:
    text = answer(([0, 11, 10, 16], 1))
    assert part("visual-rft/detection-strict", text, "accuracy_iou", boxes=GOLD) == 0.0


@pytest.mark.parametrize("given", ["", "_", "d", "dandelion common_dandelion rose"])
def test_any_part_of_the_name_or_a_list_of_names_is_right_and_not_in_strict(given: str) -> None:
    text = f"<think>.</think><answer>{given}</answer>"
    assert part("visual-rft/classification", text, "accuracy", answer="common_dandelion") == 1.0
    assert part("visual-rft/classification-strict", text, "accuracy", answer="common_dandelion") == 0.0


def test_reasoning_counts_as_the_answer_when_the_tag_spans_lines() -> None:
    text = "<think>Not a rose.</think>\n<answer>\ntulip\n</answer>"
    assert part("visual-rft/classification", text, "accuracy", answer="rose") == 1.0
    assert part("visual-rft/classification-strict", text, "accuracy", answer="rose") == 0.0


def test_the_class_name_is_right_in_any_spelling_of_spaces_and_case() -> None:
    text = "<think>.</think><answer>Common Dandelion</answer>"
    for name in ("visual-rft/classification", "visual-rft/classification-strict"):
        assert judge(name, text, answer="common_dandelion")[0] == 2.0


GROUNDING: dict[str, Any] = {"answer": "(100,100),(300,400)", "boxes": boxes(([100, 100, 300, 400], "x"))}


@pytest.mark.parametrize(
    ("given", "paper", "strict"),
    [
        ("(100,100),(300,400)", 2.0, 2.0),
        ("( 100,100 ), (300,400)", 2.0, 2.0),
        ("(100,100),(300,300)", 1 + 2 / 3, 1 + 2 / 3),
        ("nowhere", 0.0, 0.0),
        ("", 0.0, 0.0),
    ],
)
def test_grounding_is_giou_plus_one(given: str, paper: float, strict: float) -> None:
    text = f"<think>.</think><answer>{given}</answer>"
    assert part("visual-rft/grounding", text, "accuracy", **GROUNDING) == pytest.approx(paper)
    assert part("visual-rft/grounding-strict", text, "accuracy", **GROUNDING) == pytest.approx(strict)


def test_two_boxes_give_one_by_their_first_corners_and_none_in_strict() -> None:
    text = "<think>.</think><answer>(100,100),(5,5) (300,400),(9,9)</answer>"
    assert part("visual-rft/grounding", text, "accuracy", **GROUNDING) == pytest.approx(2.0)
    assert part("visual-rft/grounding-strict", text, "accuracy", **GROUNDING) == 0.0


def test_a_turned_box_has_no_upper_bound_and_earns_nothing_in_strict() -> None:
    text = "<think>.</think><answer>(1000,1000),(0,0)</answer>"
    assert part("visual-rft/grounding", text, "accuracy", **GROUNDING) > 10
    assert part("visual-rft/grounding-strict", text, "accuracy", **GROUNDING) == 0.0
