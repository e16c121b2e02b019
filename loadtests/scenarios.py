"""What is measured: each scenario returns items per second of the service and of what it is compared with."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import orjson
from PIL import Image

from loadtests.service import MODELS
from loadtests.traffic import Step, build_step, rule_items
from visreward import RewardClient
from visreward.protocol import ScoreResponse
from visreward_service.models import DecodedImage, Model, load_model
from visreward_service.settings import load_settings

TERMS = {"scorer": "alignment", "text": "completion", "over_limit": "truncate"}


@dataclass(frozen=True)
class Row:
    """One line of the table: rates in items per second, best of the runs."""

    scenario: str
    system: str
    rate: float
    baseline: str
    baseline_rate: float

    @property
    def ratio(self) -> float:
        return self.rate / self.baseline_rate


@dataclass(frozen=True)
class Bench:
    """A running service, and how much traffic to send."""

    url: str
    settings: Path
    shape: str
    num_images: int
    group_size: int
    repeats: int

    def load_model(self) -> Model:
        name = MODELS[self.shape]
        return load_model(name, load_settings(self.settings).models[name])

    def score(self, client: RewardClient, step: Step) -> dict[str, int]:
        """Score a step and return the work that it took; a failed item ends the bench."""
        result = client.score(
            step.items(), terms={"clip": {**TERMS, "model": MODELS[self.shape]}}, reward="clip", details=False
        )
        return result.work.model_dump()


def timed(function: Callable[[], Any], count: int) -> float:
    """Return items per second of one run."""
    started = time.perf_counter()
    function()
    return count / (time.perf_counter() - started)


def bare_forward(model: Model, step: Step) -> None:
    """Encode the step's distinct images and texts, prepared beforehand, in large batches without a server."""
    for start in range(0, len(step.images), 32):
        model.encode_images(PREPARED[id(step)][0][start : start + 32], "pooled")
    tokens = sorted(PREPARED[id(step)][1], key=lambda one: len(one.ids))
    for start in range(0, len(tokens), 64):
        model.encode_texts(tokens[start : start + 64], "short")


PREPARED: dict[int, tuple[list[Any], list[Any]]] = {}
"""Pixels and tokens by step: the bare forward pass is timed without its preparation."""


def prepare(model: Model, step: Step) -> None:
    """Decode, resize and tokenise a step for `bare_forward`."""
    images = [np.asarray(Image.open(BytesIO(data)).convert("RGB")) for data in step.images]
    texts = sorted({text for texts in step.completions for text in texts})
    PREPARED[id(step)] = (
        [model.prepare_image(DecodedImage(rgb)) for rgb in images],
        model.prepare_texts(texts, "short"),
    )


def grouped(bench: Bench) -> list[Row]:
    """`grpo`: new images each step. `grpo-epoch2`: the same images, new completions, nothing sent twice."""
    model = bench.load_model()
    rates: dict[str, list[float]] = {"bare": [], "grpo": [], "epoch2": []}
    with RewardClient(url=bench.url) as client:
        bench.score(client, build_step(0, num_images=4, group_size=2))
        for seed in range(1, bench.repeats + 1):
            step = build_step(seed, num_images=bench.num_images, group_size=bench.group_size)
            again = build_step(1000 + seed, num_images=0, group_size=bench.group_size, images=step.images)
            prepare(model, step)
            rates["bare"].append(timed(lambda: bare_forward(model, step), step.num_items))  # noqa: B023
            rates["grpo"].append(timed(lambda: bench.score(client, step), step.num_items))  # noqa: B023
            rates["epoch2"].append(timed(lambda: bench.score(client, again), again.num_items))  # noqa: B023
            PREPARED.clear()
    best = {name: max(values) for name, values in rates.items()}
    return [
        Row("grpo", "visreward over HTTP", best["grpo"], "bare forward", best["bare"]),
        Row("grpo-epoch2", "visreward over HTTP", best["epoch2"], "grpo", best["grpo"]),
    ]


def rules(bench: Bench) -> list[Row]:
    """`rules`: 64 items of `pebr-r1/stage2` a request, eight requests in flight."""
    bodies = [
        orjson.dumps({"recipe": "pebr-r1/stage2", "items": rule_items(seed, 64), "details": False})
        for seed in range(64)
    ]

    async def send_all() -> None:
        limit = asyncio.Semaphore(8)
        async with httpx.AsyncClient(base_url=bench.url, timeout=60) as client:

            async def send(body: bytes) -> None:
                async with limit:
                    answer = await client.post("/score", content=body)
                    found = ScoreResponse.model_validate_json(answer.content)
                    if any(item.error is not None for item in found.items):
                        raise SystemExit("an item failed; the bench measures only whole runs")

            await asyncio.gather(*(send(body) for body in bodies))

    served = max(timed(lambda: asyncio.run(send_all()), 64 * len(bodies)) for _ in range(bench.repeats))
    items = [item for body in bodies for item in orjson.loads(body)["items"]]
    direct = max(timed(lambda: grade_directly(items[:512]), 512) for _ in range(bench.repeats))
    return [Row("rules", "visreward over HTTP", served, "math_verify called one by one", direct)]


def grade_directly(items: list[dict[str, Any]]) -> None:
    """Verify the answers as trainers do: math_verify, one call after the other, in one process."""
    from math_verify import parse, verify

    for item in items:
        given = item["completion"].rsplit("\n", 1)[1]
        verify(parse(f"${item['reference']['answer']}$"), parse(f"${given}$"))


SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {"grouped": grouped, "rules": rules}
