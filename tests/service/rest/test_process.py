"""The service as a process of its own: gone clients, slow clients, and a clean end."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.service.scenes_data import pebr

PROGRAM = Path(sys.executable).parent / "visreward"
SLOW = "\\boxed{(x+1)^{5000}}"
TIME_LIMIT_SECONDS = 1.5


def slow_request(number: int) -> dict[str, Any]:
    """A request that a rule worker is busy with until its time limit."""
    item = {"id": "a", "completion": SLOW, "reference": {"answer": f"\\boxed{{(x+{number + 2})^{{5000}}}}"}}
    return {
        "terms": {"right": {"scorer": "answer", "grader": "math_verify"}},
        "reward": "right",
        "items": [item],
    }


def quick_request() -> dict[str, Any]:
    item = {"id": "a", "completion": pebr("", "42"), "reference": {"answer": "42"}}
    return {"recipe": "pebr-r1/stage2", "items": [item]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    settings = folder / "settings.toml"
    settings.write_text(
        f"[rules]\nworkers = 1\ntime_limit_seconds = {TIME_LIMIT_SECONDS}\n", encoding="utf-8"
    )
    port = free_port()
    command = [str(PROGRAM), "serve", "--config", str(settings), "--port", str(port)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                if httpx.get(f"{url}/readyz").status_code == 200:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
        yield process, url
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("service")) as (_, url):
        yield url


def pending(url: str) -> float:
    for line in httpx.get(f"{url}/metrics").text.splitlines():
        if line.startswith("visreward_pending_items "):
            return float(line.split()[1])
    raise AssertionError("the metric is not there")


def eventually(condition: Any) -> bool:
    """Whether a condition comes true while other things go on."""
    for _ in range(100):
        if condition():
            return True
        time.sleep(0.05)
    return False


async def test_work_of_clients_that_have_gone_is_given_up(url: str) -> None:
    async with httpx.AsyncClient(base_url=url) as client:
        for number in range(20):
            with pytest.raises(httpx.ReadTimeout):
                await client.post("/score", json=slow_request(number), timeout=0.05)
    assert eventually(lambda: pending(url) == 0)
    answer = httpx.post(f"{url}/score", json=quick_request(), timeout=30)
    assert answer.json()["items"][0]["reward"] == 1.0


async def test_connections_opened_and_abandoned_cost_the_others_nothing(url: str) -> None:
    port = int(url.rsplit(":", 1)[1])
    head = (
        b"POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{"
    )
    writers = []
    for _ in range(1000):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head)
        writers.append(writer)
    async with httpx.AsyncClient(base_url=url) as client:
        answer = await client.post("/score", json=quick_request(), timeout=30)
        assert answer.json()["items"][0]["reward"] == 1.0
        for writer in writers:
            writer.transport.abort()
        answer = await client.post("/score", json=quick_request(), timeout=30)
        assert answer.json()["items"][0]["reward"] == 1.0


def test_a_body_in_single_bytes_is_read(url: str) -> None:
    def dripping() -> Iterator[bytes]:
        for byte in json.dumps(quick_request()).encode():
            yield bytes([byte])

    answer = httpx.post(
        f"{url}/score", content=dripping(), headers={"content-type": "application/json"}, timeout=30
    )
    assert answer.json()["items"][0]["reward"] == 1.0


def test_sigterm_answers_what_was_accepted_and_leaves_no_process_behind(tmp_path: Path) -> None:
    with serving(tmp_path) as (process, url):
        children = psutil.Process(process.pid).children(recursive=True)
        assert children

        async def ask_and_stop() -> httpx.Response:
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                asking = asyncio.create_task(client.post("/score", json=slow_request(0)))
                while pending(url) == 0:
                    await asyncio.sleep(0.01)
                os.kill(process.pid, signal.SIGTERM)
                return await asking

        answer = asyncio.run(ask_and_stop())
        assert answer.status_code == 200
        (item,) = answer.json()["items"]
        assert item["error"]["code"] == "rule_timeout"
        assert process.wait(30) in (0, -signal.SIGTERM)
        assert eventually(lambda: not any(child.is_running() for child in children))


def test_settings_that_are_wrong_stop_the_start_with_a_sentence(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text('[models.clip]\nkind = "clap"\nsource = "here"\n', encoding="utf-8")
    done = subprocess.run(
        [PROGRAM, "serve", "--config", settings], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "clap" in done.stderr
    assert "Traceback" not in done.stderr
