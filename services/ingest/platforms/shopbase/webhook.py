"""Verifies ShopBase's webhooks over their raw bytes and says what each tells, by the address that it came to."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.contract.webhooks import (
    Delivery,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    WebhookFact,
)
from services.ingest.parsing import json_object, parsed
from services.ingest.platforms.shopbase.linking import PRIVATE
from services.ingest.platforms.shopbase.mapping import to_deleted_order, to_raw_order
from services.ingest.platforms.shopbase.payloads import ShopbaseNamed, ShopbaseOrder, ShopbasePart
from services.ingest.platforms.shopbase.signatures import is_body_signed

SIGNATURE = "x-shopbase-hmac-sha256"
SHOP = "x-shopbase-shop-domain"

#: The ends of the addresses that are told whole orders, and of those that are told what belongs to one.
_ORDERS = frozenset(
    {
        "orders-create",
        "orders-updated",
        "orders-paid",
        "orders-cancelled",
        "orders-fulfilled",
        "orders-partially_fulfilled",
    }
)
_PARTS = frozenset({"refunds-create", "order_transactions-create", "fulfillments-create", "fulfillments-update"})
_DELETED, _UNINSTALLED = "orders-delete", "app-uninstalled"


def signing_secret(secrets: Mapping[str, str], *, app_secret: str) -> str:
    """Return what signs a store's webhooks: the private app's shared secret, or the public app's; "" if unknown."""
    return secrets.get("shared_secret", "") if secrets.get("kind") == PRIVATE else app_secret


def verify_webhook(access: Access | None, delivery: Delivery, *, app_secret: str) -> None:
    """Check the signature, and that the webhook is this store's. Raises SignatureRefused."""
    secret = signing_secret(access.secrets, app_secret=app_secret) if access else app_secret
    if not is_body_signed(delivery.body, delivery.headers.get(SIGNATURE, ""), secret=secret):
        raise SignatureRefused("the signature is missing or wrong")
    # All stores of a public app share its secret: a genuine webhook of another store is not this store's.
    if access is not None and _is_another_stores(access, delivery):
        raise SignatureRefused("the webhook is another store's")


def read_webhook(store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
    """Say what a verified webhook tells."""
    text = delivery.body.decode(errors="replace")
    try:
        document = json_object(delivery.body)
    except UnreadablePayload as error:
        return OrderTold(Unreadable(external_id=None, path=error.path, problem=error.problem, body=text))
    try:
        return _read(store, delivery.topic, _bare(document), text, now=now)
    except UnreadablePayload as error:
        external_id = _digits(document.get("id"))
        return OrderTold(Unreadable(external_id=external_id, path=error.path, problem=error.problem, body=text))


def _read(store: StoreRef, topic: str | None, document: dict[str, Any], text: str, *, now: datetime) -> WebhookFact:
    if _is_order(document) and (topic in _ORDERS or topic is None):
        order = parsed(ShopbaseOrder, document)
        return OrderTold(to_raw_order(order, store, body=text, way="webhook", fetched_at=now))
    if topic in _ORDERS or (topic == _DELETED and _is_order(document)):
        # The signature does not say for which topic it was made: an order that says more than its id is not deleted.
        return OrderHinted(parsed(ShopbaseNamed, document).id)
    if topic == _DELETED:
        return OrderTold(to_deleted_order(parsed(ShopbaseNamed, document).id, store, body=text, at=now))
    if topic in _PARTS or (topic is None and "order_id" in document):
        return OrderHinted(parsed(ShopbasePart, document).order_id)
    # As above: what belongs to an order is no shop that was left.
    if topic == _UNINSTALLED and not _is_order(document) and "order_id" not in document:
        return StoreClosed("The app was uninstalled in ShopBase. Install it again by linking the store again.")
    return NotOurs("another topic than an order's")


def _is_order(document: Mapping[str, Any]) -> bool:
    return "line_items" in document and "order_id" not in document


def _bare(document: dict[str, Any]) -> dict[str, Any]:
    """Return the resource itself; there is no official sample that would rule out a wrapper."""
    inner = document.get("order") if "id" not in document else None
    return inner if isinstance(inner, dict) else document


def _is_another_stores(access: Access, delivery: Delivery) -> bool:
    """Tell a webhook that is about another store: by the header, and by the shop's id, which alone is signed."""
    shop = delivery.headers.get(SHOP)
    if shop is not None and shop.strip().lower() != access.secrets.get("shop", ""):
        return True
    own = access.secrets.get("shop_id")
    if own is None or access.secrets.get("kind") == PRIVATE:
        return False
    try:
        told = _digits(_bare(json_object(delivery.body)).get("shop_id"))
    except UnreadablePayload:
        return False
    return told not in {None, "0", own}


def _digits(value: object) -> str | None:
    return value if isinstance(value, str) and value.isascii() and value.isdecimal() else None
