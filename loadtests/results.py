"""Rows of the table of results, and the table."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    """One line: a system's best measure, and that of what it is compared with, by turns in the same run."""

    scenario: str
    system: str
    rate: float | None
    """None where the system did not run; `note` says why."""
    baseline: str = "–"
    baseline_rate: float | None = None
    unit: str = "items/s"
    """Of both; `ms` and `MiB` are better when lower."""
    aim: str = "–"
    """What the ratio, or the measure where there is none, should be."""
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.rate / self.baseline_rate if self.rate is not None and self.baseline_rate else None

    def cells(self) -> list[str]:
        """Return the columns of the table."""
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}"
        measured, beside = (
            "–" if rate is None else f"{number(rate)} {self.unit}" for rate in (self.rate, self.baseline_rate)
        )
        return [self.scenario, self.system, measured, self.baseline, beside, ratio, self.aim, self.note]


def number(value: float) -> str:
    """Return a measure with three digits that count."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


HEAD = (
    *("scenario", "system", "measured", "beside it, in the same run", "measured", "ratio", "aim", "note"),
    "load",
)


class Results:
    """What was measured, in a file: scenarios and peers that are run one by one add up to one table."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def put(self, scenario: str, row: Row, load: str) -> None:
        """Keep a row of a scenario, in the place of the one of the same system from before."""
        kept = self._read()
        key = f"{row.scenario}/{row.system}/{row.baseline}"
        kept.setdefault(scenario, {})[key] = {"load": load, "row": asdict(row)}
        self._path.write_text(json.dumps(kept, indent=1), encoding="utf-8")

    def table(self, scenarios: Sequence[str]) -> str:
        """Return all rows as Markdown, scenarios in the order given."""
        kept = self._read()
        lines: list[Sequence[str]] = [HEAD, ["---"] * len(HEAD)]
        for scenario in scenarios:
            found = kept.get(scenario, {}).values()
            lines += [[*Row(**one["row"]).cells(), one["load"]] for one in found]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _read(self) -> dict[str, Any]:
        if not self._path.is_file():
            return {}
        found: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        return found


def load_average() -> float:
    """Return the machine's load average over a minute."""
    return os.getloadavg()[0]


def machine(device: str = "cpu") -> str:
    """Name the processor and its size, and the GPU that is the device."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    gpu = "" if device == "cpu" else f"{torch.cuda.get_device_name(device)}; "
    return f"{gpu}{model}, {os.cpu_count()} cores, Python {platform.python_version()}"
