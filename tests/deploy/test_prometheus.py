"""A real Prometheus scrapes the service and answers every query of dashboard, alerts and adapter."""

import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml

from tests.deploy.files import MONITORING, find_tool
from tests.deploy.queries import Query, adapter_query, alert_queries, panel_queries
from tests.deploy.scraped import Scraped

pytestmark = pytest.mark.slow

WINDOW = "30s"


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus."""

    url: str

    def ask(self, query: str) -> list[dict[str, Any]]:
        """Return the series that a query gives now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=30).json()
        assert answer["status"] == "success", f"{query}: {answer.get('error')}"
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def count(self, series: str) -> int:
        """Return how many scrapes of the service hold a series."""
        found = self.ask(f'count_over_time({series}{{job="visreward"}}[10m])')
        return int(found[0]["value"][1]) if found else 0


@pytest.fixture(scope="module")
def prometheus(scraped: Scraped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    folder = tmp_path_factory.mktemp("prometheus")
    config = yaml.safe_load((MONITORING / "compose" / "prometheus.yml").read_text(encoding="utf-8"))
    labels = {"namespace": "rewards", "pod": "visreward-0"}
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "alerts.yml")]
    config["scrape_configs"] = [
        {"job_name": "visreward", "static_configs": [{"targets": [scraped.address], "labels": labels}]}
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
    log = (folder / "log").open("wb")
    process = subprocess.Popen([find_tool("prometheus"), *options], stdout=log, stderr=log)
    found = Prometheus(f"http://{address}")
    try:
        wait_for(process, lambda: httpx.get(f"{found.url}/-/ready").status_code == 200)
        for seed in range(2, 5):
            # A rate needs a rise between two scrapes.
            seen = found.count("up")
            scraped.exercise(seed)
            wait_for(process, lambda seen=seen: found.count("visreward_pending_items") >= seen + 2)
        yield found
    finally:
        process.terminate()
        process.wait()
        log.close()


def wait_for(process: subprocess.Popen[bytes], is_true: Any, patience_seconds: float = 60) -> None:
    for _ in range(int(patience_seconds / 0.1)):
        assert process.poll() is None, "prometheus has ended"
        try:
            if is_true():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise AssertionError("prometheus is not there in time")


@pytest.mark.parametrize("query", panel_queries(WINDOW), ids=lambda query: query.origin)
def test_every_panel_has_something_to_show(query: Query, prometheus: Prometheus) -> None:
    found = prometheus.ask(query.expression)
    assert found
    assert any(series["value"][1] != "NaN" for series in found)


@pytest.mark.parametrize("query", alert_queries(), ids=lambda query: query.origin)
def test_no_alert_fires_for_a_service_that_is_well(query: Query, prometheus: Prometheus) -> None:
    fires = {"VisrewardItemsFail"}  # the traffic of these tests has items that fail
    assert bool(prometheus.ask(query.expression)) is (query.origin in fires)


def test_the_adapter_reads_the_queue_of_each_pod(prometheus: Prometheus) -> None:
    (found,) = prometheus.ask(
        adapter_query('namespace="rewards",pod=~"visreward-0|visreward-1"', "pod").expression
    )
    assert found["metric"] == {"pod": "visreward-0"}


def test_prometheus_evaluates_the_alerts_without_a_fault(prometheus: Prometheus) -> None:
    groups = httpx.get(f"{prometheus.url}/api/v1/rules", timeout=30).json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}
    assert {rule["name"] for rule in rules} == {query.origin for query in alert_queries()}
