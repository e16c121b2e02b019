"""Questions about rendered scenes, and the texts from which the policy learns to see and to write.

There are two texts to a scene, both in PeBR-R1's sections: a true one, and one that is wrong on purpose in
half of what it says: of the scene, and again of its own description when it answers. After the second the
policy tells what it sees no more often than something else of the kind, and answers with what it has
described no more often than with something else. It is left to find out from the rewards that the truth is
worth more (the first stage's) and that the answer follows from the description (the second's).
"""

import itertools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

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
COUNTS = range(1, 5)
SIZES = ("small", "large")
PLACE_NAMES = tuple(PLACE_WORDINGS[place][0] for row in PLACES for place in row)

Tell: TypeAlias = Callable[[Any, Iterable[Any]], Any]
"""Is given a fact and all of its kind, and returns one of them."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A file of questions about scenes."""

    path: Path
    rows: list[dict[str, Any]]


def write_split(folder: Path, name: str, *, first_seed: int, count: int) -> Split:
    """Render scenes of one group each, and write their questions as `visreward train` reads them.

    Scenes that are asked for a place are passed over: a model of this size does not learn places in minutes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    samples = (build_sample(seed, num_groups=1) for seed in itertools.count(first_seed))
    asked = (sample for sample in samples if sample.question.answer not in PLACE_NAMES)
    rows = [write_scene(folder, sample) for sample in itertools.islice(asked, count)]
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
        "true_text": write_text(sample, tell_truth),
        "half_true_text": write_text(sample, HalfTrue(Random(f"half-true/{sample.seed}"))),
    }


def write_text(sample: Sample, tell: Tell) -> str:
    """Return a completion as PeBR-R1 asks for it."""
    [group] = sample.scene.groups
    count, size = tell(group.count, COUNTS), tell(group.size, SIZES)
    colour, shape = tell(group.colour, COLOURS), tell(group.shape, SHAPES)
    description = f"{NUMBERS[count]} {size} {colour} {shape if count == 1 else plural(shape)}.".capitalize()
    right = sample.question.answer
    described, known = (
        (colour, COLOURS) if right in COLOURS else (shape, SHAPES) if right in SHAPES else (count, COUNTS)
    )
    sections = (description, "Seen.", "Look.", f" {tell(described, known)}")
    return "".join(heading + section for heading, section in zip(HEADINGS, sections, strict=True))


def tell_truth(value: Any, known: Iterable[Any]) -> Any:  # noqa: ARG001
    return value


@dataclass(frozen=True)
class HalfTrue:
    """Tells a fact, or in half of the cases another one of its kind."""

    random: Random

    def __call__(self, value: Any, known: Iterable[Any]) -> Any:
        others = [one for one in known if one != value]
        return self.random.choice(others) if others and self.random.random() < WRONG_SHARE else value
