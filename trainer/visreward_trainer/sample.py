"""Draws several completions of each question, and sorts the questions into easy, medium and hard ones.

Easy: all are right; hard: none is; medium: the rest. A question of which a completion could not be scored is
none of these: it is left for the next run, which begins with what is missing.
"""

# The schemas come before everything that loads transformers.
from visreward import torchvision_schemas  # noqa: F401

# isort: split
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import torch
from transformers import set_seed
from trl.data_utils import prepare_multimodal_messages

from visreward_trainer.background import BackgroundLoop
from visreward_trainer.data import EncodedImage, Questions, load_questions
from visreward_trainer.policy import load_policy, load_processor
from visreward_trainer.prompt import build_prompt
from visreward_trainer.rollouts.local import LocalSampler, holding
from visreward_trainer.rollouts.preflight import find_model
from visreward_trainer.rollouts.remote import RemoteSampler
from visreward_trainer.rollouts.sampler import Ask, Drawn, Sampler, Sampling
from visreward_trainer.rollouts.server import RolloutServer
from visreward_trainer.sampling_config import SampleConfig
from visreward_trainer.scoring import Completion, Scored, Scorer

SAMPLES_FILE = "samples.jsonl"
CLASSES = ("easy", "medium", "hard")

Advance: TypeAlias = Callable[[int], None]


def sample(config: SampleConfig, advance: Advance = lambda _: None) -> dict[str, int]:
    """Sample what is still missing, and sort.

    Returns how many questions each class has, and how many are `unscored`. `samples.jsonl` has a line per
    question; `easy.jsonl`, `medium.jsonl` and `hard.jsonl` are written anew each time. `advance` hears of
    questions as they are done.
    """
    questions = load_questions(config.data, build_prompt(config.prompt, config.reward.recipe))
    config.output.folder.mkdir(parents=True, exist_ok=True)
    path = config.output.folder / SAMPLES_FILE
    rewards = read_samples(path, questions)
    advance(len(rewards))
    missing = [row for row in questions.rows["row"] if row not in rewards]
    with ExitStack() as stack:
        if missing:
            loop = stack.enter_context(BackgroundLoop())
            scorer = Scorer(config.reward, questions, loop)
            stack.callback(scorer.close)
            scorer.check()
            sampler = open_sampler(config, questions, loop, stack)
            file = stack.enter_context(path.open("a", encoding="utf-8"))
            for row, lines in draw(config, questions, missing, sampler, scorer):
                advance(1)
                if all(one.result.reward is not None for one in lines):
                    rewards[row] = [one.result.reward for one in lines if one.result.reward is not None]
                    file.write(json.dumps(to_line(questions, row, lines)) + "\n")
                    file.flush()
    return {**sort(config.output.folder, questions, rewards), "unscored": len(questions) - len(rewards)}


def draw(
    config: SampleConfig, questions: Questions, missing: Sequence[int], sampler: Sampler, scorer: Scorer
) -> Iterator[tuple[int, list[Scored]]]:
    """Yield the scored completions of each missing question, as chunks of them are done."""
    num = config.rollouts.generations

    def start_scoring(ask: Ask, group: list[Drawn]) -> None:
        scorer.start([Completion(row=ask.row, text=one.text, num_tokens=len(one.ids)) for one in group])

    for start in range(0, len(missing), config.output.chunk):
        rows = missing[start : start + config.output.chunk]
        # Each chunk has a seed of its own, so that a resumed run draws anew and not what it drew before.
        set_seed(config.seed + rows[0])
        sampler.sample(
            [Ask(row=row, messages=messages_of(questions, row), num=num) for row in rows], start_scoring
        )
        scored = scorer.collect().scored
        for place, row in enumerate(rows):
            yield row, scored[place * num : (place + 1) * num]


def messages_of(questions: Questions, row: int) -> list[dict[str, Any]]:
    """Return a question's chat messages with its images in them."""
    found = questions.rows[row]
    messages: list[dict[str, Any]] = prepare_multimodal_messages(
        found["prompt"], images=found.get("images") or []
    )
    return messages


def open_sampler(
    config: SampleConfig, questions: Questions, loop: BackgroundLoop, stack: ExitStack
) -> Sampler:
    """Return the source of completions that the config asks for."""
    if config.rollouts.kind == "server":
        processor, banned_ids = load_processor(config.model)
        server = loop.run(open_server(config))
        stack.callback(lambda: loop.run(server.close()))
        return RemoteSampler(
            server=server,
            loop=loop,
            processor=processor,
            questions=questions,
            sampling=Sampling.of(config.rollouts, banned_ids),
            model=loop.run(find_model(server, config.rollouts.model)),
        )
    policy = load_policy(config.model)
    model = policy.model.to("cuda" if torch.cuda.is_available() else "cpu")
    return LocalSampler(
        processor=policy.processor,
        sampling=Sampling.of(config.rollouts, policy.banned_ids),
        groups_at_once=config.rollouts.groups_at_once,
        unwrap=lambda: holding(model),
    )


async def open_server(config: SampleConfig) -> RolloutServer:
    """Make the client on the loop that it will live on."""
    return RolloutServer(config.rollouts)


def read_samples(path: Path, questions: Questions) -> dict[int, list[float]]:
    """Return the rewards of the questions that are done, by row; a line that a kill cut off is not done.

    A question is known by its id and its place, so that other data in the same folder is not taken for these.
    """
    if not path.exists():
        return {}
    whole = [
        line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")
    ]
    path.write_text("".join(whole), encoding="utf-8")
    found: dict[int, list[float]] = {}
    for line in map(json.loads, whole):
        row = line["row"]
        if row < len(questions.known) and questions.known[row].id == line["id"]:
            found[row] = line["rewards"]
    return found


def to_line(questions: Questions, row: int, lines: Iterable[Scored]) -> dict[str, Any]:
    """Return what is kept of a question's completions."""
    listed = list(lines)
    return {
        "row": row,
        "id": questions.known[row].id,
        "num_right": sum(one.result.reward == 1.0 for one in listed),
        "rewards": [one.result.reward for one in listed],
        "completions": [one.completion.text for one in listed],
    }


def classify(rewards: Sequence[float]) -> str:
    """Return a question's class by the rewards of its completions; 1 is right."""
    num_right = sum(reward == 1.0 for reward in rewards)
    return "easy" if num_right == len(rewards) else "medium" if num_right else "hard"


def sort(folder: Path, questions: Questions, rewards: dict[int, list[float]]) -> dict[str, int]:
    """Write the files of the classes and return how many questions each has."""
    counts = dict.fromkeys(CLASSES, 0)
    files: dict[str, list[str]] = {name: [] for name in CLASSES}
    for row, of_row in sorted(rewards.items()):
        name = classify(of_row)
        counts[name] += 1
        files[name].append(json.dumps(to_question(questions, row, folder)) + "\n")
    for name, lines in files.items():
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return counts


def to_question(questions: Questions, row: int, folder: Path) -> dict[str, Any]:
    """Return a question as a line of data that `visreward train` reads with its own defaults."""
    known = questions.known[row]
    images = [
        to_path(image, folder / "images", f"{row:08d}-{place}")
        for place, image in enumerate(questions.images_of(row))
    ]
    return {
        "id": known.id,
        "source": known.source,
        "question": known.text,
        "images": images,
        **known.reference,
    }


def to_path(image: EncodedImage, folder: Path, name: str) -> str:
    """Return where an image is; one that has no file of its own gets one."""
    if isinstance(image, Path):
        return str(image.absolute())
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(image)
    return str(path.absolute())
