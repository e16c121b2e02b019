"""How RewardMap's released code reads stations and routes (fscdc/RewardMap@15428ac, `reason_map.py`).

Quirks included: this is what its paper profile is made of. What is worth how much is not known here.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

MAX_CHARS = 20_000
MAX_SECTIONS = 200

REPLACED = (
    ("Metro", ""),
    ("metro", ""),
    (",", ""),
    ("*", ""),
    ("\n", ""),
    ("'", ""),
    ("Univ.", "University"),
    ("Univ", "University"),
    ("Tech.", "Technology"),
    ("Tech", "Technology"),
    ("road", "lu"),
    ("Road", "lu"),
    ("Station", ""),
    ("station", ""),
    ("Asian Games Village", "yayuncun"),
)
"""In this order, in this case: a name that is written in full is expanded too, on both sides alike."""
BRACKETED = re.compile(r"[(（][^)）]*[)）]")
GAPS = re.compile(r"[\s\-]+")
LINE = re.compile(r"Route Name: (.*?)\n")
START = re.compile(r"Departure Stop: (.*?)\n")
LABELS = ("Route Name:", "Departure Stop:", "Arrival Stop:")
ALIASES = (("八通", "Line 1"), ("大兴", "Line 4"))
UNREAD = "Wrong"
"""What stands for a line or a stop that is not on a line of its own."""

Lines = Mapping[str, frozenset[str]]
"""Names of lines as written, with the names of their stations as `clean` gives them."""


@dataclass(frozen=True, slots=True)
class Ride:
    """One section of a route: the line as written, the stops as `clean` gives them."""

    line: str
    start: str
    end: str


def clean(name: str) -> str:
    """Return a station's name as names are compared."""
    for before, after in REPLACED:
        name = name.replace(before, after)
    name = name.removesuffix("站")
    return GAPS.sub("", BRACKETED.sub("", name)).lower()


def read_lines(data: Mapping[str, Iterable[str]]) -> Lines:
    """Return line data with clean names."""
    return {line: frozenset(map(clean, stops)) for line, stops in data.items()}


def read_rides(text: str, *, any_case: bool = False) -> list[Ride]:
    """Return the sections of an answer that have all three labels; the others are passed over.

    With `any_case` the labels may be in any case to count as a section, but are read in theirs all the same.
    """
    sections = text[:MAX_CHARS].split("--")[:MAX_SECTIONS]
    return [_read_ride(section) for section in sections if _is_section(section, any_case)]


def _is_section(section: str, any_case: bool) -> bool:
    if any_case:
        return all(label.lower() in section.lower() for label in LABELS)
    return all(label in section for label in LABELS)


def _read_ride(section: str) -> Ride:
    line, start = LINE.search(section), START.search(section)
    name = line[1].strip() if line else UNREAD
    for part, alias in ALIASES:
        name = alias if part in name else name
    end = section.rpartition("Arrival Stop:")[2].strip()
    return Ride(name, clean(clean(start[1])) if start else clean(UNREAD), clean(clean(end)))


def arrives(rides: Sequence[Ride], ends: tuple[str, str]) -> bool:
    """Whether a route starts and ends where it should."""
    return bool(rides) and (rides[0].start, rides[-1].end) == ends


def is_route(rides: Sequence[Ride], lines: Lines) -> bool:
    """Whether every ride is on its line and ends where the next one starts."""
    chained = all(one.end == other.start for one, other in pairwise(rides))
    return chained and all({ride.start, ride.end} <= lines.get(ride.line, frozenset()) for ride in rides)


def value_details(rides: Sequence[Ride], lines: Lines, ends: tuple[str, str], allowed: int) -> float:
    """Return the detail reward of a route that arrives: 10 at most, without a lower bound.

    2 for arriving. The ride of number i, counted from 1, costs 5 where i is more than the allowed transfers,
    one ride too early. 4 for a line that has both ends, where no transfer is needed, else 3 for any line.
    1 for each transfer within the allowed ones.
    """
    detail = 2.0
    for number, ride in enumerate(rides, start=1):
        if number > allowed:
            detail -= 5.0
        if ride.line not in lines:
            continue
        if allowed == 0:
            detail += 4.0 if set(ends) <= lines[ride.line] else 0.0
        else:
            detail += 3.0
        on_line = {ride.start, ride.end} <= lines[ride.line]
        changes = number < len(rides) and ride.end == rides[number].start
        if on_line and changes and number <= allowed:
            detail += 1.0
    return min(detail, 10.0)
