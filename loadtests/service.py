"""A service in a process of its own, with the checkpoint that the bench names."""

import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS = 180


def make_vit_b_32(folder: Path) -> str:
    """Save a ViT-B/32 with random weights, as open_clip's `local-dir`, and return the source's name."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    network = open_clip.create_model("ViT-B-32", pretrained=None)
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous().clone() for name, tensor in network.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    config = {"model_cfg": open_clip.get_model_config("ViT-B-32"), "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    return f"local-dir:{folder}"


MODELS = {"bundled": "fgclip", "vit-b-32": "clip"}
"""Name in the settings of the model that has each shape."""
BUNDLED = '[models.fgclip]\nkind = "fgclip"\nsource = "bundled:scenes-fgclip"\n'


def write_settings(shape: str, folder: Path) -> Path:
    """Write the settings of a service with a shape: `bundled`, or `vit-b-32` with random weights."""
    text = f'log_level = "warning"\n{BUNDLED}'
    if shape == "vit-b-32":
        text += f'[models.clip]\nkind = "open_clip"\nsource = "{make_vit_b_32(folder / shape)}"\n'
    settings = folder / "settings.toml"
    settings.write_text(text, encoding="utf-8")
    return settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(shape: str) -> Iterator[tuple[str, Path]]:
    """Start a service; yield its URL and its settings file."""
    with tempfile.TemporaryDirectory() as name:
        settings = write_settings(shape, Path(name))
        port = free_port()
        command = [str(Path(sys.executable).parent / "visreward"), "serve", "--config", str(settings)]
        process = subprocess.Popen([*command, "--port", str(port)])
        try:
            yield _wait(f"http://127.0.0.1:{port}", process), settings
        finally:
            process.terminate()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/readyz").status_code == 200:
                return url
        except httpx.TransportError:
            time.sleep(0.2)
    raise SystemExit("the service did not start; its messages stand above")
