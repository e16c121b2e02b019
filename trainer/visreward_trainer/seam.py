"""TRL's trainer with our rollouts and rewards in it: the one module that touches what TRL keeps private.

Private names used, and held to by a contract test: `_generate`, `_generate_and_score_completions`,
`vllm_generation`, `use_vllm`, `_last_loaded_step`, and transformers' `_save_checkpoint` and
`_load_from_checkpoint`. The rollouts come in through `rollout_func`; where they come from a server, TRL's own
vLLM flags are set as well, so that it has the weights synchronised once per step, corrects for what the
server's log-probabilities differ, and reports it.
"""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
import torch
from peft import PeftModel
from trl import GRPOTrainer
from trl.models.utils import unwrap_model_for_generation

from visreward_trainer.checkpoints import mark_complete
from visreward_trainer.reward import runs_of, start_groups
from visreward_trainer.rollouts.sampler import Ask, Drawn, Sampler
from visreward_trainer.scoring import Completion, Scorer


class Sync(Protocol):
    """Gives the rollout server the trainer's weights."""

    def sync_weights(self) -> None: ...


class PolicyTrainer(GRPOTrainer):  # type: ignore[misc]
    """GRPO on prompts whose completions come from a sampler and are scored while the rest goes on.

    `scorer` gets every group as soon as it is there; the reward function collects. Without a sampler TRL
    generates by itself, and scoring begins when it has.
    """

    def __init__(self, *, scorer: Scorer, **given: Any) -> None:
        self._scorer = scorer
        self._sampler: Sampler | None = None
        self._rows: list[int] = []
        super().__init__(**given)

    def use_sampler(self, sampler: Sampler) -> None:
        """Take completions from a sampler from now on."""
        self._sampler = sampler
        self.rollout_func = roll_out

    def use_sync(self, sync: Sync) -> None:
        """Have TRL call `sync.sync_weights` whenever the weights are new, and correct for the difference
        between the sampler's log-probabilities and the trainer's."""
        self.vllm_generation = sync
        self.use_vllm = True
        self._last_loaded_step = -1

    def unwrapped(self) -> AbstractContextManager[Any]:
        """Return a context that gives the model as it generates, whatever it is wrapped in."""
        context: AbstractContextManager[Any] = unwrap_model_for_generation(
            self.model_wrapped,
            self.accelerator,
            gather_deepspeed3_params=self.args.ds3_gather_for_generation,
            gradient_checkpointing_kwargs=self.args.gradient_checkpointing_kwargs,
        )
        return context

    def total(self, counts: Sequence[int]) -> list[int]:
        """Add counts up over all processes."""
        mine = torch.tensor([list(counts)], device=self.accelerator.device)
        summed: list[int] = self.accelerator.gather(mine).sum(dim=0).tolist()
        return summed

    def roll_out(self, prompts: list[Any]) -> dict[str, Any]:
        """Return completions of this process's prompts, siblings together, as TRL's `rollout_func` must."""
        if self._sampler is None:
            raise RuntimeError("no sampler was set")
        runs = runs_of(self._rows)
        asks = [
            Ask(row=self._rows[run.start], messages=prompts[run.start], num=run.stop - run.start)
            for run in runs
        ]
        drawn = [one for group in self._sampler.sample(asks, self._start_scoring) for one in group]
        has_logprobs = all(one.logprobs is not None for one in drawn)
        return {
            "prompt_ids": [one.prompt_ids for one in drawn],
            "completion_ids": [one.ids for one in drawn],
            "logprobs": [one.logprobs for one in drawn] if has_logprobs else None,
            "policy_version": [one.policy_version for one in drawn],
        }

    def save_now(self) -> None:
        """Write a checkpoint of the last whole step."""
        self._save_checkpoint(self.model, trial=None)

    def _start_scoring(self, ask: Ask, group: list[Drawn]) -> None:
        made = [Completion(row=ask.row, text=one.text, num_tokens=len(one.ids)) for one in group]
        self._scorer.start(made)

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> Any:
        self._rows = [int(example["row"]) for example in inputs]
        restore = remember_random_state()
        try:
            return super()._generate_and_score_completions(inputs)
        except BaseException:
            # The step did not happen: a checkpoint written now must begin it with the same draws.
            restore()
            raise

    def _generate(self, prompts: list[Any]) -> Any:
        output = super()._generate(prompts)
        if self._sampler is None:
            _, completion_ids, _, completions, *_ = output
            start_groups(self._scorer, self._rows, completions, completion_ids)
        return output

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model=model)
        if self.is_deepspeed_enabled or self.is_fsdp_enabled or isinstance(self.model, PeftModel):
            return
        # transformers saves some models under other names than they have in memory, and reads a checkpoint by
        # the names in memory, passing over what it does not find: the weights would stay those of the start.
        into = self.model if model is None else model
        saved = type(into).from_pretrained(resume_from_checkpoint, dtype=into.dtype)
        into.load_state_dict(saved.state_dict())

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)
        if self.is_world_process_zero():
            mark_complete(self.args.output_dir, self.state.global_step)


def roll_out(prompts: list[Any], trainer: PolicyTrainer) -> dict[str, Any]:
    """What TRL calls in the place of its own generation."""
    return trainer.roll_out(prompts)


def remember_random_state() -> Callable[[], None]:
    """Return a function that sets all random generators back to where they are now."""
    state, numbers, weights = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []

    def restore() -> None:
        random.setstate(state)
        np.random.set_state(numbers)  # noqa: NPY002
        torch.set_rng_state(weights)
        if devices:
            torch.cuda.set_rng_state_all(devices)

    return restore
