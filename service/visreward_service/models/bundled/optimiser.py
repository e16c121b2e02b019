"""How gradients become new weights: Muon for the matrices of the towers' blocks, AdamW for everything else.

With Muon (Jordan et al., 2024) a course needs clearly fewer steps than with AdamW alone. PyTorch has it from
2.9 on; that is needed to train, and not to use the model. It knows no losses.
"""

from typing import Any

import torch
from torch import nn

from visreward_service.models.bundled.recipe import Recipe


class Optimiser:
    """The three optimisers of a course and their learning rates."""

    def __init__(self, model: nn.Module, hints: nn.Module, recipe: Recipe) -> None:
        inner = {name for name, p in model.named_parameters() if p.ndim == 2 and ".layers." in name}
        named = dict(model.named_parameters())
        others = [parameter for name, parameter in named.items() if name not in inner]
        groups = [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": recipe.weight_decay},
            {"params": [p for p in others if p.ndim <= 1], "weight_decay": 0.0},
        ]
        self.recipe = recipe
        self.rates = {
            "matrices": recipe.matrix_learning_rate,
            "others": recipe.learning_rate,
            "hints": recipe.hint_learning_rate,
        }
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            "matrices": torch.optim.Muon(
                [named[name] for name in named if name in inner],
                lr=recipe.matrix_learning_rate,
                weight_decay=recipe.weight_decay,
                adjust_lr_fn="match_rms_adamw",
            ),
            "others": torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True),
            "hints": torch.optim.AdamW(hints.parameters(), lr=recipe.hint_learning_rate),
        }

    def zero_grad(self) -> None:
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()

    def step(self, step: int) -> None:
        """Descend once, at the rates of a step of the course."""
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = self.rates[name] * self.recipe.pace(step)
            optimiser.step()

    def state_dict(self) -> dict[str, Any]:
        return {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state[name])
