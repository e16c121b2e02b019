"""A wall clock that jumps changes nothing: what is measured and waited for goes by clocks that only run."""

import ast
import itertools
import time
from pathlib import Path

import pytest

import visreward
import visreward_service
from tests.service.rest.conftest import running
from tests.service.scenes_data import item, picture

PACKAGES = (Path(visreward.__file__).parent, Path(visreward_service.__file__).parent)
READS_DATES = {"client/visreward/exchange.py", "client/visreward/adapters/upload.py"}
"""Modules that compare the wall clock with a date from outside."""


def wall_clock_calls(path: Path) -> list[str]:
    """Return what a module asks the wall clock."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = [ast.unparse(function) for function in calls if isinstance(function, ast.Attribute)]
    wall = ("time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today", "date.today")
    return [name for name in names if name.endswith(wall) and not name.startswith("loop")]


def test_no_module_asks_the_wall_clock_how_long_something_takes() -> None:
    found = {
        path.relative_to(package.parents[1]).as_posix(): calls
        for package in PACKAGES
        for path in package.rglob("*.py")
        if (calls := wall_clock_calls(path))
    }
    assert set(found) <= READS_DATES


async def test_requests_with_deadlines_are_scored_alike_while_the_clock_jumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    body = {
        "recipe": "pebr-r1/stage1",
        "images": [picture(1).wire()],
        "items": [item(1, number) for number in range(3)],
        "deadline_ms": 500_000,
    }
    true_time = time.time
    jumps = itertools.cycle((0.0, 3.2e7, -3.2e7, 86_400.0))
    async with running() as service:
        calm = (await service.post("/score", json=body)).json()
        monkeypatch.setattr(time, "time", lambda: true_time() + next(jumps))
        for _ in range(4):
            jumpy = (await service.post("/score", json=body)).json()
            assert jumpy["items"] == calm["items"]
            assert 0 <= jumpy["timings_ms"]["total"] < 500_000
        assert (await service.get("/readyz")).status_code == 200
