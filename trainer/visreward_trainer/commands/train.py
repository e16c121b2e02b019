"""`visreward train`: GRPO with rewards from a running service."""

from argparse import ArgumentParser, Namespace

from visreward.cli.command import Command, CommandError
from visreward_trainer.commands.options import add_config_arguments, read_overrides

OPTIONS = (
    "model",
    "data",
    "recipe",
    "reward_url",
    "vllm_url",
    "rollouts",
    "sync",
    "output",
    "max_steps",
    "seed",
)


def add_arguments(parser: ArgumentParser) -> None:
    add_config_arguments(parser, *OPTIONS)
    parser.add_argument("--show-config", action="store_true", help="print the settings as JSON, and stop")


def run(args: Namespace) -> int:
    from visreward_trainer.config import TrainConfig
    from visreward_trainer.config_file import load_config
    from visreward_trainer.errors import TrainerError

    try:
        config = load_config(TrainConfig, args.config or [], read_overrides(args))
        if args.show_config:
            print(config.model_dump_json(indent=2))
            return 0
        from visreward_trainer.run import train

        print(f"trained: {train(config)}")
    except TrainerError as error:
        raise CommandError(str(error)) from error
    return 0


COMMAND = Command(
    name="train",
    summary="Train a vision-language model with rewards from a running service.",
    add_arguments=add_arguments,
    run=run,
    extra="trainer",
)
