"""A run of the tiny model against the real service, which is killed midway and stays away for a while."""

import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.trainer import reward_service
from tests.trainer.conftest import MakeConfig, read_metrics
from visreward_trainer.config import TrainConfig
from visreward_trainer.run import train

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

AWAY_SECONDS = 20
STEPS = 8
NEVER_ZERO = """
name = "never-zero"
summary = "The picture and the length, on a ground of one: whatever is scored is no 0."
[terms.clip]
scorer = "clipscore"
model = "fgclip"
text = "completion"
value = "cos"
[terms.length]
scorer = "length"
shape = "ratio"
expected_tokens = 8
[reward]
expression = "1 + max(clip, 0) + length"
"""


class RealService:
    """`visreward serve` in a process of its own, one after another on the same port."""

    def __init__(self, folder: Path) -> None:
        self.port = reward_service.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        recipes = folder / "recipes"
        recipes.mkdir()
        (recipes / "never-zero.toml").write_text(NEVER_ZERO, encoding="utf-8")
        self.settings = folder / "settings.toml"
        self.settings.write_text(f'recipe_folders = ["{recipes}"]\ncpu_threads = 1\n', encoding="utf-8")
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        command = ["serve", "--config", str(self.settings), "--port", str(self.port)]
        return subprocess.Popen(
            [sys.executable, "-m", "visreward", *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def wait(self) -> None:
        while not self.is_ready():
            assert self.process.poll() is None
            time.sleep(0.1)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").is_success
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        self.process = self._start()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.delenv("VISREWARD_URL", raising=False)
    service = RealService(tmp_path)
    try:
        service.wait()
        yield service
    finally:
        service.kill()


def num_steps(config: TrainConfig) -> int:
    """Return how many steps the run has finished."""
    return len(read_metrics(config)) if (config.output.folder / "metrics.jsonl").exists() else 0


def test_a_service_that_is_killed_and_stays_away_costs_no_step_and_no_sample(
    service: RealService, make_config: MakeConfig
) -> None:
    config = make_config(
        service.url,
        {"reward.recipe": "never-zero", "reward.patience_seconds": 600, "optim.max_steps": STEPS},
    )
    at_kill, at_return = [], []

    def take_away() -> None:
        while num_steps(config) < 2:
            time.sleep(0.02)
        service.kill()
        at_kill.append(num_steps(config))
        time.sleep(AWAY_SECONDS)
        at_return.append(num_steps(config))
        service.restart()

    rewards: list[float | None] = []

    def keep(reward: Any) -> Any:
        def call(**given: Any) -> list[float | None]:
            found: list[float | None] = reward(**given)
            rewards.extend(found)
            return found

        return call

    watch = threading.Thread(target=take_away, daemon=True)
    watch.start()
    train(config, arrange=keep)
    watch.join()
    # Away in the middle of the run, which stood still meanwhile: at most the step under way was whole.
    assert at_return[0] <= at_kill[0] + 1 < STEPS
    lines = read_metrics(config)
    assert [line["step"] for line in lines] == list(range(1, STEPS + 1))
    assert all(line["failures/share"] == line["failures/retries"] == 0.0 for line in lines)
    assert len(rewards) == STEPS * config.rollouts.prompts_per_rollout * config.rollouts.generations
    assert all(reward is not None and reward >= 1.0 for reward in rewards)
