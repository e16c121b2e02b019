"""`python -m loadtests`: run the scenarios and print, or write, the table of results."""

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import track

from loadtests import encoders
from loadtests.bench import Bench
from loadtests.peers.registry import PEERS
from loadtests.results import Results, load_average, machine
from loadtests.scenarios import SCENARIOS
from loadtests.service import MODELS, serving

README = Path(__file__).parent / "README.md"
CACHE = Path("~/.cache/visreward-bench")
START, END = "<!-- results -->", "<!-- end of results -->"


def main() -> None:
    if sys.argv[1:2] == ["encoders"]:
        encoders.main(sys.argv[2:])
        return
    args = parse(sys.argv[1:])
    cache = args.cache.expanduser().resolve()
    cache.mkdir(parents=True, exist_ok=True)
    kept = Results(cache / f"results-{args.shape}.json")
    with serving(args.shape, cache) as url:
        bench = Bench(
            url=url,
            shape=args.shape,
            cache=cache,
            num_images=args.images,
            group_size=args.group,
            repeats=args.repeats,
            seconds=args.seconds,
            peers=tuple(PEERS if args.peers is None else args.peers),
        )
        for name in track(args.scenarios or list(SCENARIOS), description="measuring"):
            load = load_average()
            for row in SCENARIOS[name](bench):
                kept.put(name, row, f"{load:.1f} to {load_average():.1f}")
    text = f"{describe(args)}\n\n{kept.table(list(SCENARIOS))}"
    Console().print(text, markup=False, soft_wrap=True)
    if args.write:
        write(text)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m loadtests", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"of {', '.join(SCENARIOS)}")
    parser.add_argument("--shape", choices=MODELS, default="vit-b-32", help="the model's (default: vit-b-32)")
    parser.add_argument("--images", type=int, default=64, help="images a step (default: 64)")
    parser.add_argument("--group", type=int, default=8, help="completions an image (default: 8)")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each (default: 3)")
    parser.add_argument("--seconds", type=float, default=60, help="of overload and mixed (default: 60)")
    parser.add_argument("--peers", nargs="*", metavar="PEER", help=f"of {', '.join(PEERS)} (default: all)")
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
    return args


def describe(args: argparse.Namespace) -> str:
    """Return what stands above the table: machine, model and day."""
    day = datetime.now(UTC).date().isoformat()
    return (
        f"{machine()}; model shape `{args.shape}`, {args.images} images with {args.group} completions each; "
        f"client and service on the same cores; best of {args.repeats} runs; {day}. `load` is the machine's "
        "load average over a minute, before a scenario and after it."
    )


def write(text: str) -> None:
    """Put a table into the README."""
    page = README.read_text(encoding="utf-8")
    before, rest = page.split(START)
    README.write_text(f"{before}{START}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")


if __name__ == "__main__":
    main()
