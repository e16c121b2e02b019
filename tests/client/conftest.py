"""A small service over real sockets, and both clients behind one face.

The transports are httpx's own, without the certificates that plain HTTP has no use for and that take most of
a test's time to load.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import httpx
import pytest

from tests.client.small_service import SmallService, running_service
from visreward import AsyncRewardClient, RetryPolicy, RewardClient, ScoreResult

QUICK = RetryPolicy(max_attempts=4, base_seconds=0.001, max_backoff_seconds=0.002, max_total_seconds=20)

Ask: TypeAlias = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_address_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISREWARD_URL", raising=False)


@pytest.fixture
def service() -> Iterator[SmallService]:
    with running_service() as service:
        yield service


def ask_sync(service: SmallService, method: str, *args: Any, settings: dict[str, Any], **options: Any) -> Any:
    given = {"url": service.url, "retry": QUICK, "transport": httpx.HTTPTransport(verify=False), **settings}
    with RewardClient(**given) as client:
        return getattr(client, method)(*args, **options)


def ask_async(
    service: SmallService, method: str, *args: Any, settings: dict[str, Any], **options: Any
) -> Any:
    async def ask() -> Any:
        transport = httpx.AsyncHTTPTransport(verify=False)
        given = {"url": service.url, "retry": QUICK, "transport": transport, **settings}
        async with AsyncRewardClient(**given) as client:
            answer = getattr(client, method)(*args, **options)
            return await answer if inspect.isawaitable(answer) else answer

    return asyncio.run(ask())


@pytest.fixture(params=["sync", "async"])
def ask(request: pytest.FixtureRequest, service: SmallService) -> Ask:
    """Call a method of a fresh client of the small service: `ask("score", items, settings={...}, ...)`."""
    kind = ask_sync if request.param == "sync" else ask_async

    def call(method: str, *args: Any, settings: dict[str, Any] | None = None, **options: Any) -> Any:
        return kind(service, method, *args, settings=settings or {}, **options)

    return call


@pytest.fixture
def score(ask: Ask) -> Callable[..., ScoreResult]:
    """Score items with the small service's recipe: `score(items, settings={...}, on_item_error=...)`."""

    def call(items: Any, **options: Any) -> ScoreResult:
        result = ask("score", items, **{"recipe": "lengths", **options})
        assert isinstance(result, ScoreResult)
        return result

    return call
