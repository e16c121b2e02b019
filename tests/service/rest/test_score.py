"""`POST /score` with the bundled model: the main job."""

import asyncio
import random
from typing import Any

import httpx
import msgpack
import pytest

from tests.service.rest.conftest import running
from tests.service.scenes_data import item, pebr, picture, sample
from visreward_service.models import ModelSettings

pytestmark = pytest.mark.asyncio(loop_scope="session")

STAGE_1 = "pebr-r1/stage1"


def request(items: list[dict[str, Any]], seeds: list[int], **changes: Any) -> dict[str, Any]:
    return {"recipe": STAGE_1, "images": [picture(seed).wire() for seed in seeds], "items": items, **changes}


async def score(service: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, Any]:
    answer = await service.post("/score", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_true_description_is_rewarded_above_one_of_another_scene(service: httpx.AsyncClient) -> None:
    seeds = list(range(100, 112))
    items = []
    for seed in seeds:
        other = sample(seed + 500).description.text
        items.append(item(seed, 0))
        items.append(item(seed, 1, completion=pebr(other, "0")))
    found = await score(service, request(items, seeds))
    clips = [result["details"]["clip"]["cos"] for result in found["items"]]
    better = sum(true > false for true, false in zip(clips[::2], clips[1::2]))
    assert better >= 11


async def test_parts_make_up_the_reward_of_the_paper(service: httpx.AsyncClient) -> None:
    found = await score(service, request([item(1, completion_tokens=640)], [1]))
    (result,) = found["items"]
    parts = result["parts"]
    assert parts["length"] == pytest.approx(0.8, abs=1e-7)
    assert parts["format"] == 1.0
    expected = 0.4 * parts["clip"] + 0.1 * parts["format"] + 0.4 * parts["key_word"] + 0.1 * parts["length"]
    assert result["reward"] == pytest.approx(expected, abs=1e-12)
    assert result["error"] is None


async def test_each_distinct_image_and_text_is_encoded_once(service: httpx.AsyncClient) -> None:
    seeds = list(range(1000, 1016))
    items = [
        item(seed, number, completion=pebr(f"{sample(seed).description.text} Take {number % 4}.", "3"))
        for seed in seeds
        for number in range(8)
    ]
    before = await encoded(service)
    found = await score(service, request(items, seeds))
    after = await encoded(service)
    assert found["work"]["images_asked"] == 128
    assert found["work"]["images_encoded"] == 16
    assert found["work"]["texts_asked"] == 128
    assert found["work"]["texts_encoded"] == 64
    assert after["image"] - before["image"] == 16
    assert after["text"] - before["text"] == 64


async def encoded(service: httpx.AsyncClient) -> dict[str, float]:
    """Read how many images and texts went through the model, from the metrics."""
    lines = (await service.get("/metrics")).text.splitlines()
    found = {"image": 0.0, "text": 0.0}
    for line in lines:
        if line.startswith("visreward_encoded_total{"):
            kind = "image" if 'kind="image"' in line else "text"
            found[kind] += float(line.rsplit(" ", 1)[1])
    return found


async def test_models_that_read_one_image_score_it_alike() -> None:
    bundled = ModelSettings(kind="fgclip", source="bundled:scenes-fgclip")
    models = {"fgclip": bundled, "twin": bundled}
    terms = {
        name: {"scorer": "alignment", "text": "completion", "over_limit": "truncate", "model": name}
        for name in models
    }
    items = [{**item(1300, number), "completion": f"a red ball {number}"} for number in range(2)]
    body = {**request(items, [1300]), "terms": terms, "reward": "fgclip"}
    del body["recipe"]
    async with running(models=models) as service:
        found = await score(service, body)
        assert await encoded(service) == {"image": 2, "text": 4}
    for result in found["items"]:
        assert result["parts"]["fgclip"] == result["parts"]["twin"] == result["reward"]


async def test_siblings_in_requests_of_their_own_cost_what_a_group_costs_and_score_alike() -> None:
    texts = [f"{sample(seed).description.text} Take {seed}." for seed in range(1100, 1108)]
    items = [{**item(1100, number), "completion": text} for number, text in enumerate(texts)]
    terms = {"clip": {"scorer": "alignment", "text": "completion", "over_limit": "truncate"}}
    wanted = {**request(items, [1100]), "terms": terms, "reward": "clip"}
    del wanted["recipe"]
    async with running() as service:
        alone = await asyncio.gather(*(score(service, {**wanted, "items": [one]}) for one in items))
        assert await encoded(service) == {"image": 1, "text": 8}
    async with running() as service:
        together = await score(service, wanted)
    assert [found["items"][0]["reward"] for found in alone] == [one["reward"] for one in together["items"]]


async def test_a_second_request_finds_its_image_in_the_cache(service: httpx.AsyncClient) -> None:
    await score(service, request([item(2000)], [2000]))
    found = await score(service, request([item(2000)], [2000]))
    assert found["work"]["images_encoded"] == 0
    assert found["cache"] == {"hits": 2, "misses": 0}


async def test_rewards_are_bit_identical_in_any_order_and_company() -> None:
    seeds = list(range(3000, 3006))
    items = [item(seed, number) for seed in seeds for number in range(2)]
    async with running(cache_bytes=0) as service:
        alone = {}
        for one in items:
            seed = int(one["id"].split("-")[0])
            (result,) = (await score(service, request([one], [seed])))["items"]
            alone[one["id"]] = result["reward"]
        shuffle = random.Random(7)
        for _ in range(4):
            some = shuffle.sample(items, shuffle.randint(2, len(items)))
            found = await score(service, request(some, seeds))
            assert [r["reward"] for r in found["items"]] == [alone[one["id"]] for one in some]
    for seed in seeds:
        assert alone[f"{seed}-0"] == alone[f"{seed}-1"]


async def test_groups_are_summarised(service: httpx.AsyncClient) -> None:
    same = [item(4000, number) for number in range(3)]
    mixed = [item(4001, 0), item(4001, 1, completion="nothing of what was asked")]
    found = await score(service, request([*same, *mixed], [4000, 4001]))
    tied, spread = found["groups"]
    assert tied["tied"]
    assert tied["std"] == 0.0
    assert tied["mean"] == found["items"][0]["reward"]
    assert not spread["tied"]
    assert spread["std"] > 0
    assert (spread["num_items"], spread["num_scored"]) == (2, 2)


async def test_msgpack_carries_the_same_fields_with_raw_bytes(service: httpx.AsyncClient) -> None:
    body = request([item(5)], [5])
    by_json = await score(service, body)
    packed = {**body, "images": [{"digest": picture(5).digest, "data": picture(5).data}]}
    answer = await service.post(
        "/score",
        content=msgpack.packb(packed),
        headers={"content-type": "application/msgpack", "accept": "application/msgpack"},
    )
    assert answer.headers["content-type"] == "application/msgpack"
    assert msgpack.unpackb(answer.content)["items"] == by_json["items"]


async def test_a_recipe_can_be_written_in_the_request(service: httpx.AsyncClient) -> None:
    body = {
        "terms": {
            "match": {"scorer": "alignment", "model": "fgclip", "text": "completion", "value": "max(cos, 0)"},
            "short": {"scorer": "length", "shape": "ratio", "expected_tokens": 100},
        },
        "reward": "0.75*match + 0.25*short",
        "images": [picture(6).wire()],
        "items": [
            {
                "id": "a",
                "images": [picture(6).digest],
                "completion": sample(6).caption.text,
                "completion_tokens": 50,
            }
        ],
    }
    (result,) = (await score(service, body))["items"]
    assert result["parts"]["short"] == 1.0
    assert result["reward"] == pytest.approx(0.75 * result["parts"]["match"] + 0.25, abs=1e-12)


async def test_details_are_left_out_on_request(service: httpx.AsyncClient) -> None:
    (with_details,) = (await score(service, request([item(7)], [7])))["items"]
    (without,) = (await score(service, request([item(7)], [7], details=False)))["items"]
    assert with_details["details"]
    assert without["details"] == {}
    assert without["reward"] == with_details["reward"]


async def test_the_answer_names_the_models_and_the_time_of_each_stage(service: httpx.AsyncClient) -> None:
    found = await score(service, request([item(8)], [8]))
    (model,) = (await service.get("/models")).json()
    assert found["models"] == {"fgclip": model["revision"]}
    assert set(found["timings_ms"]) == {"parse", "plan", "do", "combine", "total"}


async def test_a_request_without_images_needs_no_model(service: httpx.AsyncClient) -> None:
    one = {"id": "a", "completion": pebr("Two red circles.", "42"), "reference": {"answer": "42"}}
    wrong = {**one, "id": "b", "completion": pebr("Two red circles.", "43")}
    found = await score(service, {"recipe": "pebr-r1/stage2", "items": [one, wrong]})
    assert [result["reward"] for result in found["items"]] == [1.0, 0.1]
    assert found["models"] == {}
