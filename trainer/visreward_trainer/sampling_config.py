"""What a sampling run is told: the tables of a training run that it needs."""

from pathlib import Path
from typing import Self

from pydantic import model_validator

from visreward_trainer.config import DataConfig, ModelConfig, PromptConfig, RewardConfig, RolloutConfig, Table


class SampleOutput(Table):
    """What is written, and where."""

    folder: Path
    chunk: int = 32
    """Questions between two writes; what a killed run loses at most."""


class SampleConfig(Table):
    """Several completions of each question, to sort the questions by how many are right."""

    model: ModelConfig
    data: DataConfig
    prompt: PromptConfig = PromptConfig()
    reward: RewardConfig
    rollouts: RolloutConfig = RolloutConfig()
    output: SampleOutput
    seed: int = 1

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.rollouts.kind == "server" and self.rollouts.url is None:
            raise ValueError("rollouts.kind is server, and rollouts.url is missing")
        return self
