"""What `visreward export` writes: a Triton model repository whose models give the rows of the checkpoint."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from tests.service.models.checkpoints import (
    make_clip,
    make_fgclip,
    make_fgclip2,
    make_open_clip,
    make_siglip_fixed,
    make_siglip_naflex,
)
from visreward_service.models import ModelError, ModelSettings, load_model
from visreward_service.models.base import DecodedImage, Model
from visreward_service.models.encoder import Encoder
from visreward_service.models.export import export_model
from visreward_service.models.formats import FORMATS

MAKERS: dict[str, Callable[[Path], Any]] = {
    "clip": make_clip,
    "fgclip": make_fgclip,
    "fgclip2": make_fgclip2,
    "open_clip": make_open_clip,
    "siglip2": make_siglip_fixed,
    "siglip2 naflex": make_siglip_naflex,
}


@pytest.mark.parametrize("file_format", ["torchscript", "onnx"])
@pytest.mark.parametrize("sort", MAKERS)
def test_an_exported_encoder_gives_what_the_original_gives(
    sort: str, file_format: str, tmp_path: Path
) -> None:
    MAKERS[sort](tmp_path / "checkpoint")
    settings = ModelSettings(kind=sort.split()[0], source=str(tmp_path / "checkpoint"), device="cpu")
    out, form = tmp_path / "repository", FORMATS[file_format]
    for written in export_model("tiny", settings, out, file_format=form, overwrite=False):
        assert written.apart <= 1e-4
        config = (written.folder / "config.pbtxt").read_text(encoding="utf-8")
        assert f'name: "{written.folder.name}"' in config
        assert f'platform: "{form.platform}"' in config
        assert "dynamic_batching" in config
        assert (written.folder / "1" / form.file).stat().st_size > 0
    local = load_model("tiny", settings)
    parts = [*local.info.views, *local.info.branches]
    assert sorted(folder.name for folder in out.iterdir()) == sorted(f"tiny_{part}" for part in parts)
    with pytest.raises(ModelError, match="already: name another folder, or --overwrite"):
        list(export_model("tiny", settings, out, file_format=form, overwrite=False))


def test_an_onnx_model_takes_any_batch_and_length_and_its_config_says_so(tmp_path: Path) -> None:
    make_fgclip(tmp_path / "checkpoint")
    local, files = exported(tmp_path, "fgclip")
    images = [noise(seed) for seed in range(5)]
    prepared = [np.asarray(local.prepare_image(image)) for image in images]
    found = run(files["tiny_dense"], np.stack(prepared))
    expected = np.stack([np.asarray(row) for row in local.encode_images(prepared, "dense")])
    assert np.abs(found - expected.reshape(found.shape)).max() <= 1e-4
    (tokens,) = local.prepare_texts(["a ball and " * 9], "long")
    ids = np.array([[*tokens.ids, *[49407] * 7]] * 6)  # a length and a number that the export did not try
    (row,) = local.encode_texts([tokens], "long")
    assert np.abs(run(files["tiny_long"], ids) - np.asarray(row)).max() <= 1e-4
    described = {
        name: (folder / "config.pbtxt").read_text(encoding="utf-8") for name, folder in files.items()
    }
    assert '"PIXELS", data_type: TYPE_UINT8, dims: [32, 32, 3]' in described["tiny_dense"]
    assert '"EMBEDDING", data_type: TYPE_FP32, dims: [16, 24]' in described["tiny_dense"]
    assert '"IDS", data_type: TYPE_INT64, dims: [-1]' in described["tiny_long"]
    assert "KIND_AUTO" in described["tiny_long"]


def exported(folder: Path, kind: str) -> tuple[Model, dict[str, Path]]:
    """Return the model of a folder's checkpoint, and the folder of each of its encoders in ONNX."""
    settings = ModelSettings(kind=kind, source=str(folder / "checkpoint"), device="cpu")
    written = export_model("tiny", settings, folder / "out", file_format=FORMATS["onnx"], overwrite=False)
    return load_model("tiny", settings), {one.name: one.folder for one in written}


def noise(seed: int, height: int = 40, width: int = 48) -> DecodedImage:
    return DecodedImage(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


def run(folder: Path, *batch: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    session = onnxruntime.InferenceSession(folder / "1" / "model.onnx", providers=["CPUExecutionProvider"])
    given = {one.name: array for one, array in zip(session.get_inputs(), batch, strict=True)}
    (rows,) = session.run(["EMBEDDING"], given)
    return np.asarray(rows)


def test_onnx_refuses_a_dtype_that_its_runtime_has_no_kernels_for(tmp_path: Path) -> None:
    settings = ModelSettings(kind="clip", source=str(tmp_path), dtype="bfloat16")
    with pytest.raises(ModelError, match="written in float32"):
        list(export_model("tiny", settings, tmp_path, file_format=FORMATS["onnx"], overwrite=False))


class Spectrum(nn.Module):
    """A network of an operator that the exporter has no symbol for."""

    def forward(self, batch: Tensor) -> Tensor:
        found: Tensor = torch.linalg.eigvals(batch).abs()
        return found


def test_a_network_that_onnx_cannot_carry_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ONNX cannot carry this network"):
        FORMATS["onnx"].save(Spectrum(), {"X": torch.eye(3)[None]}, tmp_path / "model.onnx")


def test_a_file_that_onnx_runtime_cannot_read_is_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(b"no model")
    with pytest.raises(ModelError, match=re.escape("ONNX Runtime cannot read model.onnx")):
        FORMATS["onnx"].open(file)


def test_an_onnx_model_of_patches_takes_any_shape_and_budget(tmp_path: Path) -> None:
    make_fgclip2(tmp_path / "checkpoint")
    local, files = exported(tmp_path, "fgclip2")
    assert isinstance(local, Encoder)
    images = [local.prepare_image(noise(seed, 300, 90 + 100 * seed)) for seed in range(4)]
    budgets = {local.image_bucket(image) for image in images}
    assert budgets == {128, 256, 576}
    for budget in budgets:
        chosen = [image for image in images if local.image_bucket(image) == budget]
        given = [tensor.numpy() for tensor in local.image_tensors(chosen)]
        pooled, dense = (run(files[f"tiny_{view}"], *given) for view in ("pooled", "dense"))
        assert np.abs(pooled - np.stack(local.encode_images(chosen, "pooled"))).max() <= 1e-4
        for row, image, expected in zip(dense, chosen, local.encode_images(chosen, "dense")):
            assert np.abs(local.to_map(row, image) - expected).max() <= 1e-4
    config = (files["tiny_dense"] / "config.pbtxt").read_text(encoding="utf-8")
    assert '"PATCHES", data_type: TYPE_UINT8, dims: [-1, 768]' in config
    assert '"SHAPES", data_type: TYPE_INT64, dims: [2]' in config
    assert '"EMBEDDING", data_type: TYPE_FP32, dims: [-1, 32]' in config


def test_the_programs_help_imports_no_torch_and_no_onnx() -> None:
    program = (
        "import sys; from visreward.cli import main\n"
        "try: main(['export', '--help'])\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'onnx', 'onnxruntime', 'tritonclient') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--format {torchscript,onnx}" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"
