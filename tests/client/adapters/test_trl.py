"""TRL's call shape: everything by keyword, Pillow images of their own for each sibling, logging callbacks."""

import asyncio
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from tests.client.adapters.material import BARE, GOOD, PARTS, STAGE_1, Service, completion, pixels, reference
from visreward import ItemError, NoAnswerError, UnknownNameError
from visreward.adapters import trl
from visreward.adapters.session import open_session
from visreward.adapters.trl import AsyncTrlReward, TrlReward
from visreward.protocol import Code

Call = Callable[..., list[float | None]]


class Logs:
    """TRL's `log_metric` and `log_extra`."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.columns: dict[str, list[Any]] = {}

    def callbacks(self) -> dict[str, Any]:
        return {"log_metric": self.metrics.__setitem__, "log_extra": self.columns.__setitem__}


def rows(*places: tuple[int, int]) -> dict[str, Any]:
    """The keyword arguments of TRL for rows of scene and kind of completion."""
    return {
        "prompts": [
            [{"role": "user", "content": [{"type": "text", "text": f"Q{seed}"}]}] for seed, _ in places
        ],
        "completions": [[{"role": "assistant", "content": completion(seed, kind)}] for seed, kind in places],
        "completion_ids": [[7] * 200 for _ in places],
        "image": [pixels(seed) for seed, _ in places],
        "reference": [reference(seed) for seed, _ in places],
        "trainer_state": object(),
    }


FOUR = ((1, GOOD), (1, BARE), (2, GOOD), (2, BARE))


@pytest.fixture(params=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Call:
    def sync(settings: dict[str, Any], arguments: dict[str, Any]) -> list[float | None]:
        return TrlReward(**settings)(**arguments)

    def run_async(settings: dict[str, Any], arguments: dict[str, Any]) -> list[float | None]:
        return asyncio.run(AsyncTrlReward(**settings)(**arguments))

    return sync if request.param == "sync" else run_async


def test_images_arrive_once_each_and_parts_are_logged(service: Service, call: Call) -> None:
    logs = Logs()
    settings = {"recipe": STAGE_1, "url": service.url}
    scored = service.count_scored()
    rewards = call(settings, {**rows(*FOUR), **logs.callbacks()})
    assert service.count_scored() == scored + 1
    assert rewards[0] is not None
    assert rewards[1] is not None
    assert rewards[0] > 0.8 > rewards[1]
    assert list(logs.columns) == list(PARTS)
    assert logs.columns["format"] == [1.0, 0.0, 1.0, 0.0]
    assert logs.metrics["parts/format"] == 0.5
    assert logs.metrics["reward_service/failed_items"] == 0.0
    assert logs.metrics["reward_service/tied_groups"] == 0.0
    assert logs.metrics["parts/clip"] == pytest.approx(sum(logs.columns["clip"]) / 4)


def test_equal_pixels_in_different_objects_are_encoded_once(service: Service) -> None:
    reward = TrlReward(recipe=STAGE_1, url=service.url)
    reward(**rows(*FOUR))
    reward(**rows(*FOUR))
    assert open_session(reward._settings).pictures.num_encoded == 2


def test_siblings_share_a_group_wherever_they_stand(service: Service) -> None:
    logs = Logs()
    tied = ((1, GOOD), (2, GOOD), (1, GOOD), (2, BARE))
    TrlReward(recipe=STAGE_1, url=service.url)(**rows(*tied), **logs.callbacks())
    assert logs.metrics["reward_service/tied_groups"] == 0.5


@pytest.fixture
def poisoned() -> dict[str, Any]:
    arguments = rows(*FOUR)
    arguments["image"][1] = b"no image"
    return arguments


def test_a_poisoned_item_raises_and_the_error_names_it(
    service: Service, call: Call, poisoned: dict[str, Any]
) -> None:
    with pytest.raises(ItemError) as caught:
        call({"recipe": STAGE_1, "url": service.url}, poisoned)
    assert [item.error.code for item in caught.value.failed if item.error] == [Code.IMAGE_UNSUPPORTED]
    assert caught.value.result.rewards[1] is None


def test_a_poisoned_item_is_none_on_request_and_costs_its_siblings_nothing(
    service: Service, call: Call, poisoned: dict[str, Any]
) -> None:
    logs = Logs()
    settings = {"recipe": STAGE_1, "url": service.url, "on_item_error": "mask"}
    rewards = call(settings, {**poisoned, **logs.callbacks()})
    assert rewards[1] is None
    assert all(reward is not None and math.isfinite(reward) for reward in (rewards[0], *rewards[2:]))
    assert logs.columns["clip"][1] is None
    assert logs.metrics["reward_service/failed_items"] == 1.0


def test_a_poisoned_item_is_a_number_only_where_the_user_named_it(
    service: Service, call: Call, poisoned: dict[str, Any]
) -> None:
    settings = {"recipe": STAGE_1, "url": service.url, "on_item_error": -1.0}
    assert call(settings, poisoned)[1] == -1.0


@pytest.mark.parametrize("policy", ["raise", "mask", -1.0])
def test_a_service_that_is_gone_raises_under_every_policy(
    gone: dict[str, Any], call: Call, policy: Any
) -> None:
    with pytest.raises(NoAnswerError):
        call({"recipe": STAGE_1, **gone, "on_item_error": policy}, rows(*FOUR))


def test_columns_of_other_names_are_mapped(service: Service) -> None:
    arguments = rows(*FOUR)
    arguments["photo"] = arguments.pop("image")
    arguments["solution"] = [one["answer"] for one in arguments["reference"]]
    arguments["key_words"] = [one["key_words"] for one in arguments.pop("reference")]
    columns = {"images": "photo", "answer": "solution"}
    mapped = TrlReward(recipe=STAGE_1, url=service.url, columns=columns)(**arguments)
    assert mapped == TrlReward(recipe=STAGE_1, url=service.url)(**rows(*FOUR))
    with pytest.raises(ValueError, match="no such column"):
        TrlReward(recipe=STAGE_1, url=service.url, columns={"answer": "gold"})(**arguments)
    with pytest.raises(ValueError, match="unknown field 'picture'"):
        TrlReward(recipe=STAGE_1, columns={"picture": "photo"})


def test_images_are_found_in_the_prompts_parts(service: Service) -> None:
    arguments = rows(*FOUR)
    for prompt, image in zip(arguments["prompts"], arguments.pop("image")):
        prompt[0]["content"].insert(0, {"type": "image", "image": image})
    reward = TrlReward(recipe=STAGE_1, url=service.url)
    assert reward(**arguments) == reward(**rows(*FOUR))


def test_a_column_of_another_length_is_refused(service: Service) -> None:
    arguments = rows(*FOUR)
    arguments["completion_ids"].pop()
    with pytest.raises(ValueError, match="completion_ids has 3 values for 4 completions"):
        TrlReward(recipe=STAGE_1, url=service.url)(**arguments)


def test_an_unknown_recipe_raises_with_the_nearest_names(service: Service) -> None:
    with pytest.raises(UnknownNameError) as caught:
        TrlReward(recipe="pebr-r1/stage9", url=service.url)(**rows(*FOUR))
    assert STAGE_1 in caught.value.nearest


def test_a_reward_survives_pickling_after_its_first_call(service: Service) -> None:
    reward = TrlReward(recipe=STAGE_1, url=service.url)
    first = reward(**rows(*FOUR))
    again = pickle.loads(pickle.dumps(reward))  # noqa: S301 - our own
    assert again(**rows(*FOUR)) == first
    assert again.__name__ == STAGE_1


def test_the_dotted_path_reads_the_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="VISREWARD_RECIPE"):
        asyncio.run(trl.reward(**rows(*FOUR)))
    monkeypatch.setenv("VISREWARD_RECIPE", STAGE_1)
    monkeypatch.setenv("VISREWARD_URL", service.url)
    assert None not in asyncio.run(trl.reward(**rows(*FOUR)))


def test_a_recipe_of_whole_groups_refuses_a_group_that_came_in_part(service: Service) -> None:
    settings: dict[str, Any] = {"recipe": "gated", "url": service.url, "num_generations": 3}
    with pytest.raises(ValueError, match="whole groups of 3"):
        TrlReward(**settings)(**rows(*FOUR))
    with pytest.raises(ValueError, match="num_generations="):
        TrlReward(recipe="gated", url=service.url)(**rows(*FOUR))
    gated = TrlReward(**{**settings, "num_generations": 2})
    assert gated(**rows(*FOUR)) == [0.5, 0.0, 0.5, 0.0]
