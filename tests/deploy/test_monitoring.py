"""The dashboard and the alerts read only what the service really exports, under its real labels."""

import re
from itertools import combinations

import pytest

from tests.deploy.files import ROOT, run_tool
from tests.deploy.queries import Query, adapter_query, alert_queries, dashboard, panel_queries, panels
from tests.deploy.scraped import Scraped

ADDED_BY_PROMETHEUS = {"instance", "job", "namespace", "pod"}
QUERIES = [*panel_queries(), *alert_queries(), adapter_query('namespace="rewards",pod=~"a|b"', "pod")]


def exported(scraped: Scraped, name: str) -> set[str]:
    """Return the labels of a metric, once it is known to be exported."""
    if name == "up":
        return ADDED_BY_PROMETHEUS
    samples = scraped.samples().get(name)
    assert samples, f"the service exports no {name}"
    return set(samples[0]) | ADDED_BY_PROMETHEUS


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.origin)
def test_a_query_reads_metrics_and_labels_that_the_service_exports(query: Query, scraped: Scraped) -> None:
    known = set()
    assert query.series
    for name, labels in query.series.items():
        has = exported(scraped, name)
        assert labels <= has, f"{name} has no label {labels - has}"
        known |= has
    assert query.groupings <= known


def test_the_documents_describe_every_metric_with_its_type_and_labels(scraped: Scraped) -> None:
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(visreward_\w+)` \| (\w+) \| ([^|]*) \|", page, re.MULTILINE)
    types = re.findall(r"^# TYPE (visreward_\w+) (\w+)$", scraped.page(), re.MULTILINE)
    assert {(name, kind) for name, kind, _ in rows} == {
        (name, kind) for name, kind in types if not name.endswith("_created")
    }
    samples = scraped.samples()
    for name, kind, labels in rows:
        seen = samples.get(f"{name}_count" if kind == "histogram" else name)
        if seen is not None:
            assert set(re.findall(r"`(\w+)`", labels)) == set(seen[0]), name


def test_every_panel_says_what_it_shows_in_what_unit() -> None:
    for panel in panels():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["type"] == "heatmap" or panel["fieldConfig"]["defaults"]["unit"]
        assert panel["datasource"]["uid"] == "${datasource}"
    titles = [panel["title"] for panel in panels()]
    assert len(titles) > 25


def test_panels_lie_beside_each_other_and_never_on_each_other() -> None:
    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for one, other in combinations([panel["gridPos"] for panel in everything], 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in everything)


def test_prometheus_accepts_the_alerts() -> None:
    assert "SUCCESS" in run_tool("promtool", "check", "rules", "k8s/components/monitoring/alerts.yml")


def test_every_alert_fires_when_it_should_and_not_when_it_should_not() -> None:
    tested = (ROOT / "tests" / "deploy" / "alerts_test.yml").read_text(encoding="utf-8")
    for query in alert_queries():
        assert re.search(rf"alertname: {query.origin}\n\s+eval_time: \d+m\n\s+exp_alerts:", tested), (
            query.origin
        )
    run_tool("promtool", "test", "rules", "tests/deploy/alerts_test.yml")
