# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""slime: its reward hub, by `--rm-url` and by `--custom-rm-path`, alone and as a group."""

import asyncio
import os
from argparse import Namespace
from typing import Any

from aiohttp import ClientResponseError
from material import BARE, GOOD, LABEL, LOST, RECIPE, URL, check, check_raises, register_bare

register_bare("slime", "slime.rollout", "slime.utils")
from slime.rollout.rm_hub import async_rm, batched_async_rm, remote_rm  # noqa: E402
from slime.utils.types import Sample  # noqa: E402

os.environ["VISREWARD_RECIPE"] = RECIPE
REMOTE = Namespace(rm_type="remote_rm", rm_url=f"{URL}/compat/slime?recipe={RECIPE}", custom_rm_path=None)
CUSTOM = Namespace(rm_type=None, custom_rm_path="visreward.adapters.slime.reward", group_rm=True)


def sample(label: str, text: str) -> Any:
    return Sample(prompt="Q", response=text, response_length=9, label=label, group_index=0)


async def score() -> None:
    for arguments in (REMOTE, CUSTOM):
        good, bare = [await async_rm(arguments, sample(LABEL, text)) for text in (GOOD, BARE)]
        check("slime", good, bare)
    many = await batched_async_rm(CUSTOM, [sample(LABEL, GOOD), sample(LABEL, BARE)])
    check("slime's group", many[0], many[1])
    try:
        # Within this loop, in which slime keeps its connections; one try, where slime makes ten.
        value = await remote_rm(REMOTE, sample(LOST, GOOD), max_retries=1)
    except ClientResponseError as error:
        if error.status != 422:
            raise
    else:
        raise SystemExit(f"poisoned by URL: {value} in the place of an error")


asyncio.run(score())
check_raises("poisoned", lambda: asyncio.run(async_rm(CUSTOM, sample(LOST, GOOD))))
