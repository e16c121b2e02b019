"""`visreward scenes render`: sample pictures with completions, ready to be scored."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from visreward.cli.command import Command, CommandError
from visreward.cli.service import DEFAULT_URL


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("render",))
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", required=True, help="where to write; made if need be"
    )
    parser.add_argument("--count", type=int, default=8, metavar="N", help="number of scenes (default: 8)")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the first scene (default: 0)")


def run(args: Namespace) -> int:
    if args.count < 1:
        raise CommandError("--count must be at least 1.")
    from visreward_service.commands.examples import write_examples
    from visreward_service.scenes import write_samples

    captions = write_samples(args.out, count=args.count, seed=args.seed)
    items, request = write_examples(captions)
    print(f"{args.count} scenes in {args.out}: pictures and {captions.name}")
    print(f"score them with:  visreward score --recipe pebr-r1/stage1 --items {items}")
    print(f"or with curl:     curl -s -H 'content-type: application/json' -d @{request} {DEFAULT_URL}/score")
    return 0


COMMAND = Command(
    name="scenes",
    summary="Render sample scenes to score.",
    add_arguments=add_arguments,
    run=run,
    extra="service",
)
