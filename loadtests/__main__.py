"""`python -m loadtests`: run the scenarios and print, or write, the table of results."""

import argparse
import os
import platform
from pathlib import Path

from rich.console import Console
from rich.progress import track

from loadtests.scenarios import SCENARIOS, Bench, Row
from loadtests.service import MODELS, serving

README = Path(__file__).parent / "README.md"
START, END = "<!-- results -->", "<!-- end of results -->"


def machine() -> str:
    """Name the processor and its size."""
    model = platform.processor()
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.split(":", 1)[1].strip()
            break
    return f"{model}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(shape: str, rows: list[Row]) -> str:
    """Return the rows as Markdown."""
    lines = [
        f"{machine()}; model shape `{shape}`; client and service on the same cores; best of the runs.",
        "",
        "| scenario | system | items/s | beside it, in the same run | items/s | ratio |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.scenario} | {row.system} | {row.rate:,.0f} | {row.baseline} | {row.baseline_rate:,.0f} "
        f"| {row.ratio:.2f} |"
        for row in rows
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--shape", choices=MODELS, default="bundled", help="the model's (default: bundled)")
    parser.add_argument("--images", type=int, default=64, help="images a step (default: 64)")
    parser.add_argument("--group", type=int, default=8, help="completions an image (default: 8)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--write", action="store_true", help="put the table into loadtests/README.md")
    args = parser.parse_args()
    unknown = set(args.scenarios) - set(SCENARIOS)
    if unknown:
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    with serving(args.shape) as (url, settings):
        bench = Bench(url, settings, args.shape, args.images, args.group, args.repeats)
        for name in track(args.scenarios or list(SCENARIOS), description="measuring"):
            rows += SCENARIOS[name](bench)
    text = table(args.shape, rows)
    Console().print(text, markup=False, soft_wrap=True)
    if args.write:
        page = README.read_text(encoding="utf-8")
        before, rest = page.split(START)
        README.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
