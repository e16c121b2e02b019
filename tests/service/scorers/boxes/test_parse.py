"""Boxes are read from the ways in which policies write them, whatever the text, in linear time."""

import itertools
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from visreward_service.scorers.boxes import read_boxes
from visreward_service.scorers.boxes.parse import READERS, Style

A, B = (1.0, 2.0, 3.0, 4.0), (5.0, 6.0, 7.0, 8.0)
STYLES: list[Style] = list(READERS)


def found(text: str, style: Style = "tolerant") -> list[tuple[float, ...]]:
    return [one.box for one in read_boxes(text, style, 1000).boxes]


@pytest.mark.parametrize(
    "text",
    [
        '[{"bbox_2d": [1, 2, 3, 4], "label": "cat"}, {"bbox_2d": [5, 6, 7, 8], "label": "dog"}]',
        'Here: ```json\n[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8]}]\n```',
        '```json\n[{"bbox_2d": [1, 2, 3, 4]}, {"bbox_2d": [5, 6, 7, 8]}]',
        "[{'Position': [1, 2, 3, 4], 'Confidence': 0.9}, {'Position': [5, 6, 7, 8], 'Confidence': 0.5}]",
        '{"objects": [{"bbox": [1, 2, 3, 4]}, {"bbox": [5, 6, 7, 8]}]}',
        "[[1, 2, 3, 4], [5, 6, 7, 8]]",
        "(1,2),(3,4) and ( 5 , 6 ) , ( 7 , 8 )",
        "the boxes [1, 2, 3, 4] and then [5.0, 6, 7, 8]",
        "[{'bbox_2d': [1, 2, 3, 4], 'label': 'a'}, {'bbox_2d': [5, 6, 7, 8]}, {'bbox_2d': [9, 1",
    ],
)
def test_the_tolerant_style_reads_every_way_of_writing_two_boxes(text: str) -> None:
    assert found(text) == [A, B]


@pytest.mark.parametrize("text", ["No Objects", "none", "None.", "[]", " null ", "```json\n[]\n```"])
def test_saying_that_there_is_nothing_is_not_the_same_as_saying_nothing(text: str) -> None:
    assert read_boxes(text, "tolerant", 10).status == "none"
    assert read_boxes("I see a cat", "tolerant", 10).status == "unreadable"


def test_labels_and_confidences_come_along() -> None:
    text = '[{"bbox_2d": [1, 2, 3, 4], "label": "cat", "confidence": 0.25}]'
    (one,) = read_boxes(text, "tolerant", 10).boxes
    assert (one.label, one.confidence) == ("cat", 0.25)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "null", '"4"', "[4]"])
def test_a_box_without_four_finite_numbers_is_counted_and_left_out(number: str) -> None:
    text = f'[{{"bbox_2d": [1, 2, 3, {number}]}}, {{"bbox_2d": [5, 6, 7, 8]}}]'
    reading = read_boxes(text, "tolerant", 10)
    assert [one.box for one in reading.boxes] == [B]
    assert reading.num_invalid == 1


def test_huge_coordinates_are_held_within_a_billion() -> None:
    text = f'[{{"bbox_2d": [{-(10**400)}, 0, 1e300, 4]}}]'
    assert found(text) == [(-1e9, 0.0, 1e9, 4.0)]
    assert found("[-5000000000, 0, 5, 5]") == [(-1e9, 0.0, 5.0, 5.0)]


def test_more_boxes_than_allowed_are_too_many_and_none_is_kept() -> None:
    text = json.dumps([{"bbox_2d": [i, 0, i + 1, 1]} for i in range(10_000)])
    reading = read_boxes(text, "tolerant", 1000)
    assert reading.status == "too_many"
    assert not reading.boxes


def test_visual_rft_repairs_a_list_that_is_cut_off() -> None:
    text = "[{'Position': [1, 2, 3, 4], 'Confidence': 0.9}, {'Position': [5, 6"
    assert found(text, "visual_rft") == [A]


def test_visual_rft_reads_double_brackets_and_counts_equal_positions_once() -> None:
    text = "[[{'Position': [1, 2, 3, 4], 'Confidence': 0.9}, {'Position': [1, 2, 3, 4], 'Confidence': 0.1}]]"
    (one,) = read_boxes(text, "visual_rft", 10).boxes
    assert (one.box, one.confidence) == (A, 0.9)


@pytest.mark.parametrize(
    "text",
    [
        "[{'Position': [1, 2, 3, 4]}]",
        "[{'Position': [1, 2, 3], 'Confidence': 1}]",
        "[{'Position': [1, 2, 3, 4], 'Confidence': 1}, 7]",
        "['Position']",
        "No Objects",
        "",
        "[]",
    ],
)
def test_visual_rft_takes_all_or_nothing(text: str) -> None:
    assert read_boxes(text, "visual_rft", 10).status == "unreadable"


def test_v_triune_drops_what_has_no_label_or_no_order_and_lowers_the_rest() -> None:
    text = (
        '[{"bbox_2d": [1, 2, 3, 4], "label": "Cat"}, {"bbox_2d": [1, 2, 3, 4], "label": "dog"},'
        ' {"bbox_2d": [5, 6, 7, 8]}, {"bbox_2d": [9, 6, 7, 8], "label": "x"}]'
    )
    (one,) = read_boxes(text, "v_triune", 10).boxes
    assert (one.box, one.label) == (A, "cat")


def test_vlm_r1_reads_the_last_fence_and_no_text_without_one() -> None:
    text = '```json\n[{"bbox_2d": [9, 9, 9, 9]}]\n``` no: ```json\n[{"bbox_2d": [1, 2, 3, 4]}]\n```'
    assert found(text, "vlm_r1") == [A]
    assert read_boxes('[{"bbox_2d": [1, 2, 3, 4], "label": "a"}]', "vlm_r1", 10).status == "unreadable"


def test_a_lone_list_is_one_list_and_no_other() -> None:
    assert found(" [1, 2, 3, 4] ", "plain_only") == [A]
    assert found("zoom [1, 2, 3, 4] please", "plain_only") == [A]
    assert found("[1, 2, 3, 4] or [5, 6, 7, 8]", "plain_only") == []


HOSTILE = [
    "[" * 200_000,
    '{"a":' * 40_000,
    "(" * 200_000,
    "[1,1,1," * 28_000,
    "```json" * 28_000,
    "[" + " " * 199_999,
    "[" + "1" * 199_999,
    "(1,2)," * 33_000,
    "[{'Position': " * 14_000,
    "}," * 100_000,
    "[{" + "'" * 199_998,
    "[1, 2, 3, 4]" * 16_000,
    "\u202e\u200b[１, ２, ３, ４]" * 9_000,
]


CASES = list(itertools.product(range(len(HOSTILE)), STYLES))


@pytest.mark.parametrize(("number", "style"), CASES)
def test_hostile_text_gives_a_status(number: int, style: Style) -> None:
    reading = read_boxes(HOSTILE[number], style, 1000)
    assert reading.status in ("unreadable", "too_many", "none") or len(reading.boxes) <= 1000


@given(st.text(alphabet="[]{}(),\"'0123456789.-: bbox_2dlabelPositionConfidence\n", max_size=80))
@settings(max_examples=150, deadline=None)
def test_no_text_makes_a_reader_raise_or_give_numbers_that_are_not_finite(text: str) -> None:
    for style in STYLES:
        for one in read_boxes(text, style, 1000).boxes:
            assert all(map(math.isfinite, one.box))
