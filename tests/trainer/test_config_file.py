"""Configs: what is read, what goes over what, and what is refused with which words."""

from pathlib import Path
from typing import Any

import pytest

from visreward_trainer.config import TrainConfig
from visreward_trainer.config_file import load_config, parse_override
from visreward_trainer.errors import ConfigError
from visreward_trainer.sampling_config import SampleConfig

NEEDED = [
    ("model.path", "m"),
    ("data.path", "d.jsonl"),
    ("output.folder", "out"),
    ("rollouts.url", "http://v"),
]


def load(*overrides: tuple[str, Any], file: str | Path = "pebr-r1-stage1.toml") -> TrainConfig:
    return load_config(TrainConfig, [file], [*NEEDED, *overrides])


@pytest.mark.parametrize(
    ("stage", "prompts", "per_update", "epochs", "recipe"),
    [(1, 560, 112, 1, "pebr-r1/stage1"), (2, 512, 128, 2, "pebr-r1/stage2")],
)
def test_the_files_of_both_stages_hold_the_papers_numbers(
    stage: int, prompts: int, per_update: int, epochs: int, recipe: str
) -> None:
    config = load(file=f"pebr-r1-stage{stage}.toml")
    assert config.reward.recipe == recipe
    rollouts, optim = config.rollouts, config.optim
    assert (rollouts.generations, rollouts.temperature, rollouts.top_p) == (8, 1.2, 0.99)
    assert (rollouts.max_prompt_tokens, rollouts.max_completion_tokens) == (2048, 2048)
    assert (rollouts.prompts_per_rollout, optim.prompts_per_update, optim.epochs) == (
        prompts,
        per_update,
        epochs,
    )
    assert (optim.learning_rate, optim.weight_decay, optim.max_grad_norm) == (1e-6, 1e-2, 1.0)
    assert (optim.kl, optim.clip_low, optim.clip_high, optim.dual_clip) == (1e-2, 0.2, 0.3, 3.0)
    assert (optim.warmup_steps, optim.seed) == (0, 1)
    assert (config.model.min_pixels, config.model.max_pixels) == (576, 802816)
    assert (config.model.tuning, config.model.freeze_vision) == ("full", False)


def test_the_sampling_file_holds_the_papers_numbers() -> None:
    config = load_config(
        SampleConfig,
        ["pebr-r1-sample.toml"],
        [("model.path", "m"), ("data.path", "d"), ("output.folder", "o")],
    )
    assert config.reward.recipe == "pebr-r1/sampling"
    assert (config.rollouts.generations, config.rollouts.temperature, config.rollouts.top_p) == (8, 1.2, 0.99)
    assert config.model.max_pixels == 4_194_304


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("optim.learning_rat", "learning_rate"),
        ("rollout.kind", "rollouts"),
        ("reward.recipes", "recipe"),
        ("data.question_column", "question"),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest_one(name: str, nearest: str) -> None:
    with pytest.raises(ConfigError, match=nearest):
        load((name, 1))


def test_later_files_and_the_command_line_go_over_earlier_ones(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[optim]\nlearning_rate = 5e-6\nkl = 0.0\n", encoding="utf-8")
    config = load_config(
        TrainConfig, ["pebr-r1-stage1.toml", mine], [*NEEDED, parse_override("optim.kl=0.5")]
    )
    assert (config.optim.learning_rate, config.optim.kl, config.optim.clip_high) == (5e-6, 0.5, 0.3)


def test_an_empty_value_takes_a_setting_back_to_its_default() -> None:
    assert load(parse_override("model.min_pixels=")).model.min_pixels is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=1e-6", 1e-6),
        ("a.b=true", True),
        ('a.b=["x"]', ["x"]),
        ("a.b=runs/x", "runs/x"),
        ("a.b=", None),
        ("a.b=x=y", "x=y"),
    ],
)
def test_a_value_of_the_command_line_is_read_as_toml_else_as_text(text: str, value: Any) -> None:
    assert parse_override(text) == ("a.b", value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"optim.prompts_per_update": 100}, "does not divide"),
        ({"output.save_steps": 7}, "no multiple of the 5 updates"),
        ({"rollouts.sync": "lora"}, "model.tuning is full"),
        ({"model.tuning": "lora"}, "transfers all weights"),
        ({"rollouts.url": None}, "rollouts.url is missing"),
        ({"optim.dual_clip": 1.1}, "above 1"),
        ({"rollouts.generations": 1}, "rollouts.generations"),
        ({"optim.learning_rate": "fast"}, "optim.learning_rate"),
        ({"reward": 3}, "reward"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_name(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(*overrides.items())


def test_a_file_that_is_no_toml_and_one_that_is_not_there_are_refused_by_name(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[model\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"broken\.toml: not valid TOML"):
        load(file=broken)
    with pytest.raises(ConfigError, match=r"absent\.toml"):
        load(file=tmp_path / "absent.toml")


def test_an_override_without_a_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="NAME=VALUE"):
        parse_override("optim.kl")
    with pytest.raises(ConfigError, match="is a value, not a table"):
        load(("optim.kl.deep", 1))
