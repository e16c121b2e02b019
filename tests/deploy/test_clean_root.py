"""The images `cpu` and `trainer`, built and run without a Docker engine."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from tests.deploy.clean_root import Image, Store, made_store, stop
from tests.deploy.scraped import tied

pytestmark = pytest.mark.image

COMPILE = """
import ctypes, pathlib, subprocess
pathlib.Path("/tmp/probe.c").write_text("#include <stdlib.h>\\nint answer(void) { return abs(-42); }")
subprocess.run(["gcc", "-shared", "-fPIC", "-o", "/tmp/probe.so", "/tmp/probe.c"], check=True)
print(ctypes.CDLL("/tmp/probe.so").answer())
"""
IMPORT_ALL = """
import importlib, pkgutil, visreward_trainer as package
found = [module.name for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")]
print(len([importlib.import_module(name) for name in found]))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with made_store(tmp_path_factory.mktemp("image")) as store:
        yield store


@pytest.fixture(scope="module")
def image(store: Store) -> Iterator[Image]:
    with store.image("cpu") as image:
        yield image


@pytest.fixture(scope="module")
def trainer(store: Store) -> Iterator[Image]:
    with store.image("trainer") as image:
        yield image


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_ready(process: "Popen[bytes]", url: str, log: Path) -> None:
    for _ in range(3000):
        assert process.poll() is None, log.read_text(encoding="utf-8")[-4000:]
        try:
            if httpx.get(f"{url}/readyz", timeout=30).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8")[-4000:])


def written(image: Image, program: list[str]) -> str:
    """Return what a program writes to its standard output in an image."""
    done = image.run(program)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def assert_writes_nowhere_but(image: Image, places: list[str]) -> None:
    tried = "import os, sys; print(os.getuid()); [open(p + '/probe', 'w').close() for p in sys.argv[1:]]"
    assert written(image, ["python", "-c", tried, *places]) == "10001\n"
    for place in ("/", "/opt/visreward", "/etc", "/var/tmp"):  # noqa: S108 - the image's own
        refused = image.run(["python", "-c", tried, place]).stderr
        assert re.search("Read-only file system|Permission denied", refused), place


def test_the_image_says_how_it_is_run(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["Entrypoint"] == ["tini", "-e", "143", "--", "visreward", "serve"]
    assert set(image.config["ExposedPorts"]) == {"8000/tcp", "8001/tcp"}
    assert set(image.config["Volumes"]) == {"/models"}
    assert image.config["Healthcheck"]["Test"][:2] == ["CMD", "python"]


def test_the_image_holds_the_service_and_nothing_of_its_build(image: Image) -> None:
    assert (image.root / "opt/visreward/bin/visreward").is_file()
    assert (image.root / "etc/visreward/settings.toml").is_file()
    for left in ("build", "wheels", "var/.cache/pip", "root/.cache/pip", "opt/visreward/bin/pytest"):
        assert not (image.root / left).exists(), left
    assert not list((image.root / "var/lib/apt/lists").glob("*Packages*"))


def test_its_user_can_write_to_tmp_and_to_the_models_and_nowhere_else(image: Image) -> None:
    assert_writes_nowhere_but(image, ["/tmp", "/models"])  # noqa: S108 - the image's own


def test_the_service_runs_scores_and_drains_with_a_read_only_root(image: Image, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    variables = {"VISREWARD_PORT": str(port), "VISREWARD_HOST": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    check = image.config["Healthcheck"]["Test"][1:]
    assert image.run(check, **variables).returncode != 0
    with image.serving(log, **variables) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url, log)
        assert image.run(check, **variables).returncode == 0
        answer = httpx.post(f"{url}/score", json=tied(1), timeout=120).json()
        assert [result["error"] for result in answer["items"]] == [None] * 4
        assert [type(result["reward"]) for result in answer["items"]] == [float] * 4
        assert stop(process) == 0, log.read_text(encoding="utf-8")[-4000:]


def test_the_trainers_image_says_how_it_is_run(trainer: Image) -> None:
    assert trainer.config["User"] == "10001:10001"
    assert trainer.config["Entrypoint"] == ["tini", "--", "visreward", "train"]
    assert set(trainer.config["Volumes"]) == {"/models", "/runs"}
    assert not trainer.config.get("ExposedPorts")


def test_the_trainers_image_holds_nothing_of_its_build_and_no_web_server(trainer: Image) -> None:
    for left in ("build", "wheels", "var/.cache/pip", "root/.cache/pip", "opt/visreward/bin/uvicorn"):
        assert not (trainer.root / left).exists(), left
    assert not list((trainer.root / "var/lib/apt/lists").glob("*Packages*"))


def test_the_trainers_user_can_write_to_tmp_and_to_its_volumes_and_nowhere_else(trainer: Image) -> None:
    assert_writes_nowhere_but(trainer, ["/tmp", "/models", "/runs"])  # noqa: S108 - the image's own


def test_every_module_of_the_trainer_can_be_imported_in_its_image(trainer: Image) -> None:
    assert int(written(trainer, ["python", "-c", IMPORT_ALL])) > 20


def test_the_trainer_tells_its_options_and_its_settings(trainer: Image) -> None:
    program = trainer.config["Entrypoint"]
    helped = trainer.run([*program, "--help"])
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "--vllm-url" in helped.stdout
    named = ["--model=policy", "--data=questions.jsonl", "--recipe=pebr-r1/stage1", "--output=/runs/first"]
    options = [*named, "--set=model.tuning=lora", "--show-config"]
    assert json.loads(written(trainer, [*program, *options]))["output"]["folder"] == "/runs/first"


def test_what_a_gpu_wants_compiled_at_run_time_is_compiled_and_loaded(trainer: Image) -> None:
    assert written(trainer, ["python", "-c", COMPILE]) == "42\n"
