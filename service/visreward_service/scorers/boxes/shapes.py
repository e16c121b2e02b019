"""Points, lines and circles of a described figure: reading them, and how well two lines agree (CogFlow).

The formulas are those of `reward/vgpo_reward.py` in JacobYuan7/cogflow_code@d0c2980. Which list is the
prediction and which the reference is not known here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Pair = tuple[float, float]

NUMBER = r"\s*([-+]?\d{0,12}\.?\d{1,12})\s*"
POINT = re.compile(rf"\({NUMBER},{NUMBER}\)")
NAMED_POINT = re.compile(rf"([A-Za-z0-9_]{{1,64}})\s{{0,8}}:\s{{0,8}}\({NUMBER},{NUMBER}\)")
CIRCLE = re.compile(rf"\({NUMBER},{NUMBER},{NUMBER}\)")

MAX_ANGLE = np.radians(6.0)
MIN_OVERLAP = 0.20
UNPAIRED = 1e6
"""Cost of two lines that do not agree."""
MAX_COST = 1e5
"""Pairs that cost as much are no pairs."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What a description draws."""

    points: tuple[Pair, ...] = ()
    lines: tuple[tuple[Pair, ...], ...] = ()
    """Each a run of two or more points."""
    circles: tuple[tuple[float, float, float], ...] = ()
    """Centre and radius."""

    @property
    def size(self) -> int:
        """The number of points, lines and circles."""
        return len(self.points) + len(self.lines) + len(self.circles)


def read_figure(text: str) -> Figure:
    """Read the sections `Point:`, `Line:` and `Circle:`, one shape a line."""
    before, _, lines = text.partition("Line:")
    lines, _, circles = lines.partition("Circle:") if lines else ("", "", before.partition("Circle:")[2])
    points = before.partition("Circle:")[0].partition("Point:")[2]
    runs = (_read_run(line) for line in lines.split("\n"))
    return Figure(
        points=tuple((float(match[2]), float(match[3])) for match in NAMED_POINT.finditer(points)),
        lines=tuple(run for run in runs if len(run) >= 2),
        circles=tuple(
            (float(match[1]), float(match[2]), float(match[3]))
            for line in circles.split("\n")
            if (match := CIRCLE.search(line))
        ),
    )


def _read_run(line: str) -> tuple[Pair, ...]:
    return tuple((float(match[1]), float(match[2])) for match in POINT.finditer(line))


@dataclass(frozen=True, slots=True)
class Lines:
    """N lines as A*x + B*y + C = 0 with A*A + B*B = 1, their ends, and the way from the first end."""

    normals: Array
    """(N, 2): A and B."""
    offsets: Array
    """(N,): C."""
    first: Array
    last: Array
    """(N, 2)."""
    ways: Array
    """(N, 2), of length 1."""


def fit_lines(runs: Sequence[Sequence[Pair]]) -> Lines:
    """Fit a line to each run of points by least squares in y; upright where x does not vary."""
    fitted = [_fit(np.array(run, dtype=np.float64)) for run in runs]
    return Lines(
        normals=np.array([one[0] for one in fitted]).reshape(-1, 2),
        offsets=np.array([one[1] for one in fitted]),
        first=np.array([run[0] for run in runs], dtype=np.float64).reshape(-1, 2),
        last=np.array([run[-1] for run in runs], dtype=np.float64).reshape(-1, 2),
        ways=np.array([one[2] for one in fitted]).reshape(-1, 2),
    )


def _fit(run: Array) -> tuple[Array, float, Array]:
    x, y = run[:, 0], run[:, 1]
    if x.var() <= 1e-12:
        a, b, c = 1.0, 0.0, -float(x.mean())
    else:
        around = x - x.mean()
        slope = float((around * (y - y.mean())).sum() / (around * around).sum())
        a, b, c = -slope, 1.0, slope * float(x.mean()) - float(y.mean())
    norm = float(np.hypot(a, b))
    sign = -1.0 if a < 0 else 1.0
    normal = np.array([a, b]) * (sign / norm)
    return normal, c * sign / norm, _find_way(run, normal)


def _find_way(run: Array, normal: Array) -> Array:
    way = run[-1] - run[0]
    if np.allclose(way, 0.0):
        others = [point - run[0] for point in run[1:] if not np.allclose(point, run[0])]
        way = others[0] if others else np.array([-normal[1], normal[0]])
    unit: Array = way / (np.linalg.norm(way) + 1e-12)
    return unit


def measure_costs(predicted: Lines, reference: Lines) -> Array:
    """Return (P, R): angle + offset + 2*(1 - overlap) + Hausdorff distance, `UNPAIRED` beyond the gates.

    A pair must lie within 6 degrees and share a fifth of its common stretch, along the reference's way.
    """
    cosines = np.abs(predicted.normals @ reference.normals.T)
    angles = np.arccos(np.clip(cosines, 0.0, 1.0))
    offsets = np.abs(predicted.offsets[:, None] - reference.offsets)
    overlaps = _measure_overlaps(predicted, reference)
    costs = angles + offsets + 2.0 * (1.0 - overlaps) + _measure_hausdorff(predicted, reference)
    admitted = (angles <= MAX_ANGLE) & (overlaps >= MIN_OVERLAP)
    return np.where(admitted, costs, UNPAIRED)


def _measure_overlaps(predicted: Lines, reference: Lines) -> Array:
    ends = np.stack([predicted.first @ reference.ways.T, predicted.last @ reference.ways.T])  # (2, P, R)
    own = np.stack([(reference.first * reference.ways).sum(1), (reference.last * reference.ways).sum(1)])
    low, high, own_low, own_high = ends.min(0), ends.max(0), own.min(0), own.max(0)
    shared = np.maximum(np.minimum(high, own_high) - np.maximum(low, own_low), 0.0)
    union = (high - low) + (own_high - own_low) - shared
    overlaps: Array = np.where(union > 0, shared / np.where(union > 0, union, 1.0), 0.0)
    return overlaps


def _measure_hausdorff(predicted: Lines, reference: Lines) -> Array:
    there = np.maximum(
        _measure_to_segments(predicted.first, reference), _measure_to_segments(predicted.last, reference)
    )
    back = np.maximum(
        _measure_to_segments(reference.first, predicted), _measure_to_segments(reference.last, predicted)
    )
    return np.maximum(there, back.T)


def _measure_to_segments(points: Array, segments: Lines) -> Array:
    """Return the distance (points, segments) from each point to each segment."""
    along = segments.last - segments.first
    length = (along * along).sum(1)
    away = points[:, None] - segments.first
    share = np.where(length > 1e-12, (away * along).sum(2) / np.where(length > 1e-12, length, 1.0), 0.0)
    foot = segments.first + np.clip(share, 0.0, 1.0)[..., None] * along
    distances: Array = np.linalg.norm(points[:, None] - foot, axis=2)
    return distances
