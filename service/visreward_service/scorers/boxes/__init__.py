"""Boxes: reading them from text, moving them between frames, overlap, matching and average precision."""

from visreward_service.scorers.boxes.frames import Frame, convert
from visreward_service.scorers.boxes.matching import Matches, Order, Threshold, match
from visreward_service.scorers.boxes.overlap import (
    MEASURES,
    Measure,
    measure_areas,
    measure_giou,
    measure_iou,
    measure_iou_off_by_one,
)
from visreward_service.scorers.boxes.parse import FoundBox, Reading, Style, read_boxes
from visreward_service.scorers.boxes.precision import AveragePrecision, Picture, measure_average_precision
from visreward_service.scorers.boxes.source import (
    BoxParams,
    BoxSet,
    Prediction,
    compare_labels,
    read_prediction,
    read_reference,
)

__all__ = [
    "MEASURES",
    "AveragePrecision",
    "BoxParams",
    "BoxSet",
    "FoundBox",
    "Frame",
    "Matches",
    "Measure",
    "Order",
    "Picture",
    "Prediction",
    "Reading",
    "Style",
    "Threshold",
    "compare_labels",
    "convert",
    "match",
    "measure_areas",
    "measure_average_precision",
    "measure_giou",
    "measure_iou",
    "measure_iou_off_by_one",
    "read_boxes",
    "read_prediction",
    "read_reference",
]
