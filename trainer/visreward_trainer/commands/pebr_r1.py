"""`visreward pebr-r1`: sampling and both stages, one after the other."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from visreward.cli.command import Command, CommandError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--model", required=True, metavar="FOLDER", help="the warmed-up model")
    parser.add_argument("--data", required=True, metavar="FILE", help="the questions")
    parser.add_argument("--output", required=True, type=Path, metavar="FOLDER")
    parser.add_argument("--reward-url", metavar="URL", help="address of the reward service")
    parser.add_argument("--vllm-url", metavar="URL", help="address of the rollout server")
    parser.add_argument("--sample-config", metavar="FILE.toml", help="settings over pebr-r1-sample.toml")
    parser.add_argument("--train-config", metavar="FILE.toml", help="settings over those of both stages")
    parser.add_argument(
        "--launcher",
        default="",
        metavar="COMMAND",
        help='what starts a stage, such as "accelerate launch --num_processes 8"',
    )
    parser.add_argument(
        "--serve",
        default="",
        metavar="COMMAND",
        help='what starts the rollout server of a step, with {model} in it, such as "vllm serve {model} …"',
    )


def run(args: Namespace) -> int:
    from visreward_trainer.errors import TrainerError
    from visreward_trainer.stages import Plan, run_stages

    urls = [
        word
        for option, url in (("--reward-url", args.reward_url), ("--vllm-url", args.vllm_url))
        if url is not None
        for word in (option, url)
    ]
    sample_config = ["--config", "pebr-r1-sample.toml", "--config", args.sample_config]
    plan = Plan(
        model=args.model,
        data=args.data,
        output=args.output,
        sample_options=[*urls, *(sample_config if args.sample_config else [])],
        train_options=[*urls, *(["--config", args.train_config] if args.train_config else [])],
        launcher=args.launcher,
        serve=args.serve,
    )
    try:
        print(f"trained: {run_stages(plan)}")
    except TrainerError as error:
        raise CommandError(str(error)) from error
    return 0


COMMAND = Command(
    name="pebr-r1",
    summary="Run PeBR-R1 whole: sampling and both stages.",
    add_arguments=add_arguments,
    run=run,
    extra="trainer",
)
