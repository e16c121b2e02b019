"""The demonstration runs from its first picture to its last table, on settings that teach it nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
SHORT = (
    *("--scenes", "8", "--held-out", "2", "--warm-up-steps", "2", "2", "--steps", "2", "1"),
    *("--prompts", "2", "--threads", "1"),
)


@pytest.mark.slow
def test_the_demonstration_leaves_a_table_a_curve_and_its_figures(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo", "--out", str(tmp_path), *SHORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    table = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert [line.split(" | ")[:2] for line in table.splitlines()[2:]] == [
        ["| warm-up", "before"],
        ["| trained", "after stage 1"],
        ["| trained", "after stage 2"],
        ["| control", "after stage 1"],
        ["| control", "after stage 2"],
    ]
    assert table in done.stdout
    figures = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    for run in ("trained", "control"):
        for worth in figures[run].values():
            assert worth["num_completions"] + worth["num_failed"] == 2 * 4
        steps = (tmp_path / run / "stage1" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        assert [json.loads(line)["step"] for line in steps][-1] == 2
    with Image.open(tmp_path / "rewards.png") as curve:
        assert min(curve.size) > 300
