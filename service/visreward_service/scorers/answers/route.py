"""Kind `route`: a planned metro route against the line data, as RewardMap scores it (arXiv:2510.02240).

The answer is a list of segments, `Route Name`, `Departure Stop`, `Arrival Stop`, separated by `--`. The gold
answer is not read: the line data and the two end points decide. `paper` gives the released code's numbers, as
`metro` has them. `strict` mends: a segment costs only beyond the allowed number of transfers, where the
released code is off by one; it must join two different stations; every section must be one; and labels and
lines are read in any case.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Literal

from visreward_service.scorers.answers import metro
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

MAX_CHARS = 20_000
MAX_SEGMENTS = 50
SEGMENT = re.compile(
    r"Route\s*Name\s*[:：]\s*(?P<line>[^\n]*)\n\s*Departure\s*Stop\s*[:：]\s*(?P<start>[^\n]*)\n"
    r"\s*Arrival\s*Stop\s*[:：]\s*(?P<end>[^\n]*)",
    re.IGNORECASE,
)
DROPPED = re.compile(r"metro|station|[,*\"'“”‘’()（）\s-]", re.IGNORECASE)
EXPANSIONS = (("univ.", "university"), ("tech.", "technology"), ("road", "lu"))
ALIASES = {"八通": "line1", "八通线": "line1", "大兴": "line4", "大兴线": "line4"}
ARRIVED, WRONG_SEGMENT, DIRECT_LINE, TRANSFER_LINE, TRANSFER, CAP = 2.0, -5.0, 4.0, 3.0, 1.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteOptions:
    """The profile, and what the item knows of the map."""

    profile: Literal["paper", "strict"] = "strict"
    lines: str | None = None
    """From the item: line data, a JSON object from line name to its stations."""
    station_1: str | None = None
    """From the item: where the route starts."""
    station_2: str | None = None
    """From the item: where it ends."""
    question_transfer_count: int | None = None
    """From the item: how many transfers the shortest route needs."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One ride, by normalised names."""

    line: str
    start: str
    end: str


def normalise(name: str) -> str:
    """Return a line's or station's name in the form in which names are compared."""
    name = name.lower().strip()
    for short, long in EXPANSIONS:
        name = name.replace(short, long)
    name = DROPPED.sub("", name)
    name = name.removesuffix("站")
    return ALIASES.get(name, name)


def read_segments(text: str) -> list[Segment] | None:
    """Return the rides of an answer; None where a section is none."""
    sections = [section for section in text[:MAX_CHARS].split("--") if section.strip()]
    matches = [SEGMENT.search(section) for section in sections]
    if not matches or len(matches) > MAX_SEGMENTS or not all(matches):
        return None
    names = (match.group("line", "start", "end") for match in matches if match)
    return [Segment(*map(normalise, segment)) for segment in names]


def _read_lines(
    options: RouteOptions, read: Callable[[str], str], read_name: Callable[[str], str]
) -> dict[str, frozenset[str]]:
    """Return the stations of each line, by names as the two functions read them."""
    try:
        data = json.loads(options.lines or "")
        lines = {read_name(line): frozenset(map(read, stops)) for line, stops in data.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise UnreadableGold("reference.extra.lines is no JSON object of lines and their stations") from None
    if not lines or not options.station_1 or not options.station_2 or options.question_transfer_count is None:
        raise UnreadableGold("a route needs lines, station_1, station_2 and question_transfer_count")
    return lines


def judge(given: str, gold: str, options: RouteOptions) -> Verdict:  # noqa: ARG001 - the map is the gold answer
    """Return whether the route is right, and its detail reward, between -inf and 10, as `detail`."""
    if options.profile == "paper":
        return _judge_as_published(given, options)
    lines = _read_lines(options, normalise, normalise)
    segments = read_segments(given)
    if segments is None:
        return Verdict(0.0, "no route", values={"detail": 0.0})
    ends = normalise(options.station_1 or ""), normalise(options.station_2 or "")
    arrives = (segments[0].start, segments[-1].end) == ends
    right = arrives and all(_is_ride(segment, lines) for segment in segments) and _chains(segments)
    detail = _detail(segments, lines, options) if arrives else 0.0
    facts = {"segments": len(segments)}
    return Verdict(float(right), "route", facts, values={"detail": min(detail, CAP)})


def _judge_as_published(given: str, options: RouteOptions) -> Verdict:
    lines = _read_lines(options, metro.clean, str)
    ends = metro.clean(options.station_1 or ""), metro.clean(options.station_2 or "")
    rides, loose = metro.read_rides(given), metro.read_rides(given, any_case=True)
    right = metro.arrives(rides, ends) and metro.is_route(rides, lines)
    detail = 0.0
    if metro.arrives(loose, ends):
        detail = metro.value_details(loose, lines, ends, options.question_transfer_count or 0)
    return Verdict(float(right), "route", {"segments": len(rides)}, values={"detail": detail})


def _is_ride(segment: Segment, lines: dict[str, frozenset[str]]) -> bool:
    if segment.start == segment.end:
        return False
    return {segment.start, segment.end} <= lines.get(segment.line, frozenset())


def _chains(segments: Sequence[Segment]) -> bool:
    return all(one.end == other.start for one, other in pairwise(segments))


def _detail(segments: Sequence[Segment], lines: dict[str, frozenset[str]], options: RouteOptions) -> float:
    allowed = options.question_transfer_count or 0
    detail = ARRIVED
    for place, segment in enumerate(segments):
        if place > allowed:
            detail += WRONG_SEGMENT
        if segment.line in lines:
            detail += DIRECT_LINE if allowed == 0 else TRANSFER_LINE
    transfers = islice(pairwise(segments), allowed)
    return detail + TRANSFER * sum(one.end == other.start for one, other in transfers)


CONTEXT = ("lines", "station_1", "station_2", "question_transfer_count")
KIND = Kind(
    "a metro route against line data",
    RouteOptions,
    judge,
    context=CONTEXT,
    needs=CONTEXT,
    reads_gold=False,
    outputs=("detail",),
)
