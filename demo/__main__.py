"""`make demo`: warm-up, PeBR-R1's two stages with rewards from a running service, and a control run.

The control is the same in everything but one: its rewards are shuffled within the batch, so that they say
nothing of the completions. Only rewards that mean something may make the policy better on scenes that it
never saw.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any

import torch

from demo.held_out import MAX_TOKENS, Worth, measure_worth
from demo.report import draw_curves, write_table
from demo.scenes import HEADINGS, Split, write_split
from demo.tiny_model import Size, build
from demo.warm_up import Lesson, warm_up
from visreward import RewardClient
from visreward_trainer.config import TrainConfig
from visreward_trainer.run import Arrange, Rewarder, train

SIZE = Size(
    hidden=192,
    layers=3,
    heads=6,
    vision_hidden=128,
    vision_layers=3,
    vision_heads=4,
    image_pixels=140,
    vocabulary=512,
)
NUM_TRAINED, NUM_HELD_OUT = 2048, 512
FIRST_TRAINED, FIRST_HELD_OUT = 0, 1_000_000
"""Seeds: scenes of one split are never in the other."""
STAGES = ("pebr-r1/stage1", "pebr-r1/stage2")


def main() -> None:
    args = parse()
    started = time.monotonic()
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(args.threads)
    trained = write_split(args.out / "data", "train", first_seed=FIRST_TRAINED, count=args.scenes)
    unseen = write_split(args.out / "data", "held-out", first_seed=FIRST_HELD_OUT, count=args.held_out)
    warm = prepare(args, trained)
    with service(args.reward_url) as url:
        worths = {"warm-up": {"before": measure_worth(warm, unseen.path, url=url)}}
        show("warm-up", "before", worths["warm-up"]["before"])
        curves: dict[str, list[Path]] = {}
        for run in ("trained", "control"):
            worths[run], curves[run] = run_stages(args, run, warm, trained, unseen, url)
    print(write_table(worths, args.out / "table.md"))
    draw_curves(curves, args.out / "rewards.png")
    told = {run: {model: asdict(worth) for model, worth in of_run.items()} for run, of_run in worths.items()}
    (args.out / "figures.json").write_text(
        json.dumps({"seed": args.seed, **told}, indent=1), encoding="utf-8"
    )
    print(f"curve: {args.out / 'rewards.png'}; took {(time.monotonic() - started) / 60:.0f} minutes")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--reward-url", help="a running service (default: one is started)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scenes", type=int, default=NUM_TRAINED, help="scenes to train on")
    parser.add_argument("--held-out", type=int, default=NUM_HELD_OUT, help="scenes to measure on")
    parser.add_argument("--warm-up-steps", type=int, nargs=2, default=[600, 80], help="to see, and to write")
    parser.add_argument("--steps", type=int, nargs=2, default=[60, 80], help="of each stage")
    parser.add_argument("--prompts", type=int, default=16, help="of each step, with 8 completions each")
    parser.add_argument("--learning-rate", type=float, default=4e-5)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def prepare(args: argparse.Namespace, split: Split) -> Path:
    """Return the warmed-up model, made at the first call."""
    warm: Path = args.out / "warm"
    if (warm / "tokenizer_config.json").exists():
        return warm
    texts = [row["true_text"] + " " + row["question"] for row in split.rows]
    model = build(args.out / "random", texts, SIZE, whole=HEADINGS, seed=args.seed)
    started = time.monotonic()

    def on_step(text: str, step: int, loss: float) -> None:
        if (step + 1) % 25 == 0:
            taken = f"{time.monotonic() - started:.0f} s"
            print(f"warm-up on {text}: step {step + 1}, loss {loss:.3f}, {taken}", flush=True)

    to_see, to_write = args.warm_up_steps
    lessons = [
        Lesson(text="true_text", steps=to_see, learning_rate=1e-3, matrix_rate=3e-3),
        Lesson(text="half_true_text", steps=to_write, learning_rate=2e-4, matrix_rate=3e-4),
    ]
    return warm_up(model, split, warm, lessons=lessons, seed=args.seed, on_step=on_step)


def run_stages(
    args: argparse.Namespace, run: str, warm: Path, trained: Split, unseen: Split, url: str
) -> tuple[dict[str, Worth], list[Path]]:
    """Train both stages one after the other; return what each is worth, and the metrics files."""
    worths: dict[str, Worth] = {}
    curves = []
    model = warm
    for stage, recipe in enumerate(STAGES, start=1):
        folder = args.out / run / f"stage{stage}"
        config = build_config(args, model, trained, recipe, folder, url, args.steps[stage - 1])
        arrange = None if run == "trained" else shuffled(args.seed)
        model = train(config, arrange=arrange)
        worths[f"after stage {stage}"] = measure_worth(model, unseen.path, url=url)
        show(run, f"after stage {stage}", worths[f"after stage {stage}"])
        curves.append(folder / "metrics.jsonl")
    return worths, curves


def build_config(
    args: argparse.Namespace, model: Path, split: Split, recipe: str, folder: Path, url: str, steps: int
) -> TrainConfig:
    """Return a stage's config: PeBR-R1's, with sizes and learning rate of a tiny model."""
    return TrainConfig.model_validate(
        {
            "model": {"path": str(model), "dtype": "float32"},
            "data": {"path": split.path},
            "prompt": {"template": "question"},
            "reward": {"recipe": recipe, "url": url},
            "rollouts": {
                "generations": 8,
                "max_completion_tokens": MAX_TOKENS,
                "prompts_per_rollout": args.prompts,
                "groups_at_once": max(1, args.prompts // 2),
            },
            "optim": {
                "prompts_per_update": args.prompts,
                "sequences_per_device": args.prompts * 8,
                "learning_rate": args.learning_rate,
                "max_steps": steps,
                "kl": 5e-2,
                "clip_high": 0.3,
                "dual_clip": 3.0,
                "gradient_checkpointing": False,
                "seed": args.seed + 1,
            },
            "output": {"folder": folder, "save_steps": 20, "keep_checkpoints": 1},
        }
    )


def shuffled(seed: int) -> Arrange:
    """Return what deals the rewards of a batch out at random among its completions."""
    random = Random(f"shuffled/{seed}")

    def arrange(reward: Rewarder) -> Rewarder:
        def call(**given: Any) -> list[float | None]:
            rewards = reward(**given)
            random.shuffle(rewards)
            return rewards

        return call

    return arrange


@contextmanager
def service(url: str | None) -> Iterator[str]:
    """Yield the address of a running reward service: the one that is given, else one of our own."""
    if url is not None:
        yield url
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "visreward", "serve", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(command)
    try:
        address = f"http://127.0.0.1:{port}"
        with RewardClient(url=address) as client:
            while not client.ready():
                if process.poll() is not None:
                    raise SystemExit("the reward service did not start")
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait()


def show(run: str, model: str, worth: Worth) -> None:
    print(
        f"{run}, {model}: caption reward {worth.caption}, answer accuracy {worth.accuracy}",
        flush=True,
    )


if __name__ == "__main__":
    main()
