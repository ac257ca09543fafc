"""Verifies Shopify's webhooks over their raw bytes and says what each tells."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime

import orjson
from pydantic import ValidationError

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.contract.webhooks import (
    AboutStore,
    AppFact,
    BuyerForgotten,
    DataRequested,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    StoreForgotten,
    WebhookFact,
)
from services.ingest.parsing import json_object, parsed
from services.ingest.platforms.shopify.mapping import to_deleted_order, to_raw_order
from services.ingest.platforms.shopify.naming import by_fulfillment_order
from services.ingest.platforms.shopify.payloads import (
    HoldChanged,
    OrderEdited,
    OrderNamed,
    PrivacyAsked,
    RefundMade,
    RestOrder,
    RiskAssessed,
    Uninstalled,
)

SIGNATURE = "x-shopify-hmac-sha256"
SHOP = "x-shopify-shop-domain"
TOPIC = "x-shopify-topic"
TRIGGERED_AT = "x-shopify-triggered-at"
WEBHOOK_ID = "x-shopify-webhook-id"

#: Topics whose body is the whole order.
_WHOLE_ORDER = frozenset(
    {
        "orders/create",
        "orders/updated",
        "orders/paid",
        "orders/cancelled",
        "orders/fulfilled",
        "orders/partially_fulfilled",
    }
)
#: What Shopify requires of every public app; they have one address for all shops.
_PRIVACY = frozenset({"customers/data_request", "customers/redact", "shop/redact"})


def verify_webhook(
    access: Access | None, headers: Mapping[str, str], body: bytes, *, app_secrets: tuple[str, ...]
) -> None:
    """Check the signature and that the webhook is about this store, if one is meant. Raises SignatureRefused.

    A custom app signs with its own client secret, which the seller gave when linking; else it is our app's, or the
    one before while that is rotated out (Shopify goes on with the old one for up to an hour).
    """
    own = access.secrets.get("webhook_secret") if access else None
    if not _is_signed(headers.get(SIGNATURE, ""), body, secrets=(own,) if own else app_secrets):
        raise SignatureRefused("the signature is missing or wrong")
    # All stores of an app share its secret: a genuine webhook of another store is not this store's.
    if access is not None and headers.get(SHOP, "").lower() != access.secrets.get("shop", "").lower():
        raise SignatureRefused("the webhook is another store's")


def read_webhook(store: StoreRef, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WebhookFact:
    """Say what a verified webhook tells."""
    topic = headers.get(TOPIC, "")
    try:
        return _read(topic, store, headers, body, now=now)
    except UnreadablePayload as error:
        external_id = _external_id(body)
        text = body.decode(errors="replace")
        return OrderTold(Unreadable(external_id=external_id, path=error.path, problem=error.problem, body=text))


def _read(topic: str, store: StoreRef, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WebhookFact:
    if topic in _WHOLE_ORDER:
        order = _order(body)
        if order.has_bundles:
            return OrderHinted(order.id)
        text = body.decode(errors="replace")
        return OrderTold(to_raw_order(order, store, body=text, way="webhook", fetched_at=now))
    hinted = _hinted(topic, body)
    if hinted is not None:
        return hinted
    match topic:
        case "orders/delete":
            named = parsed(OrderNamed, json_object(body))
            at = _triggered_at(headers, default=now)
            return OrderTold(
                to_deleted_order(named.id, store, body=body.decode(errors="replace"), at=at, fetched_at=now)
            )
        case "app/uninstalled":
            return _closed(store, body)
        case _ if topic in _PRIVACY:
            return _privacy(topic, store, headers, body)
        case _:
            return NotOurs(f"topic {topic}" if _is_plain(topic) else "no topic")


def _hinted(topic: str, body: bytes) -> OrderHinted | NotOurs | None:
    """Return which order to read again, for topics that tell of a change and not what the order is now."""
    match topic:
        case "orders/edited":
            return OrderHinted(parsed(OrderEdited, json_object(body)).order_edit.order_id)
        case "refunds/create":
            return OrderHinted(parsed(RefundMade, json_object(body)).order_id)
        case "fulfillment_orders/placed_on_hold" | "fulfillment_orders/hold_released":
            held = parsed(HoldChanged, json_object(body)).fulfillment_order
            return OrderHinted(by_fulfillment_order(held.number))
        case "orders/risk_assessment_changed":
            # Not among the topics we subscribe to: one comes for every order, and reading each again costs points.
            order_id = parsed(RiskAssessed, json_object(body)).order_id
            return OrderHinted(order_id) if order_id else NotOurs("a risk assessment of no order")
        case _:
            return None


def read_app_webhook(headers: Mapping[str, str], body: bytes) -> AppFact:
    """Say which shop a webhook to the whole app is about. Raises UnreadablePayload.

    Only the body is signed: where it names the shop, the header does not count.
    """
    shop = headers.get(SHOP, "")
    if headers.get(TOPIC, "") in _PRIVACY:
        shop = parsed(PrivacyAsked, json_object(body)).shop_domain
    return AboutStore(shop.lower()) if shop else NotOurs("no shop is named")


def _closed(store: StoreRef, body: bytes) -> WebhookFact:
    domain = parsed(Uninstalled, json_object(body)).myshopify_domain
    if domain is not None and domain.lower() != store.external_id.lower():
        return NotOurs("another shop's uninstallation")
    return StoreClosed("The app was uninstalled in Shopify. Install it again by linking the store again.")


def _privacy(topic: str, store: StoreRef, headers: Mapping[str, str], body: bytes) -> WebhookFact:
    """Return the request; a delivery and its retries have one id, or at least one body, and so one request."""
    asked = parsed(PrivacyAsked, json_object(body))
    if asked.shop_domain.lower() != store.external_id.lower():
        return NotOurs("another shop's request")
    delivery = headers.get(WEBHOOK_ID) or hashlib.sha256(body).hexdigest()
    request_id = f"shopify {asked.data_request.id if asked.data_request else delivery}"
    buyer = asked.customer.id if asked.customer else None
    match topic:
        case "shop/redact":
            return StoreForgotten(request_id)
        case "customers/redact":
            return BuyerForgotten(request_id, asked.orders_to_redact or (), (buyer,) if buyer else ())
        case _:
            return DataRequested(request_id, asked.orders_requested or (), buyer)


def _order(body: bytes) -> RestOrder:
    """Return the order; read the slower, exact way when something is not as documented or a float might lose digits."""
    try:
        order = RestOrder.model_validate(orjson.loads(body))
    except (orjson.JSONDecodeError, ValidationError):
        return parsed(RestOrder, json_object(body))
    return parsed(RestOrder, json_object(body)) if order.has_floats else order


def _is_signed(given: str, body: bytes, *, secrets: tuple[str, ...]) -> bool:
    try:
        digest = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    right = False
    for secret in secrets:
        right |= hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).digest(), digest)
    return right


def _triggered_at(headers: Mapping[str, str], *, default: datetime) -> datetime:
    """Return when the fact happened: the header is the same on every retry, so the event's id is too."""
    try:
        moment = datetime.fromisoformat(headers.get(TRIGGERED_AT, ""))
    except ValueError:
        return default
    return moment if moment.tzinfo else default


def _external_id(body: bytes) -> str | None:
    try:
        found = json_object(body).get("id")
    except UnreadablePayload:
        return None
    return str(found) if isinstance(found, int | str) and str(found).isdecimal() else None


def _is_plain(topic: str) -> bool:
    return bool(topic) and topic.replace("/", "").replace("_", "").isalnum() and len(topic) <= 60  # noqa: PLR2004
