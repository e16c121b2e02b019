# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""OpenRLHF: its `SingleTurnAgentExecutor`, by our endpoint by our file, with a stand-in engine."""

import asyncio
import os
from types import SimpleNamespace
from typing import Any

from material import BARE, DEAD, GOOD, LABEL, LOST, RECIPE, URL, check, register_bare

register_bare("openrlhf", "openrlhf.utils")
from openrlhf.utils.agent import SingleTurnAgentExecutor  # noqa: E402

from visreward.adapters import openrlhf  # noqa: E402

PROMPT = "<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n"


class Ids(list[int]):
    """What a tokenizer returns for one text."""

    def tolist(self) -> list[int]:
        return list(self)


class Tokenizer:
    """Characters as tokens."""

    def __call__(self, text: str, **options: Any) -> dict[str, list[Ids]]:
        return {"input_ids": [Ids(map(ord, text))]}

    def decode(self, ids: list[int], **options: Any) -> str:
        return "".join(map(chr, ids))


class Engine:
    """Always says the same."""

    def __init__(self, text: str) -> None:
        self.text = text

    async def generate(self, *arguments: Any, **options: Any) -> Any:
        said = SimpleNamespace(
            token_ids=list(map(ord, self.text + "<|im_end|>")), finish_reason="stop", logprobs=None
        )
        return SimpleNamespace(outputs=[said])


def score(address: str, label: str, text: str) -> dict[str, Any]:
    sampling = SimpleNamespace(max_tokens=4096, logprobs=None)
    executor = SingleTurnAgentExecutor(address)
    return asyncio.run(executor.execute(PROMPT, label, sampling, 99999, Tokenizer(), Engine(text)))


os.environ["VISREWARD_RECIPE"] = RECIPE
for address in (f"{URL}/compat/openrlhf?recipe={RECIPE}", openrlhf.__file__):
    good, bare = score(address, LABEL, GOOD), score(address, LABEL, BARE)
    check("openrlhf", good["reward"], bare["reward"])
    assert good["scores"] == good["reward"]
    assert set(good["extra_logs"]) == {"failed", "clip", "clip_applies"}
    # OpenRLHF swallows what is raised: the reward stays None, and its trainer stops at the next step.
    assert score(address, LOST, GOOD)["reward"] is None
assert score(f"{DEAD}/compat/openrlhf?recipe={RECIPE}", LABEL, GOOD)["reward"] is None
