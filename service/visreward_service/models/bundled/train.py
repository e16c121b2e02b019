"""Trains the bundled model: `python -m visreward_service.models.bundled.train --out FOLDER`.

Writes a model folder and a checkpoint from which the same command goes on after an interruption.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m visreward_service.models.bundled.train", description=__doc__
    )
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument(
        "--seed", type=int, default=None, help="of the weights and of the order of the scenes"
    )
    parser.add_argument("--steps", type=int, default=None, help="length of the course")
    parser.add_argument("--scenes", type=int, default=None, help="how many scenes to render")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so long; run again to go on")
    parser.add_argument("--processes", type=int, default=2, help="one thread each; each takes a whole batch")
    parser.add_argument("--float32", action="store_true", help="no bfloat16 matrix products")
    parser.add_argument(
        "--set", nargs="*", default=[], metavar="FIELD=NUMBER", help="other fields of the recipe"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(sys.argv[1:] if arguments is None else arguments)
    from visreward_service.models.bundled.course import Course
    from visreward_service.models.bundled.recipe import Recipe

    given = {"seed": options.seed, "steps": options.steps, "num_scenes": options.scenes}
    changed = {name: value for name, value in given.items() if value is not None}
    for field, value in (setting.split("=") for setting in options.set):
        changed[field] = type(getattr(Recipe, field))(float(value))
    if options.float32:
        changed["bfloat16"] = False
    recipe = Recipe(**changed)
    course = Course(recipe=recipe, folder=options.out, processes=options.processes, minutes=options.minutes)
    return 0 if course.run() else 3


if __name__ == "__main__":
    raise SystemExit(main())
