"""What every term over boxes shares: its parameters, the predicted boxes of an item and its reference boxes.

It knows how boxes are written and in which frames; what is made of them is the scorers' business.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Params, Subject
from visreward_service.scorers.boxes.frames import Frame, Rounding, convert
from visreward_service.scorers.boxes.matching import Same
from visreward_service.scorers.boxes.overlap import Boxes
from visreward_service.scorers.boxes.parse import MAX_COORDINATE, Reading, Style, read_boxes


class BoxParams(Params):
    """How a term reads boxes."""

    text: str = "completion"
    """The piece that holds the boxes."""
    style: Style = "tolerant"
    """How they are written; `tolerant` takes all the styles."""
    frame: Frame = "pixels"
    """What the completion's coordinates are measured in."""
    reference_frame: Frame = "pixels"
    """What the reference's coordinates are measured in; overlaps are measured in this frame."""
    rounding: Rounding = "none"
    """`truncate` drops fractions of the completion's coordinates, after the move to the reference's frame."""
    max_boxes: Annotated[int, Field(ge=1, le=2000)] = 1000
    """A completion with more is the policy's failure (`too_many`), a reference with more an item error."""


@dataclass(frozen=True, slots=True)
class BoxSet:
    """Boxes (N, 4) in the reference's frame, with a label and a confidence each."""

    boxes: Boxes
    labels: tuple[str | None, ...]
    confidences: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a completion gives: boxes and how they were read."""

    found: BoxSet
    status: str
    """That of the `Reading`, or `missing` where the piece is."""
    num_invalid: int

    @property
    def says_none(self) -> bool:
        """Whether the completion states that there are no boxes."""
        return self.status == "none"


def read_prediction(params: BoxParams, subject: Subject) -> Prediction:
    """Return the boxes of the completion. Raise `Fault` where the item lacks a size that a frame needs."""
    text = subject.text(params.text)
    if text is None:
        return Prediction(_stack(Reading("none")), "missing", 0)
    reading = read_boxes(text, params.style, params.max_boxes)
    found = _stack(reading)
    extra = subject.item.reference.extra
    moved = convert(found.boxes, params.frame, params.reference_frame, extra, params.rounding)
    return Prediction(BoxSet(moved, found.labels, found.confidences), reading.status, reading.num_invalid)


def _stack(reading: Reading) -> BoxSet:
    boxes = np.array([found.box for found in reading.boxes], dtype=np.float64).reshape(-1, 4)
    labels = tuple(found.label for found in reading.boxes)
    confidences = tuple(1.0 if found.confidence is None else found.confidence for found in reading.boxes)
    return BoxSet(boxes, labels, confidences)


def read_reference(params: BoxParams, subject: Subject) -> BoxSet:
    """Return `reference.boxes`. Raise `Fault` where there are too many or one is turned over."""
    given = subject.item.reference.boxes
    if given is None:
        raise Fault(Code.MISSING_FIELD, "the term needs reference.boxes", field="reference.boxes")
    if len(given) > params.max_boxes:
        raise Fault(Code.INVALID_ITEM, f"more than {params.max_boxes} boxes", field="reference.boxes")
    boxes = np.array([one.box for one in given], dtype=np.float64).reshape(-1, 4)
    wrong = (boxes[:, 2] < boxes[:, 0]) | (boxes[:, 3] < boxes[:, 1])
    wrong |= (np.abs(boxes) > MAX_COORDINATE).any(axis=1)
    if wrong.any():
        field = f"reference.boxes[{int(wrong.argmax())}].box"
        raise Fault(Code.INVALID_ITEM, "not [x1, y1, x2, y2] with x1 <= x2 and y1 <= y2", field=field)
    return BoxSet(boxes, tuple(one.label for one in given), (1.0,) * len(given))


def compare_labels(found: BoxSet, wanted: BoxSet) -> Same:
    """Return (P, R): whether labels agree in lower case. No label agrees with no label only."""
    left = [label if label is None else label.lower() for label in found.labels]
    right = [label if label is None else label.lower() for label in wanted.labels]
    codes = {label: code for code, label in enumerate(dict.fromkeys([*left, *right]))}
    left_codes = np.array([codes[label] for label in left], dtype=int)
    right_codes = np.array([codes[label] for label in right], dtype=int)
    same: Same = left_codes[:, None] == right_codes
    return same
