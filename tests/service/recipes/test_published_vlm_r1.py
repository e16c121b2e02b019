"""VLM-R1 (om-ai-lab/VLM-R1@90052f4): its method registry, its quirks, and what strict mends."""

import json
from typing import Any

import pytest

from tests.service.recipes.published import boxes, judge, part
from visreward.protocol import Code
from visreward_service.scorers.base import Fault

GOLD = boxes(([0, 0, 10, 10], "cat"), ([20, 20, 30, 30], "dog"))


def write(*found: tuple[list[float], str], fence: bool = True) -> str:
    listed = json.dumps([{"bbox_2d": box, "label": label} for box, label in found])
    return f"<think>.</think><answer>{f'```json{listed}```' if fence else listed}</answer>"


RIGHT = write(([0, 0, 10, 10], "cat"), ([20, 20, 30, 30], "dog"))
MAPS = ("vlm-r1/od-ap", "vlm-r1/od-ap50", "vlm-r1/od-length")


@pytest.mark.parametrize("name", [*MAPS, *(f"{name}-strict" for name in MAPS), "vlm-r1/weighted-sum"])
def test_the_right_boxes_earn_one(name: str) -> None:
    assert part(name, RIGHT, "accuracy", boxes=GOLD) == pytest.approx(1.0)


@pytest.mark.parametrize("name", [*MAPS, "vlm-r1/weighted-sum"])
def test_boxes_without_a_fence_earn_nothing_and_strict_reads_them(name: str) -> None:
    text = RIGHT.replace("```json", "").replace("```", "")
    assert part(name, text, "accuracy", boxes=GOLD) == 0.0
    assert part(f"{name}-strict", text, "accuracy", boxes=GOLD) == pytest.approx(1.0)


@pytest.mark.parametrize("name", MAPS)
def test_where_there_is_nothing_any_unreadable_answer_earns_one_and_strict_wants_none(name: str) -> None:
    for given, strict in (("None", 1.0), ("who knows", 0.0)):
        text = f"<think>.</think><answer>{given}</answer>"
        assert part(name, text, "accuracy", boxes=[]) == 1.0
        assert part(f"{name}-strict", text, "accuracy", boxes=[]) == strict
    assert part(name, RIGHT, "accuracy", boxes=[]) == 0.0
    assert part(name, "no tag", "accuracy", boxes=[]) == 0.0


def test_the_length_variant_charges_for_more_boxes_than_there_are() -> None:
    text = write(([0, 0, 10, 10], "cat"), ([20, 20, 30, 30], "dog"), ([50, 50, 60, 60], "fox"))
    assert part("vlm-r1/od-ap", text, "accuracy", boxes=GOLD) == pytest.approx(1.0)
    assert part("vlm-r1/od-length", text, "accuracy", boxes=GOLD) == pytest.approx(2 / 3)


def test_labels_differ_by_case_and_agree_in_strict() -> None:
    text = RIGHT.replace('"cat"', '"Cat"')
    assert part("vlm-r1/od-ap", text, "accuracy", boxes=GOLD) == pytest.approx(0.5)
    assert part("vlm-r1/od-ap-strict", text, "accuracy", boxes=GOLD) == pytest.approx(1.0)


def test_the_weighted_sum_weighs_overlap_and_completeness() -> None:
    text = write(([0, 0, 10, 8], "cat"))
    expected = 0.7 * (0.8 / 2) + 0.3 * (1 - (1 / 2 + 0) / 2)
    assert part("vlm-r1/weighted-sum", text, "accuracy", boxes=GOLD) == pytest.approx(expected)


def test_a_pair_with_another_label_counts_as_found_and_not_in_strict() -> None:
    text = write(([0, 0, 10, 10], "dog"), ([20, 20, 30, 30], "dog"))
    assert part("vlm-r1/weighted-sum", text, "accuracy", boxes=GOLD) == pytest.approx(0.7 * 0.5 + 0.3)
    assert part("vlm-r1/weighted-sum-strict", text, "accuracy", boxes=GOLD) == pytest.approx(0.5)


def test_boxes_in_a_unit_frame_never_overlap_and_do_in_strict() -> None:
    gold = boxes(([0.1, 0.1, 0.5, 0.5], "cat"))
    text = write(([0.1, 0.1, 0.5, 0.5], "cat"))
    assert part("vlm-r1/weighted-sum", text, "accuracy", boxes=gold) == pytest.approx(0.0)
    assert part("vlm-r1/weighted-sum-strict", text, "accuracy", boxes=gold) == pytest.approx(1.0)


def test_only_none_is_right_where_there_is_nothing_to_weigh() -> None:
    assert part("vlm-r1/weighted-sum", "<answer>None.</answer>", "accuracy", boxes=[]) == 1.0
    assert part("vlm-r1/weighted-sum", "<answer>nothing</answer>", "accuracy", boxes=[]) == 0.0
    assert part("vlm-r1/weighted-sum-strict", "<answer>None.</answer>", "accuracy", boxes=[]) == 1.0


SIZES = {"image_width": 200, "image_height": 200, "resized_width": 100, "resized_height": 100}
REC: dict[str, Any] = {"boxes": boxes(([0, 0, 100, 100], "x")), "extra": SIZES}


def test_a_box_in_the_resized_frame_is_right_and_one_in_pixels_is_not_though_its_format_is() -> None:
    assert judge("vlm-r1/rec", '<think>.</think><answer>{"b": [0, 0, 50, 50]}</answer>', **REC)[0] == 2.0
    reward, parts = judge("vlm-r1/rec", '<think>.</think><answer>{"b": [100, 100, 200, 200]}</answer>', **REC)
    assert (reward, parts["format"]) == (1.0, 1.0)


def test_the_off_by_one_iou_is_mended_in_strict() -> None:
    text = '<think>.</think><answer>{"b": [0, 0, 50, 25]}</answer>'
    near = '<think>.</think><answer>{"b": [50, 50, 99, 99]}</answer>'
    assert part("vlm-r1/rec", text, "accuracy", **REC) == pytest.approx(0.5)
    gold: dict[str, Any] = {"boxes": boxes(([0, 0, 101, 101], "x")), "extra": SIZES}
    assert part("vlm-r1/rec", near, "accuracy", **gold) == 0.0
    assert part("vlm-r1/rec-strict", near, "accuracy", **gold) > 0.0


def test_the_first_of_several_boxes_counts_and_none_in_strict() -> None:
    text = '<think>.</think><answer>{"b": [0, 0, 50, 50], "c": [7, 7, 8, 8]}</answer>'
    assert part("vlm-r1/rec", text, "accuracy", **REC) == 1.0
    several = "<think>.</think><answer>[[0, 0, 50, 50], [7, 7, 8, 8]]</answer>"
    assert part("vlm-r1/rec-strict", several, "accuracy", **REC) == 0.0


@pytest.mark.parametrize(
    ("given", "paper", "strict"),
    [("Yes.", 1, 1), ("no", 0, 0), ("I know: yes", 0, 1), ("yes and no", 1, 0), ("maybe", 0, 0), ("", 0, 0)],
)
def test_yes_and_no_are_found_inside_words_and_not_in_strict(given: str, paper: int, strict: int) -> None:
    text = f"<think>.</think><answer>{given}</answer>"
    assert part("vlm-r1/yes-no", text, "accuracy", answer="yes") == paper
    assert part("vlm-r1/yes-no-strict", text, "accuracy", answer="yes") == strict


def test_a_reference_that_is_neither_yes_nor_no_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge("vlm-r1/yes-no", "<answer>perhaps</answer>", answer="perhaps")
    assert fault.value.code is Code.REFERENCE_UNPARSABLE
