"""A service over real sockets with a shared cache, and traffic that moves everything it counts."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.running import running
from tests.service.scenes_data import item, picture
from visreward_service.main import build_engine
from visreward_service.memory import DeviceMemory
from visreward_service.settings import RedisSettings, RuleSettings, Settings

STAND_IN = DeviceMemory("cuda:0", total=80 * 2**30, used=30 * 2**30, reserved=24 * 2**30, allocated=9 * 2**30)
"""What stands in for a GPU, which these tests have none of: its panels have these numbers to show.

What a real one tells is read by `make test-gpu`."""


@dataclass(frozen=True)
class Scraped:
    """A running service."""

    port: int

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def exercise(self, seed: int) -> None:
        """Ask for groups that tie and that do not, for items that fail and for things that are not there."""
        with httpx.Client(base_url=f"http://{self.address}", timeout=60) as client:
            for body in (spread(seed), tied(seed), failing()):
                assert client.post("/score", json=body).status_code == 200
            assert client.post("/score", json={"recipe": "nothing", "items": []}).status_code >= 400
            client.get("/readyz")

    def page(self) -> str:
        return httpx.get(f"http://{self.address}/metrics", timeout=60).text

    def samples(self) -> dict[str, list[dict[str, str]]]:
        """Return the labels of every sample of /metrics, by its name."""
        found: dict[str, list[dict[str, str]]] = {}
        for family in text_string_to_metric_families(self.page()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(dict(sample.labels))
        return found


def score_request(items: list[dict[str, Any]], seed: int) -> dict[str, Any]:
    return {"recipe": "pebr-r1/stage1", "images": [picture(seed).wire()], "items": items}


def spread(seed: int) -> dict[str, Any]:
    lengths = [{"completion_tokens": 600 * number, "source": "scenes"} for number in range(1, 5)]
    items = [item(seed, number, **changes) for number, changes in enumerate(lengths)]
    unasked = item(seed, len(items), reference={"key_words": ["object"]})  # no answer: a part has no value
    return score_request([*items, unasked], seed)


def tied(seed: int) -> dict[str, Any]:
    return score_request([item(seed, number) for number in range(4)], seed)


def failing() -> dict[str, Any]:
    return {
        "recipe": "pebr-r1/stage2",
        "items": [{"id": "a", "completion": "no reference", "source": "broken"}],
    }


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Yield the address of a Redis that listens on a socket in a folder."""
    program = Path(sys.executable).parent / "redis-server"
    place = folder / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(place), "--save", "", "--dir", str(folder)]
    process = subprocess.Popen([program, *options], stdout=subprocess.DEVNULL)
    try:
        while True:
            with socket.socket(socket.AF_UNIX) as probe, contextlib.suppress(OSError):
                probe.connect(str(place))
                break
            assert process.poll() is None, "redis-server has ended"
            time.sleep(0.01)
        yield f"unix://{place}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def running_service(folder: Path) -> Iterator[Scraped]:
    """Yield a service with the bundled model and a shared cache."""
    with running_redis(folder) as url:
        settings = Settings(
            rules=RuleSettings(workers=1), cpu_threads=2, redis=RedisSettings(url=url, timeout_seconds=5)
        )
        engine = build_engine(settings)
        engine.metrics.watch_devices(lambda: [STAND_IN])
        with running(settings, engine) as port:
            yield Scraped(port)
