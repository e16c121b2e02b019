"""A call larger than one request: cut under the limits, sent side by side, joined in order."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.client.small_service import Fault, SmallService
from visreward import AsyncRewardClient, InvalidRequestError, Limits, RewardClient, ScoreResult
from visreward.items import Sendable
from visreward.protocol import Code
from visreward.protocol.statistics import summarise
from visreward.split import Bounds, split

Score = Callable[..., ScoreResult]


def make_items(*groups: str | None) -> list[dict[str, Any]]:
    return [{"completion": "x" * place, "group": group} for place, group in enumerate(groups)]


def sent_groups(service: SmallService) -> list[list[str | None]]:
    """Groups of the items in each request, in any order of requests."""
    return sorted([item.get("group") for item in seen.body["items"]] for seen in service.scored)


def test_a_large_call_is_cut_by_items_and_joined_in_order(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_items=7)
    items = [{"completion": "x" * ((place * 37) % 101)} for place in range(100)]
    result = score(items)
    assert result.rewards == [float(len(item["completion"])) for item in items]
    assert [item.id for item in result.items] == [str(place) for place in range(100)]
    assert len(service.scored) == 15
    assert max(len(seen.body["items"]) for seen in service.scored) == 7


def test_a_large_call_goes_in_requests_of_which_the_first_can_be_begun_early(
    score: Score, service: SmallService
) -> None:
    score(make_items(*[None] * 700, *["one"] * 600))
    assert sorted(len(seen.body["items"]) for seen in service.scored) == [188, 512, 600]


def test_images_go_in_requests_of_some_megabytes_and_each_once(score: Score, service: SmallService) -> None:
    pictures = [bytes([number]) * 2**20 for number in range(12)]
    items = [
        {"completion": "x", "group": str(number), "images": [data]}
        for number, data in enumerate(pictures)
        for _ in range(2)
    ]
    score(items)
    assert service.num_uploads == len(pictures)
    assert sorted(len(seen.body["images"]) for seen in service.scored) == [5, 7]


class NotesPieces(httpx.HTTPTransport):
    """Notes how much of a body it is given at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[list[int]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        assert isinstance(request.stream, httpx.SyncByteStream)
        self.sizes.append([len(piece) for piece in request.stream])
        return super().handle_request(request)


def test_a_large_body_is_given_to_the_connection_in_pieces(service: SmallService) -> None:
    transport = NotesPieces()
    with RewardClient(url=service.url, transport=transport, limits=Limits()) as client:
        assert client.score([{"completion": "four", "images": [b"x" * 3_000_000]}], recipe="lengths").rewards
    [seen] = service.scored
    assert sum(transport.sizes[-1]) == seen.num_bytes > 3_000_000
    assert max(transport.sizes[-1]) <= 2**18


def test_limits_are_asked_for_once_and_only_when_needed(service: SmallService) -> None:
    with RewardClient(url=service.url) as client:
        assert service.seen == []
        for _ in range(3):
            client.score([{"completion": "x"}], recipe="lengths")
    assert [seen.path for seen in service.seen] == ["/limits", "/score", "/score", "/score"]


def test_given_limits_are_not_asked_for(score: Score, service: SmallService) -> None:
    score(make_items(None, None, None), settings={"limits": Limits(max_items=2)})
    assert {seen.path for seen in service.seen} == {"/score"}
    assert len(service.scored) == 2


def test_a_group_stays_in_one_request_where_it_fits(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_items=4)
    score(make_items("a", "b", "a", "b", "a", "c", "c"))
    assert sent_groups(service) == [["a", "a", "a"], ["b", "b", "c", "c"]]


def test_a_group_that_is_cut_has_the_statistics_of_all_its_items(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_items=2)
    result = score(make_items("a", "a", "a", "a", "a", "b"))
    a, b = result.groups
    assert (a.group, a.num_items, a.num_scored, a.mean, a.tied) == ("a", 5, 5, 2.0, False)
    assert a.std == pytest.approx(2**0.5, abs=1e-15)
    assert (b.group, b.mean, b.std) == ("b", 5.0, 0.0)


def test_a_tie_across_requests_has_exactly_no_deviation(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_items=2)
    items = [{"completion": "xyz", "group": "a"}] * 5
    (group,) = score([dict(item) for item in items]).groups
    assert (group.mean, group.std, group.tied) == (3.0, 0.0, True)


def test_an_item_that_was_never_sent_counts_in_its_group(score: Score) -> None:
    items = [{"completion": "xx", "group": "a"}, {"completion": "\ud800", "group": "a"}]
    (group,) = score(items, on_item_error="mask").groups
    assert (group.num_items, group.num_scored, group.mean) == (2, 1, 2.0)


def test_failures_in_several_requests_are_told_together(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_items=2)
    service.broken_groups = frozenset({"b"})
    result = score(make_items("a", "a", "b", "b", "c", "b"), on_item_error="mask")
    assert result.rewards == [0.0, 1.0, None, None, 4.0, None]
    fields = [item.error.field for item in result.failed if item.error is not None]
    assert fields == ["items[2]", "items[3]", "items[5]"]


def test_an_image_at_fault_is_named_as_the_callers_own(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_images=2)
    images = [[b"a"], [b"b", b"broken 1"], [b"c", b"c", b"broken 2"], [b"broken 2"]]
    items = [{"completion": "x", "images": some} for some in images]
    result = score(items, on_item_error="mask")
    fields = [item.error.field for item in result.failed if item.error is not None]
    assert fields == ["items[1].images[1]", "items[2].images[2]", "items[3].images[0]"]


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("items[1].prompt", "items[2].prompt"),
        ("images[1].digest", "items[2].images[1]"),
        ("images[9].digest", "images[9].digest"),
        ("items[9].prompt", "items[9].prompt"),
        ("deadline_ms", "deadline_ms"),
    ],
)
def test_a_refused_request_names_what_the_caller_gave(
    score: Score, service: SmallService, field: str, told: str
) -> None:
    service.faults.append(Fault.of(Code.INVALID_REQUEST, field=field))
    items: list[dict[str, Any]] = [
        {"completion": "x", "images": [b"a"]},
        {"completion": "\ud800"},
        {"completion": "x", "images": [b"a", b"b"]},
    ]
    with pytest.raises(InvalidRequestError) as caught:
        score(items)
    assert caught.value.field == told


def test_images_are_counted_once_for_each_request(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_images=2)
    items = [{"completion": "x", "images": [bytes([place // 3]) * 50]} for place in range(15)]
    result = score(items)
    assert len(result.rewards) == 15
    assert sorted(len(seen.body["images"]) for seen in service.scored) == [1, 2, 2]


@pytest.mark.parametrize("encoding", ["msgpack", "json"])
def test_no_request_is_over_the_bytes_that_the_service_takes(
    score: Score, service: SmallService, encoding: str
) -> None:
    service.limits = Limits(max_request_bytes=20_000)
    items = [
        {"completion": '\u00e9"' * (place % 700), "images": [bytes([place]) * 5_000]} for place in range(40)
    ]
    score(items, settings={"encoding": encoding})
    assert len(service.scored) > 10
    assert max(seen.num_bytes for seen in service.scored) <= 20_000


def test_an_item_too_large_for_any_request_costs_only_itself(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_request_bytes=20_000)
    items = [{"completion": "x"}, {"completion": "x" * 30_000}, {"completion": "xx"}]
    result = score(items, on_item_error="mask")
    assert result.rewards == [1.0, None, 2.0]
    (failed,) = result.failed
    assert failed.error is not None
    assert (failed.error.code, failed.error.field) == (Code.REQUEST_TOO_LARGE, "items[1]")


def test_sums_are_over_all_requests(score: Score, service: SmallService) -> None:
    service.limits = Limits(max_items=1)
    result = score([{"completion": "x", "images": [b"same"]} for _ in range(3)])
    assert (result.work.images_asked, result.work.images_encoded) == (3, 3)
    assert (result.cache.hits, result.cache.misses) == (3, 6)
    assert result.timings_ms == {"total": 4.5}
    assert result.models == {"clip": "r1"}
    assert len(result.request_ids) == 3


@pytest.mark.parametrize("max_concurrency", [1, 3])
def test_so_many_requests_are_in_flight_and_no_more(
    score: Score, service: SmallService, max_concurrency: int
) -> None:
    service.limits = Limits(max_items=1)
    service.meeting = threading.Barrier(max_concurrency)
    score(make_items(*[None] * 12), settings={"max_concurrency": max_concurrency})
    assert service.max_in_flight == max_concurrency


def test_connections_are_used_again(service: SmallService) -> None:
    with RewardClient(url=service.url, limits=Limits(max_items=1), max_concurrency=2) as client:
        for _ in range(3):
            client.score(make_items(None, None, None), recipe="lengths")
    assert len(service.scored) == 9
    assert len({seen.connection for seen in service.scored}) <= 2


async def test_many_calls_of_one_async_client_share_its_bound(service: SmallService) -> None:
    service.meeting = threading.Barrier(3)
    async with AsyncRewardClient(url=service.url, max_concurrency=3) as client:
        calls = [client.score([{"completion": "x" * n}], recipe="lengths") for n in range(9)]
        results = await asyncio.gather(*calls)
    assert [result.rewards for result in results] == [[float(n)] for n in range(9)]
    assert service.max_in_flight == 3


def test_progress_is_shown_on_stderr_on_request(
    score: Score, service: SmallService, capsys: pytest.CaptureFixture[str]
) -> None:
    service.limits = Limits(max_items=2)
    score(make_items(None, None, None, None, None), progress=True)
    shown = capsys.readouterr()
    assert "5/5" in shown.err
    assert shown.out == ""
    score(make_items(None))
    assert capsys.readouterr().err == ""


LAYOUTS = st.lists(
    st.tuples(
        st.sampled_from([None, "a", "b", "c"]),
        st.integers(0, 60),
        st.lists(st.sampled_from("pqrst"), max_size=3, unique=True),
    ),
    max_size=30,
)
IMAGE_BYTES = {"p": 10, "q": 20, "r": 40, "s": 5}


@given(
    layout=LAYOUTS, max_items=st.integers(1, 8), max_images=st.integers(1, 4), max_bytes=st.integers(20, 200)
)
@settings(max_examples=200, deadline=None)
def test_every_item_is_in_one_chunk_and_no_chunk_is_over_a_bound(
    layout: list[tuple[str | None, int, list[str]]], max_items: int, max_images: int, max_bytes: int
) -> None:
    items = [
        Sendable(index, str(index), group, b"x" * size, tuple(digests))
        for index, (group, size, digests) in enumerate(layout)
    ]
    bounds = Bounds(max_items, max_images, max_bytes)
    chunks, too_large = split(items, IMAGE_BYTES, bounds)
    places = [item.index for chunk in chunks for item in chunk.items] + [item.index for item in too_large]
    assert sorted(places) == list(range(len(items)))
    for chunk in chunks:
        assert [item.index for item in chunk.items] == sorted(item.index for item in chunk.items)
        sent = {digest for item in chunk.items for digest in item.digests} & IMAGE_BYTES.keys()
        assert sent == set(chunk.digests)
        size = sum(len(item.encoded) + 1 for item in chunk.items) + sum(
            IMAGE_BYTES[digest] for digest in sent
        )
        assert 0 < len(chunk.items) <= max_items
        assert len(sent) <= max_images
        assert size <= max_bytes
    for item in too_large:
        alone, _ = split([item], IMAGE_BYTES, bounds)
        assert alone == []


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=20))
def test_group_statistics_are_those_of_the_scored_items(rewards: list[float | None]) -> None:
    scored = [reward for reward in rewards if reward is not None]
    summary = summarise("g", rewards)
    assert (summary.num_items, summary.num_scored) == (len(rewards), len(scored))
    assert summary.tied == (len(scored) > 1 and len(set(scored)) == 1)
    if not scored:
        assert (summary.mean, summary.std) == (None, None)
    elif len(set(scored)) == 1:
        assert (summary.mean, summary.std) == (scored[0], 0.0)
    else:
        mean = sum(scored) / len(scored)
        assert summary.mean == pytest.approx(mean, rel=1e-9, abs=1e-6)
        assert summary.std == pytest.approx(
            (sum((r - mean) ** 2 for r in scored) / len(scored)) ** 0.5, abs=1e-5
        )
