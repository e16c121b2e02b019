"""Several calls of one client, blocking or not: what a training run does."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from tests.client.conftest import QUICK
from visreward import AsyncRewardClient, RewardClient, ScoreResult

Between = Callable[[int], None]


def call_each(
    kind: str,
    urls: str | Sequence[str],
    calls: Sequence[list[dict[str, Any]]],
    *,
    between: Between = lambda _: None,
    recipe: str = "lengths",
    on_item_error: Any = "raise",
    **settings: Any,
) -> list[ScoreResult]:
    """Return the results of the calls, made one after another by one client; `between` runs before each."""
    given = {"url": urls, "retry": QUICK, **settings}
    options = {"recipe": recipe, "on_item_error": on_item_error}
    is_http = "grpc" not in str(urls)

    async def ask() -> list[ScoreResult]:
        transport = {"transport": httpx.AsyncHTTPTransport(verify=False)} if is_http else {}
        async with AsyncRewardClient(**{**transport, **given}) as client:
            results = []
            for number, items in enumerate(calls):
                between(number)
                results.append(await client.score(items, **options))
            return results

    if kind == "async":
        return asyncio.run(ask())
    transport = {"transport": httpx.HTTPTransport(verify=False)} if is_http else {}
    with RewardClient(**{**transport, **given}) as client:
        results = []
        for number, items in enumerate(calls):
            between(number)
            results.append(client.score(items, **options))
        return results
