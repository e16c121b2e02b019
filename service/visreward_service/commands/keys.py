"""`visreward keys new`: a key for a client, and its hash for the settings."""

import re
from argparse import ArgumentParser, Namespace

from visreward.cli.command import Command, CommandError

NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("action", choices=("new",))
    parser.add_argument("name", metavar="NAME", help="whose key it is, as logs and settings call it")


def run(args: Namespace) -> int:
    if not NAME.fullmatch(args.name):
        raise CommandError("A name is lower-case letters, digits, - and _, and begins with a letter.")
    from visreward_service.access.keys import hash_key, new_key

    key = new_key()
    print(f"key, for the client (VISREWARD_API_KEY); it is shown once and kept nowhere:\n\n    {key}\n")
    print("hash, for the service's settings:\n")
    print(f'    [keys.{args.name}]\n    hash = "{hash_key(key)}"')
    return 0


COMMAND = Command(
    name="keys",
    summary="Make a key for a client of the service.",
    add_arguments=add_arguments,
    run=run,
    extra="service",
)
