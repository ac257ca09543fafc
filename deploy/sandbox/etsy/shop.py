"""Etsy's side of the world: shops with their receipts, apps with their budgets, and what may change a receipt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from deploy.sandbox.books import Books
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.etsy.carriers import is_known
from deploy.sandbox.etsy.ledger import Ledger, Receipt
from deploy.sandbox.etsy.quota import Quota
from deploy.sandbox.etsy.receipts import refund_entry
from deploy.sandbox.etsy.tokens import App, Tokens

#: Above this, in units of the shop's currency, a parcel inside the US needs a tracking number.
TRACKING_REQUIRED_ABOVE = 10
Announce = Callable[["Shop", Receipt, str], None]


class RefusalError(Exception):
    """Etsy answers with this status and `{"error": message}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(slots=True)
class Shop:
    """One seller's shop; `restricted` hides addresses from the app and refuses its tracking."""

    shop_id: int
    user_id: int
    shop_name: str
    currency: str = "USD"
    country: str = "US"
    restricted: bool = False
    created: int = 1_600_000_000
    #: The place in the sequence of shops that this sandbox opened.
    opened: int = 0
    deleted: list[Receipt] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)


@dataclass(slots=True)
class Parcel:
    """The tracking of one createReceiptShipment call; empty when the client sent none that Etsy could read."""

    tracking_code: str = ""
    carrier_name: str = ""
    #: The body could not be read for its content type: Etsy says nothing and forgets the tracking.
    lost: bool = False


@dataclass(slots=True)
class Marketplace:
    """All shops and apps; every change of a receipt goes through here, so that its times and events are right."""

    clock: SandboxClock
    books: Books
    announce: Announce = lambda _shop, _receipt, _event: None
    shops: dict[int, Shop] = field(default_factory=dict)
    quotas: dict[str, Quota] = field(default_factory=dict)
    tokens: Tokens = field(init=False)
    limited: bool = True
    #: Whether cancels, refunds and changed addresses leave update_timestamp as it was; no document says.
    quiet_changes: bool = False
    #: Whether numbers get lost though their carrier is known, as has been seen; the receipt is shipped all the same.
    loses_numbers: bool = False
    #: Whose browser session meets the connect page next; None: the newest shop that has not connected yet.
    session_of: int | None = None
    _last_shipment: int = 700_000_000_000

    def __post_init__(self) -> None:
        """One clock for receipts and tokens."""
        self.tokens = Tokens(self.clock.seconds)

    def now(self) -> int:
        """Unix time in whole seconds, which is all that Etsy keeps."""
        return int(self.clock.seconds())

    def register(self, app: App) -> None:
        """Take an app, with budgets of its own."""
        self.tokens.apps[app.keystring] = app
        self.quotas[app.keystring] = Quota(self.clock.seconds, limited=self.limited)

    def limit(self, *, on: bool) -> None:
        """Put the artificial rate limits on or off for every app."""
        self.limited = on
        for quota in self.quotas.values():
            quota.limited = on

    def shop(self, shop_id: int, *, user_id: int) -> Shop:
        """The shop, if this user owns it."""
        shop = self.shops.get(shop_id)
        if shop is None:
            raise RefusalError(404, "Resource not found")
        if shop.user_id != user_id:
            raise RefusalError(403, "User is not authorized to access this shop")
        return shop

    def shop_of(self, user_id: int) -> Shop | None:
        """One user has one shop at most."""
        return next((shop for shop in self.shops.values() if shop.user_id == user_id), None)

    def signed_in(self) -> Shop | None:
        """The seller who meets the connect page."""
        if self.session_of is not None:
            return self.shops.get(self.session_of)
        newest_first = sorted(self.shops.values(), key=lambda shop: shop.opened, reverse=True)
        waiting = (shop for shop in newest_first if not self.tokens.has_grant(shop.user_id))
        return next(waiting, newest_first[0] if newest_first else None)

    def ship(self, shop: Shop, receipt: Receipt, parcel: Parcel) -> None:
        """Append a shipment, mark the receipt shipped, and write to the buyer; doing it twice does it twice."""
        self._refuse_shipping(shop, receipt, parcel)
        known = bool(parcel.tracking_code) and is_known(parcel.carrier_name) and not self.loses_numbers
        self._last_shipment += 1
        receipt.payload["shipments"].append(
            {
                "receipt_shipping_id": self._last_shipment,
                "shipment_notification_timestamp": self.now(),
                "carrier_name": parcel.carrier_name if known else "",
                "tracking_code": parcel.tracking_code if known else "",
            }
        )
        self.books.count("fulfillments")
        self.books.mail(receipt.receipt_id, parcel.tracking_code)
        self.mark(shop, receipt, shipped=True)
        if known:
            self.announce(shop, receipt, "order.shipped")

    def _refuse_shipping(self, shop: Shop, receipt: Receipt, parcel: Parcel) -> None:
        if shop.restricted:
            raise RefusalError(403, "This application is not permitted to use this endpoint for this shop")
        if receipt.is_canceled:
            raise RefusalError(409, "The receipt was canceled")
        complete = bool(parcel.tracking_code and parcel.carrier_name)
        if not complete and not parcel.lost and _needs_tracking(shop, receipt.payload):
            raise RefusalError(400, "A tracking number is required")

    def mark(self, shop: Shop, receipt: Receipt, *, shipped: bool | None = None, paid: bool | None = None) -> None:
        """Set the flags that updateShopReceipt may set, and what follows from them."""
        at = self.now()
        payload = receipt.payload
        if paid is not None:
            payload["is_paid"] = paid
            payload["status"] = "Paid" if paid else "Open"
            _stamp(payload, "paid_timestamp", at if paid else None)
        if shipped is not None:
            payload["is_shipped"] = shipped
            payload["status"] = "Completed" if shipped else "Paid"
            _stamp(payload, "shipped_timestamp", at if shipped else None)
        shop.ledger.touch(receipt, now=at)
        if paid:
            self.announce(shop, receipt, "order.paid")

    def cancel(self, shop: Shop, receipt: Receipt) -> None:
        """The seller cancels the order."""
        receipt.is_canceled = True
        receipt.payload["status"] = "Canceled"
        self._touch(shop, receipt)
        self.announce(shop, receipt, "order.canceled")

    def refund(self, shop: Shop, receipt: Receipt, *, cents: int | None) -> None:
        """The seller gives money back, all of it when `cents` is None; Etsy does not say for which item."""
        payload = receipt.payload
        total = payload["grandtotal"]
        amount = total["amount"] if cents is None else cents
        payload["refunds"].append(refund_entry(total | {"amount": amount}, at=self.now()))
        refunded = sum(refund["amount"]["amount"] for refund in payload["refunds"])
        payload["status"] = "Fully Refunded" if refunded >= total["amount"] else "Partially Refunded"
        self._touch(shop, receipt)

    def deliver(self, shop: Shop, receipt: Receipt) -> None:
        """The carrier reports the parcel delivered."""
        receipt.is_delivered = True
        shop.ledger.touch(receipt, now=self.now())
        self.announce(shop, receipt, "order.delivered")

    def delete(self, shop: Shop, receipt: Receipt) -> None:
        """The receipt is gone: it answers 404 and is in no list."""
        receipt.deleted = True
        shop.ledger.remove(receipt)
        shop.deleted.append(receipt)

    def change(self, shop: Shop, receipt: Receipt, fields: dict[str, Any]) -> None:
        """The buyer or seller changes fields of the receipt, such as its address or a gift message."""
        receipt.payload.update(fields)
        self._touch(shop, receipt)

    def _touch(self, shop: Shop, receipt: Receipt) -> None:
        shop.ledger.touch(receipt, now=receipt.updated if self.quiet_changes else self.now())


def _needs_tracking(shop: Shop, payload: dict[str, Any]) -> bool:
    """The fulfilment tutorial's rule: parcels to India, and parcels inside the US for over $10."""
    if payload["country_iso"] == "IN":
        return True
    total = payload["grandtotal"]
    inside_us = shop.country == "US" and payload["country_iso"] == "US"
    return inside_us and total["amount"] > TRACKING_REQUIRED_ABOVE * total["divisor"]


def _stamp(payload: dict[str, Any], name: str, at: int | None) -> None:
    for transaction in payload["transactions"]:
        transaction[name] = at
