"""What TRL is told of a config."""

import sys
from pathlib import Path

import pytest

from tests.client.small_service import SmallService
from tests.trainer.conftest import MakeConfig, read_metrics
from visreward_trainer.config import TrainConfig
from visreward_trainer.config_file import load_config
from visreward_trainer.errors import ConfigError

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def stage_1() -> TrainConfig:
    needed = [
        ("model.path", "m"),
        ("data.path", "d"),
        ("output.folder", "runs/x"),
        ("rollouts.url", "http://v:1"),
    ]
    return load_config(TrainConfig, ["pebr-r1-stage1.toml"], needed)


@pytest.mark.parametrize(("processes", "steps"), [(1, 224), (7, 32), (8, 28), (16, 14)])
def test_an_update_has_the_papers_prompts_whatever_the_number_of_processes(
    stage_1: TrainConfig, processes: int, steps: int
) -> None:
    from visreward_trainer.grpo import accumulation_steps

    assert accumulation_steps(stage_1, processes) == steps
    assert steps * processes * stage_1.optim.sequences_per_device == 112 * 8


def test_a_batch_that_does_not_divide_among_the_processes_is_refused(stage_1: TrainConfig) -> None:
    from visreward_trainer.grpo import accumulation_steps

    with pytest.raises(ConfigError, match="5 processes cannot share 4 at a time"):
        accumulation_steps(stage_1, 5)


def test_trl_gets_the_papers_numbers_and_its_own_server_mode_for_all_weights(stage_1: TrainConfig) -> None:
    from visreward_trainer.grpo import build_grpo_config

    told = build_grpo_config(stage_1, (7, 9))
    assert (told.beta, told.epsilon, told.epsilon_high, told.delta) == (0.01, 0.2, 0.3, 3.0)
    assert (told.num_generations, told.temperature, told.top_p) == (8, 1.2, 0.99)
    assert told.steps_per_generation == 5 * told.gradient_accumulation_steps
    assert told.generation_batch_size == 560 * 8
    assert (told.use_vllm, told.vllm_mode, told.vllm_server_base_url) == (True, "server", "http://v:1")
    assert told.generation_kwargs == {"logit_bias": {"7": -100.0, "9": -100.0}}
    assert told.ddp_timeout > stage_1.reward.patience_seconds + stage_1.rollouts.patience_seconds


def with_output(config: TrainConfig, **output: bool | None) -> TrainConfig:
    return config.model_copy(update={"output": config.output.model_copy(update=output)})


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder whose packages can be found, in the place of all that is installed."""
    from visreward_trainer.grpo import WANDB_ASKED

    for name in WANDB_ASKED:
        monkeypatch.delenv(name, raising=False)
    for name in ("tensorboard", "wandb"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    return tmp_path


def install(folder: Path, *names: str) -> None:
    for name in names:
        (folder / f"{name}.py").touch()


def test_loggers_that_are_not_installed_are_left_out_and_refused_where_they_are_asked_for(
    stage_1: TrainConfig, installed: Path
) -> None:
    from visreward_trainer.grpo import find_reporters

    assert find_reporters(stage_1) == []
    for name in ("tensorboard", "wandb"):
        with pytest.raises(ConfigError, match=rf"output\.{name}: .*pip install {name}"):
            find_reporters(with_output(stage_1, **{name: True}))


def test_tensorboard_is_used_where_it_is_installed_and_wandb_where_it_is_asked_for_too(
    stage_1: TrainConfig, installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from visreward_trainer.grpo import find_reporters

    install(installed, "tensorboard", "wandb")
    assert find_reporters(stage_1) == ["tensorboard"]
    assert find_reporters(with_output(stage_1, tensorboard=False, wandb=True)) == ["wandb"]
    monkeypatch.setenv("WANDB_PROJECT", "captions")
    assert find_reporters(stage_1) == ["tensorboard", "wandb"]
    assert find_reporters(with_output(stage_1, wandb=False)) == ["tensorboard"]
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert find_reporters(stage_1) == ["tensorboard"]


def test_tensorboard_holds_what_the_metrics_file_holds(
    service: SmallService, make_config: MakeConfig
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from visreward_trainer.run import train

    config = make_config(service.url, {"output.tensorboard": None})
    train(config)
    (file,) = config.output.folder.glob("runs/*/events.out.tfevents.*")
    events = EventAccumulator(str(file)).Reload()
    lines = read_metrics(config)
    for name in ("reward", "groups/tied", "failures/share", "sources/even/reward"):
        told = {event.step: event.value for event in events.Scalars(f"train/{name}")}
        assert told == pytest.approx({line["step"]: line[name] for line in lines if name in line})
