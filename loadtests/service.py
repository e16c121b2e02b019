"""Servers in processes of their own: the service with the model that the bench names, and its peers."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from loadtests.checkpoint import SHAPES, make_checkpoint

START_SECONDS = 300
STOP_SECONDS = 20

BUNDLED = "bundled"
"""The shape of the bundled model, which is always served."""
BUNDLED_MODEL = '[models.fgclip]\nkind = "fgclip"\nsource = "bundled:scenes-fgclip"\n'


@dataclass(frozen=True)
class Target:
    """The model of a bench, and where it runs."""

    shape: str
    """`bundled`, or one of `checkpoint.SHAPES`."""
    cache: Path
    """Where checkpoints are kept."""
    device: str = "cpu"
    dtype: str = "float32"
    batch: int | None = None
    """Images in a forward pass, or a quarter of the texts; the service's own numbers where it is None."""

    @property
    def model(self) -> str:
        """Name of the model in the service's settings."""
        return "fgclip" if self.shape == BUNDLED else "clip"

    @property
    def checkpoint(self) -> Path:
        """The folder of the checkpoint."""
        return make_checkpoint(self.shape, self.cache)

    @property
    def is_on_cpu(self) -> bool:
        return self.device == "cpu"

    @property
    def name(self) -> str:
        """A name for files."""
        plain = self.is_on_cpu and self.dtype == "float32"
        return self.shape if plain else f"{self.shape}-{self.device.replace(':', '')}-{self.dtype}"


def write_settings(target: Target, folder: Path, extra: str = "") -> Path:
    """Write the settings of a service with the bundled model and the target's.

    `extra` comes first: top-level settings.
    """
    text = f'log_level = "warning"\n{extra}\n{BUNDLED_MODEL}'
    if target.shape != BUNDLED:
        text += (
            f'[models.clip]\nkind = "{SHAPES[target.shape].kind}"\nsource = "{target.checkpoint}"\n'
            f'device = "{target.device}"\ndtype = "{target.dtype}"\n'
        )
    if target.batch is not None:
        text += (
            f"[batch]\nmax_images = {target.batch}\nmax_texts = {4 * target.batch}\n"
            f"max_tokens = {256 * target.batch}\nmax_prepared_images = {max(256, 2 * target.batch)}\n"
        )
    settings = folder / "settings.toml"
    settings.write_text(text, encoding="utf-8")
    return settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(target: Target, extra: str = "") -> Iterator[str]:
    """Start a service; yield its URL."""
    with tempfile.TemporaryDirectory() as name:
        settings = write_settings(target, Path(name), extra)
        port = free_port()
        command = [sys.executable, "-m", "visreward", "serve", "--config", str(settings)]
        with running([*command, "--port", str(port)], f"http://127.0.0.1:{port}", "/readyz") as url:
            yield url


@contextmanager
def running(
    command: Sequence[str],
    url: str,
    health: str,
    *,
    environ: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[str]:
    """Start a server; yield its URL once it is healthy. Its whole process group ends with the block."""
    with (log or Path(os.devnull)).open("ab") as output:
        process = subprocess.Popen(
            list(command),
            env={**os.environ, **(environ or {})},
            stdout=output if log else None,
            stderr=output if log else None,
            start_new_session=True,
        )
    try:
        yield _wait(url, health, process)
    finally:
        _stop(process)


def _wait(url: str, health: str, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}{health}").status_code == 200:
                return url
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError("it did not start")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask once, and end what is left: peers leave children behind."""
    try:
        family = psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        family = []
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:
        if child.is_running():
            child.kill()


def listener(port: int) -> psutil.Process:
    """Return the process that listens on a port."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            return psutil.Process(connection.pid)
    raise RuntimeError(f"nothing listens on port {port}")


def memory_bytes(port: int) -> int:
    """Return the resident bytes of the process that listens on a port, and of its children."""
    process = listener(port)
    return sum(one.memory_info().rss for one in [process, *process.children(recursive=True)])
