# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""OpenRLHF: its `SingleTurnAgentExecutor`, by our endpoint and by our file, with a stand-in engine."""

import asyncio
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from material import COLUMNS, CUT, DEAD, GONE, GOOD, LABEL, LOST, RECIPE, URL, check, register_bare

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
BY_URL = f"/compat/openrlhf?recipe={RECIPE}"
for address in (f"{URL}{BY_URL}", openrlhf.__file__):
    good, cut = score(address, LABEL, GOOD), score(address, LABEL, CUT)
    check("openrlhf", good["reward"], cut["reward"])
    assert good["scores"] == good["reward"] == good["extra_logs"]["clip"]
    assert set(good["extra_logs"]) == COLUMNS
    # OpenRLHF swallows what is raised: the reward stays None, and its trainer stops at the next step.
    assert score(address, LOST, GOOD)["reward"] is None
stood = score(f"{URL}{BY_URL}&on_item_error=-2", LOST, GOOD)
assert (stood["reward"], stood["extra_logs"]["failed"]) == (-2.0, 1.0)
assert score(f"{DEAD}{BY_URL}", LABEL, GOOD)["reward"] is None
for name, settings in GONE.items():
    os.environ["VISREWARD_URL"] = settings["url"]
    with tempfile.TemporaryDirectory() as folder:
        # OpenRLHF runs the file as a module of its own, so a shorter patience must stand in a file too.
        file = Path(folder) / "impatient.py"
        patience = f"openrlhf.PATIENCE_SECONDS = {settings['patience_seconds']}"
        lines = ["from visreward.adapters import openrlhf", patience, "reward_func = openrlhf.reward_func"]
        file.write_text("\n".join(lines), encoding="utf-8")
        assert score(str(file), LABEL, GOOD)["reward"] is None
    print(f"{name}: None")
