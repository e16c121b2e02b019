"""The scorer for points: whether each lies in a reference box of its own."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from visreward_service.scorers.base import Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import BoxParams, Threshold, convert, read_reference
from visreward_service.scorers.boxes.matching import match_optimally
from visreward_service.scorers.boxes.points import Points, read_points

OUTPUTS = ("f1", "precision", "recall", "first_hit", "distance", "num_points")


class PointingParams(BoxParams):
    """`style` is not read: points have a reader of their own."""


class Pointing(Scorer[PointingParams]):
    """Points matched with the reference boxes that hold them, one to one and as many as possible.

    `precision`, `recall` and `f1` count the pairs; `first_hit` is 1 where the first point lies in any box
    (the pointing game); `distance` is the mean distance from each point to the nearest box's centre, over the
    diagonal of that box, and is left out where there are no points or no boxes. A point on an edge lies in
    the box. Where the reference has no boxes, giving no points earns 1.
    """

    Params = PointingParams
    summary = "points in reference boxes: F1, pointing game, distance"

    @property
    def outputs(self) -> tuple[str, ...]:
        return OUTPUTS

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.boxes"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = read_reference(self.params, subject).boxes
        found = self._read(subject)
        num_found, num_wanted = len(found.coordinates), len(wanted)
        values = dict.fromkeys(OUTPUTS[:4], float(not num_found and not num_wanted and not found.too_many))
        values["num_points"] = float(num_found)
        status = "too_many" if found.too_many else "ok" if num_found else "no_points"
        if not num_found or not num_wanted:
            return Score(values, {"status": status})
        inside = _lie_inside(found.coordinates, wanted)
        num_pairs = len(match_optimally(inside.astype(float), Threshold(1.0)))
        values |= {
            "f1": 2 * num_pairs / (num_found + num_wanted),
            "precision": num_pairs / num_found,
            "recall": num_pairs / num_wanted,
            "first_hit": float(inside[0].any()),
            "distance": _measure_distance(found.coordinates, wanted),
        }
        return Score(values, {"status": status, "first": found.coordinates[0].tolist()})

    def _read(self, subject: Subject) -> Points:
        text = subject.text(self.params.text)
        found = read_points("" if text is None else text, self.params.max_boxes)
        twice = np.tile(found.coordinates, 2)
        params, extra = self.params, subject.item.reference.extra
        moved = convert(twice, params.frame, params.reference_frame, extra, params.rounding)
        return Points(moved[:, :2], found.too_many)


def _lie_inside(points: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return (P, R): whether the point lies in the box, edges included."""
    x, y = points[:, None, 0], points[:, None, 1]
    across = (x >= boxes[:, 0]) & (x <= boxes[:, 2])
    return across & (y >= boxes[:, 1]) & (y <= boxes[:, 3])


def _measure_distance(points: npt.NDArray[np.float64], boxes: npt.NDArray[np.float64]) -> float:
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distances = np.linalg.norm(points[:, None] - centres, axis=2)
    nearest = distances.argmin(axis=1)
    diagonals = np.maximum(np.linalg.norm(boxes[:, 2:] - boxes[:, :2], axis=1), np.finfo(float).eps)
    return float((distances[np.arange(len(points)), nearest] / diagonals[nearest]).mean())
