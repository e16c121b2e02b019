"""What the programs share: the traffic of a step as the bench writes it, and answering steps one by one."""

import base64
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Group:
    """An image file and the texts that are scored against it."""

    data: bytes
    texts: list[str]

    @property
    def image(self) -> Image.Image:
        """The image, decoded anew every time."""
        return decode(self.data)


def decode(data: bytes) -> Image.Image:
    """Return an image file in RGB."""
    return Image.open(BytesIO(data)).convert("RGB")


def read_groups(path: Path) -> list[Group]:
    """Read a step: a list of objects with `image` (base64) and `texts`."""
    step = json.loads(path.read_text(encoding="utf-8"))
    return [Group(base64.b64decode(group["image"]), group["texts"]) for group in step]


def answer_steps(prepare: Callable[[list[Group]], Any], score: Callable[[Any], list[list[float]]]) -> None:
    """Score the step in each file named on stdin; answer with a line of JSON: seconds, and scores by group.

    Only `score` is timed.
    """
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        prepared = prepare(read_groups(Path(line.strip())))
        started = time.perf_counter()
        scores = score(prepared)
        print(json.dumps({"seconds": time.perf_counter() - started, "scores": scores}), flush=True)
