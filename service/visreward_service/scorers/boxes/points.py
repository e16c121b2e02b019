"""Reads points out of text, in the ways that policies write them, in time linear in the text's length.

What the points point at is not known here.
"""

import re
from dataclasses import dataclass

import numpy as np

from visreward_service.scorers.boxes.overlap import Boxes
from visreward_service.scorers.boxes.parse import MAX_COORDINATE

NUMBER = r"([-+]?(?:\d{1,12}(?:\.\d{0,12})?|\.\d{1,12}))"
TAG = re.compile(rf"<point\b[^<>]{{0,200}}?\bx\d?=\"{NUMBER}\"\s{{1,3}}y\d?=\"{NUMBER}\"")
NAMED = re.compile(
    rf"[\"']point(?:_2d)?[\"']\s{{0,3}}:\s{{0,3}}\[\s{{0,3}}{NUMBER}\s{{0,3}},\s{{0,3}}{NUMBER}\s{{0,3}}\]"
)
BARE = re.compile(rf"[\[(]\s{{0,3}}{NUMBER}\s{{0,3}},\s{{0,3}}{NUMBER}\s{{0,3}}[\])]")


@dataclass(frozen=True, slots=True)
class Points:
    """Points (N, 2) in the order of the text."""

    coordinates: Boxes
    too_many: bool = False
    """Whether there were more than allowed; then there are none."""


def read_points(text: str, max_points: int) -> Points:
    """Read `<point x="1" y="2">` tags, else `point_2d` entries, else `(x, y)` and `[x, y]`."""
    for pattern in (TAG, NAMED, BARE):
        pairs = []
        for match in pattern.finditer(text):
            pairs.append([float(match[1]), float(match[2])])
            if len(pairs) > max_points:
                return Points(np.zeros((0, 2)), too_many=True)
        if pairs:
            return Points(np.clip(np.array(pairs), -MAX_COORDINATE, MAX_COORDINATE))
    return Points(np.zeros((0, 2)))
