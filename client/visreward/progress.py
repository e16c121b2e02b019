"""A bar on stderr: how many items are scored, and when the rest will be. Loads rich only when asked for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

Advance: TypeAlias = Callable[[int], None]


@contextmanager
def show_progress(num_items: int, *, enabled: bool) -> Iterator[Advance]:
    """Yield a function that moves the bar by so many items; without a bar it does nothing."""
    if not enabled:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("scoring", total=num_items)
        yield lambda num_items: progress.advance(task, num_items)
