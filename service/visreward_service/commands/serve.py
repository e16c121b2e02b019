"""`visreward serve`: the reward service itself."""

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

from visreward.cli.command import Command, CommandError

CONFIG_VARIABLE = "VISREWARD_CONFIG"


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE.toml",
        help=f"settings (default: ${CONFIG_VARIABLE}, else the bundled model alone)",
    )
    parser.add_argument("--host", help="address to listen on")
    parser.add_argument("--port", type=int, help="port to listen on")
    parser.add_argument("--log-level", choices=("debug", "info", "warning", "error"))


def run(args: Namespace) -> int:
    config = args.config or _config_of_environment()
    if config is not None and not config.is_file():
        raise CommandError(f"There is no settings file {config}.")
    from visreward_service.main import serve
    from visreward_service.models.errors import ModelError
    from visreward_service.recipes.errors import RecipeError
    from visreward_service.settings import SettingsError

    try:
        return serve(config, host=args.host, port=args.port, log_level=args.log_level)
    except (ModelError, RecipeError, SettingsError) as error:
        raise CommandError(str(error)) from error


def _config_of_environment() -> Path | None:
    name = os.environ.get(CONFIG_VARIABLE)
    return Path(name) if name else None


COMMAND = Command(
    name="serve", summary="Run the reward service.", add_arguments=add_arguments, run=run, extra="service"
)
