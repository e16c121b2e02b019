"""A real Prometheus that scrapes a service once a second, with the rules that are deployed."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.deploy.files import MONITORING, find_tool
from tests.deploy.scraped import Scraped

LABELS = {"namespace": "rewards", "pod": "visreward-0"}


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    process: "subprocess.Popen[bytes]"

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series that a query gives now."""
        return self._result("query", query=query)

    def ask_range(self, query: str, start: float, end: float, step_seconds: float) -> list[dict[str, Any]]:
        """Return the series that a query gives from one time to another."""
        return self._result("query_range", query=query, start=start, end=end, step=step_seconds)

    def _result(self, path: str, **params: Any) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/{path}", params=params, timeout=30).json()
        assert answer["status"] == "success", f"{params['query']}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def count(self, series: str) -> int:
        """Return how many scrapes of the service hold a series."""
        found = self.ask(f'count_over_time({series}{{job="visreward"}}[10m])')
        return int(found[0]["value"][1]) if found else 0

    def wait_for(self, is_true: Any, patience_seconds: float = 60) -> None:
        """Wait until something is so; fail where it is not in time, or where Prometheus ends."""
        for _ in range(int(patience_seconds / 0.1)):
            assert self.process.poll() is None, "prometheus has ended"
            try:
                if is_true():
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("prometheus is not there in time")


@contextmanager
def running_prometheus(scraped: Scraped, folder: Path) -> Iterator[Prometheus]:
    """Yield a Prometheus that keeps its files in a folder."""
    config = yaml.safe_load((MONITORING / "compose" / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    config["scrape_configs"] = [
        {"job_name": "visreward", "static_configs": [{"targets": [scraped.address], "labels": LABELS}]}
    ]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    options = [
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([find_tool("prometheus"), *options], stdout=log, stderr=log)
        found = Prometheus(f"http://{address}", process)
        try:
            found.wait_for(lambda: httpx.get(f"{found.url}/-/ready").status_code == 200)
            yield found
        finally:
            process.terminate()
            process.wait()
