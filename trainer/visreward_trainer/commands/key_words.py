"""`visreward key-words`: key words from reference captions, for data that comes without them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from visreward.cli.command import Command, CommandError


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--caption", default="caption", metavar="COLUMN", help="the column with the captions")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.jsonl")
    parser.add_argument("--max-words", type=int, default=16, metavar="N", help="of one caption (default: 16)")


def run(args: Namespace) -> int:
    from visreward_trainer.errors import TrainerError
    from visreward_trainer.key_words import add_key_words

    try:
        num = add_key_words(args.data, args.out, caption=args.caption, max_words=args.max_words)
    except TrainerError as error:
        raise CommandError(str(error)) from error
    print(f"{num} lines in {args.out}")
    return 0


COMMAND = Command(
    name="key-words",
    summary="Make key words from reference captions.",
    add_arguments=add_arguments,
    run=run,
    extra="trainer",
)
