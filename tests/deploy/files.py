"""The files that are deployed, read as data, and the ecosystem's own tools where they are installed."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from visreward_service.settings import Settings, load_settings

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
MONITORING = K8S / "components" / "monitoring"
SETTINGS = K8S / "base" / "settings.toml"
OVERLAYS = ("cpu-dev", "gpu", "triton")

Object = dict[str, Any]


def read_yaml(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def find_tool(name: str) -> str:
    """Return where a program is, beside this interpreter or on the path; skip the test where it is not."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=os.pathsep.join([beside, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def run_tool(name: str, *arguments: str | Path) -> str:
    """Run a program in the repository and return what it wrote; fail with that where it fails."""
    command = [find_tool(name), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    written = done.stdout + done.stderr
    assert done.returncode == 0, written
    return written


@lru_cache(maxsize=1)
def compose() -> Object:
    found: Object = read_yaml(ROOT / "docker-compose.yml")
    return found


@lru_cache(maxsize=4)
def overlay(name: str) -> tuple[Object, ...]:
    """Return the objects that an overlay makes, as `kubectl apply -k` would send them."""
    command = [find_tool("kubectl"), "kustomize", str(K8S / "overlays" / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def only(objects: tuple[Object, ...], kind: str, name: str = "visreward") -> Object:
    """Return the object of a kind and a name, without the hash that a generated name carries."""
    found = [
        one
        for one in objects
        if one["kind"] == kind and re.sub(r"-[a-z0-9]{10}$", "", one["metadata"]["name"]) == name
    ]
    assert len(found) == 1, f"{len(found)} of {kind}/{name}"
    return found[0]


@dataclass(frozen=True)
class Stage:
    """One `FROM` of the Dockerfile and the instructions under it."""

    name: str
    base: str
    instructions: tuple[tuple[str, str], ...]

    def all(self, word: str) -> list[str]:
        return [rest for instruction, rest in self.instructions if instruction == word]


@lru_cache(maxsize=1)
def stages() -> dict[str, Stage]:
    """Return the stages of the Dockerfile by name."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    found: dict[str, Stage] = {}
    for line in joined:
        word, rest = line.split(maxsplit=1)
        if word == "FROM":
            base, _, name = rest.split()
            found[name] = Stage(name, base, ())
        elif found:
            last = next(reversed(found.values()))
            found[last.name] = Stage(last.name, last.base, (*last.instructions, (word, rest.strip())))
    return found


def lineage(name: str) -> list[Stage]:
    """Return a stage and those it is built on, itself first."""
    line = []
    while name in stages():
        line.append(stages()[name])
        name = stages()[name].base
    return line


def image_environment() -> dict[str, str]:
    """Return the environment that the image `cpu` sets."""
    pairs = [pair for stage in lineage("cpu") for rest in stage.all("ENV") for pair in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def settings_in(variables: dict[str, str], file: Path | None = SETTINGS) -> Settings:
    """Return the settings of a service that is started with a file and with these variables alone."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("VISREWARD_")]:
            patch.delenv(name)
        for name, value in variables.items():
            if name.startswith("VISREWARD_"):
                patch.setenv(name, value)
        return load_settings(file)
