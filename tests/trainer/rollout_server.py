"""A rollout server that speaks the part of vLLM's API that rollouts use, with a real model behind it.

It loads adapters from disk with peft, as vLLM does with its own code, draws with them, and returns the
log-probabilities of what it drew after temperature, bias and top_p. It can be told to fail, to forget its
adapters as a restarted one does, and to go on with an old adapter under a new name.
"""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import base64
import io
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from PIL import Image
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
)

from tests.listening import Handler, bind, listening

BASE = "policy"


class Bias(LogitsProcessor):
    """vLLM's `logit_bias`."""

    def __init__(self, bias: dict[str, float]) -> None:
        self._bias = {int(number): value for number, value in bias.items()}

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        for number, value in self._bias.items():
            scores[:, number] += value
        return scores


@dataclass
class RolloutModel:
    """What the handler asks, and what tests set and see."""

    path: Path
    url: str = ""
    adapters: dict[str, str] = field(default_factory=dict)
    """Folder by name, of those that are loaded."""
    published: list[str] = field(default_factory=list)
    """Every name that was ever loaded."""
    requests: list[dict[str, Any]] = field(default_factory=list)
    faults: deque[int] = field(default_factory=deque)
    """Statuses to answer the next requests with."""
    info: dict[str, Any] = field(
        default_factory=lambda: {
            "model_config": {"logprobs_mode": "processed_logprobs"},
            "lora_config": {"max_lora_rank": 32},
        }
    )
    num_restarts: int = 0
    """So many times all adapters are forgotten when completions are asked for."""
    is_stuck: bool = False
    """Where set, adapters are taken note of and never used: what a stale server is like."""
    other_template: bool = False
    """Where set, prompts are not those of the trainer."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.processor: Any = AutoProcessor.from_pretrained(  # type: ignore[no-untyped-call]
            self.path, padding_side="left"
        )
        self.model: Any = AutoModelForImageTextToText.from_pretrained(self.path, dtype="float32")
        self.model.eval()  # type: ignore[no-untyped-call]

    def answer(self, path: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        with self.lock:
            if self.faults and path.startswith("/v1/chat"):
                return self.faults.popleft(), {"error": "as told"}
            if body is None:
                return self.look_up(path)
            return self.obey(path, body)

    def look_up(self, path: str) -> tuple[int, Any]:
        if path == "/v1/models":
            models = {BASE: str(self.path), **self.adapters}
            return 200, {"data": [{"id": name, "root": root} for name, root in models.items()]}
        if path.startswith("/server_info"):
            return 200, {"vllm_config": self.info}
        return 404, {"error": "no such path"}

    def obey(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        if path == "/v1/load_lora_adapter":
            return self.load(body["lora_name"], body["lora_path"])
        if path == "/v1/unload_lora_adapter":
            known = self.adapters.pop(body["lora_name"], None)
            return (200, "unloaded") if known else (404, {"error": "no such adapter"})
        if path == "/v1/chat/completions":
            if self.num_restarts:
                self.num_restarts -= 1
                self.adapters.clear()
            if body["model"] != BASE and body["model"] not in self.adapters:
                return 404, {"error": f"The model `{body['model']}` does not exist."}
            self.requests.append(body)
            return 200, self.complete(body)
        return 404, {"error": "no such path"}

    def load(self, name: str, path: str) -> tuple[int, Any]:
        if name in self.adapters:
            return 400, {"error": "already loaded"}
        if not Path(path).is_dir():
            return 404, {"error": "no such directory"}
        if isinstance(self.model, PeftModel):
            if not self.is_stuck:
                self.model.load_adapter(path, adapter_name=name)
        else:
            self.model = PeftModel.from_pretrained(self.model, path, adapter_name=name).eval()
        self.adapters[name] = path
        self.published.append(name)
        return 200, "loaded"

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        messages = [from_wire(message) for message in body["messages"]]
        if self.other_template:
            messages = [{"role": "system", "content": "Be brief."}, *messages]
        inputs = self.processor.apply_chat_template(
            [messages] * body["n"],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        )
        torch.manual_seed(body["seed"])
        drawing = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=body["max_tokens"],
            do_sample=True,
            temperature=body["temperature"],
            top_p=body["top_p"],
            top_k=0,
            output_scores=True,
            return_dict_in_generate=True,
            pad_token_id=self.processor.tokenizer.pad_token_id,
            eos_token_id=self.processor.tokenizer.eos_token_id,
        )
        bias = LogitsProcessorList([Bias(body["logit_bias"])])
        with self.using(body["model"]), torch.no_grad():
            drawn = self.model.generate(**inputs, generation_config=drawing, logits_processor=bias)
        num_prompt = inputs["input_ids"].shape[1]
        logprobs = torch.stack(drawn.scores, dim=1).log_softmax(dim=-1)
        choices = [
            to_choice(ids, own, self.processor.tokenizer.eos_token_id)
            for ids, own in zip(drawn.sequences[:, num_prompt:], logprobs, strict=True)
        ]
        return {
            "model": body["model"],
            "prompt_token_ids": inputs["input_ids"][0].tolist(),
            "choices": choices,
        }

    def using(self, name: str) -> Any:
        if not isinstance(self.model, PeftModel):
            return nullcontext()
        if name == BASE:
            return self.model.disable_adapter()
        known = name if name in self.model.peft_config else next(iter(self.model.peft_config))
        self.model.set_adapter(known)
        return nullcontext()


def to_choice(ids: torch.Tensor, logprobs: torch.Tensor, end: int) -> dict[str, Any]:
    """Return one completion as vLLM writes it, up to its end token."""
    listed = ids.tolist()
    num = listed.index(end) + 1 if end in listed else len(listed)
    picked = logprobs.gather(1, ids[:, None])[:num, 0].tolist()
    return {"token_ids": listed[:num], "logprobs": {"content": [{"logprob": value} for value in picked]}}


def from_wire(message: dict[str, Any]) -> dict[str, Any]:
    """Return a message with its data URLs decoded."""
    if isinstance(message["content"], str):
        return message
    return {**message, "content": [from_part(part) for part in message["content"]]}


def from_part(part: dict[str, Any]) -> dict[str, Any]:
    if part["type"] != "image_url":
        return part
    data = base64.b64decode(part["image_url"]["url"].partition(",")[2])
    return {"type": "image", "image": Image.open(io.BytesIO(data)).convert("RGB")}


class RolloutHandler(Handler):
    model: RolloutModel

    def respond(self, body: bytes | None) -> None:
        status, value = self.model.answer(self.path, None if body is None else json.loads(body))
        self.answer(status, json.dumps(value).encode(), {"content-type": "application/json"})


@contextmanager
def serving_rollouts(path: Path) -> Iterator[RolloutModel]:
    """Yield a server with the model of a folder, on a port of its own."""
    model = RolloutModel(path)
    server = bind(RolloutHandler, model=model)
    model.url = server.url
    with listening(server):
        yield model
