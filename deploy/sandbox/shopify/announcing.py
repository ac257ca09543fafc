"""Announces what happens: for every subscription to a topic, one signed webhook in Shopify's classic form.

Source: shopify.dev/docs/apps/build/webhooks (delivery structure, verify deliveries, best practices).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime

import orjson

from deploy.sandbox.breaking import Silence
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.deliveries import Deliveries, Delivery, DeliveryPolicy
from deploy.sandbox.shopify.apps import App
from deploy.sandbox.shopify.bodies import fulfillment_body, order_body, without_buyer
from deploy.sandbox.shopify.world import Fulfillment, Order, Store, Subscription

_RETRIES = 8
_RETRY_SPAN = 4 * 3600

#: One second to connect, five in all; eight retries over four hours, each wait twice the one before; then a
#: subscription that nobody answers is deleted.
POLICY = DeliveryPolicy(
    connect_timeout=1.0,
    total_timeout=5.0,
    retry_waits=tuple(_RETRY_SPAN * 2**turn / (2**_RETRIES - 1) for turn in range(_RETRIES)),
    exhausted_after=1,
)


def topic_of(enum: str) -> str:
    """A topic as headers write it: ORDERS_CREATE is orders/create."""
    for resource in ("FULFILLMENT_ORDERS", "FULFILLMENTS", "ORDER_TRANSACTIONS", "ORDERS", "REFUNDS", "APP"):
        if enum.startswith(f"{resource}_"):
            return f"{resource}/{enum.removeprefix(resource + '_')}".lower()
    raise ValueError(f"unknown topic {enum}")


def sign(secret: str, body: bytes) -> str:
    """The signature of a delivery: base64 of the body's HMAC-SHA256 under the app's secret."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def subscription_key(store: Store, subscription: Subscription) -> str:
    """The name under which deliveries count a subscription's failures."""
    return f"{store.handle}/{subscription.id}"


class Announcer:
    """Sends webhooks to the subscribers of a store."""

    def __init__(
        self, deliveries: Deliveries, *, apps: Mapping[str, App], clock: SandboxClock, silence: Silence
    ) -> None:
        self._silence = silence
        self._deliveries = deliveries
        self._apps = apps
        self._clock = clock

    def order_events(self, order: Order, *topics: str) -> None:
        """Announce these topics (GraphQL enum names) with the order's present form, as one event."""
        if self._is_heard(order.store, topics):
            body = order_body(order)
            self._announce(order.store, topics, lambda app: body if app.sees_buyers else without_buyer(body))

    def fulfillment_event(self, sent: Fulfillment, topic: str) -> None:
        """Announce a fulfilment."""
        self.event(sent.order.store, topic, fulfillment_body(sent))

    def event(self, store: Store, topic: str, body: Mapping[str, object]) -> None:
        """Announce a topic with a body of its own."""
        if self._is_heard(store, (topic,)):
            self._announce(store, (topic,), lambda _app: body)

    def compliance(self, store: Store, app: App, topic: str, body: Mapping[str, object], *, address: str) -> None:
        """Send a privacy topic (as headers write it) to the app's one address for them."""
        raw, now = orjson.dumps(body), self._clock.now()
        headers = self._headers(store, app, topic=topic, body=raw, event_id=str(uuid.uuid4()), triggered=now)
        self._deliveries.send(Delivery(f"{store.handle}/0", topic, address, headers, raw))

    def _is_heard(self, store: Store, topics: tuple[str, ...]) -> bool:
        return any(subscription.topic in topics for subscription in store.subscriptions.values())

    def _announce(self, store: Store, topics: tuple[str, ...], body_for: Callable[[App], Mapping[str, object]]) -> None:
        event_id = str(uuid.uuid4())
        triggered = self._clock.now()
        bodies: dict[str, bytes] = {}
        for topic in topics:
            for subscription in list(store.subscriptions.values()):
                if subscription.topic == topic:
                    app = self._apps[subscription.app]
                    body = bodies.setdefault(app.client_id, orjson.dumps(body_for(app)))
                    self._send(store, subscription, app, body=body, event_id=event_id, triggered=triggered)

    def _send(
        self,
        store: Store,
        subscription: Subscription,
        app: App,
        *,
        body: bytes,
        event_id: str,
        triggered: datetime,
    ) -> None:
        if self._silence.covers(store.handle, subscription.topic):
            return
        topic = topic_of(subscription.topic)
        if subscription.include_fields:
            whole = orjson.loads(body)
            body = orjson.dumps({name: whole[name] for name in subscription.include_fields if name in whole})
        headers = self._headers(store, app, topic=topic, body=body, event_id=event_id, triggered=triggered)
        if subscription.secret is not None:
            headers["X-Shopify-Hmac-Sha256"] = sign(subscription.secret, body)
        if subscription.name:
            headers["X-Shopify-Name"] = subscription.name
        self._deliveries.send(Delivery(subscription_key(store, subscription), topic, subscription.uri, headers, body))

    def _headers(
        self, store: Store, app: App, *, topic: str, body: bytes, event_id: str, triggered: datetime
    ) -> dict[str, str]:
        return {
            "Content-Type": "application/json",
            "User-Agent": "Shopify-Captain-Hook",
            "X-Shopify-Topic": topic,
            "X-Shopify-Hmac-Sha256": sign(app.client_secret, body),
            "X-Shopify-Shop-Domain": store.domain,
            "X-Shopify-API-Version": app.webhook_version,
            "X-Shopify-Webhook-Id": str(uuid.uuid4()),
            "X-Shopify-Event-Id": event_id,
            "X-Shopify-Triggered-At": triggered.isoformat().replace("+00:00", "Z"),
        }
