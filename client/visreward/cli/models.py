"""`visreward models`: what a running service has loaded."""

from argparse import ArgumentParser, Namespace

from visreward.cli.command import Command
from visreward.cli.service import add_service_arguments, open_client
from visreward.cli.tables import print_json, print_table

COLUMNS = ("name", "kind", "source", "revision", "device", "dtype")


def add_arguments(parser: ArgumentParser) -> None:
    add_service_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON list")


def run(args: Namespace) -> int:
    with open_client(args) as client:
        models = client.models()
    if args.json:
        print_json(models)
    else:
        print_table(models, COLUMNS)
    return 0


COMMAND = Command(
    name="models", summary="List the models of a running service.", add_arguments=add_arguments, run=run
)
