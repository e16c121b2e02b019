"""Kind `date`: a day, month or year in the usual notations."""

import calendar
import re
from dataclasses import dataclass
from typing import Literal

from visreward_service.scorers.answers import notation
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS.update({name.lower(): number for number, name in enumerate(calendar.month_abbr) if name})
MONTHS["sept"] = 9
_MONTH = f"(?P<name>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\\.?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4})"
NAMED = (
    re.compile(rf"\b{_MONTH}\s+{_DAY}(?:\s*,\s*|\s+){_YEAR}\b", re.IGNORECASE),
    re.compile(rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}(?:\s*,\s*|\s+){_YEAR}\b", re.IGNORECASE),
    re.compile(rf"\b{_MONTH}(?:\s*,\s*|\s+){_YEAR}\b", re.IGNORECASE),
)
ISO = re.compile(
    r"(?<!\d)(?P<year>\d{4})(?P<mark>[-/.])(?P<month>[01]?\d)(?:(?P=mark)(?P<day>[0-3]?\d))?(?![\d])"
)
CHINESE = re.compile(r"(?P<year>\d{4})\s*年\s*(?:(?P<month>[01]?\d)\s*月\s*(?:(?P<day>[0-3]?\d)\s*[日号])?)?")
NUMERIC = re.compile(
    r"(?<!\d)(?P<first>[0-3]?\d)(?P<mark>[-/.])(?P<second>[0-3]?\d)(?P=mark)(?P<year>\d{4})(?!\d)"
)
YEAR = re.compile(r"(?<!\d)(?P<year>[12]\d{3})(?!\d)")
MAX_CHARS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DateOptions:
    """How `03/05/2024` is read, and how fine an answer may be."""

    order: Literal["mdy", "dmy"] = "mdy"
    """Order of numeric dates, unless one of the numbers can only be a day."""
    finer: bool = True
    """Whether an answer may be finer than the gold one: a day where a month is asked."""


Day = tuple[int, int | None, int | None]
"""Year, month, day; None where the text does not go that far."""


def read_day(text: str, options: DateOptions) -> Day | None:
    """Return the one date that a text states; None where it states none or several."""
    text = notation.fold(text)[:MAX_CHARS]
    for pattern in (*NAMED, CHINESE, NUMERIC, ISO, YEAR):
        found = {_day(match, options) for match in pattern.finditer(text)} - {None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _day(match: re.Match[str], options: DateOptions) -> Day | None:
    parts = match.groupdict()
    year, month, day = int(parts["year"]), parts.get("month"), parts.get("day")
    if "first" in parts:
        first, second = int(parts["first"]), int(parts["second"])
        month_first = second > 12 or (first <= 12 and options.order == "mdy")
        return _valid(year, *((first, second) if month_first else (second, first)))
    if parts.get("name"):
        return _valid(year, MONTHS[parts["name"].lower()], int(day) if day else None)
    return _valid(year, int(month) if month else None, int(day) if day else None)


def _valid(year: int, month: int | None, day: int | None) -> Day | None:
    if month is not None and not 1 <= month <= 12:
        return None
    if day is not None and (month is None or not 1 <= day <= calendar.monthrange(max(year, 1), month)[1]):
        return None
    return year, month, day


def judge(given: str, gold: str, options: DateOptions) -> Verdict:
    """Compare dates as far as the gold one goes."""
    wanted = read_day(gold, options)
    if wanted is None:
        raise UnreadableGold("the gold answer is no date")
    had = read_day(given, options)
    if had is None:
        return Verdict.of(False, "no single date")
    precision = sum(part is not None for part in wanted)
    right = had[:precision] == wanted[:precision] and (options.finer or had == wanted)
    return Verdict.of(right, "dates", given=_shown(had), gold=_shown(wanted))


def _shown(day: Day) -> str:
    return "-".join(f"{part:02d}" for part in day if part is not None)


def settle(given: str, gold: str, options: DateOptions) -> Verdict | None:
    """Return the verdict, which takes time linear in the text."""
    return judge(given, gold, options)


KIND = Kind("a day, month or year", DateOptions, judge, settle)
