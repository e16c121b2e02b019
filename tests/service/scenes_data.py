"""Requests made of rendered scenes, for tests of the service."""

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from typing import Any

from visreward_service.scenes.samples import Sample, build_sample


@lru_cache(maxsize=64)
def sample(seed: int) -> Sample:
    return build_sample(seed)


@dataclass(frozen=True)
class Picture:
    """An encoded image and its digest."""

    data: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def wire(self) -> dict[str, str]:
        return {"digest": self.digest, "data": base64.b64encode(self.data).decode()}


@lru_cache(maxsize=64)
def picture(seed: int) -> Picture:
    buffer = BytesIO()
    sample(seed).render().save(buffer, "PNG")
    return Picture(buffer.getvalue())


def pebr(description: str, answer: str) -> str:
    """A completion in the sections that PeBR-R1 asks for."""
    return (
        f"### Image Description:\n{description}\n### Rationales:\nLook at each object.\n"
        f"### Let's think step by step.\n### Step 1:\nCount them.\n### The final answer is:\n{answer}"
    )


def item(seed: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    """A good completion for a scene, as an item of recipe `pebr-r1/stage1`."""
    scene = sample(seed)
    return {
        "id": f"{seed}-{number}",
        "group": f"scene-{seed}",
        "images": [picture(seed).digest],
        "prompt": scene.question.text,
        "completion": pebr(scene.description.text, scene.question.answer),
        "completion_tokens": 200,
        "reference": {"answer": scene.question.answer, "key_words": ["object"]},
        **changes,
    }
