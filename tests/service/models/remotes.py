"""Engines and models whose encoder runs on servers elsewhere, and what is asked of them."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import numpy as np

from tests.service.scenes_data import item, picture
from visreward_service.engine.engine import Engine
from visreward_service.main import build_engine
from visreward_service.models import ModelSettings, load_model
from visreward_service.models.base import DecodedImage, Remote
from visreward_service.models.settings import TritonSettings
from visreward_service.settings import RuleSettings, Settings

BUNDLED = "bundled:scenes-fgclip"
SIZES = ((300, 90), (90, 300), (64, 64), (300, 190), (400, 320))
"""Heights and widths of images; those that FG-CLIP 2 fits into 128, 256 and 576 patches are among them."""


def free_port() -> int:
    """Return a port that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def remote(*ports: int, **changes: Any) -> ModelSettings:
    """Return the settings of the bundled model on servers at those ports."""
    given: dict[str, Any] = {"patience_seconds": 60, "health_seconds": 0.1, **changes}
    settings = TritonSettings(urls=tuple(f"127.0.0.1:{port}" for port in ports), **given)
    return ModelSettings(kind="fgclip", source=BUNDLED, backend="triton", triton=settings)


@asynccontextmanager
async def running(model: ModelSettings) -> AsyncIterator[Engine]:
    """Start an engine over a model. It is built in a thread: the servers that it asks may be on this loop."""
    settings = Settings(models={"fgclip": model}, rules=RuleSettings(workers=1), cache_bytes=0)
    engine = await asyncio.to_thread(build_engine, settings)
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def score(engine: Engine, recipe: str = "pebr-r1/stage1") -> list[float | None]:
    """Return the rewards of six items on three images."""
    body = {
        "recipe": recipe,
        "images": [{"digest": picture(seed).digest, "data": picture(seed).data} for seed in (1, 2, 3)],
        "items": [item(seed, number) for seed in (1, 2, 3) for number in (0, 1)],
    }
    answer = await engine.score(lambda: body, request_id="test")
    assert [one.error for one in answer.items] == [None] * 6
    return [one.reward for one in answer.items]


async def until_ready(engine: Engine) -> None:
    """Wait until the engine would answer."""
    async with asyncio.timeout(60):
        while engine.not_ready is not None:
            await asyncio.sleep(0.05)


async def rows_apart(name: str, settings: ModelSettings, address: str) -> dict[str, float]:
    """Return how far the rows of images of many shapes lie there from those here, at most, for each view."""
    servers = TritonSettings(urls=(address,), patience_seconds=60)
    changed = settings.model_copy(update={"backend": "triton", "triton": servers})
    model = await asyncio.to_thread(load_model, name, changed)
    assert isinstance(model, Remote)
    local = await asyncio.to_thread(load_model, name, settings)
    dice = np.random.default_rng(0)
    images = [DecodedImage(dice.integers(0, 256, (*size, 3), np.uint8)) for size in SIZES]
    prepared = [model.prepare_image(image) for image in images]
    apart = dict.fromkeys(local.info.views, 0.0)
    try:
        for view in apart:
            found = await asyncio.to_thread(model.encode_images, prepared, view)
            for row, expected in zip(found, local.encode_images(prepared, view), strict=True):
                assert row.shape == expected.shape
                apart[view] = max(apart[view], float(np.abs(row - expected).max()))
    finally:
        await asyncio.to_thread(model.close)
    return apart
