"""The rule pool: limits, kills, replacement, cancellation, and what its workers are."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from visreward.protocol import Code
from visreward_service.engine.pool import Failure, RulePool
from visreward_service.scorers.base import RuleCall

NAMES = (
    "double kind_of echo fail leave die hang sleep burn tower hoard opaque "
    "pid parent_pid count_pids modules is_warm nothing"
)
RULES = {name: f"pool_rules:{name}" for name in NAMES.split()}
HERE = str(Path(__file__).parent)
LIMIT_SECONDS = 0.4


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RulePool]:
    monkeypatch.syspath_prepend(HERE)
    pool = RulePool(RULES, 2, LIMIT_SECONDS, 256 * 2**20, patience_seconds=LIMIT_SECONDS / 10)
    await pool.start()
    yield pool
    await pool.close()


def call(rule: str, *arguments: Any) -> RuleCall:
    return RuleCall(rule, arguments)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def family_of(pool: RulePool) -> set[int]:
    """Return the process ids of the nursery and of some workers."""
    outcomes = await pool.run([call("parent_pid"), *(call("count_pids", n) for n in range(200))])
    return {outcome for outcome in outcomes if isinstance(outcome, int)}


def code_of(outcome: Any) -> Code | None:
    return outcome.code if isinstance(outcome, Failure) else None


async def test_values_come_back_in_the_order_of_the_calls(pool: RulePool) -> None:
    assert await pool.run([call("double", n) for n in range(500)]) == [2 * n for n in range(500)]


async def test_no_calls_have_no_outcomes(pool: RulePool) -> None:
    assert await pool.run([]) == []


async def test_text_of_any_script_and_size_arrives_unchanged(pool: RulePool) -> None:
    texts = ("é\u202e\u200b１２", "x" * 300_000, "\\frac{" * 1000, "\ud800", "")
    assert await pool.run([call("echo", *texts)]) == [list(texts)]


async def test_one_and_true_and_one_point_zero_are_different_calls(pool: RulePool) -> None:
    kinds = await pool.run([call("kind_of", value) for value in (1, True, 1.0, "1", None, (1,))])
    assert kinds == ["int", "bool", "float", "str", "NoneType", "tuple"]


async def test_an_endless_call_is_a_timeout_and_its_neighbours_have_values(pool: RulePool) -> None:
    calls = [call("double", n) for n in range(100)]
    calls[50:50] = [call("hang")]
    outcomes = await pool.run(calls)
    assert code_of(outcomes.pop(50)) is Code.RULE_TIMEOUT
    assert outcomes == [2 * n for n in range(100)]
    assert pool.counters.timeouts == 1


async def test_an_endless_call_inside_c_code_is_a_timeout_too(pool: RulePool) -> None:
    outcomes = await pool.run([call("tower"), call("double", 4)])
    assert [code_of(outcomes[0]), outcomes[1]] == [Code.RULE_TIMEOUT, 8]


async def test_more_endless_calls_than_workers_do_not_hold_up_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(HERE)
    pool = RulePool(RULES, 2, time_limit_seconds=600, memory_limit_bytes=2**28, patience_seconds=0.02)
    await pool.start()
    endless = asyncio.create_task(pool.run([call("hang", n) for n in range(6)]))
    await asyncio.sleep(0)
    outcomes = await pool.run([call("double", n) for n in range(50)])
    assert outcomes == [2 * n for n in range(50)]
    assert not endless.done()
    await pool.close()
    assert [code_of(outcome) for outcome in await endless] == [Code.RULE_FAILED] * 6


async def test_time_in_the_queue_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    # Together they take the only worker twice as long as the clock allows one call.
    pool = RulePool(RULES, 1, time_limit_seconds=0.1, memory_limit_bytes=2**28, patience_seconds=60)
    await pool.start()
    outcomes = await pool.run([call("sleep", 0.1, n) for n in range(20)])
    await pool.close()
    assert outcomes == [0.1] * 20


async def test_waiting_does_not_count_as_work_but_the_clock_ends_it_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(HERE)
    pool = RulePool(RULES, 1, time_limit_seconds=0.1, memory_limit_bytes=2**28)
    await pool.start()
    outcomes = await pool.run([call("sleep", 0.2), call("sleep", 600.0)])
    await pool.close()
    assert [outcomes[0], code_of(outcomes[1])] == [0.2, Code.RULE_TIMEOUT]


async def test_a_slow_call_that_is_set_aside_still_gives_its_value(pool: RulePool) -> None:
    outcomes = await pool.run([call("burn", 0.3)] + [call("double", n) for n in range(40)])
    assert outcomes == [0.3] + [2 * n for n in range(40)]
    assert pool.counters.set_aside >= 1


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [("fail", ("boom",)), ("leave", ()), ("die", ()), ("hoard", (2**30,)), ("opaque", ())],
)
async def test_a_rule_that_breaks_is_a_failure_and_the_pool_goes_on(
    pool: RulePool, rule: str, arguments: tuple[Any, ...]
) -> None:
    outcomes = await pool.run([call("double", 1), call(rule, *arguments), call("double", 2)])
    assert [outcomes[0], code_of(outcomes[1]), outcomes[2]] == [2, Code.RULE_FAILED, 4]


async def test_a_failure_does_not_repeat_what_the_rule_said(pool: RulePool) -> None:
    [outcome] = await pool.run([call("fail", "secret path")])
    assert "secret" not in outcome.message


async def test_equal_calls_are_run_once(pool: RulePool) -> None:
    await pool.run([call("double", 1)] * 50)
    await pool.run([call("double", 1)] * 50)
    assert (pool.counters.asked, pool.counters.completed) == (100, 1)


async def test_failures_are_not_remembered(pool: RulePool) -> None:
    await pool.run([call("die")])
    await pool.run([call("die")])
    assert pool.counters.failures == 2


async def test_a_cancelled_caller_leaves_the_queue_and_frees_the_workers(pool: RulePool) -> None:
    caller = asyncio.create_task(pool.run([call("hang", n) for n in range(1000)]))
    await asyncio.sleep(0.05)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert pool.num_queued == 0
    assert await pool.run([call("double", 5)]) == [10]
    assert pool.counters.timeouts == 0


async def test_a_call_that_two_callers_share_survives_the_cancelling_of_one(pool: RulePool) -> None:
    first = asyncio.create_task(pool.run([call("sleep", 0.2)]))
    second = asyncio.create_task(pool.run([call("sleep", 0.2)]))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await second == [0.2]


async def test_an_unknown_rule_is_an_error_of_the_caller(pool: RulePool) -> None:
    with pytest.raises(KeyError):
        await pool.run([call("double", 1), call("absent")])
    assert await pool.run([call("double", 1)]) == [2]


async def test_workers_import_the_rules_and_no_server_or_torch(pool: RulePool) -> None:
    [outcome] = await pool.run([call("modules")])
    assert isinstance(outcome, list)
    assert "pool_rules" in outcome
    assert not {"torch", "fastapi", "uvicorn", "asyncio", "pytest", "visreward_service"} & set(outcome)


async def test_a_rule_module_is_warmed_before_workers_are_forked(pool: RulePool) -> None:
    assert await pool.run([call("is_warm")]) == [True]


async def test_a_killed_worker_is_replaced(pool: RulePool) -> None:
    [victim] = await pool.run([call("pid")])
    assert isinstance(victim, int)
    os.kill(victim, signal.SIGKILL)
    assert await pool.run([call("double", n) for n in range(50)]) == [2 * n for n in range(50)]
    assert victim not in await family_of(pool)


async def test_a_killed_nursery_is_replaced(pool: RulePool) -> None:
    [nursery] = await pool.run([call("parent_pid")])
    assert isinstance(nursery, int)
    os.kill(nursery, signal.SIGKILL)
    outcomes = await pool.run([call("double", n) for n in range(50)])
    assert outcomes == [2 * n for n in range(50)]


async def test_no_process_is_left_after_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    pool = RulePool(RULES, workers=2, time_limit_seconds=60, memory_limit_bytes=2**28)
    await pool.start()
    started = await family_of(pool)
    endless = asyncio.create_task(pool.run([call("hang", n) for n in range(4)]))
    await asyncio.sleep(0.1)
    await pool.close()
    assert [code_of(outcome) for outcome in await endless] == [Code.RULE_FAILED] * 4
    assert len(started) >= 2
    assert not [pid for pid in started if is_alive(pid)]
    with pytest.raises(RuntimeError):
        await pool.run([call("double", 1)])


async def test_a_rule_that_cannot_be_imported_stops_the_start() -> None:
    pool = RulePool({"x": "no_such_module:f"}, workers=1, time_limit_seconds=1, memory_limit_bytes=2**28)
    with pytest.raises(RuntimeError, match="no_such_module"):
        await pool.start()
    await pool.close()


PROGRAM = """
import asyncio, sys
sys.path.insert(0, {here!r})
from visreward_service.engine.pool import RulePool
from visreward_service.scorers.base import RuleCall

async def main():
    rules = {{name: "pool_rules:" + name for name in ("hang", "pid", "parent_pid")}}
    pool = RulePool(rules, 2, 60.0, 2**28)
    await pool.start()
    print(*await pool.run([RuleCall("pid", ()), RuleCall("parent_pid", ())]), flush=True)
    await pool.run([RuleCall("hang", (n,)) for n in range(2)])

if __name__ == "__main__":
    asyncio.run(main())
else:
    raise SystemExit("the program was imported again")
"""


async def test_workers_end_with_a_parent_that_was_killed_and_never_import_its_program(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(here=HERE))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        family = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(family) == 2
        await asyncio.sleep(0.1)
        assert all(is_alive(pid) for pid in family)
        parent.send_signal(signal.SIGKILL)
    for _ in range(100):
        if not any(is_alive(pid) for pid in family):
            break
        await asyncio.sleep(0.1)
    assert not any(is_alive(pid) for pid in family)


async def test_it_works_on_uvloop_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    uvloop = pytest.importorskip("uvloop")
    monkeypatch.syspath_prepend(HERE)

    async def scenario() -> list[Any]:
        pool = RulePool(RULES, workers=1, time_limit_seconds=LIMIT_SECONDS, memory_limit_bytes=2**28)
        await pool.start()
        try:
            return await pool.run([call("double", 1), call("hang"), call("die"), call("double", 2)])
        finally:
            await pool.close()

    outcomes = await asyncio.to_thread(lambda: uvloop.run(scenario()))
    assert [outcomes[0], outcomes[3]] == [2, 4]
    assert [code_of(outcomes[1]), code_of(outcomes[2])] == [Code.RULE_TIMEOUT, Code.RULE_FAILED]


async def test_what_is_answered_when_the_time_is_up_keeps_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)
    pool = RulePool(RULES, 2, time_limit_seconds=600, memory_limit_bytes=2**28, patience_seconds=0.02)
    await pool.start()
    quick = [call("double", n) for n in range(20)]
    assert (await pool.judge(quick, seconds=600)).num_run == 20
    for seconds in (0.3, 0.0):
        ruling = await pool.judge([*quick, call("hang")], seconds)
        assert ruling.outcomes[:-1] == [2 * n for n in range(20)]
        assert code_of(ruling.outcomes[-1]) is Code.DEADLINE_EXCEEDED
        assert ruling.num_run == 0
    assert await pool.run([call("double", 99)]) == [198]
    await pool.close()


async def test_only_calls_that_workers_answered_for_the_caller_count_as_run(pool: RulePool) -> None:
    assert (await pool.judge([call("double", n) for n in (1, 2, 2, 3)])).num_run == 3
    again = await pool.judge([call("double", n) for n in (1, 2, 3, 4)])
    assert again.num_run == 1
    both = [pool.judge([call("sleep", 0.2)]), pool.judge([call("sleep", 0.2)])]
    assert sorted(ruling.num_run for ruling in await asyncio.gather(*both)) == [0, 1]


async def test_none_is_a_value_and_not_a_missing_outcome(pool: RulePool) -> None:
    ruling = await pool.judge([call("nothing")], seconds=60)
    assert ruling.outcomes == [None]
    assert ruling.num_run == 1
