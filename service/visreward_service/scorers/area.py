"""The scorer for the size of a region: how much of the image a box covers."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from visreward_service.scorers.base import Score, Scorer, Subject, Work
from visreward_service.scorers.boxes import BoxParams, measure_areas, read_prediction
from visreward_service.scorers.boxes.frames import find_extent


class AreaParams(BoxParams):
    limit: Annotated[float, Field(gt=0.0, le=1.0)] = 0.6
    """Largest share of the image that is within."""


class Area(Scorer[AreaParams]):
    """The share of the image that the first box covers, after clipping it to the image.

    Outputs: `within`, 1 where the box covers something and no more than the limit (ERGO's box reward,
    arXiv:2509.21991); `share`, 1 where there is no box, for then the whole image is looked at; `readable`.
    Boxes and sizes are taken in the frame of the completion, so that no other size is needed.
    """

    Params = AreaParams
    summary = "share of the image that a box covers, against a limit"

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("within", "share", "readable")

    def finish(self, subject: Subject, results: Mapping[Work, Any]) -> Score:  # noqa: ARG002 - asks for none
        width, height = find_extent(self.params.frame, subject.item.reference.extra)
        params = self.params.model_copy(update={"reference_frame": self.params.frame})
        prediction = read_prediction(params, subject)
        if not len(prediction.found):
            return Score({"within": 0.0, "share": 1.0, "readable": 0.0}, {"status": prediction.status})
        clipped = np.clip(prediction.found.boxes[:1], 0.0, [width, height, width, height])
        turned = clipped[0, 2] <= clipped[0, 0] or clipped[0, 3] <= clipped[0, 1]
        share = 0.0 if turned else float(measure_areas(clipped)[0]) / (width * height)
        within = 0.0 < share <= self.params.limit
        details = {"status": "empty" if turned else prediction.status, "box": clipped[0].tolist()}
        return Score({"within": float(within), "share": share, "readable": 1.0}, details)
