"""Webhooks: which topics exist, which addresses are taken, how a delivery is signed and tried again.

Retries, timeout and the end of a subscription are not documented; they are Shopify's here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import orjson

from deploy.sandbox.breaking import Silence
from deploy.sandbox.deliveries import Deliveries, Delivery, DeliveryPolicy
from deploy.sandbox.shopbase.bodies import order_wire
from deploy.sandbox.shopbase.event_bodies import fulfillment_body, refund_body, transaction_body
from deploy.sandbox.shopbase.readings import Readings
from deploy.sandbox.shopbase.world import Fulfillment, Order, Refund, Shop, Subscription, Transaction
from deploy.sandbox.shopbase.zeros import Form, form_for

_RETRIES = 8
_RETRY_SPAN = 4 * 3600

#: One second to connect, five in all; eight retries over four hours, each wait twice the one before; then the
#: subscription is deleted.
POLICY = DeliveryPolicy(
    connect_timeout=1.0,
    total_timeout=5.0,
    retry_waits=tuple(_RETRY_SPAN * 2**turn / (2**_RETRIES - 1) for turn in range(_RETRIES)),
    exhausted_after=1,
)

_EVENTS = {
    "app": "uninstalled",
    "carts": "create update",
    "checkouts": "create delete update",
    "collections": "create delete update",
    "customers": "create delete disable enable update",
    "draft_orders": "create delete update",
    "fulfillments": "create update",
    "fulfillment_events": "create delete",
    "inventory_levels": "connect update disconnect",
    "order_transactions": "create",
    "orders": "cancelled create delete fulfilled paid partially_fulfilled updated",
    "products": "create delete update",
    "refunds": "create",
    "shop": "update",
    "themes": "create delete publish update",
}
TOPICS = frozenset(f"{resource}/{event}" for resource, events in _EVENTS.items() for event in events.split())
#: Resources whose webhooks tell of orders, and so need `read_orders`.
ORDER_RESOURCES = frozenset({"orders", "order_transactions", "refunds", "fulfillments"})

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def address_objection(address: str, *, require_https: bool) -> str | None:
    """Why this webhook address is not taken; a sandbox takes loopback unless `require_https`."""
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").lower()
    except ValueError:
        return "is not an address"
    if host in _LOOPBACK and parts.scheme in {"http", "https"} and not require_https:
        return None
    if parts.scheme != "https" or not host:
        return "must be an https address"
    own = any(host == domain or host.endswith(f".{domain}") for domain in ("shopbase.com", "onshopbase.com"))
    if host in _LOOPBACK or host == "www.example.com" or host.endswith("internal") or own:
        return "is not allowed"
    return None


def sign(secret: str, body: bytes) -> str:
    """The signature of a delivery: base64 of the body's HMAC-SHA256 under the app's secret."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def subscription_key(shop: Shop, subscription: Subscription) -> str:
    """The name under which deliveries count a subscription's failures."""
    return f"{shop.handle}/{subscription.id}"


class Announcer:
    """Sends webhooks to the subscribers of a shop; a topic that is subscribed twice is sent twice."""

    def __init__(self, deliveries: Deliveries, *, readings: Readings, silence: Silence) -> None:
        self._silence = silence
        self._deliveries = deliveries
        self._readings = readings

    def order(self, order: Order, *topics: str) -> None:
        """Announce these topics with the order as it is now, bare: no object around it."""
        self._announce(order.shop, topics, lambda: order_wire(order, zero_values=self._readings.zero_values))

    def fulfillment(self, sent: Fulfillment, order: Order, topic: str) -> None:
        """Announce a parcel."""
        self._announce(order.shop, (topic,), lambda: orjson.dumps(fulfillment_body(sent, order, self._form(order))))

    def refund(self, refund: Refund, order: Order) -> None:
        """Announce a refund."""
        form = self._form(order)
        self._announce(order.shop, ("refunds/create",), lambda: orjson.dumps(refund_body(refund, order, form)))

    def transactions(self, moved: Iterable[Transaction], order: Order) -> None:
        """Announce movements of money."""
        for each in moved:
            body = transaction_body(each, order, self._form(order))
            self.event(order.shop, "order_transactions/create", body)

    def event(self, shop: Shop, topic: str, body: dict[str, Any]) -> None:
        """Announce a topic with a body of its own."""
        self._announce(shop, (topic,), lambda: orjson.dumps(body))

    def _form(self, order: Order) -> Form:
        return form_for(order.number, zero_values=self._readings.zero_values)

    def _announce(self, shop: Shop, topics: tuple[str, ...], write: Callable[[], bytes]) -> None:
        heard = [
            subscription
            for topic in topics
            for subscription in shop.subscriptions.values()
            if subscription.topic == topic
        ]
        if heard:
            body = write()
            for subscription in heard:
                self._send(shop, subscription, body)

    def _send(self, shop: Shop, subscription: Subscription, body: bytes) -> None:
        if self._silence.covers(shop.handle, subscription.topic):
            return
        if subscription.fields:
            whole = orjson.loads(body)
            body = orjson.dumps({name: whole[name] for name in subscription.fields if name in whole})
        headers = {
            "Content-Type": "application/json",
            "X-ShopBase-Hmac-SHA256": sign(subscription.secret, body),
            "X-ShopBase-Shop-Domain": shop.domain,
            **_topic_header(subscription.topic, self._readings.topic_header),
        }
        key = subscription_key(shop, subscription)
        self._deliveries.send(Delivery(key, subscription.topic, subscription.address, headers, body))


def _topic_header(topic: str, reading: str) -> dict[str, str]:
    """No document names the header; integrations read one of these two."""
    match reading:
        case "entity":
            return {"X-ShopBase-Entity-Type": topic.partition("/")[0]}
        case "topic":
            return {"X-ShopBase-Topic": topic}
    return {}
