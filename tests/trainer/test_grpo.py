"""What TRL is told of a config."""

import pytest

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
