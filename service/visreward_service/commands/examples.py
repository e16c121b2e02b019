"""Completions about rendered scenes, from good to bad, as items to score and as a ready request.

They are written in the sections that PeBR-R1 asks of a policy. A completion's tokens are counted as its
words: there is no policy here whose tokenizer would be the right one.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ITEMS_FILE = "items.jsonl"
REQUEST_FILE = "request.json"
RECIPE = "pebr-r1/stage1"
MAX_REQUEST_SCENES = 4
"""Scenes in the request: a body that a person can still open."""

MIN_RAMBLING_WORDS = 700
"""Well over the 512 tokens from which PeBR-R1 pays less for length."""


def write_examples(captions: Path) -> tuple[Path, Path]:
    """Write `items.jsonl` and `request.json` beside the samples' `captions.jsonl`; return their paths."""
    lines = captions.read_text(encoding="utf-8").splitlines()
    scenes = [build_items(json.loads(line)) for line in lines]
    items_path = captions.with_name(ITEMS_FILE)
    items_path.write_text(
        "".join(json.dumps(item) + "\n" for items in scenes for item in items), encoding="utf-8"
    )
    request_path = captions.with_name(REQUEST_FILE)
    first = [item for items in scenes[:MAX_REQUEST_SCENES] for item in items]
    request_path.write_text(
        json.dumps(build_request(first, captions.parent), indent=1) + "\n", encoding="utf-8"
    )
    return items_path, request_path


def build_items(sample: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return one group of items for a line of `captions.jsonl`, the best completion first."""
    return [
        {
            "id": f"{sample['id']}-{name}",
            "group": sample["id"],
            "source": "scenes",
            "images": [sample["image"]],
            "prompt": sample["question"],
            "completion": completion,
            "completion_tokens": len(completion.split()),
            "reference": {"answer": sample["answer"], "key_words": sample["key_words"]},
        }
        for name, completion in build_completions(sample).items()
    ]


def build_completions(sample: Mapping[str, Any]) -> dict[str, str]:
    """Return completions of different worth, by name: what each does well or badly.

    faithful: a true description and the right answer. rambling: the same, and on and on. mistaken: one false
    detail, and a wrong answer. bare: the right answer, and none of the sections.
    """
    true, false = sample["description"], sample["false_description"]
    answer = sample["answer"]
    rationale = f"The question is: {sample['question']} The description says what is needed to answer it."
    repeats = MIN_RAMBLING_WORDS // len(rationale.split()) + 1
    return {
        "faithful": write_sections(true, rationale, answer),
        "rambling": write_sections(true, " ".join([rationale] * repeats), answer),
        "mistaken": write_sections(false, rationale, make_wrong(answer)),
        "bare": f"It is {answer}.",
    }


def write_sections(description: str, rationale: str, answer: str) -> str:
    """Return a completion in PeBR-R1's sections."""
    return "\n".join(
        (
            "### Image Description:",
            description,
            "### Rationales:",
            rationale,
            "### Let's think step by step.",
            "### Step 1:",
            f"Look for what the question asks about; it is {answer}.",
            f"### The final answer is: {answer}",
        )
    )


def make_wrong(answer: str) -> str:
    """Return an answer that is not the right one."""
    return str(int(answer) + 1) if answer.isdecimal() else f"not {answer}"


def build_request(items: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    """Return the body of `POST /score` for items whose images are files in `folder`, each sent once."""
    digests: dict[str, str] = {}
    images = []
    for name in dict.fromkeys(image for item in items for image in item["images"]):
        data = (folder / name).read_bytes()
        digests[name] = hashlib.sha256(data).hexdigest()
        images.append({"digest": digests[name], "data": base64.b64encode(data).decode()})
    named = [{**item, "images": [digests[image] for image in item["images"]]} for item in items]
    return {"recipe": RECIPE, "items": named, "images": images}
