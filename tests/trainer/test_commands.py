"""The trainer's commands: what they print, and that help costs nothing heavy."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from visreward.cli.program import run_program
from visreward_trainer.errors import DataError, TrainerError
from visreward_trainer.stages import Plan, run_stages

COMMANDS = ("train", "sample", "key-words", "pebr-r1")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_loads_nothing_heavy(command: str) -> None:
    code = (
        "import sys\n"
        "from visreward.cli import main\n"
        f"try: main([{command!r}, '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'transformers', 'trl', 'datasets', 'pydantic', 'numpy', 'httpx', 'rich'}\n"
        "sys.exit(', '.join(sorted(heavy & sys.modules.keys())) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert command in done.stdout


def test_the_whole_config_of_a_run_is_shown_with_everything_that_was_set(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [
        "train",
        "--config",
        "pebr-r1-stage1.toml",
        "--model",
        "m",
        "--data",
        "d.jsonl",
        "--output",
        "out",
        "--show-config",
    ]
    options = [
        "--vllm-url",
        "http://v",
        "--reward-url",
        "http://r",
        "--max-steps",
        "7",
        "--set",
        "optim.kl=0.5",
    ]
    assert run_program([*arguments, *options]) == 0
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert shown["rollouts"]["kind"] == "server"
    assert shown["reward"]["url"] == "http://r"
    assert (shown["optim"]["max_steps"], shown["optim"]["kl"]) == (7, 0.5)


def test_a_wrong_name_ends_with_the_nearest_one_and_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["train", "--set", "optim.learning_rat=1"]) == 2
    error = capsys.readouterr().err
    assert "optim.learning_rat: no such setting; nearest: learning_rate" in error
    assert "model: missing" in error
    assert "Traceback" not in error


def test_key_words_are_added_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.jsonl").write_text('{"caption": "Two red rings."}\n', encoding="utf-8")
    arguments = ["--data", str(tmp_path / "in.jsonl"), "--out", str(tmp_path / "out.jsonl")]
    assert run_program(["key-words", *arguments]) == 0
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["key_words"] == [
        "two",
        "red",
        "ring",
    ]
    assert "1 lines" in capsys.readouterr().out


class Steps:
    """Stands where the program stands, and does what each step leaves behind."""

    def __init__(self, folder: Path, *, medium: str = '{"question": "a"}\n') -> None:
        self.script = folder / "step.py"
        self.log = folder / "steps.txt"
        self.script.write_text(
            "import pathlib, sys\n"
            "args = sys.argv[1:]\n"
            f"log = pathlib.Path({str(self.log)!r})\n"
            "log.write_text((log.read_text() if log.exists() else '') + ' '.join(args) + '\\n')\n"
            "out = pathlib.Path(args[args.index('--output') + 1])\n"
            "final = out / 'final'\n"
            "final.mkdir(parents=True)\n"
            "(final / 'tokenizer_config.json').write_text('{}')\n",
            encoding="utf-8",
        )
        sampled = folder / "out" / "sampled"
        sampled.mkdir(parents=True)
        (sampled / "easy.jsonl").write_text('{"question": "b"}\n', encoding="utf-8")
        (sampled / "medium.jsonl").write_text(medium, encoding="utf-8")
        self.plan = Plan(
            model="warm", data="d", output=folder / "out", launcher=f"{sys.executable} {self.script}"
        )

    @property
    def taken(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


def test_stages_are_chained_each_from_the_model_of_the_one_before_and_not_done_twice(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    final = run_stages(steps.plan)
    assert final == tmp_path / "out" / "stage2" / "final"
    first, second = steps.taken
    assert "--config pebr-r1-stage1.toml --model warm" in first
    assert "sampled/easy.jsonl" in first
    assert f"--config pebr-r1-stage2.toml --model {tmp_path / 'out' / 'stage1' / 'final'}" in second
    assert "sampled/medium.jsonl" in second
    assert run_stages(steps.plan) == final
    assert len(steps.taken) == 2


def test_a_stage_without_questions_is_an_error_that_says_so(tmp_path: Path) -> None:
    steps = Steps(tmp_path, medium="")
    with pytest.raises(DataError, match="sampling found no such questions"):
        run_stages(steps.plan)
    assert len(steps.taken) == 1


def test_a_step_that_fails_stops_the_chain(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    steps.script.write_text("raise SystemExit(3)", encoding="utf-8")
    with pytest.raises(TrainerError, match="ended with 3"):
        run_stages(steps.plan)


def test_the_rollout_server_of_a_step_is_started_with_its_model_and_ended(tmp_path: Path) -> None:
    steps = Steps(tmp_path)
    note = tmp_path / "served.txt"
    code = f"import sys, time; open({str(note)!r}, 'a').write(sys.argv[1] + '\\n'); time.sleep(600)"
    waiting = f"import pathlib, time\nwhile not pathlib.Path({str(note)!r}).exists(): time.sleep(0.01)\n"
    steps.script.write_text(waiting + steps.script.read_text(encoding="utf-8"), encoding="utf-8")
    serve = f'{sys.executable} -c "{code}" {{model}}'
    run_stages(
        Plan(model="warm", data="d", output=steps.plan.output, launcher=steps.plan.launcher, serve=serve)
    )
    assert note.read_text(encoding="utf-8").startswith("warm\n")
