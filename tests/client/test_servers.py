"""Several servers: which gets what, and what happens when one of them is gone, full or slow."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.client.calls import call_each
from tests.client.conftest import QUICK
from tests.client.small_service import Fault, SmallService, running_service
from visreward import AsyncRewardClient, ConnectionFailedError, Hedging, Limits, OverloadedError, RewardClient
from visreward.errors import RewardError
from visreward.hedging import Race
from visreward.protocol import Code
from visreward.servers import Servers

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])
URLS = ["http://a", "http://b", "http://c"]


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def services() -> Iterator[list[SmallService]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_service()) for _ in range(3)]


def urls(services: list[SmallService]) -> list[str]:
    return [service.url for service in services]


def step(num_groups: int = 24, siblings: int = 2) -> list[dict[str, Any]]:
    return [
        {"completion": "x" * (number + sibling), "group": str(number), "images": [bytes([number]) * 100]}
        for sibling in range(siblings)
        for number in range(num_groups)
    ]


def expected(items: list[dict[str, Any]]) -> list[float]:
    return [float(len(item["completion"])) for item in items]


def scored_groups(service: SmallService) -> set[str]:
    return {item["group"] for seen in service.scored for item in seen.body["items"]}


# Where work goes.


def test_a_key_goes_to_the_same_server_whatever_the_order_of_the_list() -> None:
    one, other = Servers(URLS), Servers(URLS[::-1])
    for number in range(100):
        chosen = one.choose(str(number)), other.choose(str(number))
        assert len({server.url for server in chosen if server is not None}) == 1


def test_only_the_keys_of_a_server_that_is_gone_move() -> None:
    all_three, two = Servers(URLS), Servers(URLS[:2])
    moved = Counter[str]()
    for number in range(300):
        before, after = all_three.choose(str(number)), two.choose(str(number))
        assert before is not None
        assert after is not None
        if before.url != after.url:
            moved[before.url] += 1
    assert set(moved) == {URLS[2]}
    assert moved[URLS[2]] > 50


def test_no_server_is_given_much_more_than_its_share() -> None:
    units = [(str(number), 8) for number in range(64)]
    placed = Servers(URLS).spread(units)
    assert sorted(number for numbers in placed.values() for number in numbers) == list(range(64))
    assert max(len(numbers) for numbers in placed.values()) <= 1.25 * 64 / 3 + 1


def test_a_server_that_fails_rests_longer_each_time_and_an_answer_ends_that() -> None:
    clock = Clock()
    servers = Servers(URLS, clock=clock)
    first = servers.choose("key")
    assert first is not None
    for rest_seconds in (0.5, 1.0, 2.0):
        servers.note_error(first, ConnectionFailedError("gone"))
        assert servers.choose("key") is not first
        clock.now += rest_seconds
        assert servers.choose("key") is first
        assert servers.is_suspect(first)
    servers.note_success(first)
    assert not servers.is_suspect(first)


def test_a_full_server_rests_for_as_long_as_it_says_and_is_not_suspect() -> None:
    clock = Clock()
    servers = Servers(URLS, clock=clock)
    first = servers.choose("key")
    assert first is not None
    servers.note_error(first, OverloadedError("full", code=Code.OVERLOADED, retry_after_seconds=7.0))
    clock.now += 6.9
    assert servers.choose("key") is not first
    clock.now += 0.2
    assert servers.choose("key") is first
    assert not servers.is_suspect(first)


def test_of_servers_that_all_rest_the_first_to_be_back_is_chosen() -> None:
    servers = Servers(URLS, clock=Clock())
    for server, seconds in zip(servers.all, (5.0, 2.0, 9.0), strict=True):
        servers.note_error(server, OverloadedError("", code=Code.OVERLOADED, retry_after_seconds=seconds))
    assert servers.choose("key") is servers.all[1]
    assert servers.choose("key", tried={servers.all[1]}) is None


@pytest.mark.parametrize("given", ["http://a,http://a/", ",", "http://a,ftp://b"])
def test_addresses_that_make_no_sense_are_refused(given: str) -> None:
    with pytest.raises(ValueError):
        RewardClient(url=given)


def test_the_environment_may_name_several(
    services: list[SmallService], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISREWARD_URL", " , ".join(urls(services)) + "/")
    items = step()
    with RewardClient() as client:
        assert client.score(items, recipe="lengths").rewards == expected(items)
    assert all(service.scored for service in services)


@KINDS
def test_siblings_and_later_epochs_of_an_image_go_to_one_server(
    services: list[SmallService], kind: str
) -> None:
    items = step()
    for result in call_each(kind, urls(services), [items, items[::-1]]):
        assert Counter(result.rewards) == Counter(expected(items))
        assert len(result.request_ids) == 3
    groups = [scored_groups(service) for service in services]
    assert sum(len(mine) for mine in groups) == 24
    assert set.union(*groups) == {str(number) for number in range(24)}
    assert sum(service.num_uploads for service in services) == 24


# When a server is gone, full or slow.


@KINDS
def test_what_a_dying_server_was_sent_is_scored_by_another(services: list[SmallService], kind: str) -> None:
    services[0].faults.extend([Fault()] * 100)  # cuts every connection in mid-request
    items = step()
    (result,) = call_each(kind, urls(services), [items])
    assert result.rewards == expected(items)
    assert [item.id for item in result.items] == [str(place) for place in range(len(items))]
    assert len(services[0].scored) == 1


@KINDS
def test_a_server_that_was_never_there_costs_no_item(services: list[SmallService], kind: str) -> None:
    with running_service() as gone:
        pass
    items = step()
    for result in call_each(kind, [gone.url, *urls(services)], [items] * 3):
        assert result.rewards == expected(items)


@KINDS
def test_a_full_server_is_passed_over_at_once_and_for_as_long_as_it_asks(
    services: list[SmallService], kind: str
) -> None:
    services[1].faults.append(Fault.of(Code.OVERLOADED, headers={"retry-after": "3600"}))
    items = step()
    for result in call_each(kind, urls(services), [items] * 3):
        assert result.rewards == expected(items)
    assert len(services[1].scored) == 1


@KINDS
def test_a_server_that_failed_is_asked_whether_it_is_ready_before_it_gets_work(
    services: list[SmallService], kind: str
) -> None:
    services[2].faults.extend([Fault(), Fault.of(Code.NOT_READY, headers={"retry-after": "0"})])
    items = step()

    def rest(number: int) -> None:
        if number:
            threading.Event().wait(0.6)

    for result in call_each(kind, urls(services), [items] * 3, between=rest):
        assert result.rewards == expected(items)
    seen = [seen.path for seen in services[2].seen if seen.path != "/limits"]
    assert seen[:4] == ["/score", "/readyz", "/readyz", "/score"]


@KINDS
def test_when_all_are_full_the_call_ends_with_the_policy(services: list[SmallService], kind: str) -> None:
    for service in services:
        service.faults.extend([Fault.of(Code.OVERLOADED)] * 100)
    with pytest.raises(OverloadedError):
        call_each(kind, urls(services), [step(1)], limits=Limits())
    assert all(service.scored for service in services)
    assert sum(len(service.scored) for service in services) == 3 + QUICK.max_attempts - 1


@KINDS
def test_an_error_that_another_server_cannot_mend_is_not_taken_to_another(
    services: list[SmallService], kind: str
) -> None:
    for service in services:
        service.faults.append(Fault.of(Code.INVALID_RECIPE))
    with pytest.raises(RewardError):
        call_each(kind, urls(services), [step(1)], limits=Limits())
    assert sum(len(service.scored) for service in services) == 1


def test_the_service_is_ready_where_one_server_is(services: list[SmallService]) -> None:
    with running_service() as gone:
        pass
    with RewardClient(url=[gone.url, services[0].url]) as client:
        assert client.ready()
    with RewardClient(url=[gone.url, f"{gone.url}/elsewhere"]) as client:
        assert not client.ready()


# Stragglers.

HEDGING = Hedging(max_share=0.1, slowness=1.0, min_seconds=1.0)


@KINDS
def test_a_straggler_is_asked_of_another_server_and_counts_once(
    services: list[SmallService], kind: str
) -> None:
    slow = services[0]
    held = threading.Event()
    slow.hold = held
    items = step(30)
    settings: dict[str, Any] = {"limits": Limits(max_items=2), "max_concurrency": 32, "hedging": HEDGING}

    slow.num_held = 1
    try:
        (result,) = call_each(kind, urls(services), [items], **settings)
    finally:
        held.set()
    assert result.rewards == expected(items)
    assert len(result.request_ids) == 30
    num_requests = sum(len(service.scored) for service in services)
    assert 31 <= num_requests <= 33


@KINDS
def test_without_hedging_no_request_is_sent_twice(services: list[SmallService], kind: str) -> None:
    services[0].delay_seconds = 0.3
    items = step(12)
    (result,) = call_each(kind, urls(services), [items], limits=Limits(max_items=2), max_concurrency=16)
    assert result.rewards == expected(items)
    assert sum(len(service.scored) for service in services) == 12


def test_no_more_than_a_share_of_the_requests_is_doubled() -> None:
    clock = Clock()
    race: Race[str] = Race(40, Hedging(max_share=0.1, slowness=2.0, min_seconds=1.0), clock=clock)
    for number in range(40):
        race.launch(number)
        race.begin(number)
    clock.now += 1.0
    for number in range(25):
        assert race.answer(number, "done")
    assert race.patience_seconds() == pytest.approx(1.0)
    clock.now += 1.0
    assert race.stragglers() == [25, 26, 27, 28]
    assert race.stragglers() == []
    assert race.patience_seconds() is None


def test_a_request_has_failed_only_when_no_copy_is_left() -> None:
    race: Race[str] = Race(2, Hedging())
    for number in (0, 1, 1):
        race.launch(number)
        race.begin(number)
    assert race.answer(0, "a")
    assert not race.fail(1)
    assert race.answer(1, "b")
    assert race.is_over
    assert race.answers == ["a", "b"]
    lone: Race[str] = Race(2, None)
    lone.launch(0)
    lone.begin(0)
    assert lone.fail(0)


@pytest.mark.parametrize("settings", [{"max_share": 0.0}, {"slowness": 0.5}, {"min_seconds": -1.0}])
def test_hedging_that_makes_no_sense_is_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError):
        Hedging(**settings)


async def test_a_client_that_is_given_up_leaves_nothing_running(services: list[SmallService]) -> None:
    for service in services:
        service.faults.extend([Fault.of(Code.OVERLOADED, headers={"retry-after": "30"})] * 3)
    transport = httpx.AsyncHTTPTransport(verify=False)
    async with AsyncRewardClient(url=urls(services), transport=transport, hedging=Hedging()) as client:
        call = asyncio.create_task(client.score(step(), recipe="lengths"))
        while not any(service.scored for service in services):
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert asyncio.all_tasks() == {asyncio.current_task()}
