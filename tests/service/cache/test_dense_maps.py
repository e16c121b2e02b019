"""Dense maps with a grid of their own go from the model through both caches to the scorer of phrases."""

import base64
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from tests.service.cache.conftest import Server
from tests.service.models.checkpoints import make_fgclip, make_fgclip2
from tests.service.models.pictures import picture
from tests.service.rest.conftest import running
from visreward_service.models import ModelSettings

SIZES = [(320, 176), (64, 300)]
GRIDS = {"fgclip2": [(12, 21), (24, 5)], "fgclip": [(4, 4), (4, 4)]}
"""Rows and columns for each size: of FG-CLIP 2 by the image's own budget, of FG-CLIP fixed."""
BRANCHES = {"fgclip2": "box", "fgclip": "short"}


def png(width: int, height: int) -> bytes:
    buffer = BytesIO()
    Image.fromarray(picture(width, height).rgb).save(buffer, "PNG")
    return buffer.getvalue()


def body(model: str) -> dict[str, Any]:
    images = [png(*size) for size in SIZES]
    digests = [hashlib.sha256(data).hexdigest() for data in images]
    term = {"scorer": "phrases", "model": model, "branch": BRANCHES[model], "against": "box", "heatmap": True}
    text = "A red ball lies near two small blue cups."
    return {
        "terms": {"p": term},
        "reward": "p",
        "images": [
            {"digest": digest, "data": base64.b64encode(data).decode()}
            for digest, data in zip(digests, images)
        ],
        "items": [
            {"id": str(at), "images": [digest], "completion": text} for at, digest in enumerate(digests)
        ],
    }


async def scored(client: httpx.AsyncClient, request: dict[str, Any]) -> dict[str, Any]:
    answer = await client.post("/score", json=request)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert [item["error"] for item in found["items"]] == [None, None]
    return found


async def test_phrases_are_scored_on_a_models_own_grid_and_alike_from_another_replicas_cache(
    redis_server: Server, tmp_path: Path
) -> None:
    make_fgclip(tmp_path / "fgclip")
    make_fgclip2(tmp_path / "fgclip2")
    models = {kind: ModelSettings(kind=kind, source=str(tmp_path / kind), device="cpu") for kind in GRIDS}
    redis = {"url": redis_server.url, "timeout_seconds": 5.0}
    async with running(models=models, redis=redis) as one:
        first = {kind: await scored(one, body(kind)) for kind in GRIDS}
        from_memory = {kind: await scored(one, body(kind)) for kind in GRIDS}
    async with running(models=models, redis=redis) as other:
        from_redis = {kind: await scored(other, body(kind)) for kind in GRIDS}
    for kind, grids in GRIDS.items():
        assert first[kind]["work"]["images_encoded"] == 2
        for again in (from_memory[kind], from_redis[kind]):
            assert again["work"]["images_encoded"] == again["cache"]["misses"] == 0
            assert again["items"] == first[kind]["items"]
        for item, grid in zip(first[kind]["items"], grids):
            for phrase in item["details"]["p"]["phrases"]:
                check_grid(phrase, *grid)


def check_grid(phrase: dict[str, Any], rows: int, columns: int) -> None:
    """Whether the best box is of whole patches of the grid, and the heatmap in its proportions."""
    x1, y1, x2, y2 = phrase["best_box"]
    assert all(abs(at * columns - round(at * columns)) < 1e-9 for at in (x1, x2))
    assert all(abs(at * rows - round(at * rows)) < 1e-9 for at in (y1, y2))
    heatmap = Image.open(BytesIO(base64.b64decode(phrase["heatmap"])))
    scale = 128 / max(rows, columns)
    assert heatmap.size == (round(columns * scale), round(rows * scale))
