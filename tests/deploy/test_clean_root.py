"""The image `cpu`, built and run without a Docker engine."""

import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import httpx
import pytest

from tests.deploy.clean_root import Image, built_image, stop
from tests.deploy.scraped import spread

pytestmark = pytest.mark.image


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    with built_image("cpu", tmp_path_factory.mktemp("image")) as image:
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


def test_the_image_says_how_it_is_run(image: Image) -> None:
    assert image.config["User"] == "10001:10001"
    assert image.config["Entrypoint"] == ["tini", "--", "visreward", "serve"]
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
    tried = "import os, sys; print(os.getuid()); [open(p + '/probe', 'w').close() for p in sys.argv[1:]]"
    done = image.run(["python", "-c", tried, "/tmp", "/models"])  # noqa: S108 - the image's own
    assert (done.returncode, done.stdout) == (0, "10001\n"), done.stderr
    for place in ("/", "/opt/visreward", "/etc/visreward", "/var/tmp"):  # noqa: S108
        assert re.search(
            "Read-only file system|Permission denied", image.run(["python", "-c", tried, place]).stderr
        )


def test_the_service_runs_scores_and_drains_with_a_read_only_root(image: Image, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    variables = {"VISREWARD_PORT": str(port), "VISREWARD_HOST": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    check = image.config["Healthcheck"]["Test"][1:]
    assert image.run(check, **variables).returncode != 0
    with image.serving(log, **variables) as process:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url, log)
        assert image.run(check, **variables).returncode == 0
        answer = httpx.post(f"{url}/score", json=spread(1), timeout=120).json()
        assert [result["error"] for result in answer["items"]] == [None] * 4
        assert stop(process) == 0, log.read_text(encoding="utf-8")[-4000:]
