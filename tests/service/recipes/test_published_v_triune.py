"""V-Triune (arXiv:2505.18129, MiniMax-AI/One-RL-to-See-Them-All@39bcf0d): its sub-scores and quirks."""

import json
import random
from typing import Any

import pytest

from tests.service.recipes.published import boxes, judge, part
from visreward.protocol import Code
from visreward_service.scorers.base import Fault

Box = dict[str, Any]
THRESHOLDS = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99]
GOLD = boxes(([0, 0, 100, 100], "cat"), ([200, 200, 300, 300], "dog"))


def write(found: list[Box]) -> str:
    return f"<think>\nI look.\n</think>\n<answer>\n{json.dumps(found)}\n</answer>"


def box(numbers: list[int], label: str) -> Box:
    return {"bbox_2d": numbers, "label": label}


# --- the definitions, box by box --------------------------------------------------------------------------


def overlap(left: list[float], right: list[float]) -> float:
    width = min(left[2], right[2]) - max(left[0], right[0])
    height = min(left[3], right[3]) - max(left[1], right[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(one[2] - one[0]) * (one[3] - one[1]) for one in (left, right)]
    return width * height / (sum(areas) - width * height)


def pair_by_label(found: list[Box], gold: list[Box], threshold: float) -> list[float]:
    used: set[int] = set()
    overlaps = []
    for wanted in gold:
        free = [i for i, one in enumerate(found) if i not in used and one["label"] == wanted["label"]]
        if free:
            best = max(free, key=lambda i: overlap(found[i]["bbox_2d"], wanted["box"]))
            value = overlap(found[best]["bbox_2d"], wanted["box"])
            if value >= threshold:
                used.add(best)
                overlaps.append(value)
    return overlaps


def pair_by_shadowed_iou(found: list[Box], gold: list[Box], threshold: float) -> list[float]:
    rows, columns = list(range(len(found))), list(range(len(gold)))
    overlaps = []
    while rows and columns:
        best = max(overlap(found[row]["bbox_2d"], gold[column]["box"]) for row in rows for column in columns)
        if best < threshold:
            break
        same = found[rows.pop()]["label"] == gold[columns.pop()]["label"]
        overlaps.append(best if same else 0.0)
    return overlaps


def define(found: list[Box], gold: list[Box], pairing: Any) -> float:
    total = 0.0
    for threshold in THRESHOLDS:
        overlaps = pairing(found, gold, threshold)
        missed, false = (len(gold) - len(overlaps)) / len(gold), (len(found) - len(overlaps)) / len(found)
        total += 0.7 * sum(overlaps) / len(gold) + 0.3 * (1 - (missed + false) / 2)
    return float(total / len(THRESHOLDS) * 0.6 ** abs(len(found) - len(gold)))


def draw(rng: random.Random, count: int) -> list[Box]:
    drawn = []
    for _ in range(count):
        x, y = rng.randrange(0, 60), rng.randrange(0, 60)
        drawn.append(box([x, y, x + rng.randrange(5, 60), y + rng.randrange(5, 60)], rng.choice("ab")))
    return list({tuple(one["bbox_2d"]): one for one in drawn}.values())


@pytest.mark.parametrize("seed", range(60))
def test_both_pairings_give_their_definitions(seed: int) -> None:
    rng = random.Random(seed)
    gold = draw(rng, rng.randrange(1, 6))
    shifted = [
        box([n + rng.randrange(0, 4) for n in one["bbox_2d"]], rng.choice([one["label"], "a"]))
        for one in gold
    ]
    found = list({tuple(one["bbox_2d"]): one for one in shifted + draw(rng, rng.randrange(0, 4))}.values())
    rng.shuffle(found)
    reference = boxes(*((one["bbox_2d"], one["label"]) for one in gold))
    _, parts = judge("v-triune/detection", write(found), boxes=reference)
    assert parts["label_first"] == pytest.approx(define(found, reference, pair_by_label), abs=1e-12)
    assert parts["iou_first"] == pytest.approx(define(found, reference, pair_by_shadowed_iou), abs=1e-12)


# --- quirks and mends ---------------------------------------------------------------------------------------


def test_the_right_boxes_earn_one_and_the_format_weighs_a_tenth() -> None:
    found = [box([0, 0, 100, 100], "Cat"), box([200, 200, 300, 300], "dog")]
    assert judge("v-triune/detection", write(found), boxes=GOLD)[0] == pytest.approx(1.0)
    without = write(found).replace("\n<answer>", "<answer>")
    assert judge("v-triune/detection", without, boxes=GOLD)[0] == pytest.approx(1 / 1.1)


def test_perfect_boxes_in_reversed_order_fail_the_iou_first_order_and_not_strict() -> None:
    found = [box([200, 200, 300, 300], "dog"), box([0, 0, 100, 100], "cat")]
    assert part("v-triune/detection", write(found), "iou_first", boxes=GOLD) == pytest.approx(0.15)
    assert part("v-triune/detection", write(found), "label_first", boxes=GOLD) == pytest.approx(1.0)
    assert part("v-triune/detection-strict", write(found), "accuracy", boxes=GOLD) == pytest.approx(1.0)


def test_each_box_too_many_costs_two_fifths() -> None:
    found = [box([0, 0, 100, 100], "cat"), box([200, 200, 300, 300], "dog"), box([1, 1, 2, 2], "cat")]
    expected = (0.7 + 0.3 * (1 - (1 / 3) / 2)) * 0.6
    assert part("v-triune/detection", write(found), "accuracy", boxes=GOLD) == pytest.approx(expected)


def test_the_samples_own_ratios_are_obeyed() -> None:
    found = [box([0, 0, 100, 100], "cat"), box([200, 200, 300, 300], "dog")]
    extra = {"iou_max_label_first": 0.0, "map50": 1.0, "format_ratio": 0.0}
    reward, parts = judge("v-triune/detection", write(found[:1]), boxes=GOLD, extra=extra)
    assert reward == pytest.approx(parts["ap50"])
    assert parts["ap50"] == pytest.approx(0.5 * 0.6)
    nothing = {"iou_max_label_first": 0.0}
    assert part("v-triune/detection", write(found), "accuracy", boxes=GOLD, extra=nothing) == 0.0


def test_a_ratio_beyond_its_bounds_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge("v-triune/detection", write([]), boxes=GOLD, extra={"map": 1.5})
    assert fault.value.code is Code.INVALID_ITEM


@pytest.mark.parametrize(("step", "right"), [(5, True), (20, True), (50, False)])
def test_the_dynamic_threshold_rises_with_training(step: int, right: bool) -> None:
    found = [box([0, 0, 100, 97], "cat"), box([200, 200, 300, 300], "dog")]
    extra = {"step": step, "total_steps": 100}
    earned = part("v-triune/detection-dynamic", write(found), "accuracy", boxes=GOLD, extra=extra)
    expected = 0.7 * (1.97 / 2) + 0.3 if right else 0.7 * 0.5 + 0.3 * 0.5
    assert earned == pytest.approx(expected)


def test_the_dynamic_threshold_without_a_step_is_an_item_error() -> None:
    with pytest.raises(Fault) as fault:
        judge("v-triune/detection-dynamic", write([box([0, 0, 1, 1], "cat")]), boxes=GOLD)
    assert fault.value.code is Code.MISSING_FIELD


def test_equal_boxes_count_once_whatever_their_labels_and_twice_in_strict() -> None:
    found = [box([0, 0, 100, 100], "dog"), box([0, 0, 100, 100], "cat")]
    gold = boxes(([0, 0, 100, 100], "cat"))
    assert part("v-triune/detection", write(found), "accuracy", boxes=gold) < 0.2
    assert part("v-triune/detection-strict", write(found), "accuracy", boxes=gold) > 0.5


def test_where_there_is_nothing_only_strict_rewards_saying_so() -> None:
    text = "<think>\nEmpty.\n</think>\n<answer>\n[]\n</answer>"
    assert judge("v-triune/detection", text, boxes=[])[0] == 0.0
    assert judge("v-triune/detection-strict", text, boxes=[])[0] == pytest.approx(1.0)


def test_a_fence_is_unreadable_and_read_in_strict() -> None:
    found = [box([0, 0, 100, 100], "cat"), box([200, 200, 300, 300], "dog")]
    text = write(found).replace("[{", "```json\n[{").replace("}]", "}]\n```")
    assert judge("v-triune/detection", text, boxes=GOLD)[0] == 0.0
    assert judge("v-triune/detection-strict", text, boxes=GOLD)[0] == pytest.approx(1.0)


@pytest.mark.parametrize(("step", "expected"), [(5, 1.0), (20, 0.0), (90, 0.0)])
def test_the_threshold_of_the_strict_dynamic_recipe_rises_too(step: int, expected: float) -> None:
    gold = boxes(([0, 0, 100, 100], "cat"))
    extra = {"step": step, "total_steps": 100}
    text = write([box([0, 0, 100, 90], "cat")])
    found = part("v-triune/detection-dynamic-strict", text, "accuracy", boxes=gold, extra=extra)
    assert found == pytest.approx(0.7 * 0.9 + 0.3 if expected else 0.0)
