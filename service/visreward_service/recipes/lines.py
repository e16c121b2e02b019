"""Where in a recipe file a field stands, so that a fault can be named by file and line.

It reads headers and keys only; what the values mean is the business of `tomllib`.
"""

import re
from collections.abc import Mapping

PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
PATH = rf"{PART}(?:\s*\.\s*{PART})*"
HEADER = re.compile(rf"\s*\[\[?\s*({PATH})\s*\]\]?")
KEY = re.compile(rf"\s*({PATH})\s*=(.*)")
QUOTES = re.compile(r"'''|\"\"\"")


def index_lines(text: str) -> dict[str, int]:
    """Return the line of each table and key of a TOML text by its dotted path, counted from 1."""
    lines: dict[str, int] = {}
    table = ""
    inside: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if inside is None:
            if header := HEADER.match(line):
                table = _join(header[1])
                lines.setdefault(table, number)
            elif key := KEY.match(line):
                lines.setdefault(f"{table}.{_join(key[1])}".lstrip("."), number)
        for quote in QUOTES.findall(line):
            inside = quote if inside is None else None if inside == quote else inside
    return lines


def find_line(lines: Mapping[str, int], path: str) -> int | None:
    """Return the line of the field, or of the nearest table around it."""
    while path and path not in lines:
        path = path.rpartition(".")[0]
    return lines.get(path)


def _join(path: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in re.findall(PART, path))
