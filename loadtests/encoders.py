"""`python -m loadtests encoders`: milliseconds per image and text of large encoders, beside the bare network.

Checkpoints of the published shapes with random weights, loaded through the settings. The encoder's time has
the copy to the device, the normalisation and the copy back in it; the bare network's starts from tensors that
are on the device. Both run by turns, and the best run of each counts.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from rich.console import Console
from safetensors.torch import save_file

from loadtests.checkpoint import make_checkpoint
from visreward_service.models import DecodedImage, ModelSettings, load_model
from visreward_service.models.devices import DTYPES
from visreward_service.models.encoder import Encoder
from visreward_service.models.networks import FGClip

TEXT = "a photo of two small red cups and an old wooden table near the window of a large room"


def make_open_clip(name: str, folder: Path) -> ModelSettings:
    """Save a model of the library with random weights in its `local-dir` layout."""
    import open_clip

    network = open_clip.create_model(name, pretrained=None)
    _save(network.state_dict(), folder / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return ModelSettings(kind="open_clip", source=f"local-dir:{folder}")


def make_fgclip(folder: Path) -> ModelSettings:
    """Save an FG-CLIP large with random weights in the published layout."""
    return ModelSettings(kind="fgclip", source=str(make_checkpoint("fg-clip-large", folder)))


def _save(state: dict[str, torch.Tensor], path: Path) -> None:
    save_file({key: value.contiguous().clone() for key, value in state.items()}, path)


SHAPES: dict[str, Callable[[Path], ModelSettings]] = {
    "vit-b-32": lambda folder: make_open_clip("ViT-B-32-quickgelu", folder),
    "vit-l-14-336": lambda folder: make_open_clip("ViT-L-14-336-quickgelu", folder),
    "fg-clip-large": make_fgclip,
}


@dataclass(frozen=True)
class Row:
    """One line of the table, in milliseconds."""

    shape: str
    batch: int
    image: float
    bare_image: float
    text: float
    bare_text: float


def measure(shape: str, options: argparse.Namespace) -> list[Row]:
    """Return a row for each batch size of one shape."""
    torch.manual_seed(0)
    most = max(options.batches)
    with tempfile.TemporaryDirectory() as name:
        made = SHAPES[shape](Path(name))
        limits = {"max_batch_images": most, "max_batch_texts": most}
        changes = {"dtype": options.dtype, "device": options.device, **limits}
        model = cast("Encoder", load_model(shape, made.model_copy(update=changes)))
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    pixels = model.prepare_image(DecodedImage(noise))
    [tokens] = model.prepare_texts([TEXT], "short")
    return [_measure_batch(shape, model, pixels, tokens, batch, options.repeats) for batch in options.batches]


def _measure_batch(shape: str, model: Encoder, pixels: Any, tokens: Any, batch: int, repeats: int) -> Row:
    images, texts = [pixels] * batch, [tokens] * batch
    network = cast("Any", model.module)
    forward = network.image_features if isinstance(network, FGClip) else network.encode_image
    ready = model.stack(images)
    ids = torch.tensor([model.padded(tokens, "short")] * batch, device=model.device)

    def bare_images() -> None:
        with torch.inference_mode():
            forward(ready)

    def bare_texts() -> None:
        with torch.inference_mode():
            model.text_features(ids, "short")

    image, bare_image = _race(
        lambda: model.encode_images(images, "pooled"), bare_images, model.device, repeats
    )
    text, bare_text = _race(lambda: model.encode_texts(texts, "short"), bare_texts, model.device, repeats)
    return Row(shape, batch, image / batch, bare_image / batch, text / batch, bare_text / batch)


def _race(
    ours: Callable[[], object], bare: Callable[[], object], device: torch.device, repeats: int
) -> tuple[float, float]:
    """Return the best milliseconds of two functions that run by turns, after one run each."""
    best = [float("inf"), float("inf")]
    for turn in range(repeats + 1):
        for place, function in enumerate((ours, bare)):
            _wait(device)
            started = time.perf_counter()
            function()
            _wait(device)
            if turn:
                best[place] = min(best[place], 1000 * (time.perf_counter() - started))
    return best[0], best[1]


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def table(rows: Sequence[Row], machine: str, dtype: str) -> str:
    """Return the rows as Markdown."""
    lines = [
        f"{machine}, {dtype}, milliseconds each, best of the runs.",
        "",
        "| shape | batch | image, encoder | bare network | text, encoder | bare network |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.shape} | {row.batch} | {row.image:.3f} | {row.bare_image:.3f} | {row.text:.3f} "
        f"| {row.bare_text:.3f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests encoders", description=__doc__)
    parser.add_argument("shapes", nargs="*", metavar="SHAPE", help=f"of {', '.join(SHAPES)}")
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 32, 256], help="default: 1 32 256")
    parser.add_argument("--dtype", choices=DTYPES, default="bfloat16", help="default: bfloat16")
    parser.add_argument("--device", default="auto", help="default: a GPU where there is one")
    parser.add_argument("--repeats", type=int, default=10, help="runs of each (default: 10)")
    options = parser.parse_args(arguments)
    unknown = set(options.shapes) - set(SHAPES)
    if unknown:
        parser.error(f"no such shape: {', '.join(sorted(unknown))}")
    rows = [row for shape in options.shapes or list(SHAPES) for row in measure(shape, options)]
    gpu = torch.cuda.is_available() and options.device != "cpu"
    machine = torch.cuda.get_device_name() if gpu else "CPU, one thread a pass"
    Console().print(table(rows, machine, options.dtype), markup=False, soft_wrap=True)
