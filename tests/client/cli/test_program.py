"""The program as people start it: help, discovery of commands, and what is said when something fails."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.client.small_service import SmallService, running_service
from visreward.cli.command import Command, CommandError
from visreward.cli.program import run_program

HEAVY = ("torch", "fastapi", "numpy", "PIL", "httpx", "pydantic", "pydantic_settings", "rich", "uvicorn")


@pytest.fixture
def service() -> Iterator[SmallService]:
    with running_service() as service:
        yield service


def make_command(run: Callable[[argparse.Namespace], int], **fields: str) -> Command:
    return Command(name="try", summary="Try it.", add_arguments=lambda _: None, run=run, **fields)


def run_failing(error: Exception, *arguments: str, **fields: str) -> int:
    def fail(_: argparse.Namespace) -> int:
        raise error

    return run_program(["try", *arguments], commands=[make_command(fail, **fields)])


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from visreward.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    print(end.code, *sys.modules, file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    exit_code, *modules = done.stderr.split()
    assert exit_code == "0"
    assert set(modules).isdisjoint(HEAVY)
    for name in ("models", "recipes", "scenes", "score", "serve"):
        assert f"\n    {name} " in done.stdout


@pytest.mark.parametrize("command", ["models", "recipes", "scenes", "score", "serve"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run_program([command, "--help"])
    assert end.value.code == 0
    assert f"usage: visreward {command}" in capsys.readouterr().out


def install_part(folder: Path, module: str, source: str) -> None:
    """Lay down a distribution that contributes one command."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[visreward.commands]\n{module} = {module}:COMMAND\n")


def run_with_parts(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    code = "import sys; from visreward.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": paths},
        check=False,
    )


def test_an_installed_part_contributes_its_commands(tmp_path: Path) -> None:
    source = (
        "from visreward.cli.command import Command\n"
        "def run(args):\n    print('watered', args.plant)\n    return 0\n"
        "COMMAND = Command(name='water', summary='Water a plant.', run=run,\n"
        "                  add_arguments=lambda parser: parser.add_argument('plant'))\n"
    )
    install_part(tmp_path, "watering", source)
    assert "water     Water a plant." in run_with_parts(tmp_path, "--help").stdout
    done = run_with_parts(tmp_path, "water", "fern")
    assert (done.returncode, done.stdout) == (0, "watered fern\n")


def test_a_part_that_cannot_be_loaded_costs_only_its_command(tmp_path: Path) -> None:
    install_part(tmp_path, "broken", "import a_module_that_nobody_has\n")
    done = run_with_parts(tmp_path, "--help")
    assert done.returncode == 0
    assert "the command broken is not available" in done.stderr
    assert "score" in done.stdout


def test_what_went_wrong_is_said_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_failing(CommandError("There is no file x. Make one.")) == 2
    assert capsys.readouterr().err == "visreward try: There is no file x. Make one.\n"


def test_a_missing_dependency_is_answered_with_the_extra_to_get(
    capsys: pytest.CaptureFixture[str],
) -> None:
    error = ModuleNotFoundError("No module named 'fastapi'", name="fastapi")
    assert run_failing(error, extra="service") == 2
    assert 'pip install "visreward[service]"' in capsys.readouterr().err


def test_a_missing_module_of_our_own_is_not_blamed_on_an_extra(capsys: pytest.CaptureFixture[str]) -> None:
    error = ModuleNotFoundError("No module named 'visreward_service.x'", name="visreward_service.x")
    assert run_failing(error, extra="service") == 2
    assert "pip install" not in capsys.readouterr().err


def test_a_traceback_is_shown_only_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_failing(RuntimeError("defect")) == 2
    plain = capsys.readouterr().err
    assert "RuntimeError: defect. Run it again with --debug" in plain
    assert "Traceback" not in plain
    assert run_failing(RuntimeError("defect"), "--debug") == 2
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupted_command_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(_: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    assert run_program(["try"], commands=[make_command(interrupt)]) == 130
    assert capsys.readouterr().err == ""


def test_a_reader_that_has_seen_enough_is_no_error(service: SmallService) -> None:
    command = [sys.executable, "-m", "visreward", "models", "--json", "--url", service.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    with pytest.raises(SystemExit) as end:
        run_program(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"{version('visreward')}\n"
