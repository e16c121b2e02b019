"""What scenarios get: where the service is, how much traffic to send, and how to score a step with it."""

import sys
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from loadtests.peers.environment import Environment
from loadtests.service import Target
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

    def counted(self, name: str, label: str = "") -> float:
        """Return a counter of the service, summed over its labels, or over those where one has that value."""
        lines = httpx.get(f"{self.url}/metrics").text.splitlines()
        found = [line for line in lines if line.startswith((f"{name}_total{{", f"{name}_total "))]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found if not label or f'="{label}"' in line)
