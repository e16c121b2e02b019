"""Draws the dashboard from what a real Prometheus answers to its queries, in the place of a Grafana.

    python -m tests.deploy.draw --out docs/images/dashboard.png --seconds 180

It starts a service, a Redis and a Prometheus, sends groups for a while and asks every panel's own query.
"""

import argparse
import math
import random
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tests.deploy.prometheus import Prometheus, running_prometheus
from tests.deploy.queries import dashboard, in_grafana
from tests.deploy.scraped import running_service

WINDOW = "20s"
UNITS = {
    "percentunit": lambda value: f"{value:.0%}",
    "bytes": lambda value: f"{value / 2**30:.0f} GiB" if value >= 2**29 else f"{value / 1024:.0f} KiB",
    "Bps": lambda value: f"{value / 1024:.0f} KiB/s",
    "s": lambda value: f"{value * 1000:.0f} ms",
}
ROW_INCHES, COLUMN_INCHES = 0.27, 0.55


def write_number(value: float, unit: str | None) -> str:
    """Return a number in its panel's unit, as short as it is legible."""
    return UNITS[unit](value) if unit in UNITS else f"{value:.3g}"


def legend_of(template: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), template).strip()


def draw_stat(axes: Axes, panel: dict[str, Any], prometheus: Prometheus) -> None:
    found = prometheus.ask(in_grafana(panel["targets"][0]["expr"], WINDOW))
    unit = panel["fieldConfig"]["defaults"]["unit"]
    text = write_number(float(found[0]["value"][1]), unit) if found else "–"
    axes.axis("off")
    axes.text(0.5, 0.35, text, ha="center", va="center", fontsize=17)


def draw_lines(axes: Axes, panel: dict[str, Any], prometheus: Prometheus, start: float, end: float) -> None:
    for target in panel["targets"]:
        for series in prometheus.ask_range(in_grafana(target["expr"], WINDOW), start, end, 2):
            times, values = zip(*[(float(at) - start, float(value)) for at, value in series["values"]])
            name = legend_of(target.get("legendFormat", ""), series["metric"])
            axes.plot(times, values, linewidth=1, label=name or None)
    unit = panel["fieldConfig"]["defaults"].get("unit")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: write_number(value, unit)))
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0) if low < 0 < high and "min" not in panel["fieldConfig"]["defaults"] else 0)
    axes.tick_params(labelsize=6)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=6, loc="best", framealpha=0.6)


def draw_heatmap(axes: Axes, panel: dict[str, Any], prometheus: Prometheus, start: float, end: float) -> None:
    found = prometheus.ask_range(in_grafana(panel["targets"][0]["expr"], WINDOW), start, end, 4)
    found.sort(key=lambda series: float(series["metric"]["le"]))
    rows = [{float(at): float(value) for at, value in series["values"]} for series in found]
    times = sorted({at for row in rows for at in row})
    below = [[row.get(at, math.nan) for at in times] for row in rows]
    lower = [[0.0] * len(times), *below]  # a bucket counts those below it too
    counts = [[upto - under for upto, under in zip(*pair)] for pair in zip(below, lower)]
    axes.imshow(counts, aspect="auto", origin="lower", cmap="viridis", interpolation="nearest")
    axes.set_yticks(range(len(found)), [series["metric"]["le"] for series in found], fontsize=5)
    axes.set_xticks([])


def draw(prometheus: Prometheus, start: float, end: float, out: Path) -> None:
    """Draw all panels where the dashboard has them."""
    everything = dashboard()["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in everything)
    figure = Figure(figsize=(24 * COLUMN_INCHES, height * ROW_INCHES))
    for panel in everything:
        place = panel["gridPos"]
        left, top = place["x"] / 24, 1 - place["y"] / height
        if panel["type"] == "row":
            figure.text(0.005, top - 0.8 / height, panel["title"], fontsize=12, weight="bold")
            continue
        bottom = top - (place["h"] - 1) / height
        box = (left + 0.03, bottom, place["w"] / 24 - 0.045, (place["h"] - 2.2) / height)
        axes = figure.add_axes(box)
        axes.set_title(panel["title"], fontsize=8, loc="left")
        if panel["type"] == "stat":
            draw_stat(axes, panel, prometheus)
        elif panel["type"] == "heatmap":
            draw_heatmap(axes, panel, prometheus, start, end)
        else:
            draw_lines(axes, panel, prometheus, start, end)
    figure.savefig(out, dpi=90)


def main() -> None:
    """Send traffic for a while, and draw what Prometheus has seen of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=180)
    args = parser.parse_args()
    mpl.use("Agg")
    dice = random.Random(0)
    with (
        tempfile.TemporaryDirectory() as place,
        running_service(Path(place)) as scraped,
        running_prometheus(scraped, Path(place)) as prometheus,
    ):
        start = time.time()
        while time.time() < start + args.seconds:
            scraped.exercise(dice.randrange(60))
            time.sleep(dice.uniform(0, 0.6))
        draw(prometheus, start + 20, time.time(), args.out)


if __name__ == "__main__":
    main()
