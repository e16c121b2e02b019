"""`python -m tests.client.adapters.trainers [NAME ...]`: each adapter against its trainer's own code.

Every trainer gets an environment of its own, since no two of them agree on versions, and the smallest piece
of it that calls a reward, against a service that runs beside. Not part of the suite: the environments hold
some gigabytes.
"""

import argparse
import base64
import json
import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
PORT = 18765
URL = f"http://127.0.0.1:{PORT}"
CLIENT = ("httpx", "msgpack", "pydantic", "rich", "pillow")
TORCH = "torch==2.13.0"


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """What a trainer's environment holds, and its repository where it is no package."""

    packages: tuple[str, ...]
    bare: tuple[str, ...] = ()
    """Installed without what they depend on, which is far more than a reward needs."""
    repository: str | None = None
    """Environment variable with the folder of a checkout."""


TRAINERS = {
    "trl": Trainer(packages=(TORCH, "trl==1.16.0", "transformers==5.23.0", "pillow")),
    "verl": Trainer(
        packages=(
            TORCH,
            "verl==0.9.1",
            "ray==2.60.0",
            "tensordict==0.10.0",
            "torchdata==0.11.0",
            "transformers==5.10.4",
        )
    ),
    "openrlhf": Trainer(packages=(TORCH, "aiohttp", "numpy"), bare=("openrlhf==0.11.2",)),
    "areal": Trainer(packages=("colorlog",), bare=("areal==1.0.4",)),
    "verifiers": Trainer(packages=("verifiers==0.4.0",)),
    "ms_swift": Trainer(
        packages=(
            TORCH,
            "ms-swift==4.6.0",
            "trl==0.29.1",
            "transformers==5.19.0",
            "peft==0.20.0",
            "datasets==4.8.4",
        )
    ),
    "slime": Trainer(
        packages=(TORCH, "aiohttp", "numpy", "sympy", "pylatexenc"), repository="SLIME_REPOSITORY"
    ),
    "easyr1": Trainer(
        packages=(
            TORCH,
            "numpy",
            "ray==2.60.0",
            "tensordict==0.10.0",
            "transformers==5.10.4",
            "codetiming",
            "pyyaml",
            "packaging",
        ),
        repository="EASYR1_REPOSITORY",
    ),
    "nemo_rl": Trainer(
        packages=(
            TORCH,
            "datasets",
            "hydra-core",
            "numpy",
            "ray==2.60.0",
            "requests",
            "transformers==5.10.4",
            "wandb",
        ),
        repository="NEMO_RL_REPOSITORY",
    ),
    "v_triune": Trainer(
        packages=(
            TORCH,
            "aiohttp",
            "numpy",
            "pandas",
            "ray==2.60.0",
            "requests",
            "tensordict==0.10.0",
            "transformers==5.10.4",
        ),
        repository="V_TRIUNE_REPOSITORY",
    ),
    "pipelinerl": Trainer(
        packages=("aiohttp", "fastapi", "math-verify[antlr4_9_3]", "omegaconf", "requests", "uvicorn"),
        repository="PIPELINERL_REPOSITORY",
    ),
}
"""In versions whose reward contract the adapters were written for."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TRAINERS))
    parser.add_argument(
        "--folder", type=Path, default=ROOT / ".venv" / "trainers", help="for the environments"
    )
    given = parser.parse_args(arguments)
    unknown = set(given.names) - set(TRAINERS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    with running_service():
        material = make_material()
        results = {name: run(name, given.folder, material) for name in given.names or TRAINERS}
    for name, result in results.items():
        sys.stdout.write(f"{name:10} {result}\n")
    return int("failed" in results.values())


@contextmanager
def running_service() -> Iterator[None]:
    command = [sys.executable, "-m", "visreward", "serve", "--port", str(PORT)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        while not is_ready():
            if process.poll() is not None:
                raise SystemExit("the service did not start")
            time.sleep(0.5)
        yield
    finally:
        process.terminate()
        process.wait()


def is_ready() -> bool:
    try:
        return httpx.get(f"{URL}/readyz").is_success
    except httpx.HTTPError:
        return False


def make_material() -> str:
    """Return what the checks have in hand: labels, completions, an image, and the rewards of the two."""
    from tests.client.adapters.material import completion, data, reference
    from visreward import RewardClient
    from visreward.adapters.labels import pack_label
    from visreward.adapters.upload import upload

    label = pack_label(images=upload([data(1)], url=URL), reference=reference(1), group="scene-1")
    lost = pack_label(images=["0" * 64], reference=reference(1), group="scene-1")
    good = completion(1)
    cut = good[:100]
    with RewardClient(url=URL) as client:
        items = [{"images": [data(1)], "completion": text} for text in (good, cut)]
        rewards = client.score(items, recipe="clipscore").rewards
    good_reward, cut_reward = [reward for reward in rewards if reward is not None]
    if not good_reward > cut_reward > 0:
        raise SystemExit(f"{good_reward} and {cut_reward} cannot be told from a failure's 0")
    return json.dumps(
        {
            "label": label,
            "lost": lost,
            "good": good,
            "cut": cut,
            "good_reward": good_reward,
            "cut_reward": cut_reward,
            "image": base64.b64encode(data(1)).decode(),
        }
    )


def run(name: str, folder: Path, material: str) -> str:
    trainer = TRAINERS[name]
    repository = os.environ.get(trainer.repository, "") if trainer.repository else ""
    if trainer.repository and not repository:
        return f"skipped: {trainer.repository} names no checkout"
    python = make_environment(name, trainer, folder)
    paths = [str(ROOT / "client"), *([repository] if repository else [])]
    variables = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": os.pathsep.join(paths),
        "VISREWARD_URL": URL,
        "MATERIAL": material,
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HUB_OFFLINE": "1",
        "RAY_AUTH_MODE": "disabled",
        "DO_NOT_TRACK": "1",
    }
    if trainer.repository:
        variables[trainer.repository] = repository
    done = subprocess.run([python, str(HERE / f"check_{name}.py")], env=variables, check=False)
    return "failed" if done.returncode else "passed"


def make_environment(name: str, trainer: Trainer, folder: Path) -> str:
    home = folder / name
    python = home / "bin" / "python"
    stamp = home / ".installed"
    if not stamp.exists():
        venv.create(home, with_pip=True, clear=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *CLIENT, *trainer.packages], check=True)
        if trainer.bare:
            subprocess.run([*pip, "--no-deps", *trainer.bare], check=True)
        stamp.touch()
    return str(python)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
