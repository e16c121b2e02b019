"""Requests that are answered on the event loop: alike in all but time to those that go through a thread."""

import json
from typing import Any

import httpx
import msgpack
import pytest

from tests.service.rest.conftest import running
from visreward.protocol import ItemResult, ScoreResponse
from visreward_service.engine.engine import SMALL_BYTES
from visreward_service.rest import body
from visreward_service.scorers.phrases import load_chunker

pytestmark = pytest.mark.asyncio(loop_scope="session")

LENGTH = {"scorer": "length", "shape": "ratio", "expected_tokens": 4}
INLINE = {"terms": {"length": LENGTH}, "reward": "length"}


def written(tokens: int, number: int = 0, **changes: Any) -> dict[str, Any]:
    return {"id": str(number), "completion": "a word", "completion_tokens": tokens, **changes}


async def ask(service: httpx.AsyncClient, items: list[Any], **changes: Any) -> dict[str, Any]:
    answer = await service.post("/score", json={**INLINE, "items": items, **changes})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "odd",
    [
        written(8, 1, group="g", reference={"answer": "4", "extra": {"step": 1}}),
        written(8, 0),
        {"id": "1", "completion": "no length"},
        written(8, 1, images=["x"]),
        written(8, 1, reference={"answer": 4}),
        None,
    ],
    ids=["whole", "an id twice", "without its length", "a wrong digest", "a wrong answer", "no object"],
)
async def test_a_small_request_is_answered_like_a_large_one(service: httpx.AsyncClient, odd: Any) -> None:
    items = [written(2), odd, written(16, 2)]
    small = await ask(service, items)
    padding = written(3, 3, prompt="x" * SMALL_BYTES)
    large = await ask(service, [*items, padding])
    assert large["items"][:3] == small["items"]
    assert [result["reward"] for result in (small["items"][0], small["items"][2])] == [
        1.0,
        pytest.approx(0.25, abs=1e-6),
    ]


async def test_many_items_are_answered_like_few(service: httpx.AsyncClient) -> None:
    items = [written(number + 1, number) for number in range(200)]
    many = await ask(service, items)
    few = [await ask(service, items[start : start + 50]) for start in range(0, 200, 50)]
    assert many["items"] == [result for answer in few for result in answer["items"]]


@pytest.mark.parametrize("other", ["NaN", "null", "4.5", "true", "1e400"])
async def test_a_recipe_is_not_taken_for_one_that_was_written_before(
    service: httpx.AsyncClient, other: str
) -> None:
    await ask(service, [written(2)])
    text = json.dumps({**INLINE, "items": [written(2)]}).replace(
        '"expected_tokens": 4', f'"expected_tokens": {other}'
    )
    answer = await service.post("/score", content=text, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid_recipe"
    assert "expected_tokens" in answer.json()["error"]["message"] + answer.json()["error"]["field"]


async def test_a_term_that_is_only_reported_fails_without_its_image_and_costs_the_item_nothing(
    service: httpx.AsyncClient,
) -> None:
    clip = {"scorer": "alignment", "model": "fgclip", "text": "completion"}
    item = written(2, images=["0" * 64], prompt="p")
    found = await ask(service, [item], terms={"length": LENGTH, "clip": clip})
    (result,) = found["items"]
    assert result["reward"] == 1.0
    assert result["parts"] == {"length": 1.0, "clip": None}
    assert result["details"]["clip"]["error"]["code"] == "image_missing"
    assert found["missing_images"] == ["0" * 64]


async def test_what_the_recipes_need_is_loaded_before_the_service_is_ready() -> None:
    load_chunker.cache_clear()
    async with running() as service:
        assert (await service.get("/readyz")).status_code == 200
        assert load_chunker.cache_info().currsize == 1


async def test_details_that_only_python_can_write_come_back_as_json_and_msgpack() -> None:
    details = {"found": (1, 2.5), "large": 2**40, "named": {3: "three"}, "letters": {"a"}}
    item = ItemResult(id="0", reward=1.0, parts={"a": 1.0}, details={"a": details})
    answer = ScoreResponse(request_id="r", recipe="inline", items=[item])
    expected = json.loads(answer.model_dump_json())
    assert json.loads(bytes(body.write({}, answer).body)) == expected
    packed = bytes(body.write({"accept": body.MSGPACK}, answer).body)
    assert msgpack.unpackb(packed) == expected


async def test_an_integer_beyond_64_bits_in_the_details_is_written() -> None:
    item = ItemResult(id="0", reward=1.0, details={"a": {"found": 2**70}})
    answer = ScoreResponse(request_id="r", recipe="inline", items=[item])
    assert json.loads(bytes(body.write({}, answer).body))["items"][0]["details"]["a"]["found"] == 2**70
