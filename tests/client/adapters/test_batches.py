"""Trainers that hand over batches: ms-swift, EasyR1, NeMo-RL."""

import asyncio
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.client.adapters.material import (
    BARE,
    GOOD,
    PARTS,
    STAGE_1,
    Service,
    completion,
    data,
    reference,
)
from visreward import ItemError, NoAnswerError
from visreward.adapters import easyr1
from visreward.adapters.labels import pack_label
from visreward.adapters.ms_swift import AsyncSwiftReward, SwiftReward
from visreward.adapters.nemo_rl import RewardEnvironment
from visreward.adapters.upload import upload

PLACES = ((1, GOOD), (1, BARE), (2, GOOD))

Score = Callable[..., list[float]]


def swift_rows(broken: int | None = None) -> dict[str, Any]:
    """ms-swift's keyword arguments, with image number `broken` unusable."""
    images = [[{"bytes": data(seed), "path": None}] for seed, _ in PLACES]
    if broken is not None:
        images[broken] = [{"bytes": b"no image", "path": None}]
    return {
        "images": images,
        "messages": [[{"role": "user", "content": "<image>Q"}, {"role": "assistant"}] for _ in PLACES],
        "reference": [reference(seed) for seed, _ in PLACES],
        "response_token_ids": [[[5] * 150, [5] * 50] for _ in PLACES],
        "prompt_id": [f"p{seed}" for seed, _ in PLACES],
        "rollout_infos": [{} for _ in PLACES],
        "trainer_state": SimpleNamespace(global_step=3),
    }


def score_swift(broken: int | None, **settings: Any) -> list[float]:
    texts = [completion(seed, kind) for seed, kind in PLACES]
    return SwiftReward(args=SimpleNamespace(), recipe=STAGE_1, **settings)(texts, **swift_rows(broken))


def score_swift_async(broken: int | None, **settings: Any) -> list[float]:
    texts = [completion(seed, kind) for seed, kind in PLACES]
    reward = AsyncSwiftReward(args=None, recipe=STAGE_1, **settings)
    asyncio.run(
        reward(texts[:1], **{name: values[:1] for name, values in swift_rows().items() if name[-1] == "s"})
    )
    return asyncio.run(reward(texts, **swift_rows(broken)))


def score_easyr1(broken: int | None, **settings: Any) -> list[float]:
    digests = (
        upload([data(seed) for seed, _ in PLACES], url=settings["url"]) if "gather_ms" not in settings else []
    )
    labels = [
        pack_label(
            images=["0" * 64 if place == broken else digest], reference=reference(seed), group=str(seed)
        )
        for place, (digest, (seed, _)) in enumerate(zip(digests or ["1" * 64] * 3, PLACES))
    ]
    found = easyr1.compute_score(
        [
            {"response": completion(seed, kind), "response_length": 200, "ground_truth": label}
            for label, (seed, kind) in zip(labels, PLACES)
        ],
        recipe=STAGE_1,
        **settings,
    )
    keys = ["overall", "failed", *(key for part in PARTS for key in (part, f"{part}_applies"))]
    assert all(list(one) == keys for one in found)
    assert all(math.isfinite(value) for one in found for value in one.values())
    return [one["overall"] for one in found]


def score_nemo(broken: int | None, **settings: Any) -> list[float]:
    # Its messages come without their tokens, so the recipe must not ask for a length.
    environment = RewardEnvironment({"recipe": "clipscore", "num_workers": 8, **settings})
    logs: list[list[dict[str, Any]]] = [
        [
            {"role": "user", "content": "Q"},
            {"role": "assistant", "content": completion(seed, kind) + "<|im_end|>"},
        ]
        for seed, kind in PLACES
    ]
    pictures = [b"no image" if place == broken else data(seed) for place, (seed, _) in enumerate(PLACES)]
    metadata = [
        {"ground_truth": "unused", "visreward": {"images": [picture], "reference": reference(seed)}}
        for picture, (seed, _) in zip(pictures, PLACES)
    ]
    return environment.score(logs, metadata)


@pytest.fixture(params=[score_swift, score_swift_async, score_easyr1, score_nemo])
def score(request: pytest.FixtureRequest) -> Score:
    chosen: Score = request.param
    return chosen


def test_every_item_gets_its_reward_in_order_from_one_request(service: Service, score: Score) -> None:
    score(None, url=service.url)
    scored = service.count_scored()
    rewards = score(None, url=service.url)
    assert service.count_scored() == scored + (2 if score is score_swift_async else 1)
    assert [type(reward) for reward in rewards] == [float] * 3
    assert rewards[0] > 0.8
    assert rewards[2] > 0.7
    assert rewards[1] < rewards[0]


def test_a_poisoned_item_raises(service: Service, score: Score) -> None:
    with pytest.raises(ItemError, match="1 of 3 items"):
        score(1, url=service.url)


def test_a_poisoned_item_is_the_number_that_the_user_named(service: Service, score: Score) -> None:
    rewards = score(1, url=service.url, on_item_error=-3.0)
    assert rewards[1] == -3.0
    assert rewards[0] > 0.8


def test_none_is_not_among_what_these_trainers_understand(service: Service, score: Score) -> None:
    with pytest.raises(ValueError, match="'raise' or a number"):
        score(None, url=service.url, on_item_error="mask")


@pytest.mark.parametrize("score", [score_swift, score_easyr1, score_nemo])
def test_a_service_that_is_gone_raises(gone: dict[str, Any], score: Score) -> None:
    with pytest.raises(NoAnswerError):
        score(None, **gone, on_item_error=-1.0, gather_ms=5.0)


def test_no_items_are_no_rewards() -> None:
    assert easyr1.compute_score([], recipe=STAGE_1, url="http://127.0.0.1:9") == []
    assert RewardEnvironment({"recipe": STAGE_1}).score([], []) == []


def test_conversations_without_their_metadata_are_refused() -> None:
    with pytest.raises(ValueError, match="1 conversations came with 0 metadata"):
        RewardEnvironment({"recipe": STAGE_1}).score([[]], [])
