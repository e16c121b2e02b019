"""A real Triton: the server inside the wheel nvidia-pytriton, and the repositories that it serves.

The wheel brings the server and its Python backend alone, so a repository that `visreward export` wrote keeps
its configs but for the backend's name, and its ONNX files are run by `encoder_model.py`.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.programs import is_answered, start_program, stop_program
from tests.service.models.checkpoints import make_fgclip2, make_siglip_naflex
from tests.service.models.remotes import BUNDLED
from visreward_service.models.export import export_model
from visreward_service.models.formats import FORMATS
from visreward_service.models.settings import ModelSettings

HERE = Path(__file__).parent
ENVIRONMENT = Path(os.environ.get("VISREWARD_TRITON_ENVIRONMENT", HERE.parents[2] / ".venv-triton"))
"""Where `make test-triton` installs the wheel."""
START_SECONDS = 120
NAFLEX = {"siglip2": make_siglip_naflex, "fgclip2": make_fgclip2}
"""Models whose encoder of images takes two tensors."""

TEXTS_CONFIG = """\
name: "encoder.fgclip"
backend: "python"
max_batch_size: 0
input [
  { name: "IMAGE", data_type: TYPE_STRING, dims: [-1], optional: true },
  { name: "TEXT", data_type: TYPE_STRING, dims: [-1], optional: true }
]
output [{ name: "EMBEDDING", data_type: TYPE_FP32, dims: [-1, 128] }]
"""
"""The tensors of our `encoder.fgclip`, for what they may look like; `text_model.py` embeds nothing."""


def make_models(folder: Path) -> dict[str, ModelSettings]:
    """Return the bundled model, and those of `NAFLEX`, which are written to a folder."""
    found = {"fgclip": ModelSettings(kind="fgclip", source=BUNDLED, device="cpu")}
    for kind, make in NAFLEX.items():
        make(folder / kind)
        found[kind] = ModelSettings(kind=kind, source=str(folder / kind), device="cpu")
    return found


def write_repository(folder: Path, models: Mapping[str, ModelSettings]) -> None:
    """Export models, and have Triton's Python backend run them; beside them stands a model of texts."""
    for name, settings in models.items():
        _export(name, settings, folder)
    texts = folder / "encoder.fgclip"
    (texts / "1").mkdir(parents=True)
    (texts / "config.pbtxt").write_text(TEXTS_CONFIG, "utf-8")
    shutil.copy(HERE / "text_model.py", texts / "1" / "model.py")


def _export(name: str, settings: ModelSettings, folder: Path) -> None:
    form = FORMATS["onnx"]
    for written in export_model(name, settings, folder, file_format=form, overwrite=False):
        config = written.folder / "config.pbtxt"
        text, line = config.read_text("utf-8"), f'platform: "{form.platform}"'
        assert text.count(line) == 1
        config.write_text(text.replace(line, 'backend: "python"'), "utf-8")
        shutil.copy(HERE / "encoder_model.py", written.folder / "1" / "model.py")


def write_backends(folder: Path) -> None:
    """Put the Python backend together; the wheel keeps the stub of each version of Python apart."""
    packages = _packages()
    wheel = packages / "pytriton" / "tritonserver"
    stub = wheel / "python_backend_stubs" / packages.parent.name.removeprefix("python")
    shutil.copytree(wheel / "backends" / "python", folder / "python")
    for file in stub.iterdir():
        Path(shutil.copy(file, folder / "python")).chmod(0o755)


@dataclass
class Oracle:
    """One server on this machine alone; it can be stopped and started again on the same ports."""

    folder: Path
    """It holds `repository` and `backends`; the log is written there."""
    http_port: int
    grpc_port: int
    models: Mapping[str, ModelSettings]
    """What it serves, as it is loaded here."""
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def http(self) -> str:
        return f"127.0.0.1:{self.http_port}"

    @property
    def grpc(self) -> str:
        return f"127.0.0.1:{self.grpc_port}"

    def start(self) -> None:
        """Start the server, and wait until all its models are ready."""
        packages = _packages()
        program = packages / "pytriton" / "tritonserver" / "bin" / "tritonserver"
        program.chmod(0o755)
        options = {
            "model-repository": self.folder / "repository",
            "backend-directory": self.folder / "backends",
            "http-address": "127.0.0.1",
            "http-port": self.http_port,
            "grpc-address": "127.0.0.1",
            "grpc-port": self.grpc_port,
            "allow-metrics": "false",
        }
        self.process = start_program(
            [program, *(f"--{name}={value}" for name, value in options.items())],
            environment={
                "PATH": f"{ENVIRONMENT / 'bin'}:{os.environ['PATH']}",
                "LD_LIBRARY_PATH": str(packages / "nvidia_pytriton.libs"),
            },
            log=self.folder / "log.txt",
            is_ready=lambda: is_answered(f"http://{self.http}/v2/health/ready"),
            patience_seconds=START_SECONDS,
        )

    def stop(self) -> None:
        """End the server as an operator does, and wait for it."""
        if self.process is not None:
            stop_program(self.process, patience_seconds=60)
            self.process = None


def _packages() -> Path:
    found = list(ENVIRONMENT.glob("lib/python3.*/site-packages"))
    assert found, f"{ENVIRONMENT} has no packages: make test-triton installs them"
    return found[0]
