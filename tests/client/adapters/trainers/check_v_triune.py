# mypy: ignore-errors
# What it imports is installed in the trainer's environment alone.
"""V-Triune: the worker of its remote reward manager, which finds servers by the names of files."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import torch
from material import CUT, DEAD, GOOD, LABEL, LOST, RECIPE, SLOW, URL, check, check_raises, register_bare

register_bare("verl", "verl.utils", "verl.workers", "verl.workers.reward_manager")
import verl  # noqa: E402
from verl.protocol import DataProto  # noqa: E402

verl.DataProto = DataProto
from verl.workers.reward_manager.remote import RewardWorker  # noqa: E402

FOLDER = Path(os.environ["V_TRIUNE_REPOSITORY"]) / ".reward_server" / "visreward-check"


class Tokenizer:
    """Characters as tokens."""

    def decode(self, ids: Any, **options: Any) -> str:
        return "".join(map(chr, ids.tolist()))


def make_worker(url: str) -> RewardWorker:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    (FOLDER / url.removeprefix("http://")).touch()
    places = {"rm_job": FOLDER.name, "rm_fun": "/judge"}
    return RewardWorker(Tokenizer(), places, is_training=True, step=1, total_steps=9)


def score(worker: RewardWorker, label: str, text: str) -> tuple[float, dict[str, Any]]:
    prompt, response = (torch.tensor([*map(ord, one)]) for one in ("Q", text))
    said = {"ground_truth": label, "answer": "", "verifier": RECIPE}
    one = SimpleNamespace(
        batch={
            "prompts": prompt,
            "responses": response,
            "attention_mask": torch.ones(len(prompt) + len(response), dtype=torch.long),
        },
        non_tensor_batch={"data_source": "scenes", "reward_model": said, "extra_info": {}},
    )
    _, _, reward, told = worker.process_item(0, one)
    return reward, told


def hurry(worker: RewardWorker) -> RewardWorker:
    """Give one try of half a second, where V-Triune has three of thirty."""
    proxy = worker.reward_server_proxy
    send = proxy._send_request_with_retry
    proxy._send_request_with_retry = lambda *given: send(
        *given, max_retries=1, timeout=aiohttp.ClientTimeout(total=0.5)
    )
    return worker


worker = make_worker(URL)
(good, told), (cut, _) = score(worker, LABEL, GOOD), score(worker, LABEL, CUT)
check("v-triune", good, cut)
assert told["clip_reward"] == told["final_reward"] == good
# An address that does not say who it is stops the run at its start.
check_raises("dead service", lambda: make_worker(DEAD), ("RuntimeError",))
# Later V-Triune makes 0.0 of whatever fails; its log and the parts that are missing tell of it.
for url, label in ((URL, LOST), (SLOW, LABEL)):
    reward, told = score(hurry(make_worker(url)), label, GOOD)
    assert (reward, [name for name in told if name.endswith("_reward")]) == (0.0, [])
shutil.rmtree(FOLDER)
