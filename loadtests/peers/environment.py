"""Virtual environments of the peers, made once in a cache folder: their pins contradict ours and one another.

Nothing of a peer is kept in the repository; a peer that cannot be installed is told as such.
"""

import hashlib
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path


class NotInstalledError(RuntimeError):
    """A peer's environment that could not be made; the message is the installer's last line."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What one environment holds."""

    name: str
    requirements: tuple[str, ...]
    removed: tuple[str, ...] = ()
    """Packages that come along and must go: a torchvision built for another torch does not import."""

    @property
    def fingerprint(self) -> str:
        text = "\n".join((*self.requirements, "-", *self.removed, sys.version))
        return hashlib.sha256(text.encode()).hexdigest()

    def make(self, cache: Path) -> Path:
        """Return the environment's interpreter, made where it is not there. Raises `NotInstalledError`."""
        folder = cache / "environments" / self.name
        python, mark = folder / "bin" / "python", folder / "installed"
        if mark.is_file() and mark.read_text(encoding="utf-8") == self.fingerprint:
            return python
        venv.create(folder, with_pip=True, clear=True)
        self._pip(python, "install", *self.requirements)
        if self.removed:
            self._pip(python, "uninstall", "--yes", *self.removed)
        mark.write_text(self.fingerprint, encoding="utf-8")
        return python

    def _pip(self, python: Path, *arguments: str) -> None:
        command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["pip said nothing"]
            raise NotInstalledError(f"{self.name}: {lines[-1]}")


TORCH = "torch==2.13.0"

PLAIN = Environment(
    "plain",
    (
        TORCH,
        "transformers==5.23.0",
        "litserve==0.2.19",
        "fastapi==0.165.0",
        "uvicorn[standard]==0.54.0",
        "orjson",
        "pybase64",
        "pillow",
        "numpy",
    ),
)
"""LitServe, the naive server, PeBR-R1's pattern, and the bare forward pass."""
TORCHMETRICS = Environment(
    "torchmetrics", (TORCH, "torchmetrics==1.9.0", "transformers==4.47.1", "pillow", "numpy")
)
INFINITY = Environment(
    "infinity",
    (TORCH, "infinity-emb[server,torch,vision]==0.0.78", "aiohttp", "requests"),
    ("torchvision", "timm"),
)
RAY = Environment(
    "ray", (TORCH, "transformers==5.23.0", "ray[serve]==2.60.0", "orjson", "pybase64", "pillow")
)
ENVIRONMENTS = (PLAIN, TORCHMETRICS, INFINITY, RAY)
