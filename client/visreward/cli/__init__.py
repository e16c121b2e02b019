"""The `visreward` program."""

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program with `argv` (the process's own where None) and return its exit code."""
    from visreward.cli.program import run_program

    return run_program(argv)
