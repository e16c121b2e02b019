"""The bench as a program: what it refuses, where its tables go, and scenarios that need no peers."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import __main__ as program
from loadtests.breakdown import PARTS
from loadtests.service import Target

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["gruped"], "no such scenario: gruped"),
        (["--peers", "litserv"], "no such peer: litserv"),
        (["--device", "cuda:99"], "device 'cuda:99' is not there"),
        (["--shape", "vit-b-33"], "invalid choice: 'vit-b-33'"),
    ],
)
def test_what_is_not_there_is_refused_before_anything_starts(
    arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        program.parse(arguments)
    assert reason in capsys.readouterr().err


def test_each_target_has_a_table_of_its_own_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    page.write_text(f"before\n{program.START}\nold\n{program.END}\nafter\n", encoding="utf-8")
    monkeypatch.setattr(program, "README", page)
    here, there = Target("vit-b-32", tmp_path), Target("fg-clip-large", tmp_path, "cuda:0", "bfloat16")
    for text, target in (("ours", here), ("large", there), ("ours anew", here), ("large anew", there)):
        program.write(text, target)
    lines = page.read_text(encoding="utf-8").split("\n")
    start = "<!-- results fg-clip-large-cuda0-bfloat16 -->"
    expected = ["before", program.START, "ours anew", program.END, "", start, "large anew", program.END]
    assert lines == [*expected, "after", ""]


@pytest.mark.slow
def test_a_step_is_broken_down_and_a_stand_in_is_fed(tmp_path: Path) -> None:
    options = ["--shape", "bundled", "--images", "3", "--repeats", "1", "--cache", str(tmp_path)]
    command = [sys.executable, "-m", "loadtests", "breakdown", "feed", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for part in PARTS:
        assert f"| breakdown | {part} |" in done.stdout
    for traffic in ("new images", "images of before"):
        [line] = [line for line in done.stdout.splitlines() if line.startswith(f"| feed, {traffic} |")]
        assert "items/s" in line
