"""Writes a checkpoint as a Triton model repository: a TorchScript model for each view and text branch.

Each is read back and held against the original before it counts as written.
"""

import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from visreward_service.models.load import load_local
from visreward_service.models.settings import ModelSettings

TOLERANCE = 1e-4
"""How far a row of an exported encoder may lie from the original's, in any component."""
MAX_DELAY_MICROSECONDS = 2000
"""How long Triton gathers requests for a batch, as long as the service's own batches wait by default."""

CONFIG = """\
name: "{name}"
platform: "pytorch_libtorch"
max_batch_size: {most}
input [{{ name: "{given}__0", data_type: {type}, dims: [{dims}] }}]
output [{{ name: "EMBEDDING__0", data_type: TYPE_FP32, dims: [{answer}] }}]
dynamic_batching {{ max_queue_delay_microseconds: {delay} }}
instance_group [{{ count: 1, kind: {kind} }}]
"""
"""Triton's PyTorch backend finds a network's tensors by the number behind two underscores."""


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
    batches: list[Tensor]
    """Input of several sizes; it is traced with the first."""
    config: dict[str, object]


def export_model(name: str, settings: ModelSettings, out: Path, *, overwrite: bool) -> Iterator[Written]:
    """Write the repository, and yield each model as it is done.

    Raises `ModelError` where the checkpoint cannot be loaded or exported, or a model is there already.
    """
    encoder = load_local(name, settings.model_copy(update={"backend": "local", "triton": None}))
    check_exportable(encoder)
    assert isinstance(encoder, Encoder)  # noqa: S101 - checked
    halves = list(_halves(name, encoder))
    there = [half.name for half in halves if (out / half.name).exists()]
    if there and not overwrite:
        raise ModelError(f"{out} has {', '.join(there)} already: name another folder, or --overwrite")
    for half in halves:
        yield _write(half, out / half.name)


def _halves(name: str, encoder: Encoder) -> Iterator[_Half]:
    device, info = encoder.device, encoder.info
    kind = "KIND_CPU" if device.type == "cpu" else "KIND_GPU"
    images = torch.from_numpy(np.stack([np.asarray(image) for image in trial_images(encoder)])).to(device)
    common: dict[str, object] = {"delay": MAX_DELAY_MICROSECONDS, "kind": kind}
    for view in info.views:
        answer = [info.dim] if view == "pooled" else [-1, info.dim]
        config = {
            **common,
            "given": "PIXELS",
            "type": "TYPE_UINT8",
            "dims": ", ".join(map(str, images.shape[1:])),
            "answer": ", ".join(map(str, answer)),
            "most": encoder.parts.max_images,
        }
        yield _Half(f"{name}_{view}", ImageHalf(encoder, view), [images[:2], images, images[:1]], config)
    for branch in info.branches:
        rows = [encoder.padded(tokens, branch) for tokens in trial_texts(encoder, branch)]
        batches = [torch.tensor([row] * count, device=device) for count, row in enumerate(rows, 1)]
        config = {
            **common,
            "given": "IDS",
            "type": "TYPE_INT64",
            "dims": str(len(rows[0])) if encoder.parts.pads_to_limit else "-1",
            "answer": str(info.dim),
            "most": encoder.parts.max_texts,
        }
        yield _Half(f"{name}_{branch}", TextHalf(encoder, branch), batches, config)


def _write(half: _Half, folder: Path) -> Written:
    """Write into a folder beside the final one, which takes its place when all is well."""
    draft = folder.with_name(f".{folder.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "1").mkdir(parents=True)
    file = draft / "1" / "model.pt"
    try:
        _trace(half).save(str(file))
        apart = _compare(half, file)
        if not apart <= TOLERANCE:
            raise ModelError(
                f"the exported {half.name} lies {apart:.1e} from the original: it is not written"
            )
        (draft / "config.pbtxt").write_text(CONFIG.format(name=half.name, **half.config), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return Written(half.name, folder, apart)


def _trace(half: _Half) -> torch.jit.ScriptModule:
    with torch.no_grad(), warnings.catch_warnings():
        # Of shapes that are Python numbers while the trace is taken; `_compare` tries other shapes.
        warnings.simplefilter("ignore")
        trace: Any = torch.jit.trace  # has no types
        traced = trace(half.network, (half.batches[0],), check_trace=False)
    assert isinstance(traced, torch.jit.ScriptModule)  # noqa: S101 - what a module is traced to
    return traced


def _compare(half: _Half, file: Path) -> float:
    """Return the largest difference over all batches; infinity for a number that is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        load: Any = torch.jit.load  # has no types
        read = load(str(file))
    apart = 0.0
    for batch in half.batches:
        with torch.inference_mode():
            found, expected = read(batch), half.network(batch)
        difference = (found - expected).abs().max().item() if found.shape == expected.shape else float("nan")
        apart = max(apart, difference) if np.isfinite(difference) else float("inf")
    return apart
