"""What trainers have in hand in these tests: scenes, completions of them, and a service that counts."""

from dataclasses import dataclass
from typing import Any

import httpx

from tests.service.scenes_data import item, pebr, picture, sample

STAGE_1 = "pebr-r1/stage1"
STAGE_2 = "pebr-r1/stage2"
PARTS = ("clip", "key_word", "format", "length", "accuracy")
"""Of stage 1, in the recipe's order."""
GATED = """
name = "gated"
summary = "Needs whole groups."
[terms.format]
scorer = "sections"
require = ["Step 1"]
[reward]
expression = "format"
[group.gate]
value = "format"
cap = 1.0
apply = "rewards"
"""


@dataclass(frozen=True)
class Service:
    """A running service, and what it has counted."""

    url: str

    def count_scored(self) -> int:
        """Return how many requests to score have been answered."""
        return self._count('visreward_requests_total{path="/score",status="200"} ')

    def count_images(self) -> int:
        """Return how many distinct images have been asked for, request by request."""
        return self._count('visreward_work_done_total{kind="image"} ')

    def _count(self, line: str) -> int:
        text = httpx.get(f"{self.url}/metrics").text
        found = [one.removeprefix(line) for one in text.splitlines() if one.startswith(line)]
        return int(float(found[0])) if found else 0


GOOD, BARE = 0, 1


def completion(seed: int, kind: int = GOOD) -> str:
    """A completion for a scene: a good one, or one without sections or answer."""
    scene = sample(seed)
    text = pebr(scene.description.text, scene.question.answer)
    return text if kind == GOOD else "I do not know."


def reference(seed: int) -> dict[str, Any]:
    """The reference of a scene's items."""
    found: dict[str, Any] = item(seed)["reference"]
    return found


def pixels(seed: int) -> Any:
    """A fresh Pillow image of a scene, as a trainer hands one to every sibling."""
    return sample(seed).render()


def data(seed: int) -> bytes:
    """The bytes of a scene's file."""
    return picture(seed).data
