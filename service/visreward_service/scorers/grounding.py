"""The scorer for one box: the predicted box against the one reference box."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from visreward.protocol import Code
from visreward_service.scorers.base import Fault, Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import (
    MEASURES,
    BoxParams,
    measure_giou,
    read_prediction,
    read_reference,
)
from visreward_service.scorers.boxes.overlap import Boxes


class GroundingParams(BoxParams):
    overlap: Literal["iou", "iou_off_by_one"] = "iou"
    threshold: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5
    inclusive: bool = True
    """Whether an IoU equal to the threshold is a hit."""
    several: Literal["first", "reject", "corners"] = "first"
    """With several boxes: the first counts; none does; or the first two give one box, by their first corners.

    `corners` is what Visual-RFT's `grpo_lisa.py` does.
    """
    turned_over: Literal["keep", "reject"] = "reject"
    """What becomes of a box whose second corner lies before its first."""


class Grounding(Scorer[GroundingParams]):
    """IoU of the predicted box with the reference's one box.

    Outputs: `iou`; `hit`, 1 where it reaches the threshold; `giou`, in [-1, 1]; `readable`, 1 where a box was
    found. Without a box, `giou` is -1 and the others are 0.
    """

    Params = GroundingParams
    summary = "one box: IoU, generalised IoU, hit at a threshold"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("iou", "hit", "giou", "readable")

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.boxes"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = read_reference(self.params, subject)
        if len(wanted) != 1:
            message = f"the term compares one box, the reference has {len(wanted)}"
            raise Fault(Code.INVALID_ITEM, message, field="reference.boxes")
        prediction = read_prediction(self.params, subject)
        box, status = self._pick(prediction.found.boxes, prediction.status)
        if box is None:
            return Score({"iou": 0.0, "hit": 0.0, "giou": -1.0, "readable": 0.0}, {"status": status})
        iou = float(MEASURES[self.params.overlap](box, wanted.boxes)[0, 0])
        hit = iou >= self.params.threshold if self.params.inclusive else iou > self.params.threshold
        giou = float(measure_giou(box, wanted.boxes)[0, 0])
        details = {"status": status, "box": box[0].tolist()}
        return Score({"iou": iou, "hit": float(hit), "giou": giou, "readable": 1.0}, details)

    def _pick(self, boxes: Boxes, status: str) -> tuple[Boxes | None, str]:
        if not len(boxes):
            return None, status
        if len(boxes) > 1 and self.params.several == "reject":
            return None, "several"
        box = boxes[:1]
        if len(boxes) > 1 and self.params.several == "corners":
            box = np.concatenate([boxes[0, :2], boxes[1, :2]])[None]
        if self.params.turned_over == "reject" and (box[0, 2] < box[0, 0] or box[0, 3] < box[0, 1]):
            return None, "turned_over"
        return box, status
