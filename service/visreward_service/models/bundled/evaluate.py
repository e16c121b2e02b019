"""Measures a model on unseen scenes: `python -m visreward_service.models.bundled.evaluate --scenes 1000`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from visreward_service.models.bundled import SCENES_FGCLIP

EVALUATION_SEED = 0
"""The first seed of the scenes of the model card; training draws from 1,000,000 on."""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m visreward_service.models.bundled.evaluate", description=__doc__
    )
    parser.add_argument("--model", type=Path, default=SCENES_FGCLIP, help="the model folder")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=EVALUATION_SEED, help="of the first scene")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if arguments is None else arguments)
    from rich.console import Console

    from visreward_service.models.bundled.figures import measure
    from visreward_service.models.bundled.folder import ModelFolder
    from visreward_service.scenes.samples import build_sample

    samples = [build_sample(options.seed + i) for i in range(options.scenes)]
    figures = measure(ModelFolder.load(options.model), samples).to_json()
    if options.json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        Console().print(figures)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
