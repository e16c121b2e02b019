"""What scenarios get: where the service is, how much traffic to send, and how to score a step with it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from loadtests.peers.environment import Environment
from loadtests.service import Target, free_port, running
from loadtests.traffic import ALIGNMENT, Step
from visreward import RewardClient, ScoreResult


@dataclass(frozen=True)
class Bench:
    """A running service, and how much traffic to send."""

    url: str
    target: Target
    num_images: int
    group_size: int
    repeats: int
    seconds: float
    """How long the scenarios last that take their time."""
    peers: tuple[str, ...]
    """Names of the peers that run beside."""
    here: bool = False
    """Whether peers run in the bench's own environment, and none is made for them."""

    @property
    def port(self) -> int:
        port = urlsplit(self.url).port
        assert port is not None
        return port

    def interpreter(self, environment: Environment) -> str:
        """Return the interpreter of a peer's environment. Raises `NotInstalledError`."""
        return sys.executable if self.here else str(environment.make(self.target.cache))

    def score(self, client: RewardClient, step: Step) -> ScoreResult:
        """Score a step; a failed item ends the bench."""
        terms = {"clip": {**ALIGNMENT, "model": self.target.model}}
        return client.score(step.items(), terms=terms, reward="clip", details=False)

    def scrape(self) -> list[Sample]:
        """Return the samples of the service's metrics."""
        families = text_string_to_metric_families(httpx.get(f"{self.url}/metrics").text)
        return [sample for family in families for sample in family.samples]

    def counted(self, name: str) -> float:
        """Return the sum of a counter of the service over its labels."""
        return sum(sample.value for sample in self.scrape() if sample.name == f"{name}_total")


@contextmanager
def by_way_of(bench: Bench, module: str, *arguments: str) -> Iterator[Bench]:
    """Start a module of the bench that serves on the port it is given; yield the bench that goes to it."""
    port = free_port()
    root = {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-m", module, str(port), *arguments]
    with running(command, f"http://127.0.0.1:{port}", "/readyz", environ=root) as url:
        yield replace(bench, url=url)
