"""The demonstration's table and curve."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.held_out import Worth

WINDOW = 10
"""Steps of the moving mean that is drawn over the rewards."""
COLOURS = {"trained": "tab:blue", "control": "tab:grey"}


def write_table(worths: Mapping[str, Mapping[str, Worth]], path: Path) -> str:
    """Write the held-out means of every run and stage as a Markdown table, and return it."""
    lines = [
        "| run | model | caption reward | key words | answer accuracy | completions | without a score |",
        "|---|---|---|---|---|---|---|",
    ]
    for run, of_run in worths.items():
        for model, worth in of_run.items():
            numbers = f"{worth.caption} | {worth.key_words} | {worth.accuracy}"
            lines.append(f"| {run} | {model} | {numbers} | {worth.num_completions} | {worth.num_failed} |")
    table = "\n".join(lines) + "\n"
    path.write_text(table, encoding="utf-8")
    return table


def draw_curves(runs: Mapping[str, Sequence[Path]], path: Path) -> None:
    """Draw the rewards of the stages of each run, side by side, from their metrics files."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    stages = max(len(files) for files in runs.values())
    figure, axes = plt.subplots(1, stages, figsize=(5 * stages, 3.6), squeeze=False)
    for run, files in runs.items():
        for stage, file in enumerate(files):
            lines = read_lines(file)
            steps, rewards = [line["step"] for line in lines], [line["reward"] for line in lines]
            axis = axes[0][stage]
            axis.plot(steps, rewards, color=COLOURS.get(run), alpha=0.25, linewidth=0.8)
            axis.plot(steps, smooth(rewards), color=COLOURS.get(run), label=run)
            axis.set_title(f"stage {stage + 1}")
            axis.set_xlabel("step")
            axis.set_ylabel("mean reward of the batch")
            axis.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """Return a run's metrics, without steps that have no reward."""
    lines = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line.get("reward") is not None]


def smooth(values: Sequence[float]) -> list[float]:
    """Return the mean of each value and of those before it, as far as the window goes."""
    windows = [values[max(0, end - WINDOW) : end] for end in range(1, len(values) + 1)]
    return [sum(window) / len(window) for window in windows]
