"""`verify`: answers through the scorer and one worker, beside math_verify called one by one in this process.

Rates are answers per second of processor time, the workers' included, so that they are those of one core and
hold on a machine that others use too. No number and no formula comes twice; letters do, as in training, and
their verdicts are remembered. Items are made beforehand: parsing a request is none of a verifier's work.
"""

import asyncio
import os
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psutil

from loadtests.bench import Bench
from loadtests.results import Row
from visreward.protocol import Item, Reference
from visreward_service.engine.pool import Failure, RulePool
from visreward_service.scorers import RULES, answers
from visreward_service.scorers.answer import Answer, AnswerParams
from visreward_service.scorers.base import Catalog, RuleCall, Subject, Work

MIX_ANSWERS = 1_000
SIMPLE_ANSWERS = 10_000
DIRECT_SIMPLE_ANSWERS = 1_000
"""Answers of one slice: the systems take turns, a slice each, in every repeat."""
TIME_LIMIT_SECONDS = 5.0
MEMORY_LIMIT_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class Pair:
    """An answer, the gold one, and whether it is right."""

    given: str
    gold: str
    right: bool
    is_choice: bool = False


def number(source: random.Random) -> Pair:
    gold = source.randint(-(10**8), 10**8)
    right = source.random() < 0.5
    return Pair(str(gold if right else gold + source.randint(1, 999)), str(gold), right)


def choice(source: random.Random) -> Pair:
    """A letter, bare or dressed."""
    gold, given = source.choice("ABCD"), source.choice("ABCD")
    dressed = f"{source.choice(('', '(', 'Option '))}{given}"
    return Pair(dressed + (")" if dressed[0] == "(" else ""), gold, given == gold, is_choice=True)


def fraction(source: random.Random) -> Pair:
    above, below, factor = source.randint(1, 10**5), source.randint(2, 10**5), source.randint(2, 9)
    right = source.random() < 0.5
    given = above * factor if right else above * factor + 1
    return Pair(f"\\frac{{{given}}}{{{below * factor}}}", f"\\frac{{{above}}}{{{below}}}", right)


def product(source: random.Random) -> Pair:
    """Two linear factors against their expansion: what sympy has to work for."""
    a, b, c, d = (source.randint(2, 999) for _ in range(4))
    right = source.random() < 0.5
    middle = a * d + b * c + (0 if right else 1)
    return Pair(f"({a}x+{b})({c}x+{d})", f"{a * c}x^2+{middle}x+{b * d}", right)


def simple_pairs(seed: int) -> Iterator[Pair]:
    """Numbers and letters, five of seven numbers."""
    source = random.Random(seed)
    while True:
        yield number(source) if source.random() < 5 / 7 else choice(source)


def mixed_pairs(seed: int) -> Iterator[Pair]:
    """70 % numbers and letters, 20 % fractions, 10 % products."""
    source = random.Random(seed)
    kinds: Sequence[tuple[Callable[[random.Random], Pair], float]] = (
        (number, 0.5), (choice, 0.2), (fraction, 0.2), (product, 0.1),
    )  # fmt: skip
    while True:
        (kind,) = source.choices([one for one, _ in kinds], [weight for _, weight in kinds])
        yield kind(source)


class Scorer:
    """Judges pairs as a recipe's term does: letters by `choice`, all else by `math` with one grader."""

    def __init__(self, grader: str, pool: RulePool) -> None:
        wrap = {"wrap": "both"} if grader == "math_verify" else {}
        params = AnswerParams.model_validate({"kind": "math", "grader": grader, **wrap})
        self._math = Answer(params, Catalog())
        self._choice = Answer(AnswerParams(kind="choice"), Catalog())
        self._pool = pool

    async def judge(self, pairs: Sequence[Pair], subjects: Sequence[Subject]) -> list[float]:
        """Return how right each answer is; a failed call ends the bench."""
        scorers = [self._choice if pair.is_choice else self._math for pair in pairs]
        asked = [scorer.prepare(subject) for scorer, subject in zip(scorers, subjects)]
        calls = [unit for units in asked for unit in units if isinstance(unit, RuleCall)]
        results: dict[Work, Any] = dict(zip(calls, await self._pool.run(calls))) if calls else {}
        if any(isinstance(result, Failure) for result in results.values()):
            raise SystemExit("a rule failed; the bench measures only whole runs")
        return [
            scorer.finish(subject, {unit: results[unit] for unit in units}).values["correct"]
            for scorer, subject, units in zip(scorers, subjects, asked)
        ]


def build_subject(pair: Pair) -> Subject:
    """Return the answer as the item that a request's parser would have made of it."""
    item = Item.model_construct(id="", completion=pair.given, reference=Reference(answer=pair.gold))
    return Subject(item, {"completion": pair.given})


def judge_directly(pairs: Iterable[Pair]) -> list[bool]:
    """Verify as trainers do: math_verify with its defaults, one call after the other."""
    from math_verify import parse, verify

    return [bool(verify(parse(f"${pair.gold}$"), parse(f"${pair.given}$"))) for pair in pairs]


def spent_seconds() -> float:
    """Return the processor seconds of this process and of all that it started."""
    spent = time.process_time()
    for child in psutil.Process(os.getpid()).children(recursive=True):
        times = child.cpu_times()
        spent += times.user + times.system + times.children_user + times.children_system
    return spent


@dataclass(frozen=True, slots=True)
class Share:
    """A kind of traffic, and how much of it a slice has for the service and for the direct calls."""

    name: str
    pairs: Callable[[int], Iterator[Pair]]
    num_answers: int
    num_direct: int
    aim: str = "–"
    """What the ratio of the strict grader should be."""


SHARES = (
    Share("verify", mixed_pairs, MIX_ANSWERS, MIX_ANSWERS, "≥ 20"),
    Share("verify-simple", simple_pairs, SIMPLE_ANSWERS, DIRECT_SIMPLE_ANSWERS, "≥ 100"),
)


async def measure(share: Share, scorers: dict[str, Scorer], repeats: int) -> dict[str, float]:
    """Return the best rate of each scorer, and of the direct calls under the name `direct`."""
    rates: dict[str, list[float]] = {name: [] for name in (*scorers, "direct")}
    for repeat in range(repeats):
        for place, (name, scorer) in enumerate(scorers.items()):
            seed = 1_000_003 * repeat + place
            pairs = list(islice(share.pairs(seed), share.num_answers))
            subjects = [build_subject(pair) for pair in pairs]
            before = spent_seconds()
            found = await scorer.judge(pairs, subjects)
            rates[name].append(len(pairs) / (spent_seconds() - before))
            check(name, pairs, found)
        pairs = list(islice(share.pairs(1_000_003 * repeat + len(scorers)), share.num_direct))
        before = time.process_time()
        judge_directly(pairs)
        rates["direct"].append(len(pairs) / (time.process_time() - before))
    return {name: max(values) for name, values in rates.items()}


def check(grader: str, pairs: Sequence[Pair], found: Sequence[float]) -> None:
    """End the bench where the strict grader is wrong; math_verify's verdicts are its own."""
    if grader == "strict" and [pair.right for pair in pairs] != [score == 1.0 for score in found]:
        raise SystemExit("a verdict is wrong; the bench measures only right ones")


async def measure_all(repeats: int) -> list[Row]:
    pool = RulePool({answers.RULE: RULES[answers.RULE]}, 1, TIME_LIMIT_SECONDS, MEMORY_LIMIT_BYTES)
    await pool.start()
    try:
        scorers = {grader: Scorer(grader, pool) for grader in ("strict", "math_verify")}
        await measure(Share("warm", mixed_pairs, 100, 100), scorers, 1)
        rows = []
        for share in SHARES:
            rates = await measure(share, scorers, repeats)
            rows += [
                Row(
                    share.name,
                    f"scorer and one worker, {grader}",
                    rates[grader],
                    "math_verify called one by one",
                    rates["direct"],
                    aim=share.aim if grader == "strict" else "–",
                )
                for grader in scorers
            ]
        return rows
    finally:
        await pool.close()


def verify(bench: Bench) -> list[Row]:
    """`verify`: the mix; `verify-simple`: its numbers and letters alone. Needs no service."""
    return asyncio.run(measure_all(bench.repeats))
