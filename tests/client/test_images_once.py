"""An image is sent once to a server, and again only where that server has lost it."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.client.calls import call_each
from tests.client.small_service import SmallService, running_service
from visreward import Limits
from visreward.holdings import CALM_ANSWERS, Holdings

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])
LARGE = 2**18
"""Bytes of an image that is worth a question."""


def picture(number: int, num_bytes: int = 1000) -> bytes:
    return bytes([number]) * num_bytes


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def group(number: int, completion: str = "four", num_bytes: int = 1000) -> list[dict[str, Any]]:
    data = picture(number, num_bytes)
    return [
        {"completion": completion + "!" * sibling, "group": str(number), "images": [data]}
        for sibling in range(2)
    ]


def step(*numbers: int, completion: str = "four") -> list[dict[str, Any]]:
    return [item for number in numbers for item in group(number, completion)]


@pytest.fixture
def other() -> Iterator[SmallService]:
    with running_service() as service:
        yield service


def paths(service: SmallService) -> list[str]:
    return [seen.path for seen in service.seen if seen.path != "/limits"]


@KINDS
@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_a_second_epoch_sends_no_image(service: SmallService, kind: str, encoding: str) -> None:
    first, second = call_each(
        kind, service.url, [step(1, 2, 3), step(3, 1, 2, completion="other")], encoding=encoding
    )
    assert first.rewards == [4.0, 5.0] * 3
    assert second.rewards == [5.0, 6.0] * 3
    assert [len(seen.body["images"]) for seen in service.scored] == [3, 0]


@KINDS
def test_only_images_that_are_new_are_sent(service: SmallService, kind: str) -> None:
    call_each(kind, service.url, [step(1, 2), step(2, 3)])
    sent = [[image["digest"] for image in seen.body["images"]] for seen in service.scored]
    assert sent == [[digest(picture(1)), digest(picture(2))], [digest(picture(3))]]


@KINDS
def test_an_image_that_a_server_has_lost_is_sent_again_unnoticed(service: SmallService, kind: str) -> None:
    def restart(number: int) -> None:
        if number == 1:
            service.store.clear()

    results = call_each(kind, service.url, [step(1, 2)] * 3, between=restart)
    assert [result.rewards for result in results] == [[4.0, 5.0, 4.0, 5.0]] * 3
    assert [len(seen.body["images"]) for seen in service.scored] == [2, 0, 2, 0]


@KINDS
def test_a_server_that_has_lost_one_image_is_asked_before_it_is_believed(
    service: SmallService, kind: str
) -> None:
    def evict(number: int) -> None:
        if number in (1, 2):
            del service.store[digest(picture(number))]

    call_each(kind, service.url, [step(1, 2, 3)] * 4, between=evict)
    assert paths(service) == [
        "/score",
        "/score",
        "/score",  # the second call again, with all images
        "/images/missing",
        "/score",
        "/images/missing",
        "/score",
    ]
    assert [len(seen.body["images"]) for seen in service.scored] == [3, 0, 3, 1, 0]


@KINDS
def test_a_server_that_keeps_nothing_is_sent_every_image_with_every_request(
    service: SmallService, kind: str
) -> None:
    service.is_forgetful = True
    results = call_each(kind, service.url, [step(1)] * 5)
    assert all(result.rewards == [4.0, 5.0] for result in results)
    assert [len(seen.body["images"]) for seen in service.scored] == [1, 0, 1, 1, 1, 1]


@KINDS
def test_a_new_run_asks_for_large_images_what_the_server_holds(service: SmallService, kind: str) -> None:
    items = group(1, num_bytes=LARGE)
    for _ in range(2):
        assert call_each(kind, service.url, [items])[0].rewards == [4.0, 5.0]
    assert service.num_uploads == 1
    assert paths(service) == ["/images/missing", "/score"] * 2


@KINDS
def test_each_server_is_sent_what_it_needs_itself(
    service: SmallService, other: SmallService, kind: str
) -> None:
    steps = [step(*range(8))] * 3
    results = call_each(kind, [service.url, other.url], steps)
    assert all(result.rewards == [4.0, 5.0] * 8 for result in results)
    assert service.num_uploads + other.num_uploads == 8
    assert min(service.num_uploads, other.num_uploads) > 0


@KINDS
def test_a_broken_image_costs_no_trust_in_the_others(service: SmallService, kind: str) -> None:
    broken = [{"completion": "x", "images": [b"broken"]}]
    for result in call_each(kind, service.url, [step(1) + broken] * 3, on_item_error="mask"):
        assert result.rewards == [4.0, 5.0, None]
        assert result.items[2].error is not None
        assert result.items[2].error.code == "image_invalid"
    assert [len(seen.body["images"]) for seen in service.scored] == [2, 1, 1]


@KINDS
def test_a_digest_that_nobody_has_the_bytes_of_stays_an_error(service: SmallService, kind: str) -> None:
    items = [{"completion": "x", "images": ["0" * 64]}]
    (result,) = call_each(kind, service.url, [items], on_item_error="mask")
    assert result.items[0].error is not None
    assert (result.items[0].error.code, len(service.scored)) == ("image_missing", 1)


@KINDS
def test_fields_at_fault_are_the_callers_where_only_some_images_were_sent(
    service: SmallService, kind: str
) -> None:
    mixed = [
        *group(1),
        {"completion": "x", "images": [picture(1), picture(2)]},
        {"completion": "x", "images": [b"broken"]},
    ]
    results = call_each(kind, service.url, [step(1), mixed], on_item_error="mask")
    (failed,) = results[1].failed
    assert failed.error is not None
    assert failed.error.field == "items[3].images[0]"


@KINDS
def test_requests_stay_within_the_limits_when_images_are_sent_again(service: SmallService, kind: str) -> None:
    service.limits = Limits(max_images=2)

    def restart(number: int) -> None:
        service.store.clear()

    results = call_each(kind, service.url, [step(1, 2, 3, 4)] * 2, between=restart)
    assert all(result.rewards == [4.0, 5.0] * 4 for result in results)
    assert max(len(seen.body["images"]) for seen in service.scored) == 2


def test_what_is_remembered_is_bounded_and_the_least_recently_used_goes_first() -> None:
    holdings = Holdings(max_digests=3)
    holdings.add("abc")
    assert holdings.unknown("a") == []
    holdings.add("d")
    assert holdings.unknown("abcd") == ["b"]
    assert len(holdings) == 3


def test_a_server_is_believed_again_after_enough_answers_that_confirm_it() -> None:
    holdings = Holdings()
    holdings.add("ab")
    assert not holdings.doubtful
    holdings.confirm("ab", {"b"})
    assert holdings.doubtful
    assert holdings.unknown("ab") == ["b"]
    for _ in range(CALM_ANSWERS):
        assert holdings.doubtful
        holdings.confirm("ab", {"z"})  # missing, and never believed to be there
    assert not holdings.doubtful
