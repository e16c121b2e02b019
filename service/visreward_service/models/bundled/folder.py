"""Writes and reads a model folder in the published layout. It knows no training and no figures."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from tokenizers import Tokenizer
from torch import Tensor

from visreward_service.models.networks import FGClip

CONFIG, WEIGHTS, TOKENIZER, PREPROCESSOR = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "preprocessor_config.json",
)


@dataclass(frozen=True, kw_only=True)
class ModelFolder:
    """A model with what it needs to read texts and pictures."""

    model: FGClip
    tokenizer: Tokenizer
    preprocessor: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> "ModelFolder":
        """Float32, in evaluation mode."""
        state = {key: value.float() for key, value in load_file(folder / WEIGHTS).items()}
        return cls(
            model=FGClip.from_published(json.loads((folder / CONFIG).read_text()), state),
            tokenizer=Tokenizer.from_file(str(folder / TOKENIZER)),
            preprocessor=json.loads((folder / PREPROCESSOR).read_text()),
        )

    @property
    def end(self) -> int:
        return self.model.config.eos_token_id

    def pixels(self, images: NDArray[np.uint8]) -> Tensor:
        """(B, S, S, 3) bytes to the model's (B, 3, S, S)."""
        return normalised(images, self.preprocessor)


def normalised(images: NDArray[np.uint8], preprocessor: dict[str, Any]) -> Tensor:
    """(B, S, S, 3) bytes to (B, 3, S, S), rescaled and normalised."""
    mean, deviation = (
        torch.tensor(preprocessor[name])[:, None, None] for name in ("image_mean", "image_std")
    )
    scaled = torch.tensor(images).permute(0, 3, 1, 2).float() * preprocessor["rescale_factor"]
    pixels: Tensor = (scaled - mean) / deviation
    return pixels


def write_model(folder: Path, model: FGClip, config: dict[str, Any], preprocessor: dict[str, Any]) -> None:
    """Everything but the tokenizer; weights in float16."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.half() for key, value in model.published_state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(state, metadata={"format": "pt"}))
    for name, values in ((CONFIG, config), (PREPROCESSOR, preprocessor)):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n")
