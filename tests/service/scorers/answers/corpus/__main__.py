"""How the graders fare on the corpus, as a table in Markdown."""

import asyncio
import sys
import unicodedata
from dataclasses import dataclass

from tests.service.scorers.answers.corpus import pairs
from tests.service.scorers.answers.corpus.variant import PAIRS_PER_VARIANT, VARIANTS

TIME_LIMIT_SECONDS = 10.0
GRADERS: dict[str, tuple[tuple[str, str], ...]] = {
    "strict": (("grader", "strict"),),
    "mathruler": (("grader", "mathruler"),),
    "math_verify": (("grader", "math_verify"), ("wrap", "both")),
}


@dataclass
class Tally:
    """How a grader fared on a variant."""

    num_wrong: int = 0
    num_late: int = 0
    """Pairs on which it was killed at the time limit."""
    example: tuple[str, str] | None = None


async def measure() -> dict[tuple[str, str], Tally]:
    """Return by (variant, grader) what the grader got wrong; a gold answer that it cannot read is wrong."""
    from visreward_service.engine.pool import Failure, RulePool
    from visreward_service.scorers.base import RuleCall

    pool = RulePool({"answer": "visreward_service.scorers.answers:judge"}, 1, TIME_LIMIT_SECONDS, 2**30)
    await pool.start()
    tallies: dict[tuple[str, str], Tally] = {}
    corpus = list(pairs())
    try:
        for grader, options in GRADERS.items():
            calls = [RuleCall("answer", ("math", pair.given, pair.gold, options)) for pair in corpus]
            for pair, outcome in zip(corpus, await pool.run(calls)):
                tally = tallies.setdefault((pair.variant.name, grader), Tally())
                if isinstance(outcome, Failure):
                    tally.num_late += 1
                elif "unreadable" in outcome or (outcome["score"] == 1.0) != pair.variant.right:
                    tally.num_wrong += 1
                    tally.example = tally.example or (pair.given, pair.gold)
    finally:
        await pool.close()
    return tallies


def visible(text: str) -> str:
    """Return a text as it may stand in a table, invisible characters by their code points."""
    shown = (f"U+{ord(mark):04X} " if unicodedata.category(mark) == "Cf" else mark for mark in text.strip())
    return "".join(shown).replace("|", "\\|")


def table(tallies: dict[tuple[str, str], Tally]) -> str:
    """Return the table of disagreements in Markdown."""
    total = len(VARIANTS) * PAIRS_PER_VARIANT
    lines = [f"{total} pairs, {PAIRS_PER_VARIANT} of each of {len(VARIANTS)} variants.", ""]
    lines += ["| | strict | mathruler | math_verify |", "|---|---|---|---|"]
    for is_right, label in ((True, "right answers called wrong"), (False, "wrong answers called right")):
        names = [variant.name for variant in VARIANTS if variant.right is is_right]
        sums = [sum(tallies[name, grader].num_wrong for name in names) for grader in GRADERS]
        lines.append(f"| {label}, of {len(names) * PAIRS_PER_VARIANT} | {' | '.join(map(str, sums))} |")
    late = [
        sum(tally.num_late for (_, name), tally in tallies.items() if name == grader) for grader in GRADERS
    ]
    limit = f"no verdict in {TIME_LIMIT_SECONDS:g} s of processor time"
    lines.append(f"| {limit} | {' | '.join(map(str, late))} |")
    lines += ["", "| variant | truth | mathruler errs | math_verify errs | example: given, gold | why |"]
    lines += ["|---|---|---|---|---|---|"]
    for variant in VARIANTS:
        found = [tallies[variant.name, grader] for grader in ("mathruler", "math_verify")]
        example = next((tally.example for tally in found if tally.example), None)
        if example:
            shown = ", ".join(f"`{visible(text)}`" for text in example)
            counts = " | ".join(str(tally.num_wrong or "") for tally in found)
            truth = "right" if variant.right else "wrong"
            lines.append(f"| {variant.name} | {truth} | {counts} | {shown} | {variant.why} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(table(asyncio.run(measure())) + "\n")
