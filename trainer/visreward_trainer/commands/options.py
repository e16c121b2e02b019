"""The options that commands share: config files, and settings over them."""

from argparse import ArgumentParser, Namespace
from typing import Any

SHORT = {
    "model": ("model.path", "FOLDER", "the policy: a folder, or a name on the model hub"),
    "data": ("data.path", "FILE", "the questions: JSON, JSONL or parquet, or a folder saved by datasets"),
    "recipe": ("reward.recipe", "NAME", "the recipe; `visreward recipes` lists them"),
    "reward_url": ("reward.url", "URL", "address of the reward service"),
    "vllm_url": ("rollouts.url", "URL", "address of the rollout server"),
    "rollouts": ("rollouts.kind", "KIND", "local or server"),
    "sync": ("rollouts.sync", "KIND", "lora or nccl: how a server gets the weights"),
    "output": ("output.folder", "FOLDER", "where checkpoints, metrics and the final model go"),
    "max_steps": ("optim.max_steps", "N", "optimizer steps"),
    "seed": ("optim.seed", "N", "of everything that is drawn"),
}
"""Options with a name of their own, and the settings behind them."""


def add_config_arguments(parser: ArgumentParser, *names: str, config: str | None = None) -> None:
    """Add `--config`, the named short options, and `--set` for every other setting."""
    parser.add_argument(
        "--config",
        action="append",
        metavar="FILE.toml",
        default=None,
        help="settings; given again, later files go over earlier ones"
        + (f" (default: {config})" if config else ""),
    )
    for name in names:
        setting, metavar, told = SHORT[name]
        parser.add_argument(f"--{name.replace('_', '-')}", metavar=metavar, help=f"{told} ({setting})")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="any setting, by its dotted name: --set optim.learning_rate=1e-6",
    )


def read_overrides(args: Namespace) -> list[tuple[str, Any]]:
    """Return what the command line sets; `--set` goes over the short options."""
    from visreward_trainer.config_file import parse_override

    short = [
        (setting, read_number(value))
        for name, (setting, _, _) in SHORT.items()
        if (value := getattr(args, name, None)) is not None
    ]
    urls = [("rollouts.kind", "server")] if getattr(args, "vllm_url", None) and not args.rollouts else []
    return [*urls, *short, *map(parse_override, args.settings)]


def read_number(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
