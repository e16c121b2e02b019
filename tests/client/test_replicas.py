"""Two replicas as processes, restarted and killed under load: the client loses and doubles nothing."""

import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx
import pytest

from tests.service.rest.test_process import PROGRAM, free_port
from tests.service.scenes_data import item, picture
from visreward import Hedging, Limits, RetryPolicy, RewardClient, ScoreResult

pytestmark = pytest.mark.slow

STAGE_1 = "pebr-r1/stage1"
SEEDS = range(8)


class Replica:
    """A service on a port that stays its own through restarts."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.settings = folder / f"{self.port}.toml"
        self.settings.write_text("drain_seconds = 0.5\n[rules]\nworkers = 1\n", encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(PROGRAM), "serve", "--config", str(self.settings), "--port", str(self.port)]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def wait_ready(self) -> None:
        for _ in range(2400):
            try:
                if httpx.get(f"{self.url}/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("the replica does not come up")

    def end(self, sign: signal.Signals) -> int:
        assert self.process is not None
        self.process.send_signal(sign)
        return self.process.wait(120)


@contextmanager
def replicas(folder: Path) -> Iterator[list[Replica]]:
    both = [Replica(folder) for _ in range(2)]
    try:
        for replica in both:
            replica.start()
        for replica in both:
            replica.wait_ready()
        yield both
    finally:
        for replica in both:
            if replica.process is not None:
                replica.process.kill()
                replica.process.wait()


def step(epoch: int) -> list[dict[str, Any]]:
    return [
        {
            **item(seed, number, completion_tokens=100 + epoch % 7 + number),
            "images": [picture(seed).data],
        }
        for seed in SEEDS
        for number in range(4)
    ]


class Load:
    """A client that scores without a pause, in a thread, and keeps what it gets."""

    def __init__(self, urls: list[str]) -> None:
        self.results: list[ScoreResult] = []
        self.errors: list[BaseException] = []
        self._urls = urls
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, more: int) -> None:
        """Return when so many further calls have been answered."""
        aim = len(self.results) + more
        while len(self.results) < aim and not self.errors:
            time.sleep(0.05)

    def _run(self) -> None:
        patient = RetryPolicy(max_attempts=100, max_total_seconds=300)
        try:
            with RewardClient(
                url=self._urls, retry=patient, limits=Limits(max_items=8), hedging=Hedging()
            ) as client:
                while not self._stop.is_set():
                    self.results.append(client.score(step(len(self.results)), recipe=STAGE_1))
        except BaseException as error:
            self.errors.append(error)


def check(load: Load) -> None:
    """Assert that each call has one reward for each of its items, in order, and the same bits as its like."""
    assert load.errors == []
    rewards: dict[int, list[float | None]] = {}
    for epoch, result in enumerate(load.results):
        assert [found.id for found in result.items] == [str(one["id"]) for one in step(epoch)]
        assert all(found.error is None for found in result.items)
        assert [group.num_items for group in result.groups] == [4] * len(SEEDS)
        assert rewards.setdefault(epoch % 7, result.rewards) == result.rewards


def test_a_rolling_restart_under_load_fails_no_item(tmp_path: Path) -> None:
    with replicas(tmp_path) as both, Load([replica.url for replica in both]) as load:
        load.wait_for(3)
        for replica in both:
            assert replica.end(signal.SIGTERM) in (0, -signal.SIGTERM)
            load.wait_for(2)
            replica.start()
            replica.wait_ready()
            load.wait_for(2)
    check(load)


def test_replicas_killed_in_mid_batch_cost_time_and_no_item(tmp_path: Path) -> None:
    with replicas(tmp_path) as both, Load([replica.url for replica in both]) as load:
        load.wait_for(2)
        for replica in both:
            replica.end(signal.SIGKILL)
            load.wait_for(1)
            replica.start()
            replica.wait_ready()
            load.wait_for(2)
        # Both at once: the client waits for the first to be back.
        for replica in both:
            replica.end(signal.SIGKILL)
        before = len(load.results)
        both[0].start()
        both[0].wait_ready()
        load.wait_for(2)
        assert len(load.results) > before
    check(load)
