"""The kinds of answer, one module each, and the rule that runs them in a worker."""

from typing import Any

from visreward_service.scorers.answers import (
    auto,
    choice,
    date,
    fields,
    graders,
    listing,
    math,
    number,
    route,
    span,
    text,
    yes_no,
)
from visreward_service.scorers.answers.kind import Kind
from visreward_service.scorers.answers.verdict import UnreadableGold, Verdict

KINDS: dict[str, Kind] = {
    "math": math.KIND,
    "number": number.KIND,
    "choice": choice.KIND,
    "yes_no": yes_no.KIND,
    "text": text.KIND,
    "list": listing.KIND,
    "json": fields.KIND,
    "date": date.KIND,
    "span": span.KIND,
    "route": route.KIND,
    "auto": auto.KIND,
}

RULE = "answer"
"""Name under which `judge` stands among the rules."""


def judge(kind: str, given: str, gold: str, options: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Compare in a worker; return the verdict as plain data, or `{"unreadable": reason}` of the gold."""
    chosen = KINDS[kind]
    try:
        verdict = chosen.judge(given, gold, chosen.options(**dict(options)))
    except UnreadableGold as unreadable:
        return {"unreadable": str(unreadable)}
    return {
        "score": verdict.score,
        "how": verdict.how,
        "facts": dict(verdict.facts),
        "values": dict(verdict.values),
    }


def warm() -> None:
    """Prepare what workers share when they are forked."""
    graders.warm()


__all__ = ["KINDS", "RULE", "Kind", "UnreadableGold", "Verdict", "judge", "warm"]
