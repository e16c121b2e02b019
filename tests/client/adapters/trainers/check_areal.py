# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""AReaL: its `AsyncRewardWrapper`, which runs our reward in its pool of processes."""

import asyncio

from material import BARE, DEAD, GOOD, LABEL, LOST, RECIPE, check, check_raises, register_bare

register_bare("areal", "areal.api", "areal.utils")
from areal.api.reward_api import AsyncRewardWrapper  # noqa: E402

from visreward.adapters.areal import ArealReward  # noqa: E402


def score(label: str, text: str, **settings: object) -> float:
    wrapped = AsyncRewardWrapper(ArealReward(RECIPE, **settings), max_workers=1, max_retries=1)
    row = {"visreward": label, "query_id": "q"}
    return asyncio.run(wrapped("Q", text + "<|im_end|>", [1], [2, 3], **row))


if __name__ == "__main__":
    check("areal", score(LABEL, GOOD), score(LABEL, BARE))
    check_raises("poisoned", lambda: score(LOST, GOOD))
    check_raises("dead service", lambda: score(LABEL, GOOD, url=DEAD, patience_seconds=0.2))
