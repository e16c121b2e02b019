"""The scorer for COCO average precision of one item's boxes."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from visreward_service.scorers.base import Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import (
    BoxParams,
    Picture,
    Prediction,
    measure_average_precision,
    read_prediction,
    read_reference,
)

OUTPUTS = ("map", "map50", "map75", "count_ratio", "size_penalty", "readable")


class AveragePrecisionParams(BoxParams):
    confidences: Literal["given", "one"] = "given"
    """`one` ranks predictions in the order in which they are written."""
    ignore_case: bool = True
    """Whether labels agree whatever their letter case."""
    without_reference: Literal["stated", "unfound", "zero"] = "stated"
    """What earns 1 where the reference has no boxes: saying so; giving none, for any reason; nothing."""
    size_penalty: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Base of the output `size_penalty`."""


class ItemAveragePrecision(Scorer[AveragePrecisionParams]):
    """AP over IoU 0.50 .. 0.95, at 0.50 and at 0.75, as `pycocotools` computes them for one image.

    Boxes without a label form one class of their own. With P predictions and R references, `count_ratio` is
    min(1, R/P) and `size_penalty` is base^|P-R|.
    """

    Params = AveragePrecisionParams
    summary = "COCO average precision of the item's boxes: mAP, AP50, AP75"

    @property
    def outputs(self) -> tuple[str, ...]:
        return OUTPUTS

    @property
    def needs(self) -> frozenset[str]:
        return frozenset({"reference.boxes"})

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        wanted = read_reference(self.params, subject)
        prediction = read_prediction(self.params, subject)
        found = prediction.found
        details = {"status": prediction.status, "invalid": prediction.num_invalid, "num_boxes": len(found)}
        if not len(wanted) or not len(found):
            share = self._judge_empty(prediction) if not len(wanted) else 0.0
            values = dict.fromkeys(OUTPUTS, share)
            values["readable"] = float(len(found) > 0)
            return Score(values, details)
        picture = Picture(
            found.boxes,
            self._fold(found.labels),
            found.confidences if self.params.confidences == "given" else (1.0,) * len(found),
            wanted.boxes,
            self._fold(wanted.labels),
        )
        measured = measure_average_precision([picture])
        values = {
            "map": max(measured.mean, 0.0),
            "map50": max(measured.at_50, 0.0),
            "map75": max(measured.at_75, 0.0),
            "count_ratio": min(1.0, len(wanted) / len(found)),
            "size_penalty": self.params.size_penalty ** abs(len(found) - len(wanted)),
            "readable": 1.0,
        }
        return Score(values, details)

    def _fold(self, labels: Sequence[str | None]) -> list[str]:
        texts = ["" if label is None else label for label in labels]
        return [text.lower() for text in texts] if self.params.ignore_case else texts

    def _judge_empty(self, prediction: Prediction) -> float:
        if self.params.without_reference == "zero":
            return 0.0
        if self.params.without_reference == "stated":
            return float(prediction.says_none)
        return float(not len(prediction.found) and not prediction.num_invalid)
