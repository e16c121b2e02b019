"""The arguments by which commands find a service, and the client made from them."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from visreward.cli.command import CommandError

DEFAULT_URL = "http://127.0.0.1:8000"
"""`visreward.core`'s, here again because that module loads an HTTP library."""

if TYPE_CHECKING:
    from visreward.access import Tls
    from visreward.client import RewardClient


def add_service_arguments(parser: ArgumentParser) -> None:
    """Add `--url`, `--timeout`, and what a service behind keys and TLS asks for."""
    parser.add_argument(
        "--url",
        help=f"address of the service, or several with commas between them "
        f"(default: $VISREWARD_URL, else {DEFAULT_URL})",
    )
    parser.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="give up after so long, retries included"
    )
    access = parser.add_argument_group("a service with keys or certificates")
    access.add_argument(
        "--api-key-file", metavar="FILE", help="the key that it knows you by (default: $VISREWARD_API_KEY)"
    )
    access.add_argument("--ca", metavar="FILE", help="roots in PEM, in the place of the system's")
    access.add_argument("--certificate", metavar="FILE", help="your own certificate in PEM, for mutual TLS")
    access.add_argument("--key", metavar="FILE", help="its private key, where that stands in another file")


def open_client(args: Namespace) -> "RewardClient":
    """Return a client of the service that the arguments name; raise CommandError where they name none."""
    import ssl

    from visreward.client import RewardClient
    from visreward.retry import RetryPolicy

    # A person at a terminal wants to hear soon that nobody is there; a training run can wait.
    seconds = 30.0 if args.timeout is None else args.timeout
    if not seconds > 0:
        raise CommandError("--timeout must be a positive number of seconds.")
    try:
        retry = RetryPolicy(max_total_seconds=seconds, max_attempts=3 if args.timeout is None else 1000)
        api_key, tls = read_api_key(args), read_tls(args)
        if args.timeout is None:
            return RewardClient(url=args.url, retry=retry, api_key=api_key, tls=tls)
        return RewardClient(url=args.url, retry=retry, api_key=api_key, tls=tls, timeout_seconds=seconds)
    except ssl.SSLError as error:
        raise CommandError(f"The certificates cannot be used: {error.reason or error}.") from None
    except ValueError as error:
        raise CommandError(f"{error}.") from None


def read_api_key(args: Namespace) -> str | None:
    """Return what stands in `--api-key-file`; None leaves it to the environment."""
    if args.api_key_file is None:
        return None
    key = Path(args.api_key_file).read_text(encoding="utf-8").strip()
    if not key:
        raise CommandError(f"There is no key in {args.api_key_file}.")
    return key


def read_tls(args: Namespace) -> "Tls | None":
    """Return the certificates that the arguments name; None where they name none."""
    from visreward.access import Tls

    files = {"ca": args.ca, "certificate": args.certificate, "key": args.key}
    for option, file in files.items():
        if file is not None and not Path(file).is_file():
            raise CommandError(f"--{option}: there is no file {file}.")
    if args.key is not None and args.certificate is None:
        raise CommandError("--key is the private key of --certificate, which is missing.")
    return Tls(**files) if any(files.values()) else None
