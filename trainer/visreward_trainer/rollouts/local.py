"""Completions from transformers' `generate`, in the trainer's own process.

Groups are generated a few at a time, so that the first ones are scored while the next ones are generated.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import torch
from transformers import GenerationConfig

from visreward_trainer.rollouts.sampler import Ask, Drawn, OnGroup, Sampling

Unwrap: TypeAlias = Callable[[], AbstractContextManager[Any]]
"""Gives the model to generate with, whatever it is wrapped in for training."""


class LocalSampler:
    """Draws completions with a model of this process."""

    def __init__(
        self,
        *,
        processor: Any,
        sampling: Sampling,
        groups_at_once: int,
        unwrap: Unwrap,
        version: Callable[[], int] = lambda: 0,
    ) -> None:
        self._processor = processor
        self._sampling = sampling
        self._groups_at_once = groups_at_once
        self._unwrap = unwrap
        self._version = version

    def sample(self, asks: Sequence[Ask], on_group: OnGroup) -> list[list[Drawn]]:
        """Return the completions of each ask; see `Sampler`."""
        drawn: list[list[Drawn]] = []
        with self._unwrap() as model, torch.no_grad():
            was_training = model.training
            model.eval()
            try:
                for start in range(0, len(asks), self._groups_at_once):
                    chunk = asks[start : start + self._groups_at_once]
                    for ask, group in zip(chunk, self._generate(model, chunk), strict=True):
                        on_group(ask, group)
                        drawn.append(group)
            finally:
                model.train(was_training)
        return drawn

    def _generate(self, model: Any, asks: Sequence[Ask]) -> list[list[Drawn]]:
        conversations = [ask.messages for ask in asks for _ in range(ask.num)]
        inputs = self._processor.apply_chat_template(
            conversations,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(model.device)
        sequences = model.generate(**inputs, generation_config=self._generation_config(model))
        num_prompt = inputs["input_ids"].shape[1]
        prompts = [
            ids[mask.bool()].tolist()
            for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        ]
        ends = end_ids(model, self._processor.tokenizer)
        completions = [cut(ids, ends) for ids in sequences[:, num_prompt:].tolist()]
        texts = self._processor.batch_decode(completions, skip_special_tokens=True)
        version = self._version()
        rows = iter(zip(prompts, completions, texts, strict=True))
        return [
            [
                Drawn(prompt_ids=prompt, ids=ids, text=text, logprobs=None, policy_version=version)
                for prompt, ids, text in (next(rows) for _ in range(ask.num))
            ]
            for ask in asks
        ]

    def _generation_config(self, model: Any) -> GenerationConfig:
        tokenizer = self._processor.tokenizer
        return GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=self._sampling.max_tokens,
            do_sample=True,
            temperature=self._sampling.temperature,
            top_p=self._sampling.top_p,
            top_k=0,
            suppress_tokens=list(self._sampling.banned_ids) or None,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=end_ids(model, tokenizer),
            disable_compile=True,
        )


@contextmanager
def holding(model: Any) -> Iterator[Any]:
    """A context that gives a model which nothing is wrapped round."""
    yield model


def end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Return every id that ends a completion: the tokenizer's own and those that the model declares."""
    declared = model.generation_config.eos_token_id
    several = declared if isinstance(declared, list) else [declared]
    return list(dict.fromkeys(number for number in [tokenizer.eos_token_id, *several] if number is not None))


def cut(ids: list[int], ends: Sequence[int]) -> list[int]:
    """Return the ids up to the first end token, that one included."""
    place = next((place for place, number in enumerate(ids) if number in ends), len(ids) - 1)
    return ids[: place + 1]
