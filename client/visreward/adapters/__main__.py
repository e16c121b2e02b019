"""`python -m visreward.adapters NAME` prints an adapter's file, for trainers that load a path."""

import sys
from pathlib import Path

FOLDER = Path(__file__).parent
BY_PATH = ("easyr1", "openrlhf", "verl")
"""The adapters whose trainers take a path."""


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in BY_PATH:
        sys.stderr.write(f"usage: python -m visreward.adapters {{{','.join(BY_PATH)}}}\n")
        return 2
    sys.stdout.write(f"{FOLDER / arguments[0]}.py\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
