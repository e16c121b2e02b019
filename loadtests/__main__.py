"""`python -m loadtests`: run the scenarios and print, or write, the table of results."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from loadtests import encoders
from loadtests.bench import Bench
from loadtests.checkpoint import SHAPES
from loadtests.peers.registry import PEERS
from loadtests.results import Results, load_average, machine
from loadtests.scenarios import SCENARIOS
from loadtests.service import BUNDLED, Target, serving
from visreward_service.models.devices import DTYPES, pick_device
from visreward_service.models.errors import ModelError

README = Path(__file__).parent / "README.md"
CACHE = Path("~/.cache/visreward-bench")
START, END = "<!-- results -->", "<!-- end of results -->"
DEFAULT = "vit-b-32"


def main() -> None:
    if sys.argv[1:2] == ["encoders"]:
        encoders.main(sys.argv[2:])
        return
    args = parse(sys.argv[1:])
    cache = args.cache.expanduser().resolve()
    cache.mkdir(parents=True, exist_ok=True)
    target = Target(args.shape, cache, args.device, args.dtype, args.batch)
    kept = Results(cache / f"results-{target.name}.json")
    with serving(target) as url:
        bench = Bench(
            url=url,
            target=target,
            num_images=args.images,
            group_size=args.group,
            repeats=args.repeats,
            seconds=args.seconds,
            peers=tuple(PEERS if args.peers is None else args.peers),
            here=args.here,
        )
        for name in track(args.scenarios or list(SCENARIOS), description="measuring"):
            load = load_average()
            for row in SCENARIOS[name](bench):
                kept.put(name, row, f"{load:.1f} to {load_average():.1f}")
    text = f"{describe(args, target)}\n\n{kept.table(list(SCENARIOS))}"
    Console().print(text, markup=False, soft_wrap=True)
    if args.write:
        write(text, target)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument(
        "--shape", choices=[BUNDLED, *SHAPES], default=DEFAULT, help=f"the model's (default: {DEFAULT})"
    )
    parser.add_argument("--device", default="cpu", help="where the model runs: cpu or cuda (default: cpu)")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="its numbers (default: float32)")
    parser.add_argument(
        "--batch", type=int, help="images in a pass, or a quarter of the texts (default: the service's own)"
    )
    parser.add_argument("--images", type=int, default=64, help="images a step (default: 64)")
    parser.add_argument("--group", type=int, default=8, help="completions an image (default: 8)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--seconds", type=float, default=60, help="of overload and mixed (default: 60)")
    parser.add_argument("--peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)} (default: all)")
    parser.add_argument(
        "--here", action="store_true", help="run peers in this environment, and make none for them"
    )
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help=f"folder of checkpoint and environments (default: {CACHE})"
    )
    parser.add_argument("--write", action="store_true", help="put the table into loadtests/README.md")
    args = parser.parse_args(arguments)
    for kind, given, known in (
        ("scenario", args.scenarios, SCENARIOS),
        ("peer", args.peers or (), PEERS),
    ):
        if unknown := set(given) - set(known):
            parser.error(f"no such {kind}: {', '.join(sorted(unknown))}")
    try:
        args.device = str(pick_device(args.device))
    except ModelError as error:
        parser.error(str(error))
    return args


def describe(args: argparse.Namespace, target: Target) -> str:
    """Return what stands above the table: machine, model and day."""
    day = datetime.now(UTC).date().isoformat()
    return (
        f"{machine(target.device)}; model shape `{target.shape}` in {target.dtype}, {args.images} images "
        f"with {args.group} completions each; client and service on the same cores; best of {args.repeats} "
        f"runs; {day}. `load` is the machine's load average over a minute, before a scenario and after it."
    )


def write(text: str, target: Target) -> None:
    """Put a table into the README: each target has its own there."""
    start = START if target.name == DEFAULT else f"<!-- results {target.name} -->"
    page = README.read_text(encoding="utf-8")
    if start not in page:
        page = page.replace(END, f"{END}\n\n{start}\n{END}", 1)
    before, rest = page.split(start)
    README.write_text(f"{before}{start}\n{text}\n{END}{rest.split(END, 1)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
