"""Writes a checkpoint as a Triton model repository: a model for each view and text branch, in one format.

Each is read back and held against the original before it counts as written.
"""

import shutil
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from visreward_service.models.base import Pixels
from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.exported import ImageHalf, TextHalf, trial_images, trial_texts
from visreward_service.models.formats import OUTPUT, Batch, Format, Run, quiet
from visreward_service.models.load import load_local
from visreward_service.models.rows import unpack
from visreward_service.models.settings import ModelSettings

TOLERANCE = 1e-4
"""How far a row of an exported encoder may lie from the original's, in any component."""
MAX_DELAY_MICROSECONDS = 2000
"""How long Triton gathers requests for a batch, as long as the service's own batches wait by default."""

CONFIG = """\
name: "{name}"
platform: "{platform}"
max_batch_size: {most}
input [{inputs}]
output [{output}]
dynamic_batching {{ max_queue_delay_microseconds: {delay} }}
instance_group [{{ count: 1, kind: {kind} }}]
"""
TENSOR = '{{ name: "{name}", data_type: {type}, dims: [{dims}] }}'
TYPES = {torch.uint8: "TYPE_UINT8", torch.int64: "TYPE_INT64", torch.float32: "TYPE_FP32"}


@dataclass(frozen=True, slots=True)
class Written:
    """One model of the repository."""

    name: str
    folder: Path
    apart: float
    """The largest difference from the original that was found, in any component of a row."""


@dataclass(frozen=True, slots=True)
class _Half:
    name: str
    network: nn.Module
    batches: Sequence[Batch]
    """Input of several sizes; it is traced with the first."""
    lengths: Collection[str]
    """Inputs and outputs whose second axis may have any length."""
    most: int
    """Rows of a batch."""


def export_model(
    name: str, settings: ModelSettings, out: Path, *, file_format: Format, overwrite: bool
) -> Iterator[Written]:
    """Write the repository, and yield each model as it is done.

    Raises `ModelError` where the checkpoint cannot be loaded or exported, or a model is there already.
    """
    here = settings.model_copy(update={"backend": "local", "triton": None})
    encoder = load_local(name, file_format.settings(here))
    assert isinstance(encoder, Encoder)  # noqa: S101 - every kind is one
    unpack(encoder.module)
    halves = list(_halves(name, encoder))
    there = [half.name for half in halves if (out / half.name).exists()]
    if there and not overwrite:
        raise ModelError(f"{out} has {', '.join(there)} already: name another folder, or --overwrite")
    for half in halves:
        yield _write(half, file_format, out / half.name)


def _halves(name: str, encoder: Encoder) -> Iterator[_Half]:
    device, info = encoder.device, encoder.info
    images = _image_batches(encoder)
    for view in info.views:
        lengths = ["PATCHES", *([OUTPUT] if view == "dense" else [])] if info.patch_size else []
        half = ImageHalf(encoder, view)
        yield _Half(f"{name}_{view}", half, images, lengths, encoder.parts.max_images)
    for branch in info.branches:
        rows = [encoder.padded(tokens, branch) for tokens in trial_texts(encoder, branch)]
        texts = [{"IDS": torch.tensor([row] * count, device=device)} for count, row in enumerate(rows, 1)]
        lengths = [] if encoder.parts.pads_to_limit else ["IDS"]
        yield _Half(f"{name}_{branch}", TextHalf(encoder, branch), texts, lengths, encoder.parts.max_texts)


def _image_batches(encoder: Encoder) -> list[Batch]:
    """Return batches of several sizes, and of several numbers of patches where that follows the image."""
    groups: dict[Hashable, list[Pixels]] = {}
    for image in trial_images(encoder):
        groups.setdefault(encoder.image_bucket(image), []).append(image)
    # More than one row to be traced with: a network may take a one for a number.
    chosen = [
        group[:count]
        for group in groups.values()
        for count in dict.fromkeys((min(2, len(group)), len(group), 1))
    ]
    return [
        {
            name: tensor.to(encoder.device)
            for name, tensor in zip(encoder.image_inputs, encoder.image_tensors(part))
        }
        for part in chosen
    ]


def _write(half: _Half, file_format: Format, folder: Path) -> Written:
    """Write into a folder beside the final one, which takes its place when all is well."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "1").mkdir(parents=True)
    file = draft / "1" / file_format.file
    try:
        file_format.save(half.network, half.batches[0], file, lengths=half.lengths)
        apart, answer = _compare(half, file_format.open(file))
        if not apart <= TOLERANCE:
            raise ModelError(
                f"the exported {half.name} lies {apart:.1e} from the original: it is not written"
            )
        (draft / "config.pbtxt").write_text(_config(half, file_format, answer), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Written(half.name, folder, apart)


def _config(half: _Half, file_format: Format, answer: Sequence[int]) -> str:
    def tensor(name: str, place: int, dtype: torch.dtype, shape: Sequence[int]) -> str:
        dims = [-1, *shape[1:]] if name in half.lengths else shape
        described = ", ".join(map(str, dims))
        return TENSOR.format(name=file_format.tensor(name, place), type=TYPES[dtype], dims=described)

    given = half.batches[0]
    return CONFIG.format(
        name=half.name,
        platform=file_format.platform,
        most=half.most,
        inputs=", ".join(
            tensor(name, place, one.dtype, one.shape[1:]) for place, (name, one) in enumerate(given.items())
        ),
        output=tensor(OUTPUT, 0, torch.float32, answer),
        kind=file_format.kind(next(iter(given.values())).device),
        delay=MAX_DELAY_MICROSECONDS,
    )


def _compare(half: _Half, run: Run) -> tuple[float, Sequence[int]]:
    """Return the largest difference over all batches, infinity for what is no number, and a row's shape."""
    apart = 0.0
    for batch in half.batches:
        with torch.inference_mode(), quiet():
            found, expected = run(batch), half.network(*batch.values())
        difference = (found - expected).abs().max().item() if found.shape == expected.shape else float("nan")
        apart = max(apart, difference) if np.isfinite(difference) else float("inf")
    return apart, list(expected.shape[1:])
