"""Parsing, dispatch, and what people are told when something fails. Knows no command but the client's own."""

import argparse
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib import metadata

from visreward.cli import models, score
from visreward.cli.command import Command, CommandError
from visreward.errors import ConnectionFailedError, RewardError

ENTRY_POINT_GROUP = "visreward.commands"
OWN_COMMANDS = (score.COMMAND, models.COMMAND)
OWN_PACKAGES = frozenset({"visreward", "visreward_service", "visreward_trainer"})

EXIT_FAILED = 2
EXIT_INTERRUPTED = 130


def run_program(argv: Sequence[str] | None = None, commands: Iterable[Command] | None = None) -> int:
    """Parse `argv`, run the command that it names, and return the exit code.

    `commands` are the client's own and those of the installed parts where None. argparse ends the process by
    itself for `--help` and for wrong arguments.
    """
    parser = build_parser(find_commands() if commands is None else commands)
    args = parser.parse_args(argv)
    command: Command = args.command
    try:
        return command.run(args)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has enough; the interpreter must not try to flush again.
        sys.stderr.close()
        return EXIT_FAILED
    except Exception as error:
        if args.debug:
            traceback.print_exc()
        print(f"visreward {command.name}: {explain(error, command)}", file=sys.stderr)
        return EXIT_FAILED


def find_commands() -> list[Command]:
    """Return the client's own commands and those that installed parts contribute, by name."""
    commands = {command.name: command for command in OWN_COMMANDS}
    for point in metadata.entry_points(group=ENTRY_POINT_GROUP):
        try:
            command = point.load()
        except ImportError as error:
            print(f"visreward: the command {point.name} is not available: {error}", file=sys.stderr)
            continue
        commands.setdefault(command.name, command)
    return [commands[name] for name in sorted(commands)]


def build_parser(commands: Iterable[Command]) -> argparse.ArgumentParser:
    """Return the parser of the whole program; a parsed namespace has the chosen `command` and `debug`."""
    parser = argparse.ArgumentParser(
        prog="visreward", description="Rewards for reinforcement learning of vision-language models."
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    parser.set_defaults(debug=False)
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in commands:
        subparser = subparsers.add_parser(command.name, help=command.summary, description=command.summary)
        command.add_arguments(subparser)
        subparser.add_argument("--debug", action="store_true", help="show the traceback of an error")
        subparser.set_defaults(command=command)
    return parser


def explain(error: Exception, command: Command) -> str:
    """Return what a person is told of an error: what happened and what to do next."""
    if isinstance(error, CommandError):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and is_missing_dependency(error) and command.extra is not None:
        return (
            f"the module {error.name} is not installed. This command needs an extra: "
            f'pip install "visreward[{command.extra}]"'
        )
    if isinstance(error, ConnectionFailedError):
        return f"{error}. Start a service with `visreward serve`, or name one with --url or VISREWARD_URL."
    if isinstance(error, RewardError):
        return str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return f"{type(error).__name__}: {error}. Run it again with --debug to see where."


def is_missing_dependency(error: ModuleNotFoundError) -> bool:
    """Whether the module that was not found belongs to somebody else, and an extra would bring it."""
    return error.name is not None and error.name.partition(".")[0] not in OWN_PACKAGES


class _Version(argparse.Action):
    """Looks the version up when asked: the look-up costs more than all of the parsing."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object, **__: object) -> None:
        print(metadata.version("visreward"))
        parser.exit()
