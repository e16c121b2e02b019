"""TRL's settings from a config: batch sizes for any number of processes, and names that differ."""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import importlib.util
import os
from typing import Any

import torch
from trl import GRPOConfig

from visreward_trainer.config import TrainConfig
from visreward_trainer.errors import ConfigError

TENSORBOARD = ("tensorboard", "tensorboardX")
WANDB_ASKED = ("WANDB_API_KEY", "WANDB_PROJECT", "WANDB_MODE")
"""Variables that nobody sets who does not want W&B; without one of them it would ask for an account."""


def build_grpo_config(config: TrainConfig, banned_ids: tuple[int, ...]) -> GRPOConfig:
    """Return TRL's settings; raise `ConfigError` where the batch does not divide among the processes."""
    rollouts, optim, output = config.rollouts, config.optim, config.output
    accumulation = accumulation_steps(config, num_processes())
    on_gpu = torch.cuda.is_available()
    return GRPOConfig(
        output_dir=str(output.folder),
        per_device_train_batch_size=optim.sequences_per_device,
        gradient_accumulation_steps=accumulation,
        steps_per_generation=accumulation * config.updates_per_rollout,
        num_generations=rollouts.generations,
        max_completion_length=rollouts.max_completion_tokens,
        temperature=rollouts.temperature,
        top_p=rollouts.top_p,
        learning_rate=optim.learning_rate,
        weight_decay=optim.weight_decay,
        max_grad_norm=optim.max_grad_norm,
        warmup_steps=optim.warmup_steps,
        lr_scheduler_type=optim.schedule,
        num_train_epochs=optim.epochs,
        max_steps=optim.max_steps or -1,
        beta=optim.kl,
        epsilon=optim.clip_low,
        epsilon_high=optim.clip_high,
        delta=optim.dual_clip,
        loss_type=optim.loss,
        scale_rewards=optim.scale_rewards,
        gradient_checkpointing=optim.gradient_checkpointing,
        seed=optim.seed,
        use_cpu=not on_gpu,
        bf16=on_gpu and config.model.dtype == "bfloat16",
        fp16=on_gpu and config.model.dtype == "float16",
        save_strategy="steps",
        save_steps=output.save_steps,
        save_total_limit=output.keep_checkpoints,
        logging_steps=output.log_steps,
        log_completions=output.show_completions > 0,
        num_completions_to_print=output.show_completions or None,
        report_to=find_reporters(config),
        disable_tqdm=True,
        dataloader_pin_memory=on_gpu,
        # A step may wait for the reward service or the rollout server as long as their patience says.
        ddp_timeout=int(2 * (config.reward.patience_seconds + rollouts.patience_seconds)) + 1800,
        **server_settings(config, banned_ids),
    )


def server_settings(config: TrainConfig, banned_ids: tuple[int, ...]) -> dict[str, Any]:
    """Return what hands generation to TRL's own vLLM client, for `rollouts.sync = "nccl"`."""
    if config.rollouts.kind == "local" or config.rollouts.sync == "lora":
        return {}
    return {
        "use_vllm": True,
        "vllm_mode": "server",
        "vllm_server_base_url": config.rollouts.url,
        "vllm_server_timeout": config.rollouts.patience_seconds,
        "generation_kwargs": {"logit_bias": {str(number): -100.0 for number in banned_ids}},
    }


def accumulation_steps(config: TrainConfig, processes: int) -> int:
    """Return how many forward and backward passes of each process make one update."""
    optim = config.optim
    completions = optim.prompts_per_update * config.rollouts.generations
    at_once = optim.sequences_per_device * processes
    if completions % at_once:
        raise ConfigError(
            f"an update has {completions} completions (optim.prompts_per_update x rollouts.generations), "
            f"which {processes} processes cannot share {optim.sequences_per_device} at a time "
            "(optim.sequences_per_device)"
        )
    return completions // at_once


def num_processes() -> int:
    """Return how many processes `accelerate launch` or `torchrun` has started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def find_reporters(config: TrainConfig) -> list[str]:
    """Return TRL's names of the loggers; raise `ConfigError` where one is asked for and not installed.

    Where the settings leave it open, TensorBoard is used if it is installed, since it writes files and asks
    nobody, and W&B if it is installed and a variable of its own is set.
    """
    output = config.output
    chosen = []
    if choose("tensorboard", output.tensorboard, TENSORBOARD, wanted=True):
        chosen.append("tensorboard")
    if choose("wandb", output.wandb, ("wandb",), wanted=is_wandb_asked()):
        chosen.append("wandb")
    return chosen


def choose(name: str, setting: bool | None, packages: tuple[str, ...], *, wanted: bool) -> bool:
    """Return whether a logger is used; `wanted` decides where the setting does not."""
    is_installed = any(importlib.util.find_spec(package) for package in packages)
    if setting and not is_installed:
        raise ConfigError(f"output.{name}: {packages[0]} is not installed; pip install {packages[0]}")
    return is_installed and (wanted if setting is None else setting)


def is_wandb_asked() -> bool:
    return os.environ.get("WANDB_MODE") != "disabled" and any(os.environ.get(name) for name in WANDB_ASKED)
