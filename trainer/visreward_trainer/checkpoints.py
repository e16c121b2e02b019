"""Which checkpoint a run goes on from, and whether it is the same run.

A checkpoint counts when it was written to its end: a process may be killed while it writes one. It knows no
TRL.
"""

import json
import secrets
from pathlib import Path
from typing import Any

from visreward_trainer.config import TrainConfig
from visreward_trainer.errors import ConfigError

COMPLETE = "complete"
RUN_FILE = "run.json"
FREE_REWARD = (
    "url",
    "ca",
    "certificate",
    "key",
    "concurrency",
    "timeout_seconds",
    "patience_seconds",
    "step_retries",
    "retry_wait_seconds",
    "max_failed_fraction",
)
FREE_ROLLOUTS = (
    "url",
    "adapter_folder",
    "concurrency",
    "timeout_seconds",
    "patience_seconds",
    "max_logp_difference",
)
MAY_CHANGE = (
    "output",
    *(f"reward.{name}" for name in FREE_REWARD),
    *(f"rollouts.{name}" for name in FREE_ROLLOUTS),
    "optim.max_steps",
)
"""What a resumed run may set otherwise: where things are, and how patiently they are asked."""


def folder_of(output: str | Path, step: int) -> Path:
    return Path(output) / f"checkpoint-{step}"


def mark_complete(output: str | Path, step: int) -> None:
    """Note that the checkpoint of a step is whole."""
    folder = folder_of(output, step)
    if folder.is_dir():
        (folder / COMPLETE).touch()


def find_last(output: Path) -> Path | None:
    """Return the last whole checkpoint, or None."""
    whole = [file.parent for file in output.glob(f"checkpoint-*/{COMPLETE}")]
    numbered = [folder for folder in whole if folder.name.partition("-")[2].isdecimal()]
    return max(numbered, key=lambda folder: int(folder.name.partition("-")[2]), default=None)


def open_run(config: TrainConfig) -> str:
    """Return the run's id, made at its first start.

    Raises `ConfigError` where the folder holds a run whose config differs in what the samples depend on.
    """
    path = config.output.folder / RUN_FILE
    told = flatten(config.model_dump(mode="json"))
    if path.exists():
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        changed = [name for name in told if told[name] != run["config"].get(name) and not may_change(name)]
        if changed:
            raise ConfigError(
                f"{config.output.folder} holds a run with other settings: {', '.join(changed)}. "
                "Go on with the same, or choose another output.folder"
            )
        return str(run["id"])
    config.output.folder.mkdir(parents=True, exist_ok=True)
    made = secrets.token_hex(4)
    scratch = path.with_suffix(".new")
    scratch.write_text(json.dumps({"id": made, "config": told}, indent=1) + "\n", encoding="utf-8")
    scratch.replace(path)
    return made


def may_change(name: str) -> bool:
    return any(name == free or name.startswith(f"{free}.") for free in MAY_CHANGE)


def flatten(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves of nested tables by dotted name."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found.update(flatten(value, f"{prefix}{name}."))
        else:
            found[f"{prefix}{name}"] = value
    return found
