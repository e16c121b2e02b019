"""The Dockerfile built without a Docker engine, and its image run the way the deployables run it.

The base is a Debian made by debootstrap, in the place of the one that the Dockerfile names. buildah executes
every instruction in it. The result runs in namespaces of its own: read-only root, tmpfs at /tmp and at the
image's volumes, no rights. Knows the tools and nothing of what the tests ask.
"""

import ast
import json
import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import ROOT, find_tool

BASE = "localhost/clean-python"
START = """
set -e
volumes="$1"
shift
mount --make-rprivate /
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
mount -t proc proc "$1/proc"
mount -t tmpfs -o mode=0755 tmpfs "$1/dev"
mkdir "$1/dev/shm"
mount -t tmpfs -o mode=1777 tmpfs "$1/dev/shm"
for device in null zero urandom; do touch "$1/dev/$device"; mount --bind "/dev/$device" "$1/dev/$device"; done
mount -t tmpfs -o mode=1777 tmpfs "$1/tmp"
for volume in $volumes; do mount -t tmpfs -o mode=0755,uid=10001,gid=10001 tmpfs "$1$volume"; done
root="$1"
shift
user="--reuid=10001 --regid=10001 --clear-groups"
exec chroot "$root" setpriv $user --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


@dataclass(frozen=True)
class Image:
    """A built image: its root on this machine and what it says of how it is run."""

    root: Path
    config: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.config["Env"])

    def command(self, program: list[str], **variables: str) -> list[str]:
        """Return the command that runs a program in the image as its user, with its root read-only."""
        given = {**self.environment, **variables}
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", START, "start"]
        pairs = [f"{name}={value}" for name, value in given.items()]
        volumes = " ".join(self.config["Volumes"])
        return [*namespaces, volumes, str(self.root), "/usr/bin/env", "-i", *pairs, *program]

    def run(self, program: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the image to its end."""
        command = self.command(program, **variables)
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    @contextmanager
    def serving(self, log: Path, **variables: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Start the image's entry point; it is killed if it still runs at the end."""
        with log.open("wb") as written:
            process = subprocess.Popen(
                self.command(self.config["Entrypoint"], **variables), stdout=written, stderr=written
            )
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                process.wait()


def inside(process: "subprocess.Popen[bytes]") -> int:
    """Return the process that is number one of an image's processes, as this machine counts."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="utf-8").split()
    return int(children[0])


def stop(process: "subprocess.Popen[bytes]") -> int:
    """Ask as an orchestrator does, with SIGTERM to the first process, and return the exit status."""
    os.kill(inside(process), signal.SIGTERM)
    return process.wait(timeout=60)


@contextmanager
def made_store(folder: Path) -> Iterator["Store"]:
    """Yield a store in a folder that has the base; it is emptied at the end."""
    if os.geteuid() != 0:
        pytest.skip("a root file system is made by root alone")
    for name in ("debootstrap", "buildah", "unshare"):
        find_tool(name)
    store = Store(folder)
    try:
        store.make_base()
        yield store
    finally:
        store.buildah("rm", "--all")
        store.buildah("rmi", "--all", "--force")


@dataclass(frozen=True)
class Store:
    """buildah's images and containers, in a folder of their own."""

    folder: Path

    def buildah(self, *arguments: str) -> str:
        places = ["--root", str(self.folder / "images"), "--runroot", str(self.folder / "run")]
        done = subprocess.run(
            ["nice", "buildah", *places, *arguments],
            cwd=ROOT,
            env={**os.environ, "STORAGE_DRIVER": "overlay"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
        return done.stdout.strip()

    def make_base(self) -> None:
        """Make the image that stands for the base: Debian with its own Python."""
        container = self.buildah("from", "scratch")
        packages = "--include=python3,python3-venv,ca-certificates"
        root = self.buildah("mount", container)
        subprocess.run(
            ["nice", "debootstrap", "--variant=minbase", packages, "bookworm", root],
            check=True,
            stdout=subprocess.PIPE,
        )
        self.buildah("umount", container)
        self.buildah("commit", "--quiet", "--rm", container, BASE)

    @contextmanager
    def image(self, target: str) -> Iterator[Image]:
        """Build a target of the Dockerfile and yield it mounted."""
        tag = self.build(target)
        container = self.buildah("from", "--pull-never", tag)
        root = Path(self.buildah("mount", container))
        try:
            inspected = json.loads(self.buildah("inspect", "--type", "image", tag))
            yield Image(root, inspected["Docker"]["config"])
        finally:
            self.buildah("umount", container)

    def build(self, target: str) -> str:
        """Build a target and return its tag.

        Only what a stage is built on becomes an image: with a layer for each instruction, torch's gigabytes
        would be written once more for each stage that they pass through.
        """
        tag = f"localhost/visreward:{target}"
        options = ["--layers=false", "--isolation=chroot", "--pull-never", "--format=docker"]
        volumes = [f"--volume={here}:{there}:ro" for here, there in pip_files(self.folder).items()]
        named = [f"--target={target}", f"--build-arg=PYTHON_IMAGE={BASE}", f"--tag={tag}"]
        self.buildah("build", *options, *volumes, *named, ".")
        return tag


def pip_files(folder: Path) -> dict[str, str]:
    """Return what the build must see to install from where this machine does: pip's settings, local folders.

    A machine without settings of its own gives an empty file and no folders.
    """
    listed = subprocess.run(["pip", "config", "list"], capture_output=True, text=True, check=True, cwd=folder)
    found = dict(line.split("=", 1) for line in listed.stdout.splitlines() if line.startswith("global."))
    values = {name.removeprefix("global."): ast.literal_eval(value) for name, value in found.items()}
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        file.write("[global]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))
    paths = re.findall(r"(?:file://)?(/\S+)", " ".join(values.values()))
    places = {
        place.parent if place.name == "simple" else place for place in map(Path, paths) if place.exists()
    }
    return {file.name: "/etc/pip.conf", **{str(place): str(place) for place in places}}
