"""The arguments by which commands find a service, and the client made from them."""

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from visreward.cli.command import CommandError

DEFAULT_URL = "http://127.0.0.1:8000"
"""`visreward.core`'s, here again because that module loads an HTTP library."""

if TYPE_CHECKING:
    from visreward.client import RewardClient


def add_service_arguments(parser: ArgumentParser) -> None:
    """Add `--url` and `--timeout`."""
    parser.add_argument(
        "--url",
        help=f"address of the service, or several with commas between them "
        f"(default: $VISREWARD_URL, else {DEFAULT_URL})",
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="give up after so long, retries included"
    )


def open_client(args: Namespace) -> "RewardClient":
    """Return a client of the service that the arguments name; raise CommandError where they name none."""
    from visreward.client import RewardClient
    from visreward.retry import RetryPolicy

    # A person at a terminal wants to hear soon that nobody is there; a training run can wait.
    seconds = 30.0 if args.timeout is None else args.timeout
    if not seconds > 0:
        raise CommandError("--timeout must be a positive number of seconds.")
    try:
        retry = RetryPolicy(max_total_seconds=seconds, max_attempts=3 if args.timeout is None else 1000)
        if args.timeout is None:
            return RewardClient(url=args.url, retry=retry)
        return RewardClient(url=args.url, retry=retry, timeout_seconds=seconds)
    except ValueError as error:
        raise CommandError(f"{error}.") from None
