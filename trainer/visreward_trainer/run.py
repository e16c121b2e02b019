"""A whole run: everything is put together, trained from where it was left, and saved.

It owns the order of things and what is left behind: checkpoints, metrics, the final model.
"""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import secrets
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import datasets
import transformers
from accelerate.utils import broadcast_object_list
from transformers.trainer_callback import PrinterCallback
from trl.data_utils import prepare_multimodal_messages

from visreward import RewardError
from visreward_trainer.background import BackgroundLoop
from visreward_trainer.checkpoints import find_last, folder_of, open_run
from visreward_trainer.config import TrainConfig
from visreward_trainer.data import Questions, load_questions
from visreward_trainer.errors import TrainerError
from visreward_trainer.grpo import build_grpo_config
from visreward_trainer.policy import Policy, build_lora, load_policy
from visreward_trainer.progress import LogpGuard, Progress
from visreward_trainer.prompt import build_prompt
from visreward_trainer.reward import RecipeReward
from visreward_trainer.rollouts.adapters import Adapters
from visreward_trainer.rollouts.local import LocalSampler
from visreward_trainer.rollouts.preflight import check_server, find_model
from visreward_trainer.rollouts.remote import RemoteSampler
from visreward_trainer.rollouts.sampler import Sampling
from visreward_trainer.rollouts.server import RolloutServer
from visreward_trainer.rollouts.sync import AdapterSync
from visreward_trainer.scoring import Scorer
from visreward_trainer.seam import PolicyTrainer

FINAL = "final"

Rewarder: TypeAlias = Callable[..., list[float | None]]
Arrange: TypeAlias = Callable[[Rewarder], Rewarder]


def train(config: TrainConfig, *, arrange: Arrange | None = None) -> Path:
    """Train, from the last whole checkpoint of `config.output.folder` where there is one.

    `arrange` puts another reward function round the recipe's, for control experiments. Returns the folder of
    the final model: whole weights and processor, adapters merged. Raises `TrainerError` or `RewardError`
    where the run cannot start or go on; the last whole step is then in a checkpoint.
    """
    quieten()
    policy = load_policy(config.model)
    asked = load_questions(config.data, build_prompt(config.prompt, config.reward.recipe))
    questions = fit_prompts(asked, policy, config)
    run = open_run(config)
    with ExitStack() as stack:
        loop = stack.enter_context(BackgroundLoop())
        scorer = Scorer(config.reward, questions, loop)
        stack.callback(scorer.close)
        scorer.check()
        trainer = build_trainer(config, policy, questions, scorer, arrange)
        connect_rollouts(config, trainer, policy, questions, loop, run, stack)
        run_to_end(config, trainer)
        return save_final(config, trainer, policy)


def build_trainer(
    config: TrainConfig, policy: Policy, questions: Questions, scorer: Scorer, arrange: Arrange | None
) -> PolicyTrainer:
    """Return the trainer, without its rollouts."""
    holder: list[PolicyTrainer] = []
    reward = RecipeReward(config.reward, scorer, questions, lambda counts: holder[0].total(counts))
    trainer = PolicyTrainer(
        scorer=scorer,
        model=policy.model,
        reward_funcs=reward if arrange is None else arrange(reward),
        args=build_grpo_config(config, policy.banned_ids),
        train_dataset=questions.rows,
        processing_class=policy.processor,
        peft_config=build_lora(policy.model, config.lora) if config.model.tuning == "lora" else None,
        callbacks=[Progress(config.output.folder), LogpGuard(config.rollouts.max_logp_difference)],
    )
    trainer.remove_callback(PrinterCallback)
    holder.append(trainer)
    return trainer


def connect_rollouts(
    config: TrainConfig,
    trainer: PolicyTrainer,
    policy: Policy,
    questions: Questions,
    loop: BackgroundLoop,
    run: str,
    stack: ExitStack,
) -> None:
    """Give the trainer its source of completions; TRL's own server mode needs none."""
    sampling = Sampling.of(config.rollouts, policy.banned_ids)
    if config.rollouts.kind == "local":
        trainer.use_sampler(
            LocalSampler(
                processor=policy.processor,
                sampling=sampling,
                groups_at_once=config.rollouts.groups_at_once,
                unwrap=trainer.unwrapped,
                version=lambda: int(trainer.state.global_step),
            )
        )
    elif config.syncs_adapters:
        server = loop.run(open_server(config))
        stack.callback(lambda: loop.run(server.close()))
        loop.run(check_server(server, config))
        session = str(broadcast_object_list([secrets.token_hex(3)])[0])
        adapters = Adapters(server, config.adapter_folder, run=run, session=session)
        if trainer.accelerator.is_main_process:
            loop.run(adapters.clear())
        trainer.use_sampler(
            RemoteSampler(
                server=server,
                loop=loop,
                processor=policy.processor,
                questions=questions,
                sampling=sampling,
                model=loop.run(find_model(server, config.rollouts.model)),
                adapters=adapters,
                version=lambda: int(trainer.state.global_step),
            )
        )
        trainer.use_sync(
            AdapterSync(
                adapters=adapters,
                loop=loop,
                accelerator=trainer.accelerator,
                model=lambda: trainer.model_wrapped,
                version=lambda: int(trainer.state.global_step),
            )
        )


async def open_server(config: TrainConfig) -> RolloutServer:
    """Make the client on the loop that it will live on."""
    return RolloutServer(config.rollouts)


def run_to_end(config: TrainConfig, trainer: PolicyTrainer) -> None:
    """Train from the last whole checkpoint; where the run cannot go on, leave one of the last whole step."""
    last = find_last(config.output.folder)
    try:
        trainer.train(resume_from_checkpoint=str(last) if last is not None else None)
    except (TrainerError, RewardError) as error:
        step = int(trainer.state.global_step)
        if step > 0 and find_last(config.output.folder) != folder_of(config.output.folder, step):
            trainer.save_now()
        kept = f"; the same command goes on from step {step}" if step > 0 else ""
        raise TrainerError(f"stopped at step {step}: {error}{kept}") from error


def save_final(config: TrainConfig, trainer: PolicyTrainer, policy: Policy) -> Path:
    """Write the trained model with its processor, adapters merged into the weights."""
    folder = config.output.folder / FINAL
    model = trainer.accelerator.unwrap_model(trainer.model)
    if config.model.tuning == "lora":
        if trainer.accelerator.is_main_process:
            model.merge_and_unload().save_pretrained(folder)
    else:
        trainer.save_model(str(folder))
    if trainer.accelerator.is_main_process:
        policy.processor.save_pretrained(folder)
    trainer.accelerator.wait_for_everyone()
    return folder


def fit_prompts(questions: Questions, policy: Policy, config: TrainConfig) -> Questions:
    """Return the questions whose prompts, images included, are within `rollouts.max_prompt_tokens`."""
    limit = config.rollouts.max_prompt_tokens

    def fits(row: dict[str, Any]) -> bool:
        return count_prompt_tokens(row, policy.processor) <= limit

    kept = questions.keep(fits)
    if len(kept) == 0:
        raise TrainerError(
            f"all {len(questions)} prompts are longer than rollouts.max_prompt_tokens ({limit})"
        )
    return kept


def count_prompt_tokens(row: dict[str, Any], processor: Any) -> int:
    messages = prepare_multimodal_messages(row["prompt"], images=row.get("images") or [])
    tokenized = processor.apply_chat_template(
        [messages], add_generation_prompt=True, tokenize=True, return_dict=True
    )
    return len(tokenized["input_ids"][0])


def quieten() -> None:
    """Leave the console to the run's own lines."""
    datasets.disable_progress_bars()
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
