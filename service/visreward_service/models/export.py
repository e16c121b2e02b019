"""Writes a checkpoint as a Triton model repository: a model for each view and text branch, in one format.

Each is read back and held against the original before it counts as written.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from visreward_service.models.encoder import Encoder
from visreward_service.models.errors import ModelError
from visreward_service.models.exported import (
    ImageHalf,
    TextHalf,
    check_exportable,
    trial_images,
    trial_texts,
)
from visreward_service.models.formats import OUTPUT, Format, Run, quiet
from visreward_service.models.load import load_local
from visreward_service.models.settings import ModelSettings

TOLERANCE = 1e-4
"""How far a row of an exported encoder may lie from the original's, in any component."""
MAX_DELAY_MICROSECONDS = 2000
"""How long Triton gathers requests for a batch, as long as the service's own batches wait by default."""

CONFIG = """\
name: "{name}"
platform: "{platform}"
max_batch_size: {most}
input [{{ name: "{given}{suffix}", data_type: {type}, dims: [{dims}] }}]
output [{{ name: "{output}{suffix}", data_type: TYPE_FP32, dims: [{answer}] }}]
dynamic_batching {{ max_queue_delay_microseconds: {delay} }}
instance_group [{{ count: 1, kind: {kind} }}]
"""


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
    given: str
    """The name of its input."""
    any_length: bool
    """Whether the input's second axis may have any length."""
    batches: list[Tensor]
    """Input of several sizes; it is traced with the first."""
    config: dict[str, object]


def export_model(
    name: str, settings: ModelSettings, out: Path, *, file_format: Format, overwrite: bool
) -> Iterator[Written]:
    """Write the repository, and yield each model as it is done.

    Raises `ModelError` where the checkpoint cannot be loaded or exported, or a model is there already.
    """
    here = settings.model_copy(update={"backend": "local", "triton": None})
    encoder = load_local(name, file_format.settings(here))
    check_exportable(encoder)
    assert isinstance(encoder, Encoder)  # noqa: S101 - checked
    halves = list(_halves(name, encoder))
    there = [half.name for half in halves if (out / half.name).exists()]
    if there and not overwrite:
        raise ModelError(f"{out} has {', '.join(there)} already: name another folder, or --overwrite")
    for half in halves:
        yield _write(half, file_format, out / half.name)


def _halves(name: str, encoder: Encoder) -> Iterator[_Half]:
    device, info = encoder.device, encoder.info
    images = torch.from_numpy(np.stack([np.asarray(image) for image in trial_images(encoder)])).to(device)
    for view in info.views:
        config: dict[str, object] = {
            "type": "TYPE_UINT8",
            "dims": _dims(images.shape[1:]),
            "most": encoder.parts.max_images,
        }
        batches = [images[:2], images, images[:1]]
        yield _Half(f"{name}_{view}", ImageHalf(encoder, view), "PIXELS", False, batches, config)
    for branch in info.branches:
        rows = [encoder.padded(tokens, branch) for tokens in trial_texts(encoder, branch)]
        batches = [torch.tensor([row] * count, device=device) for count, row in enumerate(rows, 1)]
        any_length = not encoder.parts.pads_to_limit
        config = {
            "type": "TYPE_INT64",
            "dims": "-1" if any_length else str(len(rows[0])),
            "most": encoder.parts.max_texts,
        }
        yield _Half(f"{name}_{branch}", TextHalf(encoder, branch), "IDS", any_length, batches, config)


def _dims(shape: Sequence[int]) -> str:
    return ", ".join(map(str, shape))


def _write(half: _Half, file_format: Format, folder: Path) -> Written:
    """Write into a folder beside the final one, which takes its place when all is well."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "1").mkdir(parents=True)
    file = draft / "1" / file_format.file
    try:
        file_format.save(half.network, half.batches[0], file, name=half.given, any_length=half.any_length)
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
    return CONFIG.format(
        name=half.name,
        given=half.given,
        output=OUTPUT,
        answer=_dims(answer),
        platform=file_format.platform,
        suffix=file_format.suffix,
        kind=file_format.kind(half.batches[0].device),
        delay=MAX_DELAY_MICROSECONDS,
        **half.config,
    )


def _compare(half: _Half, run: Run) -> tuple[float, Sequence[int]]:
    """Return the largest difference over all batches, infinity for what is no number, and a row's shape."""
    apart = 0.0
    for batch in half.batches:
        with torch.inference_mode(), quiet():
            found, expected = run(batch), half.network(batch)
        difference = (found - expected).abs().max().item() if found.shape == expected.shape else float("nan")
        apart = max(apart, difference) if np.isfinite(difference) else float("inf")
    return apart, list(expected.shape[1:])
