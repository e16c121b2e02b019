"""What commands print: tables for people, JSON for programs. Loads rich only when a table is printed."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """Print one value on one line."""
    print(json.dumps(value, ensure_ascii=False, separators=(", ", ": ")))


def print_table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, title: str | None = None
) -> None:
    """Print rows under the named columns; a field that a row lacks stays empty.

    The first column names the rows and is never cut over lines.
    Cells are printed as they are: no markup, so that a completion with brackets in it shows its brackets.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*(Text(format_cell(row.get(column))) for column in columns))
    Console().print(table)


def format_cell(value: Any) -> str:
    """Return a value as a person reads it: four digits of a number, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list | tuple):
        return ", ".join(format_cell(one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={format_cell(one)}" for name, one in value.items())
    return str(value)
