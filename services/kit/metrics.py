"""Every metric is declared here once; services count, time and set them by name; `/metrics` shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

MetricName = Literal[
    # counter: records whose handler finished, by consumer group and topic
    "syncorder_records_handled_total",
    # counter: records that became dead letters, by consumer group and topic
    "syncorder_dead_letters_total",
    # counter: handler runs that failed in passing and were repeated, by consumer group
    "syncorder_handler_retries_total",
    # histogram, seconds: one handler run over one batch, by consumer group
    "syncorder_batch_seconds",
    # gauge: records between the handled position and the end, by consumer group and topic
    "syncorder_consumer_lag",
    # counter: messages Kafka acknowledged, by topic
    "syncorder_messages_published_total",
    # counter: publishes that failed in passing
    "syncorder_publish_failures_total",
    # histogram, seconds: HTTP requests answered, by method, route and status
    "syncorder_http_request_seconds",
    # gauge: HTTP requests being answered
    "syncorder_http_requests_in_flight",
    # counter: HTTP requests refused before their handler, by reason
    "syncorder_http_refusals_total",
    # histogram, seconds: calls to other systems, by host and status ("failed" when there was no answer)
    "syncorder_outbound_request_seconds",
    # counter: errors that reached a process's outermost loop, by where
    "syncorder_unexpected_errors_total",
    # counter: webhooks answered by ingest, by platform and outcome ("published", "signature_refused", …)
    "syncorder_webhooks_total",
    # counter: orders that a platform's queue named, by platform and outcome
    "syncorder_hints_total",
    # counter: subscriptions to webhooks that did not work and were mended, by platform and ailment ("missing", …)
    "syncorder_webhooks_mended_total",
    # counter: notes of webhooks that were given up because Postgres was away for too long
    "syncorder_webhook_notes_lost_total",
    # counter: polls ended by ingest, by platform and state
    "syncorder_polls_total",
    # counter: polls put off because the platform's calls were used up, by platform
    "syncorder_polls_put_off_total",
    # gauge: stores that cannot be polled every 8 hours for want of calls, by platform
    "syncorder_stores_short_of_calls",
    # counter: manual syncs ended by ingest, by platform and state
    "syncorder_syncs_total",
    # counter: audits ended by ingest, by platform, scope and state
    "syncorder_audits_total",
    # counter: webhooks sent to sellers' own addresses, by type and outcome ("delivered", "failed", "gave_up")
    "syncorder_outgoing_webhooks_total",
    # counter: imports of files ended by ingest, by state
    "syncorder_imports_total",
    # counter: pushes of tracking numbers that came into a state, by platform and state
    "syncorder_pushes_total",
    # counter: calls that tell platforms of parcels, by platform and outcome ("taken", "refused", "unanswered")
    "syncorder_push_calls_total",
    # histogram, seconds: from production's word that it shipped until the platform showed the number, by platform
    "syncorder_push_seconds",
    # counter: orders that platforms told or listed, by platform, way and result
    "syncorder_orders_listed_total",
    # counter: messages that eligibility's relays published, by topic kind ("decisions", "production", "looks")
    "syncorder_relayed_messages_total",
    # counter: decisions of eligibility, by outcome and cause
    "syncorder_orders_judged_total",
    # counter: requests to judge an order again that eligibility took
    "syncorder_reassessments_total",
    # counter: last looks that eligibility asked for, again and again included
    "syncorder_looks_asked_total",
    # gauge, seconds: how long the order waits that waits longest for its last look, in this process' shards
    "syncorder_looks_waiting_seconds",
    # counter: last looks that ingest answered, by platform and outcome ("unchanged", "changed", "gone", or a problem)
    "syncorder_looks_answered_total",
    # gauge: shards that this eligibility process owns
    "syncorder_shards_owned",
    # histogram, seconds: until Kafka acknowledged what a webhook or a page brought, by way
    "syncorder_publish_seconds",
    # counter: stores' tokens renewed, by platform
    "syncorder_token_renewals_total",
    # gauge, seconds: age of the oldest watermark among the stores that sync by themselves, by platform
    "syncorder_watermark_behind_seconds",
    # gauge: stores whose watermark is older than it may be, by platform
    "syncorder_stores_behind",
]

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric's kind, meaning and labels; `buckets` are upper bounds in seconds."""

    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


METRICS: Mapping[MetricName, Declared] = {
    "syncorder_relayed_messages_total": Declared("counter", "Messages that relays published.", ("topic",)),
    "syncorder_orders_judged_total": Declared("counter", "Orders judged.", ("outcome", "cause")),
    "syncorder_reassessments_total": Declared("counter", "Requests to judge an order again."),
    "syncorder_looks_asked_total": Declared("counter", "Last looks asked for."),
    "syncorder_looks_waiting_seconds": Declared("gauge", "Longest wait for a last look."),
    "syncorder_looks_answered_total": Declared("counter", "Last looks answered.", ("platform", "outcome")),
    "syncorder_shards_owned": Declared("gauge", "Shards that this process owns."),
    "syncorder_records_handled_total": Declared("counter", "Records handled.", ("group", "topic")),
    "syncorder_dead_letters_total": Declared("counter", "Dead letters made.", ("group", "topic")),
    "syncorder_handler_retries_total": Declared("counter", "Handler runs repeated.", ("group",)),
    "syncorder_batch_seconds": Declared("histogram", "Seconds a handler took for a batch.", ("group",)),
    "syncorder_consumer_lag": Declared("gauge", "Records not handled yet.", ("group", "topic")),
    "syncorder_messages_published_total": Declared("counter", "Messages that Kafka acknowledged.", ("topic",)),
    "syncorder_publish_failures_total": Declared("counter", "Publishes that failed in passing."),
    "syncorder_http_request_seconds": Declared(
        "histogram", "Seconds until an HTTP answer.", ("method", "route", "status")
    ),
    "syncorder_http_requests_in_flight": Declared("gauge", "HTTP requests being answered."),
    "syncorder_http_refusals_total": Declared("counter", "HTTP requests refused early.", ("reason",)),
    "syncorder_outbound_request_seconds": Declared("histogram", "Seconds a call out took.", ("host", "status")),
    "syncorder_unexpected_errors_total": Declared("counter", "Errors nobody expected.", ("where",)),
    "syncorder_webhooks_total": Declared("counter", "Webhooks answered.", ("platform", "outcome")),
    "syncorder_hints_total": Declared("counter", "Orders named by queues.", ("platform", "outcome")),
    "syncorder_webhooks_mended_total": Declared("counter", "Webhooks mended.", ("platform", "ailment")),
    "syncorder_webhook_notes_lost_total": Declared("counter", "Notes of webhooks given up."),
    "syncorder_polls_total": Declared("counter", "Polls ended.", ("platform", "state")),
    "syncorder_polls_put_off_total": Declared("counter", "Polls put off for want of calls.", ("platform",)),
    "syncorder_stores_short_of_calls": Declared(
        "gauge", "Stores that cannot be polled every 8 hours for want of calls.", ("platform",)
    ),
    "syncorder_syncs_total": Declared("counter", "Manual syncs ended.", ("platform", "state")),
    "syncorder_audits_total": Declared("counter", "Audits ended.", ("platform", "scope", "state")),
    "syncorder_outgoing_webhooks_total": Declared("counter", "Webhooks sent to sellers.", ("type", "outcome")),
    "syncorder_imports_total": Declared("counter", "Imports of files ended.", ("state",)),
    "syncorder_pushes_total": Declared("counter", "Pushes of tracking numbers by state.", ("platform", "state")),
    "syncorder_push_calls_total": Declared("counter", "Calls telling of parcels.", ("platform", "outcome")),
    "syncorder_push_seconds": Declared(
        "histogram",
        "Seconds from production's word until the platform showed the number.",
        ("platform",),
        (1, 2.5, 5, 10, 20, 30, 60, 120, 300, 900, 3_600, 21_600),
    ),
    "syncorder_orders_listed_total": Declared("counter", "Orders told or listed.", ("platform", "way", "result")),
    "syncorder_publish_seconds": Declared("histogram", "Seconds until Kafka acknowledged.", ("way",)),
    "syncorder_token_renewals_total": Declared("counter", "Tokens renewed.", ("platform",)),
    "syncorder_watermark_behind_seconds": Declared("gauge", "Age of the oldest watermark.", ("platform",)),
    "syncorder_stores_behind": Declared("gauge", "Stores whose watermark is too old.", ("platform",)),
}


class Metrics:
    """One process's metrics; each instance has its own registry, so tests do not meet."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._collectors: dict[MetricName, Counter | Gauge | Histogram] = {
            name: self._collector(name, declared) for name, declared in METRICS.items()
        }
        #: Finding one among a collector's takes ten times as long, with a lock.
        self._found: dict[tuple[MetricName, tuple[tuple[str, str], ...]], Counter | Gauge | Histogram] = {}

    def increment(self, name: MetricName, /, amount: float = 1, **labels: str) -> None:
        """Add `amount` to a counter."""
        collector = self._labelled(name, labels)
        if not isinstance(collector, Counter):
            raise TypeError(f"{name} is not a counter")
        collector.inc(amount)

    def observe(self, name: MetricName, /, seconds: float, **labels: str) -> None:
        """Note one duration in a histogram."""
        collector = self._labelled(name, labels)
        if not isinstance(collector, Histogram):
            raise TypeError(f"{name} is not a histogram")
        collector.observe(seconds)

    def set(self, name: MetricName, /, value: float, **labels: str) -> None:
        """Set a gauge."""
        collector = self._labelled(name, labels)
        if not isinstance(collector, Gauge):
            raise TypeError(f"{name} is not a gauge")
        collector.set(value)

    def value(self, name: MetricName, /, **labels: str) -> float:
        """What a counter or gauge shows now; for a histogram, how many durations it holds."""
        sample = f"{name}_count" if METRICS[name].kind == "histogram" else name
        return self._registry.get_sample_value(sample, labels) or 0.0

    def render(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _labelled(self, name: MetricName, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        if not labels:
            return self._collectors[name]
        place = name, tuple(labels.items())
        found = self._found.get(place)
        if found is None:
            found = self._found[place] = self._collectors[name].labels(**labels)
        return found

    def _collector(self, name: MetricName, declared: Declared) -> Counter | Gauge | Histogram:
        match declared.kind:
            case "counter":
                return Counter(name, declared.meaning, declared.labels, registry=self._registry)
            case "gauge":
                return Gauge(name, declared.meaning, declared.labels, registry=self._registry)
            case "histogram":
                return Histogram(
                    name, declared.meaning, declared.labels, registry=self._registry, buckets=declared.buckets
                )
