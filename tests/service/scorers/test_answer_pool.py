"""The `answer` rule in the pool: hostile answers cost their own item, and workers stay lean."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from visreward.protocol import Code
from visreward_service.engine.pool import Failure, RulePool
from visreward_service.scorers import RULES, answers
from visreward_service.scorers.base import RuleCall

LIMIT_SECONDS = 0.5


@pytest.fixture
async def pool() -> AsyncIterator[RulePool]:
    pool = RulePool({answers.RULE: RULES[answers.RULE]}, 2, LIMIT_SECONDS, 2**29, patience_seconds=0.1)
    await pool.start()
    yield pool
    await pool.close()


def call(given: str, gold: str, grader: str, kind: str = "math") -> RuleCall:
    options: tuple[tuple[str, Any], ...] = (("grader", grader),)
    if grader == "math_verify":
        options += (("wrap", "both"),)
    return RuleCall(answers.RULE, (kind, given, gold, options if kind == "math" else ()))


HOSTILE = [
    "9**9**9**9",
    "9^{9^{9^{9}}}",
    "9^9^9^9",
    "(x+1)^{5000}",
    "\\frac{" * 10_000,
    "\\frac{1}{" * 3_000 + "1" + "}" * 3_000,
    "(" * 3_000 + "1" + ")" * 3_000,
    "9" * 100_000,
    "100000!",
    "99999999999!",
    "\\sum_{i=1}^{10^9} i^i",
    "\\int_0^1 \\sin(x^x)/\\log(x+2) dx",
    "a" * 50 + "!" * 50,
    "\\begin{pmatrix}" + "1&" * 2_000 + "1\\end{pmatrix}",
    "\\begin{pmatrix}" + ("1&" * 60 + "1\\\\") * 60 + "1\\end{pmatrix}",
    "\u202e\u200b５" * 2_000,
    "1," * 5_000,
    "sqrt(" * 200 + "2" + ")" * 200,
]


async def test_hostile_answers_cost_their_own_items_and_no_other(pool: RulePool) -> None:
    """Every grader meets every hostile answer; good pairs between them have their verdicts."""
    calls, good = [], []
    for number, given in enumerate(HOSTILE):
        for grader in ("mathruler", "math_verify", "strict"):
            calls.append(call(given, "x^2+y=3" if number % 2 else "5", grader))
            good.append(len(calls))
            calls.append(call(f"{number}+x", f"x+{number}", grader))
    outcomes = await pool.run(calls)
    for position, outcome in enumerate(outcomes):
        if position in good:
            assert not isinstance(outcome, Failure)
            assert outcome["score"] == 1.0
        elif isinstance(outcome, Failure):
            assert outcome.code in (Code.RULE_TIMEOUT, Code.RULE_FAILED)
        else:
            assert outcome.get("score", 0.0) == 0.0
    [after] = await pool.run([call("y+1", "1+y", "strict")])
    assert not isinstance(after, Failure)
    assert after["score"] == 1.0


async def test_the_strict_profile_and_the_other_kinds_do_not_even_need_the_time_limit(pool: RulePool) -> None:
    outcomes = await pool.run([call(given, "5", "strict") for given in HOSTILE])
    assert [outcome for outcome in outcomes if isinstance(outcome, Failure)] == []
    texts = ["9" * 100_000, "{" * 100_000, "a, " * 50_000, "x" * 200_000, "\u200b" * 100_000, "$" * 100_000]
    golds = {"number": "5", "json": '{"a": 1}', "list": "a, b", "choice": "A", "text": "cat", "auto": "x^2"}
    calls = [call(text, gold, "strict", kind) for kind, gold in golds.items() for text in texts]
    for asked, outcome in zip(calls, await pool.run(calls)):
        assert not isinstance(outcome, Failure), asked.arguments[0]
        assert outcome["score"] == 0.0


async def test_answers_that_never_end_hold_up_no_others() -> None:
    """Good pairs have verdicts while hostile ones are at work, under a limit that nobody waits for."""
    pool = RulePool({answers.RULE: RULES[answers.RULE]}, 1, 300.0, 2**29, patience_seconds=0.1)
    await pool.start()
    endless = [call(f"99999999{n}!", "5", "math_verify") for n in range(3)]
    hostile = asyncio.create_task(pool.run(endless))
    try:
        good = await pool.run([call(f"{number}+x", f"x+{number}", "math_verify") for number in range(40)])
        scores = [outcome["score"] for outcome in good if not isinstance(outcome, Failure)]
        assert scores == [1.0] * 40
        assert not hostile.done()
    finally:
        hostile.cancel()
        await pool.close()


async def test_workers_of_the_rules_hold_no_torch_and_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1] / "engine"))
    pool = RulePool({**RULES, "modules": "pool_rules:modules"}, 1, 30.0, 2**30)
    await pool.start()
    try:
        [modules] = await pool.run([RuleCall("modules", ())])
    finally:
        await pool.close()
    assert isinstance(modules, list)
    assert "sympy" in modules
    assert not {"torch", "transformers", "open_clip", "fastapi", "starlette", "uvicorn"} & set(modules)
