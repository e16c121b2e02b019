"""Rewards come back in the caller's order, with everything the service said of them."""

import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.client.small_service import SmallService
from visreward import InvalidRequestError, ItemError, ItemInput, RewardClient, ScoreResult, protocol
from visreward.protocol import Code

Score = Callable[..., ScoreResult]
BOTH_BODIES = pytest.mark.parametrize("encoding", ["msgpack", "json"])


@BOTH_BODIES
def test_rewards_stand_in_the_order_of_the_items(score: Score, service: SmallService, encoding: str) -> None:
    items = [{"completion": "x" * length} for length in (3, 1, 0, 7)]
    result = score(items, settings={"encoding": encoding})
    assert result.rewards == [3.0, 1.0, 0.0, 7.0]
    assert service.scored[0].headers["content-type"] == f"application/{encoding}"


@BOTH_BODIES
def test_dicts_typed_items_and_wire_items_arrive_alike(
    score: Score, service: SmallService, encoding: str
) -> None:
    fields: dict[str, Any] = {
        "id": "a",
        "group": "g",
        "source": "geo3k",
        "prompt": "What is it?",
        "completion": "Ein Würfel. 立方体 🧊",
        "completion_tokens": 7,
        "reference": {"answer": "42", "key_words": ["cube"]},
    }
    kinds = [
        fields,
        ItemInput(**fields),
        ItemInput(**{**fields, "reference": protocol.Reference(answer="42", key_words=["cube"])}),
        protocol.Item.model_validate(fields),
    ]
    for kind in kinds:
        score([kind], settings={"encoding": encoding})
    assert [seen.body["items"][0] for seen in service.scored] == [{**fields, "images": []}] * len(kinds)


def test_items_without_an_id_get_one_that_no_other_item_has(score: Score) -> None:
    result = score([{"completion": "a"}, {"id": "0", "completion": "b"}, {"completion": "c"}])
    assert [item.id for item in result.items] == ["_0", "0", "2"]


def test_numbers_and_arrays_of_a_data_set_are_sent_as_plain_values(
    score: Score, service: SmallService
) -> None:
    boxes = [{"box": np.array([0.0, 1.0, 2.5, 3.0])}]
    score([{"completion": "x", "completion_tokens": np.int64(5), "reference": {"boxes": boxes}}])
    sent = service.scored[0].body["items"][0]
    assert sent["completion_tokens"] == 5
    assert sent["reference"]["boxes"][0]["box"] == [0.0, 1.0, 2.5, 3.0]


def test_the_answer_comes_with_groups_work_cache_models_and_timings(score: Score) -> None:
    items = [{"completion": "x" * n, "group": "g"} for n in (2, 4)]
    result = score(items)
    (group,) = result.groups
    assert (group.group, group.num_items, group.mean, group.std, group.tied) == ("g", 2, 3.0, 1.0, False)
    assert (result.cache.hits, result.cache.misses) == (1, 2)
    assert result.models == {"clip": "r1"}
    assert result.timings_ms == {"total": 1.5}
    assert result.recipe == "lengths"
    assert result.request_ids == ["small"]


def test_an_inline_recipe_travels_in_the_request(score: Score, service: SmallService) -> None:
    recipe: dict[str, Any] = {
        "terms": {"n": {"scorer": "length"}},
        "reward": "n",
        "extract": {"c": {"whole": True}},
    }
    score([{"completion": "x"}], recipe=None, deadline_seconds=1.5, details=False, **recipe)
    body = service.scored[0].body
    assert {name: body[name] for name in recipe} == recipe
    assert body["deadline_ms"] == 1500
    assert body["details"] is False
    assert "recipe" not in body


@pytest.mark.parametrize(
    "options",
    [
        {"recipe": None},
        {"recipe": None, "terms": {}},
        {"terms": {}, "reward": "1"},
        {"deadline_seconds": 0},
        {"on_item_error": "ignore"},
        {"on_item_error": True},
    ],
)
def test_contradictory_arguments_are_refused_before_anything_is_sent(
    score: Score, service: SmallService, options: dict[str, Any]
) -> None:
    with pytest.raises(ValueError):
        score([{"completion": "x"}], **options)
    assert service.seen == []


def test_an_empty_call_is_refused_with_the_field_at_fault(score: Score, service: SmallService) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        score([])
    assert (caught.value.code, caught.value.field) == (Code.INVALID_REQUEST, "items")
    assert service.scored == []


def test_what_is_no_item_at_all_is_a_type_error_that_names_its_place(score: Score) -> None:
    with pytest.raises(TypeError, match=r"items\[1\] is a str"):
        score([{"completion": "x"}, "y"])


FAILING: list[dict[str, Any]] = [
    {"id": "good", "completion": "four"},
    {"id": "bad", "completion": "x", "completion_tokens": "many"},
    {"id": "also good", "completion": "seven!!"},
]


def test_a_failed_item_raises_by_default_and_the_whole_answer_comes_along(score: Score) -> None:
    with pytest.raises(ItemError, match="1 of 3 items could not be scored: bad: invalid_item") as caught:
        score(FAILING)
    assert caught.value.result.rewards == [4.0, None, 7.0]
    (failed,) = caught.value.failed
    assert failed.error is not None
    assert (failed.id, failed.error.field) == ("bad", "items[1].completion_tokens")


def test_a_failed_item_is_none_under_mask(score: Score) -> None:
    assert score(FAILING, on_item_error="mask").rewards == [4.0, None, 7.0]


@pytest.mark.parametrize("number", [-1.0, 0, 0.25])
def test_a_failed_item_is_the_number_that_the_caller_names_and_stays_an_error(
    score: Score, number: float
) -> None:
    result = score(FAILING, on_item_error=number)
    assert result.rewards == [4.0, float(number), 7.0]
    assert result.items[1].reward is None
    assert [item.id for item in result.failed] == ["bad"]


@pytest.mark.parametrize(
    ("item", "code", "field"),
    [
        ({"completion": "a lone \ud800 surrogate"}, Code.TEXT_INVALID, "items[1].completion"),
        (
            {"completion": "x", "reference": {"key_words": ["a", "\udfff"]}},
            Code.TEXT_INVALID,
            "items[1].reference.key_words[1]",
        ),
        (
            {"completion": "x", "reference": {"extra": {"k": object()}}},
            Code.INVALID_ITEM,
            "items[1].reference.extra.k",
        ),
        ({"completion": "x", "id": "first"}, Code.DUPLICATE_ID, "items[1].id"),
    ],
)
@BOTH_BODIES
def test_an_item_that_cannot_be_sent_costs_only_itself(
    score: Score, service: SmallService, encoding: str, item: dict[str, Any], code: Code, field: str
) -> None:
    items = [{"id": "first", "completion": "one"}, item, {"completion": "three"}]
    result = score(items, on_item_error="mask", settings={"encoding": encoding})
    assert result.rewards == [3.0, None, 5.0]
    (failed,) = result.failed
    assert failed.error is not None
    assert (failed.error.code, failed.error.field) == (code, field)


def test_a_whole_number_too_large_for_msgpack_costs_only_its_item(score: Score) -> None:
    items = [{"completion": "x", "completion_tokens": 10**30}, {"completion": "yy"}]
    result = score(items, on_item_error="mask")
    assert result.rewards == [None, 2.0]


@BOTH_BODIES
def test_a_number_that_is_not_finite_costs_only_its_item(score: Score, encoding: str) -> None:
    items = [{"completion": "x", "reference": {"extra": {"k": float("nan")}}}, {"completion": "yy"}]
    result = score(items, on_item_error="mask", settings={"encoding": encoding})
    assert result.rewards == [None, 2.0]


def test_fields_at_fault_are_named_with_the_callers_item_numbers(score: Score) -> None:
    items: list[dict[str, Any]] = [
        {"completion": "\ud800"},
        {"completion": "fine"},
        {"completion": "x", "completion_tokens": -1},
    ]
    result = score(items, on_item_error="mask")
    fields = [item.error.field for item in result.items if item.error is not None]
    assert fields == ["items[0].completion", "items[2].completion_tokens"]


def test_the_listings_are_what_the_service_says(ask: Callable[..., Any]) -> None:
    assert [recipe["name"] for recipe in ask("recipes")] == ["lengths"]
    assert ask("recipe", "lengths")["needs"] == ["completion"]
    assert ask("models") == [{"name": "clip", "revision": "r1"}]
    assert ask("limits") == protocol.Limits()
    assert ask("ready") is True


def test_a_result_and_its_error_survive_pickling(service: SmallService) -> None:
    with RewardClient(url=service.url) as client, pytest.raises(ItemError) as caught:
        client.score(FAILING, recipe="lengths")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert str(again) == str(caught.value)
    assert again.result == caught.value.result
