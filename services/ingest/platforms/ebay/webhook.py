"""Answers eBay's challenge, and says what a notification tells: which order to read again, whose access ended."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import orjson

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.contract.webhooks import (
    AboutStore,
    AppFact,
    BuyerForgotten,
    Delivery,
    Greeting,
    NotOurs,
    OrderHinted,
    OrderTold,
    StoreClosed,
    WebhookFact,
)
from services.ingest.parsing import json_object, parsed
from services.ingest.platforms.ebay.payloads import EbayNotice
from services.ingest.platforms.ebay.reading import ORDER_ID

ORDER_CONFIRMATION = "ORDER_CONFIRMATION"
REVOCATION = "AUTHORIZATION_REVOCATION"
ACCOUNT_DELETION = "MARKETPLACE_ACCOUNT_DELETION"

_REVOKED = {
    "REVOKED_BY_USER": "You took our access back in eBay. Link the store again if that was not meant.",
    "REVOKED_BY_APP": "Our access to this eBay account was given back. Link the store again.",
    "REVOKED_BY_EBAY": "eBay ended our access. See what it wrote to you. Link the store again once it is settled.",
    "PASSWORD_CHANGE": "The eBay account's password was changed, which ends our access. Link the store again.",
}
_REVOKED_SOMEHOW = "eBay ended our access. Link the store again."
#: A revocation that is older is not taken at its word: eBay sends again and in no order, and the seller may have linked
#: the store again since. If it still holds, polls find by now that our access is refused.
REVOCATION_BELIEVED = timedelta(minutes=10)


def greet(delivery: Delivery, *, verification_token: str) -> Greeting | None:
    """Answer the challenge by which eBay proves that our address is ours; None for anything else.

    The order of the parts, and the address exactly as it was registered, are eBay's.
    """
    code = delivery.query.get("challenge_code")
    if not code or delivery.body or not verification_token:
        return None
    digest = hashlib.sha256((code + verification_token + delivery.address).encode()).hexdigest()
    return Greeting(body=orjson.dumps({"challengeResponse": digest}), content_type="application/json")


def read_app_webhook(delivery: Delivery) -> AppFact:
    """Say what a notification is about. Raises UnreadablePayload."""
    notice = _notice(delivery)
    data = notice.notification.data
    match notice.metadata.topic:
        case "MARKETPLACE_ACCOUNT_DELETION":
            # Orders name their buyer by one or the other, depending on where the developer and the buyer are.
            ids = tuple(dict.fromkeys(name for name in (data.username, data.user_id) if name))
            if not ids:
                raise UnreadablePayload("notification.data.username", "nobody is named")
            return BuyerForgotten(request_id=notice.notification.id, buyer_ids=ids)
        case "AUTHORIZATION_REVOCATION":
            return _about(data.user_id)
        case "ORDER_CONFIRMATION":
            return _about(data.user.user_id if data.user else None)
    return NotOurs("another topic than ours")


def read_webhook(store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
    """Say what a notification tells this store. Raises UnreadablePayload."""
    notice = _notice(delivery)
    if read_app_webhook(delivery) != AboutStore(store.external_id):
        return NotOurs("another seller's")
    data = notice.notification.data
    if notice.metadata.topic == REVOCATION:
        if _is_old(data.revoked_at or notice.notification.happened_at, now=now):
            return NotOurs("a revocation of long ago")
        return StoreClosed(_REVOKED.get(data.reason or "", _REVOKED_SOMEHOW))
    order_id = data.order.order_id if data.order else None
    if order_id is None or not ORDER_ID.fullmatch(order_id):
        body = delivery.body.decode(errors="replace")
        return OrderTold(Unreadable(None, "notification.data.order.orderId", "not the id of an order", body))
    # It comes once for each line, and again when a failed payment is made good: it only says "read it again".
    return OrderHinted(order_id)


def _notice(delivery: Delivery) -> EbayNotice:
    return parsed(EbayNotice, json_object(delivery.body))


def _is_old(told: str | None, *, now: datetime) -> bool:
    """Tell whether a revocation is too old to be believed; one that does not say when it was is believed."""
    try:
        at = datetime.fromisoformat(told or "")
    except ValueError:
        return False
    return at.tzinfo is not None and now - at > REVOCATION_BELIEVED


def _about(user_id: str | None) -> AppFact:
    # Messages without the seller have been seen. Whose order it is then is for the next poll to find.
    return AboutStore(user_id) if user_id else NotOurs("no seller is named")
