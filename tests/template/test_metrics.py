"""Every metric name is declared in `tallygate.metrics`, and every declared metric is emitted and documented."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

from tallygate.metrics import Metric

Resources = dict[str, dict[str, Any]]
REPOSITORY = Path(__file__).resolve().parents[2]
LAYER = REPOSITORY / "layers" / "tallygate" / "python" / "tallygate"
NAMESPACE = {"Fn::Sub": "Tallygate/${AWS::StackName}"}
DEFECTS = "tallygate"
"""The service of the metric that all functions share."""


def metrics_of(path: Path) -> set[Metric]:
    """The metrics that a module names as `Metric.NAME`."""
    return {
        Metric[node.attr]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Metric"
    }


def emitted() -> set[tuple[str, Metric]]:
    """The service and the metric of everything that functions and layer emit."""
    found = {(path.parent.name, m) for path in (REPOSITORY / "functions").glob("*/*.py") for m in metrics_of(path)}
    return found | {(DEFECTS, metric) for metric in metrics_of(LAYER / "defects.py")}


def filtered(resources: Resources) -> set[Metric]:
    """The metrics that the template counts from log lines."""
    return {
        Metric(transformation["MetricName"])
        for resource in resources.values()
        if resource["Type"] == "AWS::Logs::MetricFilter"
        for transformation in resource["Properties"]["MetricTransformations"]
    }


def test_every_declared_metric_is_emitted(resources: Resources) -> None:
    assert {metric for _, metric in emitted()} | filtered(resources) == set(Metric)


def test_no_other_module_emits_a_metric_by_its_text() -> None:
    """`Metric(...)` hides a name from a search, and a direct call of Powertools takes an undeclared one."""
    for root in (REPOSITORY / "functions", LAYER):
        for path in {*root.rglob("*.py")} - {LAYER / "metrics.py", LAYER / "defects.py"}:
            assert not re.search(r"\bMetric\(|add_metric|single_metric", path.read_text()), path


def test_every_alarm_on_an_own_metric_watches_one_that_its_service_emits(resources: Resources) -> None:
    """An alarm on a misspelt metric or service never fires."""
    for name, resource in resources.items():
        alarm = resource["Properties"]
        if resource["Type"] == "AWS::CloudWatch::Alarm" and alarm["Namespace"] == NAMESPACE:
            ((dimension, service),) = [(d["Name"], d["Value"]) for d in alarm["Dimensions"]]
            assert dimension == "service", name
            assert (service, Metric(alarm["MetricName"])) in emitted(), name


def test_the_page_lists_every_metric_with_the_services_that_emit_it(resources: Resources) -> None:
    page = (REPOSITORY / "docs" / "alarms.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE)
    listed = {(service, Metric(name)) for name, services in rows for service in services.strip().split(", ")}
    assert listed == emitted() | {("–", metric) for metric in filtered(resources)}
