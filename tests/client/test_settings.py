"""Where a client's settings come from, and what it does with what it is given."""

import asyncio

import httpx
import pytest

from tests.client.small_service import SmallService
from visreward import AsyncRewardClient, RewardClient

ITEMS = [{"completion": "four"}]


def test_the_address_is_the_environments_where_none_is_given(
    service: SmallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISREWARD_URL", f"{service.url}/")
    with RewardClient() as client:
        assert client.score(ITEMS, recipe="lengths").rewards == [4.0]


def test_an_argument_beats_the_environment(service: SmallService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISREWARD_URL", "http://127.0.0.1:9")
    with RewardClient(url=service.url) as client:
        assert client.ready()


def test_an_empty_key_of_the_environment_is_none(
    service: SmallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISREWARD_API_KEY", "")
    with RewardClient(url=service.url) as client:
        assert client.score(ITEMS, recipe="lengths").rewards == [4.0]
    assert "authorization" not in {name.lower() for name in service.scored[-1].headers}


def test_without_either_the_service_of_this_machine_is_meant() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        # A stand-in for port 8000, which a test must not take.
        asked.append(str(request.url))
        return httpx.Response(200, json={})

    with RewardClient(transport=httpx.MockTransport(answer)) as client:
        assert client.ready()
    assert asked == ["http://127.0.0.1:8000/readyz"]


@pytest.mark.parametrize(
    "settings",
    [
        {"url": "service:8000"},
        {"url": "ftp://service"},
        {"encoding": "yaml"},
        {"compression": "gzip"},
        {"max_concurrency": 0},
        {"timeout_seconds": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    for kind in (RewardClient, AsyncRewardClient):
        with pytest.raises(ValueError):
            kind(**settings)  # type: ignore[arg-type]


def test_a_client_that_is_passed_in_keeps_its_settings_and_stays_open(service: SmallService) -> None:
    with httpx.Client(base_url=service.url, headers={"authorization": "Bearer t"}) as http_client:
        with RewardClient(http_client=http_client, headers={"x-team": "7"}) as client:
            assert client.score(ITEMS, recipe="lengths").rewards == [4.0]
        assert not http_client.is_closed
    headers = service.scored[0].headers
    assert (headers["authorization"], headers["x-team"]) == ("Bearer t", "7")


def test_an_own_client_is_closed() -> None:
    transport = httpx.HTTPTransport()
    with RewardClient(transport=transport) as client:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        client.ready()


def test_an_async_client_that_is_passed_in_stays_open(service: SmallService) -> None:
    async def check() -> None:
        async with httpx.AsyncClient(base_url=service.url) as http_client:
            async with AsyncRewardClient(http_client=http_client) as client:
                assert (await client.score(ITEMS, recipe="lengths")).rewards == [4.0]
            assert not http_client.is_closed

    asyncio.run(check())
