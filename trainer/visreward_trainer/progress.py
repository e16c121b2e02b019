"""What a person sees of a run, and `metrics.jsonl` for programs."""

import json
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from transformers import TrainerCallback

from visreward_trainer.errors import StaleAdapterError

METRICS_FILE = "metrics.jsonl"
DIFFERENCE = "sampling/sampling_logp_difference/mean"
SHOWN = {
    "reward": "reward",
    "groups/pass_rate": "pass",
    "groups/tied": "tied",
    "failures/share": "failed",
    "kl": "kl",
    "completions/mean_length": "tokens",
    DIFFERENCE: "logp diff",
    "step_time": "s/step",
    "scoring/seconds": "scoring s",
    "scoring/overlap": "hidden",
}
"""Metrics of the console's line, and their names there; parts come after the first."""


class Progress(TrainerCallback):
    """Prints a line for each log, and writes all of its numbers to a file."""

    def __init__(self, folder: Path, console: Console | None = None) -> None:
        self._path = folder / METRICS_FILE
        self._console = console or Console(stderr=True)

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        del args, control
        if state.is_world_process_zero:
            self._forget_after(state.global_step)
            self._say(f"step {state.global_step} of {state.max_steps}: begin")

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        del args, control
        if not state.is_world_process_zero or not logs or "loss" not in logs:
            return
        numbers = {name: value for name, value in logs.items() if isinstance(value, int | float)}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": state.global_step, **finite(numbers)}) + "\n")
        self._say(f"step {state.global_step}/{state.max_steps}  {to_line(numbers)}")
        failed = {name.partition("/")[2]: int(value) for name, value in numbers.items() if is_code(name)}
        if failed:
            told = ", ".join(f"{number} {code}" for code, number in failed.items())
            self._say(f"  samples without a reward, left out of the step: {told}", style="yellow")

    def _forget_after(self, step: int) -> None:
        """Drop lines of steps that a resumed run will make again."""
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        self._path.write_text("".join(kept), encoding="utf-8")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


class LogpGuard(TrainerCallback):
    """Ends a run whose server draws from other weights than the trainer's, by what TRL measures of it."""

    def __init__(self, limit: float) -> None:
        self._limit = limit

    def on_log(
        self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any
    ) -> None:
        del args, state, control
        difference = (logs or {}).get(DIFFERENCE)
        if self._limit and difference is not None and difference > self._limit:
            raise StaleAdapterError(
                f"the rollout server's log-probabilities differ from the trainer's by {difference:.3f} on "
                f"average; rollouts.max_logp_difference is {self._limit:g}. It has other weights, or another "
                "dtype"
            )


def to_line(numbers: dict[str, Any]) -> str:
    """Return the numbers that a person follows."""
    parts = {name: name.partition("/")[2] for name in numbers if name.startswith("parts/")}
    names = {"reward": "reward", **parts, **SHOWN}
    return "  ".join(
        f"{said} {numbers[name]:.4g}"
        for name, said in names.items()
        if name in numbers and numbers[name] is not None
    )


def is_code(name: str) -> bool:
    return name.startswith("failures/") and name not in ("failures/share", "failures/retries")


def finite(numbers: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers with None for those that JSON does not know."""
    return {name: value if math.isfinite(value) else None for name, value in numbers.items()}
