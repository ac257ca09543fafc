from __future__ import annotations

import typing

import pytest

from services.kit.metrics import METRICS, MetricName, Metrics


def test_every_name_is_declared_with_its_meaning() -> None:
    assert set(METRICS) == set(typing.get_args(MetricName))
    assert all(declared.meaning for declared in METRICS.values())


def test_names_tell_their_kind() -> None:
    for name, declared in METRICS.items():
        assert name.startswith("syncorder_")
        assert name.endswith("_total") == (declared.kind == "counter")
        # A gauge may be a time, too.
        assert name.endswith("_seconds") or declared.kind != "histogram"
        assert not name.endswith("_seconds") or declared.kind != "counter"


def test_what_was_counted_is_rendered() -> None:
    metrics = Metrics()

    metrics.increment("syncorder_messages_published_total", 3, topic="orders.raw")
    metrics.observe("syncorder_batch_seconds", 0.02, group="readers")
    metrics.set("syncorder_http_requests_in_flight", 2)

    text = metrics.render().decode()
    assert 'syncorder_messages_published_total{topic="orders.raw"} 3.0' in text
    assert 'syncorder_batch_seconds_count{group="readers"} 1.0' in text
    assert "syncorder_http_requests_in_flight 2.0" in text


def test_a_counter_cannot_be_set() -> None:
    with pytest.raises(TypeError):
        Metrics().set("syncorder_publish_failures_total", 1)


def test_two_sets_of_metrics_do_not_meet() -> None:
    one, other = Metrics(), Metrics()

    one.increment("syncorder_publish_failures_total")

    assert (one.value("syncorder_publish_failures_total"), other.value("syncorder_publish_failures_total")) == (1, 0)
