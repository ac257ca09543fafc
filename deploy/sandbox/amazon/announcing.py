"""ORDER_CHANGE notifications: their form, and their way to a queue, at least once and in no order.

Source: the schema OrderChangeNotification, payload version 1.0.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
import orjson

from deploy.sandbox.amazon.orders import UNPAID, Order, iso
from deploy.sandbox.amazon.subscribing import ORDER_CHANGE, Subscription, Subscriptions
from deploy.sandbox.amazon.world import Change, Seller
from deploy.sandbox.books import Books
from deploy.sandbox.breaking import Silence
from deploy.sandbox.faults import Faults

#: How v0, whose words notifications keep, spells the states.
STATUS_WORDS = {
    "PENDING_AVAILABILITY": "PendingAvailability",
    "PENDING": "Pending",
    "UNSHIPPED": "Unshipped",
    "PARTIALLY_SHIPPED": "PartiallyShipped",
    "SHIPPED": "Shipped",
    "CANCELLED": "Canceled",
    "UNFULFILLABLE": "Unfulfillable",
}
#: Messages remembered for the control API.
_KEPT = 10_000
_TRIES = 3
_PAUSE = 0.2
_TIMEOUT = aiohttp.ClientTimeout(total=5)
#: A queue's stand-in reads the service and region from the scope; it verifies no signature, and none is made.
_HEADERS = {
    "Content-Type": "application/x-amz-json-1.0",
    "X-Amz-Target": "AmazonSQS.SendMessage",
    "Authorization": (
        "AWS4-HMAC-SHA256 Credential=sandbox/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=none"
    ),
}


@dataclass(frozen=True, slots=True)
class Notification:
    """One message on its way to the queue of this name."""

    arn: str
    body: dict[str, Any]


@dataclass(slots=True)
class Announcer:
    """Tells subscribers, remembers what was told, and hands it to an SQS endpoint where one is set."""

    subscriptions: Subscriptions
    books: Books
    faults: Faults
    silence: Silence
    now: Callable[[], datetime]
    application_of: Callable[[str], str]
    endpoint: str = ""
    queue_url: str = ""
    told: list[Notification] = field(default_factory=list)
    _waiting: asyncio.Queue[Notification] = field(default_factory=asyncio.Queue)
    _worker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to hand over."""
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """End."""
        if self._worker is not None:
            self._worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._worker

    def announce(self, seller: Seller, order: Order, change: Change, reason: str) -> None:
        """Tell every subscription of the seller that wants to know."""
        for subscription in self.subscriptions.of(ORDER_CHANGE, client_id=None, seller_id=seller.seller_id):
            if self.silence.covers(seller.seller_id, subscription.kind):
                continue
            if subscription.wants(change=change, marketplace_id=order.market.id):
                for body in self._bodies(seller, order, change, reason, subscription):
                    self.tell(subscription.destination_id, body)

    def tell(self, destination_id: str, body: dict[str, Any]) -> None:
        """Send one message; a standard queue may deliver it twice, or after its followers."""
        arn = self.subscriptions.destinations[destination_id].arn or ""
        message = Notification(arn, body)
        fault = self.faults.draw_for_webhook(ORDER_CHANGE)
        kind = fault.kind if fault else ""
        if kind == "drop_webhooks":
            self.books.count("webhooks_dropped")
            return
        place = max(0, len(self.told) - 1) if kind == "disordered_webhooks" else len(self.told)
        self.told.insert(place, message)
        if kind == "duplicate_webhooks":
            self.told.append(message)
        del self.told[:-_KEPT]
        for _ in range(2 if kind == "duplicate_webhooks" else 1):
            self.books.count("webhooks_sent")
            if self.queue_url:
                self._waiting.put_nowait(message)

    def _bodies(
        self, seller: Seller, order: Order, change: Change, reason: str, subscription: Subscription
    ) -> list[dict[str, Any]]:
        """One message for the order, or, for what a buyer asks of items, one for each of them."""
        if change == "OrderStatusChange":
            return [self._body(seller, order, order.items, change, reason, subscription)]
        asked = [item for item in order.items if "cancellationRequest" in item.get("cancellation", {})]
        return [self._body(seller, order, [item], change, reason, subscription) for item in asked]

    def _body(
        self,
        seller: Seller,
        order: Order,
        items: list[dict[str, Any]],
        change: Change,
        reason: str,
        subscription: Subscription,
    ) -> dict[str, Any]:
        now = _milliseconds(self.now())
        whole = change == "OrderStatusChange"
        return {
            "NotificationVersion": "1.0",
            "NotificationType": ORDER_CHANGE,
            "PayloadVersion": "1.0",
            "EventTime": now,
            "Payload": {
                "OrderChangeNotification": {
                    "NotificationLevel": "OrderLevel" if whole else "OrderItemLevel",
                    "SellerId": seller.seller_id,
                    "AmazonOrderId": order.order_id,
                    "OrderChangeType": change,
                    "OrderChangeTrigger": {"TimeOfOrderChange": iso(order.updated), "ChangeReason": reason},
                    "Summary": summary(order, items),
                }
            },
            "NotificationMetadata": {
                "ApplicationId": self.application_of(subscription.client_id),
                "SubscriptionId": subscription.subscription_id,
                "PublishTime": now,
                "NotificationId": str(uuid.uuid4()),
            },
        }

    async def _work(self) -> None:
        async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
            while True:
                message = await self._waiting.get()
                sent = await self._hand_over(session, message)
                self.books.count("webhooks_acked" if sent else "webhooks_given_up")

    async def _hand_over(self, session: aiohttp.ClientSession, message: Notification) -> bool:
        body = {"QueueUrl": self.queue_url, "MessageBody": orjson.dumps(message.body).decode()}
        for _ in range(_TRIES):
            try:
                async with session.post(self.endpoint, data=orjson.dumps(body), headers=_HEADERS) as answer:
                    if answer.ok:
                        return True
            except (aiohttp.ClientError, TimeoutError):
                pass
            self.books.count("webhooks_failed")
            await asyncio.sleep(_PAUSE)
        return False


def summary(order: Order, items: list[dict[str, Any]]) -> dict[str, Any]:
    """The order in v0's words: no personal data, no prices; what is not known yet is null."""
    window, pending = order.payload["fulfillment"]["shipByWindow"], order.status in UNPAID
    return {
        "MarketplaceId": order.market.id,
        "OrderStatus": STATUS_WORDS[order.status],
        "PurchaseDate": None if pending else iso(order.created),
        "DestinationPostalCode": None,
        "FulfillmentType": "AFN" if order.by_amazon else "MFN",
        "OrderType": "Preorder" if order.status == "PENDING_AVAILABILITY" else "StandardOrder",
        "NumberOfItemsShipped": sum(item["fulfillment"]["quantityFulfilled"] for item in items),
        "NumberOfItemsUnshipped": sum(item["fulfillment"]["quantityUnfulfilled"] for item in items),
        "EarliestShipDate": window["earliestDateTime"],
        "LatestShipDate": window["latestDateTime"],
        "OrderItems": [
            {
                "OrderItemId": item["orderItemId"],
                "SellerSKU": item["product"].get("sellerSku", ""),
                "SupplySourceId": None,
                "Quantity": item["quantityOrdered"],
                "QuantityShipped": item["fulfillment"]["quantityFulfilled"],
                "IsBuyerRequestedCancel": "cancellationRequest" in item.get("cancellation", {}),
            }
            for item in items
        ],
    }


def _milliseconds(at: datetime) -> str:
    return iso(int(at.timestamp() * 1000))
