"""Sample scenes as files: pictures with a line of JSON each, for examples, demonstrations and tests."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from visreward_service.scenes.grammar import (
    Caption,
    Description,
    Question,
    RegionPhrase,
    key_words,
    long_description,
    questions,
    region_phrases,
    short_caption,
)
from visreward_service.scenes.negatives import false_detail, false_phrases, hard_negatives
from visreward_service.scenes.rendering import render_image
from visreward_service.scenes.spec import Scene, sample_scene

CAPTIONS_FILE = "captions.jsonl"


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A scene with one choice of everything that the grammar says of it."""

    seed: int
    scene: Scene
    caption: Caption
    negatives: dict[str, Caption]
    description: Description
    false_description: Description
    phrases: tuple[RegionPhrase, ...]
    false_phrases: tuple[RegionPhrase, ...]
    question: Question

    @property
    def id(self) -> str:
        return f"scene-{self.seed:06d}"

    def render(self) -> Image.Image:
        return render_image(self.scene)

    def to_json(self) -> dict[str, Any]:
        """The line of `captions.jsonl`; boxes are `[x1, y1, x2, y2]` in pixels of the picture."""
        return {
            "id": self.id,
            "image": f"{self.id}.png",
            "caption": self.caption.text,
            "negatives": {kind: negative.text for kind, negative in self.negatives.items()},
            "description": self.description.text,
            "false_description": self.false_description.text,
            "phrases": [
                {"phrase": phrase.text, "boxes": [[round(at, 1) for at in box] for box in phrase.boxes]}
                for phrase in self.phrases
            ],
            "false_phrases": [phrase.text for phrase in self.false_phrases],
            "question": self.question.text,
            "answer": self.question.answer,
            "key_words": list(key_words(self.scene)),
        }


def build_sample(seed: int, *, num_groups: int | None = None) -> Sample:
    """The sample of a seed."""
    scene = sample_scene(seed, num_groups=num_groups)
    random = Random(f"sample/{seed}")  # noqa: S311
    caption = short_caption(scene, random)
    description = long_description(scene, random)
    phrases = region_phrases(scene, random)
    return Sample(
        seed=seed,
        scene=scene,
        caption=caption,
        negatives=hard_negatives(scene, caption, random),
        description=description,
        false_description=false_detail(scene, description, random),
        phrases=phrases,
        false_phrases=tuple(false for true in phrases for false in false_phrases(scene, true, random)),
        question=random.choice(questions(scene)),
    )


def write_samples(
    folder: Path,
    *,
    count: int,
    seed: int = 0,
    num_groups: int | None = None,
    on_sample: Callable[[Sample], None] | None = None,
) -> Path:
    """Write the samples of seeds `seed` to `seed + count - 1` and return the path of `captions.jsonl`.

    The folder is made if need be; files of the same names are replaced. `on_sample` hears of each one
    written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / CAPTIONS_FILE
    with path.open("w", encoding="utf-8") as lines:
        for sample in (build_sample(seed + i, num_groups=num_groups) for i in range(count)):
            line = sample.to_json()
            sample.render().save(folder / line["image"])
            lines.write(json.dumps(line) + "\n")
            if on_sample is not None:
                on_sample(sample)
    return path
