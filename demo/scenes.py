"""Questions about rendered scenes, and the answers from which the policy learns to write at all.

The texts of the warm-up are wrong on purpose in half of what they say of a scene: the policy learns the
form, and that things have colours, shapes, sizes and numbers, and is left to find out from the rewards which
are true.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from visreward_service.scenes import Sample, build_sample
from visreward_service.scenes.shapes import SHAPES
from visreward_service.scenes.spec import COLOURS, PLACES
from visreward_service.scenes.words import NUMBERS, PLACE_WORDINGS, plural

WRONG_SHARE = 0.5
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
    """Write a scene's picture, and return its line; `warm_up` is the text of the warm-up."""
    known = sample.to_json()
    sample.render().save(folder / known["image"])
    return {
        "id": known["id"],
        "source": "scenes",
        "question": known["question"],
        "images": [known["image"]],
        "answer": known["answer"],
        "key_words": known["key_words"],
        "warm_up": write_text(sample, Random(f"warm-up/{sample.seed}")),
    }


def write_text(sample: Sample, random: Random) -> str:
    """Return a description and an answer in PeBR-R1's sections, each of whose facts may be wrong."""
    [group] = sample.scene.groups
    count = keep(group.count, range(1, 5), random)
    words = [
        "one" if count == 1 else NUMBERS[count],
        keep(group.size, SIZES, random),
        keep(group.colour, COLOURS, random),
    ]
    shape = keep(group.shape, SHAPES, random)
    answer = keep(sample.question.answer, alternatives(sample.question.answer), random)
    return "\n".join(
        (
            "### Image Description:",
            f"{' '.join(words)} {shape if count == 1 else plural(shape)}.".capitalize(),
            "### Rationales:",
            "Look at the image.",
            "### Let's think step by step.",
            "### Step 1:",
            "It can be seen.",
            f"### The final answer is: {answer}",
        )
    )


def keep(value: Any, known: Any, random: Random) -> Any:
    """Return a value, or in half of the cases another one of its kind."""
    others = [one for one in known if one != value]
    return random.choice(others) if others and random.random() < WRONG_SHARE else value


def alternatives(answer: str) -> tuple[str, ...]:
    """Return the answers to questions of the same kind."""
    places = tuple(PLACE_WORDINGS[place][0] for row in PLACES for place in row)
    kinds = (tuple(COLOURS), tuple(SHAPES), places, tuple(str(number) for number in range(1, 5)))
    return next((kind for kind in kinds if answer in kind), (answer,))
