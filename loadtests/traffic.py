"""The traffic: groups of completions on synthetic JPEGs, and completions for rules alone."""

import base64
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import orjson
from PIL import Image

ALIGNMENT = {"scorer": "alignment", "text": "completion", "over_limit": "truncate"}
"""The term of the bench: the cosine of image and completion."""

WORDS = (
    "a", "the", "two", "small", "large", "red", "blue", "green", "circle", "square", "chart", "graph",
    "axis", "line", "shows", "value", "left", "right", "above", "below", "of", "with", "and", "near",
    "under", "point", "label", "figure", "number", "total", "per", "each", "side", "angle", "length",
    "area", "equals",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One training step: a completion for each (image, sibling), siblings next to each other."""

    images: list[bytes]
    completions: list[list[str]]

    @property
    def num_items(self) -> int:
        return sum(map(len, self.completions))

    def items(self) -> list[dict[str, Any]]:
        """Return the step as items of the client."""
        return [
            {
                "id": f"{number}-{place}",
                "group": str(number),
                "images": [self.images[number]],
                "completion": text,
            }
            for number, texts in enumerate(self.completions)
            for place, text in enumerate(texts)
        ]


def jpeg(seed: int, width: int = 640, height: int = 480) -> bytes:
    """Return a JPEG of smooth noise, about as large as a photograph of that size."""
    noise = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
    grain = np.random.default_rng(seed + 1).normal(0, 6, (height, width, 1))
    pixels = np.clip(np.asarray(image, dtype=np.float32) + grain, 0, 255).astype(np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def mark(image: bytes, number: int) -> bytes:
    """Return a JPEG's picture as another file: with a number in a comment (ITU-T T.81, B.2.4.5)."""
    return image[:2] + b"\xff\xfe\x00\x0a" + number.to_bytes(8, "big") + image[2:]


def caption(source: random.Random) -> str:
    """Return a caption of 8 to 30 words."""
    return " ".join(source.choices(WORDS, k=source.randint(8, 30)))


def build_step(seed: int, *, num_images: int, group_size: int, images: list[bytes] | None = None) -> Step:
    """Return a step of new completions, on new images or on those given."""
    source = random.Random(seed)
    chosen = images or [jpeg(seed * 1_000_003 + number) for number in range(num_images)]
    return Step(chosen, [[caption(source) for _ in range(group_size)] for _ in chosen])


def encode_pairs(
    model: str,
    images: Mapping[str, bytes],
    pairs: Iterable[tuple[str, str]],
    *,
    deadline_ms: int | None = None,
) -> bytes:
    """Return the JSON body that asks for the cosines of (digest, completion) pairs."""
    document: dict[str, Any] = {
        "terms": {"clip": {**ALIGNMENT, "model": model}},
        "reward": "clip",
        "details": False,
        "images": [
            {"digest": digest, "data": base64.b64encode(data).decode()} for digest, data in images.items()
        ],
        "items": [
            {"id": str(number), "group": digest, "images": [digest], "completion": text}
            for number, (digest, text) in enumerate(pairs)
        ],
    }
    if deadline_ms is not None:
        document["deadline_ms"] = deadline_ms
    return orjson.dumps(document)


def rule_items(seed: int, count: int) -> list[dict[str, Any]]:
    """Return items of `pebr-r1/stage2`: 70 % numbers, the rest simple fractions, half of them right."""
    source = random.Random(seed)
    items = []
    for number in range(count):
        gold = (
            str(source.randint(0, 999)) if source.random() < 0.7 else f"\\frac{{{source.randint(1, 9)}}}{{7}}"
        )
        given = gold if source.random() < 0.5 else str(source.randint(0, 999))
        text = f"### Image Description:\n{caption(source)}\n### Rationales:\n{caption(source)}\n### Step 1:\n"
        items.append(
            {
                "id": str(number),
                "completion": f"{text}{caption(source)}\n### The final answer is:\n{given}",
                "reference": {"answer": gold},
            }
        )
    return items
