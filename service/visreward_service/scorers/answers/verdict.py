"""What a comparison says: a score with its reason, or that the gold answer cannot be judged against."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """How right an answer is."""

    score: float
    """Between 0 and 1; kinds that know only right and wrong give 1.0 and 0.0."""
    how: str
    """What decided, in a few words."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What was read from both sides; plain data."""
    values: Mapping[str, float] = field(default_factory=dict)
    """Further numbers of the kind, by name."""

    @classmethod
    def of(cls, right: bool, how: str, **facts: Any) -> "Verdict":
        """Return the verdict of a kind that knows only right and wrong."""
        return cls(float(right), how, facts)


class UnreadableGold(Exception):
    """The gold answer does not have the form that its kind needs. No score follows from that."""
