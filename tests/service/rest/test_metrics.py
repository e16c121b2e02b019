"""What a scrape tells: rewards that can be averaged, images received, work done, a loop that turns."""

import asyncio
import re
from io import BytesIO

import httpx
import pytest
from PIL import Image

from tests.service.rest.conftest import running
from tests.service.scenes_data import Picture, item, pebr, picture

pytestmark = pytest.mark.asyncio(loop_scope="session")

LATE_SECONDS = "0.5"


async def scrape(service: httpx.AsyncClient) -> dict[str, float]:
    """Return the samples by name and labels."""
    lines = (await service.get("/metrics")).text.splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def stage_2(answer: str, source: str) -> dict[str, object]:
    return {
        "id": f"{source}-{answer}",
        "source": source,
        "completion": pebr("", answer),
        "reference": {"answer": "42"},
    }


async def test_rewards_and_parts_can_be_averaged_by_recipe_and_source() -> None:
    async with running() as service:
        items = [stage_2("42", "a"), stage_2("41", "a"), stage_2("42", "b")]
        answer = await service.post("/score", json={"recipe": "pebr-r1/stage2", "items": items})
        rewards = {result["id"]: result["reward"] for result in answer.json()["items"]}
        parts = [result["parts"] for result in answer.json()["items"]]
        found = await scrape(service)
    for source in "ab":
        labels = f'{{recipe="pebr-r1/stage2",sign="positive",source="{source}"}}'
        mine = [reward for name, reward in rewards.items() if name.startswith(source)]
        assert found[f"visreward_reward_value_total{labels}"] == pytest.approx(sum(mine))
    for part in parts[0]:
        labels = f'{{part="{part}",recipe="pebr-r1/stage2",sign="positive"}}'
        assert found.get(f"visreward_part_value_total{labels}", 0.0) == pytest.approx(
            sum(of_item[part] for of_item in parts)
        )
        counted = f'visreward_parts_total{{part="{part}",recipe="pebr-r1/stage2",value="number"}}'
        assert found[counted] == 3


async def test_a_scrape_tells_what_preparation_takes() -> None:
    names = [f'visreward_prepare_seconds_total{{step="{step}"}}' for step in ("decode", "resize", "tokenise")]
    async with running() as service:
        before = await scrape(service)
        body = {"recipe": "pebr-r1/stage1", "images": [picture(1200).wire()], "items": [item(1200)]}
        assert (await service.post("/score", json=body)).status_code == 200
        after = await scrape(service)
    assert [before[name] for name in names] == [0.0, 0.0, 0.0]
    assert all(0 < after[name] < 60 for name in names)


async def test_negative_rewards_have_a_sum_of_their_own() -> None:
    inline = {"terms": {"length": {"scorer": "length", "shape": "ratio", "expected_tokens": 4}}}
    rewards = {"reward": "length - 1"}
    items = [{"id": str(n), "completion": "x", "completion_tokens": n} for n in (8, 16)]
    async with running() as service:
        answer = await service.post("/score", json={**inline, **rewards, "items": items})
        total = sum(result["reward"] for result in answer.json()["items"])
        found = await scrape(service)
    assert total < 0
    labels = '{recipe="inline",sign="negative",source=""}'
    assert found[f"visreward_reward_value_total{labels}"] == pytest.approx(-total)
    assert not any(name.startswith(("visreward_part_value", "visreward_parts")) for name in found)


async def test_rewards_fall_into_buckets_that_hold_those_below() -> None:
    inline = {"terms": {"length": {"scorer": "length", "shape": "ratio", "expected_tokens": 4}}}
    items = [{"id": str(n), "completion": "x", "completion_tokens": n} for n in (2, 4, 16, 40)]
    async with running() as service:
        for _ in range(2):
            answer = await service.post("/score", json={**inline, "reward": "length", "items": items})
        found = await scrape(service)
    assert len(answer.json()["items"]) == len(items)
    bounds = {"0.0": 0, "0.1": 1, "0.3": 2, "0.9": 2, "1.0": 4, "+Inf": 4}
    assert {
        bound: found[f'visreward_reward_bucket{{le="{bound}",recipe="inline"}}'] / 2 for bound in bounds
    } == bounds
    assert found['visreward_reward_count{recipe="inline"}'] == 8


async def test_images_that_clients_sent_are_counted_with_their_bytes() -> None:
    async with running() as service:
        first = {"recipe": "pebr-r1/stage1", "images": [picture(3).wire()], "items": [item(3)]}
        for body in (first, {**first, "images": []}):
            assert (await service.post("/score", json=body)).json()["missing_images"] == []
        found = await scrape(service)
        unknown = {"recipe": "pebr-r1/stage1", "items": [item(4)]}
        answer = await service.post("/score", json=unknown)
    assert found["visreward_images_received_total"] == 1
    assert found["visreward_image_bytes_received_total"] == len(picture(3).data)
    assert answer.json()["missing_images"] == [picture(4).digest]


async def test_rules_whose_verdict_is_known_are_asked_for_and_not_run() -> None:
    body = {
        "terms": {"right": {"scorer": "answer", "grader": "math_verify"}},
        "reward": "right",
        "items": [
            {"id": "a", "completion": "\\boxed{\\frac{84}{2}}", "reference": {"answer": "\\boxed{42}"}}
        ],
    }
    async with running() as service:
        work = [(await service.post("/score", json=body)).json()["work"] for _ in range(2)]
    asked = work[0]["rules_asked"]
    assert asked > 0
    assert [(one["rules_asked"], one["rules_run"]) for one in work] == [(asked, asked), (asked, 0)]


def large_picture(seed: int) -> Picture:
    """Twenty-four million pixels."""
    buffer = BytesIO()
    Image.new("RGB", (6000, 4000), (seed, 0, 0)).save(buffer, "PNG", compress_level=1)
    return Picture(buffer.getvalue())


async def test_large_images_are_decoded_beside_the_event_loop() -> None:
    pictures = [large_picture(seed) for seed in range(3)]
    async with running() as service:
        before = await scrape(service)
        body = {
            "recipe": "pebr-r1/stage1",
            "images": [one.wire() for one in pictures],
            "items": [item(n, images=[one.digest]) for n, one in enumerate(pictures)],
        }
        scoring = asyncio.create_task(service.post("/score", json=body))
        while not scoring.done():
            assert (await service.get("/healthz")).status_code == 200
            await asyncio.sleep(0.05)
        assert all(result["error"] is None for result in scoring.result().json()["items"])
        await asyncio.sleep(0.3)
        found = await scrape(service)
    name = "visreward_loop_lag_seconds"
    beats = found[f"{name}_count"] - before[f"{name}_count"]
    in_time = found[f'{name}_bucket{{le="{LATE_SECONDS}"}}'] - before[f'{name}_bucket{{le="{LATE_SECONDS}"}}']
    assert beats > 0
    assert beats - in_time < len(pictures)
    assert re.match(r"1\.0|1", str(found["visreward_ready"]))
    assert found["visreward_pending_bytes"] == 0
