# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""slime: its reward hub, by `--rm-url` and by `--custom-rm-path`, alone and as a group."""

import asyncio
import os
from argparse import Namespace
from typing import Any

from aiohttp import ClientError, ClientResponseError, ClientSession, ClientTimeout
from material import (
    CUT,
    DEAD,
    GONE,
    GOOD,
    LABEL,
    LOST,
    MISSING,
    RECIPE,
    SLOW,
    UNREACHED,
    URL,
    check,
    check_raises,
    picture,
    register_bare,
    spoilt_picture,
)

register_bare("slime", "slime.rollout", "slime.utils")
from slime.rollout import rm_hub  # noqa: E402
from slime.rollout.rm_hub import async_rm, batched_async_rm, remote_rm  # noqa: E402
from slime.utils.types import Sample  # noqa: E402

from visreward.adapters import slime as adapter  # noqa: E402

os.environ["VISREWARD_RECIPE"] = RECIPE
PATH = f"/compat/slime?recipe={RECIPE}"
CUSTOM = Namespace(rm_type=None, custom_rm_path="visreward.adapters.slime.reward", group_rm=True)


def remote(url: str = URL, query: str = "") -> Namespace:
    return Namespace(rm_type="remote_rm", rm_url=url + PATH + query, custom_rm_path=None)


def sample(text: str, label: Any = None, image: Any = None) -> Any:
    images = None if image is None else {"images": [image]}
    return Sample(
        prompt="Q",
        response=text,
        response_length=9,
        label=label,
        group_index=0,
        multimodal_inputs=images,
    )


async def score_by_url() -> None:
    good, cut = [await async_rm(remote(), sample(text, LABEL)) for text in (GOOD, CUT)]
    check("slime, URL", good, cut)
    assert await async_rm(remote(query="&on_item_error=-2"), sample(GOOD, LOST)) == -2.0
    # One try, where slime makes ten.
    for what, url, label, kind in (
        ("poisoned", URL, LOST, ClientResponseError),
        ("dead service", DEAD, LABEL, ClientError),
        ("slow service", SLOW, LABEL, TimeoutError),
    ):
        if url == SLOW:  # slime's own limit is 120 seconds
            await rm_hub._get_shared_session().close()
            rm_hub._shared_session = ClientSession(timeout=ClientTimeout(total=0.5))
        try:
            value = await remote_rm(remote(url), sample(GOOD, label), max_retries=1)
        except kind as error:
            if url == URL and error.status != 422:
                raise
        else:
            raise SystemExit(f"{what} by URL: {value} in the place of an error")


async def score_by_path() -> None:
    good, cut = [await async_rm(CUSTOM, sample(text, image=picture())) for text in (GOOD, CUT)]
    check("slime, path", good, cut)
    check("slime's group", *await batched_async_rm(CUSTOM, [sample(GOOD, LABEL), sample(CUT, LABEL)]))


asyncio.run(score_by_url())
asyncio.run(score_by_path())
poisoned = sample(GOOD, image=spoilt_picture())
check_raises("poisoned", lambda: asyncio.run(async_rm(CUSTOM, poisoned)), MISSING)
check_raises("poisoned in a group", lambda: asyncio.run(batched_async_rm(CUSTOM, [poisoned] * 2)), MISSING)
for name, settings in GONE.items():
    os.environ["VISREWARD_URL"] = settings["url"]
    adapter.PATIENCE_SECONDS = settings["patience_seconds"]
    check_raises(name, lambda: asyncio.run(async_rm(CUSTOM, sample(GOOD, LABEL))), UNREACHED)
