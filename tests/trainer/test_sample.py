"""Sampling: classes, files, and what a killed run leaves to be done."""

import json
from pathlib import Path

import pytest

from tests.client.small_service import SmallService
from visreward_trainer.sample import classify, sample
from visreward_trainer.sampling_config import SampleConfig

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("rewards", "name"),
    [
        ([1.0] * 8, "easy"),
        ([1.0] * 7 + [0.0], "medium"),
        ([0.0] * 7 + [1.0], "medium"),
        ([0.0] * 8, "hard"),
        ([0.9] * 8, "hard"),
    ],
)
def test_a_question_is_classed_by_how_many_completions_are_right(rewards: list[float], name: str) -> None:
    assert classify(rewards) == name


@pytest.fixture
def config(service: SmallService, tiny_model: Path, data: Path, tmp_path: Path) -> SampleConfig:
    return SampleConfig.model_validate(
        {
            "model": {"path": str(tiny_model), "dtype": "float32"},
            "data": {"path": data, "max_rows": 5},
            "prompt": {"template": "question"},
            "reward": {"recipe": "lengths", "url": service.url, "patience_seconds": 5},
            "rollouts": {"generations": 2, "max_completion_tokens": 3},
            "output": {"folder": tmp_path / "sampled", "chunk": 2},
        }
    )


def test_a_killed_run_takes_up_what_is_missing_and_a_question_without_rewards_is_in_no_class(
    config: SampleConfig, service: SmallService
) -> None:
    service.broken_groups = frozenset({"3"})
    done: list[int] = []
    counts = sample(config, done.append)
    assert sum(done) == 5
    assert counts["unscored"] == 1
    assert sum(counts[name] for name in ("easy", "medium", "hard")) == 4
    samples = config.output.folder / "samples.jsonl"
    lines = samples.read_text(encoding="utf-8").splitlines(keepends=True)
    assert [json.loads(line)["id"] for line in lines] == ["q0", "q1", "q2", "q4"]
    # A kill in the middle of a write.
    samples.write_text("".join(lines[:2]) + lines[2][:20], encoding="utf-8")
    service.broken_groups = frozenset()
    service.seen.clear()
    assert sample(config)["unscored"] == 0
    assert len(service.scored) == 3
    again = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    assert sorted(line["id"] for line in again) == ["q0", "q1", "q2", "q3", "q4"]
    assert all(len(line["rewards"]) == len(line["completions"]) == 2 for line in again)
    written = [
        json.loads(line)
        for name in ("easy", "medium", "hard")
        for line in (config.output.folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert sorted(row["id"] for row in written) == ["q0", "q1", "q2", "q3", "q4"]
    assert all(Path(row["images"][0]).is_file() and row["answer"] for row in written)
    service.seen.clear()
    assert sum(sample(config)[name] for name in ("easy", "medium", "hard")) == 5
    assert not service.scored
