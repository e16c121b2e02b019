"""Measures a model on scenes: the figures of the model card. It knows no training.

Every figure is a fraction, except the AUC. All similarities are cosines.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from visreward_service.models.bundled.batches import encode
from visreward_service.models.bundled.folder import ModelFolder
from visreward_service.models.bundled.pool import fitted
from visreward_service.models.networks import Branch, roi_weights
from visreward_service.scenes.negatives import NEGATIVE_KINDS
from visreward_service.scenes.samples import Sample
from visreward_service.scenes.shapes import Box
from visreward_service.scenes.spec import CANVAS_PIXELS

CHUNK = 100
WINDOWS = (2, 3, 4, 5)
"""Sides of the square boxes that are tried for a phrase, in patches."""


@dataclass(kw_only=True)
class Tally:
    """Outcomes, scene by scene."""

    caption: list[bool] = field(default_factory=list)
    by_kind: dict[str, list[bool]] = field(default_factory=lambda: {kind: [] for kind in NEGATIVE_KINDS})
    pointing: list[bool] = field(default_factory=list)
    description: list[bool] = field(default_factory=list)
    box: list[bool] = field(default_factory=list)
    true_phrases: list[float] = field(default_factory=list)
    false_phrases: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What the model card states."""

    scenes: int
    caption_accuracy: float
    "The true caption scores above all four hard negatives."
    caption_accuracy_by_kind: dict[str, float]
    "It scores above the negative of a kind."
    pointing_accuracy: float
    "The centre of the most similar patch lies in a box that the phrase names."
    description_accuracy: float
    "The true description scores above the one with a false detail."
    phrase_auc: float
    "True phrases against false ones, over all scenes, by the similarity of the best patch."
    box_accuracy: float
    "The centre of the best square box lies in a box that the phrase names."

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def measure(folder: ModelFolder, samples: Sequence[Sample]) -> Figures:
    """The figures over the samples."""
    tally = Tally()
    for start in range(0, len(samples), CHUNK):
        with torch.inference_mode():
            count_chunk(tally, folder, samples[start : start + CHUNK])
    return Figures(
        scenes=len(samples),
        caption_accuracy=mean(tally.caption),
        caption_accuracy_by_kind={kind: mean(outcomes) for kind, outcomes in tally.by_kind.items()},
        pointing_accuracy=mean(tally.pointing),
        description_accuracy=mean(tally.description),
        phrase_auc=area_under_curve(np.array(tally.true_phrases), np.array(tally.false_phrases)),
        box_accuracy=mean(tally.box),
    )


def mean(outcomes: Sequence[bool]) -> float:
    return round(float(np.mean(outcomes)), 4)


def area_under_curve(true: NDArray[np.float64], false: NDArray[np.float64]) -> float:
    """The probability that a true one is above a false one; ties count half (Mann-Whitney)."""
    false = np.sort(false)
    below, up_to = np.searchsorted(false, true, "left"), np.searchsorted(false, true, "right")
    return round(float((below + up_to).mean() / 2 / len(false)), 4)


def text_features(folder: ModelFolder, texts: Sequence[str], branch: Branch) -> Tensor:
    ids = torch.from_numpy(encode(folder.tokenizer, texts, folder.end))
    return F.normalize(folder.model.text_features(ids, branch), dim=-1)


def count_chunk(tally: Tally, folder: ModelFolder, samples: Sequence[Sample]) -> None:
    images = np.stack([fitted(sample.render(), folder.model.config.image_size) for sample in samples])
    pooled, dense = folder.model.image_and_dense_features(folder.pixels(images))
    pooled = F.normalize(pooled, dim=-1)
    for sample, image, patches in zip(samples, pooled, dense):
        count_texts(tally, folder, sample, image)
        count_phrases(tally, folder, sample, patches)


def count_texts(tally: Tally, folder: ModelFolder, sample: Sample, image: Tensor) -> None:
    """Caption and description, against the whole picture's feature (D,)."""
    captions = [sample.caption.text, *(sample.negatives[kind].text for kind in NEGATIVE_KINDS)]
    true, *false = (text_features(folder, captions, "short") @ image).tolist()
    tally.caption.append(true > max(false))
    for kind, score in zip(NEGATIVE_KINDS, false):
        tally.by_kind[kind].append(true > score)
    descriptions = [sample.description.text, sample.false_description.text]
    true, false = (text_features(folder, descriptions, "long") @ image).tolist()
    tally.description.append(true > false)


def count_phrases(tally: Tally, folder: ModelFolder, sample: Sample, dense: Tensor) -> None:
    """Phrases, against the patches' features (N, D)."""
    grid = folder.model.config.grid
    texts = [phrase.text for phrase in (*sample.phrases, *sample.false_phrases)]
    phrases = text_features(folder, texts, "short")
    similarity = phrases @ F.normalize(dense, dim=-1).T
    best = similarity.amax(1).tolist()
    tally.true_phrases += best[: len(sample.phrases)]
    tally.false_phrases += best[len(sample.phrases) :]
    windows = window_boxes(grid)
    regions = F.normalize(roi_weights(windows, grid, grid) @ dense, dim=-1)
    for phrase, row, window in zip(sample.phrases, similarity, (phrases @ regions.T).argmax(1).tolist()):
        y, x = divmod(int(row.argmax()), grid)
        x1, y1, x2, y2 = windows[window].tolist()
        tally.pointing.append(lies_in(x + 0.5, y + 0.5, phrase.boxes, grid))
        tally.box.append(lies_in((x1 + x2) / 2, (y1 + y2) / 2, phrase.boxes, grid))


def window_boxes(grid: int) -> Tensor:
    """Square boxes `(x1, y1, x2, y2)` of `WINDOWS` at every place of a grid: (M, 4)."""
    return torch.tensor(
        [
            (x, y, x + side, y + side)
            for side in WINDOWS
            for y in range(grid - side + 1)
            for x in range(grid - side + 1)
        ],
        dtype=torch.float32,
    )


def lies_in(x: float, y: float, boxes: Sequence[Box], grid: int) -> bool:
    """Whether a point in grid units lies in one of the boxes in pixels."""
    x, y = x * CANVAS_PIXELS / grid, y * CANVAS_PIXELS / grid
    return any(x1 <= x <= x2 and y1 <= y <= y2 for x1, y1, x2, y2 in boxes)
