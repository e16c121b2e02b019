"""The sizes of the bundled model and the course of its training. It knows no torch."""

from dataclasses import dataclass
from math import cos, pi
from typing import Any

from visreward_service.models.bundled.batches import Plan

FIRST_TRAINING_SEED = 1_000_000
"""Training draws scenes from this seed on; `EVALUATION_SEED` in `evaluate` is far below it."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model is trained. Everything but the weights' last bits follows from it."""

    seed: int = 1
    steps: int = 5000
    batch_size: int = 24
    num_scenes: int = 32_000
    images_from: int = 400
    "When captions join in, and what whole pictures tell. Until then phrases are learned alone."
    descriptions_from: int = 1200
    learning_rate: float = 1e-3
    matrix_learning_rate: float = 4e-3
    hint_learning_rate: float = 3e-3
    warmup_steps: int = 200
    cooldown_steps: int = 500
    weight_decay: float = 0.02
    bfloat16: bool = True
    "Matrix products in bfloat16; about a third faster where the processor has them."
    image_size: int = 96
    patch_size: int = 8
    width: int = 128
    vision_layers: int = 5
    text_layers: int = 3
    projection: int = 128

    def pace(self, step: int) -> float:
        """The learning rates as a fraction of the highest: a linear warm-up, then half a cosine, brought to
        nothing over the last steps.
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, self.steps - self.warmup_steps)
        rate = 0.1 + 0.9 * (1 + cos(pi * min(1, done))) / 2
        return rate * min(1, (self.steps - step) / self.cooldown_steps)

    def plans(self) -> list[Plan]:
        """The curriculum: phrases alone, then captions and places, then descriptions too."""
        return [
            Plan(
                batch_size=self.batch_size,
                num_captions=self.batch_size if step >= self.images_from else 0,
                num_descriptions=self.batch_size // 2 if step >= self.descriptions_from else 0,
            )
            for step in range(self.steps)
        ]

    def config(self, *, vocabulary: int, start: int, end: int) -> dict[str, Any]:
        """The `config.json` of the model."""
        heads = self.width // 32
        shared = {
            "hidden_size": self.width,
            "intermediate_size": 4 * self.width,
            "num_attention_heads": heads,
            "hidden_act": "quick_gelu",
            "projection_dim": self.projection,
        }
        return {
            "architectures": ["FGCLIPModel"],
            "model_type": "clip",
            "projection_dim": self.projection,
            "logit_scale_init_value": 2.6592,
            "text_config": {
                **shared,
                "vocab_size": vocabulary,
                "num_hidden_layers": self.text_layers,
                "max_position_embeddings": 77,
                "bos_token_id": start,
                "eos_token_id": end,
                "pad_token_id": end,
            },
            "vision_config": {
                **shared,
                "num_hidden_layers": self.vision_layers,
                "image_size": self.image_size,
                "patch_size": self.patch_size,
            },
        }

    def preprocessor_config(self) -> dict[str, Any]:
        """FG-CLIP's preprocessing: squash to a square, rescale, normalise with CLIP's mean and deviation."""
        side = {"height": self.image_size, "width": self.image_size}
        return {
            "image_processor_type": "CLIPImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": side,
            "resample": 3,
            "do_center_crop": False,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": list(IMAGE_MEAN),
            "image_std": list(IMAGE_STD),
        }


IMAGE_MEAN = (0.48145466, 0.4578275, 0.40821073)
IMAGE_STD = (0.26862954, 0.26130258, 0.27577711)
