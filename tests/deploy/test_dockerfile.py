"""The image: what it is built from, who it runs as, and that its health check tells the truth."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.deploy.files import ROOT, compose, image_environment, lineage, run_tool, settings_in, stages
from tests.listening import Handler, bind, listening

SERVICE_EXTRAS = ("service", "grpc", "triton", "zstd")
EXTRAS = {
    "cpu": SERVICE_EXTRAS,
    "cuda": SERVICE_EXTRAS,
    "trainer": ("trainer", "grpc", "zstd"),
}
TARGETS = tuple(EXTRAS)


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_runs_as_a_user_without_rights(target: str) -> None:
    users = [user for stage in reversed(lineage(target)) for user in stage.all("USER")]
    assert users[-1] == "10001:10001"
    assert stages()[target].instructions[-1][0] == "USER"


@pytest.mark.parametrize("target", TARGETS)
def test_an_edit_of_the_sources_keeps_the_layer_of_dependencies(target: str) -> None:
    copied = {
        source for stage in lineage(f"{target}-dependencies") for source in copied_from_context(stage.name)
    }
    assert copied == {"constraints.txt"}
    made = [rest for rest in stages()[f"{target}-dependencies"].all("COPY") if "--from=" in rest]
    listed = "trainer.txt" if target == "trainer" else "service.txt"
    assert made == [f"--from=requirements /build/{listed} ./"]
    (install,) = stages()[f"{target}-dependencies"].all("RUN")
    assert f"--constraint constraints.txt --requirement {listed}" in install


def test_what_pip_fetched_is_kept_where_the_builder_keeps_it() -> None:
    place = dict(pair.split("=", 1) for pair in stages()["installer"].all("ENV"))["PIP_CACHE_DIR"]
    for name in (*(f"{target}-dependencies" for target in TARGETS), "wheel"):
        assert stages()[name].base == "installer"
        (step,) = stages()[name].all("RUN")
        assert step.startswith(f"--mount=type=cache,target={place} "), name


def test_the_base_is_pinned_to_a_release_and_can_be_pinned_to_a_digest() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+\.\d+-slim-[a-z]+$", text, re.MULTILINE)
    assert stages()["python"].base == "${PYTHON_IMAGE}"


@pytest.mark.parametrize("target", TARGETS)
def test_the_requirements_are_those_of_what_the_image_is_for(target: str, tmp_path: Path) -> None:
    (command,) = stages()["requirements"].all("RUN")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    subprocess.run(["sh", "-c", command], cwd=tmp_path, env={"PATH": path}, check=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    listed = tmp_path / ("trainer.txt" if target == "trainer" else "service.txt")
    assert listed.read_text(encoding="utf-8").splitlines() == [
        *project["dependencies"],
        *(line for extra in EXTRAS[target] for line in extras[extra]),
    ]
    assert "visreward" not in listed.read_text(encoding="utf-8")


def test_the_build_sees_what_it_copies_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    sent = {line[1:] for line in lines if line.startswith("!")}
    copied = {source for name in stages() for source in copied_from_context(name)}
    assert sent == copied
    assert all((ROOT / source).exists() for source in copied)


def test_the_settings_of_the_image_are_valid_and_listen_to_other_machines() -> None:
    variables = image_environment()
    settings = settings_in(variables)
    assert variables["VISREWARD_CONFIG"] == "/etc/visreward/settings.toml"
    assert variables["VISREWARD_HOST"] == "0.0.0.0"  # noqa: S104 - a container's own network
    assert {"VISREWARD_CONFIG", "VISREWARD_HOST"} == {
        name for name in variables if name.startswith("VISREWARD_")
    }
    assert str(settings.port) in stages()["runtime"].all("EXPOSE")[0].split()


def test_nothing_is_kept_outside_the_model_volume_and_tmp() -> None:
    variables = image_environment()
    assert stages()["runtime"].all("VOLUME") == ['["/models"]']
    assert variables["HF_HOME"] == "/models"
    assert variables["HOME"] == "/tmp"  # noqa: S108 - the place that a read-only root leaves
    assert variables["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_trainer_writes_to_its_volumes_and_is_no_server() -> None:
    line = lineage("trainer")
    assert [stage.name for stage in line] == ["trainer", "base", "python"]
    variables = dict(
        pair.split("=", 1) for stage in line for rest in stage.all("ENV") for pair in rest.split()
    )
    assert not any(name.startswith("VISREWARD_") for name in variables)
    assert [json.loads(rest) for rest in stages()["trainer"].all("VOLUME")] == [["/models", "/runs"]]
    assert json.loads(stages()["trainer"].all("ENTRYPOINT")[0]) == ["tini", "--", "visreward", "train"]
    for word in ("EXPOSE", "HEALTHCHECK"):
        assert not any(stage.all(word) for stage in line)


def test_the_trainer_has_the_compiler_that_triton_starts_on_a_gpu() -> None:
    assert any(" gcc libc6-dev " in f"{step} " for step in stages()["trainer"].all("RUN"))
    assert not any(
        "gcc" in step for target in ("cpu", "cuda") for s in lineage(target) for step in s.all("RUN")
    )


@pytest.mark.parametrize(("status", "healthy"), [(200, True), (503, False), (None, False)])
def test_the_health_check_is_the_readiness_of_the_service(status: int | None, healthy: bool) -> None:
    (rest,) = stages()["runtime"].all("HEALTHCHECK")
    program = json.loads(rest[rest.index("[") :])
    assert program[:2] == ["python", "-c"]
    with answering(status) as port:
        done = subprocess.run(
            [sys.executable, *program[1:]],
            env={"VISREWARD_PORT": str(port)},
            capture_output=True,
            check=False,
        )
    assert (done.returncode == 0) is healthy


def test_a_signal_reaches_the_service_while_its_models_load() -> None:
    (entry,) = stages()["runtime"].all("ENTRYPOINT")
    assert json.loads(entry) == ["tini", "-e", "143", "--", "visreward", "serve"]


def test_no_file_names_a_host_to_install_from() -> None:
    files = [ROOT / "Dockerfile", ROOT / "docker-compose.yml", *(ROOT / "k8s").rglob("*.y*ml")]
    for file in files:
        for address in re.findall(r"https?://([^/\s'\"]+)", file.read_text(encoding="utf-8")):
            assert address.split(":")[0] in {"127.0.0.1", *compose()["services"]}, f"{file.name}: {address}"


def test_hadolint_has_nothing_to_say() -> None:
    assert run_tool("hadolint", "Dockerfile") == ""


def copied_from_context(stage: str) -> list[str]:
    """Return what a stage copies out of the build context."""
    sources = []
    for rest in stages()[stage].all("COPY"):
        words = rest.split()
        if not any(word.startswith("--from=") for word in words):
            sources += [word for word in words if not word.startswith("--")][:-1]
    return sources


@contextmanager
def answering(status: int | None) -> Iterator[int]:
    """Yield a port that answers /readyz with a status; with None, one at which nothing listens."""

    class Probed(Handler):
        def respond(self, body: bytes | None) -> None:
            self.answer(status if status and self.path == "/readyz" else 404, b"", {})

    server = bind(Probed)
    if status is None:
        server.server_close()
        yield server.server_port
        return
    with listening(server):
        yield server.server_port
