"""torchmetrics' CLIPScore: called for each sample, as papers do, or once for a group of siblings."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchmetrics.functional.multimodal import clip_score
from transformers import CLIPModel, CLIPProcessor

from loadtests.peers.systems.steps import Group, answer_steps


def main() -> None:
    checkpoint, per = Path(sys.argv[1]), sys.argv[2]
    device = os.environ["BENCH_DEVICE"]
    loaded: Any = CLIPModel.from_pretrained(checkpoint)
    model = loaded.to(device)
    processor: Any = CLIPProcessor.from_pretrained(checkpoint)

    def load() -> tuple[Any, Any]:
        return model, processor

    def call(images: list[Any], texts: list[str]) -> float:
        return float(clip_score(images, texts, model_name_or_path=load)) / 100

    def score(groups: list[Group]) -> list[list[float]]:
        tensors = [torch.from_numpy(np.array(group.image)).permute(2, 0, 1).to(device) for group in groups]
        if per == "sample":
            return [
                [call([tensor], [text]) for text in group.texts] for tensor, group in zip(tensors, groups)
            ]
        # A batch has one mean and no scores of its own.
        for tensor, group in zip(tensors, groups):
            call([tensor] * len(group.texts), group.texts)
        return []

    answer_steps(lambda groups: groups, score)


if __name__ == "__main__":
    main()
