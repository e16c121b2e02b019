"""What a command of the `visreward` program is, whoever contributes it.

A module that makes a `Command` is imported to print the program's help: it must be light, and import what it
works with inside `run`.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command: its words in the help, its arguments, and what it does."""

    name: str
    summary: str
    """One line of the help."""
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    """Returns the exit code: 0 done, 1 done with failed items, 2 not done."""
    extra: str | None = None
    """The extra of the distribution that brings what `run` imports; None for the base install."""


class CommandError(Exception):
    """Why a command could not do its work: one or two sentences for a person, with what to do next."""
