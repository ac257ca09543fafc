"""The dashboard and the alerts ask only for metrics and labels that the services show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import promql_parser
import pytest

from services.kit.metrics import METRICS
from tests.deploy.manifests import DEPLOY, documents

DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "sync-order.json").read_text())
RULES: list[dict[str, Any]] = documents(DEPLOY / "grafana" / "alerts.yaml")[0]["groups"][0]["rules"]
#: Labels that Prometheus adds to whatever it reads.
ADDED_LABELS = {"job", "instance"}
#: Grafana's own words in an expression, and durations in their place.
GRAFANA = {"$__rate_interval": "5m", "$__range": "1h"}
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}


def expressions() -> list[str]:
    found = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    for word, duration in GRAFANA.items():
        found = [expression.replace(word, duration) for expression in found]
    return [*found, *(rule["expr"] for rule in RULES)]


def labels_of(sample: str | None) -> set[str] | None:
    """The labels of a sample, None when no metric has such a sample."""
    if sample is None:
        return None
    for name, declared in METRICS.items():
        suffixes = SUFFIXES.get(declared.kind, ("",))
        if sample in {f"{name}{suffix}" for suffix in suffixes}:
            return {*declared.labels, *ADDED_LABELS, *(["le"] if sample.endswith("_bucket") else [])}
    return None


def nodes(expression: str) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(promql_parser.parse(expression), found.append)
    return found


def unknown_in(expression: str) -> Iterator[str]:
    found = nodes(expression)
    selectors = [node for node in found if isinstance(node, promql_parser.VectorSelector)]
    known: set[str] = set(ADDED_LABELS)
    for selector in selectors:
        labels = labels_of(selector.name)
        if labels is None:
            yield str(selector)
            continue
        known |= labels
        yield from (f"{selector.name}{{{it.name}}}" for it in selector.matchers.matchers if it.name not in labels)
    for node in found:
        if isinstance(node, promql_parser.AggregateExpr) and node.modifier is not None:
            yield from (f"by ({label})" for label in node.modifier.labels if label not in known)


def test_every_expression_asks_for_metrics_and_labels_that_exist() -> None:
    asked = expressions()

    assert len(asked) > 30
    assert {expression: found for expression in asked if (found := list(unknown_in(expression)))} == {}


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {node.name for each in expressions()[: -len(RULES)] for node in nodes(each) if hasattr(node, "matchers")}
    families = {name for name in METRICS if shown & {name, f"{name}_bucket", f"{name}_count"}}

    assert set(METRICS) - families == set()


@pytest.mark.parametrize(
    "metric",
    [
        "syncorder_consumer_lag",
        "syncorder_webhooks_total",
        "syncorder_publish_failures_total",
        "syncorder_unexpected_errors_total",
    ],
)
def test_what_needs_somebody_wakes_somebody(metric: str) -> None:
    assert [rule["alert"] for rule in RULES if metric in rule["expr"]] != []


def test_dead_letters_wake_somebody() -> None:
    assert [rule["alert"] for rule in RULES if "[.]dlq" in rule["expr"]] == ["SyncOrderDeadLetters"]


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    names = [rule["alert"] for rule in RULES]

    assert len(set(names)) == len(names)
    assert [rule["alert"] for rule in RULES if not rule["annotations"]["summary"]] == []
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}


def test_no_two_panels_overlap() -> None:
    places = [(panel["gridPos"], panel["title"]) for panel in DASHBOARD["panels"]]
    cells = [
        ((x, y), title)
        for at, title in places
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    ordered = sorted(cells)

    assert [(one, other) for one, other in pairwise(ordered) if one[0] == other[0]] == []
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
