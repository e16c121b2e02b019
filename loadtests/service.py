"""Servers in processes of their own: the service with the checkpoint that the bench names, and its peers."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from loadtests.checkpoint import make_vit_b_32

START_SECONDS = 300
STOP_SECONDS = 20

MODELS = {"bundled": "fgclip", "vit-b-32": "clip"}
"""Name in the settings of the model that has each shape."""
BUNDLED = '[models.fgclip]\nkind = "fgclip"\nsource = "bundled:scenes-fgclip"\n'


def write_settings(shape: str, cache: Path, folder: Path, extra: str = "") -> Path:
    """Write the settings of a service with a shape: `bundled`, or `vit-b-32` with random weights.

    `extra` comes first: top-level settings.
    """
    text = f'log_level = "warning"\n{extra}\n{BUNDLED}'
    if shape == "vit-b-32":
        text += f'[models.clip]\nkind = "clip"\nsource = "{make_vit_b_32(cache)}"\n'
    settings = folder / "settings.toml"
    settings.write_text(text, encoding="utf-8")
    return settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(shape: str, cache: Path, extra: str = "") -> Iterator[str]:
    """Start a service; yield its URL."""
    with tempfile.TemporaryDirectory() as name:
        settings = write_settings(shape, cache, Path(name), extra)
        port = free_port()
        command = [str(Path(sys.executable).parent / "visreward"), "serve", "--config", str(settings)]
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


def memory_bytes(port: int) -> int:
    """Return the resident bytes of the process that listens on a port, and of its children."""
    for connection in psutil.net_connections("tcp"):
        if connection.laddr and connection.laddr.port == port and connection.status == psutil.CONN_LISTEN:
            process = psutil.Process(connection.pid)
            family = [process, *process.children(recursive=True)]
            return sum(one.memory_info().rss for one in family)
    raise RuntimeError(f"nothing listens on port {port}")
