"""A real Prometheus scrapes the service and answers every query of dashboard, alerts and adapter."""

from collections.abc import Iterator

import httpx
import pytest

from tests.deploy.prometheus import Prometheus, running_prometheus
from tests.deploy.queries import Query, adapter_query, alert_queries, panel_queries
from tests.deploy.scraped import Scraped

pytestmark = pytest.mark.slow

WINDOW = "30s"


@pytest.fixture(scope="module")
def prometheus(scraped: Scraped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    with running_prometheus(scraped, tmp_path_factory.mktemp("prometheus")) as found:
        for seed in range(2, 5):
            # A rate needs a rise between two scrapes.
            seen = found.count("up")
            scraped.exercise(seed)
            found.wait_for(lambda seen=seen: found.count("visreward_pending_items") >= seen + 2)
        yield found


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
