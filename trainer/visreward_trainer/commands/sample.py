"""`visreward sample`: several completions of each question, and the questions sorted by how many are
right."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from visreward.cli.command import Command, CommandError
from visreward_trainer.commands.options import add_config_arguments, read_overrides

if TYPE_CHECKING:
    from visreward_trainer.sampling_config import SampleConfig

CONFIG = "pebr-r1-sample.toml"
OPTIONS = ("model", "data", "recipe", "reward_url", "vllm_url", "rollouts", "output")
EXIT_UNSCORED = 1


def add_arguments(parser: ArgumentParser) -> None:
    add_config_arguments(parser, *OPTIONS, config=CONFIG)


def run(args: Namespace) -> int:
    from visreward_trainer.config_file import load_config
    from visreward_trainer.errors import TrainerError
    from visreward_trainer.sampling_config import SampleConfig

    try:
        config = load_config(SampleConfig, args.config or [CONFIG], read_overrides(args))
        counts = sample_with_bar(config)
    except TrainerError as error:
        raise CommandError(str(error)) from error
    unscored = counts.pop("unscored")
    for name, number in counts.items():
        print(f"{name:<8}{number:>8}  {config.output.folder / f'{name}.jsonl'}")
    if unscored:
        print(f"unscored{unscored:>8}  run the same command again: it takes up what is missing")
    return EXIT_UNSCORED if unscored else 0


def sample_with_bar(config: "SampleConfig") -> dict[str, int]:
    """Sample, with a bar on stderr: how many questions are done, and when the rest will be."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from visreward_trainer.data import read_table
    from visreward_trainer.sample import sample

    total = min(len(read_table(config.data)), config.data.max_rows or 2**62)
    columns = (TextColumn("questions"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("questions", total=total)
        return sample(config, lambda num: progress.advance(task, num))


COMMAND = Command(
    name="sample",
    summary="Sort questions into easy, medium and hard by sampling.",
    add_arguments=add_arguments,
    run=run,
    extra="trainer",
)
