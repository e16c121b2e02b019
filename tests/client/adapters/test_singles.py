"""Trainers that score one sample at a time: verl, OpenRLHF, slime, AReaL, verifiers."""

import asyncio
import inspect
import math
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
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
    pixels,
    reference,
)
from visreward import ItemError, NoAnswerError
from visreward.adapters import openrlhf, slime, verl
from visreward.adapters.areal import ArealReward
from visreward.adapters.labels import pack_label
from visreward.adapters.upload import upload
from visreward.adapters.verifiers import build_reward

COLUMNS = {"failed", *PARTS, *(f"{part}_applies" for part in PARTS)}


@pytest.fixture
def label(service: Service) -> Callable[[int], str]:
    """A packed label of a scene whose image the service holds."""

    def build(seed: int) -> str:
        digests = upload([data(seed)], url=service.url)
        return pack_label(images=digests, reference=reference(seed), group=f"scene-{seed}")

    return build


LOST = pack_label(images=["0" * 64], reference={"answer": "1", "key_words": ["x"]})
"""A label whose image the service does not hold."""


def clipscore(service: Service, **settings: Any) -> dict[str, Any]:
    return {"recipe": "clipscore", "url": service.url, **settings}


async def ask_verl(
    labels: list[str], kinds: list[int], settings: dict[str, Any], **extra: Any
) -> list[dict[str, float]]:
    calls = [
        verl.compute_score("scenes", completion(1, kind), label, {"index": 1, **extra}, **settings)
        for label, kind in zip(labels, kinds)
    ]
    return await asyncio.gather(*calls)


def test_verls_function_is_a_plain_coroutine_function() -> None:
    assert inspect.iscoroutinefunction(verl.compute_score)


def test_verls_calls_made_together_share_requests(service: Service, label: Callable[[int], str]) -> None:
    settings = clipscore(service, gather_ms=1000)
    scored = service.count_scored()
    found = asyncio.run(ask_verl([label(1)] * 32, [GOOD] * 31 + [BARE], settings))
    assert service.count_scored() - scored <= 8
    assert found[0]["score"] > found[31]["score"]
    assert len({tuple(one) for one in found}) == 1
    assert "reward" not in found[0]


def test_verls_calls_of_one_step_after_another_need_no_common_event_loop(
    service: Service, label: Callable[[int], str]
) -> None:
    first = asyncio.run(ask_verl([label(1)], [GOOD], clipscore(service)))
    with ThreadPoolExecutor(2) as pool:
        others = [
            pool.submit(asyncio.run, ask_verl([label(1)], [GOOD], clipscore(service))) for _ in range(2)
        ]
    assert [other.result() for other in others] == [first, first]


def test_a_poisoned_item_costs_verls_other_callers_nothing(
    service: Service, label: Callable[[int], str]
) -> None:
    settings = clipscore(service, gather_ms=200)

    async def ask() -> list[Any]:
        calls = [
            verl.compute_score("scenes", completion(1), one, None, **settings) for one in (label(1), LOST)
        ]
        return await asyncio.gather(*calls, return_exceptions=True)

    good, poisoned = asyncio.run(ask())
    assert good["score"] > 0
    assert isinstance(poisoned, ItemError)
    assert "image_missing" in str(poisoned)
    assert len(poisoned.result.items) == 1


def test_verls_keys_are_the_same_for_a_failed_sample_and_nothing_is_nan(
    service: Service, label: Callable[[int], str]
) -> None:
    settings = clipscore(service, on_item_error="-2.5")
    failed, good = asyncio.run(ask_verl([LOST, label(1)], [GOOD, GOOD], settings))
    assert list(failed) == list(good) == ["score", "failed", "clip", "clip_applies"]
    assert failed == {"score": -2.5, "failed": 1.0, "clip": 0.0, "clip_applies": 0.0}
    assert all(math.isfinite(value) for one in (failed, good) for value in one.values())


def test_verls_label_may_stand_in_extra_info_beside_a_plain_answer(
    service: Service, label: Callable[[int], str]
) -> None:
    settings = clipscore(service)
    found = asyncio.run(ask_verl(["7"], [GOOD], settings, visreward=label(1), split="train"))
    assert found == asyncio.run(ask_verl([label(1)], [GOOD], settings))


def test_verl_has_no_value_for_a_missing_reward(service: Service) -> None:
    with pytest.raises(ValueError, match="'raise' or a number"):
        asyncio.run(ask_verl([LOST], [GOOD], clipscore(service, on_item_error="mask")))
    with pytest.raises(ValueError, match="unknown setting 'recipes'"):
        asyncio.run(ask_verl([LOST], [GOOD], clipscore(service, recipes="x")))


def test_a_recipe_of_whole_groups_is_refused_sample_by_sample(service: Service) -> None:
    settings = {"recipe": "gated", "url": service.url}
    with pytest.raises(ValueError, match="looks at whole groups"):
        asyncio.run(ask_verl([LOST], [GOOD], settings))


def test_a_service_that_is_gone_is_verls_error_and_no_number(gone: dict[str, Any]) -> None:
    settings = {"recipe": STAGE_1, **gone, "on_item_error": -1.0}
    with pytest.raises(NoAnswerError):
        asyncio.run(ask_verl([LOST, LOST], [GOOD, GOOD], settings))


def environment(monkeypatch: pytest.MonkeyPatch, url: str, recipe: str = "clipscore", **more: str) -> None:
    for name, value in {"VISREWARD_URL": url, "VISREWARD_RECIPE": recipe, **more}.items():
        monkeypatch.setenv(name, value)


def chat(text: str) -> str:
    """Prompt and completion as OpenRLHF decodes them, image placeholders expanded."""
    return (
        f"<|im_start|>user\n<|image_pad|><|image_pad|>Q<|im_end|>\n<|im_start|>assistant\n{text}<|im_end|>\n"
    )


PROMPT = "<|im_start|>user\n<|image_pad|>Q<|im_end|>\n<|im_start|>assistant\n"


def test_openrlhfs_function_gives_scalars_for_the_response_alone(
    service: Service, label: Callable[[int], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, service.url)
    found = openrlhf.reward_func([chat(completion(1))], [PROMPT], [label(1)])
    expected = asyncio.run(ask_verl([label(1)], [GOOD], clipscore(service)))[0]
    score = expected.pop("score")
    assert found == {"rewards": score, "scores": score, "extra_logs": expected}


def test_openrlhfs_poisoned_sample_raises_and_a_text_without_a_mark_too(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, service.url)
    with pytest.raises(ItemError, match="image_missing"):
        openrlhf.reward_func([chat("A circle.")], [PROMPT], [LOST])
    with pytest.raises(ValueError, match="no assistant mark"):
        openrlhf.reward_func(["Q: what? A circle."], ["other"], [LOST])
    monkeypatch.setenv("VISREWARD_ON_ITEM_ERROR", "-1")
    assert openrlhf.reward_func([chat("A circle.")], [PROMPT], [LOST])["rewards"] == -1.0


def sample(seed: int, kind: int = GOOD, **changes: Any) -> SimpleNamespace:
    """slime's sample."""
    fields = {
        "prompt": [{"role": "user", "content": "Q"}],
        "response": completion(seed, kind) + "<|im_end|>",
        "response_length": 200,
        "label": pack_label(reference=reference(seed)),
        "metadata": {},
        "group_index": seed,
        "multimodal_inputs": {"images": [pixels(seed)]},
    }
    return SimpleNamespace(**{**fields, **changes})


def test_slime_gets_a_number_for_a_sample_and_a_list_for_a_list(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(monkeypatch, service.url, STAGE_1)
    args = SimpleNamespace(group_rm=True)
    many = asyncio.run(slime.reward(args, [sample(1), sample(1, BARE)]))
    one = asyncio.run(slime.reward(SimpleNamespace(), sample(1), evaluation=True))
    assert isinstance(many, list)
    assert type(one) is float
    assert many[0] == one > many[1]
    assert asyncio.run(slime.reward(args, [])) == []


def test_slimes_poisoned_sample_raises(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, service.url, STAGE_1)
    broken = sample(1, multimodal_inputs={"images": [b"no image"]})
    with pytest.raises(ItemError):
        asyncio.run(slime.reward(SimpleNamespace(), broken))
    with pytest.raises(ItemError):
        asyncio.run(slime.reward(SimpleNamespace(group_rm=True), [sample(1), broken]))


def test_slimes_images_may_travel_in_the_metadata(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    environment(monkeypatch, service.url, STAGE_1)
    packed = {"images": upload([data(1)], url=service.url), "source": "scenes"}
    carried = sample(1, metadata={"visreward": packed}, multimodal_inputs=None)
    assert asyncio.run(slime.reward(SimpleNamespace(), carried)) == asyncio.run(
        slime.reward(SimpleNamespace(), sample(1))
    )


def areal_row(seed: int, kind: int = GOOD) -> dict[str, Any]:
    return {
        "prompt": "Q",
        "completions": completion(seed, kind) + "<|im_end|>",
        "prompt_ids": [1, 2],
        "completion_ids": [3] * 200,
        "images": [pixels(seed)],
        "reference": reference(seed),
        "messages": "not a field",
    }


def score_in_child(reward: ArealReward, row: dict[str, Any]) -> float:
    return reward(**row)


def test_areals_reward_works_here_pickled_and_in_another_process(service: Service) -> None:
    reward = ArealReward(recipe=STAGE_1, url=service.url)
    here = reward(**areal_row(1))
    assert here > reward(**areal_row(1, BARE))
    again = pickle.loads(pickle.dumps(reward))  # noqa: S301 - our own
    with ProcessPoolExecutor(1) as pool:
        assert pool.submit(score_in_child, again, areal_row(1)).result() == here


def test_areals_poisoned_row_and_dead_service_raise_within_its_time_limit(
    service: Service, gone: dict[str, Any]
) -> None:
    with pytest.raises(ItemError):
        ArealReward(recipe=STAGE_1, url=service.url)(**{**areal_row(1), "images": [b"no image"]})
    with pytest.raises(NoAnswerError):
        ArealReward(recipe=STAGE_1, **gone)(**areal_row(1))
    assert ArealReward(recipe=STAGE_1)._settings.patience_seconds < 15


class Trace:
    """verifiers' trace, as far as a reward reads it."""

    def __init__(self, last_reply: str) -> None:
        self.last_reply = last_reply
        self.num_output_tokens = 200
        self.metrics: dict[str, float] = {}

    def record_metrics(self, values: dict[str, float]) -> None:
        self.metrics.update(values)


def test_verifiers_gets_a_number_and_the_parts_as_metrics(
    service: Service, label: Callable[[int], str]
) -> None:
    reward = build_reward(STAGE_1, url=service.url)
    assert list(inspect.signature(reward).parameters) == ["self", "task", "trace"]
    trace = Trace(completion(1))
    found = asyncio.run(reward(None, SimpleNamespace(visreward=label(1), prompt_text="Q"), trace))
    assert 0.8 < found <= 1.0
    assert set(trace.metrics) == COLUMNS
    with pytest.raises(ItemError):
        asyncio.run(reward(None, SimpleNamespace(visreward=LOST), trace))
