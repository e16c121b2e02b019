"""Average precision equals that of pycocotools to 1e-9."""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from visreward_service.scorers.boxes import Picture, measure_average_precision
from visreward_service.scorers.boxes.overlap import Boxes

Rng = np.random.Generator


def to_coco(box: Sequence[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def evaluate(pictures: Sequence[Picture]) -> list[float]:
    """AP, AP50 and AP75 by pycocotools."""
    wanted: list[dict[str, Any]] = []
    found: list[dict[str, Any]] = []
    for image, picture in enumerate(pictures):
        for box, label in zip(picture.reference, picture.reference_labels):
            coco = to_coco(box)
            entry = {"id": len(wanted) + 1, "image_id": image, "category_id": int(label), "bbox": coco}
            wanted.append({**entry, "area": coco[2] * coco[3], "iscrowd": 0})
        for box, label, score in zip(picture.predicted, picture.predicted_labels, picture.confidences):
            found.append({"image_id": image, "category_id": int(label), "bbox": to_coco(box), "score": score})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": image} for image in range(len(pictures))],
            "annotations": wanted,
            "categories": [{"id": number} for number in range(4)],
        }
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(number) for number in evaluation.stats[:3]]


def draw_boxes(rng: Rng, count: int, near: Boxes | None = None) -> Boxes:
    corners = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 60, (count, 2))], axis=1)
    if near is not None and len(near):
        chosen = near[rng.integers(0, len(near), count)] + rng.normal(0, 3, (count, 4))
        boxes = np.where(rng.random((count, 1)) < 0.7, chosen, boxes)
    return boxes


def draw_picture(rng: Rng, *, num_labels: int, whole: bool, most: int = 14) -> Picture:
    wanted = draw_boxes(rng, int(rng.integers(1, 8)))
    wanted = wanted.round() if whole else wanted
    found = draw_boxes(rng, int(rng.integers(1, most)), wanted)
    found = found.round() if whole else found
    return Picture(
        found,
        [str(label) for label in rng.integers(0, num_labels, len(found))],
        [float(score) for score in rng.random(len(found)).round(1)],
        wanted,
        [str(label) for label in rng.integers(0, num_labels, len(wanted))],
    )


@pytest.mark.parametrize("seed", range(60))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pictures = [draw_picture(rng, num_labels=1 + seed % 4, whole=seed % 3 == 0) for _ in range(1 + seed % 3)]
    own = measure_average_precision(pictures)
    assert [own.mean, own.at_50, own.at_75] == pytest.approx(evaluate(pictures), abs=1e-9)


def test_only_the_hundred_most_confident_detections_count_as_in_pycocotools() -> None:
    rng = np.random.default_rng(7)
    wanted = draw_boxes(rng, 5)
    found = np.concatenate([draw_boxes(rng, 150, wanted), wanted])
    scores = [*rng.uniform(0.5, 1.0, 150), *([0.1] * 5)]
    picture = Picture(found, ["0"] * 155, scores, wanted, ["0"] * 5)
    own = measure_average_precision([picture])
    assert [own.mean, own.at_50, own.at_75] == pytest.approx(evaluate([picture]), abs=1e-9)
    assert own.at_50 < 1.0


def test_turned_boxes_and_areas_beyond_the_range_are_left_out_as_in_pycocotools() -> None:
    rng = np.random.default_rng(3)
    wanted = np.concatenate([draw_boxes(rng, 3), [[0.0, 0.0, 2e5, 2e5]]])
    found = np.concatenate([wanted, [[50.0, 10.0, 20.0, 40.0], [0.0, 0.0, 2e5, 1.9e5]]])
    picture = Picture(found, ["1"] * 6, [0.5, 0.4, 0.3, 0.9, 0.8, 0.7], wanted, ["1"] * 4)
    own = measure_average_precision([picture])
    assert [own.mean, own.at_50, own.at_75] == pytest.approx(evaluate([picture]), abs=1e-9)


def test_without_a_reference_there_is_no_precision() -> None:
    picture = Picture(draw_boxes(np.random.default_rng(0), 2), ["0", "0"], [1.0, 1.0], np.zeros((0, 4)), [])
    assert measure_average_precision([picture]).mean == -1.0
