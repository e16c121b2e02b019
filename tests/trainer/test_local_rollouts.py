"""Completions from transformers, without a trainer round them."""

from pathlib import Path
from typing import Any

import pytest

from visreward_trainer.config import DataConfig, ModelConfig
from visreward_trainer.data import Questions, load_questions
from visreward_trainer.prompt import Prompt
from visreward_trainer.rollouts.sampler import Ask, Drawn, Sampling

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def policy(tiny_model: Path) -> Any:
    from visreward_trainer.policy import load_policy

    return load_policy(ModelConfig(path=str(tiny_model), dtype="float32"))


@pytest.fixture
def questions(data: Path) -> Questions:
    return load_questions(DataConfig(path=data), Prompt(template="{question}"))


def test_each_group_is_handed_over_before_the_next_one_is_generated(
    policy: Any, questions: Questions
) -> None:
    from visreward_trainer.rollouts.local import LocalSampler, holding
    from visreward_trainer.sample import messages_of

    sampling = Sampling(temperature=1.2, top_p=0.99, max_tokens=5, banned_ids=policy.banned_ids)
    sampler = LocalSampler(
        processor=policy.processor, sampling=sampling, groups_at_once=1, unwrap=lambda: holding(policy.model)
    )
    passes: list[int] = []
    handed_over: list[int] = []

    def note(ask: Ask, group: list[Drawn]) -> None:
        assert len(group) == ask.num
        handed_over.append(len(passes))

    hook = policy.model.register_forward_hook(lambda *_: passes.append(1))
    try:
        asks = [
            Ask(row=row, messages=messages_of(questions, row), num=num)
            for row, num in ((0, 3), (5, 2), (2, 4))
        ]
        drawn = sampler.sample(asks, note)
    finally:
        hook.remove()
    assert [len(group) for group in drawn] == [3, 2, 4]
    assert 0 < handed_over[0] < handed_over[1] < handed_over[2] == len(passes)
    for group in drawn:
        assert len({tuple(one.prompt_ids) for one in group}) == 1
        for one in group:
            assert 1 <= len(one.ids) <= 5
            assert set(one.ids).isdisjoint(policy.banned_ids)
            assert one.logprobs is None


def test_every_placeholder_of_images_and_videos_is_banned(policy: Any) -> None:
    tokenizer = policy.processor.tokenizer
    banned = set(tokenizer.convert_ids_to_tokens(list(policy.banned_ids)))
    assert banned == {
        "<|vision_start|>",
        "<|vision_end|>",
        "<|vision_pad|>",
        "<|image_pad|>",
        "<|video_pad|>",
    }


@pytest.mark.parametrize(
    ("modules", "message"),
    [
        (r".*\.(q_proj|k_proj|up_proj)", "outside the language model"),
        (r".*nothing.*", "matches no linear layer"),
    ],
)
def test_an_adapter_that_reaches_outside_the_language_model_is_refused(
    policy: Any, modules: str, message: str
) -> None:
    from visreward_trainer.config import LoraConfig
    from visreward_trainer.errors import ConfigError
    from visreward_trainer.policy import build_lora

    with pytest.raises(ConfigError, match=message):
        build_lora(policy.model, LoraConfig(target_modules=modules))


@pytest.mark.parametrize("bounds", [{"min_pixels": 3136, "max_pixels": 12544}, {}])
def test_the_processor_sees_the_pixels_that_the_config_names(
    tiny_model: Path, bounds: dict[str, int]
) -> None:
    from visreward_trainer.policy import load_processor

    processor, _ = load_processor(ModelConfig.model_validate({"path": str(tiny_model), **bounds}))
    size = processor.image_processor.size
    assert size["longest_edge"] == bounds.get("max_pixels", 3136)
