"""PeBR-R1 from end to end: sampling, the perception stage, the reasoning stage, each a process of its own.

A process each, so that a stage gives back the memory of its devices, and so that a launcher can spread it
over several. What is done already is not done again. It knows no model and no TRL.
"""

import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from visreward_trainer.errors import DataError, TrainerError

MODEL = "{model}"
SHUTDOWN_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the three steps have in common, and what each has for itself."""

    model: str
    data: str
    output: Path
    sample_options: Sequence[str] = field(default_factory=tuple)
    """More arguments of `visreward sample`."""
    train_options: Sequence[str] = field(default_factory=tuple)
    """More arguments of `visreward train`, for both stages."""
    launcher: str = ""
    """What starts `visreward` for training, such as `accelerate launch --num_processes 8`."""
    serve: str = ""
    """What starts the rollout server of a step, with `{model}` in it; empty where one is running."""

    @property
    def sampled(self) -> Path:
        return self.output / "sampled"

    def final(self, stage: int) -> Path:
        return self.output / f"stage{stage}" / "final"


def run_stages(plan: Plan) -> Path:
    """Run what is not done yet, and return the folder of the last stage's model.

    Raises `TrainerError` where a step failed, or where sampling left a stage without questions.
    """
    if not (plan.sampled / "medium.jsonl").exists():
        options = ["--model", plan.model, "--data", plan.data, "--output", str(plan.sampled)]
        run_step(plan, plan.model, [*program(), "sample", *options, *plan.sample_options])
    model = plan.model
    for stage, questions in ((1, "easy"), (2, "medium")):
        if not is_whole(plan.final(stage)):
            run_step(plan, model, train_command(plan, stage, model, plan.sampled / f"{questions}.jsonl"))
        model = str(plan.final(stage))
    return Path(model)


def train_command(plan: Plan, stage: int, model: str, data: Path) -> list[str]:
    if not data.exists() or data.stat().st_size == 0:
        raise DataError(f"{data}: sampling found no such questions; sample more, or from another model")
    return [
        *(shlex.split(plan.launcher) or program()[:1]),
        *program()[1:],
        "train",
        "--config",
        f"pebr-r1-stage{stage}.toml",
        "--model",
        model,
        "--data",
        str(data),
        "--output",
        str(plan.output / f"stage{stage}"),
        *plan.train_options,
    ]


def is_whole(final: Path) -> bool:
    """Whether a stage came to its end: the processor is written last."""
    return (final / "tokenizer_config.json").exists()


def program() -> list[str]:
    """Return how this interpreter starts the program; a launcher takes the place of the first word."""
    return [sys.executable, "-m", "visreward"]


def run_step(plan: Plan, model: str, command: Sequence[str]) -> None:
    with serving(plan.serve, model):
        code = subprocess.run(list(command), check=False).returncode  # noqa: S603 - the user's own command
    if code != 0:
        raise TrainerError(f"{shlex.join(command)} ended with {code}; the same command goes on from there")


@contextmanager
def serving(command: str, model: str) -> Iterator[None]:
    """Have a rollout server with a model while a step runs; the step's own patience waits until it is
    ready."""
    if not command:
        yield
        return
    process = subprocess.Popen(shlex.split(command.replace(MODEL, shlex.quote(model))))  # noqa: S603
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(SHUTDOWN_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
