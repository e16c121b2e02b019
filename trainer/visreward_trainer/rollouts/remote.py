"""Completions from a server that speaks vLLM's API, drawn with the adapter that was published last.

Prompts go as chat messages with the images' own bytes; the ids that come back must be those that the
trainer's own processor makes of the same prompt, or the two would be trained and sampled on different things.
"""

import base64
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from visreward_trainer.background import BackgroundLoop
from visreward_trainer.data import EncodedImage, Questions
from visreward_trainer.errors import RolloutError, StaleAdapterError
from visreward_trainer.rollouts.adapters import Adapters
from visreward_trainer.rollouts.sampler import Ask, Drawn, OnGroup, Sampling
from visreward_trainer.rollouts.server import RolloutServer

COMPLETIONS = "/v1/chat/completions"
BAN = -100.0
MAX_SEED = 2**31 - 1
SIGNATURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"RIFF": "image/webp",
    b"GIF8": "image/gif",
}


class RemoteSampler:
    """Draws completions from a server.

    Parameters
    ----------
    model:
        The name that requests ask for where there are no adapters.
    adapters:
        Whose current name requests ask for instead.
    version:
        Gives the optimizer steps behind the trainer's weights; an adapter of other steps is stale.
    """

    def __init__(
        self,
        *,
        server: RolloutServer,
        loop: BackgroundLoop,
        processor: Any,
        questions: Questions,
        sampling: Sampling,
        model: str,
        adapters: Adapters | None = None,
        version: Callable[[], int] = lambda: 0,
    ) -> None:
        self._server = server
        self._loop = loop
        self._processor = processor
        self._questions = questions
        self._sampling = sampling
        self._model = model
        self._adapters = adapters
        self._version = version

    def sample(self, asks: Sequence[Ask], on_group: OnGroup) -> list[list[Drawn]]:
        """Return the completions of each ask; see `Sampler`.

        Raises `StaleAdapterError` where the server has other weights, `RolloutError` for everything else that
        it does wrong or not at all.
        """
        name, version = self._current()
        # Prepared one after the other on this thread: a tokenizer is not safe on two.
        pending = [self._start(ask, name) for ask in asks]
        drawn = []
        try:
            for ask, (own_ids, future) in zip(asks, pending, strict=True):
                group = self._read(future.result(), ask, name, own_ids, version)
                on_group(ask, group)
                drawn.append(group)
        finally:
            for _, future in pending:
                future.cancel()
        return drawn

    def _current(self) -> tuple[str, int]:
        version = self._version()
        if self._adapters is None:
            return self._model, version
        if self._adapters.version != version:
            raise StaleAdapterError(
                f"the rollout server has the adapter of step {self._adapters.version}, "
                f"the trainer is at {version}"
            )
        return self._adapters.name, version

    def _start(self, ask: Ask, name: str) -> "tuple[list[int], Future[Any]]":
        """Send a request; return the prompt's ids as the trainer makes them, and the answer to come."""
        tokenized = self._processor.apply_chat_template(
            [ask.messages], add_generation_prompt=True, tokenize=True, return_dict=True
        )
        restore = None if self._adapters is None else self._adapters.restore
        answer = self._server.post(COMPLETIONS, self._build(ask, name), on_missing=restore)
        return list(tokenized["input_ids"][0]), self._loop.start(answer)

    def _build(self, ask: Ask, name: str) -> dict[str, Any]:
        images = iter(self._questions.images_of(ask.row))
        return {
            "model": name,
            "messages": [to_wire(message, images) for message in ask.messages],
            "n": ask.num,
            "max_tokens": self._sampling.max_tokens,
            "temperature": self._sampling.temperature,
            "top_p": self._sampling.top_p,
            # Engines that share a seed of their own would draw the same completions.
            "seed": secrets.randbelow(MAX_SEED),
            "logprobs": True,
            "top_logprobs": 0,
            "return_token_ids": True,
            "return_tokens_as_token_ids": True,
            "logit_bias": {str(number): BAN for number in self._sampling.banned_ids},
        }

    def _read(self, answer: Any, ask: Ask, name: str, own_ids: list[int], version: int) -> list[Drawn]:
        if answer.get("model") != name:
            raise StaleAdapterError(f"asked for {name}, the rollout server answered as {answer.get('model')}")
        if list(answer.get("prompt_token_ids") or ()) != own_ids:
            raise RolloutError(
                "the rollout server makes other ids of a prompt than the trainer: its chat template, "
                "processor or pixel bounds differ"
            )
        choices = answer["choices"]
        if len(choices) != ask.num:
            raise RolloutError(f"asked for {ask.num} completions, got {len(choices)}")
        return [self._to_drawn(choice, own_ids, version) for choice in choices]

    def _to_drawn(self, choice: dict[str, Any], prompt_ids: list[int], version: int) -> Drawn:
        ids = list(choice["token_ids"])
        logprobs = [float(entry["logprob"]) for entry in choice["logprobs"]["content"]]
        if not ids or len(ids) != len(logprobs):
            raise RolloutError(f"a completion has {len(ids)} ids and {len(logprobs)} log-probabilities")
        if not set(ids).isdisjoint(self._sampling.banned_ids):
            raise RolloutError("the rollout server drew a placeholder of an image, which logit_bias forbids")
        text = self._processor.tokenizer.decode(ids, skip_special_tokens=True)
        return Drawn(prompt_ids=prompt_ids, ids=ids, text=text, logprobs=logprobs, policy_version=version)


def to_wire(message: dict[str, Any], images: Any) -> dict[str, Any]:
    """Return a message with the next of the images' bytes in the place of each image part."""
    content = message["content"]
    if isinstance(content, str):
        return message
    parts = [
        {"type": "image_url", "image_url": {"url": to_data_url(next(images))}}
        if part["type"] == "image"
        else part
        for part in content
    ]
    return {**message, "content": parts}


def to_data_url(image: EncodedImage) -> str:
    data = image if isinstance(image, bytes) else image.read_bytes()
    kind = next((kind for start, kind in SIGNATURES.items() if data.startswith(start)), "image/png")
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
