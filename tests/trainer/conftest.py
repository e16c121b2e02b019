"""A tiny model made once, questions with pictures, and a config that trains it in seconds."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.client.small_service import SmallService, running_service
from visreward_trainer.config import TrainConfig

os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"

QUESTIONS = ("What is red?", "What is blue?", "How many are there?", "Which is the largest?")

MakeConfig = Callable[..., TrainConfig]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from demo.tiny_model import build

    return build(tmp_path_factory.mktemp("model"), QUESTIONS, whole=("\n### Image Description:\n",))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallService]:
    """A reward service whose recipe `lengths` counts characters."""
    monkeypatch.delenv("VISREWARD_URL", raising=False)
    with running_service() as service:
        yield service


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_questions(tmp_path / "data")


@pytest.fixture
def make_config(tiny_model: Path, data: Path, tmp_path: Path) -> MakeConfig:
    """Return a function that makes a config: `make_config(url, {"optim.max_steps": 2})`."""

    def make(url: str, settings: dict[str, Any] | None = None) -> TrainConfig:
        tables = build_tables(tiny_model, data, tmp_path / "run", url)
        for name, value in (settings or {}).items():
            table, _, field = name.partition(".")
            tables.setdefault(table, {})[field] = value
        return TrainConfig.model_validate(tables)

    return make


def write_questions(folder: Path, num: int = 8) -> Path:
    """Write a JSONL file of questions, each with a picture of its own colour."""
    folder.mkdir(parents=True)
    lines = []
    for index in range(num):
        name = f"{index}.png"
        Image.new("RGB", (64, 48), (index * 30 % 256, 90, 255 - index * 30 % 256)).save(folder / name)
        question = {
            "id": f"q{index}",
            "question": QUESTIONS[index % 4],
            "images": [name],
            "answer": str(index),
        }
        lines.append(json.dumps({**question, "source": "even" if index % 2 == 0 else "odd"}) + "\n")
    path = folder / "questions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def build_tables(model: Path, data: Path, output: Path, url: str) -> dict[str, dict[str, Any]]:
    """Return the tables of a config whose runs are as small as they can be."""
    return {
        "model": {"path": str(model), "dtype": "float32"},
        "data": {"path": str(data)},
        "prompt": {"template": "question"},
        "reward": {"recipe": "lengths", "url": url, "retry_wait_seconds": 0.05, "patience_seconds": 60},
        "rollouts": {
            "generations": 4,
            "max_completion_tokens": 6,
            "prompts_per_rollout": 2,
            "groups_at_once": 1,
        },
        "optim": {
            "prompts_per_update": 2,
            "sequences_per_device": 8,
            "learning_rate": 1e-2,
            "max_steps": 2,
            "gradient_checkpointing": False,
        },
        "output": {"folder": str(output), "save_steps": 1, "tensorboard": False, "wandb": False},
    }


def read_metrics(config: TrainConfig) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics file."""
    text = (config.output.folder / "metrics.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]
