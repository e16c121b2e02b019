"""Questions about rendered scenes, and the texts from which the policy learns to see and to write.

There are two texts to a scene. The true one teaches the policy to see. The other is wrong on purpose in half
of what it says of the scene: after it the policy says what it sees no more often than something else of the
kind, and is left to find out from the rewards that the truth is worth more.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from visreward_service.scenes import Sample, build_sample
from visreward_service.scenes.shapes import SHAPES
from visreward_service.scenes.spec import COLOURS, PLACES
from visreward_service.scenes.words import NUMBERS, PLACE_WORDINGS, plural

WRONG_SHARE = 0.5
HEADINGS = (
    "### Image Description:\n",
    "\n### Rationales:\n",
    "\n### Step 1:\n",
    "\n### The final answer is:",
)
"""Of PeBR-R1's sections."""
SIZES = ("small", "large")


@dataclass(frozen=True, kw_only=True)
class Split:
    """A file of questions about scenes of consecutive seeds."""

    path: Path
    rows: list[dict[str, Any]]


def write_split(folder: Path, name: str, *, first_seed: int, count: int) -> Split:
    """Render scenes of one group each, and write their questions as `visreward train` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [write_scene(folder, build_sample(first_seed + number, num_groups=1)) for number in range(count)]
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return Split(path=path, rows=rows)


def write_scene(folder: Path, sample: Sample) -> dict[str, Any]:
    """Write a scene's picture, and return its line."""
    known = sample.to_json()
    sample.render().save(folder / known["image"])
    return {
        "id": known["id"],
        "source": "scenes",
        "question": known["question"],
        "images": [known["image"]],
        "answer": known["answer"],
        "key_words": known["key_words"],
        "true_text": write_text(sample, lambda value, _: value),
        "half_true_text": write_text(sample, HalfTrue(Random(f"half-true/{sample.seed}"))),
    }


def write_text(sample: Sample, tell: Callable[[Any, Iterable[Any]], Any]) -> str:
    """Return a description and an answer in PeBR-R1's sections.

    `tell` is given each fact and all of its kind, and returns one of them.
    """
    [group] = sample.scene.groups
    count = tell(group.count, range(1, 5))
    size, colour = tell(group.size, SIZES), tell(group.colour, COLOURS)
    shape = tell(group.shape, SHAPES)
    right = sample.question.answer
    sections = (
        f"{NUMBERS[count]} {size} {colour} {shape if count == 1 else plural(shape)}.".capitalize(),
        "Seen.",
        "Look.",
        f" {tell(right, alternatives(right))}",
    )
    return "".join(heading + section for heading, section in zip(HEADINGS, sections, strict=True))


@dataclass(frozen=True)
class HalfTrue:
    """Tells a fact, or in half of the cases another one of its kind."""

    random: Random

    def __call__(self, value: Any, known: Iterable[Any]) -> Any:
        others = [one for one in known if one != value]
        return self.random.choice(others) if others and self.random.random() < WRONG_SHARE else value


def alternatives(answer: str) -> tuple[str, ...]:
    """Return the answers to questions of the same kind."""
    places = tuple(PLACE_WORDINGS[place][0] for row in PLACES for place in row)
    kinds = (tuple(COLOURS), tuple(SHAPES), places, tuple(str(number) for number in range(1, 5)))
    return next((kind for kind in kinds if answer in kind), (answer,))
