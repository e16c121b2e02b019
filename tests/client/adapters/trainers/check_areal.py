# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""AReaL: its `AsyncRewardWrapper`, which runs our reward in its pool of processes."""

import asyncio
from typing import Any

from material import (
    CUT,
    GOOD,
    MISSING,
    RECIPE,
    SLOW,
    check,
    check_gone,
    check_raises,
    picture,
    register_bare,
    spoilt_picture,
)

register_bare("areal", "areal.api", "areal.utils")
from areal.api.reward_api import AsyncRewardWrapper  # noqa: E402

from visreward.adapters.areal import ArealReward  # noqa: E402


def score(text: str, *, image: Any = None, limit_seconds: float = 60, **settings: Any) -> float:
    reward = ArealReward(RECIPE, **settings)
    wrapped = AsyncRewardWrapper(reward, timeout_seconds=limit_seconds, max_workers=1, max_retries=1)
    row = {"images": [image or picture()], "query_id": "q"}
    return asyncio.run(wrapped("Q", text + "<|im_end|>", [1], [2, 3], **row))


if __name__ == "__main__":
    check("areal", score(GOOD), score(CUT))
    check_raises("poisoned", lambda: score(GOOD, image=spoilt_picture()), MISSING)
    assert score(GOOD, image=spoilt_picture(), on_item_error=-2.0) == -2.0
    check_gone(lambda settings: score(GOOD, **settings))
    # What our patience is there to forestall: AReaL's own limit gives 0 for a call that it cuts off.
    assert score(GOOD, url=SLOW, limit_seconds=1) == 0
