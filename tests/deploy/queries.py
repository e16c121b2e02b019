"""The queries of the dashboard, the alerts and the adapter, with what stands in them for Grafana replaced."""

import json
import re
from dataclasses import dataclass
from typing import Any

from tests.deploy.files import K8S, MONITORING, read_yaml

DASHBOARD = MONITORING / "visreward.json"

SELECTOR = re.compile(r"\b(visreward_\w+|up)\b(?:\{([^}]*)\})?")
MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"")
GROUPING = re.compile(r"\b(?:by|on|without)\s*\(([^)]*)\)")


@dataclass(frozen=True)
class Query:
    """One PromQL expression and where it stands."""

    origin: str
    expression: str

    @property
    def series(self) -> dict[str, set[str]]:
        """Return the metrics that are read, each with the labels that are asked of it."""
        found: dict[str, set[str]] = {}
        for name, matchers in SELECTOR.findall(self.expression):
            found.setdefault(name, set()).update(MATCHER.findall(matchers))
        return found

    @property
    def groupings(self) -> set[str]:
        """Return the labels that results are grouped or matched by."""
        lists = GROUPING.findall(self.expression)
        return {label.strip() for each in lists for label in each.split(",") if label.strip()}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel_queries(window: str = "5m") -> list[Query]:
    """Return the queries of every panel, with a window in the place of Grafana's."""
    return [
        Query(panel["title"], in_grafana(target["expr"], window))
        for panel in panels()
        for target in panel["targets"]
    ]


def in_grafana(expression: str, window: str) -> str:
    """Return an expression as Grafana sends it, with every replica and recipe chosen."""
    sent = expression.replace("$__rate_interval", window)
    for variable in dashboard()["templating"]["list"]:
        sent = sent.replace(f"${variable['name']}", variable.get("allValue", ""))
    return sent


def alert_queries() -> list[Query]:
    groups = read_yaml(MONITORING / "alerts.yml")["groups"]
    return [Query(rule["alert"], rule["expr"]) for group in groups for rule in group["rules"]]


def adapter_query(labels: str, grouping: str) -> Query:
    """Return the adapter's query as it asks it for some pods."""
    (rule,) = read_yaml(K8S / "components" / "autoscaling" / "prometheus-adapter.yaml")["rules"]["custom"]
    template: str = rule["metricsQuery"]
    name = rule["seriesQuery"].split("{")[0]
    for slot, value in (("Series", name), ("LabelMatchers", labels), ("GroupBy", grouping)):
        template = template.replace(f"<<.{slot}>>", value)
    return Query("prometheus-adapter", template)
